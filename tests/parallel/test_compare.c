/* Comparisons on any number of ranks: enough items for several blocks of pairs, enough samples for several portions,
 * several corruptions; against plain loops over the same numbers. */
#include <hdf5.h>
#include <hdf5_hl.h>
#include <math.h>
#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ranks/profile.h"
#include "summarize.h"

enum { V = 5, X = 6, SEVERITIES = 5, C = 1 + X * SEVERITIES, K = 3, N = 300, ITEMS = V * C, METRICS = 3, MANY = 1000 };

static int rank;
static char folder[64], path[96], other[96];

typedef struct {
  facet_settings settings;
  facet_normalization normalize;
  char name[MANY][24];
  const char *names[MANY];
  facet_store_variant variant[V];
  int32_t label[N];
  facet_dataset test;
  facet_store_plan plan;
} fixture;

static fixture f;

static const char *const variants[V] = {"dense", "magnitude-global-0.5", "magnitude-global-0.9", "random-layer-0.5-s1",
                                        "random-layer-0.5-s2"};
static const char *const classes[K] = {"a", "b", "c"};

/* Clean samples first, unless `clean` is false, and then every corruption with every severity. */
static void make_fixture(bool clean)
{
  f = (fixture){.settings = {.file = "s.yaml", .name = "s", .output = "/out", .precision = FACET_F32},
                .normalize = {.scale = 1, .channels = 1, .std = {1}}};
  for (int c = 0; c < MANY; c++) {
    int corrupted = c - clean;
    (void)snprintf(f.name[c], sizeof f.name[c], corrupted < 0 ? "clean" : "noise_%d/%d", corrupted / SEVERITIES,
                   1 + corrupted % SEVERITIES);
    f.names[c] = f.name[c];
  }
  for (int v = 0; v < V; v++) {
    f.variant[v] = (facet_store_variant){.name = variants[v], .replicate = variants[v], .onnx = "n", .sha256 = "aa"};
    if (v == 2) /* its margins are infinite, those of the other replicate are not */
      f.variant[v].replicate = variants[1];
    f.variant[v].method = v == 0 ? "dense" : v < 3 ? "magnitude" : "random";
    f.variant[v].scope = v == 0 ? "" : v < 3 ? "global" : "layer";
    f.variant[v].sparsity = v == 0 ? 0 : v == 2 ? 0.9 : 0.5;
    f.variant[v].input = (facet_input_layout){
        FACET_CHANNELS_FIRST, false, 3, {1, 1, 1}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}};
  }
  for (int i = 0; i < N; i++)
    f.label[i] = i % 11 == 5 ? -1 : i % K;
  f.test = (facet_dataset){.count = N, .label = f.label};
  f.plan = (facet_store_plan){.settings = &f.settings,
                              .normalize = &f.normalize,
                              .study_filled = "study: s\n",
                              .clean = clean ? 0 : -1,
                              .stages = 4,
                              .stage = {{.name = "analyse", .marks = "V, C, block"},
                                        {.name = "summary", .marks = "V, C"},
                                        {.name = "compare", .marks = ""},
                                        {.name = "similarity", .marks = ""}},
                              .study_text = "study: s\n",
                              .variants = V,
                              .variant = f.variant,
                              .conditions = C,
                              .condition = f.names,
                              .classes = K,
                              .class_name = (const char **)classes,
                              .samples = N,
                              .image = {1, 1, 1},
                              .test = &f.test,
                              .block = N};
}

/* ---- numbers that look random, the same on every rank ---- */

static int featureless; /* a variant without features; 0: none */

