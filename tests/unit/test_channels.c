/* Dead channels: which ones are found, and that a network without them has the same logits, in double. */
#include <dirent.h>
#include <math.h>

#include "near.h"
#include "nets.h"

static int64_t drawn; /* so that no two tensors are alike */

static void add_noise(facet_network *n, const char *name, facet_shape shape, double scale)
{
  facet_tensor *t;
  assert_int_equal(facet_tensor_create(FACET_F64, shape, &t), FACET_OK);
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    facet_tensor_set(t, i, scale * noise((uint64_t)drawn++));
  assert_int_equal(facet_network_add_constant(n, name, t), FACET_OK);
}

/* A convolution with padding `pad`, named so that NAME.w and NAME.b are its constants. */
static void add_conv(facet_network *n, const char *input, const char *name, int64_t in, int64_t out, int64_t kernel,
                     int64_t pad, int64_t groups, bool bias)
{
  char weight[40], shift[40], inputs[140];
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(shift, sizeof shift, "%s.b", name);
  snprintf(inputs, sizeof inputs, bias ? "%s,%s,%s" : "%s,%s", input, weight, shift);
  add_noise(n, weight, (facet_shape){4, {out, in / groups, kernel, kernel}}, 1);
  if (bias)
    add_noise(n, shift, (facet_shape){1, {out}}, 1);
  facet_attribute *a = facet_allocate(2, sizeof *a);
  set_ints(&a[0], "pads", 4, (int64_t[]){pad, pad, pad, pad});
  a[1] = (facet_attribute){.name = facet_copy_text("group"), .kind = FACET_INT, .integer = groups};
  add_node(n, "Conv", inputs, name, 2, a);
}

static void add_norm(facet_network *n, const char *input, const char *name, int64_t channels)
{
  char part[4][40], inputs[200];
  static const char *const what[4] = {"gamma", "beta", "mean", "var"};
  for (int i = 0; i < 4; i++)
    snprintf(part[i], sizeof part[i], "%s.%s", name, what[i]);
  for (int i = 0; i < 3; i++)
    add_noise(n, part[i], (facet_shape){1, {channels}}, 1);
  double *variance = facet_allocate((size_t)channels, sizeof *variance);
  for (int64_t c = 0; c < channels; c++)
    variance[c] = 1 + 0.1 * (double)c;
  add_numbers(n, part[3], (facet_shape){1, {channels}}, variance);
  facet_free(&variance);
  snprintf(inputs, sizeof inputs, "%s,%s,%s,%s,%s", input, part[0], part[1], part[2], part[3]);
  add_node(n, "BatchNormalization", inputs, name, 0, NULL);
}

static void add_dense(facet_network *n, const char *input, const char *name, int64_t in, int64_t out)
{
  char weight[40], bias[40], inputs[140];
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(bias, sizeof bias, "%s.b", name);
  snprintf(inputs, sizeof inputs, "%s,%s,%s", input, weight, bias);
  add_noise(n, weight, (facet_shape){2, {out, in}}, 1);
  add_noise(n, bias, (facet_shape){1, {out}}, 1);
  add_node(n, "Gemm", inputs, name, 1, one_int("transB", 1));
}

static facet_tensor *constant_of(facet_network *n, const char *name)
{
  int v;
  assert_int_equal(facet_network_value(n, name, &v), FACET_OK);
  assert_non_null(n->value[v].constant);
  return n->value[v].constant;
}

/* Sets entry `at` along an axis of a constant. */
static void set_entry(facet_network *n, const char *name, int axis, int64_t at, double x)
{
  facet_tensor *t = constant_of(n, name);
  int64_t inner = 1;
  for (int d = axis + 1; d < t->shape.rank; d++)
    inner *= t->shape.dim[d];
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    if (i / inner % t->shape.dim[axis] == at)
      facet_tensor_set(t, i, x);
}

static void zero_filter(facet_network *n, const char *conv, int64_t channel)
{
  char name[48];
  snprintf(name, sizeof name, "%s.w", conv);
  set_entry(n, name, 0, channel, 0);
}

static void zero_reading(facet_network *n, const char *conv, int64_t channel)
{
  char name[48];
  snprintf(name, sizeof name, "%s.w", conv);
  set_entry(n, name, 1, channel, 0);
}

/* Logits of 5 samples. */
static void logits_of(const facet_network *n, double *logits)
{
  enum { SAMPLES = 5 };
  facet_executor *e;
  int64_t size = facet_shape_size(facet_network_input_shape(n));
  double *x = facet_allocate((size_t)(SAMPLES * size), sizeof *x);
  for (int64_t i = 0; i < SAMPLES * size; i++)
    x[i] = 2 * noise((uint64_t)(1000000 + i));
  facet_executor_options options = {.kernels = &facet_kernels_reference, .real = FACET_F64, .batch = SAMPLES};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  assert_int_equal(facet_executor_forward(e, x, SAMPLES), FACET_OK);
  assert_int_equal(facet_executor_output(e, logits), FACET_OK);
  facet_executor_destroy(&e);
  facet_free(&x);
}

