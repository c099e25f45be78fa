/* The stage encoder: the encoder of a parametric t-SNE (van der Maaten 2009), trained once, for the map of all variants
 * and conditions. Fixed batches, whose joint probabilities are made once and kept where there is room, and a gradient
 * step for each in turn. The encoder goes to <output>/embed/encoder.onnx, with the features' mean and scale folded into
 * its first layer, and is not trained again where that is there; what is logged goes to the store epoch by epoch.
 *
 * Every rank has its piece of each batch; nothing but positions and gradients of weights travels between them. */
#include "embed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "embed/tsne_step.h"
#include "embed_samples.h"
#include "embed_time.h"
#include "ranks/agree.h"
#include "reuse.h"
#include "study/data.h"
#include "train/checkpoint.h"
#include "train/method_run.h"
#include "train/record.h"

/* HEAD: of a checkpoint, before the encoder's own numbers. */
enum { CHECKPOINT_SECONDS = 20, HEAD = 7 };
#define ENCODER_FILE       "%s/embed/encoder.onnx"
#define ENCODER_RECORD     "%s/embed/encoder.record"
#define ENCODER_CHECKPOINT "%s/embed/encoder.checkpoint"

typedef struct {
  MPI_Comm comm;
  int ranks;
  const facet_plan *plan;
  const facet_settings *settings;
  const facet_embedding *keys;
  facet_store *store;
  facet_embed_samples from;
  facet_affinity *affinity;   /* of each batch that is held; of others they are made at every visit */
  facet_blockmatrix *blurred; /* a batch, with noise */
  facet_grid *grid;
  facet_encoder *encoder;
  facet_encoder_shape shape;
  double *y, *dy; /* positions of a batch, and the loss by them */
  double alpha, alpha_moment[2];
  int64_t state_size;
  double *state; /* of a checkpoint: what is done, alpha and its moments, the encoder's */
  char *checkpoint;
  char digest[65]; /* of what the training follows from */
  facet_progress *progress;
} training;

static void training_clear(training *t)
{
  for (int i = 0; t->affinity && i < t->from.batches; i++)
    facet_affinity_clear(&t->affinity[i]);
  facet_embed_samples_clear(&t->from);
  facet_blockmatrix_destroy(&t->blurred);
  facet_encoder_destroy(&t->encoder);
  facet_grid_destroy(&t->grid);
  FACET_FREE(&t->affinity, &t->y, &t->dy, &t->state, &t->checkpoint);
  facet_progress_end(&t->progress);
}

/* ---- making ready ---- */

/* Of a rank's part of so many samples. */
static double features_bytes(const facet_plan *plan, int ranks, int64_t samples)
{
  return ceil((double)samples / ranks) * (double)plan->store.embed_inputs *
         (double)facet_type_size(plan->store.settings->precision);
}

int64_t facet_embed_batches_kept(const facet_plan *plan, int ranks)
{
  const facet_settings *s = plan->store.settings;
  int64_t samples = plan->store.embed_train, inputs = plan->store.embed_inputs;
  int64_t batches = facet_embed_batches(&plan->keys->embed, samples),
          most = facet_embed_largest(&plan->keys->embed, samples);
  double room = (double)s->memory - facet_affinity_peak(ranks, s->precision, most, inputs);
  double kept = floor(room / (facet_affinity_bytes(ranks, s->precision, most) + features_bytes(plan, ranks, most)));
  return kept < 0 ? -1 : kept < (double)batches ? (int64_t)kept : batches;
}

facet_encoder_shape facet_embed_shape(const facet_plan *plan)
{
  const facet_embedding *e = &plan->keys->embed;
  facet_encoder_shape shape = {
      .real = plan->store.settings->precision, .layers = e->layers.count + 1, .size = {plan->store.embed_inputs}};
  for (int i = 0; i < e->layers.count; i++)
    shape.size[i + 1] = e->layers.item[i];
  shape.size[shape.layers] = e->dimensions;
  return shape;
}

