/* Ranks of neighbours in the input space and in the embedding: see quality.h.
 *
 * Of most distances a float is enough: from a product in the input space, |x|^2 + |z|^2 - 2 xz with a bound of its
 * error, and rounded in the embedding (near.h).  Where two that have to be compared are closer than that, which is
 * rare, they are computed in double, always in the same order.  So the ranks are those of plain loops, ties included,
 * whatever the BLAS does and however large its blocks are.
 *
 * Samples go by a block at a time: once for the nearest of each query, and once more, by then known which these are,
 * for how many are nearer than those. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "near.h"
#include "quality.h"

enum {
  CHUNK = 1024,              /* samples that are compared with all targets before the next ones */
  AT_ONCE = 64,              /* and of these, where some are too close to tell, so many */
  TOGETHER = 256,            /* samples among which nearer ones are looked for */
  ROWS = 64,                 /* queries of one product with all samples, */
  MOST_SAMPLES = 1 << 16,    /* of which there are no more than these; */
  ROWS_OF_BLOCK = 256,       /* of one with a block of them, */
  SAMPLES_OF_BLOCK = 1 << 13 /* of so many at most */
};

/* Rows of many that are in memory. */
typedef struct {
  const facet_many *of;
  size_t row; /* bytes */
  int64_t first, count;
  char *room; /* NULL: all of them are */
} window;

/* The squared distances of one query from the samples of a block: between low and high, but for rounding; one array
 * where they are known but for that. Those that were settled are known exactly. Infinite for the query itself. */
typedef struct {
  int64_t first, samples, features;
  const float *x, *query; /* in the input space; or */
  facet_near_layout y;    /* in the embedding, */
  const double *place;    /* of the query */
  float *low, *high;
  uint8_t *settled;
  double *exact;
} distances;

/* One of the nearest in another space, and how many are nearer in this one. */
typedef struct {
  int64_t sample, nearer;
  double far;
} target;

/* What is known of a query in one space: the k nearest and how far they are; those that are the other space's, but not
 * this one's. */
typedef struct {
  int64_t *near;
  double *far;
  target *target;
  int64_t targets;
} neighbourhood;

typedef struct {
  int64_t number;
  const float *x;
  const double *y;
  double square; /* |x|^2 */
  neighbourhood input, output;
} query;

struct facet_ranking {
  const facet_embedded *e;
  int64_t rows, width; /* queries looked at together; samples of a block */
  float *product;      /* rows x width */
  float *square;       /* of the block: |x|^2 */
  double *place;       /* of the block: dimensions x width */
  window x, y;         /* the block */
  window query_x, query_y;
  distances input, output;
  float *zero;  /* features of it */
  float *one_x; /* of a sample that is not in the block */
  double *one_y;
  query *query; /* rows */
  int64_t *near;
  double *far;
  target *target;
};

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* ---- rows of many ---- */

static facet_status window_make(const facet_many *of, size_t row, int64_t most, window *w)
{
  *w = (window){.of = of, .row = row};
  return of->held || (w->room = facet_allocate((size_t)most, row)) ? FACET_OK : FACET_OS;
}

static facet_status window_take(window *w, int64_t first, int64_t count)
{
  if (w->first == first && w->count == count)
    return FACET_OK;
  w->count = 0;
  if (w->room)
    FACET_TRY(w->of->take(w->of->self, first, count, w->room));
  w->first = first;
  w->count = count;
  return FACET_OK;
}

static const void *window_row(const window *w, int64_t i)
{
  return w->room ? w->room + (size_t)(i - w->first) * w->row : (const char *)w->of->held + (size_t)i * w->row;
}

/* A row wherever it is; room: for one. */
static facet_status window_find(const window *w, int64_t i, void *room, const void **row)
{
  bool there = !w->room || (w->first <= i && i < w->first + w->count);
  *row = there ? window_row(w, i) : room;
  return there ? FACET_OK : w->of->take(w->of->self, i, 1, room);
}

/* ---- distances ---- */

/* Nobody is his own neighbour. */
static void leave_out(const distances *all, int64_t sample)
{
  int64_t l = sample - all->first;
  if (l < 0 || l >= all->samples)
    return;
  all->low[l] = all->high[l] = INFINITY;
  all->exact[l] = INFINITY;
  all->settled[l] = 1;
}

