/* Training without ranks: parts of a batch, brought together by hand, move the weights as one part does, to the bit;
 * rates; what is no longer finite. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rooms.h"
#include "train/checkpoint.h"
#include "train/method.h"
#include "train/record.h"
#include "train/shares.h"

enum { N = 48, SIDE = 6, K = 3, BATCH = 16, STEPS = 6, MOST_PARTS = 5 };

static uint8_t pixels[N * SIDE * SIDE];
static int32_t label[N];
static facet_dataset data = {.count = N, .image = {1, SIDE, SIDE}, .pixels = pixels, .label = label};
static const facet_normalization normalize = {.scale = 255, .channels = 1, .mean = {0.5}, .std = {0.3}};
static const facet_input_layout layout = {
    FACET_CHANNELS_FIRST, false, 3, {1, SIDE, SIDE}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}};
static const facet_training how = {.epochs = 2,
                                   .batch = BATCH,
                                   .micro_batch = 4,
                                   .rate = 0.05,
                                   .momentum = 0.9,
                                   .decay = 5e-4,
                                   .schedule = FACET_SCHEDULE_COSINE};

static int make_data(void **state)
{
  (void)state;
  for (int i = 0; i < N * SIDE * SIDE; i++)
    pixels[i] = (uint8_t)(255 * facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i));
  for (int i = 0; i < N; i++)
    label[i] = i % K;
  return 0;
}

/* A network after a whole training with every batch in so many parts. */
static facet_network *trained(const facet_method *method, int parts)
{
  const facet_method_job job = {.method = method,
                                .sparsity = 0.5,
                                .scope = FACET_SCOPE_LAYER,
                                .per_round = 0.3,
                                .training = {&data, &normalize, &layout, &how, 3, "train it"}};
  const facet_plain plain = {{3, {1, SIDE, SIDE}}, 1, (int64_t[]){4}, 1, (int64_t[]){8}, K, 5};
  facet_network *network[MOST_PARTS];
  facet_method_state m[MOST_PARTS];
  for (int p = 0; p < parts; p++) {
    assert_int_equal(facet_network_plain(&plain, &network[p]), FACET_OK);
    assert_int_equal(facet_method_begin(&job, network[p], p, parts, &m[p]), FACET_OK);
  }
  assert_int_equal(m[0].steps, STEPS);
  while (m[0].step < m[0].steps) {
    double largest = 0, rate[MOST_PARTS], own, took[MOST_PARTS];
    for (int p = 0; p < parts; p++)
      took[p] = p == m[0].step % parts ? 9 : 1; /* another part is slow in each step */
    for (int p = 0; p < parts; p++)
      facet_sgd_deal(m[p].sgd, took);
    for (int p = 0; p < parts; p++) {
      assert_int_equal(facet_method_before(&m[p], &rate[p]), FACET_OK);
      assert_int_equal(facet_sgd_gradients(m[p].sgd, m[p].step, facet_method_mask(&m[p]), &own), FACET_OK);
      largest = fmax(largest, own);
    }
    for (int p = 0; p < parts; p++)
      assert_int_equal(facet_sgd_sum(m[p].sgd, m[p].step, largest), FACET_OK);
    for (int64_t i = 0; i < m[0].sgd->total; i++) {
      int64_t sum = 0;
      for (int p = 0; p < parts; p++)
        sum += m[p].sgd->sum[i];
      for (int p = 0; p < parts; p++)
        m[p].sgd->sum[i] = sum;
    }
    for (int p = 0; p < parts; p++) {
      facet_sgd_move(m[p].sgd, rate[p], facet_method_mask(&m[p]));
      assert_int_equal(facet_method_after(&m[p]), FACET_OK);
    }
  }
  for (int p = 0; p < parts; p++) {
    facet_method_clear(&m[p]);
    if (p > 0)
      facet_network_destroy(&network[p]);
  }
  return network[0];
}

static void assert_same(const facet_network *a, const facet_network *b)
{
  facet_parameter *list;
  int count;
  assert_int_equal(facet_network_parameter_list(a, &list, &count), FACET_OK);
  for (int i = 0; i < count; i++)
    assert_memory_equal(a->value[list[i].value].constant->data, b->value[list[i].value].constant->data,
                        (size_t)list[i].size * sizeof(float));
  facet_free(&list);
}

static void parts_move_as_one(void **state)
{
  (void)state;
  const facet_method *methods[] = {NULL, facet_method_find("gmp"), facet_method_find("edge_popup")};
  assert_true(methods[1] && methods[2]);
  for (int i = 0; i < 3; i++) {
    facet_network *one = trained(methods[i], 1);
    for (int parts = 2; parts <= MOST_PARTS; parts++) {
      facet_network *more = trained(methods[i], parts);
      assert_same(one, more);
      facet_network_destroy(&more);
    }
    facet_network_destroy(&one);
  }
}

static void what_is_not_finite_has_diverged(void **state)
{
  (void)state;
  const facet_training_job job = {&data, &normalize, &layout, &how, 3, "train it"};
  const facet_plain plain = {{3, {1, SIDE, SIDE}}, 1, (int64_t[]){4}, 0, NULL, K, 5};
  facet_network *network;
  facet_sgd *sgd;
  double largest;
  assert_int_equal(facet_network_plain(&plain, &network), FACET_OK);
  assert_int_equal(facet_sgd_create(network, NULL, &job, 0, 1, &sgd), FACET_OK);
  ((float *)network->value[sgd->parameter[0].value].constant->data)[0] = NAN;
  assert_int_equal(facet_sgd_gradients(sgd, 4, NULL, &largest), FACET_OK);
  assert_true(isinf(largest));
  assert_int_equal(facet_sgd_sum(sgd, 4, largest), FACET_DIVERGED);
  assert_non_null(strstr(facet_message(), "train it: diverged: at step 2 of epoch 2"));
  facet_sgd_destroy(&sgd);
  facet_network_destroy(&network);
}

