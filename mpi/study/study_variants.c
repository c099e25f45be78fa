/* Lists multiply, and the recipes of a study become its variants, each with a name of its own. */
#include "study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study_keys.h"

/* The name, seed apart, before it is known whether another variant bears it, too: a given one and what lists vary, or
 * the recipe. */
static char *name_without_seed(const facet_recipe *r, const facet_variant *v)
{
  enum { SIZE = 300 };
  char name[SIZE] = "";
  if (r->onnx || r->mask)
    return r->name ? facet_copy_text(r->name) : facet_name_of_file(r->onnx ? r->onnx : r->mask);
  if (r->name)
    facet_append(name, SIZE, "-", "%s", r->name);
  if (!r->name || r->method.count > 1)
    facet_append(name, SIZE, "-", "%s", v->method->name);
  if (!r->name && r->norm == 2 && facet_method_takes(v->method, "norm"))
    facet_append(name, SIZE, "-", "l2");
  if (!r->name || r->scope.count > 1)
    facet_append(name, SIZE, "-", "%s", facet_scope_name((int)v->scope));
  if (!r->name || r->sparsity.count > 1)
    facet_append(name, SIZE, "-", "%g", v->sparsity);
  return facet_copy_text(name);
}

static bool is_pruned(const facet_recipe *r)
{
  return !r->onnx && !r->mask;
}

/* Lists of a study's file are short enough for the product of any two to fit; more than a study may have, however many,
 * are one more than that. */
static int64_t variants_of(const facet_recipe *r)
{
  const int64_t length[] = {r->seeds.count > 0 ? r->seeds.count : 1, is_pruned(r) ? r->method.count : 1,
                            is_pruned(r) ? r->scope.count : 1, is_pruned(r) ? r->sparsity.count : 1};
  int64_t count = 1;
  for (size_t i = 0; i < sizeof length / sizeof length[0]; i++) {
    count *= length[i];
    count = count > FACET_MOST_VARIANTS ? FACET_MOST_VARIANTS + 1 : count;
  }
  return count;
}

/* Methods, then scopes, sparsities and seeds, the last ones fastest. */
static facet_status add_all(const facet_recipes *recipes, uint32_t seed, int recipe, facet_variant *variant, int *count)
{
  const facet_recipe *r = &recipes->item[recipe];
  bool seeded = r->seeds.count > 0;
  for (int i = 0, more = (int)variants_of(r); i < more; i++) {
    facet_variant *v = &variant[(*count)++];
    int rest = seeded ? i / r->seeds.count : i;
    long long own = seeded ? r->seeds.item[i % r->seeds.count] : seed;
    *v = (facet_variant){.recipe = recipe, .scope = FACET_SCOPE_GLOBAL, .seed = (uint32_t)own};
    if (is_pruned(r)) {
      v->sparsity = r->sparsity.item[rest % r->sparsity.count];
      rest /= r->sparsity.count;
      v->scope = (facet_scope)r->scope.item[rest % r->scope.count];
      v->method = facet_method_at(r->method.item[rest / r->scope.count]);
    }
    v->replicate = name_without_seed(r, v);
    v->name = seeded && v->replicate ? facet_format("%s-s%lld", v->replicate, own) : facet_copy_text(v->replicate);
    if (!v->name)
      return FACET_OS;
  }
  return FACET_OK;
}

static facet_status append(char **name, const char *text)
{
  char *longer = facet_format("%s%s", *name, text);
  facet_free(name);
  *name = longer;
  return longer ? FACET_OK : FACET_OS;
}

/* Of variants that share a made name, those with retraining take "-retrain" behind it. */
static facet_status tell_retrained(const facet_recipes *recipes, facet_variant *variant, int count)
{
  bool *shared = NULL;
  FACET_NEW(shared, count);
  for (int i = 0; i < count; i++)
    for (int j = 0; j < count; j++)
      shared[i] = shared[i] || (i != j && strcmp(variant[i].name, variant[j].name) == 0);
  facet_status status = FACET_OK;
  for (int i = 1; i < count; i++) {
    const facet_recipe *r = &recipes->item[variant[i].recipe];
    bool while_training = variant[i].method && variant[i].method->rule;
    if (!shared[i] || r->name || !r->retrain || while_training)
      continue;
    FACET_GO(done, status, append(&variant[i].name, "-retrain"));
    FACET_GO(done, status, append(&variant[i].replicate, "-retrain"));
  }
done:
  facet_free(&shared);
  return status;
}

/* Replicates are of one recipe: others that would go by the same name say which one they are of. */
static facet_status tell_recipes(facet_variant *variant, int count)
{
  for (int i = 0; i < count; i++) {
    bool shared = false;
    for (int j = 0; j < i; j++)
      shared =
          shared || (variant[i].recipe != variant[j].recipe && strcmp(variant[i].replicate, variant[j].replicate) == 0);
    char text[40];
    (void)snprintf(text, sizeof text, " (variants[%d])", variant[i].recipe);
    if (shared)
      FACET_TRY(append(&variant[i].replicate, text));
  }
  return FACET_OK;
}

