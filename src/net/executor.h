/* Private to src/net: the executor's insides, shared by executor_compile.c (from a network to steps),
 * executor_buffers.c (where their values lie), executor_parts.c (what the kinds share), rounding.c (what is a tie),
 * touched.c and touched_linear.c (which inputs ties touch),
 * executor.c (running them: the public calls) and the kinds (kind_*.c: what one step does).
 *
 * A step is one node, or a linear or diagonal node with the diagonals by channel after it (batch norm, Mul, Add) folded
 * in.  Every value has one layout, for itself and its adjoint, so gates and sums need no reorder. */
#ifndef FACET_EXECUTOR_H
#define FACET_EXECUTOR_H

#include <string.h>

#include "kernels/elementwise.h"
#include "lowered.h"
#include "slots.h"

/* How an adjoint reaches input j of a step: to = addend + contribution (addend NO_SLOT: 0). `to` may be the very slot
 * of the output's adjoint (in place, or shared when nothing is to be done). */
typedef struct {
  int to, addend;
  int scratch; /* for kinds that cannot add in place */
} facet_way;

/* A node whose constant a step adds, as one entry of what b is split over. */
typedef struct {
  const facet_node *node;
  int constant;       /* index of the entry */
  double *by_channel; /* what it adds to each channel of the step's output, folded nodes after it applied; NULL: the
                         kind knows */
} facet_source;

typedef struct facet_step {
  const facet_node *node;
  int folds;
  const facet_node **fold; /* diagonals by channel folded into this step, in order */
  const facet_lowered *lowered;
  int inputs;
  int ways;    /* of them, the first so many: where adjoints go; the others are frozen */
  bool pulled; /* an adjoint comes to the output: else it is read by what takes it as it is alone */
  const int *input;
  int output;
  int *in_slot; /* forward */
  int out_slot;
  int g_slot;        /* adjoint of the output; NO_SLOT where it is not pulled */
  facet_way *way;    /* per way */
  bool left_to_gate; /* linear: its part of the adjoint stays in scratch; the gate before it adds it (to the slot in */
  int first, more;   /* way->addend) while it pulls back.  gate: those two slots; more NO_SLOT: nothing was left */
  struct facet_step *gate; /* linear: the gate right before it, whose pullback is done with this one's; or NULL */
  bool done_by_linear;     /* gate: a linear step's `gate` */
  bool sums_with_pullback; /* linear: b's part comes from sums that the pullback makes */

  facet_conv *forward, *pullback, *gradient; /* linear */
  double *total;                             /* linear, diagonal by channel: factors of all that is folded in */
  void *scale, *shift;                       /* diagonal: one sample in the output's layout, or per channel, padded;
                                                sum, linear and curve: shift, one sample, or NULL; real */
  void *slope, *offset; /* gate: batch samples; offset NULL: all 0. Where something is frozen, what that is: factors, of
                           a norm by group and of a product as it came; a constant is an offset */
  int64_t slopes;       /* of one sample */
  void *slope_of;       /* gate: slopes of the lowest piece, one sample */
  void **rival;         /* select: constants, one sample each */
  int32_t *winner;      /* window max, select: batch samples */
  facet_run **run;      /* move: per input */
  int64_t *runs;
  bool alias;               /* move that changes nothing: output shares the input's slot */
  bool covers;              /* move: every element of the input is read */
  void *constants;          /* move with fill: the fill where it stands; real, output's layout */
  double *mean, *deviation; /* batch norm in training */
  bool is_block; /* linear: a block in training (kind_block.c), whose nodes after the convolution are `fold` */
  struct facet_block *block;
  double *gamma, *beta;  /* its norm's */
  double gain, constant; /* what an input's size and the step's constants can become: rounding.c */
  int64_t terms;         /* linear: of one element's sum */
  uint8_t *tied;         /* of touched.c: batch samples of tied_size each; NULL: nothing there can be tied */
  int64_t tied_size;
  bool *marked;     /* per sample: whether it is tied there at all */
  bool dense;       /* linear, for the same: no weight is 0; else */
  uint8_t *present; /* 1 at every weight, as the kernel has them, that is not 0 */
  int sources;
  facet_source *source;
} facet_step;

