/* What rounding may have done to the values of a forward pass in double, and so which gates and maxima are ties.
 *
 * On constant background many candidates of a max pool are equal, and what is added up to nothing is 0, in exact
 * arithmetic alone: computed, the last bits say otherwise, and differently on another machine.  So what is within
 * rounding is decided by a rule: such a gate is closed (on its lower piece), and of such candidates the first wins.
 *
 * A sum of n terms, in whatever order and with whatever instructions, is off by no more than n eps times the sum of
 * its terms' sizes (Higham 2002, section 4.2; Jeannerod & Rump 2013).  `size` bounds that sum for all elements of a
 * value: by the largest input and the largest sum of weights where a step is linear, by what the size of its inputs
 * can become elsewhere.  What came to a linear step with its inputs is off by as much, in units of their own size, and
 * no one aligned it with the weights: it adds up as roots of sums of squares do (Higham & Mary 2019), at most to the
 * same share of the new size.  So the shares add, and `terms` of a value counts the terms on the longest way to it.
 *
 * That is far above what happens, and far below float: a network of 10^5 terms decides what is within 10^-11 or so.
 * Where the bound itself decides, two machines agree unless a difference falls on it to the last digits. */
#include <math.h>

#include "executor.h"

/* Of the input: scaled and normalized, which is a few operations. */
enum { INPUT_TERMS = 4 };

static double larger(double a, double b)
{
  return b > a ? b : a;
}

static double *size_of(const facet_executor *x, int value)
{
  return x->size + (int64_t)value * x->options.batch;
}

static double largest_of(const facet_executor *x, int value, const void *array)
{
  return array ? x->e->largest(facet_value_size(x, value), array) : 0;
}

/* Of a constant that is added element by element, or none. */
static double largest_shift(const facet_lowered *l)
{
  double most = 0;
  for (int64_t i = 0; l->shift && i < facet_shape_size(l->shift->shape); i++)
    most = larger(most, fabs(facet_tensor_get(l->shift, i)));
  return most;
}

/* Constants that a linear step adds by channel. */
static double largest_constant(const facet_executor *x, const facet_step *step)
{
  int64_t images, channels = facet_step_channels(x, step, &images).channels;
  double most = 0;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0;
    for (int k = 0; k < step->sources; k++)
      sum += step->source[k].by_channel ? fabs(step->source[k].by_channel[c]) : 0;
    most = larger(most, sum);
  }
  return most;
}

/* Over the windows: the largest sum of factors, and the most terms. */
static void widest_window(const facet_executor *x, const facet_step *step, double *gain, double *terms)
{
  const facet_lowered *l = step->lowered;
  int64_t windows = l->flat ? facet_value_size(x, step->output) : x->layout[step->output].spatial;
  for (int64_t s = 0; s < windows; s++) {
    double sum = 0;
    for (int64_t t = l->begin[s]; t < l->begin[s + 1]; t++)
      sum += l->tap ? fabs(l->tap[t]) : 1;
    *gain = larger(*gain, sum * fabs(l->weight_of[s]));
    *terms = larger(*terms, (double)(l->begin[s + 1] - l->begin[s] + 1));
  }
}

/* What one unit of an input's size, and the step's constants, can become; and how many terms the step adds. */
static void weigh(const facet_executor *x, facet_step *step, double *terms)
{
  const facet_lowered *l = step->lowered;
  int64_t channels = facet_value_size(x, step->output) / x->layout[step->output].spatial;
  double *gain = &step->gain, *constant = &step->constant;
  *constant = largest_shift(l);
  switch (l->kind) {
  case KIND_LINEAR: /* its own refresh knows the weights */
    *terms = (double)step->terms;
    *constant += largest_constant(x, step);
    break;
  case KIND_DIAGONAL:
    channels = l->by_channel ? channels : facet_value_size(x, step->output);
    *gain = x->e->largest(channels, step->scale);
    *constant = x->e->largest(channels, step->shift);
    *terms = 2;
    break;
  case KIND_SUM: /* of each input its own: see facet_rounding_follow */
    *terms = step->inputs + 1;
    break;
  case KIND_GATE:
    *gain = largest_of(x, step->output, step->slope_of);
    for (int p = 0; p < l->pieces; p++) {
      *gain = larger(*gain, fabs(l->slope[p]));
      *constant = larger(*constant, fabs(l->offset[p]));
    }
    *terms = 2;
    break;
  case KIND_SELECT:
    *gain = 1;
    for (int k = 0; k < l->constants; k++)
      *constant = larger(*constant, largest_of(x, step->output, step->rival[k]));
    break;
  case KIND_MOVE:
    *gain = 1;
    *constant = largest_of(x, step->output, step->constants);
    break;
  case KIND_CURVE: /* these by what the sample makes of them: see facet_rounding_follow */
    *terms = 2;
    break;
  case KIND_SCALE:
    *terms = 1;
    break;
  case KIND_NORM: /* its own forward pass knows */
    *terms = (double)l->length;
    break;
  case KIND_PRODUCT:
    *terms = (double)l->inner;
    break;
  case KIND_CONSTANT: /* of a Softmax no derivative is larger */
    *gain = 0.5;
    *constant = 1;
    *terms = (double)l->length;
    break;
  case KIND_WINDOW:
    *gain = l->maximum ? 1 : 0;
    if (!l->maximum)
      widest_window(x, step, gain, terms);
    break;
  }
}

