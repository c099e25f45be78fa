/* Derivatives by the weights: the gradient against differences of the loss, the Hessian-vector product against
 * differences of the gradient, through every kind of node. The values against those of the executor. */
#include <math.h>
#include <stdlib.h>

#include "net/derivative.h"
#include "nets.h"

enum { CLASSES = 3, MOST_SAMPLES = 5 };

/* ---- networks ---- */

static void fill(facet_network *n, const char *name, facet_shape shape, uint64_t seed, double scale, double shift)
{
  double *x = malloc((size_t)facet_shape_size(shape) * sizeof *x);
  assert_non_null(x);
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    x[i] = scale * noise(seed * 10000 + (uint64_t)i) + shift;
  add_numbers(n, name, shape, x);
  free(x);
}

static facet_attribute *ints(int count, const char *const *name, const int *size, const int64_t (*value)[4])
{
  facet_attribute *a = facet_allocate((size_t)count, sizeof *a);
  for (int i = 0; i < count; i++) {
    if (size[i] > 0)
      set_ints(&a[i], name[i], size[i], value[i]);
    else
      a[i] = (facet_attribute){.name = facet_copy_text(name[i]), .kind = FACET_INT, .integer = value[i][0]};
  }
  return a;
}

static facet_attribute *pads(int64_t pad, int64_t stride, int64_t group)
{
  return ints(3, (const char *const[]){"pads", "strides", "group"}, (const int[]){4, 2, 0},
              (const int64_t[][4]){{pad, pad, pad, pad}, {stride, stride}, {group}});
}

static void add_norm(facet_network *n, const char *input, const char *output, int64_t channels)
{
  facet_shape shape = {1, {channels}};
  char name[4][40], inputs[200];
  for (int i = 0; i < 4; i++) {
    snprintf(name[i], sizeof name[i], "%s.%d", output, i);
    fill(n, name[i], shape, 70 + (uint64_t)i, 0.5, i == 1 || i == 2 ? 0.1 : 1);
  }
  snprintf(inputs, sizeof inputs, "%s,%s,%s,%s,%s", input, name[0], name[1], name[2], name[3]);
  add_node(n, "BatchNormalization", inputs, output, 0, NULL);
}

static void add_head(facet_network *n, const char *input, int64_t features)
{
  double *w = malloc((size_t)(features * CLASSES) * sizeof *w), b[CLASSES] = {0.1, -0.2, 0.3};
  assert_non_null(w);
  for (int64_t i = 0; i < features * CLASSES; i++)
    w[i] = noise(900000 + (uint64_t)i) / sqrt((double)features);
  add_gemm(n, input, "y", features, CLASSES, w, b);
  free(w);
}

/* Conv, batch norm, ReLU, a residual branch with a grouped convolution, pooling of both kinds, a dense layer. */
static facet_network *residual(void)
{
  facet_network *n = begin_net((facet_shape){3, {2, 6, 6}});
  fill(n, "w1", (facet_shape){4, {4, 2, 3, 3}}, 1, 0.6, 0);
  fill(n, "w2", (facet_shape){4, {4, 2, 3, 3}}, 2, 0.6, 0);
  fill(n, "b2", (facet_shape){1, {4}}, 3, 0.3, 0);
  add_node(n, "Conv", "x,w1", "c1", 3, pads(1, 1, 1));
  add_norm(n, "c1", "n1", 4);
  add_node(n, "Relu", "n1", "r1", 0, NULL);
  add_node(n, "Conv", "r1,w2,b2", "c2", 3, pads(1, 1, 2));
  add_norm(n, "c2", "n2", 4);
  add_node(n, "Add", "n2,r1", "a", 0, NULL);
  add_node(n, "Relu", "a", "r2", 0, NULL);
  add_node(n, "MaxPool", "r2", "p", 2,
           ints(2, (const char *const[]){"kernel_shape", "strides"}, (const int[]){2, 2},
                (const int64_t[][4]){{2, 2}, {2, 2}}));
  add_node(n, "GlobalAveragePool", "p", "g", 0, NULL);
  add_node(n, "Flatten", "g", "f", 0, NULL);
  add_head(n, "f", 4);
  return end_net(n, "y");
}