struct facet_executor {
  const facet_network *network;
  facet_executor_options options;
  const facet_kernels *blocks;    /* whose liking decided the layouts */
  bool may_lanes;                 /* the caller left the kernels to us, or wants the fast ones */
  struct facet_lanes_plan *lanes; /* lanes.h; NULL: the network is none for these */
  bool settles;                   /* another one's pattern: it is another's `exact`, and follows no ties back */
  const facet_elementwise *e;
  size_t real; /* bytes of a number */
  int64_t count;
  bool held;            /* weights that are 0 stay so */
  facet_layout *layout; /* per value */
  int *slot;            /* per value: where forward leaves it (only kept ones stay valid) */
  bool *keep;
  int steps;
  facet_step *step;
  facet_slots values, adjoints;
  bool values_there, adjoints_there; /* allocated */
  int output_adjoint, input_adjoint; /* slots */
  int constants;
  const char **constant_name;
  int32_t *ties;
  int patterned; /* 1 + the last step with a pattern; 0: none */
  double *size;  /* double, not in training: per value and sample, how large the terms of its sums are; else NULL */
  double *terms; /* then too, per value: how many there are on the longest way to it */
  facet_executor *exact; /* the same steps in double, a few samples, made at first need: settles the pattern */
  uint16_t *reach;       /* touched.c: what it finds, of all values, each at its own reach_at; else NULL */
  int64_t *reach_at;
  uint16_t *plain[2];  /* then too: scratch, the largest value each */
  double *sums;        /* scratch: channels */
  float *adjoint_sums; /* scratch: channels of every adjoint, from a pullback that sums on its way */
  size_t own_bytes;    /* beside the slots */
  facet_parameter *parameter;
  int parameters;
  void *scratch;                        /* real: the largest parameter */
  void *whole;                          /* W of a whole batch, made when a call has fewer samples */
  facet_status (*pause)(void *context); /* called before each step; or NULL */
  void *pause_context;
};

static inline facet_status facet_executor_pause(const facet_executor *x)
{
  return x->pause ? x->pause(x->pause_context) : FACET_OK;
}

/* What one kind does. create: after layouts are known. backward: adjoints for every input of the step, b split. */
typedef struct {
  facet_status (*create)(facet_executor *x, facet_step *step);
  facet_status (*refresh)(facet_executor *x, facet_step *step); /* takes constants anew; may be NULL */
  facet_status (*forward)(facet_executor *x, facet_step *step);
  facet_status (*pullback)(facet_executor *x, facet_step *step);
  /* <adjoint of output, constants> of one adjoint, for every source of the step; NULL: none */
  void (*bias)(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b);
  facet_status (*gradient)(facet_executor *x, facet_step *step, float *gradient); /* NULL: no parameters */
} facet_kind_row;

extern const facet_kind_row *const facet_kinds[]; /* by facet_kind */
extern const facet_kind_row facet_kind_linear, facet_kind_diagonal, facet_kind_sum, facet_kind_gate, facet_kind_select,
    facet_kind_move, facet_kind_window, facet_kind_curve, facet_kind_scale, facet_kind_norm, facet_kind_product,
    facet_kind_constant, facet_kind_block;

static inline const facet_kind_row *facet_kind_of(const facet_step *step)
{
  return step->is_block ? &facet_kind_block : facet_kinds[step->lowered->kind];
}

/* Whether a sample chooses the step's pattern: a gate or a maximum. */
static inline bool facet_step_chooses(const facet_step *step)
{
  return step->winner || (step->slope && step->lowered->kind == KIND_GATE);
}

static inline int64_t facet_value_size(const facet_executor *x, int value)
{
  return facet_layout_size(x->layout[value]);
}

static inline void *facet_value_data(const facet_executor *x, int slot)
{
  return x->values.slot[slot].data;
}

static inline void *facet_adjoint_data(const facet_executor *x, int slot)
{
  return slot == NO_SLOT ? NULL : x->adjoints.slot[slot].data;
}

/* Adjoints of one call: samples in use times rows. */
static inline int64_t facet_adjoints(const facet_executor *x)
{
  return x->count * x->options.rows;
}

static inline char *facet_at(const facet_executor *x, void *data, int64_t element)
{
  return (char *)data + (size_t)element * x->real;
}

/* Fills an executor whose network, options and kernels are set. The caller destroys it in any case. */
facet_status facet_executor_compile(facet_executor *x);
/* Plans what values and adjoints lie in, once the steps, their layouts and kernels are made. */
facet_status facet_executor_plan_buffers(facet_executor *x);
/* Allocate values and adjoints, which it leaves: for passes by the kernels. Again they do nothing. */
facet_status facet_executor_need_values(facet_executor *x);
facet_status facet_executor_need_adjoints(facet_executor *x);
/* Free them, until they are needed again. */
void facet_executor_drop_values(facet_executor *x);
void facet_executor_drop_adjoints(facet_executor *x);

/* ---- a pass, step by step: executor.c ---- */

/* Before the first step forward: the samples, as facet_executor_forward takes them. */
facet_status facet_executor_begin(facet_executor *x, const void *samples, int64_t count);
/* From the adjoint of a step's output, which is complete, to those of its inputs; b_node (NULL: nobody wants it) takes
 * what meets the step's constants. */
facet_status facet_executor_step_back(facet_executor *x, int step, double *b_node, float *gradient);

/* ---- what is within rounding: rounding.c ---- */

facet_status facet_rounding_create(facet_executor *x);
void facet_rounding_refresh(facet_executor *x);                        /* after all steps were */
void facet_rounding_begin(facet_executor *x);                          /* a forward pass, the input being there */
void facet_rounding_follow(facet_executor *x, const facet_step *step); /* right before the step runs forward */
/* How far rounding may carry elements of a value, whose step runs or has run; -1: in float, and in training, nothing is
 * a tie. */
