/* Running a method: which steps are taken, and what happens to weights and mask between them, as its rule says.  All of
 * it is computed by every rank alike, from the same weights, so masks are the same bits everywhere. */
#include "method_run.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "ranks/agree.h"

/* ---- a run ---- */

typedef struct {
  MPI_Comm comm;
  const facet_method_job *job;
  const facet_rule *rule; /* NULL: of plain training */
  facet_budget budget;
  facet_network *network;
  facet_trainer *trainer;
  facet_straight_through through;
  facet_network *weights, *scores; /* of rules that train scores: as they came in; what is trained */
  facet_network *early;            /* of rules that remember */
  facet_mask *mask;                /* of methods that prune */
  facet_parameter *parameter;
  int parameters;
  int64_t step, steps;   /* done, of all */
  double seconds, begun; /* before this process; when it began */
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
  facet_pruning how = {.method = facet_method_find("magnitude"),
                       .scope = r->job->scope,
                       .sparsity = sparsity,
                       .allow_collapse = r->job->allow_collapse};
  return facet_mask_create(network, &how, NULL, mask);
}

static void copy_parameters(const run *r, const facet_network *from, facet_network *to)
{
  for (int i = 0; i < r->parameters; i++)
    memcpy(data_of(to, r->parameter[i].value), data_of(from, r->parameter[i].value),
           (size_t)r->parameter[i].size * sizeof(float));
}

/* ---- what the rule says ---- */

static facet_turn turn_now(const run *r)
{
  return r->rule ? r->rule->turn(&r->budget, r->step) : (facet_turn){.position = r->step, .length = r->steps};
}

static facet_status take_turn(run *r, const facet_turn *turn)
{
  int64_t count;
  if (turn->remembers)
    copy_parameters(r, r->network, r->early);
  if (turn->removes)
    FACET_AGREE(r->comm, mask_by_magnitude(r, r->network, turn->sparsity, &r->mask));
  if (turn->rewinds)
    copy_parameters(r, r->early, r->network);
  if (turn->removes)
    facet_mask_apply(r->mask, r->network);
  if (turn->restarts) {
    float *velocity = facet_trainer_velocity(r->trainer, &count);
    memset(velocity, 0, (size_t)count * sizeof *velocity);
  }
  return FACET_OK;
}

/* The network's weights that follow from the scores. */
static facet_status follow_scores(run *r)
{
  FACET_TRY(mask_by_magnitude(r, r->scores, r->job->sparsity, &r->mask));
  for (int l = 0; l < r->mask->layers; l++) {
    const struct facet_mask_layer *layer = &r->mask->layer[l];
    r->rule->weigh(data_of(r->weights, layer->value), layer->keep, layer->size, data_of(r->network, layer->value));
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
  char *text = facet_format("%s %a %d %lld %a %d %d %u, %d %lld %lld %a %a %a %d %d %a %a %a %d %d %d, %d %a %d %lld",
                            job->method ? job->method->name : "", job->sparsity, (int)job->scope,
                            (long long)job->rewind, job->per_round, job->trained, job->allow_collapse, t->seed,
                            how->epochs, (long long)how->batch, (long long)how->micro_batch, how->rate, how->momentum,
                            how->decay, (int)how->schedule, how->step_epochs, how->step_factor, how->warmup,
                            how->smoothing, how->augment.shift, how->augment.flip, how->augment.cutout,
                            (int)t->input->order, n->scale, n->channels, (long long)t->data->count);
  facet_status status = text ? facet_sha256_add(digest, text, strlen(text)) : FACET_OS;
  facet_free(&text);
  FACET_TRY(status);
  FACET_TRY(facet_sha256_add(digest, n->mean, sizeof n->mean));
  return facet_sha256_add(digest, n->std, sizeof n->std);
}

static facet_status digest_network(const facet_network *network, facet_sha256 *digest)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_onnx_write_bytes(network, &bytes, &count));
  facet_status status = facet_sha256_add(digest, bytes, count);
  facet_free(&bytes);
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
  FACET_TRY(digest_network(r->network, digest));
  for (int l = 0; mask && l < mask->layers; l++)
    FACET_TRY(facet_sha256_add(digest, mask->layer[l].keep, (size_t)mask->layer[l].size));
  for (int64_t i = 0; mask && i < mask->silences; i++) {
    const int64_t place[2] = {mask->silence[i].value, mask->silence[i].index};
    FACET_TRY(facet_sha256_add(digest, place, sizeof place));
  }
  return FACET_OK;
}

