/* The dense kernels: one node by oneDNN, float.  The only file that knows oneDNN, of version 2 or 3.
 *
 * Compiling tells oneDNN the two layouts and lets it choose the format of the weights and the algorithm.  Not every
 * pair of layouts has a fast implementation; where the given pair has none, oneDNN chooses the layout of one end or
 * both, and a reorder stands before or after.  The choice looks at names of implementations, never at a clock, so it is
 * the same in every run.  Reorder buffers and scratchpads of a thread share one piece of memory: only one of its nodes
 * runs at a time. */
#include "image.h"
#include "inner.h"
#include "sparse.h"
#include "winograd.h"

#include <errno.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MOST_DIMENSIONS = FACET_MAX_SPATIAL + 3, ALIGNMENT = 64 }; /* batch or group, out, in, spatial */

/* OpenMP's; declared here because omp.h belongs to one compiler and other tools do not find it. */
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

static facet_status check(dnnl_status_t status, const char *what)
{
  if (status == dnnl_success)
    return FACET_OK;
  if (status == dnnl_out_of_memory || (status == dnnl_runtime_error && errno == ENOMEM))
    return facet_raise(FACET_OS, "out of memory: oneDNN, %s", what);
  if (status == dnnl_unimplemented)
    return facet_raise(FACET_BAD_INPUT, "oneDNN has no implementation: %s", what);
  return facet_raise(FACET_INTERNAL, "oneDNN failed (status %d): %s", (int)status, what);
}

/* ---- of the process: threads to use, one engine ---- */

static atomic_int wanted_threads = 1;

static struct {
  pthread_mutex_t lock;
  bool ready; /* what follows is known, and stays */
  dnnl_engine_t engine;
  int64_t block; /* channels that oneDNN likes side by side; 0: channels last */
} here = {.lock = PTHREAD_MUTEX_INITIALIZER};

void facet_kernels_threads(int threads)
{
  wanted_threads = threads > 0 ? threads : 1;
  omp_set_num_threads(wanted_threads);
}

int facet_kernels_thread_count(void)
{
  return wanted_threads;
}

/* oneDNN asks OpenMP how many threads there are, when a primitive is made and when it runs, and must hear the same.
 * Returns what the caller had. */
static int use_threads(int threads)
{
  int before = omp_get_max_threads();
  if (before != threads)
    omp_set_num_threads(threads);
  return before;
}

static char version[32];

static void find_version(void)
{
  const dnnl_version_t *v = dnnl_version();
  snprintf(version, sizeof version, "%d.%d.%d", v->major, v->minor, v->patch);
}

facet_status facet_dense_limit(facet_vectors most)
{
  static const dnnl_cpu_isa_t isa[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core};
  FACET_CHECK(dnnl_set_max_cpu_isa(isa[most]) == dnnl_success, FACET_INTERNAL,
              "oneDNN cannot be limited to what the ranks' processors have in common");
  return FACET_OK;
}

const char *facet_onednn_version(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_version);
  return version;
}

/* ---- of each thread: working memory, freed when it ends ---- */

static _Thread_local struct {
  unsigned char *scratch;
  size_t bytes;
} mine;

static pthread_key_t at_end;

static void release(void *unused)
{
  (void)unused;
  facet_free(&mine.scratch);
  mine.bytes = 0;
}

static void make_key(void)
{
  (void)pthread_key_create(&at_end, release);
}

static facet_status need_scratch(size_t bytes)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (bytes <= mine.bytes)
    return FACET_OK;
  pthread_once(&once, make_key);
  release(NULL);
  FACET_NEW(mine.scratch, bytes);
  mine.bytes = bytes;
  (void)pthread_setspecific(at_end, &mine);
  return FACET_OK;
}

void facet_kernels_release(void)
{
  release(NULL);
}

/* ---- what differs between the two versions of the C API ---- */

/* A node as oneDNN sees it: dimensions of u, weights, z. */
typedef struct {
  facet_task task;
  bool inner;
  int dimensions, weight_dimensions;
  dnnl_dims_t u, w, z, bias;
  dnnl_dims_t stride, dilate, begin, end;
} node;

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t view;
#define VIEW(d) (d)
#else
typedef const dnnl_memory_desc_t *view;
#define VIEW(d) (&(d))
#endif

/* How what a node works on lies: in, weights, bias, out. */
typedef struct {
  view u, w, b, z;
} views;

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t describe_tag(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_create_with_tag(d, n, dims, dnnl_f32, tag);
}

static dnnl_status_t describe_strides(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
  return dnnl_memory_desc_create_with_strides(d, n, dims, dnnl_f32, strides);
}

static void forget(dnnl_memory_desc_t *d)
{
  if (*d)
    dnnl_memory_desc_destroy(*d);
  *d = NULL;
}

