/* The stage pictures: the pixels that networks saw, of the samples whose changes are taken apart, under every
 * condition.
 *
 * They are made as for the analysis, so they are the same to the bit.  A unit of work is so many samples under one
 * condition. */
#include "picked.h"
#include "reuse.h"

enum { UNIT = 24 };

typedef struct {
  const facet_context *context;
  int64_t *sample; /* s: which they are */
  facet_pixels *pixels;
} pictures;

static int64_t units_of_condition(const facet_store_plan *p)
{
  return (p->change_samples + UNIT - 1) / UNIT;
}

static int64_t count(const facet_context *context)
{
  return context->plan->store.conditions * units_of_condition(&context->plan->store);
}

/* Parts are conditions by samples. */
static facet_unit unit_of(const void *self, int64_t i)
{
  const facet_store_plan *p = &((const pictures *)self)->context->plan->store;
  int64_t each = units_of_condition(p), first = i % each * UNIT, left = p->change_samples - first;
  return (facet_unit){.cost = 1, .part = i / each * p->change_samples + first, .parts = left < UNIT ? left : UNIT};
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t i)
{
  pictures *w = self;
  const facet_store_plan *p = &w->context->plan->store;
  const facet_unit unit = unit_of(self, i);
  int64_t condition = unit.part / p->change_samples, first = unit.part % p->change_samples;
  for (int64_t place = first; place < first + unit.parts; place++) {
    const float *x;
    FACET_TRY(facet_pixels_take(w->pixels, (int)condition, w->sample[place], &x));
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_PICTURE,
                              (facet_place){.part = {{place, 1}, {condition, 1}}, .as = FACET_AS_FLOAT}, x));
  }
  return facet_dealer_pause(dealer);
}

static facet_status make(const facet_context *context, int ranks, void *self)
{
  (void)ranks;
  pictures *w = self;
  *w = (pictures){.context = context};
  FACET_NEW(w->sample, context->plan->store.change_samples);
  FACET_TRY(facet_pixels_create(&context->plan->source, 0, &w->pixels)); /* samples are picked here and there */
  return facet_picked_samples(context, w->sample);
}

static void clear(void *self)
{
  pictures *w = self;
  facet_pixels_destroy(&w->pixels);
  facet_free(&w->sample);
}

static const facet_tiled tiled = {.tiles = {.stage = "pictures", .name = "units", .unit = unit_of, .run = run_unit},
                                  .count = count,
                                  .make = make,
                                  .clear = clear};

/* ---- taking pictures over ---- */

/* Of one sample: where it is the same one there, and its pixels and the condition are. */
static facet_status keep_place(const facet_context *c, int64_t place, int64_t sample, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  bool same = facet_picked_known(c);
  if (same)
    FACET_TRY(facet_before_equal(facet_reused_from(c), FACET_ROW_CHANGE_SAMPLE, place, 1, &sample, &same));
  for (int condition = 0; condition < p->conditions; condition++)
    if (!same || !facet_reused_sample(c, 0, condition, sample))
      take[condition * p->change_samples + place] = 0;
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  int64_t *sample;
  FACET_NEW(sample, c->plan->store.change_samples);
  facet_status status = facet_picked_samples(c, sample);
  for (int64_t i = 0; i < c->plan->store.change_samples && status == FACET_OK; i++)
    status = keep_place(c, i, sample[i], take);
  facet_free(&sample);
  return status;
}

/* ---- the stage ---- */

static facet_status run(const facet_context *context)
{
  return facet_tiled_run(context, &tiled, &(pictures){.context = NULL});
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.change_samples > 0;
}

/* A sample's pixels, and the numbers of all of them. */
static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  const facet_plan *plan = context->plan;
  *bytes = sizeof(float) * (double)plan->inputs + sizeof(int64_t) * (double)plan->store.change_samples;
  return FACET_OK;
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  *sum = speeds->corrupting * (double)context->plan->store.change_samples / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_pictures = {.name = "pictures",
                                          .marks = "C, change place",
                                          .wanted = wanted,
                                          .memory = memory,
                                          .seconds = seconds,
                                          .still = still,
                                          .run = run,
                                          .reads = "create compare",
                                          .again = true};