double facet_rounding(const facet_executor *x, int value, int64_t sample);
/* Of a step that knows only when it has run how large the terms of its sums are. */
void facet_rounding_grow(facet_executor *x, const facet_step *step, int64_t sample, double gain, double constant);
/* The same for the step that takes the value, of whose ties nobody asks where it is not pulled: -1. */
static inline double facet_rounding_at(const facet_executor *x, const facet_step *step, int value, int64_t sample)
{
  return step->pulled ? facet_rounding(x, value, sample) : -1;
}

/* ---- which inputs ties touch: touched.c, where options.touched ---- */

facet_status facet_touched_create(facet_executor *x); /* steps, layouts and kinds being made */
/* Weights of a linear step, as its kernel takes them. */
facet_status facet_touched_weights(facet_executor *x, facet_step *step, const void *weights);
/* While a step runs forward: where to write down what is tied there, all 0 and not marked so far; NULL: nobody asks. */
uint8_t *facet_touched_near(const facet_executor *x, const facet_step *step, int64_t sample);
/* The same, whole, of a select; before: how many ties the sample had before it. */
void facet_touched_select(facet_executor *x, const facet_step *step, int64_t sample, int32_t before,
                          const void *const *candidate);
/* Sample s takes what sample `from` of the double-precision executor remembers. */
void facet_touched_take(facet_executor *x, int64_t s, int64_t from);
/* What reaches a linear step's output reaches its input by weights that are not 0: touched_linear.c. */
void facet_touched_linear(facet_executor *x, const facet_step *step);

/* ---- what kinds share: executor_parts.c ---- */

/* Allocates and counts for facet_executor_bytes. */
facet_status facet_executor_own(facet_executor *x, size_t count, size_t size, void *pointer_to_pointer);
/* What a linear step's constants add to b, from the sums that its pullback made. */
void facet_linear_bias_late(facet_executor *x, const facet_step *step, double *b_node);
/* Makes `to` the sum so far (copy of addend, which may be `to` itself, or zeros where it is NULL) before a kind adds to
 * it. */
__attribute__((nonnull(1))) static inline void facet_adjoint_open(void *to, const void *addend, size_t bytes)
{
  if (!addend)
    memset(to, 0, bytes);
  else if (addend != to)
    memcpy(to, addend, bytes);
}
/* The same for all adjoints of a value. */
void facet_way_open(const facet_executor *x, const facet_way *way, int value);
/* Element i of a real array. */
void facet_executor_put(const facet_executor *x, void *array, int64_t i, double value);
static inline double facet_executor_get(const facet_executor *x, const void *array, int64_t i)
{
  return x->options.real == FACET_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}
/* A constant spread over the step's output, one sample in its layout. Owned by the executor's step. */
facet_status facet_executor_spread(facet_executor *x, const facet_step *step, const facet_tensor *constant,
                                   void *pointer_to_pointer);
/* Layouts being chosen: joins a step and the nodes after it, if they make a block that training does as one; sets
 * joined[] of these nodes. reader: by value, the last node that reads it, or -1. */
facet_status facet_block_join(const facet_executor *x, const int *reader, facet_step *step, bool *joined);
/* A linear step as its kernel sees it: A goes from `in` to `out`. */
typedef struct {
  facet_layout in, out;
  int64_t images; /* per sample */
} facet_ends;
facet_ends facet_step_ends(const facet_executor *x, const facet_step *step);
/* The layout that a window step sees: all elements in one channel where windows are flat. */
facet_layout facet_window_layout(const facet_executor *x, const facet_step *step, int value);
facet_windows facet_step_windows(const facet_executor *x, const facet_step *step);
/* The layout of the step's output as its sources see channels, and how many such images make a sample. */
static inline facet_layout facet_step_channels(const facet_executor *x, const facet_step *step, int64_t *images)
{
  const facet_lowered *l = step->lowered;
  *images = l->viewed ? l->images : 1;
  return !l->viewed ? x->layout[step->output] : l->adjoint ? l->in : l->out;
}
/* b of every source from the sums over the channels of one adjoint. */
void facet_channels_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b);
/* b of a step whose constants are the same for every sample, `shift`; and of one that has those of each sample,
 * `offset`. */
void facet_shift_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b);
void facet_offset_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b);
/* Whether a node is a gate like ReLU: two pieces that meet at 0, the upper one as it is. And whether it is ReLU. */
bool facet_gate_is_simple(const facet_lowered *lowered);
bool facet_gate_is_relu(const facet_lowered *lowered);
/* by_channel of every source, `total` of the step: the constants of the nodes, those after them applied. own: what the
 * step's own node adds per channel, or NULL. */
facet_status facet_fold_channels(facet_executor *x, facet_step *step, int64_t channels, const double *own);
/* Where the gradient of a parameter goes; NULL if it is none. */
float *facet_gradient_of(const facet_executor *x, int value, float *gradient);

#endif
