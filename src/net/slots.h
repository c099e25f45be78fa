/* Private to src/net: buffers that values share over time.
 *
 * Before anything runs, the executor walks its steps once and asks for slots; a slot whose last user has gone is
 * handed out again.  Then the memory is allocated once. */
#ifndef FACET_SLOTS_H
#define FACET_SLOTS_H

#include "base/base.h"

enum { NO_SLOT = -1, OUTSIDE = 0 /* a slot whose memory the caller gives */ };

typedef struct {
  size_t bytes;
  int users;
  void *data;
} facet_slot;

typedef struct {
  int count;
  facet_slot *slot;
} facet_slots;

facet_status facet_slots_begin(facet_slots *slots);                         /* slot 0 is OUTSIDE */
facet_status facet_slots_take(facet_slots *slots, size_t bytes, int *slot); /* with one user */
void facet_slots_share(facet_slots *slots, int slot);                       /* one more user */
void facet_slots_release(facet_slots *slots, int slot);                     /* one user less */
facet_status facet_slots_allocate(facet_slots *slots);
size_t facet_slots_bytes(const facet_slots *slots);
void facet_slots_empty(facet_slots *slots); /* frees the memory; what was planned stays */
void facet_slots_end(facet_slots *slots);

#endif
