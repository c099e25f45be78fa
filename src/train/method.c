/* What a training's rule does to a network: see method.h. */
#include "method.h"

#include <string.h>

#include "onnx/onnx.h"

void facet_method_clear(facet_method_state *r)
{
  facet_sgd_destroy(&r->sgd);
  facet_network_destroy(&r->weights);
  facet_network_destroy(&r->scores);
  facet_network_destroy(&r->early);
  facet_mask_destroy(&r->mask);
  FACET_FREE(&r->parameter, &r->piece);
}

static float *data_of(const facet_network *network, int value)
{
  return network->value[value].constant->data;
}

static facet_status mask_by_magnitude(const facet_method_state *r, const facet_network *network, double sparsity,
                                      facet_mask **mask)
{
  facet_mask_destroy(mask);
  facet_pruning how = {.method = facet_method_find("magnitude"),
                       .scope = r->job->scope,
                       .sparsity = sparsity,
                       .allow_collapse = r->job->allow_collapse};
  return facet_mask_create(network, &how, NULL, mask);
}

static void copy_parameters(const facet_method_state *r, const facet_network *from, facet_network *to)
{
  for (int i = 0; i < r->parameters; i++)
    memcpy(data_of(to, r->parameter[i].value), data_of(from, r->parameter[i].value),
           (size_t)r->parameter[i].size * sizeof(float));
}

/* ---- what the rule says ---- */

static facet_status take_turn(facet_method_state *r, const facet_turn *turn)
{
  if (turn->remembers)
    copy_parameters(r, r->network, r->early);
  if (turn->removes)
    FACET_TRY(mask_by_magnitude(r, r->network, turn->sparsity, &r->mask));
  if (turn->rewinds)
    copy_parameters(r, r->early, r->network);
  if (turn->removes)
    facet_mask_apply(r->mask, r->network);
  if (turn->restarts)
    memset(r->sgd->velocity, 0, (size_t)r->sgd->total * sizeof *r->sgd->velocity);
  return FACET_OK;
}

facet_status facet_method_before(facet_method_state *r, double *rate)
{
  facet_turn turn = {.position = r->step, .length = r->steps};
  if (r->rule)
    turn = r->rule->turn(&r->budget, r->step);
  *rate = facet_training_rate(r->job->training.how, turn.position, turn.length, r->sgd->epoch);
  return take_turn(r, &turn);
}

const facet_mask *facet_method_mask(const facet_method_state *r)
{
  return r->mask ? r->mask : r->job->mask;
}

/* The network's weights that follow from the scores. */
static facet_status follow_scores(facet_method_state *r)
{
  FACET_TRY(mask_by_magnitude(r, r->scores, r->job->sparsity, &r->mask));
  for (int l = 0; l < r->mask->layers; l++) {
    const struct facet_mask_layer *layer = &r->mask->layer[l];
    r->rule->weigh(data_of(r->weights, layer->value), layer->keep, layer->size, data_of(r->network, layer->value));
  }
  return FACET_OK;
}

facet_status facet_method_after(facet_method_state *r)
{
  r->step++;
  return r->scores ? follow_scores(r) : FACET_OK;
}

/* ---- making ready ---- */

static facet_status prepare_scores(facet_method_state *r)
{
  FACET_TRY(facet_network_copy(r->network, &r->weights));
  FACET_TRY(facet_network_copy(r->network, &r->scores));
  for (int l = 0; l < r->mask->layers; l++)
    r->rule->begin(data_of(r->weights, r->mask->layer[l].value), r->mask->layer[l].size, r->job->training.seed, l,
                   data_of(r->scores, r->mask->layer[l].value));
  r->through = (facet_straight_through){r->scores, r->weights};
  return follow_scores(r);
}

static facet_status prepare_rule(facet_method_state *r)
{
  FACET_TRY(mask_by_magnitude(r, r->network, 0, &r->mask));
  if (r->rule->remembers)
    FACET_TRY(facet_network_copy(r->network, &r->early));
  return r->rule->weigh ? prepare_scores(r) : FACET_OK;
}

