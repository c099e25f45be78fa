/* Masks: which weights go, exactly how many, and that ties are broken by position. Judged against a plain sort. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "prune/methods.h"
#include "prune/score.h"

/* ---- a network of two layers: MatMul 4 x 3, Relu, Gemm 3 x 2 with a bias ---- */

static const double first[12] = {0.5, -0.1, 0.3, 0.2, -0.9, 0.1, 0.7, -0.3, 0.4, 1.0, -0.2, 0.6};
static const double second[6] = {-0.05, 0.3, 2.0, -0.15, 0.1, 3.0};
static const double bias[2] = {0.01, -0.02};

static void add_constant(facet_network *network, const char *name, facet_type type, facet_shape shape, const double *x)
{
  facet_tensor *tensor = NULL;
  assert_int_equal(facet_tensor_create(type, shape, &tensor), FACET_OK);
  int64_t size = shape.rank == 2 ? shape.dim[0] * shape.dim[1] : shape.dim[0];
  for (int64_t i = 0; i < size; i++)
    facet_tensor_set(tensor, i, x[i]);
  assert_int_equal(facet_network_add_constant(network, name, tensor), FACET_OK);
}

static facet_shape matrix(int64_t rows, int64_t columns)
{
  return (facet_shape){.rank = 2, .dim = {rows, columns}};
}

static facet_shape list(int64_t count)
{
  return (facet_shape){.rank = 1, .dim = {count}};
}

static void add_node(facet_network *network, const char *type, int inputs, const char *const *input, const char *output)
{
  assert_int_equal(facet_network_add_node(network, &(facet_node_words){type, type, inputs, input, 1, &output, 0, NULL}),
                   FACET_OK);
}

/* `a` is inputs x hidden, `b` hidden x 2. */
static facet_network *two_layers(facet_type type, int64_t inputs, int64_t hidden, const double *a, const double *b)
{
  facet_network *network = NULL;
  assert_int_equal(facet_network_create("two", 13, &network), FACET_OK);
  assert_int_equal(facet_network_set_input(network, "x", list(inputs)), FACET_OK);
  add_constant(network, "a", type, matrix(inputs, hidden), a);
  add_constant(network, "b", type, matrix(hidden, 2), b);
  add_constant(network, "c", type, list(2), bias);
  add_node(network, "MatMul", 2, (const char *const[]){"x", "a"}, "u");
  add_node(network, "Relu", 1, (const char *const[]){"u"}, "v");
  add_node(network, "Gemm", 3, (const char *const[]){"v", "b", "c"}, "y");
  assert_int_equal(facet_network_set_output(network, "y"), FACET_OK);
  if (facet_network_finish(network) != FACET_OK)
    fail_msg("%s", facet_message());
  return network;
}

static facet_network *small(facet_type type)
{
  return two_layers(type, 4, 3, first, second);
}

static facet_mask *mask_by(const facet_network *network, const facet_pruning *how, const facet_calibration *data)
{
  facet_mask *mask = NULL;
  if (facet_mask_create(network, how, data, &mask) != FACET_OK)
    fail_msg("%s", facet_message());
  return mask;
}

static facet_mask *mask_of(const facet_network *network, const char *method, facet_scope scope, double sparsity,
                           uint32_t seed)
{
  const facet_pruning how = {
      .method = facet_method_find(method), .scope = scope, .sparsity = sparsity, .seed = seed, .allow_collapse = true};
  return mask_by(network, &how, NULL);
}

static void assert_keep(const struct facet_mask_layer *layer, int64_t size, const uint8_t *wanted)
{
  assert_int_equal(layer->size, size);
  assert_memory_equal(layer->keep, wanted, (size_t)size);
  int64_t removed = 0;
  for (int64_t i = 0; i < size; i++)
    removed += wanted[i] == 0;
  assert_int_equal(layer->removed, removed);
}

static bool same_mask(const facet_mask *a, const facet_mask *b)
{
  if (a->layers != b->layers)
    return false;
  for (int l = 0; l < a->layers; l++)
    if (a->layer[l].size != b->layer[l].size || a->layer[l].removed != b->layer[l].removed ||
        memcmp(a->layer[l].keep, b->layer[l].keep, (size_t)a->layer[l].size) != 0)
      return false;
  return true;
}

/* ---- selection against a plain sort ---- */

typedef struct {
  double score;
  int64_t position;
} ranked;

static int compare(const void *left, const void *right)
{
  const ranked *a = left, *b = right;
  if (a->score != b->score)
    return a->score < b->score ? -1 : 1;
  return a->position < b->position ? -1 : a->position > b->position;
}

