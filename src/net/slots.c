/* Buffers shared over time: see slots.h. */
#include "slots.h"

facet_status facet_slots_begin(facet_slots *slots)
{
  *slots = (facet_slots){0};
  FACET_NEW(slots->slot, 1);
  slots->slot[OUTSIDE].users = 1;
  slots->count = 1;
  return FACET_OK;
}

/* The free slot that needs the least growth; otherwise a new one. */
facet_status facet_slots_take(facet_slots *slots, size_t bytes, int *slot)
{
  int best = NO_SLOT;
  size_t least = 0;
  for (int i = 1; i < slots->count; i++) {
    const facet_slot *s = &slots->slot[i];
    if (s->users > 0)
      continue;
    size_t waste = s->bytes > bytes ? s->bytes - bytes : bytes - s->bytes;
    if (best == NO_SLOT || waste < least) {
      best = i;
      least = waste;
    }
  }
  if (best == NO_SLOT) {
    FACET_TRY(facet_grow(&slots->slot, (size_t)slots->count, (size_t)slots->count + 1, sizeof *slots->slot));
    best = slots->count++;
  }
  facet_slot *s = &slots->slot[best];
  s->bytes = s->bytes > bytes ? s->bytes : bytes;
  s->users = 1;
  *slot = best;
  return FACET_OK;
}

void facet_slots_share(facet_slots *slots, int slot)
{
  slots->slot[slot].users++;
}

void facet_slots_release(facet_slots *slots, int slot)
{
  slots->slot[slot].users--;
}

facet_status facet_slots_allocate(facet_slots *slots)
{
  for (int i = 1; i < slots->count; i++)
    if (!(slots->slot[i].data = facet_allocate(slots->slot[i].bytes, 1)))
      return FACET_OS;
  return FACET_OK;
}

size_t facet_slots_bytes(const facet_slots *slots)
{
  size_t bytes = 0;
  for (int i = 1; i < slots->count; i++)
    bytes += slots->slot[i].bytes;
  return bytes;
}

void facet_slots_empty(facet_slots *slots)
{
  for (int i = 1; i < slots->count; i++)
    facet_free(&slots->slot[i].data);
}

void facet_slots_end(facet_slots *slots)
{
  facet_slots_empty(slots);
  facet_free(&slots->slot);
  slots->count = 0;
}
