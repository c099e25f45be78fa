/* The pullback of single layers: our dense kernels against bare oneDNN primitives in the layouts oneDNN likes best.
 *
 *   bench_kernels [ADJOINTS]           one JSON line per layer shape of ResNet-20: GFLOP/s of both
 *   bench_kernels resnet20 SAMPLES     one JSON line: seconds per sample for the 10-row pullback of its 19
 * convolutions; resnet56 likewise, of its 55
 *   bench_kernels sparse [ADJOINTS]    one JSON line per layer shape and share of weights that are not 0: GFLOP/s, as
 * if none were 0, of bare oneDNN, of the usual kernels, of those for few weights, and of the choice
 *
 * One thread. Every time is the best of several, so that other programs disturb it little. The yardstick talks to
 * oneDNN by itself, on purpose: it shares nothing with the kernels it measures. */
#include "kernels/lane_conv.h"
#include "kernels/sparse.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 7, ROWS = 10, DATA_DIMENSIONS = 4 };

typedef struct {
  int64_t in, out, extent, kernel, stride;
} layer;

typedef struct {
  const char *name;
  const layer *layer;
  int layers;
} list;

static const layer shapes[] = {{3, 16, 32, 3, 1},  {16, 16, 32, 3, 1}, {32, 32, 16, 3, 1}, {64, 64, 8, 3, 1},
                               {16, 32, 32, 3, 2}, {32, 64, 16, 3, 2}, {16, 32, 32, 1, 2}, {32, 64, 16, 1, 2}};

/* Of a ResNet-50, too. */
static const layer more[] = {{16, 16, 32, 3, 1},   {32, 32, 16, 3, 1},   {64, 64, 8, 3, 1},   {16, 32, 32, 3, 2},
                             {32, 64, 16, 3, 2},   {32, 64, 16, 1, 2},   {8, 16, 14, 3, 1},   {64, 64, 56, 3, 1},
                             {128, 128, 28, 3, 1}, {256, 256, 14, 3, 1}, {512, 512, 7, 3, 1}, {64, 256, 56, 1, 1},
                             {256, 64, 56, 1, 1},  {1024, 256, 14, 1, 1}};

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static int64_t result_extent(layer l)
{
  return (l.extent - 1) / l.stride + 1; /* padding kernel / 2 */
}

static double operations(layer l, int64_t batch)
{
  int64_t out = result_extent(l);
  return 2.0 * (double)(batch * l.in * l.out * l.kernel * l.kernel) * (double)(out * out);
}

/* ---- bare primitives ---- */

typedef struct {
  dnnl_primitive_t primitive;
  dnnl_memory_t memory[3];
  int argument[3];
} bare;

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void must(dnnl_status_t status)
{
  if (status == dnnl_success)
    return;
  fprintf(stderr, "bench_kernels: oneDNN failed with status %d\n", (int)status);
  exit(FACET_INTERNAL);
}

