/* A window of a permutation: see shuffle.h.
 *
 * Fisher-Yates exchanges place i with a place j(i) <= i, for i from the last one down; after that, place i does not
 * change.  Seen backwards, from the lowest i up: what lies at a place in the end lay at j(place) before place's own
 * exchange, and whenever an exchange of a higher i has its other end where it lay, it had come from i.  So the window's
 * numbers are followed through one pass over the draws; where each of them lies, nobody else of them does. */
#include "shuffle.h"

#include <string.h>

struct facet_shuffle {
  facet_random random;
  int64_t count;
  uint64_t sample; /* of the window's order, once it holds any */
  int64_t first, held;
  int64_t *at;            /* per place of the window: where its number lay, so far as it has been followed */
  int32_t *bucket, *next; /* chains of places by where their numbers lay; -1: none. NULL: one window is enough */
};

static facet_status prepare(facet_shuffle *s)
{
  bool one = s->count <= FACET_SHUFFLE_WINDOW;
  FACET_NEW(s->at, one ? s->count : FACET_SHUFFLE_WINDOW);
  if (one)
    return FACET_OK;
  FACET_NEW(s->bucket, FACET_SHUFFLE_WINDOW);
  FACET_NEW(s->next, FACET_SHUFFLE_WINDOW);
  return FACET_OK;
}

facet_status facet_shuffle_create(facet_random random, int64_t count, facet_shuffle **shuffle)
{
  FACET_NEW(*shuffle, 1);
  **shuffle = (facet_shuffle){.random = random, .count = count};
  facet_status status = prepare(*shuffle);
  if (status != FACET_OK)
    facet_shuffle_destroy(shuffle);
  return status;
}

void facet_shuffle_destroy(facet_shuffle **shuffle)
{
  if (*shuffle)
    FACET_FREE(&(*shuffle)->at, &(*shuffle)->bucket, &(*shuffle)->next);
  facet_free(shuffle);
}

static int32_t *bucket_of(facet_shuffle *s, int64_t position)
{
  return &s->bucket[position % FACET_SHUFFLE_WINDOW];
}

static void put(facet_shuffle *s, int32_t place, int64_t position)
{
  int32_t *bucket = bucket_of(s, position);
  s->at[place] = position;
  s->next[place] = *bucket;
  *bucket = place;
}

/* What lay at `from` after an exchange lay at `to` before it. */
static void follow(facet_shuffle *s, int64_t from, int64_t to)
{
  int32_t *link = bucket_of(s, from);
  while (*link >= 0 && s->at[*link] != from)
    link = &s->next[*link];
  int32_t place = *link;
  if (place < 0)
    return;
  *link = s->next[place];
  put(s, place, to);
}

static void fill(facet_shuffle *s)
{
  for (int32_t i = 0; i < FACET_SHUFFLE_WINDOW; i++)
    s->bucket[i] = -1;
  for (int64_t i = s->first; i < s->count; i++) {
    int64_t other = facet_random_exchange(s->random, s->sample, i);
    follow(s, other, i);
    if (i - s->first < s->held)
      put(s, (int32_t)(i - s->first), other);
  }
}

/* The window that holds this place. */
static void move(facet_shuffle *s, uint64_t sample, int64_t place)
{
  int64_t first = place - place % FACET_SHUFFLE_WINDOW;
  if (s->held > 0 && s->sample == sample && s->first == first)
    return;
  s->sample = sample;
  s->first = first;
  s->held = s->count - first < FACET_SHUFFLE_WINDOW ? s->count - first : FACET_SHUFFLE_WINDOW;
  if (s->bucket)
    fill(s);
  else
    facet_random_permutation(s->random, sample, s->count, s->at);
}

void facet_shuffle_take(facet_shuffle *s, uint64_t sample, int64_t first, int64_t number, int64_t *order)
{
  while (number > 0) {
    move(s, sample, first);
    int64_t there = s->first + s->held - first, some = there < number ? there : number;
    memcpy(order, s->at + (first - s->first), (size_t)some * sizeof *order);
    order += some;
    first += some;
    number -= some;
  }
}
