/* Every key of a study, found in the table of them: what is read is printed, and read again, as the same; a wrong type,
 * a value out of range and a key that is not there are refused with the line and the key.  A new key is covered by
 * itself; one whose values this file cannot make up from its row, or that goes with other keys only, has a line in
 * `given` or `examples`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "study/study_keys.h"

enum { DEEPEST = 5, MOST_VALUES = 40 };

static char methods[400]; /* all of them, as a list: some keys go with some alone */

/* Keys that stand beside the one that is tried: of a mapping (a path of keys, "" is the top), unless the path that is
 * tried begins with `unless`. */
static const struct {
  const char *mapping, *key, *text, *unless;
} given[] = {
    {"", "data", "{train: {format: npy, images: a, labels: b}, test: {format: npy, images: a}}", NULL},
    {"", "model", "{architecture: {dense: [4]}}", NULL},
    {"", "variants", "[{method: gmp, sparsity: 0.5, budget: {}}]", NULL},
    {"", "conditions", "[clean, {corruption: fog}]", NULL},
    {"", "linearize", "{}", "conditions"},
    {"data", "train", "{format: npy, images: a, labels: b}", NULL},
    {"data", "test", "{format: npy, images: a}", NULL},
    {"data.train", "format", "npy", NULL},
    {"data.train", "images", "a", NULL},
    {"data.train", "labels", "b", NULL},
    {"data.test", "format", "npy", NULL},
    {"data.test", "images", "a", NULL},
    {"model", "architecture", "{dense: [4]}", NULL},
    {"variants", "onnx", "m.onnx", NULL},
    {"variants", "method", methods, NULL},
    {"variants", "sparsity", "0.5", NULL},
    {"variants", "budget", "{}", NULL},
    {"conditions", "corruption", "fog", NULL},
    {"linearize.rows", "top", "1", NULL},
    {"paths.rows", "top", "1", NULL},
    {"attributions.rows", "top", "1", NULL},
};

/* Values that a row does not tell, or not with what else is given. */
static const struct {
  const char *path, *value;
} examples[] = {
    {"memory", "500 MB"},
    {"data.train.format", "hdf5"},
    {"data.test.format", "hdf5"},
    {"variants.method", "[gmp, lth]"},
    {"linearize.variants", "[dense, gmp-global-0.5]"},
    {"change.variants", "gmp-global-0.5"},
    {"change.conditions", "[fog/1, fog/3]"},
    {"change.groups", "class"},
    {"paths.from", "blur"},
    {"paths.variants", "[dense, gmp-global-0.5]"},
    {"paths.conditions", "fog/2"},
    {"reach.variants", "dense"},
    {"lines.between", "[4, 8, 15, 16]"},
    {"lines.variants", "dense"},
    {"planes.through", "[4, 8, 15, 16, 23, 42]"},
    {"planes.variants", "dense"},
    {"attributions.methods", "[gradcam, lrp_gamma]"},
    {"attributions.variants", "dense"},
    {"census.variants", "dense"},
    {"census.conditions", "[clean, fog/3]"},
    {"embed.variant", "gmp-global-0.5"},
};

/* ---- a study around one key ---- */

typedef struct {
  const facet_key *key[DEEPEST]; /* the way to it, from the top */
  int depth;
} place;

static void path_of(const place *p, int depth, bool indices, char *path, size_t size)
{
  path[0] = '\0';
  for (int i = 0; i < depth; i++) {
    size_t at = strlen(path);
    bool item = indices && i + 1 < p->depth && p->key[i]->type == FACET_KEY_MAPPING && p->key[i]->list;
    snprintf(path + at, size - at, "%s%s%s", at > 0 ? "." : "", p->key[i]->key, item ? "[0]" : "");
  }
}

static const facet_mapping *mapping_at(const place *p, int depth)
{
  return depth == 0 ? &facet_study_mapping : p->key[depth - 1]->keys;
}

static const facet_key *row_of(const facet_mapping *mapping, const char *name)
{
  for (int i = 0; i < mapping->count; i++)
    if (strcmp(mapping->key[i].key, name) == 0)
      return &mapping->key[i];
  return NULL;
}

/* The last of the kinds that have the key. */
static unsigned kind_for(const facet_mapping *mapping, const facet_key *key)
{
  unsigned kind = 1;
  for (int i = 0; mapping->kind && i < 8; i++)
    for (int k = 0; k < mapping->count; k++)
      if ((mapping->key[k].kinds >> i & 1) && (!key || key->kinds == 0 || (key->kinds >> i & 1)))
        kind = 1u << i;
  return kind;
}

/* A mapping in braces: what is given, and on a line of its own the next key of the way; `value` NULL leaves the last
 * one out. line: counted on. */
