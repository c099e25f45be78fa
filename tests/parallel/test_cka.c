/* CKA of features that are stored: the same bits on any number of ranks, one of which is slow, and after a stop. A
 * product takes a known time here. And of features that are not, which all ranks make together. */
#include <hdf5.h>
#include <hdf5_hl.h>
#include <math.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "balance.h"
#include "stages/stage.h"
#include "unit/nets.h"

enum { V = 6, C = 12, MANY = 250, N = 20, ITEMS = V * C, K = 2, PAIRS = ITEMS * (ITEMS + 1) / 2 };

static int rank, conditions;
static char folder[64], path[96], other[96];
static double nap;  /* seconds for a product, on this rank */
static double busy; /* seconds in products */
static int products, stop_at;

/* In place of the BLAS's: a, of which the transpose is taken, times b. */
void cblas_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);
void cblas_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc)
{
  (void)order, (void)ta, (void)tb, (void)alpha;
  double begun = facet_seconds();
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int l = 0; l < k; l++)
        sum += a[l * lda + i] * b[l * ldb + j];
      c[i * ldc + j] = beta == 0 ? sum : sum + c[i * ldc + j];
    }
  if (nap > 0)
    nanosleep(&(struct timespec){.tv_nsec = (long)(nap * 1e9)}, NULL);
  busy += facet_seconds() - begun;
  if (++products == stop_at)
    (void)raise(SIGUSR1);
}

/* ---- a study's features ---- */

static int features_of(int v)
{
  return 3 + v % 2;
}

static double feature_of(int v, int c, int i, int f)
{
  double own = noise((uint64_t)(((v * MANY + c) * N + i) * 7 + f)), common = noise((uint64_t)(1000000 + i * 7 + f));
  return (double)(float)(common + 0.1 * (v + 1) * own);
}

typedef struct {
  facet_settings settings;
  facet_normalization normalize;
  char name[V][8], condition[MANY][12];
  const char *conditions[MANY];
  facet_store_variant variant[V];
  facet_work work[V];
  facet_member member[V];
  facet_family family;
  facet_dataset data;
  int32_t label[N];
  facet_plan plan;
} fixture;

static fixture f;

static double weight_of(int v, int i)
{
  return (double)(float)noise((uint64_t)(77777 + v * 16 + i));
}

static facet_network *make_network(int v)
{
  double zeros[16] = {0}, own[16];
  int features = features_of(v);
  for (int i = 0; i < 2 * features; i++)
    own[i] = weight_of(v, i);
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "h", 2, features, own, NULL);
  add_node(n, "Relu", "h", "r", 0, NULL);
  add_gemm(n, "r", "y", features, K, zeros, NULL);
  return end_net(n, "y");
}

static void make_fixture(int count)
{
  conditions = count;
  static const char *const classes[K] = {"a", "b"};
  f = (fixture){
      .settings =
          {.file = "s.yaml", .name = "s", .output = "/out", .precision = FACET_F32, .block = N, .memory = 1 << 30},
      .normalize = {.scale = 1, .channels = 1, .std = {1}}};
  for (int c = 0; c < conditions; c++) {
    (void)snprintf(f.condition[c], sizeof f.condition[c], c ? "noise_%d/1" : "clean", c);
    f.conditions[c] = f.condition[c];
  }
  for (int v = 0; v < V; v++) {
    (void)snprintf(f.name[v], sizeof f.name[v], "net%d", v);
    f.member[v].network = make_network(v);
    f.work[v].forward_batch = N;
    f.variant[v] = (facet_store_variant){.name = f.name[v],
                                         .replicate = f.name[v],
                                         .method = v ? "magnitude" : "dense",
                                         .scope = "",
                                         .onnx = "n",
                                         .sha256 = "aa",
                                         .features = features_of(v)};
    f.variant[v].input = (facet_input_layout){
        FACET_CHANNELS_FIRST, false, 3, {1, 1, 2}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}};
  }
  f.family = (facet_family){.count = V, .member = f.member};
  f.data = (facet_dataset){.count = N, .image = {1, 1, 2}, .label = f.label};
  f.plan = (facet_plan){
      .store = {.settings = &f.settings,
                .normalize = &f.normalize,
                .study_filled = "study: s\n",
                .study_text = "study: s\n",
                .stages = 2,
                .stage = {{.name = "analyse", .marks = "V, C, block"}, {.name = "cka", .marks = facet_stage_cka.marks}},
                .variants = V,
                .variant = f.variant,
                .conditions = conditions,
                .condition = f.conditions,
                .classes = K,
                .class_name = (const char **)classes,
                .samples = N,
                .image = {1, 1, 2},
                .test = &f.data,
                .block = N,
                .cka = true},
      .source = {&f.settings, &f.normalize, NULL, &f.data},
      .blocks = 1,
      .inputs = 2,
      .work = f.work};
  facet_interrupt_listen(MPI_COMM_WORLD);
  nap = busy = 0;
  products = stop_at = 0;
}