static int64_t block_of(view d)
{
  int inner = 0;
  dnnl_dims_t *blocks = NULL;
  if (dnnl_memory_desc_query(d, dnnl_query_inner_nblks_s32, &inner) != dnnl_success || inner != 1 ||
      dnnl_memory_desc_query(d, dnnl_query_inner_blks, &blocks) != dnnl_success)
    return 0;
  return (*blocks)[0];
}

static dnnl_status_t describe_forward(const node *n, dnnl_prop_kind_t kind, const views *v,
                                      const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
  if (n->inner)
    return dnnl_inner_product_forward_primitive_desc_create(pd, here.engine, kind, v->u, v->w, v->b, v->z, attr);
  return dnnl_convolution_forward_primitive_desc_create(pd, here.engine, kind, dnnl_convolution_auto, v->u, v->w, v->b,
                                                        v->z, n->stride, n->dilate, n->begin, n->end, attr);
}

static dnnl_status_t describe_backward(const node *n, const views *v, const_dnnl_primitive_attr_t attr,
                                       const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *pd)
{
  if (n->inner && n->task == FACET_PULLBACK)
    return dnnl_inner_product_backward_data_primitive_desc_create(pd, here.engine, v->u, v->w, v->z, hint, attr);
  if (n->inner)
    return dnnl_inner_product_backward_weights_primitive_desc_create(pd, here.engine, v->u, v->w, v->b, v->z, hint,
                                                                     attr);
  if (n->task == FACET_PULLBACK)
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, here.engine, dnnl_convolution_auto, v->u, v->w, v->z, n->stride, n->dilate, n->begin, n->end, hint, attr);
  return dnnl_convolution_backward_weights_primitive_desc_create(pd, here.engine, dnnl_convolution_auto, v->u, v->w,
                                                                 v->b, v->z, n->stride, n->dilate, n->begin, n->end,
                                                                 hint, attr);
}

#else

static dnnl_status_t describe_tag(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_init_by_tag(d, n, dims, dnnl_f32, tag);
}

static dnnl_status_t describe_strides(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
  return dnnl_memory_desc_init_by_strides(d, n, dims, dnnl_f32, strides);
}

static void forget(dnnl_memory_desc_t *d)
{
  (void)d; /* a value */
}

static int64_t block_of(view d)
{
  return d->format_desc.blocking.inner_nblks == 1 ? d->format_desc.blocking.inner_blks[0] : 0;
}

static dnnl_status_t describe_forward(const node *n, dnnl_prop_kind_t kind, const views *v,
                                      const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
  dnnl_convolution_desc_t convolution;
  dnnl_inner_product_desc_t inner;
  dnnl_status_t status =
      n->inner ? dnnl_inner_product_forward_desc_init(&inner, kind, v->u, v->w, v->b, v->z)
               : dnnl_dilated_convolution_forward_desc_init(&convolution, kind, dnnl_convolution_auto, v->u, v->w, v->b,
                                                            v->z, n->stride, n->dilate, n->begin, n->end);
  if (status != dnnl_success)
    return status;
  return dnnl_primitive_desc_create(pd, n->inner ? (const void *)&inner : &convolution, attr, here.engine, NULL);
}

static dnnl_status_t describe_backward(const node *n, const views *v, const_dnnl_primitive_attr_t attr,
                                       const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *pd)
{
  dnnl_convolution_desc_t convolution;
  dnnl_inner_product_desc_t inner;
  dnnl_status_t status = dnnl_success;
  if (n->inner && n->task == FACET_PULLBACK)
    status = dnnl_inner_product_backward_data_desc_init(&inner, v->u, v->w, v->z);
  else if (n->inner)
    status = dnnl_inner_product_backward_weights_desc_init(&inner, v->u, v->w, v->b, v->z);
  else if (n->task == FACET_PULLBACK)
    status = dnnl_dilated_convolution_backward_data_desc_init(&convolution, dnnl_convolution_auto, v->u, v->w, v->z,
                                                              n->stride, n->dilate, n->begin, n->end);
  else
    status = dnnl_dilated_convolution_backward_weights_desc_init(&convolution, dnnl_convolution_auto, v->u, v->w, v->b,
                                                                 v->z, n->stride, n->dilate, n->begin, n->end);
  if (status != dnnl_success)
    return status;
  return dnnl_primitive_desc_create(pd, n->inner ? (const void *)&inner : &convolution, attr, here.engine, hint);
}

#endif

/* ---- a compiled node ---- */

/* u or z: as it is given, and as the primitive works on it. */
typedef struct {
  dnnl_memory_t given, used; /* the same one if no reorder is needed */
  dnnl_primitive_t reorder;  /* given to used, or used to given for what is computed; NULL: none */
  size_t offset;             /* of `used` in the scratch memory */
  int64_t size, tail, batch; /* elements of a sample; of them, padding that oneDNN does not know */
} end;

