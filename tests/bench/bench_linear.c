/* Times full linearization (all rows) of an ONNX network on made-up samples, some with ties and some without: median
 * over rounds of the same 64 samples, one process; with ties settled in double, as facet run does, or plain float as
 * other software does it.
 *
 *   bench_linear MODEL.onnx SAMPLES [settle|plain [ADJOINTS [BATCH]]]
 *
 * ADJOINTS: samples times rows that are pulled back at once, as in mpi/stages/work.c; BATCH: samples that are there to
 * be done at once, where they are fewer.
 *
 * prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ascending.h"
#include "rooms.h"

enum { POOL = 64 };

static facet_status bench(const char *path, int64_t samples, bool settle, int64_t adjoints, int64_t most)
{
  facet_network *network;
  facet_executor *executor;
  FACET_TRY(facet_onnx_read(path, &network));
  int64_t d = facet_shape_size(facet_network_input_shape(network)), k = facet_network_outputs(network);
  int64_t rows = k < adjoints ? k : adjoints;
  int64_t batch = adjoints / rows < most ? adjoints / rows : most;
  facet_executor_options options = {.real = FACET_F32, .batch = batch, .rows = rows};
  FACET_TRY(facet_executor_create(network, options, &executor));
  int nodes = facet_executor_constant_nodes(executor);
  float *x, *w;
  double *exact, *b, *b_node, *residual;
  int32_t *row, *ties;
  int64_t pool = (POOL + batch - 1) / batch * batch;
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
  int64_t rounds = (samples + pool - 1) / pool, batches = pool / batch;
  FACET_NEW(time, rounds + 1);
  for (int64_t i = -1; i < rounds * batches; i++) { /* the first one warms up */
    int64_t at = (i + batches) % batches * batch * d;
    double before = facet_seconds();
    FACET_TRY(facet_executor_forward(executor, x + at, batch));
    if (settle)
      FACET_TRY(facet_executor_settle(executor, exact + at));
    FACET_TRY(facet_linearize(executor, x + at, batch, k, row, &result));
    time[i < 0 ? rounds : i / batches] += facet_seconds() - before;
    for (int64_t s = 0; s < batch; s++)
      worst = residual[s] > worst ? residual[s] : worst;
  }
  qsort(time, (size_t)rounds, sizeof *time, ascending);
  printf("{\"seconds_per_sample\": %.6e, \"residual\": %.3g, \"batch\": %lld, \"rows\": %lld, \"bytes\": %zu}\n",
         time[0] / (double)pool, worst, (long long)batch, (long long)rows, facet_executor_bytes(executor));
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
    fprintf(stderr, "usage: bench_linear MODEL.onnx SAMPLES [settle|plain [ADJOINTS [BATCH]]]\n");
    return FACET_USAGE;
  }
  facet_status status = bench(argv[1], atoll(argv[2]), argc < 4 || strcmp(argv[3], "settle") == 0,
                              argc > 4 ? atoll(argv[4]) : 40, argc > 5 ? atoll(argv[5]) : INT64_MAX);
  if (status != FACET_OK)
    fprintf(stderr, "bench_linear: %s\n", facet_message());
  return (int)status;
}
