/* Networks: graphs of ONNX nodes over values.
 *
 * Shapes are per sample: the batch dimension, the first of an ONNX value, is left out of values that depend on the
 * input, and kept in constants as they are.  Nodes and values have numbers from 0 on. */
#ifndef FACET_FACE_NETWORK_H
#define FACET_FACE_NETWORK_H

#include <facet/base.h>

FACET_BEGIN

enum { FACET_MAX_RANK = 8 };

typedef struct {
  int rank;
  int64_t dim[FACET_MAX_RANK];
} facet_shape;

int64_t facet_shape_size(facet_shape shape); /* product of dims, at most INT64_MAX; 1 for rank 0 */
bool facet_shape_same(facet_shape a, facet_shape b);
const char *facet_shape_text(facet_shape shape); /* "3 x 32 x 32"; valid for this thread's next 8 calls */

typedef struct facet_network facet_network;

/* ---- making ---- */

/* Reads an ONNX file. Constants may lie in other files of the same folder. FACET_NO_INPUT; FACET_BAD_INPUT with "FILE:
 * node NAME (Type): why" where it is damaged, or not piecewise linear. Caller destroys. */
facet_status facet_onnx_read(const char *path, facet_network **network);
/* What becomes of operators that are not piecewise linear: they are refused; or they are frozen at each sample, so that
 * F = W x + b holds there exactly, but W is no Jacobian (docs/networks.md says how each is frozen). */
typedef enum { FACET_GATES_PIECES, FACET_GATES_SECANT } facet_gates;
facet_status facet_onnx_read_gates(const char *path, facet_gates gates, facet_network **network);
facet_status facet_onnx_read_bytes_gates(const char *name, const uint8_t *bytes, size_t count, facet_gates gates,
                                         facet_network **network);
/* The same from memory, where no constant may lie in another file; `name` stands for the file in messages. */
facet_status facet_onnx_read_bytes(const char *name, const uint8_t *bytes, size_t count, facet_network **network);
/* Writes an ordinary ONNX file (opset of the network, batch dimension "N"), whole or not at all; the bytes depend on
 * the network alone. FACET_CANNOT_CREATE, FACET_IO. */
facet_status facet_onnx_write(const facet_network *network, const char *path);

typedef struct {
  facet_shape input; /* channels, height, width */
  int convs;
  const int64_t *conv; /* output channels */
  int denses;
  const int64_t *dense; /* units */
  int64_t classes;
  uint32_t seed;
} facet_plain;
/* The plain trainable architecture: for every entry of conv a 3x3 convolution (padding 1, no bias), batch norm and
 * ReLU, with 2x2 max pooling after all but the last; then Flatten, a ReLU layer per entry of dense, and K logits.
 * Kaiming-normal weights (He 2015, fan in) from the seed. Caller destroys. */
facet_status facet_network_plain(const facet_plain *plain, facet_network **network);
/* The residual network for small images (He et al. 2015) of 6 `blocks` + 2 layers: 3 for ResNet-20. Initial weights as
 * above. Caller destroys. */
facet_status facet_network_resnet(facet_shape input, int blocks, int64_t classes, uint32_t seed,
                                  facet_network **network);

facet_status facet_network_copy(const facet_network *network, facet_network **copy); /* deep; caller destroys */
void facet_network_destroy(facet_network **network);

/* ---- asking. Texts belong to the network. ---- */

const char *facet_network_name(const facet_network *network);
int facet_network_opset(const facet_network *network);
facet_shape facet_network_input_shape(const facet_network *network);
int64_t facet_network_inputs(const facet_network *network);     /* D: size of the input shape */
int64_t facet_network_outputs(const facet_network *network);    /* K */
int64_t facet_network_parameters(const facet_network *network); /* elements of all parameters */
/* FACET_BAD_INPUT: its outputs are not N x K, one score for each of several classes. */
facet_status facet_network_classifies(const facet_network *network);
/* Whether the file ends in Softmax, LogSoftmax or Sigmoid, which was taken off: the logits before it are explained. */
bool facet_network_softmax_stripped(const facet_network *network);

int facet_network_nodes(const facet_network *network);
const char *facet_network_node_name(const facet_network *network, int node);
const char *facet_network_node_type(const facet_network *network, int node); /* ONNX operator */
const char *facet_network_value_name(const facet_network *network, int value);
facet_shape facet_network_value_shape(const facet_network *network, int value);

/* Whether no node is frozen at each sample: whether W is the Jacobian. */
bool facet_network_is_piecewise_linear(const facet_network *network);
/* FACET_BAD_INPUT "WHAT: only of a piecewise-linear network, but node ..." unless it is. What follows patterns, or
 * needs gradients, asks this first. */
facet_status facet_network_need_pieces(const facet_network *network, const char *what);
/* How a node is frozen at each sample: not at all, by itself as its own function of its input, or as a factor, and then
 * the number of the value that is taken as it is there. */
enum { FACET_FROZEN_NOT = -1, FACET_FROZEN_ITSELF = -2 };
int facet_network_frozen(const facet_network *network, int node);

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

/* The numbers of a constant, row-major: out of the network, and into it, rounded to its type. Executors take new ones
 * with facet_executor_refresh. FACET_INTERNAL: the value is no constant. */
facet_status facet_network_numbers(const facet_network *network, int value, double *numbers);
facet_status facet_network_set_numbers(facet_network *network, int value, const double *numbers);

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
facet_status facet_network_cost(const facet_network *network, facet_cost **cost); /* caller destroys */
void facet_cost_destroy(facet_cost **cost);

/* How many features the network has: the size of what its last linear node takes, and which value that is (`value` may
 * be NULL). 0: it does not end in a linear node. */
int64_t facet_network_features(const facet_network *network, int *value);
/* The last linear node: feature h (a value), class directions w (K x F, row-major) and c (K). FACET_BAD_INPUT if there
 * is none; FACET_OS. Caller clears. */
typedef struct {
  int feature; /* value number of h */
  int node;    /* the linear node */
  int64_t features, classes;
  double *direction, *offset;
} facet_head;
facet_status facet_network_head(const facet_network *network, facet_head *head);
void facet_head_clear(facet_head *head);

FACET_END

#endif
