/* Samples of the judge: see judge_samples.h. Features that the analysis has stored, and pixels, are read where they are
 * asked for. Others are found once, a block at a time: each rank finds some of it, and a sum brings them together.
 * Where there is more than one block they lie in a file without a name, one for the ranks of a node. */
#include "judge_samples.h"

#include <string.h>
#include <unistd.h>

#include "ranks/agree.h"
#include "tiles.h"

static const facet_store_plan *plan_of(const facet_judge_samples *s)
{
  return &s->context->plan->store;
}

static bool is_pixels(const facet_plan *plan)
{
  return plan->keys->embed.source == FACET_SOURCE_PIXELS;
}

/* Whether features of a variant have to be found. */
static bool is_found(const facet_plan *plan, int variant)
{
  return !is_pixels(plan) && plan->store.variant[variant].features == 0;
}

static int64_t block_of(const facet_store_plan *s)
{
  int64_t block = FACET_RANKING_BLOCK / s->embed_inputs;
  return block < 1 ? 1 : block < s->samples ? block : s->samples;
}

/* ---- what is there ---- */

static facet_status take_position(void *self, int64_t first, int64_t count, void *to)
{
  const facet_judge_samples *s = self;
  const facet_place at = {.part = {{s->variant, 1}, {plan_of(s)->clean, 1}, {first, count}}};
  return facet_store_get(s->context->store, FACET_ROW_EMBED_POSITION, at, to);
}

static facet_status take_label(void *self, int64_t first, int64_t count, void *to)
{
  const facet_judge_samples *s = self;
  return facet_dataset_labels(s->context->data->test, first, count, to);
}

static facet_status take_reference(void *self, int64_t first, int64_t count, void *to)
{
  const facet_judge_samples *s = self;
  const facet_place at = {.part = {{first, count}}};
  return facet_store_get(s->context->store, FACET_ROW_EMBED_TRAIN_POSITION, at, to);
}

static facet_status take_reference_label(void *self, int64_t first, int64_t count, void *to)
{
  const facet_judge_samples *s = self;
  const facet_place at = {.part = {{first, count}}};
  return facet_store_get(s->context->store, FACET_ROW_EMBED_TRAIN_LABEL, at, to);
}

/* Features as they are stored, or pixels; or by a pass. */
static facet_status read_features(void *self, int64_t first, int64_t count, void *to)
{
  facet_judge_samples *s = self;
  int64_t inputs = plan_of(s)->embed_inputs;
  float *x = to;
  for (int64_t i = 0, n; i < count; i += n) {
    n = count - i < s->batch ? count - i : s->batch;
    FACET_TRY(facet_features_run(s->reader, plan_of(s)->clean, NULL, first + i, n, s->feature));
    for (int64_t k = 0; k < n * inputs; k++)
      x[i * inputs + k] = (float)s->feature[k];
  }
  return FACET_OK;
}

/* ---- what has to be found ---- */

static facet_status make_file(facet_judge_samples *s)
{
  FACET_TRY(facet_nameless_file("facet-judge", &s->file, &s->folder));
  s->filed = true;
  return FACET_OK;
}

/* A rank that cannot open its neighbour's file has one of its own. */
static facet_status open_file(MPI_Comm node, facet_judge_samples *s)
{
  facet_told_file told = {.file = -1};
  bool first = facet_rank(node) == 0;
  facet_status status = first ? make_file(s) : FACET_OK;
  if (s->filed)
    (void)facet_file_tell(s->file, &told);
  FACET_AGREE(node, status);
  FACET_TRY(facet_share(node, (int64_t *)&told, sizeof told / sizeof(int64_t), "sharing features"));
  if (!first) {
    s->file = facet_file_open_told(&told);
    s->filed = s->file >= 0;
    status = s->filed ? FACET_OK : make_file(s);
  }
  return facet_agree(node, status); /* the first keeps its own until the others have it */
}

static facet_status share_file(MPI_Comm comm, facet_judge_samples *s)
{
  MPI_Comm node;
  FACET_TRY(facet_node_ranks(comm, &node));
  facet_status status = open_file(node, s);
  MPI_Comm_free(&node);
  return facet_agree(comm, status);
}

static facet_status write_block(const facet_judge_samples *s, int64_t first, int64_t count)
{
  size_t row = (size_t)plan_of(s)->embed_inputs * sizeof *s->found;
  int failed = s->folder ? facet_write_at(s->file, (size_t)first * row, (size_t)count * row, s->found) : 0;
  FACET_CHECK(!failed, FACET_IO, "%s, the folder TMPDIR: features cannot be written: %s", s->folder, strerror(failed));
  return FACET_OK;
}

