/* The stage map: positions of the samples of every variant and condition, by the encoder of the stage encoder, and
 * their linearizations, so that a position is a sum over the sample's pixels and the constants of nodes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "embed.h"
#include "feature.h"
#include "ranks/agree.h"
#include "reuse.h"
#include "tiles.h"

/* SLOWER: what kernels for double are, which explain. */
enum { AT_ONCE = 250, EXPLAINED_AT_ONCE = 16, SLOWER = 4 };

/* ---- the network from input to position ---- */

/* An encoder of zeros. */
static facet_status blank_encoder(const facet_plan *plan, facet_network **encoder)
{
  const facet_encoder_shape shape = facet_embed_shape(plan);
  double *zeros;
  FACET_NEW(zeros, (int64_t)facet_encoder_parameters(&shape));
  facet_shape input = {1, {shape.size[0]}};
  facet_status status = facet_network_dense(input, shape.layers, shape.size, zeros, encoder);
  facet_free(&zeros);
  return status;
}

/* The network from a variant's input to a position; NULL where the variant's feature is of another size. */
static facet_status stack_networks(const facet_embedding *e, const facet_member *member, const facet_network *encoder,
                                   facet_network **stacked)
{
  bool features = e->source == FACET_SOURCE_FEATURES;
  int value = member->network->input;
  facet_shape input = facet_network_input_shape(member->network);
  int64_t size = features ? facet_network_features(member->network, &value) : facet_shape_size(input);
  *stacked = NULL;
  if (size != facet_shape_size(facet_network_input_shape(encoder)))
    return FACET_OK;
  return facet_network_stack(member->network, value, encoder, "embed", stacked);
}

/* ---- entering ---- */

typedef struct {
  const facet_context *context;
  const facet_plan *plan;
  const facet_store_plan *s;
  facet_network *encoder;
  int64_t span; /* of facet_plan_in_order */
  facet_pixels *pixels;
  /* of the variant that was entered */
  facet_features *reader;
  facet_executor *forward; /* the encoder */
  double *feature, *position;
  float *single; /* the feature, as the encoder takes it; NULL in double precision */
  /* where samples are explained, in double, whatever the study's precision */
  facet_network *stacked;
  facet_pass linear;
  double *image; /* one row of W, channel by channel */
} mapping;

static void leave(void *self)
{
  mapping *m = self;
  facet_features_destroy(&m->reader);
  facet_executor_destroy(&m->forward);
  facet_pass_clear(&m->linear);
  facet_network_destroy(&m->stacked);
  FACET_FREE(&m->feature, &m->position, &m->single, &m->image);
}

static facet_status make_linear(mapping *m, int v)
{
  const facet_member *member = &m->context->family->member[v];
  int64_t n = EXPLAINED_AT_ONCE, k = m->s->embed_axes;
  facet_executor_options options = {.real = FACET_F64, .batch = n, .rows = k};
  FACET_TRY(stack_networks(&m->plan->keys->embed, member, m->encoder, &m->stacked));
  FACET_CHECK(m->stacked, FACET_INTERNAL, "%s cannot be embedded", member->variant.name);
  FACET_TRY(facet_pass_make(m->stacked, options, m->pixels, &member->input, true, &m->linear));
  int nodes = facet_executor_constant_nodes(m->linear.executor);
  FACET_CHECK(nodes == m->s->variant[v].embed_nodes, FACET_INTERNAL, "%d nodes with constants, not %d", nodes,
              m->s->variant[v].embed_nodes);
  FACET_NEW(m->image, m->plan->inputs);
  FACET_TRY(facet_pass_make_linear(&m->linear, k, k));
  for (int64_t i = 0; i < n * k; i++)
    m->linear.row[i] = (int32_t)(i % k);
  return FACET_OK;
}

