/* SGD with exact sums: see sgd.h, and sums.h for why they are exact. */
#include "sgd.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "shares.h"
#include "sums.h"

void facet_sgd_destroy(facet_sgd **sgd)
{
  facet_sgd *t = *sgd;
  if (!t)
    return;
  facet_executor_destroy(&t->executor);
  facet_shuffle_destroy(&t->shuffle);
  FACET_FREE(&t->parameter, &t->gradient, &t->velocity, &t->sum, &t->order, &t->pixels, &t->x, &t->dlogits, &t->logits,
             &t->room, &t->table, &t->share, &t->pace, &t->took);
  facet_free(sgd);
}

static facet_status list_parameters(facet_sgd *t)
{
  FACET_TRY(facet_network_parameter_list(t->network, &t->parameter, &t->parameters));
  for (int i = 0; i < t->parameters; i++) {
    FACET_CHECK(t->network->value[t->parameter[i].value].constant->type == FACET_F32, FACET_BAD_INPUT,
                "%s is not float32: only float32 networks are trained", t->network->value[t->parameter[i].value].name);
    t->total += t->parameter[i].size;
  }
  FACET_CHECK(t->total <= INT32_MAX, FACET_BAD_INPUT, "too many parameters");
  return FACET_OK;
}

static facet_status prepare(facet_sgd *t)
{
  const facet_training *how = t->job->how;
  const facet_dataset *data = t->job->data;
  t->batch = how->batch < data->count ? how->batch : data->count;
  t->epoch = data->count / t->batch;
  t->micro = how->micro_batch < t->batch ? how->micro_batch : t->batch;
  t->micros = (t->batch + t->micro - 1) / t->micro;
  t->inputs = facet_shape_size(facet_network_input_shape(t->network));
  t->classes = facet_network_outputs(t->network);
  facet_executor_options options = {.real = FACET_F32, .batch = t->micro, .training = true};
  FACET_TRY(list_parameters(t));
  FACET_TRY(facet_executor_create(t->network, options, &t->executor));
  int64_t even = (t->micros + t->parts - 1) / t->parts, some_more = even + (even + 1) / 2;
  t->most = some_more < t->micros ? some_more : t->micros;
  FACET_NEW(t->gradient, t->most * t->total);
  FACET_NEW(t->share, t->parts);
  FACET_NEW(t->pace, t->parts);
  FACET_NEW(t->took, t->parts);
  for (int64_t m = 0; m < t->micros; m++)
    t->share[m % t->parts]++;
  FACET_NEW(t->velocity, t->total);
  FACET_NEW(t->sum, t->total);
  FACET_TRY(facet_shuffle_create((facet_random){t->job->seed, FACET_STREAM_SHUFFLE}, data->count, &t->shuffle));
  FACET_NEW(t->order, t->micro);
  FACET_NEW(t->pixels, t->micro * t->inputs);
  FACET_NEW(t->x, t->micro * t->inputs);
  FACET_NEW(t->room, t->inputs);
  if (!data->is_float) {
    FACET_NEW(t->table, data->image.channels * FACET_BYTE_VALUES);
    facet_normalize_table(t->job->normalize, data->image.channels, t->table);
  }
  FACET_NEW(t->dlogits, t->micro * t->classes);
  FACET_NEW(t->logits, t->micro * t->classes);
  return FACET_OK;
}

facet_status facet_sgd_create(facet_network *network, const facet_straight_through *through,
                              const facet_training_job *job, int part, int parts, facet_sgd **sgd)
{
  FACET_NEW(*sgd, 1);
  **sgd = (facet_sgd){.network = network, .through = through, .job = job, .part = part, .parts = parts};
  facet_status status = prepare(*sgd);
  if (status != FACET_OK)
    facet_sgd_destroy(sgd);
  return status;
}

facet_status facet_sgd_memory(facet_network *network, const facet_training_job *job, int parts, size_t *bytes)
{
  facet_sgd *t;
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  FACET_TRY(facet_sgd_create(network, NULL, job, 0, parts, &t));
  *bytes = facet_memory_in_use() - before + (parts > 1 ? (size_t)t->total * sizeof *t->sum : 0); /* summed in a copy */
  facet_sgd_destroy(&t);
  facet_kernels_release();
  return FACET_OK;
}

int64_t facet_training_samples(const facet_training *how, int64_t count)
{
  int64_t batch = how->batch < count ? how->batch : count;
  return batch > 0 ? how->epochs * (count / batch) * batch : 0;
}

