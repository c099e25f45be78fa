/* Private to src/onnx: what reading and inspecting share. */
#ifndef FACET_GRAPH_H
#define FACET_GRAPH_H

#include "onnx/tensor_proto.h"

bool facet_onnx_has_initializer(const Onnx__GraphProto *graph, const char *name);
char *facet_onnx_node_name(const Onnx__NodeProto *node, size_t i);                         /* caller frees */
facet_status facet_onnx_input_shape(const Onnx__ValueInfoProto *info, facet_shape *shape); /* without the batch */
int facet_onnx_opset(const Onnx__ModelProto *model);                                       /* 0: none */

#endif
