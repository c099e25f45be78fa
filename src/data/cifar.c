/* CIFAR-10 binary: per sample one label byte, then 3 x 32 x 32 bytes, channel by channel. */
#include "bytes.h"

enum { IMAGE = 3 * 32 * 32, RECORD = 1 + IMAGE };

facet_status facet_cifar_read(const char *path, facet_part *part)
{
  facet_bytes *bytes;
  FACET_TRY(facet_bytes_open(path, part->decoded, &bytes));
  size_t size = bytes->size;
  *part = (facet_part){.image = {3, 32, 32},
                       .order = FACET_CHANNELS_FIRST,
                       .decoded = part->decoded,
                       .bytes = bytes,
                       .start = 1,
                       .stride = RECORD,
                       .width = 1};
  FACET_CHECK(size > 0 && size % RECORD == 0, FACET_BAD_INPUT,
              "%s: truncated, or no CIFAR-10 binary: %zu bytes are not whole records of %d", path, size, RECORD);
  FACET_TRY(facet_part_labels(path, (int64_t)(size / RECORD), part));
  for (int64_t i = 0; i < part->count; i++) {
    uint8_t label;
    FACET_TRY(facet_bytes_take(bytes, (size_t)i * RECORD, 1, &label));
    FACET_TRY(facet_part_label(path, label, part));
  }
  return facet_labels_end(part->decoded, &part->labels);
}
