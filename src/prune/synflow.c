/* Synaptic flow (Tanaka 2020): no data, many rounds.  A weight's score is what of R, the flow through the network in
 * absolute value, goes through it.  Removing a little at a time on an exponential schedule keeps layers alive. */
#include "net/derivative.h"
#include "prune/score.h"

#include <math.h>

enum { ROUNDS = 100, DIGITS = 32 };

typedef struct {
  facet_derivative *derivative;
  double *weight, *gradient, *score;
} workspace;

static facet_status begin(const facet_network *network, workspace *w)
{
  FACET_TRY(facet_derivative_create(network, (facet_derivative_options){.batch = 1, .absolute = true}, &w->derivative));
  int64_t size = facet_derivative_weights(w->derivative);
  FACET_NEW(w->weight, size);
  FACET_NEW(w->gradient, size);
  FACET_NEW(w->score, size);
  facet_derivative_start(w->derivative, w->weight);
  for (int64_t i = 0; i < size; i++)
    w->weight[i] = fabs(w->weight[i]);
  return FACET_OK;
}

static void end(workspace *w)
{
  facet_derivative_destroy(&w->derivative);
  facet_free(&w->weight);
  facet_free(&w->gradient);
  facet_free(&w->score);
}

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
  FACET_TRY(facet_derivative_flow(w->derivative, w->weight, &flow, w->gradient));
  FACET_CHECK(isfinite(flow), FACET_BAD_INPUT, "pruning by synflow: the flow through the network is not finite");
  for (int64_t i = 0; i < facet_mask_size(mask); i++)
    w->score[i] = rounded(w->weight[i] * w->gradient[i]);
  keep_removed(mask, w->score);
  FACET_TRY(facet_mask_select(mask, how, sparsity, w->score));
  remove_weights(mask, w->weight);
  return FACET_OK;
}

facet_status facet_mask_synflow(const facet_network *network, const facet_pruning *how, facet_mask *mask)
{
  workspace w = {0};
  int rounds = how->rounds > 0 ? how->rounds : ROUNDS;
  facet_status status = begin(network, &w);
  for (int r = 1; r <= rounds && status == FACET_OK; r++) {
    double sparsity = r == rounds ? how->sparsity : 1 - pow(1 - how->sparsity, (double)r / rounds);
    status = next_round(&w, how, sparsity, mask);
  }
  end(&w);
  return status;
}