static int64_t dead_in(const facet_network *n)
{
  facet_channels *channels;
  assert_int_equal(facet_channels_dead(n, &channels), FACET_OK);
  int64_t dead = channels->dead;
  facet_channels_destroy(&channels);
  return dead;
}

/* Whether a cut mask removes just the zeros that are there. */
static bool removes_zeros(const facet_mask *cut, const facet_network *smaller)
{
  facet_mask *zeros;
  assert_int_equal(facet_mask_of_zeros(smaller, &zeros), FACET_OK);
  bool same = zeros->layers == cut->layers;
  for (int l = 0; same && l < zeros->layers; l++)
    same = zeros->layer[l].value == cut->layer[l].value && zeros->layer[l].size == cut->layer[l].size &&
           memcmp(zeros->layer[l].keep, cut->layer[l].keep, (size_t)zeros->layer[l].size) == 0;
  facet_mask_destroy(&zeros);
  return same;
}

/* The mask of all zeros, cut, is that of all zeros. */
static void check_cut(const facet_network *network, const facet_network *smaller)
{
  facet_mask *zeros, *cut;
  assert_int_equal(facet_mask_of_zeros(network, &zeros), FACET_OK);
  assert_int_equal(facet_channels_cut_mask(network, zeros, &cut), FACET_OK);
  assert_true(removes_zeros(cut, smaller));
  facet_mask_destroy(&zeros);
  facet_mask_destroy(&cut);
}

/* Removes; judges the logits, and that nothing dead is left. Destroys the network. */
static void check_removal(facet_network **network, int64_t dead, int64_t parameters_gone)
{
  facet_network *smaller;
  double before[100], after[100];
  assert_int_equal(dead_in(*network), dead);
  facet_status status = facet_channels_remove(*network, &smaller);
  if (status != FACET_OK)
    fail_msg("%s", facet_message());
  assert_true(facet_network_outputs(*network) <= 20);
  logits_of(*network, before);
  logits_of(smaller, after);
  for (int64_t i = 0; i < 5 * facet_network_outputs(*network); i++)
    assert_near(after[i], before[i], 1e-12 * (1 + fabs(before[i])));
  if (parameters_gone >= 0)
    assert_int_equal(facet_network_parameters(*network) - facet_network_parameters(smaller), parameters_gone);
  assert_int_equal(dead_in(smaller), 0);
  check_cut(*network, smaller);
  facet_network_destroy(&smaller);
  facet_network_destroy(network);
}

/* conv - norm - relu - conv - relu - global pool - dense */
static facet_network *plain_net(int64_t second_kernel, int64_t second_pad)
{
  facet_network *n = begin_net((facet_shape){3, {2, 6, 6}});
  add_conv(n, "x", "a", 2, 4, 3, 1, 1, false);
  add_norm(n, "a", "an", 4);
  add_node(n, "Relu", "an", "ar", 0, NULL);
  add_conv(n, "ar", "b", 4, 5, second_kernel, second_pad, 1, false);
  add_node(n, "Relu", "b", "br", 0, NULL);
  add_node(n, "GlobalAveragePool", "br", "pool", 0, NULL);
  add_node(n, "Flatten", "pool", "flat", 0, NULL);
  add_dense(n, "flat", "logits", 5, 3);
  return n;
}

static void nothing_dead(void **state)
{
  (void)state;
  facet_network *n = end_net(plain_net(3, 1), "logits");
  check_removal(&n, 0, 0);
}

/* mean 0 and the given beta: what a zero filter then puts out. */
static void set_constant(facet_network *n, const char *norm, int64_t channel, double beta)
{
  char name[48];
  snprintf(name, sizeof name, "%s.mean", norm);
  set_entry(n, name, 0, channel, 0);
  snprintf(name, sizeof name, "%s.beta", norm);
  set_entry(n, name, 0, channel, beta);
}

static void zero_through_norm_and_relu(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1);
  zero_filter(n, "a", 1);
  set_constant(n, "an", 1, -0.5);
  end_net(n, "logits");
  check_removal(&n, 1, 2 * 9 + 4 + 5 * 9);
}

static void constant_at_padding_is_kept(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1);
  zero_filter(n, "a", 1);
  set_constant(n, "an", 1, 0.7);
  end_net(n, "logits");
  check_removal(&n, 0, 0);
}

static void constant_goes_into_a_new_bias(void **state)
{
  (void)state;
  for (int kernel = 1; kernel <= 3; kernel += 2) {
    facet_network *n = plain_net(kernel, 0);
    zero_filter(n, "a", 2);
    set_constant(n, "an", 2, 0.7);
    end_net(n, "logits");
    check_removal(&n, 1, 2 * 9 + 4 + 5 * kernel * kernel - 5);
  }
}

/* Only the taps that never meet the border read the constant. */
static void constant_at_the_center_tap(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1);
  zero_filter(n, "a", 2);
  set_constant(n, "an", 2, 0.7);
  facet_tensor *w = constant_of(n, "b.w");
  for (int64_t o = 0; o < 5; o++)
    for (int64_t t = 0; t < 9; t++)
      if (t != 4)
        facet_tensor_set(w, (o * 4 + 2) * 9 + t, 0);
  end_net(n, "logits");
  check_removal(&n, 1, 2 * 9 + 4 + 5 * 9 - 5);
}

