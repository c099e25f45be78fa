/* Times the plain forward pass of an ONNX network on made-up samples: median over batches, one thread.
 *
 *   bench_forward MODEL.onnx BATCH SECONDS
 *
 * prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>

#include "facet.h"

enum { MOST = 100000 };

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static facet_status bench(const char *path, int64_t batch, double seconds)
{
  facet_network *network;
  facet_executor *executor;
  FACET_TRY(facet_onnx_read(path, &network));
  int64_t d = facet_shape_size(facet_network_input_shape(network)), k = facet_network_outputs(network), done = 0;
  FACET_TRY(facet_executor_create(network, (facet_executor_options){.real = FACET_F32, .batch = batch, .rows = 0},
                                  &executor));
  float *x;
  double *logits, *time;
  FACET_NEW(x, batch * d);
  FACET_NEW(logits, batch * k);
  FACET_NEW(time, MOST);
  for (int64_t i = 0; i < batch * d; i++)
    x[i] = (float)(2 * facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) - 1);
  FACET_TRY(facet_executor_forward(executor, x, batch)); /* warms up */
  double start = facet_seconds(), before = start;
  while (done < 5 || (done < MOST && before - start < seconds)) {
    FACET_TRY(facet_executor_forward(executor, x, batch));
    FACET_TRY(facet_executor_output(executor, logits));
    double now = facet_seconds();
    time[done++] = now - before;
    before = now;
  }
  qsort(time, (size_t)done, sizeof *time, ascending);
  printf("{\"seconds_per_sample\": %.6e, \"batch\": %lld, \"bytes\": %zu}\n", time[done / 2] / (double)batch,
         (long long)batch, facet_executor_bytes(executor));
  facet_free(&x);
  facet_free(&logits);
  facet_free(&time);
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
