/* The stage analyse, tiles: predictions, geometry and linearizations of a block of samples under one variant and
 * condition, marked tile by tile. A rank that fails or is interrupted stops at a tile's end; the others finish theirs.
 *
 * Which rank takes a tile changes nothing in it: batches are fixed by the plan.  Tiles with linearizations and tiles
 * without are dealt out in turn, each kind by itself, so every rank has its share of both to the end. */
#include "stage.h"

#include <math.h>
#include <string.h>

#include "ranks/agree.h"
#include "ranks/memory.h"
#include "study/loader.h"

/* What tiles of one kind of the present variant work with: with linearization, or without. */
typedef struct {
  bool linear;
  facet_executor *executor; /* NULL: there is none at present */
  facet_loader loader;
  float *pixels;           /* of the data set */
  void *x;                 /* in the network's order */
  double *exact, *feature; /* x in double: for gates within rounding of 0 */
  int32_t *row;
  facet_linearization result; /* W: one chunk of rows */
} bench;

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_plan *plan;
  const facet_study *study;
  const facet_study_data *data;
  const facet_family *family;
  facet_store *store;
  /* what belongs to the present variant */
  int variant;
  facet_head head;
  bool has_head;
  bench bench;
  /* one tile's results */
  double *logits, *loss, *angle, *length, *margin, *cosine;
  int32_t *predicted;
  /* progress */
  facet_progress *progress;
  int64_t own_done, others_done;
} analysis;

static void bench_clear(bench *b)
{
  facet_executor_destroy(&b->executor);
  facet_loader_clear(&b->loader);
  void *owned[] = {&b->pixels,   &b->x,        &b->exact,         &b->feature,         &b->row,
                   &b->result.w, &b->result.b, &b->result.b_node, &b->result.residual, &b->result.ties};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  facet_kernels_release();
  facet_memory_trim();
}

static void leave_variant(analysis *a)
{
  bench_clear(&a->bench);
  facet_head_clear(&a->head);
  a->variant = -1;
}

static void analysis_clear(analysis *a)
{
  leave_variant(a);
  void *owned[] = {&a->logits, &a->loss, &a->angle, &a->length, &a->margin, &a->cosine, &a->predicted};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
}

static facet_status analysis_prepare(analysis *a)
{
  const facet_store_plan *s = &a->plan->store;
  int64_t n = s->block;
  FACET_NEW(a->logits, n * s->classes);
  FACET_NEW(a->loss, n);
  FACET_NEW(a->angle, n);
  FACET_NEW(a->length, n);
  FACET_NEW(a->margin, n);
  FACET_NEW(a->cosine, n * s->classes);
  FACET_NEW(a->predicted, n);
  return FACET_OK;
}

static facet_status enter_variant(analysis *a, int variant)
{
  if (a->variant == variant)
    return FACET_OK;
  leave_variant(a);
  const facet_network *network = a->family->member[variant].network;
  a->has_head = facet_network_features(network, NULL) > 0;
  if (a->has_head)
    FACET_TRY(facet_network_head(network, &a->head));
  a->variant = variant;
  return FACET_OK;
}

static facet_status make_linear_buffers(const analysis *a, int64_t n, int64_t chunk, bench *b)
{
  int64_t k = a->plan->store.linear_rows, d = a->plan->inputs;
  if (!(b->result.w = facet_allocate((size_t)(n * chunk * d), facet_type_size(a->study->settings.precision))))
    return FACET_OS;
  FACET_NEW(b->exact, n * d);
  FACET_NEW(b->row, n * k);
  FACET_NEW(b->result.b, n * k);
  FACET_NEW(b->result.b_node, n * k * facet_executor_constant_nodes(b->executor));
  FACET_NEW(b->result.residual, n);
  FACET_NEW(b->result.ties, n);
  return FACET_OK;
}

/* Makes the bench for tiles with or without linearization of the present variant, in place of another one: memory for
 * both at once would be memory that neither can use. */
