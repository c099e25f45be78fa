/* The stage map: positions of the samples of every variant and condition, by the encoder of the stage embed, and their
 * linearizations, so that a position is a sum over the sample's pixels and the constants of nodes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "embed.h"
#include "feature.h"
#include "ranks/agree.h"
#include "stage.h"
#include "study/loader.h"

enum { EXPLAINED_AT_ONCE = 16 };

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

/* The network from a variant's input to a position. encoder NULL: one of zeros, which has the same nodes. *stacked is
 * NULL where the variant's feature is of another size. */
static facet_status stack_networks(const facet_study *study, const facet_member *member, const facet_network *encoder,
                                   int64_t numbers, facet_network **stacked)
{
  bool features = study->embed.source == FACET_SOURCE_FEATURES;
  int value = member->network->input;
  int64_t size = features ? facet_network_features(member->network, &value)
                          : facet_shape_size(facet_network_input_shape(member->network));
  facet_network *blank = NULL;
  *stacked = NULL;
  if (size != numbers)
    return FACET_OK;
  if (!encoder)
    FACET_TRY(blank_encoder(&study->embed, numbers, &blank));
  facet_status status = facet_network_stack(member->network, value, encoder ? encoder : blank, "embed", stacked);
  facet_network_destroy(&blank);
  return status;
}

/* ---- positions and their linearizations ---- */

typedef struct {
  MPI_Comm comm;
  const facet_plan *plan;
  const facet_store_plan *s;
  const facet_study *study;
  const facet_study_data *data;
  const facet_family *family;
  facet_store *store;
  const facet_network *encoder;
  int variant; /* that the following is for; -1: none */
  facet_network *stacked;
  facet_loader loader;
  facet_executor *forward, *linear; /* linear: in double, whatever the study's precision */
  char *x;
  double *exact, *position; /* exact: of the samples that are explained */
  int32_t *row;
  facet_linearization result;
  double *image; /* one row of W, channel by channel */
} mapping;

static void leave_variant(mapping *m)
{
  facet_executor_destroy(&m->forward);
  facet_executor_destroy(&m->linear);
  facet_network_destroy(&m->stacked);
  facet_loader_clear(&m->loader);
  void *owned[] = {&m->x,        &m->exact,         &m->position,        &m->row,         &m->result.w,
                   &m->result.b, &m->result.b_node, &m->result.residual, &m->result.ties, &m->image};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  m->variant = -1;
  facet_kernels_release();
}

static facet_status make_linear(mapping *m)
{
  int64_t n = EXPLAINED_AT_ONCE, k = m->s->embed_axes, d = m->plan->inputs;
  facet_executor_options options = {.real = FACET_F64, .batch = n, .rows = k};
  FACET_TRY(facet_executor_create(m->stacked, options, &m->linear));
  int nodes = facet_executor_constant_nodes(m->linear);
  FACET_CHECK(nodes == m->s->variant[m->variant].embed_nodes, FACET_INTERNAL, "%d nodes with constants, not %d", nodes,
              m->s->variant[m->variant].embed_nodes);
  FACET_NEW(m->exact, n * d);
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
  return FACET_OK;
}

static facet_status enter_variant(mapping *m, int v)
{
  const facet_member *member = &m->family->member[v];
  int64_t batch = m->plan->work[v].forward_batch;
  if (m->variant == v && m->position)
    return FACET_OK;
  leave_variant(m);
  m->variant = v;
  FACET_TRY(stack_networks(m->study, member, m->encoder, m->s->embed_inputs, &m->stacked));
  FACET_CHECK(m->stacked, FACET_INTERNAL, "%s cannot be embedded", member->variant.name);
  FACET_TRY(
      facet_loader_make(&m->study->settings, &m->study->data.normalize, m->data->test, &member->input, &m->loader));
  batch = batch > EXPLAINED_AT_ONCE ? batch : EXPLAINED_AT_ONCE;
  facet_executor_options options = {.real = m->study->settings.precision, .batch = batch};
  FACET_TRY(facet_executor_create(m->stacked, options, &m->forward));
  FACET_NEW(m->x, (size_t)(batch * m->plan->inputs) * facet_type_size(m->study->settings.precision));
  FACET_NEW(m->position, m->s->block * m->s->embed_axes);
  return make_linear(m);
}

static facet_status take(mapping *m, int condition, int64_t first, int64_t count, bool exact)
{
  size_t size = (size_t)m->plan->inputs * facet_type_size(m->study->settings.precision);
  for (int64_t i = 0; i < count; i++)
    FACET_TRY(facet_loader_load(&m->loader, m->study->conditions.item[condition], first + i, m->x + (size_t)i * size,
                                exact ? m->exact + i * m->plan->inputs : NULL));
  return FACET_OK;
}

