/* The stage analyse, tiles: predictions, geometry and linearizations of a block of samples under one variant and
 * condition, marked tile by tile.
 *
 * Which rank takes a tile changes nothing in it: batches are fixed by the plan.  Tiles come in such an order that all
 * variants see some blocks, as many as a rank can keep the corrupted pixels of, before the next ones come. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/process_memory.h"
#include "kept.h"
#include "pass.h"
#include "ranks/agree.h"
#include "reuse.h"
#include "tiles.h"

#define MOST_FEATURES 0x1p32 /* bytes, of all variants */

typedef struct {
  const facet_context *context;
  const facet_plan *plan;
  int64_t span;         /* of facet_plan_in_order */
  bool only_features;   /* of this tile: the rest is taken over */
  const uint8_t *again; /* tiles that are computed again, to be compared; NULL: all, to be stored */
  int64_t others;       /* of these, so many are not what is stored */
  int64_t unkept;       /* the first sample whose W is still wanted: those before are in the digest of its part */
  facet_pixels *pixels;
  facet_dealer *dealer;
  /* one tile's results */
  double *logits, *loss, *angle, *length, *margin, *cosine;
  int32_t *predicted, *label;
  /* what belongs to the variant that was entered */
  facet_pass pass;
  facet_kept kept;
  facet_head head;
  bool has_head;
  double *feature; /* of a tile */
} analysis;

static void clear(void *self)
{
  analysis *a = self;
  facet_pixels_destroy(&a->pixels);
  FACET_FREE(&a->logits, &a->loss, &a->angle, &a->length, &a->margin, &a->cosine, &a->predicted, &a->label);
}

static facet_status make(const facet_context *c, int ranks, void *self)
{
  analysis *a = self;
  const facet_store_plan *s = &c->plan->store;
  int64_t n = s->block;
  *a = (analysis){.context = c, .plan = c->plan, .span = facet_plan_span(c->plan, ranks), .again = a->again};
  FACET_TRY(facet_pixels_create(&c->plan->source, c->plan->room, &a->pixels));
  FACET_NEW(a->logits, n * s->classes);
  FACET_NEW(a->loss, n);
  FACET_NEW(a->angle, n);
  FACET_NEW(a->length, n);
  FACET_NEW(a->margin, n);
  FACET_NEW(a->cosine, n * s->classes);
  FACET_NEW(a->predicted, n);
  FACET_NEW(a->label, n);
  return FACET_OK;
}

/* ---- entering ---- */

/* Of each variant, tiles without linearizations and tiles with: memory for both at once would be memory that neither
 * can use. */
static facet_status enter(void *self, int group)
{
  analysis *a = self;
  bool linear = group % 2;
  const facet_member *m = &a->context->family->member[group / 2];
  const facet_work *work = &a->plan->work[group / 2];
  int64_t n = linear ? work->linear_batch : work->forward_batch, chunk = linear ? work->linear_chunk : 0;
  facet_executor_options options = {.real = a->plan->store.settings->precision,
                                    .batch = n,
                                    .rows = chunk,
                                    .room = true,
                                    .touched = linear && facet_kept_touched(&a->plan->store)};
  a->has_head = facet_network_features(m->network, NULL) > 0;
  if (a->has_head)
    FACET_TRY(facet_network_head(m->network, &a->head));
  FACET_TRY(facet_pass_make(m->network, options, a->pixels, &m->input, linear, &a->pass));
  FACET_NEW(a->feature, a->plan->store.block * a->head.features);
  if (!linear)
    return FACET_OK;
  FACET_TRY(facet_pass_make_linear(&a->pass, a->plan->store.linear_rows, chunk));
  return facet_kept_make(&a->plan->store, a->context->store, group / 2, &a->pass, chunk, &a->kept);
}

static void leave(void *self)
{
  analysis *a = self;
  facet_kept_clear(&a->kept);
  facet_pass_clear(&a->pass);
  facet_head_clear(&a->head);
  facet_free(&a->feature);
  facet_memory_trim();
}

/* ---- a tile ---- */

/* The images of the data set, where nobody stored them before; the batch's own room serves. */
static facet_status store_images(analysis *a, const facet_tile *t)
{
  float *pixels = a->pass.x ? a->pass.x : (float *)(void *)a->pass.exact;
  for (int64_t i = 0, count; i < t->count && t->condition == 0 && t->variant == 0; i += count) {
    count = t->count - i < a->pass.batch ? t->count - i : a->pass.batch;
    FACET_TRY(facet_dataset_pixels(a->context->data->test, t->first + i, count, pixels));
    const facet_place at = {.part = {{t->first + i, count}}, .as = FACET_AS_FLOAT};
    FACET_TRY(facet_store_put(a->context->store, FACET_ROW_IMAGE, at, pixels));
  }
  return FACET_OK;
}

