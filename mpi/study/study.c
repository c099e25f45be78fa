/* What a study file may say: tables of its keys, and the few values that are more than a number, a word or a path.
 * docs/study.md says the same in prose. */
#include "study.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "study_aggregate.h"
#include "study_embed.h"
#include "study_schema.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

enum { MOST_CHANNELS = 16, MICRO_BATCH = 32, HIGHEST_SEVERITY = 5, MOST_WORDS = 64, LARGEST_FILE = 16 << 20 };

typedef facet_schema_reader reader;

static facet_study *study_of(const reader *r)
{
  return r->context;
}

/* ---- words ---- */

static const facet_word formats[] = {
    {"idx", FACET_IDX}, {"cifar10", FACET_CIFAR10}, {"npy", FACET_NPY}, {"hdf5", FACET_HDF5}, {NULL, 0}};
static const facet_word precisions[] = {{"float", FACET_F32}, {"double", FACET_F64}, {NULL, 0}};
static const facet_word schedules[] = {
    {"cosine", FACET_SCHEDULE_COSINE}, {"step", FACET_SCHEDULE_STEP}, {"constant", FACET_SCHEDULE_CONSTANT}, {NULL, 0}};
static const facet_word truths[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {NULL, 0}};

static const facet_word orders[] = {{"auto", FACET_ORDER_AUTO},
                                    {"channels_first", FACET_CHANNELS_FIRST},
                                    {"channels_last", FACET_CHANNELS_LAST},
                                    {NULL, 0}};

char *facet_condition_name(facet_condition condition)
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

/* ---- lists ---- */

typedef facet_status (*read_text)(const reader *r, const facet_tree *node, char **text);

static facet_status read_any(const reader *r, const facet_tree *node, char **text)
{
  (void)r;
  return facet_schema_text(node, text);
}

/* A text or a list of them; what was read before a failure belongs to *list, too. */
static facet_status read_texts(const reader *r, const facet_tree *node, read_text read, char ***list, int *count)
{
  FACET_TRY(facet_schema_some(node));
  int items = facet_tree_items(node);
  FACET_NEW(*list, items);
  for (int i = 0; i < items; i++) {
    FACET_TRY(read(r, facet_tree_item(node, i), &(*list)[i]));
    *count = i + 1;
  }
  return FACET_OK;
}

static void free_texts(char ***list, int count)
{
  for (int i = 0; *list && i < count; i++)
    facet_free(&(*list)[i]);
  facet_free(list);
}

/* No text stands twice in a list. */
static facet_status check_different(const facet_tree *node, char *const *list, int count)
{
  for (int i = 1; i < count; i++)
    for (int j = 0; j < i; j++)
      if (strcmp(list[i], list[j]) == 0)
        return facet_tree_raise(facet_tree_item(node, i), "'%s' stands there twice", list[i]);
  return FACET_OK;
}

/* ---- data ---- */

static facet_status read_images(const reader *r, const facet_tree *node, void *target)
{
  facet_data_source *source = target;
  return read_texts(r, node, facet_schema_path, &source->images, &source->files);
}

static facet_status read_labels(const reader *r, const facet_tree *node, void *target)
{
  facet_data_source *source = target;
  if (source->format == FACET_CIFAR10)
    return facet_tree_raise(node, "files of format cifar10 hold their own labels");
  int count = 0;
  char **labels = NULL;
  facet_status status = read_texts(r, node, facet_schema_path, &labels, &count);
  if (status == FACET_OK && count != source->files)
    status = facet_tree_raise(node, "as many files as images has, %d, are wanted, not %d", source->files, count);
  if (status == FACET_OK)
    source->labels = labels;
  else
    free_texts(&labels, count);
  return status;
}

static facet_status read_file_layout(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_data_source *source = target;
  int word = 0;
  FACET_TRY(facet_schema_word(node, orders, &word));
  source->order = (facet_order)word;
  if (source->format == FACET_CIFAR10 && source->order == FACET_CHANNELS_LAST)
    return facet_tree_raise(node, "files of format cifar10 are channels_first");
  return FACET_OK;
}

static const facet_key source_keys[] = {
    {.key = "format",
     .type = FACET_KEY_WORD,
     .words = formats,
     .target = offsetof(facet_data_source, format),
     .required = true},
    {.key = "images", .type = FACET_KEY_OTHER, .read = read_images, .required = true},
    {.key = "labels", .type = FACET_KEY_OTHER, .read = read_labels},
    {.key = "layout", .type = FACET_KEY_OTHER, .read = read_file_layout},
    {.key = "count",
     .type = FACET_KEY_COUNT,
     .range = "[1, 9007199254740992]",
     .standard = "all",
     .target = offsetof(facet_data_source, count)},
};

static facet_status read_source(const reader *r, const facet_tree *node, facet_data_source *source)
{
  FACET_TRY(facet_schema_defaults(r, source_keys, COUNT_OF(source_keys), source));
  return facet_schema_read(r, node, source_keys, COUNT_OF(source_keys), source);
}

static facet_status read_train(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  study->data.has_train = true;
  FACET_TRY(read_source(r, node, &study->data.train));
  bool labelled =
      study->data.train.labels || study->data.train.format == FACET_CIFAR10 || study->data.train.format == FACET_HDF5;
  return labelled ? FACET_OK : facet_tree_raise_at(node, "labels", "missing: training needs them");
}

static facet_status read_test(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  return read_source(r, node, &study->data.test);
}

