/* Tiles: predictions, geometry and linearizations of a block of samples under one variant and condition.
 *
 * Which rank takes a tile changes nothing in it: batches are fixed by the plan.  Tiles with linearizations and tiles
 * without are dealt out in turn, each kind by itself, so every rank has its share of both to the end. */
#include "analyse.h"

#include <math.h>
#include <string.h>

#include "agree.h"

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
  facet_executor *forward, *linear;
  /* one tile's buffers */
  float *pixels;
  void *x;
  double *exact; /* x in double: for gates within rounding of 0 */
  double *logits, *loss, *feature, *angle, *length, *margin, *cosine;
  int32_t *predicted, *row;
  facet_linearization result;
  /* progress */
  facet_progress *progress;
  int64_t own_done, others_done;
} analysis;

static void leave_variant(analysis *a)
{
  facet_executor_destroy(&a->forward);
  facet_executor_destroy(&a->linear);
  facet_head_clear(&a->head);
  facet_free(&a->feature);
  a->variant = -1;
}

static void analysis_clear(analysis *a)
{
  leave_variant(a);
  void *owned[] = {
      &a->pixels,     &a->x,         &a->logits, &a->loss,     &a->angle,    &a->length,        &a->margin,
      &a->cosine,     &a->predicted, &a->row,    &a->result.w, &a->result.b, &a->result.b_node, &a->result.residual,
      &a->result.ties};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
}

static facet_status analysis_prepare(analysis *a)
{
  const facet_store_plan *s = &a->plan->store;
  int64_t n = s->block, d = a->plan->inputs, k = s->linear_rows, nodes = 0;
  size_t real = facet_type_size(a->study->precision);
  for (int i = 0; i < s->variants; i++)
    nodes = s->variant[i].constant_nodes > nodes ? s->variant[i].constant_nodes : nodes;
  FACET_NEW(a->pixels, n * d);
  FACET_NEW(a->exact, n * d);
  if (!(a->x = facet_allocate((size_t)(n * d), real)) || !(a->result.w = facet_allocate((size_t)(n * k * d), real)))
    return FACET_OS;
  FACET_NEW(a->logits, n * s->classes);
  FACET_NEW(a->loss, n);
  FACET_NEW(a->angle, n);
  FACET_NEW(a->length, n);
  FACET_NEW(a->margin, n);
  FACET_NEW(a->cosine, n * s->classes);
  FACET_NEW(a->predicted, n);
  FACET_NEW(a->row, n * k);
  FACET_NEW(a->result.b, n * k);
  FACET_NEW(a->result.b_node, n * k * nodes);
  FACET_NEW(a->result.residual, n);
  FACET_NEW(a->result.ties, n);
  return FACET_OK;
}

static facet_status enter_variant(analysis *a, int variant)
{
  if (a->variant == variant)
    return FACET_OK;
  leave_variant(a);
  const facet_network *network = a->family->member[variant].network;
  a->has_head = facet_network_head(network, &a->head) == FACET_OK;
  FACET_NEW(a->feature, a->plan->store.block * a->head.features);
  a->variant = variant;
  return FACET_OK;
}

/* The executor of the present variant for tiles with or without linearization, made at first need. */
static facet_status get_executor(analysis *a, bool linear, facet_executor **executor)
{
  facet_executor **mine = linear ? &a->linear : &a->forward;
  facet_executor_options options = {.real = a->study->precision,
                                    .batch = linear ? a->plan->linear_batch : a->plan->forward_batch,
                                    .rows = linear ? a->plan->linear_chunk : 0};
  if (!*mine)
    FACET_TRY(facet_executor_create(a->family->member[a->variant].network, options, mine));
  *executor = *mine;
  return FACET_OK;
}

/* The tile's samples: pixels of the condition, and x. */
static facet_status load_samples(analysis *a, const facet_tile *t)
{
  const facet_dataset *d = a->data->test;
  facet_condition c = a->study->condition[t->condition];
  facet_dataset_pixels(d, t->first, t->count, a->pixels);
  if (t->condition == 0 && t->variant == 0)
    FACET_TRY(facet_store_images(a->store, t->first, t->count, a->pixels));
  FACET_TRY(facet_corrupt(c.corruption, c.severity, a->study->seed, a->study->normalize.scale, d->channels, d->height,
                          d->width, t->first, t->count, a->pixels));
  int64_t plane = d->height * d->width;
  facet_normalize_double(&a->study->normalize, d->channels, plane, t->count, a->pixels, a->exact);
  if (a->study->precision == FACET_F64)
    memcpy(a->x, a->exact, (size_t)(t->count * a->plan->inputs) * sizeof *a->exact);
  else
    facet_normalize(&a->study->normalize, d->channels, plane, t->count, a->pixels, a->x);
  return FACET_OK;
}

