/* Units of one item in one variant: see items.h. */
#include "items.h"

#include <math.h>

#include "ranks/agree.h"

/* ---- what a plan says ---- */

static int64_t count_of(const facet_items *items, const facet_store_plan *p)
{
  return *(const int64_t *)((const char *)p + items->count);
}

static bool *asked_of(const facet_items *items, facet_store_variant *variant)
{
  return (bool *)((char *)variant + items->asked);
}

bool facet_items_wanted(const facet_items *items, const facet_plan *plan)
{
  return count_of(items, &plan->store) > 0;
}

facet_status facet_items_ask(const facet_items *items, const facet_texts *list, const facet_family *family,
                             facet_plan *plan)
{
  facet_store_plan *s = &plan->store;
  for (int v = 0; v < s->variants; v++)
    if ((*asked_of(items, &s->variant[v]) = facet_texts_ask(list, s->variant[v].name)))
      FACET_TRY(facet_plan_need_pieces(plan, family, items->stage, v));
  return FACET_OK;
}

bool facet_items_asked(const facet_items *items, const facet_store_plan *p, int variant)
{
  return *asked_of(items, &p->variant[variant]);
}

int facet_items_writer(const facet_items *items, const facet_store_plan *p)
{
  for (int v = 0; v < p->variants; v++)
    if (facet_items_asked(items, p, v))
      return v;
  return -1;
}

int64_t facet_items_samples(const facet_store_plan *p, int64_t asked)
{
  return asked > 0 && asked < p->samples ? asked : p->samples;
}

double facet_item_bytes(const facet_store_plan *p, double most)
{
  return fmin(most, (double)p->settings->memory / 8);
}

/* ---- units ---- */

static facet_unit unit_of(const void *self, int64_t i)
{
  const facet_item_work *w = self;
  int v = (int)(i / count_of(w->items, w->plan));
  return (facet_unit){.cost = 1 + (double)w->plan->variant[v].cost.flops,
                      .group = v,
                      .part = i,
                      .parts = 1,
                      .none = !facet_items_asked(w->items, w->plan, v)};
}

static facet_status enter(void *self, int v)
{
  facet_item_work *w = self;
  const facet_member *member = &w->context->family->member[v];
  w->variant = v;
  FACET_TRY(facet_loader_make(w->pixels, &member->input, &w->loader));
  return w->items->enter(self, member);
}

static void leave(void *self)
{
  facet_item_work *w = self;
  w->items->leave(self);
  facet_loader_clear(&w->loader);
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t unit)
{
  facet_item_work *w = self;
  w->dealer = dealer;
  facet_status status = w->items->run(self, unit % count_of(w->items, w->plan));
  w->dealer = NULL;
  return status;
}

facet_status facet_item_pause(void *self)
{
  const facet_item_work *w = self;
  return w->dealer ? facet_dealer_pause(w->dealer) : FACET_OK;
}

/* ---- all of it ---- */

static facet_status make(const facet_context *context, int ranks, void *self)
{
  (void)ranks;
  facet_item_work *w = self;
  w->context = context;
  w->plan = &context->plan->store;
  w->store = context->store;
  w->inputs = context->plan->inputs;
  FACET_TRY(facet_pixels_create(&context->plan->source, 0, &w->pixels));
  return w->items->make ? w->items->make(self) : FACET_OK;
}

static void clear(void *self)
{
  facet_item_work *w = self;
  if (w->items->clear)
    w->items->clear(self);
  facet_pixels_destroy(&w->pixels);
}

static facet_tiled tiled_of(const facet_context *context, const facet_items *items, void *self)
{
  const facet_store_plan *p = &context->plan->store;
  ((facet_item_work *)self)->items = items;
  return (facet_tiled){.tiles = {.stage = items->stage,
                                 .name = items->name,
                                 .count = p->variants * count_of(items, p),
                                 .unit = unit_of,
                                 .enter = enter,
                                 .leave = leave,
                                 .run = run_unit},
                       .make = make,
                       .clear = clear};
}

facet_status facet_items_run(const facet_context *context, const facet_items *items, void *self)
{
  const facet_tiled tiled = tiled_of(context, items, self);
  return facet_tiled_run(context, &tiled, self);
}

facet_status facet_items_memory(const facet_context *context, const facet_items *items, void *self, double *bytes)
{
  const facet_tiled tiled = tiled_of(context, items, self);
  return facet_tiled_memory(context, &tiled, self, bytes);
}

void facet_items_still(const facet_context *c, const facet_items *items, int64_t each, const int64_t *sample,
                       uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  int64_t count = count_of(items, p);
  for (int v = 0; v < p->variants; v++)
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = 0; j < each; j++) {
        int64_t number = sample ? sample[each * i + j] : i;
        take[v * count + i] = take[v * count + i] && facet_reused_sample(c, v, p->clean, number);
      }
}

facet_status facet_items_number(const facet_item_work *w, facet_row array, facet_row labels)
{
  int64_t count = count_of(w->items, w->plan), *number;
  if (!w->store || facet_rank(w->context->comm) > 0)
    return FACET_OK;
  FACET_NEW(number, count);
  for (int64_t i = 0; i < count; i++)
    number[i] = i;
  facet_status status = facet_store_put(w->store, array, (facet_place){0}, number);
  if (status == FACET_OK)
    status = facet_store_put(w->store, labels, (facet_place){0}, number);
  facet_free(&number);
  return status;
}
