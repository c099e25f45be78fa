/* A published corrupted set, for a small data set of two images. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  static uint8_t pixels[2 * 3 * 4 * 4];
  static int32_t label[2] = {1, 0};
  const facet_dataset like = {.count = 2, .image = {3, 4, 4}, .pixels = pixels, .label = label};
  facet_published *p = NULL;
  float out[2 * 3 * 4 * 4];
  if (count > FUZZ_MOST)
    return 0;
  (void)fuzz_file("fog.npy", bytes, count);
  char *folder = facet_copy_text(fuzz_path("."));
  (void)fuzz_file("labels.npy", bytes, count);
  facet_status status = facet_published_open(folder, facet_corruption_find("fog"), &like, &p);
  if (status == FACET_OK)
    facet_published_pixels(p, 5, 255, 0, 2, out);
  else
    fuzz_refused(status);
  facet_published_close(&p);
  if ((status = facet_published_check_labels(folder, &like)) != FACET_OK)
    fuzz_refused(status);
  facet_free(&folder);
  return 0;
}
