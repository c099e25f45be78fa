/* Executors: a network compiled for one kernel set, precision, batch and number of rows.  One thread at a time. */
#ifndef FACET_FACE_EXECUTOR_H
#define FACET_FACE_EXECUTOR_H

#include <facet/kernels.h>
#include <facet/network.h>

FACET_BEGIN

typedef struct facet_executor facet_executor;

typedef struct {
  const facet_kernels *kernels; /* NULL: dense for F32, reference for F64 */
  facet_type real;              /* FACET_F32 or FACET_F64: the type of every buffer below */
  int64_t batch;                /* samples per call, at most */
  int64_t rows;                 /* rows of W per sample and pullback; 0: no pullback, and in float no pattern until that
                                   is settled */
  bool room;                    /* the memory that pullbacks write W to has room for a whole batch, always */
  bool training;                /* batch norm from the batch's own statistics; gradients wanted */
  bool touched;                 /* remembers where ties are, for facet_executor_touched */
  bool blank;                   /* takes no constants until facet_executor_refresh: for what it takes of memory */
} facet_executor_options;

/* The network must outlive the executor. FACET_INTERNAL: options that make no sense; FACET_BAD_INPUT: a node that the
 * kernels do not offer; *executor is NULL then. Caller destroys. */
facet_status facet_executor_create(const facet_network *network, facet_executor_options options,
                                   facet_executor **executor);
void facet_executor_destroy(facet_executor **executor);
/* Takes the network's constants anew, after they were changed in place. */
facet_status facet_executor_refresh(facet_executor *executor);
facet_executor_options facet_executor_settings(const facet_executor *executor);
const facet_network *facet_executor_network(const facet_executor *executor);
size_t facet_executor_bytes(const facet_executor *executor); /* what its buffers take */

/* x: count x D in the network's own input order, 1 <= count <= batch (FACET_INTERNAL otherwise). Afterwards output,
 * value and pattern are valid. */
facet_status facet_executor_forward(facet_executor *executor, const void *x, int64_t count);
int64_t facet_executor_count(const facet_executor *executor); /* of the last forward pass; 0 before the first */
/* Makes the pattern of the last forward pass that of exact arithmetic: the samples run once more in double, as far as
 * there are gates, and take their pattern from there. x: the same count x D samples, in double. What is within rounding
 * even there is decided by a rule (as it is where executors compute in double, which need no settling): a gate within
 * rounding of a boundary is on the lower piece, and of such candidates of a maximum the first wins. One gate on the
 * wrong side changes whole rows of W; of 10^5 gates rounding in float reaches a few. */
facet_status facet_executor_settle(facet_executor *executor, const double *x);
/* Makes now what facet_executor_settle makes at first need. */
facet_status facet_executor_ready(facet_executor *executor);
/* logits: count x K. */
facet_status facet_executor_output(const facet_executor *executor, double *logits);
/* Any kept value (the head's feature is), count x its size, row-major. FACET_INTERNAL: it is not kept, or there is none
 * of that number. */
facet_status facet_executor_value(const facet_executor *executor, int value, double *out);
/* Ties per sample: gates and maxima that the rule decided. In float: 0 until settled. ties: count. */
void facet_executor_ties(const facet_executor *executor, int32_t *ties);
/* Which inputs ties touch: 1 at every input for which W, in some of the k rows of the sample (row: count x k, as for a
 * pullback; -1: none), may be another where the ties are decided otherwise: where a gate that is tied is on its other
 * piece, or another of the tied candidates of a maximum wins, in any combination. That is where a way of weights that
 * are not 0, open gates and winners leads from a row through something tied to the input. At all other inputs W is the
 * same whatever the ties say: what the output gains there per step up and per step down is W. Where both differ, the
 * input is touched; the reverse holds but where ways cancel, or one tie leaves another no choice. touched: count x D,
 * in the network's input order; all 0 for a sample without ties. Needs options.touched (FACET_INTERNAL). */
facet_status facet_executor_touched(facet_executor *executor, int64_t k, const int32_t *row, uint8_t *touched);

/* Nodes whose pattern a sample chooses (gates, maxima), in order. Names belong to the network. */
int facet_executor_gates(const facet_executor *executor);
const char *facet_executor_gate(const facet_executor *executor, int gate);
int64_t facet_executor_gate_size(const facet_executor *executor, int gate); /* its elements, of one sample */
/* The pieces of a gate on which its output is constant: bit p of piece p, the lowest is 0. 0 for maxima. */
uint32_t facet_executor_gate_off(const facet_executor *executor, int gate);
/* The pattern at gate number `gate`, of a sample of the last forward pass: of each element, in the network's own order,
 * which piece it is on, or which candidate of a maximum has won: its number in the window, or of the input. The same in
 * any precision and layout, as far as rounding is settled. piece: the gate's elements. */
void facet_executor_pieces(const facet_executor *executor, int64_t sample, int gate, int32_t *piece);
/* How many elements of gate number `gate` of `a` are on another piece, or won by another element, for sample_a of the
 * last forward pass of `a` than for sample_b of that of `b`. -1: `b` has no such gate by name and layout. */
int64_t facet_executor_gate_differs(const facet_executor *a, int64_t sample_a, const facet_executor *b,
                                    int64_t sample_b, int gate);

/* Nodes with constants, in order: what b is split over. Names belong to the network. */
int facet_executor_constant_nodes(const facet_executor *executor);
const char *facet_executor_constant_node(const facet_executor *executor, int i);

/* Rows of W for the samples of the last forward: row[s*rows + r] is the output (class) of row r of sample s.
 * w: count x rows x D (real); b_node: count x rows x constant nodes. Pullback through the frozen pattern.
 * facet_linearize does this for any number of rows, with b and a certificate. */
facet_status facet_executor_pullback(facet_executor *executor, const int32_t *row, void *w, double *b_node);

/* Training executors: gradients of sum_s <dlogits_s, logits_s> over the batch (dlogits: count x K), all parameters in
 * the order and at the offsets of facet_network_parameter_list (MEAN and VARIANCE hold the batch's statistics instead).
 * real F32. */
facet_status facet_executor_gradient(facet_executor *executor, const float *dlogits, float *gradient);
/* From the next facet_executor_refresh on, in training: weights that are 0 stay so, and their gradients, which may be 0
 * then, are not wanted. */
void facet_executor_hold(facet_executor *executor, bool held);
/* pause: called before each node that is run, there and back, from now on: of a large network in double a pass takes
 * many seconds. What is not FACET_OK is returned at once, and of the pass nothing holds. NULL: nothing is called. */
void facet_executor_pauses(facet_executor *executor, facet_status (*pause)(void *context), void *context);

FACET_END

#endif
