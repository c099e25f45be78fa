/* How faithful attributions are: curves of deletion and insertion, infidelity, the largest sensitivity, and how far two
 * of them agree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attributor.h"
#include "base/base.h"

/* ---- chance ---- */

void facet_attribution_noise(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *noise)
{
  const facet_random random = {seed, FACET_STREAM_NOISE};
  double pair[2];
  int64_t pairs = (count + 1) / 2;
  for (int64_t i = 0; i < count; i++) {
    if (i % 2 == 0)
      facet_random_normal(random, (uint64_t)number, (uint64_t)(draw * pairs + i / 2), pair);
    noise[i] = pair[i % 2];
  }
}

void facet_attribution_shift(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *shift)
{
  const facet_random random = {seed, FACET_STREAM_SHIFT};
  for (int64_t i = 0; i < count; i++)
    shift[i] = 2 * facet_random_uniform(random, (uint64_t)number, (uint64_t)(draw * count + i)) - 1;
}

/* A length of at most half of the side, and where it begins. */
static void find_stretch(facet_random random, int64_t number, int64_t draw, int64_t side, int64_t *first, int64_t *end)
{
  double length = facet_random_uniform(random, (uint64_t)number, (uint64_t)(2 * draw));
  double start = facet_random_uniform(random, (uint64_t)number, (uint64_t)(2 * draw + 1));
  int64_t longest = (side + 1) / 2, is = 1 + (int64_t)(length * (double)longest);
  *first = (int64_t)(start * (double)(side - is + 1));
  *end = *first + is;
}

void facet_attribution_rectangle(uint32_t seed, int64_t number, int64_t draw, facet_image image, double *inside)
{
  const facet_random random = {seed, FACET_STREAM_RECTANGLE};
  int64_t top, bottom, left, right, plane = facet_image_plane(image);
  find_stretch(random, number, 2 * draw, image.height, &top, &bottom);
  find_stretch(random, number, 2 * draw + 1, image.width, &left, &right);
  for (int64_t i = 0; i < facet_image_inputs(image); i++) {
    int64_t y = i % plane / image.width, x = i % image.width;
    inside[i] = y >= top && y < bottom && x >= left && x < right;
  }
}

/* ---- order ---- */

typedef struct {
  double value;
  int64_t place;
} ranked;

/* The largest first; of equal ones, the first. */
static int by_value(const void *a, const void *b)
{
  const ranked *one = a, *two = b;
  if (one->value != two->value)
    return one->value < two->value ? 1 : -1;
  return (one->place > two->place) - (one->place < two->place);
}

/* The caller frees. */
static facet_status sort(int64_t count, const double *x, ranked **order)
{
  FACET_NEW(*order, count);
  for (int64_t i = 0; i < count; i++)
    (*order)[i] = (ranked){x[i], i};
  qsort(*order, (size_t)count, sizeof **order, by_value);
  return FACET_OK;
}

static bool any_nan(int64_t count, const double *x)
{
  for (int64_t i = 0; i < count; i++)
    if (isnan(x[i]))
      return true;
  return false;
}

/* ---- curves ---- */

static double probability(int64_t classes, const double *logit, int32_t row)
{
  double sum = 0;
  for (int64_t k = 0; k < classes; k++)
    sum += exp(logit[k] - logit[row]);
  return 1 / sum;
}

/* In `from`, more and more numbers, in their order, become those of `to`. */
static facet_status draw_curve(facet_attributor *a, const double *from, const double *to, const ranked *order,
                               int32_t row, int64_t points, double *curve)
{
  int64_t done = 0;
  double *x = a->picture;
  memcpy(x, from, (size_t)a->inputs * sizeof *x);
  for (int64_t first = 0; first <= points; first += a->batch) {
    int64_t now = points + 1 - first < a->batch ? points + 1 - first : a->batch;
    for (int64_t i = 0; i < now; i++) {
      for (; done < (first + i) * a->inputs / points; done++)
        x[order[done].place] = to[order[done].place];
      memcpy(a->x + i * a->inputs, x, (size_t)a->inputs * sizeof *x);
    }
    FACET_TRY(facet_attributor_logits(a, a->x, now, a->logits));
    for (int64_t i = 0; i < now; i++)
      curve[first + i] = probability(a->classes, a->logits + i * a->classes, row);
    if (a->options.pause)
      FACET_TRY(a->options.pause(a->options.context));
  }
  return FACET_OK;
}

