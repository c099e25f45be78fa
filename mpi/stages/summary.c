/* The stage summary: what is said of the samples of one variant under one condition, a line of the tiles' arrays: means
 * and deviations over all labelled samples and by class, calibration, the worst residual. Ranks share the lines, and
 * hold a few samples of one at a time. */
#include <math.h>

#include "geometry/fragility.h"
#include "geometry/moments.h"
#include "reuse.h"

enum { AT_ONCE = 4096, LOGITS_AT_ONCE = 256 }; /* samples */
#define NONE FACET_ROWS

/* A metric of a sample, and what is said of it; the deviation comes with the mean by class. */
static const struct {
  facet_row of, mean, class_mean, deviation, class_deviation;
} metrics[] = {
    {FACET_ROW_PREDICTED, FACET_ROW_MEAN_ACCURACY, FACET_ROW_CLASS_ACCURACY_MEAN, NONE, NONE},
    {FACET_ROW_LOSS, FACET_ROW_MEAN_LOSS, NONE, NONE, NONE},
    {FACET_ROW_ANGLE, FACET_ROW_MEAN_ANGLE, FACET_ROW_CLASS_ANGLE_MEAN, FACET_ROW_ANGLE_DEVIATION,
     FACET_ROW_CLASS_ANGLE_DEVIATION},
    {FACET_ROW_LENGTH, FACET_ROW_MEAN_LENGTH, FACET_ROW_CLASS_LENGTH_MEAN, FACET_ROW_LENGTH_DEVIATION,
     FACET_ROW_CLASS_LENGTH_DEVIATION},
    {FACET_ROW_MARGIN, FACET_ROW_MEAN_MARGIN, FACET_ROW_CLASS_MARGIN_MEAN, FACET_ROW_MARGIN_DEVIATION,
     FACET_ROW_CLASS_MARGIN_DEVIATION},
};

typedef struct {
  const facet_store_plan *plan;
  facet_store *store;
  int32_t *label, *predicted; /* of some samples */
  double *value, *logits;     /* of some samples; and x K */
  facet_moments moments;
} work;

static facet_place at(int v, int c)
{
  return (facet_place){.part = {{v, 1}, {c, 1}}};
}

static int64_t some(int64_t left, int64_t most)
{
  return left < most ? left : most;
}

/* `count` labels and values of a metric. */
static facet_status read_metric(const work *w, facet_row row, int v, int c, int64_t first, int64_t count)
{
  const facet_place line = {.part = {{v, 1}, {c, 1}, {first, count}}}, samples = {.part = {{first, count}}};
  FACET_TRY(facet_store_get(w->store, FACET_ROW_LABEL, samples, w->label));
  if (row != FACET_ROW_PREDICTED)
    return facet_store_get(w->store, row, line, w->value);
  FACET_TRY(facet_store_get(w->store, row, line, w->predicted));
  for (int64_t i = 0; i < count; i++)
    w->value[i] = w->predicted[i] == w->label[i];
  return FACET_OK;
}

/* Means over all samples, and by class. */
static facet_status find_means(work *w, facet_row of, int v, int c, double *mean)
{
  facet_labelled_mean all = {.number = 0};
  facet_moments_begin(&w->moments);
  for (int64_t i = 0, count; i < w->plan->samples; i += count) {
    count = some(w->plan->samples - i, AT_ONCE);
    FACET_TRY(read_metric(w, of, v, c, i, count));
    facet_labelled_mean_add(&all, count, w->label, w->value);
    facet_moments_add(&w->moments, count, w->label, w->value);
  }
  facet_moments_means(&w->moments);
  *mean = facet_labelled_mean_of(&all);
  return FACET_OK;
}

static facet_status find_deviations(work *w, facet_row of, int v, int c)
{
  for (int64_t i = 0, count; i < w->plan->samples; i += count) {
    count = some(w->plan->samples - i, AT_ONCE);
    FACET_TRY(read_metric(w, of, v, c, i, count));
    facet_moments_spread(&w->moments, count, w->label, w->value);
  }
  facet_moments_deviations(&w->moments);
  return FACET_OK;
}

static facet_status summarize_metric(work *w, size_t m, int v, int c)
{
  double mean;
  FACET_TRY(find_means(w, metrics[m].of, v, c, &mean));
  FACET_TRY(facet_store_put(w->store, metrics[m].mean, at(v, c), &mean));
  if (metrics[m].class_mean == NONE)
    return FACET_OK;
  FACET_TRY(facet_store_put(w->store, metrics[m].class_mean, at(v, c), w->moments.mean));
  if (metrics[m].deviation == NONE)
    return FACET_OK;
  FACET_TRY(find_deviations(w, metrics[m].of, v, c));
  FACET_TRY(facet_store_put(w->store, metrics[m].class_deviation, at(v, c), w->moments.deviation));
  return facet_store_put(w->store, metrics[m].deviation, at(v, c), &w->moments.deviation[w->plan->classes]);
}

