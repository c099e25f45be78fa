/* The ground: messages, memory, text, files, SHA-256, random numbers and the progress line. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/deal.h"
#include "base/process_memory.h"
#include "base/shuffle.h"
#include "base/sorter.h"
#include "near.h"

/* ---- sorting ---- */

static int by_number(const void *left, const void *right)
{
  const int64_t *a = left, *b = right;
  return *a < *b ? -1 : *a > *b;
}

/* `count` numbers, all different, go in shuffled and come out in order. */
static void sort_and_look(int64_t count)
{
  facet_sorter *sorter;
  int64_t *shuffled = test_malloc((size_t)(count + 1) * sizeof *shuffled), next;
  bool found = true;
  facet_random_permutation((facet_random){7, 0}, 0, count, shuffled);
  assert_int_equal(facet_sorter_create(sizeof next, by_number, count, &sorter), FACET_OK);
  for (int64_t i = 0; i < count; i++)
    assert_int_equal(facet_sorter_add(sorter, &shuffled[i]), FACET_OK);
  for (int64_t i = 0; i < count; i++) {
    assert_int_equal(facet_sorter_next(sorter, &next, &found), FACET_OK);
    assert_true(found && next == i);
  }
  assert_int_equal(facet_sorter_next(sorter, &next, &found), FACET_OK);
  assert_false(found);
  facet_sorter_destroy(&sorter);
  test_free(shuffled);
}

static void test_sorting(void **state)
{
  (void)state;
  const int64_t counts[] = {0, 1, 5, 16384, 16385, 3 * 16384, 100001, 5000000};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
    sort_and_look(counts[i]);
  assert_true(facet_sorter_bytes(8, 4000000) == facet_sorter_bytes(8, 20000));
  assert_true(facet_sorter_bytes(24, 1000000) < 1 << 19);
}

static void test_sorting_without_room(void **state)
{
  (void)state;
  facet_sorter *sorter;
  facet_status status = FACET_OK;
  const char *before = getenv("TMPDIR");
  char *kept = facet_copy_text(before);
  setenv("TMPDIR", "/nowhere", 1);
  assert_int_equal(facet_sorter_create(sizeof(int64_t), by_number, 20000, &sorter), FACET_OK);
  for (int64_t i = 0; i < 20000 && status == FACET_OK; i++)
    status = facet_sorter_add(sorter, &i);
  assert_int_equal(status, FACET_IO);
  assert_non_null(strstr(facet_message(), "/nowhere, the folder TMPDIR"));
  facet_sorter_destroy(&sorter);
  if (kept)
    setenv("TMPDIR", kept, 1);
  else
    unsetenv("TMPDIR");
  facet_free(&kept);
}

/* ---- status ---- */

static void test_message(void **state)
{
  (void)state;
  assert_int_equal(facet_raise(FACET_BAD_INPUT, "layer %d is %s", 3, "wrong"), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "layer 3 is wrong");
  assert_int_equal(facet_raise_in(FACET_BAD_INPUT, "%s: ", "m.onnx"), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "m.onnx: layer 3 is wrong");
  (void)facet_raise(FACET_INTERNAL, "again: %s", facet_message());
  assert_string_equal(facet_message(), "again: m.onnx: layer 3 is wrong");
}

static void test_message_is_one_line(void **state)
{
  (void)state;
  (void)facet_raise(FACET_INTERNAL, "first\nsecond\tthird\n");
  assert_string_equal(facet_message(), "first second third");
  char *text = malloc(100001);
  assert_non_null(text);
  memset(text, 'x', 100000);
  text[100000] = '\0';
  (void)facet_raise(FACET_INTERNAL, "%s", text);
  (void)facet_raise_in(FACET_INTERNAL, "%s", text);
  assert_in_range(strlen(facet_message()), 1000, 10000);
  free(text);
}

static facet_status checked(int x)
{
  FACET_CHECK(x > 0, FACET_USAGE, "%d is not positive", x);
  return FACET_OK;
}

static facet_status passed_up(int x, bool *went_on)
{
  FACET_TRY(checked(x));
  *went_on = true;
  return FACET_OK;
}

static facet_status jumped(int x, bool *cleaned)
{
  facet_status status = FACET_OK;
  FACET_GO(out, status, checked(x));
out:
  *cleaned = true;
  return status;
}

