/* Lanes: what 64 bytes hold of one position, of as many adjoints or samples as that is, side by side.
 *
 * All adjoints of a network share its weights.  So for each weight that is left a convolution, or its pullback, is one
 * multiple of a run of such vectors added to others: no index arithmetic inside, and what is 0 costs nothing.  Around
 * every channel lie zeros, so that there are no borders to think of.  What a lane becomes depends on that lane alone.
 */
#ifndef FACET_LANE_CONV_H
#define FACET_LANE_CONV_H

#include "kernels.h"

enum { FACET_LANES_BYTES = 64, FACET_MOST_LANES = FACET_LANES_BYTES / sizeof(float) };

static inline int facet_lanes_count(facet_type real)
{
  return (int)(FACET_LANES_BYTES / facet_type_size(real));
}

/* How a value lies: position (c, y, x) is vector number before + c plane + y pitch + x; what is between are zeros. */
typedef struct {
  int64_t channels, height, width;
  int64_t pitch, plane, before;
  int64_t size; /* vectors in all */
} facet_lanes_layout;

/* With `border` zeros on every side. */
facet_lanes_layout facet_lanes_layout_of(int64_t channels, int64_t height, int64_t width, int64_t border);

static inline int64_t facet_lanes_place(const facet_lanes_layout *l, int64_t c, int64_t position)
{
  return l->before + c * l->plane + position / l->width * l->pitch + position % l->width;
}

/* What meets a result where it is stored: slope * (result + addend) + after. Lanes first[q] to first[q + 1] - 1 belong
 * to sample q, whose slopes, one a position, are slope[q] of the layout given; lanes of no sample become 0. Or, gated,
 * what is not above 0 becomes alpha times itself: the slope is the result's own. */
typedef struct {
  const void *addend, *after; /* lie as the result does, and may be the result; NULL: 0 */
  bool gated;
  double alpha;
  int samples; /* 0: there is no slope */
  facet_layout layout;
  const void *slope[FACET_MOST_LANES];
  int first[FACET_MOST_LANES + 1];
  void *
      sums; /* channels x lanes of the type: what is stored, summed over positions; convolutions alone; NULL: nowhere */
  bool backwards; /* convolutions: the last rows first, which are still near where what made the source began there */
} facet_lanes_fusion;

typedef struct facet_lanes facet_lanes; /* the weights of one convolution that are left */

/* The border that it needs around its source; -1: it is not offered (at most two dimensions are). */
int64_t facet_lanes_border(const facet_conv_shape *shape, facet_task task);
/* FACET_FORWARD: from u to z, or FACET_PULLBACK: from gz to gu, that lie so. FACET_OS. Caller destroys. */
facet_status facet_lanes_create(const facet_conv_shape *shape, facet_type real, facet_task task,
                                const facet_lanes_layout *source, const facet_lanes_layout *result,
                                facet_lanes **lanes);
void facet_lanes_destroy(facet_lanes **lanes);
/* Weights (out x in/groups x kernel) that are not 0 are copied, and the bias (forward, or NULL). FACET_OS. */
facet_status facet_lanes_weights(facet_lanes *lanes, const void *weights, const void *bias);
void facet_lanes_run(const facet_lanes *lanes, const void *source, const facet_lanes_fusion *with, void *result);

/* Of a forward convolution: the gradients of the weights that are left, in their order (out x in/groups x kernel), from
 * its source and its result's adjoint: one number each, summed over positions and lanes. */
void facet_lanes_gradient(const facet_lanes *lanes, const void *u, const void *gz, double *gw);

/* to = slope * (scale[c] g + shift[c] + addend) + after; scale NULL: 1, shift NULL: 0. */
void facet_lanes_map(const facet_lanes_layout *layout, facet_type real, const void *scale, const void *shift,
                     const void *g, const facet_lanes_fusion *with, void *to);
/* `count` times, in each of `channels`: vector `target` gains factor times vector `source`; factor NULL: 1. Channels
 * begin source_step and target_step vectors apart. */
typedef struct {
  int64_t channels, count, source_step, target_step;
  const int32_t *source, *target;
  const double *factor;
} facet_lanes_moves;
void facet_lanes_move(const facet_lanes_moves *moves, facet_type real, const void *g, void *to);
/* Maxima: g's position (of `layout`, where winners lie as with->layout says) goes to the vector place[winner], of each
 * lane that of its sample. */
void facet_lanes_win(const facet_lanes_layout *layout, facet_type real, const facet_lanes_fusion *with,
                     const int32_t *const *winner, const int32_t *place, const void *g, void *to);
/* Windows of every channel: of its inputs' vectors, from the channel's first on, place[begin[s]] to place[begin[s + 1]
 * - 1] make the result at position s: their sum times weight[s], each times its tap (NULL: 1); or, without weights, the
 * largest, or the smallest where sign is -1. */
typedef struct {
  const int64_t *begin;
  const int32_t *place;
  const double *weight, *tap;
  double sign;
} facet_lanes_windows;
void facet_lanes_window(const facet_lanes_layout *in, const facet_lanes_layout *out, facet_type real,
                        const facet_lanes_windows *windows, const void *u, void *to);
/* Of each channel, sums over positions: channels x lanes. */
void facet_lanes_sums(const facet_lanes_layout *layout, facet_type real, const void *g, double *sums);
/* Of each lane, the sum of all of g times the slopes of its sample: one number a lane. */
void facet_lanes_dot(const facet_lanes_layout *layout, facet_type real, const void *g, const facet_lanes_fusion *with,
                     double *sums);
/* Of `count` arrays of a layout, lane by lane; further lanes become 0. */
void facet_lanes_pack(const facet_lanes_layout *to, facet_type real, facet_layout layout, int count,
                      const void *const *from, void *lanes);
/* To `count` arrays of a layout, lane by lane; padding of blocks becomes 0. */
void facet_lanes_unpack(const facet_lanes_layout *from, facet_type real, facet_layout layout, int count,
                        const void *lanes, void *const *to);

#endif