static void clear_fixture(void)
{
  for (int v = 0; v < V; v++)
    facet_network_destroy(&f.member[v].network);
}

static facet_status write_features(facet_store *store)
{
  double x[N * 4];
  for (int v = 0; v < V; v++)
    for (int c = 0; c < conditions; c++) {
      for (int i = 0; i < N * features_of(v); i++)
        x[i] = feature_of(v, c, i / features_of(v), i % features_of(v));
      FACET_TRY(facet_store_put(store, FACET_ROW_FEATURE, (facet_place){.variant = v, .part = {{c, 1}}}, x));
    }
  return FACET_OK;
}

/* The stage, of a new file or one that is there. */
static facet_status run_stage(MPI_Comm comm, const char *file, bool anew)
{
  facet_store *store;
  if (anew)
    FACET_TRY(facet_store_create(comm, file, &f.plan.store));
  FACET_TRY(facet_store_open(comm, file, &f.plan.store, &store));
  facet_status status = anew && facet_rank(comm) == 0 ? write_features(store) : FACET_OK;
  const facet_context context = {.comm = comm, .plan = &f.plan, .family = &f.family, .store = store};
  FACET_AGREE(comm, status);
  FACET_TRY(facet_store_sync(store));
  status = facet_stage_run(&context, &facet_stage_cka);
  facet_status closed = facet_store_close(&store);
  return status == FACET_OK ? closed : status;
}

static void read_table(const char *file, double *table)
{
  hid_t id = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
  herr_t read = H5LTread_dataset_double(id, "/aggregate/cka", table);
  H5Fclose(id);
  assert_true(read >= 0);
}

