/* IDX, the format of MNIST: a magic number (type, rank), big-endian dimensions, bytes. */
#include <string.h>

#include "bytes.h"

/* A whole file, and what its header says. */
typedef struct {
  uint8_t *bytes;
  size_t count;
  int rank;
  int64_t dim[4];
  const uint8_t *data; /* of them, the numbers */
  size_t size;         /* how many */
} idx;

/* least, most: how many dimensions there may be. */
static facet_status parse(const char *path, int least, int most, idx *f)
{
  const uint8_t *bytes = f->bytes;
  FACET_CHECK(f->count >= 4, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, f->count);
  FACET_CHECK(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8, FACET_BAD_INPUT,
              "%s: wrong magic %02x%02x%02x%02x: not an IDX file of bytes", path, bytes[0], bytes[1], bytes[2],
              bytes[3]);
  f->rank = bytes[3];
  FACET_CHECK(f->rank >= least && f->rank <= most, FACET_BAD_INPUT,
              "%s: wrong magic %08x: an IDX file with %d dimensions", path, facet_bytes_big32(bytes), f->rank);
  size_t start = 4 + 4 * (size_t)f->rank;
  FACET_CHECK(f->count >= start, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, f->count);
  f->size = 1;
  for (int i = 0; i < f->rank; i++) {
    f->dim[i] = facet_bytes_big32(bytes + 4 + 4 * i);
    FACET_CHECK(f->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is 0", path, i);
    FACET_CHECK(f->size <= f->count / (size_t)f->dim[i], FACET_BAD_INPUT,
                "%s: truncated: its header says more than %zu bytes", path, f->count);
    f->size *= (size_t)f->dim[i];
  }
  f->data = bytes + start;
  FACET_CHECK(f->count - start == f->size, FACET_BAD_INPUT, "%s: %s: holds %zu bytes but its header says %zu", path,
              f->count < f->size + start ? "truncated" : "too long", f->count - start, f->size);
  return FACET_OK;
}

/* Caller frees f->bytes in any case. */
static facet_status read_idx(const char *path, int least, int most, idx *f)
{
  *f = (idx){0};
  FACET_TRY(facet_bytes_read(path, &f->bytes, &f->count));
  return parse(path, least, most, f);
}

facet_status facet_idx_pixels(const char *path, facet_part *part)
{
  idx f;
  uint8_t *pixels;
  facet_status status;
  FACET_GO(done, status, read_idx(path, 2, 4, &f));
  FACET_GO(done, status, facet_part_shape(path, f.rank, f.dim, part));
  FACET_NEW_GO(done, status, pixels, f.size);
  part->pixels = memcpy(pixels, f.data, f.size);
done:
  facet_free(&f.bytes);
  return status;
}

facet_status facet_idx_labels(const char *path, facet_part *part)
{
  idx f;
  facet_status status;
  FACET_GO(done, status, read_idx(path, 1, 1, &f));
  FACET_NEW_GO(done, status, part->label, f.size);
  part->count = f.dim[0];
  for (int64_t i = 0; i < part->count; i++)
    part->label[i] = f.data[i];
done:
  facet_free(&f.bytes);
  return status;
}
