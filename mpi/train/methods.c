/* Methods: which steps are taken, and what happens to weights and mask between them (methods.h says what and after
 * whom).  All of it is computed by every rank alike, from the same weights, so masks are the same bits everywhere. */
#include "methods.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "ranks/agree.h"

static const struct {
  const char *name;
  bool wants_trained, prunes, through; /* through: scores are trained in place of weights */
} rows[] = {
    [FACET_METHOD_TRAIN] = {"train", false, false, false},
    [FACET_METHOD_FINETUNE] = {"finetune", true, true, false},
    [FACET_METHOD_GMP] = {"gmp", true, true, false},
    [FACET_METHOD_LTH] = {"lth", false, true, false},
    [FACET_METHOD_LRR] = {"lrr", true, true, false},
    [FACET_METHOD_EDGE_POPUP] = {"edge_popup", false, true, true},
    [FACET_METHOD_BIPROP] = {"biprop", false, true, true},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

int facet_training_method_find(const char *name)
{
  for (int i = 0; i < ROWS; i++)
    if (strcmp(rows[i].name, name) == 0)
      return i;
  return -1;
}

const char *facet_training_method_name(facet_training_method method)
{
  return (unsigned)method < ROWS ? rows[method].name : NULL;
}

bool facet_training_method_wants_trained(facet_training_method method)
{
  return rows[method].wants_trained;
}

/* ---- a run ---- */

typedef struct {
  MPI_Comm comm;
  const facet_method_job *job;
  facet_network *network;
  facet_trainer *trainer;
  facet_straight_through through;
  facet_network *weights, *scores; /* edge_popup, biprop: as they came in; what is trained */
  facet_network *early;            /* lth: at iteration `rewind` */
  facet_mask *mask;                /* of methods that prune */
  facet_parameter *parameter;
  int parameters;
  facet_rounds rounds;    /* lth, lrr */
  int64_t step, steps;    /* done, of all */
  int64_t ramp, interval; /* gmp: steps in which the sparsity grows, and between two removals */
  double seconds, begun;  /* before this process; when it began */
  facet_piece *piece;
  int pieces;
  char digest[65];
} run;

static void run_clear(run *r)
{
  facet_trainer_destroy(&r->trainer);
  facet_network_destroy(&r->weights);
  facet_network_destroy(&r->scores);
  facet_network_destroy(&r->early);
  facet_mask_destroy(&r->mask);
  facet_free(&r->parameter);
  facet_free(&r->piece);
}

static float *data_of(const facet_network *network, int value)
{
  return network->value[value].constant->data;
}

static facet_status mask_by_magnitude(const run *r, const facet_network *network, double sparsity, facet_mask **mask)
{
  facet_mask_destroy(mask);
  facet_pruning how = {.criterion = FACET_PRUNE_MAGNITUDE,
                       .scope = r->job->scope,
                       .sparsity = sparsity,
                       .allow_collapse = r->job->allow_collapse};
  return facet_mask_create(network, &how, NULL, mask);
}

static facet_status remove_to(run *r, double sparsity)
{
  FACET_TRY(mask_by_magnitude(r, r->network, sparsity, &r->mask));
  facet_mask_apply(r->mask, r->network);
  return FACET_OK;
}

static void copy_parameters(const run *r, const facet_network *from, facet_network *to)
{
  for (int i = 0; i < r->parameters; i++)
    memcpy(data_of(to, r->parameter[i].value), data_of(from, r->parameter[i].value),
           (size_t)r->parameter[i].size * sizeof(float));
}

/* ---- gradual pruning ---- */

double facet_gmp_sparsity(double first, double last, double done)
{
  double left = 1 - done;
  return last + (first - last) * left * left * left;
}

static facet_status gmp_before(run *r)
{
  if (r->step > r->ramp || (r->step % r->interval != 0 && r->step != r->ramp))
    return FACET_OK;
  double done = r->ramp > 0 ? (double)r->step / (double)r->ramp : 1;
  return facet_agree(r->comm, remove_to(r, facet_gmp_sparsity(0, r->job->sparsity, done)));
}

/* ---- rounds of training and removing ---- */

static facet_status rounds_before(run *r)
{
  facet_round_place at = facet_rounds_at(&r->rounds, r->step);
  int removal = at.training + r->rounds.trained;
  int64_t count;
  if (r->early && at.training == 0 && at.position == r->rounds.rewind)
    copy_parameters(r, r->network, r->early);
  if (!at.first || removal == 0)
    return FACET_OK;
  double sparsity = facet_rounds_sparsity(&r->rounds, r->job->sparsity, removal);
  FACET_AGREE(r->comm, mask_by_magnitude(r, r->network, sparsity, &r->mask));
  if (r->early)
    copy_parameters(r, r->early, r->network);
  facet_mask_apply(r->mask, r->network);
  float *velocity = facet_trainer_velocity(r->trainer, &count);
  memset(velocity, 0, (size_t)count * sizeof *velocity);
  return FACET_OK;
}

/* ---- scores ---- */

/* Scores start uniform, like Kaiming's with a^2 = 5 (Ramanujan's code): of a spread that goes with the weights'. */
static void first_scores(const run *r)
{
  facet_random random = {r->job->training.seed, FACET_STREAM_SCORES};
  for (int l = 0; l < r->mask->layers; l++) {
    const struct facet_mask_layer *layer = &r->mask->layer[l];
    const float *w = data_of(r->weights, layer->value);
    float *s = data_of(r->scores, layer->value);
    double squares = 0;
    for (int64_t i = 0; i < layer->size; i++)
      squares += (double)w[i] * (double)w[i];
    double bound = squares > 0 ? sqrt(squares / (double)layer->size / 2) : 1;
    for (int64_t i = 0; i < layer->size; i++)
      s[i] = (float)(bound * (2 * facet_random_uniform(random, (uint64_t)l, (uint64_t)i) - 1));
  }
}

static void set_kept(const struct facet_mask_layer *layer, const float *from, float *to)
{
  for (int64_t i = 0; i < layer->size; i++)
    to[i] = layer->keep[i] ? from[i] : 0;
}

static void set_binary(const struct facet_mask_layer *layer, const float *from, float *to)
{
  double sum = 0;
  int64_t kept = layer->size - layer->removed;
  for (int64_t i = 0; i < layer->size; i++)
    sum += layer->keep[i] ? fabs((double)from[i]) : 0;
  float alpha = kept > 0 ? (float)(sum / (double)kept) : 0;
  for (int64_t i = 0; i < layer->size; i++)
    to[i] = !layer->keep[i] ? 0 : from[i] < 0 ? -alpha : alpha;
}

/* The network's weights that follow from the scores. */
static facet_status follow_scores(run *r)
{
  FACET_TRY(mask_by_magnitude(r, r->scores, r->job->sparsity, &r->mask));
  for (int l = 0; l < r->mask->layers; l++) {
    const struct facet_mask_layer *layer = &r->mask->layer[l];
    const float *from = data_of(r->weights, layer->value);
    float *to = data_of(r->network, layer->value);
    if (r->job->method == FACET_METHOD_BIPROP)
      set_binary(layer, from, to);
    else
      set_kept(layer, from, to);
  }
  return FACET_OK;
}

/* ---- checkpoints ---- */

static void add_piece(run *r, void *data, size_t bytes)
{
  r->piece[r->pieces++] = (facet_piece){data, bytes};
}

static void add_network(run *r, const facet_network *network)
{
  for (int i = 0; network && i < r->parameters; i++)
    add_piece(r, data_of(network, r->parameter[i].value), (size_t)r->parameter[i].size * sizeof(float));
}

/* The state, where it lies now. */
static facet_status list_state(run *r)
{
  int64_t count;
  facet_free(&r->piece);
  r->pieces = 0;
  FACET_NEW(r->piece, 3 + 4 * (size_t)r->parameters);
  float *velocity = facet_trainer_velocity(r->trainer, &count);
  add_piece(r, &r->step, sizeof r->step);
  add_piece(r, &r->seconds, sizeof r->seconds);
  add_piece(r, velocity, (size_t)count * sizeof *velocity);
  add_network(r, r->network);
  add_network(r, r->scores);
  add_network(r, r->early);
  for (int l = 0; r->mask && l < r->mask->layers; l++)
    add_piece(r, r->mask->layer[l].keep, (size_t)r->mask->layer[l].size);
  return FACET_OK;
}

static facet_status digest_settings(const facet_method_job *job, facet_sha256 *digest)
{
  const facet_training_job *t = &job->training;
  const facet_training *how = t->how;
  const facet_normalization *n = t->normalize;
  char *text = facet_format(
      "%d %a %d %lld %a %d %u, %d %lld %lld %a %a %a %d %d %a %a %a %d %d %d, %d %a %d %lld", (int)job->method,
      job->sparsity, (int)job->scope, (long long)job->rewind, job->per_round, job->trained, t->seed, how->epochs,
      (long long)how->batch, (long long)how->micro_batch, how->rate, how->momentum, how->decay, (int)how->schedule,
      how->step_epochs, how->step_factor, how->warmup, how->smoothing, how->augment.shift, how->augment.flip,
      how->augment.cutout, (int)t->input->order, n->scale, n->channels, (long long)t->data->count);
  facet_status status = text ? facet_sha256_add(digest, text, strlen(text)) : FACET_OS;
  facet_free(&text);
  if (status == FACET_OK)
    status = facet_sha256_add(digest, n->mean, sizeof n->mean);
  if (status == FACET_OK)
    status = facet_sha256_add(digest, n->std, sizeof n->std);
  return status;
}

static facet_status digest_data(const facet_dataset *data, facet_sha256 *digest)
{
  int64_t size[3] = {data->image.channels, data->image.height, data->image.width};
  size_t pixels = (size_t)(data->count * size[0] * size[1] * size[2]);
  FACET_TRY(facet_sha256_add(digest, size, sizeof size));
  FACET_TRY(facet_sha256_add(digest, data->pixels, pixels * (data->is_float ? sizeof(float) : 1)));
  return facet_sha256_add(digest, data->label, (size_t)data->count * sizeof *data->label);
}

/* What the state follows from: settings, data, mask, and the network that came in. */
static facet_status digest_all(const run *r, facet_sha256 *digest)
{
  const facet_mask *mask = r->job->training.mask;
  FACET_TRY(digest_settings(r->job, digest));
  FACET_TRY(digest_data(r->job->training.data, digest));
  for (int i = 0; i < r->parameters; i++)
    FACET_TRY(facet_sha256_add(digest, data_of(r->network, r->parameter[i].value),
                               (size_t)r->parameter[i].size * sizeof(float)));
  for (int l = 0; mask && l < mask->layers; l++)
    FACET_TRY(facet_sha256_add(digest, mask->layer[l].keep, (size_t)mask->layer[l].size));
  return FACET_OK;
}

static facet_status make_digest(run *r)
{
  facet_sha256 *digest;
  if (!r->job->training.checkpoint || facet_rank(r->comm) != 0)
    return FACET_OK;
  FACET_TRY(facet_sha256_begin(&digest));
  facet_status status = digest_all(r, digest);
  if (status == FACET_OK)
    return facet_sha256_end(&digest, r->digest);
  facet_sha256_drop(&digest);
  return status;
}

static void count_removed(facet_mask *mask)
{
  for (int l = 0; l < mask->layers; l++) {
    mask->layer[l].removed = 0;
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      mask->layer[l].removed += !mask->layer[l].keep[i];
  }
}

static facet_status go_on(run *r)
{
  bool found = false;
  if (!r->job->training.checkpoint)
    return FACET_OK;
  FACET_AGREE(r->comm, list_state(r));
  FACET_TRY(facet_checkpoint_read(r->comm, r->job->training.checkpoint, r->digest, r->pieces, r->piece, &found));
  if (found && r->mask)
    count_removed(r->mask);
  return FACET_OK;
}

static facet_status keep_state(run *r)
{
  facet_status status = FACET_OK;
  bool epoch_ends = r->step % facet_trainer_epoch(r->trainer) == 0;
  if (!r->job->training.checkpoint || !epoch_ends || r->step == r->steps)
    return FACET_OK;
  if (facet_rank(r->comm) == 0) {
    double before = r->seconds;
    r->seconds += facet_seconds() - r->begun;
    status = list_state(r);
    if (status == FACET_OK)
      status = facet_checkpoint_write(r->job->training.checkpoint, r->digest, r->pieces, r->piece);
    r->seconds = before;
  }
  return facet_agree(r->comm, status);
}

/* ---- running ---- */

static bool in_rounds(const run *r)
{
  return r->job->method == FACET_METHOD_LTH || r->job->method == FACET_METHOD_LRR;
}

static facet_status prepare_scores(run *r)
{
  FACET_TRY(facet_network_copy(r->network, &r->weights));
  FACET_TRY(facet_network_copy(r->network, &r->scores));
  first_scores(r);
  r->through = (facet_straight_through){r->scores, r->weights};
  return follow_scores(r);
}

/* Everything but the trainer. */
static facet_status prepare_method(run *r)
{
  const facet_method_job *job = r->job;
  FACET_TRY(facet_network_parameter_list(r->network, &r->parameter, &r->parameters));
  FACET_TRY(make_digest(r));
  if (rows[job->method].prunes)
    FACET_TRY(mask_by_magnitude(r, r->network, 0, &r->mask));
  if (job->method == FACET_METHOD_LTH)
    FACET_TRY(facet_network_copy(r->network, &r->early));
  if (job->method == FACET_METHOD_FINETUNE)
    FACET_TRY(remove_to(r, job->sparsity));
  return rows[job->method].through ? prepare_scores(r) : FACET_OK;
}

static facet_status prepare(run *r)
{
  const facet_method_job *job = r->job;
  FACET_TRY(prepare_method(r));
  FACET_TRY(facet_trainer_create(r->comm, r->network, r->scores ? &r->through : NULL, &job->training, &r->trainer));
  r->steps = job->training.how->epochs * facet_trainer_epoch(r->trainer);
  r->ramp = r->steps - r->steps / 4;
  r->interval = r->ramp > 100 ? r->ramp / 100 : 1;
  return in_rounds(r) ? facet_rounds_cut(job->sparsity, job->per_round, r->steps, job->rewind,
                                         job->trained && job->method == FACET_METHOD_LRR, &r->rounds)
                      : FACET_OK;
}

static double rate_now(const run *r)
{
  facet_round_place at = {.position = r->step, .length = r->steps};
  if (in_rounds(r))
    at = facet_rounds_at(&r->rounds, r->step);
  return facet_trainer_rate(r->job->training.how, at.position, at.length, facet_trainer_epoch(r->trainer));
}

static facet_status one_step(run *r)
{
  if (r->job->method == FACET_METHOD_GMP)
    FACET_TRY(gmp_before(r));
  else if (in_rounds(r))
    FACET_TRY(rounds_before(r));
  FACET_TRY(facet_trainer_step(r->trainer, r->step, rate_now(r), r->mask ? r->mask : r->job->training.mask));
  if (rows[r->job->method].through)
    FACET_AGREE(r->comm, follow_scores(r));
  r->step++;
  return keep_state(r);
}

/* A run that was killed tells where it is taken up again. */
static void say_taken_up(const run *r)
{
  long long batch = facet_trainer_batch(r->trainer);
  if (r->step > 0 && facet_rank(r->comm) == 0)
    fprintf(stderr, "%s: goes on from %lld of %lld samples\n", r->job->training.stage, r->step * batch,
            r->steps * batch);
}

static facet_status run_steps(run *r, facet_progress *progress)
{
  int64_t batch = facet_trainer_batch(r->trainer);
  double loss;
  facet_progress_at(progress, r->step * batch);
  while (r->step < r->steps) {
    FACET_TRY(one_step(r));
    if (facet_trainer_loss(r->trainer, &loss))
      facet_progress_note(progress, "loss %.3f", loss);
    facet_progress_at(progress, r->step * batch);
  }
  return FACET_OK;
}

facet_status facet_method_run(MPI_Comm comm, const facet_method_job *job, facet_network *network,
                              facet_method_cost *cost)
{
  run r = {.comm = comm, .job = job, .network = network, .begun = facet_seconds()};
  facet_progress *progress = NULL;
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, prepare(&r)));
  FACET_GO(done, status, go_on(&r));
  say_taken_up(&r);
  int64_t batch = facet_trainer_batch(r.trainer);
  FACET_GO(done, status,
           facet_agree(comm, facet_progress_begin(&progress, job->training.stage, "samples", r.steps * batch,
                                                  facet_rank(comm) != 0)));
  status = run_steps(&r, progress);
  if (cost)
    *cost = (facet_method_cost){r.step, r.step * batch, (double)r.step / (double)facet_trainer_epoch(r.trainer),
                                r.seconds + facet_seconds() - r.begun};
done:
  facet_progress_end(&progress);
  run_clear(&r);
  return status;
}

facet_status facet_train(MPI_Comm comm, facet_network *network, const facet_training_job *job, facet_method_cost *cost)
{
  facet_method_job plain = {.method = FACET_METHOD_TRAIN, .training = *job};
  return facet_method_run(comm, &plain, network, cost);
}

facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int ranks, size_t *bytes)
{
  size_t one = (size_t)facet_network_parameters(network) * sizeof(float);
  size_t copies = rows[job->method].through ? 2 : job->method == FACET_METHOD_LTH;
  size_t scores = rows[job->method].prunes ? 3 * one : 0; /* doubles to choose from, and masks */
  size_t file = job->training.checkpoint ? (3 + copies) * one : 0;
  FACET_TRY(facet_train_memory(network, &job->training, ranks, bytes));
  *bytes += copies * one + scores + file;
  return FACET_OK;
}