static void channel_that_nobody_reads(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1);
  zero_reading(n, "b", 0);
  zero_reading(n, "b", 3);
  zero_reading(n, "logits", 4);
  end_net(n, "logits");
  /* of a, of its norm, of b's reading; then b's own filter over what is left, and a column */
  check_removal(&n, 3, 2 * (2 * 9 + 4 + 5 * 9) + 2 * 9 + 3);
}

static void one_channel_stays(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1);
  for (int64_t c = 0; c < 4; c++) {
    zero_filter(n, "a", c);
    set_constant(n, "an", c, -1);
  }
  end_net(n, "logits");
  facet_network *smaller;
  double before[15], after[15];
  assert_int_equal(facet_channels_remove(n, &smaller), FACET_OK);
  logits_of(n, before);
  logits_of(smaller, after);
  for (int i = 0; i < 15; i++)
    assert_near(after[i], before[i], 1e-12);
  assert_true(facet_network_parameters(smaller) < facet_network_parameters(n));
  facet_network_destroy(&smaller);
  facet_network_destroy(&n);
}

/* Two branches meet in an Add; what follows reads the sum. */
static facet_network *skip_net(void)
{
  facet_network *n = begin_net((facet_shape){3, {2, 6, 6}});
  add_conv(n, "x", "a", 2, 4, 3, 1, 1, true);
  add_node(n, "Relu", "a", "ar", 0, NULL);
  add_conv(n, "ar", "b", 4, 6, 3, 1, 1, true);
  add_node(n, "Relu", "b", "br", 0, NULL);
  add_conv(n, "br", "c", 6, 4, 3, 1, 1, false);
  add_norm(n, "c", "cn", 4);
  add_node(n, "Add", "cn,ar", "sum", 0, NULL);
  add_node(n, "Relu", "sum", "sr", 0, NULL);
  add_node(n, "MaxPool", "sr", "mp", 1, one_int("ceil_mode", 0));
  facet_attribute *a = facet_allocate(2, sizeof *a);
  set_ints(&a[0], "kernel_shape", 2, (int64_t[]){2, 2});
  set_ints(&a[1], "strides", 2, (int64_t[]){2, 2});
  facet_attributes_destroy(&n->node[n->nodes - 1].attribute, 1);
  n->node[n->nodes - 1].attribute = a;
  n->node[n->nodes - 1].attributes = 2;
  add_node(n, "Flatten", "mp", "flat", 0, NULL);
  add_dense(n, "flat", "logits", 36, 3);
  return n;
}

static void zero_branch_of_a_skip(void **state)
{
  (void)state;
  facet_network *n = skip_net(); /* dead in one branch alone: stays */
  zero_filter(n, "c", 1);
  end_net(n, "logits");
  check_removal(&n, 0, 0);
  n = skip_net(); /* in both: the constant goes into the dense layer's bias */
  zero_filter(n, "c", 1);
  zero_filter(n, "a", 1);
  zero_reading(n, "b", 1);
  set_constant(n, "cn", 1, 0.25);
  set_entry(n, "a.b", 0, 1, 0.5);
  end_net(n, "logits");
  check_removal(&n, 2, (2 * 9 + 1) + 6 * 9 + (6 * 9 + 4) + 9 * 3);
  n = skip_net(); /* but not if the other reader has padding */
  zero_filter(n, "c", 1);
  zero_filter(n, "a", 1);
  set_entry(n, "a.b", 0, 1, 0.5);
  end_net(n, "logits");
  check_removal(&n, 0, 0);
}

static void inner_channel_of_a_block(void **state)
{
  (void)state;
  facet_network *n = skip_net();
  zero_reading(n, "c", 5);
  zero_filter(n, "b", 0);
  set_entry(n, "b.b", 0, 0, -0.1);
  end_net(n, "logits");
  check_removal(&n, 2, 2 * (4 * 9 + 1 + 4 * 9));
}

static void depthwise(void **state)
{
  (void)state;
  for (int variant = 0; variant < 3; variant++) {
    facet_network *n = begin_net((facet_shape){3, {2, 5, 5}});
    add_conv(n, "x", "a", 2, 4, 1, 0, 1, true);
    add_conv(n, "a", "d", 4, 8, 3, 1, 4, true); /* two of every channel */
    add_node(n, "Clip", "d,lo,hi", "dr", 0, NULL);
    add_numbers(n, "lo", (facet_shape){0}, (double[]){0});
    add_numbers(n, "hi", (facet_shape){0}, (double[]){6});
    add_conv(n, "dr", "p", 8, 3, 1, 0, 1, false);
    add_node(n, "GlobalAveragePool", "p", "pool", 0, NULL);
    add_node(n, "Flatten", "pool", "logits", 0, NULL);
    if (variant != 1)
      zero_filter(n, "d", 2);
    if (variant == 0)
      zero_filter(n, "d", 3);
    if (variant == 1) { /* of its input: then its bias alone counts */
      zero_filter(n, "a", 1);
      set_entry(n, "a.b", 0, 1, 0);
    }
    set_entry(n, "d.b", 0, 2, 9); /* through the upper bound */
    end_net(n, "logits");
    if (variant == 2) /* the other one of the pair is alive */
      check_removal(&n, 0, 0);
    else
      check_removal(&n, 3, 3 + 2 * 10 + 2 * 3 - 3);
  }
}

