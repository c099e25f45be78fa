/* What a network does between its linear nodes, for one precision: gates, diagonals, sums, index moves
 * and windows, forward and pulled back.  All of it works on buffers of samples in any layout: an
 * element's place does not matter as long as the operands agree.
 *
 * Rows: an adjoint buffer holds `rows` adjoints per sample, sample by sample; what belongs to the sample (slopes,
 * winners) is used for all of its rows. `size` is one sample's elements, padding included. */
#ifndef FACET_ELEMENTWISE_H
#define FACET_ELEMENTWISE_H

#include "kernels.h"

/* `length` elements from src + source go to dst + target. */
typedef struct {
  int32_t target, source, length;
} facet_run;

/* Pooling windows over positions (see net/lowered.h): begin has out_spatial + 1 entries. */
typedef struct {
  int64_t in_spatial, out_spatial;
  const int64_t *begin, *position;
  const double *weight; /* sums: factor per output position; NULL: maximum */
  const double *tap;    /* sums: factor per position too; NULL: 1 */
  double sign;          /* maximum: -1 for the minimum */
} facet_windows;

/* A gate of two or three pieces: piece p holds for z > at[p - 1], and no later one does; there out = slope[p] z +
 * offset[p]. slope_of: per element (one sample, of the real type), stands for slope[0]; or NULL. */
typedef struct {
  int count;
  const double *at, *slope, *offset;
  const void *slope_of;
} facet_pieces;

typedef struct {
  /* The largest |z|; 0 of none. */
  double (*largest)(int64_t size, const void *z);
  /* What is within `bound` of a boundary is a tie: it is added to *ties, and a rule decides which piece the pattern
   * says, so that rounding does not (negative: nothing is a tie).  Values are what they are without it.  near (or
   * NULL): 1 where there is one, else as it was.  One sample each.
   *
   * out = z for z > 0, else alpha * z; slope likewise, alpha where there is a tie; out may be z. Of the `size` elements
   * `padding` are always 0 and do not count. */
  void (*gate)(int64_t size, int64_t padding, double alpha, double bound, const void *z, void *out, void *slope,
               int32_t *ties, uint8_t *near);
  /* A gate of any pieces; with a tie it is on the lower one. Writes slope and (unless NULL) offset of every element. */
  void (*pieces)(facet_layout layout, const facet_pieces *pieces, double bound, const void *z, void *out, void *slope,
                 void *offset, int32_t *ties, uint8_t *near);
  /* out = the largest (sign 1) or smallest (sign -1) of the candidates, winner = its number. Of equal ones, and of a
   * tie (all within `bound` of the best), the first wins. */
  void (*select)(facet_layout layout, int candidates, const void *const *candidate, double sign, double bound,
                 void *out, int32_t *winner, int32_t *ties);
  /* out = addend + (winner == which) * g for every row (addend NULL: 0). */
  void (*select_pullback)(int64_t size, int64_t samples, int64_t rows, const int32_t *winner, int which, const void *g,
                          const void *addend, void *out);
  /* The sum of a * b where winner == which. */
  double (*select_dot)(int64_t size, const int32_t *winner, int which, const void *a, const void *b);
  /* out = addend + scale * in + shift by channel (arrays padded to whole blocks; addend, shift NULL: 0), one sample. */
  void (*channels)(facet_layout layout, const void *scale, const void *shift, const void *addend, const void *in,
                   void *out);
  /* out = scale * in + shift, one sample. */
  void (*diagonal)(int64_t size, const void *scale, const void *shift, const void *in, void *out);
  /* out = addend + slope * g for every row (addend NULL: 0). slope advances by slope_step per sample (0: shared). */
  void (*gate_pullback)(int64_t size, int64_t samples, int64_t rows, int64_t slope_step, const void *slope,
                        const void *g, const void *addend, void *out);
  /* out = slope * (g + more) for every row: a sum and the gate before it in one pass. */
  void (*gate_pullback_sum)(int64_t size, int64_t samples, int64_t rows, const void *slope, const void *g,
                            const void *more, void *out);
  /* out = a + factor * b; a NULL: 0. */
  void (*add)(int64_t count, const void *a, double factor, const void *b, void *out);
  /* Index moves: dst = runs of src (gather), or the other way round and added (scatter). Strides in elements. */
  void (*gather)(int64_t samples, int64_t runs, const facet_run *run, const void *src, int64_t src_size, void *dst,
                 int64_t dst_size);
  void (*scatter)(int64_t samples, int64_t runs, const facet_run *run, const void *src, int64_t src_size, void *dst,
                  int64_t dst_size);
  /* Windows of one sample: means; or maxima with winner[i] = element of the input that won, ties as in `select`, not
   * counted where the winner is within `bound` of 0 and flat_zero: both candidates are off.  near (or NULL): 1 for
   * every position of a window that is tied, `near` as it counts, or also where the winner is 0 if *ties was not 0
   * before; of position number t in channel c of block b at near[(b * positions of all windows + t) * block + c]; else
   * as it was. */
  void (*window_mean)(const facet_windows *w, facet_layout in, const void *u, void *out);
  void (*window_max)(const facet_windows *w, facet_layout in, double bound, bool flat_zero, const void *u, void *out,
                     int32_t *winner, int32_t *ties, uint8_t *near);
  /* near[j * size + i] = 1: candidate j of element i is within `bound` of the best, and not alone there. */
  void (*select_near)(int64_t size, int candidates, const void *const *candidate, double sign, double bound,
                      uint8_t *near);
  /* open[i] |= bit where slope[i] is not 0. */
  void (*gate_open)(int64_t size, const void *slope, uint16_t bit, uint16_t *open);
  /* Adjoints, added to gu. */
  void (*window_mean_pullback)(const facet_windows *w, facet_layout in, int64_t adjoints, const void *g, void *gu);
  void (*window_max_pullback)(int64_t out_size, int64_t in_size, int64_t samples, int64_t rows, const int32_t *winner,
                              const void *g, void *gu);
  /* sum[c] of one adjoint over its positions, channels of the layout. */
  void (*channel_sums)(facet_layout layout, const void *g, double *sum);
  double (*dot)(int64_t count, const void *a, const void *b);
  /* out += a b, of rows x inner and inner x columns, row-major, each the other way round where it is turned. */
  void (*matrices)(int64_t rows, int64_t inner, int64_t columns, const void *a, bool a_turned, const void *b,
                   bool b_turned, void *out);
  /* Batch norm in training: statistics over samples and positions per channel, then (u - mean) * scale + shift. */
  void (*norm_statistics)(facet_layout layout, int64_t samples, const void *u, double *mean, double *variance);
  void (*norm)(facet_layout layout, int64_t samples, const double *mean, const double *scale, const double *shift,
               const void *u, void *out);
  /* gu = scale * (g - mean(g) - (u - mean) / deviation * mean(g (u - mean) / deviation)); grad_scale and grad_shift
   * per channel are the sums in it. */
  void (*norm_pullback)(facet_layout layout, int64_t samples, const double *mean, const double *deviation,
                        const double *scale, const void *u, const void *g, void *gu, double *grad_scale,
                        double *grad_shift);
  /* Plain double or float order to a layout and back; converting. `stride`: elements between samples of the plain
   * side. pack: from the real type, plain, to layout. unpack: from layout to double. */
  void (*pack)(facet_layout layout, const void *plain, void *packed);
  void (*unpack)(facet_layout layout, const void *packed, double *plain);
} facet_elementwise;

const facet_elementwise *facet_elementwise_of(facet_type real);

#endif