static void assert_selects_as_sorted(const double *score, int64_t count, int64_t remove)
{
  ranked *order = calloc((size_t)count, sizeof *order);
  uint8_t *wanted = malloc((size_t)count), *keep = malloc((size_t)count);
  assert_true(order && wanted && keep);
  for (int64_t i = 0; i < count; i++)
    order[i] = (ranked){score[i], i};
  qsort(order, (size_t)count, sizeof *order, compare);
  memset(wanted, 1, (size_t)count);
  for (int64_t i = 0; i < remove; i++)
    wanted[order[i].position] = 0;
  facet_select_lowest(score, count, remove, keep);
  assert_memory_equal(keep, wanted, (size_t)count);
  free(order);
  free(wanted);
  free(keep);
}

static void test_selection(void **state)
{
  (void)state;
  enum { COUNT = 5000 };
  static double normal[COUNT], coarse[COUNT], equal[COUNT], wide[COUNT];
  for (int64_t i = 0; i < COUNT; i++) {
    double pair[2];
    facet_random_normal((facet_random){.seed = 3, .stream = 99}, 0, (uint64_t)i, pair);
    normal[i] = pair[0];
    coarse[i] = round(4 * pair[0]); /* many ties, of both signs, and both zeros */
    equal[i] = 0.25;
    wide[i] = ldexp(pair[0], (int)(i % 2000) - 1000);
  }
  const int64_t remove[] = {0, 1, 2, 100, 2499, 2500, 4000, COUNT - 1, COUNT};
  for (size_t r = 0; r < sizeof remove / sizeof remove[0]; r++) {
    assert_selects_as_sorted(normal, COUNT, remove[r]);
    assert_selects_as_sorted(coarse, COUNT, remove[r]);
    assert_selects_as_sorted(equal, COUNT, remove[r]);
    assert_selects_as_sorted(wide, COUNT, remove[r]);
  }
}

static void test_selection_of_odd_numbers(void **state)
{
  (void)state;
  const double score[] = {NAN, INFINITY, -0.0, 0.0, -INFINITY, 1, -NAN};
  uint8_t keep[7];
  facet_select_lowest(score, 7, 2, keep);
  assert_memory_equal(keep, ((uint8_t[]){1, 1, 0, 1, 0, 1, 1}), 7);
  facet_select_lowest(score, 7, 5, keep);
  assert_memory_equal(keep, ((uint8_t[]){1, 0, 0, 0, 0, 0, 1}), 7);
}

/* ---- masks ---- */

static void test_the_table(void **state)
{
  (void)state;
  for (int i = 0; facet_method_at(i); i++) {
    const facet_method *m = facet_method_at(i);
    assert_ptr_equal(facet_method_find(m->name), m);
    assert_int_equal((m->score != NULL) + (m->mask != NULL) + (m->rule != NULL), 1);
    assert_int_equal(m->needs_data, facet_method_takes(m, "calibration"));
    assert_true(m->removes && m->source);
  }
  assert_null(facet_method_find("Magnitude"));
  assert_null(facet_method_at(-1));
  assert_string_equal(facet_scope_name(FACET_SCOPE_LAYER), "layer");
  assert_null(facet_scope_name(2));
}

/* A rule is not a mask. */
static void test_methods_that_cannot_be_asked_for_a_mask(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F32);
  facet_mask *mask = NULL;
  facet_pruning how = {.method = facet_method_find("gmp"), .sparsity = 0.5};
  assert_int_equal(facet_mask_create(network, &how, NULL, &mask), FACET_BAD_INPUT);
  assert_non_null(strstr(facet_message(), "gmp prunes while it trains"));
  how.method = NULL;
  assert_int_equal(facet_mask_create(network, &how, NULL, &mask), FACET_BAD_INPUT);
  assert_null(mask);
  facet_network_destroy(&network);
}

/* A method is a row: here is one more, by which the first weights go. */
static facet_status score_position(const facet_network *network, const facet_pruning *how,
                                   const facet_calibration *data, const facet_mask *mask, double *score)
{
  (void)network;
  (void)how;
  (void)data;
  for (int l = 0; l < mask->layers; l++)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      *score++ = (double)i;
  return FACET_OK;
}

