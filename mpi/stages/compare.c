/* The stage compare: variants, conditions and samples compared, from what the tiles and the summary say.
 *
 * What is said of a sample, and what is counted over samples, ranks share by samples: each goes through the lines, one
 * variant under one condition, with its own, a portion of them after the other. Tables of a variant belong to one rank.
 * So the bits do not depend on the number of ranks, and memory holds a portion of each line however many samples there
 * are; their order is found in a file. */
#include <math.h>
#include <string.h>

#include "base/sorter.h"
#include "geometry/errors.h"
#include "geometry/fragility.h"
#include "geometry/moments.h"
#include "ranks/agree.h"
#include "stage.h"

enum { AT_ONCE = 1024 }; /* samples of a portion */

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_store_plan *plan;
  facet_store *store;
  facet_store_names names;
  int clean;          /* -1: clean samples are not among the conditions */
  int64_t first, end; /* samples of this rank */
  int32_t *predicted; /* of a portion */
  int32_t *label;
  double *value;
  facet_progress *progress;
  int64_t done;
} work;

/* ---- lines ---- */

/* Samples of a portion. */
typedef struct {
  int64_t first, count;
} portion;

static portion portion_at(int64_t first, int64_t end)
{
  return (portion){first, end - first < AT_ONCE ? end - first : AT_ONCE};
}

static facet_status read_line(const work *w, facet_row row, int v, int c, portion p, void *to)
{
  return facet_store_get(w->store, row, (facet_place){.part = {{v, 1}, {c, 1}, {p.first, p.count}}}, to);
}

/* Of what has one line. */
static facet_status read_column(const work *w, facet_row row, portion p, void *to)
{
  return facet_store_get(w->store, row, (facet_place){.part = {{p.first, p.count}}}, to);
}

