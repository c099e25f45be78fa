/* How long a forward pass takes on this machine. */
#include <math.h>

#include "net.h"

enum { FEW_SAMPLES = 8, TURNS = 3 };
static const double long_enough = 0.05, quick = 0.5; /* seconds of all turns; of a batch */

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

/* Of so many samples at once. */
static facet_status measure(const facet_network *network, facet_type precision, int64_t count, double *seconds)
{
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

facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds)
{
  int64_t few = precision == FACET_F64 ? 1 : FEW_SAMPLES; /* double is slow */
  FACET_TRY(measure(network, precision, batch < few ? batch : few, seconds));
  return batch > few && precision != FACET_F64 && *seconds * (double)batch < quick
             ? measure(network, precision, batch, seconds)
             : FACET_OK;
}