static void flatten_into_dense(void **state)
{
  (void)state;
  for (int reshape = 0; reshape < 3; reshape++) {
    facet_network *n = begin_net((facet_shape){3, {1, 3, 3}});
    add_conv(n, "x", "a", 1, 3, 3, 1, 1, true);
    add_node(n, "Relu", "a", "ar", 0, NULL);
    facet_tensor *t;
    assert_int_equal(facet_tensor_create(FACET_I64, (facet_shape){1, {2}}, &t), FACET_OK);
    facet_tensor_set(t, 0, reshape == 1 ? 1 : -1);
    facet_tensor_set(t, 1, reshape == 1 ? -1 : 27);
    assert_int_equal(facet_network_add_constant(n, "target", t), FACET_OK);
    add_node(n, reshape ? "Reshape" : "Flatten", reshape ? "ar,target" : "ar", "flat", 0, NULL);
    add_noise(n, "w", (facet_shape){2, {27, 4}}, 1);
    add_node(n, "MatMul", "flat,w", "hidden", 0, NULL);
    add_noise(n, "c", (facet_shape){1, {4}}, 1);
    add_node(n, "Add", "hidden,c", "shifted", 0, NULL);
    add_node(n, "Relu", "shifted", "active", 0, NULL);
    add_dense(n, "active", "logits", 4, 2);
    zero_filter(n, "a", 1);
    set_entry(n, "a.b", 0, 1, 0.3);
    set_entry(n, "logits.w", 1, 2, 0); /* and a hidden unit that nobody reads */
    end_net(n, "logits");
    check_removal(&n, 2, 10 + 9 * 3 + 27 + 2 - 3);
  }
}

static void concat(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){3, {2, 4, 4}});
  add_conv(n, "x", "a", 2, 3, 3, 1, 1, true);
  add_conv(n, "x", "b", 2, 4, 1, 0, 1, true);
  add_node(n, "Concat", "a,b", "both", 1, one_int("axis", 1));
  add_norm(n, "both", "bn", 7);
  add_node(n, "LeakyRelu", "bn", "br", 1, one_float("alpha", 0.1));
  add_conv(n, "br", "c", 7, 3, 1, 0, 1, true);
  add_node(n, "GlobalAveragePool", "c", "pool", 0, NULL);
  add_node(n, "Flatten", "pool", "logits", 0, NULL);
  zero_filter(n, "a", 0);
  zero_filter(n, "b", 2);
  zero_reading(n, "c", 6);
  end_net(n, "logits");
  check_removal(&n, 3, 19 + 2 * 3 + 3 * (4 + 3));
}

static void add_list(facet_network *n, const char *name, int count, const int64_t *x)
{
  facet_tensor *t;
  assert_int_equal(facet_tensor_create(FACET_I64, (facet_shape){1, {count}}, &t), FACET_OK);
  memcpy(t->data, x, (size_t)count * sizeof *x);
  assert_int_equal(facet_network_add_constant(n, name, t), FACET_OK);
}

/* A shortcut that halves the image and pads channels, and one that takes a range of them. */
static void strided_and_padded_shortcut(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){3, {2, 4, 4}});
  add_conv(n, "x", "a", 2, 4, 3, 1, 1, true);
  add_node(n, "Relu", "a", "ar", 0, NULL);
  add_list(n, "starts", 2, (int64_t[]){0, 0});
  add_list(n, "ends", 2, (int64_t[]){INT64_MAX, INT64_MAX});
  add_list(n, "axes", 2, (int64_t[]){2, 3});
  add_list(n, "steps", 2, (int64_t[]){2, 2});
  add_node(n, "Slice", "ar,starts,ends,axes,steps", "half", 0, NULL);
  add_list(n, "pads", 8, (int64_t[]){0, 2, 0, 0, 0, 2, 0, 0});
  add_node(n, "Pad", "half,pads", "wide", 0, NULL);
  add_conv(n, "ar", "b", 4, 8, 3, 0, 1, true);
  add_node(n, "Add", "b,wide", "sum", 0, NULL);
  add_node(n, "Relu", "sum", "sr", 0, NULL);
  add_list(n, "from", 1, (int64_t[]){1});
  add_list(n, "to", 1, (int64_t[]){-1});
  add_list(n, "channels", 1, (int64_t[]){1});
  add_node(n, "Slice", "sr,from,to,channels", "inner", 0, NULL);
  add_conv(n, "inner", "c", 6, 3, 1, 0, 1, true);
  add_node(n, "GlobalAveragePool", "c", "pool", 0, NULL);
  add_node(n, "Flatten", "pool", "logits", 0, NULL);
  zero_filter(n, "b", 1); /* padded: the sum is its bias */
  zero_filter(n, "b", 4); /* with channel 2 of a */
  zero_filter(n, "a", 2);
  set_entry(n, "a.b", 0, 2, -1);
  zero_reading(n, "c", 5); /* channel 6 of the sum; 0 and 7 are not taken at all */
  end_net(n, "logits");
  check_removal(&n, 1 + 5, 19 + 5 * (3 * 9 + 1) + 9 * 8 + 3 * 3);
}

