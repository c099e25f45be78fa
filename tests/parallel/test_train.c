/* Training and its methods on any number of ranks: the same bits as on one, each method as its paper says, and on from
 * a checkpoint as if nothing had happened. */
#include <math.h>
#include <mpi.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/lane_block.h"
#include "net/executor.h"
#include "onnx/onnx.h"
#include "ranks/agree.h"
#include "train/checkpoint.h"
#include "train/method_run.h"

enum { N = 200, SIDE = 8, K = 4, EPOCHS = 6, BATCH = 40, STEPS = N / BATCH };

static int rank;
static char folder[64], path[128];

static bool everywhere(bool good)
{
  int mine = good, all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return all;
}

#define assert_everywhere(condition) assert_true(everywhere(condition))

/* ---- a task: which quarter of a noisy image is bright ---- */

static uint8_t pixels[N * SIDE * SIDE];
static int32_t label[N];
static facet_dataset data = {.count = N, .image = {1, SIDE, SIDE}, .pixels = pixels, .label = label};
static const facet_normalization normalize = {.scale = 255, .channels = 1, .mean = {0.4}, .std = {0.3}};
static const facet_input_layout layout = {
    FACET_CHANNELS_FIRST, false, 3, {1, SIDE, SIDE}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}};
static const facet_training plain = {.epochs = EPOCHS,
                                     .batch = BATCH,
                                     .micro_batch = 8,
                                     .rate = 0.05,
                                     .momentum = 0.9,
                                     .decay = 5e-4,
                                     .schedule = FACET_SCHEDULE_COSINE};

/* Plain training, NULL, and all methods that prune while they train. */
static const char *training[16];
static int trainings = 1;

static void list_trainings(void)
{
  for (int i = 0; facet_method_at(i) && trainings < 16; i++)
    if (facet_method_at(i)->rule)
      training[trainings++] = facet_method_at(i)->name;
}

static void make_data(void)
{
  facet_random random = {99, 7};
  for (int n = 0; n < N; n++) {
    label[n] = (int32_t)(facet_random_uniform(random, (uint64_t)n, 1000) * K);
    for (int i = 0; i < SIDE * SIDE; i++) {
      int quarter = 2 * (i / SIDE >= SIDE / 2) + (i % SIDE >= SIDE / 2);
      double bright = facet_random_uniform(random, (uint64_t)n, (uint64_t)i);
      pixels[n * SIDE * SIDE + i] = (uint8_t)(bright * (quarter == label[n] ? 255 : 160));
    }
  }
}

static facet_network *network_of(int64_t first, int64_t second)
{
  facet_network *network = NULL;
  const int64_t conv[] = {first, second}, dense[] = {16};
  assert_int_equal(
      facet_network_plain(&(facet_plain){(facet_shape){3, {1, SIDE, SIDE}}, 2, conv, 1, dense, K, 3}, &network),
      FACET_OK);
  return network;
}

static facet_network *first_network(void)
{
  return network_of(4, 8);
}

/* Of convolutions that train as blocks (kernels/block.h). */
static facet_network *network_of_blocks(void)
{
  return network_of(8, 16);
}

static facet_method_job job_of(const char *method, double sparsity, const facet_training *how)
{
  facet_method_job job = {.method = method ? facet_method_find(method) : NULL,
                          .sparsity = sparsity,
                          .scope = FACET_SCOPE_LAYER,
                          .rewind = 2,
                          .per_round = 0.2};
  job.training = (facet_training_job){&data, &normalize, &layout, how, 11, "train it"};
  return job;
}

static bool same(const facet_network *a, const facet_network *b)
{
  facet_parameter *list;
  int count;
  bool good = facet_network_parameter_list(a, &list, &count) == FACET_OK;
  for (int i = 0; good && i < count; i++)
    good = memcmp(a->value[list[i].value].constant->data, b->value[list[i].value].constant->data,
                  (size_t)list[i].size * sizeof(float)) == 0;
  facet_free(&list);
  return good;
}

