/* The stage compare: variants, conditions and samples compared, from what the tiles and the summary say.
 *
 * What is said of a sample, and what is counted over samples, ranks share by samples: each goes through the lines, one
 * variant under one condition, with its own. Tables of a variant belong to one rank. So the bits do not depend on the
 * number of ranks, and memory holds a few lines however many there are. */
#include <math.h>
#include <string.h>

#include "geometry/errors.h"
#include "geometry/fragility.h"
#include "geometry/moments.h"
#include "ranks/agree.h"
#include "stage.h"

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_store_plan *plan;
  facet_store *store;
  facet_store_names names;
  int clean;            /* -1: clean samples are not among the conditions */
  int64_t first, count; /* samples of this rank */
  int32_t *predicted;   /* N */
  double *value;        /* N */
  facet_progress *progress;
  int64_t done;
} work;

/* ---- lines ---- */

static facet_place part_of(int v, int c, int64_t first, int64_t count)
{
  return (facet_place){.part = {{v, 1}, {c, 1}, {first, count}}};
}

/* This rank's samples of a line. */
static facet_status read_own(const work *w, facet_row row, int v, int c, void *to)
{
  return w->count > 0 ? facet_store_get(w->store, row, part_of(v, c, w->first, w->count), to) : FACET_OK;
}

static facet_status write_own(const work *w, facet_row row, const void *data)
{
  facet_place at = {.part = {{w->first, w->count}}};
  return w->count > 0 ? facet_store_put(w->store, row, at, data) : FACET_OK;
}

static facet_status step(work *w)
{
  facet_progress_at(w->progress, ++w->done);
  return facet_interrupt_check();
}

/* ---- agreement ---- */

static int64_t count_alike(int64_t n, const int32_t *a, const int32_t *b)
{
  int64_t same = 0;
  for (int64_t i = 0; i < n; i++)
    same += a[i] == b[i];
  return same;
}

/* Of all pairs of variants under a condition, over this rank's samples. */
static facet_status count_under(work *w, int c, int32_t *classes, int64_t *same)
{
  int variants = w->plan->variants;
  for (int v = 0; v < variants; v++)
    FACET_TRY(read_own(w, FACET_ROW_PREDICTED, v, c, classes + v * w->count));
  for (int a = 0; a < variants; a++)
    for (int b = 0; b <= a; b++)
      same[a * variants + b] = same[b * variants + a] =
          count_alike(w->count, classes + a * w->count, classes + b * w->count);
  return step(w);
}

static facet_status agree_under(work *w, int c, int32_t *classes, int64_t *same, double *table)
{
  int64_t pairs = (int64_t)w->plan->variants * w->plan->variants;
  FACET_AGREE(w->comm, count_under(w, c, classes, same));
  FACET_TRY(facet_sum(w->comm, same, pairs, "comparing"));
  for (int64_t i = 0; i < pairs; i++)
    table[i] = (double)same[i] / (double)w->plan->samples;
  bool own = c % w->ranks == w->rank;
  return facet_agree(
      w->comm, own ? facet_store_put(w->store, FACET_ROW_AGREEMENT, (facet_place){.part = {{c, 1}}}, table) : FACET_OK);
}

static facet_status compare_variants(work *w)
{
  size_t v = (size_t)w->plan->variants;
  int32_t *classes = facet_allocate(v * (size_t)w->count, sizeof *classes);
  int64_t *same = facet_allocate(v * v, sizeof *same);
  double *table = facet_allocate(v * v, sizeof *table);
  facet_status status = facet_agree(w->comm, classes && same && table ? FACET_OK : FACET_OS);
  for (int c = 0; c < w->plan->conditions && status == FACET_OK; c++)
    status = agree_under(w, c, classes, same, table);
  FACET_FREE(&classes, &same, &table);
  return status;
}

/* ---- errors under corruption: of a variant, by one rank ---- */

/* number: X. */
static facet_status write_errors(const work *w, const double *accuracy, int v, double *number)
{
  static const facet_row each[] = {FACET_ROW_CORRUPTION_ERROR, FACET_ROW_RELATIVE_CORRUPTION_ERROR},
                         mean[] = {FACET_ROW_MCE, FACET_ROW_RELATIVE_MCE};
  const facet_corruptions c = {w->plan->conditions, w->names.corruptions, w->clean, w->names.corruption_of};
  const facet_place of_variant = {.part = {{v, 1}}};
  const double *own = accuracy + (int64_t)v * c.conditions;
  for (int relative = 0; relative < 2; relative++) {
    double all = facet_corruption_errors(&c, own, accuracy, relative != 0, number);
    if (c.corruptions > 0)
      FACET_TRY(facet_store_put(w->store, each[relative], of_variant, number));
    FACET_TRY(facet_store_put(w->store, mean[relative], of_variant, &all));
  }
  double error = facet_corruption_mean(&c, own);
  return facet_store_put(w->store, FACET_ROW_MEAN_ERROR, of_variant, &error);
}

