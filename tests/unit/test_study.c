/* Studies: what good ones mean, what each bad one is told, and that no bytes at all can crash the reader. */
#include <float.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "study/study.h"

static char folder[PATH_MAX]; /* the working directory of the tests, without links */

static void write_study(const char *path, const char *text, size_t size)
{
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static bool is_taken(const char *hole, const char *name)
{
  if (strcmp(hole, "{condition}") == 0)
    return strcmp(name, "pixel") == 0;
  return strcmp(name, "k") == 0 || strcmp(name, "random-layer-0.25") == 0;
}

static facet_status read_text(const char *text, facet_study **study)
{
  write_study("s.yaml", text, strlen(text));
  return facet_study_read("s.yaml", is_taken, study);
}

static facet_study *good(const char *text)
{
  facet_study *study = NULL;
  if (read_text(text, &study) != FACET_OK)
    fail_msg("refused: %s\n%s", facet_message(), text);
  assert_non_null(study);
  return study;
}

/* The paths of a study begin with the test folder. */
static void assert_path(const char *path, const char *inside)
{
  char expected[PATH_MAX + 64];
  snprintf(expected, sizeof expected, "%s/%s", folder, inside);
  assert_string_equal(path, expected);
}

/* ---- pieces: a study of 1 + 1 lines to which keys are added from line 3 on ---- */

#define TEST_ONLY "data: {test: {format: cifar10, images: test.bin}}\n"
#define BOTH      "data: {train: {format: cifar10, images: [a.bin, b.bin]}, test: {format: cifar10, images: c.bin}}\n"
#define ONNX      "model: {onnx: m.onnx}\n"
#define TRAINED   "model: {architecture: {conv: [8], dense: [16]}}\n"
#define SMALL     TEST_ONLY ONNX
#define FULL      BOTH TRAINED

/* ---- good ones ---- */

static void defaults_of_the_smallest(void **state)
{
  (void)state;
  facet_study *s = good(SMALL);
  assert_string_equal(s->settings.file, "s.yaml");
  assert_string_equal(s->settings.name, "s");
  assert_int_equal(s->settings.seed, 1);
  char *slash = strrchr(folder, '/'), expected[PATH_MAX + 64];
  snprintf(expected, sizeof expected, "%.*s/results/s", (int)(slash - folder), folder);
  assert_string_equal(s->settings.output, expected);
  assert_int_equal(s->settings.precision, FACET_F32);
  assert_int_equal(s->settings.threads, 1);
  assert_int_equal(s->settings.block, 250);
  assert_false(s->data.has_train);
  assert_int_equal(s->data.test.format, facet_data_format_find("cifar10"));
  assert_int_equal(s->data.test.images.count, 1);
  assert_path(s->data.test.images.item[0], "test.bin");
  assert_int_equal(s->data.test.labels.count, 0);
  assert_int_equal(s->data.test.count, 0);
  assert_int_equal(s->data.classes.count, 0);
  assert_float_equal(s->data.normalize.scale, 1, 0);
  assert_int_equal(s->data.normalize.channels, 0);
  assert_path(s->model.onnx, "m.onnx");
  assert_false(s->model.train);
  assert_int_equal(s->recipes.count, 0);
  assert_int_equal(s->conditions.count, 1);
  assert_int_equal(s->conditions.item[0].corruption, 0);
  assert_int_equal(s->conditions.item[0].severity, 0);
  assert_false(s->stages.linearize.wanted);
  facet_study_destroy(&s);
  assert_null(s);
}

static void defaults_of_training(void **state)
{
  (void)state;
  facet_study *s = good(FULL "variants:\n- {method: magnitude, sparsity: 0.5, retrain: {epochs: 1}}\n");
  assert_true(s->model.train);
  assert_null(s->model.onnx);
  assert_int_equal(s->model.conv.count, 1);
  assert_int_equal(s->model.conv.item[0], 8);
  assert_int_equal(s->model.dense.count, 1);
  assert_int_equal(s->model.dense.item[0], 16);
  assert_int_equal(s->data.train.images.count, 2);
  assert_path(s->data.train.images.item[1], "b.bin");
  const facet_training *t = &s->model.training;
  assert_int_equal(t->epochs, 4);
  assert_int_equal(t->batch, 128);
  assert_int_equal(t->micro_batch, 32);
  assert_float_equal(t->rate, 0.05, 0);
  assert_float_equal(t->momentum, 0.9, 0);
  assert_float_equal(t->decay, 5e-4, 0);
  assert_int_equal(t->schedule, FACET_SCHEDULE_COSINE);
  assert_int_equal(t->step_epochs, 30);
  assert_float_equal(t->step_factor, 0.1, 0);
  t = &s->recipes.item[0].training;
  assert_int_equal(s->recipes.item[0].scope.item[0], FACET_SCOPE_GLOBAL);
  assert_int_equal(t->epochs, 1);
  assert_int_equal(t->batch, 128);
  assert_int_equal(t->micro_batch, 32);
  assert_float_equal(t->rate, 0.05 / 5, 0);
  facet_study_destroy(&s);
}

static void retraining_follows_the_model(void **state)
{
  (void)state;
  facet_study *s = good(BOTH "model:\n"
                             "  onnx: m.onnx\n"
                             "  train: {epochs: 7, batch: 100, rate: 0.5, schedule: step, step_epochs: 3}\n"
                             "variants:\n"
                             "- {method: random, sparsity: 0.5, retrain: {}}\n"
                             "- {method: random, sparsity: 0.6, retrain: {batch: 7, rate: 0.2}}\n"
                             "- {method: random, sparsity: 0.7}\n");
  assert_true(s->model.train);
  assert_int_equal(s->model.training.micro_batch, 25); /* the largest divisor of 100 up to 32 */
  const facet_training *t = &s->recipes.item[0].training;
  assert_int_equal(t->epochs, 7);
  assert_int_equal(t->batch, 100);
  assert_int_equal(t->micro_batch, 25);
  assert_float_equal(t->rate, 0.1, 1e-15);
  assert_int_equal(t->schedule, FACET_SCHEDULE_STEP);
  assert_int_equal(t->step_epochs, 3);
  t = &s->recipes.item[1].training;
  assert_int_equal(t->micro_batch, 7);
  assert_float_equal(t->rate, 0.2, 0);
  assert_true(s->recipes.item[1].retrain);
  assert_false(s->recipes.item[2].retrain);
  facet_study_destroy(&s);
}

static const char everything[] = "%YAML 1.1\n"
                                 "---\n"
                                 "study: demo # a comment\n"
                                 "seed: 4294967295\n"
                                 "output: out/./x//y/\n"
                                 "precision: double\n"
                                 "threads: 2\n"
                                 "block: 100\n"
                                 "data:\n"
                                 "  train: {format: idx, images: a.gz, labels: /data/../b.gz, count: 60000}\n"
                                 "  test:\n"
                                 "    format: idx\n"
                                 "    images: [c d.gz, ./e.gz]\n"
                                 "    labels:\n"
                                 "      - f.gz\n"
                                 "      - 'g\"\\.gz'\n"
                                 "    count: all\n"
                                 "  classes: [t-shirt, 'a: b', 3, \"null\", \xC3\xA4rmel]\n"
                                 "  normalize: {scale: 255, mean: 0.286, std: [0.353, 0.1, 3e-1]}\n"
                                 "model:\n"
                                 "  architecture: {conv: [16, 32, 32], dense: []}\n"
                                 "  train: &t {epochs: 3, batch: 64, micro_batch: 16, rate: 0.1, momentum: 0,\n"
                                 "          decay: 0.0, schedule: constant, step_epochs: 2, step_factor: .5}\n"
                                 "variants:\n"
                                 "  - {method: magnitude, scope: global, sparsity: [0.5, 0.95], retrain: *t}\n"
                                 "  - {method: magnitude, sparsity: 0.5}\n"
                                 "  - {method: random, scope: layer, sparsity: [0.333333333333333314, 0, 1e-5]}\n"
                                 "  - {name: mine, onnx: my_pruned.onnx}\n"
                                 "  - onnx: nets/their net.onnx\n"
                                 "  - {name: few, method: random, sparsity: [0.8, 0.9]}\n"
                                 "conditions:\n"
                                 "  - {corruption: [gaussian_noise], severity: [5, 1]}\n"
                                 "  - clean\n"
                                 "  - {corruption: gaussian_noise, severity: 3}\n"
                                 "linearize: {variants: [dense, few-0.9], samples: 1000, rows: {top: 3}}\n";

static void every_key(void **state)
{
  (void)state;
  facet_study *s = good(everything);
  assert_string_equal(s->settings.name, "demo");
  assert_true(s->settings.seed == 4294967295u);
  assert_path(s->settings.output, "out/x/y");
  assert_int_equal(s->settings.precision, FACET_F64);
  assert_int_equal(s->settings.threads, 2);
  assert_int_equal(s->settings.block, 100);
  assert_int_equal(s->data.train.format, facet_data_format_find("idx"));
  assert_int_equal(s->data.train.count, 60000);
  assert_string_equal(s->data.train.labels.item[0], "/data/../b.gz"); /* /data may be a link */
  assert_int_equal(s->data.test.images.count, 2);
  assert_path(s->data.test.images.item[0], "c d.gz");
  assert_path(s->data.test.images.item[1], "e.gz");
  assert_path(s->data.test.labels.item[1], "g\"\\.gz");
  assert_int_equal(s->data.test.count, 0);
  assert_int_equal(s->data.classes.count, 5);
  assert_string_equal(s->data.classes.item[1], "a: b");
  assert_string_equal(s->data.classes.item[2], "3");
  assert_string_equal(s->data.classes.item[3], "null");
  assert_int_equal(s->data.normalize.channels, 3);
  assert_float_equal(s->data.normalize.scale, 255, 0);
  assert_float_equal(s->data.normalize.mean[2], 0.286, 0);
  assert_float_equal(s->data.normalize.std[2], 0.3, 0);
  assert_int_equal(s->model.conv.count, 3);
  assert_int_equal(s->model.conv.item[2], 32);
  assert_int_equal(s->model.dense.count, 0);
  assert_int_equal(s->model.training.schedule, FACET_SCHEDULE_CONSTANT);
  assert_float_equal(s->model.training.step_factor, 0.5, 0);
  assert_int_equal(s->recipes.count, 6);
  assert_int_equal(s->recipes.item[0].line, 25);
  assert_float_equal(s->recipes.item[0].training.rate, 0.1, 0);
  assert_string_equal(facet_method_at(s->recipes.item[2].method.item[0])->name, "random");
  assert_int_equal(s->recipes.item[2].scope.item[0], FACET_SCOPE_LAYER);
  assert_int_equal(s->recipes.item[2].sparsity.count, 3);
  assert_path(s->recipes.item[3].onnx, "my_pruned.onnx");
  assert_int_equal(s->conditions.count, 4);
  static const int severity[] = {5, 1, 0, 3};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(s->conditions.item[i].severity, severity[i]);
    assert_int_equal(s->conditions.item[i].corruption, severity[i] > 0 ? facet_corruption_find("gaussian_noise") : 0);
  }
  assert_true(s->stages.linearize.wanted);
  assert_int_equal(s->stages.linearize.variants.count, 2);
  assert_string_equal(s->stages.linearize.variants.item[1], "few-0.9");
  assert_int_equal(s->stages.linearize.samples, 1000);
  assert_int_equal(s->stages.linearize.rows, FACET_ROWS_TOP);
  assert_int_equal(s->stages.linearize.top, 3);
  facet_study_destroy(&s);
}