static void write_mapping(FILE *out, const place *p, int depth, const char *name, const char *value, int *line)
{
  char path[200], tried[200];
  path_of(p, depth, false, path, sizeof path);
  path_of(p, p->depth, false, tried, sizeof tried);
  const facet_mapping *mapping = mapping_at(p, depth);
  const facet_key *key = depth < p->depth ? p->key[depth] : NULL;
  bool last = depth == (name[0] ? p->depth : p->depth - 1);
  unsigned kind = kind_for(mapping, last && !value ? NULL : key);
  fputs("{", out);
  for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
    const facet_key *row = strcmp(given[i].mapping, path) == 0 ? row_of(mapping, given[i].key) : NULL;
    bool same = row && key && (row == key || (row->type == key->type && row->target == key->target && row->given));
    bool other = given[i].unless && strncmp(tried, given[i].unless, strlen(given[i].unless)) == 0;
    if (row && (row->kinds == 0 || (row->kinds & kind)) && !other && (!same || (!value && last)))
      fprintf(out, "%s: %s, ", given[i].key, given[i].text);
  }
  if (last) {
    if (value) {
      fprintf(out, "\n%s: %s", key ? key->key : name, value);
      ++*line;
    }
  } else {
    bool item = key->type == FACET_KEY_MAPPING && key->list;
    fprintf(out, "\n%s: %s", key->key, item ? "[" : "");
    ++*line;
    write_mapping(out, p, depth + 1, name, value, line);
    fputs(item ? "]" : "", out);
  }
  fputs("}", out);
}

static char *read_study(const char *text, facet_status wanted)
{
  facet_study *study = NULL;
  char *printed = NULL;
  assert_int_equal(facet_write_file("s.yaml", text, strlen(text)), FACET_OK);
  facet_status status = facet_study_read("s.yaml", NULL, &study);
  if (status != wanted)
    fail_msg("status %d: %s\n%s", status, status == FACET_OK ? "taken" : facet_message(), text);
  if (status == FACET_OK)
    assert_int_equal(facet_study_text(study, &printed), FACET_OK);
  facet_study_destroy(&study);
  return printed;
}

/* Writes and reads the study; returns what is printed. */
static char *try(const place *p, const char *name, const char *value, facet_status wanted, int *line)
{
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  assert_non_null(out);
  *line = 1;
  write_mapping(out, p, 0, name, value, line);
  fputc('\n', out);
  assert_int_equal(fclose(out), 0);
  char *printed = read_study(text, wanted);
  free(text);
  return printed;
}

/* ---- values ---- */

static bool bounds(const facet_key *key, double *low, double *high, bool *open_low, bool *open_high)
{
  char left = 0, right = 0;
  if (!key->range || sscanf(key->range, "%c%lf, %lf%c", &left, low, high, &right) != 4)
    return false;
  *open_low = left == '(';
  *open_high = right == ')';
  return true;
}

/* One that is inside, and neither the default nor what is given. */
static double number_for(const facet_key *key, int which)
{
  double low = 0, high = 0;
  bool open_low, open_high;
  assert_true(bounds(key, &low, &high, &open_low, &open_high));
  if (key->type == FACET_KEY_NUMBER)
    return low < -1e300 ? which + 0.25 : high > 1e15 ? low + which + 0.75 : low + (high - low) * (0.3 + 0.25 * which);
  double x = low + 1 + which;
  return which == 0 && key->standard && atof(key->standard) == x ? x + 1 : x;
}

/* A list of two, or of one where only one is asked for. */
static void made_up(const facet_key *key, char *value, size_t size)
{
  bool number = key->type == FACET_KEY_NUMBER || key->type == FACET_KEY_WHOLE;
  if (number && key->list)
    snprintf(value, size, "[%.17g, %.17g]", number_for(key, 0), number_for(key, 1));
  else if (number)
    snprintf(value, size, "%.17g", number_for(key, 0));
  else if (key->list && key->type == FACET_KEY_TEXT)
    snprintf(value, size, "['a b', \"c\"]");
  else
    snprintf(value, size, key->list ? "[other]" : "other");
}

static int words_of(const facet_key *key, const char *value[])
{
  int count = 0;
  for (; count < MOST_VALUES - 2; count++) {
    facet_word word = key->words ? key->words[count] : key->word(count);
    if (!word.name)
      break;
    value[count] = word.name;
  }
  return count;
}

/* ---- for every key ---- */

typedef void visit(const place *p);

static void for_every_key(place *p, visit *see)
{
  const facet_mapping *mapping = mapping_at(p, p->depth);
  for (int i = 0; i < mapping->count; i++) {
    p->key[p->depth++] = &mapping->key[i];
    see(p);
    if (mapping->key[i].keys)
      for_every_key(p, see);
    p->depth--;
  }
}

/* Read, printed and read again. */
static char *round_trip(const place *p, const char *value)
{
  int line;
  char *printed = try(p, "", value, FACET_OK, &line), *again = read_study(printed, FACET_OK);
  assert_string_equal(printed, again);
  facet_free(&again);
  return printed;
}

