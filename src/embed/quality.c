/* Ranks of neighbours in the input space and in the embedding: see quality.h.
 *
 * A product in float gives each squared distance |x|^2 + |z|^2 - 2 xz to within a bound that holds for every order of
 * summation (Higham 2002, 3.1).  Where the bounds of two distances that have to be compared overlap, which is rare,
 * they are computed in double, always in the same order.  So the ranks are those of plain loops, ties included,
 * whatever the BLAS does and however large its blocks are. */
#include <cblas.h>
#include <float.h>
#include <limits.h>
#include <math.h>

#include "quality.h"

enum {
  LANES = 8, /* as many sums as a vector takes: their order is the same on all processors */
  CHUNK = 256,
  AT_ONCE = 64,          /* numbers that are looked at together first */
  MOST_ROWS = 64,        /* queries of one product */
  MOST_PRODUCT = 1 << 23 /* and its elements, if more than one row */
};

/* The squared distances of one query from all samples: between low and high, which are one array where all are known.
 * Infinite for the query itself. */
typedef struct {
  int64_t samples, features;
  const float *x, *query;
  double *low, *high;
} distances;

struct facet_ranking {
  const facet_embedded *e;
  int64_t rows, first, end; /* queries of one product; of the present one */
  float *product;           /* rows x samples */
  double *square;           /* samples: |x|^2 */
  distances input, output;
  int64_t *near_input, *near_output; /* the k nearest */
  double *nearest;                   /* and how far they are */
};

/* ---- distances ---- */

/* Sum of (a - b)^2. */
static double distance(int64_t features, const float *a, const float *b)
{
  double lane[LANES] = {0}, sum = 0;
  int64_t f = 0;
  for (; f + LANES <= features; f += LANES)
    for (int i = 0; i < LANES; i++) {
      double off = (double)a[f + i] - (double)b[f + i];
      lane[i] += off * off;
    }
  for (; f < features; f++)
    sum += ((double)a[f] - (double)b[f]) * ((double)a[f] - (double)b[f]);
  for (int i = 0; i < LANES; i++)
    sum += lane[i];
  return sum;
}

/* Squared distances of a place from so many others. */
static void place_distances(int64_t dimensions, const double *place, int64_t count, const double *others, double *far)
{
  for (int64_t l = 0; l < count; l++)
    far[l] = 0;
  for (int64_t d = 0; d < dimensions; d++)
    for (int64_t l = 0; l < count; l++)
      far[l] += (place[d] - others[l * dimensions + d]) * (place[d] - others[l * dimensions + d]);
}

static bool any_below(int64_t count, const double *value, double bound)
{
  int64_t below = 0;
  for (int64_t l = 0; l < count; l++)
    below += value[l] < bound;
  return below > 0;
}

/* What the product of a query in float says. A relative error of u in each of n roundings is one of n u / (1 - n u) in
 * the sum of |x z|, which is at most (|x|^2 + |z|^2) / 2; the few more are for the rest, in double. */
static void bound_distances(const facet_ranking *w, int64_t query, const float *product)
{
  double n = (double)w->e->features + 16, unit = n * FLT_EPSILON / 2;
  double relative = unit < 0.5 ? unit / (1 - unit) : INFINITY, underflow = 4 * n * FLT_MIN;
  const double *square = w->square;
  for (int64_t l = 0; l < w->e->samples; l++) {
    double squares = square[query] + square[l], middle = squares - 2 * (double)product[l];
    double error = relative * squares + underflow;
    bool known = isfinite(middle) && isfinite(error);
    w->input.low[l] = known ? middle - error : (double)-INFINITY;
    w->input.high[l] = known ? middle + error : (double)INFINITY;
  }
  w->input.low[query] = w->input.high[query] = INFINITY;
}

static void know_distances(const facet_ranking *w, int64_t query)
{
  int64_t d = w->e->dimensions;
  place_distances(d, w->e->y + query * d, w->e->samples, w->e->y, w->output.low);
  w->output.low[query] = INFINITY;
}

static void settle(const distances *all, int64_t sample)
{
  if (all->low[sample] < all->high[sample])
    all->low[sample] = all->high[sample] = distance(all->features, all->query, all->x + sample * all->features);
}

/* ---- neighbours and ranks ---- */