/* Of a query from the samples of the block; product: with them. */
static void know_distances(facet_ranking *w, const query *q, const float *product)
{
  int64_t samples = w->input.samples;
  facet_near_float own = facet_near_float_make(w->e->features, q->square);
  w->input.query = q->x;
  w->output.place = q->y;
  memset(w->input.settled, 0, (size_t)samples);
  memset(w->output.settled, 0, (size_t)samples);
  facet_near_bound(&own, samples, w->square, product, w->input.low, w->input.high);
  facet_near_places(&w->output.y, q->y, 0, samples, w->output.low);
  leave_out(&w->input, q->number);
  leave_out(&w->output, q->number);
}

/* The exact distance of sample `l` of the block. */
static double settle(const distances *all, int64_t l)
{
  if (all->settled[l])
    return all->exact[l];
  all->settled[l] = 1;
  if (all->place)
    return all->exact[l] = facet_near_place(&all->y, all->place, l);
  all->exact[l] = facet_near_distance(all->features, all->query, all->x + l * all->features);
  all->low[l] = all->high[l] = (float)all->exact[l];
  return all->exact[l];
}

/* ---- neighbours and ranks ---- */

static void enter_nearest(int64_t k, int64_t sample, double far, neighbourhood *n)
{
  int64_t i = k - 1;
  for (; i > 0 && far < n->far[i - 1]; i--) {
    n->far[i] = n->far[i - 1];
    n->near[i] = n->near[i - 1];
  }
  n->far[i] = far;
  n->near[i] = sample;
}

/* Those of the block that are nearer than the k nearest so far take their places; of equal ones the first stays. */
static void add_nearest(const distances *all, int64_t k, neighbourhood *n)
{
  int32_t place[TOGETHER + 1];
  float most = facet_near_range_of(n->far[k - 1]).perhaps;
  for (int64_t first = 0; first < all->samples; first += TOGETHER) {
    int64_t found = facet_near_find(least(all->samples - first, TOGETHER), all->low + first, most, place);
    for (int64_t i = 0; i < found; i++) {
      int64_t l = first + place[i];
      double far = all->low[l] <= most ? settle(all, l) : INFINITY;
      if (!(far < n->far[k - 1]))
        continue;
      enter_nearest(k, all->first + l, far, n);
      most = facet_near_range_of(n->far[k - 1]).perhaps;
    }
  }
}

/* How many of the samples first .. end-1 of the block are nearer than one at a distance, or as near and have a lower
 * number; t: that one. */
static int64_t count_one_by_one(const distances *all, const target *t, facet_near_range range, int64_t first,
                                int64_t end)
{
  int64_t nearer = 0, j = t->sample - all->first;
  for (int64_t l = first; l < end; l++) {
    if (all->high[l] <= range.surely) {
      nearer++;
    } else if (all->low[l] <= range.perhaps) {
      double far = settle(all, l);
      nearer += far < t->far || (far == t->far && l < j);
    }
  }
  return nearer;
}

static int64_t count_nearer(const distances *all, const target *t, int64_t first, int64_t end)
{
  facet_near_range range = facet_near_range_of(t->far);
  int64_t j = t->sample - all->first, nearer = facet_near_count(end - first, all->high + first, range.surely);
  int64_t perhaps = facet_near_count(end - first, all->low + first, range.perhaps);
  if (perhaps == nearer + (first <= j && j < end)) /* itself is as near as it is */
    return nearer;
  if (end - first <= AT_ONCE)
    return count_one_by_one(all, t, range, first, end);
  nearer = 0;
  for (int64_t from = first; from < end; from += AT_ONCE)
    nearer += count_nearer(all, t, from, least(end, from + AT_ONCE));
  return nearer;
}

static void count_block(const distances *all, neighbourhood *n)
{
  for (int64_t first = 0; first < all->samples; first += CHUNK)
    for (target *t = n->target; t < n->target + n->targets; t++)
      t->nearer += count_nearer(all, t, first, least(all->samples, first + CHUNK));
}

static bool among(int64_t count, const int64_t *numbers, int64_t j)
{
  for (int64_t i = 0; i < count; i++)
    if (numbers[i] == j)
      return true;
  return false;
}