/* What the plan says that the encoder follows from, and the ranks. */
static facet_status find_digest(const facet_plan *plan, char digest[65])
{
  const facet_store_stage *stage = plan->store.stage;
  while (strcmp(stage->name, facet_stage_encoder.name) != 0)
    stage++;
  char *all = facet_format("%s %s %d", stage->follows, plan->store.made, plan->ranks);
  facet_status status = all ? facet_sha256_bytes(all, strlen(all), digest) : FACET_OS;
  facet_free(&all);
  return status;
}

static facet_status prepare_own(training *t)
{
  FACET_TRY(facet_embed_samples_deal(&t->from));
  FACET_NEW(t->affinity, t->from.batches);
  FACET_NEW(t->y, t->from.largest * t->keys->dimensions);
  FACET_NEW(t->dy, t->from.largest * t->keys->dimensions);
  t->checkpoint = facet_format(ENCODER_CHECKPOINT, t->settings->output);
  return t->checkpoint ? find_digest(t->plan, t->digest) : FACET_OS;
}

static facet_status prepare(training *t)
{
  FACET_AGREE(t->comm, prepare_own(t));
  FACET_TRY(facet_grid_create(t->comm, t->ranks, 1, &t->grid));
  FACET_TRY(facet_encoder_create(t->grid, &t->shape, t->settings->seed, &t->encoder));
  t->state_size = HEAD + facet_encoder_state_size(t->encoder);
  t->state = facet_allocate((size_t)t->state_size, sizeof *t->state);
  FACET_AGREE(t->comm, t->state ? FACET_OK : FACET_OS);
  return facet_embed_samples_take(t->comm, t->encoder, &t->from);
}

/* ---- training ---- */

static double rate_at(const training *t, int epoch, int step)
{
  double done = (epoch + (double)step / t->from.batches) / t->keys->epochs;
  return t->keys->schedule == FACET_SCHEDULE_COSINE ? t->keys->rate * (1 + cos(3.14159265358979323846 * done)) / 2
                                                    : t->keys->rate;
}

/* Adam for ln alpha, which keeps it positive. */
static void move_alpha(training *t, double by_alpha, double rate, double count)
{
  double gradient = by_alpha * t->alpha, *m = t->alpha_moment;
  m[0] = 0.9 * m[0] + 0.1 * gradient;
  m[1] = 0.999 * m[1] + 0.001 * gradient * gradient;
  t->alpha *= exp(-rate * (m[0] / (1 - pow(0.9, count))) / (sqrt(m[1] / (1 - pow(0.999, count))) + 1e-8));
}

/* The batch with noise, other noise at every visit: neighbourhoods are learned, not only the samples in them, and so
 * new samples come to lie near those that they are like. */
static facet_status blur(training *t, const facet_embed_batch *b, int epoch)
{
  facet_encoder_noise noise = {
      .random = {t->settings->seed, FACET_STREAM_EMBED_NOISE},
      .deviation = t->keys->noise,
      .visit = epoch,
      .sample = facet_embed_samples_of(&t->from, b, facet_blockmatrix_row(b->x, 0), b->x->local_rows)};
  facet_blockmatrix_destroy(&t->blurred);
  FACET_TRY(facet_encoder_input(t->encoder, b->count, &t->blurred));
  facet_encoder_blur(b->x, &noise, t->blurred);
  return FACET_OK;
}

