/* Masks to HDF5 and back, and one clear line for each file that does not fit. */
#include <hdf5.h>
#include <stdlib.h>
#include <unistd.h>

#include "nets.h"

static char folder[64], path[96];

/* conv (initializer "a/w") - Flatten - Gemm ("b"). */
static facet_network *small_net(void)
{
  facet_network *n = begin_net((facet_shape){3, {1, 3, 3}});
  double w[200];
  for (uint64_t i = 0; i < 200; i++)
    w[i] = 1 + noise(i) / 2;
  add_numbers(n, "a/w", (facet_shape){4, {2, 1, 2, 2}}, w);
  add_numbers(n, "b", (facet_shape){2, {8, 3}}, w + 20);
  add_node(n, "Conv", "x,a/w", "conv", 0, NULL);
  add_node(n, "Flatten", "conv", "flat", 0, NULL);
  add_node(n, "Gemm", "flat,b", "logits", 0, NULL);
  return end_net(n, "logits");
}

static void round_trip(void **state)
{
  (void)state;
  facet_network *n = small_net();
  facet_mask *mask, *again;
  uint8_t *bytes[2];
  size_t count[2];
  const facet_pruning how = {.method = facet_method_find("magnitude"), .sparsity = 0.4};
  assert_int_equal(facet_mask_create(n, &how, NULL, &mask), FACET_OK);
  for (int turn = 0; turn < 2; turn++) {
    assert_int_equal(facet_mask_write(n, mask, path), FACET_OK);
    assert_int_equal(facet_read_file(path, &bytes[turn], &count[turn]), FACET_OK);
  }
  assert_int_equal(count[0], count[1]);
  assert_memory_equal(bytes[0], bytes[1], count[0]);
  if (facet_mask_read(n, path, &again) != FACET_OK)
    fail_msg("%s", facet_message());
  assert_int_equal(again->layers, 2);
  for (int l = 0; l < 2; l++) {
    assert_int_equal(again->layer[l].value, mask->layer[l].value);
    assert_int_equal(again->layer[l].removed, mask->layer[l].removed);
    assert_memory_equal(again->layer[l].keep, mask->layer[l].keep, (size_t)mask->layer[l].size);
  }
  for (int turn = 0; turn < 2; turn++)
    facet_free(&bytes[turn]);
  facet_mask_destroy(&mask);
  facet_mask_destroy(&again);
  facet_network_destroy(&n);
}

typedef struct {
  hid_t file, group;
} by_hand;

static by_hand file_begin(const char *group)
{
  by_hand f = {H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), -1};
  assert_true(f.file >= 0);
  f.group = H5Gcreate2(f.file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  return f;
}

/* A dataset of `value` everywhere. */
static void add_set(by_hand f, const char *name, hid_t type, int rank, const hsize_t *dim, uint8_t value)
{
  uint8_t byte[64];
  memset(byte, value, sizeof byte);
  hid_t space = H5Screate_simple(rank, dim, NULL);
  hid_t set = H5Dcreate2(f.group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(set >= 0 && H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, byte) >= 0);
  H5Dclose(set);
  H5Sclose(space);
}

static void file_end(by_hand f)
{
  H5Gclose(f.group);
  H5Fclose(f.file);
}

static void refused(facet_status status, const char *why)
{
  facet_network *n = small_net();
  facet_mask *mask;
  char wanted[300];
  snprintf(wanted, sizeof wanted, "%s: %s", path, why);
  assert_int_equal(facet_mask_read(n, path, &mask), status);
  assert_string_equal(facet_message(), wanted);
  assert_null(mask);
  facet_network_destroy(&n);
}

static const hsize_t CONV[4] = {2, 1, 2, 2}, DENSE[2] = {8, 3};

static void node_names_will_do(void **state)
{
  (void)state;
  facet_network *n = small_net();
  facet_mask *mask;
  by_hand f = file_begin("masks");
  add_set(f, "conv", H5T_STD_U8LE, 4, CONV, 0);
  add_set(f, "b", H5T_STD_U8LE, 2, DENSE, 1);
  file_end(f);
  assert_int_equal(facet_mask_read(n, path, &mask), FACET_OK);
  assert_int_equal(mask->layer[0].removed, 8);
  assert_int_equal(mask->layer[1].removed, 0);
  facet_mask_destroy(&mask);
  facet_network_destroy(&n);
}

