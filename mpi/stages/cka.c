/* The stage cka: how alike the features of pairs of variant and condition are, by linear CKA over the test samples. Up
 * to MOST_PAIRED items, pairs of variant and condition, are all compared with each other; of more, those under clean
 * with each other and those of one variant with each other. Others are NaN, and those of networks without features.
 *
 * Every rank has some of the samples.  It holds the centred features of as many items as the study's memory permits, a
 * block of them; every item from the block's first on is compared with those of the block, the others made anew for it.
 * A pair's product of features is summed over the ranks in panels, so that neither N x N nor all products at once are
 * ever there. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "feature.h"
#include "geometry/cka.h"
#include "ranks/agree.h"
#include "ranks/memory.h"
#include "stage.h"

enum { PANEL = 32 << 20, PROGRAM = 64 << 20, MOST_PAIRED = 400 };

typedef struct {
  const facet_context *context;
  MPI_Comm comm;
  int rank;
  const facet_plan *plan;
  int64_t first, count, most; /* samples of this rank; of the rank with most */
  int64_t items;              /* of /aggregate/cka */
  int64_t *features;          /* per variant */
  int variant;                /* that the reader is of; -1: none */
  facet_pixels *pixels;
  facet_features *reader;
  double *sum, *panel;
  double *table; /* rank 0: items x items, |HjT Hi|_F^2 for i <= j */
  facet_progress *progress;
  int64_t done;
  /* items that are compared with each other */
  int64_t *item, group;
  double **held; /* per place in the group: features of this rank's samples; NULL: not held */
} work;

static int variant_of(const work *w, int64_t item)
{
  return (int)(item / w->plan->store.conditions);
}

/* ---- features ---- */

static facet_status enter_variant(work *w, int variant)
{
  if (w->variant == variant)
    return FACET_OK;
  facet_features_destroy(&w->reader);
  w->variant = -1;
  facet_feature_source source = facet_feature_source_of(w->context, variant, w->pixels);
  FACET_TRY(facet_features_create(&source, &w->reader));
  w->variant = variant;
  return FACET_OK;
}

static facet_status read_features(work *w, int64_t item, double **x)
{
  int v = variant_of(w, item);
  FACET_TRY(facet_interrupt_check());
  FACET_TRY(enter_variant(w, v));
  FACET_NEW(*x, w->count * w->features[v]);
  return facet_features_run(w->reader, (int)(item % w->plan->store.conditions), NULL, w->first, w->count, *x);
}

/* Collective. This rank's samples of an item, centred over all ranks' samples. */
static facet_status make_features(work *w, int64_t item, double **x)
{
  int64_t features = w->features[variant_of(w, item)];
  FACET_AGREE(w->comm, read_features(w, item, x));
  memset(w->sum, 0, (size_t)features * sizeof *w->sum);
  for (int64_t i = 0; i < w->count; i++)
    cblas_daxpy((int)features, 1, *x + i * features, 1, w->sum, 1);
  FACET_TRY(facet_sum(w->comm, w->sum, features, "centring features"));
  facet_center(w->count, features, w->sum, w->plan->store.samples, *x);
  return FACET_OK;
}

/* ---- pairs ---- */

/* So many rows of a product with others. */
static int64_t panel_rows(int64_t features, int64_t others)
{
  int64_t rows = PANEL / (others * (int64_t)sizeof(double));
  return rows < 1 ? 1 : rows < features ? rows : features;
}

/* |HjT Hi|_F^2 on rank 0; x and y: the centred features of items i and j. */
static facet_status compare(work *w, int64_t i, const double *x, int64_t j, const double *y)
{
  int64_t a = w->features[variant_of(w, i)], b = w->features[variant_of(w, j)], step = panel_rows(a, b);
  double sum = 0;
  for (int64_t row = 0; row < a; row += step) {
    int rows = (int)(a - row < step ? a - row : step), numbers = rows * (int)b;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, (int)b, (int)w->count, 1, x + row, (int)a, y, (int)b, 0,
                w->panel, (int)b);
    FACET_TRY(facet_mpi_check(MPI_Reduce(w->rank == 0 ? MPI_IN_PLACE : w->panel, w->panel, numbers,
                                         FACET_MPI_TYPE(w->panel), MPI_SUM, 0, w->comm),
                              "comparing features"));
    sum += cblas_ddot(numbers, w->panel, 1, w->panel, 1);
  }
  if (w->rank == 0)
    w->table[i < j ? i * w->items + j : j * w->items + i] = sum;
  return FACET_OK;
}