static facet_status write_column(const work *w, facet_row row, portion p, const void *data)
{
  return facet_store_put(w->store, row, (facet_place){.part = {{p.first, p.count}}}, data);
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

static facet_status count_portion(const work *w, int c, portion p, int32_t *classes, int64_t *same)
{
  int variants = w->plan->variants;
  for (int v = 0; v < variants; v++)
    FACET_TRY(read_line(w, FACET_ROW_PREDICTED, v, c, p, classes + (int64_t)v * AT_ONCE));
  for (int a = 0; a < variants; a++)
    for (int b = 0; b <= a; b++)
      same[a * variants + b] += count_alike(p.count, classes + (int64_t)a * AT_ONCE, classes + (int64_t)b * AT_ONCE);
  return facet_interrupt_check();
}

/* Of all pairs of variants under a condition, over this rank's samples. */
static facet_status count_under(work *w, int c, int32_t *classes, int64_t *same)
{
  int variants = w->plan->variants;
  memset(same, 0, (size_t)variants * (size_t)variants * sizeof *same);
  for (portion p = portion_at(w->first, w->end); p.count > 0; p = portion_at(p.first + p.count, w->end))
    FACET_TRY(count_portion(w, c, p, classes, same));
  for (int a = 0; a < variants; a++)
    for (int b = 0; b < a; b++)
      same[b * variants + a] = same[a * variants + b];
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
  int32_t *classes = facet_allocate(v * AT_ONCE, sizeof *classes);
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

/* Errors of variant v on the labelled ones of a portion, summed over the severities of each corruption; how many there
 * are. errors: X x AT_ONCE. */
static facet_status find_errors(const work *w, int v, portion p, double *errors, int64_t *labelled)
{
  memset(errors, 0, (size_t)w->names.corruptions * AT_ONCE * sizeof *errors);
  FACET_TRY(read_column(w, FACET_ROW_LABEL, p, w->label));
  for (int c = 0; c < w->plan->conditions; c++) {
    if (w->names.corruption_of[c] < 0)
      continue;
    double *own = errors + (int64_t)w->names.corruption_of[c] * AT_ONCE;
    FACET_TRY(read_line(w, FACET_ROW_PREDICTED, v, c, p, w->predicted));
    for (int64_t i = 0; i < p.count; i++)
      if (w->label[i] >= 0)
        *own++ += w->predicted[i] != w->label[i];
  }
  *labelled = 0;
  for (int64_t i = 0; i < p.count; i++)
    *labelled += w->label[i] >= 0;
  return facet_interrupt_check();
}

/* Correlation of the errors of variant v between corruptions, each averaged over severities. */
static facet_status write_redundancy(const work *w, int v, facet_correlations *pairs, double *errors, double *number)
{
  int64_t end = w->plan->samples, labelled;
  facet_correlations_begin(pairs);
  for (portion p = portion_at(0, end); p.count > 0; p = portion_at(p.first + p.count, end)) {
    FACET_TRY(find_errors(w, v, p, errors, &labelled));
    facet_correlations_add(pairs, labelled, AT_ONCE, errors);
  }
  for (portion p = portion_at(0, end); p.count > 0; p = portion_at(p.first + p.count, end)) {
    FACET_TRY(find_errors(w, v, p, errors, &labelled));
    facet_correlations_spread(pairs, labelled, AT_ONCE, errors);
  }
  facet_correlations_of(pairs, number);
  return facet_store_put(w->store, FACET_ROW_REDUNDANCY, (facet_place){.part = {{v, 1}}}, number);
}

static facet_status compare_corruptions(work *w)
{
  double *accuracy = NULL, *errors = NULL, *number = NULL;
  facet_correlations pairs = {.lists = 0};
  int64_t labelled;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, accuracy, w->plan->variants * w->plan->conditions);
  FACET_NEW_GO(done, status, errors, (int64_t)w->names.corruptions * AT_ONCE);
  FACET_NEW_GO(done, status, number, w->names.corruptions * w->names.corruptions);
  FACET_GO(done, status, facet_store_get(w->store, FACET_ROW_MEAN_ACCURACY, (facet_place){0}, accuracy));
  FACET_GO(done, status, facet_dataset_labelled(w->plan->test, &labelled));
  FACET_GO(done, status, facet_correlations_make(w->names.corruptions, labelled, &pairs));
  for (int v = w->rank; v < w->plan->variants; v += w->ranks) {
    FACET_GO(done, status, write_errors(w, accuracy, v, number));
    if (w->names.corruptions > 0)
      FACET_GO(done, status, write_redundancy(w, v, &pairs, errors, number));
    FACET_GO(done, status, step(w));
  }
done:
  facet_correlations_clear(&pairs);
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

static facet_status find_first_lost(const work *w, portion p, const facet_fragility *f, int method, double *lost,
                                    int32_t *wrong)
{
  const facet_store_plan *plan = w->plan;
  for (int64_t i = 0; i < p.count; i++)
    lost[i] = NAN;
  for (double s = facet_store_next_sparsity(plan, &w->names, method, -1); !isnan(s);
       s = facet_store_next_sparsity(plan, &w->names, method, s)) {
    int networks = 0;
    memset(wrong, 0, (size_t)p.count * sizeof *wrong);
    for (int v = 0; v < plan->variants; v++) {
      if (w->names.method_of[v] != method || plan->variant[v].sparsity != s)
        continue;
      FACET_TRY(read_line(w, FACET_ROW_PREDICTED, v, w->clean, p, w->predicted));
      networks++;
      for (int64_t i = 0; i < p.count; i++)
        wrong[i] += w->predicted[i] != w->label[i];
    }
    facet_fragility_lost(f, s, wrong, networks, lost);
  }
  return FACET_OK;
}

static facet_status write_first_lost(const work *w, portion p, int method, const double *lost)
{
  return facet_store_put(w->store, FACET_ROW_FIRST_LOST, (facet_place){.part = {{method, 1}, {p.first, p.count}}},
                         lost);
}

static facet_status add_lines(work *w, portion p, facet_fragility *f)
{
  const facet_store_plan *plan = w->plan;
  FACET_TRY(read_line(w, FACET_ROW_PREDICTED, 0, w->clean, p, w->predicted));
  FACET_TRY(read_line(w, FACET_ROW_MARGIN, 0, w->clean, p, w->value));
  facet_fragility_begin(f, p.count, w->label, w->predicted, w->value);
  for (int v = 0; v < plan->variants; v++)
    for (int c = 0; c < plan->conditions; c++) {
      FACET_TRY(read_line(w, FACET_ROW_PREDICTED, v, c, p, w->predicted));
      FACET_TRY(read_line(w, FACET_ROW_MARGIN, v, c, p, w->value));
      facet_fragility_add(f, w->predicted, w->value, c == w->clean && facet_store_is_pruned(plan, &w->names, v));
    }
  return step(w);
}

/* exemplar, wrong: room for a portion. */
static facet_status write_fragility(work *w, portion p, facet_fragility *f, uint8_t *exemplar, int32_t *wrong)
{
  FACET_TRY(read_column(w, FACET_ROW_LABEL, p, w->label));
  FACET_TRY(add_lines(w, p, f));
  facet_fragility_exemplars(f, exemplar);
  FACET_TRY(write_column(w, FACET_ROW_FLIPS, p, f->flips));
  FACET_TRY(write_column(w, FACET_ROW_WORST_MARGIN, p, f->worst_margin));
  FACET_TRY(write_column(w, FACET_ROW_MARGIN_DROP, p, f->margin_drop));
  FACET_TRY(write_column(w, FACET_ROW_EXEMPLAR, p, exemplar));
  for (int m = 0; m < w->names.methods; m++) {
    FACET_TRY(find_first_lost(w, p, f, m, w->value, wrong));
    FACET_TRY(write_first_lost(w, p, m, w->value));
  }
  return FACET_OK;
}

static facet_status write_own_fragility(work *w)
{
  facet_fragility fragility = {.samples = 0};
  uint8_t *exemplar = NULL;
  int32_t *wrong = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, exemplar, AT_ONCE);
  FACET_NEW_GO(done, status, wrong, AT_ONCE);
  FACET_GO(done, status, facet_fragility_make(AT_ONCE, w->plan->classes, &fragility));
  for (portion p = portion_at(w->first, w->end); p.count > 0; p = portion_at(p.first + p.count, w->end))
    FACET_GO(done, status, write_fragility(w, p, &fragility, exemplar, wrong));
done:
  facet_fragility_clear(&fragility);
  FACET_FREE(&exemplar, &wrong);
  return status;
}

/* Without clean samples; large arrays hold zeros until they are written. /fragility/exemplar is 0 as it is. */
static facet_status write_no_fragility(const work *w)
{
  for (int64_t i = 0; i < AT_ONCE; i++) {
    w->predicted[i] = -1;
    w->value[i] = NAN;
  }
  for (portion p = portion_at(w->first, w->end); p.count > 0; p = portion_at(p.first + p.count, w->end)) {
    FACET_TRY(write_column(w, FACET_ROW_FLIPS, p, w->predicted));
    FACET_TRY(write_column(w, FACET_ROW_WORST_MARGIN, p, w->value));
    FACET_TRY(write_column(w, FACET_ROW_MARGIN_DROP, p, w->value));
    for (int m = 0; m < w->names.methods; m++)
      FACET_TRY(write_first_lost(w, p, m, w->value));
  }
  return FACET_OK;
}

/* ---- their order: by rank 0, from what all ranks wrote ---- */

/* The most fragile samples of each class: list, K x most, of which found, K. */
typedef struct {
  int64_t most, *list, *found;
} class_ranks;

static facet_status sort_samples(const work *w, facet_sorter *sorter)
{
  int64_t end = w->plan->samples;
  for (portion p = portion_at(0, end); p.count > 0; p = portion_at(p.first + p.count, end)) {
    FACET_TRY(read_column(w, FACET_ROW_LABEL, p, w->label));
    FACET_TRY(read_column(w, FACET_ROW_FLIPS, p, w->predicted));
    FACET_TRY(read_column(w, FACET_ROW_WORST_MARGIN, p, w->value));
    for (int64_t i = 0; i < p.count; i++) {
      double margin = isnan(w->value[i]) ? (double)INFINITY : w->value[i];
      FACET_TRY(facet_sorter_add(sorter, &(facet_fragile){p.first + i, w->predicted[i], w->label[i], margin}));
    }
    FACET_TRY(facet_interrupt_check());
  }
  return FACET_OK;
}

/* -1 where there are no clean samples, of which nothing is sorted. */
static facet_status next_sample(const work *w, facet_sorter *sorter, const class_ranks *of_class, int64_t *sample)
{
  bool found;
  facet_fragile next;
  FACET_TRY(facet_sorter_next(sorter, &next, &found));
  *sample = found ? next.sample : -1;
  if (found && next.label >= 0 && next.label < w->plan->classes && of_class->found[next.label] < of_class->most)
    of_class->list[next.label * of_class->most + of_class->found[next.label]++] = next.sample;
  return FACET_OK;
}

static facet_status write_order(const work *w, facet_sorter *sorter, const class_ranks *of_class)
{
  int64_t end = w->plan->samples, sample[AT_ONCE];
  if (w->clean >= 0)
    FACET_TRY(sort_samples(w, sorter));
  for (portion p = portion_at(0, end); p.count > 0; p = portion_at(p.first + p.count, end)) {
    for (int64_t i = 0; i < p.count; i++)
      FACET_TRY(next_sample(w, sorter, of_class, &sample[i]));
    FACET_TRY(write_column(w, FACET_ROW_FRAGILE, p, sample));
  }
  return FACET_OK;
}

static facet_status write_class_ranks(const work *w, const class_ranks *of_class)
{
  for (int k = 0; k < w->plan->classes; k++)
    FACET_TRY(facet_store_put(w->store, FACET_ROW_CLASS_FRAGILE, (facet_place){.part = {{k, 1}}},
                              of_class->list + k * of_class->most));
  return FACET_OK;
}

static facet_status write_ranks(const work *w)
{
  class_ranks of_class = {.most = w->plan->samples < FACET_CLASS_RANKS ? w->plan->samples : FACET_CLASS_RANKS};
  facet_sorter *sorter = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, of_class.list, w->plan->classes * of_class.most);
  FACET_NEW_GO(done, status, of_class.found, w->plan->classes);
  for (int64_t i = 0; i < w->plan->classes * of_class.most; i++)
    of_class.list[i] = -1;
  FACET_GO(done, status, facet_sorter_create(sizeof(facet_fragile), facet_more_fragile, w->plan->samples, &sorter));
  FACET_GO(done, status, write_order(w, sorter, &of_class));
  status = write_class_ranks(w, &of_class);
done:
  facet_sorter_destroy(&sorter);
  FACET_FREE(&of_class.list, &of_class.found);
  return status;
}

