/* Similarity of items, one variant under one condition each: distances of all pairs, their tree, their layout.
 *
 * Pairs come in square blocks, dealt out to the ranks in turn. Rank 0 reads the samples, some of every item at a time,
 * and hands them to all; the differences of a pair are added up in the order of the samples on whatever rank it is, so
 * the bits do not depend on the number of ranks. Rank 0 gathers the blocks, and does the rest alone. */
#include <math.h>
#include <stdio.h>

#include "compare.h"
#include "geometry/similarity.h"

enum { METRICS = 3, SAMPLES = 256, SIDE = 64, BLOCK = SIDE * SIDE };
static const char *const metrics[METRICS] = {"angle", "length", "margin"};

typedef struct {
  int64_t row, column; /* its first items */
} block;

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_store_plan *plan;
  int64_t items, blocks;
  block *block;   /* the lower triangle, row by row; block i is that of rank i % ranks */
  double *points; /* items x SAMPLES */
  double *sum;    /* own blocks x BLOCK: squared differences */
  /* rank 0 alone */
  facet_store_alone store;
  double *line;     /* N */
  bool *known;      /* items: it has features of labelled samples */
  double *distance; /* items x items */
} work;

static int64_t side_of(const work *w, int64_t first)
{
  return w->items - first < SIDE ? w->items - first : SIDE;
}

/* ---- samples: rank 0 ---- */

/* The standard deviation of one metric over all labelled samples of all items. */
static facet_status scale_of(const work *w, const char *metric, double *scale)
{
  const facet_store_plan *p = w->plan;
  double sum = 0, squares = 0;
  int64_t count = 0;
  FACET_CHECK(w->line, FACET_INTERNAL, "no room for a line"); /* so that analyzers see it, too */
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < w->items; i++) {
      const int64_t start[] = {i / p->conditions, i % p->conditions, 0}, size[] = {1, 1, p->samples};
      FACET_TRY(facet_store_alone_read(&w->store, metric, H5T_NATIVE_DOUBLE, 3, start, size, w->line));
      for (int64_t k = 0; k < p->samples; k++) {
        if (p->label[k] < 0 || !isfinite(w->line[k]))
          continue;
        double off = w->line[k] - (pass ? sum / (double)count : 0);
        sum += pass ? 0 : off;
        squares += pass ? off * off : 0;
        count += !pass;
        w->known[i] = true;
      }
    }
  *scale = count > 0 ? sqrt(squares / (double)count) : NAN;
  return FACET_OK;
}

/* Some samples of a metric of all items, in units of its scale; NaN where there is nothing to compare. */
static facet_status read_points(const work *w, const char *metric, double scale, int64_t first, int64_t count)
{
  const facet_store_plan *p = w->plan;
  const int64_t start[] = {0, 0, first}, size[] = {p->variants, p->conditions, count};
  FACET_TRY(facet_store_alone_read(&w->store, metric, H5T_NATIVE_DOUBLE, 3, start, size, w->points));
  for (int64_t i = 0; i < w->items * count; i++)
    w->points[i] = p->label[first + i % count] < 0 || !isfinite(w->points[i]) ? (double)NAN : w->points[i] / scale;
  return FACET_OK;
}

/* ---- pairs: all ranks ---- */

static facet_status add_samples(const work *w, const char *metric, double scale, int64_t first)
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
  return FACET_OK;
}

/* A metric that does not vary tells nothing apart. */
static facet_status add_metric(const work *w, const char *name)
{
  char metric[40];
  double scale = NAN;
  (void)snprintf(metric, sizeof metric, "/geometry/%s", name);
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
  for (int64_t i = 0; i < w->plan->samples; i++)
    labelled += w->plan->label[i] >= 0;
  for (int64_t i = 0; i < w->blocks; i++) {
    int owner = (int)(i % w->ranks), code = MPI_SUCCESS;
    double *sum = owner == w->rank ? w->sum + i / w->ranks * BLOCK : w->points;
    if (owner != 0 && owner == w->rank)
      code = MPI_Send(sum, BLOCK, MPI_DOUBLE, 0, 0, w->comm);
    if (owner != 0 && w->rank == 0)
      code = MPI_Recv(sum, BLOCK, MPI_DOUBLE, owner, 0, w->comm, MPI_STATUS_IGNORE);
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

static facet_status write(const work *w, const char *name, hid_t memory, int64_t rows, int64_t columns, const void *x)
{
  const int64_t start[] = {0, 0}, size[] = {rows, columns};
  return facet_store_alone_write(&w->store, name, memory, columns > 0 ? 2 : 1, start, size, x);
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
  FACET_GO(done, status, write(w, "/similarity/distance", H5T_NATIVE_DOUBLE, items, items, w->distance));
  FACET_GO(done, status, write(w, "/similarity/linkage", H5T_NATIVE_DOUBLE, items - 1, 4, linkage));
  FACET_GO(done, status, write(w, "/similarity/layout", H5T_NATIVE_DOUBLE, items, 2, layout));
  status = write(w, "/similarity/order", H5T_NATIVE_INT64, items, 0, order);
done:
  facet_free(&linkage);
  facet_free(&layout);
  facet_free(&order);
  return status;
}

/* ---- all of it ---- */

static facet_status prepare(work *w, const char *path)
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
  FACET_NEW(w->line, w->plan->samples);
  FACET_NEW(w->known, w->items);
  FACET_NEW(w->distance, w->items * w->items);
  return facet_store_alone_open(path, &w->store);
}

static facet_status compare(work *w, const char *path)
{
  FACET_AGREE(w->comm, prepare(w, path));
  for (int m = 0; m < METRICS; m++)
    FACET_TRY(add_metric(w, metrics[m]));
  FACET_AGREE(w->comm, gather(w));
  facet_free(&w->sum);
  facet_free(&w->points);
  return facet_agree(w->comm, w->rank == 0 ? arrange(w) : FACET_OK);
}

double facet_compare_memory(const facet_store_plan *p)
{
  double items = (double)facet_store_items(p), v = p->variants, k = p->classes, n = (double)p->samples;
  double lines = n * (60 + 4 * k + 4 * v + 8 * p->conditions) + 8 * v * v;                 /* of compare.c */
  double pairs = 8 * items * (items + SIDE) / 2 + 8 * items * SAMPLES + 8 * items * items; /* on one rank */
  double tree = 2 * 8 * items * items;
  pairs = pairs > tree ? pairs : tree;
  return lines > pairs ? lines : pairs;
}

facet_status facet_compare_items(MPI_Comm comm, const char *path, const facet_store_plan *plan)
{
  work w = {.comm = comm, .rank = facet_rank(comm), .ranks = facet_ranks(comm), .plan = plan, .store = {path, -1}};
  w.items = facet_store_items(plan);
  if (w.items == 0)
    return FACET_OK;
  facet_status status = compare(&w, path);
  if (w.store.file >= 0 && status == FACET_OK)
    status = facet_store_alone_close(&w.store);
  else if (w.store.file >= 0)
    H5Fclose(w.store.file);
  void *owned[] = {&w.block, &w.points, &w.sum, &w.line, &w.known, &w.distance};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  return facet_agree(comm, status);
}
