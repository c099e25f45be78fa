/* A file of masks, for a small network. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  static facet_network *n;
  facet_mask *mask = NULL;
  if (!n && facet_network_plain(
                &(facet_plain){(facet_shape){3, {1, 6, 6}}, 1, (const int64_t[]){2}, 1, (const int64_t[]){4}, 3, 5},
                &n) != FACET_OK)
    abort();
  if (count > FUZZ_MOST)
    return 0;
  facet_status status = facet_mask_read(n, fuzz_file("m.h5", bytes, count), &mask);
  if (status != FACET_OK)
    fuzz_refused(status);
  facet_mask_destroy(&mask);
  return 0;
}
