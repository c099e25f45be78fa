/* A study back into YAML, every default written out, in one fixed form: equal studies give equal texts. */
#include "study.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study_aggregate.h"

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

static void put_text(FILE *out, const char *text)
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
static void put_number(FILE *out, double x)
{
  char text[40];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, x);
    if (strtod(text, NULL) == x)
      break;
  }
  fputs(text, out);
}

static void put_numbers(FILE *out, const char *key, const double *x, int count)
{
  fprintf(out, "%s: [", key);
  for (int i = 0; i < count; i++) {
    fputs(i > 0 ? ", " : "", out);
    put_number(out, x[i]);
  }
  fputc(']', out);
}

static void put_sizes(FILE *out, const char *key, const int64_t *x, int count)
{
  fprintf(out, "%s: [", key);
  for (int i = 0; i < count; i++)
    fprintf(out, "%s%lld", i > 0 ? ", " : "", (long long)x[i]);
  fputc(']', out);
}

static void put_texts(FILE *out, const char *key, char *const *text, int count)
{
  fprintf(out, "%s: [", key);
  for (int i = 0; i < count; i++) {
    fputs(i > 0 ? ", " : "", out);
    put_text(out, text[i]);
  }
  fputc(']', out);
}

static void put_count(FILE *out, const char *key, int64_t count)
{
  if (count == 0)
    fprintf(out, "%s: all", key);
  else
    fprintf(out, "%s: %lld", key, (long long)count);
}

/* In whole GiB or MiB; otherwise in MB, to the byte. */
static void put_memory(FILE *out, int64_t bytes)
{
  const int64_t large = (int64_t)1 << 30, small = 1 << 20, decimal = 1000000;
  if (bytes % large == 0)
    fprintf(out, "%lld GiB\n", (long long)(bytes / large));
  else if (bytes % small == 0)
    fprintf(out, "%lld MiB\n", (long long)(bytes / small));
  else
    fprintf(out, "%lld.%06lld MB\n", (long long)(bytes / decimal), (long long)(bytes % decimal));
}

/* ---- parts ---- */

static void put_source(FILE *out, const char *key, const facet_data_source *source)
{
  static const char *const format[] = {
      [FACET_IDX] = "idx", [FACET_CIFAR10] = "cifar10", [FACET_NPY] = "npy", [FACET_HDF5] = "hdf5"};
  fprintf(out, "  %s:\n    format: %s\n    ", key, format[source->format]);
  put_texts(out, "images", source->images, source->files);
  if (source->labels) {
    fputs("\n    ", out);
    put_texts(out, "labels", source->labels, source->files);
  }
  fprintf(out, "\n    layout: %s\n    ", facet_order_name(source->order));
  put_count(out, "count", source->count);
  fputc('\n', out);
}

static void put_data(FILE *out, const facet_study *study)
{
  fputs("data:\n", out);
  if (study->data.has_train)
    put_source(out, "train", &study->data.train);
  put_source(out, "test", &study->data.test);
  if (study->data.classes.count > 0) {
    fputs("  ", out);
    put_texts(out, "classes", study->data.classes.item, study->data.classes.count);
    fputc('\n', out);
  }
  fprintf(out, "  layout: %s\n", facet_order_name(study->data.layout));
  const facet_normalization *normalize = &study->data.normalize;
  fputs("  normalize: {scale: ", out);
  put_number(out, normalize->scale);
  if (normalize->channels > 0) {
    fputs(", ", out);
    put_numbers(out, "mean", normalize->mean, normalize->channels);
    fputs(", ", out);
    put_numbers(out, "std", normalize->std, normalize->channels);
  }
  fputs("}\n", out);
}

static void put_training(FILE *out, const char *key, const facet_training *training)
{
  static const char *const schedule[] = {
      [FACET_SCHEDULE_COSINE] = "cosine", [FACET_SCHEDULE_STEP] = "step", [FACET_SCHEDULE_CONSTANT] = "constant"};
  fprintf(out, "%s: {epochs: %d, batch: %lld, micro_batch: %lld, rate: ", key, training->epochs,
          (long long)training->batch, (long long)training->micro_batch);
  put_number(out, training->rate);
  fputs(", momentum: ", out);
  put_number(out, training->momentum);
  fputs(", decay: ", out);
  put_number(out, training->decay);
  fprintf(out, ", schedule: %s, step_epochs: %d, step_factor: ", schedule[training->schedule], training->step_epochs);
  put_number(out, training->step_factor);
  fputs(", warmup: ", out);
  put_number(out, training->warmup);
  fputs(", smoothing: ", out);
  put_number(out, training->smoothing);
  const facet_augmentation *a = &training->augment;
  fprintf(out, ", augment: {shift: %d, flip: %s, cutout: %d}}\n", a->shift, a->flip ? "true" : "false", a->cutout);
}

