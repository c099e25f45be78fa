/* The stage judge: figures of merit of the map, the nearest neighbour's label, trustworthiness and continuity of every
 * variant's positions of the clean test samples. */
#include <math.h>
#include <string.h>

#include "embed.h"
#include "feature.h"
#include "quality.h"
#include "ranks/agree.h"
#include "reuse.h"
#include "tiles.h"

/* WIDEST, SAMPLES, QUERIES: of what is timed. */
enum { NEIGHBOURS = 12, SUMMED_AT_ONCE = 1 << 24, WIDEST = 4096, SAMPLES = 1024, QUERIES = 128 };

typedef struct {
  const facet_context *context;
  MPI_Comm comm;
  const facet_store_plan *s;
  float *x; /* N x numbers: what the map is drawn from, of a variant's test samples */
  double *position, *reference;
  int32_t *label, *reference_label;
  uint8_t *done; /* per variant: 1 */
  facet_pixels *pixels;
  facet_features *reader; /* of a variant */
  double *feature;        /* of a few samples */
  facet_progress *progress;
} judgement;

static void judgement_clear(judgement *j)
{
  FACET_FREE(&j->x, &j->position, &j->reference, &j->label, &j->reference_label, &j->done);
  facet_pixels_destroy(&j->pixels);
  facet_progress_end(&j->progress);
}

static bool is_left(const judgement *j, int v)
{
  return !j->done[v] && j->s->variant[v].embed_nodes > 0;
}

static facet_status prepare(judgement *j)
{
  const facet_store_plan *s = j->s;
  FACET_TRY(facet_pixels_create(&j->context->plan->source, 0, &j->pixels));
  int left = 0;
  for (int v = 0; v < s->variants; v++)
    left += is_left(j, v);
  FACET_NEW(j->x, s->samples * s->embed_inputs);
  FACET_NEW(j->position, s->samples * s->embed_axes);
  FACET_NEW(j->reference, s->embed_train * s->embed_axes);
  FACET_NEW(j->label, s->samples);
  FACET_NEW(j->reference_label, s->embed_train);
  FACET_TRY(facet_dataset_labels(j->context->data->test, 0, s->samples, j->label));
  FACET_TRY(facet_store_get(j->context->store, FACET_ROW_EMBED_TRAIN_LABEL, (facet_place){0}, j->reference_label));
  FACET_TRY(facet_store_get(j->context->store, FACET_ROW_EMBED_TRAIN_POSITION, (facet_place){0}, j->reference));
  return facet_progress_begin(&j->progress, "judge", "variants", left, facet_rank(j->comm) != 0);
}

/* ---- what a map is drawn from ---- */

static facet_status find_some(void *self, int64_t first, int64_t count)
{
  judgement *j = self;
  FACET_TRY(facet_features_run(j->reader, j->s->clean, NULL, first, count, j->feature));
  for (int64_t k = 0; k < count * j->s->embed_inputs; k++)
    j->x[first * j->s->embed_inputs + k] = (float)j->feature[k];
  return FACET_OK;
}

static facet_status make_reader(judgement *j, const facet_feature_source *source)
{
  FACET_NEW(j->feature, source->batch * j->s->embed_inputs);
  return facet_features_create(source, &j->reader);
}

/* What this rank has found of all samples; the rest is zeros. */
static facet_status find_own(judgement *j, int v)
{
  facet_feature_source source = facet_feature_source_of(j->context, v, j->pixels);
  source.inputs = j->context->plan->keys->embed.source == FACET_SOURCE_PIXELS;
  memset(j->x, 0, (size_t)(j->s->samples * j->s->embed_inputs) * sizeof *j->x);
  facet_status status = facet_agree(j->comm, make_reader(j, &source));
  const facet_portions all = {"judge", j->s->samples, source.batch, source.batch, j, find_some};
  if (status == FACET_OK)
    status = facet_portions_run(j->comm, &all);
  facet_features_destroy(&j->reader);
  facet_free(&j->feature);
  return status;
}

