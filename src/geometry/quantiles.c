/* Quantiles, bits by bits from the top: see quantiles.h. */
#include "quantiles.h"

#include <math.h>
#include <string.h>

enum { PASSES = 3, MOST_BITS = 11, WIDTH = 1 << MOST_BITS };
static const int bits[PASSES] = {11, 11, 10}, below[PASSES] = {21, 10, 0}; /* of a pass, and what is left after it */

/* Turned so that whole numbers without sign have the order of the numbers; of -0 and 0 the same. */
static uint32_t to_key(float number)
{
  uint32_t key;
  number += 0.0F;
  memcpy(&key, &number, sizeof key);
  return key & 0x80000000U ? ~key : key | 0x80000000U;
}

static float from_key(uint32_t key)
{
  float number;
  key = key & 0x80000000U ? key & 0x7fffffffU : ~key;
  memcpy(&number, &key, sizeof number);
  return number;
}

facet_status facet_quantiles_begin(facet_quantiles *q)
{
  *q = (facet_quantiles){.beginnings = 1, .counts = WIDTH};
  FACET_NEW(q->count, (FACET_BINS + 1) * WIDTH);
  return FACET_OK;
}

double facet_quantiles_bytes(void)
{
  return (FACET_BINS + 1.0) * WIDTH * sizeof(int64_t);
}

void facet_quantiles_clear(facet_quantiles *q)
{
  facet_free(&q->count);
}

/* The number of a beginning; -1: it leads to no quantile. */
static int find(const facet_quantiles *q, uint32_t beginning)
{
  int first = 0, end = q->beginnings;
  while (end - first > 1) {
    int middle = (first + end) / 2;
    if (q->beginning[middle] <= beginning)
      first = middle;
    else
      end = middle;
  }
  return q->beginning[first] == beginning ? first : -1;
}

void facet_quantiles_add(facet_quantiles *q, int64_t count, const float *number)
{
  int shift = below[q->pass];
  uint32_t mask = (1U << bits[q->pass]) - 1;
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite(number[i]))
      continue;
    uint32_t key = to_key(number[i]);
    int k = q->pass == 0 ? 0 : find(q, key >> (shift + bits[q->pass]));
    if (k >= 0)
      q->count[k * WIDTH + (int64_t)(key >> shift & mask)]++;
  }
}

static void take_places(facet_quantiles *q)
{
  for (int b = 0; b < WIDTH; b++)
    q->total += q->count[b];
  for (int t = 0; t <= FACET_BINS; t++)
    q->place[t] = t < FACET_BINS ? q->total / FACET_BINS * t + q->total % FACET_BINS * t / FACET_BINS : q->total - 1;
}

bool facet_quantiles_next(facet_quantiles *q)
{
  int known = bits[q->pass], beginnings = 0;
  uint32_t beginning[FACET_BINS + 1];
  if (q->pass == 0)
    take_places(q);
  for (int t = 0; t <= FACET_BINS && q->total > 0; t++) {
    const int64_t *count = q->count + (int64_t)q->of[t] * WIDTH;
    uint32_t next = 0;
    while (q->place[t] >= count[next])
      q->place[t] -= count[next++];
    beginning[beginnings] = (uint32_t)((uint64_t)q->beginning[q->of[t]] << known) | next;
    if (beginnings == 0 || beginning[beginnings - 1] != beginning[beginnings])
      beginnings++;
    q->of[t] = beginnings - 1;
  }
  memcpy(q->beginning, beginning, (size_t)beginnings * sizeof *beginning);
  q->beginnings = beginnings;
  q->counts = (int64_t)beginnings * WIDTH;
  memset(q->count, 0, (size_t)q->counts * sizeof *q->count);
  return ++q->pass < PASSES && q->total > 0;
}

void facet_quantiles_edges(const facet_quantiles *q, float edge[FACET_BINS + 1])
{
  for (int t = 0; t <= FACET_BINS; t++)
    edge[t] = q->total > 0 ? from_key(q->beginning[q->of[t]]) : NAN;
}

uint8_t facet_bin_of(const float edge[FACET_BINS + 1], float number)
{
  int first = 0, end = FACET_BINS; /* the bin is one of these */
  if (!isfinite(number))
    return FACET_NO_BIN;
  while (end - first > 1) {
    int middle = (first + end) / 2;
    if (edge[middle] <= number)
      first = middle;
    else
      end = middle;
  }
  return (uint8_t)first;
}