static void put_model(FILE *out, const facet_study *study)
{
  fputs("model:\n  ", out);
  if (study->model.onnx) {
    fputs("onnx: ", out);
    put_text(out, study->model.onnx);
  } else if (study->model.resnet) {
    fprintf(out, "architecture: resnet%d", 6 * study->model.resnet + 2);
  } else {
    fputs("architecture: {", out);
    put_sizes(out, "conv", study->model.conv.item, study->model.conv.count);
    fputs(", ", out);
    put_sizes(out, "dense", study->model.dense.item, study->model.dense.count);
    fputc('}', out);
  }
  fputc('\n', out);
  if (study->model.train)
    put_training(out, "  train", &study->model.training);
}

static const char *method_name(int number)
{
  return facet_method_at(number)->name;
}

/* "key: word", or "key: [word, word]". */
static void put_words(FILE *out, const char *key, const facet_choices *list, const char *(*name)(int))
{
  fprintf(out, "%s: %s", key, list->count == 1 ? "" : "[");
  for (int i = 0; i < list->count; i++)
    fprintf(out, "%s%s", i ? ", " : "", name(list->item[i]));
  fputs(list->count == 1 ? "\n" : "]\n", out);
}

static void put_recipe(FILE *out, const facet_recipe *recipe)
{
  fputs("  - ", out);
  if (recipe->name) {
    fputs("name: ", out);
    put_text(out, recipe->name);
    fputs("\n    ", out);
  }
  if (recipe->onnx) {
    fputs("onnx: ", out);
    put_text(out, recipe->onnx);
    fprintf(out, "\n    layout: %s\n", facet_order_name(recipe->layout));
    return;
  }
  if (recipe->mask) {
    fputs("mask: ", out);
    put_text(out, recipe->mask);
    fputc('\n', out);
  } else {
    put_words(out, "method", &recipe->method, method_name);
    fputs("    ", out);
    put_words(out, "scope", &recipe->scope, facet_scope_name);
    fputs("    ", out);
    put_numbers(out, "sparsity", recipe->sparsity.item, recipe->sparsity.count);
    fprintf(out, "\n    norm: %d\n    calibration: %lld\n    rewind: %lld\n    per_round: ", recipe->norm,
            (long long)recipe->calibration, (long long)recipe->rewind);
    put_number(out, recipe->per_round);
    fprintf(out, "\n    allow_collapse: %s\n", recipe->allow_collapse ? "true" : "false");
  }
  if (recipe->seeds.count > 0) {
    fputs("    seeds: [", out);
    for (int i = 0; i < recipe->seeds.count; i++)
      fprintf(out, "%s%lld", i ? ", " : "", (long long)recipe->seeds.item[i]);
    fputs("]\n", out);
  }
  fprintf(out, "    remove_dead: %s\n", recipe->remove_dead ? "true" : "false");
  if (recipe->retrain)
    put_training(out, "    retrain", &recipe->training);
}

static void put_variants(FILE *out, const facet_study *study)
{
  fputs(study->recipes.count > 0 ? "variants:\n" : "variants: []\n", out);
  for (int i = 0; i < study->recipes.count; i++)
    put_recipe(out, &study->recipes.item[i]);
}

static void put_conditions(FILE *out, const facet_study *study)
{
  fputs("conditions:\n", out);
  for (int i = 0; i < study->conditions.count; i++) {
    const facet_condition *condition = &study->conditions.item[i];
    if (condition->corruption == 0) {
      fputs("  - clean\n", out);
      continue;
    }
    fprintf(out, "  - {corruption: %s, severity: %d", facet_corruption_name(condition->corruption),
            condition->severity);
    if (condition->published) {
      fputs(", published: ", out);
      put_text(out, condition->published);
    }
    fputs("}\n", out);
  }
}