struct facet_conv {
  node node;
  end u, z;
  dnnl_primitive_t primitive, weights_reorder;
  dnnl_memory_t weights_plain, weights, bias, scratch;
  dnnl_stream_t stream;
  float *weights_data, *bias_data; /* in the format of the primitive */
  bool gradient_direct;            /* the primitive writes the gradient in plain order by itself */
  facet_winograd *winograd;        /* a kernel of our own; NULL all: the primitive */
  facet_image *image;
  facet_inner *inner;
  facet_sparse *sparse; /* in place of any of them, where so few weights are not 0 that it is ... */
  bool sparse_worth;    /* ... worth it */
  int threads;
  int parts;            /* of the batch, one per thread, for a kernel of our own ... */
  size_t part_scratch;  /* ... and the bytes that each needs */
  size_t scratch_bytes; /* in all */
};

static dnnl_status_t attach(dnnl_memory_t memory, const void *data)
{
  void *present = NULL;
  dnnl_status_t status = dnnl_memory_get_data_handle(memory, &present);
  if (status != dnnl_success || present == data)
    return status;
  return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data); /* inputs are only read */
}

static dnnl_status_t execute(const facet_conv *c, dnnl_primitive_t primitive, int count,
                             const dnnl_exec_arg_t *arguments)
{
  int before = use_threads(c->threads);
  errno = 0; /* tells what version 3 calls an error at run time alone */
  dnnl_status_t status = dnnl_primitive_execute(primitive, c->stream, count, arguments);
  if (status == dnnl_success)
    status = dnnl_stream_wait(c->stream);
  use_threads(before);
  return status;
}

