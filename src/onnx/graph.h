/* Private to src/onnx: what reading and inspecting share. Messages lack the file's name. */
#ifndef FACET_GRAPH_H
#define FACET_GRAPH_H

#include "onnx/tensor_proto.h"

/* The messages of a file: well-formed, with a graph. FACET_BAD_INPUT. Caller frees with facet_onnx_free. */
facet_status facet_onnx_unpack(const uint8_t *bytes, size_t count, Onnx__ModelProto **model);
void facet_onnx_free(Onnx__ModelProto **model);

/* The finished network of a model. FACET_BAD_INPUT says what does not fit. Caller destroys. */
facet_status facet_onnx_build(const Onnx__ModelProto *model, facet_network **network);

const Onnx__TensorProto *facet_onnx_initializer(const Onnx__GraphProto *graph, const char *name); /* or NULL */
const Onnx__AttributeProto *facet_onnx_attribute(const Onnx__NodeProto *node, const char *name);  /* or NULL */
char *facet_onnx_node_name(const Onnx__NodeProto *node, size_t i);                                /* caller frees */
bool facet_onnx_standard(const char *domain);            /* the operators of ONNX itself */
int facet_onnx_opset(const Onnx__ModelProto *model);     /* 0: none */
bool facet_onnx_node_known(const Onnx__NodeProto *node); /* operator and domain are supported */

/* The attributes of a node as the network has them; those of Constant become one tensor, "value". FACET_BAD_INPUT.
 * Caller destroys with facet_attributes_destroy. */
facet_status facet_onnx_attributes(const Onnx__NodeProto *node, facet_attribute **attribute, int *count);

#endif