static void test_one_more_method(void **state)
{
  (void)state;
  const facet_method position = {.name = "position", .score = score_position, .removes = "the first", .source = ""};
  const facet_pruning how = {.method = &position, .scope = FACET_SCOPE_LAYER, .sparsity = 0.5};
  const uint8_t wanted[12] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
  facet_network *network = small(FACET_F32);
  facet_mask *mask = mask_by(network, &how, NULL);
  assert_keep(&mask->layer[0], 12, wanted);
  assert_keep(&mask->layer[1], 6, wanted + 3);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

/* ---- rules ---- */

static facet_turn turn_of(const char *method, const facet_budget *budget, int64_t step)
{
  return facet_method_find(method)->rule->turn(budget, step);
}

/* 80 steps: 60 in which the sparsity grows, one removal before each and a last one, then 19 more. */
static void test_gmp_schedule(void **state)
{
  (void)state;
  const facet_budget budget = {.sparsity = 0.8, .steps = 80};
  assert_true(turn_of("gmp", &budget, 0).sparsity == 0 && turn_of("gmp", &budget, 60).sparsity == 0.8);
  assert_true(fabs(turn_of("gmp", &budget, 30).sparsity - 0.7) < 1e-15);
  for (int64_t step = 0; step < 80; step++) {
    facet_turn turn = turn_of("gmp", &budget, step);
    assert_int_equal(turn.removes, step <= 60);
    assert_true(turn.position == step && turn.length == 80 && !turn.remembers && !turn.rewinds && !turn.restarts);
    assert_true(step == 0 || step > 60 || turn.sparsity > turn_of("gmp", &budget, step - 1).sparsity);
  }
  int removals = 0;
  for (int64_t step = 0; step < 4000; step++)
    removals += turn_of("gmp", &(facet_budget){.sparsity = 0.8, .steps = 4000}, step).removes;
  assert_int_equal(removals, 101);
}

/* Schedules follow each other step by step, a removal is before each but the first, and the last one makes the
 * sparsity. */
static void check_rounds(double sparsity, int64_t steps, int64_t rewind, bool trained, int removals)
{
  const facet_budget budget = {sparsity, steps, rewind, 0.2, trained};
  assert_int_equal(facet_method_find("lrr")->rule->check(&budget), FACET_OK);
  bool late = trained && removals > 0;
  facet_turn before = turn_of("lrr", &budget, 0);
  assert_int_equal(before.removes, late);
  assert_int_equal(before.position, late ? rewind : 0);
  int seen = before.removes;
  double reached = before.removes ? before.sparsity : 0;
  const int64_t length = before.length;
  for (int64_t step = 1; step < steps; step++) {
    facet_turn turn = turn_of("lrr", &budget, step);
    assert_int_equal(turn.restarts, turn.removes);
    if (turn.removes) {
      assert_int_equal(turn.position, rewind);
      assert_int_equal(before.position, before.length - 1);
      assert_int_equal(before.length, length);
      assert_true(turn.sparsity > reached);
      reached = turn.sparsity;
      seen++;
    } else {
      assert_int_equal(turn.position, before.position + 1);
    }
    if (seen == 1 && removals > 1)
      assert_true(fabs(reached - 0.2) < 1e-15);
    before = turn;
  }
  assert_int_equal(seen, removals);
  assert_int_equal(before.position, before.length - 1); /* the budget is used to the last step */
  assert_true(reached == sparsity);
}

static void test_rounds(void **state)
{
  (void)state;
  check_rounds(0, 100, 0, false, 0);
  check_rounds(0, 100, 5, true, 0);
  check_rounds(0.1, 100, 5, false, 1);
  check_rounds(0.2, 101, 0, false, 1);
  check_rounds(0.36, 101, 7, true, 2);
  check_rounds(0.9, 1000, 13, false, 11);
  check_rounds(0.95, 1003, 0, true, 14);
  const facet_budget halves = {0.98, 700, 0, 0.5, false};
  assert_int_equal(facet_method_find("lth")->rule->check(&halves), FACET_OK);
  assert_int_equal(turn_of("lth", &halves, 0).length, 100);
  assert_true(turn_of("lth", &halves, 500).sparsity == 1 - 1.0 / 32 && turn_of("lth", &halves, 600).sparsity == 0.98);
  assert_int_equal(facet_method_find("lth")->rule->check(&(facet_budget){0.95, 14, 0, 0.2, false}), FACET_BAD_INPUT);
  assert_int_equal(facet_method_find("lth")->rule->check(&(facet_budget){0.5, 100, 97, 0.2, false}), FACET_BAD_INPUT);
}

/* What lth remembers is of the first training, before the step `rewind`, and comes back with every removal. */
static void test_lth_remembers_once(void **state)
{
  (void)state;
  const facet_budget budget = {0.5, 100, 6, 0.2, false};
  for (int64_t step = 0; step < 100; step++) {
    facet_turn turn = turn_of("lth", &budget, step), other = turn_of("lrr", &budget, step);
    assert_int_equal(turn.remembers, step == 6);
    assert_int_equal(turn.rewinds, turn.removes);
    assert_false(other.remembers || other.rewinds);
    assert_int_equal(turn.position, other.position);
  }
}

/* Half of 12 and half of 6. In the first layer 0.1, 0.1, 0.2, 0.2, and of the two 0.3 both, are the lowest six. */
static void test_magnitude_in_each_layer(void **state)
{
  (void)state;
  const facet_type types[] = {FACET_F32, FACET_F64};
  for (int t = 0; t < 2; t++) {
    facet_network *network = small(types[t]);
    facet_mask *mask = mask_of(network, "magnitude", FACET_SCOPE_LAYER, 0.5, 1);
    assert_int_equal(mask->layers, 2);
    assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1});
    assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 1, 1, 0, 0, 1});
    assert_string_equal(network->node[mask->layer[0].node].type, "MatMul");
    assert_string_equal(network->node[mask->layer[1].node].type, "Gemm");
    assert_true(facet_mask_sparsity(mask) == 0.5);
    facet_mask_destroy(&mask);
    assert_null(mask);
    facet_network_destroy(&network);
  }
}

