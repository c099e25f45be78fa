/* Times training of a network like the demo's on made-up Fashion-MNIST-like samples, under mpirun: the median step,
 * with all that a step takes (shuffling apart).
 *
 *   mpirun -n RANKS bench_train SAMPLES BATCH MICRO_BATCH DENSE CONV CONV CONV [PERCENT [layer|global]]
 *
 * PERCENT: of the weights that a mask holds at 0, the smallest of each layer, or of all layers together.
 * rank 0 prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ascending.h"
#include "ranks/agree.h"
#include "train/method_run.h"

enum { SIDE = 28, CLASSES = 10, MOST_STEPS = 100000, ARGUMENTS = 8 };

static facet_status make_data(facet_dataset *data)
{
  uint8_t *pixel;
  FACET_NEW(pixel, data->count * SIDE * SIDE);
  FACET_NEW(data->label, data->count);
  data->pixels = pixel;
  for (int64_t i = 0; i < data->count * SIDE * SIDE; i++)
    pixel[i] = (uint8_t)(i * 2654435761U >> 24);
  for (int64_t i = 0; i < data->count; i++)
    data->label[i] = (int32_t)(i % CLASSES);
  return FACET_OK;
}

static facet_status prune(facet_network *network, int64_t percent, facet_scope scope, facet_mask **mask)
{
  facet_pruning how = {.method = facet_method_find("magnitude"), .scope = scope, .sparsity = (double)percent / 100};
  if (percent == 0)
    return FACET_OK;
  FACET_TRY(facet_mask_create(network, &how, NULL, mask));
  facet_mask_apply(*mask, network);
  return FACET_OK;
}

/* argument: the numbers above. */
static facet_status bench(const int64_t *argument, facet_scope scope)
{
  static double time[MOST_STEPS];
  int64_t samples = argument[0], batch = argument[1], micro = argument[2];
  const int64_t *dense = argument + 3, *conv = argument + 4;
  facet_network *network;
  facet_sgd *sgd;
  facet_mask *mask = NULL;
  facet_dataset data = {.count = samples, .image = {1, SIDE, SIDE}};
  facet_normalization normalize = {.scale = 255, .channels = 1, .mean = {0.286}, .std = {0.353}};
  facet_input_layout layout = {.order = FACET_CHANNELS_FIRST, .axes = 3, .size = {1, SIDE, SIDE}};
  facet_training how = {.epochs = 1, .batch = batch, .micro_batch = micro, .rate = 0.05, .momentum = 0.9};
  facet_training_job job = {&data, &normalize, &layout, &how, 1, "bench"};
  how.decay = 5e-4;
  FACET_TRY(make_data(&data));
  FACET_TRY(
      facet_network_plain(&(facet_plain){(facet_shape){3, {1, SIDE, SIDE}}, 3, conv, 1, dense, CLASSES, 1}, &network));
  FACET_TRY(prune(network, argument[7], scope, &mask));
  FACET_TRY(facet_sgd_create(network, NULL, &job, facet_rank(MPI_COMM_WORLD), facet_ranks(MPI_COMM_WORLD), &sgd));
  bool asked;
  int64_t steps = sgd->epoch < MOST_STEPS ? sgd->epoch : MOST_STEPS;
  for (int64_t step = 0; step < steps; step++) {
    double before = facet_seconds();
    FACET_TRY(facet_train_step(MPI_COMM_WORLD, sgd, FACET_OK, step, 0.05, mask, &asked));
    time[step] = facet_seconds() - before;
  }
  qsort(time, (size_t)steps, sizeof *time, ascending);
  if (facet_rank(MPI_COMM_WORLD) == 0)
    printf("{\"seconds_per_sample\": %.9g, \"best\": %.9g, \"ranks\": %d}\n", time[steps / 2] / (double)batch,
           time[steps / 20] / (double)batch, facet_ranks(MPI_COMM_WORLD));
  facet_sgd_destroy(&sgd);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
  facet_free(&data.pixels);
  facet_free(&data.label);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  int64_t argument[ARGUMENTS] = {0};
  const char *scope = argc == ARGUMENTS + 2 ? argv[ARGUMENTS + 1] : "layer";
  bool global = strcmp(scope, "global") == 0;
  if (argc < ARGUMENTS || argc > ARGUMENTS + 2 || (!global && strcmp(scope, "layer") != 0)) {
    fprintf(stderr, "usage: bench_train SAMPLES BATCH MICRO_BATCH DENSE CONV CONV CONV [PERCENT [layer|global]]\n");
    return FACET_USAGE;
  }
  for (int i = 0; i < ARGUMENTS && i + 1 < argc; i++)
    argument[i] = atoll(argv[i + 1]);
  MPI_Init(&argc, &argv);
  facet_status status = bench(argument, global ? FACET_SCOPE_GLOBAL : FACET_SCOPE_LAYER);
  if (status != FACET_OK)
    fprintf(stderr, "bench_train: %s\n", facet_message());
  MPI_Finalize();
  return (int)status;
}