/* In [0, 1). */
static double noise(int what, int item, int i)
{
  uint64_t x = (uint64_t)what * 1000003 + (uint64_t)item * 7919 + (uint64_t)i * 104729 + 1;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

static double geometry(int metric, int v, int c, int i)
{
  if ((featureless > 0 && v == featureless) || (metric != 1 && f.label[i] < 0))
    return NAN;
  if (metric == 2 && v == 2 && i % 50 == 7)
    return -INFINITY;
  return (metric + 1) * (noise(metric, v * C + c, i) + 0.1 * v + 0.02 * c);
}

/* Wrong more often for pruned variants and under corruption. */
static int32_t predicted(int v, int c, int i)
{
  bool wrong = noise(3, 0, i) + 0.2 * noise(4, v * C + c, i) < 0.1 + 0.05 * v + 0.01 * c;
  return (int32_t)((i + wrong) % K);
}

static facet_status write_line(facet_store *store, int v, int c)
{
  double metric[METRICS][N], logits[N * K] = {0}, loss[N] = {0}, cosine[N * K] = {0};
  int32_t class[N];
  for (int i = 0; i < N; i++) {
    for (int m = 0; m < METRICS; m++)
      metric[m][i] = geometry(m, v, c, i);
    class[i] = predicted(v, c, i);
    logits[i * K + class[i]] = 1 + noise(5, v * C + c, i);
  }
  static const facet_row row[METRICS] = {FACET_ROW_ANGLE, FACET_ROW_LENGTH, FACET_ROW_MARGIN};
  const facet_place at = {.part = {{v, 1}, {c, 1}}};
  FACET_TRY(facet_store_put(store, FACET_ROW_LOGITS, at, logits));
  FACET_TRY(facet_store_put(store, FACET_ROW_PREDICTED, at, class));
  FACET_TRY(facet_store_put(store, FACET_ROW_LOSS, at, loss));
  for (int m = 0; m < METRICS; m++)
    FACET_TRY(facet_store_put(store, row[m], at, metric[m]));
  FACET_TRY(facet_store_put(store, FACET_ROW_COSINE, at, cosine));
  return facet_store_mark(store, "analyse", v * C + c);
}

/* Leaves zeros where nothing is known, as large arrays have them. */
static facet_status write_zeros(facet_store *store)
{
  const double lost[2 * N] = {0};
  const int64_t order[N] = {0};
  FACET_TRY(facet_store_put(store, FACET_ROW_FIRST_LOST, (facet_place){0}, lost));
  return facet_store_put(store, FACET_ROW_FRAGILE, (facet_place){0}, order);
}

static facet_status write_store(MPI_Comm comm, const char *file)
{
  facet_store *store;
  const double pixels[N] = {0};
  facet_status status = FACET_OK;
  FACET_TRY(facet_store_create(comm, file, &f.plan));
  FACET_TRY(facet_store_open(comm, file, &f.plan, &store));
  if (facet_rank(comm) == 0)
    status = facet_store_put(store, FACET_ROW_IMAGE, (facet_place){0}, pixels);
  for (int i = facet_rank(comm); i < ITEMS && status == FACET_OK; i += facet_ranks(comm))
    status = write_line(store, i / C, i % C);
  if (status == FACET_OK && facet_rank(comm) == 0)
    status = write_zeros(store);
  status = facet_agree(comm, status);
  if (status == FACET_OK)
    status = summarize(comm, store, &f.plan);
  facet_status closed = facet_store_close(&store);
  return status == FACET_OK ? closed : status;
}

static void read_set(const char *name, double *to)
{
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  herr_t read = H5LTread_dataset_double(file, name, to);
  H5Fclose(file);
  assert_true(read >= 0);
}

/* The ranks agree before rank 0 looks at the numbers, and nobody waits for it if it fails. */
static void summarized(void)
{
  if (rank == 0)
    unlink(path);
  MPI_Barrier(MPI_COMM_WORLD);
  facet_status status = write_store(MPI_COMM_WORLD, path);
  if (status != FACET_OK)
    print_error("%s\n", facet_message());
  assert_int_equal(status, FACET_OK);
}

/* ---- tests ---- */

static void test_ranks_do_not_matter(void **state)
{
  (void)state;
  char all[65], one[65];
  make_fixture(true);
  summarized();
  if (rank != 0)
    return;
  assert_int_equal(write_store(MPI_COMM_SELF, other), FACET_OK);
  assert_int_equal(facet_store_checksum(path, all), FACET_OK);
  assert_int_equal(facet_store_checksum(other, one), FACET_OK);
  unlink(other);
  assert_string_equal(all, one);
}

/* An infinite margin of one network is one of its replicate's. */
static void test_infinite_replicates(void **state)
{
  (void)state;
  double each[V * C], mean[(V - 1) * C];
  make_fixture(true);
  summarized();
  if (rank != 0)
    return;
  read_set("/summary/margin", each);
  read_set("/replicates/margin_mean", mean);
  for (int c = 0; c < C; c++) {
    assert_true(isfinite(each[C + c]) && each[2 * C + c] == -INFINITY);
    assert_true(mean[C + c] == -INFINITY);
    assert_float_equal(mean[c], each[c], 0);
  }
}

static double deviation(int metric)
{
  double mean = 0, squares = 0;
  int count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < ITEMS * N; i++) {
      double x = geometry(metric, i / N / C, i / N % C, i % N);
      if (f.label[i % N] < 0 || !isfinite(x))
        continue;
      mean += pass ? 0 : x;
      count += !pass;
      squares += pass ? pow(x - mean / count, 2) : 0;
    }
  return sqrt(squares / count);
}