/* From networks made so, whose weights a job's mask takes away at once: on all ranks, and on this one alone: the same.
 * Returns the network; NULL: they differ. */
static facet_network *run_both_from(facet_network *(*first)(void), const facet_method_job *job, double *seconds)
{
  facet_network *together = first(), *alone = first();
  if (job->mask) {
    facet_mask_apply(job->mask, together);
    facet_mask_apply(job->mask, alone);
  }
  bool good = facet_method_run(MPI_COMM_WORLD, job, together, seconds) == FACET_OK;
  good = good && facet_method_run(MPI_COMM_SELF, job, alone, NULL) == FACET_OK && same(together, alone);
  if (!good) {
    print_error("%s\n", facet_message());
    facet_network_destroy(&together);
  }
  facet_network_destroy(&alone);
  return together;
}

static facet_network *run_both(const facet_method_job *job, double *seconds)
{
  return run_both_from(first_network, job, seconds);
}

static double accuracy_of(const facet_network *network)
{
  facet_executor *x;
  float in[SIDE * SIDE];
  double logits[K], right = 0;
  assert_int_equal(facet_executor_create(network, (facet_executor_options){.real = FACET_F32, .batch = 1}, &x),
                   FACET_OK);
  for (int n = 0; n < N; n++) {
    assert_int_equal(facet_dataset_pixels(&data, n, 1, in), FACET_OK);
    facet_normalize(&normalize, (facet_image){1, SIDE, SIDE}, 1, in, in);
    assert_int_equal(facet_executor_forward(x, in, 1), FACET_OK);
    assert_int_equal(facet_executor_output(x, logits), FACET_OK);
    int best = 0;
    for (int k = 1; k < K; k++)
      best = logits[k] > logits[best] ? k : best;
    right += best == label[n];
  }
  facet_executor_destroy(&x);
  return right / N;
}

static double zeros_of(const facet_network *network)
{
  facet_mask *mask;
  assert_int_equal(facet_mask_of_zeros(network, &mask), FACET_OK);
  double sparsity = facet_mask_sparsity(mask);
  facet_mask_destroy(&mask);
  return sparsity;
}

/* ---- methods ---- */

static void test_same_bits_for_every_method(void **state)
{
  (void)state;
  for (int m = 0; m < trainings; m++)
    for (int scope = FACET_SCOPE_GLOBAL; scope <= FACET_SCOPE_LAYER; scope++) {
      double seconds = 0;
      facet_method_job job = job_of(training[m], 0.6, &plain);
      job.scope = (facet_scope)scope;
      facet_network *network = run_both(&job, &seconds);
      assert_everywhere(network != NULL);
      double asked = training[m] ? 0.6 : 0, is = zeros_of(network), right = accuracy_of(network);
      if (rank == 0)
        print_message("%s scope %d: sparsity %.4f, accuracy %.3f\n", training[m] ? training[m] : "train", scope, is,
                      right);
      assert_everywhere(fabs(is - asked) < 2e-3);
      assert_everywhere(right > (m < 3 ? 0.8 : strcmp(training[m], "lrr") == 0 ? 0.6 : 0.4));
      assert_everywhere(seconds > 0);
      facet_network_destroy(&network);
    }
}

static void test_edge_popup_leaves_weights_untouched(void **state)
{
  (void)state;
  facet_method_job job = job_of("edge_popup", 0.5, &plain);
  facet_network *network = run_both(&job, NULL), *first = first_network();
  facet_parameter *list;
  int count;
  assert_everywhere(network != NULL);
  assert_int_equal(facet_network_parameter_list(network, &list, &count), FACET_OK);
  bool good = true;
  for (int p = 0; p < count; p++) {
    const float *w = network->value[list[p].value].constant->data, *was = first->value[list[p].value].constant->data;
    for (int64_t i = 0; i < list[p].size && list[p].role != FACET_MEAN && list[p].role != FACET_VARIANCE; i++)
      good = good && (w[i] == was[i] || (w[i] == 0 && list[p].role == FACET_WEIGHT));
  }
  assert_everywhere(good);
  facet_free(&list);
  facet_network_destroy(&network);
  facet_network_destroy(&first);
}

