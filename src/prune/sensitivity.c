/* Criteria that ask by derivatives what a weight does: to the loss on calibration data, taylor (Molchanov 2019), snip
 * (Lee 2019) and grasp (Wang 2020); to the flow through the network, synflow (Tanaka 2020). Scores are in double.
 *
 * L is the mean cross-entropy of a batch, with the statistics of batch norm frozen; derivatives are by the weights of
 * the file.
 *
 *   taylor   (w dL/dw)^2, summed over all batches.
 *   snip     |w dL/dw| on the first batch.
 *   grasp    w (H g) on the first batch, g = dL/dw by the prunable weights, H the Hessian. The paper's score is
 *            -w (H g), and it removes the HIGHEST of those: the same set, the same ties apart.
 *   synflow  w dR/dw of the network in absolute value (facet_derivative_flow), to 32 binary digits, in rounds: after
 *            round r of n, round((1 - (1 - sparsity)^(r / n)) size) are gone, and what is gone stays so. */
#include "methods.h"
#include "net/derivative.h"
#include "score.h"

#include <math.h>

facet_scorer facet_score_taylor, facet_score_snip, facet_score_grasp;
facet_masker facet_mask_synflow;

/* Vectors of all prunable weights. */
typedef struct {
  facet_derivative *derivative;
  int64_t size;
  double *weight, *gradient, *more; /* more: H g, or scores */
} workspace;

static facet_status begin(const facet_network *network, facet_derivative_options options, workspace *w)
{
  FACET_TRY(facet_derivative_create(network, options, &w->derivative));
  w->size = facet_derivative_weights(w->derivative);
  FACET_NEW(w->weight, w->size);
  FACET_NEW(w->gradient, w->size);
  FACET_NEW(w->more, w->size);
  facet_derivative_start(w->derivative, w->weight);
  return FACET_OK;
}

static facet_status pause(const facet_pruning *how)
{
  return how->pause ? how->pause(how->context) : FACET_OK;
}

static void end(workspace *w)
{
  facet_derivative_destroy(&w->derivative);
  facet_free(&w->weight);
  facet_free(&w->gradient);
  facet_free(&w->more);
}

/* ---- of the loss ---- */

typedef enum { TAYLOR, SNIP, GRASP } criterion;

/* Adds the scores that one batch gives. */
static facet_status add_batch(workspace *w, const facet_pruning *how, criterion by, const facet_calibration *batch,
                              double *score)
{
  facet_labelled samples = {batch->x, batch->label, batch->count};
  facet_loss_derivatives found = {0, w->gradient, w->more};
  FACET_TRY(pause(how));
  FACET_TRY(facet_derivative_loss(w->derivative, w->weight, NULL, samples, &found));
  FACET_CHECK(isfinite(found.loss), FACET_BAD_INPUT, "pruning by %s: the loss on the calibration data is not finite",
              how->method->name);
  if (by == GRASP) {
    for (int64_t i = 0; i < w->size; i++)
      score[i] = w->gradient[i];
    FACET_TRY(pause(how));
    FACET_TRY(facet_derivative_loss(w->derivative, w->weight, score, samples, &found));
    for (int64_t i = 0; i < w->size; i++)
      score[i] = w->weight[i] * w->more[i];
    return FACET_OK;
  }
  for (int64_t i = 0; i < w->size; i++) {
    double effect = w->weight[i] * w->gradient[i];
    score[i] += by == TAYLOR ? effect * effect : fabs(effect);
  }
  return FACET_OK;
}

static facet_status score_by(criterion by, const facet_network *network, const facet_pruning *how,
                             const facet_calibration *data, double *score)
{
  workspace w = {0};
  int64_t features = facet_shape_size(facet_network_input_shape(network));
  int64_t batch = data->batch < data->count ? data->batch : data->count;
  int64_t count = by == TAYLOR ? data->count : batch;
  facet_status status = begin(network, (facet_derivative_options){.batch = batch, .tangents = by == GRASP}, &w);
  for (int64_t first = 0; status == FACET_OK && first < count; first += batch) {
    facet_calibration one = {data->x + first * features, data->label + first, count - first, batch};
    one.count = one.count < batch ? one.count : batch;
    status = add_batch(&w, how, by, &one, score);
  }
  for (int64_t i = 0; status == FACET_OK && i < w.size; i++)
    if (!isfinite(score[i]))
      status = facet_raise(FACET_BAD_INPUT, "pruning by %s: scores are not finite", how->method->name);
  end(&w);
  return status;
}

facet_status facet_score_taylor(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                                const facet_mask *mask, double *score)
{
  (void)mask;
  return score_by(TAYLOR, network, how, data, score);
}

facet_status facet_score_snip(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                              const facet_mask *mask, double *score)
{
  (void)mask;
  return score_by(SNIP, network, how, data, score);
}

facet_status facet_score_grasp(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                               const facet_mask *mask, double *score)
{
  (void)mask;
  return score_by(GRASP, network, how, data, score);
}

/* ---- of the flow ----
 * No data, many rounds.  A weight's score is what of R, the flow through the network in absolute value, goes through
 * it.  Removing a little at a time on an exponential schedule keeps layers alive. */

enum { ROUNDS = 100, DIGITS = 32 };

/* Weights that are gone are 0 from now on. */
static void remove_weights(const facet_mask *mask, double *weight)
{
  for (int l = 0; l < mask->layers; weight += mask->layer[l++].size)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      weight[i] = mask->layer[l].keep[i] ? weight[i] : 0;
}

/* What is gone stays so: below every score. */
static void keep_removed(const facet_mask *mask, double *score)
{
  for (int l = 0; l < mask->layers; score += mask->layer[l++].size)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      if (!mask->layer[l].keep[i])
        score[i] = -1;
}

/* Weights in a chain that has no branches left carry the same flow: there the scores are equal but for rounding, which
 * must not decide. To 32 binary digits they are equal, and go in order of position. */
static double rounded(double score)
{
  int exponent;
  double digits = frexp(score, &exponent);
  return ldexp(rint(ldexp(digits, DIGITS)), exponent - DIGITS);
}

static facet_status next_round(workspace *w, const facet_pruning *how, double sparsity, facet_mask *mask)
{
  double flow;
  FACET_TRY(pause(how));
  FACET_TRY(facet_derivative_flow(w->derivative, w->weight, &flow, w->gradient));
  FACET_CHECK(isfinite(flow), FACET_BAD_INPUT, "pruning by synflow: the flow through the network is not finite");
  for (int64_t i = 0; i < w->size; i++)
    w->more[i] = rounded(w->weight[i] * w->gradient[i]);
  keep_removed(mask, w->more);
  FACET_TRY(facet_mask_select(mask, how, sparsity, w->more));
  remove_weights(mask, w->weight);
  return FACET_OK;
}

facet_status facet_mask_synflow(const facet_network *network, const facet_pruning *how, facet_mask *mask)
{
  workspace w = {0};
  int rounds = how->rounds > 0 ? how->rounds : ROUNDS;
  facet_status status = begin(network, (facet_derivative_options){.batch = 1, .absolute = true}, &w);
  for (int64_t i = 0; status == FACET_OK && i < w.size; i++)
    w.weight[i] = fabs(w.weight[i]);
  for (int r = 1; r <= rounds && status == FACET_OK; r++) {
    double sparsity = r == rounds ? how->sparsity : 1 - pow(1 - how->sparsity, (double)r / rounds);
    status = next_round(&w, how, sparsity, mask);
  }
  end(&w);
  return status;
}
