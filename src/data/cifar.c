/* CIFAR-10 binary: per sample one label byte, then 3 x 32 x 32 bytes, channel by channel. */
#include <string.h>

#include "bytes.h"

enum { IMAGE = 3 * 32 * 32, RECORD = 1 + IMAGE };

facet_status facet_cifar_read(const char *path, facet_part *part)
{
  uint8_t *bytes;
  size_t count;
  facet_status status = FACET_OK;
  FACET_TRY(facet_bytes_read(path, &bytes, &count));
  if (count == 0 || count % RECORD != 0) {
    status = facet_raise(FACET_BAD_INPUT, "%s: truncated, or no CIFAR-10 binary: %zu bytes are not whole records of %d",
                         path, count, RECORD);
    goto done;
  }
  *part = (facet_part){.count = (int64_t)(count / RECORD), .image = {3, 32, 32}, .order = FACET_CHANNELS_FIRST};
  uint8_t *pixels;
  FACET_NEW_GO(done, status, pixels, part->count * IMAGE);
  part->pixels = pixels;
  FACET_NEW_GO(done, status, part->label, part->count);
  for (int64_t i = 0; i < part->count; i++) {
    part->label[i] = bytes[i * RECORD];
    memcpy(pixels + i * IMAGE, bytes + i * RECORD + 1, IMAGE);
  }
done:
  facet_free(&bytes);
  return status;
}
