/* Threads that use the library side by side: each has its own messages, its own or shared networks, its own executors,
 * and none disturbs the others or what the caller has set for HDF5 and OpenMP. */
#include <hdf5.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "nets.h"

void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

enum { THREADS = 4, ROUNDS = 6, SAMPLES = 5, SIDE = 8, INPUTS = SIDE * SIDE, CLASSES = 3 };

static char folder[64];

/* ---- messages ---- */

typedef struct {
  int number;
  pthread_barrier_t *both;
  bool mixed;
} speaker;

/* Everybody raises, then everybody looks. */
static void *speak(void *context)
{
  speaker *s = context;
  char wanted[64];
  for (int i = 0; i < 100; i++) {
    snprintf(wanted, sizeof wanted, "thread %d: word %d", s->number, i);
    (void)facet_raise(FACET_BAD_INPUT, "word %d", i);
    pthread_barrier_wait(s->both);
    (void)facet_raise_in(FACET_IO, "thread %d: ", s->number);
    pthread_barrier_wait(s->both);
    s->mixed = s->mixed || strcmp(facet_message(), wanted) != 0;
    pthread_barrier_wait(s->both);
  }
  return NULL;
}

static void messages_do_not_mix(void **state)
{
  (void)state;
  pthread_t thread[2];
  pthread_barrier_t both;
  speaker s[2] = {{1, &both, false}, {2, &both, false}};
  (void)facet_raise(FACET_BAD_INPUT, "of the first thread");
  pthread_barrier_init(&both, NULL, 2);
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&thread[i], NULL, speak, &s[i]), 0);
  for (int i = 0; i < 2; i++)
    pthread_join(thread[i], NULL);
  pthread_barrier_destroy(&both);
  assert_false(s[0].mixed || s[1].mixed);
  assert_string_equal(facet_message(), "of the first thread");
}

static void the_caller_owns_its_error(void **state)
{
  (void)state;
  facet_error outer = {0}, inner = {0};
  (void)facet_raise(FACET_INTERNAL, "before");
  assert_null(facet_error_use(&outer));
  assert_string_equal(facet_message(), "");
  (void)facet_raise(FACET_BAD_INPUT, "out\nside");
  assert_ptr_equal(facet_error_use(&inner), &outer);
  (void)facet_raise(FACET_NO_INPUT, "inside");
  (void)facet_raise_in(FACET_IO, "%s: ", facet_message());
  assert_ptr_equal(facet_error_use(NULL), &inner);
  assert_string_equal(facet_message(), "before");
  assert_string_equal(outer.message, "out side");
  assert_int_equal(outer.status, FACET_BAD_INPUT);
  assert_string_equal(inner.message, "inside: inside");
  assert_int_equal(inner.status, FACET_IO);
}

/* ---- everything at once ---- */

typedef struct {
  double b[SAMPLES * CLASSES], logits[SAMPLES * CLASSES];
  float w[SAMPLES * CLASSES * INPUTS];
  uint8_t keep[64];
  float foggy[INPUTS], squeezed[INPUTS]; /* the first sample under two corruptions */
  double margin[SAMPLES];
  int64_t dead;
} results;

typedef struct {
  int number;
  const facet_network *shared;
  const results *wanted;
  char fault[400];
} worker;

/* Corruptions, margins and dead channels. */
static facet_status look_around(const facet_network *network, facet_executor *executor, results *r)
{
  const facet_image image = {1, SIDE, SIDE};
  double h[SAMPLES * 64], angle, length, cosine[CLASSES];
  facet_channels *channels = NULL;
  facet_head head;
  for (uint64_t i = 0; i < INPUTS; i++)
    r->foggy[i] = r->squeezed[i] = (float)(0.5 + noise(i) / 2);
  FACET_TRY(facet_corrupt(&(facet_corruption_settings){facet_corruption_find("fog"), 3, 1, 1, image}, 0, 1, r->foggy));
  FACET_TRY(
      facet_corrupt(&(facet_corruption_settings){facet_corruption_find("jpeg"), 3, 1, 1, image}, 0, 1, r->squeezed));
  FACET_TRY(facet_channels_dead(network, &channels));
  r->dead = channels->dead;
  facet_channels_destroy(&channels);
  FACET_TRY(facet_network_head(network, &head));
  facet_status status = facet_executor_value(executor, head.feature, h);
  for (int i = 0; i < SAMPLES && status == FACET_OK; i++)
    facet_geometry(&head, h + i * head.features, i % CLASSES, &angle, &length, &r->margin[i], cosine);
  facet_head_clear(&head);
  return status;
}