/* Whole groups, and a constant that two nodes share. */
static void groups_and_shared_constants(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){3, {2, 4, 4}});
  add_conv(n, "x", "a", 2, 6, 3, 1, 1, true);
  add_node(n, "BatchNormalization", "a,g,s,s,g", "an", 0, NULL);
  add_numbers(n, "g", (facet_shape){1, {6}}, (double[]){1, 2, 3, 4, 5, 6});
  add_numbers(n, "s", (facet_shape){1, {6}}, (double[]){0, 0, 0.1, 0.2, 0, 0});
  add_node(n, "Relu", "an", "ar", 0, NULL);
  add_conv(n, "ar", "b", 6, 6, 3, 1, 3, true); /* groups of two */
  add_node(n, "BatchNormalization", "b,g,s,s,g", "bn", 0, NULL);
  add_node(n, "Relu", "bn", "br", 0, NULL);
  add_conv(n, "br", "c", 6, 3, 1, 0, 1, true);
  add_node(n, "GlobalAveragePool", "c", "pool", 0, NULL);
  add_node(n, "Flatten", "pool", "logits", 0, NULL);
  zero_reading(n, "c", 0);
  zero_reading(n, "c", 1);
  zero_reading(n, "c", 5); /* half of a group: stays */
  end_net(n, "logits");
  check_removal(&n, 4, -1);
}

/* ---- pruned filters ---- */

/* Half the filters of every layer, applied. */
static facet_mask *prune_filters(facet_network *n)
{
  facet_mask *mask;
  facet_pruning how = {.method = facet_method_find("filter"), .scope = FACET_SCOPE_LAYER, .sparsity = 0.5};
  assert_int_equal(facet_mask_create(n, &how, NULL, &mask), FACET_OK);
  facet_mask_apply(mask, n);
  return mask;
}

static bool is_silenced(const facet_network *n, const facet_mask *mask, const char *name, int64_t index)
{
  for (int64_t i = 0; i < mask->silences; i++)
    if (strcmp(n->value[mask->silence[i].value].name, name) == 0 && mask->silence[i].index == index)
      return true;
  return false;
}

/* What goes with the filters of a layer: 0 where the filter is gone, as it was elsewhere. Counts them. */
static int check_company(facet_network *n, const facet_network *before, const facet_mask *mask, int layer,
                         const char *name)
{
  int silent = 0, value;
  const struct facet_mask_layer *l = &mask->layer[layer];
  const facet_tensor *now = constant_of(n, name);
  assert_int_equal(facet_network_value(n, name, &value), FACET_OK);
  int64_t filters = facet_shape_size(now->shape), each = l->size / filters;
  for (int64_t f = 0; f < filters; f++) {
    bool gone = !l->keep[f * each];
    assert_true(facet_tensor_get(now, f) == (gone ? 0 : facet_tensor_get(before->value[value].constant, f)));
    assert_true(is_silenced(n, mask, name, f) == gone);
    silent += gone;
  }
  return silent;
}

static void pruned_filters_are_silent(void **state)
{
  (void)state;
  facet_network *n = end_net(plain_net(3, 1), "logits"), *before;
  assert_int_equal(facet_network_copy(n, &before), FACET_OK);
  facet_mask *mask = prune_filters(n);
  assert_int_equal(check_company(n, before, mask, 0, "an.beta"), 2);
  assert_int_equal(check_company(n, before, mask, 0, "an.mean"), 2);
  assert_int_equal(mask->silences, 4); /* b has no company, and classes stay */
  facet_mask_destroy(&mask);
  facet_network_destroy(&before);
  check_removal(&n, 2 + 3, 2 * (2 * 9 + 4) + (4 * 5 - 2 * 2) * 9 + 3 * 3);
}

/* Inner channels go; those of the sum where both branches are silent. Their masks go with them, and hold what is left:
 * the silent filters of one branch. */
static void pruned_filters_around_a_skip(void **state)
{
  (void)state;
  drawn = 5000; /* weights of which some filters of both branches are the least */
  facet_network *n = end_net(skip_net(), "logits"), *smaller;
  facet_mask *mask = prune_filters(n), *cut;
  int both = 0;
  for (int64_t f = 0; f < 4; f++)
    both += !mask->layer[0].keep[f * 2 * 9] && !mask->layer[2].keep[f * 6 * 9];
  assert_int_equal(mask->silences, 2 + 3 + 2 * 2);
  assert_int_equal(both, 1); /* or this test would show less */
  assert_int_equal(facet_channels_remove(n, &smaller), FACET_OK);
  assert_int_equal(facet_channels_cut_mask(n, mask, &cut), FACET_OK);
  assert_true(removes_zeros(cut, smaller));
  assert_int_equal(cut->layer[0].removed, 2 * 9);
  assert_int_equal(cut->layer[1].removed, 0);
  assert_int_equal(cut->layer[2].removed, 3 * 9);
  assert_int_equal(cut->silences, 1 + 2); /* a's bias; shift and mean of c's norm */
  for (int64_t i = 0; i < cut->silences; i++)
    assert_true(facet_tensor_get(smaller->value[cut->silence[i].value].constant, cut->silence[i].index) == 0);
  facet_mask_destroy(&mask);
  facet_mask_destroy(&cut);
  facet_network_destroy(&smaller);
  check_removal(&n, 3 + 2 * both, -1);
}