static void test_biprop_has_two_values_per_layer(void **state)
{
  (void)state;
  facet_method_job job = job_of("biprop", 0.5, &plain);
  facet_network *network = run_both(&job, NULL), *first = first_network();
  facet_mask *mask;
  assert_everywhere(network != NULL);
  assert_int_equal(facet_mask_of_zeros(network, &mask), FACET_OK);
  bool good = true;
  for (int l = 0; l < mask->layers; l++) {
    const float *w = network->value[mask->layer[l].value].constant->data;
    const float *was = first->value[mask->layer[l].value].constant->data;
    double sum = 0, kept = 0;
    for (int64_t i = 0; i < mask->layer[l].size; i++) {
      sum += w[i] != 0 ? fabs((double)was[i]) : 0;
      kept += w[i] != 0;
    }
    float alpha = (float)(sum / kept);
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      good = good && (w[i] == 0 || w[i] == (was[i] < 0 ? -alpha : alpha));
  }
  assert_everywhere(good);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
  facet_network_destroy(&first);
}

/* Shifts of a residual network, whose blocks end without ReLU, would move: those of pruned filters stay 0, others do
 * not. */
static void test_pruned_filters_stay_silent(void **state)
{
  (void)state;
  facet_training how = plain;
  how.epochs = 1;
  facet_method_job job = job_of(NULL, 0, &how);
  facet_pruning filters = {.method = facet_method_find("filter"), .scope = FACET_SCOPE_LAYER, .sparsity = 0.5};
  facet_network *network[2]; /* trained on all ranks, and on this one alone */
  facet_mask *mask;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(facet_network_resnet((facet_shape){3, {1, SIDE, SIDE}}, 1, K, 3, &network[i]), FACET_OK);
    assert_int_equal(facet_mask_create(network[i], &filters, NULL, &mask), FACET_OK);
    facet_mask_apply(mask, network[i]);
    job.mask = mask;
    assert_everywhere(facet_method_run(i ? MPI_COMM_SELF : MPI_COMM_WORLD, &job, network[i], NULL) == FACET_OK);
    if (i == 0)
      facet_mask_destroy(&mask);
  }
  facet_parameter *list;
  int count;
  int64_t shifts = 0, still = 0;
  assert_int_equal(facet_network_parameter_list(network[0], &list, &count), FACET_OK);
  for (int p = 0; p < count; p++)
    for (int64_t i = 0; list[p].role == FACET_SHIFT && i < list[p].size; i++, shifts++)
      still += facet_tensor_get(network[0]->value[list[p].value].constant, i) == 0;
  bool good = true;
  for (int64_t i = 0; i < mask->silences; i++)
    good = good && facet_tensor_get(network[0]->value[mask->silence[i].value].constant, mask->silence[i].index) == 0;
  assert_everywhere(good && same(network[0], network[1]));
  assert_int_equal(mask->silences, shifts); /* half of the shifts, and of the means */
  assert_int_equal(still, shifts / 2);
  facet_free(&list);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network[0]);
  facet_network_destroy(&network[1]);
}

/* Weights that lth leaves were those of iteration `rewind`: with a rate of 0 after it, they are there still. */
static void test_lth_rewinds(void **state)
{
  (void)state;
  facet_training still = plain;
  still.rate = 0;
  facet_method_job job = job_of("lth", 0.5, &still);
  facet_network *network = run_both(&job, NULL), *first = first_network();
  facet_mask *mask;
  assert_everywhere(network != NULL);
  assert_int_equal(
      facet_mask_create(
          first,
          &(facet_pruning){.method = facet_method_find("magnitude"), .scope = FACET_SCOPE_LAYER, .sparsity = 0.5}, NULL,
          &mask),
      FACET_OK);
  bool good = true;
  for (int l = 0; l < mask->layers; l++) {
    const float *w = network->value[mask->layer[l].value].constant->data;
    const float *was = first->value[mask->layer[l].value].constant->data;
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      good = good && w[i] == (mask->layer[l].keep[i] ? was[i] : 0);
  }
  assert_everywhere(good);
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
  facet_network_destroy(&first);
}

