/* The stage similarity: items, one variant under one condition each: distances of all pairs, their tree, their layout.
 *
 * Each number is read once: some samples of a metric at a time, each rank those of its share of the items, which all
 * ranks get then. Pairs come in square blocks, dealt out to the ranks in turn; the differences of a pair are added up
 * in the order of the samples on whatever rank it is, and divided by how a metric spreads over all items at its end.
 * What is known of that is joined item by item in their order. So the bits do not depend on the number of ranks. Rank 0
 * gathers the blocks, and makes tree and layout alone: they grow with the items, not with the samples. */
#include <math.h>
#include <stdio.h>

#include "geometry/moments.h"
#include "geometry/similarity.h"
#include "ranks/agree.h"
#include "stage.h"

/* SIDE: small, so that there are blocks for many ranks. */
enum { METRICS = 3, SAMPLES = 256, SIDE = 16, BLOCK = SIDE * SIDE, SPREAD = sizeof(facet_spread) / sizeof(double) };
static const facet_row metrics[METRICS] = {FACET_ROW_ANGLE, FACET_ROW_LENGTH, FACET_ROW_MARGIN};

typedef struct {
  int64_t row, column; /* its first items */
} block;

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_store_plan *plan;
  facet_store *store;
  int64_t items, blocks;
  int *count, *first;   /* ranks: numbers of each rank's share of what is known of items, and where they begin */
  block *block;         /* the lower triangle, row by row; block i is that of rank i % ranks */
  double *points;       /* items x SAMPLES */
  int32_t *label;       /* SAMPLES */
  facet_spread *spread; /* items: of a metric */
  bool *known;          /* items: it has features of labelled samples */
  double *sum;          /* own blocks x BLOCK: squared differences of a metric */
  double *total;        /* own blocks x BLOCK: of all metrics, in units of their variances */
  facet_progress *progress;
  int64_t done;
  double *distance; /* items x items; rank 0 alone */
} work;

static int64_t side_of(const work *w, int64_t first)
{
  return w->items - first < SIDE ? w->items - first : SIDE;
}

/* Blocks of a rank. */
static int64_t blocks_of(const work *w, int rank)
{
  return (w->blocks - rank + w->ranks - 1) / w->ranks;
}

/* ---- samples: each rank those of its items ---- */

static int64_t first_item(const work *w, int rank)
{
  return w->items * rank / w->ranks;
}

/* All ranks get the numbers of all items, `each` of every item, that are there of this rank's own. */
static facet_status share_items(const work *w, double *x, int64_t each)
{
  for (int r = 0; r < w->ranks; r++) {
    w->first[r] = (int)(each * first_item(w, r));
    w->count[r] = (int)(each * first_item(w, r + 1)) - w->first[r];
  }
  return facet_mpi_check(
      MPI_Allgatherv(MPI_IN_PLACE, 0, FACET_MPI_TYPE(x), x, w->count, w->first, FACET_MPI_TYPE(x), w->comm),
      "comparing");
}

/* Some samples of a metric of this rank's items, those of a variant at a time. */
static facet_status read_items(const work *w, facet_row metric, int64_t first, int64_t count)
{
  const int64_t conditions = w->plan->conditions, end = first_item(w, w->rank + 1);
  for (int64_t i = first_item(w, w->rank), next; i < end; i = next) {
    next = (i / conditions + 1) * conditions;
    next = next < end ? next : end;
    const facet_place part = {.part = {{i / conditions, 1}, {i % conditions, next - i}, {first, count}}};
    FACET_TRY(facet_store_get(w->store, metric, part, w->points + i * count));
  }
  return FACET_OK;
}

/* NaN where there is nothing to compare. */
static facet_status read_points(const work *w, facet_row metric, int64_t first, int64_t count)
{
  const int64_t end = first_item(w, w->rank + 1);
  FACET_TRY(read_items(w, metric, first, count));
  FACET_TRY(facet_store_get(w->store, FACET_ROW_LABEL, (facet_place){.part = {{first, count}}}, w->label));
  for (int64_t i = first_item(w, w->rank); i < end; i++) {
    double *line = w->points + i * count;
    for (int64_t k = 0; k < count; k++)
      line[k] = w->label[k] < 0 || !isfinite(line[k]) ? (double)NAN : line[k];
    facet_spread_add(&w->spread[i], count, line);
  }
  return FACET_OK;
}

/* ---- pairs: all ranks ---- */

