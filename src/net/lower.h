/* Private to src/net: what shape inference works out of a node for the executor.
 *
 * Every operator is lowered to one of seven kinds, and the executor knows only kinds:
 *   linear    z = A u + a          Conv, ConvTranspose, Gemm, MatMul
 *   diagonal  z = d * u + a        BatchNormalization; Add, Sub, Mul, Div with a constant; Neg
 *   sum       z = sum_j c_j u_j    Add, Sub, Sum, Mean of branches
 *   gate      z = s u + a, s and a of the piece that u is on: Relu, LeakyRelu, PRelu, Clip, Abs, HardSigmoid
 *   select    z_i = the largest or smallest of u_ji: Max, Min of branches and constants
 *   move      z_i = u_map(i)       Reshape, Transpose, Slice, Pad, Concat, Gather, Resize nearest: index maps
 *   window    z_s = weighted sum, maximum or minimum of u over window s: pooling, Reduce*, Resize linear
 *
 * Operators see ONNX shapes with the batch dimension in front, and the batch is 1: a "full" shape.  A value whose full
 * shape starts with 1 is a batch; one whose full shape does not ("whole") belongs to one sample as it is. */
#ifndef FACET_LOWER_H
#define FACET_LOWER_H

#include "net/net.h"

typedef enum { KIND_LINEAR, KIND_DIAGONAL, KIND_SUM, KIND_GATE, KIND_SELECT, KIND_MOVE, KIND_WINDOW } facet_kind;

enum { NO_VALUE = -1, MOST_PIECES = 3 };

struct facet_lowered {
  facet_kind kind;
  int inputs; /* values that depend on the network's input, in order */
  int *input; /* owned */
  int output;
  facet_shape full; /* of the output */
  bool plain;       /* the values must lie in plain order */
  bool keeps_axes;  /* move: channels stay channels, so blocks of channels move as they are */

  /* linear: constants by value number; bias and MatMul's missing one are NO_VALUE */
  facet_conv_shape conv;
  bool adjoint;                      /* z = A^T u + a: conv describes A, which goes from z to u */
  int64_t images;                    /* of the kernel's batch that make one sample; 1 mostly */
  bool viewed;                       /* the kernel sees the values, which are plain, as `in` and `out` */
  facet_layout in, out;              /* one image each */
  int weight, bias;                  /* bias: one number per channel of z, or one for all */
  bool transposed;                   /* weights lie as in x out */
  double weight_factor, bias_factor; /* Gemm's alpha and beta */

  /* diagonal: either batch norm (the four constants) or z = scale * u + shift; sum, window: shift is added; linear: the
   * same, for a constant that is no bias by channel */
  bool batch_norm;
  int gamma, beta, mean, variance;
  double epsilon;
  facet_tensor *scale, *shift; /* F64, spread over `full`; NULL: 1, 0; owned */
  bool by_channel;             /* d and a depend on the channel alone */

  double *coefficient; /* sum: one per input, owned */

  /* gate: piece p holds for u > at[p - 1], and no later one does: z = slope[p] u + offset[p]; slope_of: a constant
   * spread over `full` that stands for slope[0] */
  int pieces;
  double at[MOST_PIECES - 1], slope[MOST_PIECES], offset[MOST_PIECES];
  int slope_of;

  /* select: these constants compete too, spread over `full`; window: they do not */
  double sign; /* select, window: 1 the largest wins, -1 the smallest */
  int constants;
  int *constant; /* value numbers, owned */

  /* move: output element i comes from element source[i] of input from[i]; source -1: it is `fill` */
  int32_t *source; /* owned; NULL: i itself */
  int32_t *from;   /* owned; NULL: all from input 0 */
  double fill;
  double *fill_of; /* owned; NULL: `fill` everywhere */

  /* window: positions position[begin[s] .. begin[s+1]) of the input make output position s.  Positions are those of
   * the spatial plane, for every channel alike; `flat`: elements of the sample */
  bool flat, maximum;
  int64_t *begin;    /* output positions + 1, owned */
  int64_t *position; /* owned */
  double *weight_of; /* factor per output position, owned; NULL for maxima */
  double *tap;       /* factor per position, owned; NULL: 1 */
};

void facet_lowered_destroy(facet_lowered **lowered);

/* One row per operator. `lower` checks the node against its inputs' shapes and fills node->lowered: kind, full and the
 * kind's fields. lower NULL: folded, replaced or stripped before lowering. `broadcast`: inputs of different shapes are
 * expanded to one first. */
struct facet_operator {
  const char *type;
  facet_kind kind;
  bool broadcast;
  facet_status (*lower)(facet_network *network, facet_node *node);
};

const facet_operator *facet_operator_find(const char *type);

/* ---- what lower functions use: lower.c ---- */

