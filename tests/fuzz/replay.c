/* Files, one after the other, to the target that this is linked with: so any compiler, and any sanitizer, tries what
 * was found. */
#include "fuzz.h"

int main(int count, char **path)
{
  for (int i = 1; i < count; i++) {
    uint8_t *bytes;
    size_t size;
    if (facet_read_file(path[i], &bytes, &size) != FACET_OK)
      return 1;
    (void)LLVMFuzzerTestOneInput(bytes, size);
    facet_free(&bytes);
  }
  return 0;
}