static void variants_multiply(void **state)
{
  (void)state;
  static const char *const name[] = {"dense",
                                     "magnitude-global-0.5-retrain",
                                     "magnitude-global-0.95",
                                     "magnitude-global-0.5",
                                     "random-layer-0.333333",
                                     "random-layer-0",
                                     "random-layer-1e-05",
                                     "mine",
                                     "their_net",
                                     "few-0.8",
                                     "few-0.9"};
  static const int recipe[] = {-1, 0, 0, 1, 2, 2, 2, 3, 4, 5, 5};
  static const double sparsity[] = {0, 0.5, 0.95, 0.5, 0.333333333333333314, 0, 1e-5, 0, 0, 0.8, 0.9};
  facet_study *s = good(everything);
  facet_variant *variant = NULL;
  int count = 0;
  assert_int_equal(facet_study_variants(&s->settings, &s->recipes, &variant, &count), FACET_OK);
  assert_int_equal(count, 11);
  for (int i = 0; i < count; i++) {
    assert_string_equal(variant[i].name, name[i]);
    assert_int_equal(variant[i].recipe, recipe[i]);
    assert_float_equal(variant[i].sparsity, sparsity[i], 0);
  }
  facet_variants_free(&variant, count);
  assert_null(variant);
  facet_study_destroy(&s);
}

static void severities_left_out_are_all(void **state)
{
  (void)state;
  facet_study *s = good(SMALL "conditions: [{corruption: gaussian_noise}]\n");
  assert_int_equal(s->conditions.count, 5);
  for (int i = 0; i < 5; i++)
    assert_int_equal(s->conditions.item[i].severity, i + 1);
  assert_string_equal(s->conditions.item[2].name, "gaussian_noise/3");
  facet_study_destroy(&s);
  s = good(SMALL);
  assert_true(s->conditions.count == 1 && s->conditions.clean == 0);
  assert_string_equal(s->conditions.item[0].name, "clean");
  facet_study_destroy(&s);
}

static void rows_are_written_in_many_ways(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    facet_rows_choice rows;
    int64_t top;
  } row[] = {{"linearize: {}", FACET_ROWS_ALL, 0},
             {"linearize: {rows: all}", FACET_ROWS_ALL, 0},
             {"linearize: {rows: predicted}", FACET_ROWS_PREDICTED, 0},
             {"linearize: {rows: {top: 2}}", FACET_ROWS_TOP, 2},
             {"linearize: {rows: top 4}", FACET_ROWS_TOP, 4},
             {"linearize: {rows: 'top: 5'}", FACET_ROWS_TOP, 5},
             {"linearize:\n  rows:\n    top: 6", FACET_ROWS_TOP, 6},
             {"linearize:\n  rows: top 7", FACET_ROWS_TOP, 7},
             {"linearize: {variants: dense, samples: all, rows: \"top:8\"}", FACET_ROWS_TOP, 8}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    char text[256];
    snprintf(text, sizeof text, SMALL "%s\n", row[i].text);
    facet_study *s = good(text);
    assert_true(s->stages.linearize.wanted);
    assert_int_equal(s->stages.linearize.samples, 0);
    assert_int_equal(s->stages.linearize.rows, row[i].rows);
    assert_int_equal(s->stages.linearize.top, row[i].top);
    facet_study_destroy(&s);
  }
}

static void paths_start_beside_the_study(void **state)
{
  (void)state;
  assert_int_equal(facet_make_folder("jobs/deep"), FACET_OK);
  static const char text[] = "data: {test: {format: hdf5, images: '../x.h5:/images'}}\n"
                             "model: {onnx: a/../../m.onnx}\n"
                             "output: ../../out\n";
  write_study("jobs/deep/my study.yaml", text, strlen(text));
  facet_study *s = NULL, *again = NULL;
  assert_int_equal(facet_study_read("jobs/deep/my study.yaml", NULL, &s), FACET_OK);
  assert_string_equal(s->settings.name, "my_study");
  assert_path(s->data.test.images.item[0], "jobs/x.h5:/images");
  assert_path(s->model.onnx, "jobs/deep/a/../../m.onnx"); /* a may be a link */
  assert_path(s->settings.output, "out");
  /* The same file by another path is the same study. */
  assert_int_equal(facet_study_read("jobs/../jobs/deep/my study.yaml", NULL, &again), FACET_OK);
  char *one = NULL, *other = NULL;
  assert_int_equal(facet_study_text(s, &one), FACET_OK);
  assert_int_equal(facet_study_text(again, &other), FACET_OK);
  assert_string_equal(one, other);
  facet_free(&one);
  facet_free(&other);
  facet_study_destroy(&s);
  facet_study_destroy(&again);
}

