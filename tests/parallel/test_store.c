/* The store on any number of ranks: the same results whoever writes them, valid at every moment, and refused where it
 * does not fit.  Ranks agree on every outcome before they assert it, so a failure never leaves one of them waiting. */
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <math.h>
#include <mpi.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_made.h"

static int rank, ranks;
static char folder[64];

/* ---- agreeing ---- */

static bool everywhere(bool mine)
{
  int here = mine, all;
  MPI_Allreduce(&here, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
  return all != 0;
}

#define assert_everywhere(condition)                                                                                   \
  do {                                                                                                                 \
    bool here_ = (condition);                                                                                          \
    if (!here_)                                                                                                        \
      print_error("rank %d: not so: %s (%s)\n", rank, #condition, facet_message());                                    \
    assert_true(everywhere(here_));                                                                                    \
  } while (0)

/* The path of a file in the tests' folder; a few may be in use at once. */
static const char *at(const char *name)
{
  static char path[4][128];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static bool message_is_line_with(const char *words)
{
  return strstr(facet_message(), words) && !strchr(facet_message(), '\n');
}

/* A disk that keeps who waits for it waiting, or fails so many times: takes the place of the system's. */
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static int disk_fails;

int fdatasync(int file)
{
  pthread_mutex_lock(&disk);
  bool fails = disk_fails > 0;
  disk_fails -= fails;
  pthread_mutex_unlock(&disk);
  errno = EIO;
  return fails ? -1 : (int)syscall(SYS_fdatasync, file);
}

/* What a thread needs before it is made: without it there is none. */
static bool no_threads;

int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
  if (no_threads)
    return EAGAIN;
  return sigprocmask(how, set, before) == 0 ? 0 : errno; /* on Linux of the thread as well */
}

/* ---- tests ---- */

static void same_checksum_as_one_rank(facet_type precision)
{
  fixture f;
  make_fixture(&f);
  f.settings.precision = precision;
  assert_everywhere(write_store(MPI_COMM_WORLD, at("all.h5"), &f) == FACET_OK);
  bool good = true;
  if (rank == 0) {
    char one[65] = "", all[65] = "";
    good = write_store(MPI_COMM_SELF, at("one.h5"), &f) == FACET_OK &&
           facet_store_checksum(at("one.h5"), one) == FACET_OK && facet_store_checksum(at("all.h5"), all) == FACET_OK &&
           strlen(one) == 64 && strcmp(one, all) == 0;
    unlink(at("one.h5"));
    unlink(at("all.h5"));
  }
  assert_everywhere(good);
}

static void test_checksum_does_not_depend_on_ranks(void **state)
{
  (void)state;
  same_checksum_as_one_rank(FACET_F32);
}

static void test_double_precision(void **state)
{
  (void)state;
  same_checksum_as_one_rank(FACET_F64);
}

/* Changes one number of a finished store by way of HDF5 itself. */
static bool poke(const char *path, const char *set, hsize_t element)
{
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), data = H5Dopen2(file, set, H5P_DEFAULT);
  hid_t type = H5Dget_type(data);
  size_t size = H5Tget_size(type);
  haddr_t place = H5Dget_offset(data) + element * size;
  H5Tclose(type);
  H5Dclose(data);
  H5Fclose(file);
  int raw = open(path, O_RDWR);
  uint8_t byte;
  bool done = pread(raw, &byte, 1, (off_t)place) == 1;
  byte ^= 1;
  done = done && pwrite(raw, &byte, 1, (off_t)place) == 1;
  close(raw);
  return done;
}

static bool rename_network(const char *path)
{
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), group = H5Gopen2(file, "/variants/mine", H5P_DEFAULT);
  hid_t attribute = H5Aopen(group, "sha256", H5P_DEFAULT), type = H5Aget_type(attribute);
  const char *other = "dd";
  bool done = H5Awrite(attribute, type, &other) >= 0;
  H5Tclose(type);
  H5Aclose(attribute);
  H5Gclose(group);
  return H5Fclose(file) >= 0 && done;
}

static void test_checksum_sees_every_result(void **state)
{
  (void)state;
  static const char *const sets[] = {"/linear/magnitude-global-0.5/W",
                                     "/linear/dense/row",
                                     "/geometry/cosine",
                                     "/prediction/logits",
                                     "/image",
                                     "/summary/residual"};
  fixture f;
  bool good = true;
  make_fixture(&f);
  if (rank == 0) {
    char before[65], after[65];
    good = write_store(MPI_COMM_SELF, at("one.h5"), &f) == FACET_OK &&
           facet_store_checksum(at("one.h5"), before) == FACET_OK;
    for (size_t i = 0; good && i < sizeof sets / sizeof sets[0]; i++) {
      good = poke(at("one.h5"), sets[i], 1) && facet_store_checksum(at("one.h5"), after) == FACET_OK &&
             strcmp(before, after) != 0 && poke(at("one.h5"), sets[i], 1) &&
             facet_store_checksum(at("one.h5"), after) == FACET_OK && strcmp(before, after) == 0;
      if (!good)
        print_error("%s: %s, %s\n", sets[i], before, after);
    }
    for (int network = 0; good && network < 2; network++) { /* what nobody writes again */
      good = (network ? rename_network(at("one.h5")) : poke(at("one.h5"), "/label", 1)) &&
             facet_store_checksum(at("one.h5"), after) == FACET_BAD_INPUT && message_is_line_with("or damaged") &&
             (network || poke(at("one.h5"), "/label", 1));
    }
    unlink(at("one.h5"));
  }
  assert_everywhere(good);
}