/* ---- all of it ---- */

static facet_status prepare(work *w)
{
  const facet_store_plan *p = w->plan;
  int64_t steps = p->conditions + (w->clean < 0 ? 0 : (w->end - w->first + AT_ONCE - 1) / AT_ONCE);
  FACET_TRY(facet_store_names_make(p, &w->names));
  FACET_NEW(w->predicted, AT_ONCE);
  FACET_NEW(w->label, AT_ONCE);
  FACET_NEW(w->value, AT_ONCE);
  return facet_progress_begin(&w->progress, "compare", "portions", steps + (p->variants + w->ranks - 1) / w->ranks,
                              w->rank != 0);
}

static facet_status compare_samples(work *w)
{
  FACET_AGREE(w->comm, w->clean >= 0 ? write_own_fragility(w) : write_no_fragility(w));
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
            .first = p->samples * rank / ranks,
            .end = p->samples * (rank + 1) / ranks};
  facet_status status;
  FACET_GO(done, status, facet_agree(c->comm, prepare(&w)));
  FACET_GO(done, status, compare_variants(&w));
  FACET_GO(done, status, facet_agree(c->comm, compare_corruptions(&w)));
  FACET_GO(done, status, facet_agree(c->comm, rank == 0 ? compare_replicates(&w) : FACET_OK));
  status = compare_samples(&w);
