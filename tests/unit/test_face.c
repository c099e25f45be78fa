/* The library as its users have it: nothing but <facet/facet.h>, from a file to a certified linearization of a pruned
 * network; and what makes no sense is refused with a line, not taken. */
#include <facet/facet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* needs the above */

enum { SIDE = 6, INPUTS = SIDE * SIDE, CLASSES = 4, SAMPLES = 3 };

static facet_network *make_network(void)
{
  facet_network *n = NULL;
  const int64_t conv[] = {8, 8}, dense[] = {12};
  assert_int_equal(
      facet_network_plain(&(facet_plain){(facet_shape){3, {1, SIDE, SIDE}}, 2, conv, 1, dense, CLASSES, 5}, &n),
      FACET_OK);
  return n;
}

static void fill_samples(float *x)
{
  for (int i = 0; i < SAMPLES * INPUTS; i++)
    x[i] = (float)((i * 37) % 101) / 50 - 1;
}

static void properties(void **state)
{
  (void)state;
  facet_network *n = make_network();
  facet_parameter *list;
  int count, weights = 0;
  int64_t size = 0;
  assert_int_equal(facet_network_inputs(n), INPUTS);
  assert_int_equal(facet_network_outputs(n), CLASSES);
  assert_int_equal(facet_network_parameter_list(n, &list, &count), FACET_OK);
  for (int i = 0; i < count; i++) {
    double *numbers = malloc((size_t)list[i].size * sizeof *numbers);
    assert_int_equal(list[i].size, facet_shape_size(facet_network_value_shape(n, list[i].value)));
    assert_true(list[i].node >= 0 && list[i].node < facet_network_nodes(n));
    assert_int_equal(facet_network_numbers(n, list[i].value, numbers), FACET_OK);
    numbers[0] = 0.25;
    assert_int_equal(facet_network_set_numbers(n, list[i].value, numbers), FACET_OK);
    numbers[0] = 0;
    assert_int_equal(facet_network_numbers(n, list[i].value, numbers), FACET_OK);
    assert_true(numbers[0] == 0.25);
    free(numbers);
    if (list[i].role == FACET_WEIGHT && weights++ == 0)
      assert_string_equal(facet_network_node_type(n, list[i].node), "Conv");
    size += list[i].size;
  }
  assert_int_equal(weights, 4);
  assert_int_equal(facet_network_parameters(n), size);
  assert_int_equal(facet_network_numbers(n, -1, NULL), FACET_INTERNAL);
  assert_false(facet_network_softmax_stripped(n));
  facet_free(&list);
  assert_null(list);
  facet_network_destroy(&n);
  assert_null(n);
}

