/* Whether a network gives the numbers that a case expects, and whether its linearization is exact there.
 *
 * Expected outputs are those of NumPy in the type of the case, mostly float: off by a few units in the last place of
 * the largest terms, more where many are summed (1.3e-6 of the largest output was the worst in all of the package).  In
 * double, facet's own error does not count; in float both have such errors. */
#include <float.h>
#include <math.h>

#include "case.h"
#include "onnx/tensor_proto.h"

static const double RELATIVE_F64 = 2e-6, RELATIVE_F32 = 1e-5, RELATIVE_HALF = 1e-3; /* of the largest output */
static const double RESIDUAL_F64 = 1e-12, RESIDUAL_F32 = 1e-5;
static const double STEP = 0x1p-24, SLOPE = 1e-6; /* of the difference along a line; its error, relative */

enum { MOST_ROWS = 8, ROWS_AT_ONCE = 3 }; /* more would take minutes; three, so that there are several chunks */

/* One network, one precision, all samples of the data. */
typedef struct {
  facet_type real;
  facet_executor *executor;
  int64_t count, d, k, rows; /* samples, inputs and outputs of one, rows of W */
  double *x, *y;             /* count x d, count x k */
  void *work;                /* count x d of the type */
  int32_t *row, *ties;
  facet_linearization linear;
} trial;

/* What the executor takes: x + step * direction, in its own type. */
static const void *samples(trial *t, double step)
{
  for (int64_t i = 0; i < t->count * t->d; i++) {
    double value = t->x[i];
    if (step > 0)
      value += step * (2 * facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) - 1);
    if (t->real == FACET_F64)
      ((double *)t->work)[i] = value;
    else
      ((float *)t->work)[i] = (float)value;
  }
  return t->work;
}

static double *numbers_of(const facet_tensor *tensor)
{
  int64_t size = facet_shape_size(tensor->shape);
  double *numbers = facet_allocate((size_t)size, sizeof *numbers);
  for (int64_t i = 0; numbers && i < size; i++)
    numbers[i] = facet_tensor_get(tensor, i);
  return numbers;
}

/* As many samples as the data holds inputs of the network; the rows are spread over its outputs. */
static facet_status trial_begin(trial *t, const facet_network *network, facet_type real, const facet_tensor *data)
{
  int64_t size = facet_shape_size(data->shape);
  *t = (trial){
      .real = real, .d = facet_shape_size(facet_network_input_shape(network)), .k = facet_network_outputs(network)};
  t->count = size / t->d;
  t->rows = t->k < MOST_ROWS ? t->k : MOST_ROWS;
  FACET_CHECK(t->count * t->d == size, FACET_INTERNAL, "%lld numbers are no samples of %lld", (long long)size,
              (long long)t->d);
  facet_executor_options options = {.kernels = real == FACET_F64 ? &facet_kernels_reference : NULL,
                                    .real = real,
                                    .batch = t->count,
                                    .rows = t->rows < ROWS_AT_ONCE ? t->rows : ROWS_AT_ONCE};
  FACET_TRY(facet_executor_create(network, options, &t->executor));
  int64_t rows = t->count * t->rows;
  t->x = numbers_of(data);
  FACET_NEW(t->y, t->count * t->k);
  FACET_NEW(t->row, rows);
  t->work = facet_allocate((size_t)size, sizeof(double));
  t->linear.w = facet_allocate((size_t)(rows * t->d), sizeof(double));
  FACET_NEW(t->linear.b, rows);
  FACET_NEW(t->linear.b_node, rows * facet_executor_constant_nodes(t->executor));
  FACET_NEW(t->linear.residual, t->count);
  FACET_NEW(t->linear.ties, t->count);
  for (int64_t i = 0; i < rows; i++) {
    int64_t r = i % t->rows;
    t->row[i] = (int32_t)(t->rows > 1 ? r * (t->k - 1) / (t->rows - 1) : 0);
  }
  return t->x && t->work && t->linear.w ? FACET_OK : FACET_OS;
}

static void trial_end(trial *t)
{
  facet_executor_destroy(&t->executor);
  void *owned[] = {&t->x,          &t->y,        &t->work,          &t->row,
                   &t->linear.w,   &t->linear.b, &t->linear.b_node, &t->linear.residual,
                   &t->linear.ties};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
}

