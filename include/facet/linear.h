/* Linearization of samples: F(x) = W x + b on the facet that x lies in, with a certificate; the margin of a sample
 * taken apart the same way; and what happens between two samples, facet by facet.
 *
 * Of a network that is read with FACET_GATES_SECANT, what is not piecewise linear is frozen at each sample: F = W x + b
 * holds there as it does of others, but W is not the Jacobian, and there is no facet on which it would hold. What needs
 * a piecewise-linear network (margins, paths, reach, lines, planes) refuses such a one with FACET_BAD_INPUT. */
#ifndef FACET_FACE_LINEAR_H
#define FACET_FACE_LINEAR_H

#include <facet/executor.h>

FACET_BEGIN

typedef enum { FACET_ROWS_ALL, FACET_ROWS_PREDICTED, FACET_ROWS_TOP } facet_rows_choice;

/* Rows of W per sample: K, 1 or min(top, K). */
int64_t facet_rows_count(facet_rows_choice choice, int64_t top, int64_t classes);
/* row: count x k, the classes to explain: 0..K-1, the predicted one, or the top k by logit, largest first (equal
 * logits: the lower class first). logits: count x K; not looked at for FACET_ROWS_ALL. */
void facet_rows_choose(facet_rows_choice choice, int64_t k, int64_t classes, const double *logits, int64_t count,
                       int32_t *row);

/* Results for `count` samples and k rows; buffers are the caller's. */
typedef struct {
  void *w;          /* count x k x D, the executor's real type; for facet_linearize_to see there */
  double *b;        /* count x k */
  double *b_node;   /* count x k x facet_executor_constant_nodes */
  double *residual; /* count: max over the k rows of |F - (Wx + b)| / max(1, max_k |F|), F from the forward pass */
  int32_t *ties;    /* count: where W is one of several; facet_executor_touched says at which inputs */
} facet_linearization;

/* Linearizes the samples of the executor's last forward pass, on the facet that its pattern says: settled
 * (facet_executor_settle) it is the same on every machine. x: count x D as given to it. `row` as above. Works
 * through the rows in chunks of the executor's own number of rows. FACET_INTERNAL: that is 0, `count` is not that of
 * the pass, or a row is not in 0..K-1. */
facet_status facet_linearize(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                             facet_linearization *out);

/* Takes rows from, from+1, ... of W, of all `count` samples: count x rows x D. */
typedef struct {
  facet_status (*put)(void *context, int64_t from, int64_t rows, const void *w); /* NULL: nobody does */
  void *context;
} facet_w_sink;

/* The same, the bits too, with memory for one chunk of W: `sink` gets each as it is made, certified already. out->w:
 * batch x rows x D of the executor's settings, used again for every chunk. */
facet_status facet_linearize_to(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                                facet_w_sink sink, facet_linearization *out);

/* ---- the margin of a sample as a sum over its pixels and the network's constants: with class y and rival j,
 * m(x) = [ (W_y - W_j) x + (b_y - b_j) ] / |w_y - w_j|, exactly ---- */

/* Of `count` samples; buffers are the caller's. NaN where there is no class, or no boundary. */
typedef struct {
  double *gradient; /* count x D, in the network's input order: what the margin gains per input */
  double *node;     /* count x constant nodes: what each node's constants add */
  double *margin;   /* count */
  double *residual; /* count: |m - (sum gradient x + sum node)| / max(1, |m|), m from the feature */
  int32_t *rival;   /* count; -1 where there is none */
} facet_margin_map;

/* Takes apart the margins of the samples of the executor's last forward pass, which has two rows. x: count x D as given
 * to it; label: count. head: of its network; its feature is kept by the executor. */
facet_status facet_margin_take_apart(facet_executor *executor, const facet_head *head, const void *x, int64_t count,
                                     const int32_t *label, facet_margin_map *map);