/* The `wanted` smallest of so many finite values, ascending, of equal ones the first; their numbers. */
static void smallest(int64_t count, const double *value, int64_t wanted, double *found, int64_t *number)
{
  for (int64_t k = 0; k < wanted; k++)
    found[k] = INFINITY;
  for (int64_t l = 0; l < count; l++) {
    int64_t k = wanted - 1;
    while (l % AT_ONCE == 0 && count - l >= AT_ONCE && !any_below(AT_ONCE, value + l, found[k]))
      l += AT_ONCE;
    if (l == count || !(value[l] < found[k]))
      continue;
    for (; k > 0 && value[l] < found[k - 1]; k--) {
      found[k] = found[k - 1];
      number[k] = number[k - 1];
    }
    found[k] = value[l];
    number[k] = l;
  }
}

/* What may be as near as the k-th is settled; then the k lowest bounds are those of the k nearest. */
static void find_nearest(const facet_ranking *w, const distances *all, int64_t *near)
{
  int64_t k = w->e->neighbours;
  smallest(all->samples, all->high, k, w->nearest, near);
  double farthest = w->nearest[k - 1];
  for (int64_t l = 0; l < all->samples; l++)
    if (all->low[l] <= farthest)
      settle(all, l);
  smallest(all->samples, all->low, k, w->nearest, near);
}

/* How many of the samples first .. end-1 are nearer than sample j, at a known distance. */
static int64_t count_nearer(const distances *all, int64_t j, int64_t first, int64_t end)
{
  double far = all->low[j];
  int64_t nearer = 0, perhaps = 0;
  for (int64_t l = first; l < end; l++) {
    nearer += all->high[l] < far;
    perhaps += all->low[l] <= far;
  }
  if (perhaps == nearer + (first <= j && j < end)) /* j itself is as near as it is */
    return nearer;
  nearer = 0;
  for (int64_t l = first; l < end; l++) {
    if (all->low[l] <= far && all->high[l] >= far)
      settle(all, l);
    nearer += all->low[l] < far || (all->low[l] == far && l < j);
  }
  return nearer;
}

static int64_t rank_of(const distances *all, int64_t j)
{
  int64_t rank = 1;
  settle(all, j);
  for (int64_t first = 0; first < all->samples; first += CHUNK)
    rank += count_nearer(all, j, first, first + CHUNK < all->samples ? first + CHUNK : all->samples);
  return rank;
}

static bool among(int64_t count, const int64_t *numbers, int64_t j)
{
  for (int64_t i = 0; i < count; i++)
    if (numbers[i] == j)
      return true;
  return false;
}

/* Rank - k of the neighbours in another space that are none in this one. */
static int64_t penalty(int64_t k, const distances *here, const int64_t *near_here, const int64_t *near_there)
{
  int64_t sum = 0;
  for (int64_t i = 0; i < k; i++)
    if (!among(k, near_here, near_there[i]))
      sum += rank_of(here, near_there[i]) - k;
  return sum;
}

/* ---- all queries ---- */

/* Of samples first .. end-1; `what` they are. */
static facet_status check_places(const char *what, int64_t first, int64_t end, int64_t dimensions, const double *place)
{
  for (int64_t i = first * dimensions; i < end * dimensions; i++)
    FACET_CHECK(fabs(place[i]) <= 1e150, FACET_BAD_INPUT, "position of %s %lld is %g", what,
                (long long)(i / dimensions), place[i]);
  return FACET_OK;
}

static facet_status check_embedded(const facet_embedded *e)
{
  FACET_CHECK(e->neighbours >= 1 && 2 * e->neighbours < e->samples, FACET_BAD_INPUT,
              "%lld neighbours of %lld samples: must be at least 1 and less than half", (long long)e->neighbours,
              (long long)e->samples);
  FACET_CHECK(e->samples <= INT_MAX && e->features >= 1 && e->features <= INT_MAX && e->dimensions >= 1,
              FACET_BAD_INPUT, "%lld samples of %lld features in %lld dimensions", (long long)e->samples,
              (long long)e->features, (long long)e->dimensions);
  for (int64_t i = 0; i < e->samples * e->features; i++)
    FACET_CHECK(isfinite(e->x[i]), FACET_BAD_INPUT, "feature %lld of sample %lld is not finite",
                (long long)(i % e->features), (long long)(i / e->features));
  return check_places("sample", 0, e->samples, e->dimensions, e->y);
}

static facet_status prepare(facet_ranking *w)
{
  const facet_embedded *e = w->e;
  FACET_NEW(w->product, w->rows * e->samples);
  FACET_NEW(w->square, e->samples);
  FACET_NEW(w->input.low, e->samples);
  FACET_NEW(w->input.high, e->samples);
  FACET_NEW(w->output.low, e->samples);
  w->output.high = w->output.low;
  FACET_NEW(w->near_input, e->neighbours);
  FACET_NEW(w->near_output, e->neighbours);
  FACET_NEW(w->nearest, e->neighbours);
  float *origin;
  FACET_NEW(origin, e->features);
  for (int64_t l = 0; l < e->samples; l++)
    w->square[l] = distance(e->features, e->x + l * e->features, origin);
  facet_free(&origin);
  return FACET_OK;
}

