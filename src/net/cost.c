/* What one forward pass of one sample costs, and what the parameters weigh: dense, and counting non-zero numbers alone.
 *
 * A weight of a linear node is used once for every position of the output (of ConvTranspose: of the input), also where
 * it meets padding.  Everything else that a network does counts nothing. */
#include "lowered.h"

static int64_t non_zeros(const facet_tensor *t)
{
  int64_t count = 0;
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    count += facet_tensor_get(t, i) != 0;
  return count;
}

static int64_t positions_of(const facet_lowered *l)
{
  int64_t positions = l->images;
  for (int d = 0; d < l->conv.spatial; d++)
    positions *= l->conv.out[d];
  return positions;
}

static void add_parameter(const facet_network *n, const facet_parameter *p, struct facet_cost_layer *layer)
{
  const facet_tensor *t = n->value[p->value].constant;
  int64_t width = (int64_t)facet_type_size(t->type);
  layer->bytes += p->size * width;
  layer->bytes_sparse += non_zeros(t) * width;
}

/* Of matrices that both depend on the sample no weight is counted. */
static void add_matrices(const facet_lowered *l, struct facet_cost_layer *layer)
{
  layer->products = layer->products_sparse = l->stacks * l->rows * l->inner * l->columns;
}

static void add_products(const facet_network *n, const facet_lowered *l, struct facet_cost_layer *layer)
{
  const facet_tensor *w = n->value[l->weight].constant;
  layer->products = facet_shape_size(w->shape) * positions_of(l);
  layer->products_sparse = non_zeros(w) * positions_of(l);
}

static facet_status fill_layers(const facet_network *n, const facet_parameter *list, int count, facet_cost *cost)
{
  FACET_NEW(cost->layer, n->nodes);
  for (int i = 0; i < n->nodes; i++) {
    struct facet_cost_layer *layer = &cost->layer[cost->layers];
    const facet_lowered *l = n->node[i].lowered;
    layer->node = i;
    bool any = l->kind == KIND_LINEAR && l->weight != NO_VALUE;
    if (any)
      add_products(n, l, layer);
    if (l->kind == KIND_PRODUCT)
      add_matrices(l, layer);
    any = any || l->kind == KIND_PRODUCT;
    for (int p = 0; p < count; p++)
      if (list[p].node == i) {
        add_parameter(n, &list[p], layer);
        any = true;
      }
    cost->layers += any;
    cost->all.products += layer->products;
    cost->all.products_sparse += layer->products_sparse;
    cost->all.bytes += layer->bytes;
    cost->all.bytes_sparse += layer->bytes_sparse;
  }
  cost->all.node = -1;
  return FACET_OK;
}

facet_status facet_network_cost(const facet_network *network, facet_cost **cost)
{
  facet_parameter *list;
  int count;
  *cost = NULL;
  FACET_TRY(facet_network_parameter_list(network, &list, &count));
  facet_status status = FACET_OK;
  facet_cost *made = NULL;
  FACET_NEW_GO(done, status, made, 1);
  status = fill_layers(network, list, count, made);
done:
  facet_free(&list);
  if (status != FACET_OK)
    facet_cost_destroy(&made);
  *cost = made;
  return status;
}

void facet_cost_destroy(facet_cost **cost)
{
  if (*cost)
    facet_free(&(*cost)->layer);
  facet_free(cost);
}
