/* Data-parallel SGD with exact sums: see trainer.h.
 *
 * A floating-point sum depends on its order, and with it on the number of ranks.  So every micro-batch's
 * gradient is turned into integers, with one scale for all that follows from the largest gradient of the step (a
 * maximum does not depend on order), and integers are summed: the same bits on any number of ranks.
 *
 * Integers stay below 2^51, so that a sum with 1.5 * 2^52 turns doubles into integers and back: unlike conversions,
 * sums are done many at a time on every machine. */
#include "trainer.h"

#include <math.h>
#include <string.h>

#include "ranks/agree.h"

enum { SUM_BITS = 50, PIECE = 2048 };

struct facet_trainer {
  MPI_Comm comm;
  int rank, ranks;
  facet_network *network;
  const facet_straight_through *through;
  const facet_training_job *job;
  facet_executor *executor;
  facet_parameter *parameter;
  int parameters;
  int64_t total; /* numbers in a flat vector of all parameters */
  int64_t inputs, classes;
  int64_t batch, micro, micros; /* samples of a step, of a micro-batch; micro-batches of a step */
  float *gradient;              /* own micro-batches of a step, one after the other */
  float *velocity;
  int64_t *sum;
  int64_t *order;
  int64_t ordered; /* 1 + the epoch that `order` is of */
  float *pixels, *x, *dlogits, *room;
  double *logits;
  double loss; /* of the own samples since it was last shown */
  int64_t seen;
};

void facet_trainer_destroy(facet_trainer **trainer)
{
  facet_trainer *t = *trainer;
  if (!t)
    return;
  facet_executor_destroy(&t->executor);
  FACET_FREE(&t->parameter, &t->gradient, &t->velocity, &t->sum, &t->order, &t->pixels, &t->x, &t->dlogits, &t->logits,
             &t->room);
  facet_free(trainer);
}

static facet_status list_parameters(facet_trainer *t)
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

static facet_status prepare(facet_trainer *t)
{
  const facet_training *how = t->job->how;
  const facet_dataset *data = t->job->data;
  t->batch = how->batch < data->count ? how->batch : data->count;
  t->micro = how->micro_batch < t->batch ? how->micro_batch : t->batch;
  t->micros = (t->batch + t->micro - 1) / t->micro;
  t->inputs = facet_shape_size(facet_network_input_shape(t->network));
  t->classes = facet_network_outputs(t->network);
  facet_executor_options options = {.real = FACET_F32, .batch = t->micro, .training = true};
  FACET_TRY(list_parameters(t));
  FACET_TRY(facet_executor_create(t->network, options, &t->executor));
  int64_t own = (t->micros + t->ranks - 1) / t->ranks;
  FACET_NEW(t->gradient, own * t->total);
  FACET_NEW(t->velocity, t->total);
  FACET_NEW(t->sum, t->total);
  FACET_NEW(t->order, data->count);
  FACET_NEW(t->pixels, t->micro * t->inputs);
  FACET_NEW(t->x, t->micro * t->inputs);
  FACET_NEW(t->room, t->inputs);
  FACET_NEW(t->dlogits, t->micro * t->classes);
  FACET_NEW(t->logits, t->micro * t->classes);
  return FACET_OK;
}

facet_status facet_trainer_create(MPI_Comm comm, facet_network *network, const facet_straight_through *through,
                                  const facet_training_job *job, facet_trainer **trainer)
{
  FACET_NEW(*trainer, 1);
  facet_trainer *t = *trainer;
  t->comm = comm;
  t->rank = facet_rank(comm);
  t->ranks = facet_ranks(comm);
  t->network = network;
  t->through = through;
  t->job = job;
  facet_status status = prepare(t);
  if (status != FACET_OK)
    facet_trainer_destroy(trainer);
  return status;
}

facet_status facet_train_memory(facet_network *network, const facet_training_job *job, int ranks, size_t *bytes)
{
  facet_trainer *t;
  FACET_NEW(t, 1);
  t->ranks = ranks;
  t->network = network;
  t->job = job;
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  facet_status status = prepare(t);
  *bytes =
      facet_memory_in_use() - before + (ranks > 1 ? (size_t)t->total * sizeof *t->sum : 0); /* MPI sums in a copy */
  facet_trainer_destroy(&t);
  facet_kernels_release();
  return status;
}

int64_t facet_training_samples(const facet_training *how, int64_t count)
{
  int64_t batch = how->batch < count ? how->batch : count;
  return batch > 0 ? how->epochs * (count / batch) * batch : 0;
}

int64_t facet_trainer_batch(const facet_trainer *t)
{
  return t->batch;
}

int64_t facet_trainer_epoch(const facet_trainer *t)
{
  return t->job->data->count / t->batch;
}

float *facet_trainer_velocity(facet_trainer *t, int64_t *count)
{
  *count = t->total;
  return t->velocity;
}

