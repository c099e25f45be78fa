/* Trustworthiness, continuity and nearest neighbours: by hand, and against plain loops that sort nothing away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the above */

#include "embed/quality.h"
#include "near.h"

enum { N = 300, D = 130, DIMENSIONS = 2 };

static float x[N * D];
static double y[N * DIMENSIONS];

static double uniform(int64_t sample, int64_t draw)
{
  return facet_random_uniform((facet_random){5, 1}, (uint64_t)sample, (uint64_t)draw);
}

/* ---- plain loops ---- */

static double input_distance(int64_t features, int64_t i, int64_t j)
{
  double sum = 0;
  for (int64_t f = 0; f < features; f++)
    sum += pow((double)x[i * features + f] - (double)x[j * features + f], 2);
  return sum;
}

static double output_distance(int64_t i, int64_t j)
{
  double sum = 0;
  for (int64_t d = 0; d < DIMENSIONS; d++)
    sum += pow(y[i * DIMENSIONS + d] - y[j * DIMENSIONS + d], 2);
  return sum;
}

static int64_t rank_among(const double *distance, int64_t i, int64_t j)
{
  int64_t rank = 1;
  for (int64_t l = 0; l < N; l++)
    if (l != i && (distance[l] < distance[j] || (distance[l] == distance[j] && l < j)))
      rank++;
  return rank;
}

static facet_rank_penalties plain_penalties(int64_t features, int64_t k, int64_t first, int64_t count)
{
  facet_rank_penalties sum = {0, 0};
  for (int64_t i = first; i < first + count; i++) {
    double input[N], output[N];
    for (int64_t j = 0; j < N; j++) {
      input[j] = input_distance(features, i, j);
      output[j] = output_distance(i, j);
    }
    for (int64_t j = 0; j < N; j++) {
      int64_t in = j == i ? 0 : rank_among(input, i, j), out = j == i ? 0 : rank_among(output, i, j);
      sum.trustworthiness += out <= k && in > k ? in - k : 0;
      sum.continuity += in <= k && out > k ? out - k : 0;
    }
  }
  return sum;
}

/* One after another, of a ranking of their own. */
static facet_status add_penalties(const facet_embedded *e, int64_t first, int64_t count, facet_rank_penalties *sum)
{
  facet_ranking *ranking;
  FACET_TRY(facet_ranking_create(e, &ranking));
  facet_status status = facet_rank_penalties_add(ranking, first, count, sum);
  facet_ranking_destroy(&ranking);
  return status;
}

/* Whole, and in parts. */
static void penalties_are_those_of_plain_loops(int64_t features, int64_t k)
{
  facet_embedded e = {N, features, DIMENSIONS, {.held = x}, {.held = y}, k};
  facet_rank_penalties whole = {0, 0}, parts = {0, 0}, plain = plain_penalties(features, k, 0, N);
  assert_int_equal(add_penalties(&e, 0, N, &whole), FACET_OK);
  assert_int_equal(whole.trustworthiness, plain.trustworthiness);
  assert_int_equal(whole.continuity, plain.continuity);
  assert_true(plain.trustworthiness > 0 && plain.continuity > 0);
  const int64_t start[] = {0, 0, 1, 130, 131, N};
  facet_ranking *ranking;
  assert_int_equal(facet_ranking_create(&e, &ranking), FACET_OK);
  for (int i = 0; i < 5; i++)
    assert_int_equal(facet_rank_penalties_add(ranking, start[i], start[i + 1] - start[i], &parts), FACET_OK);
  facet_ranking_destroy(&ranking);
  assert_memory_equal(&whole, &parts, sizeof whole);
}

/* ---- cases ---- */