/* Adds up what each rank has. */
static facet_status share(judgement *j)
{
  const int64_t all = j->s->samples * j->s->embed_inputs;
  for (int64_t i = 0; i < all; i += SUMMED_AT_ONCE) {
    int count = (int)(all - i < SUMMED_AT_ONCE ? all - i : SUMMED_AT_ONCE);
    FACET_TRY(facet_sum(j->comm, j->x + i, count, "sharing features"));
  }
  return FACET_OK;
}

/* ---- figures ---- */

/* Of test samples among the training samples, or, where those are the same, of each among the others. */
static facet_status find_error(judgement *j, double *error)
{
  const facet_store_plan *s = j->s;
  bool held_out = j->context->data->train != NULL, known = false;
  facet_labelled labelled = {.dimensions = s->embed_axes,
                             .references = held_out ? s->embed_train : s->samples,
                             .queries = s->samples,
                             .reference = held_out ? j->reference : j->position,
                             .query = j->position,
                             .reference_label = held_out ? j->reference_label : j->label,
                             .query_label = j->label,
                             .leave_out = !held_out};
  for (int64_t i = 0; i < labelled.references; i++)
    known = known || labelled.reference_label[i] >= 0;
  return known ? facet_nearest_error_find(j->comm, &labelled, error) : FACET_OK;
}

static facet_status find_ranks(judgement *j, double *trustworthiness, double *continuity)
{
  facet_embedded embedded = {.samples = j->s->samples,
                             .features = j->s->embed_inputs,
                             .dimensions = j->s->embed_axes,
                             .x = j->x,
                             .y = j->position,
                             .neighbours = NEIGHBOURS};
  facet_rank_qualities found;
  if (j->s->samples <= 2 * NEIGHBOURS)
    return FACET_OK;
  FACET_TRY(facet_rank_qualities_find(j->comm, &embedded, &found));
  *trustworthiness = found.trustworthiness;
  *continuity = found.continuity;
  return FACET_OK;
}

static facet_status write(const judgement *j, int v, const double found[3])
{
  FACET_TRY(facet_store_put(j->context->store, FACET_ROW_EMBED_QUALITY, (facet_place){.part = {{v, 1}}}, found));
  return facet_store_mark(j->context->store, "judge", v);
}

static facet_status judge_variant(judgement *j, int v)
{
  double found[3] = {NAN, NAN, NAN};
  FACET_TRY(find_own(j, v));
  FACET_TRY(share(j));
  const facet_place at = {.part = {{v, 1}, {j->s->clean, 1}}};
  FACET_AGREE(j->comm, facet_store_get(j->context->store, FACET_ROW_EMBED_POSITION, at, j->position));
  FACET_TRY(find_error(j, &found[0]));
  FACET_TRY(find_ranks(j, &found[1], &found[2]));
  return facet_agree(j->comm, facet_rank(j->comm) == 0 ? write(j, v, found) : FACET_OK);
}

static facet_status run(const facet_context *c)
{
  judgement j = {.context = c, .comm = c->comm, .s = &c->plan->store};
  facet_status status = facet_stage_marks(c, "judge", &j.done);
  if (status == FACET_OK)
    status = facet_agree(c->comm, prepare(&j));
  for (int v = 0, judged = 0; v < j.s->variants && status == FACET_OK; v++) {
    if (!is_left(&j, v))
      continue;
    status = judge_variant(&j, v);
    facet_progress_at(j.progress, ++judged);
  }
  judgement_clear(&j);
  return status;
}

