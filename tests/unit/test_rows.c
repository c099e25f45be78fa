/* The table of the result file's arrays: what a row says must mean something, and what follows from its paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "stages/stage.h"
#include "store/store.h"

static bool is_stage(const char *name)
{
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->marks && strcmp((*stage)->name, name) == 0)
      return true;
  return strcmp(name, "create") == 0 || strcmp(name, "profile") == 0;
}

static bool is_dimension(const char *name, size_t length)
{
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    if (strlen(facet_dimension_table[d].name) == length && strncmp(facet_dimension_table[d].name, name, length) == 0)
      return true;
  return false;
}

/* Names with ", " between them. */
static void assert_dimensions(const char *list)
{
  const char *any = strstr(list, "channel, y, x ([or otherwise](#layout))");
  for (size_t length; *list && list != any; list += length + (list[length] ? 2 : 0)) {
    length = strcspn(list, ",");
    if (!is_dimension(list, length))
      fail_msg("no dimension: %s", list);
  }
}

static void every_row_makes_sense(void **state)
{
  (void)state;
  for (int r = 0; r < FACET_ROWS; r++) {
    const facet_row_about *row = &facet_row_table[r];
    assert_true(row->path[0] == '/' && row->meaning[0] && row->unit);
    for (int other = 0; other < r; other++)
      assert_string_not_equal(row->path, facet_row_table[other].path);
    if (facet_row_of_stage((facet_row)r))
      continue;
    assert_dimensions(row->dimensions);
    if (!is_stage(row->stage))
      fail_msg("%s: filled by %s, which is no stage", row->path, row->stage);
  }
}

static void marks_of_stages_have_dimensions(void **state)
{
  (void)state;
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->marks)
      assert_dimensions((*stage)->marks);
}

/* Beside the folders of variants, in /linear, /change, /aggregate and /embed. */
static void names_that_variants_cannot_bear(void **state)
{
  (void)state;
  static const char *const taken[] = {"linear_sample", "k",        "component", "item",     "cka",   "principal_angles",
                                      "residual",      "position", "loss",      "gradient", "rate",  "alpha",
                                      "quality",       "train",    "merit",     "axis",     "epoch", "effective_rank",
                                      "item_2"};
  static const char *const mine[] = {"dense", "los",       "loss-s1", "magnitude-global-0.5", "variant", "cost", "W",
                                     "tile",  "variant_2", "x_2"};
  static const char *const folder[] = {"pixel", "node", "rival_before", "gate_name"};
  for (size_t i = 0; i < sizeof folder / sizeof folder[0]; i++)
    assert_true(facet_store_name_taken("{condition}", folder[i]));
  assert_false(facet_store_name_taken("{condition}", "CIFAR-10-C"));
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    if (!facet_store_name_taken("{variant}", taken[i]))
      fail_msg("%s is free", taken[i]);
  for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
    if (facet_store_name_taken("{variant}", mine[i]))
      fail_msg("%s is taken", mine[i]);
}

static void what_the_checksum_covers(void **state)
{
  (void)state;
  static const char *const summed[] = {"image",
                                       "variant",
                                       "linear/a variant/W",
                                       "linear/x/input_2",
                                       "change/dense/gaussian_noise/5/pixel",
                                       "change/lrr/CIFAR-10-C/fog/3/gates",
                                       "change/lrr/pixel",
                                       "change/sample",
                                       "linear/sample",
                                       "summary/by_class/angle_mean",
                                       "cost/epochs"};
  static const char *const apart[] = {
      "cost/train_seconds", "cost/forward_seconds",       "progress/analyse",     "progress/block",
      "aggregate/cka",      "aggregate/dense/directions", "aggregate/component",  "embed/dense/W",
      "embed/position",     "embed/train/position",       "embed/dense/node",     "variant_2",
      "aggregate/item_2",   "similarity/item_2",          "linear/linear_sample", "change/change_sample"};
  for (size_t i = 0; i < sizeof summed / sizeof summed[0]; i++)
    if (!facet_row_summed(summed[i]))
      fail_msg("%s is left out", summed[i]);
  for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
    if (facet_row_summed(apart[i]))
      fail_msg("%s is covered", apart[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_row_makes_sense),
      cmocka_unit_test(marks_of_stages_have_dimensions),
      cmocka_unit_test(names_that_variants_cannot_bear),
      cmocka_unit_test(what_the_checksum_covers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
