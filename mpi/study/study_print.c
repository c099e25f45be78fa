/* Mappings back into YAML by their tables of keys, every default written out. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "study_schema.h"

/* ---- values ---- */

/* Whether a text may stand without quotes and is still read as the same text. */
static bool is_plain(const char *text)
{
  if (!isalnum((unsigned char)text[0]) && text[0] != '/' && text[0] != '_')
    return false;
  for (const char *c = text; *c; c++)
    if (!isalnum((unsigned char)*c) && !strchr("/._+-", *c))
      return false;
  return strcmp(text, "null") != 0 && strcmp(text, "Null") != 0 && strcmp(text, "NULL") != 0;
}

static void print_text(FILE *out, const char *text)
{
  if (is_plain(text)) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fputc('\\', out);
    fputc(*c, out);
  }
  fputc('"', out);
}

/* The fewest digits that are read back as the same number. */
static void print_number(FILE *out, double x)
{
  char text[40];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, x);
    if (strtod(text, NULL) == x)
      break;
  }
  fputs(text, out);
}

static void print_one(FILE *out, const facet_key *key, const void *slot)
{
  if (facet_schema_is_text(key))
    print_text(out, *(char *const *)slot);
  else if (key->type == FACET_KEY_NUMBER)
    print_number(out, *(const double *)slot);
  else if (key->type == FACET_KEY_WORD)
    fputs(facet_schema_word_of(key, facet_schema_integer(key, slot)), out);
  else if (key->zero && facet_schema_integer(key, slot) == 0)
    fputs(key->zero, out);
  else
    fprintf(out, "%lld", (long long)facet_schema_integer(key, slot));
}

/* The last name of a path, in quotes; the character behind the path. */
static const char *print_last_name(FILE *out, const char *path, bool quoted)
{
  const char *end = path + strcspn(path, quoted ? "\"\n" : " ,]}\n"), *name = path;
  for (const char *c = path; c < end; c++)
    name = *c == '/' ? c + 1 : name;
  fprintf(out, quoted ? "%.*s" : "\"%.*s\"", (int)(end - name), name);
  return end;
}

/* Paths are the texts that begin with /: they are absolute. */
static void print_identity(FILE *out, const char *yaml)
{
  static const char output[] = "output: ";
  for (const char *c = yaml; *c;) {
    char before = c == yaml ? '\n' : c[-1];
    if (before == '\n' && strncmp(c, output, sizeof output - 1) == 0)
      c += strcspn(c, "\n");
    else if (*c == '/' && strchr(" [\"", before))
      c = print_last_name(out, c, before == '"');
    else
      fputc(*c++, out);
  }
}

char *facet_study_identity(const char *yaml)
{
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out)
    print_identity(out, yaml);
  char *identity = out && fclose(out) == 0 ? facet_copy_text(text) : NULL;
  free(text);
  return identity;
}

facet_status facet_study_same(const char *yaml, const char *other, bool *same)
{
  char *a = facet_study_identity(yaml), *b = facet_study_identity(other);
  bool made = a && b;
  *same = made && strcmp(a, b) == 0;
  FACET_FREE(&a, &b);
  return made ? FACET_OK : FACET_OS;
}

/* ---- keys ---- */

/* One value, or a list of them. */
static void print_values(FILE *out, const facet_key *key, const char *items, int count)
{
  bool bare = !key->list || (count == 1 && key->bare) || (count == 0 && key->zero);
  fputs(bare ? "" : "[", out);
  fputs(count == 0 && key->zero ? key->zero : "", out);
  for (int i = 0; i < count; i++) {
    fputs(i > 0 ? ", " : "", out);
    print_one(out, key, items + (size_t)i * key->size);
  }
  fputs(bare ? "" : "]", out);
}

static bool is_printed(const facet_mapping *mapping, const facet_key *key, const char *target)
{
  int count;
  const char *items = facet_schema_items(key, target, &count);
  if (key->again || (key->kinds > 0 && !(key->kinds >> mapping->kind(target) & 1)))
    return false;
  if (key->print)
    return true;
  if (key->list)
    return count > 0 || key->zero || (key->plural && key->least == 0);
  if (key->type == FACET_KEY_MAPPING)
    return key->given == 0 || *(const bool *)(target + key->given);
  return !facet_schema_is_text(key) || *(char *const *)(const void *)items;
}

/* What stands behind "key:". A block ends its own last line; everything else is ended by whom it stands in. */
static void print_value(FILE *out, const facet_key *key, const char *target, int indent)
{
  int count;
  const char *items = facet_schema_items(key, target, &count);
  if (key->flag_word && *(const bool *)(target + key->flag)) {
    fprintf(out, " %s", key->flag_word);
  } else if (key->type == FACET_KEY_WORD && key->keys && facet_schema_integer(key, items) == key->otherwise) {
    fputc(' ', out);
    facet_schema_print(out, key->keys, target, 0);
  } else if (key->type != FACET_KEY_MAPPING) {
    fputc(' ', out);
    print_values(out, key, items, count);
  } else if (key->list) {
    fputs(count > 0 ? "" : " []", out);
    for (int i = 0; i < count; i++) {
      fprintf(out, "\n%*s- ", indent + 2, "");
      facet_schema_print(out, key->keys, items + (size_t)i * key->size, indent + 4);
    }
  } else {
    if (key->keys->flow)
      fputc(' ', out);
    else
      fprintf(out, "\n%*s", indent + 2, "");
    facet_schema_print(out, key->keys, items, indent + 2);
  }
}

void facet_schema_print(FILE *out, const facet_mapping *mapping, const void *target, int indent)
{
  bool first = true;
  fputs(mapping->flow ? "{" : "", out);
  for (int i = 0; i < mapping->count; i++) {
    const facet_key *key = &mapping->key[i];
    if (!is_printed(mapping, key, target))
      continue;
    if (!first && mapping->flow)
      fputs(", ", out);
    else if (!first)
      fprintf(out, "\n%*s", indent, "");
    first = false;
    fprintf(out, "%s:", key->key);
    if (key->print)
      key->print(out, target);
    else
      print_value(out, key, target, indent);
  }
  fputs(mapping->flow ? "}" : "", out);
}
