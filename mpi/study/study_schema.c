/* Reads mappings by tables of keys, and frees them.  Every complaint about a value is made here, so all of them look
 * alike. */
#include "study_schema.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 100, LONGEST_LIST = 10000 /* whose items have to differ */ };

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

static facet_status read_number(const facet_tree *node, const char *range, double *x)
{
  FACET_TRY(check_scalar(node, "a number"));
  double value = 0;
  if (node->quoted || !is_decimal(node->text, &value))
    return facet_tree_raise(node, "%s is %snot a number", facet_tree_what(node), node->quoted ? "text, " : "");
  FACET_TRY(check_range(node, range, value));
  *x = value + 0.0; /* -0 becomes 0 */
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

const facet_word facet_truths[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {NULL, 0}};

static facet_word word_of(const facet_key *key, int i)
{
  return key->words ? key->words[i] : key->word(i);
}

const char *facet_schema_word_of(const facet_key *key, int64_t value)
{
  int i = 0;
  while (word_of(key, i).name && word_of(key, i).value != value)
    i++;
  return word_of(key, i).name;
}

static facet_status read_word(const facet_tree *node, const facet_key *key, int64_t *value)
{
  enum { MOST = 64 };
  const char *name[MOST];
  char list[1024] = "";
  int count = 0;
  facet_word word;
  for (int i = 0; (word = word_of(key, i)).name; i++) {
    if (facet_schema_is(node, word.name)) {
      *value = word.value;
      return FACET_OK;
    }
    facet_append(list, sizeof list, ", ", i > 0 ? "%s" : "one of %s", word.name);
    if (count < MOST)
      name[count++] = word.name;
  }
  const char *near = node->kind == FACET_TREE_SCALAR ? facet_nearest_word(node->text, name, count) : NULL;
  return near ? facet_tree_raise(node, "%s is not %s; did you mean '%s'?", facet_tree_what(node), list, near)
              : facet_tree_raise_kind(node, list);
}

/* A slip in one of the words that may stand in place of a number. */
static facet_status check_near(const facet_tree *node, const facet_key *key)
{
  const char *name[] = {key->zero, key->flag_word ? key->flag_word : key->zero};
  bool number = key->type == FACET_KEY_WHOLE || key->type == FACET_KEY_NUMBER;
  if (!number || node->kind != FACET_TREE_SCALAR || !(key->zero || key->flag_word))
    return FACET_OK;
  const char *near = facet_nearest_word(node->text, name + !key->zero, key->zero ? 2 : 1);
  return !near || !isalpha((unsigned char)node->text[0])
             ? FACET_OK
             : facet_tree_raise(node, "%s is neither a number nor '%s'; did you mean '%s'?", facet_tree_what(node),
                                near, near);
}

bool facet_schema_is(const facet_tree *node, const char *word)
{
  return node->kind == FACET_TREE_SCALAR && strcmp(node->text, word) == 0;
}

static facet_status read_text(const facet_tree *node, char **text)
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

static facet_status read_name(const facet_tree *node, char **name)
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

facet_status facet_schema_path(const facet_schema_reader *reader, const facet_tree *node, char **path)
{
  FACET_TRY(check_scalar(node, "a path"));
  if (node->text[0] == '\0')
    return facet_tree_raise(node, "an empty path");
  *path = facet_path_beside(reader->file, node->text);
  if (!*path)
    return FACET_OS;
  facet_path_tidy(*path, node->text[0] == '/' ? 0 : reader->real);
  return FACET_OK;
}

/* ---- one key ---- */

/* Integers in members of 1 (a bool), 4 and 8 bytes; none of them is negative. */
int64_t facet_schema_integer(const facet_key *key, const void *slot)
{
  return key->size == sizeof(bool)       ? *(const bool *)slot
         : key->size == sizeof(uint32_t) ? *(const uint32_t *)slot
                                         : *(const int64_t *)slot;
}

static void store_integer(const facet_key *key, int64_t x, void *slot)
{
  if (key->size == sizeof(bool))
    *(bool *)slot = x != 0;
  else if (key->size == sizeof(uint32_t))
    *(uint32_t *)slot = (uint32_t)x;
  else
    *(int64_t *)slot = x;
}

/* target: the struct that the row is of. */
static facet_status read_one(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                             void *target, void *slot)
{
  int64_t x = key->otherwise;
  switch (key->type) {
  case FACET_KEY_WHOLE:
    FACET_TRY(facet_schema_whole(node, key->range, &x));
    store_integer(key, x, slot);
    return FACET_OK;
  case FACET_KEY_NUMBER:
    return read_number(node, key->range, slot);
  case FACET_KEY_WORD:
    if (!key->keys || node->kind != FACET_TREE_MAPPING)
      FACET_TRY(read_word(node, key, &x));
    store_integer(key, x, slot);
    return key->keys && node->kind == FACET_TREE_MAPPING ? facet_schema_read(reader, key->keys, node, target)
                                                         : FACET_OK;
  case FACET_KEY_TEXT:
    return read_text(node, slot);
  case FACET_KEY_NAME:
    return read_name(node, slot);
  case FACET_KEY_PATH:
    return facet_schema_path(reader, node, slot);
  case FACET_KEY_MAPPING:
    break;
  }
  if (!key->inherits)
    FACET_TRY(facet_schema_defaults(reader, key->keys, slot));
  return facet_schema_read(reader, key->keys, node, slot);
}

bool facet_schema_is_text(const facet_key *key)
{
  return key->type == FACET_KEY_TEXT || key->type == FACET_KEY_NAME || key->type == FACET_KEY_PATH;
}

static facet_status check_different(const facet_key *key, const facet_tree *node, const char *items, int last)
{
  for (int i = 0; i < last; i++) {
    const char *a = items + (size_t)i * key->size, *b = items + (size_t)last * key->size;
    bool same = facet_schema_is_text(key)
                    ? strcmp(*(char *const *)(const void *)a, *(char *const *)(const void *)b) == 0
                    : memcmp(a, b, key->size) == 0;
    if (same)
      return facet_tree_raise(facet_tree_item(node, last),
                              facet_schema_is_text(key) ? "'%s' stands there twice" : "%s stands there twice",
                              facet_tree_item(node, last)->text);
  }
  return FACET_OK;
}

static facet_status check_list(const facet_key *key, const facet_tree *node)
{
  char wanted[64];
  snprintf(wanted, sizeof wanted, "a list of %s", key->plural ? key->plural : "");
  const int most = key->most > 0 ? key->most : key->different ? LONGEST_LIST : INT_MAX;
  if (key->plural && node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, wanted);
  if (node->kind == FACET_TREE_MAPPING)
    return facet_tree_raise(node, "a mapping is neither a value nor a list of values");
  if (facet_tree_items(node) < (key->plural ? key->least : 1))
    return facet_tree_raise(node, "the list is empty");
  if (facet_tree_items(node) > most)
    return facet_tree_raise(node, "a list of %d; at most %d are possible", facet_tree_items(node), most);
  return FACET_OK;
}

char *facet_schema_items(const facet_key *key, const void *target, int *count)
{
  const char *items = (const char *)target + key->target;
  *count = key->list ? *(const int *)((const char *)target + key->count) : 1;
  return key->list && !key->fixed ? *(char *const *)items : (char *)items;
}

/* What was read before a failure is counted, and so freed. */
static facet_status read_list(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                              char *target)
{
  int *count = (int *)(void *)(target + key->count), none;
  FACET_TRY(check_list(key, node));
  if (!key->fixed)
    FACET_NEW(*(char **)(target + key->target), (size_t)facet_tree_items(node) * key->size);
  char *items = facet_schema_items(key, target, &none);
  for (int i = 0; i < facet_tree_items(node); i++) {
    *count = i + 1;
    FACET_TRY(read_one(reader, key, facet_tree_item(node, i), target, items + (size_t)i * key->size));
    if (key->different)
      FACET_TRY(check_different(key, node, items, i));
  }
  return FACET_OK;
}

static void clear_key(const facet_key *key, char *target)
{
  if (key->clear) {
    key->clear(target);
    return;
  }
  int count;
  char *items = facet_schema_items(key, target, &count);
  for (int i = 0; i < count && items; i++)
    if (key->type == FACET_KEY_MAPPING)
      facet_schema_clear(key->keys, items + (size_t)i * key->size);
    else if (facet_schema_is_text(key))
      facet_free(items + (size_t)i * key->size);
  if (key->type == FACET_KEY_WORD && key->keys)
    facet_schema_clear(key->keys, target);
  if (key->list)
    *(int *)(void *)(target + key->count) = 0;
  if (key->list && !key->fixed)
    facet_free(target + key->target);
}

facet_status facet_schema_value(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                                void *target)
{
  char *slot = (char *)target + key->target;
  bool flagged = key->flag_word && facet_schema_is(node, key->flag_word);
  if (key->flag_word)
    *(bool *)((char *)target + key->flag) = flagged;
  if (flagged)
    return FACET_OK;
  if (key->type != FACET_KEY_MAPPING)
    clear_key(key, target); /* the default */
  if (key->zero && facet_schema_is(node, key->zero)) {
    if (!key->list)
      memset(slot, 0, key->size);
    return FACET_OK;
  }
  FACET_TRY(check_near(node, key));
  if (key->list)
    return read_list(reader, key, node, target);
  if (key->type == FACET_KEY_MAPPING && key->given > 0)
    *(bool *)((char *)target + key->given) = true;
  return read_one(reader, key, node, target, slot);
}

static facet_status read_key(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                             void *target)
{
  if (key->line > 0)
    *(int *)(void *)((char *)target + key->line) = node->line;
  return key->read ? key->read(reader, key, node, target) : facet_schema_value(reader, key, node, target);
}

/* ---- mappings ---- */

facet_status facet_schema_defaults(const facet_schema_reader *reader, const facet_mapping *mapping, void *target)
{
  for (int i = 0; i < mapping->count; i++) {
    const facet_key *key = &mapping->key[i];
    if (key->type == FACET_KEY_MAPPING && key->given == 0 && !key->list && !key->read)
      FACET_TRY(facet_schema_defaults(reader, key->keys, (char *)target + key->target));
    if (!key->standard)
      continue;
    facet_tree *node = NULL;
    FACET_TRY(facet_tree_read("a default", (const uint8_t *)key->standard, strlen(key->standard), &node));
    facet_status status = read_key(reader, key, node, target);
    facet_tree_destroy(&node);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status check_known(const facet_tree *node, const facet_mapping *mapping)
{
  enum { MOST = 32 };
  const char *word[MOST];
  char list[512] = "";
  int count = mapping->count < MOST ? mapping->count : MOST;
  for (int i = 0; i < count; i++) {
    word[i] = mapping->key[i].key;
    facet_append(list, sizeof list, ", ", "%s", word[i]);
  }
  for (int i = 0; i < node->count; i++) {
    const char *key = node->child[i]->key;
    bool known = false;
    for (int j = 0; j < mapping->count; j++)
      known = known || strcmp(key, mapping->key[j].key) == 0;
    if (known)
      continue;
    const char *near = facet_nearest_word(key, word, count);
    if (near)
      return facet_tree_raise(node->child[i], "unknown key; did you mean '%s'?", near);
    return facet_tree_raise(node->child[i], "unknown key; there are %s", list);
  }
  return FACET_OK;
}

/* Keys that do not belong to the kind that the mapping turned out to be. */
static facet_status check_kind(const facet_tree *node, const facet_mapping *mapping, const void *target)
{
  if (!mapping->kind)
    return FACET_OK;
  int kind = mapping->kind(target);
  for (int i = 0; i < mapping->count; i++) {
    const facet_tree *child = facet_tree_find(node, mapping->key[i].key);
    if (child && mapping->key[i].kinds > 0 && !(mapping->key[i].kinds >> kind & 1))
      return facet_tree_raise(child, "does not go with %s, %s", mapping->kinds[kind].name, mapping->kinds[kind].which);
  }
  return FACET_OK;
}

facet_status facet_schema_read(const facet_schema_reader *reader, const facet_mapping *mapping, const facet_tree *node,
                               void *target)
{
  if (node->kind != FACET_TREE_MAPPING)
    return facet_tree_raise_kind(node, "a mapping of keys");
  FACET_TRY(check_known(node, mapping));
  for (int i = 0; i < mapping->count; i++)
    if (mapping->key[i].required && !facet_tree_find(node, mapping->key[i].key))
      return facet_tree_raise_at(node, mapping->key[i].key, "missing");
  if (mapping->begin)
    FACET_TRY(mapping->begin(reader, node, target));
  for (int i = 0; i < mapping->count; i++) {
    const facet_tree *child = facet_tree_find(node, mapping->key[i].key);
    if (child)
      FACET_TRY(read_key(reader, &mapping->key[i], child, target));
  }
  FACET_TRY(check_kind(node, mapping, target));
  return mapping->check ? mapping->check(reader, node, target) : FACET_OK;
}

void facet_schema_clear(const facet_mapping *mapping, void *target)
{
  for (int i = 0; i < mapping->count; i++)
    clear_key(&mapping->key[i], target);
}