/* Correlation of the errors of variant v between corruptions, each averaged over severities. errors: X x N; number: X x
 * X. */
static facet_status write_redundancy(const work *w, int v, double *errors, double *number)
{
  const facet_store_plan *p = w->plan;
  int corruptions = w->names.corruptions;
  int64_t n = 0;
  memset(errors, 0, (size_t)(corruptions * p->samples) * sizeof *errors);
  for (int c = 0; c < p->conditions; c++) {
    if (w->names.corruption_of[c] < 0)
      continue;
    FACET_TRY(facet_store_get(w->store, FACET_ROW_PREDICTED, part_of(v, c, 0, p->samples), w->predicted));
    n = 0;
    for (int64_t i = 0; i < p->samples; i++)
      if (p->label[i] >= 0)
        errors[w->names.corruption_of[c] * p->samples + n++] += w->predicted[i] != p->label[i];
  }
  facet_correlations(corruptions, n, p->samples, errors, number);
  return facet_store_put(w->store, FACET_ROW_REDUNDANCY, (facet_place){.part = {{v, 1}}}, number);
}

static facet_status compare_corruptions(work *w)
{
  double *accuracy = NULL, *errors = NULL, *number = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, accuracy, w->plan->variants * w->plan->conditions);
  FACET_NEW_GO(done, status, errors, w->names.corruptions * w->plan->samples);
  FACET_NEW_GO(done, status, number, w->names.corruptions * w->names.corruptions);
  FACET_GO(done, status, facet_store_get(w->store, FACET_ROW_MEAN_ACCURACY, (facet_place){0}, accuracy));
  for (int v = w->rank; v < w->plan->variants; v += w->ranks) {
    FACET_GO(done, status, write_errors(w, accuracy, v, number));
    if (w->names.corruptions > 0)
      FACET_GO(done, status, write_redundancy(w, v, errors, number));
    FACET_GO(done, status, step(w));
  }
done:
  FACET_FREE(&accuracy, &errors, &number);
  return status;
}

/* ---- replicates: by rank 0 ---- */

static facet_status compare_replicates(const work *w)
{
  static const struct {
    facet_row of, mean, deviation;
  } row[] = {{FACET_ROW_MEAN_ACCURACY, FACET_ROW_REPLICATES_ACCURACY_MEAN, FACET_ROW_REPLICATES_ACCURACY_DEVIATION},
             {FACET_ROW_MEAN_LOSS, FACET_ROW_REPLICATES_LOSS_MEAN, FACET_ROW_REPLICATES_LOSS_DEVIATION},
             {FACET_ROW_MEAN_ANGLE, FACET_ROW_REPLICATES_ANGLE_MEAN, FACET_ROW_REPLICATES_ANGLE_DEVIATION},
             {FACET_ROW_MEAN_LENGTH, FACET_ROW_REPLICATES_LENGTH_MEAN, FACET_ROW_REPLICATES_LENGTH_DEVIATION},
             {FACET_ROW_MEAN_MARGIN, FACET_ROW_REPLICATES_MARGIN_MEAN, FACET_ROW_REPLICATES_MARGIN_DEVIATION}};
  int variants = w->plan->variants, conditions = w->plan->conditions;
  int64_t lines = (int64_t)variants * conditions;
  double *value;
  facet_status status = FACET_OK;
  FACET_NEW(value, 3 * lines);
  double *mean = value + lines, *deviation = mean + lines;
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    FACET_GO(done, status, facet_store_get(w->store, row[i].of, (facet_place){0}, value));
    facet_group_moments(variants, conditions, w->names.replicates, w->names.replicate_of, value, mean, deviation);
    FACET_GO(done, status, facet_store_put(w->store, row[i].mean, (facet_place){0}, mean));
    FACET_GO(done, status, facet_store_put(w->store, row[i].deviation, (facet_place){0}, deviation));
  }
done:
  facet_free(&value);
  return status;
}

/* ---- fragile samples: each rank's own ---- */

static bool is_pruned(const work *w, int v)
{
  return w->names.method_of[v] >= 0 || strcmp(w->plan->variant[v].method, "mask") == 0;
}