/* What the other space's neighbours are in the input space: those that are none there. */
static facet_status find_input_targets(const facet_ranking *w, query *q)
{
  const void *x;
  int64_t k = w->e->neighbours;
  for (int64_t i = 0; i < k; i++) {
    int64_t sample = q->output.near[i];
    if (among(k, q->input.near, sample))
      continue;
    FACET_TRY(window_find(&w->x, sample, w->one_x, &x));
    q->input.target[q->input.targets++] =
        (target){.sample = sample, .far = facet_near_distance(w->e->features, q->x, x)};
  }
  return FACET_OK;
}

static facet_status find_output_targets(const facet_ranking *w, query *q)
{
  const void *y;
  int64_t k = w->e->neighbours;
  for (int64_t i = 0; i < k; i++) {
    target t = {.sample = q->input.near[i]};
    if (among(k, q->output.near, t.sample))
      continue;
    FACET_TRY(window_find(&w->y, t.sample, w->one_y, &y));
    t.far = facet_near_place(&(facet_near_layout){w->e->dimensions, 1, y}, q->y, 0);
    q->output.target[q->output.targets++] = t;
  }
  return FACET_OK;
}

/* Rank - k of all targets. */
static int64_t penalty(int64_t k, const neighbourhood *n)
{
  int64_t sum = 0;
  for (int64_t i = 0; i < n->targets; i++)
    sum += n->target[i].nearer + 1 - k;
  return sum;
}

/* ---- all queries ---- */

/* place: of samples first .. first+count-1; `what` they are. */
static facet_status check_places(const char *what, int64_t first, int64_t count, int64_t dimensions,
                                 const double *place)
{
  for (int64_t i = 0; i < count * dimensions; i++)
    FACET_CHECK(fabs(place[i]) <= 1e150, FACET_BAD_INPUT, "position of %s %lld is %g", what,
                (long long)(first + i / dimensions), place[i]);
  return FACET_OK;
}

static facet_status check_counts(const facet_embedded *e)
{
  FACET_CHECK(e->neighbours >= 1 && 2 * e->neighbours < e->samples, FACET_BAD_INPUT,
              "%lld neighbours of %lld samples: must be at least 1 and less than half", (long long)e->neighbours,
              (long long)e->samples);
  FACET_CHECK(e->samples <= INT_MAX && e->features >= 1 && e->features <= INT_MAX && e->dimensions >= 1,
              FACET_BAD_INPUT, "%lld samples of %lld features in %lld dimensions", (long long)e->samples,
              (long long)e->features, (long long)e->dimensions);
  return FACET_OK;
}

static facet_status check_features(const facet_embedded *e, int64_t first, int64_t count, const float *x)
{
  for (int64_t i = 0; i < count * e->features; i++)
    FACET_CHECK(isfinite(x[i]), FACET_BAD_INPUT, "feature %lld of sample %lld is not finite",
                (long long)(i % e->features), (long long)(first + i / e->features));
  return FACET_OK;
}

/* ---- blocks ---- */

static int64_t block_of(const facet_embedded *e)
{
  int64_t most = FACET_RANKING_BLOCK / e->features;
  if (e->samples <= least(most, MOST_SAMPLES))
    return e->samples;
  return most < 1 ? 1 : least(least(most, SAMPLES_OF_BLOCK), e->samples);
}

int64_t facet_ranking_rows(const facet_embedded *e)
{
  int64_t most = FACET_RANKING_BLOCK / e->features;
  int64_t rows = block_of(e) == e->samples ? ROWS : least(ROWS_OF_BLOCK, most < 1 ? 1 : most);
  return least(rows, e->samples);
}

/* Places one after the other into dimensions one after the other. */
static void turn_places(int64_t dimensions, int64_t count, const double *place, int64_t stride, double *to)
{
  for (int64_t l = 0; l < count; l++)
    for (int64_t d = 0; d < dimensions; d++)
      to[d * stride + l] = place[l * dimensions + d];
}

/* The samples from `first` on. */
static facet_status enter_block(facet_ranking *w, int64_t first)
{
  int64_t count = least(w->width, w->e->samples - first), features = w->e->features;
  bool there = w->input.first == first && w->input.samples == count;
  FACET_TRY(window_take(&w->x, first, count));
  FACET_TRY(window_take(&w->y, first, count));
  w->input.x = window_row(&w->x, first);
  w->input.first = w->output.first = first;
  w->input.samples = w->output.samples = count;
  if (there)
    return FACET_OK;
  for (int64_t l = 0; l < count; l++)
    w->square[l] = (float)facet_near_distance(features, w->input.x + l * features, w->zero);
  turn_places(w->e->dimensions, count, window_row(&w->y, first), w->width, w->place);
  return FACET_OK;
}