static facet_status summarize_calibration(const work *w, int v, int c)
{
  const facet_store_plan *p = w->plan;
  facet_calibration_bins bins = {.count = {0}};
  for (int64_t i = 0, count; i < p->samples; i += count) {
    count = some(p->samples - i, LOGITS_AT_ONCE);
    FACET_TRY(facet_store_get(w->store, FACET_ROW_LABEL, (facet_place){.part = {{i, count}}}, w->label));
    FACET_TRY(
        facet_store_get(w->store, FACET_ROW_LOGITS, (facet_place){.part = {{v, 1}, {c, 1}, {i, count}}}, w->logits));
    facet_calibration_add(&bins, count, p->classes, w->logits, w->label);
  }
  double error = facet_calibration_error(&bins);
  return facet_store_put(w->store, FACET_ROW_ECE, at(v, c), &error);
}

static facet_status find_worst(const work *w, int v, double *worst)
{
  *worst = 0;
  for (int64_t i = 0, count; i < w->plan->linear_samples; i += count) {
    count = some(w->plan->linear_samples - i, AT_ONCE);
    FACET_TRY(
        facet_store_get(w->store, FACET_ROW_RESIDUAL, (facet_place){.variant = v, .part = {{i, count}}}, w->value));
    for (int64_t k = 0; k < count; k++)
      *worst = w->value[k] <= *worst ? *worst : w->value[k];
  }
  return FACET_OK;
}

static facet_status summarize_residual(const work *w, int v)
{
  double worst = NAN;
  if (w->plan->variant[v].linearize && w->plan->linear_samples > 0)
    FACET_TRY(find_worst(w, v, &worst));
  return facet_store_put(w->store, FACET_ROW_WORST_RESIDUAL, (facet_place){.part = {{v, 1}}}, &worst);
}

/* ---- lines ---- */

static facet_status enter(void *self, int group)
{
  (void)group;
  work *w = self;
  const facet_store_plan *p = w->plan;
  FACET_NEW(w->label, AT_ONCE);
  FACET_NEW(w->predicted, AT_ONCE);
  FACET_NEW(w->value, AT_ONCE);
  FACET_NEW(w->logits, (int64_t)LOGITS_AT_ONCE * p->classes);
  return facet_moments_make(p->classes, &w->moments);
}

static void leave(void *self)
{
  work *w = self;
  facet_moments_clear(&w->moments);
  FACET_FREE(&w->label, &w->predicted, &w->value, &w->logits);
}

static facet_status run_line(void *self, facet_dealer *dealer, int64_t line)
{
  work *w = self;
  int v = (int)(line / w->plan->conditions), c = (int)(line % w->plan->conditions);
  for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
    FACET_TRY(summarize_metric(w, m, v, c));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  FACET_TRY(summarize_calibration(w, v, c));
  return c == 0 ? summarize_residual(w, v) : FACET_OK;
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  work w = {.plan = p, .store = c->store};
  const facet_tiles tiles = {"summary", "lines", (int64_t)p->variants * p->conditions, &w, NULL, enter, leave,
                             run_line,  false};
  return facet_tiles_run(c->comm, &tiles, c->store);
}

/* A line reads all of its tiles, and the first of a variant its certificates, clean. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  for (int v = 0; v < p->variants; v++)
    for (int k = 0; k < p->conditions; k++) {
      uint8_t *own = &take[v * p->conditions + k];
      *own = *own && facet_reused_line(c, v, k, p->samples) && (k > 0 || facet_reused_line(c, v, p->clean, p->samples));
    }
  return FACET_OK;
}

/* ---- the stage ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  const facet_store_plan *p = &c->plan->store;
  *bytes = 16 * (double)AT_ONCE + 8 * (double)p->classes * (LOGITS_AT_ONCE + 3);
  return FACET_OK;
}

/* Numbers are read and added up: each takes as long as some operations of a matrix product. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double lines = (double)p->variants * p->conditions, n = (double)p->samples;
  *sum = speeds->product * lines * n * (20 * p->classes + 200) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_summary = {.name = "summary",
                                         .marks = "V, C",
                                         .memory = memory,
                                         .seconds = seconds,
                                         .still = still,
                                         .run = run,
                                         .reads = "create analyse",
                                         .apart = true,
                                         .again = true};