bool facet_trainer_loss(facet_trainer *t, double *loss)
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

/* Samples order[first..] of an epoch, as the network takes them, in t->x. */
static void load(facet_trainer *t, int64_t epoch, const int64_t *order, int64_t count)
{
  const facet_dataset *d = t->job->data;
  const facet_augmentation *a = &t->job->how->augment;
  uint32_t seed = t->job->seed;
  for (int64_t i = 0; i < count; i++) {
    float *pixels = t->pixels + i * t->inputs;
    facet_dataset_pixels(d, order[i], 1, pixels);
    facet_augment_move(a, seed, epoch, order[i], d->image, pixels, t->room);
  }
  facet_normalize(t->job->normalize, d->image, count, t->pixels, t->pixels);
  for (int64_t i = 0; i < count; i++)
    facet_augment_cut(a, seed, epoch, order[i], d->image, t->pixels + i * t->inputs);
  facet_input_arrange(t->job->input, d->image, count, sizeof *t->x, t->pixels, t->x);
}

/* Gradient of micro-batch `micro` of the step whose samples start at order[first]. */
static facet_status micro_gradient(facet_trainer *t, int64_t epoch, int64_t first, int64_t micro, float *gradient)
{
  const facet_dataset *data = t->job->data;
  int64_t begin = micro * t->micro, end = begin + t->micro < t->batch ? begin + t->micro : t->batch;
  int64_t count = end - begin;
  const int64_t *order = t->order + first + begin;
  load(t, epoch, order, count);
  FACET_TRY(facet_executor_forward(t->executor, t->x, count));
  FACET_TRY(facet_executor_output(t->executor, t->logits));
  for (int64_t i = 0; i < count; i++)
    t->loss += loss_and_slope(t->logits + i * t->classes, t->classes, data->label[order[i]], t->job->how->smoothing,
                              t->batch, t->dlogits + i * t->classes);
  t->seen += count;
  FACET_TRY(facet_executor_gradient(t->executor, t->dlogits, gradient));
  double share = (double)count / (double)t->batch; /* statistics are averaged over the step's samples */
  for (int i = 0; i < t->parameters; i++)
    if (t->parameter[i].role == FACET_MEAN || t->parameter[i].role == FACET_VARIANCE)
      for (int64_t j = 0; j < t->parameter[i].size; j++)
        gradient[t->parameter[i].offset + j] *= (float)share;
  return FACET_OK;
}

/* ---- exact sums ---- */

/* Largest |g|, NaN above everything: without the sign, the bits of floats order as the floats do. */
static float largest_of(const float *g, int64_t count)
{
  int32_t top = 0;
  for (int64_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, &g[i], sizeof bits);
    bits &= INT32_MAX;
    top = bits > top ? bits : top;
  }
  float largest;
  memcpy(&largest, &top, sizeof largest);
  return isnan(largest) ? INFINITY : largest;
}

/* Largest |g| of all ranks' micro-batches. Tells of failures and interruptions on the way. */
static facet_status agree_on_largest(facet_trainer *t, facet_status status, int64_t step, float own, double *largest)
{
  double all[3] = {(double)own, status != FACET_OK, facet_interrupted()};
  FACET_TRY(facet_largest(t->comm, all, 3, "training"));
  if (all[1] > 0)
    return facet_agree(t->comm, status);
  if (all[2] > 0)
    return facet_raise(FACET_INTERRUPTED, "interrupted while training; run the same command again to go on");
  int64_t epoch = facet_trainer_epoch(t);
  FACET_CHECK(isfinite(all[0]), FACET_DIVERGED,
              "%s: diverged: at step %lld of epoch %lld the loss is no longer finite; lower the rate", t->job->stage,
              (long long)(step % epoch + 1), (long long)(step / epoch + 1));
  *largest = all[0];
  return FACET_OK;
}

static const double middle = 0x1.8p52; /* middle + i holds the integer i in its last bits, |i| < 2^51 */

static inline int64_t to_integer(double x)
{
  int64_t bits, base;
  double moved = x + middle;
  memcpy(&bits, &moved, sizeof bits);
  memcpy(&base, &middle, sizeof base);
  return bits - base;
}

static inline double to_double(int64_t i)
{
  int64_t base;
  double moved;
  memcpy(&base, &middle, sizeof base);
  base += i;
  memcpy(&moved, &base, sizeof moved);
  return moved - middle;
}

static void add_integers(const float *g, double scale, int64_t count, int64_t *sum)
{
  for (int64_t i = 0; i < count; i++)
    sum[i] += to_integer((double)g[i] * scale);
}

