/* The level of processors whose functions are called, and those of this room: see levels.h. */
#include "levels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "block.h"
#include "elementwise.h"
#include "image.h"
#include "inner.h"
#include "lane_block.h"
#include "lane_conv.h"
#include "panel.h"
#include "sparse.h"
#include "winograd.h"

/* oneDNN's words for what it may use at most; it knows many, and what is none of these limits nothing here. */
static facet_vectors allowed(void)
{
  const char *most = getenv("ONEDNN_MAX_CPU_ISA");
  most = most ? most : getenv("DNNL_MAX_CPU_ISA");
  if (most && (strcasecmp(most, "SSE41") == 0 || strcasecmp(most, "AVX") == 0))
    return FACET_VECTORS_OLD;
  return most && strncasecmp(most, "AVX2", strlen("AVX2")) == 0 ? FACET_VECTORS_AVX2 : FACET_VECTORS_AVX512;
}

static _Atomic int known; /* plus 1; threads find the same */

void facet_level_limit(facet_vectors most)
{
  if (most < facet_level())
    atomic_store_explicit(&known, (int)most + 1, memory_order_relaxed);
}

facet_vectors facet_level(void)
{
  int level = atomic_load_explicit(&known, memory_order_relaxed) - 1;
  if (level < 0) {
    facet_vectors can = facet_processor_vectors(), may = allowed();
    level = (int)(can < may ? can : may);
    atomic_store_explicit(&known, level + 1, memory_order_relaxed);
  }
  return (facet_vectors)level;
}

#ifdef FACET_LEVELS

const char *facet_level_name(void)
{
  static const char *const name[] = {"SSE2", "AVX2", "AVX-512"};
  return name[facet_level()];
}

/* ---- block.c ---- */
FACET_LEVELED(bool, facet_block_fits, (const facet_block_shape *s), (s))
FACET_LEVELED(facet_status, facet_block_create, (const facet_block_shape *s, int64_t batch, facet_block **b),
              (s, batch, b))
FACET_LEVELED_VOID(facet_block_destroy, (facet_block * *b), (b))
FACET_LEVELED(size_t, facet_block_bytes, (const facet_block *b), (b))
FACET_LEVELED(facet_status, facet_block_weights, (facet_block * b, const float *weights, bool held), (b, weights, held))
FACET_LEVELED_VOID(facet_block_forward,
                   (facet_block * b, int64_t samples, const facet_block_norm *norm, const float *u, float *result),
                   (b, samples, norm, u, result))
FACET_LEVELED_VOID(facet_block_backward,
                   (facet_block * b, int64_t samples, const facet_block_norm *norm, const float *g, float *gu,
                    float *gw, double *grad_gamma, double *grad_beta),
                   (b, samples, norm, g, gu, gw, grad_gamma, grad_beta))

/* ---- elementwise.c ---- */
FACET_LEVELED(const facet_elementwise *, facet_elementwise_of, (facet_type real), (real))

/* ---- image.c ---- */
FACET_LEVELED(bool, facet_image_fits, (const facet_conv_shape *s, facet_layout in, facet_layout out), (s, in, out))
FACET_LEVELED(facet_status, facet_image_create, (const facet_conv_shape *s, facet_layout out, facet_image **m),
              (s, out, m))
FACET_LEVELED_VOID(facet_image_destroy, (facet_image * *m), (m))
FACET_LEVELED(size_t, facet_image_scratch, (const facet_image *m), (m))
FACET_LEVELED_VOID(facet_image_weights, (facet_image * m, const float *weights), (m, weights))
FACET_LEVELED_VOID(facet_image_pullback,
                   (const facet_image *m, facet_part part, float *scratch, const float *gz, float *sums, float *gu),
                   (m, part, scratch, gz, sums, gu))
FACET_LEVELED(bool, facet_image_gradient_fits, (const facet_conv_shape *s, facet_layout in, facet_layout out),
              (s, in, out))
