/* Figures of merit on any number of ranks: the bits of one rank; a failure is everybody's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs the above */

#include "ranks/agree.h"
#include "stages/quality.h"

enum { N = 1501, D = 20, DIMENSIONS = 2, K = 12 };

static float x[N * D];
static double y[N * DIMENSIONS];
static int32_t label[N];

/* Coarse numbers, so that some distances are equal. */
static void make_samples(void)
{
  facet_random random = {3, 1};
  for (uint64_t i = 0; i < N; i++) {
    label[i] = i % 10 == 3 ? -1 : (int32_t)(4 * facet_random_uniform(random, i, D + 2));
    for (uint64_t f = 0; f < D; f++)
      x[i * D + f] = (float)floor(20 * facet_random_uniform(random, i, f)) + (float)label[i];
    for (uint64_t d = 0; d < DIMENSIONS; d++)
      y[i * DIMENSIONS + d] = floor(50 * facet_random_uniform(random, i, D + d)) + 40 * label[i];
  }
}

static facet_embedded samples(int64_t count)
{
  return (facet_embedded){count, D, DIMENSIONS, {.held = x}, {.held = y}, count == N ? K : 1};
}

/* Few samples, too: ranks that have none. */
static void test_the_bits_of_one_rank(void **state)
{
  (void)state;
  const int64_t counts[] = {N, 3};
  make_samples();
  for (int i = 0; i < 2; i++) {
    int64_t n = counts[i];
    facet_embedded e = samples(n);
    facet_rank_penalties alone = {0, 0};
    facet_rank_qualities found;
    facet_ranking *ranking;
    assert_int_equal(facet_ranking_create(&e, &ranking), FACET_OK);
    assert_int_equal(facet_rank_penalties_add(ranking, 0, n, &alone), FACET_OK);
    facet_ranking_destroy(&ranking);
    assert_int_equal(facet_rank_qualities_find(MPI_COMM_WORLD, &e, &found), FACET_OK);
    assert_true(found.trustworthiness == facet_rank_quality(n, e.neighbours, alone.trustworthiness));
    assert_true(found.continuity == facet_rank_quality(n, e.neighbours, alone.continuity));
    assert_true(n < N || (found.trustworthiness > 0.5 && found.trustworthiness < 0.95));
    facet_labelled l = {DIMENSIONS, n, n, {.held = y}, {.held = y}, {.held = label}, {.held = label}, true};
    facet_nearest_errors errors = {0, 0};
    double error;
    assert_int_equal(facet_nearest_errors_add(&l, 0, n, &errors), FACET_OK);
    assert_int_equal(facet_nearest_error_find(MPI_COMM_WORLD, &l, &error), FACET_OK);
    assert_true(error == (double)errors.wrong / (double)errors.counted);
    assert_true(n < N || (error > 0 && error < 0.5));
  }
}

static void test_failures_and_no_labels(void **state)
{
  (void)state;
  facet_rank_qualities found;
  double error;
  make_samples();
  facet_embedded e = samples(N);
  y[N] = NAN;
  assert_int_equal(facet_rank_qualities_find(MPI_COMM_WORLD, &e, &found), FACET_BAD_INPUT);
  facet_labelled queries = {
      DIMENSIONS,      1,    N, {.held = (const double[]){0, 0}}, {.held = y}, {.held = (const int32_t[]){1}},
      {.held = label}, false};
  assert_int_equal(facet_nearest_error_find(MPI_COMM_WORLD, &queries, &error), FACET_BAD_INPUT); /* on one rank alone */
  assert_string_equal(facet_message(), "position of query 750 is nan");
  make_samples();
  for (int i = 0; i < N; i++)
    label[i] = -1;
  assert_int_equal(facet_nearest_error_find(MPI_COMM_WORLD, &queries, &error), FACET_OK);
  assert_true(isnan(error));
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_bits_of_one_rank),
      cmocka_unit_test(test_failures_and_no_labels),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
