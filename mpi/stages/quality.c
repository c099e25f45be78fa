/* Figures of merit of an embedding on many ranks: see quality.h. Each takes its share of the queries, and what they
 * count is added up in whole numbers. */
#include "quality.h"

#include <math.h>

#include "ranks/agree.h"

enum { PORTION = 1024 }; /* queries between two looks at whether to stop */

/* Counts for so many queries: two numbers. */
typedef facet_status counter(const void *what, int64_t first, int64_t count, int64_t sum[2]);

static facet_status count_share(MPI_Comm comm, counter *count, const void *what, int64_t queries, int64_t sum[2])
{
  int64_t rank = facet_rank(comm), ranks = facet_ranks(comm);
  int64_t first = queries * rank / ranks, end = queries * (rank + 1) / ranks;
  for (; first < end; first += PORTION) {
    FACET_TRY(facet_interrupt_check());
    FACET_TRY(count(what, first, end - first < PORTION ? end - first : PORTION, sum));
  }
  return FACET_OK;
}

static facet_status count_all(MPI_Comm comm, counter *count, const void *what, int64_t queries, int64_t sum[2])
{
  sum[0] = sum[1] = 0;
  FACET_AGREE(comm, count_share(comm, count, what, queries, sum));
  return facet_sum(comm, sum, 2, "adding up");
}

static facet_status count_penalties(const void *what, int64_t first, int64_t count, int64_t sum[2])
{
  facet_rank_penalties penalties = {0, 0};
  FACET_TRY(facet_rank_penalties_add(what, first, count, &penalties));
  sum[0] += penalties.trustworthiness;
  sum[1] += penalties.continuity;
  return FACET_OK;
}

facet_status facet_rank_qualities_find(MPI_Comm comm, const facet_embedded *e, facet_rank_qualities *found)
{
  int64_t sum[2] = {0, 0};
  FACET_TRY(count_all(comm, count_penalties, e, e->samples, sum));
  found->trustworthiness = facet_rank_quality(e->samples, e->neighbours, sum[0]);
  found->continuity = facet_rank_quality(e->samples, e->neighbours, sum[1]);
  return FACET_OK;
}

static facet_status count_errors(const void *what, int64_t first, int64_t count, int64_t sum[2])
{
  facet_nearest_errors errors = {0, 0};
  FACET_TRY(facet_nearest_errors_add(what, first, count, &errors));
  sum[0] += errors.wrong;
  sum[1] += errors.counted;
  return FACET_OK;
}

facet_status facet_nearest_error_find(MPI_Comm comm, const facet_labelled *l, double *error)
{
  int64_t sum[2] = {0, 0};
  FACET_TRY(count_all(comm, count_errors, l, l->queries, sum));
  *error = sum[1] > 0 ? (double)sum[0] / (double)sum[1] : (double)NAN;
  return FACET_OK;
}