static facet_status draw_curves(facet_attributor *a, const facet_explained *what, int64_t k, const double *attribution,
                                int64_t points, facet_faithfulness *result)
{
  ranked *order;
  int64_t at = k * (points + 1);
  FACET_TRY(sort(a->inputs, attribution, &order));
  facet_status status = draw_curve(a, what->x, what->baseline, order, what->row[k], points, result->deletion + at);
  if (status == FACET_OK)
    status = draw_curve(a, what->baseline, what->x, order, what->row[k], points, result->insertion + at);
  facet_free(&order);
  return status;
}

double facet_curve_area(int64_t points, const double *curve)
{
  double sum = 0;
  for (int64_t i = 0; i < points; i++)
    sum += (curve[i] + curve[i + 1]) / 2;
  return sum / (double)points;
}

/* ---- infidelity ---- */

/* a->noise: 1 inside the rectangle, as the network takes it. */
static void take_rectangle(facet_attributor *a, int64_t number, int64_t draw)
{
  const facet_attribution_options *o = &a->options;
  facet_attribution_rectangle(o->seed, number, draw, o->image, o->layout ? a->picture : a->noise);
  if (o->layout)
    facet_input_arrange(o->layout, o->image, 1, sizeof *a->noise, a->picture, a->noise);
}

static facet_status find_infidelity(facet_attributor *a, int method, const facet_explained *what,
                                    const double *attribution, int64_t perturbations, double *infidelity)
{
  bool parts = facet_attribution_adds_up(method);
  memset(infidelity, 0, (size_t)what->k * sizeof *infidelity);
  for (int64_t p = 0; p < perturbations; p++) {
    double *x = a->x, *without = a->x + a->inputs, *logits = a->logits;
    take_rectangle(a, what->number, p);
    memcpy(x, what->x, (size_t)a->inputs * sizeof *x);
    for (int64_t d = 0; d < a->inputs; d++)
      without[d] = a->noise[d] != 0 ? what->baseline[d] : what->x[d];
    FACET_TRY(facet_attributor_logits(a, a->x, 2, logits));
    for (int64_t k = 0; k < what->k; k++) {
      double said = 0, lost = logits[what->row[k]] - logits[a->classes + what->row[k]];
      for (int64_t d = 0; d < a->inputs; d++)
        said += a->noise[d] * attribution[k * a->inputs + d] * (parts ? 1 : what->x[d] - what->baseline[d]);
      infidelity[k] += (said - lost) * (said - lost) / (double)perturbations;
    }
  }
  return FACET_OK;
}

/* ---- sensitivity ---- */

/* moved, near: rooms for D, and k x D. */
static facet_status add_sensitivity(facet_attributor *a, int method, const facet_explained *what,
                                    const double *attribution, double *near, double *sensitivity)
{
  FACET_TRY(facet_attributor_explain(a, method, what, near));
  for (int64_t k = 0; k < what->k; k++) {
    double distance = 0, length = 0;
    for (int64_t i = k * a->inputs; i < (k + 1) * a->inputs; i++) {
      distance += (near[i] - attribution[i]) * (near[i] - attribution[i]);
      length += attribution[i] * attribution[i];
    }
    double found = sqrt(distance) / (length > 0 ? sqrt(length) : 1);
    sensitivity[k] = isnan(sensitivity[k]) || found <= sensitivity[k] ? sensitivity[k] : found; /* NaN stays */
  }
  return FACET_OK;
}