static facet_status add_samples(work *w, facet_row metric, int64_t first)
{
  int64_t count = w->plan->samples - first < SAMPLES ? w->plan->samples - first : SAMPLES;
  facet_status status = facet_interrupt_check();
  if (status == FACET_OK)
    status = read_points(w, metric, first, count);
  FACET_AGREE(w->comm, status);
  FACET_TRY(share_items(w, w->points, count));
  double *sum = w->sum;
  for (int64_t i = w->rank; i < w->blocks; i += w->ranks, sum += BLOCK) {
    block b = w->block[i];
    facet_similarity_add(count, side_of(w, b.row), w->points + b.row * count, side_of(w, b.column),
                         w->points + b.column * count, sum);
  }
  facet_progress_at(w->progress, ++w->done);
  return FACET_OK;
}

/* Of a metric that was gone through: its variance over all labelled samples of all items. A metric that does not vary
 * tells nothing apart; nor does one whose squares are too large. */
static facet_status add_up(const work *w)
{
  facet_spread all = {0};
  FACET_TRY(share_items(w, &w->spread[0].count, SPREAD));
  for (int64_t i = 0; i < w->items; i++) {
    w->known[i] = w->known[i] || w->spread[i].count > 0;
    facet_spread_join(&all, &w->spread[i]);
    w->spread[i] = (facet_spread){0};
  }
  const double variance = all.squares / all.count;
  const bool tells = variance > 0 && isfinite(2 * all.squares);
  for (int64_t k = 0; k < blocks_of(w, w->rank) * BLOCK; k++) {
    w->total[k] += tells ? w->sum[k] / variance : 0;
    w->sum[k] = 0;
  }
  return FACET_OK;
}

static facet_status add_metric(work *w, facet_row metric)
{
  for (int64_t first = 0; first < w->plan->samples; first += SAMPLES)
    FACET_TRY(add_samples(w, metric, first));
  return add_up(w);
}

/* Rank 0 puts the distances of a block in both their places. */
static void place(const work *w, block b, const double *total, int64_t labelled)
{
  for (int64_t i = 0; i < side_of(w, b.row); i++)
    for (int64_t j = 0; j < side_of(w, b.column); j++) {
      int64_t row = b.row + i, column = b.column + j;
      double mean = *total++ / (double)(METRICS * labelled);
      w->distance[row * w->items + column] = w->distance[column * w->items + row] =
          w->known[row] && w->known[column] ? sqrt(mean) : (double)NAN;
    }
}

/* The blocks of others come into `sum`, which is done with; no rank has more than rank 0. */
static facet_status receive(const work *w, int rank, int64_t labelled)
{
  int numbers = (int)(blocks_of(w, rank) * BLOCK);
  const double *total = rank == 0 ? w->total : w->sum;
  if (rank != 0)
    FACET_TRY(facet_mpi_check(MPI_Recv(w->sum, numbers, MPI_DOUBLE, rank, 0, w->comm, MPI_STATUS_IGNORE), "comparing"));
  for (int64_t i = rank; i < w->blocks; i += w->ranks, total += BLOCK)
    place(w, w->block[i], total, labelled);
  return FACET_OK;
}

static facet_status gather(const work *w)
{
  int64_t labelled = 0;
  FACET_AGREE(w->comm, w->rank == 0 ? facet_dataset_labelled(w->plan->test, &labelled) : FACET_OK);
  if (w->rank != 0)
    return facet_mpi_check(MPI_Send(w->total, (int)(blocks_of(w, w->rank) * BLOCK), MPI_DOUBLE, 0, 0, w->comm),
                           "comparing");
  for (int r = 0; r < w->ranks; r++)
    FACET_TRY(receive(w, r, labelled));
  return FACET_OK;
}

/* ---- tree and layout: rank 0 ---- */

/* NaN, and -1, where a distance is not known. linkage, layout: room for 4 and 2 numbers an item. */
static facet_status find_tree(const work *w, double *linkage, double *layout, int64_t *order)
{
  bool known = true;
  for (int64_t i = 0; i < w->items; i++)
    known = known && w->known[i];
  if (known) {
    FACET_TRY(facet_similarity_linkage(w->items, w->distance, linkage, order));
    return facet_similarity_layout(w->items, w->distance, layout);
  }
  for (int64_t i = 0; i < 4 * w->items; i++)
    linkage[i] = layout[i / 2] = NAN;
  for (int64_t i = 0; i < w->items; i++)
    order[i] = -1;
  return FACET_OK;
}

