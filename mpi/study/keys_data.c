/* What a study measures: the keys `data` and `conditions`. */
#include <stdlib.h>
#include <string.h>

#include "study_keys.h"

enum { MOST_CHANNELS = 16 };

const facet_word facet_words_order[] = {{"auto", FACET_ORDER_AUTO},
                                        {"channels_first", FACET_CHANNELS_FIRST},
                                        {"channels_last", FACET_CHANNELS_LAST},
                                        {NULL, 0}};

/* ---- data sets ---- */

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

static const facet_key source_keys[] = {
    {"format", "how the files are laid out", FACET_WORD(facet_source_keys, format, NULL), .word = format_word,
     .required = true},
    {"images", "files of images, one after the other", FACET_ITEMS(FACET_KEY_PATH, facet_source_keys, images),
     .required = true},
    {"labels",
     "as many files as `images` has. `train` needs labels; `cifar10` holds its own, so the key is refused there; with "
     "`hdf5` they are found beside the images when left out",
     FACET_ITEMS(FACET_KEY_PATH, facet_source_keys, labels), .standard_says = "none: unlabelled"},
    {"layout",
     "how images with four dimensions lie in the files: N x channel x y x x, or N x y x x x channel. `auto`: channels "
     "last if the last dimension is 1, 3 or 4 and the second is not, otherwise channels first. `cifar10` is channels "
     "first",
     FACET_WORD(facet_source_keys, layout, facet_words_order), .standard = "auto"},
    {"count", "use the first so many samples", FACET_WHOLE(facet_source_keys, count, FACET_ANY), .zero = "all",
     .standard = "all"},
};
static const facet_mapping source_mapping = {FACET_KEYS(source_keys), .check = check_source};

/* ---- normalization ---- */

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

#define CHANNELS(member)                                                                                               \
  .type = FACET_KEY_NUMBER, .list = true, .target = offsetof(facet_normalization, member), .size = sizeof(double),     \
  .fixed = true, .count = offsetof(facet_normalization, channels), .most = MOST_CHANNELS

static const facet_key normalize_keys[] = {
    {"scale", "what white is: 255 for bytes", FACET_NUMBER(facet_normalization, scale, "(0, inf)"), .standard = "1"},
    {"mean", "one for every channel", CHANNELS(mean), .range = "(-inf, inf)", .standard_says = "0"},
    {"std", "as many as `mean`; a single number beside a list serves every channel", CHANNELS(std), .range = "(0, inf)",
     .standard_says = "1"},
};
static const facet_mapping normalize_mapping = {FACET_KEYS(normalize_keys), .flow = true, .check = check_normalize};

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

static const facet_key data_keys[] = {
    {"train",
     "the samples to train on; needed exactly when something is trained (`model.architecture`, `model.train`, "
     "`retrain`, `budget`) or scored by samples (`taylor`, `snip`, `grasp`)",
     FACET_MAPPING(&source_mapping, facet_data_keys, train), .given = offsetof(facet_data_keys, has_train),
     .standard_says = "none"},
    {"test", "the samples that are measured", FACET_MAPPING(&source_mapping, facet_data_keys, test), .required = true},
    {"classes", "names of the classes, in order", FACET_ITEMS(FACET_KEY_TEXT, facet_data_keys, classes),
     .plural = "names", .least = 1, .different = true, .standard_says = "the network says how many there are"},
    {"layout",
     "in which order networks take the numbers of a sample, where their input's dimensions leave a doubt: "
     "[layout](#layout)",
     FACET_WORD(facet_data_keys, layout, facet_words_order), .line = offsetof(facet_data_keys, layout_line),
     .standard = "auto"},
    {"normalize", "what is done to pixels before they enter the network",
     FACET_MAPPING(&normalize_mapping, facet_data_keys, normalize), .standard_says = "as below"},
};
const facet_mapping facet_keys_data = {FACET_KEYS(data_keys), .check = check_data};

/* ---- conditions ---- */

/* One line of the list, before its lists multiply. */
typedef struct {
  facet_choices corruption;
  facet_wholes severity;
  char *published;
} corrupted;

static facet_word corruption_word(int i)
{
  return (facet_word){facet_corruption_name(i + 1), i + 1};
}