/* Zeros that a mask keeps are kept by the cut mask, too: a training may take them up. */
static void cut_masks_keep_what_masks_keep(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 1), *smaller;
  facet_mask *mask, *cut;
  zero_filter(n, "a", 1);
  set_constant(n, "an", 1, -0.5);
  end_net(n, "logits");
  assert_int_equal(facet_mask_of_zeros(n, &mask), FACET_OK);
  mask->layer[1].keep[7] = 0;                     /* of the first weights, by channel 0 */
  facet_tensor_set(constant_of(n, "b.w"), 30, 0); /* of channel 3, which is 2 then */
  assert_int_equal(facet_channels_remove(n, &smaller), FACET_OK);
  assert_int_equal(facet_channels_cut_mask(n, mask, &cut), FACET_OK);
  assert_true(facet_tensor_get(constant_of(smaller, "b.w"), 21) == 0);
  assert_int_equal(cut->layer[0].removed + cut->layer[2].removed, 0);
  for (int64_t i = 0; i < cut->layer[1].size; i++)
    assert_int_equal(cut->layer[1].keep[i], i != 7);
  assert_int_equal(cut->silences, 0);
  facet_mask_destroy(&mask);
  facet_mask_destroy(&cut);
  facet_network_destroy(&smaller);
  facet_network_destroy(&n);
}

/* ---- networks drawn at random ---- */

typedef struct {
  facet_network *n;
  char last[24];
  int64_t channels, size, drawn, layers;
} drawing;

static int64_t draw(drawing *d, int64_t below)
{
  return (int64_t)((noise((uint64_t)(500000 + d->drawn++)) + 1) / 2 * (double)below);
}

/* A node from the last value and constants "NAME,..." ("" for none) to a new last one. */
static void extend(drawing *d, const char *type, const char *constants, int attributes, facet_attribute *attribute)
{
  char inputs[160], output[24];
  snprintf(inputs, sizeof inputs, "%s%s%s", d->last, constants[0] ? "," : "", constants);
  snprintf(output, sizeof output, "v%d", (int)d->layers++);
  add_node(d->n, type, inputs, output, attributes, attribute);
  memcpy(d->last, output, sizeof output);
}

static void zero_random(drawing *d, const char *conv, int64_t outs, int64_t ins, bool reading)
{
  char bias[40];
  snprintf(bias, sizeof bias, "%s.b", conv);
  for (int64_t o = 0; o < outs; o++)
    if (draw(d, 3) == 0) {
      zero_filter(d->n, conv, o);
      set_entry(d->n, bias, 0, o, (double)(draw(d, 3) - 1) / 2);
    }
  for (int64_t i = 0; reading && i < ins; i++)
    if (draw(d, 4) == 0)
      zero_reading(d->n, conv, i);
}

static void draw_conv(drawing *d, int64_t out, int64_t kernel, int64_t groups)
{
  char name[24];
  snprintf(name, sizeof name, "v%d", (int)d->layers++);
  add_conv(d->n, d->last, name, d->channels, out, kernel, kernel / 2, groups, true);
  zero_random(d, name, out, d->channels, groups == 1);
  memcpy(d->last, name, sizeof name);
  d->channels = out;
}

/* A constant per channel under a new name. */
static void channel_constant(drawing *d, char name[24])
{
  snprintf(name, 24, "k%d", (int)d->layers++);
  add_noise(d->n, name, (facet_shape){3, {d->channels, 1, 1}}, 1);
}

/* The last value and a convolution of it meet. */
static void draw_branch(drawing *d, const char *type)
{
  char begin[24];
  memcpy(begin, d->last, sizeof begin);
  bool concat = strcmp(type, "Concat") == 0;
  int64_t before = d->channels;
  draw_conv(d, concat ? 2 : before, 3, 1);
  extend(d, "Relu", "", 0, NULL);
  extend(d, type, begin, concat, concat ? one_int("axis", 1) : NULL);
  d->channels += concat ? before : 0;
}

static void draw_pool(drawing *d, bool average)
{
  facet_attribute *a = facet_allocate(3, sizeof *a);
  set_ints(&a[0], "kernel_shape", 2, (int64_t[]){3, 3});
  set_ints(&a[1], "pads", 4, (int64_t[]){1, 1, 1, 1});
  a[2] = (facet_attribute){.name = facet_copy_text("count_include_pad"), .kind = FACET_INT, .integer = draw(d, 2)};
  if (!average)
    facet_free(&a[2].name);
  extend(d, average ? "AveragePool" : "MaxPool", "", average ? 3 : 2, a);
}

