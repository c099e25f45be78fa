/* A small store, made by hand: three variants under two conditions, whose every number is known. */
#ifndef STORE_MADE_H
#define STORE_MADE_H

#include "summarize.h"

enum {
  V = 3,
  C = 2,
  K = 3,
  N = 23,
  CH = 2,
  Y = 3,
  X = 4,
  D = CH * Y * X,
  LINEAR = 12,
  ROWS = 2,
  BLOCK = 5,
  BLOCKS = 5
};

/* ---- a plan, made by hand ---- */

typedef struct {
  facet_settings settings;
  facet_normalization normalize;
  facet_store_variant variant[V];
  int32_t label[N];
  facet_dataset test;
  facet_store_plan plan;
} fixture;

static const char *layers[] = {"conv1", "dense1"}, *nodes[] = {"conv1", "dense1", "a node with spaces"};
static const char *conditions[] = {"clean", "gaussian_noise/3"}, *classes[] = {"cat", "h\xc3\xbchner", "dog"};
static double layer_achieved[] = {0.25, 0.75};
static int64_t layer_size[] = {100, 300};

static void make_fixture(fixture *f)
{
  *f = (fixture){
      .settings = {.file = "store.yaml", .name = "store", .seed = 7, .output = "/out", .precision = FACET_F32},
      .normalize = {.scale = 255, .channels = 2, .mean = {0.25, 0.5}, .std = {1, 2}}};
  const facet_store_variant common = {.layers = 2,
                                      .layer = layers,
                                      .layer_achieved = layer_achieved,
                                      .layer_size = layer_size,
                                      .constant_nodes = 3,
                                      .constant_node = nodes};
  f->variant[0] = f->variant[1] = f->variant[2] = common;
  const char *const name[] = {"dense", "magnitude-global-0.5", "mine"}, *const sha[] = {"aa", "bb", "cc"};
  for (int v = 0; v < V; v++) {
    f->variant[v].name = name[v];
    f->variant[v].method = v ? "magnitude" : "dense";
    f->variant[v].replicate = v ? "magnitude-global-0.5" : "dense";
    f->variant[v].seed = (uint32_t)v;
    f->variant[v].cost = (facet_store_cost){.epochs = 1.5 * v, .samples = 100 * v, .bytes = 7 + v, .train_seconds = v};
    f->variant[v].scope = v ? "global" : "";
    f->variant[v].sparsity = f->variant[v].achieved = 0.5 * (v > 0);
    f->variant[v].onnx = "network.onnx";
    f->variant[v].sha256 = sha[v];
    f->variant[v].linearize = v < 2;
  }
  f->variant[1].constant_nodes = 2;
  const facet_input_layout first = {
      FACET_CHANNELS_FIRST, false, 3, {CH, Y, X}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}};
  const facet_input_layout flat = {
      FACET_CHANNELS_LAST, true, 3, {1, D, 1}, {FACET_AXIS_ONE, FACET_AXIS_INPUT, FACET_AXIS_ONE}};
  f->variant[0].input = f->variant[2].input = first;
  f->variant[1].input = flat;
  for (int i = 0; i < N; i++)
    f->label[i] = i % 4 == 3 ? -1 : i % K;
  f->test = (facet_dataset){.count = N, .label = f->label};
  f->plan = (facet_store_plan){.settings = &f->settings,
                               .normalize = &f->normalize,
                               .study_filled = "study: store\n",
                               .stages = 4,
                               .stage = {{.name = "analyse", .marks = "V, C, block"},
                                         {.name = "summary", .marks = "V, C"},
                                         {.name = "compare", .marks = ""},
                                         {.name = "similarity", .marks = ""}},
                               .study_text = "study: store # as the user wrote it\n",
                               .variants = V,
                               .variant = f->variant,
                               .conditions = C,
                               .condition = conditions,
                               .classes = K,
                               .class_name = classes,
                               .samples = N,
                               .image = {CH, Y, X},
                               .test = &f->test,
                               .linear_samples = LINEAR,
                               .linear_rows = ROWS,
                               .block = BLOCK};
}

/* ---- results that can be told apart ---- */

/* A number of its own for every element; `what` names the dataset. All are exact in single precision. */
static double value(int what, int64_t v, int64_t c, int64_t sample, int64_t element)
{
  return (double)(((what * V + v) * C + c) * N + sample) + (double)element / 64;
}

enum { LOGITS, LOSS, ANGLE, LENGTH, MARGIN, COSINE, W, B, B_NODE, RESIDUAL };

static int32_t predicted_class(int64_t v, int64_t c, int64_t sample)
{
  return (int32_t)((sample + (v + c) * (sample % 2)) % K);
}

static void fill(double *to, int what, int v, int c, int64_t first, int64_t count, int64_t width)
{
  for (int64_t i = 0; i < count * width; i++)
    to[i] = value(what, v, c, first + i / width, i % width);
}