/* Explains the samples; mask: of the last layer, through a file of this thread's own. */
static facet_status explain(const facet_network *network, int number, results *r)
{
  float x[SAMPLES * INPUTS];
  int32_t row[SAMPLES * CLASSES], ties[SAMPLES];
  double left[SAMPLES], b_node[SAMPLES * CLASSES * 32];
  char path[128];
  facet_executor *executor = NULL;
  facet_mask *mask = NULL, *again = NULL;
  facet_status status;
  const facet_pruning how = {.method = facet_method_find("magnitude"), .sparsity = 0.5};
  facet_linearization out = {.w = r->w, .b = r->b, .b_node = b_node, .residual = left, .ties = ties};
  memset(r, 0, sizeof *r);
  for (uint64_t i = 0; i < SAMPLES * INPUTS; i++)
    x[i] = (float)noise(i);
  snprintf(path, sizeof path, "%s/masks-%d.h5", folder, number);
  FACET_GO(out, status,
           facet_executor_create(network, (facet_executor_options){.real = FACET_F32, .batch = SAMPLES, .rows = 2},
                                 &executor));
  FACET_GO(out, status, facet_executor_forward(executor, x, SAMPLES));
  FACET_GO(out, status, facet_executor_output(executor, r->logits));
  facet_rows_choose(FACET_ROWS_ALL, CLASSES, CLASSES, r->logits, SAMPLES, row);
  FACET_GO(out, status, facet_linearize(executor, x, SAMPLES, CLASSES, row, &out));
  FACET_GO(out, status, look_around(network, executor, r));
  FACET_GO(out, status, facet_mask_create(network, &how, NULL, &mask));
  FACET_GO(out, status, facet_mask_write(network, mask, path));
  FACET_GO(out, status, facet_mask_read(network, path, &again));
  memcpy(r->keep, again->layer[0].keep, sizeof r->keep);
out:
  unlink(path);
  facet_mask_destroy(&mask);
  facet_mask_destroy(&again);
  facet_executor_destroy(&executor);
  return status;
}

/* A failure of each kind, with its own words. */
static bool fails_alone(const facet_network *network, int number)
{
  char path[128], wanted[256];
  facet_network *none = NULL;
  facet_mask *mask = NULL;
  snprintf(path, sizeof path, "%s/none-%d", folder, number);
  snprintf(wanted, sizeof wanted, "%s: No such file or directory", path);
  bool good = facet_onnx_read(path, &none) == FACET_NO_INPUT && strcmp(facet_message(), wanted) == 0;
  return facet_mask_read(network, path, &mask) == FACET_NO_INPUT && strcmp(facet_message(), wanted) == 0 && good;
}

static void *work(void *context)
{
  worker *t = context;
  facet_network *own = NULL;
  results *r = malloc(sizeof *r);
  char path[128];
  snprintf(path, sizeof path, "%s/network.onnx", folder);
  for (int i = 0; i < ROUNDS && !t->fault[0]; i++) {
    facet_status status = facet_onnx_read(path, &own);
    const facet_network *network = i % 2 ? t->shared : own;
    if (status == FACET_OK)
      status = explain(network, t->number, r);
    if (status != FACET_OK)
      snprintf(t->fault, sizeof t->fault, "%s", facet_message());
    else if (memcmp(r, t->wanted, sizeof *r) != 0)
      snprintf(t->fault, sizeof t->fault, "other results than alone");
    else if (!fails_alone(network, t->number))
      snprintf(t->fault, sizeof t->fault, "another message: %s", facet_message());
    facet_network_destroy(&own);
  }
  free(r);
  return NULL;
}

static facet_network *make_network(void)
{
  facet_network *n;
  assert_int_equal(facet_network_resnet((facet_shape){3, {1, SIDE, SIDE}}, 1, CLASSES, 7, &n), FACET_OK);
  return n;
}

