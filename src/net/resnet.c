/* The residual networks for small images of He et al. 2015 (section 4.2): three stages of 16, 32 and 64 channels, each
 * of `blocks` pairs of 3x3 convolutions around which a shortcut leads.  Where the image is halved, the shortcut takes
 * every second row and column and pads the new channels with zeros (option A), so it has no parameters. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "build.h"

enum { STAGES = 3, CHANNELS = 16 };

static facet_status add_list(facet_builder *b, const char *name, int count, const int64_t *list)
{
  facet_tensor *t;
  FACET_TRY(facet_tensor_create(FACET_I64, (facet_shape){1, {count}}, &t));
  memcpy(t->data, list, (size_t)count * sizeof *list);
  return facet_network_add_constant(b->n, name, t);
}

/* From value `from`: half the rows and columns, twice the channels, the old ones in the middle. */
static facet_status add_shortcut(facet_builder *b, int64_t in, int64_t out)
{
  static const char *const what[5] = {"starts", "ends", "axes", "steps", "pads"};
  const int64_t list[4][2] = {{0, 0}, {INT64_MAX, INT64_MAX}, {2, 3}, {2, 2}};
  const int64_t pads[8] = {0, (out - in) / 2, 0, 0, 0, out - in - (out - in) / 2, 0, 0};
  char name[24], constant[5][24];
  const char *names[4], *pad[1] = {constant[4]};
  for (int i = 0; i < 5; i++) {
    snprintf(constant[i], sizeof constant[i], "shortcut%d.%s", b->layer, what[i]);
    FACET_TRY(add_list(b, constant[i], i < 4 ? 2 : 8, i < 4 ? list[i] : pads));
  }
  for (int i = 0; i < 4; i++)
    names[i] = constant[i];
  snprintf(name, sizeof name, "slice%d", b->layer);
  FACET_TRY(facet_build_node(b, "Slice", name, 4, names, 0, NULL));
  snprintf(name, sizeof name, "pad%d", b->layer);
  return facet_build_node(b, "Pad", name, 1, pad, 0, NULL);
}

static facet_status add_relu(facet_builder *b)
{
  char name[24];
  snprintf(name, sizeof name, "relu%d", b->layer);
  return facet_build_node(b, "Relu", name, 0, NULL, 0, NULL);
}

static facet_status add_block(facet_builder *b, int64_t in, int64_t out)
{
  char name[24], begin[32], branch[32];
  memcpy(begin, b->last, sizeof begin);
  FACET_TRY(facet_build_conv(b, in, out, in == out ? 1 : 2));
  FACET_TRY(add_relu(b));
  FACET_TRY(facet_build_conv(b, out, out, 1));
  memcpy(branch, b->last, sizeof branch);
  memcpy(b->last, begin, sizeof begin);
  if (in != out)
    FACET_TRY(add_shortcut(b, in, out));
  const char *other[1] = {branch}; /* a branch is no constant, but an input like one */
  snprintf(name, sizeof name, "add%d", b->layer);
  FACET_TRY(facet_build_node(b, "Add", name, 1, other, 0, NULL));
  return add_relu(b);
}

static facet_status build(facet_builder *b, facet_shape input, int blocks, int64_t classes)
{
  FACET_TRY(facet_network_set_input(b->n, "input", input));
  snprintf(b->last, sizeof b->last, "input");
  FACET_TRY(facet_build_conv(b, input.dim[0], CHANNELS, 1));
  FACET_TRY(add_relu(b));
  int64_t channels = CHANNELS;
  for (int stage = 0; stage < STAGES; stage++)
    for (int i = 0; i < blocks; i++) {
      int64_t out = (int64_t)CHANNELS << stage;
      FACET_TRY(add_block(b, channels, out));
      channels = out;
    }
  FACET_TRY(facet_build_node(b, "GlobalAveragePool", "pool", 0, NULL, 0, NULL));
  FACET_TRY(facet_build_node(b, "Flatten", "flatten", 0, NULL, 0, NULL));
  FACET_TRY(facet_build_dense(b, channels, classes, false));
  FACET_TRY(facet_network_set_output(b->n, b->last));
  return facet_network_finish(b->n);
}

facet_status facet_network_resnet(facet_shape input, int blocks, int64_t classes, uint32_t seed,
                                  facet_network **network)
{
  facet_builder b = {.random = {seed, FACET_STREAM_INITIAL}};
  *network = NULL;
  FACET_CHECK(input.rank == 3, FACET_BAD_INPUT, "images are %s, not channel x y x x", facet_shape_text(input));
  FACET_CHECK(blocks >= 1 && blocks <= 1000, FACET_BAD_INPUT, "%d blocks per stage", blocks);
  FACET_TRY(facet_network_create("facet", 13, &b.n));
  facet_status status = build(&b, input, blocks, classes);
  if (status != FACET_OK)
    facet_network_destroy(&b.n);
  *network = b.n;
  return status;
}
