/* Lists multiply, and the recipes of a study become its variants, each with a name of its own. */
#include "study.h"

#include <stdio.h>
#include <string.h>

#include "study_schema.h"

/* The places in the lists of a recipe that make one variant. */
typedef struct {
  int method, scope, sparsity, seed;
} choice;

/* The name, seed apart, before it is known whether another variant bears it, too: a given one and what lists vary, or
 * the recipe. */
static char *name_without_seed(const facet_recipe *r, choice c)
{
  char parts[300] = "";
  size_t at = 0, room = sizeof parts;
  if (r->onnx || (r->mask && !r->name))
    return r->name ? facet_copy_text(r->name) : facet_name_of_file(r->onnx ? r->onnx : r->mask);
  if (r->name)
    at += (size_t)snprintf(parts + at, room - at, "%s", r->name);
  if (!r->mask && (!r->name || r->method.count > 1))
    at +=
        (size_t)snprintf(parts + at, room - at, "%s%s", at ? "-" : "", facet_method_at(r->method.item[c.method])->name);
  if (!r->mask && !r->name && r->norm == 2 && facet_method_takes(facet_method_at(r->method.item[c.method]), "norm"))
    at += (size_t)snprintf(parts + at, room - at, "-l2");
  if (!r->mask && (!r->name || r->scope.count > 1))
    at += (size_t)snprintf(parts + at, room - at, "-%s", facet_scope_name(r->scope.item[c.scope]));
  if (!r->mask && (!r->name || r->sparsity.count > 1))
    (void)snprintf(parts + at, room - at, "-%g", r->sparsity.item[c.sparsity]);
  return facet_copy_text(parts);
}

static int at_least_one(int count)
{
  return count > 0 ? count : 1;
}

static facet_status add(const facet_recipes *recipes, uint32_t seed, int recipe, choice c, facet_variant *variant,
                        int *count)
{
  const facet_recipe *from = &recipes->item[recipe];
  bool pruned = !from->onnx && !from->mask;
  char *shared = name_without_seed(from, c);
  bool seeded = shared && from->seeds.count > 0;
  variant[*count] = (facet_variant){
      .replicate = shared,
      .name = seeded ? facet_format("%s-s%lld", shared, (long long)from->seeds.item[c.seed]) : facet_copy_text(shared),
      .recipe = recipe,
      .sparsity = pruned ? from->sparsity.item[c.sparsity] : 0,
      .method = pruned ? facet_method_at(from->method.item[c.method]) : NULL,
      .scope = pruned ? (facet_scope)from->scope.item[c.scope] : FACET_SCOPE_GLOBAL,
      .seed = from->seeds.count > 0 ? (uint32_t)from->seeds.item[c.seed] : seed};
  bool named = variant[*count].name && shared;
  ++*count;
  return named ? FACET_OK : FACET_OS;
}

static int variants_of(const facet_recipe *r)
{
  return r->onnx ? 1
                 : at_least_one(r->method.count) * (r->mask ? 1 : at_least_one(r->scope.count)) *
                       at_least_one(r->sparsity.count) * at_least_one(r->seeds.count);
}

/* Methods, then scopes, sparsities and seeds, the last ones fastest. */
static facet_status add_all(const facet_recipes *recipes, uint32_t seed, int recipe, facet_variant *variant, int *count)
{
  const facet_recipe *r = &recipes->item[recipe];
  int seeds = at_least_one(r->seeds.count), sparsities = at_least_one(r->sparsity.count),
      scopes = at_least_one(r->scope.count);
  scopes = r->onnx || r->mask ? 1 : scopes;
  for (int i = 0; i < variants_of(r); i++) {
    choice c = {.seed = i % seeds, .sparsity = i / seeds % sparsities, .scope = i / seeds / sparsities % scopes};
    c.method = i / seeds / sparsities / scopes;
    FACET_TRY(add(recipes, seed, recipe, c, variant, count));
  }
  return FACET_OK;
}

static bool is_retrained(const facet_recipes *recipes, const facet_variant *variant)
{
  return variant->recipe >= 0 && recipes->item[variant->recipe].retrain && !(variant->method && variant->method->rule);
}

static bool has_given_name(const facet_recipes *recipes, const facet_variant *variant)
{
  return variant->recipe < 0 || recipes->item[variant->recipe].name;
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
  for (int i = 0; i < count; i++) {
    if (!shared[i] || !is_retrained(recipes, &variant[i]) || has_given_name(recipes, &variant[i]))
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
  for (int i = 1; i < count; i++) {
    int recipe = variant[i].recipe;
    int line = recipes->item[recipe].line;
    const char *name = variant[i].name;
    for (int j = 1; j < i; j++)
      FACET_CHECK(strcmp(name, variant[j].name) != 0, FACET_BAD_INPUT,
                  "%s:%d: variants[%d]: its name '%s' is that of variants[%d] on line %d, too; give one of them a name",
                  file, line, recipe, name, variant[j].recipe, recipes->item[variant[j].recipe].line);
  }
  return FACET_OK;
}

/* made: counts those that are to be freed, whatever happens. */
static facet_status make_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant *variant,
                                  int *made)
{
  *made = 1;
  variant[0] = (facet_variant){.recipe = -1, .seed = settings->seed};
  variant[0].name = facet_copy_text("dense");
  variant[0].replicate = facet_copy_text("dense");
  if (!variant[0].name || !variant[0].replicate)
    return FACET_OS;
  for (int i = 0; i < recipes->count; i++)
    FACET_TRY(add_all(recipes, settings->seed, i, variant, made));
  FACET_TRY(tell_retrained(recipes, variant, *made));
  FACET_TRY(check_unique(recipes, settings->file, variant, *made));
  return tell_recipes(variant, *made);
}

facet_status facet_study_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant **out,
                                  int *count)
{
  int most = 1;
  for (int i = 0; i < recipes->count; i++)
    most += variants_of(&recipes->item[i]);
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