static facet_status step(training *t, int epoch, int number, double *loss, double *norm)
{
  const facet_embed_batch *b = &t->from.batch[number];
  facet_affinity *affinity = &t->affinity[number];
  const facet_embedding *e = t->keys;
  facet_tsne_gradient g = {.y = t->dy};
  double gradient, rate = rate_at(t, epoch, number), factor = epoch < e->exaggeration_epochs ? e->exaggeration : 1;
  FACET_TRY(facet_embed_samples_enter(t->comm, t->encoder, &t->from, number));
  if (!affinity->p)
    FACET_TRY(facet_affinity_make(b->x, e->perplexity, affinity));
  if (e->noise > 0)
    FACET_TRY(blur(t, b, epoch));
  FACET_TRY(facet_encoder_forward(t->encoder, e->noise > 0 ? t->blurred : b->x, t->y));
  FACET_TRY(facet_tsne_step(affinity, e->dimensions, t->y, t->alpha, e->learn_alpha, factor, &g));
  FACET_TRY(facet_encoder_backward(t->encoder, g.y, &gradient));
  FACET_CHECK(isfinite(g.loss) && isfinite(gradient), FACET_BAD_INPUT,
              "%s:%d: embed.rate: the loss is no longer finite in epoch %d: a smaller rate may help", t->settings->file,
              e->line, epoch + 1);
  const facet_optimizer optimizer = e->optimizer == FACET_EMBED_ADAM ? FACET_ADAM : FACET_MOMENTUM;
  facet_encoder_move(t->encoder, (facet_encoder_step){optimizer, rate, e->momentum});
  if (e->learn_alpha)
    move_alpha(t, g.alpha, rate, (double)epoch * t->from.batches + number + 1);
  if (number >= t->from.held)
    facet_affinity_clear(affinity);
  facet_embed_samples_leave(&t->from, number);
  *loss += g.loss / t->from.batches;
  *norm += gradient / t->from.batches;
  return FACET_OK;
}

/* What is done: epochs, steps of one that was begun, and the means of these so far. */
typedef struct {
  int epochs, steps;
  double loss, norm;
} progress;

static facet_status save(training *t, progress done)
{
  const double head[HEAD] = {done.epochs, done.steps,         done.loss,         done.norm,
                             t->alpha,    t->alpha_moment[0], t->alpha_moment[1]};
  memcpy(t->state, head, sizeof head);
  FACET_TRY(facet_encoder_save(t->encoder, t->state + HEAD));
  facet_piece piece = {t->state, (size_t)t->state_size * sizeof *t->state};
  bool own = facet_rank(t->comm) == 0;
  int64_t steps = (int64_t)done.epochs * t->from.batches + done.steps;
  return facet_agree(t->comm, own ? facet_checkpoint_write(t->checkpoint, t->digest, steps, 1, &piece) : FACET_OK);
}

static facet_status load(training *t, progress *done)
{
  bool found;
  facet_piece piece = {t->state, (size_t)t->state_size * sizeof *t->state};
  *done = (progress){0};
  FACET_TRY(facet_checkpoint_share(t->comm, t->checkpoint, t->digest, 1, &piece, &found));
  if (!found)
    return FACET_OK;
  *done = (progress){(int)t->state[0], (int)t->state[1], t->state[2], t->state[3]};
  t->alpha = t->state[4];
  memcpy(t->alpha_moment, t->state + 5, sizeof t->alpha_moment);
  facet_encoder_load(t->encoder, t->state + HEAD);
  return FACET_OK;
}

/* Anybody's signal, after any step, and rank 0's clock, after an epoch, count for all: everybody saves, or nobody. */
static facet_status pause_after_step(training *t, progress done, double *saved)
{
  int what[2] = {facet_interrupted(), done.steps == 0 && facet_seconds() - *saved > CHECKPOINT_SECONDS};
  FACET_TRY(facet_largest(t->comm, &what[0], 1, "training"));
  if (done.steps == 0)
    FACET_TRY(facet_share(t->comm, &what[1], 1, "training"));
  if (!what[0] && !what[1])
    return FACET_OK;
  FACET_TRY(save(t, done));
  *saved = facet_seconds();
  return what[0] ? facet_raise(FACET_INTERRUPTED, "interrupted; run the same command again to go on") : FACET_OK;
}

/* Loss, norm of the gradient, rate and alpha. */
static facet_status store_epoch(const training *t, int epoch, const double log[4])
{
  static const facet_row row[] = {FACET_ROW_EMBED_LOSS, FACET_ROW_EMBED_GRADIENT, FACET_ROW_EMBED_RATE,
                                  FACET_ROW_EMBED_ALPHA};
  for (int i = 0; i < 4; i++)
    FACET_TRY(facet_store_put(t->store, row[i], (facet_place){.part = {{epoch, 1}}}, &log[i]));
  return FACET_OK;
}

