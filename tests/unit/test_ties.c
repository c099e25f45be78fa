/* Ties are decided by a rule, not by rounding: the first of equal candidates wins, a gate at its kink is on the lower
 * piece; so W is the same whatever kernels and precision compute it, on images with constant background too. */
#include <math.h>

#include "near.h"
#include "nets.h"

/* ---- W of samples, by one set of kernels ---- */

typedef struct {
  const char *kernels;
  facet_type real;
} way;

typedef struct {
  int64_t inputs, classes, count;
  double *w, *b, worst; /* worst: residual */
  int64_t ties;
} maps;

static void maps_clear(maps *m)
{
  facet_free(&m->w);
  facet_free(&m->b);
}

/* All rows of W for `count` samples x, in double; those of float are rounded from it. */
static maps maps_of(const facet_network *n, way by, const double *x, int64_t count)
{
  maps m = {facet_network_inputs(n), facet_network_outputs(n), count, NULL, NULL, 0, 0};
  int64_t d = m.inputs, k = m.classes;
  facet_executor *e;
  facet_executor_options options = {
      .kernels = facet_kernels_find(by.kernels), .real = by.real, .batch = count, .rows = k};
  int32_t *row = facet_allocate((size_t)(count * k), sizeof *row), *ties = facet_allocate((size_t)count, sizeof *ties);
  double *residual = facet_allocate((size_t)count, sizeof *residual), *node;
  float *w = facet_allocate((size_t)(count * k * d), sizeof *w), *rounded = facet_allocate((size_t)(count * d), 4);
  m.w = facet_allocate((size_t)(count * k * d), sizeof *m.w);
  m.b = facet_allocate((size_t)(count * k), sizeof *m.b);
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  node = facet_allocate((size_t)(count * k * facet_executor_constant_nodes(e) + 1), sizeof *node);
  for (int64_t i = 0; i < count * d; i++)
    rounded[i] = (float)x[i];
  const void *samples = by.real == FACET_F64 ? (const void *)x : rounded;
  void *to = by.real == FACET_F64 ? (void *)m.w : w;
  facet_linearization out = {to, m.b, node, residual, ties};
  facet_rows_choose(FACET_ROWS_ALL, k, k, NULL, count, row);
  assert_int_equal(facet_executor_forward(e, samples, count), FACET_OK);
  assert_int_equal(facet_executor_settle(e, x), FACET_OK);
  assert_int_equal(facet_linearize(e, samples, count, k, row, &out), FACET_OK);
  for (int64_t i = 0; by.real == FACET_F32 && i < count * k * d; i++)
    m.w[i] = (double)w[i];
  for (int64_t s = 0; s < count; s++) {
    m.worst = fmax(m.worst, residual[s]);
    m.ties += ties[s];
  }
  facet_executor_destroy(&e);
  facet_free(&row);
  facet_free(&ties);
  facet_free(&residual);
  facet_free(&node);
  facet_free(&w);
  facet_free(&rounded);
  return m;
}

/* ---- the rule, by hand ---- */

/* Sums of x = (1, 1, 1) that are equal, or 0, in exact arithmetic; computed, each later one is a little larger. */
static void the_rule(void **state)
{
  static const double x[3] = {1, 1, 1};
  static const double almost_0[3] = {0.1, 0.2, -0.3};             /* 5.6e-17 */
  static const double candidates[6] = {0.6, 0, 0, 0.1, 0.2, 0.3}; /* 0.6, and 1.1e-16 more */
  static const way ways[] = {{"reference", FACET_F64}, {"reference", FACET_F32}, {"dense", FACET_F32}};
  (void)state;
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
    for (int apart = 0; apart < 2; apart++) { /* a millionth is no rounding in double, and decides */
      double gate[3], pair[6];
      memcpy(gate, almost_0, sizeof gate);
      memcpy(pair, candidates, sizeof pair);
      gate[0] += 1e-6 * apart;
      pair[5] += 1e-6 * apart;
      facet_network *n = begin_net((facet_shape){1, {3}});
      add_gemm(n, "x", "z", 3, 1, gate, NULL);
      add_node(n, "Relu", "z", "r", 0, NULL);
      add_gemm(n, "x", "first", 3, 1, pair, NULL);
      add_gemm(n, "x", "second", 3, 1, pair + 3, NULL);
      add_node(n, "Max", "first,second", "most", 0, NULL);
      add_node(n, "Neg", "first", "low", 0, NULL);
      add_node(n, "Neg", "second", "lower", 0, NULL);
      add_node(n, "Min", "low,lower", "least", 0, NULL);
      facet_attribute *axis = one_int("axis", 1);
      add_node(n, "Concat", "first,second", "both", 1, axis);
      facet_attribute *axes = facet_allocate(2, sizeof *axes);
      set_ints(&axes[0], "axes", 1, (int64_t[]){1});
      axes[1] = (facet_attribute){.name = facet_copy_text("keepdims"), .kind = FACET_INT, .integer = 1};
      add_node(n, "ReduceMax", "both", "window", 2, axes);
      add_node(n, "Concat", "r,most,least,window", "y", 1, one_int("axis", 1));
      end_net(n, "y");
      maps m = maps_of(n, ways[i], x, 1);
      const double *winner = pair + 3 * apart;
      for (int j = 0; j < 3; j++) {
        assert_near(m.w[j], apart ? gate[j] : 0, 1e-7);
        assert_near(m.w[3 + j], winner[j], 1e-7);
        assert_near(m.w[6 + j], -winner[j], 1e-7);
        assert_near(m.w[9 + j], winner[j], 1e-7);
      }
      assert_int_equal(m.ties, apart ? 0 : 4);
      maps_clear(&m);
      facet_network_destroy(&n);
    }
}