static facet_status find_sensitivity(facet_attributor *a, int method, const facet_explained *what,
                                     const double *attribution, const facet_faithfulness_options *o,
                                     double *sensitivity)
{
  facet_status status = FACET_OK;
  double *moved = NULL, *near = NULL;
  facet_explained there = *what;
  memset(sensitivity, 0, (size_t)what->k * sizeof *sensitivity);
  FACET_NEW_GO(done, status, moved, a->inputs);
  FACET_NEW_GO(done, status, near, what->k * a->inputs);
  there.x = moved;
  for (int64_t p = 0; p < o->perturbations; p++) {
    facet_attribution_shift(a->options.seed, what->number, p, a->inputs, moved);
    for (int64_t d = 0; d < a->inputs; d++)
      moved[d] = what->x[d] + o->radius * moved[d];
    FACET_GO(done, status, add_sensitivity(a, method, &there, attribution, near, sensitivity));
  }
done:
  FACET_FREE(&moved, &near);
  return status;
}

/* ---- all of it ---- */

facet_status facet_faithfulness_measure(facet_attributor *a, int method, const facet_explained *what,
                                        const double *attribution, const facet_faithfulness_options *o,
                                        facet_faithfulness *result)
{
  FACET_CHECK(o->points > 0 && o->perturbations > 0, FACET_INTERNAL, "curves of %lld points", (long long)o->points);
  if (any_nan(what->k * a->inputs, attribution)) {
    for (int64_t i = 0; i < what->k * (o->points + 1); i++)
      result->deletion[i] = result->insertion[i] = NAN;
    for (int64_t k = 0; k < what->k; k++)
      result->infidelity[k] = result->sensitivity[k] = NAN;
    return FACET_OK;
  }
  for (int64_t k = 0; k < what->k; k++)
    FACET_TRY(draw_curves(a, what, k, attribution + k * a->inputs, o->points, result));
  FACET_TRY(find_infidelity(a, method, what, attribution, o->perturbations, result->infidelity));
  return find_sensitivity(a, method, what, attribution, o, result->sensitivity);
}

/* ---- agreement ---- */

/* To each number its place in the order, from 0: of equal ones the mean of theirs. */
static void find_ranks(int64_t count, const ranked *order, double *rank)
{
  for (int64_t i = 0, end; i < count; i = end) {
    for (end = i + 1; end < count && order[end].value == order[i].value;)
      end++;
    for (int64_t j = i; j < end; j++)
      rank[order[j].place] = (double)(i + end - 1) / 2;
  }
}

static double correlation(int64_t count, const double *a, const double *b)
{
  double mean = (double)(count - 1) / 2, both = 0, one = 0, two = 0;
  for (int64_t i = 0; i < count; i++) {
    both += (a[i] - mean) * (b[i] - mean);
    one += (a[i] - mean) * (a[i] - mean);
    two += (b[i] - mean) * (b[i] - mean);
  }
  return one > 0 && two > 0 ? both / sqrt(one * two) : NAN;
}

static double share_in_both(int64_t count, const ranked *a, const ranked *b, int64_t top, double *mark)
{
  int64_t both = 0;
  memset(mark, 0, (size_t)count * sizeof *mark);
  for (int64_t i = 0; i < top; i++)
    mark[a[i].place] = 1;
  for (int64_t i = 0; i < top; i++)
    both += mark[b[i].place] > 0;
  return (double)both / (double)top;
}

facet_status facet_rank_agreement(int64_t count, const double *a, const double *b, int64_t top, double *spearman,
                                  double *overlap)
{
  facet_status status = FACET_OK;
  ranked *order[2] = {NULL, NULL};
  double *rank[2] = {NULL, NULL};
  *spearman = *overlap = NAN;
  if (any_nan(count, a) || any_nan(count, b))
    return FACET_OK;
  for (int i = 0; i < 2; i++) {
    FACET_GO(done, status, sort(count, i ? b : a, &order[i]));
    FACET_NEW_GO(done, status, rank[i], count);
    find_ranks(count, order[i], rank[i]);
  }
  *spearman = correlation(count, rank[0], rank[1]);
  *overlap = share_in_both(count, order[0], order[1], top < count ? top : count, rank[0]);
done:
  FACET_FREE(&order[0], &order[1], &rank[0], &rank[1]);
  return status;
}
