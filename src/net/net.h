/* A network: a graph of nodes over values, each node an operator of the table in operators.c.
 *
 * Shapes are per sample: the batch dimension, the first of an ONNX value, is left out of values that depend on the
 * input, and kept in constants as they are.  A value may also have no batch dimension ("whole"): one sample's part of
 * it is all of it, with the shape that it has in the file when the batch is 1.
 *
 * A network is built by the ONNX reader or by facet_network_plain(), then finished once
 * (facet_network_finish), which checks it, folds constants, infers every shape and fills the lowered form
 * of every node that the executor works with. */
#ifndef FACET_NET_H
#define FACET_NET_H

#include "base/base.h"
#include "kernels/kernels.h"

enum { FACET_MAX_RANK = 8 };

typedef struct {
  int rank;
  int64_t dim[FACET_MAX_RANK];
} facet_shape;

int64_t facet_shape_size(facet_shape shape); /* product of dims, at most INT64_MAX; 1 for rank 0 */
bool facet_shape_same(facet_shape a, facet_shape b);
/* "3 x 32 x 32"; the text stays valid for this thread's next 8 calls. */
const char *facet_shape_text(facet_shape shape);

/* A constant array: parameter of a network, or a list of integers. Row-major. */
typedef struct {
  facet_type type;
  facet_shape shape;
  void *data; /* owned */
} facet_tensor;

facet_status facet_tensor_create(facet_type type, facet_shape shape, facet_tensor **tensor); /* zeroed */
facet_status facet_tensor_copy(const facet_tensor *tensor, facet_tensor **copy);
void facet_tensor_destroy(facet_tensor **tensor);
double facet_tensor_get(const facet_tensor *tensor, int64_t i); /* any type, as double */
void facet_tensor_set(facet_tensor *tensor, int64_t i, double x);

/* An attribute of a node, as ONNX has it. Exactly one of the forms is set. */
typedef enum { FACET_INT, FACET_FLOAT, FACET_TEXT, FACET_INTS, FACET_FLOATS, FACET_TENSOR } facet_attribute_kind;
typedef struct {
  char *name;
  facet_attribute_kind kind;
  int64_t integer;   /* FACET_INT */
  double number;     /* FACET_FLOAT */
  char *text;        /* FACET_TEXT */
  int count;         /* of ints and floats */
  int64_t *integers; /* FACET_INTS */
  double *numbers;   /* FACET_FLOATS */
  facet_tensor *tensor;
} facet_attribute;

typedef struct facet_operator facet_operator;
typedef struct facet_lowered facet_lowered; /* what shape inference worked out for the executor: net/lowered.h */

typedef struct {
  char *name; /* never empty: "Conv_3" is made up where the file has none */
  char *type; /* ONNX operator */
  const facet_operator *op;
  int inputs, outputs;
  int *input, *output; /* value numbers; -1: optional input left out */
  int attributes;
  facet_attribute *attribute;
  facet_lowered *lowered; /* owned; NULL until finished */
} facet_node;

typedef struct {
  char *name;
  facet_tensor *constant; /* owned; NULL for values that depend on the input */
  facet_shape shape;      /* per sample if it depends on the input, else the constant's own */
  bool whole;             /* depends on the input, and `shape` is all of it: there is no batch dimension before */
  int producer;           /* node number; -1: network input or constant */
  int consumers;          /* how often live nodes read it; the network output counts once */
} facet_value;

enum { FACET_BATCH_OPEN = -1, FACET_BATCH_NONE = 0 }; /* any number; the input has no batch dimension */

typedef struct {
  char *name;
  int opset;
  int nodes, values;
  facet_node *node; /* after finish: in an order in which every node follows its inputs */
  facet_value *value;
  int input, output;     /* value numbers */
  int64_t batch;         /* of the file: how many samples it fixes, or one of the names below */
  bool softmax_stripped; /* a last Softmax or LogSoftmax was there: the logits before it are explained */
  bool finished;
  int node_room, value_room; /* allocated */
  int *names, name_room;     /* hash table of values by name: number + 1, 0: free */
} facet_network;

/* ---- building (reader's side). Names are copied; tensors and attribute arrays are taken over. ---- */