static facet_status set_bench(analysis *a, bool linear)
{
  bench *b = &a->bench;
  const facet_work *work = &a->plan->work[a->variant];
  int64_t n = linear ? work->linear_batch : work->forward_batch, chunk = linear ? work->linear_chunk : 0;
  if (b->executor && b->linear == linear)
    return FACET_OK;
  bench_clear(b);
  *b = (bench){.linear = linear};
  facet_executor_options options = {.real = a->study->settings.precision, .batch = n, .rows = chunk, .room = true};
  FACET_TRY(facet_executor_create(a->family->member[a->variant].network, options, &b->executor));
  FACET_TRY(facet_loader_make(&a->study->settings, &a->study->data.normalize, a->data->test,
                              &a->family->member[a->variant].input, &b->loader));
  FACET_NEW(b->pixels, n * a->plan->inputs);
  FACET_NEW(b->feature, n * a->head.features);
  if (!(b->x = facet_allocate((size_t)(n * a->plan->inputs), facet_type_size(a->study->settings.precision))))
    return FACET_OS;
  return linear ? make_linear_buffers(a, n, chunk, b) : FACET_OK;
}

/* A batch of samples: x, and the images of the data set where nobody stored them before. */
static facet_status load_samples(analysis *a, const facet_tile *t, int64_t first, int64_t count)
{
  bench *b = &a->bench;
  size_t size = (size_t)a->plan->inputs * facet_type_size(a->study->settings.precision);
  if (t->condition == 0 && t->variant == 0) {
    facet_dataset_pixels(a->data->test, first, count, b->pixels);
    FACET_TRY(facet_store_images(a->store, first, count, b->pixels));
  }
  for (int64_t i = 0; i < count; i++)
    FACET_TRY(facet_loader_load(&b->loader, a->study->conditions.item[t->condition], first + i,
                                (char *)b->x + (size_t)i * size, b->exact ? b->exact + i * a->plan->inputs : NULL));
  return FACET_OK;
}

/* Where the chunks of W of a batch go. */
typedef struct {
  facet_store *store;
  int variant;
  int64_t first, count;
} w_place;

static facet_status store_chunk(void *context, int64_t from, int64_t rows, const void *w)
{
  const w_place *p = context;
  return facet_store_w(p->store, p->variant, p->first, p->count, from, rows, w);
}

/* Linearizes `count` samples of a batch that went forward, and stores that. */
static facet_status linearize(analysis *a, const facet_tile *t, int64_t first, int64_t count, const double *logits)
{
  const facet_store_plan *s = &a->plan->store;
  bench *b = &a->bench;
  w_place place = {a->store, t->variant, first, count};
  FACET_TRY(facet_executor_settle(b->executor, b->exact));
  facet_rows_choose(a->study->linearize.rows, s->linear_rows, s->classes, logits, count, b->row);
  FACET_TRY(facet_linearize_to(b->executor, b->x, count, s->linear_rows, b->row, store_chunk, &place, &b->result));
  return facet_store_linear(a->store, t->variant, first, count, b->row, &b->result);
}

/* Samples i, i+1, ... of the tile, which are the present batch. */
static void measure(analysis *a, const facet_tile *t, int64_t first, int64_t count)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = first; i < first + count; i++) {
    const double *logits = a->logits + i * classes;
    int32_t y = a->data->test->label[t->first + i];
    facet_rows_choose(FACET_ROWS_PREDICTED, 1, classes, logits, 1, &a->predicted[i]);
    if (a->has_head) { /* the last linear node in double: the loss is that of the geometry, to the last digit */
      facet_geometry(&a->head, a->bench.feature + (i - first) * a->head.features, y, &a->angle[i], &a->length[i],
                     &a->margin[i], a->cosine + i * classes);
      a->loss[i] = facet_loss_from_geometry(&a->head, a->length[i], a->cosine + i * classes, y);
      continue;
    }
    a->loss[i] = facet_cross_entropy(logits, classes, y);
    a->angle[i] = a->length[i] = a->margin[i] = NAN;
    for (int64_t k = 0; k < classes; k++)
      a->cosine[i * classes + k] = NAN;
  }
}

static facet_status finite_logits(const analysis *a, const facet_tile *t, int64_t first, int64_t count)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = first * classes; i < (first + count) * classes; i++)
    FACET_CHECK(isfinite(a->logits[i]), FACET_BAD_INPUT, "%s: the logits of sample %lld are not finite",
                a->family->member[t->variant].file, (long long)(t->first + i / classes));
  return FACET_OK;
}

