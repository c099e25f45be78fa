/* What the rows of keys.def cannot say of the study's keys, each as a function that its row or its table names; and the
 * tables themselves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study_keys.h"

enum { MOST_CHANNELS = 16 };

/* ---- data ---- */

static facet_status check_source(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_source_keys *source = target;
  const facet_tree *labels = facet_tree_find(node, "labels"), *layout = facet_tree_find(node, "layout");
  const char *format = facet_data_format_name(source->format);
  if (labels && facet_data_format_holds_labels(source->format))
    return facet_tree_raise(labels, "files of format %s hold their own labels", format);
  if (labels && source->labels.count != source->images.count)
    return facet_tree_raise(labels, "as many files as images has, %d, are wanted, not %d", source->images.count,
                            source->labels.count);
  if (layout && facet_data_format_channels_first(source->format) && source->layout == FACET_CHANNELS_LAST)
    return facet_tree_raise(layout, "files of format %s are channels_first", format);
  return FACET_OK;
}

static facet_word format_word(int i)
{
  return (facet_word){facet_data_format_name(i), i};
}

/* A single number beside a list serves every channel. */
static facet_status check_normalize(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_normalization *n = target;
  const facet_tree *mean = facet_tree_find(node, "mean"), *std = facet_tree_find(node, "std");
  int means = mean ? facet_tree_items(mean) : 0, stds = std ? facet_tree_items(std) : 0;
  if (means > 1 && stds > 1 && means != stds)
    return facet_tree_raise(std, "%d numbers, but mean has %d", stds, means);
  n->channels = means > stds ? means : stds;
  for (int i = means; i < n->channels; i++)
    n->mean[i] = means > 0 ? n->mean[0] : 0;
  for (int i = stds; i < n->channels; i++)
    n->std[i] = stds > 0 ? n->std[0] : 1;
  return FACET_OK;
}

static facet_status check_data(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_data_keys *data = target;
  const facet_source_keys *train = &data->train;
  bool labelled = train->labels.count > 0 || facet_data_format_finds_labels(train->format);
  if (data->has_train && !labelled)
    return facet_tree_raise_at(facet_tree_find(node, "train"), "labels", "missing: training needs them");
  return FACET_OK;
}

static facet_word corruption_word(int i)
{
  return (facet_word){facet_corruption_name(i + 1), i + 1};
}

/* ---- model and variants ---- */

static facet_status begin_augment(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  (void)node;
  *(facet_augmentation *)target = (facet_augmentation){0};
  return FACET_OK;
}

static int64_t largest_divisor(int64_t number, int64_t most)
{
  int64_t divisor = most < number ? most : number;
  while (number % divisor != 0)
    divisor--;
  return divisor;
}

static facet_status check_training(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_training *training = target;
  const facet_tree *micro = facet_tree_find(node, "micro_batch");
  if (!micro)
    training->micro_batch = largest_divisor(training->batch, training->micro_batch);
  else if (training->batch % training->micro_batch != 0)
    return facet_tree_raise(micro, "%lld does not divide batch, which is %lld", (long long)training->micro_batch,
                            (long long)training->batch);
  return FACET_OK;
}

enum { OF_ONNX = 1 << 0, OF_ARCHITECTURE = 1 << 1 };

static int kind_of_model(const void *target)
{
  return ((const facet_model_keys *)target)->onnx ? 0 : 1;
}

static facet_status begin_model(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)node;
  return facet_schema_defaults(r, &facet_training_mapping, &((facet_model_keys *)target)->training);
}

static facet_status check_model(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_model_keys *model = target;
  model->train = model->train || !model->onnx;
  return model->onnx || facet_tree_find(node, "architecture")
             ? FACET_OK
             : facet_tree_raise(node, "has neither architecture nor onnx");
}

static const facet_kind model_kinds[] = {{"onnx", "which is a network already"}, {"architecture", "which is trained"}};

static facet_word method_word(int i)
{
  const facet_method *method = facet_method_at(i);
  return (facet_word){method ? method->name : NULL, i};
}

static facet_word scope_word(int i)
{
  return (facet_word){facet_scope_name(i), i};
}