static void every_fault_has_its_line(void **state)
{
  (void)state;
  unlink(path);
  refused(FACET_NO_INPUT, "No such file or directory");
  assert_int_equal(facet_write_file(path, "no", 2), FACET_OK);
  refused(FACET_BAD_INPUT, "not an HDF5 file, or truncated or damaged");
  file_end(file_begin("other"));
  refused(FACET_BAD_INPUT, "holds no masks: no group /masks");
  by_hand f = file_begin("masks");
  add_set(f, "a|w", H5T_STD_U8LE, 4, CONV, 1);
  file_end(f);
  refused(FACET_BAD_INPUT, "has no mask for b of node logits");
  f = file_begin("masks");
  add_set(f, "a|w", H5T_STD_U8LE, 4, (hsize_t[]){2, 1, 2, 1}, 1);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask a/w is 2 x 1 x 2 x 1 but the weights are 2 x 1 x 2 x 2");
  f = file_begin("masks");
  add_set(f, "a|w", H5T_STD_U8LE, 4, CONV, 1);
  add_set(f, "b", H5T_STD_U8LE, 2, DENSE, 2);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask b holds 2 at place 0: only 0 and 1 make sense");
  f = file_begin("masks");
  add_set(f, "a|w", H5T_NATIVE_FLOAT, 4, CONV, 1);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask a/w is not of 8-bit unsigned integers");
  f = file_begin("masks");
  add_set(f, "a|w", H5T_STD_U8LE, 4, CONV, 1);
  add_set(f, "b", H5T_STD_U8LE, 2, DENSE, 1);
  add_set(f, "c", H5T_STD_U8LE, 2, DENSE, 1);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask c is of no layer of network test");
  f = file_begin("masks"); /* room for its numbers was never taken */
  hid_t space = H5Screate_simple(4, CONV, NULL);
  H5Dclose(H5Dcreate2(f.group, "a|w", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask a/w says more than its file can hold: truncated or damaged");
}

/* A mask of the layer b that is 1 where nothing was written, if it says so; in chunks of `chunk`. */
static hid_t sparse_set(by_hand f, const hsize_t *chunk, bool says)
{
  hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, DENSE, (hsize_t[]){H5S_UNLIMITED, 3});
  H5Pset_chunk(list, 2, chunk);
  H5Pset_deflate(list, 9);
  if (says)
    H5Pset_fill_value(list, H5T_NATIVE_UINT8, &(uint8_t){1});
  hid_t set = H5Dcreate2(f.group, "b", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
  assert_true(set >= 0);
  H5Sclose(space);
  H5Pclose(list);
  return set;
}

/* The first rows of it. */
static void write_rows(hid_t set, hsize_t rows, uint8_t value)
{
  uint8_t byte[24];
  memset(byte, value, sizeof byte);
  hsize_t count[2] = {rows, 3};
  hid_t there = H5Dget_space(set), here = H5Screate_simple(2, count, NULL);
  H5Sselect_hyperslab(there, H5S_SELECT_SET, (hsize_t[]){0, 0}, NULL, count, NULL);
  assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, here, there, H5P_DEFAULT, byte) >= 0);
  H5Sclose(here);
  H5Sclose(there);
}

/* What was never written is the fill value, as HDF5 has it. */
static void parts_never_written(void **state)
{
  (void)state;
  for (int says = 0; says < 2; says++)
    for (hsize_t rows = says ? 0 : 2; rows <= 2; rows += 2) {
      facet_network *n = small_net();
      facet_mask *mask;
      by_hand f = file_begin("masks");
      add_set(f, "conv", H5T_STD_U8LE, 4, CONV, 1);
      hid_t set = sparse_set(f, (hsize_t[]){2, 3}, says);
      if (rows > 0)
        write_rows(set, rows, says ? 0 : 1);
      H5Dclose(set);
      file_end(f);
      if (facet_mask_read(n, path, &mask) != FACET_OK)
        fail_msg("%s", facet_message());
      assert_int_equal(mask->layer[1].removed, says ? 3 * rows : 24 - 3 * rows);
      facet_mask_destroy(&mask);
      facet_network_destroy(&n);
    }
}

static void chunks_larger_than_the_file(void **state)
{
  (void)state;
  by_hand f = file_begin("masks");
  add_set(f, "conv", H5T_STD_U8LE, 4, CONV, 1);
  hid_t set = sparse_set(f, (hsize_t[]){1 << 30, 3}, true);
  assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 0, (hsize_t[]){0, 0}, 9, "no zlib.") >= 0);
  H5Dclose(set);
  file_end(f);
  refused(FACET_BAD_INPUT, "mask b says more than its file can hold: truncated or damaged");
}

/* HDF5 reads zeros where the other file is missing, and all would be removed. */
static void numbers_in_other_files(void **state)
{
  (void)state;
  by_hand f = file_begin("masks");
  add_set(f, "conv", H5T_STD_U8LE, 4, CONV, 1);
  hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, DENSE, NULL);
  H5Pset_virtual(list, space, "missing.h5", "/b", space);
  H5Dclose(H5Dcreate2(f.group, "b", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
  H5Sclose(space);
  H5Pclose(list);
  file_end(f);
  refused(FACET_BAD_INPUT, "the numbers of mask b lie in other files");
}

static void nowhere_to_write(void **state)
{
  (void)state;
  facet_network *n = small_net();
  facet_mask *mask;
  char nowhere[128];
  snprintf(nowhere, sizeof nowhere, "%s/missing/masks.h5", folder);
  assert_int_equal(facet_mask_of_zeros(n, &mask), FACET_OK);
  assert_int_equal(facet_mask_write(n, mask, nowhere), FACET_CANNOT_CREATE);
  facet_mask_destroy(&mask);
  facet_network_destroy(&n);
}

static int make_folder(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/facet-masks-XXXXXX");
  if (!mkdtemp(folder))
    return -1;
  snprintf(path, sizeof path, "%s/masks.h5", folder);
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  unlink(path);
  return rmdir(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(round_trip),
      cmocka_unit_test(node_names_will_do),
      cmocka_unit_test(every_fault_has_its_line),
      cmocka_unit_test(parts_never_written),
      cmocka_unit_test(chunks_larger_than_the_file),
      cmocka_unit_test(numbers_in_other_files),
      cmocka_unit_test(nowhere_to_write),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
