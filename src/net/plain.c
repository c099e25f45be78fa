/* The plain trainable architecture: convolutions with batch norm, ReLU and max pooling, then dense layers. */
#include <stdio.h>

#include "build.h"

static facet_status add_conv(facet_builder *b, int64_t in, int64_t out, bool pool)
{
  char name[24];
  facet_attribute *attribute;
  FACET_TRY(facet_build_conv(b, in, out, 1));
  snprintf(name, sizeof name, "relu%d", b->layer);
  FACET_TRY(facet_build_node(b, "Relu", name, 0, NULL, 0, NULL));
  if (!pool)
    return FACET_OK;
  snprintf(name, sizeof name, "pool%d", b->layer);
  FACET_TRY(facet_build_window(2, 0, 2, &attribute));
  return facet_build_node(b, "MaxPool", name, 0, NULL, 3, attribute);
}

static facet_status build(facet_builder *b, const facet_plain *p)
{
  FACET_TRY(facet_network_set_input(b->n, "input", p->input));
  snprintf(b->last, sizeof b->last, "input");
  int64_t channels = p->input.dim[0], height = p->input.dim[1], width = p->input.dim[2];
  for (int i = 0; i < p->convs; i++) {
    bool pool = i + 1 < p->convs && height >= 2 && width >= 2;
    FACET_TRY(add_conv(b, channels, p->conv[i], pool));
    channels = p->conv[i];
    height = pool ? height / 2 : height;
    width = pool ? width / 2 : width;
  }
  FACET_TRY(facet_build_node(b, "Flatten", "flatten", 0, NULL, 0, NULL));
  int64_t features = channels * height * width;
  for (int i = 0; i < p->denses; i++) {
    FACET_TRY(facet_build_dense(b, features, p->dense[i], true));
    features = p->dense[i];
  }
  FACET_TRY(facet_build_dense(b, features, p->classes, false));
  FACET_TRY(facet_network_set_output(b->n, b->last));
  return facet_network_finish(b->n);
}

facet_status facet_network_plain(const facet_plain *p, facet_network **network)
{
  facet_builder b = {.random = {p->seed, FACET_STREAM_INITIAL}};
  FACET_CHECK(p->input.rank == 3, FACET_BAD_INPUT, "images are %s, not channel x y x x", facet_shape_text(p->input));
  FACET_TRY(facet_network_create("facet", 13, &b.n));
  facet_status status = build(&b, p);
  if (status != FACET_OK)
    facet_network_destroy(&b.n);
  *network = b.n;
  return status;
}
