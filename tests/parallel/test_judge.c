/* The figures of merit of a map, one rank of which is slow: the queries are dealt as the program deals them, and what
 * counts for a query takes a known time here instead of a product. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h> /* needs the above */

#include "ranks/agree.h"
#include "stages/quality.h"

enum { N = 10000 };

struct facet_ranking {
  const facet_embedded *embedded;
};

static double nap;  /* seconds for a query, on this rank */
static double busy; /* seconds in queries */
static uint8_t times[N];

static void work(int64_t first, int64_t count)
{
  double begun = facet_seconds();
  nanosleep(&(struct timespec){.tv_nsec = (long)(nap * (double)count * 1e9)}, NULL);
  busy += facet_seconds() - begun;
  for (int64_t i = first; i < first + count; i++)
    times[i]++;
}

/* ---- in place of src/embed/quality.c ---- */

facet_status facet_ranking_create(const facet_embedded *embedded, facet_ranking **ranking)
{
  FACET_NEW(*ranking, 1);
  (*ranking)->embedded = embedded;
  return FACET_OK;
}

void facet_ranking_destroy(facet_ranking **ranking)
{
  facet_free(ranking);
}

void facet_rank_penalties_add(facet_ranking *ranking, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  assert_in_range(first + count, 1, ranking->embedded->samples);
  work(first, count);
  for (int64_t i = first; i < first + count; i++)
    sum->trustworthiness += i;
  sum->continuity += count;
}

double facet_rank_quality(int64_t samples, int64_t neighbours, int64_t penalty)
{
  (void)samples, (void)neighbours;
  return (double)penalty;
}

facet_status facet_nearest_errors_add(const facet_labelled *l, int64_t first, int64_t count, facet_nearest_errors *sum)
{
  assert_in_range(first + count, 1, l->queries);
  work(first, count);
  sum->wrong += count;
  sum->counted += 2 * count;
  return FACET_OK;
}

/* ---- cases ---- */

static double combined(double x, MPI_Op op)
{
  MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_DOUBLE, op, MPI_COMM_WORLD);
  return x;
}

/* The slow rank takes three times as long for the same. The ideal is that all are busy to the end. */
static void begin(int slow)
{
  nap = facet_rank(MPI_COMM_WORLD) == slow ? 3e-4 : 1e-4;
  busy = 0;
  for (int i = 0; i < N; i++)
    times[i] = 0;
}

static void assert_balanced(void)
{
  int ranks = facet_ranks(MPI_COMM_WORLD);
  double most = combined(busy, MPI_MAX), mean = combined(busy, MPI_SUM) / ranks;
  assert_true(most <= 1.15 * mean);
  MPI_Allreduce(MPI_IN_PLACE, times, N, MPI_UINT8_T, MPI_SUM, MPI_COMM_WORLD);
  for (int i = 0; i < N; i++)
    assert_int_equal(times[i], 1);
}

static void test_a_slow_rank(void **state)
{
  (void)state;
  int ranks = facet_ranks(MPI_COMM_WORLD);
  for (int slow = 0; slow<ranks; slow += ranks> 1 ? ranks - 1 : 1) {
    const facet_embedded embedded = {.samples = N};
    facet_rank_qualities found;
    begin(slow);
    assert_int_equal(facet_rank_qualities_find(MPI_COMM_WORLD, &embedded, &found), FACET_OK);
    assert_balanced();
    assert_true(found.trustworthiness == N * (N - 1.0) / 2 && found.continuity == N);
    const facet_labelled labelled = {.queries = N};
    double error;
    begin(slow);
    assert_int_equal(facet_nearest_error_find(MPI_COMM_WORLD, &labelled, &error), FACET_OK);
    assert_balanced();
    assert_true(error == 0.5);
  }
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_slow_rank),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