/* Of so many queries with the block. */
static void multiply(facet_ranking *w, int64_t count)
{
  int features = (int)w->e->features, samples = (int)w->input.samples;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, samples, features, 1, w->query[0].x, features,
              w->input.x, features, 0, w->product, samples);
}

static void count_in_block(facet_ranking *w, query *q)
{
  count_block(&w->input, &q->input);
  count_block(&w->output, &q->output);
}

/* Where one block is all there is, what is in it is counted at once. */
static facet_status find_neighbours(facet_ranking *w, query *q)
{
  add_nearest(&w->input, w->e->neighbours, &q->input);
  add_nearest(&w->output, w->e->neighbours, &q->output);
  if (w->input.first + w->input.samples < w->e->samples)
    return FACET_OK;
  FACET_TRY(find_input_targets(w, q));
  FACET_TRY(find_output_targets(w, q));
  if (w->width == w->e->samples)
    count_in_block(w, q);
  return FACET_OK;
}

static facet_status begin_queries(facet_ranking *w, int64_t first, int64_t count)
{
  FACET_TRY(window_take(&w->query_x, first, count));
  FACET_TRY(window_take(&w->query_y, first, count));
  for (int64_t i = 0; i < count; i++) {
    query *q = &w->query[i];
    q->number = first + i;
    q->x = window_row(&w->query_x, first + i);
    q->y = window_row(&w->query_y, first + i);
    q->square = facet_near_distance(w->e->features, q->x, w->zero);
    q->input.targets = q->output.targets = 0;
    for (int64_t k = 0; k < w->e->neighbours; k++)
      q->input.far[k] = q->output.far[k] = INFINITY;
  }
  return FACET_OK;
}

/* Of at most `rows` queries. */
static facet_status add_queries(facet_ranking *w, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  int passes = w->width < w->e->samples ? 2 : 1;
  FACET_TRY(begin_queries(w, first, count));
  for (int pass = 0; pass < passes; pass++)
    for (int64_t from = 0; from < w->e->samples; from += w->width) {
      FACET_TRY(enter_block(w, from));
      multiply(w, count);
      for (int64_t i = 0; i < count; i++) {
        know_distances(w, &w->query[i], w->product + i * w->input.samples);
        if (pass == 0)
          FACET_TRY(find_neighbours(w, &w->query[i]));
        else
          count_in_block(w, &w->query[i]);
      }
    }
  for (int64_t i = 0; i < count; i++) {
    sum->trustworthiness += penalty(w->e->neighbours, &w->query[i].input);
    sum->continuity += penalty(w->e->neighbours, &w->query[i].output);
  }
  return FACET_OK;
}

facet_status facet_rank_penalties_add(facet_ranking *w, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  for (int64_t some; count > 0; first += some, count -= some) {
    some = least(w->rows, count);
    FACET_TRY(add_queries(w, first, some, sum));
  }
  return FACET_OK;
}

/* ---- making ready ---- */

static facet_status make_queries(facet_ranking *w)
{
  int64_t k = w->e->neighbours;
  FACET_NEW(w->query, w->rows);
  FACET_NEW(w->near, 2 * k * w->rows);
  FACET_NEW(w->far, 2 * k * w->rows);
  FACET_NEW(w->target, 2 * k * w->rows);
  for (int64_t i = 0; i < w->rows; i++) {
    int64_t in = 2 * k * i, out = in + k;
    w->query[i].input = (neighbourhood){w->near + in, w->far + in, w->target + in, 0};
    w->query[i].output = (neighbourhood){w->near + out, w->far + out, w->target + out, 0};
  }
  return FACET_OK;
}