static double distance_of(int a, int b, const double scale[METRICS])
{
  double sum = 0;
  int count = 0;
  for (int i = 0; i < N; i++)
    for (int m = 0; m < METRICS && f.label[i] >= 0; m++) {
      double x = geometry(m, a / C, a % C, i), y = geometry(m, b / C, b % C, i);
      sum += isfinite(x) && isfinite(y) ? pow((x - y) / scale[m], 2) : 0;
      count++;
    }
  return sqrt(sum / count);
}

static bool is_featureless(int item)
{
  return featureless > 0 && item / C == featureless;
}

static void distances_are_right(void)
{
  static double distance[ITEMS * ITEMS];
  double scale[METRICS];
  int wrong = 0;
  for (int m = 0; m < METRICS; m++)
    scale[m] = deviation(m);
  read_set("/similarity/distance", distance);
  for (int a = 0; a < ITEMS; a++)
    for (int b = 0; b < ITEMS; b++) {
      double got = distance[a * ITEMS + b];
      bool known = !is_featureless(a) && !is_featureless(b);
      wrong += known ? !(fabs(got - distance_of(a, b, scale)) < 1e-12) : !isnan(got);
    }
  assert_int_equal(wrong, 0);
}

static void test_distances(void **state)
{
  (void)state;
  double order[ITEMS];
  bool there[ITEMS] = {false};
  make_fixture(true);
  summarized();
  if (rank != 0)
    return;
  distances_are_right();
  read_set("/similarity/order", order);
  for (int i = 0; i < ITEMS; i++) {
    assert_true(order[i] >= 0 && order[i] < ITEMS && !there[(int)order[i]]);
    there[(int)order[i]] = true;
  }
}

static void test_a_variant_without_features(void **state)
{
  (void)state;
  double order[ITEMS], linkage[(ITEMS - 1) * 4], layout[ITEMS * 2];
  make_fixture(true);
  featureless = 1;
  summarized();
  if (rank == 0) {
    distances_are_right();
    read_set("/similarity/order", order);
    read_set("/similarity/linkage", linkage);
    read_set("/similarity/layout", layout);
    for (int i = 0; i < ITEMS; i++)
      assert_true(order[i] == -1 && isnan(layout[2 * i]) && (i == ITEMS - 1 || isnan(linkage[4 * i + 2])));
  }
  featureless = 0;
}

/* Bytes of files that this rank moves while items are compared anew. */
static facet_status count_compared(int64_t *bytes)
{
  const facet_plan whole = {.store = f.plan};
  facet_context context = {.comm = MPI_COMM_WORLD, .plan = &whole};
  FACET_TRY(facet_store_open(MPI_COMM_WORLD, path, &f.plan, &context.store));
  facet_status status = facet_store_forget(context.store, "similarity", NULL, NULL);
  facet_profile_begin();
  (void)facet_profile_take();
  if (status == FACET_OK)
    status = facet_stage_similarity.run(&context);
  *bytes = facet_profile_take().bytes;
  facet_status closed = facet_store_close(&context.store);
  return status == FACET_OK ? closed : status;
}

/* Every number is read once, and every rank reads its share; rank 0 writes what follows. */
static void test_samples_are_read_once(void **state)
{
  (void)state;
  const int64_t numbers = (int64_t)METRICS * ITEMS * N * 8, labels = (int64_t)METRICS * N * 4,
                results = 8 * (ITEMS * (ITEMS + 1 + 2) + 4 * (ITEMS - 1));
  int64_t own, ranks = facet_ranks(MPI_COMM_WORLD);
  make_fixture(true);
  summarized();
  assert_int_equal(count_compared(&own), FACET_OK);
  int64_t share = numbers / ranks;
  if (rank == 0)
    own -= results;
  assert_in_range(own, share - numbers / ITEMS, share + numbers / ITEMS + labels);
}

static double error_of(int v, int c)
{
  int wrong = 0, count = 0;
  for (int i = 0; i < N; i++)
    if (f.label[i] >= 0) {
      wrong += predicted(v, c, i) != f.label[i];
      count++;
    }
  return (double)wrong / count;
}

