/* Reads mappings by tables of keys.  Every complaint about a value is made here, so all of them look alike. */
#include "study_schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 100 };

/* ---- numbers ---- */

static facet_status check_scalar(const facet_tree *node, const char *wanted)
{
  bool given = node->kind == FACET_TREE_SCALAR && (node->quoted || node->text[0] != '\0');
  return given ? FACET_OK : facet_tree_raise_kind(node, wanted);
}

static facet_status check_range(const facet_tree *node, const char *range, double x)
{
  char left = 0, right = 0;
  double low = 0, high = 0;
  if (sscanf(range, "%c%lf, %lf%c", &left, &low, &high, &right) != 4)
    return facet_raise(FACET_INTERNAL, "the range '%s' cannot be read", range);
  bool inside = (left == '[' ? x >= low : x > low) && (right == ']' ? x <= high : x < high);
  return inside ? FACET_OK : facet_tree_raise(node, "%s is not in %s", node->text, range);
}

/* A decimal number, all of the text; strtod alone would take "nan", "0x1p3" and " 1" as well. */
static bool is_decimal(const char *text, double *x)
{
  char *end = NULL;
  if (text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
    return false;
  *x = strtod(text, &end);
  return *end == '\0';
}

static bool is_whole(const char *text)
{
  text += *text == '-' || *text == '+';
  return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

facet_status facet_schema_number(const facet_tree *node, const char *range, double *x)
{
  FACET_TRY(check_scalar(node, "a number"));
  double value = 0;
  if (node->quoted || !is_decimal(node->text, &value))
    return facet_tree_raise(node, "%s is %snot a number", facet_tree_what(node), node->quoted ? "text, " : "");
  FACET_TRY(check_range(node, range, value));
  *x = value;
  return FACET_OK;
}

/* Every range of whole numbers lies within 2^53, where doubles are exact. */
facet_status facet_schema_whole(const facet_tree *node, const char *range, int64_t *x)
{
  FACET_TRY(check_scalar(node, "a whole number"));
  if (node->quoted || !is_whole(node->text))
    return facet_tree_raise(node, "%s is %snot a whole number", facet_tree_what(node), node->quoted ? "text, " : "");
  FACET_TRY(check_range(node, range, strtod(node->text, NULL)));
  *x = strtoll(node->text, NULL, 10);
  return FACET_OK;
}

/* ---- words, names, paths ---- */

facet_status facet_schema_word(const facet_tree *node, const facet_word *words, int *value)
{
  char list[768] = "one of ";
  size_t start = strlen(list);
  for (const facet_word *word = words; word->name; word++) {
    if (node->kind == FACET_TREE_SCALAR && strcmp(node->text, word->name) == 0) {
      *value = word->value;
      return FACET_OK;
    }
    size_t length = strlen(list);
    snprintf(list + length, sizeof list - length, "%s%s", length > start ? ", " : "", word->name);
  }
  return facet_tree_raise_kind(node, list);
}

facet_status facet_schema_text(const facet_tree *node, char **text)
{
  FACET_TRY(check_scalar(node, "a text"));
  if (node->text[0] == '\0')
    return facet_tree_raise(node, "an empty text");
  *text = facet_copy_text(node->text);
  return *text ? FACET_OK : FACET_OS;
}

static bool starts_name(char c)
{
  return isalnum((unsigned char)c) || c == '_';
}

static bool continues_name(char c)
{
  return starts_name(c) || c == '.' || c == '-' || c == '+';
}

static bool is_safe(const char *name)
{
  size_t length = strlen(name);
  bool safe = length <= LONGEST_NAME && starts_name(name[0]);
  for (size_t i = 0; i < length; i++)
    safe = safe && continues_name(name[i]);
  return safe;
}

char *facet_name_of_file(const char *path)
{
  const char *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
  char *name = facet_format("%.*s", (int)(length < LONGEST_NAME ? length : LONGEST_NAME), base);
  for (size_t i = 0; name && name[i]; i++)
    if (!(i == 0 ? starts_name(name[i]) : continues_name(name[i])))
      name[i] = '_';
  return name;
}

facet_status facet_schema_name(const facet_tree *node, char **name)
{
  FACET_TRY(check_scalar(node, "a name"));
  if (!is_safe(node->text))
    return facet_tree_raise(node,
                            "%s is not safe as a name: letters, digits, . _ + -, at most %d, and a letter, digit or _ "
                            "first",
                            facet_tree_what(node), LONGEST_NAME);
  *name = facet_copy_text(node->text);
  return *name ? FACET_OK : FACET_OS;
}

/* Drops "." and doubled slashes, and resolves ".." in the first `real` bytes, which hold no links: above a link, ".."
 * is not the folder before it in the text. */
static void tidy_path(char *path, size_t real)
{
  size_t length = 0;
  for (const char *part = path; *part;) {
    part += strspn(part, "/");
    size_t size = strcspn(part, "/");
    if (size == 2 && strncmp(part, "..", 2) == 0 && length <= real) {
      while (length > 0 && path[--length] != '/')
        ;
      real = length;
    } else if (size > 0 && !(size == 1 && part[0] == '.')) {
      path[length] = '/'; /* never beyond `part`: every part kept had a slash before it */
      memmove(path + length + 1, part, size);
      length += size + 1;
    }
    part += size;
  }
  if (length == 0)
    path[length++] = '/';
  path[length] = '\0';
}

facet_status facet_schema_path(const facet_schema_reader *reader, const facet_tree *node, char **path)
{
  FACET_TRY(check_scalar(node, "a path"));
  if (node->text[0] == '\0')
    return facet_tree_raise(node, "an empty path");
  *path = facet_path_beside(reader->file, node->text);
  if (!*path)
    return FACET_OS;
  tidy_path(*path, node->text[0] == '/' ? 0 : reader->real);
  return FACET_OK;
}

facet_status facet_schema_some(const facet_tree *node)
{
  if (node->kind == FACET_TREE_MAPPING)
    return facet_tree_raise(node, "a mapping is neither a value nor a list of values");
  if (node->kind == FACET_TREE_LIST && node->count == 0)
    return facet_tree_raise(node, "the list is empty");
  return FACET_OK;
}

/* ---- tables ---- */

static facet_status store_whole(const facet_key *key, const facet_tree *node, void *slot)
{
  int64_t x = 0;
  bool all = key->type == FACET_KEY_COUNT && node->kind == FACET_TREE_SCALAR && strcmp(node->text, "all") == 0;
  if (!all)
    FACET_TRY(facet_schema_whole(node, key->range, &x));
  int small = (int)x;
  uint32_t seed = (uint32_t)x;
  if (key->type == FACET_KEY_WHOLE)
    memcpy(slot, &small, sizeof small);
  else if (key->type == FACET_KEY_SEED)
    memcpy(slot, &seed, sizeof seed);
  else
    memcpy(slot, &x, sizeof x);
  return FACET_OK;
}

static facet_status store_text(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                               void *slot)
{
  char *text = NULL, *standard;
  FACET_TRY(key->type == FACET_KEY_NAME ? facet_schema_name(node, &text) : facet_schema_path(reader, node, &text));
  memcpy(&standard, slot, sizeof standard);
  facet_free(&standard);
  memcpy(slot, &text, sizeof text);
  return FACET_OK;
}

static facet_status store(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node, void *target)
{
  void *slot = (char *)target + key->target;
  int word = 0;
  switch (key->type) {
  case FACET_KEY_WHOLE:
  case FACET_KEY_LARGE:
  case FACET_KEY_COUNT:
  case FACET_KEY_SEED:
    return store_whole(key, node, slot);
  case FACET_KEY_NUMBER:
    return facet_schema_number(node, key->range, slot);
  case FACET_KEY_WORD:
    FACET_TRY(facet_schema_word(node, key->words, &word));
    memcpy(slot, &word, sizeof word);
    return FACET_OK;
  case FACET_KEY_NAME:
  case FACET_KEY_PATH:
    return store_text(reader, key, node, slot);
  case FACET_KEY_OTHER:
    break;
  }
  return key->read(reader, node, target);
}

facet_status facet_schema_defaults(const facet_schema_reader *reader, const facet_key *keys, int count, void *target)
{
  for (int i = 0; i < count; i++) {
    if (!keys[i].standard)
      continue;
    facet_tree node = {.kind = FACET_TREE_SCALAR, .text = facet_copy_text(keys[i].standard)};
    if (!node.text)
      return FACET_OS;
    facet_status status = store(reader, &keys[i], &node, target);
    facet_free(&node.text);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status check_known(const facet_tree *node, const facet_key *keys, int count)
{
  enum { MOST = 32 };
  const char *word[MOST];
  char list[512] = "";
  for (int i = 0; i < count && i < MOST; i++) {
    word[i] = keys[i].key;
    size_t length = strlen(list);
    snprintf(list + length, sizeof list - length, "%s%s", length > 0 ? ", " : "", word[i]);
  }
  for (int i = 0; i < node->count; i++) {
    const char *key = node->child[i]->key;
    bool known = false;
    for (int j = 0; j < count; j++)
      known = known || strcmp(key, keys[j].key) == 0;
    if (known)
      continue;
    const char *near = facet_tree_nearest(key, word, count < MOST ? count : MOST);
    if (near)
      return facet_tree_raise(node->child[i], "unknown key; did you mean '%s'?", near);
    return facet_tree_raise(node->child[i], "unknown key; there are %s", list);
  }
  return FACET_OK;
}

facet_status facet_schema_read(const facet_schema_reader *reader, const facet_tree *node, const facet_key *keys,
                               int count, void *target)
{
  if (node->kind != FACET_TREE_MAPPING)
    return facet_tree_raise_kind(node, "a mapping of keys");
  FACET_TRY(check_known(node, keys, count));
  for (int i = 0; i < count; i++)
    if (keys[i].required && !facet_tree_find(node, keys[i].key))
      return facet_tree_raise_at(node, keys[i].key, "missing");
  for (int i = 0; i < count; i++) {
    const facet_tree *child = facet_tree_find(node, keys[i].key);
    if (child)
      FACET_TRY(store(reader, &keys[i], child, target));
  }
  return FACET_OK;
}