/* The file of all ranks holds what one rank alone makes. */
static void assert_as_alone(void)
{
  static double all[ITEMS * ITEMS], one[ITEMS * ITEMS];
  MPI_Barrier(MPI_COMM_WORLD);
  nap = 0;
  if (rank == 0) {
    assert_int_equal(run_stage(MPI_COMM_SELF, other, true), FACET_OK);
    read_table(path, all);
    read_table(other, one);
    unlink(other);
    assert_memory_equal(all, one, sizeof all);
    for (int i = 0; i < ITEMS; i++)
      assert_true(all[i * ITEMS + i] == 1);
    for (int i = 1; i < ITEMS; i++)
      assert_true(all[i] == all[i * ITEMS] && all[i] > 0 && all[i] < 1);
    unlink(path);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/* ---- cases ---- */

/* Three times as long for the same. */
static bool slow_rank_holds_nobody(int slow)
{
  make_fixture(C);
  nap = rank == slow ? 3e-3 : 1e-3;
  assert_int_equal(run_stage(MPI_COMM_WORLD, path, true), FACET_OK);
  bool even = balanced(busy);
  assert_true(combined(products, MPI_SUM) == PAIRS);
  assert_as_alone();
  clear_fixture();
  return even;
}

static void test_a_slow_rank(void **state)
{
  (void)state;
  assert_true(slow_ranks_hold_nobody(slow_rank_holds_nobody));
}

/* What was done by then is not done again: rank 0 stops within what it begins with, behind the items' own products. */
static void test_a_stop(void **state)
{
  (void)state;
  make_fixture(C);
  int pairs = PAIRS / 8 / facet_ranks(MPI_COMM_WORLD);
  stop_at = rank == 0 ? ITEMS + pairs : -1;
  assert_int_equal(run_stage(MPI_COMM_WORLD, path, true), FACET_INTERRUPTED);
  facet_interrupt_listen(MPI_COMM_WORLD);
  stop_at = products = 0;
  assert_int_equal(run_stage(MPI_COMM_WORLD, path, false), FACET_OK);
  assert_in_range((int)combined(products, MPI_SUM), 1, PAIRS - pairs / 2);
  assert_as_alone();
  clear_fixture();
}

/* An array of more than 16 MiB: NaN but for what is under clean, and of one variant. */
static void test_more_than_are_paired(void **state)
{
  (void)state;
  enum { ALL = V * MANY };
  make_fixture(MANY);
  assert_int_equal(run_stage(MPI_COMM_WORLD, path, true), FACET_OK);
  if (rank == 0) {
    double *table = facet_allocate((size_t)ALL * ALL, sizeof *table);
    read_table(path, table);
    for (int i = 0; i < ALL; i++)
      for (int j = 0; j < ALL; j++) {
        bool compared = i / MANY == j / MANY || (i % MANY == 0 && j % MANY == 0);
        assert_true(compared ? table[i * ALL + j] > 0 : isnan(table[i * ALL + j]));
      }
    facet_free(&table);
    unlink(path);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  clear_fixture();
}

static float pixel[N * 2];

/* What a network makes of a pixel, centred over all samples. */
static void make_centred(int v, double *x)
{
  int d = features_of(v);
  for (int k = 0; k < d; k++) {
    double mean = 0;
    for (int i = 0; i < N; i++) {
      x[i * d + k] = fmax(0, weight_of(v, 2 * k) * pixel[2 * i] + weight_of(v, 2 * k + 1) * pixel[2 * i + 1]);
      mean += x[i * d + k] / N;
    }
    for (int i = 0; i < N; i++)
      x[i * d + k] -= mean;
  }
}

static double product_of(int v, const double *x, int w, const double *y)
{
  double all = 0;
  for (int a = 0; a < features_of(v); a++)
    for (int b = 0; b < features_of(w); b++) {
      double sum = 0;
      for (int i = 0; i < N; i++)
        sum += x[i * features_of(v) + a] * y[i * features_of(w) + b];
      all += sum * sum;
    }
  return all;
}

/* Also on a rank that has few samples; against the definition. */
static void test_features_that_are_not_stored(void **state)
{
  (void)state;
  static double table[V * V], x[V][N * 4];
  make_fixture(1);
  for (int i = 0; i < N * 2; i++)
    pixel[i] = (float)(3 + noise((uint64_t)(555 + i)));
  facet_condition clean = {.name = f.condition[0]};
  const facet_conditions known = {.count = 1, .item = &clean};
  f.plan.source.conditions = &known;
  f.data.pixels = pixel;
  f.data.is_float = true;
  for (int v = 0; v < V; v++) {
    f.variant[v].features = 0;
    f.member[v].input = f.variant[v].input;
    make_centred(v, x[v]);
  }
  facet_store *store;
  assert_int_equal(facet_store_create(MPI_COMM_WORLD, path, &f.plan.store), FACET_OK);
  assert_int_equal(facet_store_open(MPI_COMM_WORLD, path, &f.plan.store, &store), FACET_OK);
  const facet_context context = {.comm = MPI_COMM_WORLD, .plan = &f.plan, .family = &f.family, .store = store};
  assert_int_equal(facet_stage_run(&context, &facet_stage_cka), FACET_OK);
  assert_int_equal(facet_store_close(&store), FACET_OK);
  if (rank == 0) {
    read_table(path, table);
    for (int v = 0; v < V; v++)
      for (int w = 0; w < V; w++) {
        double both = sqrt(product_of(v, x[v], v, x[v]) * product_of(w, x[w], w, x[w]));
        assert_true(fabs(table[v * V + w] - product_of(v, x[v], w, x[w]) / both) < 1e-5);
        assert_true(v == w ? table[v * V + w] == 1 : table[v * V + w] == table[w * V + v]);
      }
    unlink(path);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  clear_fixture();
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  const char *parent = getenv("TMPDIR");
  (void)snprintf(folder, sizeof folder, "%s/facet-cka-XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
  if (rank == 0 && !mkdtemp(folder))
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  (void)snprintf(path, sizeof path, "%s/all.h5", folder);
  (void)snprintf(other, sizeof other, "%s/one.h5", folder);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_slow_rank), cmocka_unit_test(test_a_stop),
                                     cmocka_unit_test(test_more_than_are_paired),
                                     cmocka_unit_test(test_features_that_are_not_stored)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    unlink(path);
    rmdir(folder);
  }
  facet_interrupt_settle();
  MPI_Finalize();
  return failed;
}
