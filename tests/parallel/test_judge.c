/* The figures of merit of a map, one rank of which is slow: the queries are dealt as the program deals them, and what
 * counts for a query takes a known time here instead of a product. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h> /* needs the above */

#include "balance.h"
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

int64_t facet_ranking_rows(const facet_embedded *embedded)
{
  (void)embedded;
  return 16;
}

facet_status facet_rank_penalties_add(facet_ranking *ranking, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  assert_in_range(first + count, 1, ranking->embedded->samples);
  work(first, count);
  for (int64_t i = first; i < first + count; i++)
    sum->trustworthiness += i;
  sum->continuity += count;
  return FACET_OK;
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

/* The slow rank takes three times as long for the same. */
static void begin(int slow)
{
  nap = facet_rank(MPI_COMM_WORLD) == slow ? 3e-4 : 1e-4;
  busy = 0;
  for (int i = 0; i < N; i++)
    times[i] = 0;
}

static void assert_all_once(void)
{
  MPI_Allreduce(MPI_IN_PLACE, times, N, MPI_UINT8_T, MPI_SUM, MPI_COMM_WORLD);
  for (int i = 0; i < N; i++)
    assert_int_equal(times[i], 1);
}

static bool ranking_is_balanced(int slow)
{
  const facet_embedded embedded = {.samples = N};
  facet_rank_qualities found;
  begin(slow);
  assert_int_equal(facet_rank_qualities_find(MPI_COMM_WORLD, &embedded, &found), FACET_OK);
  assert_all_once();
  assert_true(found.trustworthiness == N * (N - 1.0) / 2 && found.continuity == N);
  return balanced(busy);
}

static bool nearest_is_balanced(int slow)
{
  const facet_labelled labelled = {.queries = N};
  double error;
  begin(slow);
  assert_int_equal(facet_nearest_error_find(MPI_COMM_WORLD, &labelled, &error), FACET_OK);
  assert_all_once();
  assert_true(error == 0.5);
  return balanced(busy);
}

static void test_a_slow_rank(void **state)
{
  (void)state;
  int ranks = facet_ranks(MPI_COMM_WORLD);
  for (int slow = 0; slow<ranks; slow += ranks> 1 ? ranks - 1 : 1) {
    bool ranking = false, nearest = false;
    for (int i = 0; i < BALANCE_TRIES && !(ranking && nearest); i++) {
      ranking = ranking || ranking_is_balanced(slow);
      nearest = nearest || nearest_is_balanced(slow);
    }
    assert_true(ranking && nearest);
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
