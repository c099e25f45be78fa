/* Attributions by gradients at other inputs (the executor's, batch by batch) and by rules of propagation
 * (net/rules.h), next to the exact ones: one table of methods. */
#include <math.h>
#include <string.h>

#include "attributor.h"
#include "base/base.h"

enum { BATCH = 8 };

/* ---- what methods share ---- */

/* The sum of weight[i] times the gradients of a row at `count` inputs, each made by `at`. */
typedef facet_status (*place)(facet_attributor *a, const facet_explained *what, int64_t i, double *x, double *weight);

static facet_status add_gradients(facet_attributor *a, const facet_explained *what, int32_t row, int64_t count,
                                  place at, double *sum)
{
  double weight[BATCH];
  memset(sum, 0, (size_t)a->inputs * sizeof *sum);
  for (int64_t first = 0; first < count; first += a->batch) {
    int64_t now = count - first < a->batch ? count - first : a->batch;
    for (int64_t i = 0; i < now; i++) {
      FACET_TRY(at(a, what, first + i, a->x + i * a->inputs, &weight[i]));
      a->row[i] = row;
    }
    FACET_TRY(facet_executor_forward(a->executor, a->x, now));
    FACET_TRY(facet_executor_pullback(a->executor, a->row, a->w, a->b));
    for (int64_t i = 0; i < now; i++)
      for (int64_t d = 0; d < a->inputs; d++)
        sum[d] += weight[i] * a->w[i * a->inputs + d];
  }
  return FACET_OK;
}

/* What a method works with beside the executor. */
static facet_status need_rules(facet_attributor *a)
{
  if (a->rules)
    return FACET_OK;
  FACET_TRY(facet_rules_create(a->network, a->options.gamma, &a->rules));
  facet_rules_pauses(a->rules, a->options.pause, a->options.context);
  return FACET_OK;
}

static facet_status need_quadrature(facet_attributor *a)
{
  const facet_attribution_options *o = &a->options;
  if (o->node || a->node)
    return FACET_OK;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, a->node, o->steps);
  FACET_NEW_GO(done, status, a->weight, o->steps);
  status = facet_attribution_quadrature(o->steps, o->pause, o->context, a->node, a->weight);
done:
  if (status != FACET_OK) /* it is made anew then */
    FACET_FREE(&a->node, &a->weight);
  return status;
}

static facet_status need_path(facet_attributor *a)
{
  return a->path ? FACET_OK : facet_path_create(a->network, a->options.bytes, &a->path);
}

/* ---- gradients ---- */

/* The roots of the Legendre polynomial by Newton's method: each takes `steps` operations a round, of which four do. */
static void find_point(int64_t steps, int64_t i, double *node, double *weight)
{
  enum { ROUNDS = 16 };
  const double pi = 3.14159265358979323846;
  double x = -cos(pi * ((double)i + 0.75) / ((double)steps + 0.5)), slope = 1;
  for (int round = 0; round < ROUNDS; round++) {
    double value = x, before = 1, slope_before = 0;
    slope = 1;
    for (int64_t j = 2; j <= steps; j++) {
      double next = ((double)(2 * j - 1) * x * value - (double)(j - 1) * before) / (double)j;
      double steeper = slope_before + (double)(2 * j - 1) * value;
      slope_before = slope;
      slope = steeper;
      before = value;
      value = next;
    }
    double step = value / slope;
    x -= step;
    if (fabs(step) <= 0x1p-52)
      break;
  }
  *node = (1 + x) / 2;
  *weight = 1 / ((1 - x) * (1 + x) * slope * slope);
}

facet_status facet_attribution_quadrature(int64_t steps, facet_status (*pause)(void *context), void *context,
                                          double *node, double *weight)
{
  for (int64_t i = 0; i < steps; i++) {
    if (pause)
      FACET_TRY(pause(context));
    find_point(steps, i, &node[i], &weight[i]);
  }
  return FACET_OK;
}