/* Samples i .. i+count-1 of the tile: forward, measured, and linearized as far as the tile is. */
static facet_status run_batch(analysis *a, const facet_tile *t, int64_t i, int64_t count)
{
  bench *b = &a->bench;
  double *logits = a->logits + i * a->plan->store.classes;
  FACET_TRY(load_samples(a, t, t->first + i, count));
  FACET_TRY(facet_executor_forward(b->executor, b->x, count));
  FACET_TRY(facet_executor_output(b->executor, logits));
  FACET_TRY(finite_logits(a, t, i, count));
  if (a->has_head)
    FACET_TRY(facet_executor_value(b->executor, a->head.feature, b->feature));
  measure(a, t, i, count);
  return i < t->linear ? linearize(a, t, t->first + i, count, logits) : FACET_OK;
}

/* What is linearized goes through the executor in batches of its own. */
static facet_status run_tile(analysis *a, const facet_tile *t)
{
  FACET_TRY(enter_variant(a, t->variant));
  FACET_TRY(set_bench(a, t->linear > 0));
  int64_t batch = facet_executor_settings(a->bench.executor).batch;
  for (int64_t i = 0, count; i < t->count; i += count) {
    int64_t end = i < t->linear ? t->linear : t->count;
    count = end - i < batch ? end - i : batch;
    FACET_TRY(run_batch(a, t, i, count));
  }
  FACET_TRY(facet_store_predictions(a->store, t->variant, t->condition, t->first, t->count, a->logits, a->predicted,
                                    a->loss));
  FACET_TRY(facet_store_geometry(a->store, t->variant, t->condition, t->first, t->count, a->angle, a->length, a->margin,
                                 a->cosine));
  return facet_store_mark(a->store, t->variant, t->condition, t->block);
}

/* ---- progress: every rank tells rank 0 how many tiles it has done ---- */

enum { TAG_DONE = 17 };

static void show_progress(analysis *a)
{
  int there = 1;
  int64_t one = 1;
  a->own_done++;
  if (a->rank != 0) {
    MPI_Send(&one, 1, MPI_INT64_T, 0, TAG_DONE, a->comm); /* small: goes eagerly, whatever rank 0 is doing */
    return;
  }
  while (MPI_Iprobe(MPI_ANY_SOURCE, TAG_DONE, a->comm, &there, MPI_STATUS_IGNORE) == MPI_SUCCESS && there) {
    MPI_Recv(&one, 1, MPI_INT64_T, MPI_ANY_SOURCE, TAG_DONE, a->comm, MPI_STATUS_IGNORE);
    a->others_done++;
  }
  facet_progress_at(a->progress, a->own_done + a->others_done);
}

/* Rank 0 waits for the others, showing their progress; nobody is left with an unread message. */
static void drain_progress(analysis *a)
{
  int64_t all = 0, one;
  MPI_Request request;
  int finished = 0, there;
  MPI_Iallreduce(&a->own_done, &all, 1, MPI_INT64_T, MPI_SUM, a->comm, &request);
  if (a->rank != 0) {
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    return;
  }
  while (!finished || a->own_done + a->others_done < all) {
    if (!finished)
      MPI_Test(&request, &finished, MPI_STATUS_IGNORE);
    MPI_Iprobe(MPI_ANY_SOURCE, TAG_DONE, a->comm, &there, MPI_STATUS_IGNORE);
    if (!there)
      continue;
    MPI_Recv(&one, 1, MPI_INT64_T, MPI_ANY_SOURCE, TAG_DONE, a->comm, MPI_STATUS_IGNORE);
    a->others_done++;
    facet_progress_at(a->progress, a->own_done + a->others_done);
  }
  MPI_Wait(&request, MPI_STATUS_IGNORE); /* done by now */
}

/* ---- all tiles ---- */

static facet_status run_tiles(analysis *a, const uint8_t *done)
{
  int64_t dealt[2] = {0, 0}; /* tiles without and with linearization */
  for (int64_t i = 0; i < facet_plan_tiles(a->plan); i++) {
    facet_tile t = facet_plan_tile(a->plan, i);
    if (done[i] || (int)(dealt[t.linear > 0]++ % a->ranks) != a->rank)
      continue;
    FACET_TRY(facet_interrupt_check());
    FACET_TRY(run_tile(a, &t));
    show_progress(a);
  }
  return FACET_OK;
}