facet_status facet_network_create(const char *name, int opset, facet_network **network);
void facet_network_destroy(facet_network **network);
facet_status facet_network_copy(const facet_network *network, facet_network **copy);      /* deep; finished if it was */
facet_status facet_network_copy_open(const facet_network *network, facet_network **copy); /* deep; not finished */
/* The number of the value called `name`, made if there is none. */
facet_status facet_network_value(facet_network *network, const char *name, int *value);
void facet_attributes_destroy(facet_attribute **attribute, int count); /* the array and its contents; nulls it */
facet_status facet_attributes_copy(const facet_attribute *attribute, int count, facet_attribute **copy);
/* Declares the one input; `shape` without the batch dimension. */
facet_status facet_network_set_input(facet_network *network, const char *name, facet_shape shape);
/* What the file says of its batch; open unless set. A fixed batch is no limit: samples are explained one by one. */
void facet_network_set_batch(facet_network *network, int64_t batch);
facet_status facet_network_set_output(facet_network *network, const char *name);
facet_status facet_network_add_constant(facet_network *network, const char *name, facet_tensor *tensor);
/* Adds a node; empty input names mean "left out". Attributes (array and contents) are taken over. */
facet_status facet_network_add_node(facet_network *network, const char *type, const char *name, int inputs,
                                    const char *const *input, int outputs, const char *const *output, int attributes,
                                    facet_attribute *attribute);
/* Checks, sorts, folds constants, drops unused nodes, strips a last Softmax, infers shapes, lowers.
 * FACET_BAD_INPUT names the node: "node Conv_3 (Conv): weights are 16 x 3 x 3 x 3 but the input has 4 channels". */
facet_status facet_network_finish(facet_network *network);

/* Whether a row of the operator table bears this name. */
bool facet_operator_known(const char *type);

/* ---- asking ---- */

facet_shape facet_network_input_shape(const facet_network *network);
int64_t facet_network_outputs(const facet_network *network); /* K */
int64_t facet_network_parameters(const facet_network *network);

/* A parameter: a constant that training may change. */
typedef enum { FACET_WEIGHT, FACET_BIAS, FACET_SCALE, FACET_SHIFT, FACET_MEAN, FACET_VARIANCE } facet_parameter_role;
typedef struct {
  int value;                 /* the constant */
  int node;                  /* its (first) user */
  facet_parameter_role role; /* WEIGHT: Conv, Gemm, MatMul: what pruning may remove. MEAN, VARIANCE: batch norm */
  int64_t size, offset;      /* elements; where it starts in a flat vector of all parameters */
} facet_parameter;
/* All parameters in node order, each constant once. Caller frees *list with facet_free. */
facet_status facet_network_parameter_list(const facet_network *network, facet_parameter **list, int *count);

/* What a forward pass of one sample takes, and what parameters weigh, per node that has some and in all. "sparse"
 * counts non-zero weights alone, without what it takes to say where they are. */
typedef struct {
  int layers;
  struct facet_cost_layer {
    int node;
    int64_t products, products_sparse; /* multiply-adds of Conv, ConvTranspose, Gemm, MatMul */
    int64_t bytes, bytes_sparse;       /* of parameters; each constant counts at its first node */
  } * layer, all;
} facet_cost;
facet_status facet_network_cost(const facet_network *network, facet_cost **cost);
void facet_cost_destroy(facet_cost **cost);

/* How many features the network has: the size of what its last linear node takes, and which value that is (`value` may
 * be NULL). 0: it does not end in a linear node. */
int64_t facet_network_features(const facet_network *network, int *value);
/* The last linear node: feature h (a value), class directions w (K x F, double, row-major) and c (K).
 * FACET_BAD_INPUT if there is none; FACET_OS. Caller clears. */
typedef struct {
  int feature; /* value number of h */
  int node;    /* the linear node */
  int64_t features, classes;
  double *direction, *offset;
} facet_head;
facet_status facet_network_head(const facet_network *network, facet_head *head);
void facet_head_clear(facet_head *head);

/* The plain trainable architecture: for every entry of conv a 3x3 convolution (padding 1, no bias), batch norm and
 * ReLU, with 2x2 max pooling after all but the last; then Flatten, a ReLU layer per entry of dense, and K logits.
 * Kaiming-normal weights (He 2015, fan in) from Philox(seed, FACET_STREAM_INITIAL). Finished. */
facet_status facet_network_plain(facet_shape input, int convs, const int64_t *conv, int denses, const int64_t *dense,
                                 int64_t classes, uint32_t seed, facet_network **network);
/* The residual network for small images (He et al. 2015) of 6 `blocks` + 2 layers: 3 for ResNet-20. Initial weights as
 * above. Finished. */
facet_status facet_network_resnet(facet_shape input, int blocks, int64_t classes, uint32_t seed,
                                  facet_network **network);