#if DNNL_VERSION_MAJOR >= 3
static void any_format(dnnl_memory_desc_t *d, const dnnl_dims_t dims)
{
  must(dnnl_memory_desc_create_with_tag(d, DATA_DIMENSIONS, dims, dnnl_f32, dnnl_format_tag_any));
}
static dnnl_primitive_desc_t describe(bool backward, dnnl_memory_desc_t u, dnnl_memory_desc_t w, dnnl_memory_desc_t z,
                                      const dnnl_dims_t stride, const dnnl_dims_t padding)
{
  dnnl_dims_t dilation = {0};
  dnnl_primitive_desc_t forward, pd;
  must(dnnl_convolution_forward_primitive_desc_create(&forward, engine, dnnl_forward_training, dnnl_convolution_auto, u,
                                                      w, NULL, z, stride, dilation, padding, padding, NULL));
  if (!backward)
    return forward;
  must(dnnl_convolution_backward_data_primitive_desc_create(&pd, engine, dnnl_convolution_auto, u, w, z, stride,
                                                            dilation, padding, padding, forward, NULL));
  dnnl_primitive_desc_destroy(forward);
  return pd;
}
static void forget(dnnl_memory_desc_t d)
{
  dnnl_memory_desc_destroy(d);
}
#else
static void any_format(dnnl_memory_desc_t *d, const dnnl_dims_t dims)
{
  must(dnnl_memory_desc_init_by_tag(d, DATA_DIMENSIONS, dims, dnnl_f32, dnnl_format_tag_any));
}
static dnnl_primitive_desc_t describe(bool backward, dnnl_memory_desc_t u, dnnl_memory_desc_t w, dnnl_memory_desc_t z,
                                      const dnnl_dims_t stride, const dnnl_dims_t padding)
{
  dnnl_convolution_desc_t c;
  dnnl_primitive_desc_t forward, pd;
  must(dnnl_convolution_forward_desc_init(&c, dnnl_forward_training, dnnl_convolution_auto, &u, &w, NULL, &z, stride,
                                          padding, padding));
  must(dnnl_primitive_desc_create(&forward, &c, NULL, engine, NULL));
  if (!backward)
    return forward;
  must(dnnl_convolution_backward_data_desc_init(&c, dnnl_convolution_auto, &u, &w, &z, stride, padding, padding));
  must(dnnl_primitive_desc_create(&pd, &c, NULL, engine, forward));
  dnnl_primitive_desc_destroy(forward);
  return pd;
}
static void forget(dnnl_memory_desc_t d)
{
  (void)d;
}
#endif

/* Backward data; or, for stride 1, the forward convolution with flipped and transposed weights, which is the same. */
static bare bare_make(layer l, int64_t batch, bool flipped)
{
  int64_t out = result_extent(l), in = l.extent, pad = l.kernel / 2;
  dnnl_dims_t u = {batch, l.in, in, in}, z = {batch, l.out, out, out}, w = {l.out, l.in, l.kernel, l.kernel};
  dnnl_dims_t wt = {l.in, l.out, l.kernel, l.kernel}, stride = {l.stride, l.stride}, padding = {pad, pad};
  dnnl_memory_desc_t du, dw, dz;
  any_format(&du, flipped ? z : u);
  any_format(&dw, flipped ? wt : w);
  any_format(&dz, flipped ? u : z);
  dnnl_primitive_desc_t pd = describe(!flipped, du, dw, dz, stride, padding);
  bare b = {.argument = {flipped ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS,
                         flipped ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST}};
  dnnl_query_t query[] = {flipped ? dnnl_query_src_md : dnnl_query_diff_src_md, dnnl_query_weights_md,
                          flipped ? dnnl_query_dst_md : dnnl_query_diff_dst_md};
  must(dnnl_primitive_create(&b.primitive, pd));
  for (int i = 0; i < 3; i++) {
    void *data = NULL;
    must(dnnl_memory_create(&b.memory[i], dnnl_primitive_desc_query_md(pd, query[i], 0), engine, DNNL_MEMORY_ALLOCATE));
    must(dnnl_memory_get_data_handle(b.memory[i], &data));
    size_t bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, query[i], 0));
    for (size_t k = 0; k < bytes / sizeof(float); k++)
      ((float *)data)[k] = 0.01f * (float)(k % 7);
  }
  dnnl_primitive_desc_destroy(pd);
  forget(du);
  forget(dw);
  forget(dz);
  return b;
}

static void bare_run(const bare *b)
{
  dnnl_exec_arg_t arguments[3];
  for (int i = 0; i < 3; i++)
    arguments[i] = (dnnl_exec_arg_t){b->argument[i], b->memory[i]};
  must(dnnl_primitive_execute(b->primitive, stream, 3, arguments));
  must(dnnl_stream_wait(stream));
}

static void bare_drop(bare *b)
{
  dnnl_primitive_destroy(b->primitive);
  for (int i = 0; i < 3; i++)
    dnnl_memory_destroy(b->memory[i]);
}