/* Of a text as a study has it when all defaults are filled in. */
static void assert_identity(const char *text, const char *wanted)
{
  char *identity = facet_study_identity(text);
  assert_string_equal(identity, wanted);
  facet_free(&identity);
}

static void what_is_moved_is_the_same_study(void **state)
{
  (void)state;
  assert_identity("study: a\noutput: /x/y\nseed: 1\n", "study: a\n\nseed: 1\n");
  assert_identity("  images: [/a/b.bin, \"/a b/c, d.bin\", /e.h5:/images]\n",
                  "  images: [\"b.bin\", \"c, d.bin\", \"images\"]\n");
  assert_identity("  - {corruption: fog, published: /sets/C, severity: 1}\n  - onnx: /n.onnx",
                  "  - {corruption: fog, published: \"C\", severity: 1}\n  - onnx: \"n.onnx\"");
  const char *text = "data: {test: {format: npy, images: i.npy}}\nmodel: {onnx: m.onnx}\n";
  facet_study *s = NULL;
  char *yaml[3];
  const char *const place[] = {"one/s.yaml", "two/deep er/s.yaml", "three/s.yaml"};
  for (int i = 0; i < 3; i++) {
    char *own = facet_format("%s%s", text, i == 2 ? "seed: 2\n" : i == 1 ? "output: elsewhere\n" : "");
    assert_int_equal(facet_make_folder(i == 0 ? "one" : i == 1 ? "two/deep er" : "three"), FACET_OK);
    write_study(place[i], own, strlen(own));
    assert_int_equal(facet_study_read(place[i], NULL, &s), FACET_OK);
    assert_int_equal(facet_study_text(s, &yaml[i]), FACET_OK);
    facet_study_destroy(&s);
    facet_free(&own);
  }
  bool same;
  assert_string_not_equal(yaml[0], yaml[1]);
  assert_int_equal(facet_study_same(yaml[0], yaml[1], &same), FACET_OK);
  assert_true(same);
  assert_int_equal(facet_study_same(yaml[0], yaml[2], &same), FACET_OK);
  assert_false(same);
  for (int i = 0; i < 3; i++)
    facet_free(&yaml[i]);
}

static void every_method_of_the_table_can_be_asked_for(void **state)
{
  (void)state;
  for (int i = 0; facet_method_at(i); i++) {
    char *text =
        facet_format(FULL "variants:\n  - {method: %s, sparsity: 0.5, budget: {}}\n", facet_method_at(i)->name);
    facet_study *s = good(text);
    assert_int_equal(s->recipes.item[0].method.item[0], i);
    facet_study_destroy(&s);
    facet_free(&text);
  }
}

/* ---- the text of a study ---- */

static void assert_round_trip(const char *text)
{
  facet_study *s = good(text), *again = NULL;
  char *one = NULL, *other = NULL;
  assert_int_equal(facet_study_text(s, &one), FACET_OK);
  assert_int_equal(facet_make_folder("else/where"), FACET_OK);
  write_study("else/where/t.yaml", one, strlen(one));
  if (facet_study_read("else/where/t.yaml", NULL, &again) != FACET_OK)
    fail_msg("the text is refused: %s\n%s", facet_message(), one);
  assert_int_equal(facet_study_text(again, &other), FACET_OK);
  assert_string_equal(one, other);
  assert_int_equal(s->recipes.count, again->recipes.count);
  for (int i = 0; i < s->recipes.count; i++) {
    assert_int_equal(s->recipes.item[i].retrain, again->recipes.item[i].retrain);
    if (s->recipes.item[i].retrain)
      assert_float_equal(s->recipes.item[i].training.rate, again->recipes.item[i].training.rate, 0);
    assert_int_equal(s->recipes.item[i].sparsity.count, again->recipes.item[i].sparsity.count);
    for (int j = 0; j < s->recipes.item[i].sparsity.count; j++)
      assert_float_equal(s->recipes.item[i].sparsity.item[j], again->recipes.item[i].sparsity.item[j], 0);
  }
  assert_memory_equal(&s->data.normalize, &again->data.normalize, sizeof s->data.normalize);
  assert_int_equal(s->model.train, again->model.train);
  assert_int_equal(s->stages.linearize.wanted, again->stages.linearize.wanted);
  assert_int_equal(s->stages.linearize.rows, again->stages.linearize.rows);
  assert_int_equal(s->data.classes.count, again->data.classes.count);
  for (int i = 0; i < s->data.classes.count; i++)
    assert_string_equal(s->data.classes.item[i], again->data.classes.item[i]);
  facet_free(&one);
  facet_free(&other);
  facet_study_destroy(&s);
  facet_study_destroy(&again);
}

static void text_reads_back(void **state)
{
  (void)state;
  assert_round_trip(SMALL);
  assert_round_trip(FULL);
  assert_round_trip(everything);
  assert_round_trip(SMALL "linearize: {rows: predicted}\nprecision: double\n");
  assert_round_trip(BOTH ONNX "conditions: [clean, {corruption: gaussian_noise, severity: [1, 2]}]\n"
                              "change: {variants: dense, samples: all, pick: first, conditions: [gaussian_noise/2]}\n");
  assert_round_trip(BOTH ONNX "change: {conditions: all}\n");
  assert_round_trip(SMALL "aggregate: {}\n");
  assert_round_trip(SMALL "linearize: {}\naggregate: {}\n");
  assert_round_trip(SMALL "linearize: {}\naggregate: {spectrum: none, method: dual, cka: no}\n");
  assert_round_trip(BOTH ONNX "variants: [{method: random, sparsity: 0.5, retrain: {rate: 0.0123456789012345678}}]\n");
  assert_round_trip(SMALL "variants: []\noutput: 'a\"b: \xE2\x82\xAC # c'\n");
}

static void text_has_all_defaults(void **state)
{
  (void)state;
  facet_study *s = good("output: /o\n"
                        "data:\n"
                        "  test: {format: npy, images: /i.npy}\n"
                        "  train: {format: cifar10, images: /t.bin, count: 7}\n"
                        "model: {architecture: {conv: [4]}}\n"
                        "variants: [{method: random, sparsity: 0.1, retrain: {epochs: 1}}]\n"
                        "linearize: {}\n");
  char *text = NULL;
  assert_int_equal(facet_study_text(s, &text), FACET_OK);
  assert_string_equal(text,
                      "study: s\n"
                      "seed: 1\n"
                      "output: /o\n"
                      "precision: float\n"
                      "threads: 1\n"
                      "block: 250\n"
                      "memory: 2 GiB\n"
                      "data:\n"
                      "  train:\n"
                      "    format: cifar10\n"
                      "    images: [/t.bin]\n"
                      "    layout: auto\n"
                      "    count: 7\n"
                      "  test:\n"
                      "    format: npy\n"
                      "    images: [/i.npy]\n"
                      "    layout: auto\n"
                      "    count: all\n"
                      "  layout: auto\n"
                      "  normalize: {scale: 1}\n"
                      "model:\n"
                      "  architecture: {conv: [4], dense: []}\n"
                      "  train: {epochs: 4, batch: 128, micro_batch: 32, rate: 0.05, momentum: 0.9, "
                      "decay: 0.0005, schedule: cosine, step_epochs: 30, step_factor: 0.1, warmup: 0, smoothing: 0, "
                      "augment: {shift: 0, flip: false, cutout: 0}}\n"
                      "  gates: pieces\n"
                      "variants:\n"
                      "  - method: random\n"
                      "    scope: global\n"
                      "    sparsity: [0.1]\n"
                      "    norm: 1\n"
                      "    calibration: 256\n"
                      "    rewind: 0\n"
                      "    per_round: 0.2\n"
                      "    allow_collapse: false\n"
                      "    remove_dead: false\n"
                      "    retrain: {epochs: 1, batch: 128, micro_batch: 32, rate: 0.01, momentum: 0.9, "
                      "decay: 0.0005, schedule: cosine, step_epochs: 30, step_factor: 0.1, warmup: 0, smoothing: 0, "
                      "augment: {shift: 0, flip: false, cutout: 0}}\n"
                      "conditions:\n"
                      "  - clean\n"
                      "linearize:\n"
                      "  variants: all\n"
                      "  samples: all\n"
                      "  rows: all\n"
                      "  keep: all\n"
                      "  store: precision\n");
  facet_free(&text);
  facet_study_destroy(&s);
}