static facet_status at_sample(facet_attributor *a, const facet_explained *what, int64_t i, double *x, double *weight)
{
  (void)i;
  memcpy(x, what->x, (size_t)a->inputs * sizeof *x);
  *weight = 1;
  return FACET_OK;
}

static facet_status gradient(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  return add_gradients(a, what, row, 1, at_sample, to);
}

static facet_status gradient_x_input(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  FACET_TRY(gradient(a, what, row, to));
  for (int64_t d = 0; d < a->inputs; d++)
    to[d] *= what->x[d];
  return FACET_OK;
}

static facet_status on_the_way(facet_attributor *a, const facet_explained *what, int64_t i, double *x, double *weight)
{
  const facet_attribution_options *o = &a->options;
  double t = o->node ? o->node[i] : a->node[i];
  for (int64_t d = 0; d < a->inputs; d++)
    x[d] = what->baseline[d] + t * (what->x[d] - what->baseline[d]);
  *weight = o->node ? o->weight[i] : a->weight[i];
  return FACET_OK;
}

static facet_status integrated_gradients(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  FACET_TRY(add_gradients(a, what, row, a->options.steps, on_the_way, to));
  for (int64_t d = 0; d < a->inputs; d++)
    to[d] *= what->x[d] - what->baseline[d];
  return FACET_OK;
}

static facet_status with_noise(facet_attributor *a, const facet_explained *what, int64_t i, double *x, double *weight)
{
  double least = what->x[0], largest = what->x[0];
  for (int64_t d = 1; d < a->inputs; d++) {
    least = fmin(least, what->x[d]);
    largest = fmax(largest, what->x[d]);
  }
  facet_attribution_noise(a->options.seed, what->number, i, a->inputs, a->noise);
  for (int64_t d = 0; d < a->inputs; d++)
    x[d] = what->x[d] + a->options.noise * (largest - least) * a->noise[d];
  *weight = 1 / (double)a->options.noisy;
  return FACET_OK;
}

static facet_status smoothgrad(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  return add_gradients(a, what, row, a->options.noisy, with_noise, to);
}

/* Pieces are found once for all rows, which takes as long as two of them. */
static facet_status exact_integrated_gradients(facet_attributor *a, const facet_explained *what, double *to)
{
  facet_path_result result = {.row = a->path_row, .attribution = to, .total = a->total};
  const facet_path_options options = {
      .given = what->row, .k = what->k, .pause = a->options.pause, .context = a->options.context};
  return facet_path_follow(a->path, what->baseline, what->x, &options, &result);
}

/* ---- rules ---- */

static facet_status lrp_epsilon(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  return facet_rules_lrp(a->rules, what->x, a->options.epsilon, false, row, to);
}

static facet_status lrp_gamma(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  return facet_rules_lrp(a->rules, what->x, a->options.epsilon, true, row, to);
}

static facet_status deeplift(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  return facet_rules_deeplift(a->rules, what->x, what->baseline, row, to);
}

/* A number of the map for each pixel, the nearest as torch.nn.functional.interpolate has it, for all of its channels.
 */
static void enlarge(facet_attributor *a, facet_shape map, double *to)
{
  facet_image image = a->options.image;
  int64_t plane = facet_image_plane(image);
  for (int64_t i = 0; i < a->inputs; i++) {
    int64_t y = i % plane / image.width * map.dim[0] / image.height, x = i % image.width * map.dim[1] / image.width;
    a->picture[i] = a->map[y * map.dim[1] + x];
  }
  if (a->options.layout)
    facet_input_arrange(a->options.layout, image, 1, sizeof *to, a->picture, to);
  else
    memcpy(to, a->picture, (size_t)a->inputs * sizeof *to);
}

static facet_status gradcam(facet_attributor *a, const facet_explained *what, int32_t row, double *to)
{
  facet_shape map = facet_rules_map(a->rules);
  if (map.rank != 2 || (a->options.image.height == 1 && map.dim[0] > 1)) { /* samples are no pictures */
    for (int64_t d = 0; d < a->inputs; d++)
      to[d] = NAN;
    return FACET_OK;
  }
  if (!a->map)
    FACET_NEW(a->map, facet_shape_size(map));
  FACET_TRY(facet_rules_gradcam(a->rules, what->x, row, a->map));
  enlarge(a, map, to);
  return FACET_OK;
}