/* The input is 0 1 3 7 15; the embedding moves the first point between the last two. */
static void a_line_by_hand(void **state)
{
  (void)state;
  const float line[] = {0, 1, 3, 7, 15};
  const double moved[] = {10, 1, 3, 7, 15};
  facet_embedded e = {5, 1, 1, {.held = line}, {.held = moved}, 2};
  const facet_rank_penalties wanted[] = {
      {3, 3}, /* near 1 3 become 7 15: ranks 3, 4 before; of those lost 4, 3 after */
      {1, 1}, /* near 0 3 become 3 7 */
      {1, 1}, /* near 1 0 become 1 7 */
      {1, 1}, /* near 3 1 become 0 3 */
      {2, 1}, /* near 7 3 become 0 7: 0 had rank 4, 3 has rank 3 */
  };
  for (int i = 0; i < 5; i++) {
    facet_rank_penalties own = {0, 0};
    assert_int_equal(add_penalties(&e, i, 1, &own), FACET_OK);
    assert_memory_equal(&own, &wanted[i], sizeof own);
  }
  assert_near(facet_rank_quality(5, 2, 8), 1 - 2 * 8.0 / (5 * 2 * 3), 1e-15);
  assert_true(facet_rank_quality(5, 2, 0) == 1);
}

static void random_samples(void **state)
{
  (void)state;
  const int64_t features[] = {1, 7, 8, D};
  for (int64_t i = 0; i < N; i++)
    for (int64_t f = 0; f < D; f++)
      x[i * D + f] = (float)(uniform(i, f) * (1 + uniform(f, D)));
  for (int64_t i = 0; i < N * DIMENSIONS; i++)
    y[i] = uniform(i, D + 1) + x[i / DIMENSIONS * D + i % DIMENSIONS];
  for (int i = 0; i < 4; i++)
    penalties_are_those_of_plain_loops(features[i], 12);
  penalties_are_those_of_plain_loops(D, 1);
  penalties_are_those_of_plain_loops(D, N / 2 - 1);
}

/* Small whole numbers: many distances are equal, and many samples are there twice or more. */
static void equal_distances_go_by_number(void **state)
{
  (void)state;
  for (int64_t i = 0; i < N * 5; i++)
    x[i] = (float)floor(3 * uniform(i, 0));
  for (int64_t i = 0; i < N * DIMENSIONS; i++)
    y[i] = floor(6 * uniform(i, 1));
  penalties_are_those_of_plain_loops(5, 12);
  for (int64_t i = 0; i < N * 5; i++)
    x[i] = 1; /* nothing but the number tells them apart */
  penalties_are_those_of_plain_loops(5, 12);
}

/* So far from the origin, or so large or small, that a product in float says nothing. */
static void hard_for_float(void **state)
{
  (void)state;
  const double offset[] = {4096, 0, 0}, size[] = {1, 0x1p100, 0x1p-100};
  for (int c = 0; c < 3; c++) {
    for (int64_t i = 0; i < N * D; i++)
      x[i] = (float)(offset[c] + size[c] * floor(16 * uniform(i, 2)));
    for (int64_t i = 0; i < N * DIMENSIONS; i++)
      y[i] = uniform(i, 3);
    penalties_are_those_of_plain_loops(D, 12);
  }
}

/* ---- samples by the block ---- */

enum { WIDE = 20000 };

static int64_t most_taken, fails_at = -1;

/* The D features of a sample, and zeros: so many that not all samples are in memory at once. */
static facet_status take_wide(void *self, int64_t first, int64_t count, void *to)
{
  (void)self;
  float *wide = to;
  memset(wide, 0, (size_t)(count * WIDE) * sizeof *wide);
  for (int64_t i = 0; i < count; i++)
    memcpy(wide + i * WIDE, x + (first + i) * D, D * sizeof *wide);
  most_taken = count > most_taken ? count : most_taken;
  return first <= fails_at && fails_at < first + count ? facet_raise(FACET_IO, "no more") : FACET_OK;
}

static facet_status take_places(void *self, int64_t first, int64_t count, void *to)
{
  (void)self;
  memcpy(to, y + first * DIMENSIONS, (size_t)(count * DIMENSIONS) * sizeof *y);
  return FACET_OK;
}