static void test_checksum_refuses(void **state)
{
  (void)state;
  char hex[65];
  fixture f;
  facet_store *store;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("part.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("part.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(write_tiles(MPI_COMM_WORLD, store, &f, 0, 29) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  assert_everywhere(
      facet_store_checksum(at("part.h5"), hex) == FACET_BAD_INPUT &&
      message_is_line_with(
          "is not finished: analyse (29 of 30 parts are done), compare, similarity, summary are missing"));
  assert_everywhere(facet_store_checksum(at("missing.h5"), hex) == FACET_NO_INPUT);
  if (rank == 0)
    assert_int_equal(facet_write_file(at("text.h5"), "no HDF5", 7), FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_store_checksum(at("text.h5"), hex) == FACET_BAD_INPUT && message_is_line_with("text.h5"));
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    hid_t other = H5Fcreate(at("text.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(other);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_store_checksum(at("text.h5"), hex) == FACET_BAD_INPUT && message_is_line_with("text.h5"));
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    unlink(at("part.h5"));
    unlink(at("text.h5"));
  }
}

/* ---- what is in the file ---- */

static bool read_set(const char *path, const char *set, hid_t memory, hsize_t count, void *to)
{
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), data = H5Dopen2(file, set, H5P_DEFAULT);
  hid_t space = H5Dget_space(data);
  bool good = H5Sget_simple_extent_npoints(space) == (hssize_t)count &&
              H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) >= 0;
  H5Sclose(space);
  H5Dclose(data);
  H5Fclose(file);
  return good;
}

static bool linear_is_right(const fixture *f, int v)
{
  static double w[LINEAR * ROWS * D], b[LINEAR * ROWS], b_node[LINEAR * ROWS * 3], residual[LINEAR];
  static int32_t row[LINEAR * ROWS], ties[LINEAR];
  int64_t node_count = f->variant[v].constant_nodes;
  char set[6][64];
  static const char *const name[] = {"W", "b", "b_node", "residual", "row", "ties"};
  for (int i = 0; i < 6; i++)
    snprintf(set[i], sizeof set[i], "/linear/%s/%s", f->variant[v].name, name[i]);
  bool good = read_set(at("all.h5"), set[0], H5T_NATIVE_DOUBLE, LINEAR * ROWS * D, w) &&
              read_set(at("all.h5"), set[1], H5T_NATIVE_DOUBLE, LINEAR * ROWS, b) &&
              read_set(at("all.h5"), set[2], H5T_NATIVE_DOUBLE, (hsize_t)(LINEAR * ROWS * node_count), b_node) &&
              read_set(at("all.h5"), set[3], H5T_NATIVE_DOUBLE, LINEAR, residual) &&
              read_set(at("all.h5"), set[4], H5T_NATIVE_INT32, LINEAR * ROWS, row) &&
              read_set(at("all.h5"), set[5], H5T_NATIVE_INT32, LINEAR, ties);
  for (int64_t i = 0; i < LINEAR; i++) {
    for (int64_t j = 0; j < ROWS * D; j++)
      good = good && w[i * ROWS * D + j] == value(W, v, 0, i, j);
    for (int64_t j = 0; j < ROWS; j++)
      good = good && b[i * ROWS + j] == value(B, v, 0, i, j) && row[i * ROWS + j] == (i * ROWS + j) % K;
    for (int64_t j = 0; j < ROWS * node_count; j++)
      good = good && b_node[i * ROWS * node_count + j] == value(B_NODE, v, 0, i, j);
    good = good && residual[i] == value(RESIDUAL, v, 0, i, 0) && ties[i] == i % 2;
  }
  return good;
}

static bool summary_is_right(void)
{
  double accuracy[V * C], margin[V * C], residual[V];
  bool good = read_set(at("all.h5"), "/summary/accuracy", H5T_NATIVE_DOUBLE, V * C, accuracy) &&
              read_set(at("all.h5"), "/summary/margin", H5T_NATIVE_DOUBLE, V * C, margin) &&
              read_set(at("all.h5"), "/summary/residual", H5T_NATIVE_DOUBLE, V, residual);
  for (int64_t i = 0; i < V * C; i++) {
    double right = 0, labelled = 0, sum = 0;
    for (int64_t n = 0; n < N; n++)
      if (n % 4 != 3) {
        labelled++;
        right += predicted_class(i / C, i % C, n) == n % K;
        sum += value(MARGIN, i / C, i % C, n, 0);
      }
    good = good && fabs(accuracy[i] - right / labelled) < 1e-15 && fabs(margin[i] - sum / labelled) < 1e-9;
  }
  return good && accuracy[0] == 1 && residual[0] == value(RESIDUAL, 0, 0, LINEAR - 1, 0) &&
         residual[1] == value(RESIDUAL, 1, 0, LINEAR - 1, 0) && isnan(residual[2]);
}

/* Variants 1 and 2 are replicates of each other. */
static bool replicates_are_right(void)
{
  double margin[V * C], mean[2 * C], deviation[2 * C];
  int64_t size[2];
  bool good = read_set(at("all.h5"), "/summary/margin", H5T_NATIVE_DOUBLE, V * C, margin) &&
              read_set(at("all.h5"), "/replicates/margin_mean", H5T_NATIVE_DOUBLE, 2 * C, mean) &&
              read_set(at("all.h5"), "/replicates/margin_deviation", H5T_NATIVE_DOUBLE, 2 * C, deviation) &&
              read_set(at("all.h5"), "/replicates/size", H5T_NATIVE_INT64, 2, size) && size[0] == 1 && size[1] == 2;
  for (int c = 0; c < C; c++) {
    double a = margin[C + c], b = margin[2 * C + c];
    good = good && mean[c] == margin[c] && isnan(deviation[c]) && fabs(mean[C + c] - (a + b) / 2) < 1e-9 &&
           fabs(deviation[C + c] - fabs(a - b) / sqrt(2)) < 1e-9;
  }
  return good;
}

static bool costs_are_right(void)
{
  double epochs[V], seconds[V];
  int64_t samples[V], bytes[V];
  bool good = read_set(at("all.h5"), "/cost/epochs", H5T_NATIVE_DOUBLE, V, epochs) &&
              read_set(at("all.h5"), "/cost/train_seconds", H5T_NATIVE_DOUBLE, V, seconds) &&
              read_set(at("all.h5"), "/cost/samples", H5T_NATIVE_INT64, V, samples) &&
              read_set(at("all.h5"), "/cost/bytes", H5T_NATIVE_INT64, V, bytes);
  for (int v = 0; v < V; v++)
    good = good && epochs[v] == 1.5 * v && seconds[v] == v && samples[v] == 100 * v && bytes[v] == 7 + v;
  return good;
}

static bool lines_are_right(void)
{
  double logits[V * C * N * K], line[4][V * C * N];
  int32_t predicted[V * C * N];
  static const char *const names[] = {"/prediction/loss", "/geometry/angle", "/geometry/length", "/geometry/margin"};
  static const int what[] = {LOSS, ANGLE, LENGTH, MARGIN};
  bool good = read_set(at("all.h5"), "/prediction/logits", H5T_NATIVE_DOUBLE, V * C * N * K, logits) &&
              read_set(at("all.h5"), "/prediction/class", H5T_NATIVE_INT32, V * C * N, predicted);
  for (int i = 0; i < 4; i++)
    good = good && read_set(at("all.h5"), names[i], H5T_NATIVE_DOUBLE, V * C * N, line[i]);
  for (int j = 0; j < V * C * N; j++) {
    int v = j / (C * N), c = j / N % C, n = j % N;
    good = good && predicted[j] == predicted_class(v, c, n);
    for (int i = 0; i < 4; i++)
      good = good && line[i][j] == value(what[i], v, c, n, 0);
    for (int k = 0; k < K; k++)
      good = good && logits[j * K + k] == value(LOGITS, v, c, n, k);
  }
  return good;
}

static void test_results_are_where_they_belong(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  assert_everywhere(write_store(MPI_COMM_WORLD, at("all.h5"), &f) == FACET_OK);
  bool good = true;
  if (rank == 0) {
    double image[N * D], cosine[V * C * N * K];
    good = lines_are_right() && replicates_are_right() && costs_are_right() && linear_is_right(&f, 0) &&
           linear_is_right(&f, 1) && summary_is_right() &&
           read_set(at("all.h5"), "/image", H5T_NATIVE_DOUBLE, N * D, image) &&
           read_set(at("all.h5"), "/geometry/cosine", H5T_NATIVE_DOUBLE, V * C * N * K, cosine);
    for (int i = 0; i < N * D; i++)
      good = good && image[i] == i;
    for (int i = 0; i < V * C * N * K; i++)
      good = good && cosine[i] == value(COSINE, i / (C * N * K), i / (N * K) % C, i / K % N, i % K);
    unlink(at("all.h5"));
  }
  assert_everywhere(good);
}

/* Whether an array is contiguous, a scale itself or has one scale of its length along each dimension, says what it is,
 * and has no filter or date: what makes it safe to overwrite and easy to read. */
static herr_t check_set(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  int *sets = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  hid_t set = H5Dopen2(root, name, H5P_DEFAULT), space = H5Dget_space(set), list = H5Dget_create_plist(set);
  int dims = H5Sget_simple_extent_ndims(space), good = H5Pget_layout(list) == H5D_CONTIGUOUS;
  for (int i = 0; i < dims && H5DSis_scale(set) == 0; i++)
    good = good && H5DSget_num_scales(set, (unsigned)i) == 1;
  good = good && info->mtime == 0 && info->ctime == 0;
  good = good && H5Aexists(set, "units") > 0 && H5Aexists(set, "long_name") > 0;
  H5Pclose(list);
  H5Sclose(space);
  H5Dclose(set);
  if (!good)
    print_error("/%s is not as it should be\n", name);
  ++*sets;
  return good ? 0 : -1;
}

static void test_every_array_has_its_scales(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  bool good = true;
  if (rank == 0) {
    int sets = 0;
    hid_t file = H5Fopen(at("new.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    good = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, check_set, &sets) >= 0;
    H5Fclose(file);
    good = good && sets > 30;
    unlink(at("new.h5"));
  }
  assert_everywhere(good);
}

static void test_what_is_not_written_is_no_result(void **state)
{
  (void)state;
  static const char *const reals[] = {"/prediction/logits", "/geometry/cosine", "/geometry/angle", "/summary/accuracy"};
  fixture f;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  bool good = true;
  if (rank == 0) {
    static double real[V * C * N * K];
    static int32_t whole[V * C * N];
    for (int s = 0; s < 4; s++) {
      hsize_t count = s < 2 ? V * C * N * K : s < 3 ? V * C * N : V * C;
      good = good && read_set(at("new.h5"), reals[s], H5T_NATIVE_DOUBLE, count, real);
      for (hsize_t i = 0; i < count; i++)
        good = good && isnan(real[i]);
    }
    good = good && read_set(at("new.h5"), "/prediction/class", H5T_NATIVE_INT32, V * C * N, whole);
    for (int i = 0; i < V * C * N; i++)
      good = good && whole[i] == -1;
    unlink(at("new.h5"));
  }
  assert_everywhere(good);
}

/* ---- space ---- */

static void test_space_is_really_reserved(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  f.plan.linear_samples = N;
  f.plan.linear_rows = 20000; /* W of two variants: 44 MB each */
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  struct stat about = {0};
  bool good = true;
  if (rank == 0) {
    int64_t planned;
    good = facet_store_bytes(&f.plan, &planned) == FACET_OK && stat(at("new.h5"), &about) == 0 &&
           about.st_blocks * 512 >= about.st_size && about.st_size <= planned &&
           (double)planned < 1.02 * (double)about.st_size;
    if (!good)
      print_error("%lld planned, size %lld, reserved %lld\n", (long long)planned, (long long)about.st_size,
                  (long long)about.st_blocks * 512);
    unlink(at("new.h5"));
  }
  assert_everywhere(good);
}

/* Whether the folder is empty. */
static bool nothing_left(void)
{
  return rmdir(folder) == 0 && mkdir(folder, 0777) == 0;
}

static void test_a_disk_too_small(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  f.plan.image.height = f.plan.image.width = 3000000; /* images and W: petabytes */
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_IO);
  assert_everywhere(message_is_line_with("new.h5: no space left") && message_is_line_with("GB needed") &&
                    message_is_line_with("GB free"));
  assert_everywhere(rank != 0 || nothing_left());
}

static void test_a_place_that_is_none(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("no/such/folder.h5"), &f.plan) == FACET_CANNOT_CREATE);
  assert_everywhere(message_is_line_with("no/such/folder.h5: "));
  assert_everywhere(rank != 0 || nothing_left());
}