static facet_status read_classes(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of names");
  FACET_TRY(read_texts(r, node, read_any, &study->data.classes.item, &study->data.classes.count));
  return check_different(node, study->data.classes.item, study->data.classes.count);
}

/* A number for every channel, or one for all. */
static facet_status read_channels(const facet_tree *node, const char *range, double *x, int *count)
{
  FACET_TRY(facet_schema_some(node));
  *count = facet_tree_items(node);
  if (*count > MOST_CHANNELS)
    return facet_tree_raise(node, "%d channels; %d is the most", *count, MOST_CHANNELS);
  for (int i = 0; i < *count; i++)
    FACET_TRY(facet_schema_number(facet_tree_item(node, i), range, &x[i]));
  return FACET_OK;
}

static facet_status read_mean(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_normalization *normalize = target;
  return read_channels(node, "(-inf, inf)", normalize->mean, &normalize->channels);
}

static facet_status read_std(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_normalization *normalize = target;
  int means = normalize->channels, count = 0;
  FACET_TRY(read_channels(node, "(0, inf)", normalize->std, &count));
  if (means > 1 && count > 1 && means != count)
    return facet_tree_raise(node, "%d numbers, but mean has %d", count, means);
  int channels = means > count ? means : count;
  for (int i = means; i < channels; i++)
    normalize->mean[i] = means > 0 ? normalize->mean[0] : 0;
  for (int i = count; i < channels; i++)
    normalize->std[i] = normalize->std[0];
  normalize->channels = channels;
  return FACET_OK;
}

static const facet_key normalize_keys[] = {
    {.key = "scale",
     .type = FACET_KEY_NUMBER,
     .range = "(0, inf)",
     .standard = "1",
     .target = offsetof(facet_normalization, scale)},
    {.key = "mean", .type = FACET_KEY_OTHER, .read = read_mean},
    {.key = "std", .type = FACET_KEY_OTHER, .read = read_std},
};

static facet_status read_normalize(const reader *r, const facet_tree *node, void *target)
{
  facet_normalization *normalize = &((facet_study *)target)->data.normalize;
  return facet_schema_read(r, node, normalize_keys, COUNT_OF(normalize_keys), normalize);
}

static facet_status read_layout(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_study *study = target;
  int word = 0;
  FACET_TRY(facet_schema_word(node, orders, &word));
  study->data.layout = (facet_order)word;
  study->data.layout_line = node->line;
  return FACET_OK;
}

static const facet_key data_keys[] = {
    {.key = "train", .type = FACET_KEY_OTHER, .read = read_train},
    {.key = "test", .type = FACET_KEY_OTHER, .read = read_test, .required = true},
    {.key = "classes", .type = FACET_KEY_OTHER, .read = read_classes},
    {.key = "normalize", .type = FACET_KEY_OTHER, .read = read_normalize},
    {.key = "layout", .type = FACET_KEY_OTHER, .read = read_layout},
};

static facet_status read_data(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  FACET_TRY(facet_schema_defaults(r, normalize_keys, COUNT_OF(normalize_keys), &study->data.normalize));
  for (int i = 0; i < MOST_CHANNELS; i++)
    study->data.normalize.std[i] = 1;
  return facet_schema_read(r, node, data_keys, COUNT_OF(data_keys), study);
}

/* ---- training ---- */

static facet_status read_flip(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  int word = 0;
  FACET_TRY(facet_schema_word(node, truths, &word));
  ((facet_augmentation *)target)->flip = word != 0;
  return FACET_OK;
}

static const facet_key augment_keys[] = {
    {.key = "shift", .type = FACET_KEY_WHOLE, .range = "[0, 1000]", .target = offsetof(facet_augmentation, shift)},
    {.key = "flip", .type = FACET_KEY_OTHER, .read = read_flip},
    {.key = "cutout", .type = FACET_KEY_WHOLE, .range = "[0, 1000]", .target = offsetof(facet_augmentation, cutout)},
};

static facet_status read_augment(const reader *r, const facet_tree *node, void *target)
{
  facet_training *training = target;
  training->augment = (facet_augmentation){0};
  return facet_schema_read(r, node, augment_keys, COUNT_OF(augment_keys), &training->augment);
}

#define TRAINING(member) offsetof(facet_training, member)

static const facet_key training_keys[] = {
    {.key = "epochs", .type = FACET_KEY_WHOLE, .range = "[1, 100000]", .standard = "4", .target = TRAINING(epochs)},
    {.key = "batch", .type = FACET_KEY_LARGE, .range = "[1, 1000000]", .standard = "128", .target = TRAINING(batch)},
    {.key = "micro_batch", .type = FACET_KEY_LARGE, .range = "[1, 1000000]", .target = TRAINING(micro_batch)},
    {.key = "rate", .type = FACET_KEY_NUMBER, .range = "(0, 100]", .standard = "0.05", .target = TRAINING(rate)},
    {.key = "momentum", .type = FACET_KEY_NUMBER, .range = "[0, 1)", .standard = "0.9", .target = TRAINING(momentum)},
    {.key = "decay", .type = FACET_KEY_NUMBER, .range = "[0, 1)", .standard = "5e-4", .target = TRAINING(decay)},
    {.key = "schedule", .type = FACET_KEY_WORD, .words = schedules, .standard = "cosine", .target = TRAINING(schedule)},
    {.key = "step_epochs",
     .type = FACET_KEY_WHOLE,
     .range = "[1, 100000]",
     .standard = "30",
     .target = TRAINING(step_epochs)},
    {.key = "step_factor",
     .type = FACET_KEY_NUMBER,
     .range = "(0, 1]",
     .standard = "0.1",
     .target = TRAINING(step_factor)},
    {.key = "warmup", .type = FACET_KEY_NUMBER, .range = "[0, 100000]", .standard = "0", .target = TRAINING(warmup)},
    {.key = "smoothing", .type = FACET_KEY_NUMBER, .range = "[0, 1)", .standard = "0", .target = TRAINING(smoothing)},
    {.key = "augment", .type = FACET_KEY_OTHER, .read = read_augment},
};

