/* Times the plain forward pass of an ONNX network on made-up samples: the best of several, one thread.
 *
 *   bench_forward MODEL.onnx BATCH SECONDS
 *
 * prints one JSON line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rooms.h"

static facet_status bench(const char *path, int64_t batch, double seconds)
{
  facet_network *network;
  facet_executor *executor;
  FACET_TRY(facet_onnx_read(path, &network));
  int64_t d = facet_shape_size(facet_network_input_shape(network)), k = facet_network_outputs(network), done = 0;
  FACET_TRY(facet_executor_create(network, (facet_executor_options){.real = FACET_F32, .batch = batch, .rows = 0},
                                  &executor));
  float *x;
  double *logits;
  FACET_NEW(x, batch * d);
  FACET_NEW(logits, batch * k);
  for (int64_t i = 0; i < batch * d; i++)
    x[i] = (float)(2 * facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) - 1);
  FACET_TRY(facet_executor_forward(executor, x, batch)); /* warms up */
  double start = facet_seconds(), before = start, best = INFINITY;
  for (; done < 5 || before - start < seconds; done++) {
    FACET_TRY(facet_executor_forward(executor, x, batch));
    FACET_TRY(facet_executor_output(executor, logits));
    double now = facet_seconds();
    best = fmin(best, now - before);
    before = now;
  }
  printf("{\"seconds_per_sample\": %.6e, \"batch\": %lld, \"bytes\": %zu}\n", best / (double)batch, (long long)batch,
         facet_executor_bytes(executor));
  facet_free(&x);
  facet_free(&logits);
  facet_executor_destroy(&executor);
  facet_network_destroy(&network);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  if (argc != 4) {
    fprintf(stderr, "usage: bench_forward MODEL.onnx BATCH SECONDS\n");
    return FACET_USAGE;
  }
  facet_status status = bench(argv[1], atoll(argv[2]), atof(argv[3]));
  if (status != FACET_OK)
    fprintf(stderr, "bench_forward: %s\n", facet_message());
  return (int)status;
}