static void blocks_give_the_same(void **state)
{
  (void)state;
  for (int64_t i = 0; i < N * D; i++)
    x[i] = (float)uniform(i, 11);
  for (int64_t i = 0; i < N * DIMENSIONS; i++)
    y[i] = uniform(i, 12);
  facet_embedded e = {N, WIDE, DIMENSIONS, {.take = take_wide}, {.take = take_places}, 12};
  facet_rank_penalties sum = {0, 0}, plain = plain_penalties(D, 12, 0, N);
  size_t before = facet_memory_in_use(), taken;
  facet_ranking *ranking;
  most_taken = 0;
  fails_at = -1;
  assert_int_equal(facet_ranking_create(&e, &ranking), FACET_OK);
  taken = facet_memory_in_use() - before;
  assert_true((double)taken < 1.01 * facet_ranking_bytes(&e) && (double)taken > 0.95 * facet_ranking_bytes(&e));
  assert_int_equal(facet_rank_penalties_add(ranking, 0, 7, &sum), FACET_OK);
  assert_int_equal(facet_rank_penalties_add(ranking, 7, N - 7, &sum), FACET_OK);
  assert_true(most_taken < N);
  assert_memory_equal(&sum, &plain, sizeof sum);
  fails_at = 250;
  assert_int_equal(facet_rank_penalties_add(ranking, 0, 1, &sum), FACET_IO);
  assert_string_equal(facet_message(), "no more");
  facet_ranking_destroy(&ranking);
  assert_int_equal(facet_ranking_create(&e, &ranking), FACET_IO);
}

static void an_embedding_that_keeps_everything(void **state)
{
  (void)state;
  for (int64_t i = 0; i < N * DIMENSIONS; i++)
    y[i] = x[i] = (float)uniform(i, 4);
  facet_embedded e = {N, DIMENSIONS, DIMENSIONS, {.held = x}, {.held = y}, 12};
  facet_rank_penalties sum = {0, 0};
  assert_int_equal(add_penalties(&e, 0, N, &sum), FACET_OK);
  assert_true(sum.trustworthiness == 0 && sum.continuity == 0);
}

static void refused(const facet_embedded *e, const char *message)
{
  facet_rank_penalties sum = {0, 0};
  assert_int_equal(add_penalties(e, 0, e->samples, &sum), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), message);
}

static void bad_input_is_refused(void **state)
{
  (void)state;
  float in[8] = {0};
  double out[4] = {0};
  facet_embedded e = {4, 2, 1, {.held = in}, {.held = out}, 2};
  refused(&e, "2 neighbours of 4 samples: must be at least 1 and less than half");
  e.neighbours = 0;
  refused(&e, "0 neighbours of 4 samples: must be at least 1 and less than half");
  e.neighbours = 1;
  in[5] = NAN;
  refused(&e, "feature 1 of sample 2 is not finite");
  in[5] = INFINITY;
  refused(&e, "feature 1 of sample 2 is not finite");
  in[5] = 0;
  out[3] = NAN;
  refused(&e, "position of sample 3 is nan");
  out[3] = 1e151;
  refused(&e, "position of sample 3 is 1e+151");
}

/* ---- the nearest one's label ---- */

enum { MANY = FACET_NEAREST_REFERENCES + 100 };

/* On a line: reference r is at r / 2, with label r % 3; those behind the first block are there, too. */
static facet_status take_line(void *self, int64_t first, int64_t count, void *to)
{
  (void)self;
  for (int64_t i = 0; i < count; i++)
    ((double *)to)[i] = (double)((first + i) / 2);
  return FACET_OK;
}

static facet_status take_label(void *self, int64_t first, int64_t count, void *to)
{
  for (int64_t i = 0; i < count; i++)
    ((int32_t *)to)[i] = (int32_t)((first + i + *(int64_t *)self) % 3);
  return FACET_OK;
}

/* Of two in one place the first is nearest, or, being left out, the second; queries ask for the label that they find.
 */
static void nearest_labels_by_the_block(void **state)
{
  (void)state;
  int64_t own = 0, other = 1;
  facet_nearest_errors sum = {0, 0};
  facet_labelled l = {1,
                      MANY,
                      MANY,
                      {.take = take_line},
                      {.take = take_line},
                      {.take = take_label, .self = &own},
                      {.take = take_label, .self = &own},
                      false};
  assert_int_equal(facet_nearest_errors_add(&l, 0, MANY, &sum), FACET_OK);
  assert_true(sum.wrong == MANY / 2 && sum.counted == MANY);
  l.leave_out = true;
  l.query_label.self = &other;
  sum = (facet_nearest_errors){0, 0};
  assert_int_equal(facet_nearest_errors_add(&l, 0, MANY, &sum), FACET_OK);
  assert_true(sum.wrong == MANY / 2 && sum.counted == MANY); /* even ones have the next one's label, odd ones not */
}