static int64_t largest_divisor(int64_t number, int64_t most)
{
  int64_t divisor = most < number ? most : number;
  while (number % divisor != 0)
    divisor--;
  return divisor;
}

/* `training` comes with the values of what is left out. */
static facet_status read_training(const reader *r, const facet_tree *node, facet_training *training)
{
  FACET_TRY(facet_schema_read(r, node, training_keys, COUNT_OF(training_keys), training));
  const facet_tree *micro = facet_tree_find(node, "micro_batch");
  if (!micro)
    training->micro_batch = largest_divisor(training->batch, training->micro_batch);
  else if (training->batch % training->micro_batch != 0)
    return facet_tree_raise(micro, "%lld does not divide batch, which is %lld", (long long)training->micro_batch,
                            (long long)training->batch);
  return FACET_OK;
}

/* ---- model ---- */

static facet_status read_sizes(const facet_tree *node, int64_t **size, int *count)
{
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of whole numbers");
  FACET_NEW(*size, node->count);
  for (int i = 0; i < node->count; i++)
    FACET_TRY(facet_schema_whole(node->child[i], "[1, 65536]", &(*size)[i]));
  *count = node->count;
  return FACET_OK;
}

static facet_status read_conv(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_study *study = target;
  return read_sizes(node, &study->model.conv.item, &study->model.conv.count);
}

static facet_status read_dense(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_study *study = target;
  return read_sizes(node, &study->model.dense.item, &study->model.dense.count);
}

static const facet_key architecture_keys[] = {
    {.key = "conv", .type = FACET_KEY_OTHER, .read = read_conv},
    {.key = "dense", .type = FACET_KEY_OTHER, .read = read_dense},
};

static facet_status read_architecture(const reader *r, const facet_tree *node, void *target)
{
  static const facet_word names[] = {{"resnet20", 3}, {"resnet32", 5}, {"resnet44", 7}, {"resnet56", 9}, {NULL, 0}};
  facet_study *study = target;
  study->model.train = true;
  if (node->kind == FACET_TREE_SCALAR)
    return facet_schema_word(node, names, &study->model.resnet);
  return facet_schema_read(r, node, architecture_keys, COUNT_OF(architecture_keys), study);
}

static facet_status read_model_train(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  study->model.train = true;
  return read_training(r, node, &study->model.training);
}

static const facet_key model_keys[] = {
    {.key = "architecture", .type = FACET_KEY_OTHER, .read = read_architecture},
    {.key = "onnx", .type = FACET_KEY_PATH, .target = offsetof(facet_study, model.onnx)},
    {.key = "train", .type = FACET_KEY_OTHER, .read = read_model_train},
};

static facet_status read_model(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  FACET_TRY(facet_schema_read(r, node, model_keys, COUNT_OF(model_keys), study));
  bool architecture = facet_tree_find(node, "architecture") != NULL;
  if (architecture == (study->model.onnx != NULL))
    return facet_tree_raise(node, architecture ? "has both architecture and onnx; it must be one of them"
                                               : "has neither architecture nor onnx");
  return FACET_OK;
}

/* ---- variants ---- */

static facet_status read_sparsity(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_recipe *recipe = target;
  FACET_TRY(facet_schema_some(node));
  int count = facet_tree_items(node);
  FACET_NEW(recipe->sparsity.item, count);
  for (int i = 0; i < count; i++) {
    const facet_tree *item = facet_tree_item(node, i);
    FACET_TRY(facet_schema_number(item, "[0, 1)", &recipe->sparsity.item[i]));
    recipe->sparsity.item[i] += 0.0; /* -0 becomes 0 */
    for (int j = 0; j < i; j++)
      if (!(recipe->sparsity.item[i] < recipe->sparsity.item[j]) &&
          !(recipe->sparsity.item[i] > recipe->sparsity.item[j]))
        return facet_tree_raise(item, "%s stands there twice", item->text);
  }
  recipe->sparsity.count = count;
  return FACET_OK;
}

static facet_status read_retrain(const reader *r, const facet_tree *node, void *target)
{
  facet_recipe *recipe = target;
  if (recipe->retrain)
    return facet_tree_raise(node, "stands beside budget: it must be one of them");
  recipe->retrain = true;
  return read_training(r, node, &recipe->training);
}

/* One word or a list of different ones. */
static facet_status read_words(const facet_tree *node, const facet_word *words, facet_choices *list)
{
  FACET_TRY(facet_schema_some(node));
  list->count = facet_tree_items(node);
  FACET_NEW(list->item, list->count);
  for (int i = 0; i < list->count; i++) {
    const facet_tree *item = facet_tree_item(node, i);
    FACET_TRY(facet_schema_word(item, words, &list->item[i]));
    for (int j = 0; j < i; j++)
      if (list->item[i] == list->item[j])
        return facet_tree_raise(item, "%s stands there twice", item->text);
  }
  return FACET_OK;
}