static facet_status prepare(facet_ranking *w)
{
  const facet_embedded *e = w->e;
  size_t x = (size_t)e->features * sizeof(float), y = (size_t)e->dimensions * sizeof(double);
  FACET_NEW(w->product, w->rows * w->width);
  FACET_NEW(w->square, w->width);
  FACET_NEW(w->input.low, w->width);
  FACET_NEW(w->input.high, w->width);
  FACET_NEW(w->output.low, w->width);
  w->output.high = w->output.low;
  FACET_NEW(w->input.settled, w->width);
  FACET_NEW(w->output.settled, w->width);
  FACET_NEW(w->input.exact, w->width);
  FACET_NEW(w->output.exact, w->width);
  FACET_NEW(w->place, w->width * e->dimensions);
  w->output.y = (facet_near_layout){e->dimensions, w->width, w->place};
  FACET_NEW(w->zero, e->features);
  FACET_NEW(w->one_x, e->features);
  FACET_NEW(w->one_y, e->dimensions);
  FACET_TRY(window_make(&e->x, x, w->width, &w->x));
  FACET_TRY(window_make(&e->y, y, w->width, &w->y));
  FACET_TRY(window_make(&e->x, x, w->rows, &w->query_x));
  FACET_TRY(window_make(&e->y, y, w->rows, &w->query_y));
  return make_queries(w);
}

/* All of the numbers, once. */
static facet_status check_numbers(facet_ranking *w)
{
  const facet_embedded *e = w->e;
  for (int64_t first = 0; first < e->samples; first += w->width) {
    FACET_TRY(enter_block(w, first));
    FACET_TRY(check_features(e, first, w->input.samples, w->input.x));
    FACET_TRY(check_places("sample", first, w->input.samples, e->dimensions, window_row(&w->y, first)));
  }
  return FACET_OK;
}

double facet_ranking_bytes(const facet_embedded *e)
{
  double rows = (double)facet_ranking_rows(e), width = (double)block_of(e), k = (double)e->neighbours;
  double x = e->x.held ? 0 : (double)sizeof(float) * (double)e->features;
  double y = e->y.held ? 0 : (double)sizeof(double) * (double)e->dimensions;
  double of_sample = 4 * sizeof(float) + 2 * sizeof(uint8_t) + (2 + (double)e->dimensions) * sizeof(double);
  return rows * width * sizeof(float) + (rows + width) * (x + y) + width * of_sample +
         rows * (sizeof(query) + 2 * k * (sizeof(target) + sizeof(double) + sizeof(int64_t))) +
         (double)e->features * 2 * sizeof(float);
}

facet_status facet_ranking_create(const facet_embedded *e, facet_ranking **ranking)
{
  facet_ranking *w = *ranking = NULL;
  FACET_TRY(check_counts(e));
  FACET_NEW(w, 1);
  *w = (facet_ranking){.e = e, .rows = facet_ranking_rows(e), .width = block_of(e), .input = {.features = e->features}};
  facet_status status = prepare(w);
  if (status == FACET_OK)
    status = check_numbers(w);
  *ranking = w;
  if (status != FACET_OK)
    facet_ranking_destroy(ranking);
  return status;
}

void facet_ranking_destroy(facet_ranking **ranking)
{
  facet_ranking *w = *ranking;
  if (w)
    FACET_FREE(&w->product, &w->square, &w->input.low, &w->input.high, &w->output.low, &w->input.settled,
               &w->output.settled, &w->input.exact, &w->output.exact, &w->place, &w->zero, &w->one_x, &w->one_y,
               &w->x.room, &w->y.room, &w->query_x.room, &w->query_y.room, &w->query, &w->near, &w->far, &w->target);
  facet_free(ranking);
}

double facet_rank_quality(int64_t samples, int64_t neighbours, int64_t penalty)
{
  double n = (double)samples, k = (double)neighbours;
  return 1 - 2 * (double)penalty / (n * k * (2 * n - 3 * k - 1));
}

/* ---- the nearest one's label ---- */

typedef struct {
  double far;
  int64_t number; /* -1: none yet */
  int32_t label;
} nearest;

typedef struct {
  const facet_labelled *l;
  window reference, reference_label, query, query_label;
  double *turned; /* dimensions x references of a block */
  facet_near_layout place;
  nearest nearest[FACET_NEAREST_QUERIES];
} labels;

