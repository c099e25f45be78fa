/* Data sets of every format, made on the spot, cut short at every length, and real ones where they are. */
#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h> /* needs the above */

#include "data/npy_write.h"
#include "near.h"
#include "rooms.h"
#include "study/pixels.h"

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

static facet_order order_of_test;

/* Pixel i of a data set, of all samples in a row. */
static double pixel_of(const facet_dataset *d, int64_t i)
{
  int64_t inputs = facet_image_inputs(d->image);
  float *sample = facet_allocate((size_t)inputs, sizeof *sample);
  assert_int_equal(facet_dataset_pixels(d, i / inputs, 1, sample), FACET_OK);
  double pixel = (double)sample[i % inputs];
  facet_free(&sample);
  return pixel;
}

static void assert_pixels(const facet_dataset *d, const uint8_t *wanted, int64_t count)
{
  for (int64_t i = 0; i < count; i++)
    assert_near(pixel_of(d, i), wanted[i], 0);
}

static facet_status open_data(int format, const char *images, const char *labels, int64_t count, facet_dataset **d)
{
  char *image = in_folder(images), *label = labels ? in_folder(labels) : NULL;
  facet_data_source source = {format, 1, &image, labels ? &label : NULL, count, order_of_test};
  return facet_dataset_open(&source, d);
}

static void refused(facet_status wanted, int format, const char *images, const char *labels, const char *words)
{
  facet_dataset *d = NULL;
  facet_status status = open_data(format, images, labels, 0, &d);
  if (status != wanted || !strstr(facet_message(), words) || !strstr(facet_message(), folder) ||
      strchr(facet_message(), '\n'))
    fail_msg("%s: status %d, '%s' without '%s'", images, status, facet_message(), words);
  assert_null(d);
}

/* Cuts the file at every length below its own: each is refused, with `words`. Files of `record` bytes are cut short
 * without it showing at whole records; 0: there are none. */
static void cut_everywhere(int format, const char *name, size_t record, const char *words)
{
  uint8_t *bytes;
  size_t count;
  assert_int_equal(facet_read_file(in_folder(name), &bytes, &count), FACET_OK);
  facet_free(&bytes);
  while (count-- > 0) {
    assert_int_equal(truncate(in_folder(name), (off_t)count), 0);
    if (record == 0 || count == 0 || count % record != 0)
      refused(FACET_BAD_INPUT, format, name, NULL, words);
  }
}

/* Opens two files as one data set. */
static facet_status open_two(int format, const char *first, const char *second, int64_t count, facet_dataset **d)
{
  char *images[2] = {in_folder(first), in_folder(second)};
  facet_data_source source = {format, 2, images, NULL, count, FACET_ORDER_AUTO};
  return facet_dataset_open(&source, d);
}

static void two_refused(int format, const char *first, const char *second, const char *words)
{
  facet_dataset *d = NULL;
  facet_status status = open_two(format, first, second, 0, &d);
  if (status != FACET_BAD_INPUT || !strstr(facet_message(), words) ||
      strncmp(facet_message(), in_folder(second), strlen(in_folder(second))) != 0)
    fail_msg("status %d, '%s' without '%s'", status, facet_message(), words);
  assert_null(d);
}

static void check_labels(const facet_dataset *d, int64_t first, int64_t count, const int32_t *wanted)
{
  int32_t label[16];
  assert_int_equal(facet_dataset_labels(d, first, count, label), FACET_OK);
  assert_memory_equal(label, wanted, (size_t)count * sizeof *label);
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
  assert_int_equal(d->image.channels, channels);
  assert_int_equal(d->image.height, height);
  assert_int_equal(d->image.width, width);
  assert_int_equal(facet_dataset_pixels(d, 1, 2, pixel), FACET_OK);
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
    assert_int_equal(open_data(facet_data_format_find("idx"), zipped ? "i.gz" : "i", "l", 0, &d), FACET_OK);
    assert_memory_equal(d->label, ((int32_t[]){2, 0, 1}), 3 * sizeof *d->label);
    check_counting(d, 1, 2, 4);
  }
  assert_int_equal(open_data(facet_data_format_find("idx"), "i", NULL, 2, &d), FACET_OK);
  assert_int_equal(d->count, 2);
  assert_int_equal(d->label[1], -1);
  facet_dataset_destroy(&d);
  assert_int_equal(open_data(facet_data_format_find("idx"), "i", NULL, 4, &d), FACET_BAD_INPUT);
  assert_non_null(strstr(facet_message(), "count is 4 but there are 3"));
  refused(FACET_NO_INPUT, facet_data_format_find("idx"), "none", NULL, "none");
  refused(FACET_NO_INPUT, facet_data_format_find("idx"), "none.gz", NULL, "none");
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "l", NULL, "magic");
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "i", "i", "magic");
  put("cut", bytes, size);
  cut_everywhere(facet_data_format_find("idx"), "cut", 0, "truncated");
  bytes[size] = 1;
  put("long", bytes, size + 1);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "long", NULL, "too long");
  memset(bytes + 4, 0xff, 12);
  put("huge", bytes, size);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "huge", NULL, "truncated");
  bytes[2] = 9;
  put("magic", bytes, size);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "magic", NULL, "wrong magic 00000903");
}

static void gzip_cut_short(void **state)
{
  (void)state;
  uint8_t bytes[40], *zipped;
  size_t count;
  put_gz("cut.gz", bytes, (unsigned)idx_images(bytes));
  assert_int_equal(facet_read_file(in_folder("cut.gz"), &zipped, &count), FACET_OK);
  cut_everywhere(facet_data_format_find("idx"), "cut.gz", 0, "cut.gz: truncated gzip");
  zipped[count - 5] ^= 1; /* of the checksum */
  put("sum.gz", zipped, count);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "sum.gz", NULL, "sum.gz: damaged gzip");
  facet_free(&zipped);
  put("plain.gz", bytes, 40);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "plain.gz", NULL, "not a gzip file");
  assert_int_equal(facet_make_folder(in_folder("folder.gz")), FACET_OK);
  refused(FACET_NO_INPUT, facet_data_format_find("idx"), "folder.gz", NULL, "is a folder");
  put_gz("short.gz", bytes, 39); /* the gzip file is whole, what is in it is not */
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "short.gz", NULL, "short.gz: truncated");
}

/* Members one behind the other are one file; anything else behind the end is said. */
static void gzip_members(void **state)
{
  (void)state;
  uint8_t bytes[40], *one, *two;
  size_t size = idx_images(bytes), first, second;
  facet_dataset *d = NULL;
  put_gz("one.gz", bytes, 20);
  put_gz("two.gz", bytes + 20, (unsigned)size - 20);
  assert_int_equal(facet_read_file(in_folder("one.gz"), &one, &first), FACET_OK);
  assert_int_equal(facet_read_file(in_folder("two.gz"), &two, &second), FACET_OK);
  assert_int_equal(facet_grow(&one, first, first + second + 1, 1), FACET_OK);
  memcpy(one + first, two, second);
  put("both.gz", one, first + second);
  assert_int_equal(open_data(facet_data_format_find("idx"), "both.gz", NULL, 0, &d), FACET_OK);
  facet_dataset_destroy(&d);
  one[first + second] = 'x';
  put("behind.gz", one, first + second + 1);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "behind.gz", NULL, "other bytes follow the end of the gzip");
  one[first + second] = 0x1f;
  put("behind.gz", one, first + second + 1);
  refused(FACET_BAD_INPUT, facet_data_format_find("idx"), "behind.gz", NULL, "truncated gzip");
  facet_free(&one);
  facet_free(&two);
}