static facet_status read_methods(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_recipe *recipe = target;
  facet_word words[MOST_WORDS] = {0};
  for (int i = 0; i < MOST_WORDS - 1 && facet_method_at(i); i++)
    words[i] = (facet_word){facet_method_at(i)->name, i};
  return read_words(node, words, &recipe->method);
}

static facet_status read_scopes(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_recipe *recipe = target;
  facet_free(&recipe->scope.item); /* the standard */
  facet_word words[MOST_WORDS] = {0};
  for (int i = 0; i < MOST_WORDS - 1 && facet_scope_name(i); i++)
    words[i] = (facet_word){facet_scope_name(i), i};
  return read_words(node, words, &recipe->scope);
}

static facet_status read_seeds(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_recipe *recipe = target;
  FACET_TRY(facet_schema_some(node));
  recipe->seeds.count = facet_tree_items(node);
  FACET_NEW(recipe->seeds.item, recipe->seeds.count);
  for (int i = 0; i < recipe->seeds.count; i++) {
    const facet_tree *item = facet_tree_item(node, i);
    FACET_TRY(facet_schema_whole(item, "[0, 4294967295]", &recipe->seeds.item[i]));
    for (int j = 0; j < i; j++)
      if (recipe->seeds.item[i] == recipe->seeds.item[j])
        return facet_tree_raise(item, "%s stands there twice", item->text);
  }
  return FACET_OK;
}

static facet_status read_truth(const facet_tree *node, bool *truth)
{
  int word = 0;
  FACET_TRY(facet_schema_word(node, truths, &word));
  *truth = word != 0;
  return FACET_OK;
}

static facet_status read_collapse(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  return read_truth(node, &((facet_recipe *)target)->allow_collapse);
}

static facet_status read_remove_dead(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  return read_truth(node, &((facet_recipe *)target)->remove_dead);
}

static const facet_key recipe_keys[] = {
    {.key = "name", .type = FACET_KEY_NAME, .target = offsetof(facet_recipe, name)},
    {.key = "onnx", .type = FACET_KEY_PATH, .target = offsetof(facet_recipe, onnx)},
    {.key = "mask", .type = FACET_KEY_PATH, .target = offsetof(facet_recipe, mask)},
    {.key = "method", .type = FACET_KEY_OTHER, .read = read_methods},
    {.key = "scope", .type = FACET_KEY_OTHER, .read = read_scopes, .standard = "global"},
    {.key = "seeds", .type = FACET_KEY_OTHER, .read = read_seeds},
    {.key = "norm",
     .type = FACET_KEY_WHOLE,
     .range = "[1, 2]",
     .standard = "1",
     .target = offsetof(facet_recipe, norm)},
    {.key = "calibration",
     .type = FACET_KEY_LARGE,
     .range = "[1, 1000000]",
     .standard = "256",
     .target = offsetof(facet_recipe, calibration)},
    {.key = "rewind",
     .type = FACET_KEY_LARGE,
     .range = "[0, 1000000000]",
     .standard = "0",
     .target = offsetof(facet_recipe, rewind)},
    {.key = "per_round",
     .type = FACET_KEY_NUMBER,
     .range = "(0, 1)",
     .standard = "0.2",
     .target = offsetof(facet_recipe, per_round)},
    {.key = "allow_collapse", .type = FACET_KEY_OTHER, .read = read_collapse},
    {.key = "remove_dead", .type = FACET_KEY_OTHER, .read = read_remove_dead},
    {.key = "layout", .type = FACET_KEY_WORD, .words = orders, .target = offsetof(facet_recipe, layout)},
    {.key = "sparsity", .type = FACET_KEY_OTHER, .read = read_sparsity},
    {.key = "retrain", .type = FACET_KEY_OTHER, .read = read_retrain},
    {.key = "budget", .type = FACET_KEY_OTHER, .read = read_retrain},
};

/* A mask says all that a method would. */
static facet_status check_mask(const facet_tree *node)
{
  static const char *const pruning[] = {"method",      "scope",  "sparsity",  "norm",
                                        "calibration", "rewind", "per_round", "allow_collapse"};
  for (int i = 0; i < COUNT_OF(pruning); i++)
    if (facet_tree_find(node, pruning[i]))
      return facet_tree_raise(facet_tree_find(node, pruning[i]), "does not go with mask, which says what is removed");
  return FACET_OK;
}

/* A recipe is a file, a mask, or a method and how much it removes. */
static facet_status check_recipe(const facet_tree *node, const facet_recipe *recipe)
{
  static const char *const pruning[] = {"method",         "scope",       "sparsity",    "retrain", "budget",
                                        "seeds",          "norm",        "calibration", "rewind",  "per_round",
                                        "allow_collapse", "remove_dead", "mask"};
  for (int i = 0; recipe->onnx && i < COUNT_OF(pruning); i++)
    if (facet_tree_find(node, pruning[i]))
      return facet_tree_raise(facet_tree_find(node, pruning[i]), "does not go with onnx, which is taken as it is");
  if (recipe->onnx)
    return FACET_OK;
  if (facet_tree_find(node, "layout"))
    return facet_tree_raise(facet_tree_find(node, "layout"),
                            "goes with onnx only: pruned networks take what dense takes");
  if (recipe->mask)
    return check_mask(node);
  if (!facet_tree_find(node, "method"))
    return facet_tree_raise_at(node, "method", "missing: a variant has a method, a mask, or onnx");
  if (!facet_tree_find(node, "sparsity"))
    return facet_tree_raise_at(node, "sparsity", "missing");
  for (int i = 0; i < recipe->method.count; i++)
    if (facet_method_at(recipe->method.item[i])->rule && !recipe->retrain)
      return facet_tree_raise_at(node, "budget", "missing: %s prunes while it trains",
                                 facet_method_at(recipe->method.item[i])->name);
  return FACET_OK;
}