static facet_status check_unique(const facet_recipes *recipes, const char *file, const facet_variant *variant,
                                 int count)
{
  for (int i = 1; i < count; i++)
    for (int j = 1; j < i; j++)
      FACET_CHECK(strcmp(variant[i].name, variant[j].name) != 0, FACET_BAD_INPUT,
                  "%s:%d: variants[%d]: its name '%s' is that of variants[%d] on line %d, too; give one of them a name",
                  file, recipes->item[variant[i].recipe].line, variant[i].recipe, variant[i].name, variant[j].recipe,
                  recipes->item[variant[j].recipe].line);
  return FACET_OK;
}

static facet_status make_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant *variant,
                                  int *count)
{
  variant[0] = (facet_variant){
      .recipe = -1, .seed = settings->seed, .name = facet_copy_text("dense"), .replicate = facet_copy_text("dense")};
  *count = 1;
  if (!variant[0].name || !variant[0].replicate)
    return FACET_OS;
  for (int i = 0; i < recipes->count; i++)
    FACET_TRY(add_all(recipes, settings->seed, i, variant, count));
  FACET_TRY(tell_retrained(recipes, variant, *count));
  FACET_TRY(check_unique(recipes, settings->file, variant, *count));
  return tell_recipes(variant, *count);
}

/* Before anything is made: what lists multiply to may be more than any machine holds. */
static facet_status count_all(const facet_settings *settings, const facet_recipes *recipes, int64_t *most)
{
  for (int i = 0; i < recipes->count; i++) {
    const facet_recipe *r = &recipes->item[i];
    *most += variants_of(r);
    FACET_CHECK(
        *most <= FACET_MOST_VARIANTS, FACET_BAD_INPUT,
        "%s:%d: variants[%d]: its lists (%d of method, %d of scope, %d of sparsity, %d of seeds) multiply to more "
        "than the %d variants that a study may have",
        settings->file, r->line, i, r->method.count, r->scope.count, r->sparsity.count, r->seeds.count,
        FACET_MOST_VARIANTS);
  }
  return FACET_OK;
}

facet_status facet_study_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant **out,
                                  int *count)
{
  int64_t most = 1;
  FACET_TRY(count_all(settings, recipes, &most));
  FACET_NEW(*out, most);
  facet_status status = make_variants(settings, recipes, *out, count);
  if (status != FACET_OK)
    facet_variants_free(out, *count);
  return status;
}

void facet_variants_free(facet_variant **variant, int count)
{
  for (int i = 0; *variant && i < count; i++) {
    facet_free(&(*variant)[i].name);
    facet_free(&(*variant)[i].replicate);
  }
  facet_free(variant);
}

/* ---- how they are made ---- */

static void print_dense(FILE *out, const facet_data_keys *data, const facet_model_keys *model, uint32_t seed)
{
  facet_model_keys own = *model;
  if (own.onnx)
    own.onnx = (char *)"onnx";
  fprintf(out, "seed %u, layout %d, %lld samples, ", seed, (int)data->layout, (long long)data->train.count);
  facet_schema_print(out, &facet_normalization_mapping, &data->normalize, 0);
  fputc('\n', out);
  facet_schema_print(out, &facet_model_keys_mapping, &own, 0);
}

static void print_recipe(FILE *out, const facet_recipe *recipe, const facet_variant *v)
{
  facet_recipe own = *recipe;
  own.name = NULL;
  own.mask = own.mask ? (char *)"mask" : NULL;
  own.onnx = own.onnx ? (char *)"onnx" : NULL;
  own.method.count = own.scope.count = own.sparsity.count = own.seeds.count = 0;
  fprintf(out, "%s %s %a, seed %u\n", v->method ? v->method->name : "", facet_scope_name((int)v->scope), v->sparsity,
          v->seed);
  facet_schema_print(out, &facet_recipe_mapping, &own, 0);
}

facet_status facet_variant_text(const facet_data_keys *data, const facet_model_keys *model,
                                const facet_recipes *recipes, const facet_variant *variant, char **text)
{
  char *made = NULL;
  size_t size;
  FILE *out = open_memstream(&made, &size);
  *text = NULL;
  FACET_CHECK(out, FACET_OS, "out of memory");
  if (variant->recipe < 0)
    print_dense(out, data, model, variant->seed);
  else
    print_recipe(out, &recipes->item[variant->recipe], variant);
  *text = fclose(out) == 0 ? facet_copy_text(made) : NULL;
  free(made);
  FACET_CHECK(*text, FACET_OS, "out of memory");
  return FACET_OK;
}
