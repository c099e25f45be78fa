/* ONNX, with data beside the model, and a forward pass of what was accepted: the first two bytes say how much of the
 * rest is the data file. */
#include "fuzz.h"

enum { MOST_WORK = 1 << 22 }; /* multiply-adds, and numbers, of a network that is run */

static void pass(const facet_network *n)
{
  facet_executor *executor = NULL;
  facet_cost *cost = NULL;
  facet_shape shape = facet_network_input_shape(n);
  if (facet_network_cost(n, &cost) != FACET_OK)
    return;
  bool small = cost->all.products < MOST_WORK && n->elements < MOST_WORK;
  facet_cost_destroy(&cost);
  if (!small || facet_shape_size(shape) > MOST_WORK)
    return;
  float *x = facet_allocate((size_t)facet_shape_size(shape), sizeof *x);
  facet_status status = facet_executor_create(n, (facet_executor_options){.real = FACET_F32, .batch = 1}, &executor);
  if (status == FACET_OK)
    status = facet_executor_forward(executor, x, 1);
  if (status != FACET_OK)
    fuzz_refused(status);
  facet_executor_destroy(&executor);
  facet_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  if (count < 2 || count > FUZZ_MOST)
    return 0;
  size_t data = (size_t)(bytes[0] << 8 | bytes[1]);
  data = data < count - 2 ? data : count - 2;
  (void)fuzz_file("net.data", bytes + 2, data);
  const char *path = fuzz_file("net.onnx", bytes + 2 + data, count - 2 - data);
  facet_network *n = NULL, *again = NULL;
  facet_status status = facet_onnx_read(path, &n);
  if (status != FACET_OK) {
    fuzz_refused(status);
    return 0;
  }
  pass(n);
  uint8_t *written = NULL;
  size_t size;
  if (facet_onnx_write_bytes(n, &written, &size) == FACET_OK)
    (void)facet_onnx_read_bytes("again", written, size, &again);
  facet_free(&written);
  facet_network_destroy(&again);
  facet_network_destroy(&n);
  return 0;
}