static facet_status make_digest(run *r)
{
  facet_sha256 *digest;
  if (!r->job->training.checkpoint || facet_rank(r->comm) != 0)
    return FACET_OK;
  FACET_TRY(facet_sha256_begin(&digest));
  facet_status status;
  FACET_GO(drop, status, digest_all(r, digest));
  return facet_sha256_end(&digest, r->digest);
drop:
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

static facet_status write_state(run *r)
{
  double before = r->seconds;
  FACET_TRY(list_state(r));
  r->seconds += facet_seconds() - r->begun;
  facet_status status = facet_checkpoint_write(r->job->training.checkpoint, r->digest, r->pieces, r->piece);
  r->seconds = before;
  return status;
}

static facet_status keep_state(run *r)
{
  bool epoch_ends = r->step % facet_trainer_epoch(r->trainer) == 0;
  if (!r->job->training.checkpoint || !epoch_ends || r->step == r->steps)
    return FACET_OK;
  return facet_agree(r->comm, facet_rank(r->comm) == 0 ? write_state(r) : FACET_OK);
}

/* ---- running ---- */

static facet_status prepare_scores(run *r)
{
  FACET_TRY(facet_network_copy(r->network, &r->weights));
  FACET_TRY(facet_network_copy(r->network, &r->scores));
  for (int l = 0; l < r->mask->layers; l++)
    r->rule->begin(data_of(r->weights, r->mask->layer[l].value), r->mask->layer[l].size, r->job->training.seed, l,
                   data_of(r->scores, r->mask->layer[l].value));
  r->through = (facet_straight_through){r->scores, r->weights};
  return follow_scores(r);
}

/* Everything but the trainer. */
static facet_status prepare_method(run *r)
{
  FACET_TRY(facet_network_parameter_list(r->network, &r->parameter, &r->parameters));
  FACET_TRY(make_digest(r));
  if (!r->rule)
    return FACET_OK;
  FACET_TRY(mask_by_magnitude(r, r->network, 0, &r->mask));
  if (r->rule->remembers)
    FACET_TRY(facet_network_copy(r->network, &r->early));
  return r->rule->weigh ? prepare_scores(r) : FACET_OK;
}

static facet_status prepare(run *r)
{
  const facet_method_job *job = r->job;
  FACET_TRY(prepare_method(r));
  FACET_TRY(facet_trainer_create(r->comm, r->network, r->scores ? &r->through : NULL, &job->training, &r->trainer));
  r->steps = job->training.how->epochs * facet_trainer_epoch(r->trainer);
  if (!r->rule)
    return FACET_OK;
  r->budget =
      (facet_budget){job->sparsity, r->steps, job->rewind, job->per_round, job->trained && !job->method->from_first};
  return r->rule->check ? r->rule->check(&r->budget) : FACET_OK;
}

static facet_status one_step(run *r)
{
  facet_turn turn = turn_now(r);
  const facet_training_job *training = &r->job->training;
  FACET_TRY(take_turn(r, &turn));
  double rate = facet_trainer_rate(training->how, turn.position, turn.length, facet_trainer_epoch(r->trainer));
  FACET_TRY(facet_trainer_step(r->trainer, r->step, rate, r->mask ? r->mask : training->mask));
  if (r->scores)
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
  r.rule = job->method ? job->method->rule : NULL;
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

facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int ranks, size_t *bytes)
{
  size_t one = (size_t)facet_network_parameters(network) * sizeof(float);
  const facet_rule *rule = job->method ? job->method->rule : NULL;
  size_t copies = !rule ? 0 : rule->weigh ? 2 : rule->remembers;
  size_t scores = rule ? 3 * one : 0; /* doubles to choose from, and masks */
  size_t file = job->training.checkpoint ? (3 + copies) * one : 0;
  FACET_TRY(facet_train_memory(network, &job->training, ranks, bytes));
  *bytes += copies * one + scores + file;
  return FACET_OK;
}