/* Holds items from..to-1 of the group, and compares the others with them one by one. */
static facet_status compare_block(work *w, int64_t from, int64_t to)
{
  for (int64_t j = from; j < w->group; j++) {
    FACET_TRY(make_features(w, w->item[j], &w->held[j]));
    for (int64_t i = from; i < to && i <= j; i++)
      FACET_TRY(compare(w, w->item[i], w->held[i], w->item[j], w->held[j]));
    if (j >= to)
      facet_free(&w->held[j]);
    facet_progress_at(w->progress, ++w->done);
  }
  for (int64_t i = from; i < to; i++)
    facet_free(&w->held[i]);
  return FACET_OK;
}

static double item_bytes(const work *w, int64_t i)
{
  return 8 * (double)w->most * (double)w->features[variant_of(w, w->item[i])];
}

/* Where a block that begins with place `from` ends, on all ranks: what is held beside it is one more item. */
static facet_status end_of_block(const work *w, int64_t from, int64_t *to)
{
  double room = (double)w->plan->store.settings->memory - PROGRAM - (double)facet_memory_in_use(), largest = 0;
  FACET_TRY(facet_least(w->comm, &room, 1, "comparing"));
  for (int64_t i = from; i < w->group; i++)
    largest = fmax(largest, item_bytes(w, i));
  room -= largest;
  *to = from;
  do
    room -= item_bytes(w, (*to)++);
  while (*to < w->group && room >= item_bytes(w, *to));
  return FACET_OK;
}

static facet_status compare_group(work *w)
{
  for (int64_t from = 0, to; from < w->group; from = to) {
    FACET_AGREE(w->comm, enter_variant(w, variant_of(w, w->item[from]))); /* what it takes is known then */
    FACET_TRY(end_of_block(w, from, &to));
    facet_progress_more(w->progress, w->group - to); /* made once more, for the next block */
    FACET_TRY(compare_block(w, from, to));
  }
  return FACET_OK;
}

/* ---- groups: which pairs there are ---- */

static bool is_clean(const facet_store_plan *p, int64_t item)
{
  return item % p->conditions == p->clean;
}

/* Whether an item is in a group: 0 holds all, or if those are too many, what is clean; then v + 1 what is of variant v.
 */
static bool is_in(const facet_store_plan *p, int64_t items, int64_t item, int group)
{
  if (group > 0)
    return item / p->conditions == group - 1;
  return items <= MOST_PAIRED || is_clean(p, item);
}

static int groups_of(const facet_store_plan *p, int64_t items)
{
  return items <= MOST_PAIRED ? 1 : 1 + p->variants;
}

static facet_status compare_groups(work *w)
{
  const facet_store_plan *p = &w->plan->store;
  for (int g = 0; g < groups_of(p, w->items); g++) {
    w->group = 0;
    for (int64_t i = 0; i < w->items; i++)
      if (is_in(p, w->items, i, g) && w->features[variant_of(w, i)] > 0)
        w->item[w->group++] = i;
    FACET_TRY(compare_group(w));
  }
  return FACET_OK;
}

/* Items of all groups, and pairs of two in the same group. */
static void count_work(const facet_store_plan *p, int64_t items, const int64_t *features, int64_t *members,
                       int64_t *pairs)
{
  *members = *pairs = 0;
  for (int g = 0; g < groups_of(p, items); g++) {
    int64_t count = 0;
    for (int64_t i = 0; i < items; i++)
      count += is_in(p, items, i, g) && features[i / p->conditions] > 0;
    *members += count;
    *pairs += count * (count + 1) / 2;
  }
}

/* ---- all of it ---- */

static facet_status list_features(const facet_plan *plan, const facet_family *family, int64_t **features)
{
  FACET_NEW(*features, plan->store.variants);
  for (int v = 0; v < plan->store.variants; v++)
    (*features)[v] = facet_network_features(family->member[v].network, NULL);
  return FACET_OK;
}