static double bare_seconds(layer l, int64_t batch)
{
  double best = INFINITY;
  for (int flipped = 0; flipped < (l.stride == 1 ? 2 : 1); flipped++) {
    bare b = bare_make(l, batch, flipped);
    for (int pass = 0; pass < PASSES; pass++) {
      double start = facet_seconds();
      bare_run(&b);
      best = fmin(best, facet_seconds() - start);
    }
    bare_drop(&b);
  }
  return best;
}

/* What the bare primitives of all layers take together. */
static double bare_total(list layers, int64_t batch)
{
  double total = 0;
  for (int i = 0; i < layers.layers; i++)
    total += bare_seconds(layers.layer[i], batch);
  return total;
}

/* ---- our kernels ---- */

typedef struct {
  layer l;
  int64_t batch;
  facet_conv_shape shape;
  facet_layout in, to;
  float *gz, *gu, *w;
} problem;

static void drop_problem(problem *p)
{
  facet_free(&p->gz);
  facet_free(&p->gu);
  facet_free(&p->w);
}

/* A layer, with so large a share of its weights not 0, and adjoints. */
static facet_status make_problem(layer l, int64_t batch, double share, problem *p)
{
  const facet_kernels *k = &facet_kernels_dense;
  int64_t out = result_extent(l), pad = l.kernel / 2, weights = l.in * l.out * l.kernel * l.kernel;
  facet_status status = FACET_OK;
  *p = (problem){.l = l,
                 .batch = batch,
                 .shape = {.spatial = 2,
                           .in_channels = l.in,
                           .out_channels = l.out,
                           .groups = 1,
                           .in = {l.extent, l.extent},
                           .out = {out, out},
                           .kernel = {l.kernel, l.kernel},
                           .stride = {l.stride, l.stride},
                           .dilation = {1, 1},
                           .pad_begin = {pad, pad},
                           .pad_end = {pad, pad}},
                 .in = {l.in, l.extent * l.extent, k->block(l.in)},
                 .to = {l.out, out * out, k->block(l.out)}};
  FACET_NEW_GO(failed, status, p->gz, batch * facet_layout_size(p->to));
  FACET_NEW_GO(failed, status, p->gu, batch * facet_layout_size(p->in));
  FACET_NEW_GO(failed, status, p->w, weights);
  for (int64_t i = 0; i < batch * facet_layout_size(p->to); i++)
    p->gz[i] = 0.01f * (float)(i % 7);
  for (int64_t i = 0; i < weights; i++)
    if (facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) < share)
      p->w[i] = 0.01f * (float)(i % 5 + 1);
  return FACET_OK;
failed:
  drop_problem(p);
  return status;
}

/* By what the kernels choose. */
static facet_status kernel_seconds(const problem *p, double *best)
{
  const facet_kernels *k = &facet_kernels_dense;
  facet_status status = FACET_OK;
  facet_conv *conv = NULL;
  FACET_GO(done, status, k->conv_create(&p->shape, FACET_F32, FACET_PULLBACK, p->batch, p->in, p->to, &conv));
  FACET_GO(done, status, k->conv_weights(conv, p->w, NULL));
  *best = INFINITY;
  for (int pass = 0; pass < PASSES; pass++) {
    double start = facet_seconds();
    FACET_GO(done, status, k->conv_pullback(conv, p->gz, p->gu));
    *best = fmin(*best, facet_seconds() - start);
  }
done:
  k->conv_destroy(&conv);
  return status;
}

/* By the kernel for few weights, however many there are. */
static facet_status sparse_seconds(const problem *p, double *best)
{
  facet_status status = FACET_OK;
  facet_sparse *sparse = NULL;
  unsigned char *scratch = NULL;
  *best = INFINITY;
  if (!facet_sparse_fits(&p->shape, p->in, p->to))
    return FACET_OK;
  FACET_GO(done, status, facet_sparse_create(&p->shape, FACET_F32, FACET_PULLBACK, p->in, p->to, &sparse));
  FACET_GO(done, status, facet_sparse_weights(sparse, p->w, NULL));
  FACET_NEW_GO(done, status, scratch, facet_sparse_scratch(sparse));
  for (int pass = 0; pass < PASSES; pass++) {
    double start = facet_seconds();
    facet_sparse_run(sparse, (facet_part){0, p->batch}, scratch, p->gz, NULL, p->gu);
    *best = fmin(*best, facet_seconds() - start);
  }
done:
  facet_sparse_destroy(&sparse);
  facet_free(&scratch);
  return status;
}