/* A method is a row: here is one more, that prunes half-way through its budget. */
static facet_turn half_way(const facet_budget *budget, int64_t step)
{
  return (facet_turn){
      .removes = step == budget->steps / 2, .sparsity = budget->sparsity, .position = step, .length = budget->steps};
}

static void test_one_more_method(void **state)
{
  (void)state;
  const facet_rule rule = {.turn = half_way};
  const facet_method method = {.name = "half_way", .rule = &rule, .removes = "by magnitude, half-way", .source = ""};
  facet_method_job job = job_of(NULL, 0.6, &plain);
  job.method = &method;
  facet_network *network = run_both(&job, NULL);
  assert_everywhere(network && fabs(zeros_of(network) - 0.6) < 2e-3 && accuracy_of(network) > 0.8);
  facet_network_destroy(&network);
}

/* ---- the trainer's extras ---- */

static void test_extras_are_the_same_bits(void **state)
{
  (void)state;
  facet_training how = plain;
  facet_network *network[5] = {NULL};
  how.warmup = 1.5;
  how.smoothing = 0.1;
  how.augment = (facet_augmentation){.shift = 1, .flip = false, .cutout = 2};
  for (int i = 0; i < 5; i++) {
    facet_training one = plain;
    one.warmup = i == 0 || i == 4 ? how.warmup : 0;
    one.smoothing = i == 1 || i == 4 ? how.smoothing : 0;
    one.augment.shift = i == 2 || i == 4 ? 1 : 0;
    one.augment.cutout = i == 3 || i == 4 ? 2 : 0;
    facet_method_job job = job_of(NULL, 0, &one);
    network[i] = run_both(&job, NULL);
    assert_everywhere(network[i] != NULL);
    assert_everywhere(accuracy_of(network[i]) > 0.7);
    for (int j = 0; j < i; j++)
      assert_everywhere(!same(network[i], network[j]));
  }
  for (int i = 0; i < 5; i++)
    facet_network_destroy(&network[i]);
}

/* Micro-batches that do not divide the batch, whose buffers are longer than what is in them. */
static void test_partial_micro_batches(void **state)
{
  (void)state;
  facet_training how = plain;
  how.batch = 44;
  how.micro_batch = 16;
  facet_method_job job = job_of(NULL, 0, &how);
  facet_network *network = run_both(&job, NULL);
  assert_everywhere(network != NULL);
  facet_network_destroy(&network);
}

/* Blocks of a training whose micro-batches fill the lanes. */
static int blocks_in_lanes(facet_network *network, const facet_training_job *job)
{
  facet_sgd *sgd;
  int count = 0;
  assert_int_equal(facet_sgd_create(network, NULL, job, 0, 1, &sgd), FACET_OK);
  for (int i = 0; i < sgd->executor->steps && facet_lane_block_fits(sgd->executor->options.batch); i++)
    count += sgd->executor->step[i].is_block;
  facet_sgd_destroy(&sgd);
  return count;
}

/* A mask that holds most weights at 0: blocks go by lanes (kernels/lane_block.h). */
static void test_masks_through_lanes(void **state)
{
  (void)state;
  const facet_pruning most = {.method = facet_method_find("magnitude"), .scope = FACET_SCOPE_LAYER, .sparsity = 0.8};
  facet_training how = plain;
  how.batch = 64;
  how.micro_batch = 16;
  facet_method_job job = job_of(NULL, 0, &how);
  facet_network *first = network_of_blocks();
  facet_mask *mask;
  assert_int_equal(facet_mask_create(first, &most, NULL, &mask), FACET_OK);
  job.mask = mask;
  assert_int_equal(blocks_in_lanes(first, &job.training), 2);
  facet_network *network = run_both_from(network_of_blocks, &job, NULL);
  assert_everywhere(network && fabs(zeros_of(network) - 0.8) < 0.01);
  facet_network_destroy(&network);
  facet_network_destroy(&first);
  facet_mask_destroy(&mask);
}

