/* The stage cka: how alike the features of pairs of variant and condition are, by linear CKA over the test samples. Up
 * to MOST_PAIRED items, pairs of variant and condition, are all compared with each other; of more, those under clean
 * with each other and those of one variant with each other. Others are NaN, and those of networks without features.
 *
 * A block is as many items as a rank holds the centred features of; a unit is one item that is compared with those of
 * a block, which is entered.  Where features are stored, the driver deals the units, and a rank has all samples: a pair
 * has the same bits whoever compares it.
 *
 * Where they are not, or two items are more than the study's memory, all ranks do one unit after another together, each
 * with its share of the samples: what is held is spread over all of them, so that few features are made anew, and a
 * pair's product is summed over the ranks in panels. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/process_memory.h"
#include "feature.h"
#include "geometry/cka.h"
#include "ranks/agree.h"
#include "stage.h"
#include "work.h"

/* MOST_HELD: where units are dealt; more would save little reading, and leave fewer blocks than ranks. */
enum { PANEL = 32 << 20, MOST_PAIRED = 400, MOST_HELD = 16, READING = 64 };

/* Items first, first + step, ...: `count` are held, and from there to `all` compared with those. */
typedef struct {
  int64_t first, step, count, all;
} block;

/* others: how many of the block the item is compared with; if it is of them, those before it, and itself. */
typedef struct {
  int64_t block, place, item, others;
} unit;

typedef struct {
  const facet_context *context;
  const facet_store_plan *p;
  MPI_Comm comm;        /* who compares a pair together: a rank alone, or all */
  bool dealt;           /* a rank alone */
  int64_t first, count; /* samples of this rank */
  int64_t most;         /* of the rank with most */
  int64_t items;        /* of /aggregate/cka */
  int variant;          /* that the reader is of; -1: none */
  facet_pixels *pixels;
  facet_features *reader;
  double *sum, *panel, *norm; /* norm: per item, |HT H|_F^2; -1: not known yet */
  double *alike;              /* per place in the block: what the present item is like */
  int64_t blocks, units;
  block *block;
  unit *unit;
  double **held; /* per place in the block that was entered: features of this rank's samples; NULL: it has none */
} work;

static int64_t item_at(const block *b, int64_t place)
{
  return b->first + place * b->step;
}

static int variant_of(const work *w, int64_t item)
{
  return (int)(item / w->p->conditions);
}

/* 0: it has none. */
static int64_t variant_features(const facet_context *c, int v)
{
  return facet_network_features(c->family->member[v].network, NULL);
}

static int64_t features_of(const work *w, int64_t item)
{
  return variant_features(w->context, variant_of(w, item));
}

/* ---- pairs ---- */

/* So many rows of a product with others. */
static int64_t panel_rows(int64_t features, int64_t others)
{
  int64_t rows = PANEL / (others * (int64_t)sizeof(double));
  return rows < 1 ? 1 : rows < features ? rows : features;
}

/* |HjT Hi|_F^2 on rank 0 of those who compare; x and y: the centred features of items i and j. */
static facet_status multiply(work *w, int64_t i, const double *x, int64_t j, const double *y, double *sum)
{
  int64_t a = features_of(w, i), b = features_of(w, j), step = panel_rows(a, b);
  *sum = 0;
  for (int64_t row = 0; row < a; row += step) {
    int rows = (int)(a - row < step ? a - row : step), numbers = rows * (int)b;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, (int)b, (int)w->count, 1, x + row, (int)a, y, (int)b, 0,
                w->panel, (int)b);
    FACET_TRY(facet_mpi_check(MPI_Reduce(facet_rank(w->comm) == 0 ? MPI_IN_PLACE : w->panel, w->panel, numbers,
                                         FACET_MPI_TYPE(w->panel), MPI_SUM, 0, w->comm),
                              "comparing features"));
    *sum += cblas_ddot(numbers, w->panel, 1, w->panel, 1);
  }
  return FACET_OK;
}