/* Raises FACET_BAD_INPUT "node NAME (Type): ...". */
facet_status facet_node_raise(const facet_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define facet_node_raise(...) facet_raised((facet_node_raise)(__VA_ARGS__), FACET_BAD_INPUT)

const facet_attribute *facet_node_attribute(const facet_node *node, const char *name); /* NULL: not there */
int64_t facet_node_int(const facet_node *node, const char *name, int64_t otherwise);
double facet_node_float(const facet_node *node, const char *name, double otherwise);
const char *facet_node_text(const facet_node *node, const char *name, const char *otherwise);
/* The constant at input i; NULL: left out, or no constant. */
const facet_tensor *facet_node_constant(const facet_network *network, const facet_node *node, int i);
bool facet_node_has(const facet_node *node, int i); /* whether input i is given */
/* Integers (at most `most`) from an attribute, or from constant input i where newer opsets moved them (i < 0: none).
 * *count -1: left out. */
facet_status facet_node_integers(const facet_network *network, const facet_node *node, const char *name, int i,
                                 int most, int64_t *list, int *count);
/* A number from a constant input that is a scalar; *given: whether it is there. */
facet_status facet_node_scalar(const facet_network *network, const facet_node *node, int i, bool *given, double *x);
/* Input i as a constant of real numbers. */
facet_status facet_node_real(const facet_network *network, const facet_node *node, int i, const char *what, int *value);
/* The first input must be the one that depends on the network's input, and the only one. */
facet_status facet_node_one_input(const facet_node *node);
facet_shape facet_full_shape(const facet_network *network, int value);
facet_shape facet_node_shape(const facet_network *network, const facet_node *node); /* full, of the first data input */
/* An axis of a value of full shape `in`, made non-negative. Raises if it is out of range, or if the operator mixes
 * samples along it (`mixes`, and the first data input is a batch of the file's). */
facet_status facet_node_axis(const facet_network *network, const facet_node *node, int64_t axis, facet_shape in,
                             bool mixes, int *result);
/* Values that no machine here holds are a damaged file's. */
facet_status facet_node_size(const facet_node *node, facet_shape out);
/* Whether a constant spreads over a full shape without enlarging it (NumPy broadcasting). */
bool facet_spreads(facet_shape constant, facet_shape full);
/* The element of a constant that meets element i (row-major) of a shape it spreads over. */
int64_t facet_spread_index(facet_shape constant, facet_shape shape, int64_t i);
/* NumPy's common shape; false: there is none. */
bool facet_broadcast(facet_shape a, facet_shape b, facet_shape *both);
void facet_strides(facet_shape shape, int64_t stride[FACET_MAX_RANK]); /* row-major */
bool facet_shape_only_channel(facet_shape constant, facet_shape full); /* varies along axis 1 alone */
/* Factor and constant of element i of a diagonal (SCIENCE 1). */
void facet_diagonal_element(const facet_network *network, const facet_lowered *l, int64_t i, double *scale,
                            double *shift);
static inline int64_t facet_move_source(const facet_lowered *l, int64_t i)
{
  return l->source ? l->source[i] : i;
}

/* ---- constant expressions: fold.c ---- */

/* Turns a node whose result is known when the network is loaded into a constant: *folded. */
facet_status facet_fold(facet_network *network, facet_node *node, bool *folded);

/* ---- operators by family: operator_*.c ---- */

typedef facet_status facet_lower(facet_network *network, facet_node *node);

facet_lower facet_lower_conv, facet_lower_conv_transpose, facet_lower_gemm, facet_lower_matmul;
facet_lower facet_lower_batch_norm, facet_lower_add, facet_lower_sub, facet_lower_mul, facet_lower_div, facet_lower_sum,
    facet_lower_mean, facet_lower_neg, facet_lower_relu, facet_lower_leaky_relu, facet_lower_prelu, facet_lower_clip,
    facet_lower_abs, facet_lower_hard_sigmoid, facet_lower_max, facet_lower_min;
facet_lower facet_lower_identity, facet_lower_flatten, facet_lower_reshape, facet_lower_squeeze, facet_lower_unsqueeze,
    facet_lower_transpose, facet_lower_slice, facet_lower_pad, facet_lower_concat, facet_lower_gather,
    facet_lower_gather_nd, facet_lower_expand, facet_lower_tile, facet_lower_depth_to_space, facet_lower_space_to_depth,
    facet_lower_cast;
facet_lower facet_lower_max_pool, facet_lower_average_pool, facet_lower_global_average_pool,
    facet_lower_global_max_pool, facet_lower_reduce_mean, facet_lower_reduce_sum, facet_lower_reduce_max,
    facet_lower_reduce_min, facet_lower_resize;

/* A window operator along spatial dimensions: what Conv and pooling share. */
typedef struct {
  int spatial;
  int64_t in[FACET_MAX_SPATIAL], out[FACET_MAX_SPATIAL], kernel[FACET_MAX_SPATIAL], stride[FACET_MAX_SPATIAL];
  int64_t dilation[FACET_MAX_SPATIAL], begin[FACET_MAX_SPATIAL], end[FACET_MAX_SPATIAL];
} facet_window_shape;

/* Reads kernel_shape (`kernel`: must be this), strides, dilations, pads, auto_pad and ceil_mode of a node whose input
 * is N x C x spatial, and works out the output. */
facet_status facet_window_read(const facet_node *node, facet_shape in, const int64_t *kernel, facet_window_shape *w);
/* A list attribute with one number per spatial dimension, from `least` on. */
facet_status facet_window_list(const facet_node *node, const char *name, int spatial, int64_t least, int64_t *list,
                               int64_t otherwise);

#endif