static void text_has_the_whole_embedding(void **state)
{
  (void)state;
  facet_study *s = good(SMALL "embed: {epochs: 42}\n");
  char *text = NULL;
  assert_int_equal(facet_study_text(s, &text), FACET_OK);
  assert_non_null(strstr(text, "\nembed:\n"
                               "  source: features\n"
                               "  variant: dense\n"
                               "  layers: [500, 500, 2000]\n"
                               "  dimensions: 2\n"
                               "  perplexity: 30\n"
                               "  alpha: 1\n"
                               "  samples: all\n"
                               "  batch: 5000\n"
                               "  epochs: 42\n"
                               "  optimizer: adam\n"
                               "  noise: 0.5\n"
                               "  rate: 0.003\n"
                               "  momentum: 0.9\n"
                               "  schedule: cosine\n"
                               "  exaggeration: 4\n"
                               "  exaggeration_epochs: 10\n"
                               "  explain: 200\n"));
  facet_free(&text);
  facet_study_destroy(&s);
  assert_round_trip(SMALL "embed: {noise: 0.25, exaggeration_epochs: 0, alpha: learned, source: pixels}\n");
}

/* Methods, scopes, sparsities and seeds multiply. */
static void sweeps(void **state)
{
  (void)state;
  facet_study *s = good("data:\n  train: {format: cifar10, images: train.bin}\n"
                        "  test: {format: cifar10, images: test.bin}\n"
                        "model: {onnx: m.onnx}\n"
                        "variants:\n"
                        "- {method: [taylor, gmp], scope: [global, layer], sparsity: [0.5, 0.9], seeds: [1, 2], "
                        "budget: {epochs: 3, augment: {shift: 2, flip: yes, cutout: 8}, warmup: 1, smoothing: 0.1}}\n"
                        "- {method: filter, norm: 2, sparsity: 0.5, remove_dead: true, allow_collapse: true}\n"
                        "- {mask: m.h5, name: mine}\n"
                        "- {method: gmp, scope: layer, sparsity: 0.9, seeds: 3, budget: {epochs: 4}}\n"
                        "- {mask: m.h5, name: ours, seeds: [1, 2]}\n");
  facet_variant *v;
  int count;
  assert_int_equal(facet_study_variants(&s->settings, &s->recipes, &v, &count), FACET_OK);
  assert_int_equal(count, 1 + 16 + 1 + 1 + 1 + 2);
  const struct {
    int variant;
    const char *name, *replicate;
  } replicates[] = {{0, "dense", "dense"},
                    {15, "gmp-layer-0.9-s1", "gmp-layer-0.9"},
                    {16, "gmp-layer-0.9-s2", "gmp-layer-0.9"},
                    {18, "mine", "mine"},
                    {19, "gmp-layer-0.9-s3", "gmp-layer-0.9 (variants[3])"}, /* of another recipe: no replicate */
                    {20, "ours-s1", "ours"},
                    {21, "ours-s2", "ours"}};
  for (size_t i = 0; i < sizeof replicates / sizeof replicates[0]; i++) {
    assert_string_equal(v[replicates[i].variant].name, replicates[i].name);
    assert_string_equal(v[replicates[i].variant].replicate, replicates[i].replicate);
  }
  assert_string_equal(v[1].name, "taylor-global-0.5-s1");
  assert_string_equal(v[2].name, "taylor-global-0.5-s2");
  assert_string_equal(v[16].name, "gmp-layer-0.9-s2");
  assert_int_equal(v[16].seed, 2);
  assert_ptr_equal(v[16].method, facet_method_find("gmp"));
  assert_string_equal(v[17].name, "filter-l2-global-0.5");
  assert_string_equal(v[18].name, "mine");
  assert_true(s->recipes.item[1].remove_dead && s->recipes.item[1].allow_collapse);
  assert_true(s->recipes.item[0].training.augment.flip);
  assert_int_equal(s->recipes.item[0].training.augment.cutout, 8);
  facet_variants_free(&v, count);
  facet_study_destroy(&s);
}

static void memory_and_layouts(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t bytes;
  } sizes[] = {{"2 GiB", (int64_t)2 << 30},   {"1.5GiB", (int64_t)3 << 29}, {"'500 MB'", 500000000},
               {"0.1 GiB", 107374182},        {"64 MiB", 64 << 20},         {"1 TB", 1000000000000},
               {"1024 TiB", (int64_t)1 << 50}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char text[600];
    snprintf(text, sizeof text, "%smemory: %s\n", SMALL, sizes[i].text);
    facet_study *s = good(text);
    assert_int_equal(s->settings.memory, sizes[i].bytes);
    assert_int_equal(s->settings.memory_line, 3);
    facet_study_destroy(&s);
    assert_round_trip(text);
  }
  facet_study *s = good(ONNX "data: {test: {format: npy, images: a, layout: channels_last}, layout: channels_first}\n"
                             "variants: [{onnx: b}, {onnx: c, layout: channels_last}]\n");
  assert_int_equal(s->data.test.layout, FACET_CHANNELS_LAST);
  assert_int_equal(s->data.layout, FACET_CHANNELS_FIRST);
  assert_int_equal(s->data.layout_line, 2);
  assert_int_equal(s->recipes.item[0].layout, FACET_CHANNELS_FIRST);
  assert_int_equal(s->recipes.item[1].layout, FACET_CHANNELS_LAST);
  facet_study_destroy(&s);
}

/* ---- bad ones ---- */

typedef struct {
  const char *text, *message;
} bad;