/* All 18 weights in one ranking: 0.05, three of 0.1, 0.15, two of 0.2, and of the three 0.3 only the first. */
static void test_magnitude_over_all_layers(void **state)
{
  (void)state;
  const facet_type types[] = {FACET_F32, FACET_F64};
  for (int t = 0; t < 2; t++) {
    facet_network *network = small(types[t]);
    facet_mask *mask = mask_of(network, "magnitude", FACET_SCOPE_GLOBAL, 8.0 / 18, 1);
    assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1});
    assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 1, 1, 0, 0, 1});
    assert_true(facet_mask_sparsity(mask) == 8.0 / 18);
    facet_mask_destroy(&mask);
    facet_network_destroy(&network);
  }
}

static void test_counts_are_exact(void **state)
{
  (void)state;
  const double sparsity[] = {0, 0.01, 0.1, 0.25, 0.3, 0.5, 0.8, 0.9, 0.95, 0.999};
  const int64_t of_12[] = {0, 0, 1, 3, 4, 6, 10, 11, 11, 12}; /* rounded, halves up */
  const int64_t of_6[] = {0, 0, 1, 2, 2, 3, 5, 5, 6, 6};
  const int64_t of_18[] = {0, 0, 2, 5, 5, 9, 14, 16, 17, 18};
  facet_network *network = small(FACET_F32);
  const char *const method[] = {"random", "magnitude"};
  for (int c = 0; c < 2; c++)
    for (size_t s = 0; s < sizeof sparsity / sizeof sparsity[0]; s++) {
      facet_mask *mask = mask_of(network, method[c], FACET_SCOPE_LAYER, sparsity[s], 1);
      assert_int_equal(mask->layer[0].removed, of_12[s]);
      assert_int_equal(mask->layer[1].removed, of_6[s]);
      facet_mask_destroy(&mask);
      mask = mask_of(network, method[c], FACET_SCOPE_GLOBAL, sparsity[s], 1);
      assert_int_equal(mask->layer[0].removed + mask->layer[1].removed, of_18[s]);
      facet_mask_destroy(&mask);
    }
  facet_network_destroy(&network);
}

/* The scores of the random criterion are the uniform numbers of (seed, prune, layer, position), whatever the weights.
 */
static void test_random_is_what_philox_says(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F32);
  const facet_random random = {.seed = 42, .stream = FACET_STREAM_PRUNE};
  double score[18];
  uint8_t keep[18];
  for (uint64_t i = 0; i < 18; i++)
    score[i] = i < 12 ? facet_random_uniform(random, 0, i) : facet_random_uniform(random, 1, i - 12);
  facet_select_lowest(score, 18, 9, keep);
  facet_mask *mask = mask_of(network, "random", FACET_SCOPE_GLOBAL, 0.5, 42);
  assert_keep(&mask->layer[0], 12, keep);
  assert_keep(&mask->layer[1], 6, keep + 12);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

