/* The stage angles: principal angles between the directions of the spectra of all pairs of variants whose inputs have
 * one order. Ranks share the variants; each compares its own with those behind. */
#include <math.h>

#include "linear/spectrum.h"
#include "stage.h"

typedef struct {
  const facet_store_plan *plan;
  facet_store *store;
  int64_t inputs, components, count; /* D, r; of the present variant's directions */
  double *own, *other, *angle;       /* r x D: of the present variant, of another; r */
} work;

static void leave(void *self)
{
  work *w = self;
  FACET_FREE(&w->own, &w->other, &w->angle);
}

/* A variant's directions, and how many there are: those from some on may be missing. */
static facet_status read_directions(const work *w, int v, double *direction, int64_t *count)
{
  FACET_TRY(facet_store_get(w->store, FACET_ROW_DIRECTIONS, (facet_place){.variant = v}, direction));
  for (*count = 0; *count < w->components && !isnan(direction[*count * w->inputs]);)
    ++*count;
  return FACET_OK;
}

static facet_status enter(void *self, int v)
{
  work *w = self;
  FACET_NEW(w->own, w->components * w->inputs);
  FACET_NEW(w->other, w->components * w->inputs);
  FACET_NEW(w->angle, w->components);
  return facet_store_has_spectrum(w->plan, v) ? read_directions(w, v, w->own, &w->count) : FACET_OK;
}

static bool comparable(const facet_store_plan *p, int a, int b)
{
  return facet_store_has_spectrum(p, a) && facet_store_has_spectrum(p, b) &&
         p->variant[a].input.order == p->variant[b].input.order;
}

static facet_status compare(const work *w, int a, int b)
{
  int64_t count;
  for (int64_t i = 0; i < w->components; i++)
    w->angle[i] = NAN;
  if (comparable(w->plan, a, b)) {
    FACET_TRY(read_directions(w, b, w->other, &count));
    FACET_TRY(facet_principal_angles(w->inputs, w->count, w->own, count, w->other, w->angle));
  }
  FACET_TRY(facet_store_put(w->store, FACET_ROW_PRINCIPAL_ANGLES, (facet_place){.part = {{a, 1}, {b, 1}}}, w->angle));
  return facet_store_put(w->store, FACET_ROW_PRINCIPAL_ANGLES, (facet_place){.part = {{b, 1}, {a, 1}}}, w->angle);
}

static facet_status run_variant(void *self, facet_dealer *dealer, int64_t a)
{
  const work *w = self;
  for (int b = (int)a; b < w->plan->variants; b++) {
    FACET_TRY(facet_dealer_pause(dealer));
    FACET_TRY(compare(w, (int)a, b));
  }
  return FACET_OK;
}

static facet_unit unit_of(const void *self, int64_t v)
{
  const work *w = self;
  return (facet_unit){.cost = (double)(w->plan->variants - v), .group = (int)v, .part = v, .parts = 1};
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  work w = {.plan = p, .store = c->store, .inputs = c->plan->inputs, .components = p->components};
  const facet_tiles tiles = {"angles", "variants", p->variants, &w, unit_of, enter, leave, run_variant, false};
  return facet_tiles_run(c->comm, &tiles, c->store);
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return plan->store.components > 0;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  double r = (double)c->plan->store.components;
  *bytes = 3 * 8 * r * (double)c->plan->inputs + 8 * r * r + FACET_BLAS_BYTES;
  return FACET_OK;
}

/* A product of directions, and one of those with it, for the sines; decompositions of r x r. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  double v = c->plan->store.variants, r = (double)c->plan->store.components, d = (double)c->plan->inputs;
  *sum = speeds->product * v * (v + 1) / 2 * r * r * (6 * d + 100 * r) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_angles = {.name = "angles",
                                        .marks = "V",
                                        .wanted = wanted,
                                        .memory = memory,
                                        .seconds = seconds,
                                        .run = run,
                                        .reads = "spectra"};