static const bad bad_values[] = {
    /* numbers */
    {SMALL "variants:\n- {method: random, sparsity: 0.5}\n- {method: random, sparsity: 0.6}\n"
           "- {method: random,\n   sparsity: 1.3}\n",
     "s.yaml:7: variants[2].sparsity: 1.3 is not in [0, 1)"},
    {SMALL "variants:\n- {method: random, sparsity: [0.5, -0.1]}\n",
     "s.yaml:4: variants[0].sparsity[1]: -0.1 is not in [0, 1)"},
    {SMALL "variants:\n- {method: random, sparsity: 1}\n", "s.yaml:4: variants[0].sparsity: 1 is not in [0, 1)"},
    {SMALL "variants:\n- {method: random, sparsity: .nan}\n", "s.yaml:4: variants[0].sparsity: '.nan' is not a number"},
    {SMALL "variants:\n- {method: random, sparsity: 0x1p-1}\n",
     "s.yaml:4: variants[0].sparsity: '0x1p-1' is not a number"},
    {SMALL "variants:\n- {method: random, sparsity: '0.5'}\n",
     "s.yaml:4: variants[0].sparsity: '0.5' is text, not a number"},
    {SMALL "variants:\n- {method: random, sparsity: {a: 1}}\n",
     "s.yaml:4: variants[0].sparsity: a mapping is neither a value nor a list of values"},
    {SMALL "variants:\n- {method: random, sparsity: [[0.5]]}\n",
     "s.yaml:4: variants[0].sparsity[0]: a list is not a number"},
    {SMALL "variants:\n- {method: random, sparsity: []}\n", "s.yaml:4: variants[0].sparsity: the list is empty"},
    {SMALL "variants:\n- {method: random, sparsity: }\n",
     "s.yaml:4: variants[0].sparsity: nothing is given; a number is wanted"},
    {SMALL "variants:\n- {method: random, sparsity: [0.5, 0.50]}\n",
     "s.yaml:4: variants[0].sparsity[1]: 0.50 stands there twice"},
    {SMALL "seed: -1\n", "s.yaml:3: seed: -1 is not in [0, 4294967295]"},
    {SMALL "seed: 4294967296\n", "s.yaml:3: seed: 4294967296 is not in [0, 4294967295]"},
    {SMALL "seed: 99999999999999999999999\n", "s.yaml:3: seed: 99999999999999999999999 is not in [0, 4294967295]"},
    {SMALL "seed: 1.5\n", "s.yaml:3: seed: '1.5' is not a whole number"},
    {SMALL "seed: four\n", "s.yaml:3: seed: 'four' is not a whole number"},
    {SMALL "seed: ~\n", "s.yaml:3: seed: nothing is given; a whole number is wanted"},
    {SMALL "threads: [1]\n", "s.yaml:3: threads: a list is not a whole number"},
    {SMALL "threads: 0\n", "s.yaml:3: threads: 0 is not in [1, 1024]"},
    {SMALL "block: 0\n", "s.yaml:3: block: 0 is not in [1, 1000000]"},
    {SMALL "memory: 0 GiB\n", "s.yaml:3: memory: 0 GiB is not in [1 MiB, 1024 TiB]"},
    {SMALL "memory: 2\n", "s.yaml:3: memory: '2' is not a size such as 2 GiB or 500 MB"},
    {SMALL "memory: 2 gib\n", "s.yaml:3: memory: '2 gib' is not a size such as 2 GiB or 500 MB"},
    {SMALL "memory: -2 GiB\n", "s.yaml:3: memory: '-2 GiB' is not a size such as 2 GiB or 500 MB"},
    {SMALL "memory: 1.2.3 GiB\n", "s.yaml:3: memory: '1.2.3 GiB' is not a size such as 2 GiB or 500 MB"},
    {SMALL "memory: [2 GiB]\n", "s.yaml:3: memory: a list is not a size such as 2 GiB or 500 MB"},
    {SMALL "precision: half\n", "s.yaml:3: precision: 'half' is not one of float, double"},
    {SMALL "precision: [float]\n", "s.yaml:3: precision: a list is not one of float, double"},
    /* names and keys */
    {SMALL "study: ../x\n",
     "s.yaml:3: study: '../x' is not safe as a name: letters, digits, . _ + -, at most 100, and a letter, digit or _ "
     "first"},
    {SMALL "study: ''\n",
     "s.yaml:3: study: '' is not safe as a name: letters, digits, . _ + -, at most 100, and a letter, digit or _ "
     "first"},
    {SMALL "output: ''\n", "s.yaml:3: output: an empty path"},
    {SMALL "sede: 3\n", "s.yaml:3: sede: unknown key; did you mean 'seed'?"},
    {SMALL "colour: red\n", "s.yaml:3: colour: unknown key; there are study, seed, output, precision, threads, block, "
                            "memory, data, model, variants, conditions, linearize, change, paths, reach, lines, "
                            "planes, census, attributions, aggregate, embed"},
    {SMALL "\n# comment\nvariants:\n  -\n    method: random\n    sparsty: 0.5\n",
     "s.yaml:8: variants[0].sparsty: unknown key; did you mean 'sparsity'?"},
    {SMALL "seed: 1\nblock: 2\nseed: 3\n", "s.yaml:5: seed: given twice, first on line 3"},
    {SMALL "aggregate: {spectrum: 32}\n",
     "s.yaml:3: aggregate.spectrum: is of linearizations, but there is no 'linearize'"},
    {SMALL "linearize: {}\naggregate: {spectrum: 0}\n", "s.yaml:4: aggregate.spectrum: 0 is not in [1, 1000]"},
    {SMALL "linearize: {}\naggregate: {spectrum: few}\n", "s.yaml:4: aggregate.spectrum: 'few' is not a whole number"},
    {SMALL "linearize: {}\naggregate:\n  method: svd\n",
     "s.yaml:5: aggregate.method: 'svd' is not one of auto, gram, dual, random"},
    {SMALL "aggregate: {cka: 3}\n", "s.yaml:3: aggregate.cka: '3' is not one of true, false, yes, no"},
    {SMALL "aggregate: {range: 3}\n", "s.yaml:3: aggregate.range: unknown key; there are spectrum, method, cka"},
    {SMALL "aggregate: true\n", "s.yaml:3: aggregate: 'true' is not a mapping of keys"},
    {SMALL "embed: {}\nconditions: [{corruption: fog}]\n", "s.yaml:3: embed: needs 'clean' among the conditions"},
    {SMALL "embed: {rate: 0}\n", "s.yaml:3: embed.rate: 0 is not in (0, inf)"},
    {SMALL "? [a]\n: 1\n", "s.yaml:3: a key that is a list or a mapping"},
    {SMALL "seed: !!int 3\n", "s.yaml:3: tags (tag:yaml.org,2002:int) have no place in a study"},
    {SMALL "study: \"a\\0b\"\n", "s.yaml:3: a value of several lines, or with control characters in it"},
    {SMALL "seed: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA4"
           "b\n",
     "s.yaml:3: seed: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not a whole number"},
};

