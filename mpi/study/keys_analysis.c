/* What a study computes: the keys `linearize`, `change`, `aggregate` and `embed`. */
#include <string.h>

#include "study_keys.h"

/* ---- linearize ---- */

static const facet_key top_keys[] = {
    {"top", "", FACET_WHOLE(facet_linearize_keys, top, "[1, 1000000]"), .required = true},
};
static const facet_mapping top_mapping = {FACET_KEYS(top_keys), .flow = true};
static const facet_word rows[] = {
    {"all", FACET_ROWS_ALL}, {"predicted", FACET_ROWS_PREDICTED}, {"{top: 3}", FACET_ROWS_TOP}, {NULL, 0}};

/* all, predicted, {top: 3}, "top: 3" or top 3. */
static facet_status read_rows(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  facet_linearize_keys *keys = target;
  keys->rows = FACET_ROWS_TOP;
  if (node->kind == FACET_TREE_MAPPING)
    return facet_schema_read(r, &top_mapping, node, keys);
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  if (strncmp(text, "top", 3) == 0 && strspn(text + 3, ": ") > 0) {
    facet_tree number = *node;
    number.text = node->text + 3 + strspn(text + 3, ": ");
    number.quoted = false;
    return facet_schema_whole(&number, top_keys[0].range, &keys->top);
  }
  int word = 0;
  FACET_TRY(facet_schema_word(node, rows, &word));
  keys->rows = (facet_rows_choice)word;
  return FACET_OK;
}

static void print_rows(FILE *out, const void *target)
{
  const facet_linearize_keys *keys = target;
  fputc(' ', out);
  if (keys->rows == FACET_ROWS_TOP)
    facet_schema_print(out, &top_mapping, keys, 0);
  else
    fputs(facet_schema_word_of(&(facet_key){.words = rows}, (int)keys->rows), out);
}

static const facet_key linearize_keys[] = {
    {"variants", "whose maps are computed; `dense` is a name",
     FACET_ITEMS(FACET_KEY_TEXT, facet_linearize_keys, variants), .zero = "all", .standard = "all", .different = true,
     .type_says = "`all`, or names of variants, one or a list"},
    {"samples", "the first so many of `data.test`", FACET_WHOLE(facet_linearize_keys, samples, FACET_ANY),
     .zero = "all", .standard = "all"},
    {"rows",
     "which rows of W are stored for a sample: every class, the predicted one, or those of the 3 (in [1, 1000000]) "
     "highest logits. `top 3` and `\"top: 3\"` mean `{top: 3}`",
     FACET_WORD(facet_linearize_keys, rows, rows), .read = read_rows, .print = print_rows, .standard = "all"},
};
const facet_mapping facet_keys_linearize = {FACET_KEYS(linearize_keys)};

/* ---- change ---- */

static const facet_word picks[] = {{"fragile", FACET_PICK_FRAGILE}, {"first", FACET_PICK_FIRST}, {NULL, 0}};

static const facet_key change_keys[] = {
    {"variants", "which are compared", FACET_ITEMS(FACET_KEY_TEXT, facet_change_keys, variants), .zero = "all",
     .standard = "all", .different = true, .type_says = "`all`, or names of variants, one or a list"},
    {"samples", "how many samples, at most", FACET_WHOLE(facet_change_keys, samples, FACET_ANY), .zero = "all",
     .standard = "200"},
    {"pick", "the samples that most variants and conditions move to another class (`/fragility/rank`), or the first",
     FACET_WORD(facet_change_keys, pick, picks), .standard = "fragile"},
    {"conditions", "corruptions that are compared with clean, in every one of the variants",
     FACET_ITEMS(FACET_KEY_TEXT, facet_change_keys, conditions), .zero = "none", .standard = "none", .different = true,
     .flag_word = "all", .flag = offsetof(facet_change_keys, all_conditions),
     .type_says = "`none`, `all`, or names of conditions, one or a list"},
};
const facet_mapping facet_keys_change = {FACET_KEYS(change_keys)};

/* ---- aggregate ---- */

enum { USUAL_SPECTRUM = 32 };

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
  return FACET_OK;
}

static const facet_word spectra[] = {{"auto", FACET_SPECTRUM_AUTO},
                                     {"gram", FACET_SPECTRUM_GRAM},
                                     {"dual", FACET_SPECTRUM_DUAL},
                                     {"random", FACET_SPECTRUM_RANDOM},
                                     {NULL, 0}};

const char *facet_spectrum_name(facet_spectrum_method method)
{
  return spectra[method].name;
}

