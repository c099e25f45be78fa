/* The stage map: positions of the samples of every variant and condition, by the encoder of the stage encoder, and
 * their linearizations, so that a position is a sum over the sample's pixels and the constants of nodes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "embed.h"
#include "feature.h"
#include "ranks/agree.h"
#include "stage.h"
#include "tiles.h"

/* SLOWER: what kernels for double are, which explain. */
enum { AT_ONCE = 250, EXPLAINED_AT_ONCE = 16, SLOWER = 4 };

/* ---- the network from input to position ---- */

/* An encoder of zeros. */
static facet_status blank_encoder(const facet_embedding *e, int64_t numbers, facet_network **encoder)
{
  int64_t size[FACET_EMBED_LAYERS + 2] = {numbers}, count = 0;
  double *zeros;
  for (int i = 0; i < e->layers.count; i++)
    size[i + 1] = e->layers.item[i];
  size[e->layers.count + 1] = e->dimensions;
  for (int i = 0; i <= e->layers.count; i++)
    count += (size[i] + 1) * size[i + 1];
  FACET_NEW(zeros, count);
  facet_status status = facet_network_dense((facet_shape){1, {numbers}}, e->layers.count + 1, size, zeros, encoder);
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
  const facet_network *encoder;
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
  int32_t *row;
  facet_linearization result;
  double *image; /* one row of W, channel by channel */
} mapping;

/* Tiles without samples that are explained, and tiles with some. */
static int group_of(int variant, bool explained)
{
  return 2 * variant + explained;
}

static void leave(void *self)
{
  mapping *m = self;
  facet_features_destroy(&m->reader);
  facet_executor_destroy(&m->forward);
  facet_pass_clear(&m->linear);
  facet_network_destroy(&m->stacked);
  FACET_FREE(&m->feature, &m->position, &m->single, &m->row, &m->result.w, &m->result.b, &m->result.b_node,
             &m->result.residual, &m->result.ties, &m->image);
}

static facet_status make_linear(mapping *m, int v)
{
  const facet_member *member = &m->context->family->member[v];
  int64_t n = EXPLAINED_AT_ONCE, k = m->s->embed_axes, d = m->plan->inputs;
  facet_executor_options options = {.real = FACET_F64, .batch = n, .rows = k};
  FACET_TRY(stack_networks(&m->plan->keys->embed, member, m->encoder, &m->stacked));
  FACET_CHECK(m->stacked, FACET_INTERNAL, "%s cannot be embedded", member->variant.name);
  FACET_TRY(facet_pass_make(m->stacked, options, m->pixels, &member->input, true, &m->linear));
  int nodes = facet_executor_constant_nodes(m->linear.executor);
  FACET_CHECK(nodes == m->s->variant[v].embed_nodes, FACET_INTERNAL, "%d nodes with constants, not %d", nodes,
              m->s->variant[v].embed_nodes);
  FACET_NEW(m->row, n * k);
  for (int64_t i = 0; i < n * k; i++)
    m->row[i] = (int32_t)(i % k);
  if (!(m->result.w = facet_allocate((size_t)(n * k * d), sizeof(double))))
    return FACET_OS;
  FACET_NEW(m->result.b, n * k);
  FACET_NEW(m->result.b_node, n * k * nodes);
  FACET_NEW(m->result.residual, n);
  FACET_NEW(m->result.ties, n);
  FACET_NEW(m->image, d);
  return facet_executor_ready(m->linear.executor);
}

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
    char *w = (char *)m->result.w + (size_t)i * row;
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
  const facet_linearization *r = &m->result;
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_W, at, r->w));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_B, at, r->b));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_B_NODE, at, r->b_node));
  FACET_TRY(facet_store_put(m->context->store, FACET_ROW_EMBED_RESIDUAL, at, r->residual));
  return facet_store_put(m->context->store, FACET_ROW_EMBED_TIES, at, r->ties);
}