static void test_nothing_is_overwritten(void **state)
{
  (void)state;
  fixture f;
  make_fixture(&f);
  if (rank == 0)
    assert_int_equal(facet_write_file(at("mine.h5"), "mine", 4), FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("mine.h5"), &f.plan) == FACET_CANNOT_CREATE);
  bool good = true;
  if (rank == 0) {
    uint8_t *bytes;
    size_t count;
    good = facet_read_file(at("mine.h5"), &bytes, &count) == FACET_OK && count == 4 && memcmp(bytes, "mine", 4) == 0;
    facet_free(&bytes);
    good = unlink(at("mine.h5")) == 0 && good && nothing_left();
  }
  assert_everywhere(good);
}

/* ---- going on ---- */

static facet_status copy_file(const char *from, const char *to)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_read_file(from, &bytes, &count));
  facet_status status = facet_write_file(to, bytes, count);
  facet_free(&bytes);
  return status;
}

/* What a kill leaves is what the kernel has been given: a copy made while the store is open and nothing is flushed. */
static void test_goes_on_after_a_kill(void **state)
{
  (void)state;
  enum { BEFORE = 17, ALL = V * C * BLOCKS };
  fixture f;
  facet_store *store;
  uint8_t done[ALL];
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("open.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("open.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(write_tiles(MPI_COMM_WORLD, store, &f, 0, BEFORE) == FACET_OK);
  assert_everywhere(rank != 0 || copy_file(at("open.h5"), at("killed.h5")) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);

  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("killed.h5"), &f.plan, &store) == FACET_OK);
  bool good = facet_store_marks(store, "analyse", done) == FACET_OK;
  for (int i = 0; i < ALL; i++)
    good = good && done[i] == (i < BEFORE);
  assert_everywhere(good);
  assert_everywhere(write_tiles(MPI_COMM_WORLD, store, &f, BEFORE, ALL) == FACET_OK);
  assert_everywhere(summarize(MPI_COMM_WORLD, store, &f.plan) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  if (rank == 0) {
    char one[65] = "", two[65] = "";
    good = write_store(MPI_COMM_SELF, at("one.h5"), &f) == FACET_OK &&
           facet_store_checksum(at("one.h5"), one) == FACET_OK &&
           facet_store_checksum(at("killed.h5"), two) == FACET_OK && strcmp(one, two) == 0;
    unlink(at("one.h5"));
    unlink(at("open.h5"));
    unlink(at("killed.h5"));
  }
  assert_everywhere(good);
}