/* In lanes, which hold all adjoints of a few images. */
static facet_status lanes_seconds(const problem *p, double *best)
{
  facet_status status = FACET_OK;
  facet_lanes *lanes = NULL;
  float *gz = NULL, *gu = NULL;
  int64_t border = facet_lanes_border(&p->shape, FACET_PULLBACK);
  int64_t images = (p->batch + FACET_MOST_LANES - 1) / FACET_MOST_LANES;
  facet_lanes_layout in = facet_lanes_layout_of(p->shape.in_channels, p->shape.in[0], p->shape.in[1], border);
  facet_lanes_layout out = facet_lanes_layout_of(p->shape.out_channels, p->shape.out[0], p->shape.out[1], border);
  *best = INFINITY;
  FACET_GO(done, status, facet_lanes_create(&p->shape, FACET_F32, FACET_PULLBACK, &out, &in, &lanes));
  FACET_GO(done, status, facet_lanes_weights(lanes, p->w, NULL));
  FACET_NEW_GO(done, status, gz, images * out.size * FACET_MOST_LANES);
  FACET_NEW_GO(done, status, gu, images * in.size * FACET_MOST_LANES);
  for (int pass = 0; pass < PASSES; pass++) {
    double start = facet_seconds();
    for (int64_t i = 0; i < images; i++)
      facet_lanes_run(lanes, gz + i * out.size * FACET_MOST_LANES, NULL, gu + i * in.size * FACET_MOST_LANES);
    *best = fmin(*best, facet_seconds() - start);
  }
done:
  facet_lanes_destroy(&lanes);
  facet_free(&gz);
  facet_free(&gu);
  return status;
}

static facet_status layer_seconds(layer l, int64_t batch, double *best)
{
  problem p;
  FACET_TRY(make_problem(l, batch, 1, &p));
  facet_status status = kernel_seconds(&p, best);
  drop_problem(&p);
  return status;
}

static facet_status kernel_total(list layers, int64_t batch, double *total)
{
  *total = 0;
  for (int i = 0; i < layers.layers; i++) {
    double seconds = 0;
    FACET_TRY(layer_seconds(layers.layer[i], batch, &seconds));
    *total += seconds;
  }
  return FACET_OK;
}

/* ---- what is printed ---- */

static facet_status print_layers(list layers, int64_t batch)
{
  for (int i = 0; i < layers.layers; i++) {
    layer l = layers.layer[i];
    double yardstick = bare_seconds(l, batch), ours = 0;
    FACET_TRY(layer_seconds(l, batch, &ours));
    printf("{\"in\": %d, \"out\": %d, \"extent\": %d, \"kernel\": %d, \"stride\": %d, \"adjoints\": %lld, "
           "\"bare_gflops\": %.1f, \"facet_gflops\": %.1f}\n",
           (int)l.in, (int)l.out, (int)l.extent, (int)l.kernel, (int)l.stride, (long long)batch,
           operations(l, batch) / yardstick * 1e-9, operations(l, batch) / ours * 1e-9);
    fflush(stdout);
  }
  return FACET_OK;
}

