/* Private to src/net: what shape inference works out of a node for the executor.
 *
 * Every operator is lowered to one of six kinds, and the executor knows only kinds:
 *   linear    z = A u + a          Conv, Gemm, MatMul
 *   diagonal  z = d * u + a        BatchNormalization; Add, Sub, Mul, Div with a constant
 *   sum       z = sum_j c_j u_j    Add, Sub of branches
 *   gate      z = slope(u) * u     Relu, LeakyRelu
 *   move      z_i = u_map(i)       Reshape, Transpose, Slice, Pad, Concat, Identity: index maps
 *   window    z_s = mean or max of u over the positions of window s: pooling
 */
#ifndef FACET_LOWER_H
#define FACET_LOWER_H

#include "net/net.h"

typedef enum { KIND_LINEAR, KIND_DIAGONAL, KIND_SUM, KIND_GATE, KIND_MOVE, KIND_WINDOW } facet_kind;

enum { NO_VALUE = -1 };

struct facet_lowered {
  facet_kind kind;
  int inputs; /* values that depend on the network's input, in order */
  int *input; /* owned */
  int output;

  /* linear: constants by value number; bias and MatMul's missing one are NO_VALUE */
  facet_conv_shape conv;
  int weight, bias;
  bool transposed;                   /* weights lie as in x out */
  double weight_factor, bias_factor; /* Gemm's alpha and beta */

  /* diagonal: either batch norm (the four constants) or z = (+-u + c), c * u, u / c with one constant */
  bool batch_norm;
  int gamma, beta, mean, variance;
  double epsilon;
  int constant;
  char arithmetic; /* '+', '-' (u - c), 'r' (c - u), '*', '/' */

  double *coefficient; /* sum: one per input, owned */

  double alpha; /* gate: slope for u <= 0 */

  /* move: output element i comes from element source[i] of input from[i]; source -1: it is `fill` */
  int64_t *source; /* owned */
  int32_t *from;   /* owned; NULL: all from input 0 */
  double fill;
  bool keeps_axes; /* channels stay channels: Slice, Pad, Concat */

  /* window: positions position[begin[s] .. begin[s+1]) of the input's spatial plane make output position s;
   * mean: multiplied by weight_of[s] and summed; max: the winner is selected */
  bool maximum;
  int64_t *begin;    /* out spatial + 1, owned */
  int64_t *position; /* owned */
  double *weight_of; /* out spatial, owned; NULL for max */
};

void facet_lowered_destroy(facet_lowered **lowered);

/* One row per operator. `lower` checks the node against its inputs' shapes, sets the output's shape and fills
 * node->lowered (kind and fields); `kind` is how the executor runs it forward with pattern, pulls back and
 * differentiates by parameters (see kinds.h). lower NULL: folded or stripped before lowering. */
struct facet_operator {
  const char *type;
  facet_kind kind;
  facet_status (*lower)(facet_network *network, facet_node *node);
};

const facet_operator *facet_operator_find(const char *type);

/* Raises FACET_BAD_INPUT "node NAME (Type): ...". */
facet_status facet_node_raise(const facet_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define facet_node_raise(...) facet_raised((facet_node_raise)(__VA_ARGS__), FACET_BAD_INPUT)

const facet_attribute *facet_node_attribute(const facet_node *node, const char *name); /* NULL: not there */

#endif