bool facet_sgd_loss(facet_sgd *t, double *loss)
{
  if (t->seen < 50 * t->micro)
    return false;
  *loss = t->loss / (double)t->seen;
  t->loss = 0;
  t->seen = 0;
  return true;
}

/* ---- the gradient of a micro-batch ---- */

/* d(mean loss of the step)/d(logits) of one sample, and its loss. Overwrites the logits. */
static double loss_and_slope(double *logits, int64_t classes, int32_t label, double smoothing, int64_t batch,
                             float *slope)
{
  double largest = logits[0], sum = 0, meant = 0, even = smoothing / (double)classes;
  for (int64_t k = 1; k < classes; k++)
    largest = fmax(largest, logits[k]);
  for (int64_t k = 0; k < classes; k++) {
    meant += (even + (k == label) * (1 - smoothing)) * logits[k];
    logits[k] = exp(logits[k] - largest);
    sum += logits[k];
  }
  for (int64_t k = 0; k < classes; k++)
    slope[k] = (float)((logits[k] / sum - (even + (k == label) * (1 - smoothing))) / (double)batch);
  return largest + log(sum) - meant;
}

/* The samples of t->order, as the network takes them, in t->x. */
static facet_status load(facet_sgd *t, int64_t epoch, int64_t count)
{
  const int64_t *order = t->order;
  const facet_dataset *d = t->job->data;
  const facet_augmentation *a = &t->job->how->augment;
  uint32_t seed = t->job->seed;
  for (int64_t i = 0; i < count; i++) {
    float *pixels = t->pixels + i * t->inputs;
    FACET_TRY(facet_dataset_pixels(d, order[i], 1, pixels));
    facet_augment_move(a, seed, epoch, order[i], d->image, pixels, t->room);
  }
  if (t->table)
    facet_normalize_bytes(t->table, d->image, count, t->pixels, t->pixels);
  else
    facet_normalize(t->job->normalize, d->image, count, t->pixels, t->pixels);
  for (int64_t i = 0; i < count; i++)
    facet_augment_cut(a, seed, epoch, order[i], d->image, t->pixels + i * t->inputs);
  facet_input_arrange(t->job->input, d->image, count, sizeof *t->x, t->pixels, t->x);
  return FACET_OK;
}

/* Gradient of micro-batch `micro` of the step whose samples start at place `first` of the epoch's order. */
static facet_status micro_gradient(facet_sgd *t, int64_t epoch, int64_t first, int64_t micro, float *gradient)
{
  const facet_dataset *data = t->job->data;
  int64_t begin = micro * t->micro, end = begin + t->micro < t->batch ? begin + t->micro : t->batch;
  int64_t count = end - begin;
  facet_shuffle_take(t->shuffle, (uint64_t)epoch, first + begin, count, t->order);
  FACET_TRY(load(t, epoch, count));
  FACET_TRY(facet_executor_forward(t->executor, t->x, count));
  FACET_TRY(facet_executor_output(t->executor, t->logits));
  for (int64_t i = 0; i < count; i++) {
    int32_t label;
    FACET_TRY(facet_dataset_labels(data, t->order[i], 1, &label));
    t->loss += loss_and_slope(t->logits + i * t->classes, t->classes, label, t->job->how->smoothing, t->batch,
                              t->dlogits + i * t->classes);
  }
  t->seen += count;
  FACET_TRY(facet_executor_gradient(t->executor, t->dlogits, gradient));
  double share = (double)count / (double)t->batch; /* statistics are averaged over the step's samples */
  for (int i = 0; i < t->parameters; i++)
    if (t->parameter[i].role == FACET_MEAN || t->parameter[i].role == FACET_VARIANCE)
      for (int64_t j = 0; j < t->parameter[i].size; j++)
        gradient[t->parameter[i].offset + j] *= (float)share;
  return FACET_OK;
}

/* ---- the step ---- */

static float *data_of(const facet_network *network, int value)
{
  return network->value[value].constant->data;
}

/* Whether the weights that are 0 are those that the mask holds there. */
static bool holds_zeros(const facet_sgd *t, const facet_mask *mask)
{
  bool held = mask && !t->through;
  for (int l = 0; held && l < mask->layers; l++) {
    const struct facet_mask_layer *layer = &mask->layer[l];
    const float *theta = data_of(t->network, layer->value);
    int64_t others = 0;
    for (int64_t i = 0; i < layer->size; i++)
      others += (theta[i] != 0) != (layer->keep[i] != 0);
    held = others == 0;
  }
  return held;
}