/* The next sparsity of a method after `last`, of its variants; NaN: no more. */
static double next_sparsity(const work *w, int method, double last)
{
  double next = NAN;
  for (int v = 0; v < w->plan->variants; v++) {
    double s = w->plan->variant[v].sparsity;
    if (w->names.method_of[v] == method && s > last && !(next <= s))
      next = s;
  }
  return next;
}

static facet_status find_first_lost(const work *w, const facet_fragility *f, int method, double *lost, int32_t *wrong)
{
  const facet_store_plan *p = w->plan;
  for (int64_t i = 0; i < w->count; i++)
    lost[i] = NAN;
  for (double s = next_sparsity(w, method, -1); !isnan(s); s = next_sparsity(w, method, s)) {
    int networks = 0;
    memset(wrong, 0, (size_t)w->count * sizeof *wrong);
    for (int v = 0; v < p->variants; v++) {
      if (w->names.method_of[v] != method || p->variant[v].sparsity != s)
        continue;
      FACET_TRY(read_own(w, FACET_ROW_PREDICTED, v, w->clean, w->predicted));
      networks++;
      for (int64_t i = 0; i < w->count; i++)
        wrong[i] += w->predicted[i] != p->label[w->first + i];
    }
    facet_fragility_lost(f, s, wrong, networks, lost);
  }
  return FACET_OK;
}

static facet_status write_first_lost(const work *w, int method, const double *lost)
{
  facet_place at = {.part = {{method, 1}, {w->first, w->count}}};
  return w->count > 0 ? facet_store_put(w->store, FACET_ROW_FIRST_LOST, at, lost) : FACET_OK;
}

static facet_status add_lines(work *w, facet_fragility *f)
{
  const facet_store_plan *p = w->plan;
  FACET_TRY(read_own(w, FACET_ROW_PREDICTED, 0, w->clean, w->predicted));
  FACET_TRY(read_own(w, FACET_ROW_MARGIN, 0, w->clean, w->value));
  FACET_TRY(facet_fragility_begin(w->count, p->classes, p->label + w->first, w->predicted, w->value, f));
  for (int v = 0; v < p->variants; v++)
    for (int c = 0; c < p->conditions; c++) {
      FACET_TRY(read_own(w, FACET_ROW_PREDICTED, v, c, w->predicted));
      FACET_TRY(read_own(w, FACET_ROW_MARGIN, v, c, w->value));
      facet_fragility_add(f, w->predicted, w->value, c == w->clean && is_pruned(w, v));
      FACET_TRY(step(w));
    }
  return FACET_OK;
}

static facet_status write_own_fragility(work *w, facet_fragility *f)
{
  uint8_t *exemplar = NULL;
  int32_t *wrong = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, exemplar, w->count);
  FACET_NEW_GO(done, status, wrong, w->count);
  FACET_GO(done, status, add_lines(w, f));
  facet_fragility_exemplars(f, exemplar);
  FACET_GO(done, status, write_own(w, FACET_ROW_FLIPS, f->flips));
  FACET_GO(done, status, write_own(w, FACET_ROW_WORST_MARGIN, f->worst_margin));
  FACET_GO(done, status, write_own(w, FACET_ROW_MARGIN_DROP, f->margin_drop));
  FACET_GO(done, status, write_own(w, FACET_ROW_EXEMPLAR, exemplar));
  for (int m = 0; m < w->names.methods; m++) {
    FACET_GO(done, status, find_first_lost(w, f, m, w->value, wrong));
    FACET_GO(done, status, write_first_lost(w, m, w->value));
  }
done:
  facet_free(&exemplar);
  facet_free(&wrong);
  return status;
}

/* Without clean samples; large arrays hold zeros until they are written. /fragility/exemplar is 0 as it is. */
static facet_status write_no_fragility(const work *w)
{
  for (int64_t i = 0; i < w->count; i++) {
    w->predicted[i] = -1;
    w->value[i] = NAN;
  }
  FACET_TRY(write_own(w, FACET_ROW_FLIPS, w->predicted));
  FACET_TRY(write_own(w, FACET_ROW_WORST_MARGIN, w->value));
  FACET_TRY(write_own(w, FACET_ROW_MARGIN_DROP, w->value));
  for (int m = 0; m < w->names.methods; m++)
    FACET_TRY(write_first_lost(w, m, w->value));
  return FACET_OK;
}

/* ---- their order: by rank 0, from what all ranks wrote ---- */