/* Of each variant, tiles without samples that are explained, and tiles with some. */
static facet_status enter(void *self, int group)
{
  mapping *m = self;
  int v = group / 2;
  facet_type real = m->s->settings->precision;
  facet_feature_source source = facet_feature_source_of(m->context, v, m->pixels);
  source.inputs = m->plan->keys->embed.source == FACET_SOURCE_PIXELS;
  FACET_TRY(facet_features_create(&source, &m->reader));
  FACET_TRY(facet_executor_create(m->encoder, (facet_executor_options){.real = real, .batch = AT_ONCE}, &m->forward));
  FACET_NEW(m->feature, AT_ONCE * m->s->embed_inputs);
  if (real == FACET_F32)
    FACET_NEW(m->single, AT_ONCE * m->s->embed_inputs);
  FACET_NEW(m->position, m->s->block * m->s->embed_axes);
  return group % 2 ? make_linear(m, v) : FACET_OK;
}

/* ---- positions and their linearizations ---- */

/* Rows of W from the network's order into the images' own. */
static void rows_to_images(mapping *m, int64_t rows)
{
  size_t row = (size_t)m->plan->inputs * sizeof(double);
  if (m->linear.loader.input->order != FACET_CHANNELS_LAST)
    return;
  for (int64_t i = 0; i < rows; i++) {
    char *w = (char *)m->linear.linear.w + (size_t)i * row;
    facet_channels_first(m->s->image, sizeof(double), w, m->image);
    memcpy(w, m->image, row);
  }
}

/* So many first samples of a tile are explained. */
static int64_t explained_of(const mapping *m, const facet_tile *t)
{
  int64_t left = m->s->embed_samples - t->first;
  if (t->condition != m->s->clean || left < 0)
    return 0;
  return left < t->count ? left : t->count;
}

static facet_status store_linear(const mapping *m, int variant, int64_t first, int64_t count)
{
  const facet_place at = {.variant = variant, .part = {{first, count}}};
  const facet_linearization *r = &m->linear.linear;
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_W, at, r->w));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_B, at, r->b));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_B_NODE, at, r->b_node));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_RESIDUAL, at, r->residual));
  return facet_store_put(m->context->store, FACET_ROW_EMBED_TIES, at, r->ties);
}

static facet_status pause(void *context)
{
  return facet_dealer_pause(context);
}

/* Linearizations of a tile's first samples. Their positions are known better then, and are these. */
static facet_status explain(mapping *m, facet_dealer *dealer, const facet_tile *t, int64_t count)
{
  facet_executor *executor = m->linear.executor;
  if (count > 0)
    facet_executor_pauses(executor, pause, dealer);
  for (int64_t i = 0; i < count; i += EXPLAINED_AT_ONCE) {
    int64_t n = count - i < EXPLAINED_AT_ONCE ? count - i : EXPLAINED_AT_ONCE;
    FACET_TRY(facet_pass_run(&m->linear, t->condition, t->first + i, n));
    FACET_TRY(facet_executor_settle(executor, m->linear.exact));
    FACET_TRY(facet_executor_output(executor, m->position + i * m->s->embed_axes));
    FACET_TRY(facet_linearize(executor, m->linear.exact, n, m->s->embed_axes, m->linear.row, &m->linear.linear));
    rows_to_images(m, n * m->s->embed_axes);
    FACET_TRY(store_linear(m, t->variant, t->first + i, n));
  }
  return FACET_OK;
}

/* Positions of samples i .. i+count-1 of a tile. */
static facet_status find_positions(mapping *m, const facet_tile *t, int64_t i, int64_t count)
{
  FACET_TRY(facet_features_run(m->reader, t->condition, NULL, t->first + i, count, m->feature));
  for (int64_t k = 0; m->single && k < count * m->s->embed_inputs; k++)
    m->single[k] = (float)m->feature[k];
  FACET_TRY(facet_executor_forward(m->forward, m->single ? (const void *)m->single : (const void *)m->feature, count));
  return facet_executor_output(m->forward, m->position + i * m->s->embed_axes);
}

