/* How long a forward pass takes on this machine. */
#include <math.h>

#include "net.h"

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
