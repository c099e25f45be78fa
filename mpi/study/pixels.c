/* Pixels under conditions: see pixels.h. Each block has its slot, which it shares with others when they are
 * more than the slots: those asked for together, which follow each other, do not meet. */
#include "pixels.h"

#include "loader.h"

struct facet_pixels {
  facet_sample_source from;
  int64_t inputs, block, blocks; /* D; samples of a block; blocks of a condition */
  float *one;                    /* sample */
  int64_t slots;
  float *slot;                /* slots x block x D */
  int64_t *block_in;          /* per slot: the corrupted block there, of all conditions; -1: nothing */
  facet_published *published; /* read last */
};

static facet_status make(facet_pixels *p, double bytes)
{
  const facet_conditions *conditions = p->from.conditions;
  int64_t corrupted = conditions ? (conditions->count - (conditions->clean >= 0)) * p->blocks : 0;
  double slots = bytes / ((double)(p->block * p->inputs) * sizeof(float));
  p->slots = slots < (double)corrupted ? (int64_t)slots : corrupted;
  FACET_NEW(p->one, p->inputs);
  FACET_NEW(p->slot, p->slots * p->block * p->inputs);
  FACET_NEW(p->block_in, p->slots);
  for (int64_t i = 0; i < p->slots; i++)
    p->block_in[i] = -1;
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
  FACET_FREE(&p->one, &p->slot, &p->block_in, pixels);
}

const facet_sample_source *facet_pixels_source(const facet_pixels *p)
{
  return &p->from;
}

static facet_status make_pixels(facet_pixels *p, int condition, int64_t first, int64_t count, float *x)
{
  const facet_sample_source *s = &p->from;
  FACET_TRY(facet_dataset_pixels(s->data, first, count, x));
  if (condition < 0)
    return FACET_OK;
  return facet_condition_apply(s, s->conditions->item[condition], first, count, &p->published, x);
}

facet_status facet_pixels_take(facet_pixels *p, int condition, int64_t sample, const float **x)
{
  int64_t n = p->block, block = sample / n, first = block * n;
  *x = p->one;
  if (p->slots == 0 || condition < 0 || condition == p->from.conditions->clean)
    return make_pixels(p, condition, sample, 1, p->one);
  int clean = p->from.conditions->clean, before = clean >= 0 && clean < condition;
  int64_t number = (condition - before) * p->blocks + block, slot = number % p->slots;
  float *pixels = p->slot + slot * n * p->inputs;
  if (p->block_in[slot] != number) {
    int64_t left = p->from.data->count - first;
    p->block_in[slot] = -1;
    FACET_TRY(make_pixels(p, condition, first, left < n ? left : n, pixels));
    p->block_in[slot] = number;
  }
  *x = pixels + sample % n * p->inputs;
  return FACET_OK;
}