static facet_status run_tile(void *self, facet_dealer *dealer, int64_t unit)
{
  mapping *m = self;
  facet_tile t = facet_plan_in_order(m->plan, m->span, unit);
  for (int64_t i = 0; i < t.count; i += AT_ONCE) {
    FACET_TRY(find_positions(m, &t, i, t.count - i < AT_ONCE ? t.count - i : AT_ONCE));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  for (int64_t i = 0; i < t.count * m->s->embed_axes; i++)
    FACET_CHECK(isfinite(m->position[i]), FACET_BAD_INPUT, "%s: the position of sample %lld is not finite",
                m->context->family->member[t.variant].file, (long long)(t.first + i / m->s->embed_axes));
  FACET_TRY(explain(m, dealer, &t, explained_of(m, &t)));
  const facet_place at = {.part = {{t.variant, 1}, {t.condition, 1}, {t.first, t.count}}};
  return facet_store_put(m->context->store, FACET_ROW_EMBED_POSITION, at, m->position);
}

/* ---- all tiles ---- */

static double encoder_numbers(const facet_plan *plan)
{
  const facet_encoder_shape shape = facet_embed_shape(plan);
  return facet_encoder_parameters(&shape);
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const mapping *m = self;
  facet_tile t = facet_plan_in_order(m->plan, m->span, i);
  const facet_store_variant *v = &m->s->variant[t.variant];
  double explained = (double)explained_of(m, &t), pass = 2 * encoder_numbers(m->plan) + (double)v->cost.flops;
  return (facet_unit){.cost = ((double)t.count + explained * SLOWER * (m->s->embed_axes + 1)) * pass,
                      .group = 2 * t.variant + (explained > 0),
                      .part = facet_plan_number(m->plan, &t),
                      .parts = 1,
                      .none = v->embed_nodes == 0};
}

/* Of variants that have no positions. Large arrays hold zeros until they are written. */
static facet_status write_none(const mapping *m)
{
  const facet_store_plan *s = m->s;
  facet_status status = FACET_OK;
  double *none;
  FACET_NEW(none, s->samples * s->embed_axes);
  for (int64_t i = 0; i < s->samples * s->embed_axes; i++)
    none[i] = NAN;
  for (int v = 0; v < s->variants; v++)
    for (int c = 0; c < s->conditions && s->variant[v].embed_nodes == 0 && status == FACET_OK; c++)
      status =
          facet_store_put(m->context->store, FACET_ROW_EMBED_POSITION, (facet_place){.part = {{v, 1}, {c, 1}}}, none);
  facet_free(&none);
  return status;
}

static facet_status make(const facet_context *c, int ranks, void *self)
{
  mapping *m = self;
  const facet_store_plan *s = &c->plan->store;
  bool anew = c->plan->keys->embed.source == FACET_SOURCE_PIXELS || s->variant[0].features == 0;
  *m = (mapping){.context = c, .plan = c->plan, .s = s, .span = facet_plan_span(c->plan, ranks)};
  FACET_TRY(c->store ? facet_embed_read(s->settings, &m->encoder) : blank_encoder(c->plan, &m->encoder));
  FACET_TRY(facet_pixels_create(&c->plan->source, anew ? c->plan->room : 0, &m->pixels));
  return c->store && facet_rank(c->comm) == 0 ? write_none(m) : FACET_OK;
}

static void clear(void *self)
{
  mapping *m = self;
  facet_pixels_destroy(&m->pixels);
  facet_network_destroy(&m->encoder);
}

static const facet_tiled tiled = {
    .tiles = {.stage = "map", .name = "tiles", .unit = unit_of, .enter = enter, .leave = leave, .run = run_tile},
    .make = make,
    .clear = clear};

static facet_status run(const facet_context *c)
{
  FACET_TRY(facet_stage_encoder.run(c)); /* trains it anew where somebody removed its file; else does nothing */
  return facet_tiled_run(c, &tiled, &(mapping){.context = NULL});
}

/* A tile reads its features, as the analysis stored them or would make them, or its pixels alone. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  bool pixels = c->plan->keys->embed.source == FACET_SOURCE_PIXELS, encoder;
  FACET_TRY(facet_embed_same_ranks(c, &encoder));
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++)
    take[i] =
        take[i] && encoder && (pixels ? facet_reused_tile(c, i) != FACET_TAKEN_NOT : facet_reused_tile_features(c, i));
  return FACET_OK;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  facet_status status = facet_tiled_memory(c, &tiled, &(mapping){.context = NULL}, bytes);
  *bytes += FACET_BLAS_BYTES;
  return status;
}

static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *s = &c->plan->store;
  double n = (double)s->samples, explained = (double)(s->embed_samples * (s->embed_axes + 1));
  bool inputs = c->plan->keys->embed.source == FACET_SOURCE_PIXELS;
  double corrupting = 0;
  *sum = 0;
  for (int v = 0; v < s->variants; v++) {
    const facet_store_variant *variant = &s->variant[v];
    if (variant->embed_nodes == 0)
      continue;
    *sum += 2 * speeds->product * encoder_numbers(c->plan) * (n * s->conditions + SLOWER * explained) / ranks;
    *sum += speeds->forward[v] * SLOWER * explained / ranks;
    if (inputs || variant->features == 0) {
      corrupting = n * speeds->corrupting; /* by each rank at worst, all at once */
      *sum += n * (inputs ? 0 : speeds->forward[v]) * s->conditions / ranks;
    }
  }
  *sum += corrupting;
  return FACET_OK;
}

