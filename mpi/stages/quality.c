/* Figures of merit of an embedding on many ranks: see quality.h. The driver deals the queries, and what they count is
 * added up in whole numbers. */
#include "quality.h"

#include <math.h>

#include "ranks/agree.h"
#include "tiles.h"

/* Queries that are dealt together, and between two looks at who asks; more, where as many are looked at together. */
enum { UNIT = 64, STEP = 16 };

typedef struct {
  facet_ranking *ranking;
  facet_rank_penalties penalties;
  const facet_labelled *labelled;
  facet_nearest_errors errors;
} counting;

static facet_status count_penalties(void *self, int64_t first, int64_t count)
{
  counting *c = self;
  return facet_rank_penalties_add(c->ranking, first, count, &c->penalties);
}

facet_status facet_rank_qualities_find(MPI_Comm comm, const facet_embedded *e, facet_rank_qualities *found)
{
  counting c = {0};
  facet_status status = facet_agree(comm, facet_ranking_create(e, &c.ranking));
  int64_t step = facet_ranking_rows(e), unit = step > UNIT ? step : UNIT;
  if (status == FACET_OK)
    status = facet_portions_run(comm, &(facet_portions){"judge", e->samples, unit, step, &c, count_penalties});
  facet_ranking_destroy(&c.ranking);
  FACET_TRY(status);
  int64_t sum[] = {c.penalties.trustworthiness, c.penalties.continuity};
  FACET_TRY(facet_sum(comm, sum, 2, "adding up penalties"));
  found->trustworthiness = facet_rank_quality(e->samples, e->neighbours, sum[0]);
  found->continuity = facet_rank_quality(e->samples, e->neighbours, sum[1]);
  return FACET_OK;
}

static facet_status count_errors(void *self, int64_t first, int64_t count)
{
  counting *c = self;
  return facet_nearest_errors_add(c->labelled, first, count, &c->errors);
}

facet_status facet_nearest_error_find(MPI_Comm comm, const facet_labelled *l, double *error)
{
  counting c = {.labelled = l};
  bool many = l->references > FACET_NEAREST_REFERENCES; /* which are read anew for each step */
  int64_t unit = many ? FACET_NEAREST_QUERIES : UNIT, step = many ? unit : STEP;
  FACET_TRY(facet_portions_run(comm, &(facet_portions){"judge", l->queries, unit, step, &c, count_errors}));
  int64_t sum[] = {c.errors.wrong, c.errors.counted};
  FACET_TRY(facet_sum(comm, sum, 2, "adding up errors"));
  *error = sum[1] > 0 ? (double)sum[0] / (double)sum[1] : (double)NAN;
  return FACET_OK;
}