/* A transposed convolution, leaky and clipped gates, Max of branches and a constant, Concat, Transpose, a product with
 * every position (viewed), factors that are constants. */
static facet_network *mixed(void)
{
  facet_network *n = begin_net((facet_shape){3, {2, 3, 3}});
  fill(n, "w1", (facet_shape){4, {2, 2, 2, 2}}, 4, 0.7, 0);
  fill(n, "b1", (facet_shape){1, {4}}, 5, 0.3, 0);
  fill(n, "w2", (facet_shape){4, {3, 4, 1, 1}}, 6, 0.7, 0);
  fill(n, "k", (facet_shape){1, {1}}, 7, 0.1, 0.2);
  fill(n, "s", (facet_shape){3, {3, 1, 1}}, 8, 0.5, 1);
  fill(n, "m", (facet_shape){2, {3, 5}}, 9, 0.7, 0);
  fill(n, "low", (facet_shape){0}, 10, 0, -0.4);
  fill(n, "high", (facet_shape){0}, 11, 0, 0.9);
  add_node(n, "ConvTranspose", "x,w1,b1", "t", 3, pads(0, 2, 2)); /* 4 x 6 x 6, two groups */
  add_node(n, "LeakyRelu", "t", "l", 1, one_float("alpha", 0.2));
  add_node(n, "Conv", "l,w2", "c", 3, pads(0, 2, 1)); /* 3 x 3 x 3 */
  add_node(n, "Mul", "c,s", "d", 0, NULL);
  add_node(n, "Clip", "d,low,high", "e", 0, NULL);
  add_node(n, "Neg", "c", "q", 0, NULL);
  add_node(n, "Max", "e,q,k", "z", 0, NULL);
  add_node(n, "Concat", "z,d", "o", 1, one_int("axis", 1)); /* 6 x 3 x 3 */
  add_node(n, "MatMul", "o,m", "v", 0, NULL);               /* 6 x 3 x 5 */
  add_node(n, "Abs", "v", "h", 0, NULL);
  add_node(n, "Transpose", "h", "i", 1,
           ints(1, (const char *const[]){"perm"}, (const int[]){4}, (const int64_t[][4]){{0, 3, 1, 2}}));
  add_node(n, "Sub", "i,k", "j", 0, NULL);
  add_node(n, "Flatten", "j", "f", 0, NULL);
  add_head(n, "f", 90);
  return end_net(n, "y");
}

/* Two layers that share their weights (x out, and out x), with alpha and beta. */
static facet_network *tied(void)
{
  facet_network *n = begin_net((facet_shape){1, {4}});
  fill(n, "w", (facet_shape){2, {4, 4}}, 12, 0.8, 0);
  fill(n, "b", (facet_shape){1, {4}}, 13, 0.4, 0);
  facet_attribute *a = facet_allocate(2, sizeof *a);
  a[0] = (facet_attribute){.name = facet_copy_text("alpha"), .kind = FACET_FLOAT, .number = 1.5};
  a[1] = (facet_attribute){.name = facet_copy_text("beta"), .kind = FACET_FLOAT, .number = -0.5};
  add_node(n, "Gemm", "x,w,b", "u", 2, a);
  add_node(n, "Relu", "u", "r", 0, NULL);
  add_node(n, "Gemm", "r,w,b", "v", 1, one_int("transB", 1));
  add_node(n, "Relu", "v", "q", 0, NULL);
  add_head(n, "q", 4);
  return end_net(n, "y");
}

/* ---- differences ---- */

typedef struct {
  facet_network *network;
  facet_derivative *derivative;
  int64_t size;
  float *x;
  int32_t label[MOST_SAMPLES];
  double *weight, *along, *gradient, *hessian, *other, *ahead, *behind;
} fixture;