static dnnl_status_t reorder(const facet_conv *c, dnnl_primitive_t primitive, dnnl_memory_t from, dnnl_memory_t to)
{
  return execute(c, primitive, 2, (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

static dnnl_status_t make_reorder(view from, view to, dnnl_primitive_t *primitive)
{
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = dnnl_reorder_primitive_desc_create(&pd, from, here.engine, to, here.engine, NULL);
  if (status == dnnl_success)
    status = dnnl_primitive_create(primitive, pd);
  if (pd)
    dnnl_primitive_desc_destroy(pd);
  return status;
}

/* ---- describing ---- */

static void row_major(int n, const dnnl_dims_t dims, dnnl_dims_t strides)
{
  int64_t step = 1;
  for (int d = n - 1; d >= 0; d--) {
    strides[d] = step;
    step *= dims[d];
  }
}

static dnnl_status_t describe_layout(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, facet_layout layout)
{
  static const struct {
    int64_t block;
    dnnl_format_tag_t tag[FACET_MAX_SPATIAL];
  } blocked[] = {{4, {dnnl_aBc4b, dnnl_aBcd4b, dnnl_aBcde4b}},
                 {8, {dnnl_aBc8b, dnnl_aBcd8b, dnnl_aBcde8b}},
                 {16, {dnnl_aBc16b, dnnl_aBcd16b, dnnl_aBcde16b}}};
  dnnl_dims_t strides = {0};
  bool last = layout.block == layout.channels && layout.block != here.block;
  row_major(n, dims, strides);
  if (n > 2 && layout.block != 1 && !last) {
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
      if (blocked[i].block == layout.block)
        return describe_tag(d, n, dims, blocked[i].tag[n - 3]);
    return dnnl_unimplemented;
  }
  if (n > 2 && last) {
    for (int i = 2; i < n; i++)
      strides[i] *= layout.channels;
    strides[1] = 1;
  }
  strides[0] = facet_layout_size(layout);
  return describe_strides(d, n, dims, strides);
}

static node describe_convolution(const facet_conv_shape *s, facet_task task, int64_t batch)
{
  int n = s->spatial + 2, w = s->groups > 1;
  node x = {.task = task, .dimensions = n, .weight_dimensions = n + w, .bias = {s->out_channels}};
  x.u[0] = x.z[0] = batch;
  x.u[1] = s->in_channels;
  x.z[1] = s->out_channels;
  x.w[0] = s->groups;
  x.w[w] = s->out_channels / s->groups;
  x.w[w + 1] = s->in_channels / s->groups;
  for (int d = 0; d < s->spatial; d++) {
    x.u[d + 2] = s->in[d];
    x.z[d + 2] = s->out[d];
    x.w[w + 2 + d] = s->kernel[d];
    x.stride[d] = s->stride[d];
    x.dilate[d] = s->dilation[d] - 1;
    x.begin[d] = s->pad_begin[d];
    /* The padding that the last window reaches; what ONNX asks for beyond it changes nothing. */
    int64_t last = (s->out[d] - 1) * s->stride[d] + (s->kernel[d] - 1) * s->dilation[d] + 1;
    x.end[d] = last > s->in[d] + s->pad_begin[d] ? last - s->in[d] - s->pad_begin[d] : 0;
  }
  return x;
}

/* Features of u: one dimension if they lie in order, else channels and positions. */
static node describe_inner(const facet_conv_shape *s, facet_task task, int64_t batch, facet_layout in)
{
  node x = {.task = task, .inner = true, .dimensions = 2, .weight_dimensions = 2, .bias = {s->out_channels}};
  x.u[0] = x.z[0] = batch;
  x.z[1] = x.w[0] = s->out_channels;
  x.u[1] = x.w[1] = s->in_channels;
  if (in.spatial > 1 && in.block > 1) {
    x.dimensions = x.weight_dimensions = 3;
    x.u[1] = x.w[1] = in.channels;
    x.u[2] = x.w[2] = in.spatial;
  }
  return x;
}

/* ---- choosing ---- */

enum { FAST, MATRIX, OTHER, SLOW, NONE };

/* What the name of an implementation promises. */
static int worth(const_dnnl_primitive_desc_t pd)
{
  const char *name = NULL;
  if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success || !name)
    return OTHER;
  if (strncmp(name, "ref", 3) == 0)
    return SLOW;
  if (strstr(name, "gemm") && !strstr(name, "brgemm"))
    return MATRIX;
  return strstr(name, "jit") || strncmp(name, "brg", 3) == 0 ? FAST : OTHER;
}

typedef struct {
  dnnl_memory_desc_t u, w, z, bias, any_u, any_z, plain_w;
} descriptions;

static dnnl_status_t try_pair(const node *n, const descriptions *d, view u, view z, const_dnnl_primitive_attr_t attr,
                              dnnl_primitive_desc_t *pd)
{
  const views own = {u, VIEW(d->w), VIEW(d->bias), z};
  const views any = {VIEW(d->any_u), VIEW(d->w), VIEW(d->bias), VIEW(d->any_z)};
  if (n->task == FACET_FORWARD)
    return describe_forward(n, dnnl_forward_inference, &own, attr, pd);
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = describe_forward(n, dnnl_forward_training, &any, attr, &hint);
  if (status == dnnl_success)
    status = describe_backward(n, &own, attr, hint, pd);
  if (hint)
    dnnl_primitive_desc_destroy(hint);
  return status;
}

/* The first pair of layouts with the best worth: as given, then oneDNN's own choice for u, for z, for both. */
static facet_status choose(const node *n, const descriptions *d, dnnl_primitive_desc_t *chosen)
{
  view pairs[][2] = {{VIEW(d->u), VIEW(d->z)},
                     {VIEW(d->any_u), VIEW(d->z)},
                     {VIEW(d->u), VIEW(d->any_z)},
                     {VIEW(d->any_u), VIEW(d->any_z)}};
  int best = NONE, enough = n->inner ? MATRIX : FAST;
  dnnl_primitive_attr_t attr = NULL;
  FACET_TRY(check(dnnl_primitive_attr_create(&attr), "attributes"));
  dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && status == dnnl_success && best > enough; i++) {
    dnnl_primitive_desc_t pd = NULL;
    if (try_pair(n, d, pairs[i][0], pairs[i][1], attr, &pd) != dnnl_success)
      continue;
    int this = worth(pd);
    if (this < best) {
      best = this;
      if (*chosen)
        dnnl_primitive_desc_destroy(*chosen);
      *chosen = pd;
    } else {
      dnnl_primitive_desc_destroy(pd);
    }
  }
  dnnl_primitive_attr_destroy(attr);
  FACET_TRY(check(status, "attributes"));
  FACET_CHECK(*chosen, FACET_BAD_INPUT, "oneDNN has no implementation of a convolution of this shape");
  return FACET_OK;
}

/* ---- compiling ---- */

static size_t most(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t round_up(size_t bytes)
{
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static dnnl_status_t make_end(end *e, view given, view used, bool computed, size_t *bytes)
{
  dnnl_status_t status = dnnl_memory_create(&e->given, given, here.engine, DNNL_MEMORY_NONE);
  e->used = e->given;
  if (status != dnnl_success || dnnl_memory_desc_equal(given, used))
    return status;
  e->used = NULL;
  e->offset = *bytes;
  *bytes += round_up(dnnl_memory_desc_get_size(used));
  status = dnnl_memory_create(&e->used, used, here.engine, DNNL_MEMORY_NONE);
  if (status == dnnl_success)
    status = computed ? make_reorder(used, given, &e->reorder) : make_reorder(given, used, &e->reorder);
  return status;
}

static facet_status make_parts(facet_conv *c, const descriptions *d, const_dnnl_primitive_desc_t pd)
{
  facet_task task = c->node.task;
  bool pull = task == FACET_PULLBACK, gradient = task == FACET_GRADIENT;
  view u = dnnl_primitive_desc_query_md(pd, pull ? dnnl_query_diff_src_md : dnnl_query_src_md, 0);
  view z = dnnl_primitive_desc_query_md(pd, task == FACET_FORWARD ? dnnl_query_dst_md : dnnl_query_diff_dst_md, 0);
  view w = dnnl_primitive_desc_query_md(pd, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  view scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  size_t bytes = round_up(dnnl_memory_desc_get_size(scratch));
  FACET_TRY(check(dnnl_primitive_create(&c->primitive, pd), "primitive"));
  FACET_TRY(check(make_end(&c->u, VIEW(d->u), u, pull, &bytes), "input"));
  FACET_TRY(check(make_end(&c->z, VIEW(d->z), z, task == FACET_FORWARD, &bytes), "output"));
  c->scratch_bytes = most(c->scratch_bytes, bytes);
  FACET_TRY(need_scratch(c->scratch_bytes));
  FACET_TRY(check(dnnl_stream_create(&c->stream, here.engine, dnnl_stream_default_flags), "stream"));
  FACET_TRY(check(dnnl_memory_create(&c->scratch, scratch, here.engine, DNNL_MEMORY_NONE), "scratchpad"));
  FACET_NEW(c->weights_data, dnnl_memory_desc_get_size(w) / sizeof(float));
  FACET_NEW(c->bias_data, c->node.bias[0]);
  FACET_TRY(check(dnnl_memory_create(&c->weights, w, here.engine, c->weights_data), "weights"));
  FACET_TRY(check(dnnl_memory_create(&c->bias, VIEW(d->bias), here.engine, c->bias_data), "bias"));
  FACET_TRY(check(dnnl_memory_create(&c->weights_plain, VIEW(d->plain_w), here.engine, DNNL_MEMORY_NONE), "weights"));
  c->gradient_direct = gradient && dnnl_memory_desc_equal(w, VIEW(d->plain_w));
  return check(gradient ? make_reorder(w, VIEW(d->plain_w), &c->weights_reorder)
                        : make_reorder(VIEW(d->plain_w), w, &c->weights_reorder),
               "weights");
}

static facet_status describe(const node *n, facet_layout in, facet_layout out, descriptions *d)
{
  dnnl_dims_t strides;
  FACET_TRY(check(describe_layout(&d->u, n->dimensions, n->u, in), "layout of the input"));
  FACET_TRY(check(describe_layout(&d->z, n->inner ? 2 : n->dimensions, n->z, out), "layout of the output"));
  FACET_TRY(check(describe_tag(&d->any_u, n->dimensions, n->u, dnnl_format_tag_any), "input"));
  FACET_TRY(check(describe_tag(&d->any_z, n->inner ? 2 : n->dimensions, n->z, dnnl_format_tag_any), "output"));
  if (n->inner && n->dimensions == 2 && n->task == FACET_GRADIENT) /* as fast, and nothing to reorder */
    FACET_TRY(check(describe_tag(&d->w, n->weight_dimensions, n->w, dnnl_ab), "weights"));
  else
    FACET_TRY(check(describe_tag(&d->w, n->weight_dimensions, n->w, dnnl_format_tag_any), "weights"));
  FACET_TRY(check(describe_tag(&d->bias, 1, n->bias, dnnl_a), "bias"));
  row_major(n->weight_dimensions, n->w, strides);
  return check(describe_strides(&d->plain_w, n->weight_dimensions, n->w, strides), "weights");
}

static void forget_all(descriptions *d)
{
  dnnl_memory_desc_t *all[] = {&d->u, &d->w, &d->z, &d->bias, &d->any_u, &d->any_z, &d->plain_w};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    forget(all[i]);
}

static void drop_end(end *e)
{
  if (e->reorder)
    dnnl_primitive_destroy(e->reorder);
  if (e->used && e->used != e->given)
    dnnl_memory_destroy(e->used);
  if (e->given)
    dnnl_memory_destroy(e->given);
}

static void dense_destroy(facet_conv **conv)
{
  facet_conv *c = *conv;
  if (!c)
    return;
  drop_end(&c->u);
  drop_end(&c->z);
  dnnl_primitive_t primitive[] = {c->primitive, c->weights_reorder};
  dnnl_memory_t memory[] = {c->weights_plain, c->weights, c->bias, c->scratch};
  for (size_t i = 0; i < sizeof primitive / sizeof primitive[0]; i++)
    if (primitive[i])
      dnnl_primitive_destroy(primitive[i]);
  for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
    if (memory[i])
      dnnl_memory_destroy(memory[i]);
  if (c->stream)
    dnnl_stream_destroy(c->stream);
  facet_winograd_destroy(&c->winograd);
  facet_image_destroy(&c->image);
  facet_inner_destroy(&c->inner);
  facet_sparse_destroy(&c->sparse);
  facet_free(&c->weights_data);
  facet_free(&c->bias_data);
  facet_free(conv);
}

static bool dense_offers(facet_type real)
{
  return real == FACET_F32;
}

/* What oneDNN chooses by itself for a plain 3 x 3 convolution tells what suits this machine. */
static facet_status find_block(void)
{
  facet_conv_shape shape = {.spatial = 2,
                            .in_channels = 64,
                            .out_channels = 64,
                            .groups = 1,
                            .in = {8, 8},
                            .out = {8, 8},
                            .kernel = {3, 3},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .pad_begin = {1, 1},
                            .pad_end = {1, 1}};
  facet_layout plain = {64, 64, 1};
  node n = describe_convolution(&shape, FACET_PULLBACK, 16);
  descriptions d = {0};
  dnnl_primitive_desc_t pd = NULL;
  facet_status status = FACET_OK;
  FACET_GO(done, status, describe(&n, plain, plain, &d));
  FACET_GO(done, status, check(try_pair(&n, &d, VIEW(d.any_u), VIEW(d.any_z), NULL, &pd), "typical convolution"));
  here.block = block_of(dnnl_primitive_desc_query_md(pd, dnnl_query_diff_src_md, 0));
  here.ready = true;
done:
  forget_all(&d);
  if (pd)
    dnnl_primitive_desc_destroy(pd);
  return status;
}

static facet_status start(void)
{
  facet_status status = FACET_OK;
  pthread_mutex_lock(&here.lock);
  if (!here.engine)
    status = check(dnnl_engine_create(&here.engine, dnnl_cpu, 0), "engine");
  if (status == FACET_OK && !here.ready)
    status = find_block();
  pthread_mutex_unlock(&here.lock);
  return status;
}

static int64_t dense_block(int64_t channels)
{
  enum { FEW = 4, HALF = 8 }; /* fewer channels than FEW are better off in plain order: an image, mostly */
  if (channels <= FEW || start() != FACET_OK)
    return 1;
  if (here.block == 0)
    return channels;
  return channels <= HALF && here.block > HALF ? HALF : here.block;
}

/* Whether there is a kernel of our own, whatever the weights. */
static bool own(const facet_conv *c)
{
  return c->winograd || c->image || c->inner;
}

/* Whether one does the work with these weights. */
static bool ours(const facet_conv *c)
{
  return c->sparse_worth || own(c);
}

/* A kernel of our own, if one fits. */
static facet_status create_own(facet_conv *c, const facet_conv_shape *shape, facet_task task, int64_t batch,
                               facet_layout in, facet_layout out)
{
  c->parts = c->threads < batch ? c->threads : (int)batch;
  if (facet_inner_fits(shape, task)) {
    FACET_TRY(facet_inner_create(shape, task, in, out, &c->inner));
    c->part_scratch = facet_inner_scratch(c->inner, (batch + c->parts - 1) / c->parts);
  } else if (task != FACET_GRADIENT && facet_winograd_fits(shape, in, out)) {
    FACET_TRY(facet_winograd_create(shape, FACET_F32, task, in, out, &c->winograd));
    c->part_scratch = facet_winograd_scratch(c->winograd);
  } else if (task == FACET_PULLBACK && facet_image_fits(shape, in, out)) {
    FACET_TRY(facet_image_create(shape, out, &c->image));
    c->part_scratch = facet_image_scratch(c->image) * sizeof(float);
  } else if (task == FACET_GRADIENT && facet_image_gradient_fits(shape, in, out)) {
    FACET_TRY(facet_image_create(shape, out, &c->image));
    c->part_scratch = facet_image_gradient_scratch(c->image) * sizeof(float);
  }
  if (task != FACET_GRADIENT && facet_sparse_fits(shape, in, out)) {
    FACET_TRY(facet_sparse_create(shape, FACET_F32, task, in, out, &c->sparse));
    c->part_scratch = most(c->part_scratch, facet_sparse_scratch(c->sparse));
  }
  c->part_scratch = round_up(c->part_scratch);
  c->scratch_bytes = (size_t)c->parts * c->part_scratch;
  return need_scratch(c->scratch_bytes);
}

/* By oneDNN. */
static facet_status compile(facet_conv *c, facet_layout in, facet_layout out)
{
  facet_status status = FACET_OK;
  descriptions d = {0};
  dnnl_primitive_desc_t pd = NULL;
  int before = use_threads(c->threads);
  FACET_GO(done, status, describe(&c->node, in, out, &d));
  FACET_GO(done, status, choose(&c->node, &d, &pd));
  FACET_GO(done, status, make_parts(c, &d, pd));
done:
  use_threads(before);
  forget_all(&d);
  if (pd)
    dnnl_primitive_desc_destroy(pd);
  return status;
}

static facet_status dense_create(const facet_conv_shape *shape, facet_type real, facet_task task, int64_t batch,
                                 facet_layout in, facet_layout out, facet_conv **conv)
{
  FACET_CHECK(dense_offers(real), FACET_BAD_INPUT, "dense kernels: only float is offered");
  FACET_TRY(facet_conv_check(shape, batch, in, out));
  FACET_CHECK(shape->spatial > 0 || out.spatial == 1 || out.block == 1, FACET_BAD_INPUT,
              "dense kernels: an inner product's output cannot be blocked over positions");
  FACET_TRY(start());
  facet_conv *c = NULL;
  FACET_NEW(c, 1);
  c->threads = wanted_threads;
  c->node = shape->spatial ? describe_convolution(shape, task, batch) : describe_inner(shape, task, batch, in);
  c->u.batch = c->z.batch = batch;
  c->u.size = facet_layout_size(in);
  c->z.size = facet_layout_size(out);
  if (shape->spatial == 0) { /* rows with a gap: oneDNN knows the step, not that the gap holds zeros */
    c->u.tail = c->node.dimensions == 2 ? c->u.size - shape->in_channels : 0;
    c->z.tail = c->z.size - shape->out_channels;
  }
  facet_status status;
  FACET_GO(done, status, create_own(c, shape, task, batch, in, out));
  if (!own(c))
    status = compile(c, in, out);
done:
  if (status != FACET_OK)
    dense_destroy(&c);
  *conv = c;
  return status;
}

/* ---- running ---- */

static dnnl_status_t open_end(end *e, const void *data)
{
  dnnl_status_t status = attach(e->given, data);
  if (status == dnnl_success && e->reorder)
    status = attach(e->used, mine.scratch + e->offset);
  return status;
}

static dnnl_status_t bring(const facet_conv *c, end *e, const void *data)
{
  dnnl_status_t status = open_end(e, data);
  return status == dnnl_success && e->reorder ? reorder(c, e->reorder, e->given, e->used) : status;
}

static dnnl_status_t hand_back(const facet_conv *c, end *e, float *data)
{
  for (int64_t s = 0; s < e->batch && e->tail > 0; s++)
    memset(data + (s + 1) * e->size - e->tail, 0, (size_t)e->tail * sizeof(float));
  return e->reorder ? reorder(c, e->reorder, e->used, e->given) : dnnl_success;
}

static facet_status dense_weights(facet_conv *c, const void *weights, const void *bias)
{
  if (c->node.task == FACET_GRADIENT)
    return FACET_OK;
  c->sparse_worth = c->sparse && facet_sparse_worth(c->sparse, weights);
  if (c->sparse_worth)
    return facet_sparse_weights(c->sparse, weights, bias);
  if (c->winograd)
    facet_winograd_weights(c->winograd, weights, bias);
  if (c->image)
    facet_image_weights(c->image, weights);
  if (c->inner)
    facet_inner_weights(c->inner, weights, bias);
  if (own(c))
    return FACET_OK;
  size_t bytes = (size_t)c->node.bias[0] * sizeof(float);
  if (bias)
    memcpy(c->bias_data, bias, bytes);
  else
    memset(c->bias_data, 0, bytes);
  FACET_TRY(check(attach(c->weights_plain, weights), "weights"));
  return check(reorder(c, c->weights_reorder, c->weights_plain, c->weights), "reordering weights");
}

/* A kernel of our own on one part of the batch. */
static void run_part(const facet_conv *c, int part, unsigned char *scratch, const float *from, const facet_fusion *with,
                     float *to)
{
  facet_part p = {c->u.batch * part / c->parts, c->u.batch * (part + 1) / c->parts};
  void *room = scratch + (size_t)part * c->part_scratch;
  if (c->sparse_worth)
    facet_sparse_run(c->sparse, p, room, from, with, to);
  else if (c->winograd)
    facet_winograd_run(c->winograd, p, room, from, with, to);
  else if (c->inner)
    facet_inner_run(c->inner, p, room, from, to);
  else
    facet_image_pullback(c->image, p, room, from, with ? with->sums : NULL, to);
}

static facet_status run_own(const facet_conv *c, const float *from, const facet_fusion *with, float *to)
{
  FACET_TRY(need_scratch(c->scratch_bytes));
  unsigned char *scratch = mine.scratch; /* of the caller, not of the threads that help */
#pragma omp parallel for schedule(static) num_threads(c->parts) if (c->parts > 1)
  for (int part = 0; part < c->parts; part++)
    run_part(c, part, scratch, from, with, to);
  return FACET_OK;
}

static facet_status dense_forward(facet_conv *c, const void *u, void *z)
{
  FACET_CHECK(c->node.task == FACET_FORWARD, FACET_INTERNAL, "dense kernels: not compiled for forward");
  if (ours(c))
    return run_own(c, u, NULL, z);
  FACET_TRY(need_scratch(c->scratch_bytes));
  FACET_TRY(check(bring(c, &c->u, u), "reordering the input"));
  FACET_TRY(check(open_end(&c->z, z), "output"));
  FACET_TRY(check(attach(c->scratch, mine.scratch), "scratchpad"));
  FACET_TRY(check(execute(c, c->primitive, 5,
                          (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, c->u.used},
                                              {DNNL_ARG_WEIGHTS, c->weights},
                                              {DNNL_ARG_BIAS, c->bias},
                                              {DNNL_ARG_DST, c->z.used},
                                              {DNNL_ARG_SCRATCHPAD, c->scratch}}),
                  "forward"));
  return check(hand_back(c, &c->z, z), "reordering the output");
}

static int dense_fuses(const facet_conv *c)
{
  return c->winograd ? FACET_FUSES_SUMS | FACET_FUSES_GATE : c->image ? FACET_FUSES_SUMS : 0;
}

static facet_status dense_pullback_with(facet_conv *c, const void *gz, const facet_fusion *with, void *gu)
{
  FACET_CHECK(ours(c), FACET_INTERNAL, "dense kernels: nothing to fuse with");
  return run_own(c, gz, with, gu);
}

static facet_status dense_pullback(facet_conv *c, const void *gz, void *gu)
{
  FACET_CHECK(c->node.task == FACET_PULLBACK, FACET_INTERNAL, "dense kernels: not compiled for pullback");
  if (ours(c))
    return dense_pullback_with(c, gz, NULL, gu);
  FACET_TRY(need_scratch(c->scratch_bytes));
  FACET_TRY(check(bring(c, &c->z, gz), "reordering the output's adjoint"));
  FACET_TRY(check(open_end(&c->u, gu), "input's adjoint"));
  FACET_TRY(check(attach(c->scratch, mine.scratch), "scratchpad"));
  FACET_TRY(check(execute(c, c->primitive, 4,
                          (dnnl_exec_arg_t[]){{DNNL_ARG_DIFF_SRC, c->u.used},
                                              {DNNL_ARG_WEIGHTS, c->weights},
                                              {DNNL_ARG_DIFF_DST, c->z.used},
                                              {DNNL_ARG_SCRATCHPAD, c->scratch}}),
                  "pullback"));
  return check(hand_back(c, &c->u, gu), "reordering the input's adjoint");
}

static facet_status dense_gradient(facet_conv *c, const void *u, const void *gz, void *gw, void *gb)
{
  FACET_CHECK(c->node.task == FACET_GRADIENT, FACET_INTERNAL, "dense kernels: not compiled for the gradient");
  FACET_TRY(need_scratch(c->scratch_bytes));
  if (c->image) {
    facet_image_gradient(c->image, c->u.batch, (float *)mine.scratch, u, gz, gw, gb);
    return FACET_OK;
  }
  dnnl_memory_t weights = c->gradient_direct ? c->weights_plain : c->weights;
  FACET_TRY(check(bring(c, &c->u, u), "reordering the input"));
  FACET_TRY(check(bring(c, &c->z, gz), "reordering the output's adjoint"));
  FACET_TRY(check(attach(c->scratch, mine.scratch), "scratchpad"));
  FACET_TRY(check(attach(c->weights_plain, gw), "gradient"));
  FACET_TRY(check(execute(c, c->primitive, 5,
                          (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, c->u.used},
                                              {DNNL_ARG_DIFF_WEIGHTS, weights},
                                              {DNNL_ARG_DIFF_BIAS, c->bias},
                                              {DNNL_ARG_DIFF_DST, c->z.used},
                                              {DNNL_ARG_SCRATCHPAD, c->scratch}}),
                  "gradient"));
  if (gb)
    memcpy(gb, c->bias_data, (size_t)c->node.bias[0] * sizeof(float));
  if (c->gradient_direct)
    return FACET_OK;
  return check(reorder(c, c->weights_reorder, c->weights, c->weights_plain), "reordering the gradient");
}

const facet_kernels facet_kernels_dense = {
    .name = "dense",
    .blocks = true,
    .offers = dense_offers,
    .block = dense_block,
    .conv_create = dense_create,
    .conv_weights = dense_weights,
    .conv_forward = dense_forward,
    .conv_pullback = dense_pullback,
    .conv_fuses = dense_fuses,
    .conv_pullback_with = dense_pullback_with,
    .conv_gradient = dense_gradient,
    .conv_destroy = dense_destroy,
};