/* Large layers: a seed decides, layers differ, and a global random mask takes the same fraction of each. */
static void test_random_masks_of_large_layers(void **state)
{
  (void)state;
  enum { INPUTS = 400, HIDDEN = 500 };
  double *a = calloc(INPUTS * HIDDEN, sizeof *a), *b = calloc(HIDDEN * 2, sizeof *b);
  assert_true(a && b);
  facet_network *network = two_layers(FACET_F32, INPUTS, HIDDEN, a, b);
  facet_mask *one = mask_of(network, "random", FACET_SCOPE_GLOBAL, 0.9, 1);
  facet_mask *again = mask_of(network, "random", FACET_SCOPE_GLOBAL, 0.9, 1);
  facet_mask *other = mask_of(network, "random", FACET_SCOPE_GLOBAL, 0.9, 2);
  assert_true(same_mask(one, again));
  assert_false(same_mask(one, other));
  assert_int_equal(one->layer[0].removed + one->layer[1].removed, 180900);
  assert_true(llabs(one->layer[1].removed - 900) < 60); /* 6 standard deviations */
  assert_memory_not_equal(one->layer[0].keep, one->layer[1].keep, HIDDEN * 2);
  facet_mask_destroy(&one);
  facet_mask_destroy(&again);
  facet_mask_destroy(&other);
  facet_network_destroy(&network);
  free(a);
  free(b);
}

static void test_apply_touches_only_what_is_removed(void **state)
{
  (void)state;
  const facet_type types[] = {FACET_F32, FACET_F64};
  for (int t = 0; t < 2; t++) {
    facet_network *before = small(types[t]), *network = NULL;
    assert_int_equal(facet_network_copy(before, &network), FACET_OK);
    facet_mask *mask = mask_of(before, "magnitude", FACET_SCOPE_LAYER, 0.5, 1);
    facet_mask_apply(mask, network);
    for (int v = 0; v < network->values; v++) {
      const facet_tensor *was = before->value[v].constant, *is = network->value[v].constant;
      const struct facet_mask_layer *layer = NULL;
      for (int l = 0; l < mask->layers; l++)
        if (mask->layer[l].value == v)
          layer = &mask->layer[l];
      for (int64_t i = 0; was && i < facet_shape_size(was->shape); i++) {
        bool removed = layer && !layer->keep[i];
        assert_true(facet_tensor_get(is, i) == (removed ? 0 : facet_tensor_get(was, i)));
        assert_false(removed && signbit(facet_tensor_get(is, i))); /* the weight removed may have been negative */
      }
    }
    facet_mask *zeros = NULL;
    assert_int_equal(facet_mask_of_zeros(network, &zeros), FACET_OK);
    assert_true(same_mask(mask, zeros));
    facet_mask_destroy(&zeros);
    facet_mask_destroy(&mask);
    facet_network_destroy(&network);
    facet_network_destroy(&before);
  }
}

static void test_zeros_that_are_there(void **state)
{
  (void)state;
  const double a[12] = {0, 1, -0.0, 1, 1e-30, 1, 1, 1, 0, 1, 1, 1};
  facet_network *network = two_layers(FACET_F32, 4, 3, a, second);
  facet_mask *mask = NULL;
  assert_int_equal(facet_mask_of_zeros(network, &mask), FACET_OK);
  assert_keep(&mask->layer[0], 12, (const uint8_t[]){0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1});
  assert_keep(&mask->layer[1], 6, (const uint8_t[]){1, 1, 1, 1, 1, 1});
  assert_true(facet_mask_sparsity(mask) == 3.0 / 18);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

static void test_sparsity_out_of_range(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F32);
  const double wrong[] = {1.3, 1, -0.1, NAN};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    facet_mask *mask = NULL;
    const facet_pruning how = {.method = facet_method_find("magnitude"), .sparsity = wrong[i]};
    assert_int_equal(facet_mask_create(network, &how, NULL, &mask), FACET_BAD_INPUT);
    assert_null(mask);
    assert_non_null(strstr(facet_message(), "is not in [0, 1)"));
  }
  facet_network_destroy(&network);
}

/* ---- the guard ---- */

/* Weights of the first layer a hundred times as large: magnitude would take the whole second layer first, but for
 * three. */
static facet_network *lopsided(void)
{
  double large[12];
  for (int i = 0; i < 12; i++)
    large[i] = 100 * first[i];
  return two_layers(FACET_F64, 4, 3, large, second);
}