static facet_status check_output(const trial *t, const facet_tensor *expected, double relative)
{
  int64_t size = facet_shape_size(expected->shape);
  double largest = 0;
  FACET_CHECK(t->count * t->k == size, FACET_INTERNAL, "%lld samples of %lld outputs, expected %lld in all",
              (long long)t->count, (long long)t->k, (long long)size);
  for (int64_t i = 0; i < size; i++)
    largest = fmax(largest, fabs(facet_tensor_get(expected, i)));
  for (int64_t i = 0; i < size; i++)
    FACET_CHECK(fabs(t->y[i] - facet_tensor_get(expected, i)) <= relative * largest, FACET_INTERNAL,
                "element %lld of the output is %.9g, expected %.9g", (long long)i, t->y[i],
                facet_tensor_get(expected, i));
  return FACET_OK;
}

static facet_status check_residual(const trial *t)
{
  double bound = t->real == FACET_F64 ? RESIDUAL_F64 : RESIDUAL_F32;
  for (int64_t s = 0; s < t->count; s++) /* NaN fails, too */
    FACET_CHECK(t->linear.residual[s] <= bound, FACET_INTERNAL, "sample %lld has residual %.3g", (long long)s,
                t->linear.residual[s]);
  return FACET_OK;
}

/* F(x + h u) = F(x) + h W u near x, for one direction u. Not where a gate is at its kink. */
static facet_status check_slope(trial *t)
{
  double *before = t->y, *after;
  FACET_NEW(after, t->count * t->k);
  facet_status status = facet_executor_forward(t->executor, samples(t, STEP), t->count);
  if (status == FACET_OK)
    status = facet_executor_output(t->executor, after);
  for (int64_t i = 0; i < t->count * t->rows && status == FACET_OK; i++) {
    int64_t s = i / t->rows, at = s * t->k + t->row[i];
    const double *w = (const double *)t->linear.w + i * t->d, *x = t->x + s * t->d;
    const double *moved = (const double *)t->work + s * t->d;
    double slope = 0, scale = fmax(1, fabs(before[at]));
    for (int64_t j = 0; j < t->d; j++) {
      slope += w[j] * ((moved[j] - x[j]) / STEP);
      scale = fmax(scale, fabs(w[j]));
    }
    double seen = (after[at] - before[at]) / STEP;
    if (t->linear.ties[s] == 0 && !(fabs(slope - seen) <= SLOPE * scale))
      status = facet_raise(FACET_INTERNAL, "sample %lld, row %d: slope %.9g along a line, by W %.9g", (long long)s,
                           (int)t->row[i], seen, slope);
  }
  facet_free(&after);
  return status;
}

static facet_status check(trial *t, const facet_tensor *expected, double relative)
{
  FACET_TRY(facet_executor_forward(t->executor, samples(t, 0), t->count));
  FACET_TRY(facet_executor_output(t->executor, t->y));
  FACET_TRY(check_output(t, expected, relative));
  FACET_TRY(facet_executor_settle(t->executor, t->x));
  FACET_TRY(facet_linearize(t->executor, t->work, t->count, t->rows, t->row, &t->linear));
  FACET_TRY(check_residual(t));
  bool smooth = !facet_network_is_piecewise_linear(facet_executor_network(t->executor)); /* W is no Jacobian */
  return t->real == FACET_F64 && !smooth ? check_slope(t) : FACET_OK;
}

static facet_status check_in(const facet_network *network, facet_type real, const facet_tensor *data,
                             const facet_tensor *expected, bool half)
{
  trial t;
  double relative = half ? RELATIVE_HALF : real == FACET_F64 ? RELATIVE_F64 : RELATIVE_F32;
  facet_status status = trial_begin(&t, network, real, data);
  if (status == FACET_OK)
    status = check(&t, expected, relative);
  trial_end(&t);
  return status == FACET_OK ? FACET_OK : facet_raise_in(FACET_INTERNAL, "%s: ", real == FACET_F64 ? "double" : "float");
}

/* Some cases in double hold numbers that are too large for float. */
static bool fits_float(const facet_tensor *t)
{
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    if (fabs(facet_tensor_get(t, i)) > (double)FLT_MAX)
      return false;
  return true;
}

facet_status numbers_check(const facet_network *network, const Onnx__TensorProto *data,
                           const Onnx__TensorProto *expected)
{
  facet_tensor *x = NULL, *y = NULL;
  bool half = expected->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  facet_status status = facet_tensor_from_proto(data, NULL, &x);
  if (status == FACET_OK)
    status = facet_tensor_from_proto(expected, NULL, &y);
  if (status == FACET_OK)
    status = check_in(network, FACET_F64, x, y, half);
  if (status == FACET_OK && fits_float(x) && fits_float(y))
    status = check_in(network, FACET_F32, x, y, half);
  facet_tensor_destroy(&x);
  facet_tensor_destroy(&y);
  return status;
}