/* ---- the same W by all ---- */

/* Every way against the first: 1e-5 of the largest |W| of the sample, and of b. */
static void all_agree(const facet_network *n, const double *x, int64_t count, bool tied)
{
  static const way ways[] = {
      {"reference", FACET_F64}, {"exact", FACET_F64}, {"reference", FACET_F32}, {"dense", FACET_F32}};
  maps wanted = maps_of(n, ways[0], x, count);
  int64_t d = wanted.inputs, k = wanted.classes;
  assert_true((wanted.ties > 0) >= tied);
  for (size_t i = 1; i < sizeof ways / sizeof ways[0]; i++) {
    maps got = maps_of(n, ways[i], x, count);
    assert_true(got.worst <= 1e-5);
    assert_int_equal(got.ties, wanted.ties);
    for (int64_t s = 0; s < count; s++) {
      double most = 0, most_b = 1, off = 0, off_b = 0;
      for (int64_t j = s * k * d; j < (s + 1) * k * d; j++) {
        most = fmax(most, fabs(wanted.w[j]));
        off = fmax(off, fabs(got.w[j] - wanted.w[j]));
      }
      for (int64_t j = s * k; j < (s + 1) * k; j++) {
        most_b = fmax(most_b, fabs(wanted.b[j]));
        off_b = fmax(off_b, fabs(got.b[j] - wanted.b[j]));
      }
      if (!(off <= 1e-5 * most && off_b <= 1e-5 * most_b))
        fail_msg("%s kernels, %s: W of sample %lld is off by %.3g of its largest, b by %.3g", ways[i].kernels,
                 ways[i].real == FACET_F64 ? "double" : "float", (long long)s, off / most, off_b / most_b);
    }
    maps_clear(&got);
  }
  maps_clear(&wanted);
}

/* The first `count` pictures of a data set, normalized, as the network takes them; NULL: they are not there. */
static double *pictures(const facet_network *n, const char *format, const char *file, double mean, double deviation,
                        int64_t count)
{
  char name[200], *path = name;
  facet_dataset *data;
  facet_input_layout layout;
  facet_normalization normalization = {.scale = 255, .channels = 1, .mean = {mean}, .std = {deviation}};
  facet_shape shape = facet_network_input_shape(n);
  snprintf(name, sizeof name, "%s", file);
  facet_data_source source = {facet_data_format_find(format), 1, &path, NULL, count, FACET_ORDER_AUTO};
  if (!facet_exists(name))
    return NULL;
  assert_int_equal(facet_dataset_open(&source, &data), FACET_OK);
  facet_image image = facet_dataset_image(data);
  int64_t size = count * facet_image_inputs(image);
  float *pixels = facet_allocate((size_t)size, sizeof *pixels);
  double *images = facet_allocate((size_t)size, sizeof *images), *x = facet_allocate((size_t)size, sizeof *x);
  assert_int_equal(facet_dataset_pixels(data, 0, count, pixels), FACET_OK);
  facet_normalize_double(&normalization, image, count, pixels, images);
  facet_fit fit = facet_input_layout_find(image, shape.rank, shape.dim, FACET_ORDER_AUTO, &layout);
  assert_true(fit == FACET_FIT || fit == FACET_FIT_OTHER);
  facet_input_arrange(&layout, image, count, sizeof *x, images, x);
  facet_dataset_destroy(&data);
  facet_free(&pixels);
  facet_free(&images);
  return x;
}

