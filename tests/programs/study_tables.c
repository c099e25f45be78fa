/* Tables of the study's keys, in Markdown, for docs/study.md (make docs).
 *
 *   study_tables MAPPING...
 *
 * MAPPING: "study", or a path of keys ("data.test"), and behind a slash the kind of it that is meant ("variants/onnx").
 * Rows of a second mapping, which lies in the first, begin with its key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/study_keys.h"

/* The mapping of a path, and what of the path is behind the first `skip` keys. */
static const facet_mapping *find(const char *path)
{
  const facet_mapping *mapping = &facet_study_mapping;
  if (strncmp(path, "study", 5) == 0)
    return mapping;
  for (size_t size; mapping && *path && *path != '/'; path += size + (path[size] == '.')) {
    size = strcspn(path, "./");
    const facet_mapping *next = NULL;
    for (int i = 0; i < mapping->count; i++)
      if (strlen(mapping->key[i].key) == size && strncmp(mapping->key[i].key, path, size) == 0)
        next = mapping->key[i].keys;
    mapping = next;
  }
  return mapping;
}

static unsigned kinds_of(const facet_mapping *mapping, const char *path)
{
  const char *name = strchr(path, '/');
  for (unsigned i = 0; name && i < 8 * sizeof i; i++)
    if (strcmp(mapping->kinds[i].name, name + 1) == 0)
      return 1u << i;
  return ~0u;
}

/* ---- cells ---- */

static void say_range(const char *range, const char *what)
{
  double low = 0, high = 0;
  if (strcmp(range, "(-inf, inf)") == 0)
    printf("%s", what);
  else if (strcmp(range, FACET_ANY) == 0)
    printf("%s from 1", what);
  else if (strstr(range, ", inf)") && sscanf(range + 1, "%lf, %lf", &low, &high) == 2)
    printf("%s %s %g", what, range[0] == '[' ? "from" : "above", low);
  else
    printf("%s in %s", what, range);
}

static void say_words(const facet_key *key)
{
  int count = 0;
  while (key->words ? key->words[count].name : key->word(count).name)
    count++;
  if (key->words == facet_truths)
    count = 2; /* yes and no are for people who will not do without */
  for (int i = 0; i < count; i++)
    printf("%s`%s`", i == 0 ? "" : i + 1 < count ? ", " : " or ", key->words ? key->words[i].name : key->word(i).name);
}

static void say_type(const facet_key *key)
{
  char plural[64];
  snprintf(plural, sizeof plural, "list of %s", key->plural ? key->plural : "");
  if (key->type_says) {
    fputs(key->type_says, stdout);
    return;
  }
  if (key->type == FACET_KEY_WORD)
    say_words(key);
  else if (key->type == FACET_KEY_WHOLE || key->type == FACET_KEY_NUMBER)
    say_range(key->range, key->plural ? plural : key->type == FACET_KEY_WHOLE ? "whole number" : "number");
  else if (key->plural)
    fputs(plural, stdout);
  else
    fputs(key->type == FACET_KEY_TEXT   ? "text"
          : key->type == FACET_KEY_NAME ? "name"
          : key->type == FACET_KEY_PATH ? "path"
                                        : "mapping",
          stdout);
  if (key->most > 0)
    printf(", at most %d", key->most);
  if (key->plural && key->different)
    fputs(", all different", stdout);
  if (key->list && !key->plural)
    fputs(", one or a list", stdout);
  if (key->zero)
    printf(", or `%s`", key->zero);
  if (key->flag_word)
    printf(", or `%s`", key->flag_word);
}

static void say_standard(const facet_key *key)
{
  bool number = key->standard && strspn(key->standard, "+-.0123456789e") == strlen(key->standard);
  if (key->standard_says || key->required)
    fputs(key->standard_says ? key->standard_says : "must be given", stdout);
  else if (key->standard)
    printf(number ? "%s" : "`%s`", key->standard);
}

int main(int arguments, char **argument)
{
  puts("| key | type | default | meaning |\n|---|---|---|---|");
  for (int m = 1; m < arguments; m++) {
    const facet_mapping *mapping = find(argument[m]);
    if (!mapping) {
      fprintf(stderr, "study_tables: there is no %s\n", argument[m]);
      return EXIT_FAILURE;
    }
    unsigned kinds = kinds_of(mapping, argument[m]);
    const char *prefix = m > 1 ? argument[m] + strlen(argument[1]) + 1 : "";
    for (int i = 0; i < mapping->count; i++) {
      const facet_key *key = &mapping->key[i];
      if (key->kinds > 0 && !(key->kinds & kinds))
        continue;
      printf("| `%s%s%s` | ", prefix, *prefix ? "." : "", key->key);
      say_type(key);
      fputs(" | ", stdout);
      say_standard(key);
      printf(" | %s |\n", key->meaning);
    }
  }
  return EXIT_SUCCESS;
}