static facet_status read_recipe(const reader *r, const facet_tree *node, facet_recipe *recipe)
{
  recipe->line = node->line;
  recipe->training = study_of(r)->model.training;
  recipe->training.rate /= 5;
  recipe->layout = study_of(r)->data.layout;
  FACET_TRY(facet_schema_defaults(r, recipe_keys, COUNT_OF(recipe_keys), recipe));
  FACET_TRY(facet_schema_read(r, node, recipe_keys, COUNT_OF(recipe_keys), recipe));
  return check_recipe(node, recipe);
}

static facet_status read_variants(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of variants");
  FACET_NEW(study->recipes.item, node->count);
  for (int i = 0; i < node->count; i++) {
    study->recipes.count = i + 1;
    FACET_TRY(read_recipe(r, node->child[i], &study->recipes.item[i]));
  }
  return FACET_OK;
}

/* ---- conditions ---- */

/* FACET_BAD_INPUT if there is one of that name. */
static facet_status check_new_condition(const facet_tree *node, const facet_study *study, const char *name)
{
  for (int i = 0; i < study->conditions.count; i++) {
    char *other = facet_condition_name(study->conditions.item[i]);
    bool same = other && strcmp(name, other) == 0;
    FACET_CHECK(other, FACET_OS, "out of memory");
    facet_free(&other);
    if (same)
      return facet_tree_raise(node, "%s stands there twice", name);
  }
  return FACET_OK;
}

/* `condition.published` is copied. */
static facet_status add_condition(const facet_tree *node, facet_study *study, facet_condition condition)
{
  char *name = facet_condition_name(condition);
  FACET_CHECK(name, FACET_OS, "out of memory");
  facet_status status = check_new_condition(node, study, name);
  facet_free(&name);
  FACET_TRY(status);
  size_t count = (size_t)study->conditions.count;
  FACET_TRY(facet_grow(&study->conditions.item, count, count + 1, sizeof *study->conditions.item));
  if (condition.published && !(condition.published = facet_copy_text(condition.published)))
    return FACET_OS;
  study->conditions.item[study->conditions.count++] = condition;
  return FACET_OK;
}

typedef struct {
  int corruptions, severities;
  int corruption[MOST_WORDS], severity[MOST_WORDS];
  char *published;
} corrupted;

static facet_status read_corruption(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  corrupted *c = target;
  facet_word words[MOST_WORDS] = {0};
  for (int i = 1; i < MOST_WORDS && facet_corruption_name(i); i++)
    words[i - 1] = (facet_word){facet_corruption_name(i), i};
  FACET_TRY(facet_schema_some(node));
  int count = facet_tree_items(node);
  if (count > MOST_WORDS)
    return facet_tree_raise(node, "%d corruptions; there are not so many", count);
  for (int i = 0; i < count; i++)
    FACET_TRY(facet_schema_word(facet_tree_item(node, i), words, &c->corruption[i]));
  c->corruptions = count;
  return FACET_OK;
}

static facet_status read_severity(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  corrupted *c = target;
  FACET_TRY(facet_schema_some(node));
  int count = facet_tree_items(node);
  if (count > HIGHEST_SEVERITY)
    return facet_tree_raise(node, "%d severities; there are %d", count, HIGHEST_SEVERITY);
  for (int i = 0; i < count; i++) {
    int64_t severity = 0;
    FACET_TRY(facet_schema_whole(facet_tree_item(node, i), "[1, 5]", &severity));
    c->severity[i] = (int)severity;
  }
  c->severities = count;
  return FACET_OK;
}

static const facet_key corrupted_keys[] = {
    {.key = "corruption", .type = FACET_KEY_OTHER, .read = read_corruption, .required = true},
    {.key = "severity", .type = FACET_KEY_OTHER, .read = read_severity},
    {.key = "published", .type = FACET_KEY_PATH, .target = offsetof(corrupted, published)},
};

static facet_status read_condition(const reader *r, const facet_tree *node, facet_study *study)
{
  if (node->kind == FACET_TREE_SCALAR && strcmp(node->text, "clean") == 0)
    return add_condition(node, study, (facet_condition){.corruption = 0});
  if (node->kind != FACET_TREE_MAPPING)
    return facet_tree_raise(node, "%s is neither clean nor {corruption: ..., severity: ...}", facet_tree_what(node));
  corrupted c = {.severities = HIGHEST_SEVERITY, .severity = {1, 2, 3, 4, 5}};
  facet_status status = facet_schema_read(r, node, corrupted_keys, COUNT_OF(corrupted_keys), &c);
  for (int i = 0; i < c.corruptions; i++)
    for (int j = 0; j < c.severities && status == FACET_OK; j++)
      status = add_condition(node, study, (facet_condition){c.corruption[i], c.severity[j], c.published});
  facet_free(&c.published);
  return status;
}