static void test_corruption_errors(void **state)
{
  (void)state;
  double plain[V * X], relative[V * X], mean[V], mce[V], relative_mce[V];
  make_fixture(true);
  summarized();
  if (rank != 0)
    return;
  read_set("/summary/corruption_error", plain);
  read_set("/summary/relative_corruption_error", relative);
  read_set("/summary/mean_error", mean);
  read_set("/summary/mce", mce);
  read_set("/summary/relative_mce", relative_mce);
  for (int v = 0; v < V; v++) {
    double all = 0, ratios = 0, relative_ratios = 0;
    for (int x = 0; x < X; x++) {
      double own = 0, reference = 0;
      for (int s = 0; s < SEVERITIES; s++) {
        own += error_of(v, 1 + x * SEVERITIES + s);
        reference += error_of(0, 1 + x * SEVERITIES + s);
      }
      double beyond = (own - SEVERITIES * error_of(v, 0)) / (reference - SEVERITIES * error_of(0, 0));
      assert_true(fabs(plain[v * X + x] - own / reference) < 1e-12);
      assert_true(fabs(relative[v * X + x] - beyond) < 1e-10);
      all += own / (X * SEVERITIES);
      ratios += own / reference / X;
      relative_ratios += beyond / X;
    }
    assert_true(fabs(mean[v] - all) < 1e-12 && fabs(mce[v] - ratios) < 1e-12);
    assert_true(fabs(relative_mce[v] - relative_ratios) < 1e-10);
  }
  assert_true(mce[0] == 1 && mce[V - 1] > 1.2);
}

/* Pearson's, by sums of products. */
static double correlation(int v, int x, int y)
{
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < N; i++) {
    double p = 0, q = 0;
    for (int s = 1; s <= SEVERITIES; s++) {
      p += predicted(v, x * SEVERITIES + s, i) != f.label[i];
      q += predicted(v, y * SEVERITIES + s, i) != f.label[i];
    }
    if (f.label[i] < 0)
      continue;
    n += 1;
    a += p;
    b += q;
    aa += p * p;
    bb += q * q;
    ab += p * q;
  }
  return (n * ab - a * b) / sqrt((n * aa - a * a) * (n * bb - b * b));
}

static void test_redundancy(void **state)
{
  (void)state;
  double redundancy[V * X * X];
  make_fixture(true);
  summarized();
  if (rank != 0)
    return;
  read_set("/summary/redundancy", redundancy);
  for (int i = 0; i < V * X * X; i++)
    assert_true(fabs(redundancy[i] - correlation(i / X / X, i / X % X, i % X)) < 1e-12);
  assert_true(redundancy[1] < 1 && redundancy[1] > 0);
}

static void test_without_clean_samples(void **state)
{
  (void)state;
  double lost[2 * N], order[N], relative[V * (X + 1)];
  make_fixture(false);
  summarized();
  if (rank != 0)
    return;
  read_set("/fragility/first_lost", lost);
  read_set("/fragility/rank", order);
  read_set("/summary/relative_corruption_error", relative);
  for (int i = 0; i < N; i++)
    assert_true(isnan(lost[i]) && isnan(lost[N + i]) && order[i] == -1);
  for (int i = 0; i < V * (X + 1); i++)
    assert_true(isnan(relative[i]));
}

static void test_too_many_items(void **state)
{
  (void)state;
  make_fixture(true);
  f.plan.conditions = MANY;
  assert_int_equal(facet_store_items(&f.plan), 0);
  if (rank == 0)
    unlink(path);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_int_equal(facet_store_create(MPI_COMM_WORLD, path, &f.plan), FACET_OK);
  assert_false(facet_stage_similarity.wanted(&(facet_plan){.store = f.plan}));
  if (rank == 0) {
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(H5Lexists(file, "/similarity", H5P_DEFAULT) == 0 && H5Lexists(file, "/fragility", H5P_DEFAULT) > 0);
    H5Fclose(file);
  }
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  const char *parent = getenv("TMPDIR");
  (void)snprintf(folder, sizeof folder, "%s/facet-compare-XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
  if (rank == 0 && !mkdtemp(folder))
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  (void)snprintf(path, sizeof path, "%s/all.h5", folder);
  (void)snprintf(other, sizeof other, "%s/one.h5", folder);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ranks_do_not_matter),
      cmocka_unit_test(test_infinite_replicates),
      cmocka_unit_test(test_distances),
      cmocka_unit_test(test_a_variant_without_features),
      cmocka_unit_test(test_samples_are_read_once),
      cmocka_unit_test(test_corruption_errors),
      cmocka_unit_test(test_redundancy),
      cmocka_unit_test(test_without_clean_samples),
      cmocka_unit_test(test_too_many_items),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    unlink(path);
    rmdir(folder);
  }
  MPI_Finalize();
  return failed;
}