static const bad bad_structure[] = {
    {"", "s.yaml:1: the file is empty"},
    {"# nothing\n\n", "s.yaml:1: the file is empty"},
    {"---\n", "s.yaml:1: the file is empty"},
    {"hello\n", "s.yaml:1: 'hello' is not a mapping of keys"},
    {"\n- 1\n", "s.yaml:2: a list is not a mapping of keys"},
    {"{}\n", "s.yaml:1: data: missing"},
    {"data: [\n", "s.yaml:2: not YAML: did not find expected node content"},
    {SMALL "linearize: rows: top: 3\n", "s.yaml:3: not YAML: mapping values are not allowed in this context"},
    {SMALL "variants:\n\t- {}\n", "s.yaml:4: a tab: YAML is indented with spaces"},
    {"data:\n  test:\n  \tformat: idx\n", "s.yaml:3: a tab: YAML is indented with spaces"},
    {"seed: 1\nstudy: \xFF\n", "s.yaml:2: not YAML: invalid leading UTF-8 octet"},
    {SMALL "---\nseed: 2\n", "s.yaml:3: a second document; a study is one"},
    {SMALL "...\n---\n[\n", "s.yaml:4: a second document; a study is one"},
    {SMALL "seed: &a 1\nblock: &a 2\n", "s.yaml:4: not YAML: found duplicate anchor"},
    {"data: &a [*a]\nmodel: {}\n", "s.yaml:1: not YAML: found undefined alias"},
    {SMALL "variants: *nobody\n", "s.yaml:3: not YAML: found undefined alias"},
    {ONNX, "s.yaml:1: data: missing"},
    {TEST_ONLY, "s.yaml:1: model: missing"},
    {"model: {onnx: a}\ndata: {train: {format: cifar10, images: a}}\n", "s.yaml:2: data.test: missing"},
    {"model: {onnx: a}\ndata:\n", "s.yaml:2: data: nothing is given; a mapping of keys is wanted"},
    {"model: {onnx: a}\ndata:\n  test:\n    images: a\n", "s.yaml:3: data.test.format: missing"},
    {ONNX "data: {test: {format: idx}}\n", "s.yaml:2: data.test.images: missing"},
    {ONNX "data: {test: {format: png, images: a}}\n",
     "s.yaml:2: data.test.format: 'png' is not one of idx, cifar10, npy, hdf5"},
    {ONNX "data: {test: {format: idx, images: {a: b}}}\n",
     "s.yaml:2: data.test.images: a mapping is neither a value nor a list of values"},
    {ONNX "data: {test: {format: idx, images: []}}\n", "s.yaml:2: data.test.images: the list is empty"},
    {ONNX "data: {test: {format: idx, images: [a, b], labels: c}}\n",
     "s.yaml:2: data.test.labels: as many files as images has, 2, are wanted, not 1"},
    {ONNX "data: {test: {format: cifar10, images: a, labels: c}}\n",
     "s.yaml:2: data.test.labels: files of format cifar10 hold their own labels"},
    {ONNX "data: {test: {format: cifar10, images: a, layout: channels_last}}\n",
     "s.yaml:2: data.test.layout: files of format cifar10 are channels_first"},
    {ONNX "data: {test: {format: npy, images: a}, layout: nchw}\n",
     "s.yaml:2: data.layout: 'nchw' is not one of auto, channels_first, channels_last"},
    {SMALL "variants:\n- {method: random, sparsity: 0.5, layout: channels_last}\n",
     "s.yaml:4: variants[0].layout: does not go with method, whose networks take what dense takes"},
    {ONNX "data:\n  test: {format: npy, images: a}\n  train: {format: npy, images: a}\n",
     "s.yaml:4: data.train.labels: missing: training needs them"},
    {ONNX "data: {test: {format: npy, images: a, count: 0}}\n",
     "s.yaml:2: data.test.count: 0 is not in [1, 9007199254740992]"},
    {ONNX "data: {test: {format: npy, images: a}, classes: [a, b, a]}\n",
     "s.yaml:2: data.classes[2]: 'a' stands there twice"},
    {ONNX "data: {test: {format: npy, images: a}, classes: 10}\n",
     "s.yaml:2: data.classes: '10' is not a list of names"},
    {ONNX "data: {test: {format: npy, images: a}, classes: []}\n", "s.yaml:2: data.classes: the list is empty"},
    {ONNX "data: {test: {format: npy, images: a}, normalize: {scale: 0}}\n",
     "s.yaml:2: data.normalize.scale: 0 is not in (0, inf)"},
    {ONNX "data: {test: {format: npy, images: a}, normalize: {scale: 1e999}}\n",
     "s.yaml:2: data.normalize.scale: 1e999 is not in (0, inf)"},
    {ONNX "data: {test: {format: npy, images: a}, normalize: {std: [1, 0]}}\n",
     "s.yaml:2: data.normalize.std[1]: 0 is not in (0, inf)"},
    {ONNX "data: {test: {format: npy, images: a}, normalize: {mean: [1, 2, 3], std: [1, 2]}}\n",
     "s.yaml:2: data.normalize.std: 2 numbers, but mean has 3"},
    {ONNX "data: {test: {format: npy, images: a},\n normalize: {mean: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}}\n",
     "s.yaml:3: data.normalize.mean: a list of 17; at most 16 are possible"},
    {SMALL "conditions: clean\n", "s.yaml:3: conditions: 'clean' is not a list of conditions"},
    {SMALL "variants: {method: random}\n", "s.yaml:3: variants: a mapping is not a list of variants"},
    {SMALL "variants: [random]\n", "s.yaml:3: variants[0]: 'random' is not a mapping of keys"},
};

