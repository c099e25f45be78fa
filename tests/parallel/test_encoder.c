/* The noise on what an encoder sees: normal, with the deviation that was asked for, another at every visit, and the
 * same on any number of ranks. */
#include <math.h>
#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "embed/encoder.h"
#include "ranks/agree.h"
#include "stages/embed_time.h"

enum { SAMPLES = 101, INPUTS = 37, NUMBERS = SAMPLES * INPUTS };

/* x + noise of all samples, on every rank; x is 0, 1, 2 ... row by row. */
static void blurred(MPI_Comm comm, facet_type real, double deviation, int64_t visit, double *out)
{
  const facet_encoder_shape shape = {real, 1, {INPUTS, 3}};
  facet_grid *grid;
  facet_encoder *e;
  facet_blockmatrix *x, *y;
  int64_t *sample;
  assert_int_equal(facet_grid_create(comm, facet_ranks(comm), 1, &grid), FACET_OK);
  assert_int_equal(facet_encoder_create(grid, &shape, 1, &e), FACET_OK);
  assert_int_equal(facet_encoder_input(e, SAMPLES, &x), FACET_OK);
  assert_int_equal(facet_encoder_input(e, SAMPLES, &y), FACET_OK);
  assert_non_null(sample = facet_allocate((size_t)x->local_rows, sizeof *sample));
  for (int64_t i = 0; i < x->local_rows; i++) {
    sample[i] = 7 * facet_blockmatrix_row(x, i);
    for (int64_t j = 0; j < INPUTS; j++) {
      double number = (double)(facet_blockmatrix_row(x, i) * INPUTS + j);
      if (real == FACET_F32)
        ((float *)x->local)[i + j * x->local_rows] = (float)number;
      else
        ((double *)x->local)[i + j * x->local_rows] = number;
    }
  }
  facet_encoder_noise noise = {
      .random = {5, FACET_STREAM_EMBED_NOISE}, .deviation = deviation, .visit = visit, .sample = sample};
  facet_encoder_blur(x, &noise, y);
  assert_int_equal(facet_blockmatrix_gather(y, 0, INPUTS, out), FACET_OK);
  facet_free(&sample);
  facet_blockmatrix_destroy(&x);
  facet_blockmatrix_destroy(&y);
  facet_encoder_destroy(&e);
  facet_grid_destroy(&grid);
}

static void is_normal(void **state)
{
  static double y[NUMBERS];
  double mean = 0, square = 0, fourth = 0, neighbours = 0;
  (void)state;
  blurred(MPI_COMM_WORLD, FACET_F64, 0.5, 3, y);
  for (int i = 0; i < NUMBERS; i++) {
    y[i] = (y[i] - i) / 0.5;
    mean += y[i] / NUMBERS;
    square += y[i] * y[i] / NUMBERS;
    fourth += y[i] * y[i] * y[i] * y[i] / NUMBERS;
    neighbours += i ? y[i] * y[i - 1] / NUMBERS : 0;
  }
  /* four deviations of each of these means over 3,737 numbers */
  assert_true(fabs(mean) < 4 / sqrt(NUMBERS));
  assert_true(fabs(square - 1) < 4 * sqrt(2.0 / NUMBERS));
  assert_true(fabs(fourth - 3) < 4 * sqrt(96.0 / NUMBERS));
  assert_true(fabs(neighbours) < 4 / sqrt(NUMBERS));
}

static void is_the_same_on_all_ranks(void **state)
{
  static double all[NUMBERS], alone[NUMBERS], later[NUMBERS];
  static double single[NUMBERS];
  (void)state;
  blurred(MPI_COMM_WORLD, FACET_F64, 0.5, 3, all);
  blurred(MPI_COMM_SELF, FACET_F64, 0.5, 3, alone);
  assert_memory_equal(all, alone, sizeof all);
  blurred(MPI_COMM_WORLD, FACET_F32, 0.5, 3, single);
  blurred(MPI_COMM_WORLD, FACET_F64, 0.5, 4, later);
  for (int i = 0; i < NUMBERS; i++) {
    assert_true(fabs(all[i] - single[i]) <= 1e-6 * (1 + i));
    assert_true(all[i] != later[i]);
  }
}

static void none_leaves_samples_alone(void **state)
{
  static double y[NUMBERS];
  (void)state;
  blurred(MPI_COMM_WORLD, FACET_F64, 0, 1, y);
  for (int i = 0; i < NUMBERS; i++)
    assert_true(y[i] == i);
}

/* What a forecast counts, by times that are 1 for one thing and 0 for the others. */
static void forecast_counts_the_work(void **state)
{
  (void)state;
  const facet_settings settings = {.memory = (int64_t)1 << 32};
  for (int epochs = 1; epochs <= 1000; epochs *= 1000) {
    const facet_stage_keys keys = {.embed = {.batch = 500, .epochs = epochs, .dimensions = 2}};
    const facet_plan plan = {.store = {.settings = &settings, .embed_train = 2000, .embed_inputs = 20}, .keys = &keys};
    const struct {
      facet_embed_times one;
      double feature, count;
    } all[] = {{{.probabilities = 1}, 0, 4 * 500 * 500}, {{.forces = 1}, 0, 4.0 * 500 * 500 * epochs},
               {{.forward = 1}, 0, 2000.0 * epochs},     {{.backward = 1}, 0, 2000.0 * epochs},
               {{.move = 1}, 0, 4.0 * epochs},           {{.probabilities = 0}, 1, 2000}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
      assert_true(facet_embed_training_seconds(&plan, &all[i].one, all[i].feature, 2) == all[i].count);
  }
}

int main(int count, char **arguments)
{
  MPI_Init(&count, &arguments);
  const struct CMUnitTest tests[] = {cmocka_unit_test(is_normal), cmocka_unit_test(forecast_counts_the_work),
                                     cmocka_unit_test(is_the_same_on_all_ranks),
                                     cmocka_unit_test(none_leaves_samples_alone)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