static facet_status prepare(work *w)
{
  const facet_store_plan *p = &w->plan->store;
  int64_t most = 1, panel = PANEL / (int64_t)sizeof(double);
  FACET_TRY(facet_pixels_create(&w->plan->source, 0, &w->pixels));
  FACET_TRY(list_features(w->plan, w->context->family, &w->features));
  for (int v = 0; v < p->variants; v++)
    most = w->features[v] > most ? w->features[v] : most;
  FACET_CHECK(most < INT32_MAX, FACET_BAD_INPUT, "%lld features are too many to be compared", (long long)most);
  FACET_NEW(w->sum, most);
  FACET_NEW(w->panel, most > panel ? most : panel);
  FACET_NEW(w->item, w->items);
  FACET_NEW(w->held, w->items);
  if (w->rank == 0) {
    FACET_NEW(w->table, w->items * w->items);
    for (int64_t i = 0; i < w->items * w->items; i++)
      w->table[i] = NAN;
  }
  int64_t members, pairs;
  count_work(p, w->items, w->features, &members, &pairs);
  return facet_progress_begin(&w->progress, "cka", "items", members, w->rank != 0);
}

static void work_clear(work *w)
{
  facet_features_destroy(&w->reader);
  facet_pixels_destroy(&w->pixels);
  facet_free_list(&w->held, w->items);
  FACET_FREE(&w->features, &w->sum, &w->panel, &w->table, &w->item);
  facet_progress_end(&w->progress);
  facet_memory_trim();
}

static facet_status write(const work *w)
{
  facet_cka_normalize(w->items, w->table);
  return facet_store_put(w->context->store, FACET_ROW_CKA, (facet_place){0}, w->table);
}

static facet_status run(const facet_context *context)
{
  MPI_Comm comm = context->comm;
  const facet_plan *plan = context->plan;
  int64_t n = plan->store.samples, rank = facet_rank(comm), ranks = facet_ranks(comm);
  work w = {.context = context,
            .comm = comm,
            .rank = (int)rank,
            .plan = plan,
            .first = n * rank / ranks,
            .most = n / ranks + 1,
            .items = facet_store_cka_items(&plan->store),
            .variant = -1};
  w.count = n * (rank + 1) / ranks - w.first;
  facet_status status = facet_agree(comm, prepare(&w));
  if (status == FACET_OK)
    status = compare_groups(&w);
  if (status == FACET_OK)
    status = facet_agree(comm, w.rank == 0 ? write(&w) : FACET_OK);
  work_clear(&w);
  return status;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  const facet_store_plan *p = &c->plan->store;
  double items = (double)facet_store_cka_items(p), features = 0;
  for (int v = 0; v < p->variants; v++)
    features += 8 * (double)facet_network_features(c->family->member[v].network, NULL) * (double)p->samples / ranks;
  if (items <= MOST_PAIRED)
    features *= p->conditions;
  *bytes = fmin(features, (double)p->settings->memory) + PANEL + 8 * items * items + FACET_BLAS_BYTES;
  return FACET_OK;
}

/* Features that are not stored are found by forward passes. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double most = 0, samples = (double)p->samples;
  int64_t *features, members, pairs;
  FACET_TRY(list_features(c->plan, c->family, &features));
  for (int v = 0; v < p->variants; v++)
    most = fmax(most, (double)features[v]);
  count_work(p, facet_store_cka_items(p), features, &members, &pairs);
  facet_free(&features);
  *sum = samples * speeds->product * 2 * (double)pairs * most * most / ranks;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].features == 0)
      *sum += samples * (speeds->corrupting + speeds->forward[v] * p->conditions) / ranks;
  return FACET_OK;
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return facet_store_cka_items(&plan->store) > 0;
}

static void warn(const facet_plan *plan)
{
  const facet_store_plan *p = &plan->store;
  if (facet_store_cka_items(p) > MOST_PAIRED)
    fprintf(stderr,
            "facet: warning: /aggregate/cka compares variants under clean, and the conditions of each: %d variants "
            "under %d conditions are more than %d pairs\n",
            p->variants, p->conditions, MOST_PAIRED);
}

const facet_stage facet_stage_cka = {
    .name = "cka", .marks = "", .wanted = wanted, .memory = memory, .seconds = seconds, .run = run, .warn = warn};