/* ---- the stage ---- */

/* The constant nodes of the network from a variant's input to a position. */
static facet_status name_nodes(const facet_plan *plan, const facet_member *m, const facet_network *encoder,
                               facet_store_variant *v)
{
  facet_network *stacked;
  facet_executor *executor;
  facet_executor_options options = {.real = plan->store.settings->precision, .batch = 1};
  FACET_TRY(stack_networks(&plan->keys->embed, m, encoder, &stacked));
  if (!stacked)
    return FACET_OK;
  facet_status status = facet_executor_create(stacked, options, &executor);
  int count = status == FACET_OK ? facet_executor_constant_nodes(executor) : 0;
  if (status == FACET_OK && !(v->embed_node = facet_allocate((size_t)count, sizeof *v->embed_node)))
    status = FACET_OS;
  for (int i = 0; i < count && status == FACET_OK; i++, v->embed_nodes++)
    if (!(v->embed_node[i] = facet_copy_text(facet_executor_constant_node(executor, i))))
      status = FACET_OS;
  facet_executor_destroy(&executor);
  facet_network_destroy(&stacked);
  return status;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  facet_store_plan *s = &plan->store;
  int64_t explain = plan->keys->embed.explain;
  if (!plan->keys->embed.wanted)
    return FACET_OK;
  s->embed_samples = explain == 0 || explain > s->samples ? s->samples : explain;
  facet_network *encoder; /* its nodes are those of the one that will be trained */
  FACET_TRY(blank_encoder(plan, &encoder));
  facet_status status = FACET_OK;
  for (int v = 0; v < s->variants && status == FACET_OK; v++)
    status = name_nodes(plan, &family->member[v], encoder, &s->variant[v]);
  facet_network_destroy(&encoder);
  return status;
}

static void warn(const facet_plan *plan)
{
  const facet_store_plan *s = &plan->store;
  for (int v = 0; v < s->variants && s->embed_axes > 0; v++)
    if (s->variant[v].embed_nodes == 0)
      fprintf(stderr, "facet: warning: %s has no positions: its features are not %lld\n", s->variant[v].name,
              (long long)s->embed_inputs);
}

const facet_stage facet_stage_map = {.name = "map",
                                     .marks = "V, C, block",
                                     .wanted = facet_embed_wanted,
                                     .plan = plan_own,
                                     .memory = memory,
                                     .seconds = seconds,
                                     .follows = facet_embed_follows,
                                     .still = still,
                                     .run = run,
                                     .reads = "analyse encoder",
                                     .apart = true,
                                     .warn = warn};