/* Channels added in front and behind, or taken from the middle. */
static void draw_move(drawing *d, bool pad)
{
  char list[3][24], all[80];
  int64_t pads[8] = {0, draw(d, 3), 0, 0, 0, draw(d, 2)}, start = draw(d, 2), axis = 1;
  int64_t end = pad ? 0 : start - d->channels > -2 ? INT64_MAX : -1;
  for (int i = 0; i < 3; i++)
    snprintf(list[i], sizeof list[i], "k%d", (int)d->layers++);
  snprintf(all, sizeof all, pad ? "%s" : "%s,%s,%s", list[0], list[1], list[2]);
  add_list(d->n, list[0], pad ? 8 : 1, pad ? pads : &start);
  if (!pad) {
    add_list(d->n, list[1], 1, &end);
    add_list(d->n, list[2], 1, &axis);
  }
  extend(d, pad ? "Pad" : "Slice", all, 0, NULL);
  d->channels = pad ? d->channels + pads[1] + pads[5] : d->channels - start - (end == -1);
}

static void draw_node(drawing *d)
{
  char name[24];
  switch (draw(d, 15)) {
  case 0:
  case 1:
    draw_conv(d, 2 + draw(d, 5), 1, 1);
    break;
  case 2:
    draw_conv(d, 2 + draw(d, 5), 3, 1);
    break;
  case 3:
    draw_conv(d, d->channels * (1 + draw(d, 2)), 3, d->channels);
    break;
  case 4:
    if (d->channels % 2 == 0)
      draw_conv(d, 4, 1, 2);
    break;
  case 5:
    snprintf(name, sizeof name, "v%d", (int)d->layers++);
    add_norm(d->n, d->last, name, d->channels);
    memcpy(d->last, name, sizeof name);
    break;
  case 6:
    channel_constant(d, name);
    extend(d, draw(d, 2) ? "Mul" : "PRelu", name, 0, NULL);
    break;
  case 7:
    channel_constant(d, name);
    extend(d, draw(d, 2) ? "Add" : "Sub", name, 0, NULL);
    break;
  case 8:
    draw_branch(d, "Concat");
    break;
  case 9:
    draw_branch(d, draw(d, 2) ? "Add" : "Sub");
    break;
  case 10:
    draw_branch(d, draw(d, 2) ? "Max" : "Min");
    break;
  case 11:
    draw_pool(d, draw(d, 2));
    break;
  case 12:
    if (d->channels > 3)
      draw_move(d, false);
    break;
  case 13:
    draw_move(d, true);
    break;
  default:
    extend(d, "Relu", "", 0, NULL);
  }
}

static void random_networks(void **state)
{
  (void)state;
  int64_t gone = 0;
  for (int turn = 0; turn < 400; turn++) {
    drawing d = {begin_net((facet_shape){3, {2, 4, 4}}), "x", 2, 4, 1000 * turn, 0};
    double before[15], after[15];
    facet_network *smaller;
    draw_conv(&d, 5, 3, 1);
    for (int64_t k = 3 + draw(&d, 10); k > 0 && d.channels < 24; k--)
      draw_node(&d);
    if (draw(&d, 2))
      extend(&d, "GlobalAveragePool", "", 0, NULL);
    else
      d.channels *= 16;
    extend(&d, "Flatten", "", 0, NULL);
    add_dense(d.n, d.last, "logits", d.channels, 3);
    end_net(d.n, "logits");
    if (facet_channels_remove(d.n, &smaller) != FACET_OK)
      fail_msg("network %d: %s", turn, facet_message());
    logits_of(d.n, before);
    logits_of(smaller, after);
    for (int i = 0; i < 15; i++)
      if (!(fabs(after[i] - before[i]) <= 1e-12 * (1 + fabs(before[i]))))
        fail_msg("network %d: logit %d is %.17g, not %.17g", turn, i, after[i], before[i]);
    check_cut(d.n, smaller);
    gone += facet_network_parameters(d.n) > facet_network_parameters(smaller);
    facet_network_destroy(&smaller);
    facet_network_destroy(&d.n);
  }
  assert_true(gone > 100);
}

/* ---- networks of others ---- */

/* Zeroes a fifth of the filters with their biases, and a fifth of what is read, at every layer. */
static void zero_some(facet_network *n)
{
  facet_parameter *list;
  int count;
  assert_int_equal(facet_network_parameter_list(n, &list, &count), FACET_OK);
  for (int p = 0; p < count; p++) {
    const char *name = n->value[list[p].value].name;
    facet_shape shape = n->value[list[p].value].shape;
    for (int axis = 0; axis < 2 && axis < shape.rank && list[p].role == FACET_WEIGHT; axis++)
      for (int64_t c = 0; c < shape.dim[axis]; c++)
        if (noise((uint64_t)drawn++) > 0.6)
          set_entry(n, name, axis, c, 0);
    for (int64_t c = 0; shape.rank == 1 && c < shape.dim[0]; c++)
      if (list[p].role == FACET_SHIFT && noise((uint64_t)drawn++) > 0)
        set_entry(n, name, 0, c, -3);
  }
  facet_free(&list);
}