/* The map's tiles are where the analysis's are. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  const facet_store_plan *s = &c->plan->store;
  bool pixels = c->plan->keys->embed.source == FACET_SOURCE_PIXELS, encoder;
  FACET_TRY(facet_embed_same_ranks(c, &encoder));
  for (int v = 0; v < s->variants; v++)
    take[v] = take[v] && encoder &&
              (pixels ? facet_reused_line(c, v, s->clean, s->samples) : facet_reused_features(c, v, s->clean));
  return FACET_OK;
}

/* ---- what it takes ---- */

/* Everybody has the features and positions of all samples. */
static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  const facet_store_plan *s = &c->plan->store;
  double n = (double)s->samples, features = 4 * n * (double)s->embed_inputs, axes = s->embed_axes;
  double sum = ranks > 1 ? fmin(features, 4 * (double)SUMMED_AT_ONCE) : 0; /* MPI sums in a copy */
  *bytes = features + (8 * axes + 4) * n + (8 * axes + 4) * (double)s->embed_train +
           fmax(sum, facet_ranking_bytes(s->samples)) + FACET_BLAS_BYTES;
  return FACET_OK;
}

/* Seconds on one rank, per pair of samples, from a few. */
static facet_status time_pairs(const facet_store_plan *s, double *rank_pair, double *nearest_pair)
{
  int64_t n = SAMPLES, inputs = s->embed_inputs < WIDEST ? s->embed_inputs : WIDEST;
  facet_random random = {1, FACET_STREAM_EMBED};
  float *x = NULL;
  double *y = NULL;
  int32_t *label = NULL;
  facet_ranking *ranking = NULL;
  facet_status status = FACET_OK;
  facet_rank_penalties penalties = {0, 0};
  facet_nearest_errors errors = {0, 0};
  FACET_NEW_GO(done, status, x, n * inputs);
  FACET_NEW_GO(done, status, y, n * s->embed_axes);
  FACET_NEW_GO(done, status, label, n);
  for (int64_t i = 0; i < n * inputs; i++)
    x[i] = (float)facet_random_uniform(random, 0, (uint64_t)i);
  for (int64_t i = 0; i < n * s->embed_axes; i++)
    y[i] = facet_random_uniform(random, 1, (uint64_t)i);
  facet_embedded embedded = {n, inputs, s->embed_axes, x, y, NEIGHBOURS};
  facet_labelled labelled = {s->embed_axes, n, n, y, y, label, label, true};
  double begun, scale = (double)s->embed_inputs / (double)inputs;
  FACET_GO(done, status, facet_ranking_create(&embedded, &ranking));
  begun = facet_seconds();
  facet_rank_penalties_add(ranking, 0, QUERIES, &penalties);
  *rank_pair = scale * (facet_seconds() - begun) / (double)(QUERIES * n);
  begun = facet_seconds();
  FACET_GO(done, status, facet_nearest_errors_add(&labelled, 0, QUERIES, &errors));
  *nearest_pair = (facet_seconds() - begun) / (double)(QUERIES * n);
done:
  facet_ranking_destroy(&ranking);
  FACET_FREE(&x, &y, &label);
  return status;
}

static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *s = &c->plan->store;
  double n = (double)s->samples, references = c->data->train ? (double)s->embed_train : n, rank_pair = 0,
         nearest_pair = 0;
  bool inputs = c->plan->keys->embed.source == FACET_SOURCE_PIXELS;
  FACET_TRY(time_pairs(s, &rank_pair, &nearest_pair));
  *sum = 0;
  for (int v = 0; v < s->variants; v++)
    if (s->variant[v].embed_nodes > 0)
      *sum += n *
              ((inputs || s->variant[v].features > 0 ? 0 : speeds->forward[v]) + n * rank_pair +
               references * nearest_pair) /
              ranks;
  return FACET_OK;
}

/* ---- the stage ---- */

const facet_stage facet_stage_judge = {.name = "judge",
                                       .marks = "V",
                                       .wanted = facet_embed_wanted,
                                       .memory = memory,
                                       .seconds = seconds,
                                       .follows = facet_embed_follows,
                                       .still = still,
                                       .run = run};