static const bad bad_sense[] = {
    /* model and training */
    {BOTH "model: {}\n", "s.yaml:2: model: has neither architecture nor onnx"},
    {BOTH "model:\n  onnx: a\n  architecture: {}\n",
     "s.yaml:4: model.architecture: does not go with onnx, which is a network already"},
    {BOTH "model: {architecture: {conv: 8}}\n",
     "s.yaml:2: model.architecture.conv: '8' is not a list of whole numbers"},
    {BOTH "model: {architecture: {dense: [8, 0]}}\n", "s.yaml:2: model.architecture.dense[1]: 0 is not in [1, 65536]"},
    {BOTH "model: {architecture: {}, train: {epochs: 0}}\n", "s.yaml:2: model.train.epochs: 0 is not in [1, 100000]"},
    {BOTH "model: {architecture: {}, train: {rate: 0}}\n", "s.yaml:2: model.train.rate: 0 is not in (0, 100]"},
    {BOTH "model: {architecture: {}, train: {momentum: 1}}\n", "s.yaml:2: model.train.momentum: 1 is not in [0, 1)"},
    {BOTH "model: {architecture: {}, train: {schedule: cos}}\n",
     "s.yaml:2: model.train.schedule: 'cos' is not one of cosine, step, constant"},
    {BOTH "model: {architecture: {}, train: {batch: 100, micro_batch: 48}}\n",
     "s.yaml:2: model.train.micro_batch: 48 does not divide batch, which is 100"},
    {BOTH "model: {architecture: {}, train: {micro_batch: 256}}\n",
     "s.yaml:2: model.train.micro_batch: 256 does not divide batch, which is 128"},
    {TEST_ONLY TRAINED, "s.yaml:2: model.architecture: is to be trained, but there is no data.train"},
    {TEST_ONLY "model:\n  onnx: a\n  train: {}\n",
     "s.yaml:4: model.train: is to be trained, but there is no data.train"},
    {SMALL "variants:\n- {method: random, sparsity: 0.5}\n- {method: random, sparsity: 0.6, retrain: {}}\n",
     "s.yaml:5: variants[1].retrain: needs data.train, which is missing"},
    {FULL "variants: [{method: random, sparsity: 0.5, retrain: true}]\n",
     "s.yaml:3: variants[0].retrain: 'true' is not a mapping of keys"},
    {FULL "variants: [{method: random, sparsity: 0.5, retrain: {epoch: 1}}]\n",
     "s.yaml:3: variants[0].retrain.epoch: unknown key; did you mean 'epochs'?"},
    /* variants */
    {SMALL "variants: [{method: magnitud, sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].method: 'magnitud' is not one of random, magnitude, filter, taylor, snip, grasp, synflow, "
     "finetune, "
     "gmp, lth, lrr, edge_popup, biprop; did you mean 'magnitude'?"},
    {SMALL "precision: duoble\n", "s.yaml:3: precision: 'duoble' is not one of float, double; did you mean 'double'?"},
    {SMALL "linearize: {samples: al}\n",
     "s.yaml:3: linearize.samples: 'al' is neither a number nor 'all'; did you mean 'all'?"},
    {SMALL "embed: {alpha: learnt}\n",
     "s.yaml:3: embed.alpha: 'learnt' is neither a number nor 'learned'; did you mean 'learned'?"},
    {SMALL "conditions: [claen]\n", "s.yaml:3: conditions[0]: 'claen' is neither clean nor {corruption: ..., severity: "
                                    "...}; did you mean 'clean'?"},
    {FULL "variants:\n- method: [magnitude, snip]\n  sparsity: 0.5\n  norm: 2\n",
     "s.yaml:6: variants[0].norm: no method here takes it: it is of filter"},
    {FULL "variants: [{method: filter, sparsity: 0.5, per_round: 0.3}]\n",
     "s.yaml:3: variants[0].per_round: no method here takes it: it is of lth, lrr"},
    {SMALL "variants: [{method: random, scope: row, sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].scope: 'row' is not one of global, layer"},
    {SMALL "variants: [{}]\n", "s.yaml:3: variants[0].method: missing: a variant has a method, a mask, or onnx"},
    {SMALL "variants: [{method: random}]\n", "s.yaml:3: variants[0].sparsity: missing"},
    {SMALL "variants: [{onnx: a.onnx, sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].sparsity: does not go with onnx, which is taken as it is"},
    {SMALL "variants: [{name: dense, onnx: a}]\n",
     "s.yaml:3: variants[0].name: 'dense' is taken: dense is the unpruned network, all means every variant, "
     "and the result file has arrays of its own beside those of variants"},
    {SMALL "variants: [{name: k, onnx: a}]\n",
     "s.yaml:3: variants[0].name: 'k' is taken: dense is the unpruned network, all means every variant, "
     "and the result file has arrays of its own beside those of variants"},
    {SMALL "variants:\n- {name: all, method: random, sparsity: 0.5}\n",
     "s.yaml:4: variants[0].name: 'all' is taken: dense is the unpruned network, all means every variant, "
     "and the result file has arrays of its own beside those of variants"},
    {SMALL "variants:\n- {method: random, scope: layer, sparsity: [0.5, 0.25]}\n",
     "s.yaml:4: variants[0]: its name would be 'random-layer-0.25', which is taken; give it a name"},
    {SMALL "conditions: [clean, {corruption: fog, published: sets/pixel}]\n",
     "s.yaml:3: conditions: a published set is called 'pixel', and the result file has an array of that name: call its "
     "folder otherwise"},
    {SMALL "variants: [{name: a/b, onnx: a}]\n",
     "s.yaml:3: variants[0].name: 'a/b' is not safe as a name: letters, digits, . _ + -, at most 100, and a letter, "
     "digit or _ first"},
    {SMALL "variants: [{name: .., onnx: a}]\n",
     "s.yaml:3: variants[0].name: '..' is not safe as a name: letters, digits, . _ + -, at most 100, and a letter, "
     "digit or _ first"},
    {SMALL "variants: [{onnx: x/dense.onnx}]\n",
     "s.yaml:3: variants[0]: its name would be 'dense', which is taken; give it a name"},
    {SMALL "variants:\n- {name: a, onnx: a}\n- {method: random, sparsity: 0.5}\n- {name: a, onnx: b}\n",
     "s.yaml:6: variants[2]: its name 'a' is that of variants[0] on line 4, too; give one of them a name"},
    {SMALL "variants:\n- {method: random, sparsity: [0.5, 0.6]}\n- {method: random, sparsity: [0.7, 0.6]}\n",
     "s.yaml:5: variants[1]: its name 'random-global-0.6' is that of variants[0] on line 4, too; give one of them a "
     "name"},
    {FULL "variants:\n- {method: random, sparsity: 0.5, retrain: {epochs: 1}}\n"
          "- {method: random, sparsity: 0.5, retrain: {epochs: 2}}\n",
     "s.yaml:5: variants[1]: its name 'random-global-0.5-retrain' is that of variants[0] on line 4, too; give one of "
     "them a name"},
    {SMALL "variants: [{method: lth, sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].budget: missing: lth prunes while it trains"},
    {SMALL "variants:\n- {method: snip, sparsity: 0.5}\n",
     "s.yaml:4: variants[0].method: snip needs data.train, which is missing"},
    {SMALL "variants:\n- sparsity: 0.5\n  method: [magnitude, taylor]\n",
     "s.yaml:5: variants[0].method: taylor needs data.train, which is missing"},
    {SMALL "variants: [{method: [snip, snip], sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].method[1]: snip stands there twice"},
    {SMALL "variants: [{mask: m.h5, sparsity: 0.5}]\n",
     "s.yaml:3: variants[0].sparsity: does not go with mask, which says what is removed"},
    {SMALL "variants: [{method: random, sparsity: 1.0}]\n", "s.yaml:3: variants[0].sparsity: 1.0 is not in [0, 1)"},
    /* conditions */
    {SMALL "conditions: []\n", "s.yaml:3: conditions: the list is empty"},
    {SMALL "conditions: [clean, clean]\n", "s.yaml:3: conditions[1]: clean stands there twice"},
    {SMALL "conditions:\n- {corruption: gaussian_noise, severity: 3}\n- {corruption: gaussian_noise}\n",
     "s.yaml:5: conditions[1]: gaussian_noise/3 stands there twice"},
    {SMALL "conditions: [noise]\n",
     "s.yaml:3: conditions[0]: 'noise' is neither clean nor {corruption: ..., severity: ...}"},
    {SMALL "conditions: [{severity: 1}]\n", "s.yaml:3: conditions[0].corruption: missing"},
    {SMALL "conditions: [{corruption: gaussian_noise, severity: 6}]\n",
     "s.yaml:3: conditions[0].severity: 6 is not in [1, 5]"},
    {SMALL "conditions:\n- clean\n- corruption: gaussian_noise\n  severity:\n  - 1\n  - 0\n",
     "s.yaml:8: conditions[1].severity[1]: 0 is not in [1, 5]"},
    {SMALL "conditions: [{corruption: gaussian_noise, severity: [1, 2, 3, 4, 5, 1]}]\n",
     "s.yaml:3: conditions[0].severity[5]: 1 stands there twice"},
    /* linearize */
    {SMALL "linearize: all\n", "s.yaml:3: linearize: 'all' is not a mapping of keys"},
    {SMALL "linearize: {variants: [dense, magnitude-global-0.5]}\n",
     "s.yaml:3: linearize.variants[1]: there is no variant 'magnitude-global-0.5'; 'dense' to 'dense' are 1 variants"},
    {SMALL "variants: [{name: mine, onnx: a}]\nlinearize: {variants: mien}\n",
     "s.yaml:4: linearize.variants: there is no variant 'mien'; did you mean 'mine'?"},
    {SMALL "linearize: {variants: [dense, dense]}\n", "s.yaml:3: linearize.variants[1]: 'dense' stands there twice"},
    {SMALL "linearize: {samples: 0}\n", "s.yaml:3: linearize.samples: 0 is not in [1, 9007199254740992]"},
    {SMALL "linearize: {rows: best}\n", "s.yaml:3: linearize.rows: 'best' is not one of all, predicted, {top: 3}"},
    {SMALL "linearize: {rows: {top: 0}}\n", "s.yaml:3: linearize.rows.top: 0 is not in [1, 1000000]"},
    {SMALL "linearize: {rows: 'top: x'}\n", "s.yaml:3: linearize.rows: 'x' is not a whole number"},
    {SMALL "linearize: {rows: {}}\n", "s.yaml:3: linearize.rows.top: missing"},
};

static void assert_refused(const bad *list, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    facet_study *study = NULL;
    facet_status status = read_text(list[i].text, &study);
    if (status != FACET_BAD_INPUT || strcmp(facet_message(), list[i].message) != 0)
      fail_msg("status %d\n  told:     %s\n  expected: %s\n%s", status, facet_message(), list[i].message, list[i].text);
    assert_null(study);
  }
}

static void values_are_checked(void **state)
{
  (void)state;
  assert_refused(bad_values, sizeof bad_values / sizeof bad_values[0]);
}

static void structure_is_checked(void **state)
{
  (void)state;
  assert_refused(bad_structure, sizeof bad_structure / sizeof bad_structure[0]);
}

static void sense_is_checked(void **state)
{
  (void)state;
  assert_refused(bad_sense, sizeof bad_sense / sizeof bad_sense[0]);
}

/* "[1, 2, ..., count]", put behind `text`. */
static void append_list(char *text, size_t size, const char *format, int count)
{
  for (int i = 1; i <= count; i++)
    facet_append(text, size, i == 1 ? "[" : ", ", format, i);
  facet_append(text, size, "", "]");
}

