/* The stage similarity: items, one variant under one condition each: distances of all pairs, their tree, their layout.
 *
 * Pairs come in square blocks, dealt out to the ranks in turn. Rank 0 reads the samples, some of every item at a time,
 * and hands them to all; the differences of a pair are added up in the order of the samples on whatever rank it is, so
 * the bits do not depend on the number of ranks. Rank 0 gathers the blocks, and does the rest alone. */
#include <math.h>
#include <stdio.h>

#include "geometry/similarity.h"
#include "ranks/agree.h"
#include "stage.h"

enum { METRICS = 3, SAMPLES = 256, LINE = 4096, SIDE = 64, BLOCK = SIDE * SIDE };
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
  block *block;   /* the lower triangle, row by row; block i is that of rank i % ranks */
  double *points; /* items x SAMPLES */
  double *sum;    /* own blocks x BLOCK: squared differences */
  facet_progress *progress;
  int64_t done;
  /* rank 0 alone */
  double *line;     /* LINE samples */
  int32_t *label;   /* LINE samples */
  bool *known;      /* items: it has features of labelled samples */
  double *distance; /* items x items */
} work;

static int64_t side_of(const work *w, int64_t first)
{
  return w->items - first < SIDE ? w->items - first : SIDE;
}

/* ---- samples: rank 0 ---- */

/* What is added up of a metric over all labelled samples of all items, in two passes. */
typedef struct {
  facet_row metric;
  double sum, squares;
  int64_t count;
} spread;

static facet_status add_line(const work *w, int64_t item, int pass, spread *s)
{
  const facet_store_plan *p = w->plan;
  FACET_CHECK(w->line && w->label, FACET_INTERNAL, "no room for a line"); /* so that analyzers see it, too */
  for (int64_t i = 0, count; i < p->samples; i += count) {
    count = p->samples - i < LINE ? p->samples - i : LINE;
    const facet_place line = {.part = {{item / p->conditions, 1}, {item % p->conditions, 1}, {i, count}}};
    FACET_TRY(facet_store_get(w->store, s->metric, line, w->line));
    FACET_TRY(facet_store_get(w->store, FACET_ROW_LABEL, (facet_place){.part = {{i, count}}}, w->label));
    for (int64_t k = 0; k < count; k++) {
      if (w->label[k] < 0 || !isfinite(w->line[k]))
        continue;
      double off = w->line[k] - (pass ? s->sum / (double)s->count : 0);
      s->sum += pass ? 0 : off;
      s->squares += pass ? off * off : 0;
      s->count += !pass;
      w->known[item] = true;
    }
  }
  return facet_interrupt_check();
}

/* The standard deviation of one metric over all labelled samples of all items. */
static facet_status scale_of(const work *w, facet_row metric, double *scale)
{
  spread s = {.metric = metric};
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < w->items; i++)
      FACET_TRY(add_line(w, i, pass, &s));
  *scale = s.count > 0 ? sqrt(s.squares / (double)s.count) : NAN;
  return FACET_OK;
}

/* Some samples of a metric of all items, in units of its scale; NaN where there is nothing to compare. */
static facet_status read_points(const work *w, facet_row metric, double scale, int64_t first, int64_t count)
{
  const facet_store_plan *p = w->plan;
  const facet_place part = {.part = {{0, p->variants}, {0, p->conditions}, {first, count}}};
  FACET_TRY(facet_store_get(w->store, metric, part, w->points));
  FACET_TRY(facet_store_get(w->store, FACET_ROW_LABEL, (facet_place){.part = {{first, count}}}, w->label));
  for (int64_t i = 0; i < w->items * count; i++)
    w->points[i] = w->label[i % count] < 0 || !isfinite(w->points[i]) ? (double)NAN : w->points[i] / scale;
  return FACET_OK;
}

/* ---- pairs: all ranks ---- */