/* How the margin came from `from` to `to`, of one sample: inputs before and after (D each; the same numbers when the
 * network changed), and the gradients. pixel: D, gradient_to x_to - gradient_from x_from; moved (may be NULL): the part
 * gradient_from (x_to - x_from), and then pixel holds the rest, (gradient_to - gradient_from) x_to. */
void facet_margin_change(int64_t inputs, const double *gradient_from, const double *x_from, const double *gradient_to,
                         const double *x_to, double *pixel, double *moved);

/* ---- the straight segment from one input to another, in double: exact integrated gradients ---- */

typedef struct facet_path facet_path; /* its memory; one thread at a time */

/* bytes: of memory for what is known at once, of which more is a little faster; the result is the same but for
 * rounding. 16 points of the segment are known at once in any case, even if they take more. The network must outlive
 * it. Caller destroys. */
facet_status facet_path_create(const facet_network *network, double bytes, facet_path **path);
void facet_path_destroy(facet_path **path);
/* Elements of gates and maxima, each of which may change on a path. About half of them do on a long one. */
int64_t facet_path_elements(const facet_network *network);
/* Forward passes in double that so many rows of a long path take, about. */
double facet_path_passes(const facet_network *network, int64_t rows);

typedef struct {
  facet_rows_choice rows;               /* by the logits at the end, as facet_rows_choose does */
  const int32_t *given;                 /* k: which rows, in place of what `rows` chooses; or NULL */
  int64_t k;                            /* rows: facet_rows_count says how many */
  int64_t crossings;                    /* numbers that `crossing` has room for */
  int64_t points;                       /* of `curve`, at least 2; 0: none */
  facet_status (*pause)(void *context); /* called now and then; not FACET_OK: is returned, with nothing done; or NULL */
  void *context;
} facet_path_options;

/* Of one segment; buffers are the caller's. Its ends are x0 and x1, t from 0 to 1 is the share of the way, and W(t) the
 * map of the facet at t: piece by piece one map, and in the finitely many points between two pieces either of both. */
typedef struct {
  int32_t *row; /* k: which outputs */
  double
      *attribution; /* k x D: (x1 - x0) times the integral of the row of W(t) over t, input by input: each piece's row
                       times its length (Sundararajan et al. 2017, arXiv 1703.01365, here without a quadrature) */
  double *total;    /* k: F(x1) - F(x0), by two plain forward passes */
  double residual;  /* max over the k rows of |total - sum of attribution| / max(1, largest |F| at both ends) */
  int64_t pieces;   /* with a pattern of their own */
  int64_t changes;  /* how often the predicted class changes */
  double *crossing; /* at which t it does, in order; NaN behind */
  double *curve;    /* points x K: logits at equal steps of t, from 0 to 1 */
} facet_path_result;

/* Follows the segment from start to end (D numbers each, in the network's input order). All changes of the pattern, max
 * pools included, are found layer by layer, from the values at those of the layers before. Changes nearer than 2^-43 of
 * the way are one; what is within rounding of a boundary all along a piece is decided by the rule of
 * facet_executor_settle. */
facet_status facet_path_follow(facet_path *path, const double *start, const double *end,
                               const facet_path_options *options, facet_path_result *result);

/* ---- how far the linearization of a sample holds, in double ---- */

enum { FACET_NORM_MAX, FACET_NORM_TWO, FACET_NORMS }; /* max |x'_i - x_i|; the root of the sum of squares */

typedef struct facet_reach facet_reach; /* its memory; one thread at a time */

typedef struct {
  /* D: how far each input of the network moves for a step of 1 in what distances are measured in (pixels, say); NULL: 1
   * each. Borrowed. */
  const double *scale;
  /* Lengths of rows are bounded by D passes, one an input, and not by 48 random directions, whose bound is too small
   * with probability 2^-100. Where D is not above 48 they always are. */
  bool certain;
  facet_status (*pause)(void *context); /* called now and then; not FACET_OK: is returned, with nothing done; or NULL */
  void *context;
} facet_reach_options;

