/* What shape inference works out of a node: for the executor, for derivatives, and for src/prune, which follows
 * channels through it.
 *
 * Every operator is lowered to a kind, and the executor knows only kinds.  Seven of them are piecewise linear:
 *   linear    z = A u + a          Conv, ConvTranspose, Gemm, MatMul
 *   diagonal  z = d * u + a        BatchNormalization; Add, Sub, Mul, Div with a constant; Neg
 *   sum       z = sum_j c_j u_j    Add, Sub, Sum, Mean of branches
 *   gate      z = s u + a, s and a of the piece that u is on: Relu, LeakyRelu, PRelu, Clip, Abs, HardSigmoid
 *   select    z_i = the largest or smallest of u_ji: Max, Min of branches and constants
 *   move      z_i = u_map(i)       Reshape, Transpose, Slice, Pad, Concat, Gather, Resize nearest: index maps
 *   window    z_s = weighted sum, maximum or minimum of u over window s: pooling, Reduce*, Resize linear
 * The others are frozen at the sample, where `gates: secant` allows that (frozen.c): linear there, but the factor is no
 * slope.
 *   curve     z = s u + a(0), s = (a(u) - a(0)) / u: Sigmoid, Tanh, Gelu, HardSwish and the like
 *   scale     z = f u, or u / f, of two branches of which f is taken as it is: Mul, Div
 *   norm      z = gamma r (u - mean u) + beta, r of the sample: LayerNormalization and the like
 *   product   z = F u, or u F, of matrices of which F is taken as it is: MatMul of two branches
 *   constant  z is taken as it is: Softmax
 *
 * Operators see ONNX shapes with the batch dimension in front, and the batch is 1: a "full" shape.  A value whose full
 * shape starts with 1 is a batch; one whose full shape does not ("whole") belongs to one sample as it is. */
#ifndef FACET_LOWERED_H
#define FACET_LOWERED_H

#include "curve.h"
#include "net.h"

typedef enum {
  KIND_LINEAR,
  KIND_DIAGONAL,
  KIND_SUM,
  KIND_GATE,
  KIND_SELECT,
  KIND_MOVE,
  KIND_WINDOW,
  KIND_CURVE, /* from here on frozen */
  KIND_SCALE,
  KIND_NORM,
  KIND_PRODUCT,
  KIND_CONSTANT
} facet_kind;

enum { NO_VALUE = -1, MOST_PIECES = 3, MOST_PARAMETERS = 2 };

struct facet_lowered {
  facet_kind kind;
  int inputs; /* values that depend on the network's input, in order */
  int *input; /* owned */
  int frozen; /* the last so many of them are taken as they are at the sample: no adjoint goes there */
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

  /* curve: the row of curve.c, its parameters, and what follows from these */
  const facet_curve *curve;
  double parameter[MOST_PARAMETERS], at_zero;
  bool inverse; /* scale: u / f */

  /* norm: so many neighbours share mean and deviation; without `centred` there is no mean. gamma and beta, above, go on
   * by one every `stride` elements, and begin again. constant: a Softmax along such neighbours, `stride` apart */
  int64_t length, stride;
  bool centred;

  /* product: stacks of rows x inner by inner x columns; position: of each product the number of its left matrix, then
   * of each that of its right one. right: the right one is linear */
  int64_t stacks, rows, inner, columns;
  bool right;

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

/* ---- asking a node: lower.c ---- */

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
/* The element of a constant that meets element i (row-major) of a shape it spreads over. */
int64_t facet_spread_index(facet_shape constant, facet_shape shape, int64_t i);
/* Factor and constant of element i of a diagonal. */
void facet_diagonal_element(const facet_network *network, const facet_lowered *l, int64_t i, double *scale,
                            double *shift);
/* Whether a kind, or a node of it, is linear only as it is frozen at a sample. */
static inline bool facet_kind_is_frozen(facet_kind kind)
{
  return kind >= KIND_CURVE;
}
/* Whether it is element by element, each times a factor. */
static inline bool facet_kind_is_factor(facet_kind kind)
{
  return kind == KIND_CURVE || kind == KIND_SCALE;
}
/* a(u) of a curve. */
static inline double facet_curve_at(const facet_lowered *l, double u)
{
  return l->curve->secant(u, l->parameter) * u + l->at_zero;
}
/* Linear: weight i of the kernel's order, out x in x kernel, in that of the file. */
static inline int64_t facet_weight_place(const facet_lowered *l, int64_t i)
{
  int64_t o = l->conv.out_channels, in = l->conv.in_channels;
  return l->transposed ? i % in * o + i / in : i;
}
static inline int64_t facet_move_source(const facet_lowered *l, int64_t i)
{
  return l->source ? l->source[i] : i;
}

#endif