facet_status facet_sgd_gradients(facet_sgd *t, int64_t step, const facet_mask *mask, double *largest)
{
  int64_t epoch = step / t->epoch, first = step % t->epoch * t->batch;
  t->own = 0;
  *largest = 0;
  facet_executor_hold(t->executor, holds_zeros(t, mask));
  FACET_TRY(facet_executor_refresh(t->executor));
  int64_t before = 0;
  double begun = facet_seconds();
  for (int p = 0; p < t->part; p++)
    before += t->share[p];
  for (; t->own < t->share[t->part]; t->own++) {
    float *gradient = t->gradient + t->own * t->total;
    FACET_TRY(micro_gradient(t, epoch, first, before + t->own, gradient));
    *largest = fmax(*largest, (double)facet_sums_largest(gradient, t->total));
  }
  t->busy += facet_seconds() - begun;
  t->gone_through += t->own;
  return FACET_OK;
}

double facet_sgd_pace(const facet_sgd *t)
{
  return t->gone_through > 0 ? t->busy / (double)t->gone_through : 0;
}

void facet_sgd_deal(facet_sgd *t, const double *took)
{
  facet_shares_learn(t->parts, took, t->pace);
  facet_shares_deal(t->parts, t->micros, t->most, t->pace, t->share);
  t->busy = 0;
  t->gone_through = 0;
}

facet_status facet_sgd_sum(facet_sgd *t, int64_t step, double largest)
{
  FACET_CHECK(isfinite(largest), FACET_DIVERGED,
              "%s: diverged: at step %lld of epoch %lld the loss is no longer finite; lower the rate", t->job->stage,
              (long long)(step % t->epoch + 1), (long long)(step / t->epoch + 1));
  t->exponent = facet_sums_exponent(largest, t->micros);
  facet_sums_make(t->own, t->total, t->gradient, t->exponent, t->sum);
  return FACET_OK;
}

static void clear_removed(int64_t count, const uint8_t *restrict keep, float *restrict theta)
{
  for (int64_t i = 0; i < count; i++)
    theta[i] = keep[i] ? theta[i] : 0;
}

static void apply_parameter(facet_sgd *t, const facet_parameter *p, facet_descent d)
{
  const int64_t *sum = t->sum + p->offset;
  float *velocity = t->velocity + p->offset;
  if (p->role == FACET_MEAN || p->role == FACET_VARIANCE)
    facet_sums_average(p->size, sum, d.scale, data_of(t->network, p->value));
  else if (!t->through)
    facet_sums_descend(p->size, d, sum, velocity, data_of(t->network, p->value));
  else if (p->role == FACET_WEIGHT)
    facet_sums_descend_scores(p->size, d, sum, data_of(t->through->weights, p->value), velocity,
                              data_of(t->through->scores, p->value));
}

void facet_sgd_move(facet_sgd *t, double rate, const facet_mask *mask)
{
  const facet_training *how = t->job->how;
  facet_descent d = {(float)rate, (float)how->momentum, (float)how->decay, ldexp(1, -t->exponent)};
  for (int i = 0; i < t->parameters; i++)
    apply_parameter(t, &t->parameter[i], d);
  for (int l = 0; mask && !t->through && l < mask->layers; l++)
    clear_removed(mask->layer[l].size, mask->layer[l].keep, data_of(t->network, mask->layer[l].value));
  for (int64_t i = 0; mask && i < mask->silences; i++)
    data_of(t->network, mask->silence[i].value)[mask->silence[i].index] = 0;
}

double facet_training_rate(const facet_training *how, int64_t position, int64_t length, int64_t epoch)
{
  double warm = how->warmup * (double)epoch, rate = how->rate;
  int64_t drops = how->step_epochs > 0 ? position / epoch / how->step_epochs : 0; /* of a rate that falls in steps */
  if ((double)position < warm)
    rate *= (double)(position + 1) / (warm > (double)(position + 1) ? warm : (double)(position + 1));
  switch (how->schedule) {
  case FACET_SCHEDULE_COSINE:
    return rate * 0.5 * (1 + cos(3.14159265358979323846 * (double)position / (double)length));
  case FACET_SCHEDULE_STEP:
    return rate * pow(how->step_factor, (double)drops);
  case FACET_SCHEDULE_CONSTANT:
    break;
  }
  return rate;
}
