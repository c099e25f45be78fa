/* Lists multiply: the recipes of a study become its variants, each with a name of its own. */
#include "study.h"

#include <string.h>

#include "study_schema.h"

/* The name before it is known whether another variant bears it, too. */
static char *first_name(const facet_recipe *recipe, int i)
{
  if (recipe->onnx)
    return recipe->name ? facet_copy_text(recipe->name) : facet_name_of_file(recipe->onnx);
  if (recipe->name && recipe->sparsities == 1)
    return facet_copy_text(recipe->name);
  if (recipe->name)
    return facet_format("%s-%g", recipe->name, recipe->sparsity[i]);
  return facet_format("%s-%s-%g", facet_method_name(recipe->method), facet_scope_name(recipe->scope),
                      recipe->sparsity[i]);
}

static facet_status add(const facet_study *study, int recipe, int i, facet_variant *variant, int *count)
{
  const facet_recipe *from = &study->recipe[recipe];
  variant[*count] = (facet_variant){first_name(from, i), recipe, from->onnx ? 0 : from->sparsity[i]};
  if (!variant[*count].name)
    return FACET_OS;
  ++*count;
  return FACET_OK;
}

static bool is_retrained(const facet_study *study, const facet_variant *variant)
{
  return variant->recipe >= 0 && study->recipe[variant->recipe].retrain;
}

static bool has_given_name(const facet_study *study, const facet_variant *variant)
{
  return variant->recipe < 0 || study->recipe[variant->recipe].name;
}

/* Of variants that share a made name, those with retraining take "-retrain" behind it. */
static facet_status tell_retrained(const facet_study *study, facet_variant *variant, int count)
{
  bool *shared = NULL;
  FACET_NEW(shared, count);
  for (int i = 0; i < count; i++)
    for (int j = 0; j < count; j++)
      shared[i] = shared[i] || (i != j && strcmp(variant[i].name, variant[j].name) == 0);
  facet_status status = FACET_OK;
  for (int i = 0; i < count && status == FACET_OK; i++) {
    if (!shared[i] || !is_retrained(study, &variant[i]) || has_given_name(study, &variant[i]))
      continue;
    char *name = facet_format("%s-retrain", variant[i].name);
    facet_free(&variant[i].name);
    variant[i].name = name;
    status = name ? FACET_OK : FACET_OS;
  }
  facet_free(&shared);
  return status;
}

bool facet_variant_name_taken(const char *name)
{
  static const char *const taken[] = {"dense", "all", "sample", "k"};
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    if (strcmp(name, taken[i]) == 0)
      return true;
  return false;
}

static facet_status check_unique(const facet_study *study, const facet_variant *variant, int count)
{
  for (int i = 1; i < count; i++) {
    int recipe = variant[i].recipe;
    int line = study->recipe[recipe].line;
    const char *name = variant[i].name;
    FACET_CHECK(!facet_variant_name_taken(name), FACET_BAD_INPUT,
                "%s:%d: variants[%d]: its name would be '%s', which is taken; give it a name", study->file, line,
                recipe, name);
    for (int j = 1; j < i; j++)
      FACET_CHECK(strcmp(name, variant[j].name) != 0, FACET_BAD_INPUT,
                  "%s:%d: variants[%d]: its name '%s' is that of variants[%d] on line %d, too; give one of them a name",
                  study->file, line, recipe, name, variant[j].recipe, study->recipe[variant[j].recipe].line);
  }
  return FACET_OK;
}

facet_status facet_study_variants(const facet_study *study, facet_variant **out, int *count)
{
  *out = NULL;
  *count = 0;
  int most = 1;
  for (int i = 0; i < study->recipes; i++)
    most += study->recipe[i].onnx ? 1 : study->recipe[i].sparsities;
  facet_status status = FACET_OK;
  facet_variant *variant = NULL;
  FACET_NEW(variant, most);
  variant[0] = (facet_variant){facet_copy_text("dense"), -1, 0};
  int made = 1;
  if (!variant[0].name)
    status = FACET_OS;
  for (int i = 0; i < study->recipes && status == FACET_OK; i++)
    for (int j = 0; j < (study->recipe[i].onnx ? 1 : study->recipe[i].sparsities) && status == FACET_OK; j++)
      status = add(study, i, j, variant, &made);
  if (status == FACET_OK)
    status = tell_retrained(study, variant, made);
  if (status == FACET_OK)
    status = check_unique(study, variant, made);
  if (status != FACET_OK) {
    facet_variants_free(&variant, made);
    return status;
  }
  *out = variant;
  *count = made;
  return FACET_OK;
}

void facet_variants_free(facet_variant **variant, int count)
{
  for (int i = 0; *variant && i < count; i++)
    facet_free(&(*variant)[i].name);
  facet_free(variant);
}