static void test_opening_changes_nothing(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  char before[65] = "", after[65] = "";
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_sha256_file(at("new.h5"), before) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK && !store);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  assert_everywhere(facet_sha256_file(at("new.h5"), after) == FACET_OK && strcmp(before, after) == 0);
  if (rank == 0)
    unlink(at("new.h5"));
}

/* A tile that holds its checksum, and is not what its networks give. */
static facet_status write_wrong(facet_store *store, const fixture *f, int v, int c, int64_t block)
{
  const double logits[K] = {0};
  FACET_TRY(put_tile(store, f, v, c, block));
  FACET_TRY(
      facet_store_put(store, FACET_ROW_LOGITS, (facet_place){.part = {{v, 1}, {c, 1}, {block * BLOCK, 1}}}, logits));
  return facet_store_mark(store, "analyse", (v * C + c) * BLOCKS + block);
}

static void test_tiles_that_are_computed_again(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  bool same = false, wrong = true;
  make_fixture(&f);
  for (int twice = 0; twice < 2; twice++) {
    f.settings.precision = twice ? FACET_F64 : FACET_F32;
    assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("again.h5"), &f.plan) == FACET_OK);
    assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("again.h5"), &f.plan, &store) == FACET_OK);
    assert_everywhere(rank > 0 ||
                      (write_tile(store, &f, 0, 0, 2) == FACET_OK && write_wrong(store, &f, 1, 0, 2) == FACET_OK));
    assert_everywhere(facet_store_close(&store) == FACET_OK);
    assert_everywhere(facet_again_open(at("again.h5"), &f.plan, "analyse", &store) == FACET_OK);
    assert_everywhere(put_tile(store, &f, 0, 0, 2) == FACET_OK && facet_again_end(store, "one", &same) == FACET_OK);
    assert_everywhere(put_tile(store, &f, 1, 0, 2) == FACET_OK && facet_again_end(store, "two", &wrong) == FACET_OK);
    assert_everywhere(same && !wrong);
    assert_everywhere(facet_store_close(&store) == FACET_OK);
    if (rank == 0)
      unlink(at("again.h5"));
  }
}