static facet_status train_epoch(training *t, progress *done, double *saved)
{
  int64_t before = (int64_t)done->epochs * t->from.batches;
  while (done->steps < t->from.batches) {
    FACET_TRY(step(t, done->epochs, done->steps, &done->loss, &done->norm));
    facet_progress_at(t->progress, before + ++done->steps);
    if (done->steps < t->from.batches)
      FACET_TRY(pause_after_step(t, *done, saved));
  }
  facet_progress_note(t->progress, "loss %.4f", done->loss);
  const double log[4] = {done->loss, done->norm, rate_at(t, done->epochs, 0), t->alpha};
  FACET_AGREE(t->comm, facet_rank(t->comm) == 0 ? store_epoch(t, done->epochs, log) : FACET_OK);
  *done = (progress){.epochs = done->epochs + 1};
  return pause_after_step(t, *done, saved);
}

static facet_status train(training *t)
{
  progress done;
  double saved = facet_seconds();
  FACET_TRY(load(t, &done));
  int64_t steps = (int64_t)t->keys->epochs * t->from.batches;
  FACET_AGREE(t->comm, facet_progress_begin(&t->progress, "encoder", "steps", steps, facet_rank(t->comm) != 0));
  facet_progress_at(t->progress, (int64_t)done.epochs * t->from.batches + done.steps);
  while (done.epochs < t->keys->epochs)
    FACET_TRY(train_epoch(t, &done, &saved));
  return save(t, done);
}

/* Mean and scale of the features go into the first layer: w (h - mean) / scale + b. */
static facet_status fold(const training *t, facet_network **encoder)
{
  double *numbers = t->state + HEAD;
  int64_t outputs = t->shape.size[1];
  for (int64_t j = 0; j < outputs; j++) {
    double *bias = &numbers[t->from.features * outputs + j];
    for (int64_t i = 0; i < t->from.features; i++) {
      double *w = &numbers[i * outputs + j];
      *w /= t->from.scale;
      *bias -= *w * t->from.mean[i];
    }
  }
  facet_shape flat = {1, {t->from.features}};
  return facet_network_dense(flat, t->shape.layers, t->shape.size, numbers, encoder);
}

/* ---- where the training samples came to lie ---- */

static facet_status store_labels(const training *t, const facet_embed_batch *b, const int64_t *order)
{
  facet_status status = FACET_OK;
  int32_t *label;
  FACET_NEW(label, b->count);
  for (int64_t i = 0; i < b->count && status == FACET_OK; i++)
    status = facet_dataset_labels(t->from.data, order[i], 1, &label[i]);
  if (status == FACET_OK)
    status =
        facet_store_put(t->store, FACET_ROW_EMBED_TRAIN_LABEL, (facet_place){.part = {{b->first, b->count}}}, label);
  facet_free(&label);
  return status;
}

static facet_status store_batch(training *t, const facet_embed_batch *b)
{
  const facet_place at = {.part = {{b->first, b->count}}};
  const int64_t *order = facet_embed_samples_of(&t->from, b, 0, b->count);
  FACET_TRY(facet_store_put(t->store, FACET_ROW_EMBED_TRAIN_SAMPLE, at, order));
  FACET_TRY(store_labels(t, b, order));
  return facet_store_put(t->store, FACET_ROW_EMBED_TRAIN_POSITION, at, t->y);
}

static facet_status store_positions(training *t)
{
  for (int i = 0; i < t->from.batches; i++) {
    FACET_TRY(facet_embed_samples_enter(t->comm, t->encoder, &t->from, i));
    FACET_TRY(facet_encoder_forward(t->encoder, t->from.batch[i].x, t->y));
    facet_embed_samples_leave(&t->from, i);
    facet_status status = facet_interrupt_check();
    if (status == FACET_OK && facet_rank(t->comm) == 0)
      status = store_batch(t, &t->from.batch[i]);
    FACET_AGREE(t->comm, status);
  }
  const facet_place all = {0};
  return facet_agree(t->comm, facet_rank(t->comm) == 0
                                  ? facet_store_put(t->store, FACET_ROW_EMBED_RANKS, all, &(int32_t){t->ranks})
                                  : FACET_OK);
}

static const facet_member *member_named(const facet_family *family, const char *name)
{
  for (int i = 0; i < family->count; i++)
    if (strcmp(family->member[i].variant.name, name) == 0)
      return &family->member[i];
  return NULL;
}