static facet_status write_linear(facet_store *store, const fixture *f, int v, int64_t first, int64_t count)
{
  double w[BLOCK * ROWS * D], b[BLOCK * ROWS], b_node[BLOCK * ROWS * 3], residual[BLOCK];
  float w_single[BLOCK * ROWS * D];
  int32_t row[BLOCK * ROWS], ties[BLOCK];
  fill(w, W, v, 0, first, count, ROWS * D);
  fill(b, B, v, 0, first, count, ROWS);
  fill(b_node, B_NODE, v, 0, first, count, ROWS * f->variant[v].constant_nodes);
  fill(residual, RESIDUAL, v, 0, first, count, 1);
  for (int64_t i = 0; i < count * ROWS * D; i++)
    w_single[i] = (float)w[i];
  for (int i = 0; i < count * ROWS; i++)
    row[i] = (int32_t)((first * ROWS + i) % K);
  for (int i = 0; i < count; i++)
    ties[i] = (int32_t)(first + i) % 2;
  bool twice = f->settings.precision == FACET_F64;
  const void *numbers = twice ? (void *)w : w_single;
  const facet_place whole = {.variant = v, .part = {{first, count}}, .as = FACET_AS_STORED};
  size_t size = twice ? sizeof(double) : sizeof(float);
  if (v == 0) { /* all rows of all samples at once, or each by itself */
    FACET_TRY(facet_store_put(store, FACET_ROW_W, whole, numbers));
  } else {
    for (int64_t i = 0; i < count * ROWS; i++)
      FACET_TRY(facet_store_put(
          store, FACET_ROW_W,
          (facet_place){.variant = v, .part = {{first + i / ROWS, 1}, {i % ROWS, 1}}, .as = FACET_AS_STORED},
          (const char *)numbers + (size_t)(i * D) * size));
  }
  const facet_place at = {.variant = v, .part = {{first, count}}};
  FACET_TRY(facet_store_put(store, FACET_ROW_ROW, at, row));
  FACET_TRY(facet_store_put(store, FACET_ROW_B, at, b));
  FACET_TRY(facet_store_put(store, FACET_ROW_B_NODE, at, b_node));
  FACET_TRY(facet_store_put(store, FACET_ROW_RESIDUAL, at, residual));
  return facet_store_put(store, FACET_ROW_TIES, at, ties);
}

static facet_status put_tile(facet_store *store, const fixture *f, int v, int c, int64_t block)
{
  double logits[BLOCK * K], cosine[BLOCK * K], loss[BLOCK], angle[BLOCK], length[BLOCK], margin[BLOCK];
  float pixels[BLOCK * D];
  int32_t predicted[BLOCK];
  int64_t first = block * BLOCK, count = N - first < BLOCK ? N - first : BLOCK;
  fill(logits, LOGITS, v, c, first, count, K);
  fill(cosine, COSINE, v, c, first, count, K);
  fill(loss, LOSS, v, c, first, count, 1);
  fill(angle, ANGLE, v, c, first, count, 1);
  fill(length, LENGTH, v, c, first, count, 1);
  fill(margin, MARGIN, v, c, first, count, 1);
  for (int64_t i = 0; i < count; i++)
    predicted[i] = predicted_class(v, c, first + i);
  for (int64_t i = 0; i < count * D; i++)
    pixels[i] = (float)(first * D + i);
  if (v == 0 && c == 0)
    FACET_TRY(
        facet_store_put(store, FACET_ROW_IMAGE, (facet_place){.part = {{first, count}}, .as = FACET_AS_FLOAT}, pixels));
  const facet_place at_tile = {.part = {{v, 1}, {c, 1}, {first, count}}};
  const struct {
    facet_row row;
    const void *data;
  } all[] = {{FACET_ROW_LOGITS, logits}, {FACET_ROW_PREDICTED, predicted}, {FACET_ROW_LOSS, loss},
             {FACET_ROW_ANGLE, angle},   {FACET_ROW_LENGTH, length},       {FACET_ROW_MARGIN, margin},
             {FACET_ROW_COSINE, cosine}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    FACET_TRY(facet_store_put(store, all[i].row, at_tile, all[i].data));
  int64_t linear = LINEAR - first < count ? LINEAR - first : count;
  bool linearized = c == 0 && linear > 0 && f->variant[v].linearize && f->plan.linear_samples > 0;
  return linearized ? write_linear(store, f, v, first, linear) : FACET_OK;
}

static facet_status write_tile(facet_store *store, const fixture *f, int v, int c, int64_t block)
{
  FACET_TRY(put_tile(store, f, v, c, block));
  return facet_store_mark(store, "analyse", (v * C + c) * BLOCKS + block);
}

/* Tiles first .. last-1, dealt out to the ranks of `comm` in a way that depends on their number; odd ranks go
 * backwards. */
static facet_status write_tiles(MPI_Comm comm, facet_store *store, const fixture *f, int first, int last)
{
  int me = facet_rank(comm), all = facet_ranks(comm);
  for (int i = 0; i < last - first; i++) {
    int tile = me % 2 ? last - 1 - i : first + i;
    if ((tile * 7 + 3) % all == me)
      FACET_TRY(write_tile(store, f, tile / (C * BLOCKS), tile / BLOCKS % C, tile % BLOCKS));
  }
  return FACET_OK;
}

/* A whole store. Collective over `comm`. */
static facet_status write_store(MPI_Comm comm, const char *path, const fixture *f)
{
  facet_store *store;
  FACET_TRY(facet_store_create(comm, path, &f->plan));
  FACET_TRY(facet_store_open(comm, path, &f->plan, &store));
  facet_status status = facet_agree(comm, write_tiles(comm, store, f, 0, V * C * BLOCKS));
  if (status == FACET_OK)
    status = summarize(comm, store, &f->plan);
  facet_status closed = facet_store_close(&store);
  return status == FACET_OK ? closed : status;
}

#endif