FACET_LEVELED(size_t, facet_image_gradient_scratch, (const facet_image *m), (m))
FACET_LEVELED_VOID(facet_image_gradient,
                   (const facet_image *m, int64_t batch, float *scratch, const float *u, const float *gz, float *gw,
                    float *gb),
                   (m, batch, scratch, u, gz, gw, gb))

/* ---- inner.c ---- */
FACET_LEVELED(bool, facet_inner_fits, (const facet_conv_shape *s, facet_task task), (s, task))
FACET_LEVELED(facet_status, facet_inner_create,
              (const facet_conv_shape *s, facet_task task, facet_layout in, facet_layout out, facet_inner **n),
              (s, task, in, out, n))
FACET_LEVELED_VOID(facet_inner_destroy, (facet_inner * *n), (n))
FACET_LEVELED(size_t, facet_inner_scratch, (const facet_inner *n, int64_t samples), (n, samples))
FACET_LEVELED_VOID(facet_inner_weights, (facet_inner * n, const float *weights, const float *bias), (n, weights, bias))
FACET_LEVELED_VOID(facet_inner_run,
                   (const facet_inner *n, facet_part part, void *scratch, const float *from, float *to),
                   (n, part, scratch, from, to))

/* ---- panel.c ---- */
FACET_LEVELED_VOID(facet_panel_f32, (int64_t count, const float *a, const float *b, const float *start, float *sum),
                   (count, a, b, start, sum))
FACET_LEVELED_VOID(facet_panel_f64, (int64_t count, const double *a, const double *b, const double *start, double *sum),
                   (count, a, b, start, sum))

/* ---- lane_block.c ---- */
FACET_LEVELED(bool, facet_lane_block_fits, (int64_t batch), (batch))
FACET_LEVELED(facet_status, facet_lane_block_create, (const facet_block_shape *s, int64_t batch, facet_lane_block **b),
              (s, batch, b))
FACET_LEVELED_VOID(facet_lane_block_destroy, (facet_lane_block * *b), (b))
FACET_LEVELED(size_t, facet_lane_block_bytes, (const facet_lane_block *b), (b))
FACET_LEVELED(bool, facet_lane_block_worth, (const facet_lane_block *b, const float *weights), (b, weights))
FACET_LEVELED(facet_status, facet_lane_block_weights, (facet_lane_block * b, const float *weights), (b, weights))
FACET_LEVELED_VOID(facet_lane_block_forward,
                   (facet_lane_block * b, int64_t samples, const facet_block_norm *norm, const float *u, float *result),
                   (b, samples, norm, u, result))
FACET_LEVELED_VOID(facet_lane_block_backward,
                   (facet_lane_block * b, int64_t samples, const facet_block_norm *norm, const float *g, float *gu,
                    float *gw, double *grad_gamma, double *grad_beta),
                   (b, samples, norm, g, gu, gw, grad_gamma, grad_beta))

/* ---- lane_conv.c ---- */
FACET_LEVELED(facet_lanes_layout, facet_lanes_layout_of,
              (int64_t channels, int64_t height, int64_t width, int64_t border), (channels, height, width, border))
FACET_LEVELED(int64_t, facet_lanes_border, (const facet_conv_shape *s, facet_task task), (s, task))
FACET_LEVELED(facet_status, facet_lanes_create,
              (const facet_conv_shape *s, facet_type real, facet_task task, const facet_lanes_layout *source,
               const facet_lanes_layout *result, facet_lanes **n),
              (s, real, task, source, result, n))
FACET_LEVELED_VOID(facet_lanes_destroy, (facet_lanes * *n), (n))
FACET_LEVELED(facet_status, facet_lanes_weights, (facet_lanes * n, const void *weights, const void *bias),
              (n, weights, bias))
FACET_LEVELED_VOID(facet_lanes_run,
                   (const facet_lanes *n, const void *source, const facet_lanes_fusion *with, void *result),
                   (n, source, with, result))
FACET_LEVELED_VOID(facet_lanes_gradient, (const facet_lanes *n, const void *u, const void *gz, double *gw),
                   (n, u, gz, gw))
