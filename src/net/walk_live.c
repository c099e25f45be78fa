/* Which slots hold something that is still wanted while a step that cuts pieces runs: at a new point, what is wanted
 * forward is made from its neighbours; backward, adjoints of pieces that become one are added. */
#include "walk_parts.h"

static facet_status add_slot(facet_live_slots *live, int slot, int64_t size)
{
  for (int i = 0; i < live->count; i++)
    if (live->slot[i] == slot) {
      live->size[i] = live->size[i] > size ? live->size[i] : size;
      return FACET_OK;
    }
  FACET_TRY(facet_grow(&live->slot, (size_t)live->count, (size_t)live->count + 1, sizeof *live->slot));
  FACET_TRY(facet_grow(&live->size, (size_t)live->count, (size_t)live->count + 1, sizeof *live->size));
  live->slot[live->count] = slot;
  live->size[live->count++] = size;
  return FACET_OK;
}

/* made, read: the steps that make values, and read them last; -1: none does. */
static facet_status find_values(facet_walk *w, int step, const int *made, const int *read)
{
  const facet_network *n = w->x->network;
  for (int v = 0; v < n->values; v++)
    if (read[v] >= step && made[v] < step && (made[v] >= 0 || v == n->input))
      FACET_TRY(add_slot(&w->step[step].values, w->x->slot[v], facet_walk_size(w, v)));
  return FACET_OK;
}

/* have: where the adjoint of each value lies once all steps behind this one were pulled back. */
static facet_status find_above(facet_walk *w, int step, const int *made, const int *have)
{
  const facet_network *n = w->x->network;
  const facet_step *s = &w->x->step[step];
  for (int v = 0; v < n->values; v++)
    if (have[v] != NO_SLOT && made[v] <= step)
      FACET_TRY(add_slot(&w->step[step].above, have[v], facet_walk_size(w, v)));
  if (s->more == NO_SLOT)
    return FACET_OK;
  FACET_TRY(add_slot(&w->step[step].above, s->first, facet_walk_size(w, s->output)));
  return add_slot(&w->step[step].above, s->more, facet_walk_size(w, s->output));
}

/* The same once it was, too. */
static facet_status find_adjoints(facet_walk *w, int step, const int *made, const int *have)
{
  const facet_network *n = w->x->network;
  for (int v = 0; v < n->values; v++)
    if (have[v] != NO_SLOT && made[v] < step)
      FACET_TRY(add_slot(&w->step[step].adjoints, have[v], facet_walk_size(w, v)));
  return FACET_OK;
}

static facet_status find(facet_walk *w, int *made, int *read, int *have)
{
  const facet_executor *x = w->x;
  for (int v = 0; v < x->network->values; v++)
    made[v] = read[v] = have[v] = -1;
  for (int i = 0; i < x->steps; i++) {
    made[x->step[i].output] = i;
    for (int j = 0; j < x->step[i].inputs; j++)
      read[x->step[i].input[j]] = i;
  }
  read[x->network->output] = x->steps;
  have[x->network->output] = x->output_adjoint;
  for (int i = x->steps - 1; i >= 0; i--) {
    if (facet_step_chooses(&x->step[i]))
      FACET_TRY(find_above(w, i, made, have));
    for (int j = 0; j < x->step[i].inputs; j++)
      have[x->step[i].input[j]] = x->step[i].way[j].to;
    if (!facet_step_chooses(&x->step[i]))
      continue;
    FACET_TRY(find_values(w, i, made, read));
    FACET_TRY(find_adjoints(w, i, made, have));
  }
  return FACET_OK;
}

facet_status facet_walk_find_live(facet_walk *w)
{
  int *made = NULL, *read = NULL, *have = NULL, values = w->x->network->values;
  facet_status status;
  FACET_NEW_GO(done, status, made, values);
  FACET_NEW_GO(done, status, read, values);
  FACET_NEW_GO(done, status, have, values);
  status = find(w, made, read, have);
done:
  FACET_FREE(&made, &read, &have);
  return status;
}