/* ---- the table ---- */

/* STEPS, NOISY: so many gradients as well, which take as long as 2 forward passes and a half. */
enum { ONCE = 0, STEPS = 1, NOISY = 2 };
static const double gradient_passes = 2.5, rules_passes = 20; /* rules: by the reference kernels */

static const struct {
  const char *name;
  facet_status (*make)(facet_attributor *a, const facet_explained *what, int32_t row, double *to); /* NULL: */
  facet_status (*make_all)(facet_attributor *a, const facet_explained *what, double *to); /* all rows at once */
  facet_status (*need)(facet_attributor *a);                                              /* NULL: nothing */
  bool adds_up;
  int gradients;
  double passes;
  const char *about;
} methods[] = {
    {"gradient", gradient, NULL, NULL, false, ONCE, gradient_passes,
     "the row of W: what the logit gains per normalised input (`captum.attr.Saliency`, with its sign)"},
    {"gradient_x_input", gradient_x_input, NULL, NULL, true, ONCE, gradient_passes,
     "W times the normalised input: with b, the exact parts of the logit (`captum.attr.InputXGradient`)"},
    {"integrated_gradients", integrated_gradients, NULL, need_quadrature, true, STEPS, 0,
     "the input less the baseline, times the mean gradient on the straight way between them, by a Gauss-Legendre "
     "quadrature of `steps` points (`captum.attr.IntegratedGradients`)"},
    {"exact_integrated_gradients", NULL, exact_integrated_gradients, need_path, true, ONCE, 0,
     "the same integral itself, piece by piece ([paths](results.md#paths))"},
    {"smoothgrad", smoothgrad, NULL, NULL, false, NOISY, 0,
     "the mean gradient at `noisy` inputs with normal noise, whose deviation is `noise` times the sample's range "
     "(`captum.attr.NoiseTunnel` of `Saliency`, with its sign)"},
    {"lrp_epsilon", lrp_epsilon, NULL, need_rules, true, ONCE, rules_passes,
     "layer-wise relevance propagation, node by node as the network has them: R_j = u_j sum_i w_ij R_i / (z_i + "
     "`epsilon` "
     "sign z_i) (`captum.attr.LRP`, `EpsilonRule`)"},
    {"lrp_gamma", lrp_gamma, NULL, need_rules, true, ONCE, rules_passes,
     "the same, with weights w + `gamma` max(w, 0) in convolutions and dense layers (`GammaRule`)"},
    {"deeplift", deeplift, NULL, need_rules, true, ONCE, rules_passes,
     "DeepLIFT's rescale rule: slopes of gates are secants between baseline and sample (`captum.attr.DeepLift`; "
     "windows of "
     "max pools that overlap add up)"},
    {"gradcam", gradcam, NULL, need_rules, false, ONCE, rules_passes,
     "Grad-CAM at the output of the last convolution, negative numbers as 0, each pixel with the nearest of the map, "
     "in "
     "every channel (`captum.attr.LayerGradCam`, `LayerAttribution.interpolate`); NaN without a convolution"},
};
enum { METHODS = sizeof methods / sizeof methods[0] };

const char *facet_attribution_name(int method)
{
  return method >= 0 && method < METHODS ? methods[method].name : NULL;
}

int facet_attribution_find(const char *name)
{
  for (int i = 0; i < METHODS; i++)
    if (strcmp(methods[i].name, name) == 0)
      return i;
  return -1;
}

const char *facet_attribution_about(int method)
{
  return methods[method].about;
}

bool facet_attribution_adds_up(int method)
{
  return methods[method].adds_up;
}

double facet_attribution_passes(int method, int64_t steps, int64_t noisy)
{
  int gradients = methods[method].gradients;
  return methods[method].passes + gradient_passes * (gradients == STEPS   ? (double)steps
                                                     : gradients == NOISY ? (double)noisy
                                                                          : 0);
}