static void put_linearize(FILE *out, const facet_study *study)
{
  if (!study->linearize.wanted)
    return;
  fputs("linearize:\n  ", out);
  if (study->linearize.variants.count == 0)
    fputs("variants: all", out);
  else
    put_texts(out, "variants", study->linearize.variants.item, study->linearize.variants.count);
  fputs("\n  ", out);
  put_count(out, "samples", study->linearize.samples);
  if (study->linearize.rows == FACET_ROWS_TOP)
    fprintf(out, "\n  rows: {top: %lld}\n", (long long)study->linearize.top);
  else
    fprintf(out, "\n  rows: %s\n", study->linearize.rows == FACET_ROWS_ALL ? "all" : "predicted");
}

static void put_change(FILE *out, const facet_study *study)
{
  if (!study->change.wanted)
    return;
  fputs("change:\n  ", out);
  if (study->change.variants.count == 0)
    fputs("variants: all", out);
  else
    put_texts(out, "variants", study->change.variants.item, study->change.variants.count);
  fputs("\n  ", out);
  put_count(out, "samples", study->change.samples);
  fprintf(out, "\n  pick: %s\n  ", study->change.pick == FACET_PICK_FIRST ? "first" : "fragile");
  if (study->change.conditions.count == 0)
    fprintf(out, "conditions: %s", study->change.all_conditions ? "all" : "none");
  else
    put_texts(out, "conditions", study->change.conditions.item, study->change.conditions.count);
  fputs("\n", out);
}

static void put_named(FILE *out, const char *key, double x)
{
  fprintf(out, "  %s: ", key);
  put_number(out, x);
  fputc('\n', out);
}

static void put_embed(FILE *out, const facet_embedding *e)
{
  if (!e->wanted)
    return;
  fprintf(out, "embed:\n  source: %s\n  variant: ", e->source == FACET_SOURCE_PIXELS ? "pixels" : "features");
  put_text(out, e->variant);
  fputs("\n  ", out);
  put_sizes(out, "layers", e->layers.item, e->layers.count);
  fprintf(out, "\n  dimensions: %d\n", e->dimensions);
  put_named(out, "perplexity", e->perplexity);
  if (e->learn_alpha)
    fputs("  alpha: learned\n", out);
  else
    put_named(out, "alpha", e->alpha);
  fputs("  ", out);
  put_count(out, "samples", e->samples);
  fprintf(out, "\n  batch: %lld\n  epochs: %d\n  optimizer: %s\n", (long long)e->batch, e->epochs,
          e->optimizer == FACET_EMBED_ADAM ? "adam" : "momentum");
  put_named(out, "noise", e->noise);
  put_named(out, "rate", e->rate);
  put_named(out, "momentum", e->momentum);
  fprintf(out, "  schedule: %s\n", e->schedule == FACET_SCHEDULE_COSINE ? "cosine" : "constant");
  put_named(out, "exaggeration", e->exaggeration);
  fprintf(out, "  exaggeration_epochs: %d\n  ", e->exaggeration_epochs);
  put_count(out, "explain", e->explain);
  fputc('\n', out);
}

/* ---- the whole ---- */

facet_status facet_study_text(const facet_study *study, char **yaml)
{
  *yaml = NULL;
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  FACET_CHECK(out, FACET_OS, "out of memory");
  fputs("study: ", out);
  put_text(out, study->settings.name);
  fprintf(out, "\nseed: %lu\noutput: ", (unsigned long)study->settings.seed);
  put_text(out, study->settings.output);
  fprintf(out, "\nprecision: %s\nthreads: %d\nblock: %lld\nmemory: ",
          study->settings.precision == FACET_F64 ? "double" : "float", study->settings.threads,
          (long long)study->settings.block);
  put_memory(out, study->settings.memory);
  put_data(out, study);
  put_model(out, study);
  put_variants(out, study);
  put_conditions(out, study);
  put_linearize(out, study);
  put_change(out, study);
  facet_study_put_aggregate(out, &study->aggregate);
  put_embed(out, &study->embed);
  bool failed = ferror(out) != 0;
  failed = fclose(out) != 0 || failed;
  if (!failed)
    *yaml = facet_copy_text(text);
  free(text);
  FACET_CHECK(!failed, FACET_OS, "out of memory");
  return *yaml ? FACET_OK : FACET_OS;
}