static const facet_key aggregate_keys[] = {
    {"spectrum",
     "so many singular values and directions of each variant that `linearize` names; fewer where W has fewer rows or "
     "columns",
     FACET_WHOLE(facet_aggregation, spectrum, "[1, 1000]"), .zero = "none",
     .standard_says = "32; `none` without `linearize`"},
    {"method", "how they are found, below", FACET_WORD(facet_aggregation, method, spectra), .standard = "auto"},
    {"cka", "similarity of features (linear CKA) of all pairs of variant and condition, over all test samples",
     FACET_TRUTH(facet_aggregation, cka), .standard = "true"},
};
const facet_mapping facet_keys_aggregate = {FACET_KEYS(aggregate_keys), .check = check_aggregate};

/* ---- embed ---- */

static const facet_word sources[] = {{"features", FACET_SOURCE_FEATURES}, {"pixels", FACET_SOURCE_PIXELS}, {NULL, 0}};
static const facet_word optimizers[] = {{"adam", FACET_EMBED_ADAM}, {"momentum", FACET_EMBED_MOMENTUM}, {NULL, 0}};
static const facet_word schedules[] = {
    {"cosine", FACET_SCHEDULE_COSINE}, {"constant", FACET_SCHEDULE_CONSTANT}, {NULL, 0}};

static facet_status check_embed(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_embedding *e = target;
  if (!facet_tree_find(node, "exaggeration_epochs"))
    e->exaggeration_epochs = e->epochs / 4;
  return FACET_OK;
}

static const facet_key embed_keys[] = {
    {"source", "what the encoder sees: the input of the last linear node, or the normalised pixels",
     FACET_WORD(facet_embedding, source, sources), .standard = "features"},
    {"variant", "whose features the encoder learns from", FACET_NAME(facet_embedding, variant), .standard = "dense",
     .type_says = "name of a variant"},
    {"layers", "units of the encoder's hidden layers, with ReLU; van der Maaten's sizes",
     FACET_ITEMS(FACET_KEY_WHOLE, facet_embedding, layers), .range = "[1, 65536]", .plural = "whole numbers",
     .most = FACET_EMBED_LAYERS, .standard = "[500, 500, 2000]"},
    {"dimensions", "of the map", FACET_WHOLE(facet_embedding, dimensions, "[1, 3]"), .standard = "2"},
    {"perplexity", "about how many neighbours a sample has; less than the samples of a batch",
     FACET_NUMBER(facet_embedding, perplexity, "[1, inf)"), .standard = "30"},
    {"alpha", "degrees of freedom of the map's Student t-distribution; `learned`: from 1 on, with the encoder",
     FACET_NUMBER(facet_embedding, alpha, "[0.05, 1000]"), .standard = "1", .flag_word = "learned",
     .flag = offsetof(facet_embedding, learn_alpha)},
    {"samples", "learn from the first so many of `data.train`, or of `data.test` without one",
     FACET_WHOLE(facet_embedding, samples, FACET_ANY), .zero = "all", .standard = "all"},
    {"batch",
     "samples of a batch, at most: all batches have about the same size, and stay what they are. Neighbours are sought "
     "within a batch",
     FACET_WHOLE(facet_embedding, batch, "[4, 1000000]"), .standard = "5000"},
    {"epochs", "one epoch is a step for each batch", FACET_WHOLE(facet_embedding, epochs, "[1, 1000000]"),
     .standard = "100"},
    {"optimizer", "", FACET_WORD(facet_embedding, optimizer, optimizers), .standard = "adam"},
    {"noise",
     "standard deviation of Gaussian noise on what the encoder sees in training, where the samples' own is 1: new "
     "samples come to lie nearer to those that they are like. 0: none",
     FACET_NUMBER(facet_embedding, noise, "[0, inf)"), .standard = "0.5"},
    {"rate", "", FACET_NUMBER(facet_embedding, rate, "(0, inf)"), .standard = "0.003"},
    {"momentum", "of `momentum`", FACET_NUMBER(facet_embedding, momentum, "[0, 1)"), .standard = "0.9"},
    {"schedule", "how the rate goes down", FACET_WORD(facet_embedding, schedule, schedules), .standard = "cosine"},
    {"exaggeration", "joint probabilities are multiplied by it …",
     FACET_NUMBER(facet_embedding, exaggeration, "[1, 1000]"), .standard = "4"},
    {"exaggeration_epochs", "… in the first so many epochs (early exaggeration)",
     FACET_WHOLE(facet_embedding, exaggeration_epochs, "[0, 1000000]"), .standard_says = "a quarter of `epochs`"},
    {"explain",
     "whose positions are linearized: the first so many test samples. It is done in double precision, whatever the "
     "study's, and these positions are stored as it finds them",
     FACET_WHOLE(facet_embedding, explain, FACET_ANY), .zero = "all", .standard = "200"},
};
const facet_mapping facet_keys_embed = {FACET_KEYS(embed_keys), .check = check_embed};