static void nearest_is(const facet_labelled *l, int64_t wrong, int64_t counted)
{
  facet_nearest_errors sum = {100, 1000};
  assert_int_equal(facet_nearest_errors_add(l, 0, 1, &sum), FACET_OK);
  assert_int_equal(facet_nearest_errors_add(l, 1, l->queries - 1, &sum), FACET_OK);
  assert_int_equal(sum.wrong, 100 + wrong);
  assert_int_equal(sum.counted, 1000 + counted);
}

static void nearest_labels_by_hand(void **state)
{
  (void)state;
  const double place[] = {0, 0, 2, 0, 1, 0, 1, 0, 9, 9}, query[] = {1, 0, 2, 1, 8, 9, 1, 0};
  const int32_t label[] = {0, 1, 2, 3, -1};
  const int32_t first_of_equals[] = {2, 1, 1, -1}, others[] = {3, 0, 2, -1};
  facet_labelled l = {2, 5, 4, {.held = place}, {.held = query}, {.held = label}, {.held = first_of_equals}, false};
  nearest_is(&l, 0, 3); /* beside (8, 9) one without label, which takes no part; then (2, 0) */
  l.query_label.held = others;
  nearest_is(&l, 3, 3);
  l = (facet_labelled){2, 5, 5, {.held = place}, {.held = place}, {.held = label}, {.held = label}, false};
  nearest_is(&l, 1, 4);                      /* of the two at (1, 0) the first, for both */
  const int32_t beside[] = {2, 2, 3, 2, -1}; /* labels of the nearest others */
  l = (facet_labelled){2, 5, 5, {.held = place}, {.held = place}, {.held = label}, {.held = beside}, true};
  nearest_is(&l, 0, 4);
}

static void nearest_labels_against_plain_loops(void **state)
{
  (void)state;
  int32_t label[N];
  for (int64_t i = 0; i < N; i++) {
    label[i] = (int32_t)(3 * uniform(i, 5));
    for (int64_t d = 0; d < DIMENSIONS; d++)
      y[i * DIMENSIONS + d] = label[i] + 2 * uniform(i, 6 + d);
  }
  int64_t wrong = 0;
  for (int64_t i = 0; i < N; i++) {
    int64_t nearest = -1;
    for (int64_t j = 0; j < N; j++)
      if (j != i && (nearest < 0 || output_distance(i, j) < output_distance(i, nearest)))
        nearest = j;
    wrong += label[i] != label[nearest];
  }
  assert_true(wrong > 10 && wrong < N / 2);
  nearest_is(&(facet_labelled){DIMENSIONS, N, N, {.held = y}, {.held = y}, {.held = label}, {.held = label}, true},
             wrong, N);
}

static void nearest_refused(void **state)
{
  (void)state;
  double place[] = {0, 1};
  int32_t label[] = {4, -1}, query_label[] = {4, 4};
  facet_nearest_errors sum = {0, 0};
  facet_labelled l = {1, 2, 2, {.held = place}, {.held = place}, {.held = label}, {.held = query_label}, true};
  assert_int_equal(facet_nearest_errors_add(&l, 0, 2, &sum), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "no reference with a label beside query 0");
  label[1] = 4;
  assert_int_equal(facet_nearest_errors_add(&l, 0, 2, &sum), FACET_OK);
  place[1] = NAN;
  assert_int_equal(facet_nearest_errors_add(&l, 0, 1, &sum), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "position of reference 1 is nan");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_by_hand),
      cmocka_unit_test(random_samples),
      cmocka_unit_test(equal_distances_go_by_number),
      cmocka_unit_test(hard_for_float),
      cmocka_unit_test(blocks_give_the_same),
      cmocka_unit_test(nearest_labels_by_the_block),
      cmocka_unit_test(an_embedding_that_keeps_everything),
      cmocka_unit_test(bad_input_is_refused),
      cmocka_unit_test(nearest_labels_by_hand),
      cmocka_unit_test(nearest_labels_against_plain_loops),
      cmocka_unit_test(nearest_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