/* Rows of W from the network's order into the images' own. */
static void rows_to_images(mapping *m, int64_t rows)
{
  size_t row = (size_t)m->plan->inputs * sizeof(double);
  if (m->family->member[m->variant].input.order != FACET_CHANNELS_LAST)
    return;
  for (int64_t i = 0; i < rows; i++) {
    char *w = (char *)m->result.w + (size_t)i * row;
    facet_channels_first(m->s->image, sizeof(double), w, m->image);
    memcpy(w, m->image, row);
  }
}

/* Linearizations of a tile's first samples. Their positions are known better then, and are these. */
static facet_status explain(mapping *m, int condition, int64_t first, int64_t count)
{
  for (int64_t i = 0; i < count; i += EXPLAINED_AT_ONCE) {
    int64_t n = count - i < EXPLAINED_AT_ONCE ? count - i : EXPLAINED_AT_ONCE;
    FACET_TRY(take(m, condition, first + i, n, true));
    FACET_TRY(facet_executor_forward(m->linear, m->exact, n));
    FACET_TRY(facet_executor_settle(m->linear, m->exact));
    FACET_TRY(facet_executor_output(m->linear, m->position + i * m->s->embed_axes));
    FACET_TRY(facet_linearize(m->linear, m->exact, n, m->s->embed_axes, m->row, &m->result));
    rows_to_images(m, n * m->s->embed_axes);
    FACET_TRY(facet_store_embed_linear(m->store, m->variant, first + i, n, &m->result));
  }
  return FACET_OK;
}

static facet_status run_tile(mapping *m, const facet_tile *t)
{
  FACET_TRY(enter_variant(m, t->variant));
  int64_t batch = facet_executor_settings(m->forward).batch;
  for (int64_t i = 0; i < t->count; i += batch) {
    int64_t n = t->count - i < batch ? t->count - i : batch;
    FACET_TRY(take(m, t->condition, t->first + i, n, false));
    FACET_TRY(facet_executor_forward(m->forward, m->x, n));
    FACET_TRY(facet_executor_output(m->forward, m->position + i * m->s->embed_axes));
  }
  for (int64_t i = 0; i < t->count * m->s->embed_axes; i++)
    FACET_CHECK(isfinite(m->position[i]), FACET_BAD_INPUT, "%s: the position of sample %lld is not finite",
                m->family->member[t->variant].file, (long long)(t->first + i / m->s->embed_axes));
  int64_t left = m->s->embed_samples - t->first;
  if (m->study->conditions.item[t->condition].corruption == 0 && left > 0)
    FACET_TRY(explain(m, t->condition, t->first, left < t->count ? left : t->count));
  FACET_TRY(facet_store_embed_positions(m->store, t->variant, t->condition, t->first, t->count, m->position));
  return facet_store_embed_mark(m->store, t->variant, t->condition, t->block);
}

static bool is_left(const mapping *m, const uint8_t *done, int64_t tile)
{
  return !done[tile] && m->s->variant[facet_plan_tile(m->plan, tile).variant].embed_nodes > 0;
}

/* Dealt like cards. Rank 0 shows its own progress, as everybody's. */
static facet_status run_tiles(mapping *m, const uint8_t *done, int64_t left, facet_progress *progress)
{
  int ranks = facet_ranks(m->comm);
  int64_t dealt = 0;
  for (int64_t i = 0; i < facet_plan_tiles(m->plan); i++) {
    if (!is_left(m, done, i) || dealt++ % ranks != facet_rank(m->comm))
      continue;
    facet_tile t = facet_plan_tile(m->plan, i);
    FACET_TRY(facet_interrupt_check());
    FACET_TRY(run_tile(m, &t));
    int64_t round = (dealt + ranks - 1) / ranks * ranks;
    facet_progress_at(progress, round < left ? round : left);
  }
  return FACET_OK;
}

static facet_status map_samples(mapping *m)
{
  int64_t tiles = facet_plan_tiles(m->plan), left = 0;
  uint8_t *done = NULL;
  facet_progress *progress = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(agree, status, done, tiles);
  FACET_GO(agree, status, facet_store_embed_marks(m->store, done));
  for (int64_t i = 0; i < tiles; i++)
    left += is_left(m, done, i);
  FACET_GO(agree, status, facet_progress_begin(&progress, "map", "tiles", left, left == 0 || facet_rank(m->comm) != 0));
agree:
  status = facet_agree(m->comm, status);
  if (status == FACET_OK)
    status = facet_agree(m->comm, run_tiles(m, done, left, progress));
  facet_progress_end(&progress);
  facet_free(&done);
  FACET_TRY(status);
  return facet_store_sync(m->store); /* all ranks read the positions now */
}