static void add_conv(facet_network *n, const char *input, const char *name, int64_t in, int64_t out, uint64_t seed)
{
  char weight[20], bias[20], inputs[80];
  double w[16 * 16 * 9], b[16];
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(bias, sizeof bias, "%s.b", name);
  snprintf(inputs, sizeof inputs, "%s,%s,%s", input, weight, bias);
  for (int64_t i = 0; i < out * in * 9; i++)
    w[i] = (float)(noise(5000 * seed + (uint64_t)i) / sqrt((double)in));
  for (int64_t i = 0; i < out; i++)
    b[i] = (float)noise(5000 * seed + 4000 + (uint64_t)i) / 4;
  add_numbers(n, weight, (facet_shape){4, {out, in, 3, 3}}, w);
  add_numbers(n, bias, (facet_shape){1, {out}}, b);
  facet_attribute *a = facet_allocate(1, sizeof *a);
  set_ints(a, "pads", 4, (int64_t[]){1, 1, 1, 1});
  add_node(n, "Conv", inputs, name, 1, a);
}

static void add_pool(facet_network *n, const char *input, const char *name, int64_t kernel)
{
  facet_attribute *a = facet_allocate(2, sizeof *a);
  set_ints(&a[0], "kernel_shape", 2, (int64_t[]){kernel, kernel});
  set_ints(&a[1], "strides", 2, (int64_t[]){2, 2});
  add_node(n, "MaxPool", input, name, 2, a);
}

/* Pools before and after gates, over windows that overlap, and a sum of branches. */
static facet_network *pooled(void)
{
  static double w[10 * 16 * 36];
  facet_network *n = begin_net((facet_shape){3, {1, 28, 28}});
  add_conv(n, "x", "c1", 1, 16, 1);
  add_pool(n, "c1", "p1", 3); /* 13 x 13 */
  add_node(n, "Relu", "p1", "r1", 0, NULL);
  add_conv(n, "r1", "c2", 16, 16, 2);
  add_node(n, "LeakyRelu", "c2", "r2", 1, one_float("alpha", 0.25));
  add_conv(n, "r2", "c3", 16, 16, 3);
  add_node(n, "Add", "c3,r1", "s3", 0, NULL);
  add_pool(n, "s3", "p3", 2); /* 6 x 6 */
  add_node(n, "Relu", "p3", "r3", 0, NULL);
  add_node(n, "Flatten", "r3", "flat", 0, NULL);
  for (int i = 0; i < 10 * 16 * 36; i++)
    w[i] = (float)noise(70000 + (uint64_t)i) / 16;
  add_gemm(n, "flat", "logits", 16 * 36, 10, w, NULL);
  return end_net(n, "logits");
}

static const char fashion[] = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz";

static void constant_background(void **state)
{
  (void)state;
  facet_network *n = pooled();
  double *x = pictures(n, "idx", fashion, 0.286, 0.353, 24);
  if (!x) {
    facet_network_destroy(&n);
    print_message("skipped: no %s (package dataset-fashion-mnist)\n", fashion);
    skip();
  }
  all_agree(n, x, 24, true);
  facet_free(&x);
  facet_network_destroy(&n);
}

static void networks_of_others(void **state)
{
  static const char cifar[] = "../shared/data/cifar10/test_batch.bin";
  static const struct {
    const char *model, *format, *images;
    double mean, deviation;
    int64_t count;
  } on[] = {{"cnn_max_mninst2", "idx", fashion, 0, 1, 60},
            {"cvx_fashion_mnist", "idx", fashion, 0, 1, 60},
            {"mnist5x20_leaky_relu", "idx", fashion, 0, 1, 60},
            {"akamaster_resnet20", "cifar10", cifar, 0.45, 0.225, 16},
            {"distiller_resnet20_channels_zeroed", "cifar10", cifar, 0.5, 0.5, 16}};
  int tried = 0;
  (void)state;
  for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
    char path[200];
    facet_network *n;
    snprintf(path, sizeof path, "../shared/models/%s.onnx", on[i].model);
    if (!facet_exists(path))
      continue;
    assert_int_equal(facet_onnx_read(path, &n), FACET_OK);
    double *x = pictures(n, on[i].format, on[i].images, on[i].mean, on[i].deviation, on[i].count);
    if (x)
      all_agree(n, x, on[i].count, false);
    tried += x != NULL;
    facet_free(&x);
    facet_network_destroy(&n);
  }
  if (tried == 0) {
    print_message("skipped: there are no models of others in ../shared/models\n");
    skip();
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_rule),
      cmocka_unit_test(constant_background),
      cmocka_unit_test(networks_of_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