/* sum of all micro-batches' gradients, as integers times 2^-exponent. */
static facet_status sum_exactly(facet_trainer *t, int64_t own, double largest, int *exponent)
{
  int power;
  frexp(largest * (double)t->micros, &power); /* every sum is below 2^power */
  *exponent = SUM_BITS - power;
  double scale = ldexp(1, *exponent);
  for (int64_t first = 0; first < t->total; first += PIECE) {
    int64_t count = first + PIECE < t->total ? PIECE : t->total - first;
    memset(t->sum + first, 0, (size_t)count * sizeof *t->sum);
    for (int64_t m = 0; m < own; m++)
      add_integers(t->gradient + m * t->total + first, scale, count, t->sum + first);
  }
  if (t->ranks == 1)
    return FACET_OK;
  return facet_sum(t->comm, t->sum, t->total, "training");
}

/* ---- the step of the parameters ---- */

static void average(int64_t count, const int64_t *sum, double scale, float *theta)
{
  for (int64_t i = 0; i < count; i++)
    theta[i] = 0.9F * theta[i] + 0.1F * (float)(to_double(sum[i]) * scale);
}

typedef struct {
  float rate, momentum, decay;
  double scale; /* of the sums */
} descent;

static void descend(int64_t count, descent d, const int64_t *restrict sum, float *restrict velocity,
                    float *restrict theta)
{
  for (int64_t i = 0; i < count; i++) {
    float g = (float)(to_double(sum[i]) * d.scale);
    velocity[i] = d.momentum * velocity[i] + (g + d.decay * theta[i]);
    theta[i] -= d.rate * velocity[i];
  }
}

static void descend_scores(int64_t count, descent d, const int64_t *restrict sum, const float *restrict weight,
                           float *restrict velocity, float *restrict score)
{
  for (int64_t i = 0; i < count; i++) {
    float g = (float)(to_double(sum[i]) * d.scale) * weight[i];
    velocity[i] = d.momentum * velocity[i] + ((score[i] < 0 ? -g : g) + d.decay * score[i]);
    score[i] -= d.rate * velocity[i];
  }
}

static void clear_removed(int64_t count, const uint8_t *restrict keep, float *restrict theta)
{
  for (int64_t i = 0; i < count; i++)
    theta[i] = keep[i] ? theta[i] : 0;
}

static float *data_of(const facet_network *network, int value)
{
  return network->value[value].constant->data;
}

static void apply_parameter(facet_trainer *t, const facet_parameter *p, descent d)
{
  const int64_t *sum = t->sum + p->offset;
  float *velocity = t->velocity + p->offset;
  if (p->role == FACET_MEAN || p->role == FACET_VARIANCE)
    average(p->size, sum, d.scale, data_of(t->network, p->value));
  else if (!t->through)
    descend(p->size, d, sum, velocity, data_of(t->network, p->value));
  else if (p->role == FACET_WEIGHT)
    descend_scores(p->size, d, sum, data_of(t->through->weights, p->value), velocity,
                   data_of(t->through->scores, p->value));
}

static void order_samples(facet_trainer *t, int64_t epoch)
{
  if (t->ordered == epoch + 1)
    return;
  facet_random_permutation((facet_random){t->job->seed, FACET_STREAM_SHUFFLE}, (uint64_t)epoch, t->job->data->count,
                           t->order);
  t->ordered = epoch + 1;
}

/* Gradients of the own micro-batches. */
static facet_status own_gradients(facet_trainer *t, int64_t step, int64_t *own, float *largest)
{
  int64_t epoch = step / facet_trainer_epoch(t), first = step % facet_trainer_epoch(t) * t->batch;
  *own = 0;
  *largest = 0;
  order_samples(t, epoch);
  FACET_TRY(facet_executor_refresh(t->executor));
  for (int64_t m = t->rank; m < t->micros; m += t->ranks, ++*own) {
    float *gradient = t->gradient + *own * t->total;
    FACET_TRY(micro_gradient(t, epoch, first, m, gradient));
    *largest = fmaxf(*largest, largest_of(gradient, t->total));
  }
  return FACET_OK;
}

facet_status facet_trainer_step(facet_trainer *t, int64_t step, double rate, const facet_mask *mask)
{
  const facet_training *how = t->job->how;
  int64_t own;
  float top;
  double largest = 0;
  int exponent;
  facet_status status = own_gradients(t, step, &own, &top);
  FACET_TRY(agree_on_largest(t, status, step, top, &largest));
  FACET_TRY(sum_exactly(t, own, largest, &exponent));
  descent d = {(float)rate, (float)how->momentum, (float)how->decay, ldexp(1, -exponent)};
  for (int i = 0; i < t->parameters; i++)
    apply_parameter(t, &t->parameter[i], d);
  for (int l = 0; mask && !t->through && l < mask->layers; l++)
    clear_removed(mask->layer[l].size, mask->layer[l].keep, data_of(t->network, mask->layer[l].value));
  for (int64_t i = 0; mask && i < mask->silences; i++)
    data_of(t->network, mask->silence[i].value)[mask->silence[i].index] = 0;
  return FACET_OK;
}

double facet_trainer_rate(const facet_training *how, int64_t position, int64_t length, int64_t epoch)
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
