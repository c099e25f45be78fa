/* Derivatives of the loss by the weights as text, to be compared with another program's (tests/study/test_hessian.py).
 *
 *   hessian MODEL.onnx DATA COUNT
 *
 * DATA holds the direction, a double for every prunable weight, layer by layer; then COUNT x D floats, then COUNT
 * labels of 4 bytes each.  Prints the loss, and for every weight the gradient and the derivative of the gradient along
 * the direction. */
#include <stdio.h>
#include <stdlib.h>

#include "net/derivative.h"
#include "rooms.h"

static facet_status show(const facet_network *network, const uint8_t *bytes, size_t size, int64_t count)
{
  int64_t features = facet_shape_size(facet_network_input_shape(network));
  facet_derivative *d;
  double *weight = NULL, *gradient = NULL, *hessian = NULL;
  FACET_TRY(facet_derivative_create(network, (facet_derivative_options){.batch = count, .tangents = true}, &d));
  int64_t weights = facet_derivative_weights(d);
  const double *along = (const void *)bytes;
  const float *x = (const void *)(along + weights);
  const int32_t *label = (const void *)(x + count * features);
  facet_status status = FACET_OK;
  if (size != (size_t)(8 * weights + 4 * count * (features + 1)))
    FACET_GO(out, status, facet_raise(FACET_BAD_INPUT, "%zu bytes of data for %lld weights", size, (long long)weights));
  weight = facet_allocate((size_t)weights, sizeof *weight);
  gradient = facet_allocate((size_t)weights, sizeof *gradient);
  hessian = facet_allocate((size_t)weights, sizeof *hessian);
  if (!weight || !gradient || !hessian)
    FACET_GO(out, status, FACET_OS);
  facet_derivative_start(d, weight);
  facet_loss_derivatives found = {0, gradient, hessian};
  FACET_GO(out, status, facet_derivative_loss(d, weight, along, (facet_labelled){x, label, count}, &found));
  printf("%.17g\n", found.loss);
  for (int64_t i = 0; i < weights; i++)
    printf("%.17g %.17g\n", gradient[i], hessian[i]);
out:
  facet_free(&weight);
  facet_free(&gradient);
  facet_free(&hessian);
  facet_derivative_destroy(&d);
  return status;
}

int main(int count, char **argument)
{
  facet_network *network = NULL;
  uint8_t *bytes = NULL;
  size_t size;
  facet_status status = count == 4 ? FACET_OK : facet_raise(FACET_USAGE, "hessian MODEL DATA COUNT");
  if (status == FACET_OK)
    status = facet_onnx_read(argument[1], &network);
  if (status == FACET_OK)
    status = facet_read_file(argument[2], &bytes, &size);
  if (status == FACET_OK)
    status = show(network, bytes, size, atoll(argument[3]));
  if (status != FACET_OK)
    fprintf(stderr, "hessian: %s\n", facet_message());
  facet_network_destroy(&network);
  facet_free(&bytes);
  return (int)status;
}
