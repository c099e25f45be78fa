/* A model in one piece: what lies in other files is put into the message, so that a copy or a digest of its bytes is
 * one of the whole network. */
#include <limits.h>

#include "graph.h"

/* Attributes may hold a constant too. */
static facet_status embed_nodes(size_t count, Onnx__NodeProto *const *node, const char *path, size_t *embedded)
{
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < node[i]->n_attribute; j++) {
      Onnx__TensorProto *t = node[i]->attribute[j]->t;
      *embedded += t && facet_external_is(t);
      if (t)
        FACET_TRY(facet_tensor_embed(t, path));
    }
  return FACET_OK;
}

/* Counts what was embedded. */
static facet_status embed(const Onnx__ModelProto *model, const char *path, size_t *embedded)
{
  const Onnx__GraphProto *graph = model->graph;
  *embedded = 0;
  for (size_t i = 0; i < graph->n_initializer; i++) {
    Onnx__TensorProto *t = graph->initializer[i];
    *embedded += facet_external_is(t);
    facet_status status = facet_tensor_embed(t, path);
    if (status != FACET_OK)
      return facet_raise_in(status, "initializer %s: ", t->name ? t->name : "");
  }
  FACET_TRY(embed_nodes(graph->n_node, graph->node, path, embedded));
  for (size_t i = 0; i < model->n_functions; i++)
    FACET_TRY(embed_nodes(model->functions[i]->n_node, model->functions[i]->node, path, embedded));
  return FACET_OK;
}

static facet_status pack(const Onnx__ModelProto *model, uint8_t **bytes, size_t *count)
{
  *count = onnx__model_proto__get_packed_size(model);
  FACET_CHECK(*count <= INT_MAX, FACET_BAD_INPUT,
              "is %.1f GiB with the data of its other files, but a message holds 2 GiB at most",
              (double)*count / 1073741824.0);
  FACET_NEW(*bytes, *count);
  onnx__model_proto__pack(model, *bytes);
  return FACET_OK;
}

facet_status facet_onnx_whole(const char *path, uint8_t **bytes, size_t *count)
{
  Onnx__ModelProto *model;
  size_t embedded = 0;
  FACET_TRY(facet_read_file(path, bytes, count));
  facet_status status;
  FACET_GO(failed, status, facet_onnx_unpack(*bytes, *count, &model));
  FACET_GO(failed, status, embed(model, path, &embedded));
  if (embedded > 0) {
    facet_free(bytes);
    FACET_GO(failed, status, pack(model, bytes, count));
  }
  facet_onnx_free(&model);
  return FACET_OK;
failed:
  facet_free(bytes);
  facet_onnx_free(&model);
  return facet_raise_in(status, "%s: ", path);
}