/* Of a query, among the references of the block with a label. */
static void look_for_nearer(const labels *w, int64_t number, nearest *found)
{
  const facet_labelled *l = w->l;
  int32_t place[TOGETHER + 1];
  float far[TOGETHER];
  const double *at = window_row(&w->query, number);
  const int32_t *label = window_row(&w->reference_label, w->reference.first);
  for (int64_t first = 0; first < w->reference.count; first += TOGETHER) {
    int64_t count = least(w->reference.count - first, TOGETHER);
    facet_near_places(&w->place, at, first, count, far);
    count = facet_near_find(count, far, facet_near_range_of(found->far).perhaps, place);
    for (int64_t i = 0; i < count; i++) {
      int64_t r = first + place[i], block = w->reference.first + r;
      double exact = facet_near_place(&w->place, at, r);
      if (exact < found->far && label[r] >= 0 && !(l->leave_out && block == number))
        *found = (nearest){exact, block, label[r]};
    }
  }
}

static facet_status find_nearest(labels *w, int64_t first, int64_t count)
{
  const facet_labelled *l = w->l;
  for (int64_t i = 0; i < count; i++)
    w->nearest[i] = (nearest){INFINITY, -1, -1};
  for (int64_t from = 0; from < l->references; from += FACET_NEAREST_REFERENCES) {
    int64_t some = least(l->references - from, FACET_NEAREST_REFERENCES);
    FACET_TRY(window_take(&w->reference, from, some));
    FACET_TRY(window_take(&w->reference_label, from, some));
    FACET_TRY(check_places("reference", from, some, l->dimensions, window_row(&w->reference, from)));
    turn_places(l->dimensions, some, window_row(&w->reference, from), w->place.stride, w->turned);
    for (int64_t i = 0; i < count; i++)
      if (*(const int32_t *)window_row(&w->query_label, first + i) >= 0)
        look_for_nearer(w, first + i, &w->nearest[i]);
  }
  return FACET_OK;
}

static facet_status add_errors(labels *w, int64_t first, int64_t count, facet_nearest_errors *sum)
{
  FACET_TRY(window_take(&w->query, first, count));
  FACET_TRY(window_take(&w->query_label, first, count));
  FACET_TRY(check_places("query", first, count, w->l->dimensions, window_row(&w->query, first)));
  FACET_TRY(find_nearest(w, first, count));
  for (int64_t i = 0; i < count; i++) {
    int32_t label = *(const int32_t *)window_row(&w->query_label, first + i);
    if (label < 0)
      continue;
    FACET_CHECK(w->nearest[i].number >= 0, FACET_BAD_INPUT, "no reference with a label beside query %lld",
                (long long)(first + i));
    sum->wrong += w->nearest[i].label != label;
    sum->counted++;
  }
  return FACET_OK;
}

static facet_status labels_make(const facet_labelled *l, labels *w)
{
  size_t place = (size_t)l->dimensions * sizeof(double);
  int64_t most = least(l->references, FACET_NEAREST_REFERENCES);
  *w = (labels){.l = l};
  FACET_NEW(w->turned, most * l->dimensions);
  w->place = (facet_near_layout){l->dimensions, most, w->turned};
  FACET_TRY(window_make(&l->reference, place, FACET_NEAREST_REFERENCES, &w->reference));
  FACET_TRY(window_make(&l->reference_label, sizeof(int32_t), FACET_NEAREST_REFERENCES, &w->reference_label));
  FACET_TRY(window_make(&l->query, place, FACET_NEAREST_QUERIES, &w->query));
  return window_make(&l->query_label, sizeof(int32_t), FACET_NEAREST_QUERIES, &w->query_label);
}

double facet_nearest_bytes(int64_t dimensions)
{
  return (double)(FACET_NEAREST_REFERENCES + FACET_NEAREST_QUERIES) *
             ((double)dimensions * sizeof(double) + sizeof(int32_t)) +
         FACET_NEAREST_REFERENCES * (double)dimensions * sizeof(double);
}

facet_status facet_nearest_errors_add(const facet_labelled *l, int64_t first, int64_t count, facet_nearest_errors *sum)
{
  labels w;
  facet_status status = labels_make(l, &w);
  for (int64_t some; count > 0 && status == FACET_OK; first += some, count -= some) {
    some = least(count, FACET_NEAREST_QUERIES);
    status = add_errors(&w, first, some, sum);
  }
  FACET_FREE(&w.turned, &w.reference.room, &w.reference_label.room, &w.query.room, &w.query_label.room);
  return status;
}