/* The network must outlive it. Caller destroys. */
facet_status facet_reach_create(const facet_network *network, facet_reach_options options, facet_reach **reach);
void facet_reach_destroy(facet_reach **reach);
/* Passes forward through the network that a sample takes, rows back included, about; what is found decides. */
double facet_reach_passes(const facet_network *network, bool certain);

/* Of a sample x, in one norm. On its facet every gate's input, every difference between who won a maximum and who did
 * not, and every logit is affine: d(x') = a x' + c, so that d is 0 first at a distance of d(x) / |a|, with the dual
 * norm of a (the sum of |a_i| for the max norm). */
typedef struct {
  double radius; /* the largest within which the pattern does not change: the least of these distances of all gates and
                    maxima; 0 where the sample lies on a boundary (`tied`); INFINITY: there is none */
  double untied; /* the same without boundaries that the sample lies on */
  double error;  /* how far rounding may carry `untied` */
  int gate;      /* who bounds `untied`: of facet_executor_gates; -1: nobody */
  int64_t element; /* of the gate, in the network's own order */
  int32_t next;    /* the piece, or candidate of a maximum, it is on beyond: facet_executor_pieces */
  double boundary; /* to the nearest decision boundary of the map: no point of another class in the facet is nearer */
  int32_t other;   /* the class beyond it; -1: there is none, and `boundary` is INFINITY */
  bool inside; /* whether `point` lies in the facet (its boundary included): then it is on that boundary, exactly, and
                  the nearest point of another class in the facet; in all, if `boundary` is not above `radius` */
  int64_t within, beyond; /* elements of the pattern that are others, by plain passes, at 63/64 and 65/64 of the radius
                             towards what bounds it; -1: tied, or nothing does */
  double *point; /* D, of the caller: the nearest point of the decision boundary of the map; NaN: there is none. In the
                    max norm one of several, where rows have zeros */
} facet_reach_norm;

typedef struct {
  int64_t tied;     /* boundaries of gates and maxima within rounding of the sample, but for those that never move */
  double residual;  /* certificate: max of |d - (a x + c)| / max(1, |d|) of what bounds, c from the network's constants
                       alone; and of |F_c - F_k| / max(1, max |F|) at points that are `inside`, by plain passes */
  int32_t *tied_of; /* the same by gate or maximum, of the caller; or NULL */
  int64_t rows;     /* how many rows were needed */
  facet_reach_norm norm[FACET_NORMS];
} facet_reach_result;

/* x: D numbers in the network's input order. */
facet_status facet_reach_find(facet_reach *reach, const double *x, facet_reach_result *result);

/* ---- the same segment, cut into pieces, with the logits at all of their ends ---- */

typedef struct facet_line facet_line; /* its memory; one thread at a time */

/* As facet_path_create. */
facet_status facet_line_create(const facet_network *network, double bytes, facet_line **line);
void facet_line_destroy(facet_line **line);

typedef struct {
  int64_t most;                         /* points, at most */
  facet_status (*pause)(void *context); /* as of a path */
  void *context;
} facet_line_options;

/* Borrowed, until the next call. */
typedef struct {
  int64_t points, pieces; /* pieces with a pattern of their own */
  const double *t;        /* points: the share of the way, in order, from 0 to 1: where a piece ends, or another class
                             becomes the largest */
  const double *logits;   /* points x K; between two points they are affine */
  const int64_t *piece;   /* points: the number of the piece behind it, 0 .. pieces-1; the last one has its own again */
  const int32_t *winner;  /* points: the largest logit behind it; the last one as before it */
  double residual;        /* over all middles between two points: max |F - mean of their logits| / max(1, max |F|), F by
                             a plain forward pass */
  int32_t full;           /* 1: there are more than `most`, and of the above nothing holds */
} facet_line_result;

/* From start to end (D numbers each, in the network's input order), as facet_path_follow finds pieces. */
facet_status facet_line_cut(facet_line *line, const double *start, const double *end, const facet_line_options *options,
                            facet_line_result *result);

FACET_END

#endif