static facet_status print_share(layer l, int64_t batch, double share, double usual, double yardstick)
{
  problem p;
  double sparse = INFINITY, chosen = INFINITY, lanes = INFINITY, work = operations(l, batch) * 1e-9;
  FACET_TRY(make_problem(l, batch, share, &p));
  facet_status status = sparse_seconds(&p, &sparse);
  if (status == FACET_OK)
    status = kernel_seconds(&p, &chosen);
  if (status == FACET_OK)
    status = lanes_seconds(&p, &lanes);
  printf("{\"in\": %d, \"out\": %d, \"extent\": %d, \"kernel\": %d, \"stride\": %d, \"adjoints\": %lld, "
         "\"share\": %g, \"bare_gflops\": %.1f, \"usual_gflops\": %.1f, \"sparse_gflops\": %.1f, \"chosen_gflops\": "
         "%.1f, \"lanes_gflops\": "
         "%.1f}\n",
         (int)l.in, (int)l.out, (int)l.extent, (int)l.kernel, (int)l.stride, (long long)batch, share, work / yardstick,
         work / usual, work / sparse, work / chosen, work / lanes);
  fflush(stdout);
  drop_problem(&p);
  return status;
}

static facet_status print_shares(list layers, int64_t batch)
{
  static const double share[] = {1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01};
  for (int i = 0; i < layers.layers; i++) {
    double usual, yardstick = bare_seconds(layers.layer[i], batch);
    FACET_TRY(layer_seconds(layers.layer[i], batch, &usual));
    for (int j = 0; j < COUNT(share); j++)
      FACET_TRY(print_share(layers.layer[i], batch, share[j], usual, yardstick));
  }
  return FACET_OK;
}

static facet_status print_total(list layers, int64_t samples)
{
  double ours = 0, work = 0, yardstick = bare_total(layers, samples * ROWS) / (double)samples;
  FACET_TRY(kernel_total(layers, samples * ROWS, &ours));
  ours /= (double)samples;
  for (int i = 0; i < layers.layers; i++)
    work += operations(layers.layer[i], ROWS);
  printf("{\"name\": \"%s\", \"convolutions\": %d, \"samples\": %lld, \"rows\": %d, \"seconds_per_sample\": %.6e, "
         "\"facet_seconds_per_sample\": %.6e, \"bare_gflops\": %.1f, \"facet_gflops\": %.1f}\n",
         layers.name, layers.layers, (long long)samples, ROWS, yardstick, ours, work / yardstick * 1e-9,
         work / ours * 1e-9);
  return FACET_OK;
}

/* The convolutions of a CIFAR ResNet: its stem, then three stages of so many convolutions. */
static list resnet(const char *name, int each)
{
  enum { MOST = 55 };
  static layer layers[MOST];
  int count = 0;
  layers[count++] = (layer){3, 16, 32, 3, 1};
  for (int64_t channels = 16, extent = 32; channels <= 64; channels *= 2, extent /= 2)
    for (int i = 0; i < each && count < MOST; i++)
      layers[count++] = i == 0 && channels > 16 ? (layer){channels / 2, channels, 2 * extent, 3, 2}
                                                : (layer){channels, channels, extent, 3, 1};
  return (list){name, layers, count};
}

int main(int argc, char **argv)
{
  enum { ADJOINTS = 160 };
  bool total = argc > 1 && strncmp(argv[1], "resnet", 6) == 0, sparse = argc > 1 && strcmp(argv[1], "sparse") == 0;
  int named = total || sparse;
  int64_t count = argc > 1 + named ? atoll(argv[1 + named]) : ADJOINTS / (total ? ROWS : 1);
  if (count <= 0 || argc > 2 + named) {
    fprintf(stderr, "usage: bench_kernels [sparse] [ADJOINTS] | bench_kernels resnet20|resnet56 [SAMPLES]\n");
    return FACET_USAGE;
  }
  facet_kernels_threads(1);
  must(dnnl_engine_create(&engine, dnnl_cpu, 0));
  must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
  list all = {"layers", shapes, COUNT(shapes)};
  facet_status status = total    ? print_total(resnet(argv[1], strcmp(argv[1], "resnet56") == 0 ? 18 : 6), count)
                        : sparse ? print_shares((list){"more", more, COUNT(more)}, count)
                                 : print_layers(all, count);
  if (status != FACET_OK)
    fprintf(stderr, "bench_kernels: %s\n", facet_message());
  dnnl_stream_destroy(stream);
  dnnl_engine_destroy(engine);
  return (int)status;
}
