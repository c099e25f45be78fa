/* Private to src/prune: the channels of a network, tied into classes that go or stay together.
 *
 * A slot is one channel of one value (axis 1 of its full shape).  Nodes that work channel by channel tie the slots that
 * they read to those that they make; convolutions and products that mix all channels cut: there a slot may go while
 * others stay, if what it brings is nothing or a constant that the bias can take over. */
#ifndef FACET_CHANNELS_H
#define FACET_CHANNELS_H

#include "net/lowered.h"
#include "prune.h"

typedef struct {
  const facet_network *network;
  int64_t slots;
  int64_t *first;  /* values + 1: the first slot of every value */
  int64_t *parent; /* slots: union-find */
  bool *keep;      /* slots: by the root of the class until the plan is made, then by slot */
  bool *known;     /* slots: one number at every position, whatever the sample */
  double *number;
} channel_plan;

static inline int64_t channel_count(const channel_plan *p, int value)
{
  return p->first[value + 1] - p->first[value];
}

typedef enum { CHANNELS_STAY, CHANNELS_TIED, CHANNELS_CUT } channel_node;

/* What a node does with its channels, by its operator and shapes alone. STAY: nothing that can be relied on. */
channel_node channel_node_of(const channel_plan *p, const facet_node *node);
/* Where lists of Slice and Pad speak of channels: places in starts and ends, or in pads; -1: nowhere. */
facet_status channel_slice_place(const facet_network *network, const facet_node *node, int *place);
facet_status channel_pad_places(const facet_network *network, const facet_node *node, int *begin, int *end);
/* The place of an attribute or constant list that says how channels move. */
facet_status channel_list(const facet_network *network, const facet_node *node, const char *name, int input,
                          int64_t *list, int *count);

facet_status channel_constants(channel_plan *p);

/* What channel i (constant where known) brings to output channel o of a linear node. False: no one constant. */
bool channel_effect(const channel_plan *p, const facet_node *node, int64_t o, int64_t i, double *constant);

facet_status channel_plan_make(const facet_network *network, channel_plan *p);
void channel_plan_clear(channel_plan *p);

#endif
