/* The last linear node: feature, class directions and offsets. */
#include <string.h>

#include "lowered.h"

/* The additive constant of a node, which spreads over its output. */
static void add_spread(const facet_lowered *l, int64_t classes, double *added)
{
  for (int64_t i = 0; added && i < classes; i++)
    added[i] += facet_tensor_get(l->shift, facet_spread_index(l->shift->shape, l->full, i));
}

/* A convolution counts where it sees its whole input at one place: one logit per output channel. */
static bool sees_all(const facet_lowered *l, int64_t classes)
{
  bool flat = !l->adjoint && !l->viewed && l->conv.out_channels == classes && l->conv.groups == 1;
  for (int d = 0; flat && d < l->conv.spatial; d++)
    flat = l->conv.out[d] == 1 && l->conv.kernel[d] == l->conv.in[d] && l->conv.pad_begin[d] == 0;
  return flat;
}

/* Walks back from the output over what leaves the logits as they are (Identity, Flatten, Dropout, a constant that is
 * added) to the linear node; NULL: there is none. added: what those constants add, or NULL. */
static const facet_node *find_head(const facet_network *n, double *added)
{
  int64_t classes = facet_network_outputs(n);
  int v = n->output;
  while (n->value[v].producer >= 0) {
    const facet_node *node = &n->node[n->value[v].producer];
    const facet_lowered *l = node->lowered;
    if (l->kind == KIND_LINEAR)
      return sees_all(l, classes) ? node : NULL;
    bool straight = l->kind == KIND_MOVE && l->inputs == 1 && facet_shape_size(n->value[l->input[0]].shape) == classes;
    for (int64_t i = 0; straight && i < classes; i++)
      straight = facet_move_source(l, i) == i;
    bool shift = l->kind == KIND_DIAGONAL && !l->batch_norm && !l->scale && l->shift;
    if (!straight && !shift)
      return NULL;
    if (shift)
      add_spread(l, classes, added);
    v = l->input[0];
  }
  return NULL;
}

void facet_head_clear(facet_head *head)
{
  facet_free(&head->direction);
  facet_free(&head->offset);
}

int64_t facet_network_features(const facet_network *n, int *value)
{
  const facet_node *node = find_head(n, NULL);
  if (!node)
    return 0;
  if (value)
    *value = node->lowered->input[0];
  return facet_shape_size(n->value[node->lowered->input[0]].shape);
}

facet_status facet_network_head(const facet_network *n, facet_head *head)
{
  facet_status status = FACET_OK;
  *head = (facet_head){.classes = facet_network_outputs(n)};
  FACET_NEW(head->offset, head->classes);
  const facet_node *node = find_head(n, head->offset);
  if (!node) {
    status = facet_raise(FACET_BAD_INPUT, "the network does not end in a linear node: it has no feature and no class "
                                          "directions");
    goto failed;
  }
  const facet_lowered *l = node->lowered;
  head->node = (int)(node - n->node);
  head->feature = l->input[0];
  head->features = facet_shape_size(n->value[head->feature].shape);
  FACET_NEW_GO(failed, status, head->direction, head->classes * head->features);
  const facet_tensor *w = n->value[l->weight].constant;
  for (int64_t k = 0; k < head->classes; k++)
    for (int64_t f = 0; f < head->features; f++)
      head->direction[k * head->features + f] =
          l->weight_factor * facet_tensor_get(w, l->transposed ? f * head->classes + k : k * head->features + f);
  if (l->bias != NO_VALUE) {
    const facet_tensor *b = n->value[l->bias].constant;
    bool one = facet_shape_size(b->shape) == 1;
    for (int64_t k = 0; k < head->classes; k++)
      head->offset[k] += l->bias_factor * facet_tensor_get(b, one ? 0 : k);
  }
  if (l->shift)
    add_spread(l, head->classes, head->offset);
  return FACET_OK;
failed:
  facet_head_clear(head);
  return status;
}