static double *numbers(int64_t count)
{
  double *x = calloc((size_t)count, sizeof *x);
  assert_non_null(x);
  return x;
}

static fixture begin(facet_network *network)
{
  fixture f = {.network = network};
  int64_t features = facet_shape_size(facet_network_input_shape(network));
  assert_int_equal(
      facet_derivative_create(network, (facet_derivative_options){.batch = 2, .tangents = true}, &f.derivative),
      FACET_OK);
  f.size = facet_derivative_weights(f.derivative);
  double **all[] = {&f.weight, &f.along, &f.gradient, &f.hessian, &f.other, &f.ahead, &f.behind};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    *all[i] = numbers(f.size);
  facet_derivative_start(f.derivative, f.weight);
  for (int64_t i = 0; i < f.size; i++)
    f.along[i] = noise(500000 + (uint64_t)i);
  f.x = calloc((size_t)(MOST_SAMPLES * features), sizeof *f.x);
  assert_non_null(f.x);
  for (int64_t i = 0; i < MOST_SAMPLES * features; i++)
    f.x[i] = (float)noise(600000 + (uint64_t)i);
  for (int s = 0; s < MOST_SAMPLES; s++)
    f.label[s] = s % CLASSES;
  return f;
}

static void end(fixture *f)
{
  facet_derivative_destroy(&f->derivative);
  facet_network_destroy(&f->network);
  double *all[] = {f->weight, f->along, f->gradient, f->hessian, f->other, f->ahead, f->behind};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    free(all[i]);
  free(f->x);
}

static double loss_at(fixture *f, const double *weight, double *gradient)
{
  facet_loss_derivatives found = {.gradient = gradient};
  if (facet_derivative_loss(f->derivative, weight, NULL, (facet_labelled){f->x, f->label, MOST_SAMPLES}, &found))
    fail_msg("%s", facet_message());
  return found.loss;
}

static double norm(const double *x, int64_t count)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += x[i] * x[i];
  return sqrt(sum);
}

static double distance(const double *x, const double *y, int64_t count)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sqrt(sum);
}

/* Central differences, of the loss by every weight and of the gradient along a direction. */
static void assert_derivatives(facet_network *network)
{
  const double step = 1e-6;
  fixture f = begin(network);
  loss_at(&f, f.weight, f.gradient);
  for (int64_t i = 0; i < f.size; i++) {
    double own = f.weight[i];
    f.weight[i] = own + step;
    double ahead = loss_at(&f, f.weight, f.ahead);
    f.weight[i] = own - step;
    f.other[i] = (ahead - loss_at(&f, f.weight, f.behind)) / (2 * step);
    f.weight[i] = own;
  }
  assert_true(norm(f.gradient, f.size) > 1e-3);
  assert_true(distance(f.gradient, f.other, f.size) < 1e-7 * norm(f.gradient, f.size));
  double wanted = loss_at(&f, f.weight, f.gradient);
  facet_loss_derivatives found = {.gradient = f.other, .hessian = f.hessian};
  assert_int_equal(
      facet_derivative_loss(f.derivative, f.weight, f.along, (facet_labelled){f.x, f.label, MOST_SAMPLES}, &found),
      FACET_OK);
  assert_true(found.loss == wanted);
  assert_memory_equal(f.other, f.gradient, (size_t)f.size * sizeof(double));
  for (int64_t i = 0; i < f.size; i++)
    f.other[i] = f.weight[i] + step * f.along[i];
  loss_at(&f, f.other, f.ahead);
  for (int64_t i = 0; i < f.size; i++)
    f.other[i] = f.weight[i] - step * f.along[i];
  loss_at(&f, f.other, f.behind);
  for (int64_t i = 0; i < f.size; i++)
    f.other[i] = (f.ahead[i] - f.behind[i]) / (2 * step);
  assert_true(norm(f.hessian, f.size) > 1e-3);
  assert_true(distance(f.hessian, f.other, f.size) < 1e-7 * norm(f.hessian, f.size));
  end(&f);
}

