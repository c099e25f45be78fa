/* Times full linearization (all rows) of an ONNX network on made-up samples: median over batches, one process;
 * with ties settled in double, as facet run does, or plain float as other software does it.
 *
 *   bench_linear MODEL.onnx SAMPLES [settle|plain [ADJOINTS]]
 *
 * prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facet.h"

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static facet_status bench(const char *path, int64_t samples, bool settle, int64_t adjoints)
{
  facet_network *network;
  facet_executor *executor;
  FACET_TRY(facet_onnx_read(path, &network));
  int64_t d = facet_shape_size(facet_network_input_shape(network)), k = facet_network_outputs(network);
  int64_t rows = k < adjoints ? k : adjoints, batch = adjoints / rows;
  facet_executor_options options = {.real = FACET_F32, .batch = batch, .rows = rows};
  FACET_TRY(facet_executor_create(network, options, &executor));
  int nodes = facet_executor_constant_nodes(executor);
  float *x, *w;
  double *exact, *b, *b_node, *residual;
  int32_t *row, *ties;
  int64_t pool = 16 * batch; /* different samples: some have ties to settle, some have none */
  FACET_NEW(x, pool * d);
  FACET_NEW(exact, pool * d);
  FACET_NEW(w, batch * k * d);
  FACET_NEW(b, batch * k);
  FACET_NEW(b_node, batch * k * nodes);
  FACET_NEW(residual, batch);
  FACET_NEW(row, batch * k);
  FACET_NEW(ties, batch);
  for (int64_t i = 0; i < pool * d; i++)
    exact[i] = x[i] = (float)(2 * facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) - 1);
  for (int64_t i = 0; i < batch * k; i++)
    row[i] = (int32_t)(i % k);
  facet_linearization result = {w, b, b_node, residual, ties};
  double worst = 0, *time;
  int64_t batches = (samples + batch - 1) / batch;
  FACET_NEW(time, batches + 1);
  for (int64_t i = 0; i <= batches; i++) { /* the first one warms up */
    int64_t at = i % 16 * batch * d;
    double before = facet_seconds();
    FACET_TRY(facet_executor_forward(executor, x + at, batch));
    if (settle)
      FACET_TRY(facet_executor_settle(executor, exact + at));
    FACET_TRY(facet_linearize(executor, x + at, batch, k, row, &result));
    time[i] = facet_seconds() - before;
    for (int64_t s = 0; s < batch; s++)
      worst = residual[s] > worst ? residual[s] : worst;
  }
  qsort(time + 1, (size_t)batches, sizeof *time, ascending);
  printf("{\"seconds_per_sample\": %.6e, \"residual\": %.3g, \"batch\": %lld, \"rows\": %lld, \"bytes\": %zu}\n",
         time[1 + batches / 2] / (double)batch, worst, (long long)batch, (long long)rows,
         facet_executor_bytes(executor));
  void *owned[] = {&time, &x, &exact, &w, &b, &b_node, &residual, &row, &ties};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  facet_executor_destroy(&executor);
  facet_network_destroy(&network);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  if (argc < 3) {
    fprintf(stderr, "usage: bench_linear MODEL.onnx SAMPLES [settle|plain [ADJOINTS]]\n");
    return FACET_USAGE;
  }
  facet_status status =
      bench(argv[1], atoll(argv[2]), argc < 4 || strcmp(argv[3], "settle") == 0, argc > 4 ? atoll(argv[4]) : 40);
  if (status != FACET_OK)
    fprintf(stderr, "bench_linear: %s\n", facet_message());
  return (int)status;
}
