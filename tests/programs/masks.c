/* The masks of any criterion as text, to be compared with another program's (tests/study/test_criteria.py).
 *
 *   masks MODEL.onnx DATA COUNT BATCH [word=value ...]
 *
 * DATA holds COUNT x D floats, then COUNT labels of 4 bytes each; COUNT 0: no data.  Words: criterion, scope, sparsity,
 * seed, norm, rounds, collapse.  Prints one line per layer: the name of its constant, a 0 or 1 per weight, and
 * "guarded" where the guard kept the last one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rooms.h"

static facet_status set(facet_pruning *how, const char *text)
{
  const char *value = strchr(text, '=');
  FACET_CHECK(value, FACET_USAGE, "%s: no value", text);
  size_t length = (size_t)(value++ - text);
  if (strncmp(text, "criterion", length) == 0)
    how->method = facet_method_find(value);
  else if (strncmp(text, "scope", length) == 0)
    how->scope = strcmp(value, facet_scope_name(FACET_SCOPE_LAYER)) == 0 ? FACET_SCOPE_LAYER : FACET_SCOPE_GLOBAL;
  else if (strncmp(text, "sparsity", length) == 0)
    how->sparsity = strtod(value, NULL);
  else if (strncmp(text, "seed", length) == 0)
    how->seed = (uint32_t)strtoul(value, NULL, 10);
  else if (strncmp(text, "norm", length) == 0)
    how->norm = atoi(value);
  else if (strncmp(text, "rounds", length) == 0)
    how->rounds = atoi(value);
  else if (strncmp(text, "collapse", length) == 0)
    how->allow_collapse = atoi(value) != 0;
  else
    return facet_raise(FACET_USAGE, "%s is not known", text);
  return FACET_OK;
}

static facet_status show(const char *model, const char *path, facet_calibration data, const facet_pruning *how)
{
  facet_network *network = NULL;
  facet_mask *mask = NULL;
  uint8_t *bytes = NULL;
  size_t size = 0;
  facet_status status;
  FACET_GO(out, status, facet_onnx_read(model, &network));
  if (data.count > 0) {
    int64_t features = facet_shape_size(facet_network_input_shape(network));
    FACET_GO(out, status, facet_read_file(path, &bytes, &size));
    if (size != (size_t)(data.count * (features + 1)) * 4)
      FACET_GO(out, status, facet_raise(FACET_BAD_INPUT, "%s has %zu bytes", path, size));
    data.x = (const void *)bytes;
    data.label = (const void *)(bytes + data.count * features * 4);
  }
  FACET_GO(out, status, facet_mask_create(network, how, data.count > 0 ? &data : NULL, &mask));
  for (int l = 0; l < mask->layers; l++) {
    printf("%s ", network->value[mask->layer[l].value].name);
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      putchar('0' + mask->layer[l].keep[i]);
    puts(mask->layer[l].guarded ? " guarded" : "");
  }
out:
  facet_mask_destroy(&mask);
  facet_network_destroy(&network);
  facet_free(&bytes);
  return status;
}

int main(int count, char **argument)
{
  facet_pruning how = {0};
  facet_status status =
      count > 4 ? FACET_OK : facet_raise(FACET_USAGE, "masks MODEL DATA COUNT BATCH [WORD=VALUE ...]");
  for (int i = 5; i < count && status == FACET_OK; i++)
    status = set(&how, argument[i]);
  if (status == FACET_OK)
    status = show(argument[1], argument[2], (facet_calibration){.count = atoi(argument[3]), .batch = atoi(argument[4])},
                  &how);
  if (status != FACET_OK)
    fprintf(stderr, "masks: %s\n", facet_message());
  return (int)status;
}