static void test_residual_network(void **state)
{
  (void)state;
  assert_derivatives(residual());
}

static void test_network_of_every_kind(void **state)
{
  (void)state;
  assert_derivatives(mixed());
}

static void test_shared_weights(void **state)
{
  (void)state;
  assert_derivatives(tied());
}

/* The loss is that of the executor's logits. */
static void test_loss(void **state)
{
  (void)state;
  facet_network *network[] = {residual(), mixed(), tied()};
  for (int i = 0; i < 3; i++) {
    fixture f = begin(network[i]);
    facet_executor *x;
    double logits[MOST_SAMPLES * CLASSES], wanted = 0;
    int64_t features = facet_shape_size(facet_network_input_shape(f.network));
    double *samples = numbers(MOST_SAMPLES * features);
    for (int64_t j = 0; j < MOST_SAMPLES * features; j++)
      samples[j] = f.x[j];
    facet_executor_options options = {.real = FACET_F64, .batch = MOST_SAMPLES};
    assert_int_equal(facet_executor_create(f.network, options, &x), FACET_OK);
    assert_int_equal(facet_executor_forward(x, samples, MOST_SAMPLES), FACET_OK);
    assert_int_equal(facet_executor_output(x, logits), FACET_OK);
    for (int s = 0; s < MOST_SAMPLES; s++)
      wanted += facet_cross_entropy(logits + s * CLASSES, CLASSES, f.label[s]) / MOST_SAMPLES;
    assert_true(fabs(loss_at(&f, f.weight, f.gradient) - wanted) < 1e-13 * wanted);
    facet_executor_destroy(&x);
    free(samples);
    end(&f);
  }
}

static void test_labels_out_of_range(void **state)
{
  (void)state;
  fixture f = begin(tied());
  facet_loss_derivatives found = {.gradient = f.gradient};
  f.label[3] = CLASSES;
  assert_int_equal(
      facet_derivative_loss(f.derivative, f.weight, NULL, (facet_labelled){f.x, f.label, MOST_SAMPLES}, &found),
      FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "label 3 of sample 3 is not in 0 .. 2");
  end(&f);
}

/* Through a plain ReLU network R = 1^T |W3| |W2| |W1| 1, and w dR/dw summed over any layer is R. */
static void test_flow(void **state)
{
  (void)state;
  facet_network *network[] = {residual(), mixed()};
  for (int n = 0; n < 2; n++) {
    facet_derivative *d;
    double flow, one, sum = 0;
    assert_int_equal(facet_derivative_create(network[n], (facet_derivative_options){.batch = 1, .absolute = true}, &d),
                     FACET_OK);
    int64_t size = facet_derivative_weights(d), head = n == 0 ? 12 : 270;
    double *w = numbers(size), *g = numbers(size), *other = numbers(size);
    facet_derivative_start(d, w);
    for (int64_t i = 0; i < size; i++)
      w[i] = fabs(w[i]);
    assert_int_equal(facet_derivative_flow(d, w, &flow, g), FACET_OK);
    for (int64_t i = size - head; i < size; i++)
      sum += w[i] * g[i];
    assert_true(fabs(sum - flow) < 1e-12 * flow);
    for (int64_t i = 0; i < size; i++) {
      double own = w[i];
      w[i] = own + 1e-6;
      assert_int_equal(facet_derivative_flow(d, w, &one, other), FACET_OK);
      assert_true(fabs((one - flow) / 1e-6 - g[i]) < 1e-5 * (fabs(g[i]) + 1));
      w[i] = own;
    }
    free(w);
    free(g);
    free(other);
    facet_derivative_destroy(&d);
    facet_network_destroy(&network[n]);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_residual_network),    cmocka_unit_test(test_network_of_every_kind),
      cmocka_unit_test(test_shared_weights),      cmocka_unit_test(test_loss),
      cmocka_unit_test(test_labels_out_of_range), cmocka_unit_test(test_flow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
