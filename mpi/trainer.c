/* Data-parallel SGD with exact sums: see trainer.h.
 *
 * A floating-point sum depends on its order, and with it on the number of ranks.  So every micro-batch's
 * gradient is turned into integers, with one scale for all that follows from the largest gradient of the step (a
 * maximum does not depend on order), and integers are summed: the same bits on any number of ranks. */
#include "trainer.h"

#include <math.h>
#include <string.h>

#include "agree.h"

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  facet_network *network;
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
  float *pixels, *x, *dlogits;
  double *logits;
  double loss; /* of the own samples since it was last shown */
  int64_t seen;
} trainer;

static void trainer_clear(trainer *t)
{
  facet_executor_destroy(&t->executor);
  void *owned[] = {&t->parameter, &t->gradient, &t->velocity, &t->sum,   &t->order,
                   &t->pixels,    &t->x,        &t->dlogits,  &t->logits};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
}

static facet_status trainer_prepare(trainer *t)
{
  const facet_training *how = t->job->how;
  const facet_dataset *data = t->job->data;
  t->batch = how->batch < data->count ? how->batch : data->count;
  t->micro = how->micro_batch < t->batch ? how->micro_batch : t->batch;
  t->micros = (t->batch + t->micro - 1) / t->micro;
  t->inputs = facet_shape_size(facet_network_input_shape(t->network));
  t->classes = facet_network_outputs(t->network);
  facet_executor_options options = {.real = FACET_F32, .batch = t->micro, .training = true};
  FACET_TRY(facet_executor_create(t->network, options, &t->executor));
  FACET_TRY(facet_network_parameter_list(t->network, &t->parameter, &t->parameters));
  for (int i = 0; i < t->parameters; i++) {
    FACET_CHECK(t->network->value[t->parameter[i].value].constant->type == FACET_F32, FACET_BAD_INPUT,
                "%s is not float32: only float32 networks are trained", t->network->value[t->parameter[i].value].name);
    t->total += t->parameter[i].size;
  }
  int64_t own = (t->micros + t->ranks - 1) / t->ranks;
  FACET_NEW(t->gradient, own * t->total);
  FACET_NEW(t->velocity, t->total);
  FACET_NEW(t->sum, t->total);
  FACET_NEW(t->order, data->count);
  FACET_NEW(t->pixels, t->micro * t->inputs);
  FACET_NEW(t->x, t->micro * t->inputs);
  FACET_NEW(t->dlogits, t->micro * t->classes);
  FACET_NEW(t->logits, t->micro * t->classes);
  return FACET_OK;
}

/* d(mean loss of the step)/d(logits) of one sample, and its loss. */
static double loss_and_slope(const double *logits, int64_t classes, int32_t label, int64_t batch, float *slope)
{
  double largest = logits[0], sum = 0;
  for (int64_t k = 1; k < classes; k++)
    largest = fmax(largest, logits[k]);
  for (int64_t k = 0; k < classes; k++)
    sum += exp(logits[k] - largest);
  for (int64_t k = 0; k < classes; k++) {
    double p = exp(logits[k] - largest) / sum;
    slope[k] = (float)((p - (k == label)) / (double)batch);
  }
  return largest + log(sum) - logits[label];
}