/* What an item is like each of the first `count` of a block, both ways. */
static facet_status store_pairs(const work *w, const block *b, int64_t item, int64_t count)
{
  int64_t run = b->step == 1 ? count : 1;
  for (int64_t k = 0; k < count; k += run) {
    int64_t first = item_at(b, k);
    const facet_place row = {.part = {{item, 1}, {first, run}}}, column = {.part = {{first, run}, {item, 1}}};
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_CKA, row, w->alike + k));
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_CKA, column, w->alike + k));
  }
  return FACET_OK;
}

static facet_status compare(work *w, int64_t i, const double *x, int64_t j, const double *y, double *alike)
{
  double product;
  *alike = w->norm[i] > 0 ? 1 : (double)NAN;
  if (i == j)
    return FACET_OK;
  FACET_TRY(multiply(w, i, x, j, y, &product));
  *alike = facet_cka(product, w->norm[i], w->norm[j]);
  return FACET_OK;
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
  FACET_TRY(facet_interrupt_check());
  FACET_TRY(enter_variant(w, variant_of(w, item)));
  FACET_NEW(*x, w->count * features_of(w, item));
  return facet_features_run(w->reader, (int)(item % w->p->conditions), NULL, w->first, w->count, *x);
}

/* This rank's samples of an item, centred over all samples; nothing of an item without features. */
static facet_status make_features(work *w, int64_t item, double **x)
{
  int64_t features = features_of(w, item);
  if (features == 0)
    return FACET_OK;
  FACET_AGREE(w->comm, read_features(w, item, x));
  memset(w->sum, 0, (size_t)features * sizeof *w->sum);
  for (int64_t i = 0; i < w->count; i++)
    cblas_daxpy((int)features, 1, *x + i * features, 1, w->sum, 1);
  FACET_TRY(facet_sum(w->comm, w->sum, features, "centring features"));
  facet_center(w->count, features, w->sum, w->p->samples, *x);
  return w->norm[item] < 0 ? multiply(w, item, *x, item, *x, &w->norm[item]) : FACET_OK;
}

/* ---- units ---- */

static void leave(void *self)
{
  work *w = self;
  for (int64_t i = 0; i < w->items; i++)
    facet_free(&w->held[i]);
  facet_features_destroy(&w->reader);
  w->variant = -1;
}

static facet_status enter(void *self, int group)
{
  work *w = self;
  const block *b = &w->block[group];
  for (int64_t i = 0; i < b->count; i++)
    FACET_TRY(make_features(w, item_at(b, i), &w->held[i]));
  return FACET_OK;
}

static facet_status compare_with_block(work *w, facet_dealer *dealer, const unit *u, const double *y)
{
  const block *b = &w->block[u->block];
  for (int64_t i = 0; i < u->others; i++) {
    w->alike[i] = NAN;
    if (w->held[i])
      FACET_TRY(compare(w, item_at(b, i), w->held[i], u->item, y, &w->alike[i]));
    if (w->dealt)
      FACET_TRY(facet_dealer_pause(dealer));
  }
  return facet_agree(w->comm, facet_rank(w->comm) == 0 ? store_pairs(w, b, u->item, u->others) : FACET_OK);
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t i)
{
  work *w = self;
  const unit *u = &w->unit[i];
  double *own = NULL;
  bool held = u->place < w->block[u->block].count;
  facet_status status = held ? FACET_OK : make_features(w, u->item, &own);
  if (status == FACET_OK)
    status = compare_with_block(w, dealer, u, held ? w->held[u->place] : own);
  facet_free(&own);
  return status;
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const work *w = self;
  const unit *u = &w->unit[i];
  const block *b = &w->block[u->block];
  int64_t features = features_of(w, u->item), held = 0;
  for (int64_t k = 0; k < u->others; k++)
    held += features_of(w, item_at(b, k));
  return (facet_unit){.cost = (double)features * (double)(held + READING),
                      .group = (int)u->block,
                      .part = u->item * w->items + b->first,
                      .parts = u->others,
                      .step = b->step,
                      .none = features == 0};
}

/* ---- blocks: which pairs there are ---- */

/* Items of a group, all of which are compared with each other: all items, or, if those are too many, those under clean,
 * and then those of each variant. False: no more groups. */
