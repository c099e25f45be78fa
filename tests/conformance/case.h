/* One official ONNX case: a folder with model.onnx and test_data_set_*, each with input_*.pb and output_*.pb. */
#ifndef CASE_H
#define CASE_H

#include "onnx/graph.h"
#include "rooms.h"

enum { MOST_VALUES = 64 };

/* What is known of a case and of one of its data sets. */
typedef struct {
  char folder[600], name[200]; /* name: the folder's last part, without "test_" */
  Onnx__ModelProto *model;
  int inputs, outputs;                      /* of the graph; inputs that are no initializers */
  Onnx__ValueInfoProto *input[MOST_VALUES]; /* the model's */
  Onnx__TensorProto *given[MOST_VALUES];    /* owned; NULL: the case has none, or it is no tensor */
  Onnx__TensorProto *expected[MOST_VALUES]; /* owned, likewise */
} onnx_case;

/* Reads the model; false: there is none, or it is damaged. */
bool case_open(onnx_case *c, const char *folder, const char *name);
/* Reads one data set in place of the last one; false: there is none of this number. */
bool case_data(onnx_case *c, int set);
void case_close(onnx_case *c);
bool case_real(const Onnx__TensorProto *t); /* a tensor of float, double or float16 */
/* The operator that the case is about: one that facet lacks if there is any, else the first that is no constant;
 * "function bodies" for cases that spell an operator out in others. */
const char *case_operator(const onnx_case *c);
bool case_known(const onnx_case *c); /* all operators are in facet's table */
/* The network whose data is input `data` and whose output is output `out`; the other inputs are its constants. */
facet_status case_build(const onnx_case *c, int data, int out, facet_network **network);

/* The model of the same choice as a file would hold it; *count is 0 if it is larger than `most` bytes. */
facet_status case_pack(const onnx_case *c, int data, int out, size_t most, uint8_t *bytes, size_t *count);

/* damage.c: reads damaged copies of the model, adds to *failed and prints those that come to harm. Keeps what it reads
 * in `folder` (NULL: nowhere) for as long as that takes. */
facet_status damage_check(const onnx_case *c, int copies, const char *folder, int *failed);

/* numbers.c: the network's output on `data`, in double by the reference kernels and in float by the dense ones, against
 * `expected`; then its linearization. FACET_INTERNAL says what is wrong. */
facet_status numbers_check(const facet_network *network, const Onnx__TensorProto *data,
                           const Onnx__TensorProto *expected);

/* excused.c: the operators that facet must know, and pass a case of if there is one; NULL ends them. */
extern const char *const claims[];
/* Whether facet may refuse this case with this message, or differ from it where the case is disputed. */
bool excused(const onnx_case *c, bool refused, const char *message);

#endif