static facet_status describe(const facet_context *c, int ranks, training *t)
{
  const facet_plan *plan = c->plan;
  const facet_settings *settings = plan->store.settings;
  const facet_embedding *e = &plan->keys->embed;
  *t = (training){.comm = c->comm,
                  .ranks = ranks,
                  .plan = plan,
                  .settings = settings,
                  .keys = e,
                  .store = c->store,
                  .from = {.plan = plan,
                           .data = c->data->train ? c->data->train : c->data->test,
                           .member = member_named(c->family, e->variant),
                           .count = plan->store.embed_train,
                           .held = facet_embed_batches_kept(plan, ranks),
                           .features = plan->store.embed_inputs},
                  .shape = facet_embed_shape(plan),
                  .alpha = e->alpha};
  FACET_CHECK(t->from.member, FACET_BAD_INPUT, "%s:%d: embed.variant: %s was not made", settings->file, e->line,
              e->variant);
  return FACET_OK;
}

static facet_status write_with_record(const facet_plan *plan, const uint8_t *bytes, size_t count, const char *file)
{
  facet_record record = {.seconds = NAN};
  char *path = facet_format(ENCODER_RECORD, plan->store.settings->output);
  facet_status status = path ? find_digest(plan, record.from[FACET_FROM_RECIPE]) : FACET_OS;
  if (status == FACET_OK)
    status = facet_sha256_bytes(bytes, count, record.network);
  if (status == FACET_OK)
    status = facet_record_write(path, &record);
  facet_free(&path);
  return status == FACET_OK ? facet_write_file(file, bytes, count) : status;
}

/* Rank 0. The record comes before the network, and goes after it: what has a file has a record. */
static facet_status write_encoder(const facet_plan *plan, const facet_network *encoder, const char *file)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_onnx_write_bytes(encoder, &bytes, &count));
  facet_status status = write_with_record(plan, bytes, count, file);
  facet_free(&bytes);
  return status;
}

static facet_status train_and_write(const facet_context *c, const char *file)
{
  facet_network *encoder = NULL;
  training t;
  facet_status status;
  FACET_GO(done, status, describe(c, facet_ranks(c->comm), &t));
  FACET_GO(done, status, prepare(&t));
  FACET_GO(done, status, train(&t));
  FACET_GO(done, status, store_positions(&t));
  status = facet_agree(c->comm, fold(&t, &encoder));
done:
  training_clear(&t);
  if (status == FACET_OK)
    status = facet_store_sync(c->store); /* its log and the training samples' positions come before it */
  if (status == FACET_OK)
    status = facet_agree(c->comm, facet_rank(c->comm) == 0 ? write_encoder(c->plan, encoder, file) : FACET_OK);
  facet_network_destroy(&encoder);
  return status;
}

facet_status facet_embed_read(const facet_settings *settings, facet_network **encoder)
{
  char *file = facet_format(ENCODER_FILE, settings->output);
  facet_status status = file ? facet_onnx_read(file, encoder) : FACET_OS;
  facet_free(&file);
  return status;
}

/* What is drawn with an encoder, whose last digits are another's where other ranks train it anew. */
static const char *const drawn[] = {"map", "judge"};

/* Collective. Whether it was trained once, and what was logged of that, or where its samples came to lie, is lost. */
static facet_status share_spoilt(const facet_context *c, int *spoilt)
{
  bool found = false;
  FACET_AGREE(c->comm,
              facet_rank(c->comm) == 0 ? facet_store_spoilt(c->store, facet_stage_encoder.name, 0, &found) : FACET_OK);
  *spoilt = found;
  return facet_share(c->comm, spoilt, 1, "looking at the encoder's training");
}

/* Rank 0. Whether the encoder, if there is one, is what its record says; says if it is not. */
static facet_status find_whole(const facet_settings *settings, bool *whole)
{
  char *file = facet_format(ENCODER_FILE, settings->output), *path = facet_format(ENCODER_RECORD, settings->output);
  facet_status status = file && path ? FACET_OK : FACET_OS;
  *whole = true;
  if (status == FACET_OK && facet_exists(file)) {
    const facet_record record = facet_record_read(path);
    status = facet_record_holds(&record, file, whole);
  }
  if (status == FACET_OK && !*whole)
    fprintf(stderr, "facet: %s does not hold the digest in its record, and is made anew\n", file);
  FACET_FREE(&file, &path);
  return status;
}