done:
  facet_progress_end(&w.progress);
  FACET_FREE(&w.predicted, &w.label, &w.value);
  facet_store_names_clear(&w.names);
  return status;
}

/* ---- the stage ---- */

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  const facet_store_plan *p = &context->plan->store;
  (void)ranks;
  double v = p->variants, k = p->classes, x = p->conditions; /* corruptions are no more */
  *bytes = AT_ONCE * (80 + 4 * k + 4 * v + 8 * x) + 24 * v * v + 24 * x * x + 8 * k * FACET_CLASS_RANKS +
           facet_sorter_bytes(sizeof(facet_fragile), p->samples);
  return FACET_OK;
}

static double nameless(const facet_plan *plan, int ranks, int here)
{
  (void)ranks, (void)here; /* rank 0 alone */
  return facet_sorter_filed(sizeof(facet_fragile), plan->store.samples);
}

/* Classes of all pairs of variants, some at once, and lines gone through for the samples. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  double lines = (double)p->variants * p->conditions, n = (double)p->samples;
  *sum = speeds->product * lines * n * (p->variants + 200) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_compare = {.name = "compare",
                                         .marks = "",
                                         .memory = memory,
                                         .nameless = nameless,
                                         .seconds = seconds,
                                         .run = run,
                                         .reads = "create analyse summary"};
