/* The networks of a study: the keys `model` and `variants`. */
#include <string.h>

#include "study_keys.h"

#define SIZES "[1, 65536]"

/* ---- training ---- */

static const facet_key augment_keys[] = {
    {"shift", "", FACET_WHOLE(facet_augmentation, shift, "[0, 1000]")},
    {"flip", "", FACET_TRUTH(facet_augmentation, flip)},
    {"cutout", "", FACET_WHOLE(facet_augmentation, cutout, "[0, 1000]")},
};

static facet_status begin_augment(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  (void)node;
  *(facet_augmentation *)target = (facet_augmentation){0};
  return FACET_OK;
}

static const facet_mapping augment_mapping = {FACET_KEYS(augment_keys), .flow = true, .begin = begin_augment};

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

static const facet_word schedules[] = {
    {"cosine", FACET_SCHEDULE_COSINE}, {"step", FACET_SCHEDULE_STEP}, {"constant", FACET_SCHEDULE_CONSTANT}, {NULL, 0}};

static const facet_key training_keys[] = {
    {"epochs", "passes through `data.train`", FACET_WHOLE(facet_training, epochs, "[1, 100000]"), .standard = "4"},
    {"batch", "samples of a step", FACET_WHOLE(facet_training, batch, "[1, 1000000]"), .standard = "128"},
    {"micro_batch",
     "gradients are summed over parts of this size, and batch norm sees one part at a time; so the result does not "
     "depend on the number of ranks",
     FACET_WHOLE(facet_training, micro_batch, "[1, 1000000]"), .standard = "32",
     .type_says = "whole number, a divisor of `batch`", .standard_says = "the largest divisor of `batch` up to 32"},
    {"rate", "learning rate", FACET_NUMBER(facet_training, rate, "(0, 100]"), .standard = "0.05"},
    {"momentum", "", FACET_NUMBER(facet_training, momentum, "[0, 1)"), .standard = "0.9"},
    {"decay", "weight decay", FACET_NUMBER(facet_training, decay, "[0, 1)"), .standard = "5e-4"},
    {"schedule", "how the rate falls", FACET_WORD(facet_training, schedule, schedules), .standard = "cosine"},
    {"step_epochs", "`step`: every so many epochs ...", FACET_WHOLE(facet_training, step_epochs, "[1, 100000]"),
     .standard = "30"},
    {"step_factor", "... the rate is multiplied by this", FACET_NUMBER(facet_training, step_factor, "(0, 1]"),
     .standard = "0.1"},
    {"warmup", "over so many epochs at the start the rate grows linearly to what the schedule says",
     FACET_NUMBER(facet_training, warmup, "[0, 100000]"), .standard = "0"},
    {"smoothing", "of labels: this much of the target is spread over all classes",
     FACET_NUMBER(facet_training, smoothing, "[0, 1)"), .standard = "0"},
    {"augment",
     "`shift: n` moves a sample by up to n pixels along x and y, `flip: true` mirrors it every other time, `cutout: n` "
     "blots out a square of n pixels; what happens follows from seed, epoch and sample alone",
     FACET_MAPPING(&augment_mapping, facet_training, augment), .standard_says = "off"},
};
static const facet_mapping training_mapping = {FACET_KEYS(training_keys), .flow = true, .check = check_training};

/* ---- model ---- */

static const facet_word residual[] = {{"resnet20", 3}, {"resnet32", 5}, {"resnet44", 7}, {"resnet56", 9}, {NULL, 0}};

static const facet_key architecture_keys[] = {
    {"conv",
     "output channels: for each one a 3x3 convolution, batch norm and ReLU, with 2x2 max pooling after all but the "
     "last",
     FACET_ITEMS(FACET_KEY_WHOLE, facet_model_keys, conv), .range = SIZES, .plural = "whole numbers",
     .standard_says = "`[]`"},
    {"dense", "widths of the ReLU layers behind them; the layer of logits comes by itself",
     FACET_ITEMS(FACET_KEY_WHOLE, facet_model_keys, dense), .range = SIZES, .plural = "whole numbers",
     .standard_says = "`[]`"},
};
static const facet_mapping architecture_mapping = {FACET_KEYS(architecture_keys), .flow = true};

static facet_status read_architecture(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  facet_model_keys *model = target;
  model->train = true;
  return node->kind == FACET_TREE_SCALAR ? facet_schema_word(node, residual, &model->resnet)
                                         : facet_schema_read(r, &architecture_mapping, node, model);
}

static void print_architecture(FILE *out, const void *target)
{
  const facet_model_keys *model = target;
  fputc(' ', out);
  if (model->resnet)
    fputs(facet_schema_word_of(&(facet_key){.words = residual}, model->resnet), out);
  else
    facet_schema_print(out, &architecture_mapping, model, 0);
}

enum { OF_ONNX = 1 << 0, OF_ARCHITECTURE = 1 << 1 };

static int kind_of_model(const void *target)
{
  return ((const facet_model_keys *)target)->onnx ? 0 : 1;
}

static facet_status begin_model(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)node;
  return facet_schema_defaults(r, &training_mapping, &((facet_model_keys *)target)->training);
}

static facet_status check_model(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  const facet_model_keys *model = target;
  return model->onnx || facet_tree_find(node, "architecture")
             ? FACET_OK
             : facet_tree_raise(node, "has neither architecture nor onnx");
}