static void test_macros(void **state)
{
  (void)state;
  bool went_on = false, cleaned = false;
  assert_int_equal(passed_up(-4, &went_on), FACET_USAGE);
  assert_false(went_on);
  assert_string_equal(facet_message(), "-4 is not positive");
  assert_int_equal(passed_up(4, &went_on), FACET_OK);
  assert_true(went_on);
  assert_int_equal(jumped(-4, &cleaned), FACET_USAGE);
  assert_true(cleaned);
}

/* ---- memory ---- */

static void test_allocate(void **state)
{
  (void)state;
  for (size_t count = 0; count < 200; count++) {
    unsigned char *bytes = facet_allocate(count, 3);
    assert_non_null(bytes);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    for (size_t i = 0; i < 3 * count; i++)
      assert_int_equal(bytes[i], 0);
    memset(bytes, 0xff, 3 * count);
    facet_free(&bytes);
    assert_null(bytes);
    facet_free(&bytes);
  }
}

/* Also where it is not touched for that, was somebody's before, and of whatever length. */
static void test_large_memory_is_zeroed(void **state)
{
  (void)state;
  facet_memory_measured(true);
  for (size_t count = (1 << 20) - 300; count < (9 << 20); count += 999999) {
    for (int again = 0; again < 3; again++) {
      unsigned char *bytes = facet_allocate(count, 1), seen = 0;
      assert_non_null(bytes);
      for (size_t i = 0; i < count; i++)
        seen |= bytes[i];
      assert_int_equal(seen, 0);
      memset(bytes, 0xff, count);
      facet_free(&bytes);
    }
  }
  double before, now, most;
  facet_memory_resident(&before, &most);
  char *large = facet_allocate(64 << 20, 1);
  facet_memory_resident(&now, &most);
  assert_non_null(large);
  assert_true(now - before < 0x1p20);
  facet_free(&large);
  facet_memory_measured(false);
}

static void test_allocate_too_much(void **state)
{
  (void)state;
  (void)facet_raise(FACET_USAGE, "earlier");
  assert_null(facet_allocate(SIZE_MAX / 2, 4));
  assert_memory_equal(facet_message(), "out of memory", 13);
  assert_null(facet_allocate(SIZE_MAX - 10, 1));
  assert_null(facet_allocate(1, SIZE_MAX));
}

static void test_grow(void **state)
{
  (void)state;
  int *array = NULL;
  assert_int_equal(facet_grow(&array, 0, 3, sizeof *array), FACET_OK);
  for (int i = 0; i < 3; i++)
    array[i] = i + 1;
  assert_int_equal(facet_grow(&array, 3, 100, sizeof *array), FACET_OK);
  for (int i = 0; i < 100; i++)
    assert_int_equal(array[i], i < 3 ? i + 1 : 0);
  int *kept = array;
  assert_int_equal(facet_grow(&array, 100, SIZE_MAX / 2, sizeof *array), FACET_OS);
  assert_ptr_equal(array, kept);
  assert_int_equal(array[2], 3);
  assert_int_equal(facet_grow(&array, 100, 2, sizeof *array), FACET_OK);
  assert_int_equal(array[1], 2);
  facet_free(&array);
}

static void test_type_sizes(void **state)
{
  (void)state;
  assert_int_equal(facet_type_size(FACET_F32), 4);
  assert_int_equal(facet_type_size(FACET_F64), 8);
  assert_int_equal(facet_type_size(FACET_I64), 8);
}

/* ---- text ---- */

static void assert_text(char *text, const char *wanted)
{
  assert_non_null(text);
  assert_string_equal(text, wanted);
  facet_free(&text);
}

static void test_text(void **state)
{
  (void)state;
  assert_text(facet_format("%s-%s-%.2f", "magnitude", "global", 0.95), "magnitude-global-0.95");
  assert_text(facet_format("%s", ""), "");
  assert_text(facet_copy_text("copy"), "copy");
  assert_null(facet_copy_text(NULL));
  char *wide = facet_format("%5000d", 7);
  assert_non_null(wide);
  assert_int_equal(strlen(wide), 5000);
  facet_free(&wide);
}

static void test_among(void **state)
{
  (void)state;
  char one[] = "one", two[] = "two", *const item[] = {one, two};
  assert_true(facet_is_among("two", item, 2) && facet_is_among("one", item, 1));
  assert_true(!facet_is_among("two", item, 1) && !facet_is_among("on", item, 2) && !facet_is_among("one", item, 0));
}

