/* The stage columns: what a viewer brushes over, in a compact form: angle, length, margin and loss of every sample as
 * single-precision numbers, a column for each variant and condition, and as bins of one byte whose edges all columns of
 * a metric share, so that their histograms can be compared, and counted without reading more.
 *
 * The edges are quantiles of all columns together, exact and the same on any number of ranks (quantiles.h).  Ranks
 * share the columns piece by piece; none holds a whole one. */
#include "geometry/quantiles.h"
#include "ranks/agree.h"
#include "stage.h"

enum { METRICS = 4, PIECE = 1 << 14, PASSES = 3 };
static const struct {
  facet_row of, column, bin, edge;
} metrics[METRICS] = {{FACET_ROW_ANGLE, FACET_ROW_VIEW_ANGLE, FACET_ROW_ANGLE_BIN, FACET_ROW_ANGLE_EDGE},
                      {FACET_ROW_LENGTH, FACET_ROW_VIEW_LENGTH, FACET_ROW_LENGTH_BIN, FACET_ROW_LENGTH_EDGE},
                      {FACET_ROW_MARGIN, FACET_ROW_VIEW_MARGIN, FACET_ROW_MARGIN_BIN, FACET_ROW_MARGIN_EDGE},
                      {FACET_ROW_LOSS, FACET_ROW_VIEW_LOSS, FACET_ROW_LOSS_BIN, FACET_ROW_LOSS_EDGE}};

typedef struct {
  MPI_Comm comm;
  const facet_store_plan *plan;
  facet_store *store;
  double value[PIECE];
  float number[PIECE];
  uint8_t bin[PIECE];
  float edge[METRICS][FACET_BINS + 1];
} work;

static facet_place part_of(const facet_store_plan *p, int64_t column, int64_t first, int64_t count)
{
  return (facet_place){.part = {{column / p->conditions, 1}, {column % p->conditions, 1}, {first, count}},
                       .as = FACET_AS_FLOAT};
}

/* A piece of a column as single-precision numbers; how many there are. */
static facet_status read_piece(work *w, facet_row row, int64_t column, int64_t first, int64_t *count)
{
  facet_place place = part_of(w->plan, column, first, 0);
  *count = w->plan->samples - first < PIECE ? w->plan->samples - first : PIECE;
  place.part[2].count = *count;
  place.as = FACET_AS_DOUBLE;
  FACET_TRY(facet_store_get(w->store, row, place, w->value));
  for (int64_t i = 0; i < *count; i++)
    w->number[i] = (float)w->value[i];
  return FACET_OK;
}

/* ---- edges ---- */

/* This rank's share of a pass over all columns of a metric. */
static facet_status count_share(work *w, facet_row row, facet_quantiles *q)
{
  int64_t pieces = (w->plan->samples + PIECE - 1) / PIECE, count;
  int64_t all = (int64_t)w->plan->variants * w->plan->conditions * pieces;
  for (int64_t i = facet_rank(w->comm); i < all; i += facet_ranks(w->comm)) {
    FACET_TRY(facet_interrupt_check());
    FACET_TRY(read_piece(w, row, i / pieces, i % pieces * PIECE, &count));
    facet_quantiles_add(q, count, w->number);
  }
  return FACET_OK;
}

static facet_status find_edges_of(work *w, int metric)
{
  facet_quantiles q = {.count = NULL};
  facet_status status = facet_agree(w->comm, facet_quantiles_begin(&q));
  for (bool more = true; more && status == FACET_OK;) {
    status = facet_agree(w->comm, count_share(w, metrics[metric].of, &q));
    if (status == FACET_OK)
      status = facet_sum(w->comm, q.count, q.counts, "finding edges of bins");
    more = status == FACET_OK && facet_quantiles_next(&q);
  }
  if (status == FACET_OK)
    facet_quantiles_edges(&q, w->edge[metric]);
  facet_quantiles_clear(&q);
  return status;
}

/* ---- columns ---- */

static facet_status write_metric(work *w, int metric, int64_t column)
{
  for (int64_t first = 0, count = 0; first < w->plan->samples; first += count) {
    FACET_TRY(read_piece(w, metrics[metric].of, column, first, &count));
    for (int64_t i = 0; i < count; i++)
      w->bin[i] = facet_bin_of(w->edge[metric], w->number[i]);
    const facet_place place = part_of(w->plan, column, first, count);
    FACET_TRY(facet_store_put(w->store, metrics[metric].column, place, w->number));
    FACET_TRY(facet_store_put(w->store, metrics[metric].bin, place, w->bin));
  }
  return FACET_OK;
}

/* The edges go with the first. */
static facet_status write_column(void *self, facet_dealer *dealer, int64_t column)
{
  work *w = self;
  for (int m = 0; m < METRICS; m++) {
    FACET_TRY(write_metric(w, m, column));
    if (column == 0)
      FACET_TRY(facet_store_put(w->store, metrics[m].edge, (facet_place){.as = FACET_AS_FLOAT}, w->edge[m]));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  work *w = facet_allocate(1, sizeof *w);
  facet_status status = facet_agree(c->comm, w ? FACET_OK : FACET_OS);
  if (status == FACET_OK) {
    w->comm = c->comm;
    w->plan = p;
    w->store = c->store;
  }
  for (int m = 0; m < METRICS && status == FACET_OK; m++)
    status = find_edges_of(w, m);
  const facet_tiles tiles = {.stage = "columns",
                             .name = "columns",
                             .count = (int64_t)p->variants * p->conditions,
                             .self = w,
                             .run = write_column};
  if (status == FACET_OK)
    status = facet_tiles_run(c->comm, &tiles, c->store);
  facet_free(&w);
  return status;
}

/* ---- the stage ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)c;
  (void)ranks;
  *bytes = (double)sizeof(work) + facet_quantiles_bytes();
  return FACET_OK;
}

/* Numbers are read several times: each takes as long as some operations of a matrix product. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double numbers = METRICS * (double)p->variants * p->conditions * (double)p->samples;
  *sum = speeds->product * numbers * (PASSES * 200 + 400) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_columns = {.name = "columns",
                                         .marks = "V, C",
                                         .memory = memory,
                                         .seconds = seconds,
                                         .run = run,
                                         .reads = "analyse",
                                         .again = true};
