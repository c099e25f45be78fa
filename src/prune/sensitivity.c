/* Criteria that ask what a weight does to the loss on calibration data: taylor (Molchanov 2019), snip (Lee 2019) and
 * grasp (Wang 2020). */
#include "net/derivative.h"
#include "prune/score.h"

#include <math.h>

typedef struct {
  facet_derivative *derivative;
  double *weight, *gradient, *hessian; /* flat; hessian: H g, grasp alone */
} workspace;

static facet_status begin(const facet_network *network, facet_criterion criterion, int64_t batch, workspace *w)
{
  bool grasp = criterion == FACET_PRUNE_GRASP;
  FACET_TRY(
      facet_derivative_create(network, (facet_derivative_options){.batch = batch, .tangents = grasp}, &w->derivative));
  int64_t size = facet_derivative_weights(w->derivative);
  FACET_NEW(w->weight, size);
  FACET_NEW(w->gradient, size);
  if (grasp)
    FACET_NEW(w->hessian, size);
  facet_derivative_start(w->derivative, w->weight);
  return FACET_OK;
}

static void end(workspace *w)
{
  facet_derivative_destroy(&w->derivative);
  facet_free(&w->weight);
  facet_free(&w->gradient);
  facet_free(&w->hessian);
}

/* Adds the scores that one batch gives. */
static facet_status add_batch(workspace *w, facet_criterion criterion, const float *x, const int32_t *label,
                              int64_t count, int64_t size, double *score)
{
  double loss;
  FACET_TRY(facet_derivative_loss(w->derivative, w->weight, NULL, x, label, count, &loss, w->gradient, NULL));
  FACET_CHECK(isfinite(loss), FACET_BAD_INPUT, "pruning by %s: the loss on the calibration data is not finite",
              facet_criterion_name(criterion));
  if (criterion == FACET_PRUNE_GRASP) {
    double *g = w->hessian; /* of the same batch; then H g takes its place */
    for (int64_t i = 0; i < size; i++)
      score[i] = w->gradient[i];
    FACET_TRY(facet_derivative_loss(w->derivative, w->weight, score, x, label, count, &loss, w->gradient, g));
    for (int64_t i = 0; i < size; i++)
      score[i] = w->weight[i] * g[i];
    return FACET_OK;
  }
  for (int64_t i = 0; i < size; i++) {
    double effect = w->weight[i] * w->gradient[i];
    score[i] += criterion == FACET_PRUNE_TAYLOR ? effect * effect : fabs(effect);
  }
  return FACET_OK;
}

facet_status facet_score_loss(const facet_network *network, facet_criterion criterion, const facet_calibration *data,
                              int64_t size, double *score)
{
  workspace w = {0};
  int64_t features = facet_shape_size(facet_network_input_shape(network));
  int64_t batch = data->batch < data->count ? data->batch : data->count;
  int64_t count = criterion == FACET_PRUNE_TAYLOR ? data->count : batch;
  facet_status status = begin(network, criterion, batch, &w);
  for (int64_t first = 0; status == FACET_OK && first < count; first += batch) {
    int64_t now = count - first < batch ? count - first : batch;
    status = add_batch(&w, criterion, data->x + first * features, data->label + first, now, size, score);
  }
  for (int64_t i = 0; status == FACET_OK && i < size; i++)
    if (!isfinite(score[i]))
      status = facet_raise(FACET_BAD_INPUT, "pruning by %s: scores are not finite", facet_criterion_name(criterion));
  end(&w);
  return status;
}
