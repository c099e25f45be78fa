/* What holds between the keys of a study, and can be said before any other file is read. */
#include <string.h>

#include "study_keys.h"

/* Whatever is to be trained needs something to train on. */
static facet_status check_train(const facet_tree *root, const facet_study *study)
{
  if (study->data.has_train)
    return FACET_OK;
  const facet_tree *model = facet_tree_find(root, "model"), *variants = facet_tree_find(root, "variants");
  if (study->model.train)
    return facet_tree_raise(facet_tree_find(model, study->model.onnx ? "train" : "architecture"),
                            "is to be trained, but there is no data.train");
  for (int i = 0; i < study->recipes.count; i++) {
    const facet_tree *node = variants->child[i], *retrain = facet_tree_find(node, "retrain");
    if (study->recipes.item[i].retrain)
      return facet_tree_raise(retrain ? retrain : facet_tree_find(node, "budget"),
                              "needs data.train, which is missing");
    for (int j = 0; j < study->recipes.item[i].method.count; j++)
      if (facet_method_at(study->recipes.item[i].method.item[j])->needs_data)
        return facet_tree_raise(facet_tree_find(node, "method"), "%s needs data.train, which is missing",
                                facet_method_at(study->recipes.item[i].method.item[j])->name);
  }
  return FACET_OK;
}

/* Linearizations are those of the clean samples. */
static facet_status check_clean(const facet_tree *root, const facet_study *study)
{
  if (study->conditions.clean >= 0)
    return FACET_OK;
  const facet_stage_keys *s = &study->stages;
  const char *key = s->linearize.wanted      ? "linearize"
                    : s->change.wanted       ? "change"
                    : s->paths.wanted        ? "paths"
                    : s->reach.wanted        ? "reach"
                    : s->lines.wanted        ? "lines"
                    : s->planes.wanted       ? "planes"
                    : s->attributions.wanted ? "attributions"
                    : s->embed.wanted        ? "embed"
                                             : NULL;
  return key ? facet_tree_raise(facet_tree_find(root, key), "needs 'clean' among the conditions") : FACET_OK;
}

/* Whether every name that is asked for is among those that there are; `what` they are, and `list`, where they stand. */
static facet_status check_known(const facet_tree *list, const char *what, const facet_texts *asked,
                                const facet_texts *there)
{
  for (int i = 0; i < asked->count; i++) {
    if (facet_is_among(asked->item[i], there->item, there->count))
      continue;
    const facet_tree *node = facet_tree_item(list, i);
    const char *near = facet_nearest_word(asked->item[i], (const char *const *)there->item, there->count);
    return near ? facet_tree_raise(node, "there is no %s '%s'; did you mean '%s'?", what, node->text, near)
                : facet_tree_raise(node, "there is no %s '%s'; '%s' to '%s' are %d %ss", what, node->text,
                                   there->item[0], there->item[there->count - 1], there->count, what);
  }
  return FACET_OK;
}

/* The node of a key of a mapping at the top; NULL where it is left out. */
static const facet_tree *node_of(const facet_tree *root, const char *mapping, const char *key)
{
  const facet_tree *node = facet_tree_find(root, mapping);
  return node ? facet_tree_find(node, key) : NULL;
}

/* The conditions under which stages are asked for are there. */
static facet_status check_stage_conditions(const facet_tree *root, const facet_study *study)
{
  facet_texts name = {.count = study->conditions.count};
  FACET_NEW(name.item, name.count);
  for (int i = 0; i < name.count; i++)
    name.item[i] = study->conditions.item[i].name;
  facet_status status =
      check_known(node_of(root, "change", "conditions"), "condition", &study->stages.change.conditions, &name);
  if (status == FACET_OK)
    status = check_known(node_of(root, "paths", "conditions"), "condition", &study->stages.paths.conditions, &name);
  if (status == FACET_OK)
    status = check_known(node_of(root, "census", "conditions"), "condition", &study->stages.census.conditions, &name);
  facet_free(&name.item);
  return status;
}

/* Names of variants that mean something else: the study's own words, and what the caller wants for itself. */
static facet_status check_taken(const facet_tree *root, const facet_variant *variant, int count,
                                facet_study_taken *taken)
{
  for (int i = 1; i < count; i++) {
    const char *name = variant[i].name;
    if (strcmp(name, "dense") != 0 && strcmp(name, "all") != 0 && !(taken && taken("{variant}", name)))
      continue;
    const facet_tree *node = facet_tree_find(root, "variants")->child[variant[i].recipe];
    const facet_tree *given = facet_tree_find(node, "name");
    return given && strcmp(given->text, name) == 0
               ? facet_tree_raise(given,
                                  "'%s' is taken: dense is the unpruned network, all means every variant, and the "
                                  "result file has arrays of its own beside those of variants",
                                  name)
               : facet_tree_raise(node, "its name would be '%s', which is taken; give it a name", name);
  }
  return FACET_OK;
}

/* Folders of published sets, whose names begin those of conditions, likewise. */
static facet_status check_folders(const facet_tree *root, const facet_study *study, facet_study_taken *taken)
{
  for (int i = 0; taken && i < study->conditions.count; i++) {
    const facet_condition *condition = &study->conditions.item[i];
    char *folder = facet_format("%.*s", (int)strcspn(condition->name, "/"), condition->name);
    if (!folder)
      return FACET_OS;
    facet_status status = !condition->published || !taken("{condition}", folder)
                              ? FACET_OK
                              : facet_tree_raise(facet_tree_find(root, "conditions"),
                                                 "a published set is called '%s', and the result file has an array of "
                                                 "that name: call its folder otherwise",
                                                 folder);
    facet_free(&folder);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* No two variants bear one name, none a taken one, and those that other keys name are there. */
static facet_status check_names(const facet_tree *root, const facet_study *study, facet_study_taken *taken)
{
  facet_variant *variant = NULL;
  facet_texts name = {0}, learned = {study->stages.embed.wanted ? 1 : 0, (char **)&study->stages.embed.variant};
  FACET_TRY(facet_study_variants(&study->settings, &study->recipes, &variant, &name.count));
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, name.item, name.count);
  FACET_GO(done, status, check_taken(root, variant, name.count, taken));
  for (int i = 0; i < name.count; i++)
    name.item[i] = variant[i].name;
  FACET_GO(done, status,
           check_known(node_of(root, "linearize", "variants"), "variant", &study->stages.linearize.variants, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "change", "variants"), "variant", &study->stages.change.variants, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "paths", "variants"), "variant", &study->stages.paths.variants, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "lines", "variants"), "variant", &study->stages.lines.variants, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "planes", "variants"), "variant", &study->stages.planes.variants, &name));
  FACET_GO(done, status, check_known(node_of(root, "embed", "variant"), "variant", &learned, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "census", "variants"), "variant", &study->stages.census.variants, &name));
  FACET_GO(done, status,
           check_known(node_of(root, "reach", "variants"), "variant", &study->stages.reach.variants, &name));
  FACET_GO(
      done, status,
      check_known(node_of(root, "attributions", "variants"), "variant", &study->stages.attributions.variants, &name));
  status = check_stage_conditions(root, study);
done:
  facet_free(&name.item);
  facet_variants_free(&variant, name.count);
  return status;
}

facet_status facet_study_check(const facet_tree *root, const facet_study *study, facet_study_taken *taken)
{
  FACET_TRY(check_train(root, study));
  FACET_TRY(check_clean(root, study));
  FACET_TRY(check_folders(root, study, taken));
  return check_names(root, study, taken);
}