static facet_word attribution_word(int i)
{
  return (facet_word){facet_attribution_name(i), i};
}

enum { KIND_ONNX, KIND_MASK, KIND_METHOD };
enum { ONLY_ONNX = 1 << KIND_ONNX, ONLY_MASK = 1 << KIND_MASK, ONLY_METHOD = 1 << KIND_METHOD };

static int kind_of_recipe(const void *target)
{
  const facet_recipe *recipe = target;
  return recipe->onnx ? KIND_ONNX : recipe->mask ? KIND_MASK : KIND_METHOD;
}

static facet_status begin_recipe(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  const facet_study *study = r->context;
  facet_recipe *recipe = target;
  recipe->line = node->line;
  recipe->training = study->model.training;
  recipe->training.rate /= 5;
  recipe->layout = study->data.layout;
  return FACET_OK;
}

/* Keys of some methods are refused where none of the recipe's takes them, unless they say what holds anyway: so they
 * stand in a filled text. */
static facet_status check_taken(const facet_tree *node, const facet_recipe *recipe)
{
  for (int k = 0; k < facet_recipe_mapping.count; k++) {
    const facet_key *key = &facet_recipe_mapping.key[k];
    const facet_tree *child = facet_tree_find(node, key->key);
    char takers[256] = "";
    bool taken = false;
    for (int m = 0; child && facet_method_at(m); m++) {
      if (!facet_method_takes(facet_method_at(m), key->key))
        continue;
      facet_append(takers, sizeof takers, ", ", "%s", facet_method_at(m)->name);
      for (int i = 0; i < recipe->method.count; i++)
        taken = taken || recipe->method.item[i] == m;
    }
    if (takers[0] && !taken && !(key->standard && facet_schema_is(child, key->standard)))
      return facet_tree_raise(child, "no method here takes it: it is of %s", takers);
  }
  return FACET_OK;
}

static facet_status check_recipe(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_recipe *recipe = target;
  if (facet_tree_find(node, "retrain") && facet_tree_find(node, "budget"))
    return facet_tree_raise(facet_tree_find(node, "budget"), "stands beside retrain: it must be one of them");
  if (kind_of_recipe(recipe) != KIND_METHOD)
    return FACET_OK;
  if (recipe->method.count == 0)
    return facet_tree_raise_at(node, "method", "missing: a variant has a method, a mask, or onnx");
  if (recipe->sparsity.count == 0)
    return facet_tree_raise_at(node, "sparsity", "missing");
  FACET_TRY(check_taken(node, recipe));
  for (int i = 0; i < recipe->method.count; i++)
    if (facet_method_at(recipe->method.item[i])->rule && !recipe->retrain)
      return facet_tree_raise_at(node, "budget", "missing: %s prunes while it trains",
                                 facet_method_at(recipe->method.item[i])->name);
  return FACET_OK;
}

static const facet_kind recipe_kinds[] = {[KIND_ONNX] = {"onnx", "which is taken as it is"},
                                          [KIND_MASK] = {"mask", "which says what is removed"},
                                          [KIND_METHOD] = {"method", "whose networks take what dense takes"}};

/* ---- what is computed ---- */

/* "top: 3" and top 3 beside what the row says. */
static facet_status read_rows(const facet_schema_reader *r, const facet_key *key, const facet_tree *node, void *target)
{
  char *keys = target;
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  if (strncmp(text, "top", 3) != 0 || strspn(text + 3, ": ") == 0)
    return facet_schema_value(r, key, node, target);
  facet_tree number = *node;
  number.text = node->text + 3 + strspn(text + 3, ": ");
  number.quoted = false;
  *(facet_rows_choice *)(void *)(keys + key->target) = FACET_ROWS_TOP;
  return facet_schema_whole(&number, key->keys->key[0].range, (int64_t *)(void *)(keys + key->keys->key[0].target));
}

/* What is no word is a file. */
static facet_status check_change(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  facet_change_keys *c = target;
  const facet_tree *groups = facet_tree_find(node, "groups");
  for (int i = 0; i < c->groups.count; i++) {
    if (strcmp(c->groups.item[i], "class") == 0)
      continue;
    facet_free(&c->groups.item[i]);
    FACET_TRY(facet_schema_path(r, facet_tree_item(groups, i), &c->groups.item[i]));
  }
  return FACET_OK;
}