static void assert_refused(const fixture *f, const char *words)
{
  facet_store *store = (void *)&rank;
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f->plan, &store) == FACET_BAD_INPUT);
  assert_everywhere(!store && message_is_line_with("new.h5: "));
  if (!strstr(facet_message(), words))
    print_error("no \"%s\" in \"%s\"\n", words, facet_message());
  assert_everywhere(strstr(facet_message(), words) != NULL);
}

static void test_refuses_what_does_not_fit(void **state)
{
  (void)state;
  fixture f, other;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  make_fixture(&other);
  other.plan.study_filled = "study: store\nseed: 8\n";
  assert_refused(&other, "different study");
  make_fixture(&other);
  other.variant[1].sha256 = "other";
  assert_refused(&other, "networks");
  make_fixture(&other);
  other.variant[2].name = "yours";
  assert_refused(&other, "variant");
  make_fixture(&other);
  other.plan.samples = N - 1;
  assert_refused(&other, "/");
  make_fixture(&other);
  other.plan.linear_rows = ROWS + 1;
  assert_refused(&other, "/linear/");
  make_fixture(&other);
  other.variant[0].constant_nodes = 2;
  assert_refused(&other, "/linear/dense/");
  make_fixture(&other);
  other.variant[2].linearize = true;
  assert_refused(&other, "/linear/mine/");
  make_fixture(&other);
  other.variant[0].input = other.variant[1].input;
  assert_refused(&other, "/linear/dense/W");
  if (rank == 0) { /* a file of another schema */
    hid_t file = H5Fopen(at("new.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    int one = 1;
    hid_t attribute = H5Aopen(file, "schema_version", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT, &one) >= 0);
    H5Aclose(attribute);
    H5Fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  assert_refused(&f, "schema version 1");
  if (rank == 0)
    assert_int_equal(truncate(at("new.h5"), 3000), 0);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_refused(&f, "");
  if (rank == 0)
    unlink(at("new.h5"));
}

static void test_without_linearizations(void **state)
{
  (void)state;
  fixture f;
  char hex[65];
  make_fixture(&f);
  f.plan.linear_samples = f.plan.linear_rows = 0;
  for (int v = 0; v < V; v++)
    f.variant[v].linearize = false;
  assert_everywhere(write_store(MPI_COMM_WORLD, at("none.h5"), &f) == FACET_OK);
  assert_everywhere(facet_store_checksum(at("none.h5"), hex) == FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    unlink(at("none.h5"));
}

/* A network without a single constant splits its bias over nothing; one variant has many. */
static void test_no_constants_and_many_variants(void **state)
{
  (void)state;
  enum { MANY = 800 };
  fixture f;
  facet_store *store;
  static facet_store_variant variant[MANY];
  static char name[MANY][24], text[100000];
  make_fixture(&f);
  f.variant[0].constant_nodes = 0;
  for (int v = 0; v < MANY; v++) {
    snprintf(name[v], sizeof name[v], "variant-%d", v);
    variant[v] = f.variant[v > 0];
    variant[v].name = variant[v].replicate = name[v];
  }
  memset(text, '#', sizeof text - 1); /* and the study file is long */
  f.plan.study_text = text;
  f.plan.variants = MANY;
  f.plan.variant = variant;
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("many.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("many.h5"), &f.plan, &store) == FACET_OK);
  bool good = rank != 0 || (write_tile(store, &f, 0, 0, 0) == FACET_OK && write_tile(store, &f, 1, 0, 0) == FACET_OK);
  assert_everywhere(good);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  struct stat about;
  int64_t planned;
  assert_everywhere(facet_store_bytes(&f.plan, &planned) == FACET_OK && stat(at("many.h5"), &about) == 0 &&
                    about.st_size <= planned);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    unlink(at("many.h5"));
}

/* What one rank finds, or fails at, leaves no other waiting: one of them has another study, and another path, in mind.
 */
static void test_ranks_that_see_it_otherwise(void **state)
{
  (void)state;
  fixture f, other;
  facet_store *store;
  make_fixture(&f);
  make_fixture(&other);
  other.plan.linear_rows = ROWS + 1;
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  for (int odd = 0; odd < ranks; odd++) {
    const facet_store_plan *plan = rank == odd ? &other.plan : &f.plan;
    assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), plan, &store) == FACET_BAD_INPUT && !store);
    assert_everywhere(message_is_line_with("the shape of /linear/dense/W is not that of the study"));
    const char *path = rank == odd ? at("missing.h5") : at("new.h5");
    facet_status status = facet_store_open(MPI_COMM_WORLD, path, &f.plan, &store);
    assert_everywhere(status != FACET_OK && !store && message_is_line_with("missing.h5: "));
  }
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  if (rank == 0)
    unlink(at("new.h5"));
}

static herr_t my_own(hid_t stack, void *data)
{
  (void)stack;
  ++*(int *)data;
  return 0;
}

static void test_hdf5_is_left_as_it_was(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  H5E_auto2_t function;
  void *data;
  char hex[65];
  int calls = 0;
  make_fixture(&f);
  H5Eset_auto2(H5E_DEFAULT, my_own, &calls);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(write_tiles(MPI_COMM_WORLD, store, &f, 0, 1) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_BAD_INPUT);
  if (rank == 0)
    assert_int_equal(facet_write_file(at("text.h5"), "no HDF5", 7), FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_store_checksum(at("text.h5"), hex) == FACET_BAD_INPUT);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("text.h5"), &f.plan, &store) == FACET_BAD_INPUT);
  H5Eget_auto2(H5E_DEFAULT, &function, &data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  assert_everywhere(function == my_own && data == &calls && calls == 0);
  if (rank == 0) {
    unlink(at("text.h5"));
    unlink(at("new.h5"));
  }
}