/* What decodes to more than its header says is not decoded to its end, so that it fills no disk. */
static void gzip_bombs(void **state)
{
  (void)state;
  enum { MOST = 4 << 20, ALL = 64 << 20 };
  static const char npy[] = "\x93NUMPY\1\0\x76\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 3, 3), }";
  static const char *const name[] = {"idx", "npy", "cifar10"};
  uint8_t *bytes = facet_allocate(ALL, 1);
  struct rlimit before, limit;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = (struct rlimit){MOST, before.rlim_max};
  for (int format = 0; format < 3; format++) {
    memset(bytes, ' ', 128);
    limit.rlim_cur = format == 2 ? 8 * MOST : MOST; /* a batch of CIFAR-10 takes 31 MB */
    if (format == 0)
      (void)idx_images(bytes);
    else if (format == 1)
      memcpy(bytes, npy, sizeof npy - 1);
    put_gz("bomb.gz", bytes, ALL);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    refused(FACET_BAD_INPUT, facet_data_format_find(name[format]), "bomb.gz", NULL, "too long");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
  }
  facet_free(&bytes);
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
  assert_int_equal(open_data(facet_data_format_find("cifar10"), "c", NULL, 0, &d), FACET_OK);
  assert_int_equal(d->count, 2);
  assert_int_equal(d->image.channels * 10000 + d->image.height * 100 + d->image.width, 33232);
  assert_int_equal(d->label[0] * 10 + d->label[1], 73);
  assert_near(pixel_of(d, 2 * 3072 - 1), 99, 0);
  assert_int_equal(facet_dataset_check_labels(d, "c", 8), FACET_OK);
  assert_int_equal(facet_dataset_check_labels(d, "c", 7), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "c: label 7 of sample 0 is not in 0..6");
  facet_dataset_destroy(&d);
  assert_int_equal(open_two(facet_data_format_find("cifar10"), "c", "c", 0, &d), FACET_OK);
  assert_int_equal(d->count, 4);
  assert_memory_equal(d->label, ((int32_t[]){7, 3, 7, 3}), 4 * sizeof *d->label);
  assert_near(pixel_of(d, 4 * 3072 - 1), 99, 0);
  facet_dataset_destroy(&d);
  assert_int_equal(open_two(facet_data_format_find("cifar10"), "c", "c", 3, &d), FACET_OK);
  assert_int_equal(d->count, 3);
  facet_dataset_destroy(&d);
  assert_int_equal(open_two(facet_data_format_find("cifar10"), "c", "c", 5, &d), FACET_BAD_INPUT);
  put("odd", records, 3073 + 5);
  refused(FACET_BAD_INPUT, facet_data_format_find("cifar10"), "odd", NULL, "3078 bytes are not whole records");
  cut_everywhere(facet_data_format_find("cifar10"), "c", 3073, "whole records");
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
    assert_int_equal(open_data(facet_data_format_find("npy"), "a.npy", NULL, 0, &d), FACET_OK);
    check_counting(d, good[i].c, good[i].h, good[i].w);
  }
  size_t size = npy(bytes, "|u1", "False", "2, 2, 2, 3", pixels, 24); /* channels last */
  put("last.npy", bytes, size);
  put("l.npy", bytes, npy(bytes, "<i8", "False", "2,", (int64_t[]){1, -1}, 16));
  assert_int_equal(open_data(facet_data_format_find("npy"), "last.npy", "l.npy", 0, &d), FACET_OK);
  assert_int_equal(d->image.channels, 3);
  assert_pixels(d, (uint8_t[]){0, 30, 60, 90, 10, 40, 70, 100}, 8);
  assert_memory_equal(d->label, ((int32_t[]){1, -1}), 2 * sizeof *d->label);
  facet_dataset_destroy(&d);
  put("l3.npy", bytes, npy(bytes, "|i1", "False", "3,", "\1\2\3", 3));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "last.npy", "l3.npy", "3 labels for the 2 samples");
  put("hot.npy", bytes, npy(bytes, "|u1", "False", "2, 3", "\0\1\0\1\0\0", 6));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "last.npy", "hot.npy",
          "one class for each sample, but are 2 x 3: one-hot, or several at once (multi-label)");
  put("zip.npy", "PK\3\4 and what an archive holds", 30);
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "zip.npy", NULL, "is an .npz archive of arrays: save each");
  put("order.npy", bytes, npy(bytes, "|u1", "True", "3, 8", pixels, 24));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "order.npy", NULL, "Fortran");
  put("big.npy", bytes, npy(bytes, ">f4", "False", "3, 8", real, sizeof real));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "big.npy", NULL, ">f4");
  put("short.npy", bytes, npy(bytes, "|u1", "False", "999999999999, 8", pixels, 24));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "short.npy", NULL, "truncated");
  real[13] = NAN;
  size = npy(bytes, "<f4", "False", "3, 8", real, sizeof real);
  put("nan.npy", bytes, size);
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "nan.npy", NULL, "pixel 5 of sample 1 is NaN");
  real[13] = (float)INFINITY;
  put("inf.npy", bytes, npy(bytes, "<f4", "False", "3, 8", real, sizeof real));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "inf.npy", NULL, "pixel 5 of sample 1 is infinite");
  real[13] = 0;
  put("cut.npy", bytes, npy(bytes, "<f4", "False", "3, 8", real, sizeof real));
  two_refused(facet_data_format_find("npy"), "cut.npy", "last.npy",
              "pixels are bytes but real numbers in the files before it");
  put("flat.npy", bytes, npy(bytes, "|u1", "False", "2, 12", pixels, 24));
  two_refused(facet_data_format_find("npy"), "last.npy", "flat.npy",
              "samples are 1 x 1 x 12 but 3 x 2 x 2 in the files before it");
  cut_everywhere(facet_data_format_find("npy"), "cut.npy", 0, "truncated");
}

/* Versions 2 and 3 have a longer length; whatever else stands in a header is refused. */
static void numpy_headers(void **state)
{
  (void)state;
  uint8_t bytes[600], longer[600], pixels[120] = {0};
  facet_dataset *d;
  for (int i = 0; i < 24; i++)
    pixels[i] = (uint8_t)(10 * i);
  size_t size = npy(bytes, "|u1", "False", "3, 2, 4", pixels, 24);
  for (uint8_t version = 0; version < 5; version++) {
    memcpy(longer, bytes, 10);
    longer[6] = version;
    longer[10] = longer[11] = 0;
    memcpy(longer + 12, bytes + 10, size - 10);
    put("v.npy", longer, size + 2);
    if (version == 2 || version == 3) {
      assert_int_equal(open_data(facet_data_format_find("npy"), "v.npy", NULL, 0, &d), FACET_OK);
      check_counting(d, 1, 2, 4);
    } else if (version != 1)
      refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "v.npy", NULL, "version");
  }
  static const struct {
    const char *type, *order, *shape;
    size_t size;
    const char *words;
  } bad[] = {{"<f5", "False", "3, 8", 120, "not supported"}, /* would be read as if it were 8 */
             {"<f2", "False", "3, 8", 48, "pixels are float16: save them as uint8, float32 or float64"},
             {"<u2", "False", "3, 8", 48, "pixels are uint16: save them as uint8"},
             {"<i4", "False", "3, 8", 96, "pixels are int32: save"},
             {"|b1", "False", "3, 8", 24, "pixels are bool: save"},
             {"|O", "False", "3,", 50, "holds Python objects (images of several sizes?)"},
             {"<f99999999999", "False", "3, 8", 96, "not supported"},
             {"<U4", "False", "3, 8", 96, "not supported"},
             {"", "False", "3, 8", 24, "not supported"},
             {"|u1", "Maybe", "3, 8", 24, "damaged"},
             {"|u1", "False", "3, -8", 24, "damaged"},
             {"|u1", "False", "3x8", 24, "damaged"},
             {"|u1", "False", "3, 8", 25, "too long"},
             {"|u1", "False", "", 1, "0 dimensions"},
             {"|u1", "False", "24,", 24, "1 dimensions"},
             {"|u1", "False", "1, 1, 2, 3, 4", 24, "5 dimensions"},
             {"|u1", "False", "1, 1, 1, 1, 1, 1, 1, 1, 24", 24, "damaged"},
             {"|u1", "False", "0, 8", 0, "dimension 0 is 0"},
             {"<f4", "False", "4611686018427387905, 8", 32, "truncated"}, /* 2^62 + 1: x 8 x 4 overflows to 32 */
             {"<f4", "False", "99999999999999999999999, 8", 32, "truncated"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    put("bad.npy", bytes, npy(bytes, bad[i].type, bad[i].order, bad[i].shape, pixels, bad[i].size));
    refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "bad.npy", NULL, bad[i].words);
  }
  size = npy(bytes, "|u1", "False", "3, 2, 4", pixels, 24);
  for (size_t at = 0; at < size - 24; at++) /* any damage to a header is either refused or harmless */
    for (int bit = 0; bit < 8; bit++) {
      bytes[at] ^= (uint8_t)(1 << bit);
      FILE *file = fopen(in_folder("flip.npy"), "wb");
      assert_non_null(file);
      assert_int_equal(fwrite(bytes, 1, size, file), size);
      assert_int_equal(fclose(file), 0);
      bytes[at] ^= (uint8_t)(1 << bit);
      facet_status status = open_data(facet_data_format_find("npy"), "flip.npy", NULL, 0, &d);
      if (status == FACET_OK) {
        assert_int_equal(d->count * facet_image_inputs(d->image), 24);
        facet_dataset_destroy(&d);
      } else
        assert_int_equal(status, FACET_BAD_INPUT);
    }
}