/* Lists multiply beyond any memory, and beyond an int: said before anything is made. */
static void lists_do_not_explode(void **state)
{
  (void)state;
  enum { SIZE = 1 << 20, MANY = 9999 };
  char *text = calloc(SIZE, 1), shown[200];
  facet_study *study = NULL;
  for (int turn = 0; turn < 2; turn++) {
    (void)snprintf(text, SIZE, SMALL "variants:\n- {method: random, sparsity: 0.5}\n- {method: random, sparsity: ");
    append_list(text, SIZE, "0.%05d", turn ? MANY + 2 : MANY);
    strcat(text, ", seeds: ");
    append_list(text, SIZE, "%d", MANY);
    strcat(text, "}\n");
    (void)snprintf(shown, sizeof shown,
                   turn ? "s.yaml:5: variants[1].sparsity: a list of %d; at most 10000 are possible"
                        : "s.yaml:5: variants[1]: its lists (1 of method, 1 of scope, %d of sparsity, 9999 of seeds) "
                          "multiply to more than the 10000 variants that a study may have",
                   turn ? MANY + 2 : MANY);
    assert_int_equal(read_text(text, &study), FACET_BAD_INPUT);
    assert_string_equal(facet_message(), shown);
  }
  free(text);
}

static void corruptions_are_listed(void **state)
{
  (void)state;
  static const char start[] = "s.yaml:3: conditions[0].corruption: 'gausian_noise' is not one of gaussian_noise";
  facet_study *study = NULL;
  assert_int_equal(read_text(SMALL "conditions: [{corruption: gausian_noise}]\n", &study), FACET_BAD_INPUT);
  assert_memory_equal(facet_message(), start, strlen(start));
  assert_int_equal(read_text(SMALL "conditions: [{corruption: [gaussian_noise, clean]}]\n", &study), FACET_BAD_INPUT);
  static const char clean[] = "s.yaml:3: conditions[0].corruption[1]: 'clean' is not one of gaussian_noise";
  assert_memory_equal(facet_message(), clean, strlen(clean));
}

static void files_that_are_not_there(void **state)
{
  (void)state;
  facet_study *study = NULL;
  assert_int_equal(facet_study_read("none.yaml", NULL, &study), FACET_NO_INPUT);
  assert_non_null(strstr(facet_message(), "none.yaml"));
  assert_int_equal(facet_study_read(".", NULL, &study), FACET_NO_INPUT);
  assert_null(study);
}

/* Aliases that multiply a thousandfold a line end in a message, not in all of the memory. */
static void aliases_do_not_explode(void **state)
{
  (void)state;
  char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; i++) {
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
             i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
  }
  facet_study *study = NULL;
  assert_int_equal(read_text(text, &study), FACET_BAD_INPUT);
  assert_non_null(strstr(facet_message(), ": more than 200000 values"));
}

static void large_and_deep_files_are_told_at_once(void **state)
{
  (void)state;
  facet_study *study = NULL;
  size_t size = 17 << 20;
  char *text = malloc(size);
  assert_non_null(text);
  memset(text, '[', size);
  write_study("g.yaml", text, size);
  assert_int_equal(facet_study_read("g.yaml", NULL, &study), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "g.yaml:1: a file of 17 MiB is not a study");
  text[1] = '\n';
  write_study("g.yaml", text, size / 17);
  assert_int_equal(facet_study_read("g.yaml", NULL, &study), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "g.yaml:2: nested more than 32 deep");
  free(text);
}

/* ---- garbled ones ---- */

static void garble(const facet_random *random, uint64_t round, char *text, size_t *size)
{
  uint32_t bits[4];
  facet_random_bits(*random, round, 0, bits);
  int edits = 1 + (int)(bits[0] % 4);
  for (int e = 0; e < edits; e++) {
    facet_random_bits(*random, round, (uint64_t)e + 1, bits);
    size_t at = bits[0] % *size, length = 1 + bits[1] % 12;
    if (length > *size - at)
      length = *size - at;
    if (bits[2] % 3 == 0 && *size - length > 0) { /* delete */
      memmove(text + at, text + at + length, *size - at - length);
      *size -= length;
    } else if (bits[2] % 3 == 1) { /* duplicate */
      memmove(text + at + length, text + at, *size - at);
      *size += length;
    } else { /* garble */
      static const char likely[] = "\n\t :[]{},-&*#!|>'\"%@?~0.e9\0\xC3";
      text[at] = bits[3] % 2 ? likely[(bits[3] >> 1) % (sizeof likely - 1)] : (char)(bits[3] >> 8);
    }
  }
}

static void no_bytes_crash_the_reader(void **state)
{
  (void)state;
  facet_random random = {.seed = 20, .stream = 99};
  int refused = 0, taken = 0;
  for (uint64_t round = 0; round < 2000; round++) {
    char text[sizeof everything + 256];
    size_t size = sizeof everything - 1;
    memcpy(text, everything, size);
    garble(&random, round, text, &size);
    write_study("g.yaml", text, size);
    facet_study *study = NULL;
    facet_status status = facet_study_read("g.yaml", NULL, &study);
    if (status != FACET_OK) {
      assert_int_equal(status, FACET_BAD_INPUT);
      assert_null(study);
      assert_memory_equal(facet_message(), "g.yaml:", 7);
      assert_null(strchr(facet_message(), '\n'));
      refused++;
      continue;
    }
    char *yaml = NULL; /* what is taken has a text that is taken */
    assert_int_equal(facet_study_text(study, &yaml), FACET_OK);
    facet_study_destroy(&study);
    write_study("g.yaml", yaml, strlen(yaml));
    facet_free(&yaml);
    if (facet_study_read("g.yaml", NULL, &study) != FACET_OK)
      fail_msg("round %d: the text is refused: %s", (int)round, facet_message());
    facet_study_destroy(&study);
    taken++;
  }
  assert_true(refused > 500 && taken > 50); /* both happen */
}

static int begin(void **state)
{
  (void)state;
  char name[] = "/tmp/facet_test_study_XXXXXX";
  if (!mkdtemp(name) || chdir(name) != 0 || facet_make_folder("x") != FACET_OK || chdir("x") != 0)
    return -1;
  return getcwd(folder, sizeof folder) ? 0 : -1;
}

static int end(void **state)
{
  (void)state;
  static const char *const left[] = {
      "s.yaml", "g.yaml",     "jobs/deep/my study.yaml", "else/where/t.yaml", "jobs/deep", "jobs",        "else/where",
      "else",   "one/s.yaml", "two/deep er/s.yaml",      "three/s.yaml",      "one",       "two/deep er", "two",
      "three"};
  for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
    remove(left[i]);
  if (chdir("../..") != 0)
    return -1;
  remove(folder);
  *strrchr(folder, '/') = '\0';
  return remove(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_of_the_smallest),
      cmocka_unit_test(defaults_of_training),
      cmocka_unit_test(retraining_follows_the_model),
      cmocka_unit_test(every_key),
      cmocka_unit_test(variants_multiply),
      cmocka_unit_test(severities_left_out_are_all),
      cmocka_unit_test(rows_are_written_in_many_ways),
      cmocka_unit_test(paths_start_beside_the_study),
      cmocka_unit_test(what_is_moved_is_the_same_study),
      cmocka_unit_test(every_method_of_the_table_can_be_asked_for),
      cmocka_unit_test(text_reads_back),
      cmocka_unit_test(text_has_all_defaults),
      cmocka_unit_test(text_has_the_whole_embedding),
      cmocka_unit_test(sweeps),
      cmocka_unit_test(memory_and_layouts),
      cmocka_unit_test(values_are_checked),
      cmocka_unit_test(structure_is_checked),
      cmocka_unit_test(sense_is_checked),
      cmocka_unit_test(lists_do_not_explode),
      cmocka_unit_test(corruptions_are_listed),
      cmocka_unit_test(files_that_are_not_there),
      cmocka_unit_test(aliases_do_not_explode),
      cmocka_unit_test(large_and_deep_files_are_told_at_once),
      cmocka_unit_test(no_bytes_crash_the_reader),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