facet_status facet_rounding_create(facet_executor *x)
{
  if (x->options.real != FACET_F64 || x->options.training)
    return FACET_OK;
  FACET_TRY(facet_executor_own(x, (size_t)(x->network->values * x->options.batch), sizeof *x->size, &x->size));
  return facet_executor_own(x, (size_t)x->network->values, sizeof *x->terms, &x->terms);
}

void facet_rounding_refresh(facet_executor *x)
{
  if (!x->size)
    return;
  x->terms[x->network->input] = INPUT_TERMS;
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    double own = 0, before = 0;
    weigh(x, step, &own);
    for (int j = 0; j < step->inputs; j++) /* what errors of two factors make adds up */
      before = step->inputs - step->ways == 1 && step->ways == 1 ? before + x->terms[step->input[j]]
                                                                 : larger(before, x->terms[step->input[j]]);
    x->terms[step->output] = before + own;
  }
}

void facet_rounding_begin(facet_executor *x)
{
  int input = x->network->input;
  int64_t elements = facet_value_size(x, input);
  for (int64_t s = 0; x->size && s < x->count; s++)
    size_of(x, input)[s] = x->e->largest(elements, facet_at(x, facet_value_data(x, x->slot[input]), s * elements));
}

/* The smallest there is of one sample. */
static double least_of(const facet_executor *x, const facet_step *step, int j, int64_t s)
{
  facet_layout layout = x->layout[step->input[j]];
  const double *u = (const double *)facet_value_data(x, step->in_slot[j]) + s * facet_layout_size(layout);
  double least = INFINITY;
  for (int64_t i = 0; i < layout.channels * layout.spatial; i++)
    least = fmin(least, fabs(u[facet_layout_at(layout, i / layout.spatial, i % layout.spatial)]));
  return least;
}

/* Of a product, that of its factors' sizes; of u / f, that of u and of f / f^2, f the smallest there is; of a curve, as
 * steep as it is there. */
static double frozen_size(const facet_executor *x, const facet_step *step, int64_t s)
{
  const facet_lowered *l = step->lowered;
  double size = size_of(x, step->input[0])[s];
  if (l->kind == KIND_CURVE) {
    int64_t elements = facet_value_size(x, step->input[0]);
    double most = x->e->largest(elements, facet_at(x, facet_value_data(x, step->in_slot[0]), s * elements));
    double least = l->curve->at_least ? least_of(x, step, 0, s) : 0;
    return l->curve->steepest(l->parameter, least, most) * size + fabs(l->at_zero);
  }
  size *= size_of(x, step->input[1])[s];
  if (l->kind == KIND_PRODUCT)
    return size * (double)l->inner;
  double least = l->inverse ? least_of(x, step, 1, s) : 1;
  return size / (least * least);
}

void facet_rounding_grow(facet_executor *x, const facet_step *step, int64_t sample, double gain, double constant)
{
  if (x->size)
    size_of(x, step->output)[sample] = gain * size_of(x, step->input[0])[sample] + constant;
}

void facet_rounding_follow(facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  for (int64_t s = 0; x->size && s < x->count; s++) {
    double size = 0;
    if (facet_kind_is_factor(l->kind) || l->kind == KIND_PRODUCT) {
      size_of(x, step->output)[s] = frozen_size(x, step, s);
      continue;
    }
    for (int j = 0; j < step->inputs; j++) {
      int64_t elements = facet_value_size(x, step->input[j]);
      if (l->kind == KIND_LINEAR)
        size = x->e->largest(elements, facet_at(x, facet_value_data(x, step->in_slot[j]), s * elements));
      else if (l->kind == KIND_SUM)
        size += fabs(l->coefficient[j]) * size_of(x, step->input[j])[s];
      else
        size = larger(size, size_of(x, step->input[j])[s]);
    }
    size_of(x, step->output)[s] = (l->kind == KIND_SUM ? 1 : step->gain) * size + step->constant;
  }
}

double facet_rounding(const facet_executor *x, int value, int64_t sample)
{
  return x->size ? 0x1p-52 * x->terms[value] * size_of(x, value)[sample] : -1;
}