static facet_status share_whole(const facet_context *c, int *whole)
{
  bool is = true;
  FACET_AGREE(c->comm, facet_rank(c->comm) == 0 ? find_whole(c->plan->store.settings, &is) : FACET_OK);
  *whole = is;
  return facet_share(c->comm, whole, 1, "looking at the encoder");
}

/* Rank 0. What a training would have gone on from. */
static facet_status drop_damaged_checkpoint(const facet_settings *settings)
{
  char *path = facet_format(ENCODER_CHECKPOINT, settings->output);
  bool holds = true;
  facet_status status = path ? FACET_OK : FACET_OS;
  if (status == FACET_OK && facet_exists(path))
    status = facet_checkpoint_holds(path, &holds);
  if (status == FACET_OK && !holds) {
    fprintf(stderr, "facet: %s does not hold its checksum, and is removed\n", path);
    facet_checkpoint_remove(path);
  }
  facet_free(&path);
  return status;
}

/* What is drawn with it is drawn anew, too: that it was trained once stays known. */
static facet_status hold(const facet_context *c)
{
  int whole;
  FACET_AGREE(c->comm, facet_rank(c->comm) == 0 ? drop_damaged_checkpoint(c->plan->store.settings) : FACET_OK);
  FACET_TRY(share_whole(c, &whole));
  return whole ? FACET_OK : facet_store_forget(c->store, facet_stage_encoder.name, NULL, NULL);
}

static facet_status remove_checkpoint(const facet_settings *settings)
{
  char *checkpoint = facet_format(ENCODER_CHECKPOINT, settings->output);
  FACET_CHECK(checkpoint, FACET_OS, "out of memory");
  facet_checkpoint_remove(checkpoint);
  facet_free(&checkpoint);
  return FACET_OK;
}

/* So that it is trained from the beginning. */
static facet_status remove_all(const facet_settings *settings, const char *file)
{
  FACET_TRY(remove_checkpoint(settings));
  facet_checkpoint_remove(file);
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  const facet_settings *settings = c->plan->store.settings;
  char *folder = facet_format("%s/embed", settings->output), *file = facet_format(ENCODER_FILE, settings->output);
  bool own = facet_rank(c->comm) == 0;
  int there = own && file && facet_exists(file), spoilt = 0, whole = 1;
  facet_status status = folder && file ? FACET_OK : FACET_OS;
  FACET_GO(done, status, facet_agree(c->comm, status == FACET_OK && own ? facet_make_folder(folder) : status));
  FACET_GO(done, status, facet_share(c->comm, &there, 1, "looking for the encoder"));
  FACET_GO(done, status, share_spoilt(c, &spoilt));
  if (!spoilt)
    FACET_GO(done, status, share_whole(c, &whole));
  if (spoilt || !whole) {
    FACET_GO(done, status, facet_agree(c->comm, own ? remove_all(settings, file) : FACET_OK));
    for (size_t i = 0; i < sizeof drawn / sizeof drawn[0]; i++)
      FACET_GO(done, status, facet_store_forget(c->store, drawn[i], NULL, NULL));
  }
  if (!there || spoilt || !whole)
    status = train_and_write(c, file);
  else /* a kill between the two leaves it beside the encoder */
    status = facet_agree(c->comm, own ? remove_checkpoint(settings) : FACET_OK);
done:
  FACET_FREE(&folder, &file);
  return status;
}

/* ---- taking it over ---- */

