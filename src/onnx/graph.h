/* Private to src/onnx: what reading and surveying share. Messages lack the file's name. `path` is the model's file,
 * beside which data files are looked for; NULL: it came from memory. */
#ifndef FACET_GRAPH_H
#define FACET_GRAPH_H

#include "tensor_proto.h"

/* The messages of a file: well-formed, with a graph. FACET_BAD_INPUT. Caller frees with facet_onnx_free. */
facet_status facet_onnx_unpack(const uint8_t *bytes, size_t count, Onnx__ModelProto **model);
facet_status facet_onnx_unpack_file(const char *path, Onnx__ModelProto **model); /* FACET_NO_INPUT, FACET_IO, too */
void facet_onnx_free(Onnx__ModelProto **model);
/* The default value of a function's attribute; *attribute NULL: it has none. Caller frees with protobuf-c and
 * facet_onnx_memory. */
facet_status facet_onnx_default(const Onnx__FunctionProto *function, const char *name,
                                Onnx__AttributeProto **attribute);

/* The finished network of a model. FACET_BAD_INPUT says what does not fit. Caller destroys. */
facet_status facet_onnx_build(const Onnx__ModelProto *model, const char *path, facet_gates gates,
                              facet_network **network);

const Onnx__TensorProto *facet_onnx_initializer(const Onnx__GraphProto *graph, const char *name); /* or NULL */
const Onnx__AttributeProto *facet_onnx_attribute(const Onnx__NodeProto *node, const char *name);  /* or NULL */
char *facet_onnx_node_name(const Onnx__NodeProto *node, size_t i);                                /* caller frees */
bool facet_onnx_standard(const char *domain);            /* the operators of ONNX itself */
bool facet_onnx_node_known(const Onnx__NodeProto *node); /* operator and domain are supported */

/* Whether facet does not know the operator; `why` (FACET_REASON characters) says what speaks against it. */
enum { FACET_REASON = 400 };
bool facet_onnx_refused(const Onnx__NodeProto *node, char *why);

/* The model's operator set. FACET_BAD_INPUT: none, or one that is newer than those that facet knows. */
facet_status facet_onnx_opset(const Onnx__ModelProto *model, int *opset);
int facet_onnx_imported(size_t count, Onnx__OperatorSetIdProto *const *import); /* 0: none */
/* Refuses what meant something else before operator set 7 (or 9). */
facet_status facet_onnx_check_old(const Onnx__NodeProto *node, int opset);

/* The attributes of a node as the network has them; those of Constant become one tensor, "value". FACET_BAD_INPUT.
 * Caller destroys with facet_attributes_destroy. */
facet_status facet_onnx_attributes(const Onnx__NodeProto *node, const char *path, facet_attribute **attribute,
                                   int *count);

/* Refuses an attribute that the operator, which is known, has in no operator set, or of another kind. */
facet_status facet_onnx_check_attribute(const char *type, const facet_attribute *attribute);

/* A graph in which the functions that a model brings along stand in place of the nodes that call them. It borrows from
 * the model. */
typedef struct {
  Onnx__GraphProto graph;
  Onnx__NodeProto **node; /* of the graph, where there are functions */
  void **piece;           /* everything that was made for it */
  Onnx__AttributeProto **value;
  size_t nodes, node_room, pieces, piece_room, values, bytes;
} facet_onnx_inlined;
/* FACET_BAD_INPUT: functions that call themselves, or that would grow beyond all bounds. Caller clears. */
facet_status facet_onnx_inline(const Onnx__ModelProto *model, facet_onnx_inlined *inlined);
void facet_onnx_inlined_clear(facet_onnx_inlined *inlined);

#endif