static facet_status read_conditions(const reader *r, const facet_tree *node, void *target)
{
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of conditions");
  FACET_TRY(facet_schema_some(node));
  for (int i = 0; i < node->count; i++)
    FACET_TRY(read_condition(r, node->child[i], target));
  return FACET_OK;
}

/* ---- linearize ---- */

static facet_status read_linear_variants(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  if (node->kind == FACET_TREE_SCALAR && strcmp(node->text, "all") == 0)
    return FACET_OK;
  FACET_TRY(read_texts(r, node, read_any, &study->linearize.variants.item, &study->linearize.variants.count));
  return check_different(node, study->linearize.variants.item, study->linearize.variants.count);
}

static const facet_key top_keys[] = {
    {.key = "top",
     .type = FACET_KEY_LARGE,
     .range = "[1, 1000000]",
     .target = offsetof(facet_study, linearize.top),
     .required = true},
};

/* all, predicted, {top: 3}, "top: 3" or top 3. */
static facet_status read_rows(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  study->linearize.rows = FACET_ROWS_TOP;
  if (node->kind == FACET_TREE_MAPPING)
    return facet_schema_read(r, node, top_keys, COUNT_OF(top_keys), study);
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  if (strncmp(text, "top", 3) == 0 && strspn(text + 3, ": ") > 0) {
    facet_tree number = *node;
    number.text = node->text + 3 + strspn(text + 3, ": ");
    number.quoted = false;
    return facet_schema_whole(&number, top_keys[0].range, &study->linearize.top);
  }
  static const facet_word words[] = {
      {"all", FACET_ROWS_ALL}, {"predicted", FACET_ROWS_PREDICTED}, {"{top: 3}", FACET_ROWS_TOP}, {NULL, 0}};
  int word = 0;
  FACET_TRY(facet_schema_word(node, words, &word));
  study->linearize.rows = (facet_rows_choice)word;
  return FACET_OK;
}

static const facet_key linearize_keys[] = {
    {.key = "variants", .type = FACET_KEY_OTHER, .read = read_linear_variants},
    {.key = "samples",
     .type = FACET_KEY_COUNT,
     .range = "[1, 9007199254740992]",
     .standard = "all",
     .target = offsetof(facet_study, linearize.samples)},
    {.key = "rows", .type = FACET_KEY_OTHER, .read = read_rows},
};

static facet_status read_linearize(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  study->linearize.wanted = true;
  return facet_schema_read(r, node, linearize_keys, COUNT_OF(linearize_keys), study);
}

/* ---- change ---- */

static facet_status read_change_variants(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  if (node->kind == FACET_TREE_SCALAR && strcmp(node->text, "all") == 0)
    return FACET_OK;
  FACET_TRY(read_texts(r, node, read_any, &study->change.variants.item, &study->change.variants.count));
  return check_different(node, study->change.variants.item, study->change.variants.count);
}

static facet_status read_change_conditions(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  study->change.all_conditions = strcmp(text, "all") == 0;
  if (study->change.all_conditions || strcmp(text, "none") == 0)
    return FACET_OK;
  FACET_TRY(read_texts(r, node, read_any, &study->change.conditions.item, &study->change.conditions.count));
  return check_different(node, study->change.conditions.item, study->change.conditions.count);
}

static const facet_word picks[] = {{"fragile", FACET_PICK_FRAGILE}, {"first", FACET_PICK_FIRST}, {NULL, 0}};

static const facet_key change_keys[] = {
    {.key = "variants", .type = FACET_KEY_OTHER, .read = read_change_variants},
    {.key = "samples",
     .type = FACET_KEY_COUNT,
     .range = "[1, 9007199254740992]",
     .standard = "200",
     .target = offsetof(facet_study, change.samples)},
    {.key = "pick",
     .type = FACET_KEY_WORD,
     .words = picks,
     .standard = "fragile",
     .target = offsetof(facet_study, change.pick)},
    {.key = "conditions", .type = FACET_KEY_OTHER, .read = read_change_conditions, .standard = "none"},
};

static facet_status read_change(const reader *r, const facet_tree *node, void *target)
{
  facet_study *study = target;
  study->change.wanted = true;
  return facet_schema_read(r, node, change_keys, COUNT_OF(change_keys), study);
}

/* ---- memory ---- */