static int tried;

static void is_printed(const place *p)
{
  const facet_key *key = p->key[p->depth - 1];
  const char *value[MOST_VALUES];
  char path[200], typical[100] = "", *without, *with;
  int count = 0, line;
  path_of(p, p->depth, false, path, sizeof path);
  if (key->type == FACET_KEY_MAPPING)
    return; /* its keys are looked at */
  for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
    if (strcmp(examples[i].path, path) == 0)
      snprintf(typical, sizeof typical, "%s", examples[i].value);
  if (!typical[0] && key->type == FACET_KEY_WORD)
    count = words_of(key, value);
  else if (!typical[0])
    made_up(key, typical, sizeof typical);
  if (typical[0])
    value[count++] = typical;
  if (key->zero)
    value[count++] = key->zero;
  if (key->flag_word)
    value[count++] = key->flag_word;
  without = try(p, "", NULL, FACET_OK, &line);
  bool differs = false;
  for (int i = 0; i < count; i++, tried++) {
    with = round_trip(p, value[i]);
    differs = differs || strcmp(with, without) != 0;
    facet_free(&with);
  }
  if (!differs)
    fail_msg("%s: no value changes what is printed", path);
  facet_free(&without);
}

static void every_key_reads_as_it_is_printed(void **state)
{
  (void)state;
  place p = {.depth = 0};
  tried = 0;
  for_every_key(&p, is_printed);
  assert_true(tried > 100);
}

/* The message begins with file, line and key, and goes on with `rest`, if that is not NULL. */
static void refused(const place *p, const char *name, const char *value, const char *rest)
{
  char path[200], expected[300];
  int line;
  assert_null(try(p, name, value, FACET_BAD_INPUT, &line));
  path_of(p, p->depth, true, path, sizeof path);
  bool item = name[0] && p->depth > 0 && p->key[p->depth - 1]->list;
  snprintf(expected, sizeof expected, "s.yaml:%d: %s%s%s%s", line, path, item ? "[0]" : "",
           name[0] && path[0] ? "." : "", name);
  size_t size = strlen(expected);
  if (strncmp(facet_message(), expected, size) != 0 || !strchr(":.[", facet_message()[size]) ||
      (rest && !strstr(facet_message(), rest)))
    fail_msg("%s\nis not '%s: ... %s'", facet_message(), expected, rest ? rest : "");
}

static void has_a_type(const place *p)
{
  const facet_key *key = p->key[p->depth - 1];
  refused(p, "", key->type == FACET_KEY_MAPPING ? "3" : "{a: b}", NULL);
  refused(p, "", "", NULL);
}

static void wrong_types_are_refused(void **state)
{
  (void)state;
  place p = {.depth = 0};
  for_every_key(&p, has_a_type);
}

static void has_a_range(const place *p)
{
  const facet_key *key = p->key[p->depth - 1];
  double low = 0, high = 0;
  bool open_low = false, open_high = false;
  char value[40], rest[80];
  if (!bounds(key, &low, &high, &open_low, &open_high))
    return;
  snprintf(rest, sizeof rest, " is not in %s", key->range);
  double step = key->type == FACET_KEY_WHOLE ? 1 : 1e-3;
  if (low > -1e300) {
    snprintf(value, sizeof value, key->plural ? "[%.17g]" : "%.17g", open_low ? low : low - step);
    refused(p, "", value, rest);
  }
  if (high < 1e15) {
    snprintf(value, sizeof value, key->plural ? "[%.17g]" : "%.17g", open_high ? high : high + step);
    refused(p, "", value, rest);
  }
}

static void values_out_of_range_are_refused(void **state)
{
  (void)state;
  place p = {.depth = 0};
  for_every_key(&p, has_a_range);
}

static void has_no_more_keys(const place *p)
{
  if (p->depth == 0 || p->key[p->depth - 1]->keys)
    refused(p, "nonsense", "1", "unknown key");
}

static void unknown_keys_are_refused(void **state)
{
  (void)state;
  place p = {.depth = 0};
  has_no_more_keys(&p);
  for_every_key(&p, has_no_more_keys);
}

static int enter_folder(void **state)
{
  static char name[] = "/tmp/facet-study-keys-XXXXXX";
  (void)state;
  for (int i = 0; facet_method_at(i); i++) {
    size_t at = strlen(methods);
    snprintf(methods + at, sizeof methods - at, "%s%s%s", i == 0 ? "[" : ", ", facet_method_at(i)->name,
             facet_method_at(i + 1) ? "" : "]");
  }
  return !mkdtemp(name) || chdir(name) != 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_key_reads_as_it_is_printed),
      cmocka_unit_test(wrong_types_are_refused),
      cmocka_unit_test(values_out_of_range_are_refused),
      cmocka_unit_test(unknown_keys_are_refused),
  };
  return cmocka_run_group_tests(tests, enter_folder, NULL);
}