static void add_query(facet_ranking *w, int64_t query, const float *product, facet_rank_penalties *sum)
{
  w->input.query = w->e->x + query * w->e->features;
  bound_distances(w, query, product);
  know_distances(w, query);
  find_nearest(w, &w->input, w->near_input);
  find_nearest(w, &w->output, w->near_output);
  sum->trustworthiness += penalty(w->e->neighbours, &w->input, w->near_input, w->near_output);
  sum->continuity += penalty(w->e->neighbours, &w->output, w->near_output, w->near_input);
}

/* Queries of one product. */
static int64_t rows_at_once(int64_t samples)
{
  int64_t rows = MOST_PRODUCT / samples;
  return rows > MOST_ROWS ? MOST_ROWS : rows < 1 ? 1 : rows;
}

double facet_ranking_bytes(int64_t samples)
{
  return (double)samples * (double)(rows_at_once(samples) * (int64_t)sizeof(float) + 4 * (int64_t)sizeof(double));
}

facet_status facet_ranking_create(const facet_embedded *e, facet_ranking **ranking)
{
  facet_ranking *w = *ranking = NULL;
  FACET_TRY(check_embedded(e));
  FACET_NEW(w, 1);
  *w = (facet_ranking){.e = e,
                       .rows = rows_at_once(e->samples),
                       .input = {.samples = e->samples, .features = e->features, .x = e->x},
                       .output = {.samples = e->samples}};
  facet_status status = prepare(w);
  *ranking = w;
  if (status != FACET_OK)
    facet_ranking_destroy(ranking);
  return status;
}

void facet_ranking_destroy(facet_ranking **ranking)
{
  facet_ranking *w = *ranking;
  if (w)
    FACET_FREE(&w->product, &w->square, &w->input.low, &w->input.high, &w->output.low, &w->near_input, &w->near_output,
               &w->nearest);
  facet_free(ranking);
}

/* Of the queries from `first` on. */
static void multiply(facet_ranking *w, int64_t first)
{
  const facet_embedded *e = w->e;
  int features = (int)e->features, samples = (int)e->samples;
  w->first = first;
  w->end = e->samples - first < w->rows ? e->samples : first + w->rows;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(w->end - first), samples, features, 1,
              e->x + first * e->features, features, e->x, features, 0, w->product, samples);
}

void facet_rank_penalties_add(facet_ranking *w, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  for (int64_t i = first; i < first + count; i++) {
    if (i < w->first || i >= w->end)
      multiply(w, i);
    add_query(w, i, w->product + (i - w->first) * w->e->samples, sum);
  }
}

double facet_rank_quality(int64_t samples, int64_t neighbours, int64_t penalty)
{
  double n = (double)samples, k = (double)neighbours;
  return 1 - 2 * (double)penalty / (n * k * (2 * n - 3 * k - 1));
}

/* ---- the nearest one's label ---- */

/* The reference with a label that is nearest to a query, or -1. */
static int64_t nearest_reference(const facet_labelled *l, int64_t query)
{
  double least = INFINITY, far[AT_ONCE];
  int64_t nearest = -1, d = l->dimensions;
  for (int64_t first = 0; first < l->references; first += AT_ONCE) {
    int64_t count = l->references - first < AT_ONCE ? l->references - first : AT_ONCE;
    place_distances(d, l->query + query * d, count, l->reference + first * d, far);
    for (int64_t r = any_below(count, far, least) ? first : first + count; r < first + count; r++)
      if (far[r - first] < least && l->reference_label[r] >= 0 && !(l->leave_out && r == query)) {
        least = far[r - first];
        nearest = r;
      }
  }
  return nearest;
}

facet_status facet_nearest_errors_add(const facet_labelled *l, int64_t first, int64_t count, facet_nearest_errors *sum)
{
  FACET_TRY(check_places("reference", 0, l->references, l->dimensions, l->reference));
  FACET_TRY(check_places("query", first, first + count, l->dimensions, l->query));
  for (int64_t q = first; q < first + count; q++) {
    if (l->query_label[q] < 0)
      continue;
    int64_t nearest = nearest_reference(l, q);
    FACET_CHECK(nearest >= 0, FACET_BAD_INPUT, "no reference with a label beside query %lld", (long long)q);
    sum->wrong += l->reference_label[nearest] != l->query_label[q];
    sum->counted++;
  }
  return FACET_OK;
}
