/* The stage cka: how alike the features of pairs of variant and condition are, by linear CKA over the test samples. Up
 * to MOST_PAIRED items, pairs of variant and condition, are all compared with each other; of more, those under clean
 * with each other and those of one variant with each other. Others are NaN, and those of networks without features.
 *
 * Of a pair its moment is summed, HjT Hi, over the samples chunk by chunk, so that what a rank holds does not grow with
 * them. Features are moved beforehand by the mean of the first few samples; the product of what their means then still
 * are is taken off at the end.
 *
 * A unit is one item that is compared with those of a block. Where features are stored, the driver deals the units, and
 * a rank goes through all samples: a pair has the same bits whoever compares it.
 *
 * Where they are not, all ranks do one unit after another together, each with its share of the samples, and a moment is
 * summed over the ranks. The pairs of as many units as the study's memory has moments for are found in one pass, so
 * that few features are made anew. */
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

/* DEALT, TOGETHER: bytes of chunks of features. MOST_HELD: items of a block; more would save little reading, and leave
 * fewer blocks than ranks. MOVED: samples whose mean features are moved by. */
enum {
  DEALT = 16 << 20,
  TOGETHER = 64 << 20,
  PANEL = 32 << 20,
  MOST_PAIRED = 400,
  MOST_HELD = 16,
  MOST_TOGETHER = 256,
  MOVED = 64,
  READING = 64
};

/* Items first, first + step, ...: `count` of them are the block, and from there to `all` are compared with those. */
typedef struct {
  int64_t first, step, count, all;
} block;

/* others: how many of the block the item is compared with; if it is of them, those before it, and itself. */
typedef struct {
  int64_t block, place, item, others;
} unit;

/* Two places that hold features: of which the moment is wanted, and the sum of its squares, on rank 0 of those who find
 * it together. */
typedef struct {
  int a, b;
  double square;
} pair;

/* Where the features of an item are, a chunk of this rank's samples. */
typedef struct {
  int64_t item;  /* -1: of none */
  int64_t first; /* sample; -1: there are none yet */
  int64_t summed;
  bool moved, whole; /* shift is known; sum is of all samples of all ranks */
  double *x, *shift, *sum;
} slot;

/* What is held. */
typedef struct {
  int64_t block, units; /* items of a block, and of those that are compared with it in one pass */
  int64_t samples;      /* of a chunk */
  int64_t moments;      /* numbers */
  int64_t most;         /* features of an item */
} sizes;