static void numpy_labels(void **state)
{
  (void)state;
  uint8_t bytes[300], pixels[16] = {0};
  facet_dataset *d;
  put("p.npy", bytes, npy(bytes, "|u1", "False", "2, 8", pixels, 16));
  static const char *types[] = {"|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8", "|b1"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    size_t width = (size_t)(types[i][2] - '0');
    bool is_signed = types[i][1] == 'i';
    uint8_t label[16] = {1};
    memset(label + width, is_signed ? 0xff : 0, width); /* -1 or 0 */
    put("l.npy", bytes, npy(bytes, types[i], "False", i % 2 ? "2," : "2, 1", label, 2 * width));
    assert_int_equal(open_data(facet_data_format_find("npy"), "p.npy", "l.npy", 0, &d), FACET_OK);
    assert_memory_equal(d->label, ((int32_t[]){1, is_signed ? -1 : 0}), 2 * sizeof *d->label);
    facet_dataset_destroy(&d);
  }
  put("l.npy", bytes, npy(bytes, "<i8", "False", "2,", (int64_t[]){0, -2}, 16));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "p.npy", "l.npy", "label -2 of sample 1 is no class");
  put("l.npy", bytes, npy(bytes, "<i8", "False", "2,", (int64_t[]){(int64_t)1 << 32, 0}, 16));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "p.npy", "l.npy", "label 4294967296 of sample 0 is no class");
  put("l.npy", bytes, npy(bytes, "<u8", "False", "2,", (uint64_t[]){0, UINT64_MAX}, 16));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "p.npy", "l.npy", "of sample 1 is no class");
  put("l.npy", bytes, npy(bytes, "<f4", "False", "2,", (float[]){0, 1}, 8));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "p.npy", "l.npy", "list of integers");
  put("l.npy", bytes, npy(bytes, "|u1", "False", "2, 2", pixels, 4));
  refused(FACET_BAD_INPUT, facet_data_format_find("npy"), "p.npy", "l.npy", "list of integers");
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
  uint8_t pixels[24];
  facet_dataset *d;
  for (int i = 0; i < 24; i++)
    pixels[i] = (uint8_t)(10 * i);
  hid_t file = H5Fcreate(in_folder("d.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_set(file, "images", H5T_NATIVE_UINT8, 3, (hsize_t[]){3, 2, 4}, pixels);
  write_set(file, "labels", H5T_NATIVE_INT64, 1, (hsize_t[]){3}, (int64_t[]){2, 0, 1});
  write_set(file, "words", H5T_NATIVE_DOUBLE, 1, (hsize_t[]){2}, (double[]){2, 0});
  H5Fclose(file);
  assert_int_equal(open_data(facet_data_format_find("hdf5"), "d.h5", "d.h5", 0, &d), FACET_OK);
  assert_int_equal(d->label[0], 2);
  check_counting(d, 1, 2, 4);
  assert_int_equal(open_data(facet_data_format_find("hdf5"), "d.h5:/images", "d.h5:/labels", 0, &d), FACET_OK);
  check_counting(d, 1, 2, 4);
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "d.h5:/nothing", NULL, "no dataset /nothing");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "d.h5", "d.h5:/words", "list of integers");
  refused(FACET_NO_INPUT, facet_data_format_find("hdf5"), "no.h5", NULL, "no.h5");
  assert_int_equal(open_data(facet_data_format_find("hdf5"), "d.h5", NULL, 0, &d), FACET_OK); /* labels beside */
  assert_memory_equal(d->label, ((int32_t[]){2, 0, 1}), 3 * sizeof *d->label);
  facet_dataset_destroy(&d);
  cut_everywhere(facet_data_format_find("hdf5"), "d.h5", 0, "truncated");
  put("no.h5", pixels, 24);
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "no.h5", NULL, "not an HDF5 file");
}

/* Pixels and labels of other types, and dimensions that no file could hold. */
static void hdf5_types(void **state)
{
  (void)state;
  static const hsize_t flat[2] = {3, 8}, absurd[2][2] = {{1ULL << 38, 4}, {1ULL << 62, 8}};
  int8_t narrow[24];
  float whole[24];
  double real[24], one = 1;
  facet_dataset *d;
  for (int i = 0; i < 24; i++) {
    narrow[i] = (int8_t)(i - 12);
    whole[i] = (float)(10 * i);
    real[i] = 10 * i;
  }
  hid_t file = H5Fcreate(in_folder("t.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_set(file, "narrow", H5T_NATIVE_INT8, 2, flat, narrow);
  write_set(file, "whole", H5T_NATIVE_FLOAT, 2, flat, whole);
  write_set(file, "sixteen", H5T_NATIVE_UINT16, 2, flat, (uint16_t[24]){40000});
  write_set(file, "wide", H5T_NATIVE_INT32, 2, flat, (int32_t[24]){0});
  write_set(file, "real", H5T_NATIVE_DOUBLE, 2, flat, real);
  write_set(file, "list", H5T_NATIVE_DOUBLE, 1, (hsize_t[]){24}, real);
  write_set(file, "few", H5T_NATIVE_INT8, 1, (hsize_t[]){2}, narrow + 12);
  write_set(file, "low", H5T_NATIVE_INT8, 1, (hsize_t[]){3}, narrow);
  write_set(file, "high", H5T_NATIVE_UINT64, 1, (hsize_t[]){3}, (uint64_t[]){0, UINT64_MAX, 0});
  real[9] = NAN;
  write_set(file, "nan", H5T_NATIVE_DOUBLE, 2, flat, real);
  real[9] = 1e300; /* infinite as float32 */
  write_set(file, "large", H5T_NATIVE_DOUBLE, 2, flat, real);
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(list, 2, (hsize_t[]){1, 2});
  for (int i = 0; i < 2; i++) {
    hid_t space = H5Screate_simple(2, absurd[i], NULL);
    char *name = facet_format("absurd%d", i);
    hid_t set = H5Dcreate2(file, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    facet_free(&name);
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Pset_chunk(list, 2, (hsize_t[]){3, 8});
  H5Pset_deflate(list, 9);
  hid_t space = H5Screate_simple(2, flat, NULL);
  hid_t set = H5Dcreate2(file, "zipped", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, list, H5P_DEFAULT);
  assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole) >= 0);
  H5Dclose(set);
  H5Pclose(list);
  list = H5Pcreate(H5P_DATASET_CREATE); /* a view of "whole" */
  assert_true(H5Pset_virtual(list, space, ".", "/whole", space) >= 0);
  set = H5Dcreate2(file, "view", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, list, H5P_DEFAULT);
  assert_true(set >= 0);
  H5Dclose(set);
  H5Pclose(list);
  H5Sclose(space);
  hid_t words = H5Tcopy(H5T_C_S1);
  write_set(file, "text", words, 2, flat, narrow);
  write_set(file, "point", H5T_NATIVE_DOUBLE, 0, NULL, &one);
  H5Tclose(words);
  H5Fclose(file);

  static const char *good[] = {"t.h5:/whole", "t.h5:/real", "t.h5:/zipped", "t.h5:/view"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    assert_int_equal(open_data(facet_data_format_find("hdf5"), good[i], NULL, 0, &d), FACET_OK);
    assert_true(d->is_float);
    assert_int_equal(d->label[2], -1); /* there are none beside */
    check_counting(d, 1, 1, 8);
  }
  assert_int_equal(open_data(facet_data_format_find("hdf5"), "t.h5:/narrow", NULL, 0, &d), FACET_OK);
  assert_near(pixel_of(d, 0), -12, 0); /* signed bytes keep their sign */
  facet_dataset_destroy(&d);
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/nan", NULL, "pixel 1 of sample 1 is NaN");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/large", NULL, "pixel 1 of sample 1 is infinite");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/text", NULL, "pixels must be");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/sixteen", NULL,
          "pixels are uint16: save them as uint8, float32 or float64");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/wide", NULL, "pixels are int32: save them");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/list", NULL, "1 dimensions");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/point", NULL, "not an array");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/absurd0", NULL, "more than the 0 bytes it holds");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/absurd1", NULL, "more numbers than can be held");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/real", "t.h5:/few", "2 labels for the 3 samples");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/real", "t.h5:/low",
          "label -12 of sample 0 is no class");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/real", "t.h5:/high", "of sample 1 is no class");
  refused(FACET_BAD_INPUT, facet_data_format_find("hdf5"), "t.h5:/real", "t.h5:/absurd0", "list of integers");
}