static const facet_key model_keys[] = {
    {"onnx", "the dense network, as it is", FACET_PATH(facet_model_keys, onnx), .kinds = OF_ONNX},
    {"architecture",
     "a network that facet trains; by name, a residual network for small images (He 2015, shortcuts that slice and "
     "pad)",
     .type = FACET_KEY_MAPPING, .keys = &architecture_mapping, .kinds = OF_ARCHITECTURE, .read = read_architecture,
     .print = print_architecture, .type_says = "mapping, or `resnet20`, `resnet32`, `resnet44`, `resnet56`"},
    {"train", "how to train. With `onnx`, the network is trained on from its weights",
     FACET_MAPPING(&training_mapping, facet_model_keys, training), .given = offsetof(facet_model_keys, train),
     .standard_says = "with an architecture: the defaults; with onnx: no training"},
};
static const facet_kind model_kinds[] = {{"onnx", "which is a network already"}, {"architecture", "which is trained"}};
const facet_mapping facet_keys_model = {FACET_KEYS(model_keys), .kinds = model_kinds, .kind = kind_of_model,
                                        .begin = begin_model, .check = check_model};

/* ---- variants ---- */

static facet_word method_word(int i)
{
  const facet_method *method = facet_method_at(i);
  return (facet_word){method ? method->name : NULL, i};
}

static facet_word scope_word(int i)
{
  return (facet_word){facet_scope_name(i), i};
}

enum { KIND_ONNX, KIND_MASK, KIND_METHOD };
enum { ONLY_ONNX = 1 << KIND_ONNX, ONLY_METHOD = 1 << KIND_METHOD, MADE = 1 << KIND_MASK | 1 << KIND_METHOD };

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
  for (int i = 0; i < recipe->method.count; i++)
    if (facet_method_at(recipe->method.item[i])->rule && !recipe->retrain)
      return facet_tree_raise_at(node, "budget", "missing: %s prunes while it trains",
                                 facet_method_at(recipe->method.item[i])->name);
  return FACET_OK;
}

static const facet_key recipe_keys[] = {
    {"name", "see below; `dense` and `all` are taken", FACET_NAME(facet_recipe, name),
     .standard_says = "from the recipe, or that of the file without its ending"},
    {"onnx", "the network", FACET_PATH(facet_recipe, onnx), .kinds = ONLY_ONNX},
    {"layout", "as `data.layout`, for this network", FACET_WORD(facet_recipe, layout, facet_words_order),
     .kinds = ONLY_ONNX, .standard_says = "that of `data.layout`"},
    {"mask", "the file of masks", FACET_PATH(facet_recipe, mask), .kinds = 1 << KIND_MASK},
    {"method", "what is removed, and when", FACET_ITEMS(FACET_KEY_WORD, facet_recipe, method), .word = method_word,
     .different = true, .bare = true, .kinds = ONLY_METHOD, .type_says = "one or a list of those below",
     .standard_says = "must be given"},
    {"scope", "the fraction is taken of all weights together, or of those of every layer",
     FACET_ITEMS(FACET_KEY_WORD, facet_recipe, scope), .word = scope_word, .different = true, .bare = true,
     .standard = "global", .kinds = ONLY_METHOD},
    {"sparsity", "fraction of the weights that is **removed**", FACET_ITEMS(FACET_KEY_NUMBER, facet_recipe, sparsity),
     .range = "[0, 1)", .different = true, .kinds = ONLY_METHOD, .standard_says = "must be given"},
    {"norm", "`filter`: which norm", FACET_WHOLE(facet_recipe, norm, "[1, 2]"), .standard = "1", .kinds = ONLY_METHOD},
    {"calibration", "`taylor`: the first so many training samples; `snip`, `grasp`: the first batch of them",
     FACET_WHOLE(facet_recipe, calibration, "[1, 1000000]"), .standard = "256", .kinds = ONLY_METHOD},
    {"rewind", "`lth`, `lrr`: the step that weights, or the schedule, go back to",
     FACET_WHOLE(facet_recipe, rewind, "[0, 1000000000]"), .standard = "0", .kinds = ONLY_METHOD},
    {"per_round",
     "`lth`, `lrr`: the fraction of what is left that each round removes; more takes fewer rounds, which a small "
     "budget wants",
     FACET_NUMBER(facet_recipe, per_round, "(0, 1)"), .standard = "0.2", .kinds = ONLY_METHOD},
    {"allow_collapse",
     "whether a layer may lose its last weight (or filter); a layer that has one left, or none, is warned of at the "
     "end and in the result file",
     FACET_TRUTH(facet_recipe, allow_collapse), .standard = "false", .kinds = ONLY_METHOD},
    {"seeds", "replicates: of chance in pruning, scores and training",
     FACET_ITEMS(FACET_KEY_WHOLE, facet_recipe, seeds), .range = "[0, 4294967295]", .different = true, .kinds = MADE,
     .standard_says = "the study's `seed`"},
    {"remove_dead", "[dead channels](#dead-channels) are taken out, so the ONNX file is really smaller",
     FACET_TRUTH(facet_recipe, remove_dead), .standard = "false", .kinds = MADE},
    {"retrain", "[train](#train) on with the mask held; may be `{}`",
     FACET_MAPPING(&training_mapping, facet_recipe, training), .given = offsetof(facet_recipe, retrain),
     .inherits = true, .kinds = MADE, .standard_says = "no training"},
    {"budget", "in place of `retrain`, of a method that prunes while it trains: all the training that it does",
     FACET_MAPPING(&training_mapping, facet_recipe, training), .given = offsetof(facet_recipe, retrain),
     .inherits = true, .again = true, .kinds = MADE, .standard_says = "no training"},
};
static const facet_kind recipe_kinds[] = {[KIND_ONNX] = {"onnx", "which is taken as it is"},
                                          [KIND_MASK] = {"mask", "which says what is removed"},
                                          [KIND_METHOD] = {"method", "whose networks take what dense takes"}};
const facet_mapping facet_keys_variant = {FACET_KEYS(recipe_keys), .kinds = recipe_kinds, .kind = kind_of_recipe,
                                          .begin = begin_recipe, .check = check_recipe};
