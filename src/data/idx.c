/* IDX, the format of MNIST: a magic number (type, rank), big-endian dimensions, bytes. */
#include "bytes.h"

enum { MOST = 4, AT_ONCE = 4096 }; /* dimensions; bytes */

/* What the header says. */
typedef struct {
  int rank;
  int64_t dim[MOST];
  size_t start, size; /* where the numbers begin, and how many there are */
} idx;

/* least, most: how many dimensions there may be. */
static facet_status read_header(const char *path, const facet_bytes *f, int least, int most, idx *h)
{
  uint8_t bytes[4 + 4 * MOST];
  *h = (idx){0};
  FACET_CHECK(f->size >= 4, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, f->size);
  FACET_TRY(facet_bytes_take(f, 0, f->size < sizeof bytes ? f->size : sizeof bytes, bytes));
  FACET_CHECK(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8, FACET_BAD_INPUT,
              "%s: wrong magic %02x%02x%02x%02x: not an IDX file of bytes", path, bytes[0], bytes[1], bytes[2],
              bytes[3]);
  h->rank = bytes[3];
  FACET_CHECK(h->rank >= least && h->rank <= most, FACET_BAD_INPUT,
              "%s: wrong magic %08x: an IDX file with %d dimensions", path, facet_bytes_big32(bytes), h->rank);
  h->start = 4 + 4 * (size_t)h->rank;
  FACET_CHECK(f->size >= h->start, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, f->size);
  h->size = 1;
  for (int i = 0; i < h->rank; i++) {
    h->dim[i] = facet_bytes_big32(bytes + 4 + 4 * i);
    FACET_CHECK(h->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is 0", path, i);
    FACET_CHECK(h->size <= f->size / (size_t)h->dim[i], FACET_BAD_INPUT,
                "%s: truncated: its header says more than %zu bytes", path, f->size);
    h->size *= (size_t)h->dim[i];
  }
  FACET_CHECK(f->size - h->start == h->size, FACET_BAD_INPUT, "%s: %s: holds %zu bytes but its header says %zu", path,
              f->size < h->size + h->start ? "truncated" : "too long", f->size - h->start, h->size);
  return FACET_OK;
}

/* As facet_bytes_most. */
static size_t most_bytes(const facet_bytes *f)
{
  uint8_t bytes[4 + 4 * MOST];
  if (f->size < sizeof bytes)
    return SIZE_MAX;
  if (facet_bytes_take(f, 0, sizeof bytes, bytes) != FACET_OK || bytes[0] || bytes[1] || bytes[3] > MOST)
    return 0;
  size_t size = 1;
  for (int i = 0; i < bytes[3]; i++)
    size = facet_bytes_times(size, facet_bytes_big32(bytes + 4 + 4 * i));
  return 4 + 4 * (size_t)bytes[3] + size;
}

facet_status facet_idx_pixels(const char *path, facet_part *part)
{
  idx h;
  FACET_TRY(facet_bytes_open_most(path, part->decoded, most_bytes, &part->bytes));
  FACET_TRY(read_header(path, part->bytes, 2, MOST, &h));
  FACET_TRY(facet_part_shape(path, h.rank, h.dim, part));
  part->start = h.start;
  part->stride = (size_t)facet_image_inputs(part->image);
  part->width = 1;
  return FACET_OK;
}

static facet_status read_labels(const char *path, const facet_bytes *f, facet_part *part)
{
  idx h;
  uint8_t room[AT_ONCE];
  FACET_TRY(read_header(path, f, 1, 1, &h));
  FACET_TRY(facet_part_labels(path, h.dim[0], part));
  for (size_t i = 0, count; i < h.size; i += count) {
    count = h.size - i < sizeof room ? h.size - i : sizeof room;
    FACET_TRY(facet_bytes_take(f, h.start + i, count, room));
    for (size_t j = 0; j < count; j++)
      FACET_TRY(facet_part_label(path, room[j], part));
  }
  return facet_labels_end(part->decoded, &part->labels);
}

facet_status facet_idx_labels(const char *path, facet_part *part)
{
  facet_bytes *f;
  FACET_TRY(facet_bytes_open_most(path, NULL, most_bytes, &f));
  facet_status status = read_labels(path, f, part);
  facet_bytes_close(&f);
  return status;
}