static facet_status take_steps(MPI_Comm comm, facet_sgd *sgd, int64_t steps, double slow)
{
  bool asked;
  for (int64_t step = 0; step < steps; step++) {
    FACET_TRY(facet_train_step(comm, sgd, FACET_OK, step, 0.05, NULL, &asked));
    sgd->busy += slow;
  }
  return FACET_OK;
}

/* As if the last rank took long for its micro-batches: others go through them soon, and nothing else is different. */
static void test_a_slow_rank_has_less(void **state)
{
  (void)state;
  enum { SOME = 18 };
  const facet_training_job job = job_of(NULL, 0, &plain).training;
  const int ranks = facet_ranks(MPI_COMM_WORLD), slow = ranks - 1;
  facet_network *together = first_network(), *alone = first_network();
  facet_sgd *ours, *own;
  assert_everywhere(facet_sgd_create(together, NULL, &job, rank, ranks, &ours) == FACET_OK);
  assert_everywhere(facet_sgd_create(alone, NULL, &job, 0, 1, &own) == FACET_OK);
  assert_everywhere(take_steps(MPI_COMM_WORLD, ours, SOME, rank == slow ? 1000 : 0) == FACET_OK);
  assert_everywhere(take_steps(MPI_COMM_SELF, own, SOME, 0) == FACET_OK);
  assert_everywhere(same(together, alone));
  int64_t all = 0;
  for (int r = 0; r < ranks; r++)
    all += ours->share[r];
  assert_everywhere(all == ours->micros && (ranks == 1 || ours->share[slow] == 0));
  facet_sgd_destroy(&ours);
  facet_sgd_destroy(&own);
  facet_network_destroy(&together);
  facet_network_destroy(&alone);
}

static void test_diverging_is_told_apart(void **state)
{
  (void)state;
  facet_training how = plain;
  how.rate = 1e30;
  facet_method_job job = job_of(NULL, 0, &how);
  facet_network *network = first_network();
  assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, network, NULL) == FACET_DIVERGED);
  if (rank == 0)
    print_message("%s\n", facet_message());
  assert_everywhere(strstr(facet_message(), "train it: ") && strstr(facet_message(), "step ") &&
                    strstr(facet_message(), "epoch 1"));
  facet_network_destroy(&network);
}

/* ---- going on ---- */

/* A copy of the checkpoint as it is at the end, before the caller takes it away: after the last epoch but one. Cut
 * short, it is as if the run had been killed at any moment of the last epoch. */
static void test_goes_on_with_the_same_bits(void **state)
{
  (void)state;
  for (int m = 0; m < trainings; m++) {
    facet_method_job job = job_of(training[m], 0.6, &plain);
    facet_network *whole = run_both(&job, NULL), *again = first_network();
    double seconds = 0;
    assert_everywhere(whole != NULL);
    job.checkpoint = path;
    assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, again, NULL) == FACET_OK);
    assert_everywhere(same(whole, again)); /* keeping a checkpoint changes nothing */
    facet_network_destroy(&again);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_everywhere(facet_exists(path));
    again = first_network();
    assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, again, &seconds) == FACET_OK);
    assert_everywhere(same(whole, again) && seconds > 0);
    facet_network_destroy(&again);
    facet_network_destroy(&whole);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
      facet_checkpoint_remove(path);
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

/* In so many microseconds rank 0 gets a signal. */
static void signal_in(int64_t microseconds)
{
  struct itimerspec when = {.it_value = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000}};
  static timer_t timer;
  static bool made;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  if (rank == 0 && !made)
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  made = true;
  if (rank == 0)
    assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
}

