/* Data sets of every format, made on the spot, cut short at every length, and real ones where they are. */
#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h> /* needs the above */

#include "facet.h"
#include "near.h"

static char folder[] = "/tmp/facet-data-XXXXXX";

static char *in_folder(const char *name)
{
  static char path[4][200];
  static unsigned turn;
  char *p = path[turn++ % 4];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static int make_folder(void **state)
{
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
  char command[100];
  (void)state;
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static void put(const char *name, const void *bytes, size_t count)
{
  assert_int_equal(facet_write_file(in_folder(name), bytes, count), FACET_OK);
}

static void put_gz(const char *name, const void *bytes, unsigned count)
{
  gzFile file = gzopen(in_folder(name), "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, bytes, count), (int)count);
  assert_int_equal(gzclose(file), Z_OK);
}

static facet_status open_data(facet_data_format format, const char *images, const char *labels, int64_t count,
                              facet_dataset **d)
{
  char *image = in_folder(images), *label = labels ? in_folder(labels) : NULL;
  facet_data_source source = {format, 1, &image, labels ? &label : NULL, count};
  return facet_dataset_open(&source, d);
}

static void refused(facet_status wanted, facet_data_format format, const char *images, const char *labels,
                    const char *words)
{
  facet_dataset *d = NULL;
  facet_status status = open_data(format, images, labels, 0, &d);
  if (status != wanted || !strstr(facet_message(), words) || !strstr(facet_message(), folder) ||
      strchr(facet_message(), '\n'))
    fail_msg("%s: status %d, '%s' without '%s'", images, status, facet_message(), words);
  assert_null(d);
}

/* 3 images of 2 x 4 pixels that count up, labels 2 0 1. */
static const uint8_t idx_head[16] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4};
static const uint8_t idx_labels[11] = {0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1};

static size_t idx_images(uint8_t bytes[40])
{
  memcpy(bytes, idx_head, 16);
  for (int i = 0; i < 24; i++)
    bytes[16 + i] = (uint8_t)(10 * i);
  return 40;
}

static void check_counting(facet_dataset *d, int64_t channels, int64_t height, int64_t width)
{
  float pixel[24];
  assert_int_equal(d->count, 3);
  assert_int_equal(d->channels, channels);
  assert_int_equal(d->height, height);
  assert_int_equal(d->width, width);
  facet_dataset_pixels(d, 1, 2, pixel);
  for (int i = 0; i < 16; i++)
    assert_near((double)pixel[i], 10 * (8 + i), 0);
  facet_dataset_destroy(&d);
  assert_null(d);
}

static void idx(void **state)
{
  (void)state;
  uint8_t bytes[41];
  facet_dataset *d;
  size_t size = idx_images(bytes);
  put("i", bytes, size);
  put_gz("i.gz", bytes, (unsigned)size);
  put("l", idx_labels, sizeof idx_labels);
  for (int zipped = 0; zipped < 2; zipped++) {
    assert_int_equal(open_data(FACET_IDX, zipped ? "i.gz" : "i", "l", 0, &d), FACET_OK);
    assert_memory_equal(d->label, ((int32_t[]){2, 0, 1}), 3 * sizeof *d->label);
    check_counting(d, 1, 2, 4);
  }
  assert_int_equal(open_data(FACET_IDX, "i", NULL, 2, &d), FACET_OK);
  assert_int_equal(d->count, 2);
  assert_int_equal(d->label[1], -1);
  facet_dataset_destroy(&d);
  assert_int_equal(open_data(FACET_IDX, "i", NULL, 4, &d), FACET_BAD_INPUT);
  assert_non_null(strstr(facet_message(), "count is 4 but there are 3"));
  refused(FACET_NO_INPUT, FACET_IDX, "none", NULL, "none");
  refused(FACET_NO_INPUT, FACET_IDX, "none.gz", NULL, "none");
  refused(FACET_BAD_INPUT, FACET_IDX, "l", NULL, "magic");
  refused(FACET_BAD_INPUT, FACET_IDX, "i", "i", "magic");
  for (size_t cut = 0; cut < size; cut++) {
    put("cut", bytes, cut);
    refused(FACET_BAD_INPUT, FACET_IDX, "cut", NULL, "truncated");
  }
  bytes[size] = 1;
  put("long", bytes, size + 1);
  refused(FACET_BAD_INPUT, FACET_IDX, "long", NULL, "too long");
  memset(bytes + 4, 0xff, 12);
  put("huge", bytes, size);
  refused(FACET_BAD_INPUT, FACET_IDX, "huge", NULL, "truncated");
  bytes[2] = 9;
  put("magic", bytes, size);
  refused(FACET_BAD_INPUT, FACET_IDX, "magic", NULL, "wrong magic 00000903");
}

static void gzip_cut_short(void **state)
{
  (void)state;
  uint8_t bytes[40], *zipped;
  size_t count;
  put_gz("whole.gz", bytes, (unsigned)idx_images(bytes));
  assert_int_equal(facet_read_file(in_folder("whole.gz"), &zipped, &count), FACET_OK);
  for (size_t cut = 0; cut < count; cut++) {
    put("cut.gz", zipped, cut);
    refused(FACET_BAD_INPUT, FACET_IDX, "cut.gz", NULL, "");
  }
  put("plain.gz", bytes, 40);
  refused(FACET_BAD_INPUT, FACET_IDX, "plain.gz", NULL, "not a gzip file");
  facet_free(&zipped);
}

static void cifar(void **state)
{
  (void)state;
  static uint8_t records[2][3073];
  facet_dataset *d;
  records[0][0] = 7;
  records[1][0] = 3;
  records[1][3072] = 99;
  put("c", records, sizeof records);
  assert_int_equal(open_data(FACET_CIFAR10, "c", NULL, 0, &d), FACET_OK);
  assert_int_equal(d->count, 2);
  assert_int_equal(d->channels * 10000 + d->height * 100 + d->width, 33232);
  assert_int_equal(d->label[0] * 10 + d->label[1], 73);
  assert_int_equal(((uint8_t *)d->pixels)[2 * 3072 - 1], 99);
  assert_int_equal(facet_dataset_check_labels(d, "c", 8), FACET_OK);
  assert_int_equal(facet_dataset_check_labels(d, "c", 7), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "c: label 7 of sample 0 is not in 0..6");
  facet_dataset_destroy(&d);
  char *twice[2] = {in_folder("c"), in_folder("c")};
  facet_data_source source = {FACET_CIFAR10, 2, twice, NULL, 0};
  assert_int_equal(facet_dataset_open(&source, &d), FACET_OK);
  assert_int_equal(d->count, 4);
  assert_int_equal(d->label[3], 3);
  facet_dataset_destroy(&d);
  put("odd", records, 3073 + 5);
  refused(FACET_BAD_INPUT, FACET_CIFAR10, "odd", NULL, "whole records");
  put("empty", records, 0);
  refused(FACET_BAD_INPUT, FACET_CIFAR10, "empty", NULL, "whole records");
}

static size_t npy(uint8_t *bytes, const char *type, const char *order, const char *shape, const void *data, size_t size)
{
  char header[128];
  int length =
      snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", type, order, shape);
  memcpy(bytes, "\x93NUMPY\1\0", 8);
  bytes[8] = (uint8_t)length;
  bytes[9] = 0;
  memcpy(bytes + 10, header, (size_t)length);
  memcpy(bytes + 10 + length, data, size);
  return 10 + (size_t)length + size;
}

static void numpy(void **state)
{
  (void)state;
  uint8_t bytes[600], pixels[24];
  float real[24];
  double wide[24];
  facet_dataset *d;
  for (int i = 0; i < 24; i++)
    wide[i] = (double)(real[i] = (float)(pixels[i] = (uint8_t)(10 * i)));
  const struct {
    const char *type, *shape;
    const void *data;
    size_t size;
    int64_t c, h, w;
  } good[] = {{"|u1", "3, 1, 2, 4", pixels, 24, 1, 2, 4},
              {"|u1", "3, 2, 4", pixels, 24, 1, 2, 4},
              {"|u1", "3, 8", pixels, 24, 1, 1, 8},
              {"<f4", "3, 8", real, sizeof real, 1, 1, 8},
              {"<f8", "3, 2, 2, 2", wide, sizeof wide, 2, 2, 2}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    put("a.npy", bytes, npy(bytes, good[i].type, "False", good[i].shape, good[i].data, good[i].size));
    assert_int_equal(open_data(FACET_NPY, "a.npy", NULL, 0, &d), FACET_OK);
    check_counting(d, good[i].c, good[i].h, good[i].w);
  }
  size_t size = npy(bytes, "|u1", "False", "2, 2, 2, 3", pixels, 24); /* channels last */
  put("last.npy", bytes, size);
  put("l.npy", bytes, npy(bytes, "<i8", "False", "2,", (int64_t[]){1, -1}, 16));
  assert_int_equal(open_data(FACET_NPY, "last.npy", "l.npy", 0, &d), FACET_OK);
  assert_int_equal(d->channels, 3);
  assert_memory_equal(d->pixels, ((uint8_t[]){0, 30, 60, 90, 10, 40, 70, 100}), 8);
  assert_memory_equal(d->label, ((int32_t[]){1, -1}), 2 * sizeof *d->label);
  facet_dataset_destroy(&d);
  put("l3.npy", bytes, npy(bytes, "|i1", "False", "3,", "\1\2\3", 3));
  refused(FACET_BAD_INPUT, FACET_NPY, "last.npy", "l3.npy", "3 labels for the 2 samples");
  put("order.npy", bytes, npy(bytes, "|u1", "True", "3, 8", pixels, 24));
  refused(FACET_BAD_INPUT, FACET_NPY, "order.npy", NULL, "Fortran");
  put("big.npy", bytes, npy(bytes, ">f4", "False", "3, 8", real, sizeof real));
  refused(FACET_BAD_INPUT, FACET_NPY, "big.npy", NULL, ">f4");
  put("short.npy", bytes, npy(bytes, "|u1", "False", "999999999999, 8", pixels, 24));
  refused(FACET_BAD_INPUT, FACET_NPY, "short.npy", NULL, "truncated");
  real[13] = NAN;
  size = npy(bytes, "<f4", "False", "3, 8", real, sizeof real);
  put("nan.npy", bytes, size);
  refused(FACET_BAD_INPUT, FACET_NPY, "nan.npy", NULL, "pixel 5 of sample 1 is NaN");
  for (size_t cut = 0; cut < size; cut++) {
    put("cut.npy", bytes, cut);
    refused(FACET_BAD_INPUT, FACET_NPY, "cut.npy", NULL, "");
  }
}

static void write_set(hid_t file, const char *name, hid_t memory, int rank, const hsize_t *dim, const void *data)
{
  hid_t space = H5Screate_simple(rank, dim, NULL);
  hid_t set = H5Dcreate2(file, name, memory, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  H5Dclose(set);
  H5Sclose(space);
}

static void hdf5(void **state)
{
  (void)state;
  uint8_t pixels[24], *bytes;
  size_t count;
  facet_dataset *d;
  for (int i = 0; i < 24; i++)
    pixels[i] = (uint8_t)(10 * i);
  hid_t file = H5Fcreate(in_folder("d.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_set(file, "images", H5T_NATIVE_UINT8, 3, (hsize_t[]){3, 2, 4}, pixels);
  write_set(file, "labels", H5T_NATIVE_INT64, 1, (hsize_t[]){3}, (int64_t[]){2, 0, 1});
  write_set(file, "words", H5T_NATIVE_DOUBLE, 1, (hsize_t[]){2}, (double[]){2, 0});
  H5Fclose(file);
  assert_int_equal(open_data(FACET_HDF5, "d.h5", "d.h5", 0, &d), FACET_OK);
  assert_int_equal(d->label[0], 2);
  check_counting(d, 1, 2, 4);
  assert_int_equal(open_data(FACET_HDF5, "d.h5:/images", "d.h5:/labels", 0, &d), FACET_OK);
  check_counting(d, 1, 2, 4);
  refused(FACET_BAD_INPUT, FACET_HDF5, "d.h5:/nothing", NULL, "no dataset /nothing");
  refused(FACET_BAD_INPUT, FACET_HDF5, "d.h5", "d.h5:/words", "list of integers");
  refused(FACET_NO_INPUT, FACET_HDF5, "no.h5", NULL, "no.h5");
  assert_int_equal(facet_read_file(in_folder("d.h5"), &bytes, &count), FACET_OK);
  put("cut.h5", bytes, count / 2);
  refused(FACET_BAD_INPUT, FACET_HDF5, "cut.h5", NULL, "");
  facet_free(&bytes);
}

static void normalization(void **state)
{
  (void)state;
  float pixels[4] = {0, 255, 51, 102}, x[4];
  double exact[4];
  facet_normalization two = {255, 2, {0.5, 0.2}, {0.5, 0.1}}, none = {.scale = 1};
  facet_normalize(&two, 2, 2, 1, pixels, x);
  facet_normalize_double(&two, 2, 2, 1, pixels, exact);
  const double wanted[4] = {-1, 1, 0, 2};
  for (int i = 0; i < 4; i++) {
    assert_near((double)x[i], wanted[i], 1e-6);
    assert_near(exact[i], wanted[i], 1e-12);
  }
  facet_normalize(&none, 2, 2, 1, pixels, x);
  assert_memory_equal(x, pixels, sizeof x);
  assert_int_equal(facet_normalization_check(&two, 2), FACET_OK);
  assert_int_equal(facet_normalization_check(&two, 3), FACET_BAD_INPUT);
  two.std[1] = 0;
  assert_int_equal(facet_normalization_check(&two, 2), FACET_BAD_INPUT);
}

/* Noise has the deviation of its severity, stays in range, and depends on the sample alone. */
static void noise(void **state)
{
  (void)state;
  enum { SIZE = 101 * 101, COUNT = 3 };
  static float all[COUNT * SIZE], one[SIZE];
  assert_int_equal(facet_corruption_find("clean"), 0);
  int gaussian = facet_corruption_find("gaussian_noise");
  assert_int_equal(gaussian, 1);
  assert_int_equal(facet_corruption_find("nothing"), -1);
  assert_null(facet_corruption_name(99));
  static const double sigma[5] = {.04, .06, .08, .09, .10};
  for (int severity = 1; severity <= 5; severity++) {
    double sum = 0, square = 0;
    for (int i = 0; i < COUNT * SIZE; i++)
      all[i] = 127.5F;
    assert_int_equal(facet_corrupt(gaussian, severity, 5, 255, 1, 101, 101, 40, COUNT, all), FACET_OK);
    for (int i = 0; i < COUNT * SIZE; i++) {
      sum += (double)all[i] / 255 - 0.5;
      square += ((double)all[i] / 255 - 0.5) * ((double)all[i] / 255 - 0.5);
    }
    assert_near(sum / (COUNT * SIZE), 0, 0.002);
    assert_near(sqrt(square / (COUNT * SIZE)), sigma[severity - 1], 0.002);
    for (int i = 0; i < SIZE; i++)
      one[i] = 127.5F;
    assert_int_equal(facet_corrupt(gaussian, severity, 5, 255, 1, 101, 101, 41, 1, one), FACET_OK);
    assert_memory_equal(one, all + SIZE, sizeof one);
  }
  memset(one, 0, sizeof one);
  assert_int_equal(facet_corrupt(gaussian, 5, 5, 255, 1, 101, 101, 0, 1, one), FACET_OK);
  for (int i = 0; i < SIZE; i++)
    assert_true(one[i] >= 0 && one[i] <= 255);
}

/* The training images of Debian's dataset-fashion-mnist, by their published mean and deviation. */
static void fashion_mnist(void **state)
{
  (void)state;
  char images[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", *image = images;
  char labels[] = "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz", *label = labels;
  facet_data_source source = {FACET_IDX, 1, &image, &label, 0};
  facet_dataset *d;
  if (!facet_exists(images)) {
    print_message("skipped: no %s (package dataset-fashion-mnist)\n", images);
    skip();
  }
  assert_int_equal(facet_dataset_open(&source, &d), FACET_OK);
  assert_int_equal(d->count, 60000);
  double sum = 0, square = 0;
  int64_t size = 60000 * 784;
  for (int64_t i = 0; i < size; i++) {
    double p = ((uint8_t *)d->pixels)[i] / 255.0;
    sum += p;
    square += p * p;
  }
  assert_near(sum / (double)size, 0.2860, 5e-5);
  assert_near(sqrt(square / (double)size - sum / (double)size * sum / (double)size), 0.3530, 5e-5);
  assert_int_equal(d->label[0], 9);
  facet_dataset_destroy(&d);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(idx),   cmocka_unit_test(gzip_cut_short), cmocka_unit_test(cifar),
      cmocka_unit_test(numpy), cmocka_unit_test(hdf5),           cmocka_unit_test(normalization),
      cmocka_unit_test(noise), cmocka_unit_test(fashion_mnist),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