/* Numbers in other files: those must be there, and in the folder; HDF5 itself reads zeros for what is missing. */
static void hdf5_elsewhere(void **state)
{
  (void)state;
  uint8_t pixels[24] = {7};
  facet_dataset *d;
  hid_t file = H5Fcreate(in_folder("there.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_set(file, "images", H5T_NATIVE_UINT8, 2, (hsize_t[]){3, 8}, pixels);
  H5Fclose(file);
  static const char *const source[] = {"there.h5", "missing.h5", "../there.h5", "/there.h5"};
  static const char *const words[] = {"", "which cannot be read", "outside its own folder", "outside its own folder"};
  hid_t space = H5Screate_simple(2, (hsize_t[]){3, 8}, NULL);
  file = H5Fcreate(in_folder("views.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  for (int i = 0; i < 5; i++) {
    char name[] = {(char)('a' + i), '\0'};
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    assert_true((i < 4 ? H5Pset_virtual(list, space, source[i], "/images", space)
                       : H5Pset_external(list, in_folder("there.h5"), 0, 24)) >= 0);
    H5Dclose(H5Dcreate2(file, name, H5T_NATIVE_UINT8, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Pclose(list);
  }
  H5Sclose(space);
  H5Fclose(file);
  int format = facet_data_format_find("hdf5");
  assert_int_equal(open_data(format, "views.h5:/a", NULL, 0, &d), FACET_OK);
  assert_pixels(d, pixels, 24);
  facet_dataset_destroy(&d);
  for (int i = 1; i < 4; i++) {
    char name[] = {'v', 'i', 'e', 'w', 's', '.', 'h', '5', ':', '/', (char)('a' + i), '\0'};
    refused(FACET_BAD_INPUT, format, name, NULL, words[i]);
  }
  refused(FACET_BAD_INPUT, format, "views.h5:/e", NULL, "external storage");
}

/* What never ends, and what never begins. */
static void no_files(void **state)
{
  (void)state;
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  assert_int_equal(symlink("/dev/zero", in_folder("zeros")), 0);
  assert_int_equal(symlink("/dev/zero", in_folder("zeros.gz")), 0);
  for (int i = 0; i < 3; i++) {
    int format = facet_data_format_find(((const char *[]){"idx", "npy", "cifar10"})[i]);
    refused(FACET_NO_INPUT, format, "pipe", NULL, "is a pipe, not a file");
    refused(FACET_NO_INPUT, format, "zeros", NULL, "is a device, not a file");
    refused(FACET_NO_INPUT, format, "zeros.gz", NULL, "is a device, not a file");
  }
}

/* A file that changes under a data set does not end the process. */
static void file_becomes_shorter(void **state)
{
  (void)state;
  uint8_t bytes[40];
  float pixels[24];
  facet_dataset *d;
  put("shrinks", bytes, idx_images(bytes));
  assert_int_equal(open_data(facet_data_format_find("idx"), "shrinks", NULL, 0, &d), FACET_OK);
  assert_int_equal(truncate(in_folder("shrinks"), 30), 0);
  assert_int_equal(facet_dataset_pixels(d, 0, 1, pixels), FACET_OK);
  assert_int_equal(facet_dataset_pixels(d, 0, 3, pixels), FACET_IO);
  assert_non_null(strstr(facet_message(), "shrinks: has become shorter"));
  facet_dataset_destroy(&d);
}

/* ---- many labels ---- */

enum { MANY = 40000 };

static int32_t label_of(int64_t i)
{
  return (int32_t)(i * i % 251);
}

/* Two files of MANY samples each, from which `count` are taken. */
static void check_many(int format, char *images, char *labels, facet_decoded *decoded)
{
  char *image[2] = {images, images}, *label[2] = {labels, labels};
  facet_data_source source = {format, 2, image, labels ? label : NULL, 2 * MANY - 5, FACET_ORDER_AUTO};
  facet_dataset *d;
  int32_t *found = test_malloc((2 * MANY - 5) * sizeof *found);
  int64_t classes;
  assert_int_equal(facet_dataset_open_decoded(&source, decoded, &d), FACET_OK);
  assert_null(d->label);
  assert_int_equal(facet_dataset_labels(d, 0, d->count, found), FACET_OK);
  for (int64_t i = 0; i < d->count; i++)
    assert_int_equal(found[i], label_of(i % MANY));
  check_labels(d, MANY - 2, 4, (int32_t[]){label_of(MANY - 2), label_of(MANY - 1), label_of(0), label_of(1)});
  assert_int_equal(facet_dataset_check_labels(d, "f", 250), FACET_OK);
  assert_int_equal(facet_dataset_check_labels(d, "f", 249), FACET_BAD_INPUT);
  assert_int_equal(facet_dataset_classes(d, &classes), FACET_OK);
  assert_int_equal(classes, 250);
  if (decoded && !decoded->shared) { /* another process of the node, while this one has them open */
    facet_decoded other = *decoded;
    other.shared = true;
    check_many(format, images, labels, &other);
    assert_int_equal(other.next, other.count);
  }
  test_free(found);
  facet_dataset_destroy(&d);
}

static void check_many_both(int format, char *images, char *labels)
{
  facet_decoded decoded = {.shared = false};
  const char *before = getenv("TMPDIR");
  char *kept = facet_copy_text(before);
  check_many(format, images, labels, &decoded);
  assert_int_equal(decoded.count, 2);
  assert_true(decoded.item[0].file >= 0);
  setenv("TMPDIR", "/nowhere", 1); /* then they stay in memory */
  decoded = (facet_decoded){.shared = false};
  check_many(format, images, labels, &decoded);
  if (kept)
    setenv("TMPDIR", kept, 1);
  else
    unsetenv("TMPDIR");
  facet_free(&kept);
}

/* More than are held: of every format, joined from two files, by the process that read them and by another. */
static void many_labels(void **state)
{
  (void)state;
  uint8_t *bytes = test_calloc(MANY, 3073), head[16] = {0, 0, 8, 1, 0, 0, MANY >> 8, MANY & 255};
  int64_t *wide = test_malloc(MANY * sizeof *wide);
  char images[300], labels[300], shape[40];
  for (int64_t i = 0; i < MANY; i++) {
    bytes[8 + i] = (uint8_t)label_of(i);
    wide[i] = label_of(i);
  }
  memcpy(bytes, head, 8);
  put("many-l", bytes, 8 + MANY);
  (void)snprintf(labels, sizeof labels, "%s", in_folder("many-l"));
  memset(bytes, 0, 8 + MANY);
  memcpy(bytes, (uint8_t[]){0, 0, 8, 2, 0, 0, MANY >> 8, MANY & 255, 0, 0, 0, 1}, 12);
  put("many-i", bytes, 12 + MANY);
  (void)snprintf(images, sizeof images, "%s", in_folder("many-i"));
  check_many_both(facet_data_format_find("idx"), images, labels);
  (void)snprintf(shape, sizeof shape, "%d,", MANY);
  put("many-l.npy", bytes, npy(bytes, "<i8", "False", shape, wide, MANY * sizeof *wide));
  (void)snprintf(labels, sizeof labels, "%s", in_folder("many-l.npy"));
  memset(bytes, 0, 1000);
  (void)snprintf(shape, sizeof shape, "%d, 1", MANY);
  put("many-i.npy", bytes, npy(bytes, "|u1", "False", shape, wide, MANY));
  (void)snprintf(images, sizeof images, "%s", in_folder("many-i.npy"));
  check_many_both(facet_data_format_find("npy"), images, labels);
  hid_t file = H5Fcreate(in_folder("many.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_set(file, "images", H5T_NATIVE_UINT8, 2, (hsize_t[]){MANY, 1}, bytes);
  write_set(file, "labels", H5T_NATIVE_INT64, 1, (hsize_t[]){MANY}, wide);
  H5Fclose(file);
  (void)snprintf(images, sizeof images, "%s", in_folder("many.h5"));
  check_many_both(facet_data_format_find("hdf5"), images, NULL);
  for (int64_t i = 0; i < MANY; i++)
    bytes[3073 * i] = (uint8_t)label_of(i);
  put("many-c", bytes, MANY * 3073);
  (void)snprintf(images, sizeof images, "%s", in_folder("many-c"));
  check_many_both(facet_data_format_find("cifar10"), images, NULL);
  unlink(in_folder("many-c"));
  test_free(bytes);
  test_free(wide);
}

/* Pixels of two files, one of them compressed, in any order; decoded by one, and read by the other from that. */
static void decoded_once(void **state)
{
  (void)state;
  uint8_t bytes[40], wanted[48];
  put("first", bytes, idx_images(bytes));
  memcpy(wanted, bytes + 16, 24);
  for (int i = 16; i < 40; i++)
    wanted[8 + i] = bytes[i] = (uint8_t)(255 - bytes[i]);
  put_gz("second.gz", bytes, 40);
  char *images[2] = {in_folder("first"), in_folder("second.gz")};
  facet_data_source source = {facet_data_format_find("idx"), 2, images, NULL, 5, FACET_ORDER_AUTO};
  facet_decoded decoded = {.shared = false};
  facet_dataset *own, *other;
  assert_int_equal(facet_dataset_open_decoded(&source, &decoded, &own), FACET_OK);
  assert_int_equal(decoded.count, 1);
  put_gz("second.gz", idx_head, 16); /* nobody reads it again */
  decoded.shared = true;
  assert_int_equal(facet_dataset_open_decoded(&source, &decoded, &other), FACET_OK);
  for (int first = 0; first < 5; first++)
    for (int count = 1; first + count <= 5; count++) {
      float a[40], b[40];
      assert_int_equal(facet_dataset_pixels(own, first, count, a), FACET_OK);
      assert_int_equal(facet_dataset_pixels(other, first, count, b), FACET_OK);
      assert_memory_equal(a, b, (size_t)count * 8 * sizeof *a);
      for (int i = 0; i < 8 * count; i++)
        assert_near((double)a[i], wanted[8 * first + i], 0);
    }
  facet_dataset_destroy(&own);
  facet_dataset_destroy(&other);
  decoded.next = 0;
  decoded.item[0].inode++; /* of another file: the file is decoded, which is damaged by now */
  assert_int_equal(facet_dataset_open_decoded(&source, &decoded, &other), FACET_BAD_INPUT);
}

static void normalization(void **state)
{
  (void)state;
  float pixels[4] = {0, 255, 51, 102}, x[4];
  double exact[4];
  facet_normalization two = {255, 2, {0.5, 0.2}, {0.5, 0.1}}, none = {.scale = 1};
  facet_normalize(&two, (facet_image){2, 1, 2}, 1, pixels, x);
  facet_normalize_double(&two, (facet_image){2, 1, 2}, 1, pixels, exact);
  const double wanted[4] = {-1, 1, 0, 2};
  for (int i = 0; i < 4; i++) {
    assert_near((double)x[i], wanted[i], 1e-6);
    assert_near(exact[i], wanted[i], 1e-12);
  }
  facet_normalize(&none, (facet_image){2, 1, 2}, 1, pixels, x);
  assert_memory_equal(x, pixels, sizeof x);
  assert_int_equal(facet_normalization_check(&two, 2), FACET_OK);
  assert_int_equal(facet_normalization_check(&two, 3), FACET_BAD_INPUT);
  assert_int_equal(facet_normalization_check(&none, 17), FACET_OK);
  two.std[1] = 0;
  assert_int_equal(facet_normalization_check(&two, 2), FACET_BAD_INPUT);
  two.std[1] = NAN;
  assert_int_equal(facet_normalization_check(&two, 2), FACET_BAD_INPUT);
  facet_normalization one = {255, 1, {0.2}, {0.1}}; /* serves every channel */
  assert_int_equal(facet_normalization_check(&one, 4), FACET_OK);
  facet_normalize(&one, (facet_image){4, 1, 1}, 1, pixels, pixels); /* in place */
  const double all[4] = {-2, 8, 0, 2};
  for (int i = 0; i < 4; i++)
    assert_near((double)pixels[i], all[i], 1e-6);
  float byte[2 * FACET_BYTE_VALUES], table[2 * FACET_BYTE_VALUES], by_table[2 * FACET_BYTE_VALUES];
  const facet_normalization uneven = {255, 2, {0.4914, 0.4822}, {0.2470, 0.2435}};
  for (int i = 0; i < 2 * FACET_BYTE_VALUES; i++)
    byte[i] = (float)(i * 7 % FACET_BYTE_VALUES);
  facet_normalize_table(&uneven, 2, table);
  facet_normalize_bytes(table, (facet_image){2, 16, 16}, 1, byte, by_table);
  facet_normalize(&uneven, (facet_image){2, 16, 16}, 1, byte, byte);
  assert_memory_equal(by_table, byte, sizeof byte);
  one.scale = 0;
  assert_int_equal(facet_normalization_check(&one, 4), FACET_BAD_INPUT);
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
    assert_int_equal(facet_corrupt(&(facet_corruption_settings){gaussian, severity, 5, 255, (facet_image){1, 101, 101}},
                                   40, COUNT, all),
                     FACET_OK);
    for (int i = 0; i < COUNT * SIZE; i++) {
      sum += (double)all[i] / 255 - 0.5;
      square += ((double)all[i] / 255 - 0.5) * ((double)all[i] / 255 - 0.5);
    }
    assert_near(sum / (COUNT * SIZE), 0, 0.002);
    assert_near(sqrt(square / (COUNT * SIZE)), sigma[severity - 1], 0.002);
    for (int i = 0; i < SIZE; i++)
      one[i] = 127.5F;
    assert_int_equal(
        facet_corrupt(&(facet_corruption_settings){gaussian, severity, 5, 255, (facet_image){1, 101, 101}}, 41, 1, one),
        FACET_OK);
    assert_memory_equal(one, all + SIZE, sizeof one);
  }
}

/* Black and white are clipped: half of the pixels stay as they are, none leaves the range. */
static void noise_is_clipped(void **state)
{
  (void)state;
  enum { SIZE = 100 * 100 };
  static float pixels[SIZE];
  for (int white = 0; white < 2; white++) {
    int kept = 0;
    for (int i = 0; i < SIZE; i++)
      pixels[i] = white ? 255 : 0;
    assert_int_equal(
        facet_corrupt(&(facet_corruption_settings){1, 5, 5, 255, (facet_image){1, 100, 100}}, 0, 1, pixels), FACET_OK);
    for (int i = 0; i < SIZE; i++) {
      assert_true(pixels[i] >= 0 && pixels[i] <= 255);
      kept += pixels[i] == (white ? 255.0F : 0.0F);
    }
    assert_near(kept, SIZE / 2.0, 5 * sqrt(SIZE) / 2);
  }
}

/* By definition: pixel / scale + sigma N, with numbers of their own for each seed, sample, severity and pair. */
static void noise_by_definition(void **state)
{
  (void)state;
  enum { SIZE = 3 * 33 * 33 };
  static float all[8][SIZE];
  static const struct {
    int severity;
    uint32_t seed;
    double scale;
    int64_t sample;
  } run[8] = {{1, 7, 1, 0}, {2, 7, 1, 0}, {3, 7, 1, 0}, {4, 7, 1, 0},
              {5, 7, 1, 0}, {3, 8, 1, 0}, {3, 7, 1, 1}, {3, 7, 255, 0}};
  for (int k = 0; k < 8; k++) {
    for (int i = 0; i < SIZE; i++)
      all[k][i] = (float)(run[k].scale / 2);
    assert_int_equal(facet_corrupt(&(facet_corruption_settings){1, run[k].severity, run[k].seed, run[k].scale,
                                                                (facet_image){3, 33, 33}},
                                   run[k].sample, 1, all[k]),
                     FACET_OK);
  }
  for (int i = 0; i < SIZE; i++) /* the scale changes nothing but the unit */
    assert_near((double)all[7][i] / 255, (double)all[2][i], 1e-6);
  for (int a = 0; a < 7; a++)
    for (int b = 0; b < a; b++) {
      double product = 0, first = 0, second = 0;
      for (int i = 0; i < SIZE; i++) {
        product += ((double)all[a][i] - 0.5) * ((double)all[b][i] - 0.5);
        first += pow((double)all[a][i] - 0.5, 2);
        second += pow((double)all[b][i] - 0.5, 2);
      }
      assert_near(product / sqrt(first * second), 0, 5 / sqrt(SIZE)); /* independent of each other */
    }
  float kept[2] = {-3, 300}, once[2] = {0, 1};
  assert_int_equal(facet_corrupt(&(facet_corruption_settings){0, 0, 1, 255, (facet_image){1, 1, 2}}, 0, 1, kept),
                   FACET_OK); /* clean leaves all as it is */
  assert_memory_equal(kept, ((float[]){-3, 300}), sizeof kept);
  assert_int_equal(facet_corrupt(&(facet_corruption_settings){1, 0, 1, 1, (facet_image){1, 1, 2}}, 0, 1, once),
                   FACET_INTERNAL);
  assert_int_equal(facet_corrupt(&(facet_corruption_settings){1, 6, 1, 1, (facet_image){1, 1, 2}}, 0, 1, once),
                   FACET_INTERNAL);
  assert_int_equal(facet_corrupt(&(facet_corruption_settings){99, 1, 1, 1, (facet_image){1, 1, 2}}, 0, 1, once),
                   FACET_INTERNAL);
  assert_int_equal(facet_corrupt(&(facet_corruption_settings){-1, 1, 1, 1, (facet_image){1, 1, 2}}, 0, 1, once),
                   FACET_INTERNAL);
}

/* What is written piece by piece is read back, and the array begins at a multiple of 64 bytes. */
static void npy_written(void **state)
{
  (void)state;
  enum { SIZE = 2 * 2 * 2 * 3 };
  uint8_t pixels[SIZE], *there;
  size_t count;
  facet_npy_file file;
  facet_dataset *d;
  for (int i = 0; i < SIZE; i++)
    pixels[i] = (uint8_t)(3 * i);
  assert_int_equal(facet_npy_begin(in_folder("written.npy"), 4, (int64_t[]){2, 2, 2, 3}, &file), FACET_OK);
  assert_int_equal(facet_npy_add(&file, pixels, 5), FACET_OK);
  assert_int_equal(facet_npy_add(&file, pixels + 5, SIZE - 5), FACET_OK);
  assert_int_equal(facet_npy_end(&file, FACET_OK), FACET_OK);
  assert_int_equal(facet_read_file(in_folder("written.npy"), &there, &count), FACET_OK);
  assert_true(count == 128 + SIZE && memcmp(there + 128, pixels, SIZE) == 0);
  assert_non_null(strstr((char *)there + 10, "'shape': (2, 2, 2, 3), "));
  facet_free(&there);
  assert_int_equal(open_data(facet_data_format_find("npy"), "written.npy", NULL, 0, &d), FACET_OK);
  assert_true(d->count == 2 && d->image.channels == 3 && pixel_of(d, 1) == pixels[3]);
  facet_dataset_destroy(&d);
  assert_int_equal(facet_npy_begin("/nowhere/x.npy", 1, (int64_t[]){1}, &file), FACET_CANNOT_CREATE);
  assert_int_equal(facet_npy_begin("/dev/full", 1, (int64_t[]){1}, &file), FACET_OK); /* not written yet */
  assert_int_equal(facet_npy_end(&file, FACET_OK), FACET_IO);
}

/* A published set is opened once, however many samples are taken: also where its file has gone since. */
static void published(void **state)
{
  (void)state;
  enum { SAMPLES = 2, SIZE = 2 * 2 * 3 };
  uint8_t bytes[600], pixels[SAMPLES * SIZE] = {0}, set[5 * SAMPLES * SIZE];
  facet_dataset *d;
  facet_pixels *taken;
  facet_settings settings = {.block = 1};
  facet_normalization normalize = {.scale = 255};
  facet_condition condition[] = {{.corruption = facet_corruption_find("fog"), .severity = 2, .published = folder},
                                 {.corruption = facet_corruption_find("snow"), .severity = 2, .published = folder}};
  facet_conditions conditions = {.count = 2, .item = condition, .clean = -1};
  const float *x;
  for (int i = 0; i < 5 * SAMPLES * SIZE; i++)
    set[i] = (uint8_t)(2 * i);
  put("clean.npy", bytes, npy(bytes, "|u1", "False", "2, 2, 2, 3", pixels, sizeof pixels));
  put("fog.npy", bytes, npy(bytes, "|u1", "False", "10, 2, 2, 3", set, sizeof set));
  assert_int_equal(open_data(facet_data_format_find("npy"), "clean.npy", NULL, 0, &d), FACET_OK);
  facet_sample_source source = {&settings, &normalize, &conditions, d};
  assert_int_equal(facet_pixels_create(&source, 0, &taken), FACET_OK);
  for (int s = 0; s < SAMPLES; s++) {
    assert_int_equal(facet_pixels_take(taken, 0, s, &x), FACET_OK);
    for (int i = 0; i < SIZE; i++)
      assert_true(x[i % 3 * 4 + i / 3] == set[(SAMPLES + s) * SIZE + i]); /* channels first */
    unlink(in_folder("fog.npy"));
  }
  assert_int_equal(facet_pixels_take(taken, 1, 0, &x), FACET_NO_INPUT); /* another file, which is not there */
  facet_pixels_destroy(&taken);
  facet_dataset_destroy(&d);
}

/* The training images of Debian's dataset-fashion-mnist, by their published mean and deviation. */
static void fashion_mnist(void **state)
{
  (void)state;
  char images[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", *image = images;
  char labels[] = "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz", *label = labels;
  facet_data_source source = {facet_data_format_find("idx"), 1, &image, &label, 0, FACET_ORDER_AUTO};
  facet_dataset *d;
  if (!facet_exists(images)) {
    print_message("skipped: no %s (package dataset-fashion-mnist)\n", images);
    skip();
  }
  assert_int_equal(facet_dataset_open(&source, &d), FACET_OK);
  assert_int_equal(d->count, 60000);
  double sum = 0, square = 0;
  int64_t size = 60000 * 784;
  float *pixels = facet_allocate((size_t)size, sizeof *pixels);
  assert_int_equal(facet_dataset_pixels(d, 0, 60000, pixels), FACET_OK);
  for (int64_t i = 0; i < size; i++) {
    double p = (double)pixels[i] / 255.0;
    sum += p;
    square += p * p;
  }
  facet_free(&pixels);
  assert_near(sum / (double)size, 0.2860, 5e-5);
  assert_near(sqrt(square / (double)size - sum / (double)size * sum / (double)size), 0.3530, 5e-5);
  check_labels(d, 0, 10, (int32_t[]){9, 0, 0, 3, 0, 2, 7, 2, 5, 5});
  facet_dataset_destroy(&d);
}

/* Two training batches of CIFAR-10 and the test batch, by the labels that begin them; every class as often as
 * published: 1,000 of each in the test batch. */
static void cifar10(void **state)
{
  (void)state;
  char first[] = "../shared/data/cifar10/data_batch_1.bin", second[] = "../shared/data/cifar10/data_batch_2.bin";
  char test[] = "../shared/data/cifar10/test_batch.bin", *train[] = {first, second}, *tests[] = {test};
  facet_data_source source = {facet_data_format_find("cifar10"), 2, train, NULL, 0, FACET_ORDER_AUTO};
  facet_dataset *d;
  if (!facet_exists(test) || !facet_exists(first) || !facet_exists(second)) {
    print_message("skipped: no CIFAR-10 in ../shared/data/cifar10\n");
    skip();
  }
  assert_int_equal(facet_dataset_open(&source, &d), FACET_OK);
  assert_int_equal(d->count, 20000);
  check_labels(d, 0, 10, (int32_t[]){6, 9, 9, 4, 1, 1, 2, 7, 8, 3});
  assert_pixels(d, (uint8_t[]){59, 43, 50}, 3);
  assert_int_equal(facet_dataset_check_labels(d, first, 10), FACET_OK);
  facet_dataset_destroy(&d);
  source = (facet_data_source){facet_data_format_find("cifar10"), 1, tests, NULL, 0, FACET_ORDER_AUTO};
  assert_int_equal(facet_dataset_open(&source, &d), FACET_OK);
  assert_memory_equal(d->label, ((int32_t[]){3, 8, 8, 0, 6, 6, 1, 6, 3, 1}), 10 * sizeof *d->label);
  int often[10] = {0};
  for (int64_t i = 0; i < d->count; i++)
    often[d->label[i] % 10]++;
  for (int k = 0; k < 10; k++)
    assert_int_equal(often[k], 1000);
  facet_dataset_destroy(&d);
}

/* ---- layouts ---- */

/* The order of images with four dimensions: told, or guessed from where 1, 3 or 4 stands. */
static void order_in_files(void **state)
{
  (void)state;
  static const struct {
    const char *shape;
    facet_order order;
    int64_t channels, height, width;
    uint8_t first[3]; /* pixels of channel 0 */
  } cases[] = {
      {"2, 2, 3, 2", FACET_ORDER_AUTO, 2, 3, 2, {0, 1, 2}},     {"2, 2, 3, 2", FACET_CHANNELS_LAST, 2, 2, 3, {0, 2, 4}},
      {"2, 3, 2, 2", FACET_CHANNELS_LAST, 2, 3, 2, {0, 2, 4}},  {"2, 2, 2, 3", FACET_ORDER_AUTO, 3, 2, 2, {0, 3, 6}},
      {"2, 2, 2, 3", FACET_CHANNELS_FIRST, 2, 2, 3, {0, 1, 2}}, {"2, 12", FACET_CHANNELS_LAST, 1, 1, 12, {0, 1, 2}},
      {"2, 3, 4", FACET_CHANNELS_LAST, 1, 3, 4, {0, 1, 2}}};
  uint8_t bytes[400], pixels[24];
  for (int i = 0; i < 24; i++)
    pixels[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    facet_dataset *d;
    put("order.npy", bytes, npy(bytes, "|u1", "False", cases[i].shape, pixels, 24));
    order_of_test = cases[i].order;
    assert_int_equal(open_data(facet_data_format_find("npy"), "order.npy", NULL, 0, &d), FACET_OK);
    order_of_test = FACET_ORDER_AUTO;
    assert_int_equal(d->image.channels, cases[i].channels);
    assert_int_equal(d->image.height, cases[i].height);
    assert_int_equal(d->image.width, cases[i].width);
    assert_pixels(d, cases[i].first, 3);
    facet_dataset_destroy(&d);
  }
}

typedef struct {
  facet_image image;
  int axes;
  int64_t size[5];
  facet_order asked;
  facet_fit fit;
  const char *name;
  facet_order order;
  const char *axis; /* c y x i 1 */
} layout_case;

static const layout_case layouts[] = {
    /* as the dimensions say */
    {{3, 5, 4}, 3, {3, 5, 4}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "cyx"},
    {{3, 5, 4}, 3, {5, 4, 3}, FACET_ORDER_AUTO, FACET_FIT, "channels_last", FACET_CHANNELS_LAST, "yxc"},
    {{3, 5, 4}, 5, {1, 3, 1, 5, 4}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "1c1yx"},
    {{3, 5, 4}, 4, {5, 4, 3, 1}, FACET_ORDER_AUTO, FACET_FIT, "channels_last", FACET_CHANNELS_LAST, "yxc1"},
    {{1, 5, 4}, 3, {1, 5, 4}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "cyx"},
    {{1, 5, 4}, 3, {5, 4, 1}, FACET_ORDER_AUTO, FACET_FIT, "channels_last", FACET_CHANNELS_LAST, "yxc"},
    {{1, 5, 4}, 2, {5, 4}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "yx"},
    {{1, 5, 4}, 3, {5, 1, 4}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "y1x"},
    /* flat */
    {{3, 5, 4}, 1, {60}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, "i"},
    {{3, 5, 4}, 1, {60}, FACET_CHANNELS_LAST, FACET_FIT, "flat", FACET_CHANNELS_LAST, "i"},
    {{3, 5, 4}, 2, {60, 1}, FACET_CHANNELS_LAST, FACET_FIT, "flat", FACET_CHANNELS_LAST, "i1"},
    {{1, 5, 4}, 3, {1, 1, 20}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, "11i"},
    {{1, 1, 20}, 1, {20}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, "i"},
    {{1, 1, 20}, 3, {1, 1, 20}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, "11i"},
    {{1, 1, 60}, 3, {3, 5, 4}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, "iii"},
    {{1, 1, 1}, 0, {0}, FACET_ORDER_AUTO, FACET_FIT, "flat", FACET_CHANNELS_FIRST, ""},
    /* in doubt */
    {{3, 3, 3}, 3, {3, 3, 3}, FACET_ORDER_AUTO, FACET_FIT, "channels_first", FACET_CHANNELS_FIRST, "cyx"},
    {{3, 3, 3}, 3, {3, 3, 3}, FACET_CHANNELS_LAST, FACET_FIT, "channels_last", FACET_CHANNELS_LAST, "yxc"},
    {{1, 5, 4}, 4, {1, 5, 4, 1}, FACET_CHANNELS_LAST, FACET_FIT, "channels_last", FACET_CHANNELS_LAST, "1yxc"},
    /* against what is asked for */
    {{3, 5, 4}, 3, {3, 5, 4}, FACET_CHANNELS_LAST, FACET_FIT_OTHER, "channels_first", FACET_CHANNELS_FIRST, "cyx"},
    {{3, 5, 4}, 3, {5, 4, 3}, FACET_CHANNELS_FIRST, FACET_FIT_OTHER, "channels_last", FACET_CHANNELS_LAST, "yxc"},
    {{1, 5, 4}, 3, {5, 4, 1}, FACET_CHANNELS_FIRST, FACET_FIT_OTHER, "channels_last", FACET_CHANNELS_LAST, "yxc"},
    /* not at all */
    {{3, 5, 4}, 3, {3, 4, 5}, FACET_ORDER_AUTO, FACET_FIT_NONE, NULL, FACET_ORDER_AUTO, ""},
    {{3, 5, 4}, 1, {61}, FACET_ORDER_AUTO, FACET_FIT_NONE, NULL, FACET_ORDER_AUTO, ""},
    {{3, 5, 4}, 2, {3, 20}, FACET_ORDER_AUTO, FACET_FIT_NONE, NULL, FACET_ORDER_AUTO, ""},
    {{1, 5, 4}, 3, {2, 5, 4}, FACET_ORDER_AUTO, FACET_FIT_NONE, NULL, FACET_ORDER_AUTO, ""},
    {{1, 1, 60}, 3, {INT64_MAX / 2, 5, 4}, FACET_ORDER_AUTO, FACET_FIT_NONE, NULL, FACET_ORDER_AUTO, ""},
};

static void layouts_meet(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    const layout_case *c = &layouts[i];
    facet_input_layout l;
    facet_fit fit = facet_input_layout_find(c->image, c->axes, c->size, c->asked, &l);
    if (fit != c->fit)
      fail_msg("case %zu: fit %d", i, (int)fit);
    if (fit == FACET_FIT_NONE)
      continue;
    char axis[9] = "";
    for (int a = 0; a < l.axes; a++)
      axis[a] = "cyxi1"[l.axis[a]];
    if (strcmp(axis, c->axis) != 0 || strcmp(facet_input_layout_name(&l), c->name) != 0 || l.order != c->order)
      fail_msg("case %zu: %s, %s, %s", i, axis, facet_input_layout_name(&l), facet_order_name(l.order));
  }
}

static void samples_are_arranged(void **state)
{
  (void)state;
  const float images[12] = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112}; /* two of two channels */
  const float last[12] = {0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112};
  float x[12];
  double one[6], back[6];
  facet_input_layout l = {.order = FACET_CHANNELS_FIRST};
  facet_input_arrange(&l, (facet_image){2, 1, 3}, 2, sizeof *x, images, x);
  assert_memory_equal(x, images, sizeof x);
  l.order = FACET_CHANNELS_LAST;
  facet_input_arrange(&l, (facet_image){2, 1, 3}, 2, sizeof *x, images, x);
  assert_memory_equal(x, last, sizeof x);
  for (int i = 0; i < 6; i++)
    one[i] = i;
  facet_channels_first((facet_image){3, 1, 2}, sizeof *one, one, back);
  assert_memory_equal(back, ((double[]){0, 3, 1, 4, 2, 5}), sizeof back);
}

/* ---- augmentation ---- */

enum { HIGH = 5, WIDE = 7, PLANE = HIGH * WIDE };

static void augmentation_off(void **state)
{
  (void)state;
  const facet_augmentation off = {0};
  float x[PLANE], room[PLANE];
  for (int i = 0; i < PLANE; i++)
    x[i] = (float)(i + 1);
  facet_augment_move(&off, 1, 2, 3, (facet_image){1, HIGH, WIDE}, x, room);
  facet_augment_cut(&off, 1, 2, 3, (facet_image){1, HIGH, WIDE}, x);
  for (int i = 0; i < PLANE; i++)
    assert_true(x[i] == (float)(i + 1));
}

/* Whether x is the picture 1, 2, 3, ... of two channels moved by (dy, dx), mirrored or not. */
static bool is_moved(const float *x, int dy, int dx, bool flip)
{
  for (int i = 0; i < 2 * PLANE; i++) {
    int row = i % PLANE / WIDE + dy, column = (flip ? WIDE - 1 - i % WIDE : i % WIDE) + dx;
    bool inside = row >= 0 && row < HIGH && column >= 0 && column < WIDE;
    if (x[i] != (inside ? (float)(i / PLANE * PLANE + row * WIDE + column + 1) : 0))
      return false;
  }
  return true;
}

/* Every move comes up, about equally often, and it is one of those asked for; the same draw gives the same move. */
static void shift_and_flip(void **state)
{
  (void)state;
  enum { SHIFT = 2, SIDE = 2 * SHIFT + 1, DRAWS = 5000 };
  const facet_augmentation a = {.shift = SHIFT, .flip = true};
  int seen[SIDE][SIDE][2] = {{{0}}};
  for (int n = 0; n < DRAWS; n++) {
    float x[2 * PLANE], again[2 * PLANE], room[2 * PLANE];
    for (int i = 0; i < 2 * PLANE; i++)
      x[i] = again[i] = (float)(i + 1);
    facet_augment_move(&a, 9, n / 50, n % 50, (facet_image){2, HIGH, WIDE}, x, room);
    facet_augment_move(&a, 9, n / 50, n % 50, (facet_image){2, HIGH, WIDE}, again, room);
    assert_memory_equal(x, again, sizeof x);
    int found = 0;
    for (int m = 0; m < SIDE * SIDE * 2; m++)
      if (is_moved(x, m / 2 / SIDE - SHIFT, m / 2 % SIDE - SHIFT, m % 2)) {
        seen[m / 2 / SIDE][m / 2 % SIDE][m % 2]++;
        found++;
      }
    assert_int_equal(found, 1);
  }
  for (int m = 0; m < SIDE * SIDE * 2; m++)
    assert_in_range(seen[m / 2 / SIDE][m / 2 % SIDE][m % 2], DRAWS / (SIDE * SIDE * 2) / 2, DRAWS / (SIDE * SIDE));
}

/* A square is 0 in every channel, around any pixel, cut off at the borders; nothing else is. */
static void cutout(void **state)
{
  (void)state;
  const facet_augmentation a = {.cutout = 3};
  bool seen[HIGH][WIDE] = {{false}};
  for (int n = 0; n < 1000; n++) {
    float x[2 * PLANE];
    for (int i = 0; i < 2 * PLANE; i++)
      x[i] = 1;
    facet_augment_cut(&a, 9, 4, n, (facet_image){2, HIGH, WIDE}, x);
    int found = 0;
    for (int c = 0; c < PLANE; c++) {
      int y = c / WIDE, z = c % WIDE;
      bool good = true;
      for (int i = 0; good && i < 2 * PLANE; i++)
        good = x[i] == (abs(i % PLANE / WIDE - y) <= 1 && abs(i % WIDE - z) <= 1 ? 0 : 1);
      seen[y][z] = seen[y][z] || good;
      found += good;
    }
    assert_int_equal(found, 1);
  }
  for (int c = 0; c < PLANE; c++)
    assert_true(seen[c / WIDE][c % WIDE]);
}

static facet_data_digest digest_of(const facet_dataset *d)
{
  facet_data_digest digest;
  assert_int_equal(facet_dataset_digest(d, &digest), FACET_OK);
  return digest;
}

/* More than one piece, whoever finds which; every pixel and label tells, and what is known is not found again. */
static void digests(void **state)
{
  (void)state;
  enum { COUNT = 3, SIDE = 1600 };
  uint8_t *pixels = facet_allocate(COUNT * SIDE * SIDE, 1);
  int32_t label[COUNT] = {0, 1, 2};
  facet_dataset d = {.count = COUNT, .image = {1, SIDE, SIDE}, .pixels = pixels, .label = label};
  for (size_t i = 0; i < (size_t)COUNT * SIDE * SIDE; i++)
    pixels[i] = (uint8_t)(i * i >> 7);
  facet_data_digest first = digest_of(&d), other;
  assert_int_equal(facet_dataset_pieces(&d), 2);
  char hex[2 * 64 + 1];
  for (int i = 1; i >= 0; i--) {
    char one[65];
    assert_int_equal(facet_dataset_digest_piece(&d, i, one), FACET_OK);
    memcpy(hex + 64 * i, one, 64);
  }
  assert_int_equal(facet_dataset_digest_join(&d, hex, &other), FACET_OK);
  assert_memory_equal(&first, &other, sizeof first);
  for (size_t i = 0; i < (size_t)COUNT * SIDE * SIDE; i += (size_t)COUNT * SIDE * SIDE - 1) {
    pixels[i] ^= 1;
    other = digest_of(&d);
    assert_string_not_equal(first.images, other.images);
    assert_string_equal(first.labels, other.labels);
    pixels[i] ^= 1;
  }
  label[2] = 1;
  other = digest_of(&d);
  assert_string_equal(first.images, other.images);
  assert_string_not_equal(first.labels, other.labels);
  label[2] = 2;
  d.image = (facet_image){1, SIDE * SIDE, 1};
  other = digest_of(&d);
  assert_string_not_equal(first.images, other.images);
  d.digest = first;
  other = digest_of(&d);
  assert_memory_equal(&first, &other, sizeof first);
  facet_free(&pixels);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(idx),
      cmocka_unit_test(gzip_cut_short),
      cmocka_unit_test(gzip_members),
      cmocka_unit_test(gzip_bombs),
      cmocka_unit_test(cifar),
      cmocka_unit_test(numpy),
      cmocka_unit_test(numpy_headers),
      cmocka_unit_test(npy_written),
      cmocka_unit_test(published),
      cmocka_unit_test(numpy_labels),
      cmocka_unit_test(hdf5),
      cmocka_unit_test(hdf5_types),
      cmocka_unit_test(hdf5_elsewhere),
      cmocka_unit_test(no_files),
      cmocka_unit_test(file_becomes_shorter),
      cmocka_unit_test(many_labels),
      cmocka_unit_test(decoded_once),
      cmocka_unit_test(normalization),
      cmocka_unit_test(noise),
      cmocka_unit_test(noise_is_clipped),
      cmocka_unit_test(noise_by_definition),
      cmocka_unit_test(fashion_mnist),
      cmocka_unit_test(cifar10),
      cmocka_unit_test(order_in_files),
      cmocka_unit_test(layouts_meet),
      cmocka_unit_test(samples_are_arranged),
      cmocka_unit_test(augmentation_off),
      cmocka_unit_test(shift_and_flip),
      cmocka_unit_test(cutout),
      cmocka_unit_test(digests),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