static facet_status arrange(const work *w)
{
  int64_t items = w->items, *order = NULL;
  double *linkage = NULL, *layout = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, linkage, 4 * items);
  FACET_NEW_GO(done, status, layout, 2 * items);
  FACET_NEW_GO(done, status, order, items);
  FACET_GO(done, status, find_tree(w, linkage, layout, order));
  FACET_GO(done, status, facet_store_put(w->store, FACET_ROW_DISTANCE, (facet_place){0}, w->distance));
  FACET_GO(done, status, facet_store_put(w->store, FACET_ROW_LINKAGE, (facet_place){0}, linkage));
  FACET_GO(done, status, facet_store_put(w->store, FACET_ROW_LAYOUT, (facet_place){0}, layout));
  status = facet_store_put(w->store, FACET_ROW_ORDER, (facet_place){0}, order);
done:
  FACET_FREE(&linkage, &layout, &order);
  return status;
}

/* ---- all of it ---- */

static facet_status prepare(work *w)
{
  int64_t sides = (w->items + SIDE - 1) / SIDE;
  FACET_NEW(w->block, sides * (sides + 1) / 2);
  for (int64_t row = 0; row < sides; row++)
    for (int64_t column = 0; column <= row; column++)
      w->block[w->blocks++] = (block){row * SIDE, column * SIDE};
  FACET_NEW(w->count, w->ranks);
  FACET_NEW(w->first, w->ranks);
  FACET_NEW(w->points, w->items * SAMPLES);
  FACET_NEW(w->label, SAMPLES);
  FACET_NEW(w->spread, w->items);
  FACET_NEW(w->known, w->items);
  FACET_NEW(w->sum, blocks_of(w, w->rank) * BLOCK);
  FACET_NEW(w->total, blocks_of(w, w->rank) * BLOCK);
  if (w->rank == 0)
    FACET_NEW(w->distance, w->items * w->items);
  return FACET_OK;
}

static facet_status compare(work *w)
{
  int64_t steps = METRICS * ((w->plan->samples + SAMPLES - 1) / SAMPLES);
  FACET_AGREE(w->comm, prepare(w));
  FACET_AGREE(w->comm, facet_progress_begin(&w->progress, "similarity", "portions", steps, w->rank != 0));
  for (int m = 0; m < METRICS; m++)
    FACET_TRY(add_metric(w, metrics[m]));
  facet_free(&w->points);
  FACET_AGREE(w->comm, gather(w));
  FACET_FREE(&w->sum, &w->total);
  return facet_agree(w->comm, w->rank == 0 ? arrange(w) : FACET_OK);
}

static facet_status run(const facet_context *c)
{
  work w = {.comm = c->comm,
            .rank = facet_rank(c->comm),
            .ranks = facet_ranks(c->comm),
            .plan = &c->plan->store,
            .store = c->store,
            .items = facet_store_items(&c->plan->store)};
  facet_status status = compare(&w);
  facet_progress_end(&w.progress);
  FACET_FREE(&w.count, &w.first, &w.block, &w.points, &w.label, &w.spread, &w.known, &w.sum, &w.total, &w.distance);
  return status;
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return facet_store_items(&plan->store) > 0;
}

/* Of rank 0; the others take less. */
static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  double items = (double)facet_store_items(&c->plan->store);
  double pairs = 8 * items * ((items + SIDE) / ranks + SAMPLES + items), tree = 2 * 8 * items * items;
  *bytes = pairs > tree ? pairs : tree;
  return FACET_OK;
}

/* Each number of a pair takes as long as some operations of a matrix product; so does each step of the tree. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  double items = (double)facet_store_items(&c->plan->store), samples = (double)c->plan->store.samples;
  *sum = speeds->product * items * items * (4 * METRICS * samples / ranks + 100 * items);
  return FACET_OK;
}

static void warn(const facet_plan *plan)
{
  const facet_store_plan *p = &plan->store;
  if (p->variants * (int64_t)p->conditions > FACET_MOST_ITEMS)
    fprintf(stderr, "facet: warning: no /similarity%s: %d variants under %d conditions are more than %d pairs\n",
            p->cka ? " and no /aggregate/cka" : "", p->variants, p->conditions, FACET_MOST_ITEMS);
}

const facet_stage facet_stage_similarity = {.name = "similarity",
                                            .marks = "",
                                            .wanted = wanted,
                                            .memory = memory,
                                            .seconds = seconds,
                                            .run = run,
                                            .reads = "create analyse",
                                            .warn = warn};