/* A file is finished when all of its stages are, however many: a kill between two leaves it unfinished. */
static void test_finished_is_when_every_stage_is(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  char hex[65];
  uint8_t done[V];
  make_fixture(&f);
  f.plan.stages = 3;
  f.plan.stage[1] = (facet_store_stage){.name = "summary", .marks = ""};
  f.plan.stage[2] = (facet_store_stage){.name = "spectra", .marks = "V"};
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_BAD_INPUT &&
                    message_is_line_with("is not finished: analyse, spectra, summary are missing"));
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(write_tiles(MPI_COMM_WORLD, store, &f, 0, V * C * BLOCKS) == FACET_OK);
  assert_everywhere(facet_store_parts(store, "spectra") == V && facet_store_parts(store, "summary") == 1 &&
                    facet_store_parts(store, "other") == 0);
  assert_everywhere(rank != 0 || facet_store_mark(store, "spectra", 1) == FACET_OK);
  assert_everywhere(facet_store_sync(store) == FACET_OK);
  assert_everywhere(facet_store_marks(store, "spectra", done) == FACET_OK && !done[0] && done[1] == 1 && !done[2]);
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_BAD_INPUT &&
                    message_is_line_with("finished: spectra (1 of 3 parts are done), summary are missing"));
  assert_everywhere(facet_store_finish(store, "spectra") == FACET_OK);
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_BAD_INPUT &&
                    message_is_line_with("is not finished: summary is missing"));
  assert_everywhere(facet_store_finish(store, "summary") == FACET_OK);
  assert_everywhere(facet_store_mark(store, "other", 0) == FACET_INTERNAL);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_OK);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    unlink(at("new.h5"));
}