/* Gradient of micro-batch `micro` of the step whose samples start at order[first]. */
static facet_status micro_gradient(trainer *t, int64_t first, int64_t micro, float *gradient)
{
  const facet_dataset *data = t->job->data;
  int64_t begin = micro * t->micro, end = begin + t->micro < t->batch ? begin + t->micro : t->batch;
  int64_t count = end - begin, plane = data->height * data->width;
  for (int64_t i = 0; i < count; i++)
    facet_dataset_pixels(data, t->order[first + begin + i], 1, t->pixels + i * t->inputs);
  facet_normalize(t->job->normalize, data->channels, plane, count, t->pixels, t->pixels);
  facet_input_arrange(t->job->input, data->channels, plane, count, sizeof *t->x, t->pixels, t->x);
  FACET_TRY(facet_executor_forward(t->executor, t->x, count));
  FACET_TRY(facet_executor_output(t->executor, t->logits));
  for (int64_t i = 0; i < count; i++)
    t->loss += loss_and_slope(t->logits + i * t->classes, t->classes, data->label[t->order[first + begin + i]],
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

/* Largest |g| of all ranks' micro-batches; NaN counts as infinite. Tells of failures and interruptions on the way. */
static facet_status agree_on_largest(trainer *t, facet_status status, int64_t own, double *largest)
{
  double said[3] = {0, status != FACET_OK, facet_interrupted()}, all[3];
  float top = 0;
  for (int64_t i = 0; i < own * t->total; i++) {
    float g = fabsf(t->gradient[i]);
    top = g <= top ? top : g;
    if (g != g) {
      top = INFINITY;
      break;
    }
  }
  said[0] = (double)top;
  FACET_TRY(facet_mpi_check(MPI_Allreduce(said, all, 3, MPI_DOUBLE, MPI_MAX, t->comm), "training"));
  if (all[1] > 0)
    return facet_agree(t->comm, status);
  if (all[2] > 0)
    return facet_raise(FACET_INTERRUPTED, "interrupted while training; run the same command again to go on");
  FACET_CHECK(isfinite(all[0]), FACET_BAD_INPUT, "%s: the loss is no longer finite: lower the rate", t->job->stage);
  *largest = all[0];
  return FACET_OK;
}

/* sum of all micro-batches' gradients, as integers times 2^-exponent. */
static facet_status sum_exactly(trainer *t, int64_t own, double largest, int *exponent)
{
  int power;
  frexp(largest * (double)t->micros, &power); /* every sum is below 2^power */
  *exponent = 61 - power;
  double scale = ldexp(1, *exponent);
  memset(t->sum, 0, (size_t)t->total * sizeof *t->sum);
  for (int64_t m = 0; m < own; m++)
    for (int64_t i = 0; i < t->total; i++)
      t->sum[i] += llrint((double)t->gradient[m * t->total + i] * scale);
  FACET_CHECK(t->total <= INT32_MAX, FACET_BAD_INPUT, "too many parameters");
  return facet_mpi_check(MPI_Allreduce(MPI_IN_PLACE, t->sum, (int)t->total, MPI_INT64_T, MPI_SUM, t->comm), "training");
}

static void apply_parameter(trainer *t, const facet_parameter *p, double scale, double rate)
{
  const facet_training *how = t->job->how;
  float *theta = t->network->value[p->value].constant->data;
  float *velocity = t->velocity + p->offset;
  const int64_t *sum = t->sum + p->offset;
  bool statistic = p->role == FACET_MEAN || p->role == FACET_VARIANCE;
  float decay = (float)how->decay, momentum = (float)how->momentum, step = (float)rate;
  for (int64_t i = 0; i < p->size; i++) {
    float g = (float)((double)sum[i] * scale);
    if (statistic) {
      theta[i] = 0.9F * theta[i] + 0.1F * g;
    } else {
      velocity[i] = momentum * velocity[i] + (g + decay * theta[i]);
      theta[i] -= step * velocity[i];
    }
  }
}

static facet_status take_step(trainer *t, int64_t first, double rate)
{
  facet_status status = FACET_OK;
  int64_t own = 0;
  double largest = 0;
  int exponent;
  for (int64_t m = t->rank; m < t->micros && status == FACET_OK; m += t->ranks, own++)
    status = micro_gradient(t, first, m, t->gradient + own * t->total);
  FACET_TRY(agree_on_largest(t, status, own, &largest));
  if (largest == 0)
    return FACET_OK;
  FACET_TRY(sum_exactly(t, own, largest, &exponent));
  for (int i = 0; i < t->parameters; i++)
    apply_parameter(t, &t->parameter[i], ldexp(1, -exponent), rate);
  if (t->job->mask)
    facet_mask_apply(t->job->mask, t->network);
  return facet_executor_refresh(t->executor);
}

static double rate_at(const facet_training *how, int epoch, int64_t step, int64_t steps)
{
  double done = ((double)epoch + (double)step / (double)steps) / how->epochs;
  switch (how->schedule) {
  case FACET_SCHEDULE_COSINE:
    return how->rate * 0.5 * (1 + cos(3.14159265358979323846 * done));
  case FACET_SCHEDULE_STEP:
    return how->rate * pow(how->step_factor, how->step_epochs > 0 ? epoch / how->step_epochs : 0);
  case FACET_SCHEDULE_CONSTANT:
    break;
  }
  return how->rate;
}

static facet_status run_epochs(trainer *t, facet_progress *progress)
{
  const facet_training *how = t->job->how;
  int64_t steps = t->job->data->count / t->batch;
  for (int epoch = 0; epoch < how->epochs; epoch++) {
    facet_random_permutation((facet_random){t->job->seed, FACET_STREAM_SHUFFLE}, (uint64_t)epoch, t->job->data->count,
                             t->order);
    for (int64_t step = 0; step < steps; step++) {
      FACET_TRY(take_step(t, step * t->batch, rate_at(how, epoch, step, steps)));
      if (t->seen >= 50 * t->micro) {
        facet_progress_note(progress, "loss %.3f", t->loss / (double)t->seen);
        t->loss = 0;
        t->seen = 0;
      }
      facet_progress_at(progress, (epoch * steps + step + 1) * t->batch);
    }
  }
  return FACET_OK;
}

facet_status facet_train(MPI_Comm comm, facet_network *network, const facet_training_job *job)
{
  trainer t = {.comm = comm, .rank = facet_rank(comm), .ranks = facet_ranks(comm), .network = network, .job = job};
  facet_progress *progress = NULL;
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, trainer_prepare(&t)));
  int64_t samples = job->data->count / t.batch * t.batch * job->how->epochs;
  FACET_GO(done, status,
           facet_agree(comm, facet_progress_begin(&progress, job->stage, "samples", samples, t.rank != 0)));
  status = run_epochs(&t, progress);
done:
  facet_progress_end(&progress);
  trainer_clear(&t);
  return status;
}

facet_status facet_train_memory(facet_network *network, const facet_training_job *job, int ranks, size_t *bytes)
{
  trainer t = {.ranks = ranks, .network = network, .job = job};
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  facet_status status = trainer_prepare(&t);
  *bytes = facet_memory_in_use() - before + (ranks > 1 ? (size_t)t.total * sizeof *t.sum : 0); /* MPI sums in a copy */
  trainer_clear(&t);
  facet_kernels_release();
  return status;
}