static facet_status find_ranks(const work *w, int64_t *rank)
{
  const facet_fragility all = {.samples = w->plan->samples, .flips = w->predicted, .worst_margin = w->value};
  for (int64_t i = 0; i < w->plan->samples && w->clean < 0; i++)
    rank[i] = -1;
  if (w->clean < 0)
    return FACET_OK;
  FACET_TRY(facet_store_get(w->store, FACET_ROW_FLIPS, (facet_place){0}, w->predicted));
  FACET_TRY(facet_store_get(w->store, FACET_ROW_WORST_MARGIN, (facet_place){0}, w->value));
  return facet_fragility_rank(&all, rank);
}

/* The most fragile samples of a class. */
static facet_status write_class_rank(const work *w, int k, const int64_t *rank)
{
  const facet_store_plan *p = w->plan;
  int64_t most = p->samples < FACET_CLASS_RANKS ? p->samples : FACET_CLASS_RANKS, found = 0;
  int64_t list[FACET_CLASS_RANKS];
  for (int64_t i = 0; i < p->samples && found < most; i++)
    if (rank[i] >= 0 && p->label[rank[i]] == k)
      list[found++] = rank[i];
  while (found < most)
    list[found++] = -1;
  return facet_store_put(w->store, FACET_ROW_CLASS_FRAGILE, (facet_place){.part = {{k, 1}}}, list);
}

static facet_status write_ranks(const work *w)
{
  int64_t *rank;
  FACET_NEW(rank, w->plan->samples);
  facet_status status = find_ranks(w, rank);
  if (status == FACET_OK)
    status = facet_store_put(w->store, FACET_ROW_FRAGILE, (facet_place){0}, rank);
  for (int k = 0; k < w->plan->classes && status == FACET_OK; k++)
    status = write_class_rank(w, k, rank);
  facet_free(&rank);
  return status;
}

/* ---- all of it ---- */

static facet_status prepare(work *w)
{
  const facet_store_plan *p = w->plan;
  int64_t steps = p->conditions + (w->clean < 0 ? 0 : (int64_t)p->variants * p->conditions);
  FACET_TRY(facet_store_names_make(p, &w->names));
  FACET_NEW(w->predicted, p->samples);
  FACET_NEW(w->value, p->samples);
  return facet_progress_begin(&w->progress, "compare", "lines", steps + (p->variants + w->ranks - 1) / w->ranks,
                              w->rank != 0);
}

static facet_status compare_samples(work *w)
{
  facet_fragility fragility = {.samples = 0};
  facet_status status =
      facet_agree(w->comm, w->clean >= 0 ? write_own_fragility(w, &fragility) : write_no_fragility(w));
  facet_fragility_clear(&fragility);
  FACET_TRY(status);
  FACET_TRY(facet_store_sync(w->store)); /* rank 0 reads the flips of all now */
  return facet_agree(w->comm, w->rank == 0 ? write_ranks(w) : FACET_OK);
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  int64_t rank = facet_rank(c->comm), ranks = facet_ranks(c->comm);
  work w = {.comm = c->comm,
            .rank = (int)rank,
            .ranks = (int)ranks,
            .plan = p,
            .store = c->store,
            .clean = p->clean,
            .first = p->samples * rank / ranks};
  w.count = p->samples * (rank + 1) / ranks - w.first;
  facet_status status;
  FACET_GO(done, status, facet_agree(c->comm, prepare(&w)));
  FACET_GO(done, status, compare_variants(&w));
  FACET_GO(done, status, facet_agree(c->comm, compare_corruptions(&w)));
  FACET_GO(done, status, facet_agree(c->comm, rank == 0 ? compare_replicates(&w) : FACET_OK));
  status = compare_samples(&w);
done:
  facet_progress_end(&w.progress);
  facet_free(&w.predicted);
  facet_free(&w.value);
  facet_store_names_clear(&w.names);
  return status;
}

/* ---- the stage ---- */

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  const facet_store_plan *p = &context->plan->store;
  double n = (double)p->samples, v = p->variants, own = n / ranks;
  *bytes = n * (12 + 40 + 8 * p->conditions) + own * (60 + 4 * p->classes + 4 * v) + 24 * v * v;
  return FACET_OK;
}

/* Classes of all pairs of variants, some at once, and lines gone through for the samples. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  double lines = (double)p->variants * p->conditions, n = (double)p->samples;
  *sum = speeds->product * lines * n * (p->variants + 200) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_compare = {
    .name = "compare", .marks = "", .memory = memory, .seconds = seconds, .run = run};