/* Half of the weights go; what is left is written, read again and explained in double by the reference. */
static void from_pruning_to_a_certificate(void **state)
{
  (void)state;
  facet_network *n = make_network(), *again = NULL;
  facet_mask *mask = NULL;
  facet_executor *executor = NULL;
  char path[] = "/tmp/facet-face-XXXXXX";
  float single[SAMPLES * INPUTS];
  double x[SAMPLES * INPUTS], w[SAMPLES * CLASSES * INPUTS], b[SAMPLES * CLASSES], residual[SAMPLES];
  int32_t row[SAMPLES * CLASSES], ties[SAMPLES];
  const facet_pruning how = {.method = facet_method_find("magnitude"), .sparsity = 0.5};
  close(mkstemp(path));
  assert_int_equal(facet_mask_create(n, &how, NULL, &mask), FACET_OK);
  int64_t size = 0, removed = 0;
  for (int l = 0; l < facet_mask_layers(mask); l++) {
    size += facet_mask_layer(mask, l)->size;
    removed += facet_mask_layer(mask, l)->removed;
  }
  assert_true(facet_mask_sparsity(mask) == (double)removed / (double)size && 2 * removed >= size - 1);
  facet_mask_apply(mask, n);
  assert_int_equal(facet_onnx_write(n, path), FACET_OK);
  assert_int_equal(facet_onnx_read(path, &again), FACET_OK);
  assert_int_equal(facet_network_parameters(again), facet_network_parameters(n));
  const facet_executor_options options = {
      .kernels = facet_kernels_find("reference"), .real = FACET_F64, .batch = SAMPLES, .rows = 2};
  assert_int_equal(facet_executor_create(again, options, &executor), FACET_OK);
  double *b_node = calloc((size_t)(SAMPLES * CLASSES * facet_executor_constant_nodes(executor)), sizeof *b_node);
  facet_linearization out = {w, b, b_node, residual, ties};
  fill_samples(single);
  for (int i = 0; i < SAMPLES * INPUTS; i++)
    x[i] = (double)single[i];
  assert_int_equal(facet_executor_forward(executor, x, SAMPLES), FACET_OK);
  facet_rows_choose(FACET_ROWS_ALL, CLASSES, CLASSES, NULL, SAMPLES, row);
  assert_int_equal(facet_linearize(executor, x, SAMPLES, CLASSES, row, &out), FACET_OK);
  for (int s = 0; s < SAMPLES; s++)
    assert_true(residual[s] >= 0 && residual[s] < 1e-12);
  unlink(path);
  free(b_node);
  facet_executor_destroy(&executor);
  facet_mask_destroy(&mask);
  facet_network_destroy(&again);
  facet_network_destroy(&n);
}