static void test_guard_over_all_layers(void **state)
{
  (void)state;
  facet_network *network = lopsided();
  facet_pruning how = {.method = facet_method_find("magnitude"), .sparsity = 8.0 / 18, .allow_collapse = true};
  facet_mask *mask = mask_by(network, &how, NULL);
  assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1});
  assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 0, 0, 0, 0, 0});
  assert_false(mask->layer[0].guarded || mask->layer[1].guarded);
  facet_mask_destroy(&mask);
  how.allow_collapse = false; /* 3 stays, and 20, the first of two, goes instead */
  mask = mask_by(network, &how, NULL);
  assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1});
  assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 0, 0, 0, 0, 1});
  assert_false(mask->layer[0].guarded);
  assert_true(mask->layer[1].guarded);
  facet_mask_destroy(&mask);
  how.sparsity = 5.0 / 18; /* one is left, but its turn had not come */
  mask = mask_by(network, &how, NULL);
  assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 0, 0, 0, 0, 1});
  assert_false(mask->layer[1].guarded);
  facet_mask_destroy(&mask);
  how.sparsity = 0.99; /* nothing is left elsewhere */
  mask = mask_by(network, &how, NULL);
  assert_int_equal(mask->layer[0].removed, 11);
  assert_int_equal(mask->layer[1].removed, 5);
  assert_true(mask->layer[0].guarded && mask->layer[1].guarded);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

static void test_guard_in_each_layer(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F32);
  facet_pruning how = {.method = facet_method_find("magnitude"), .scope = FACET_SCOPE_LAYER, .sparsity = 0.95};
  facet_mask *mask = mask_by(network, &how, NULL); /* 11 of 12, and 6 of 6 */
  assert_keep(&mask->layer[0], 12, (const uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0});
  assert_keep(&mask->layer[1], 6, (const uint8_t[]){0, 0, 0, 0, 0, 1});
  assert_false(mask->layer[0].guarded);
  assert_true(mask->layer[1].guarded);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

/* Equal and odd scores: the last of equals is the one that stays. */
static void test_guard_of_odd_numbers(void **state)
{
  (void)state;
  double score[] = {1, 1, 1, NAN, INFINITY, -INFINITY, 0.0, -0.0};
  const int64_t size[] = {3, 3, 2};
  uint8_t keep[8];
  bool guarded[3];
  assert_int_equal(facet_select_guarded(score, 3, size, 4, keep, guarded), FACET_OK);
  assert_memory_equal(keep, ((uint8_t[]){0, 0, 1, 1, 1, 0, 0, 1}), 8);
  assert_true(!guarded[0] && !guarded[1] && guarded[2]);
  assert_int_equal(facet_select_guarded(score, 3, size, 8, keep, guarded), FACET_OK);
  assert_memory_equal(keep, ((uint8_t[]){0, 0, 1, 0, 1, 0, 0, 1}), 8);
  assert_true(guarded[0] && guarded[1] && guarded[2]);
}

/* ---- filters ---- */

/* Three neurons, with the weights 0.5 0.2 0.7 1, -0.1 -0.9 -0.3 -0.2 and 0.3 0.1 0.4 0.6: L1 2.4, 1.5, 1.4. */
static void test_filters(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F64);
  const facet_scope scope[] = {FACET_SCOPE_GLOBAL, FACET_SCOPE_LAYER};
  for (int s = 0; s < 2; s++) {
    facet_pruning how = {.method = facet_method_find("filter"), .scope = scope[s], .norm = 1, .sparsity = 0.4};
    facet_mask *mask = mask_by(network, &how, NULL);
    assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0});
    assert_keep(&mask->layer[1], 6, (const uint8_t[]){1, 1, 1, 1, 1, 1}); /* the classes stay */
    facet_mask_destroy(&mask);
    how.sparsity = 0.9; /* all three come nearest, but one stays */
    mask = mask_by(network, &how, NULL);
    assert_keep(&mask->layer[0], 12, (const uint8_t[]){1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0});
    assert_true(mask->layer[0].guarded);
    facet_mask_destroy(&mask);
    how.allow_collapse = true;
    mask = mask_by(network, &how, NULL);
    assert_int_equal(mask->layer[0].removed, 12);
    assert_false(mask->layer[0].guarded);
    facet_mask_destroy(&mask);
  }
  facet_network_destroy(&network);
}

/* ---- criteria with data ---- */

static const float samples[5][4] = {
    {1, 0.5F, -1, 2}, {0.3F, -1, 2, 1}, {-1, 1, 1, -0.5F}, {2, 0.1F, 0.2F, -1}, {0.7F, 0.7F, 0, 1}};
static const int32_t labels[5] = {0, 1, 1, 0, 1};