/* Linearizes `count` samples of a batch that went forward, and stores that. */
static facet_status linearize(analysis *a, int64_t first, int64_t count, const double *logits)
{
  const facet_store_plan *s = &a->plan->store;
  facet_executor *executor = a->pass.executor;
  FACET_TRY(facet_executor_settle(executor, a->pass.exact));
  facet_rows_choose(a->plan->keys->linearize.rows, s->linear_rows, s->classes, logits, count, a->pass.row);
  FACET_TRY(facet_linearize_to(executor, facet_pass_input(&a->pass), count, s->linear_rows, a->pass.row,
                               facet_kept_batch(&a->kept, first, count, logits), &a->pass.linear));
  return facet_kept_write(&a->kept);
}

/* Samples i, i+1, ... of the tile, which are the present batch. */
static void measure(analysis *a, int64_t first, int64_t count)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = first; i < first + count; i++) {
    const double *logits = a->logits + i * classes;
    int32_t y = a->label[i];
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

static facet_status finite_logits(const analysis *a, const facet_tile *t, int64_t first, int64_t count)
{
  int64_t classes = a->plan->store.classes;
  for (int64_t i = first * classes; i < (first + count) * classes; i++)
    FACET_CHECK(isfinite(a->logits[i]), FACET_BAD_INPUT, "%s: the logits of sample %lld are not finite",
                a->context->family->member[t->variant].file, (long long)(t->first + i / classes));
  return FACET_OK;
}

/* Samples i .. i+count-1 of the tile: forward, measured, and linearized as far as the tile is; or features alone. */
static facet_status run_batch(analysis *a, const facet_tile *t, int64_t i, int64_t count)
{
  double *logits = a->logits + i * a->plan->store.classes;
  FACET_TRY(facet_pass_run(&a->pass, t->condition, t->first + i, count));
  FACET_TRY(facet_executor_output(a->pass.executor, logits));
  FACET_TRY(finite_logits(a, t, i, count));
  if (a->has_head)
    FACET_TRY(facet_executor_value(a->pass.executor, a->head.feature, a->feature + i * a->head.features));
  if (a->only_features)
    return FACET_OK;
  measure(a, i, count);
  return i < t->linear && t->first + i >= a->unkept ? linearize(a, t->first + i, count, logits) : FACET_OK;
}

static facet_status store_tile(const analysis *a, const facet_tile *t)
{
  const facet_place at = {.part = {{t->variant, 1}, {t->condition, 1}, {t->first, t->count}}};
  const struct {
    facet_row row;
    const void *data;
  } arrays[] = {{FACET_ROW_LOGITS, a->logits}, {FACET_ROW_PREDICTED, a->predicted}, {FACET_ROW_LOSS, a->loss},
                {FACET_ROW_ANGLE, a->angle},   {FACET_ROW_LENGTH, a->length},       {FACET_ROW_MARGIN, a->margin},
                {FACET_ROW_COSINE, a->cosine}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && !a->only_features; i++)
    FACET_TRY(facet_store_put(a->context->store, arrays[i].row, at, arrays[i].data));
  if (a->plan->store.variant[t->variant].features == 0)
    return FACET_OK;
  const facet_place feature = {.variant = t->variant, .part = {{t->condition, 1}, {t->first, t->count}}};
  return facet_store_put(a->context->store, FACET_ROW_FEATURE, feature, a->feature);
}

/* Whether a tile is taken over but for its features. */
static bool lacks_features(const analysis *a, const facet_tile *t)
{
  return facet_reused_tile(a->context, facet_plan_number(a->plan, t)) == FACET_TAKEN_BUT_FEATURES;
}

/* Also while a batch goes through the executor, which takes minutes where there are many rows. Of the rows of a batch
 * that is added to a digest all are, or none: it is left after the batch alone, but others are heard and told. */
static facet_status pause(void *self)
{
  const analysis *a = self;
  facet_status status = facet_dealer_pause(a->dealer);
  return a->plan->store.digests > 0 && a->pass.row ? FACET_OK : status;
}

/* What is linearized goes through the executor in batches of its own. */
static facet_status run_tile(analysis *a, facet_dealer *dealer, const facet_tile *t)
{
  a->only_features = lacks_features(a, t);
  a->dealer = dealer;
  facet_executor_pauses(a->pass.executor, pause, a);
  FACET_TRY(a->only_features ? facet_reuse_copy(a->context, facet_plan_number(a->plan, t)) : store_images(a, t));
  FACET_TRY(facet_dataset_labels(a->context->data->test, t->first, t->count, a->label));
  for (int64_t i = 0, count; i < t->count; i += count) {
    int64_t end = i < t->linear ? t->linear : t->count, kept = a->unkept - t->first;
    end = i < kept && kept < end ? kept : end; /* what is in a digest already ends a batch */
    count = end - i < a->pass.batch ? end - i : a->pass.batch;
    FACET_TRY(run_batch(a, t, i, count));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  return store_tile(a, t);
}

/* Tiles from this one on that are run together: those that have digests in common, with the first of them; 0: none. */
static int64_t tiles_together(const analysis *a, const facet_tile *t)
{
  const facet_store_plan *s = &a->plan->store;
  int64_t part = t->linear > 0 ? s->digest_blocks : 0, blocks = (s->linear_samples + s->block - 1) / s->block;
  if (part == 0)
    return 1;
  return t->block % part > 0 ? 0 : blocks - t->block < part ? blocks - t->block : part;
}

void facet_analyse_name(const facet_plan *plan, int64_t tile, char *text, size_t size)
{
  const facet_store_plan *s = &plan->store;
  facet_tile t = facet_plan_tile(plan, tile);
  (void)snprintf(text, size, "analyse of %s, %s, block %lld", s->variant[t.variant].name, s->condition[t.condition],
                 (long long)t.block);
}

/* What was put of a tile, or of those that have digests in common. */
static facet_status compare(analysis *a, const facet_tile *t)
{
  char name[200];
  bool same;
  facet_analyse_name(a->plan, facet_plan_number(a->plan, t), name, sizeof name);
  FACET_TRY(facet_again_end(a->context->store, name, &same));
  a->others += !same;
  return FACET_OK;
}

/* Whether tiles from this one on are to be computed again. */
static bool is_again(const analysis *a, int64_t number, int64_t tiles)
{
  bool is = false;
  for (int64_t i = 0; i < tiles; i++)
    is = is || a->again[number + i];
  return is;
}

/* Tiles whose samples are in a digest but for the last have been stored. */
static facet_status run_together(analysis *a, facet_dealer *dealer, int64_t number, int64_t count)
{
  for (int64_t i = 0; i < count; i++) {
    facet_tile t = facet_plan_tile(a->plan, number + i);
    if (t.first + t.count >= a->unkept)
      FACET_TRY(run_tile(a, dealer, &t));
  }
  return FACET_OK;
}

/* Tiles that have a digest together are one unit, which may be long: it is left between two batches, and taken up. */
static facet_status run_digested(analysis *a, facet_dealer *dealer, const facet_tile *t)
{
  int64_t part = t->block / a->plan->store.digest_blocks, number = facet_plan_number(a->plan, t), done = 0, from;
  char said[1000];
  FACET_TRY(facet_kept_begin(&a->kept, part, number, a->again ? NULL : &done, &from));
  a->unkept = t->first + from;
  if (done > 0)
    fprintf(stderr, "facet: analyse: digest %lld of %s goes on behind %lld samples\n", (long long)part,
            a->plan->store.variant[t->variant].name, (long long)done);
  facet_status status = run_together(a, dealer, number, tiles_together(a, t));
  a->unkept = 0;
  if (status == FACET_OK)
    return facet_kept_end(&a->kept);
  if (status != FACET_INTERRUPTED || a->again)
    return status;
  (void)snprintf(said, sizeof said, "%s", facet_message());
  FACET_TRY(facet_kept_leave(&a->kept));
  return facet_raise(FACET_INTERRUPTED, "%s", said);
}

static facet_status run_tiles(void *self, facet_dealer *dealer, int64_t unit)
{
  analysis *a = self;
  facet_tile t = facet_plan_in_order(a->plan, a->span, unit);
  bool digested = a->plan->store.digest_blocks > 0 && t.linear > 0;
  FACET_TRY(digested ? run_digested(a, dealer, &t) : run_tile(a, dealer, &t));
  return a->again ? compare(a, &t) : FACET_OK;
}

/* ---- all tiles ---- */

static facet_unit unit_of(const void *self, int64_t i)
{
  const analysis *a = self;
  facet_tile t = facet_plan_in_order(a->plan, a->span, i);
  double rows = lacks_features(a, &t) ? 0 : (double)(a->plan->store.linear_rows + 1);
  int64_t together = tiles_together(a, &t);
  int64_t number = facet_plan_number(a->plan, &t);
  double passes = (double)(together ? together : 1) * ((double)t.count + (double)t.linear * rows);
  return (facet_unit){.cost = passes * (1 + (double)a->plan->store.variant[t.variant].cost.flops),
                      .group = 2 * t.variant + (t.linear > 0),
                      .part = number,
                      .parts = together,
                      .none = together == 0 || (a->again && !is_again(a, number, together))};
}

static const facet_tiled tiled = {
    .tiles = {.stage = "analyse", .name = "tiles", .unit = unit_of, .enter = enter, .leave = leave, .run = run_tiles},
    .make = make,
    .clear = clear};

static facet_status run(const facet_context *c)
{
  return facet_tiled_run(c, &tiled, &(analysis){.context = NULL});
}

facet_status facet_analyse_again(const facet_context *c, const uint8_t *chosen, int64_t *others)
{
  analysis a = {.again = chosen};
  facet_tiles tiles = tiled.tiles;
  tiles.count = facet_plan_tiles(c->plan);
  tiles.self = &a;
  facet_status status = facet_agree(c->comm, make(c, facet_ranks(c->comm), &a));
  if (status == FACET_OK)
    status = facet_tiles_run(c->comm, &tiles, NULL);
  clear(&a);
  *others = a.others;
  return status == FACET_OK ? facet_sum(c->comm, others, 1, "comparing") : status;
}

/* Tiles that lack features are the stage's own to copy. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++)
    take[i] = facet_reused_tile(c, i) == FACET_TAKEN_WHOLE;
  return FACET_OK;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  return facet_tiled_memory(c, &tiled, &(analysis){.context = NULL}, bytes);
}

/* Linearizing costs about a forward pass for each row and one more (measured on ResNet-20 and the demo's network). */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *s = &c->plan->store;
  double samples = (double)s->samples;
  double d = (double)c->plan->inputs;
  *sum = speeds->corrupting * samples; /* by each rank at worst, all at once */
  for (int v = 0; v < s->variants; v++) {
    double passes = samples * s->conditions;
    if (s->variant[v].linearize)
      passes += (double)(s->linear_samples * (s->linear_rows + 1));
    *sum += speeds->forward[v] * passes / ranks;
    if (s->digests > 0 && facet_store_has_spectrum(s, v))
      *sum += speeds->product * (double)(s->linear_samples * s->linear_rows) * d * d / ranks;
  }
  return FACET_OK;
}

/* ---- the stage ---- */

/* Which features a later stage reads: those of all variants, or none where they are too many. */
static void plan_features(const facet_family *family, facet_plan *plan)
{
  facet_store_plan *s = &plan->store;
  bool drawn = plan->keys->embed.wanted && plan->keys->embed.source == FACET_SOURCE_FEATURES;
  double samples = (double)s->conditions * (double)s->samples, numbers = 0;
  for (int v = 0; v < s->variants && (drawn || facet_store_cka_items(s) > 0); v++) {
    s->variant[v].features = facet_network_features(family->member[v].network, NULL);
    numbers += samples * (double)s->variant[v].features;
  }
  for (int v = 0; v < s->variants && numbers * (double)facet_type_size(s->settings->precision) > MOST_FEATURES; v++)
    s->variant[v].features = 0;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  facet_store_plan *s = &plan->store;
  plan_features(family, plan);
  if (!plan->keys->linearize.wanted)
    return FACET_OK;
  s->linear_samples = plan->keys->linearize.samples ? plan->keys->linearize.samples : s->samples;
  s->keep = plan->keys->linearize.keep;
  s->half = plan->keys->linearize.store == FACET_W_HALF;
  s->linear_rows = facet_rows_count(plan->keys->linearize.rows, plan->keys->linearize.top, s->classes);
  for (int v = 0; v < s->variants; v++) {
    s->variant[v].linearize = facet_texts_ask(&plan->keys->linearize.variants, s->variant[v].name);
  }
  facet_kept_plan(plan->keys->aggregate.wanted && plan->keys->aggregate.spectrum > 0, s);
  return FACET_OK;
}

const facet_stage facet_stage_analyse = {.name = "analyse",
                                         .marks = "V, C, block",
                                         .plan = plan_own,
                                         .memory = memory,
                                         .seconds = seconds,
                                         .still = still,
                                         .run = run};
