/* Private to src/onnx: TensorProto to constant array and back. */
#ifndef FACET_TENSOR_PROTO_H
#define FACET_TENSOR_PROTO_H

#include "onnx.h"

#include "onnx.pb-c.h"

/* What messages are unpacked into: facet's memory. To be handed to protobuf-c wherever it frees one. */
extern ProtobufCAllocator facet_onnx_memory;

/* Types narrower than float become F32, double F64, integers and truth values I64. `model` is the file that the message
 * comes from: data in other files is looked for beside it; NULL: there are none. FACET_BAD_INPUT says what is wrong
 * (without file or name): sizes that do not fit the dimensions, NaN, infinities among several numbers, types that hold
 * no numbers; FACET_NO_INPUT, FACET_IO: a data file. Caller destroys. */
facet_status facet_tensor_from_proto(const Onnx__TensorProto *proto, const char *model, facet_tensor **tensor);
/* A TensorProto that borrows the data of `tensor`, `name` and `dims` (FACET_MAX_RANK entries, filled here). */
void facet_tensor_to_proto(const facet_tensor *tensor, char *name, int64_t *dims, Onnx__TensorProto *proto);

/* Puts the data of another file into an unpacked message, as raw bytes. Does nothing where there is no such data. */
facet_status facet_tensor_embed(Onnx__TensorProto *proto, const char *model);

/* ---- the file that a tensor's data lies in ---- */

typedef struct {
  int file;
  const char *location; /* as the message says it */
  uint64_t at;          /* the next byte */
} facet_external;

bool facet_external_is(const Onnx__TensorProto *proto);
/* Opens and checks that `bytes` bytes are there. Caller closes. */
facet_status facet_external_open(const Onnx__TensorProto *proto, const char *model, uint64_t bytes, facet_external *e);
facet_status facet_external_read(facet_external *e, void *into, size_t bytes); /* the next ones */
void facet_external_close(facet_external *e);

#endif