static void threads_work_side_by_side(void **state)
{
  (void)state;
  facet_network *n = make_network();
  results *alone = malloc(sizeof *alone);
  pthread_t thread[THREADS];
  worker t[THREADS];
  char path[128];
  snprintf(path, sizeof path, "%s/network.onnx", folder);
  assert_non_null(alone);
  if (facet_onnx_write(n, path) != FACET_OK || explain(n, THREADS, alone) != FACET_OK)
    fail_msg("%s", facet_message());
  size_t before = facet_memory_in_use();
  for (int i = 0; i < THREADS; i++) {
    t[i] = (worker){.number = i, .shared = n, .wanted = alone};
    assert_int_equal(pthread_create(&thread[i], NULL, work, &t[i]), 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++)
    if (t[i].fault[0])
      fail_msg("thread %d: %s", i, t[i].fault);
  assert_int_equal(facet_memory_in_use(), before); /* what threads kept is freed with them */
  unlink(path);
  free(alone);
  facet_network_destroy(&n);
}

/* ---- an executor goes from one thread to the next; its working memory comes and goes ---- */

typedef struct {
  facet_executor *executor;
  float x[INPUTS];
  double logits[CLASSES];
  facet_status status;
} handed;

static void *run(void *context)
{
  handed *h = context;
  h->status = facet_executor_forward(h->executor, h->x, 1);
  if (h->status == FACET_OK)
    h->status = facet_executor_output(h->executor, h->logits);
  return NULL;
}

static void executors_may_move(void **state)
{
  (void)state;
  facet_network *n = make_network();
  pthread_t thread;
  handed h = {0};
  double here[CLASSES];
  for (uint64_t i = 0; i < INPUTS; i++)
    h.x[i] = (float)noise(i);
  assert_int_equal(facet_executor_create(n, (facet_executor_options){.real = FACET_F32, .batch = 1}, &h.executor), 0);
  run(&h);
  assert_int_equal(h.status, FACET_OK);
  memcpy(here, h.logits, sizeof here);
  facet_kernels_release();
  run(&h);
  assert_int_equal(h.status, FACET_OK);
  assert_memory_equal(here, h.logits, sizeof here);
  assert_int_equal(pthread_create(&thread, NULL, run, &h), 0);
  pthread_join(thread, NULL);
  assert_int_equal(h.status, FACET_OK);
  assert_memory_equal(here, h.logits, sizeof here);
  facet_executor_destroy(&h.executor);
  facet_network_destroy(&n);
}

/* ---- what belongs to the caller ---- */

static herr_t handler(hid_t stack, void *data)
{
  (void)stack;
  ++*(int *)data;
  return 0;
}

static void hdf5_speaks_to_the_caller(void **state)
{
  (void)state;
  facet_network *n = make_network();
  facet_mask *mask;
  facet_dataset *dataset;
  H5E_auto2_t now, before;
  void *data, *data_before;
  int heard = 0;
  char path[128];
  char *const images[] = {path};
  const facet_data_source source = {.format = facet_data_format_find("hdf5"), .files = 1, .images = (char **)images};
  snprintf(path, sizeof path, "%s/damaged.h5", folder);
  assert_int_equal(facet_write_file(path, "damaged", 7), FACET_OK);
  assert_true(H5Eget_auto2(H5E_DEFAULT, &before, &data_before) >= 0);
  assert_true(H5Eset_auto2(H5E_DEFAULT, handler, &heard) >= 0);
  assert_int_equal(facet_mask_read(n, path, &mask), FACET_BAD_INPUT);
  assert_int_equal(facet_dataset_open(&source, &dataset), FACET_BAD_INPUT);
  assert_int_equal(facet_mask_of_zeros(n, &mask), FACET_OK);
  assert_int_equal(facet_mask_write(n, mask, path), FACET_OK);
  assert_int_equal(heard, 0);
  assert_true(H5Eget_auto2(H5E_DEFAULT, &now, &data) >= 0);
  assert_true(now == handler && data == &heard);
  assert_true(H5Fopen(folder, H5F_ACC_RDONLY, H5P_DEFAULT) < 0);
  assert_int_equal(heard, 1);
  H5Eset_auto2(H5E_DEFAULT, before, data_before);
  unlink(path);
  facet_mask_destroy(&mask);
  facet_network_destroy(&n);
}

static void openmp_stays_the_callers(void **state)
{
  (void)state;
  facet_network *n = make_network();
  handed h = {0};
  int before = omp_get_max_threads();
  omp_set_num_threads(3);
  assert_int_equal(facet_executor_create(n, (facet_executor_options){.real = FACET_F32, .batch = 1}, &h.executor), 0);
  run(&h);
  assert_int_equal(h.status, FACET_OK);
  assert_int_equal(omp_get_max_threads(), 3);
  omp_set_num_threads(before);
  facet_executor_destroy(&h.executor);
  facet_network_destroy(&n);
}

static int make_folder(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/facet-threads-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
  (void)state;
  return rmdir(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(openmp_stays_the_callers), /* first: nothing has run yet */
      cmocka_unit_test(messages_do_not_mix),       cmocka_unit_test(the_caller_owns_its_error),
      cmocka_unit_test(threads_work_side_by_side), cmocka_unit_test(executors_may_move),
      cmocka_unit_test(hdf5_speaks_to_the_caller),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
