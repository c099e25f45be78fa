/* Costs of a variant: see cost.h. */
#include "cost.h"

#include <math.h>

#include "train/sgd.h"

/* Epochs of the network that a variant begins with: dense as trained, unless its method wants the first weights. */
static double epochs_before(const facet_making *making, const facet_variant *variant)
{
  bool first = variant->method && variant->method->from_first;
  bool from_dense = variant->recipe >= 0 && !facet_making_external(making, variant) && !first;
  return from_dense && making->model->train ? making->model->training.epochs : 0;
}

facet_status facet_variant_cost_count(const facet_making *making, const facet_variant *variant,
                                      const facet_network *network, facet_store_cost *cost)
{
  const facet_training *how = facet_making_training(making, variant);
  const facet_dataset *data = making->data->train;
  facet_cost *count;
  FACET_TRY(facet_network_cost(network, &count));
  *cost = (facet_store_cost){.epochs = how ? how->epochs : 0,
                             .epochs_before = epochs_before(making, variant),
                             .samples = how && data ? facet_training_samples(how, data->count) : 0,
                             .parameters = facet_network_parameters(network),
                             .flops = 2 * count->all.products,
                             .flops_sparse = 2 * count->all.products_sparse,
                             .bytes = count->all.bytes,
                             .bytes_sparse = count->all.bytes_sparse,
                             .train_seconds = how ? NAN : 0,
                             .forward_seconds = NAN};
  facet_cost_destroy(&count);
  return FACET_OK;
}

/* ---- time ---- */

enum { MOST_SAMPLES = 8, TURNS = 3 };
static const double long_enough = 0.05; /* seconds of all turns */

static void *make_noise(int64_t count, facet_type precision)
{
  void *x = facet_allocate((size_t)count, facet_type_size(precision));
  for (int64_t i = 0; x && i < count; i++) {
    double v = 2 * facet_random_uniform((facet_random){0, FACET_STREAM_INITIAL}, 0, (uint64_t)i) - 1;
    if (precision == FACET_F64)
      ((double *)x)[i] = v;
    else
      ((float *)x)[i] = (float)v;
  }
  return x;
}

facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds)
{
  int64_t most = precision == FACET_F64 ? 1 : MOST_SAMPLES, count = batch < most ? batch : most; /* double is slow */
  facet_executor *executor = NULL;
  facet_status status = FACET_OK;
  void *x = make_noise(count * facet_shape_size(facet_network_input_shape(network)), precision);
  if (!x)
    return FACET_OS;
  FACET_GO(done, status,
           facet_executor_create(network, (facet_executor_options){.real = precision, .batch = count}, &executor));
  FACET_GO(done, status, facet_executor_forward(executor, x, count)); /* warms up */
  double begun = facet_seconds(), best = INFINITY;
  for (int turn = 0; turn < TURNS || facet_seconds() - begun < long_enough; turn++) {
    double before = facet_seconds();
    FACET_GO(done, status, facet_executor_forward(executor, x, count));
    best = fmin(best, facet_seconds() - before);
    if (turn == 0 && best > 1)
      break;
  }
  *seconds = best / (double)count;
done:
  facet_executor_destroy(&executor);
  facet_free(&x);
  return status;
}
