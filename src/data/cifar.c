/* CIFAR-10 binary: per sample one label byte, then 3 x 32 x 32 bytes, channel by channel.
 *
 * No header says how many there are.  A file that is compressed may hold as many as a batch of CIFAR-10, or so many
 * bytes for one of its own, which is many times what deflate makes of photographs; so a small file fills no disk. */
#include <sys/stat.h>

#include "bytes.h"

enum { IMAGE = 3 * 32 * 32, RECORD = 1 + IMAGE, BATCH = 10000, FOR_ONE = 16 };

/* As facet_bytes_most: of the size of the file as it lies there. */
static size_t most_bytes(const facet_bytes *f)
{
  struct stat about;
  size_t batch = (size_t)BATCH * RECORD;
  size_t most = stat(f->path, &about) == 0 ? facet_bytes_times((size_t)about.st_size, FOR_ONE) : 0;
  return most > batch ? most : batch;
}

facet_status facet_cifar_read(const char *path, facet_part *part)
{
  facet_bytes *bytes;
  FACET_TRY(facet_bytes_open_most(path, part->decoded, most_bytes, &bytes));
  size_t size = bytes->size;
  *part = (facet_part){.image = {3, 32, 32},
                       .order = FACET_CHANNELS_FIRST,
                       .decoded = part->decoded,
                       .bytes = bytes,
                       .start = 1,
                       .stride = RECORD,
                       .width = 1};
  FACET_CHECK(size <= most_bytes(bytes), FACET_BAD_INPUT,
              "%s: too long: decodes to more than a batch of %d records, and than %d bytes for one of its own", path,
              BATCH, FOR_ONE);
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