typedef struct {
  const facet_context *context;
  const facet_store_plan *p;
  MPI_Comm comm;        /* who compares a pair together: a rank alone, or all */
  bool dealt;           /* a rank alone */
  int64_t first, count; /* samples of this rank */
  int64_t items;        /* of /aggregate/cka */
  int variant;          /* that the reader is of; -1: none */
  facet_pixels *pixels;
  facet_features *reader;
  sizes size;
  slot *slot;            /* those of a block, and behind them those of units */
  double *moment, *norm; /* norm: per item, |HT H|_F^2; -1: not known yet */
  pair *pair;
  double *alike;                   /* per unit that was found, and place in its block */
  int64_t found_in, found, founds; /* these units: the block, and places from the first on */
  int64_t blocks, units;
  block *block;
  unit *unit;
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

static facet_status read_features(work *w, int64_t item, int64_t first, int64_t count, double *x)
{
  FACET_TRY(facet_interrupt_check());
  FACET_TRY(enter_variant(w, variant_of(w, item)));
  return facet_features_run(w->reader, (int)(item % w->p->conditions), NULL, first, count, x);
}

static void add_up(int64_t rows, int64_t features, const double *x, double *sum)
{
  for (int64_t i = 0; i < rows; i++)
    cblas_daxpy((int)features, 1, x + i * features, 1, sum, 1);
}

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* By the same samples on every rank. */
static facet_status find_shift(work *w, slot *s)
{
  int64_t features = features_of(w, s->item), count = least(least(MOVED, w->size.samples), w->p->samples);
  FACET_TRY(read_features(w, s->item, 0, count, s->x));
  memset(s->shift, 0, (size_t)features * sizeof *s->shift);
  add_up(count, features, s->x, s->shift);
  cblas_dscal((int)features, 1 / (double)count, s->shift, 1);
  s->first = -1;
  s->moved = true;
  return FACET_OK;
}

/* Samples first .. first+count-1, of which the sum is known then if all before were loaded. */
static facet_status load(work *w, slot *s, int64_t first, int64_t count)
{
  int64_t features = features_of(w, s->item);
  if (!s->moved)
    FACET_TRY(find_shift(w, s));
  if (s->first == first)
    return FACET_OK;
  FACET_TRY(read_features(w, s->item, first, count, s->x));
  facet_center(count, features, s->shift, 1, s->x);
  s->first = first;
  if (s->summed == first - w->first && !s->whole) {
    add_up(count, features, s->x, s->sum);
    s->summed += count;
  }
  return FACET_OK;
}

static void hold(const work *w, int place, int64_t item)
{
  slot *s = &w->slot[place];
  if (s->item == item)
    return;
  *s = (slot){.item = item, .first = -1, .x = s->x, .shift = s->shift, .sum = s->sum};
  memset(s->sum, 0, (size_t)w->size.most * sizeof *s->sum);
}

/* ---- pairs ---- */

/* Rows from .. from+rows-1 of a pair's moment, or of as many pairs one after the other, of each all. */
typedef struct {
  pair *pair;
  int64_t count, from, rows;
} moments;

static int64_t features_at(const work *w, int place)
{
  return features_of(w, w->slot[place].item);
}

static int64_t rows_of(const work *w, const moments *m, int64_t i)
{
  return m->count > 1 ? features_at(w, m->pair[i].a) : m->rows;
}

/* Of this rank's samples. */
static facet_status sum_moments(work *w, facet_dealer *dealer, const moments *m)
{
  if (w->count == 0)
    memset(w->moment, 0, (size_t)w->size.moments * sizeof *w->moment);
  for (int64_t at = 0, count; at < w->count; at += count) {
    double *moment = w->moment;
    count = least(w->size.samples, w->count - at);
    for (int64_t i = 0; i < m->count; i++) {
      slot *a = &w->slot[m->pair[i].a], *b = &w->slot[m->pair[i].b];
      int64_t rows = rows_of(w, m, i), columns = features_of(w, b->item), features = features_of(w, a->item);
      FACET_TRY(load(w, a, w->first + at, count));
      FACET_TRY(load(w, b, w->first + at, count));
      cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)columns, (int)count, 1, a->x + m->from,
                  (int)features, b->x, (int)columns, at > 0, moment, (int)columns);
      moment += rows * columns;
      if (dealer)
        FACET_TRY(facet_dealer_pause(dealer));
    }
  }
  return FACET_OK;
}

/* Collective in w->comm. The sum of a slot's features over all samples. */
static facet_status complete(work *w, int place)
{
  slot *s = &w->slot[place];
  if (!s->whole)
    FACET_TRY(facet_sum(w->comm, s->sum, features_of(w, s->item), "comparing features"));
  s->whole = true;
  return FACET_OK;
}

/* Collective in w->comm. The squares of moments that were summed. */
static facet_status add_squares(work *w, const moments *m)
{
  double *moment = w->moment;
  bool first = facet_rank(w->comm) == 0;
  for (int64_t i = 0; i < m->count; i++) {
    pair *p = &m->pair[i];
    int64_t rows = rows_of(w, m, i), columns = features_at(w, p->b), numbers = rows * columns;
    FACET_TRY(complete(w, p->a));
    FACET_TRY(complete(w, p->b));
    FACET_TRY(facet_mpi_check(
        MPI_Reduce(first ? MPI_IN_PLACE : moment, moment, (int)numbers, FACET_MPI_TYPE(moment), MPI_SUM, 0, w->comm),
        "comparing features"));
    cblas_dger(CblasRowMajor, (int)rows, (int)columns, -1 / (double)w->p->samples, w->slot[p->a].sum + m->from, 1,
               w->slot[p->b].sum, 1, moment, (int)columns);
    p->square += cblas_ddot((int)numbers, moment, 1, moment, 1);
    moment += numbers;
  }
  return FACET_OK;
}

static facet_status find_moments(work *w, facet_dealer *dealer, moments m)
{
  FACET_AGREE(w->comm, sum_moments(w, dealer, &m));
  return add_squares(w, &m);
}

