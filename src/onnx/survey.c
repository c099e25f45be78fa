/* What a file holds, whether facet can run it or not: for people who want to know why not. */
#include <string.h>

#include "graph.h"

/* A LogSoftmax within the network is known, but not supported. */
static bool is_inner(const Onnx__GraphProto *graph, const Onnx__NodeProto *p)
{
  bool known = facet_onnx_node_known(p) && strcmp(p->op_type, "LogSoftmax") == 0;
  for (size_t i = 0; known && p->n_output > 0 && i < graph->n_node; i++)
    for (size_t j = 0; j < graph->node[i]->n_input; j++)
      if (strcmp(graph->node[i]->input[j], p->output[0]) == 0)
        return true;
  return false;
}

static facet_status survey_node(const Onnx__GraphProto *graph, size_t i, facet_onnx_surveyed *to)
{
  const Onnx__NodeProto *p = graph->node[i];
  char why[FACET_REASON] = "not piecewise linear, unless it comes last";
  to->supported = !facet_onnx_refused(p, why) && !is_inner(graph, p);
  bool told = !to->supported && strcmp(why, "operator is not supported") != 0;
  to->name = facet_onnx_node_name(p, i);
  to->type = facet_copy_text(p->op_type ? p->op_type : "");
  to->why = facet_onnx_standard(p->domain) ? facet_copy_text(told ? why : "") : facet_format("of domain %s", p->domain);
  return to->name && to->type && to->why ? FACET_OK : FACET_OS;
}

static facet_status survey_graph(const Onnx__GraphProto *graph, facet_onnx_survey *survey)
{
  FACET_NEW(survey->node, graph->n_node);
  survey->nodes = graph->n_node;
  for (size_t i = 0; i < graph->n_node; i++)
    FACET_TRY(survey_node(graph, i, &survey->node[i]));
  return FACET_OK;
}

facet_status facet_onnx_survey_read(const char *path, facet_onnx_survey **survey)
{
  Onnx__ModelProto *model;
  facet_onnx_inlined inlined = {.nodes = 0};
  facet_status status;
  *survey = NULL;
  FACET_TRY(facet_onnx_unpack_file(path, &model));
  FACET_NEW_GO(done, status, *survey, 1);
  (*survey)->opset = facet_onnx_imported(model->n_opset_import, model->opset_import);
  bool whole = facet_onnx_inline(model, &inlined) == FACET_OK;
  status = survey_graph(whole ? &inlined.graph : model->graph, *survey);
done:
  facet_onnx_inlined_clear(&inlined);
  facet_onnx_free(&model);
  if (status != FACET_OK)
    facet_onnx_survey_destroy(survey);
  return status;
}

void facet_onnx_survey_destroy(facet_onnx_survey **survey)
{
  for (size_t i = 0; *survey && (*survey)->node && i < (*survey)->nodes; i++) {
    facet_onnx_surveyed *node = &(*survey)->node[i];
    facet_free(&node->name);
    facet_free(&node->type);
    facet_free(&node->why);
  }
  if (*survey)
    facet_free(&(*survey)->node);
  facet_free(survey);
}