/* Flatten, then dense layers with ReLU after all but the last, of given numbers: size: layers + 1; numbers: weights
 * (inputs x outputs, by rows) and biases of layer after layer, rounded to float32. Finished. */
facet_status facet_network_dense(facet_shape input, int layers, const int64_t *size, const double *numbers,
                                 facet_network **network);
/* `lower` up to one of its values, and `upper` on that: one network, whose nodes and values of the second begin with
 * "prefix/". FACET_BAD_INPUT if the value has not the size of the upper one's input. Finished. */
facet_status facet_network_stack(const facet_network *lower, int value, const facet_network *upper, const char *prefix,
                                 facet_network **stacked);

/* ---- executor: a network compiled for one kernel set, precision, batch and number of rows ---- */

typedef struct facet_executor facet_executor;

typedef struct {
  const facet_kernels *kernels; /* NULL: dense for F32, reference for F64 */
  facet_type real;              /* FACET_F32 or FACET_F64: the type of every buffer below */
  int64_t batch;                /* samples per call, at most */
  int64_t rows;                 /* rows of W per sample and pullback; 0: no pullback */
  bool room;                    /* the memory that pullbacks write W to has room for a whole batch, always */
  bool training;                /* batch norm from the batch's own statistics; gradients wanted */
} facet_executor_options;

/* The network must outlive the executor. Not collective; no MPI anywhere in here. */
facet_status facet_executor_create(const facet_network *network, facet_executor_options options,
                                   facet_executor **executor);
void facet_executor_destroy(facet_executor **executor);
/* Takes the network's constants anew, after they were changed in place. */
facet_status facet_executor_refresh(facet_executor *executor);
facet_executor_options facet_executor_settings(const facet_executor *executor);
const facet_network *facet_executor_network(const facet_executor *executor);
size_t facet_executor_bytes(const facet_executor *executor); /* what its buffers take */

/* x: count x D in the network's own input order, count <= batch. Afterwards output, value and pattern are valid. */
facet_status facet_executor_forward(facet_executor *executor, const void *x, int64_t count);
/* Makes the pattern of the last forward pass that of exact arithmetic: samples with a gate within rounding of 0 run
 * once more in double, as far as needed, and take their pattern from there. x: the same count x D samples, in double.
 * Does nothing in double precision. One such gate on the wrong side changes whole rows of W. */
facet_status facet_executor_settle(facet_executor *executor, const double *x);
/* Makes now what facet_executor_settle makes at first need. */
facet_status facet_executor_ready(facet_executor *executor);
/* logits: count x K. */
facet_status facet_executor_output(const facet_executor *executor, double *logits);
/* Any kept value (the head's feature is), count x its size, row-major. */
facet_status facet_executor_value(const facet_executor *executor, int value, double *out);
/* Ties per sample, SCIENCE 1: gates with |z| <= 4 eps max|z| of that gate and sample. */
void facet_executor_ties(const facet_executor *executor, int32_t *ties);

/* Nodes whose pattern a sample chooses (gates, maxima), in order. Names belong to the network. */
int facet_executor_gates(const facet_executor *executor);
const char *facet_executor_gate(const facet_executor *executor, int gate);
/* How many elements of gate number `gate` of `a` are on another piece (slope or offset), or won by another element, for
 * sample_a of the last forward pass of `a` than for sample_b of that of `b`. -1: `b` has no such gate by name, layout
 * and precision. */
int64_t facet_executor_gate_differs(const facet_executor *a, int64_t sample_a, const facet_executor *b,
                                    int64_t sample_b, int gate);

/* Nodes with constants, in order: what b is split over. Names belong to the network. */
int facet_executor_constant_nodes(const facet_executor *executor);
const char *facet_executor_constant_node(const facet_executor *executor, int i);

/* Rows of W for the samples of the last forward: row[s*rows + r] is the output (class) of row r of sample s.
 * w: count x rows x D (real); b_node: count x rows x constant nodes. Pullback through the frozen pattern (SCIENCE 1).
 */
facet_status facet_executor_pullback(facet_executor *executor, const int32_t *row, void *w, double *b_node);

/* Training executors: gradients of sum_s <dlogits_s, logits_s> over the batch, all parameters in the order and at the
 * offsets of facet_network_parameter_list (MEAN and VARIANCE hold the batch's statistics instead). real F32. */
facet_status facet_executor_gradient(facet_executor *executor, const float *dlogits, float *gradient);

#endif