facet_status facet_attributor_ready(facet_attributor *a, int method)
{
  FACET_CHECK(facet_attribution_name(method), FACET_INTERNAL, "no attribution of number %d", method);
  return methods[method].need ? methods[method].need(a) : FACET_OK;
}

facet_status facet_attributor_explain(facet_attributor *a, int method, const facet_explained *what, double *attribution)
{
  FACET_TRY(facet_attributor_ready(a, method));
  for (int64_t k = 0; k < what->k; k++)
    FACET_CHECK(what->row[k] >= 0 && what->row[k] < a->classes, FACET_INTERNAL, "row %d of %lld outputs", what->row[k],
                (long long)a->classes);
  if (methods[method].make_all)
    return methods[method].make_all(a, what, attribution);
  for (int64_t k = 0; k < what->k; k++)
    FACET_TRY(methods[method].make(a, what, what->row[k], attribution + k * a->inputs));
  return FACET_OK;
}

/* ---- memory ---- */

static facet_status make(facet_attributor *a)
{
  facet_executor_options options = {
      .kernels = facet_kernels_find("exact"), .real = FACET_F64, .batch = a->batch, .rows = 1};
  FACET_TRY(facet_executor_create(a->network, options, &a->executor));
  facet_executor_pauses(a->executor, a->options.pause, a->options.context);
  FACET_NEW(a->x, a->batch * a->inputs);
  FACET_NEW(a->w, a->batch * a->inputs);
  FACET_NEW(a->b, a->batch * facet_executor_constant_nodes(a->executor));
  FACET_NEW(a->row, a->batch);
  FACET_NEW(a->noise, a->inputs);
  FACET_NEW(a->logits, a->batch * a->classes);
  FACET_NEW(a->picture, a->inputs);
  FACET_NEW(a->total, a->classes);
  FACET_NEW(a->path_row, a->classes);
  return FACET_OK;
}

facet_status facet_attributor_create(const facet_network *network, const facet_attribution_options *o,
                                     facet_attributor **attributor)
{
  facet_attributor *a;
  *attributor = NULL;
  FACET_TRY(facet_network_need_pieces(network, "attributions"));
  FACET_CHECK(o->steps > 0 && o->steps <= FACET_ATTRIBUTION_STEPS, FACET_BAD_INPUT, "steps: %lld is not in [1, %d]",
              (long long)o->steps, FACET_ATTRIBUTION_STEPS);
  FACET_CHECK(o->noisy > 0 && o->noise >= 0 && o->epsilon > 0 && o->gamma >= 0 &&
                  facet_image_inputs(o->image) == facet_network_inputs(network),
              FACET_INTERNAL, "attributions of %lld noisy samples", (long long)o->noisy);
  FACET_NEW(a, 1);
  a->network = network;
  a->options = *o;
  a->inputs = facet_network_inputs(network);
  a->classes = facet_network_outputs(network);
  a->batch = BATCH;
  facet_status status = make(a);
  if (status != FACET_OK)
    facet_attributor_destroy(&a);
  *attributor = a;
  return status;
}

void facet_attributor_destroy(facet_attributor **attributor)
{
  facet_attributor *a = *attributor;
  if (!a)
    return;
  facet_executor_destroy(&a->executor);
  facet_rules_destroy(&a->rules);
  facet_path_destroy(&a->path);
  FACET_FREE(&a->node, &a->weight, &a->total, &a->path_row, &a->x, &a->w, &a->b, &a->row, &a->noise, &a->logits,
             &a->map, &a->picture);
  facet_free(attributor);
}

facet_status facet_attributor_logits(facet_attributor *a, const double *x, int64_t count, double *logits)
{
  for (int64_t first = 0; first < count; first += a->batch) {
    int64_t now = count - first < a->batch ? count - first : a->batch;
    FACET_TRY(facet_executor_forward(a->executor, x + first * a->inputs, now));
    FACET_TRY(facet_executor_output(a->executor, logits + first * a->classes));
  }
  return FACET_OK;
}
