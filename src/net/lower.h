/* Private to src/net: lowering, from a node with attributes to what lowered.h says of it. */
#ifndef FACET_LOWER_H
#define FACET_LOWER_H

#include "lowered.h"

void facet_lowered_destroy(facet_lowered **lowered);

/* One row per operator. `lower` checks the node against its inputs' shapes and fills node->lowered: kind, full and the
 * kind's fields. lower NULL: folded, replaced or stripped before lowering. `broadcast`: inputs of different shapes are
 * expanded to one first. `attributes`: that ONNX gives it in any of its operator sets, names with a blank on either
 * side and the letters of their kinds: i and f a number, whole or not, s a text, t a tensor, I and F lists. */
struct facet_operator {
  const char *type;
  facet_kind kind;
  bool broadcast;
  facet_status (*lower)(facet_network *network, facet_node *node);
  const char *attributes;
};

const facet_operator *facet_operator_find(const char *type);

/* ---- what lower functions use: lower.c ---- */

/* Raises FACET_BAD_INPUT "node NAME (Type): ...". */
facet_status facet_node_raise(const facet_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define facet_node_raise(...) facet_raised((facet_node_raise)(__VA_ARGS__), FACET_BAD_INPUT)

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
/* The same of all values together: adds those of one to the network's count. */
facet_status facet_node_count(facet_network *network, const facet_node *node, facet_shape out);
/* Whether a constant spreads over a full shape without enlarging it (NumPy broadcasting). */
bool facet_spreads(facet_shape constant, facet_shape full);
/* NumPy's common shape; false: there is none. */
bool facet_broadcast(facet_shape a, facet_shape b, facet_shape *both);
void facet_strides(facet_shape shape, int64_t stride[FACET_MAX_RANK]); /* row-major */
bool facet_shape_only_channel(facet_shape constant, facet_shape full); /* varies along axis 1 alone */

/* ---- constant expressions: fold.c ---- */

/* Turns a node whose result is known when the network is loaded into a constant: *folded. */
facet_status facet_fold(facet_network *network, facet_node *node, bool *folded);

/* ---- Softplus with a threshold: choice.c ---- */

/* The numbers of a node that facet_node_is_choice. *beta stays where the node has none. */
facet_status facet_choice_numbers(const facet_network *network, const facet_node *node, double *beta,
                                  double *threshold);

/* ---- operators by family: operator_*.c, listed in operators.c ---- */

typedef facet_status facet_lower(facet_network *network, facet_node *node);

/* A product or quotient of two branches that depend on the input, of which one is frozen. */
facet_status facet_lower_branches(facet_network *network, facet_node *node, bool quotient);
/* The same of matrices. */
facet_status facet_lower_matrices(facet_network *network, facet_node *node);

/* A window operator along spatial dimensions: what Conv and pooling share. */
typedef struct {
  int spatial;
  int64_t in[FACET_MAX_SPATIAL], out[FACET_MAX_SPATIAL], kernel[FACET_MAX_SPATIAL], stride[FACET_MAX_SPATIAL];
  int64_t dilation[FACET_MAX_SPATIAL], begin[FACET_MAX_SPATIAL], end[FACET_MAX_SPATIAL];
} facet_window_shape;

/* Reads kernel_shape (`kernel`: must be this), strides, dilations, pads, auto_pad and ceil_mode of a node whose input
 * is N x C x spatial, and works out the output. */
facet_status facet_window_read(const facet_node *node, facet_shape in, const int64_t *kernel, facet_window_shape *w);

#endif