/* Stopped wherever it happens to be, again and again, until it is through. */
static void test_goes_on_after_many_stops(void **state)
{
  (void)state;
  int stops = 0;
  facet_interrupt_listen(MPI_COMM_WORLD);
  for (int m = 0; m < trainings; m++) {
    facet_method_job job = job_of(training[m], 0.6, &plain);
    facet_network *whole = run_both(&job, NULL), *again;
    facet_status status = FACET_INTERRUPTED;
    assert_everywhere(whole != NULL);
    job.checkpoint = path;
    for (int64_t wait = 500; status == FACET_INTERRUPTED; wait += wait / 2, stops++) {
      again = first_network();
      signal_in(wait);
      status = facet_method_run(MPI_COMM_WORLD, &job, again, NULL);
      signal_in(0);
      facet_interrupt_listen(MPI_COMM_WORLD);
      assert_everywhere(status == FACET_INTERRUPTED || (status == FACET_OK && same(whole, again)));
      facet_network_destroy(&again);
    }
    facet_network_destroy(&whole);
    if (rank == 0)
      facet_checkpoint_remove(path);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  if (rank == 0)
    print_message("%d stops\n", stops - trainings);
  assert_true(stops > 10);
}

/* One rank began, all of them go on. */
static void test_goes_on_with_other_ranks(void **state)
{
  (void)state;
  facet_method_job job = job_of("gmp", 0.6, &plain);
  facet_network *whole = run_both(&job, NULL), *again = first_network();
  assert_everywhere(whole != NULL);
  job.checkpoint = path;
  assert_everywhere(rank != 0 || facet_method_run(MPI_COMM_SELF, &job, again, NULL) == FACET_OK);
  facet_network_destroy(&again);
  again = first_network();
  assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, again, NULL) == FACET_OK && same(whole, again));
  facet_network_destroy(&again);
  facet_network_destroy(&whole);
  if (rank == 0)
    facet_checkpoint_remove(path);
  MPI_Barrier(MPI_COMM_WORLD);
}

/* Leaves a checkpoint of one job behind, changes it, and runs a job that may go on from it: whether the network that
 * comes out is that of a job that found none. */
static bool is_as_none(const facet_method_job *left, facet_method_job job, void (*change)(uint8_t *bytes, size_t count))
{
  facet_method_job before = *left;
  facet_network *alone = run_both(&job, NULL), *again = first_network();
  before.checkpoint = job.checkpoint = path;
  bool good = alone && facet_method_run(MPI_COMM_WORLD, &before, again, NULL) == FACET_OK;
  facet_network_destroy(&again);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0 && change) {
    uint8_t *bytes;
    size_t count;
    assert_int_equal(facet_read_file(path, &bytes, &count), FACET_OK);
    change(bytes, count);
    assert_int_equal(facet_write_file(path, bytes, count), FACET_OK);
    facet_free(&bytes);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  again = first_network();
  good = good && facet_method_run(MPI_COMM_WORLD, &job, again, NULL) == FACET_OK && same(alone, again);
  facet_network_destroy(&again);
  facet_network_destroy(&alone);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    facet_checkpoint_remove(path);
  MPI_Barrier(MPI_COMM_WORLD);
  return good;
}

static void damage(uint8_t *bytes, size_t count)
{
  bytes[count / 2] ^= 1;
}

enum { TITLE = 19, FIELD = 65, HEADER = TITLE + 4 * FIELD };

/* The file is whole, but its state not what these settings lead to. */
static void lead_astray(uint8_t *bytes, size_t count)
{
  memset(bytes + count - 8, 0, 8); /* the last parameters */
  char all[FIELD];
  facet_sha256 *digest;
  assert_int_equal(facet_sha256_begin(&digest), FACET_OK);
  assert_int_equal(facet_sha256_add(digest, bytes, HEADER - FIELD), FACET_OK);
  assert_int_equal(facet_sha256_add(digest, bytes + HEADER, count - HEADER), FACET_OK);
  assert_int_equal(facet_sha256_end(&digest, all), FACET_OK);
  memcpy(bytes + HEADER - FIELD, all, FIELD);
}