static analysis begin(const facet_context *c)
{
  return (analysis){.comm = c->comm,
                    .plan = c->plan,
                    .study = c->plan->store.study,
                    .data = c->data,
                    .family = c->family,
                    .store = c->store,
                    .variant = -1};
}

static facet_status run(const facet_context *c)
{
  analysis a = begin(c);
  uint8_t *done = NULL;
  int64_t tiles = facet_plan_tiles(c->plan), left = 0;
  facet_status status = FACET_OK;
  a.rank = facet_rank(c->comm);
  a.ranks = facet_ranks(c->comm);
  FACET_NEW_GO(agree, status, done, tiles);
  FACET_GO(agree, status, facet_store_marks(c->store, done));
  FACET_GO(agree, status, analysis_prepare(&a));
  for (int64_t i = 0; i < tiles; i++)
    left += !done[i];
  status = facet_progress_begin(&a.progress, "analyse", "tiles", left, a.rank != 0);
agree:;
  facet_status agreed = facet_agree(c->comm, status);
  if (status == FACET_OK && agreed == FACET_OK) { /* the first says so for this rank, the second for all */
    status = run_tiles(&a, done);
    drain_progress(&a);
    agreed = facet_agree(c->comm, status);
  }
  facet_progress_end(&a.progress);
  analysis_clear(&a);
  facet_free(&done);
  return agreed;
}

/* ---- memory ---- */

static facet_status bench_memory(analysis *a, int variant, bool linear, size_t before, size_t *most)
{
  FACET_TRY(enter_variant(a, variant));
  FACET_TRY(set_bench(a, linear));
  if (linear)
    FACET_TRY(facet_executor_ready(a->bench.executor));
  size_t bytes = facet_memory_in_use() - before;
  *most = bytes > *most ? bytes : *most;
  return FACET_OK;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  analysis a = begin(c);
  facet_kernels_release();
  size_t before = facet_memory_in_use(), most = 0;
  facet_status status = analysis_prepare(&a);
  int last[2] = {-1, -1}; /* the variants of the last tiles without and with linearization: tiles come by variant */
  for (int64_t i = 0; i < facet_plan_tiles(c->plan) && status == FACET_OK; i++) {
    facet_tile t = facet_plan_tile(c->plan, i);
    if (last[t.linear > 0] == t.variant)
      continue;
    last[t.linear > 0] = t.variant;
    status = bench_memory(&a, t.variant, t.linear > 0, before, &most);
  }
  analysis_clear(&a);
  *bytes = (double)most;
  return status;
}

/* Linearizing costs about a forward pass for each row and one more (measured on ResNet-20 and the demo's network). */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *s = &c->plan->store;
  double samples = (double)s->samples;
  *sum = speeds->corrupting * samples * s->variants / ranks;
  for (int v = 0; v < s->variants; v++) {
    double passes = samples * s->conditions;
    if (s->variant[v].linearize)
      passes += (double)(s->linear_samples * (s->linear_rows + 1));
    *sum += speeds->forward[v] * passes / ranks;
  }
  return FACET_OK;
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return plan->blocks > 0;
}

static facet_status plan_own(const facet_study *study, const facet_study_data *data, const facet_family *family,
                             int ranks, facet_plan *plan)
{
  (void)data, (void)family, (void)ranks;
  facet_store_plan *s = &plan->store;
  if (!study->linearize.wanted)
    return FACET_OK;
  s->linear_samples = study->linearize.samples ? study->linearize.samples : s->samples;
  s->linear_rows = facet_rows_count(study->linearize.rows, study->linearize.top, s->classes);
  for (int v = 0; v < s->variants; v++) {
    s->variant[v].linearize = study->linearize.variants.count == 0;
    for (int i = 0; i < study->linearize.variants.count; i++)
      if (strcmp(study->linearize.variants.item[i], s->variant[v].name) == 0)
        s->variant[v].linearize = true;
  }
  return FACET_OK;
}

const facet_stage facet_stage_analyse = {.name = "analyse",
                                         .marks = "V, C, block",
                                         .wanted = wanted,
                                         .plan = plan_own,
                                         .memory = memory,
                                         .seconds = seconds,
                                         .run = run};
