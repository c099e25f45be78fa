/* Private to src/onnx: TensorProto to constant array and back. */
#ifndef FACET_TENSOR_PROTO_H
#define FACET_TENSOR_PROTO_H

#include "onnx/onnx.h"

#include "onnx.pb-c.h"

/* float and float16 become F32, double F64, integers I64. FACET_BAD_INPUT says what is wrong (without file or name):
 * sizes that do not fit the dimensions, NaN, infinities, types that hold no numbers. Caller destroys. */
facet_status facet_tensor_from_proto(const Onnx__TensorProto *proto, facet_tensor **tensor);
/* A TensorProto that borrows the data of `tensor`, `name` and `dims` (FACET_MAX_RANK entries, filled here). */
void facet_tensor_to_proto(const facet_tensor *tensor, char *name, int64_t *dims, Onnx__TensorProto *proto);

#endif