static bool group_of(const facet_store_plan *p, int64_t items, int g, block *group)
{
  if (items <= MOST_PAIRED)
    *group = (block){0, 1, items, items};
  else if (g == 0)
    *group = (block){p->clean < 0 ? 0 : p->clean, p->conditions, p->variants, p->clean < 0 ? 0 : p->variants};
  else
    *group = (block){(int64_t)(g - 1) * p->conditions, 1, p->conditions, p->conditions};
  return g < (items <= MOST_PAIRED ? 1 : 1 + p->variants);
}

static double item_bytes(const work *w, int64_t item)
{
  return 8 * (double)w->most * (double)features_of(w, item);
}

/* Cuts a group into blocks for so much memory: at least one item each. */
static void add_blocks(work *w, block group, double room)
{
  for (int64_t from = 0, to; from < group.all; from = to) {
    double left = room - item_bytes(w, item_at(&group, from));
    for (to = from + 1; to < group.all && (!w->dealt || to < from + MOST_HELD); to++)
      if ((left -= item_bytes(w, item_at(&group, to))) < 0)
        break;
    w->block[w->blocks++] = (block){item_at(&group, from), group.step, to - from, group.all - from};
    w->units += group.all - from;
  }
}

/* room: bytes beside one item. */
static facet_status make_units(work *w, double room)
{
  block group;
  FACET_NEW(w->block, 2 * w->items);
  for (int g = 0; group_of(w->p, w->items, g, &group); g++)
    add_blocks(w, group, room);
  FACET_NEW(w->unit, w->units);
  w->units = 0;
  for (int64_t i = 0; i < w->blocks; i++)
    for (int64_t place = 0, count = w->block[i].count; place < w->block[i].all; place++)
      w->unit[w->units++] = (unit){i, place, item_at(&w->block[i], place), place < count ? place + 1 : count};
  return FACET_OK;
}

/* Pairs of two items with features in the same group. */
static double count_pairs(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  int64_t items = facet_store_cka_items(p);
  double pairs = 0;
  block group;
  for (int g = 0; group_of(p, items, g, &group); g++) {
    double count = 0;
    for (int64_t i = 0; i < group.all; i++)
      count += variant_features(c, (int)(item_at(&group, i) / p->conditions)) > 0;
    pairs += count * (count + 1) / 2;
  }
  return pairs;
}

/* ---- all of it ---- */

static int64_t most_features(const facet_context *c)
{
  int64_t most = 0;
  for (int v = 0; v < c->plan->store.variants; v++)
    most = variant_features(c, v) > most ? variant_features(c, v) : most;
  return most;
}

static bool are_stored(const facet_context *c)
{
  int v = 0;
  while (v < c->plan->store.variants && c->plan->store.variant[v].features == variant_features(c, v))
    v++;
  return v == c->plan->store.variants;
}

static facet_status prepare(work *w, int64_t most)
{
  int64_t panel = PANEL / (int64_t)sizeof(double);
  FACET_TRY(facet_pixels_create(&w->context->plan->source, 0, &w->pixels));
  FACET_CHECK(most < INT32_MAX, FACET_BAD_INPUT, "%lld features are too many to be compared", (long long)most);
  FACET_NEW(w->sum, most);
  FACET_NEW(w->panel, most > panel ? most : panel);
  FACET_NEW(w->held, w->items);
  FACET_NEW(w->norm, w->items);
  FACET_NEW(w->alike, w->items);
  for (int64_t i = 0; i < w->items; i++)
    w->norm[i] = -1;
  for (int v = 0; v < w->p->variants; v++)
    if (variant_features(w->context, v) > 0)
      return enter_variant(w, v); /* what it takes is known then */
  return FACET_OK;
}