/* (w dL/dw)^2 and |w dL/dw| of `small`, by hand. */
static void score_by_hand(int begin, int end, bool squared, double *score)
{
  double gradient[18] = {0}, hidden[3], logit[2], count = end - begin;
  for (int s = begin; s < end; s++) {
    for (int j = 0; j < 3; j++) {
      hidden[j] = 0;
      for (int i = 0; i < 4; i++)
        hidden[j] += (double)samples[s][i] * first[i * 3 + j];
      hidden[j] = hidden[j] > 0 ? hidden[j] : 0;
    }
    for (int k = 0; k < 2; k++) {
      logit[k] = bias[k];
      for (int j = 0; j < 3; j++)
        logit[k] += hidden[j] * second[j * 2 + k];
    }
    double one = 1 / (1 + exp(logit[0] - logit[1])), g[2] = {1 - one - (labels[s] == 0), one - (labels[s] == 1)};
    for (int j = 0; j < 3; j++) {
      double back = hidden[j] > 0 ? g[0] * second[j * 2] + g[1] * second[j * 2 + 1] : 0;
      for (int i = 0; i < 4; i++)
        gradient[i * 3 + j] += back * (double)samples[s][i] / count;
      for (int k = 0; k < 2; k++)
        gradient[12 + j * 2 + k] += g[k] * hidden[j] / count;
    }
  }
  for (int i = 0; i < 18; i++) {
    double effect = gradient[i] * (i < 12 ? first[i] : second[i - 12]);
    score[i] += squared ? effect * effect : fabs(effect);
  }
}

static void test_taylor_and_snip(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F64);
  const facet_calibration data = {.x = samples[0], .label = labels, .count = 5, .batch = 2};
  for (int taylor = 0; taylor < 2; taylor++)
    for (int remove = 1; remove < 16; remove++) {
      double score[18] = {0};
      uint8_t keep[18];
      for (int begin = 0; begin < (taylor ? 5 : 2); begin += 2)
        score_by_hand(begin, begin + 2 < 5 ? begin + 2 : 5, taylor, score);
      facet_select_lowest(score, 18, remove, keep);
      const facet_pruning how = {
          .method = facet_method_find(taylor ? "taylor" : "snip"), .sparsity = remove / 18.0, .allow_collapse = true};
      facet_mask *mask = mask_by(network, &how, &data), *again = mask_by(network, &how, &data);
      assert_keep(&mask->layer[0], 12, keep);
      assert_keep(&mask->layer[1], 6, keep + 12);
      assert_true(same_mask(mask, again));
      facet_mask_destroy(&mask);
      facet_mask_destroy(&again);
    }
  facet_network_destroy(&network);
}

static void test_data_that_is_missing_or_wrong(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F64);
  const int32_t strange[2] = {0, 2};
  const float infinite[4] = {INFINITY, 1, 1, 1};
  const facet_calibration none = {.batch = 2}, wrong = {.x = samples[0], .label = strange, .count = 2, .batch = 2},
                          odd = {.x = infinite, .label = labels, .count = 1, .batch = 2};
  const char *const method[] = {"taylor", "snip", "grasp"};
  for (int c = 0; c < 3; c++) {
    const facet_pruning how = {.method = facet_method_find(method[c]), .sparsity = 0.5};
    const facet_calibration *data[] = {NULL, &none, &wrong, &odd};
    const char *says[] = {"needs calibration data", "needs calibration data", "label 2 of sample 1", "not finite"};
    assert_true(how.method->needs_data);
    for (int d = 0; d < 4; d++) {
      facet_mask *mask = NULL;
      assert_int_equal(facet_mask_create(network, &how, data[d], &mask), FACET_BAD_INPUT);
      assert_non_null(strstr(facet_message(), says[d]));
      assert_null(mask);
    }
  }
  facet_network_destroy(&network);
}

/* ---- pauses ---- */

typedef struct {
  int count, last; /* last: the one that says stop */
} pauses;

static facet_status pause(void *context)
{
  pauses *p = context;
  return ++p->count == p->last ? facet_raise(FACET_INTERRUPTED, "stop") : FACET_OK;
}

/* Before each batch of taylor's, both passes of grasp's and each round of synflow's; what stops there has no mask. */
static void test_pauses(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F64);
  const facet_calibration data = {.x = samples[0], .label = labels, .count = 5, .batch = 2};
  const char *const method[] = {"taylor", "snip", "grasp", "synflow"};
  const int wanted[] = {3, 1, 2, 100};
  for (int m = 0; m < 4; m++) {
    pauses p = {0, wanted[m] + 1};
    facet_pruning how = {.method = facet_method_find(method[m]), .sparsity = 0.5, .pause = pause, .context = &p};
    const facet_calibration *given = how.method->needs_data ? &data : NULL;
    facet_mask *mask = mask_by(network, &how, given);
    facet_mask_destroy(&mask);
    assert_int_equal(p.count, wanted[m]);
    p = (pauses){0, wanted[m]};
    assert_int_equal(facet_mask_create(network, &how, given, &mask), FACET_INTERRUPTED);
    assert_null(mask);
  }
  facet_network_destroy(&network);
}