/* Collective in w->comm. |HjT Hi|_F^2 of pairs, as many of them at once as there is room for moments; of one that is
 * larger, some rows at a time. */
static facet_status multiply(work *w, facet_dealer *dealer, pair *p, int64_t count)
{
  for (int64_t i = 0, together; i < count; i += together) {
    int64_t numbers = 0, a = features_at(w, p[i].a), step = least(a, w->size.moments / features_at(w, p[i].b));
    for (together = 0; i + together < count; together++) {
      const pair *next = &p[i + together];
      p[i + together].square = 0;
      numbers += features_at(w, next->a) * features_at(w, next->b);
      if (together > 0 && numbers > w->size.moments)
        break;
    }
    if (together > 1)
      FACET_TRY(find_moments(w, dealer, (moments){p + i, together, 0, 0}));
    for (int64_t row = 0; together == 1 && row < a; row += step)
      FACET_TRY(find_moments(w, dealer, (moments){p + i, 1, row, least(step, a - row)}));
  }
  return FACET_OK;
}

/* What an item is like each of those that it is compared with, both ways. */
static facet_status store_pairs(const work *w, const block *b, const unit *u, const double *alike)
{
  int64_t run = b->step == 1 ? u->others : 1, item = u->item;
  for (int64_t k = 0; k < u->others; k += run) {
    int64_t first = item_at(b, k);
    const facet_place row = {.part = {{item, 1}, {first, run}}}, column = {.part = {{first, run}, {item, 1}}};
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_CKA, row, alike + k));
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_CKA, column, alike + k));
  }
  return FACET_OK;
}

/* ---- units ---- */

/* Those that are found in one pass, from a unit's own on. */
typedef struct {
  const block *b;
  int64_t place, count;
} pass;

static int64_t others_of(const block *b, int64_t place)
{
  return place < b->count ? place + 1 : b->count;
}

/* Where the features of an item are that is compared with a block: of those of the block in its own place. */
static int place_of(const work *w, const pass *s, int64_t i)
{
  int64_t place = s->place + i;
  return (int)(place < s->b->count ? place : w->size.block + i);
}

/* Norms that nobody has found yet, of items in some places. */
static int64_t add_norms(const work *w, int64_t pairs, int place, int64_t item)
{
  bool listed = !(w->norm[item] < 0) || features_of(w, item) == 0; /* NaN is known */
  for (int64_t i = 0; i < pairs && !listed; i++)
    listed = w->pair[i].a == place && w->pair[i].b == place;
  if (!listed)
    w->pair[pairs++] = (pair){.a = place, .b = place};
  return pairs;
}

/* All pairs of two items, and norms; how many. */
static int64_t list_pairs(const work *w, const pass *s)
{
  int64_t pairs = 0;
  for (int64_t k = 0; k < s->b->count; k++) {
    hold(w, (int)k, item_at(s->b, k));
    pairs = add_norms(w, pairs, (int)k, item_at(s->b, k));
  }
  for (int64_t i = 0; i < s->count; i++) {
    int64_t item = item_at(s->b, s->place + i);
    int own = place_of(w, s, i);
    hold(w, own, item);
    pairs = add_norms(w, pairs, own, item);
    for (int64_t k = 0; k < others_of(s->b, s->place + i); k++)
      if (own != k && features_of(w, item) > 0 && features_at(w, (int)k) > 0)
        w->pair[pairs++] = (pair){.a = (int)k, .b = own};
  }
  return pairs;
}

static void take_squares(const work *w, const pass *s, int64_t pairs)
{
  const int64_t of = w->size.block;
  for (int64_t i = 0; i < w->size.units * of; i++)
    w->alike[i] = NAN;
  for (int64_t i = 0; i < pairs; i++)
    if (w->pair[i].a == w->pair[i].b)
      w->norm[w->slot[w->pair[i].a].item] = w->pair[i].square;
  for (int64_t i = 0; i < s->count; i++)
    if (s->place + i < s->b->count && w->norm[item_at(s->b, s->place + i)] > 0)
      w->alike[i * of + s->place + i] = 1;
  for (int64_t i = 0; i < pairs; i++) {
    const pair *p = &w->pair[i];
    int64_t row = p->b < of ? p->b - s->place : p->b - of;
    if (p->a != p->b)
      w->alike[row * of + p->a] = facet_cka(p->square, w->norm[w->slot[p->a].item], w->norm[w->slot[p->b].item]);
  }
}