facet_status facet_method_begin(const facet_method_job *job, facet_network *network, int part, int parts,
                                facet_method_state *r)
{
  *r = (facet_method_state){.job = job, .network = network, .rule = job->method ? job->method->rule : NULL};
  FACET_TRY(facet_network_parameter_list(network, &r->parameter, &r->parameters));
  if (r->rule)
    FACET_TRY(prepare_rule(r));
  FACET_TRY(facet_sgd_create(network, r->scores ? &r->through : NULL, &job->training, part, parts, &r->sgd));
  r->steps = job->training.how->epochs * r->sgd->epoch;
  if (!r->rule)
    return FACET_OK;
  r->budget =
      (facet_budget){job->sparsity, r->steps, job->rewind, job->per_round, job->trained && !job->method->from_first};
  return r->rule->check ? r->rule->check(&r->budget) : FACET_OK;
}

facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int parts, size_t *bytes)
{
  size_t one = (size_t)facet_network_parameters(network) * sizeof(float);
  const facet_rule *rule = job->method ? job->method->rule : NULL;
  size_t copies = !rule ? 0 : rule->weigh ? 2 : rule->remembers;
  size_t scores = rule ? 3 * one : 0; /* doubles to choose from, and masks */
  size_t file = (3 + copies) * one;
  FACET_TRY(facet_sgd_memory(network, &job->training, parts, bytes));
  *bytes += copies * one + scores + file;
  return FACET_OK;
}

/* ---- the state, and what it follows from ---- */

static void add_piece(facet_method_state *r, void *data, size_t bytes)
{
  r->piece[r->pieces++] = (facet_piece){data, bytes};
}

static void add_network(facet_method_state *r, const facet_network *network)
{
  for (int i = 0; network && i < r->parameters; i++)
    add_piece(r, data_of(network, r->parameter[i].value), (size_t)r->parameter[i].size * sizeof(float));
}

facet_status facet_method_pieces(facet_method_state *r)
{
  facet_free(&r->piece);
  r->pieces = 0;
  FACET_NEW(r->piece, 3 + 4 * (size_t)r->parameters);
  add_piece(r, &r->step, sizeof r->step);
  add_piece(r, &r->seconds, sizeof r->seconds);
  add_piece(r, r->sgd->velocity, (size_t)r->sgd->total * sizeof *r->sgd->velocity);
  add_network(r, r->network);
  add_network(r, r->scores);
  add_network(r, r->early);
  for (int l = 0; r->mask && l < r->mask->layers; l++)
    add_piece(r, r->mask->layer[l].keep, (size_t)r->mask->layer[l].size);
  return FACET_OK;
}

void facet_method_filled(facet_method_state *r)
{
  for (int l = 0; r->mask && l < r->mask->layers; l++) {
    struct facet_mask_layer *layer = &r->mask->layer[l];
    layer->removed = 0;
    for (int64_t i = 0; i < layer->size; i++)
      layer->removed += !layer->keep[i];
  }
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
  facet_data_digest all;
  FACET_TRY(facet_dataset_digest(data, &all));
  return facet_sha256_add(digest, &all, sizeof all);
}

static facet_status digest_mask(const facet_mask *mask, facet_sha256 *digest)
{
  for (int l = 0; l < mask->layers; l++)
    FACET_TRY(facet_sha256_add(digest, mask->layer[l].keep, (size_t)mask->layer[l].size));
  for (int64_t i = 0; i < mask->silences; i++) {
    const int64_t place[2] = {mask->silence[i].value, mask->silence[i].index};
    FACET_TRY(facet_sha256_add(digest, place, sizeof place));
  }
  return FACET_OK;
}

static facet_status digest_all(const facet_method_job *job, const facet_network *network, facet_sha256 *digest)
{
  FACET_TRY(digest_settings(job, digest));
  FACET_TRY(digest_data(job->training.data, digest));
  FACET_TRY(digest_network(network, digest));
  return job->mask ? digest_mask(job->mask, digest) : FACET_OK;
}

facet_status facet_method_digest(const facet_method_job *job, const facet_network *network, char hex[65])
{
  facet_sha256 *digest;
  FACET_TRY(facet_sha256_begin(&digest));
  facet_status status = digest_all(job, network, digest);
  if (status == FACET_OK)
    return facet_sha256_end(&digest, hex);
  facet_sha256_drop(&digest);
  return status;
}
