/* How long the figures of merit of a map take: trustworthiness and continuity, and the nearest neighbour's label.
 *
 *   bench_judge X Y LABEL SAMPLES FEATURES DIMENSIONS NEIGHBOURS TIMES
 *
 * X, Y, LABEL: files of floats, doubles and int32_t, as many as the numbers say. Prints the best of so many times, in
 * seconds, and what was found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "embed/quality.h"

typedef struct {
  facet_embedded embedded;
  facet_labelled labelled;
  facet_rank_penalties penalties;
  facet_nearest_errors errors;
} judged;

static facet_status read_numbers(const char *path, int64_t count, size_t size, void **numbers)
{
  FILE *file = fopen(path, "rb");
  FACET_CHECK(file, FACET_NO_INPUT, "%s: cannot be opened", path);
  *numbers = facet_allocate((size_t)count, size);
  size_t got = *numbers ? fread(*numbers, size, (size_t)count, file) : 0;
  (void)fclose(file);
  FACET_CHECK(got == (size_t)count, FACET_BAD_INPUT, "%s: has not %lld numbers", path, (long long)count);
  return FACET_OK;
}

static facet_status count_ranks(judged *j)
{
  facet_ranking *ranking;
  j->penalties = (facet_rank_penalties){0, 0};
  facet_status status = facet_ranking_create(&j->embedded, &ranking);
  if (status == FACET_OK)
    status = facet_rank_penalties_add(ranking, 0, j->embedded.samples, &j->penalties);
  facet_ranking_destroy(&ranking);
  return status;
}

static facet_status count_errors(judged *j)
{
  j->errors = (facet_nearest_errors){0, 0};
  return facet_nearest_errors_add(&j->labelled, 0, j->labelled.queries, &j->errors);
}

static facet_status best_of(int times, facet_status (*work)(judged *j), judged *j, double *best)
{
  *best = INFINITY;
  for (int i = 0; i < times; i++) {
    double begun = facet_seconds();
    FACET_TRY(work(j));
    *best = fmin(*best, facet_seconds() - begun);
  }
  return FACET_OK;
}

static facet_status bench(char **file, const int64_t size[4], int times)
{
  int64_t n = size[0], k = size[3];
  void *x = NULL, *y = NULL, *label = NULL;
  judged j = {.embedded = {.samples = n, .features = size[1], .dimensions = size[2], .neighbours = k},
              .labelled = {.dimensions = size[2], .references = n, .queries = n, .leave_out = true}};
  double ranks, errors;
  facet_status status;
  FACET_GO(done, status, read_numbers(file[0], n * size[1], sizeof(float), &x));
  FACET_GO(done, status, read_numbers(file[1], n * size[2], sizeof(double), &y));
  FACET_GO(done, status, read_numbers(file[2], n, sizeof(int32_t), &label));
  j.embedded.x.held = x;
  j.embedded.y.held = j.labelled.reference.held = j.labelled.query.held = y;
  j.labelled.reference_label.held = j.labelled.query_label.held = label;
  FACET_GO(done, status, best_of(times, count_ranks, &j, &ranks));
  FACET_GO(done, status, best_of(times, count_errors, &j, &errors));
  printf("{\"ranks\": %.6f, \"errors\": %.6f, \"trustworthiness\": %.17g, \"continuity\": %.17g, \"error\": %.17g}\n",
         ranks, errors, facet_rank_quality(n, k, j.penalties.trustworthiness),
         facet_rank_quality(n, k, j.penalties.continuity), (double)j.errors.wrong / (double)j.errors.counted);
done:
  FACET_FREE(&x, &y, &label);
  return status;
}

int main(int argc, char **argv)
{
  int64_t size[4] = {0};
  facet_status status = FACET_OK;
  if (argc != 9)
    status = facet_raise(FACET_USAGE, "usage: bench_judge X Y LABEL SAMPLES FEATURES DIMENSIONS NEIGHBOURS TIMES");
  for (int i = 0; i < 4 && status == FACET_OK; i++)
    size[i] = atoll(argv[4 + i]);
  if (status == FACET_OK)
    status = bench(argv + 1, size, atoi(argv[8]));
  if (status != FACET_OK)
    fprintf(stderr, "bench_judge: %s\n", facet_message());
  return (int)status;
}
