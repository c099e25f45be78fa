/* Data sets: the first byte says of which format the rest is. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  static const char *const name[][2] = {{"idx", "i.idx"}, {"idx", "i.idx.gz"}, {"cifar10", "c.bin"},
                                        {"npy", "i.npy"}, {"npy", "i.npy.gz"}, {"hdf5", "i.h5"}};
  if (count < 1 || count > FUZZ_MOST)
    return 0;
  size_t which = bytes[0] % (sizeof name / sizeof name[0]);
  char *path = facet_copy_text(fuzz_file(name[which][1], bytes + 1, count - 1));
  for (int labels = 0; labels < 2; labels++) {
    if (labels && which == 2) /* holds its own */
      break;
    facet_data_source source = {.format = facet_data_format_find(name[which][0]), .files = 1, .images = &path};
    source.labels = labels ? &path : NULL;
    facet_dataset *d = NULL;
    facet_status status = facet_dataset_open(&source, &d);
    if (status != FACET_OK)
      fuzz_refused(status);
    else
      (void)facet_dataset_check_labels(d, path, 10);
    facet_dataset_destroy(&d);
  }
  facet_free(&path);
  return 0;
}