/* Linearizations of a tile's first samples. Their positions are known better then, and are these. */
static facet_status explain(mapping *m, const facet_tile *t, int64_t count)
{
  facet_executor *executor = m->linear.executor;
  for (int64_t i = 0; i < count; i += EXPLAINED_AT_ONCE) {
    int64_t n = count - i < EXPLAINED_AT_ONCE ? count - i : EXPLAINED_AT_ONCE;
    FACET_TRY(facet_pass_run(&m->linear, t->condition, t->first + i, n));
    FACET_TRY(facet_executor_settle(executor, m->linear.exact));
    FACET_TRY(facet_executor_output(executor, m->position + i * m->s->embed_axes));
    FACET_TRY(facet_linearize(executor, m->linear.exact, n, m->s->embed_axes, m->row, &m->result));
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

static facet_tile tile_of(const mapping *m, int64_t unit)
{
  return facet_plan_tile(m->plan, facet_plan_in_order(m->plan, m->span, unit));
}

static facet_status run_tile(void *self, facet_dealer *dealer, int64_t unit)
{
  mapping *m = self;
  facet_tile t = tile_of(m, unit);
  for (int64_t i = 0; i < t.count; i += AT_ONCE) {
    FACET_TRY(find_positions(m, &t, i, t.count - i < AT_ONCE ? t.count - i : AT_ONCE));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  for (int64_t i = 0; i < t.count * m->s->embed_axes; i++)
    FACET_CHECK(isfinite(m->position[i]), FACET_BAD_INPUT, "%s: the position of sample %lld is not finite",
                m->context->family->member[t.variant].file, (long long)(t.first + i / m->s->embed_axes));
  FACET_TRY(explain(m, &t, explained_of(m, &t)));
  const facet_place at = {.part = {{t.variant, 1}, {t.condition, 1}, {t.first, t.count}}};
  return facet_store_put(m->context->store, FACET_ROW_EMBED_POSITION, at, m->position);
}

/* ---- all tiles ---- */

static double encoder_numbers(const facet_plan *plan)
{
  const facet_embedding *e = &plan->keys->embed;
  double inputs = (double)plan->store.embed_inputs, numbers = 0;
  for (int i = 0; i <= e->layers.count; i++) {
    double outputs = i < e->layers.count ? (double)e->layers.item[i] : (double)e->dimensions;
    numbers += (inputs + 1) * outputs;
    inputs = outputs;
  }
  return numbers;
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const mapping *m = self;
  facet_tile t = tile_of(m, i);
  const facet_store_variant *v = &m->s->variant[t.variant];
  double explained = (double)explained_of(m, &t), pass = 2 * encoder_numbers(m->plan) + (double)v->cost.flops;
  return (facet_unit){.cost = ((double)t.count + explained * SLOWER * (m->s->embed_axes + 1)) * pass,
                      .group = group_of(t.variant, explained > 0),
                      .part = facet_plan_number(m->plan, &t),
                      .parts = 1,
                      .none = v->embed_nodes == 0};
}

static facet_tiles tiles_of(mapping *m)
{
  return (facet_tiles){.stage = "map",
                       .name = "tiles",
                       .count = facet_plan_tiles(m->plan),
                       .self = m,
                       .unit = unit_of,
                       .enter = enter,
                       .leave = leave,
                       .run = run_tile};
}

static facet_status mapping_make(const facet_context *c, const facet_network *encoder, int ranks, mapping *m)
{
  const facet_store_plan *s = &c->plan->store;
  *m = (mapping){.context = c, .plan = c->plan, .s = s, .encoder = encoder, .span = facet_plan_span(c->plan, ranks)};
  bool anew = c->plan->keys->embed.source == FACET_SOURCE_PIXELS || s->variant[0].features == 0;
  return facet_pixels_create(&c->plan->source, anew ? c->plan->room : 0, &m->pixels);
}

/* Rank 0: of variants that have no positions. Large arrays hold zeros until they are written. */
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

static facet_status run(const facet_context *c)
{
  mapping m = {NULL};
  facet_network *encoder = NULL;
  FACET_TRY(facet_stage_encoder.run(c)); /* trains it anew where somebody removed its file; else does nothing */
  char *file = facet_embed_file(c->plan->store.settings);
  facet_status status = file ? facet_onnx_read(file, &encoder) : FACET_OS;
  if (status == FACET_OK)
    status = mapping_make(c, encoder, facet_ranks(c->comm), &m);
  if (status == FACET_OK && facet_rank(c->comm) == 0)
    status = write_none(&m);
  status = facet_agree(c->comm, status);
  if (status == FACET_OK) {
    facet_tiles tiles = tiles_of(&m);
    status = facet_tiles_run(c->comm, &tiles, c->store);
  }
  facet_pixels_destroy(&m.pixels);
  facet_network_destroy(&encoder);
  facet_free(&file);
  return status;
}

/* ---- what it takes ---- */

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  mapping m = {NULL};
  facet_network *encoder = NULL;
  size_t before = facet_memory_in_use(), own = 0, most = 0;
  facet_status status = blank_encoder(&c->plan->keys->embed, c->plan->store.embed_inputs, &encoder);
  if (status == FACET_OK)
    status = mapping_make(c, encoder, 1, &m);
  own = facet_memory_in_use() - before;
  if (status == FACET_OK) {
    facet_tiles tiles = tiles_of(&m);
    status = facet_tiles_memory(&tiles, &most);
  }
  facet_pixels_destroy(&m.pixels);
  facet_network_destroy(&encoder);
  *bytes = (double)(own + most) + FACET_BLAS_BYTES;
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
  FACET_TRY(blank_encoder(&plan->keys->embed, s->embed_inputs, &encoder));
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
                                     .run = run,
                                     .warn = warn};