static void test_append(void **state)
{
  (void)state;
  char text[12] = "";
  facet_append(text, sizeof text, ", ", "%s", "a");
  facet_append(text, sizeof text, ", ", "%d", 12);
  assert_string_equal(text, "a, 12");
  facet_append(text, sizeof text, ", ", "%s", "long words");
  assert_string_equal(text, "a, 12, long");
  facet_append(text, sizeof text, ", ", "%s", "x");
  assert_string_equal(text, "a, 12, long");
}

static void test_path_beside(void **state)
{
  (void)state;
  assert_text(facet_path_beside("jobs/demo.yaml", "../data/x"), "jobs/../data/x");
  assert_text(facet_path_beside("/a/b/demo.yaml", "x.onnx"), "/a/b/x.onnx");
  assert_text(facet_path_beside("/demo.yaml", "x"), "/x");
  assert_text(facet_path_beside("demo.yaml", "x"), "x");
  assert_text(facet_path_beside("jobs/demo.yaml", "/abs/x"), "/abs/x");
}

/* ---- files: each test has a folder of its own ---- */

typedef struct {
  char folder[64];
} place;

static char *within(const place *p, const char *name)
{
  char *path = facet_format("%s/%s", p->folder, name);
  assert_non_null(path);
  return path;
}

static int make_place(void **state)
{
  place *p = calloc(1, sizeof *p);
  if (!p)
    return -1;
  snprintf(p->folder, sizeof p->folder, "/tmp/facet-test-XXXXXX");
  *state = p;
  return mkdtemp(p->folder) ? 0 : -1;
}

static int count_entries(const char *folder, bool erase)
{
  DIR *entries = opendir(folder);
  int count = 0;
  for (struct dirent *entry; entries && (entry = readdir(entries));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      count++;
      if (erase) {
        char *path = facet_format("%s/%s", folder, entry->d_name);
        if (path && remove(path) != 0)
          count_entries(path, true);
        if (path)
          remove(path);
        facet_free(&path);
      }
    }
  if (entries)
    closedir(entries);
  return count;
}

static int remove_place(void **state)
{
  place *p = *state;
  count_entries(p->folder, true);
  int status = rmdir(p->folder);
  free(p);
  return status;
}

static void assert_holds(const char *path, const void *wanted, size_t count)
{
  uint8_t *bytes = NULL;
  size_t got = 0;
  if (facet_read_file(path, &bytes, &got) != FACET_OK)
    fail_msg("%s", facet_message());
  assert_int_equal(got, count);
  assert_memory_equal(bytes, wanted, count);
  assert_int_equal(bytes[count], 0);
  facet_free(&bytes);
}

static void test_path_tidy(void **state)
{
  (void)state;
  const struct {
    const char *path;
    size_t real;
    const char *wanted;
  } c[] = {{"/a//b/./c", 0, "/a/b/c"}, {"/a/b/../c", 4, "/a/c"}, {"/a/b/../c", 2, "/a/b/../c"}, {"/a/../..", 2, "/"}};
  for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
    char *path = facet_copy_text(c[i].path);
    assert_non_null(path);
    facet_path_tidy(path, c[i].real);
    assert_text(path, c[i].wanted);
  }
}

static void test_space(void **state)
{
  (void)state;
  assert_int_equal(facet_space_check("/tmp/x", 1), FACET_OK);
  assert_int_equal(facet_space_check("/tmp/x", 1e18), FACET_IO);
  assert_non_null(strstr(facet_message(), "/tmp/x: no space left: 1000000000.00 GB needed, "));
  assert_int_equal(facet_space_check("/nowhere/x", 1e18), FACET_OK); /* cannot be asked */
  assert_int_equal(facet_space_reserve("/tmp/x", "/nowhere/x.new"), FACET_CANNOT_CREATE);
}

static void test_write_and_read(void **state)
{
  const place *p = *state;
  char *path = within(p, "file");
  assert_false(facet_exists(path));
  assert_int_equal(facet_write_file(path, "first", 5), FACET_OK);
  assert_true(facet_exists(path));
  assert_holds(path, "first", 5);
  assert_int_equal(facet_write_file(path, "a\0b", 3), FACET_OK);
  assert_holds(path, "a\0b", 3);
  assert_int_equal(facet_write_file(path, NULL, 0), FACET_OK);
  assert_holds(path, "", 0);
  enum { LARGE = 3000000 };
  char *large = malloc(LARGE);
  assert_non_null(large);
  for (int i = 0; i < LARGE; i++)
    large[i] = (char)(i % 251);
  assert_int_equal(facet_write_file(path, large, LARGE), FACET_OK);
  assert_holds(path, large, LARGE);
  free(large);
  assert_int_equal(count_entries(p->folder, false), 1);
  facet_free(&path);
}