static const facet_key corrupted_keys[] = {
    {"corruption", "those below; a wrong name is answered with all that there are",
     FACET_ITEMS(FACET_KEY_WORD, corrupted, corruption), .word = corruption_word, .different = true, .bare = true,
     .required = true, .type_says = "name, one or a list"},
    {"severity", "", FACET_ITEMS(FACET_KEY_WHOLE, corrupted, severity), .range = "[1, 5]", .different = true,
     .bare = true, .standard = "[1, 2, 3, 4, 5]"},
    {"published",
     "a folder in the layout of CIFAR-10-C to read the corrupted images from: [published sets](#published-sets)",
     FACET_PATH(corrupted, published), .standard_says = "none: corrupted here"},
};
const facet_mapping facet_keys_corrupted = {FACET_KEYS(corrupted_keys), .flow = true};

/* FACET_BAD_INPUT if there is one of that name. */
static facet_status check_new(const facet_tree *node, const facet_conditions *conditions, const char *name)
{
  for (int i = 0; i < conditions->count; i++) {
    char *other = facet_condition_name(conditions->item[i]);
    bool same = other && strcmp(name, other) == 0;
    FACET_CHECK(other, FACET_OS, "out of memory");
    facet_free(&other);
    if (same)
      return facet_tree_raise(node, "%s stands there twice", name);
  }
  return FACET_OK;
}

/* `condition.published` is copied. */
static facet_status add(const facet_tree *node, facet_conditions *conditions, facet_condition condition)
{
  char *name = facet_condition_name(condition);
  FACET_CHECK(name, FACET_OS, "out of memory");
  facet_status status = check_new(node, conditions, name);
  facet_free(&name);
  FACET_TRY(status);
  size_t count = (size_t)conditions->count;
  FACET_TRY(facet_grow(&conditions->item, count, count + 1, sizeof *conditions->item));
  if (condition.published && !(condition.published = facet_copy_text(condition.published)))
    return FACET_OS;
  conditions->item[conditions->count++] = condition;
  return FACET_OK;
}

static facet_status read_condition(const facet_schema_reader *r, const facet_tree *node, facet_conditions *conditions)
{
  if (facet_schema_is(node, "clean"))
    return add(node, conditions, (facet_condition){.corruption = 0});
  if (node->kind != FACET_TREE_MAPPING)
    return facet_tree_raise(node, "%s is neither clean nor {corruption: ..., severity: ...}", facet_tree_what(node));
  corrupted c = {0};
  facet_status status = FACET_OK;
  FACET_GO(done, status, facet_schema_defaults(r, &facet_keys_corrupted, &c));
  FACET_GO(done, status, facet_schema_read(r, &facet_keys_corrupted, node, &c));
  for (int i = 0; i < c.corruption.count; i++)
    for (int j = 0; j < c.severity.count; j++)
      FACET_GO(done, status,
               add(node, conditions, (facet_condition){c.corruption.item[i], (int)c.severity.item[j], c.published}));
done:
  facet_schema_clear(&facet_keys_corrupted, &c);
  return status;
}

facet_status facet_keys_read_conditions(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  facet_conditions *conditions = &((facet_study *)target)->conditions;
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of conditions");
  if (node->count == 0)
    return facet_tree_raise(node, "the list is empty");
  for (int i = 0; i < node->count; i++)
    FACET_TRY(read_condition(r, node->child[i], conditions));
  return FACET_OK;
}

void facet_keys_print_conditions(FILE *out, const void *target)
{
  const facet_conditions *conditions = &((const facet_study *)target)->conditions;
  for (int i = 0; i < conditions->count; i++) {
    facet_condition *condition = &conditions->item[i];
    int64_t severity = condition->severity;
    const corrupted c = {{1, &condition->corruption}, {1, &severity}, condition->published};
    fputs(condition->corruption == 0 ? "\n  - clean" : "\n  - ", out);
    if (condition->corruption != 0)
      facet_schema_print(out, &facet_keys_corrupted, &c, 4);
  }
}

void facet_keys_clear_conditions(void *target)
{
  facet_conditions *conditions = &((facet_study *)target)->conditions;
  for (int i = 0; i < conditions->count; i++)
    facet_free(&conditions->item[i].published);
  facet_free(&conditions->item);
}