static void rates(void **state)
{
  (void)state;
  facet_training of = how;
  assert_true(facet_training_rate(&of, 0, 100, 10) == 0.05);
  assert_true(fabs(facet_training_rate(&of, 50, 100, 10) - 0.025) < 1e-15);
  of.schedule = FACET_SCHEDULE_CONSTANT;
  of.warmup = 2;
  assert_true(fabs(facet_training_rate(&of, 0, 100, 10) - 0.0025) < 1e-15);
  assert_true(fabs(facet_training_rate(&of, 9, 100, 10) - 0.025) < 1e-15);
  assert_true(facet_training_rate(&of, 19, 100, 10) == 0.05 && facet_training_rate(&of, 20, 100, 10) == 0.05);
  of.schedule = FACET_SCHEDULE_STEP;
  of.step_epochs = 3;
  of.step_factor = 0.1;
  assert_true(fabs(facet_training_rate(&of, 30, 100, 10) - 0.005) < 1e-15);
}

static void assert_shares(int parts, int64_t units, int64_t most, const double *pace, const int64_t *wanted)
{
  int64_t share[4];
  facet_shares_deal(parts, units, most, pace, share);
  for (int i = 0; i < parts; i++)
    assert_int_equal(share[i], wanted[i]);
}

/* One who is three times as slow: the ideal is that all are over at once. */
static void shares_follow_paces(void **state)
{
  (void)state;
  assert_shares(2, 4, 3, (double[]){1, 1.05}, (int64_t[]){2, 2});
  assert_shares(3, 4, 4, (double[]){1, 1, 1}, (int64_t[]){2, 1, 1});
  assert_shares(2, 4, 3, (double[]){3, 1}, (int64_t[]){1, 3});
  assert_shares(2, 4, 2, (double[]){9, 1}, (int64_t[]){2, 2}); /* no room for more */
  assert_shares(4, 3, 2, (double[]){1, 3, 1, 1}, (int64_t[]){1, 0, 1, 1});
  double pace[3] = {0};
  facet_shares_learn(3, (double[]){2, 6, 0}, pace);
  assert_true(pace[0] == 2 && pace[1] == 6 && pace[2] == 2); /* of whom nothing is known: as the fastest */
  facet_shares_learn(3, (double[]){4, 0, 2}, pace);
  assert_true(pace[0] == 3 && pace[1] < 6 && pace[1] > 5 && pace[2] == 2);
}

/* A copy of a file with one bit changed, in another file. */
static void flip(const char *from, const char *to, size_t at, int bit)
{
  uint8_t *bytes;
  size_t count;
  assert_int_equal(facet_read_file(from, &bytes, &count), FACET_OK);
  bytes[at] ^= (uint8_t)(1 << bit);
  assert_int_equal(facet_write_file(to, bytes, count), FACET_OK);
  facet_free(&bytes);
}

/* Whatever bit of a record, or of a checkpoint, is changed. */
static void every_bit_counts(void **state)
{
  (void)state;
  char folder[] = "/tmp/facet-bits-XXXXXX";
  assert_non_null(mkdtemp(folder));
  char *whole = facet_format("%s/whole", folder), *changed = facet_format("%s/changed", folder);
  facet_record record = {.seconds = 1.5};
  memset(record.from[FACET_FROM_RECIPE], 'a', 64);
  memset(record.network, 'b', 64);
  assert_int_equal(facet_record_write(whole, &record), FACET_OK);
  const facet_record read = facet_record_read(whole);
  assert_false(read.damaged);
  assert_string_equal(read.network, record.network);
  assert_string_equal(read.from[FACET_FROM_RECIPE], record.from[FACET_FROM_RECIPE]);
  for (size_t i = 0, end = strlen("seconds 1.500\nrecipe \nnetwork \nsum \n") + (size_t)3 * 64; i < end; i++) {
    flip(whole, changed, i, (int)(i % 8));
    assert_true(facet_record_read(changed).damaged);
  }
  const char digest[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  double numbers[4] = {1, 2, 3, 4};
  const facet_piece piece = {numbers, sizeof numbers};
  bool holds, found;
  assert_int_equal(facet_checkpoint_write(whole, digest, 12, 1, &piece), FACET_OK);
  assert_true(facet_checkpoint_holds(whole, &holds) == FACET_OK && holds);
  uint8_t *bytes;
  size_t count;
  assert_int_equal(facet_read_file(whole, &bytes, &count), FACET_OK);
  facet_free(&bytes);
  for (size_t i = 0; i < count; i++) {
    flip(whole, changed, i, (int)(i % 8));
    assert_true(facet_checkpoint_holds(changed, &holds) == FACET_OK && !holds);
    assert_true(facet_checkpoint_read(changed, digest, 1, &piece, &found) == FACET_OK && !found);
  }
  facet_checkpoint_remove(whole);
  facet_checkpoint_remove(changed);
  rmdir(folder);
  FACET_FREE(&whole, &changed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(parts_move_as_one),
                                     cmocka_unit_test(what_is_not_finite_has_diverged), cmocka_unit_test(rates),
                                     cmocka_unit_test(shares_follow_paces), cmocka_unit_test(every_bit_counts)};
  return cmocka_run_group_tests(tests, make_data, NULL);
}