/* A file whose size the system does not tell: 0 bytes, it says, and yet there is something. */
static void test_read_of_unknown_size(void **state)
{
  (void)state;
  uint8_t *bytes = NULL;
  size_t count = 0;
  assert_int_equal(facet_read_file("/proc/self/smaps", &bytes, &count), FACET_OK);
  assert_true(count > 4096);
  assert_int_equal(bytes[count], 0);
  facet_free(&bytes);
}

static void test_read_of_what_is_not_there(void **state)
{
  const place *p = *state;
  uint8_t *bytes = (uint8_t *)1;
  size_t count = 1;
  char *path = within(p, "missing");
  char *wanted = facet_format("%s: No such file or directory", path);
  assert_int_equal(facet_read_file(path, &bytes, &count), FACET_NO_INPUT);
  assert_string_equal(facet_message(), wanted);
  assert_null(bytes);
  assert_int_equal(count, 0);
  assert_int_equal(facet_read_file(p->folder, &bytes, &count), FACET_NO_INPUT);
  assert_non_null(strstr(facet_message(), "is a folder"));
  facet_free(&path);
  facet_free(&wanted);
}

static void test_write_where_nothing_can_be(void **state)
{
  const place *p = *state;
  char *missing = within(p, "no-such-folder/file"), *file = within(p, "file"), *under = within(p, "file/below");
  assert_int_equal(facet_write_file(missing, "x", 1), FACET_CANNOT_CREATE);
  assert_non_null(strstr(facet_message(), "no-such-folder/file: cannot be created: No such file or directory"));
  assert_int_equal(facet_write_file(p->folder, "x", 1), FACET_CANNOT_CREATE);
  assert_int_equal(count_entries(p->folder, false), 0);
  assert_int_equal(facet_write_file(file, "x", 1), FACET_OK);
  assert_int_equal(facet_write_file(under, "x", 1), FACET_CANNOT_CREATE);
  assert_holds(file, "x", 1);
  facet_free(&missing);
  facet_free(&file);
  facet_free(&under);
}

/* A disk that fills up in the middle of a file: the old file stays whole, and no temporary is left behind. */
static void test_write_to_a_disk_that_fills_up(void **state)
{
  const place *p = *state;
  char *path = within(p, "file");
  assert_int_equal(facet_write_file(path, "old", 3), FACET_OK);
  struct rlimit before, tight;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  tight = before;
  tight.rlim_cur = 1000;
  char *bytes = calloc(1, 5000);
  assert_non_null(bytes);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
  facet_status status = facet_write_file(path, bytes, 5000);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  assert_int_equal(status, FACET_IO);
  assert_non_null(strstr(facet_message(), "cannot be written: "));
  assert_holds(path, "old", 3);
  assert_int_equal(count_entries(p->folder, false), 1);
  free(bytes);
  facet_free(&path);
}

static void test_temporaries_are_removed(void **state)
{
  const place *p = *state;
  const char *const name[] = {"a.facet-part-1",  "b.facet-part-x.facet-part-22",
                              "c.facet-part-33", "c.facet-part-",
                              "d.facet-part-3x", "facet-part-4",
                              "e.part-00"};
  for (int i = 0; i < 7; i++) {
    char *path = within(p, name[i]);
    assert_int_equal(facet_write_file(path, "x", 1), FACET_OK);
    facet_free(&path);
  }
  char *one = within(p, "c");
  facet_remove_temporaries_of(one);
  facet_free(&one);
  for (int i = 0; i < 7; i++) {
    char *path = within(p, name[i]);
    assert_int_equal(facet_exists(path), i != 2);
    facet_free(&path);
  }
  facet_remove_temporaries(p->folder);
  for (int i = 0; i < 7; i++) {
    char *path = within(p, name[i]);
    assert_int_equal(facet_exists(path), i > 2);
    facet_free(&path);
  }
  char *missing = within(p, "no-such-folder");
  facet_remove_temporaries(missing); /* nothing is there, nothing happens */
  assert_false(facet_exists(missing));
  facet_free(&missing);
}