/* Images and labels as NumPy has them, of the face's own types alone. */
static void data_come_with_their_labels(void **state)
{
  (void)state;
  char images[] = "/tmp/facet-face-XXXXXX", labels[] = "/tmp/facet-face-XXXXXX", *image_files[] = {images},
       *label_files[] = {labels};
  const char *head[] = {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
                        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"};
  const char *body[] = {"\1\2\3\4\5\6", "\1\2"}, *name[] = {images, labels};
  facet_dataset *d = NULL;
  facet_data_source source = {.format = -1, .files = 1, .images = image_files, .labels = label_files};
  float pixels[3];
  int32_t label;
  close(mkstemp(images));
  close(mkstemp(labels));
  for (int i = 0; i < 2; i++) {
    FILE *file = fopen(name[i], "wb");
    fwrite("\x93NUMPY\1\0\x76\0", 1, 10, file);
    fprintf(file, "%-117s\n", head[i]);
    fwrite(body[i], 1, i ? 2 : 6, file);
    fclose(file);
  }
  assert_int_equal(facet_dataset_open(&source, &d), FACET_INTERNAL);
  assert_string_equal(facet_message(), "no format of data has the number -1");
  source.format = facet_data_format_find("npy");
  if (facet_dataset_open(&source, &d) != FACET_OK)
    fail_msg("%s", facet_message());
  assert_int_equal(facet_dataset_count(d), 2);
  assert_int_equal(facet_image_inputs(facet_dataset_image(d)), 3);
  assert_int_equal(facet_dataset_labels(d, 1, 1, &label), FACET_OK);
  assert_int_equal(label, 2);
  assert_int_equal(facet_dataset_pixels(d, 1, 1, pixels), FACET_OK);
  assert_true(pixels[0] == 4 && pixels[2] == 6);
  facet_dataset_destroy(&d);
  unlink(images);
  unlink(labels);
}

static void refused(facet_status status, const char *words)
{
  assert_int_equal(status, FACET_INTERNAL);
  assert_string_equal(facet_message(), words);
}

static void nonsense_is_refused(void **state)
{
  (void)state;
  facet_network *n = make_network();
  facet_executor *e = NULL;
  facet_head head;
  float x[SAMPLES * INPUTS], w[SAMPLES * INPUTS];
  double b[SAMPLES], b_node[SAMPLES * 64], residual[SAMPLES];
  int32_t row[SAMPLES] = {0, CLASSES, 0}, ties[SAMPLES], rival[SAMPLES];
  facet_linearization out = {w, b, b_node, residual, ties};
  facet_margin_map map = {b_node, b_node, b, residual, rival};
  fill_samples(x);
  refused(facet_executor_create(n, (facet_executor_options){.real = FACET_F32}, &e),
          "an executor of 0 samples and 0 rows");
  refused(facet_executor_create(n, (facet_executor_options){.batch = 1}, &e),
          "an executor of neither float nor double");
  refused(facet_executor_create(
              n, (facet_executor_options){.kernels = facet_kernels_find("dense"), .real = FACET_F64, .batch = 1}, &e),
          "dense kernels do not offer double");
  assert_null(facet_kernels_find("none"));
  assert_null(e);
  assert_int_equal(
      facet_executor_create(n, (facet_executor_options){.real = FACET_F32, .batch = SAMPLES, .rows = 1}, &e), FACET_OK);
  assert_int_equal(facet_executor_count(e), 0);
  refused(facet_executor_forward(e, x, SAMPLES + 1), "4 samples in a batch of 3");
  assert_int_equal(facet_executor_forward(e, x, 2), FACET_OK);
  assert_int_equal(facet_executor_count(e), 2);
  refused(facet_executor_value(e, 1000, b), "there is no value 1000");
  refused(facet_linearize(e, x, SAMPLES, 1, row, &out), "3 samples to linearize, but 2 of the last forward pass");
  refused(facet_linearize(e, x, 2, 1, row, &out), "row 4 of 4 outputs");
  assert_int_equal(facet_network_head(n, &head), FACET_OK);
  refused(facet_margin_take_apart(e, &head, x, 1, ties, &map),
          "1 margins to take apart, but 2 samples of the last forward pass");
  facet_head_clear(&head);
  facet_executor_destroy(&e);
  facet_network_destroy(&n);
}

static void methods_are_numbered(void **state)
{
  (void)state;
  int methods = 0;
  for (const char *name; (name = facet_method_name(methods)); methods++)
    assert_non_null(facet_method_find(name));
  assert_true(methods > 5);
  assert_null(facet_method_name(-1));
}

static void versions(void **state)
{
  (void)state;
  assert_string_equal(facet_version(), FACET_VERSION);
  char text[32];
  (void)snprintf(text, sizeof text, "%d.%d.%d", FACET_VERSION_MAJOR, FACET_VERSION_MINOR, FACET_VERSION_PATCH);
  assert_string_equal(text, FACET_VERSION);
#if !FACET_VERSION_AT_LEAST(FACET_VERSION_MAJOR, FACET_VERSION_MINOR, FACET_VERSION_PATCH) ||                          \
    FACET_VERSION_AT_LEAST(FACET_VERSION_MAJOR, FACET_VERSION_MINOR, FACET_VERSION_PATCH + 1) ||                       \
    FACET_VERSION_AT_LEAST(FACET_VERSION_MAJOR, FACET_VERSION_MINOR + 1, 0) ||                                         \
    FACET_VERSION_AT_LEAST(FACET_VERSION_MAJOR + 1, 0, 0) ||                                                           \
    !FACET_VERSION_AT_LEAST(FACET_VERSION_MAJOR, FACET_VERSION_MINOR - 1, FACET_VERSION_PATCH + 1)
#error "versions are not ordered"
#endif
  assert_non_null(strstr(facet_compiler(), " -O"));
  assert_true(strlen(facet_revision()) > 0 && strlen(facet_blas_core()) > 0);
  assert_true(facet_onednn_version()[0] >= '1' && facet_onednn_version()[0] <= '9');
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(properties),
      cmocka_unit_test(from_pruning_to_a_certificate),
      cmocka_unit_test(data_come_with_their_labels),
      cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(methods_are_numbered),
      cmocka_unit_test(versions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