/* While the disk is waited for, the next tile is put; what was begun with is marked when it is durable. */
static void test_marks_wait_for_a_slow_disk(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  uint8_t done[V * C * BLOCKS];
  const int64_t part = rank;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(put_tile(store, &f, 0, 0, rank) == FACET_OK);
  pthread_mutex_lock(&disk);
  assert_everywhere(facet_store_settle_begin(store) == FACET_OK && !facet_store_settle_over(store));
  assert_everywhere(put_tile(store, &f, 1, 0, rank) == FACET_OK && !facet_store_settle_over(store));
  assert_everywhere(facet_store_settle_begin(store) == FACET_INTERNAL);
  pthread_mutex_unlock(&disk);
  assert_everywhere(facet_store_mark_settled(store, "analyse", 1, &part) == FACET_OK);
  assert_everywhere(facet_store_unsettled(store) > 0);
  assert_everywhere(facet_store_settle(store) == FACET_OK && facet_store_unsettled(store) == 0);
  assert_everywhere(put_tile(store, &f, 2, 0, rank) == FACET_OK && facet_store_unsettled(store) > 0);
  assert_everywhere(facet_store_sync(store) == FACET_OK && facet_store_unsettled(store) == 0);
  assert_everywhere(facet_store_marks(store, "analyse", done) == FACET_OK);
  for (int i = 0; i < V * C * BLOCKS; i++)
    assert_int_equal(done[i], i < ranks);
  assert_everywhere(facet_store_settle_begin(store) == FACET_OK); /* and left so */
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  if (rank == 0)
    unlink(at("new.h5"));
}

/* A disk says once that it lost data: no mark stands for them, though it syncs well from then on, until the store is
 * opened anew. A rank whose disk is well is refused as soon as the ranks meet. */
static void no_mark_follows_a_failed_sync(bool thread, int failing)
{
  fixture f;
  facet_store *store;
  uint8_t done[V * C * BLOCKS];
  const int64_t part = rank;
  const facet_status begun = thread ? FACET_OK : FACET_IO;
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(put_tile(store, &f, 0, 0, rank) == FACET_OK);
  bool here = rank < failing;
  no_threads = !thread;
  disk_fails = here;
  assert_everywhere(!here || facet_store_settle_begin(store) == begun);
  assert_everywhere(!here || facet_store_mark_settled(store, "analyse", 1, &part) == FACET_IO);
  assert_everywhere(!here || facet_store_settle_over(store));
  assert_int_equal(disk_fails, 0);
  assert_everywhere(!here || facet_store_mark(store, "analyse", part) == FACET_IO);
  assert_everywhere(!here || facet_store_settle_begin(store) == FACET_IO);
  assert_everywhere(!here || facet_store_mark_settled(store, "analyse", 1, &part) == FACET_IO);
  assert_everywhere(facet_store_finish(store, "analyse") == FACET_IO);
  assert_everywhere(facet_store_mark(store, "analyse", part) == FACET_IO);
  no_threads = false;
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  assert_everywhere(facet_store_marks(store, "analyse", done) == FACET_OK);
  for (int i = 0; i < V * C * BLOCKS; i++)
    assert_int_equal(done[i], 0);
  MPI_Barrier(MPI_COMM_WORLD); /* all have read them */
  assert_everywhere(facet_store_mark(store, "analyse", part) == FACET_OK);
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  if (rank == 0)
    unlink(at("new.h5"));
}

static void test_no_mark_follows_a_failed_sync(void **state)
{
  (void)state;
  no_mark_follows_a_failed_sync(true, ranks);
  no_mark_follows_a_failed_sync(false, ranks);
  no_mark_follows_a_failed_sync(true, 1);
}

/* What is no part of an array is refused, and touches nothing. */
static void test_parts_that_are_none(void **state)
{
  (void)state;
  fixture f;
  facet_store *store;
  double x[V * C * N] = {0};
  make_fixture(&f);
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(facet_store_open(MPI_COMM_WORLD, at("new.h5"), &f.plan, &store) == FACET_OK);
  const facet_place beyond = {.part = {{0, 1}, {C, 1}}}, before = {.part = {{-1, 1}}}, late = {.part = {{0, V + 1}}};
  assert_everywhere(facet_store_put(store, FACET_ROW_MARGIN, beyond, x) == FACET_INTERNAL);
  assert_everywhere(facet_store_put(store, FACET_ROW_MARGIN, before, x) == FACET_INTERNAL);
  assert_everywhere(facet_store_get(store, FACET_ROW_MARGIN, late, x) == FACET_INTERNAL);
  assert_everywhere(facet_store_get(store, FACET_ROW_CKA, (facet_place){0}, x) == FACET_INTERNAL);
  assert_everywhere(facet_store_get(store, FACET_ROW_B, (facet_place){.variant = 2}, x) == FACET_INTERNAL);
  assert_everywhere(facet_store_get(store, FACET_ROW_MARGIN, (facet_place){0}, x) == FACET_OK);
  for (int i = 0; i < V * C * N; i++)
    assert_true(isnan(x[i]));
  assert_everywhere(facet_store_close(&store) == FACET_OK);
  if (rank == 0)
    unlink(at("new.h5"));
}