static facet_status read_file(void *self, int64_t first, int64_t count, void *to)
{
  const facet_judge_samples *s = self;
  size_t row = (size_t)plan_of(s)->embed_inputs * sizeof *s->found, got;
  int failed = facet_read_at(s->file, (size_t)first * row, (size_t)count * row, to, &got);
  FACET_CHECK(!failed && got == (size_t)count * row, FACET_IO, "features cannot be read again from TMPDIR: %s",
              failed ? strerror(failed) : "they are gone");
  return FACET_OK;
}

typedef struct {
  facet_judge_samples *samples;
  int64_t first;
} part;

static facet_status find_some(void *self, int64_t first, int64_t count)
{
  const part *p = self;
  return read_features(p->samples, p->first + first, count,
                       p->samples->found + first * plan_of(p->samples)->embed_inputs);
}

/* What each rank has found of a block; the rest is zeros, so that a sum brings all together. */
static facet_status find_block(facet_judge_samples *s, int64_t first, int64_t count)
{
  MPI_Comm comm = s->context->comm;
  int64_t numbers = count * plan_of(s)->embed_inputs;
  part p = {s, first};
  memset(s->found, 0, (size_t)numbers * sizeof *s->found);
  FACET_TRY(facet_portions_run(comm, &(facet_portions){"judge", count, s->batch, s->batch, &p, find_some}));
  FACET_TRY(facet_sum(comm, s->found, numbers, "sharing features"));
  return s->filed ? facet_agree(comm, write_block(s, first, count)) : FACET_OK;
}

static facet_status find_all(facet_judge_samples *s)
{
  int64_t n = plan_of(s)->samples;
  s->found = facet_allocate((size_t)(s->block * plan_of(s)->embed_inputs), sizeof *s->found);
  FACET_AGREE(s->context->comm, s->found ? FACET_OK : FACET_OS);
  if (s->block < n)
    FACET_TRY(share_file(s->context->comm, s));
  for (int64_t first = 0; first < n; first += s->block)
    FACET_TRY(find_block(s, first, n - first < s->block ? n - first : s->block));
  s->x = s->filed ? (facet_many){.take = read_file, .self = s} : (facet_many){.held = s->found};
  if (s->filed)
    facet_free(&s->found);
  facet_features_destroy(&s->reader); /* before what the judge takes itself */
  return FACET_OK;
}

/* ---- all of it ---- */

facet_status facet_judge_samples_make(const facet_context *c, facet_judge_samples *s)
{
  *s = (facet_judge_samples){.context = c,
                             .position = {.take = take_position, .self = s},
                             .label = {.take = take_label, .self = s},
                             .reference = {.take = take_reference, .self = s},
                             .reference_label = {.take = take_reference_label, .self = s},
                             .block = block_of(&c->plan->store)};
  return facet_pixels_create(&c->plan->source, 0, &s->pixels);
}

void facet_judge_samples_clear(facet_judge_samples *s)
{
  facet_judge_samples_leave(s);
  facet_pixels_destroy(&s->pixels);
}

static facet_status make_reader(facet_judge_samples *s)
{
  facet_feature_source source = facet_feature_source_of(s->context, s->variant, s->pixels);
  source.inputs = is_pixels(s->context->plan);
  s->batch = source.batch;
  FACET_NEW(s->feature, s->batch * plan_of(s)->embed_inputs);
  return facet_features_create(&source, &s->reader);
}

facet_status facet_judge_samples_enter(facet_judge_samples *s, int variant)
{
  s->variant = variant;
  s->x = (facet_many){.take = read_features, .self = s};
  FACET_AGREE(s->context->comm, make_reader(s));
  return is_found(s->context->plan, variant) ? find_all(s) : FACET_OK;
}

void facet_judge_samples_leave(facet_judge_samples *s)
{
  facet_features_destroy(&s->reader);
  if (s->filed)
    close(s->file);
  s->filed = false;
  FACET_FREE(&s->feature, &s->found, &s->folder);
}

double facet_judge_samples_bytes(const facet_context *c, int ranks)
{
  const facet_store_plan *s = &c->plan->store;
  double inputs = (double)s->embed_inputs, batch = 0, found = 0;
  for (int v = 0; v < s->variants; v++)
    if (s->variant[v].embed_nodes > 0) {
      batch = batch > (double)c->plan->work[v].forward_batch ? batch : (double)c->plan->work[v].forward_batch;
      if (is_found(c->plan, v))
        found = (double)sizeof(float) * (double)block_of(s) * inputs * (ranks > 1 ? 2 : 1); /* MPI sums in a copy */
    }
  return batch * inputs * sizeof(double) + found;
}

double facet_judge_samples_filed(const facet_plan *plan)
{
  const facet_store_plan *s = &plan->store;
  bool any = false;
  for (int v = 0; v < s->variants; v++)
    any = any || (s->variant[v].embed_nodes > 0 && is_found(plan, v));
  return any && block_of(s) < s->samples ? (double)s->samples * (double)s->embed_inputs * sizeof(float) : 0;
}
