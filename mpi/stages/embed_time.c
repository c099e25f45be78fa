/* Forecasts of the encoder's training: see embed_time.h. */
#include "embed_time.h"

#include <math.h>
#include <string.h>

#include "embed.h"
#include "embed/tsne_step.h"
#include "ranks/agree.h"
#include "study/data.h"

enum { BATCH = 1024, WIDEST = 4096 };

/* A small batch of noise, on this rank alone. */
typedef struct {
  const facet_embedding *keys;
  int64_t n;
  facet_encoder_shape shape;
  double rest; /* parameters of the encoder over those of the one that is timed, which is not as wide */
  facet_grid *grid;
  facet_encoder *encoder;
  facet_blockmatrix *x, *blurred;
  int64_t *sample;
  facet_affinity affinity;
  double *y, *dy;
} probe;

static void probe_clear(probe *p)
{
  facet_affinity_clear(&p->affinity);
  facet_blockmatrix_destroy(&p->x);
  facet_blockmatrix_destroy(&p->blurred);
  facet_encoder_destroy(&p->encoder);
  facet_grid_destroy(&p->grid);
  FACET_FREE(&p->sample, &p->y, &p->dy);
}

static double noise(int64_t i)
{
  return facet_random_uniform((facet_random){1, FACET_STREAM_EMBED}, 0, (uint64_t)i);
}

static facet_status probe_make(const facet_plan *plan, int64_t batch, probe *p)
{
  const facet_embedding *e = &plan->keys->embed;
  *p = (probe){.keys = e, .n = batch < BATCH ? batch : BATCH, .shape = facet_embed_shape(plan)};
  int64_t *inputs = &p->shape.size[0];
  p->rest = facet_encoder_parameters(&p->shape);
  *inputs = *inputs < WIDEST ? *inputs : WIDEST;
  p->rest /= facet_encoder_parameters(&p->shape);
  FACET_TRY(facet_grid_create(MPI_COMM_SELF, 1, 1, &p->grid));
  FACET_TRY(facet_encoder_create(p->grid, &p->shape, 1, &p->encoder));
  FACET_TRY(facet_encoder_input(p->encoder, p->n, &p->x));
  FACET_TRY(facet_encoder_input(p->encoder, p->n, &p->blurred));
  FACET_NEW(p->sample, p->n);
  for (int64_t i = 0; i < p->n * *inputs; i++)
    facet_blockmatrix_set(p->x, i, noise(i));
  FACET_NEW(p->y, p->n * e->dimensions);
  FACET_NEW(p->dy, p->n * e->dimensions);
  return FACET_OK;
}

static facet_status time_step(probe *p, facet_embed_times *t)
{
  const facet_embedding *e = p->keys;
  facet_tsne_gradient g = {.y = p->dy};
  double n = (double)p->n, norm, at[5];
  at[0] = facet_seconds();
  if (e->noise > 0)
    facet_encoder_blur(p->x, &(facet_encoder_noise){.deviation = e->noise, .sample = p->sample}, p->blurred);
  FACET_TRY(facet_encoder_forward(p->encoder, e->noise > 0 ? p->blurred : p->x, p->y));
  at[1] = facet_seconds();
  FACET_TRY(facet_tsne_step(&p->affinity, e->dimensions, p->y, e->alpha, e->learn_alpha, 1, &g));
  at[2] = facet_seconds();
  FACET_TRY(facet_encoder_backward(p->encoder, g.y, &norm));
  at[3] = facet_seconds();
  facet_encoder_move(p->encoder, (facet_encoder_step){.optimizer = FACET_ADAM, .rate = 0});
  at[4] = facet_seconds();
  t->forward = p->rest * (at[1] - at[0]) / n;
  t->forces = (at[2] - at[1]) / (n * n);
  t->backward = p->rest * (at[3] - at[2]) / n;
  t->move = p->rest * (at[4] - at[3]);
  return FACET_OK;
}

static facet_status time_training(const facet_plan *plan, int64_t batch, facet_embed_times *t)
{
  probe p;
  facet_status status = probe_make(plan, batch, &p);
  double begun = facet_seconds(), n = (double)p.n;
  if (status == FACET_OK)
    status = facet_affinity_make(p.x, fmin(p.keys->perplexity, n / 3), &p.affinity);
  t->probabilities = p.rest * (facet_seconds() - begun) / (n * n);
  for (int turn = 0; turn < 2 && status == FACET_OK; turn++) /* the first warms up */
    status = time_step(&p, t);
  probe_clear(&p);
  return status;
}

double facet_embed_training_seconds(const facet_plan *plan, const facet_embed_times *t, double feature, int ranks)
{
  const facet_store_plan *s = &plan->store;
  const facet_embedding *e = &plan->keys->embed;
  double samples = (double)s->embed_train, batches = (double)facet_embed_batches(e, s->embed_train);
  double pairs = samples * samples / batches; /* of all batches */
  double kept = (double)facet_embed_batches_kept(plan, ranks) / batches;
  double epoch = samples * (t->forward + t->backward) + pairs * t->forces + batches * t->move;
  return samples * feature + pairs * t->probabilities * (kept + (1 - kept) * e->epochs) + e->epochs * epoch;
}

facet_status facet_embed_seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *seconds)
{
  const facet_store_plan *s = &c->plan->store;
  const facet_embedding *e = &c->plan->keys->embed;
  double feature = 0;
  facet_embed_times t;
  FACET_TRY(time_training(c->plan, s->embed_train / facet_embed_batches(e, s->embed_train), &t));
  for (int v = 0; v < s->variants; v++)
    if (e->source == FACET_SOURCE_FEATURES && strcmp(s->variant[v].name, e->variant) == 0)
      feature = speeds->forward[v];
  *seconds = facet_embed_training_seconds(c->plan, &t, feature, ranks) / ranks;
  return FACET_OK;
}