/* "2 GiB": a number, at most one space, a unit. */
static facet_status read_memory(const reader *r, const facet_tree *node, void *target)
{
  (void)r;
  static const struct {
    const char *name;
    double bytes;
  } unit[] = {{"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  facet_study *study = target;
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  size_t digits = strspn(text, "0123456789.");
  const char *rest = text + digits + (text[digits] == ' ');
  for (int i = 0; i < COUNT_OF(unit); i++) {
    char *end = NULL;
    double bytes = strtod(text, &end) * unit[i].bytes;
    if (digits == 0 || end != text + digits || strcmp(rest, unit[i].name) != 0)
      continue;
    if (bytes < 0x1p20 || bytes > 0x1p50)
      return facet_tree_raise(node, "%s is not in [1 MiB, 1024 TiB]", text);
    study->settings.memory = (int64_t)(bytes + 0.5);
    study->settings.memory_line = node->line;
    return FACET_OK;
  }
  return facet_tree_raise_kind(node, "a size such as 2 GiB or 500 MB");
}

/* ---- the whole ---- */

#define SETTING(member) offsetof(facet_study, settings.member)

static const facet_key study_keys[] = {
    {.key = "study", .type = FACET_KEY_NAME, .target = SETTING(name)},
    {.key = "seed", .type = FACET_KEY_SEED, .range = "[0, 4294967295]", .standard = "1", .target = SETTING(seed)},
    {.key = "output", .type = FACET_KEY_PATH, .target = SETTING(output)},
    {.key = "precision",
     .type = FACET_KEY_WORD,
     .words = precisions,
     .standard = "float",
     .target = SETTING(precision)},
    {.key = "threads", .type = FACET_KEY_WHOLE, .range = "[1, 1024]", .standard = "1", .target = SETTING(threads)},
    {.key = "block", .type = FACET_KEY_LARGE, .range = "[1, 1000000]", .standard = "250", .target = SETTING(block)},
    {.key = "memory", .type = FACET_KEY_OTHER, .read = read_memory, .standard = "2 GiB"},
    {.key = "data", .type = FACET_KEY_OTHER, .read = read_data, .required = true},
    {.key = "model", .type = FACET_KEY_OTHER, .read = read_model, .required = true}, /* before variants: retrain */
    {.key = "variants", .type = FACET_KEY_OTHER, .read = read_variants},
    {.key = "conditions", .type = FACET_KEY_OTHER, .read = read_conditions},
    {.key = "linearize", .type = FACET_KEY_OTHER, .read = read_linearize},
    {.key = "change", .type = FACET_KEY_OTHER, .read = read_change},
    {.key = "aggregate", .type = FACET_KEY_OTHER, .read = facet_study_read_aggregate},
    {.key = "embed", .type = FACET_KEY_OTHER, .read = facet_study_read_embed},
};

/* Name, output and conditions that the file leaves out; and which condition is clean. */
static facet_status fill_in(const reader *r, facet_study *study)
{
  if (!study->settings.name && !(study->settings.name = facet_name_of_file(study->settings.file)))
    return FACET_OS;
  if (!study->settings.output) {
    facet_tree node = {.kind = FACET_TREE_SCALAR, .text = facet_format("../results/%s", study->settings.name)};
    if (!node.text)
      return FACET_OS;
    facet_status status = facet_schema_path(r, &node, &study->settings.output);
    facet_free(&node.text);
    FACET_TRY(status);
  }
  if (study->conditions.count == 0) {
    FACET_NEW(study->conditions.item, 1);
    study->conditions.count = 1;
  }
  study->conditions.clean = -1;
  for (int i = 0; i < study->conditions.count; i++)
    if (study->conditions.item[i].corruption == 0)
      study->conditions.clean = i;
  return FACET_OK;
}

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
  const char *key = study->linearize.wanted ? "linearize" : study->change.wanted ? "change" : "embed";
  if (study->linearize.wanted || study->change.wanted || study->embed.wanted)
    return facet_tree_raise(facet_tree_find(root, key), "needs 'clean' among the conditions");
  return FACET_OK;
}

/* Whether every asked name is among those that there are; `what` they are, and node, the list of the asked ones. */
static facet_status check_known(const facet_tree *list, const char *what, char *const *asked, int asks,
                                const char **name, int count)
{
  for (int i = 0; i < asks; i++) {
    bool known = false;
    for (int j = 0; j < count; j++)
      known = known || strcmp(name[j], asked[i]) == 0;
    if (known)
      continue;
    const facet_tree *node = facet_tree_item(list, i);
    const char *near = facet_tree_nearest(asked[i], name, count);
    return near ? facet_tree_raise(node, "there is no %s '%s'; did you mean '%s'?", what, node->text, near)
                : facet_tree_raise(node, "there is no %s '%s'; '%s' to '%s' are %d %ss", what, node->text, name[0],
                                   name[count - 1], count, what);
  }
  return FACET_OK;
}

/* The conditions under which changes are asked for are there. */
static facet_status check_change_conditions(const facet_tree *root, const facet_study *study)
{
  char **name = NULL;
  facet_status status = FACET_OK;
  FACET_NEW(name, study->conditions.count);
  for (int i = 0; i < study->conditions.count && status == FACET_OK; i++)
    if (!(name[i] = facet_condition_name(study->conditions.item[i])))
      status = FACET_OS;
  if (status == FACET_OK && study->change.conditions.count > 0)
    status = check_known(facet_tree_find(facet_tree_find(root, "change"), "conditions"), "condition",
                         study->change.conditions.item, study->change.conditions.count, (const char **)name,
                         study->conditions.count);
  free_texts(&name, study->conditions.count);
  return status;
}

/* Names of variants that mean something else: the study's own words, and what the caller wants for itself. */
static facet_status check_taken(const facet_tree *root, const facet_variant *variant, int count,
                                facet_study_taken *taken)
{
  for (int i = 1; i < count; i++) {
    const char *name = variant[i].name;
    if (strcmp(name, "dense") != 0 && strcmp(name, "all") != 0 && !(taken && taken(name)))
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

/* No two variants bear one name, none a taken one, and what `linearize` and `change` name is there. */
static facet_status check_names(const facet_tree *root, const facet_study *study, facet_study_taken *taken)
{
  const facet_tree *linearize = facet_tree_find(root, "linearize"), *change = facet_tree_find(root, "change");
  facet_variant *variant = NULL;
  const char **name = NULL;
  int count = 0;
  FACET_TRY(facet_study_variants(study, &variant, &count));
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, name, count);
  FACET_GO(done, status, check_taken(root, variant, count, taken));
  for (int i = 0; i < count; i++)
    name[i] = variant[i].name;
  if (study->linearize.variants.count > 0)
    FACET_GO(done, status,
             check_known(facet_tree_find(linearize, "variants"), "variant", study->linearize.variants.item,
                         study->linearize.variants.count, name, count));
  if (study->change.variants.count > 0)
    FACET_GO(done, status,
             check_known(facet_tree_find(change, "variants"), "variant", study->change.variants.item,
                         study->change.variants.count, name, count));
  if (study->embed.wanted)
    FACET_GO(done, status,
             check_known(facet_tree_find(facet_tree_find(root, "embed"), "variant"), "variant", &study->embed.variant,
                         1, name, count));
  status = check_change_conditions(root, study);
done:
  facet_free(&name);
  facet_variants_free(&variant, count);
  return status;
}

/* Results and data sets are mistaken for studies; they need not be read to see that. */
static facet_status check_size(const char *path)
{
  struct stat about;
  bool large = stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > LARGEST_FILE;
  FACET_CHECK(!large, FACET_BAD_INPUT, "%s:1: a file of %lld MiB is not a study", path,
              (long long)about.st_size / 1048576);
  return FACET_OK;
}

static facet_status read_tree(const reader *r, const facet_tree *root, facet_study_taken *taken, facet_study *study)
{
  study->model.training.micro_batch = MICRO_BATCH;
  FACET_TRY(facet_schema_defaults(r, training_keys, COUNT_OF(training_keys), &study->model.training));
  FACET_TRY(facet_schema_defaults(r, linearize_keys, COUNT_OF(linearize_keys), study));
  FACET_TRY(facet_schema_defaults(r, change_keys, COUNT_OF(change_keys), study));
  FACET_TRY(facet_schema_defaults(r, study_keys, COUNT_OF(study_keys), study));
  FACET_TRY(facet_schema_read(r, root, study_keys, COUNT_OF(study_keys), study));
  FACET_TRY(fill_in(r, study));
  FACET_TRY(facet_study_settle_aggregate(root, study));
  FACET_TRY(check_train(root, study));
  FACET_TRY(check_clean(root, study));
  return check_names(root, study, taken);
}

/* The folder of the study file without links, and a file name in it: what paths are relative to. */
static facet_status locate(const char *path, reader *r)
{
  char *here = facet_path_beside(path, ".");
  if (!here)
    return FACET_OS;
  char *folder = realpath(here, NULL);
  facet_free(&here);
  FACET_CHECK(folder, FACET_NO_INPUT, "%s: its folder cannot be found", path);
  r->real = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
  r->file = facet_format("%s/study", folder);
  free(folder);
  return r->file ? FACET_OK : FACET_OS;
}

facet_status facet_study_read(const char *path, facet_study_taken *taken, facet_study **out)
{
  facet_status status = FACET_OK;
  uint8_t *bytes = NULL;
  size_t count = 0;
  facet_tree *root = NULL;
  facet_study *study = NULL;
  reader r = {0};
  *out = NULL;
  FACET_NEW_GO(done, status, study, 1);
  r.context = study;
  if (!(study->settings.file = facet_copy_text(path))) {
    status = FACET_OS;
    goto done;
  }
  FACET_GO(done, status, check_size(path));
  FACET_GO(done, status, facet_read_file(path, &bytes, &count));
  FACET_GO(done, status, locate(path, &r));
  FACET_GO(done, status, facet_tree_read(study->settings.file, bytes, count, &root));
  FACET_GO(done, status, read_tree(&r, root, taken, study));
  *out = study;
  study = NULL;
done:
  facet_tree_destroy(&root);
  facet_study_destroy(&study);
  facet_free(&bytes);
  facet_free(&r.file);
  return status;
}

static void clear_source(facet_data_source *source)
{
  free_texts(&source->images, source->files);
  free_texts(&source->labels, source->files);
}

void facet_study_destroy(facet_study **study)
{
  facet_study *s = study ? *study : NULL;
  if (!s)
    return;
  clear_source(&s->data.train);
  clear_source(&s->data.test);
  free_texts(&s->data.classes.item, s->data.classes.count);
  free_texts(&s->linearize.variants.item, s->linearize.variants.count);
  free_texts(&s->change.variants.item, s->change.variants.count);
  free_texts(&s->change.conditions.item, s->change.conditions.count);
  for (int i = 0; i < s->recipes.count; i++) {
    facet_free(&s->recipes.item[i].name);
    facet_free(&s->recipes.item[i].onnx);
    facet_free(&s->recipes.item[i].mask);
    facet_free(&s->recipes.item[i].method.item);
    facet_free(&s->recipes.item[i].scope.item);
    facet_free(&s->recipes.item[i].seeds.item);
    facet_free(&s->recipes.item[i].sparsity.item);
  }
  facet_free(&s->recipes.item);
  facet_study_clear_embed(&s->embed);
  for (int i = 0; i < s->conditions.count; i++)
    facet_free(&s->conditions.item[i].published);
  facet_free(&s->conditions.item);
  facet_free(&s->model.conv.item);
  facet_free(&s->model.dense.item);
  facet_free(&s->model.onnx);
  facet_free(&s->settings.name);
  facet_free(&s->settings.output);
  facet_free(&s->settings.file);
  facet_free(study);
}