static facet_status add_samples(work *w, facet_row metric, double scale, int64_t first)
{
  int64_t count = w->plan->samples - first < SAMPLES ? w->plan->samples - first : SAMPLES;
  facet_status status = facet_interrupt_check();
  if (status == FACET_OK && w->rank == 0)
    status = read_points(w, metric, scale, first, count);
  FACET_AGREE(w->comm, status);
  FACET_TRY(facet_share(w->comm, w->points, w->items * count, "comparing"));
  double *sum = w->sum;
  for (int64_t i = w->rank; i < w->blocks; i += w->ranks, sum += BLOCK) {
    block b = w->block[i];
    facet_similarity_add(count, side_of(w, b.row), w->points + b.row * count, side_of(w, b.column),
                         w->points + b.column * count, sum);
  }
  facet_progress_at(w->progress, ++w->done);
  return FACET_OK;
}

/* A metric that does not vary tells nothing apart. */
static facet_status add_metric(work *w, facet_row metric)
{
  double scale = NAN;
  FACET_AGREE(w->comm, w->rank == 0 ? scale_of(w, metric, &scale) : FACET_OK);
  FACET_TRY(facet_share(w->comm, &scale, 1, "comparing"));
  for (int64_t first = 0; scale > 0 && first < w->plan->samples; first += SAMPLES)
    FACET_TRY(add_samples(w, metric, scale, first));
  return FACET_OK;
}

/* Rank 0 puts the distances of a block in both their places. */
static void place(const work *w, block b, const double *sum, int64_t labelled)
{
  for (int64_t i = 0; i < side_of(w, b.row); i++)
    for (int64_t j = 0; j < side_of(w, b.column); j++) {
      int64_t row = b.row + i, column = b.column + j;
      double mean = *sum++ / (double)(METRICS * labelled);
      w->distance[row * w->items + column] = w->distance[column * w->items + row] =
          w->known[row] && w->known[column] ? sqrt(mean) : (double)NAN;
    }
}

/* The blocks of others come into `points`, which are done with. */
static facet_status gather(const work *w)
{
  int64_t labelled = 0;
  FACET_AGREE(w->comm, w->rank == 0 ? facet_dataset_labelled(w->plan->test, &labelled) : FACET_OK);
  for (int64_t i = 0; i < w->blocks; i++) {
    int owner = (int)(i % w->ranks), code = MPI_SUCCESS;
    double *sum = owner == w->rank ? w->sum + i / w->ranks * BLOCK : w->points;
    if (owner != 0 && owner == w->rank)
      code = MPI_Send(sum, BLOCK, FACET_MPI_TYPE(sum), 0, 0, w->comm);
    if (owner != 0 && w->rank == 0)
      code = MPI_Recv(sum, BLOCK, FACET_MPI_TYPE(sum), owner, 0, w->comm, MPI_STATUS_IGNORE);
    FACET_TRY(facet_mpi_check(code, "comparing"));
    if (w->rank == 0)
      place(w, w->block[i], sum, labelled);
  }
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
  int64_t sides = (w->items + SIDE - 1) / SIDE, most = w->items * SAMPLES;
  FACET_NEW(w->block, sides * (sides + 1) / 2);
  for (int64_t row = 0; row < sides; row++)
    for (int64_t column = 0; column <= row; column++)
      w->block[w->blocks++] = (block){row * SIDE, column * SIDE};
  FACET_NEW(w->points, most > BLOCK ? most : BLOCK);
  FACET_NEW(w->sum, (w->blocks + w->ranks - 1) / w->ranks * BLOCK);
  if (w->rank != 0)
    return FACET_OK;
  FACET_NEW(w->line, LINE);
  FACET_NEW(w->label, LINE);
  FACET_NEW(w->known, w->items);
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
  FACET_AGREE(w->comm, gather(w));
  facet_free(&w->sum);
  facet_free(&w->points);
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
  FACET_FREE(&w.block, &w.points, &w.sum, &w.line, &w.label, &w.known, &w.distance);
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
  double pairs = 8 * items * ((items + SIDE) / 2 / ranks + SAMPLES + items) + 12 * LINE, tree = 2 * 8 * items * items;
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
                                            .warn = warn};