FACET_LEVELED_VOID(facet_lanes_map,
                   (const facet_lanes_layout *l, facet_type real, const void *scale, const void *shift, const void *g,
                    const facet_lanes_fusion *with, void *to),
                   (l, real, scale, shift, g, with, to))
FACET_LEVELED_VOID(facet_lanes_window,
                   (const facet_lanes_layout *in, const facet_lanes_layout *out, facet_type real,
                    const facet_lanes_windows *w, const void *u, void *to),
                   (in, out, real, w, u, to))
FACET_LEVELED_VOID(facet_lanes_pack,
                   (const facet_lanes_layout *l, facet_type real, facet_layout layout, int count,
                    const void *const *from, void *lanes),
                   (l, real, layout, count, from, lanes))
FACET_LEVELED_VOID(facet_lanes_move, (const facet_lanes_moves *m, facet_type real, const void *g, void *to),
                   (m, real, g, to))
FACET_LEVELED_VOID(facet_lanes_win,
                   (const facet_lanes_layout *l, facet_type real, const facet_lanes_fusion *with,
                    const int32_t *const *winner, const int32_t *place, const void *g, void *to),
                   (l, real, with, winner, place, g, to))
FACET_LEVELED_VOID(facet_lanes_sums, (const facet_lanes_layout *l, facet_type real, const void *g, double *sums),
                   (l, real, g, sums))
FACET_LEVELED_VOID(facet_lanes_dot,
                   (const facet_lanes_layout *l, facet_type real, const void *g, const facet_lanes_fusion *with,
                    double *sums),
                   (l, real, g, with, sums))
FACET_LEVELED_VOID(facet_lanes_unpack,
                   (const facet_lanes_layout *l, facet_type real, facet_layout layout, int count, const void *lanes,
                    void *const *to),
                   (l, real, layout, count, lanes, to))

/* ---- sparse.c ---- */
FACET_LEVELED(bool, facet_sparse_fits, (const facet_conv_shape *s, facet_layout in, facet_layout out), (s, in, out))
FACET_LEVELED(facet_status, facet_sparse_create,
              (const facet_conv_shape *s, facet_type real, facet_task task, facet_layout in, facet_layout out,
               facet_sparse **p),
              (s, real, task, in, out, p))
FACET_LEVELED_VOID(facet_sparse_destroy, (facet_sparse * *p), (p))
FACET_LEVELED(size_t, facet_sparse_scratch, (const facet_sparse *p), (p))
FACET_LEVELED(bool, facet_sparse_worth, (const facet_sparse *p, const void *weights), (p, weights))
FACET_LEVELED(facet_status, facet_sparse_weights, (facet_sparse * p, const void *weights, const void *bias),
              (p, weights, bias))
FACET_LEVELED_VOID(facet_sparse_run,
                   (const facet_sparse *p, facet_part part, void *scratch, const void *source, const facet_fusion *with,
                    void *result),
                   (p, part, scratch, source, with, result))

/* ---- winograd.c ---- */
FACET_LEVELED(bool, facet_winograd_fits, (const facet_conv_shape *s, facet_layout in, facet_layout out), (s, in, out))
FACET_LEVELED(facet_status, facet_winograd_create,
              (const facet_conv_shape *s, facet_type real, facet_task task, facet_layout in, facet_layout out,
               facet_winograd **w),
              (s, real, task, in, out, w))
FACET_LEVELED_VOID(facet_winograd_destroy, (facet_winograd * *w), (w))
FACET_LEVELED(size_t, facet_winograd_scratch, (const facet_winograd *w), (w))
FACET_LEVELED_VOID(facet_winograd_weights, (facet_winograd * w, const void *weights, const void *bias),
                   (w, weights, bias))
FACET_LEVELED_VOID(facet_winograd_run,
                   (const facet_winograd *w, facet_part part, void *scratch, const void *source,
                    const facet_fusion *with, void *result),
                   (w, part, scratch, source, with, result))

#else

const char *facet_level_name(void)
{
  return "as compiled";
}

#endif