/* Before and after zeroing; destroys the network. */
static void check_zeroed(facet_network *n, const char *path)
{
  facet_network *smaller;
  double before[50], after[50];
  for (int turn = 0; turn < 2; turn++) {
    if (turn == 1)
      zero_some(n);
    if (facet_channels_remove(n, &smaller) != FACET_OK)
      fail_msg("%s: %s", path, facet_message());
    logits_of(n, before);
    logits_of(smaller, after);
    for (int i = 0; i < 50; i++)
      assert_near(after[i], before[i], 1e-5 * (1 + fabs(before[i])));
    int64_t gone = facet_network_parameters(n) - facet_network_parameters(smaller);
    assert_true(turn == 0 || gone > 0);
    if (turn == 0 && strstr(path, "channels_zeroed")) {
      assert_int_equal(dead_in(n), 69);
      assert_int_equal(facet_network_parameters(smaller), 230710);
    } else if (turn == 0) {
      assert_int_equal(gone, 0);
    }
    facet_network_destroy(&smaller);
  }
  facet_network_destroy(&n);
}

static void check_real(const char *path)
{
  facet_network *n;
  if (facet_onnx_read(path, &n) != FACET_OK)
    fail_msg("%s", facet_message());
  check_zeroed(n, path);
}

static void trainable_networks(void **state)
{
  (void)state;
  for (uint32_t seed = 1; seed <= 6; seed++) {
    facet_network *n;
    assert_int_equal(facet_network_resnet((facet_shape){3, {3, 9, 8}}, 2, 10, seed, &n), FACET_OK);
    check_zeroed(n, "resnet");
    assert_int_equal(facet_network_plain(&(facet_plain){(facet_shape){3, {1, 12, 12}}, 3, (int64_t[]){6, 7, 8}, 2,
                                                        (int64_t[]){20, 9}, 10, seed},
                                         &n),
                     FACET_OK);
    check_zeroed(n, "plain");
  }
}

static void real_networks(void **state)
{
  (void)state;
  static const char folder[] = "../shared/models";
  DIR *models = opendir(folder);
  if (!models) {
    printf("skipped: there are no models of others in %s\n", folder);
    skip();
  }
  for (struct dirent *entry; (entry = readdir(models));) {
    char path[400];
    size_t length = strlen(entry->d_name);
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (length > 5 && strcmp(entry->d_name + length - 5, ".onnx") == 0)
      check_real(path);
  }
  closedir(models);
}

/* ---- costs ---- */

static void costs_by_hand(void **state)
{
  (void)state;
  facet_network *n = plain_net(3, 0);
  zero_filter(n, "a", 1);
  end_net(n, "logits");
  facet_cost *cost;
  assert_int_equal(facet_network_cost(n, &cost), FACET_OK);
  assert_int_equal(cost->layers, 4); /* two convolutions, a norm, a dense layer */
  assert_int_equal(cost->layer[0].products, 36 * 2 * 4 * 9);
  assert_int_equal(cost->layer[0].products_sparse, 36 * 2 * 3 * 9);
  assert_int_equal(cost->layer[0].bytes, 8 * 2 * 4 * 9);
  assert_int_equal(cost->layer[0].bytes_sparse, 8 * 2 * 3 * 9);
  assert_int_equal(cost->layer[1].products, 0);
  assert_int_equal(cost->layer[1].bytes, 8 * 16);
  assert_int_equal(cost->layer[2].products, 16 * 4 * 5 * 9);
  assert_int_equal(cost->layer[3].products, 15);
  assert_int_equal(cost->layer[3].bytes, 8 * 18);
  assert_int_equal(cost->all.products, 36 * 72 + 16 * 180 + 15);
  assert_int_equal(cost->all.bytes, 8 * facet_network_parameters(n));
  facet_cost_destroy(&cost);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_dead),
      cmocka_unit_test(zero_through_norm_and_relu),
      cmocka_unit_test(constant_at_padding_is_kept),
      cmocka_unit_test(constant_goes_into_a_new_bias),
      cmocka_unit_test(constant_at_the_center_tap),
      cmocka_unit_test(channel_that_nobody_reads),
      cmocka_unit_test(one_channel_stays),
      cmocka_unit_test(zero_branch_of_a_skip),
      cmocka_unit_test(inner_channel_of_a_block),
      cmocka_unit_test(depthwise),
      cmocka_unit_test(flatten_into_dense),
      cmocka_unit_test(concat),
      cmocka_unit_test(strided_and_padded_shortcut),
      cmocka_unit_test(groups_and_shared_constants),
      cmocka_unit_test(pruned_filters_are_silent),
      cmocka_unit_test(pruned_filters_around_a_skip),
      cmocka_unit_test(cut_masks_keep_what_masks_keep),
      cmocka_unit_test(random_networks),
      cmocka_unit_test(trainable_networks),
      cmocka_unit_test(real_networks),
      cmocka_unit_test(costs_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
