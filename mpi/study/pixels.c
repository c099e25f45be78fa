/* Pixels under conditions: see pixels.h. Blocks lie in slots, which are filled one after the other and then anew. */
#include "pixels.h"

#include "loader.h"

struct facet_pixels {
  facet_sample_source from;
  int64_t inputs, block, blocks; /* D; samples of a block; blocks of a condition */
  float *one;                    /* sample */
  int64_t slots, next;
  float *slot;                /* slots x block x D */
  int64_t *block_in;          /* per slot: condition x blocks + block; -1: nothing */
  int64_t *slot_of;           /* the other way round; -1: none */
  facet_published *published; /* read last */
};

static facet_status make(facet_pixels *p, double bytes)
{
  const facet_conditions *conditions = p->from.conditions;
  int64_t corrupted = 0, all = conditions ? conditions->count * p->blocks : 0;
  for (int c = 0; conditions && c < conditions->count; c++)
    corrupted += p->blocks * (conditions->item[c].corruption != 0);
  double slots = bytes / ((double)(p->block * p->inputs) * sizeof(float));
  p->slots = slots < (double)corrupted ? (int64_t)slots : corrupted;
  FACET_NEW(p->one, p->inputs);
  FACET_NEW(p->slot, p->slots * p->block * p->inputs);
  FACET_NEW(p->block_in, p->slots);
  for (int64_t i = 0; i < p->slots; i++)
    p->block_in[i] = -1;
  FACET_NEW(p->slot_of, all);
  for (int64_t i = 0; i < all; i++)
    p->slot_of[i] = -1;
  return FACET_OK;
}

facet_status facet_pixels_create(const facet_sample_source *source, double bytes, facet_pixels **pixels)
{
  int64_t block = source->settings->block;
  FACET_NEW(*pixels, 1);
  **pixels = (facet_pixels){.from = *source,
                            .inputs = facet_image_inputs(source->data->image),
                            .block = block,
                            .blocks = (source->data->count + block - 1) / block};
  facet_status status = make(*pixels, bytes);
  if (status != FACET_OK)
    facet_pixels_destroy(pixels);
  return status;
}

void facet_pixels_destroy(facet_pixels **pixels)
{
  facet_pixels *p = *pixels;
  if (!p)
    return;
  facet_published_close(&p->published);
  FACET_FREE(&p->one, &p->slot, &p->block_in, &p->slot_of, pixels);
}

const facet_sample_source *facet_pixels_source(const facet_pixels *p)
{
  return &p->from;
}

static facet_status make_pixels(facet_pixels *p, int condition, int64_t first, int64_t count, float *x)
{
  const facet_sample_source *s = &p->from;
  facet_dataset_pixels(s->data, first, count, x);
  if (condition < 0)
    return FACET_OK;
  return facet_condition_apply(s, s->conditions->item[condition], first, count, &p->published, x);
}

/* Makes a block in the slot whose turn it is. */
static facet_status fill_slot(facet_pixels *p, int condition, int64_t block)
{
  int64_t slot = p->next++ % p->slots, n = p->block, first = block * n;
  int64_t count = p->from.data->count - first < n ? p->from.data->count - first : n;
  if (p->block_in[slot] >= 0)
    p->slot_of[p->block_in[slot]] = -1;
  p->block_in[slot] = -1;
  FACET_TRY(make_pixels(p, condition, first, count, p->slot + slot * n * p->inputs));
  p->block_in[slot] = condition * p->blocks + block;
  p->slot_of[p->block_in[slot]] = slot;
  return FACET_OK;
}

facet_status facet_pixels_take(facet_pixels *p, int condition, int64_t sample, const float **x)
{
  int64_t n = p->block, block = sample / n;
  bool kept = p->slots > 0 && condition >= 0 && p->from.conditions->item[condition].corruption != 0;
  *x = p->one;
  if (!kept)
    return make_pixels(p, condition, sample, 1, p->one);
  if (p->slot_of[condition * p->blocks + block] < 0)
    FACET_TRY(fill_slot(p, condition, block));
  *x = p->slot + (p->slot_of[condition * p->blocks + block] * n + sample % n) * p->inputs;
  return FACET_OK;
}