/* The kernel's own full disk. It must say so, and must itself still be a device afterwards. */
static void test_write_to_a_full_device(void **state)
{
  (void)state;
  struct stat about;
  if (stat("/dev/full", &about) != 0 || !S_ISCHR(about.st_mode)) {
    print_message("no /dev/full here\n");
    skip();
  }
  assert_int_equal(facet_write_file("/dev/full", "x", 1), FACET_IO);
  assert_string_equal(facet_message(), "/dev/full: cannot be written: No space left on device");
  assert_int_equal(stat("/dev/full", &about), 0);
  assert_true(S_ISCHR(about.st_mode));
}

static void test_make_folder(void **state)
{
  const place *p = *state;
  char *deep = within(p, "a/b/c"), *slashed = within(p, "a//d/"), *file = within(p, "a/file"),
       *under = within(p, "a/file/e");
  assert_int_equal(facet_make_folder(deep), FACET_OK);
  assert_int_equal(facet_make_folder(deep), FACET_OK);
  assert_int_equal(facet_make_folder(slashed), FACET_OK);
  assert_true(facet_exists(deep));
  assert_true(facet_exists(slashed));
  assert_int_equal(facet_write_file(file, "x", 1), FACET_OK);
  assert_int_equal(facet_make_folder(file), FACET_CANNOT_CREATE);
  assert_non_null(strstr(facet_message(), "a/file: cannot be created: Not a directory"));
  assert_int_equal(facet_make_folder(under), FACET_CANNOT_CREATE);
  assert_int_equal(facet_make_folder(""), FACET_CANNOT_CREATE);
  facet_free(&deep);
  facet_free(&slashed);
  facet_free(&file);
  facet_free(&under);
}

/* ---- SHA-256: the examples of FIPS 180-2 ---- */

static void assert_digest(const char *text, size_t piece, const char *wanted)
{
  facet_sha256 *digest = NULL;
  char hex[65];
  assert_int_equal(facet_sha256_begin(&digest), FACET_OK);
  for (size_t at = 0, length = strlen(text); at < length; at += piece)
    assert_int_equal(facet_sha256_add(digest, text + at, length - at < piece ? length - at : piece), FACET_OK);
  assert_int_equal(facet_sha256_end(&digest, hex), FACET_OK);
  assert_null(digest);
  assert_string_equal(hex, wanted);
}

static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void test_sha256(void **state)
{
  (void)state;
  assert_digest("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_digest("abc", 3, of_abc);
  assert_digest("abc", 1, of_abc);
  assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 7,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  char *million = malloc(1000001);
  assert_non_null(million);
  memset(million, 'a', 1000000);
  million[1000000] = '\0';
  assert_digest(million, 4096, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(million);
}

static void test_sha256_of_a_file(void **state)
{
  const place *p = *state;
  char *path = within(p, "abc"), hex[65];
  assert_int_equal(facet_sha256_file(path, hex), FACET_NO_INPUT);
  assert_int_equal(facet_write_file(path, "abc", 3), FACET_OK);
  assert_int_equal(facet_sha256_file(path, hex), FACET_OK);
  assert_string_equal(hex, of_abc);
  assert_int_equal(facet_sha256_file(p->folder, hex), FACET_IO);
  facet_sha256 *digest = NULL;
  assert_int_equal(facet_sha256_begin(&digest), FACET_OK);
  facet_sha256_drop(&digest);
  assert_null(digest);
  facet_sha256_drop(&digest);
  facet_free(&path);
}

/* ---- random numbers ---- */

/* The three philox4x32-10 lines of Random123's file of known answers: counter, key, result. */
static void test_philox_known_answers(void **state)
{
  (void)state;
  const uint32_t known[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
       0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
       0x24126ea1},
  };
  for (int i = 0; i < 3; i++) {
    const uint32_t *k = known[i];
    uint32_t bits[4];
    facet_random_bits((facet_random){.seed = k[4], .stream = k[5]}, (uint64_t)k[1] << 32 | k[0],
                      (uint64_t)k[3] << 32 | k[2], bits);
    assert_memory_equal(bits, k + 6, sizeof bits);
  }
}

static const facet_random some = {.seed = 11, .stream = 99};

/* What a number depends on: each of the four, and nothing else. */
static void test_place_decides(void **state)
{
  (void)state;
  double x = facet_random_uniform(some, 5, 6);
  assert_true(x == facet_random_uniform(some, 5, 6));
  assert_true(x != facet_random_uniform(some, 6, 5));
  assert_true(x != facet_random_uniform(some, 5, 7));
  assert_true(x != facet_random_uniform(some, 5 + ((uint64_t)1 << 32), 6));
  assert_true(x != facet_random_uniform(some, 5, 6 + ((uint64_t)1 << 32)));
  assert_true(x != facet_random_uniform((facet_random){.seed = 12, .stream = 99}, 5, 6));
  assert_true(x != facet_random_uniform((facet_random){.seed = 11, .stream = 98}, 5, 6));
}

static void test_uniform(void **state)
{
  (void)state;
  enum { EXPECTED = 4000, BINS = 64, DRAWS = EXPECTED * BINS };
  double seen[BINS] = {0}, chi_square = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    double x = facet_random_uniform(some, 0, i);
    assert_true(x > 0 && x < 1);
    seen[(int)(x * BINS)]++;
  }
  for (int b = 0; b < BINS; b++)
    chi_square += pow(seen[b] - EXPECTED, 2) / EXPECTED;
  assert_near(chi_square, 63, 56); /* 63 degrees of freedom, 5 standard deviations of 11.2 */
}