/* So, and by another version of facet. */
static void age(uint8_t *bytes, size_t count)
{
  assert_int_not_equal(bytes[TITLE], 'X');
  bytes[TITLE] = 'X';
  lead_astray(bytes, count);
}

/* A checkpoint of other settings, of another version, or a damaged one, is as none. */
static void test_ignores_what_does_not_fit(void **state)
{
  (void)state;
  facet_training slow = plain;
  slow.rate = 0.04;
  facet_method_job gmp = job_of("gmp", 0.6, &plain), slower = job_of("gmp", 0.6, &slow);
  facet_method_job guarded = job_of("gmp", 0.99, &plain), open = guarded, usual = job_of(NULL, 0, &plain);
  open.allow_collapse = true;
  assert_everywhere(is_as_none(&gmp, slower, NULL));
  assert_everywhere(is_as_none(&guarded, open, NULL));
  assert_everywhere(is_as_none(&gmp, gmp, damage));
  assert_everywhere(!is_as_none(&usual, usual, lead_astray)); /* it is read */
  assert_everywhere(is_as_none(&usual, usual, age));
}

/* The same parameters in a graph whose gates let everything pass. */
static facet_network *ungated(void)
{
  facet_network *first = first_network(), *other = NULL;
  uint8_t *bytes;
  size_t count;
  assert_int_equal(facet_onnx_write_bytes(first, &bytes, &count), FACET_OK);
  for (size_t i = 0; i + 4 <= count; i++)
    if (memcmp(bytes + i, "Relu", 4) == 0)
      memcpy(bytes + i, "Clip", 4);
  assert_int_equal(facet_onnx_read_bytes("ungated", bytes, count, &other), FACET_OK);
  facet_free(&bytes);
  facet_network_destroy(&first);
  return other;
}

static void test_ignores_that_of_another_network(void **state)
{
  (void)state;
  facet_method_job job = job_of(NULL, 0, &plain);
  facet_network *first = first_network(), *alone = ungated(), *again = ungated();
  assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, alone, NULL) == FACET_OK);
  job.checkpoint = path;
  assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, first, NULL) == FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_method_run(MPI_COMM_WORLD, &job, again, NULL) == FACET_OK && same(alone, again));
  facet_network_destroy(&first);
  facet_network_destroy(&alone);
  facet_network_destroy(&again);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    facet_checkpoint_remove(path);
  MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/facet-train-XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
  if (rank == 0 && !mkdtemp(folder))
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  snprintf(path, sizeof path, "%s/it.checkpoint", folder);
  make_data();
  list_trainings();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_bits_for_every_method),
      cmocka_unit_test(test_edge_popup_leaves_weights_untouched),
      cmocka_unit_test(test_biprop_has_two_values_per_layer),
      cmocka_unit_test(test_pruned_filters_stay_silent),
      cmocka_unit_test(test_lth_rewinds),
      cmocka_unit_test(test_one_more_method),
      cmocka_unit_test(test_extras_are_the_same_bits),
      cmocka_unit_test(test_partial_micro_batches),
      cmocka_unit_test(test_masks_through_lanes),
      cmocka_unit_test(test_a_slow_rank_has_less),
      cmocka_unit_test(test_diverging_is_told_apart),
      cmocka_unit_test(test_goes_on_with_the_same_bits),
      cmocka_unit_test(test_goes_on_after_many_stops),
      cmocka_unit_test(test_goes_on_with_other_ranks),
      cmocka_unit_test(test_ignores_what_does_not_fit),
      cmocka_unit_test(test_ignores_that_of_another_network),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    rmdir(folder);
  facet_interrupt_settle();
  MPI_Finalize();
  return failed;
}