/* All that the study says of it but for what is drawn with it; its training samples; the network they go through. */
facet_status facet_embed_follows(const facet_context *c, FILE *out)
{
  const facet_store_plan *s = &c->plan->store;
  const facet_embedding *e = &c->plan->keys->embed;
  const facet_member *m = member_named(c->family, e->variant);
  const char *set = c->data->train ? "train_" : "test_";
  char *study = facet_study_identity(s->study_filled), *embed = study ? strstr(study, "\nembed:") : NULL;
  FACET_CHECK(study, FACET_OS, "out of memory");
  for (const char *line = embed ? embed + 1 : ""; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    if (line > embed + 1 && line[0] != ' ')
      break;
    if (strncmp(line, "  explain:", 10) != 0 && strncmp(line, "  variant:", 10) != 0)
      fprintf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
  }
  facet_free(&study);
  fprintf(out, "seed %u, %lld samples x %lld, network %s %s %s\n", s->settings->seed, (long long)s->embed_train,
          (long long)s->embed_inputs, m ? m->sha256 : "", m ? facet_input_layout_name(&m->input) : "",
          m ? facet_order_name(m->input.order) : "");
  for (int i = 0; i < c->data->origins; i++)
    if (strncmp(c->data->origin[i].name, set, strlen(set)) == 0)
      fprintf(out, "%s %s\n", c->data->origin[i].name, c->data->origin[i].sha256);
  return FACET_OK;
}

/* Both files that a version of the study before has left, under the names that they have now. */
static facet_status name_files(const facet_context *c, char *file[2])
{
  const char *aside = facet_reused_aside(c) ? ".before" : "", *output = c->plan->store.settings->output;
  file[0] = facet_format(ENCODER_RECORD "%s", output, aside);
  file[1] = facet_format(ENCODER_FILE "%s", output, aside);
  return file[0] && file[1] ? FACET_OK : FACET_OS;
}

facet_status facet_embed_same_ranks(const facet_context *c, bool *same)
{
  int32_t ranks;
  FACET_TRY(facet_before_number(facet_reused_from(c), FACET_ROW_EMBED_RANKS, 0, &ranks));
  *same = ranks == c->plan->ranks;
  return FACET_OK;
}

/* The file must be what its record and the store say. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  char *file[2] = {NULL, NULL}, digest[65];
  bool same = false;
  facet_status status = name_files(c, file);
  if (status == FACET_OK)
    status = find_digest(c->plan, digest);
  if (status == FACET_OK)
    status = facet_embed_same_ranks(c, &same);
  if (status == FACET_OK && take[0]) {
    facet_record record = facet_record_read(file[0]);
    take[0] = same && strcmp(record.from[FACET_FROM_RECIPE], digest) == 0 && facet_exists(file[1]);
    bool holds = true;
    if (take[0])
      status = facet_record_holds(&record, file[1], &holds);
    take[0] = take[0] && holds;
  }
  FACET_FREE(&file[0], &file[1]);
  return status;
}

static facet_status adopt(const facet_context *c)
{
  static const char *const own[] = {ENCODER_RECORD, ENCODER_FILE};
  char *file[2] = {NULL, NULL};
  facet_status status = name_files(c, file);
  for (int i = 0; i < 2 && status == FACET_OK; i++) {
    char *to = facet_format(own[i], c->plan->store.settings->output);
    if (!to || (facet_exists(file[i]) && rename(file[i], to) != 0))
      status = facet_raise(FACET_CANNOT_CREATE, "%s cannot be renamed", file[i]);
    facet_free(&to);
  }
  FACET_FREE(&file[0], &file[1]);
  return status;
}

/* ---- what it takes ---- */

/* Probabilities and what a pass needs, at the fullest: while those of the last batch are made, or when the state is
 * saved, which takes a copy of it. */
static double step_memory(const training *t, double state)
{
  int64_t most = t->from.largest, batches = t->from.batches;
  double last = facet_affinity_bytes(t->ranks, t->shape.real, most), kept = 0;
  double peak = facet_affinity_peak(t->ranks, t->shape.real, most, t->from.features);
  double pass = facet_encoder_pass_bytes(t->ranks, &t->shape, most);
  if (t->keys->noise > 0)
    pass += ceil((double)most / t->ranks) * (double)t->from.features * (double)facet_type_size(t->shape.real);
  for (int64_t i = 0; i + 1 < batches && i < t->from.held; i++)
    kept += facet_affinity_bytes(t->ranks, t->shape.real, t->from.batch[i].count);
  return kept + fmax(peak + (batches > 1 ? pass : 0), last + pass + state); /* the first comes before any pass */
}