/* Moments of n = 200,000 normals, each to 5 standard deviations of its own scatter, and the pair's correlation. */
static void test_normal(void **state)
{
  (void)state;
  enum { PAIRS = 100000 };
  double sum[5] = {0}, product = 0, far = 0;
  const double n = 2.0 * PAIRS;
  for (uint64_t i = 0; i < PAIRS; i++) {
    double pair[2];
    facet_random_normal(some, 1, i, pair);
    for (int j = 0; j < 2; j++) {
      for (int m = 1; m <= 4; m++)
        sum[m] += pow(pair[j], m);
      far += fabs(pair[j]) > 1.959963984540054;
    }
    product += pair[0] * pair[1];
  }
  assert_near(sum[1] / n, 0, 5 * sqrt(1 / n));
  assert_near(sum[2] / n, 1, 5 * sqrt(2 / n));
  assert_near(sum[3] / n, 0, 5 * sqrt(15 / n));
  assert_near(sum[4] / n, 3, 5 * sqrt(96 / n));
  assert_near(product / PAIRS, 0, 5 * sqrt(1.0 / PAIRS));
  assert_near(far / n, 0.05, 5 * sqrt(0.05 * 0.95 / n));
}

static void test_permutation(void **state)
{
  (void)state;
  enum { COUNT = 1000, EXPECTED = 1000, TRIALS = 6 * EXPECTED };
  int64_t order[COUNT], again[COUNT], other[COUNT];
  bool seen[COUNT] = {false};
  facet_random_permutation(some, 3, COUNT, order);
  facet_random_permutation(some, 3, COUNT, again);
  facet_random_permutation(some, 4, COUNT, other);
  assert_memory_equal(order, again, sizeof order);
  assert_memory_not_equal(order, other, sizeof order);
  for (int i = 0; i < COUNT; i++) {
    assert_in_range(order[i], 0, COUNT - 1);
    assert_false(seen[order[i]]);
    seen[order[i]] = true;
  }
  double orders[27] = {0}, chi_square = 0; /* all six orders of three are equally likely */
  for (uint64_t t = 0; t < TRIALS; t++) {
    facet_random_permutation(some, t, 3, order);
    orders[9 * order[0] + 3 * order[1] + order[2]]++;
  }
  for (int i = 0; i < 27; i++)
    chi_square += orders[i] > 0 ? pow(orders[i] - EXPECTED, 2) / EXPECTED : 0;
  assert_true(chi_square < 25); /* 5 degrees of freedom: 1 in 7,000 */
  order[0] = 77;
  facet_random_permutation(some, 3, 0, order);
  assert_int_equal(order[0], 77);
  facet_random_permutation(some, 3, 1, order);
  assert_int_equal(order[0], 0);
}