/* Collective in w->comm. */
static facet_status find(work *w, facet_dealer *dealer, const unit *u)
{
  const block *b = &w->block[u->block];
  const pass s = {b, u->place, least(w->size.units, b->all - u->place)};
  int64_t pairs = list_pairs(w, &s);
  w->founds = 0;
  FACET_TRY(multiply(w, dealer, w->pair, pairs));
  take_squares(w, &s, pairs);
  w->found_in = u->block;
  w->found = u->place;
  w->founds = s.count;
  return FACET_OK;
}

static facet_status enter(void *self, int group)
{
  (void)self, (void)group;
  return FACET_OK;
}

static void leave(void *self)
{
  work *w = self;
  facet_features_destroy(&w->reader);
  w->variant = -1;
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t i)
{
  work *w = self;
  const unit *u = &w->unit[i];
  if (u->block != w->found_in || u->place < w->found || u->place >= w->found + w->founds)
    FACET_TRY(find(w, w->dealt ? dealer : NULL, u));
  const double *alike = w->alike + (u->place - w->found) * w->size.block;
  return facet_agree(w->comm, facet_rank(w->comm) == 0 ? store_pairs(w, &w->block[u->block], u, alike) : FACET_OK);
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

/* Cuts a group into blocks. */
static void add_blocks(work *w, block group)
{
  for (int64_t from = 0; from < group.all; from += w->size.block) {
    int64_t left = group.all - from;
    w->block[w->blocks++] = (block){item_at(&group, from), group.step, least(w->size.block, left), left};
    w->units += left;
  }
}

static facet_status make_units(work *w)
{
  block group;
  FACET_NEW(w->block, 2 * w->items);
  for (int g = 0; group_of(w->p, w->items, g, &group); g++)
    add_blocks(w, group);
  FACET_NEW(w->unit, w->units);
  w->units = 0;
  for (int64_t i = 0; i < w->blocks; i++)
    for (int64_t place = 0; place < w->block[i].all; place++)
      w->unit[w->units++] = (unit){i, place, item_at(&w->block[i], place), others_of(&w->block[i], place)};
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

/* Items of the largest group. */
static int64_t most_compared(const facet_store_plan *p)
{
  block group;
  int64_t most = 1, items = facet_store_cka_items(p);
  for (int g = 0; group_of(p, items, g, &group); g++)
    most = group.all > most ? group.all : most;
  return most;
}

static int64_t between(int64_t low, double x, int64_t high)
{
  return x < (double)low ? low : x > (double)high ? high : (int64_t)x;
}

/* What so many ranks hold each. room: bytes for moments, where all ranks go through the samples together. */
static sizes find_sizes(const facet_context *c, int ranks, double room)
{
  const facet_store_plan *p = &c->plan->store;
  bool dealt = are_stored(c);
  int64_t most = most_features(c), items = most_compared(p),
          samples = dealt ? p->samples : (p->samples + ranks - 1) / ranks;
  double moment = (double)most * (double)most * sizeof(double), left = dealt ? PANEL : fmax(room - TOGETHER, PANEL);
  sizes s = {.most = most, .block = between(1, left / moment, least(MOST_HELD, items)), .units = 1};
  for (int64_t n = 1; !dealt && n <= least(MOST_TOGETHER, items) && (double)(n * (n + 2)) * moment <= left; n++)
    s.block = s.units = n;
  double pairs = (double)(s.block * s.units + s.block + s.units);
  s.samples = between(1, (dealt ? DEALT : TOGETHER) / ((double)((s.block + s.units) * most) * sizeof(double)), samples);
  s.moments = between(most, fmin(left, pairs * moment) / sizeof(double), INT32_MAX);
  return s;
}

static facet_status make_slots(work *w)
{
  const sizes *s = &w->size;
  int64_t slots = s->block + s->units;
  FACET_NEW(w->slot, slots);
  for (int64_t i = 0; i < slots; i++) {
    w->slot[i] = (slot){.item = -1};
    FACET_NEW(w->slot[i].x, s->samples * s->most);
    FACET_NEW(w->slot[i].shift, s->most);
    FACET_NEW(w->slot[i].sum, s->most);
  }
  FACET_NEW(w->pair, s->block * s->units + slots);
  FACET_NEW(w->alike, s->units * s->block > w->items ? s->units * s->block : w->items);
  FACET_NEW(w->moment, s->moments);
  FACET_NEW(w->norm, w->items);
  for (int64_t i = 0; i < w->items; i++)
    w->norm[i] = -1;
  return FACET_OK;
}

/* A reader is made once, so that what it takes is known. */
static facet_status prepare(work *w)
{
  int64_t most = most_features(w->context);
  FACET_CHECK(most < INT32_MAX, FACET_BAD_INPUT, "%lld features are too many to be compared", (long long)most);
  FACET_TRY(facet_pixels_create(&w->context->plan->source, 0, &w->pixels));
  for (int v = 0; v < w->p->variants; v++)
    if (variant_features(w->context, v) > 0)
      return enter_variant(w, v);
  return FACET_OK;
}

static facet_status share_out(work *w)
{
  MPI_Comm comm = w->context->comm;
  int64_t n = w->p->samples;
  FACET_AGREE(comm, prepare(w));
  double room = (double)w->p->settings->memory - FACET_PROGRAM_BYTES - (double)facet_memory_in_use();
  FACET_TRY(facet_least(comm, &room, 1, "comparing"));
  w->dealt = are_stored(w->context);
  w->comm = w->dealt ? MPI_COMM_SELF : comm;
  w->size = find_sizes(w->context, facet_ranks(comm), room);
  int64_t rank = facet_rank(w->comm), ranks = facet_ranks(w->comm);
  w->first = n * rank / ranks;
  w->count = n * (rank + 1) / ranks - w->first;
  facet_status status = make_slots(w);
  return facet_agree(comm, status == FACET_OK ? make_units(w) : status);
}

static facet_status find_norm(void *self, int64_t item, int64_t count)
{
  work *w = self;
  (void)count;
  if (features_of(w, item) == 0)
    return FACET_OK;
  pair own = {.a = 0, .b = 0};
  hold(w, 0, item);
  FACET_TRY(multiply(w, NULL, &own, 1));
  w->norm[item] = own.square;
  return FACET_OK;
}

/* Each by one rank. */
static facet_status find_norms(work *w)
{
  const facet_portions portions = {"cka", w->items, 1, 1, w, find_norm};
  FACET_TRY(facet_portions_run(w->context->comm, &portions));
  return facet_largest(w->context->comm, w->norm, w->items, "comparing");
}

static void forget(work *w)
{
  for (int64_t i = 0; w->slot && i < w->size.block + w->size.units; i++)
    FACET_FREE(&w->slot[i].x, &w->slot[i].shift, &w->slot[i].sum);
  facet_features_destroy(&w->reader);
  facet_pixels_destroy(&w->pixels);
  FACET_FREE(&w->moment, &w->norm, &w->alike);
  FACET_FREE(&w->slot, &w->pair, &w->block, &w->unit);
  facet_memory_trim();
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
  if (w.dealt)
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
  forget(&w);
  return status;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  const facet_store_plan *p = &c->plan->store;
  double items = (double)facet_store_cka_items(p), room = (double)p->settings->memory - FACET_PROGRAM_BYTES;
  const sizes s = find_sizes(c, ranks, room);
  double numbers = (double)((s.block + s.units) * s.most) * (double)s.samples + (double)s.moments;
  *bytes = numbers * sizeof(double) + items * items + FACET_BLAS_BYTES; /* and marks */
  return FACET_OK;
}

/* Features that are not stored are found by forward passes, those of a block again for each pass of units. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double samples = (double)p->samples, most = (double)most_features(c);
  const sizes s = find_sizes(c, ranks, (double)p->settings->memory - FACET_PROGRAM_BYTES);
  double passes = ceil((double)most_compared(p) / (double)s.units);
  *sum = samples * speeds->product * 2 * count_pairs(c) * most * most / ranks;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].features == 0)
      *sum += samples * passes * (speeds->corrupting + speeds->forward[v] * p->conditions) / ranks;
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

const facet_stage facet_stage_cka = {.name = "cka",
                                     .marks = "J, J",
                                     .wanted = wanted,
                                     .memory = memory,
                                     .seconds = seconds,
                                     .run = run,
                                     .reads = "analyse",
                                     .warn = warn};