/* Gives a file other `batches`, of that many dimensions: so many numbers, and as many again. */
static bool craft_batches(const char *path, int axes)
{
  hsize_t size[H5S_MAX_RANK] = {(hsize_t)V * FACET_BATCHES, 2};
  int64_t number[2 * V * FACET_BATCHES] = {0};
  for (int i = 2; i < axes; i++)
    size[i] = 1;
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(axes, size, NULL);
  bool done = H5Adelete(file, "batches") >= 0;
  hid_t attribute = H5Acreate2(file, "batches", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  done = done && H5Awrite(attribute, H5T_NATIVE_INT64, number) >= 0;
  H5Aclose(attribute);
  H5Sclose(space);
  return H5Fclose(file) >= 0 && done;
}

static bool open_before(const char *path, const facet_store_plan *plan, bool damaged)
{
  facet_before *before;
  bool found;
  facet_status status = facet_before_open(path, plan, &before, &found);
  bool opened = before != NULL;
  facet_before_close(&before);
  return status == FACET_OK && found == damaged && !(opened && damaged) && (opened || damaged);
}

/* An attribute of more dimensions, or numbers, than facet writes is none: nothing is read beyond what it has room for.
 */
static void test_batches_of_another_shape(void **state)
{
  (void)state;
  const int axes[] = {2, H5S_MAX_RANK};
  fixture f;
  make_fixture(&f);
  f.plan.made = "by hand";
  assert_everywhere(facet_store_create(MPI_COMM_WORLD, at("new.h5"), &f.plan) == FACET_OK);
  assert_everywhere(open_before(at("new.h5"), &f.plan, false));
  for (int i = 0; i < 2; i++) {
    int64_t *batch;
    char **variant;
    int count;
    bool damaged = true;
    facet_before *before;
    MPI_Barrier(MPI_COMM_WORLD);
    assert_everywhere(rank != 0 || craft_batches(at("new.h5"), axes[i]));
    assert_everywhere(facet_again_variants(at("new.h5"), &batch, &variant, &count) == FACET_BAD_INPUT &&
                      message_is_line_with("new.h5: does not say what was handled at once"));
    facet_free_list(&variant, count);
    facet_free(&batch);
    assert_everywhere(facet_before_open(at("new.h5"), &f.plan, &before, &damaged) == FACET_OK && !before && !damaged);
  }
  if (rank == 0)
    unlink(at("new.h5"));
}

/* A dataset of 8 TiB, in a file that holds none of it. */
static bool craft_size(const char *path)
{
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t space = H5Screate_simple(1, &(hsize_t){(hsize_t)1 << 40}, NULL);
  hid_t set = H5Dcreate2(file, "/more", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  bool done = set >= 0;
  H5Dclose(set);
  H5Sclose(space);
  return H5Fclose(file) >= 0 && done;
}

/* A store whose head cannot be read is damaged, and that is said: of one before, of one gone on with, and of a finished
 * one. */
static void test_what_says_more_than_its_file_holds(void **state)
{
  (void)state;
  fixture f;
  char hex[65];
  make_fixture(&f);
  f.plan.made = "by hand";
  assert_everywhere(write_store(MPI_COMM_WORLD, at("new.h5"), &f) == FACET_OK);
  assert_everywhere(open_before(at("new.h5"), &f.plan, false));
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(rank != 0 || craft_size(at("new.h5")));
  assert_everywhere(open_before(at("new.h5"), &f.plan, true));
  assert_refused(&f, "damaged");
  assert_everywhere(facet_store_checksum(at("new.h5"), hex) == FACET_BAD_INPUT && message_is_line_with("damaged"));
  if (rank == 0)
    unlink(at("new.h5"));
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  ranks = facet_ranks(MPI_COMM_WORLD);
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/facet-store-XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
  if (rank == 0 && !mkdtemp(folder))
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_checksum_does_not_depend_on_ranks),
      cmocka_unit_test(test_double_precision),
      cmocka_unit_test(test_checksum_sees_every_result),
      cmocka_unit_test(test_checksum_refuses),
      cmocka_unit_test(test_results_are_where_they_belong),
      cmocka_unit_test(test_every_array_has_its_scales),
      cmocka_unit_test(test_what_is_not_written_is_no_result),
      cmocka_unit_test(test_space_is_really_reserved),
      cmocka_unit_test(test_a_disk_too_small),
      cmocka_unit_test(test_a_place_that_is_none),
      cmocka_unit_test(test_nothing_is_overwritten),
      cmocka_unit_test(test_goes_on_after_a_kill),
      cmocka_unit_test(test_opening_changes_nothing),
      cmocka_unit_test(test_tiles_that_are_computed_again),
      cmocka_unit_test(test_refuses_what_does_not_fit),
      cmocka_unit_test(test_ranks_that_see_it_otherwise),
      cmocka_unit_test(test_hdf5_is_left_as_it_was),
      cmocka_unit_test(test_finished_is_when_every_stage_is),
      cmocka_unit_test(test_marks_wait_for_a_slow_disk),
      cmocka_unit_test(test_no_mark_follows_a_failed_sync),
      cmocka_unit_test(test_parts_that_are_none),
      cmocka_unit_test(test_without_linearizations),
      cmocka_unit_test(test_no_constants_and_many_variants),
      cmocka_unit_test(test_batches_of_another_shape),
      cmocka_unit_test(test_what_says_more_than_its_file_holds),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0)
    rmdir(folder);
  MPI_Finalize();
  return failed;
}