/* What is neither a number nor a word is a file. */
static facet_status check_paths(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  facet_paths_keys *p = target;
  const facet_tree *from = facet_tree_find(node, "from");
  char *end = NULL;
  double number = strtod(p->from, &end);
  if (strcmp(p->from, "clean") == 0)
    return p->all_conditions || p->conditions.count > 0
               ? FACET_OK
               : facet_tree_raise(from,
                                  "where a path begins at the clean sample, 'conditions' has to say where it ends");
  if (strcmp(p->from, "mean") == 0 || strcmp(p->from, "blur") == 0)
    return FACET_OK;
  if (end != p->from && *end == '\0')
    return isfinite(number) ? FACET_OK : facet_tree_raise(from, "%s is not finite", p->from);
  facet_free(&p->from);
  return facet_schema_path(r, from, &p->from);
}

/* A list has `each` samples of every line or plane, and then `count` says nothing. */
static facet_status check_slices(const facet_tree *node, const char *key, const char *what, const facet_wholes *list,
                                 int each)
{
  const facet_tree *count = facet_tree_find(node, "count");
  if (list->count % each != 0)
    return facet_tree_raise(facet_tree_find(node, key), "%s samples, and %d are no multiple", what, list->count);
  if (count && !facet_schema_is(count, "1"))
    return facet_tree_raise(count, "is of random ones, but '%s' says which samples", key);
  return FACET_OK;
}

static facet_status check_lines(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_lines_keys *l = target;
  return l->random ? FACET_OK : check_slices(node, "between", "a line goes from one to another of two", &l->between, 2);
}

static facet_status check_planes(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_planes_keys *p = target;
  return p->random ? FACET_OK : check_slices(node, "through", "a plane goes through three", &p->through, 3);
}

enum { USUAL_SPECTRUM = 32 };

static facet_status check_linearize(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_linearize_keys *l = target;
  if (l->keep == FACET_KEEP_DIGEST && l->store != FACET_W_REAL)
    return facet_tree_raise(facet_tree_find(node, "store"), "is of W, which 'keep: digest' does not store");
  return FACET_OK;
}

/* Stages that read W back find none under `keep: digest`. */
static facet_status check_digest(const facet_tree *node, const facet_aggregation *a)
{
  if (a->spectrum > 0 && (a->method == FACET_SPECTRUM_DUAL || a->method == FACET_SPECTRUM_RANDOM))
    return facet_tree_raise(facet_tree_find(node, "method"),
                            "%s reads W, which 'keep: digest' in 'linearize' does not store; gram does not",
                            facet_spectrum_name(a->method));
  return FACET_OK;
}

/* What is left out depends on `linearize`, which is read by now. */
static facet_status check_aggregate(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  const facet_study *study = r->context;
  facet_aggregation *a = target;
  const facet_tree *spectrum = facet_tree_find(node, "spectrum");
  if (!spectrum)
    a->spectrum = study->stages.linearize.wanted ? USUAL_SPECTRUM : 0;
  if (a->spectrum > 0 && !study->stages.linearize.wanted)
    return facet_tree_raise(spectrum, "is of linearizations, but there is no 'linearize'");
  return study->stages.linearize.keep == FACET_KEEP_DIGEST ? check_digest(node, a) : FACET_OK;
}

static facet_status check_embed(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_embedding *e = target;
  if (!facet_tree_find(node, "exaggeration_epochs"))
    e->exaggeration_epochs = e->epochs / 4;
  return FACET_OK;
}

/* ---- the top ---- */