static double train_memory(const training *t, double while_finding)
{
  int64_t held = t->from.held < t->from.batches ? t->from.held + 1 : t->from.batches; /* and the one whose turn it is */
  double state = 3 * sizeof *t->state * facet_encoder_parameters(&t->shape);
  double order = (double)t->from.largest * sizeof *t->from.order + 16.0 * FACET_SHUFFLE_WINDOW;
  double always = (double)held * features_bytes(t->plan, t->ranks, t->from.largest) + order + state +
                  facet_encoder_bytes(t->ranks, &t->shape);
  return always + fmax(while_finding, step_memory(t, state));
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  training t;
  double while_finding = 0;
  facet_status status = describe(c, ranks, &t);
  if (status == FACET_OK)
    status = facet_embed_samples_memory(&t.from, &while_finding);
  if (status == FACET_OK)
    status = facet_embed_samples_deal(&t.from);
  if (status == FACET_OK)
    *bytes = train_memory(&t, while_finding) + FACET_BLAS_BYTES;
  training_clear(&t);
  return status;
}

/* Features of each rank here, of batches that are not held. */
static double nameless(const facet_plan *plan, int ranks, int here)
{
  int64_t samples = plan->store.embed_train, batches = facet_embed_batches(&plan->keys->embed, samples);
  double left = (double)(batches - facet_embed_batches_kept(plan, ranks));
  return here * left * features_bytes(plan, ranks, facet_embed_largest(&plan->keys->embed, samples));
}

/* ---- the stage ---- */

bool facet_embed_wanted(const facet_plan *plan)
{
  return plan->store.embed_axes > 0;
}

/* How many samples the encoder is trained on, and how many numbers each has: those of the feature, or of the pixels. */
static facet_status find_source(const facet_study_data *data, const facet_family *family, facet_plan *plan)
{
  const facet_embedding *e = &plan->keys->embed;
  facet_store_plan *s = &plan->store;
  const facet_dataset *d = data->train ? data->train : data->test;
  s->embed_train = e->samples ? e->samples : d->count;
  s->embed_inputs = facet_image_inputs(d->image);
  const facet_member *of = e->source == FACET_SOURCE_FEATURES ? member_named(family, e->variant) : NULL;
  if (of)
    s->embed_inputs = facet_network_features(of->network, NULL);
  FACET_CHECK(s->embed_inputs > 0, FACET_BAD_INPUT,
              "%s:%d: embed.source: %s does not end in a linear node, so it has no features", s->settings->file,
              e->line, e->variant);
  return FACET_OK;
}

static facet_status fits(const facet_plan *plan, int ranks)
{
  const facet_settings *s = plan->store.settings;
  if (facet_embed_batches_kept(plan, ranks) >= 0)
    return FACET_OK;
  int64_t most = facet_embed_largest(&plan->keys->embed, plan->store.embed_train);
  double needed = facet_affinity_peak(ranks, s->precision, most, plan->store.embed_inputs);
  return facet_raise(FACET_BAD_INPUT,
                     "%s:%d: embed.batch: %lld samples take %.0f MiB for each of %d rank%s, but memory is %.0f MiB",
                     s->file, plan->keys->embed.line, (long long)most, needed / 0x1p20, ranks, ranks == 1 ? "" : "s",
                     (double)s->memory / 0x1p20);
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  facet_store_plan *s = &plan->store;
  if (!plan->keys->embed.wanted)
    return FACET_OK;
  FACET_TRY(find_source(data, family, plan));
  s->embed_axes = plan->keys->embed.dimensions;
  s->embed_epochs = plan->keys->embed.epochs;
  return fits(plan, ranks); /* before hours of work that come first */
}

const facet_stage facet_stage_encoder = {.name = "encoder",
                                         .marks = "",
                                         .wanted = facet_embed_wanted,
                                         .plan = plan_own,
                                         .memory = memory,
                                         .nameless = nameless,
                                         .seconds = facet_embed_seconds,
                                         .follows = facet_embed_follows,
                                         .still = still,
                                         .adopt = adopt,
                                         .hold = hold,
                                         .run = run};
