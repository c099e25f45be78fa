/* IDX, the format of MNIST: a magic number (type, rank), big-endian dimensions, bytes. */
#include <string.h>

#include "data/bytes.h"

/* Checks the header; *data is where the numbers start. */
static facet_status header(const char *path, const uint8_t *bytes, size_t count, int least, int most, int64_t *dim,
                           int *rank, const uint8_t **data)
{
  size_t size = 1;
  FACET_CHECK(count >= 4, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, count);
  FACET_CHECK(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8, FACET_BAD_INPUT,
              "%s: wrong magic %02x%02x%02x%02x: not an IDX file of bytes", path, bytes[0], bytes[1], bytes[2],
              bytes[3]);
  *rank = bytes[3];
  FACET_CHECK(*rank >= least && *rank <= most, FACET_BAD_INPUT, "%s: wrong magic %08x: an IDX file with %d dimensions",
              path, facet_bytes_big32(bytes), *rank);
  FACET_CHECK(count >= 4 + 4 * (size_t)*rank, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, count);
  for (int i = 0; i < *rank; i++) {
    dim[i] = facet_bytes_big32(bytes + 4 + 4 * i);
    FACET_CHECK(dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is 0", path, i);
    FACET_CHECK(size <= count / (size_t)dim[i], FACET_BAD_INPUT, "%s: truncated: its header says more than %zu bytes",
                path, count);
    size *= (size_t)dim[i];
  }
  *data = bytes + 4 + 4 * *rank;
  FACET_CHECK(count - 4 - 4 * (size_t)*rank == size, FACET_BAD_INPUT, "%s: %s: holds %zu bytes but its header says %zu",
              path, count < size + 4 + 4 * (size_t)*rank ? "truncated" : "too long", count - 4 - 4 * (size_t)*rank,
              size);
  return FACET_OK;
}

facet_status facet_idx_pixels(const char *path, facet_part *part)
{
  uint8_t *bytes;
  const uint8_t *data;
  size_t count;
  int64_t dim[4];
  int rank;
  FACET_TRY(facet_bytes_read(path, &bytes, &count));
  facet_status status = header(path, bytes, count, 2, 4, dim, &rank, &data);
  if (status == FACET_OK)
    status = facet_part_shape(path, rank, dim, part);
  if (status == FACET_OK) {
    size_t size = count - (size_t)(data - bytes);
    part->pixels = facet_allocate(size, 1);
    if (part->pixels)
      memcpy(part->pixels, data, size);
    else
      status = FACET_OS;
  }
  facet_free(&bytes);
  return status;
}

facet_status facet_idx_labels(const char *path, facet_part *part)
{
  uint8_t *bytes;
  const uint8_t *data;
  size_t count;
  int64_t dim[4];
  int rank;
  FACET_TRY(facet_bytes_read(path, &bytes, &count));
  facet_status status = header(path, bytes, count, 1, 1, dim, &rank, &data);
  if (status == FACET_OK) {
    part->count = dim[0];
    part->label = facet_allocate((size_t)dim[0], sizeof *part->label);
    status = part->label ? FACET_OK : FACET_OS;
    for (int64_t i = 0; part->label && i < dim[0]; i++)
      part->label[i] = data[i];
  }
  facet_free(&bytes);
  return status;
}