/* Places in any order, pieces across the ends of windows, two orders in turn. */
static void test_shuffle(void **state)
{
  (void)state;
  const int64_t counts[] = {1, 1000, FACET_SHUFFLE_WINDOW, FACET_SHUFFLE_WINDOW + 1, 3 * FACET_SHUFFLE_WINDOW + 77};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    int64_t n = counts[c], *whole = calloc((size_t)n, sizeof *whole), *piece = calloc((size_t)n, sizeof *piece);
    facet_shuffle *shuffle;
    assert_non_null(whole);
    assert_non_null(piece);
    size_t before = facet_memory_in_use();
    assert_int_equal(facet_shuffle_create(some, n, &shuffle), FACET_OK);
    assert_true(facet_memory_in_use() - before <= 16 * FACET_SHUFFLE_WINDOW + 512);
    for (uint64_t sample = 3; sample < 6; sample++) {
      const int64_t first[] = {0, n / 3, n / 2, 0}, count[] = {n, n - n / 3, n / 2 > 100 ? 100 : n / 2, n / 3};
      facet_random_permutation(some, sample % 2, n, whole);
      for (int i = 0; i < 4; i++) {
        facet_shuffle_take(shuffle, sample % 2, first[i], count[i], piece);
        assert_memory_equal(piece, whole + first[i], (size_t)count[i] * sizeof *piece);
      }
    }
    facet_shuffle_destroy(&shuffle);
    free(whole);
    free(piece);
  }
}

/* ---- progress, as it looks in a log and on a terminal ---- */

/* Runs a stage of 200 units with stderr going to `file`. */
static void run_stage(int file, bool quiet, int64_t last)
{
  int kept = dup(STDERR_FILENO);
  fflush(stderr);
  dup2(file, STDERR_FILENO);
  facet_progress *progress = NULL;
  facet_status status = facet_progress_begin(&progress, "train dense", "samples", 200, quiet);
  for (int64_t i = 1; status == FACET_OK && i <= last; i++) {
    facet_progress_note(progress, "loss %.2f", 1.0 / (double)i);
    facet_progress_at(progress, i);
    if (isatty(file) && i % 10 == 0) /* a log has a line every ten seconds, which a busy machine would reach */
      nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  facet_progress_end(&progress);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  assert_int_equal(status, FACET_OK);
  assert_null(progress);
}

static void read_log(const place *p, bool quiet, int64_t last, char *text, size_t bytes)
{
  char *path = within(p, "log");
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  assert_true(file >= 0);
  run_stage(file, quiet, last);
  ssize_t got = pread(file, text, bytes - 1, 0);
  assert_true(got >= 0);
  text[got] = '\0';
  close(file);
  facet_free(&path);
}

static void test_progress_in_a_log(void **state)
{
  char text[4096];
  read_log(*state, false, 200, text, sizeof text);
  assert_memory_equal(text, "train dense: 200 samples in 0:0", 31);
  assert_non_null(strstr(text, "/s  loss 0.01\n"));
  assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
  read_log(*state, false, 50, text, sizeof text);
  assert_memory_equal(text, "train dense: stopped at 50 of 200 samples in 0:0", 48);
  read_log(*state, true, 20, text, sizeof text);
  assert_string_equal(text, "");
}

/* What a terminal of so many columns receives. False: there are no pseudo-terminals here. */
static bool read_terminal(unsigned short columns, char *text, size_t bytes)
{
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
    return false;
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  assert_true(slave >= 0);
  assert_int_equal(ioctl(slave, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = columns}), 0);
  run_stage(slave, false, 200);
  close(slave);
  size_t filled = 0;
  for (ssize_t got; (got = read(master, text + filled, bytes - 1 - filled)) > 0;) /* an error once it is drained */
    filled += (size_t)got;
  text[filled] = '\0';
  close(master);
  return true;
}

static void test_progress_on_a_terminal(void **state)
{
  (void)state;
  const unsigned short columns[] = {120, 80, 30};
  for (int c = 0; c < 3; c++) {
    char text[16384];
    if (!read_terminal(columns[c], text, sizeof text)) {
      print_message("no pseudo-terminal here\n");
      skip();
    }
    assert_non_null(strstr(text, "train dense [#"));
    assert_non_null(strstr(text, "\r\033[Ktrain dense: 200 samples in "));
    int drawn = 0;
    for (const char *at = text; (at = strstr(at, "\r\033[K")); drawn++) {
      at += strlen("\r\033[K");
      const char *bar_end = strchr(at, '\r');
      if (strncmp(at, "train dense [", 13) != 0) /* the last line need not be redrawn and may wrap */
        continue;
      assert_non_null(bar_end);
      assert_true(bar_end - at < columns[c]);
      assert_int_equal(columns[c] >= 80, memmem(at, (size_t)(bar_end - at), " left  loss ", 12) != NULL);
    }
    assert_in_range(drawn, 3, 100); /* 0.4 s and more, a drawing every 0.1 s, and the end */
  }
}

