/* Conditions: the lists of a line multiply, and each one has a name. */
#include <string.h>

#include "study_keys.h"

/* Caller frees. */
static char *name_of(facet_condition condition)
{
  const char *name = facet_corruption_name(condition.corruption);
  if (condition.corruption == 0)
    return facet_copy_text(name);
  if (!condition.published)
    return facet_format("%s/%d", name, condition.severity);
  char *set = facet_name_of_file(condition.published);
  char *whole = set ? facet_format("%s/%s/%d", set, name, condition.severity) : NULL;
  facet_free(&set);
  return whole;
}

/* `condition.published` is copied. FACET_BAD_INPUT if there is one of that name. */
static facet_status add(const facet_tree *node, facet_conditions *conditions, facet_condition condition)
{
  size_t count = (size_t)conditions->count;
  if (count == FACET_MOST_CONDITIONS)
    return facet_tree_raise(node, "more than the %d conditions that a study may have", FACET_MOST_CONDITIONS);
  FACET_TRY(facet_grow(&conditions->item, count, count + 1, sizeof *conditions->item));
  facet_condition *own = &conditions->item[conditions->count++];
  *own = (facet_condition){condition.corruption, condition.severity, facet_copy_text(condition.published),
                           name_of(condition)};
  if (!own->name || (condition.published && !own->published))
    return FACET_OS;
  for (const facet_condition *other = conditions->item; other < own; other++)
    if (strcmp(other->name, own->name) == 0)
      return facet_tree_raise(node, "%s stands there twice", own->name);
  return FACET_OK;
}

static facet_status read_condition(const facet_schema_reader *r, const facet_tree *node, facet_conditions *conditions)
{
  static const char *const clean[] = {"clean"};
  if (facet_schema_is(node, clean[0]))
    return add(node, conditions, (facet_condition){.corruption = 0});
  if (node->kind != FACET_TREE_MAPPING)
    return facet_tree_raise(
        node, "%s is neither clean nor {corruption: ..., severity: ...}%s", facet_tree_what(node),
        node->kind == FACET_TREE_SCALAR && facet_nearest_word(node->text, clean, 1) ? "; did you mean 'clean'?" : "");
  facet_corrupted c = {0};
  facet_status status = FACET_OK;
  FACET_GO(done, status, facet_schema_defaults(r, &facet_corrupted_mapping, &c));
  FACET_GO(done, status, facet_schema_read(r, &facet_corrupted_mapping, node, &c));
  for (int i = 0; i < c.corruption.count; i++)
    for (int j = 0; j < c.severity.count; j++)
      FACET_GO(
          done, status,
          add(node, conditions, (facet_condition){c.corruption.item[i], (int)c.severity.item[j], c.published, NULL}));
done:
  facet_schema_clear(&facet_corrupted_mapping, &c);
  return status;
}

facet_status facet_conditions_read(const facet_schema_reader *r, const facet_key *key, const facet_tree *node,
                                   void *target)
{
  (void)key;
  facet_conditions *conditions = &((facet_study *)target)->conditions;
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of conditions");
  if (node->count == 0)
    return facet_tree_raise(node, "the list is empty");
  facet_conditions_clear(target); /* the default */
  for (int i = 0; i < node->count; i++)
    FACET_TRY(read_condition(r, node->child[i], conditions));
  return FACET_OK;
}

void facet_conditions_print(FILE *out, const void *target)
{
  const facet_conditions *conditions = &((const facet_study *)target)->conditions;
  for (int i = 0; i < conditions->count; i++) {
    facet_condition *condition = &conditions->item[i];
    int64_t severity = condition->severity;
    const facet_corrupted c = {{1, &condition->corruption}, {1, &severity}, condition->published};
    fputs(condition->corruption == 0 ? "\n  - clean" : "\n  - ", out);
    if (condition->corruption != 0)
      facet_schema_print(out, &facet_corrupted_mapping, &c, 4);
  }
}

void facet_conditions_clear(void *target)
{
  facet_conditions *conditions = &((facet_study *)target)->conditions;
  for (int i = 0; i < conditions->count; i++)
    FACET_FREE(&conditions->item[i].published, &conditions->item[i].name);
  facet_free(&conditions->item);
  conditions->count = 0;
}