/* ---- synflow ---- */

/* One round: the score of a weight is |w| times what flows in times what flows on. */
static void test_synflow_in_one_round(void **state)
{
  (void)state;
  facet_network *network = small(FACET_F64);
  double score[18];
  uint8_t keep[18];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 3; j++)
      score[i * 3 + j] = fabs(first[i * 3 + j]) * (fabs(second[j * 2]) + fabs(second[j * 2 + 1]));
  for (int j = 0; j < 3; j++)
    for (int k = 0; k < 2; k++) {
      double in = 0;
      for (int i = 0; i < 4; i++)
        in += fabs(first[i * 3 + j]);
      score[12 + j * 2 + k] = fabs(second[j * 2 + k]) * in;
    }
  facet_select_lowest(score, 18, 9, keep);
  const facet_pruning how = {.method = facet_method_find("synflow"), .sparsity = 0.5, .rounds = 1};
  facet_mask *mask = mask_by(network, &how, NULL);
  assert_keep(&mask->layer[0], 12, keep);
  assert_keep(&mask->layer[1], 6, keep + 12);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

/* Iterated, no layer collapses before it must: at 16 of 18 one path is left, where magnitude cuts all of them. */
static void test_synflow_keeps_a_path(void **state)
{
  (void)state;
  facet_network *network = lopsided();
  const facet_pruning how = {.method = facet_method_find("synflow"), .sparsity = 16.0 / 18, .allow_collapse = true};
  facet_mask *mask = mask_by(network, &how, NULL);
  assert_int_equal(mask->layer[0].removed, 11);
  assert_int_equal(mask->layer[1].removed, 5);
  int from = 0, to = 0;
  while (!mask->layer[0].keep[from])
    from++;
  while (!mask->layer[1].keep[to])
    to++;
  assert_int_equal(from % 3, to / 2);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

static void test_nothing_to_prune(void **state)
{
  (void)state;
  facet_network *network = NULL;
  facet_mask *mask = NULL;
  assert_int_equal(facet_network_create("bare", 13, &network), FACET_OK);
  assert_int_equal(facet_network_set_input(network, "x", list(4)), FACET_OK);
  add_node(network, "Relu", 1, (const char *const[]){"x"}, "y");
  assert_int_equal(facet_network_set_output(network, "y"), FACET_OK);
  assert_int_equal(facet_network_finish(network), FACET_OK);
  const facet_pruning how = {.method = facet_method_find("random"), .sparsity = 0.5};
  assert_int_equal(facet_mask_create(network, &how, NULL, &mask), FACET_BAD_INPUT);
  assert_null(mask);
  assert_string_equal(facet_message(), "network bare has no weights that could be pruned");
  assert_int_equal(facet_mask_of_zeros(network, &mask), FACET_OK);
  assert_int_equal(mask->layers, 0);
  assert_true(facet_mask_sparsity(mask) == 0);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_selection),
      cmocka_unit_test(test_selection_of_odd_numbers),
      cmocka_unit_test(test_the_table),
      cmocka_unit_test(test_methods_that_cannot_be_asked_for_a_mask),
      cmocka_unit_test(test_one_more_method),
      cmocka_unit_test(test_gmp_schedule),
      cmocka_unit_test(test_rounds),
      cmocka_unit_test(test_lth_remembers_once),
      cmocka_unit_test(test_magnitude_in_each_layer),
      cmocka_unit_test(test_magnitude_over_all_layers),
      cmocka_unit_test(test_counts_are_exact),
      cmocka_unit_test(test_random_is_what_philox_says),
      cmocka_unit_test(test_random_masks_of_large_layers),
      cmocka_unit_test(test_apply_touches_only_what_is_removed),
      cmocka_unit_test(test_zeros_that_are_there),
      cmocka_unit_test(test_sparsity_out_of_range),
      cmocka_unit_test(test_nothing_to_prune),
      cmocka_unit_test(test_guard_over_all_layers),
      cmocka_unit_test(test_guard_in_each_layer),
      cmocka_unit_test(test_guard_of_odd_numbers),
      cmocka_unit_test(test_filters),
      cmocka_unit_test(test_taylor_and_snip),
      cmocka_unit_test(test_data_that_is_missing_or_wrong),
      cmocka_unit_test(test_pauses),
      cmocka_unit_test(test_synflow_in_one_round),
      cmocka_unit_test(test_synflow_keeps_a_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
