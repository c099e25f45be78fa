/* The stage judge: figures of merit of the map, the nearest neighbour's label, trustworthiness and continuity of every
 * variant's positions of the clean test samples. */
#include <math.h>

#include "embed.h"
#include "judge_samples.h"
#include "quality.h"
#include "ranks/agree.h"
#include "reuse.h"

/* WIDEST, SAMPLES, QUERIES: of what is timed. */
enum { NEIGHBOURS = 12, WIDEST = 4096, SAMPLES = 1024, QUERIES = 128, LABELS = 1024 };

typedef struct {
  const facet_context *context;
  MPI_Comm comm;
  const facet_store_plan *s;
  facet_judge_samples samples;
  uint8_t *done; /* per variant: 1 */
  facet_progress *progress;
} judgement;

static void judgement_clear(judgement *j)
{
  facet_judge_samples_clear(&j->samples);
  facet_free(&j->done);
  facet_progress_end(&j->progress);
}

static bool is_left(const judgement *j, int v)
{
  return !j->done[v] && j->s->variant[v].embed_nodes > 0;
}

static facet_status prepare(judgement *j)
{
  FACET_TRY(facet_judge_samples_make(j->context, &j->samples));
  int left = 0;
  for (int v = 0; v < j->s->variants; v++)
    left += is_left(j, v);
  return facet_progress_begin(&j->progress, "judge", "variants", left, facet_rank(j->comm) != 0);
}

/* ---- figures ---- */

static facet_status any_label(const facet_many *labels, int64_t all, bool *any)
{
  int32_t label[LABELS];
  *any = false;
  for (int64_t first = 0, count; first < all && !*any; first += count) {
    count = all - first < LABELS ? all - first : LABELS;
    FACET_TRY(labels->take(labels->self, first, count, label));
    for (int64_t i = 0; i < count; i++)
      *any = *any || label[i] >= 0;
  }
  return FACET_OK;
}

/* Of test samples among the training samples, or, where those are the same, of each among the others. */
static facet_status find_error(judgement *j, double *error)
{
  const facet_store_plan *s = j->s;
  const facet_judge_samples *from = &j->samples;
  bool held_out = j->context->data->train != NULL, known;
  facet_labelled labelled = {.dimensions = s->embed_axes,
                             .references = held_out ? s->embed_train : s->samples,
                             .queries = s->samples,
                             .reference = held_out ? from->reference : from->position,
                             .query = from->position,
                             .reference_label = held_out ? from->reference_label : from->label,
                             .query_label = from->label,
                             .leave_out = !held_out};
  FACET_AGREE(j->comm, any_label(&labelled.reference_label, labelled.references, &known));
  return known ? facet_nearest_error_find(j->comm, &labelled, error) : FACET_OK;
}

static facet_embedded embedded_of(const facet_store_plan *s)
{
  return (facet_embedded){
      .samples = s->samples, .features = s->embed_inputs, .dimensions = s->embed_axes, .neighbours = NEIGHBOURS};
}

static facet_status find_ranks(judgement *j, double *trustworthiness, double *continuity)
{
  facet_embedded embedded = embedded_of(j->s);
  facet_rank_qualities found;
  if (j->s->samples <= 2 * NEIGHBOURS)
    return FACET_OK;
  embedded.x = j->samples.x;
  embedded.y = j->samples.position;
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
  facet_status status = facet_judge_samples_enter(&j->samples, v);
  if (status == FACET_OK)
    status = find_error(j, &found[0]);
  if (status == FACET_OK)
    status = find_ranks(j, &found[1], &found[2]);
  facet_judge_samples_leave(&j->samples);
  FACET_TRY(status);
  return facet_agree(j->comm, facet_rank(j->comm) == 0 ? write(j, v, found) : FACET_OK);
}

static facet_status run(const facet_context *c)
{
  judgement j = {.context = c, .comm = c->comm, .s = &c->plan->store};
  facet_status status = facet_store_marks_shared(c->comm, c->store, "judge", &j.done);
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

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  const facet_store_plan *s = &c->plan->store;
  facet_embedded embedded = embedded_of(s);
  *bytes = facet_judge_samples_bytes(c, ranks) +
           fmax(facet_ranking_bytes(&embedded), facet_nearest_bytes(s->embed_axes)) + FACET_BLAS_BYTES;
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
  facet_embedded embedded = {n, inputs, s->embed_axes, {.held = x}, {.held = y}, NEIGHBOURS};
  facet_labelled labelled = {s->embed_axes, n, n, {.held = y}, {.held = y}, {.held = label}, {.held = label}, true};
  double begun, scale = (double)s->embed_inputs / (double)inputs;
  FACET_GO(done, status, facet_ranking_create(&embedded, &ranking));
  begun = facet_seconds();
  FACET_GO(done, status, facet_rank_penalties_add(ranking, 0, QUERIES, &penalties));
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

static double nameless(const facet_plan *plan, int ranks, int here)
{
  (void)ranks, (void)here; /* once a node */
  return facet_judge_samples_filed(plan);
}

/* ---- the stage ---- */

const facet_stage facet_stage_judge = {.name = "judge",
                                       .marks = "V",
                                       .wanted = facet_embed_wanted,
                                       .memory = memory,
                                       .nameless = nameless,
                                       .seconds = seconds,
                                       .follows = facet_embed_follows,
                                       .still = still,
                                       .run = run,
                                       .reads = "create analyse encoder map",
                                       .apart = true};