static void test_memory_in_use(void **state)
{
  (void)state;
  size_t before = facet_memory_in_use();
  char *p = facet_allocate(1000, 100);
  assert_true(facet_memory_in_use() >= before + 100000 && facet_memory_in_use() < before + 110000);
  assert_int_equal(facet_grow(&p, 100000, 300000, 1), FACET_OK);
  assert_true(facet_memory_in_use() >= before + 300000 && facet_memory_in_use() < before + 310000);
  facet_free(&p);
  assert_int_equal(facet_memory_in_use(), before);
}

static void take(facet_range piece, int *dealt)
{
  for (int64_t i = piece.first; i < piece.end; i++)
    dealt[i]++;
}

/* Every unit goes to one rank, whoever asks; a rank begins in its own share, and goes on in it. */
static void test_dealing(void **state)
{
  (void)state;
  enum { UNITS = 60 };
  for (int ranks = 1; ranks <= 7; ranks += 3)
    for (int slow = 0; slow < ranks; slow++) {
      int dealt[UNITS] = {0};
      facet_deal deal;
      assert_int_equal(facet_deal_begin(ranks, UNITS, &deal), FACET_OK);
      for (int i = 0; i < UNITS; i++)
        facet_deal_add(&deal, 1 + i % 5);
      for (int r = 0; r < ranks; r++) {
        facet_range first = facet_deal_first(&deal, r), rest = deal.share[r];
        assert_true(first.first < first.end && first.end == rest.first);
        assert_true(ranks == 1 ? rest.end == UNITS && facet_range_is_empty(rest) : rest.first < rest.end);
        take(first, dealt);
      }
      if (ranks > 1) {
        int64_t begun = deal.share[slow].first;
        facet_range own = facet_deal_next(&deal, slow);
        assert_true(own.first == begun && own.end > begun);
        take(own, dealt);
      }
      for (int asks = 0, other = 0; asks < UNITS; asks++, other = (other + 1) % ranks)
        if (other != slow || ranks == 1)
          take(facet_deal_next(&deal, other), dealt);
      assert_true(facet_range_is_empty(facet_deal_next(&deal, slow)));
      for (int i = 0; i < UNITS; i++)
        assert_int_equal(dealt[i], 1);
      facet_deal_clear(&deal);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_message),
      cmocka_unit_test(test_message_is_one_line),
      cmocka_unit_test(test_macros),
      cmocka_unit_test(test_allocate),
      cmocka_unit_test(test_large_memory_is_zeroed),
      cmocka_unit_test(test_memory_in_use),
      cmocka_unit_test(test_allocate_too_much),
      cmocka_unit_test(test_grow),
      cmocka_unit_test(test_type_sizes),
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_append),
      cmocka_unit_test(test_among),
      cmocka_unit_test(test_path_beside),
      cmocka_unit_test(test_path_tidy),
      cmocka_unit_test(test_space),
      cmocka_unit_test_setup_teardown(test_write_and_read, make_place, remove_place),
      cmocka_unit_test(test_read_of_unknown_size),
      cmocka_unit_test_setup_teardown(test_read_of_what_is_not_there, make_place, remove_place),
      cmocka_unit_test_setup_teardown(test_write_where_nothing_can_be, make_place, remove_place),
      cmocka_unit_test_setup_teardown(test_write_to_a_disk_that_fills_up, make_place, remove_place),
      cmocka_unit_test_setup_teardown(test_temporaries_are_removed, make_place, remove_place),
      cmocka_unit_test(test_write_to_a_full_device),
      cmocka_unit_test_setup_teardown(test_make_folder, make_place, remove_place),
      cmocka_unit_test(test_sha256),
      cmocka_unit_test_setup_teardown(test_sha256_of_a_file, make_place, remove_place),
      cmocka_unit_test(test_philox_known_answers),
      cmocka_unit_test(test_place_decides),
      cmocka_unit_test(test_uniform),
      cmocka_unit_test(test_normal),
      cmocka_unit_test(test_permutation),
      cmocka_unit_test(test_shuffle),
      cmocka_unit_test(test_dealing),
      cmocka_unit_test(test_sorting),
      cmocka_unit_test(test_sorting_without_room),
      cmocka_unit_test_setup_teardown(test_progress_in_a_log, make_place, remove_place),
      cmocka_unit_test(test_progress_on_a_terminal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