/* Who compares a pair, and what is held beside it. */
static facet_status share_out(work *w)
{
  MPI_Comm comm = w->context->comm;
  int64_t n = w->p->samples, most = most_features(w->context);
  FACET_AGREE(comm, prepare(w, most));
  double room = (double)w->p->settings->memory - FACET_PROGRAM_BYTES - (double)facet_memory_in_use();
  FACET_TRY(facet_least(comm, &room, 1, "comparing"));
  w->dealt = are_stored(w->context) && room >= 2 * 8 * (double)n * (double)most;
  w->comm = w->dealt ? MPI_COMM_SELF : comm;
  int64_t rank = facet_rank(w->comm), ranks = facet_ranks(w->comm);
  w->first = n * rank / ranks;
  w->count = n * (rank + 1) / ranks - w->first;
  w->most = (n + ranks - 1) / ranks;
  return facet_agree(comm, make_units(w, room - 8 * (double)w->most * (double)most));
}

static facet_status find_norm(void *self, int64_t item, int64_t count)
{
  (void)count;
  double *x = NULL;
  facet_status status = make_features(self, item, &x);
  facet_free(&x);
  return status;
}

/* Each by one rank. */
static facet_status find_norms(work *w)
{
  const facet_portions portions = {"cka", w->items, 1, 1, w, find_norm};
  FACET_TRY(facet_portions_run(w->context->comm, &portions));
  return facet_largest(w->context->comm, w->norm, w->items, "comparing");
}

static bool is_compared(const work *w, int64_t i, int64_t j)
{
  bool clean = i % w->p->conditions == w->p->clean && j % w->p->conditions == w->p->clean;
  return (w->items <= MOST_PAIRED || clean || variant_of(w, i) == variant_of(w, j)) && features_of(w, i) > 0 &&
         features_of(w, j) > 0;
}

/* Rank 0: NaN for pairs that are not compared. Large arrays hold zeros until they are written. */
static facet_status write_none(work *w)
{
  double *row = w->alike;
  for (int64_t j = 0; j < w->items; j++) {
    const facet_place at = {.part = {{j, 1}}};
    FACET_TRY(facet_store_get(w->context->store, FACET_ROW_CKA, at, row));
    for (int64_t i = 0; i < w->items; i++)
      row[i] = is_compared(w, i, j) ? row[i] : (double)NAN;
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_CKA, at, row));
  }
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  work w = {.context = c, .p = p, .items = facet_store_cka_items(p), .variant = -1};
  facet_status status;
  FACET_GO(done, status, share_out(&w));
  if (w.items > MOST_PAIRED) {
    FACET_GO(done, status, facet_agree(c->comm, facet_rank(c->comm) == 0 ? write_none(&w) : FACET_OK));
    FACET_GO(done, status, facet_store_sync(c->store));
  }
  if (w.dealt && facet_ranks(c->comm) > 1)
    FACET_GO(done, status, find_norms(&w));
  const facet_tiles tiles = {.stage = "cka",
                             .name = "items",
                             .count = w.units,
                             .together = !w.dealt,
                             .self = &w,
                             .unit = unit_of,
                             .enter = enter,
                             .leave = leave,
                             .run = run_unit};
  status = facet_tiles_run(c->comm, &tiles, c->store);
done:
  facet_features_destroy(&w.reader);
  facet_pixels_destroy(&w.pixels);
  FACET_FREE(&w.sum, &w.panel, &w.norm, &w.alike, &w.block, &w.unit, &w.held);
  facet_memory_trim();
  return status;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  const facet_store_plan *p = &c->plan->store;
  double items = (double)facet_store_cka_items(p), held = 0, samples = 8 * (double)p->samples;
  for (int v = 0; v < p->variants; v++)
    held += samples * (double)variant_features(c, v) / ranks;
  if (items <= MOST_PAIRED)
    held *= p->conditions;
  if (are_stored(c))
    held = samples * (double)most_features(c) * fmin(items, MOST_HELD + 1);
  *bytes = fmin(held, (double)p->settings->memory) + PANEL + items * items + FACET_BLAS_BYTES; /* and marks */
  return FACET_OK;
}

/* Features that are not stored are found by forward passes. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double samples = (double)p->samples, most = (double)most_features(c);
  *sum = samples * speeds->product * 2 * count_pairs(c) * most * most / ranks;
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
    .name = "cka", .marks = "J, J", .wanted = wanted, .memory = memory, .seconds = seconds, .run = run, .warn = warn};