static mapping begin(const facet_context *c)
{
  return (mapping){.comm = c->comm,
                   .plan = c->plan,
                   .s = &c->plan->store,
                   .study = c->plan->store.study,
                   .data = c->data,
                   .family = c->family,
                   .store = c->store,
                   .variant = -1};
}

static facet_status run(const facet_context *c)
{
  mapping m = begin(c);
  facet_network *encoder = NULL;
  char *file = facet_embed_file(&c->plan->store.study->settings);
  facet_status status = facet_agree(c->comm, file ? facet_onnx_read(file, &encoder) : FACET_OS);
  m.encoder = encoder;
  if (status == FACET_OK)
    status = map_samples(&m);
  leave_variant(&m);
  facet_network_destroy(&encoder);
  facet_free(&file);
  return status;
}

/* ---- what it takes ---- */

/* Executors of one variant, as for its positions and explanations. */
static facet_status variant_memory(mapping *m, int v, size_t before, double *most)
{
  FACET_TRY(enter_variant(m, v));
  FACET_TRY(facet_executor_ready(m->linear));
  *most = fmax(*most, (double)(facet_memory_in_use() - before));
  return FACET_OK;
}

static facet_status variants_memory(const facet_context *c, double *most)
{
  mapping m = begin(c);
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  facet_status status = FACET_OK;
  for (int v = 0; v < m.s->variants && status == FACET_OK; v++)
    if (m.s->variant[v].embed_nodes > 0)
      status = variant_memory(&m, v, before, most);
  leave_variant(&m);
  return status;
}

static double encoder_numbers(const facet_store_plan *s)
{
  const facet_embedding *e = &s->study->embed;
  double inputs = (double)s->embed_inputs, numbers = 0;
  for (int i = 0; i <= e->layers.count; i++) {
    double outputs = i < e->layers.count ? (double)e->layers.item[i] : (double)e->dimensions;
    numbers += (inputs + 1) * outputs;
    inputs = outputs;
  }
  return numbers;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  *bytes = 0;
  FACET_TRY(variants_memory(c, bytes));
  *bytes += encoder_numbers(&c->plan->store) * sizeof(float) + FACET_BLAS_BYTES;
  return FACET_OK;
}

static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *s = &c->plan->store;
  double n = (double)s->samples, encoder = 2 * speeds->product * encoder_numbers(s);
  double passes = n * s->conditions + (double)(s->embed_samples * (s->embed_axes + 1));
  *sum = speeds->corrupting * n * s->variants / ranks;
  for (int v = 0; v < s->variants; v++)
    if (s->variant[v].embed_nodes > 0)
      *sum += (speeds->forward[v] + encoder) * passes / ranks;
  return FACET_OK;
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return plan->store.embed_axes > 0;
}

/* The constant nodes of the network from a variant's input to a position. */
static facet_status name_nodes(const facet_study *study, const facet_member *m, int64_t numbers, facet_store_variant *v)
{
  facet_network *stacked;
  facet_executor *executor;
  facet_executor_options options = {.real = study->settings.precision, .batch = 1};
  FACET_TRY(stack_networks(study, m, NULL, numbers, &stacked));
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

static facet_status plan_own(const facet_study *study, const facet_study_data *data, const facet_family *family,
                             int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  facet_store_plan *s = &plan->store;
  int64_t explain = study->embed.explain;
  if (!study->embed.wanted)
    return FACET_OK;
  s->embed_samples = explain == 0 || explain > s->samples ? s->samples : explain;
  for (int v = 0; v < s->variants; v++)
    FACET_TRY(name_nodes(study, &family->member[v], s->embed_inputs, &s->variant[v]));
  return FACET_OK;
}

static void warn(const facet_plan *plan)
{
  const facet_store_plan *s = &plan->store;
  for (int v = 0; v < s->variants; v++)
    if (s->variant[v].embed_nodes == 0)
      fprintf(stderr, "facet: warning: %s has no positions: its features are not %lld\n", s->variant[v].name,
              (long long)s->embed_inputs);
}

const facet_stage facet_stage_map = {.name = "map",
                                     .marks = "V, C, block",
                                     .wanted = wanted,
                                     .plan = plan_own,
                                     .memory = memory,
                                     .seconds = seconds,
                                     .run = run,
                                     .warn = warn};