/* "2 GiB": a number, at most one space, a unit. */
static facet_status read_memory(const facet_schema_reader *r, const facet_key *key, const facet_tree *node,
                                void *target)
{
  (void)r;
  (void)key;
  static const struct {
    const char *name;
    double bytes;
  } unit[] = {{"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  facet_study *study = target;
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  size_t digits = strspn(text, "0123456789.");
  const char *rest = text + digits + (text[digits] == ' ');
  for (int i = 0; i < (int)(sizeof unit / sizeof unit[0]); i++) {
    char *end = NULL;
    double bytes = strtod(text, &end) * unit[i].bytes;
    if (digits == 0 || end != text + digits || strcmp(rest, unit[i].name) != 0)
      continue;
    if (bytes < 0x1p20 || bytes > 0x1p50)
      return facet_tree_raise(node, "%s is not in [1 MiB, 1024 TiB]", text);
    study->settings.memory = (int64_t)(bytes + 0.5);
    return FACET_OK;
  }
  return facet_tree_raise_kind(node, "a size such as 2 GiB or 500 MB");
}

/* In whole GiB or MiB; otherwise in MB, to the byte. */
static void print_memory(FILE *out, const void *target)
{
  int64_t bytes = ((const facet_study *)target)->settings.memory;
  const int64_t large = (int64_t)1 << 30, small = 1 << 20, decimal = 1000000;
  if (bytes % large == 0)
    fprintf(out, " %lld GiB", (long long)(bytes / large));
  else if (bytes % small == 0)
    fprintf(out, " %lld MiB", (long long)(bytes / small));
  else
    fprintf(out, " %lld.%06lld MB", (long long)(bytes / decimal), (long long)(bytes % decimal));
}

/* ---- the tables ---- */

#define WITHIN
#define AT(member)        offsetof(OWNER, WITHIN member)
#define SIZE(member)      sizeof(((OWNER *)0)->WITHIN member)
#define WHOLE(bounds)     .type = FACET_KEY_WHOLE, .range = (bounds)
#define NUMBER(bounds)    .type = FACET_KEY_NUMBER, .range = (bounds)
#define WORD(list)        .type = FACET_KEY_WORD, .words = list##_words
#define WORD_OF(function) .type = FACET_KEY_WORD, .word = (function)
#define TRUTH             .type = FACET_KEY_WORD, .words = facet_truths
#define TEXT              .type = FACET_KEY_TEXT
#define NAME              .type = FACET_KEY_NAME
#define PATH              .type = FACET_KEY_PATH
#define MAPPING(table)    .type = FACET_KEY_MAPPING, .keys = &table##_mapping
/* A number for every channel: an array in the struct, whose items two keys count together. */
#define CHANNELS(bounds) NUMBER(bounds), .list = true, .fixed = true, .count = AT(channels), .most = MOST_CHANNELS

#define ONE(member)  .target = AT(member), .size = SIZE(member)
#define MANY(member) .target = AT(member.item), .size = SIZE(member.item[0]), .list = true, .count = AT(member.count)

/* clang-format off */
#define KEY(type_, name, kind, ...) {.key = #name, ONE(name), kind, .standard = __VA_ARGS__},
#define KEYS(type_, name, kind, ...) {.key = #name, MANY(name), kind, .standard = __VA_ARGS__},
#define AS(key_, member, kind, ...) {.key = (key_), ONE(member), kind, .standard = __VA_ARGS__},
#define LIST_AS(key_, member, kind, ...) {.key = (key_), MANY(member), kind, .standard = __VA_ARGS__},
#define MEMBER(type_, name)
#define STRUCT
#define END_STRUCT(name)
#define TABLE(table) static const facet_key table##_rows[] = {
#define END_TABLE(table, ...) \
  }; \
  const facet_mapping table##_mapping = \
    {.key = table##_rows, .count = (int)(sizeof table##_rows / sizeof table##_rows[0]), __VA_ARGS__};
#define BEGIN_OF(owner) TABLE(owner)
#define END_OF(owner, ...) END_TABLE(owner, __VA_ARGS__)
#define BEGIN BEGIN_OF(OWNER)
#define END(...) END_OF(OWNER, __VA_ARGS__)
#define ENUM(name, ...) WORDS(name, __VA_ARGS__)
#define WORDS(name, ...) static const facet_word name##_words[] = {__VA_ARGS__ {NULL, 0}};
#define W(text, id) {text, id},
/* clang-format on */
#include "keys.def"

const char *facet_keep_name(facet_keep keep)
{
  return facet_keep_words[keep].name;
}

const char *facet_spectrum_name(facet_spectrum_method method)
{
  return facet_spectrum_method_words[method].name;
}