/* Forward (and linearization of the first t->linear samples) in the executor's batches. */
static facet_status run_samples(analysis *a, const facet_tile *t)
{
  const facet_store_plan *s = &a->plan->store;
  facet_executor *executor;
  FACET_TRY(get_executor(a, t->linear > 0, &executor));
  int64_t batch = facet_executor_settings(executor).batch, d = a->plan->inputs, k = s->linear_rows;
  size_t real = facet_type_size(a->study->precision);
  int nodes = facet_executor_constant_nodes(executor);
  for (int64_t i = 0; i < t->count; i += batch) {
    int64_t count = t->count - i < batch ? t->count - i : batch;
    const void *x = (const char *)a->x + (size_t)(i * d) * real;
    FACET_TRY(facet_executor_forward(executor, x, count));
    FACET_TRY(facet_executor_output(executor, a->logits + i * s->classes));
    if (a->has_head)
      FACET_TRY(facet_executor_value(executor, a->head.feature, a->feature + i * a->head.features));
    if (i >= t->linear)
      continue;
    FACET_TRY(facet_executor_settle(executor, a->exact + i * d));
    facet_rows_choose(a->study->rows, k, s->classes, a->logits + i * s->classes, count, a->row + i * k);
    facet_linearization part = {.w = (char *)a->result.w + (size_t)(i * k * d) * real,
                                .b = a->result.b + i * k,
                                .b_node = a->result.b_node + i * k * nodes,
                                .residual = a->result.residual + i,
                                .ties = a->result.ties + i};
    FACET_TRY(facet_linearize(executor, x, count, k, a->row + i * k, &part));
  }
  return FACET_OK;
}

static void measure(analysis *a, const facet_tile *t)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = 0; i < t->count; i++) {
    const double *logits = a->logits + i * classes;
    int32_t y = a->data->test->label[t->first + i];
    facet_rows_choose(FACET_ROWS_PREDICTED, 1, classes, logits, 1, &a->predicted[i]);
    if (a->has_head) { /* the last linear node in double: the loss is that of the geometry, to the last digit */
      facet_geometry(&a->head, a->feature + i * a->head.features, y, &a->angle[i], &a->length[i], &a->margin[i],
                     a->cosine + i * classes);
      a->loss[i] = facet_loss_from_geometry(&a->head, a->length[i], a->cosine + i * classes, y);
      continue;
    }
    a->loss[i] = facet_cross_entropy(logits, classes, y);
    a->angle[i] = a->length[i] = a->margin[i] = NAN;
    for (int64_t k = 0; k < classes; k++)
      a->cosine[i * classes + k] = NAN;
  }
}

static facet_status finite_logits(const analysis *a, const facet_tile *t)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = 0; i < t->count * classes; i++)
    FACET_CHECK(isfinite(a->logits[i]), FACET_BAD_INPUT, "%s: the logits of sample %lld are not finite",
                a->family->member[t->variant].file, (long long)(t->first + i / classes));
  return FACET_OK;
}

static facet_status run_tile(analysis *a, const facet_tile *t)
{
  FACET_TRY(enter_variant(a, t->variant));
  FACET_TRY(load_samples(a, t));
  FACET_TRY(run_samples(a, t));
  FACET_TRY(finite_logits(a, t));
  measure(a, t);
  FACET_TRY(facet_store_predictions(a->store, t->variant, t->condition, t->first, t->count, a->logits, a->predicted,
                                    a->loss));
  FACET_TRY(facet_store_geometry(a->store, t->variant, t->condition, t->first, t->count, a->angle, a->length, a->margin,
                                 a->cosine));
  if (t->linear > 0)
    FACET_TRY(facet_store_linear(a->store, t->variant, t->first, t->linear, a->row, &a->result));
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

facet_status facet_analyse(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                           const facet_family *family, facet_store *store)
{
  analysis a = {.comm = comm,
                .rank = facet_rank(comm),
                .ranks = facet_ranks(comm),
                .plan = plan,
                .study = plan->store.study,
                .data = data,
                .family = family,
                .store = store,
                .variant = -1};
  uint8_t *done = NULL;
  int64_t tiles = facet_plan_tiles(plan), left = 0;
  facet_status status = FACET_OK;
  FACET_NEW_GO(agree, status, done, tiles);
  FACET_GO(agree, status, facet_store_marks(store, done));
  FACET_GO(agree, status, analysis_prepare(&a));
  for (int64_t i = 0; i < tiles; i++)
    left += !done[i];
  status = facet_progress_begin(&a.progress, "analyse", "tiles", left, a.rank != 0);
agree:;
  facet_status agreed = facet_agree(comm, status);
  if (status == FACET_OK && agreed == FACET_OK) { /* the first says so for this rank, the second for all */
    status = run_tiles(&a, done);
    drain_progress(&a);
    agreed = facet_agree(comm, status);
  }
  facet_progress_end(&a.progress);
  analysis_clear(&a);
  facet_free(&done);
  return agreed;
}
