/* Files as bytes, and what all formats check alike. */
#include "bytes.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

uint32_t facet_bytes_big32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool ends_with(const char *text, const char *end)
{
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

enum { MOST_AT_ONCE = 1 << 30 }; /* zlib counts in int */

/* Opens a regular file, or whatever else can be read as one. */
static facet_status open_gzip(const char *path, gzFile *file)
{
  struct stat about;
  FACET_CHECK(stat(path, &about) == 0, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  FACET_CHECK(!S_ISDIR(about.st_mode), FACET_NO_INPUT, "%s: is a folder, not a file", path);
  *file = gzopen(path, "rb");
  FACET_CHECK(*file, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  return FACET_OK;
}

static facet_status gunzip(const char *path, gzFile file, uint8_t **bytes, size_t *count)
{
  size_t room = (size_t)1 << 20, used = 0;
  FACET_NEW(*bytes, room);
  for (;;) {
    size_t wanted = room - used < MOST_AT_ONCE ? room - used : MOST_AT_ONCE;
    int got = gzread(file, *bytes + used, (unsigned)wanted), problem;
    gzerror(file, &problem);
    FACET_CHECK(problem != Z_ERRNO, FACET_IO, "%s: cannot be read: %s", path, strerror(errno));
    FACET_CHECK(problem != Z_BUF_ERROR, FACET_BAD_INPUT, "%s: truncated gzip", path);
    FACET_CHECK(got >= 0 && problem == Z_OK, FACET_BAD_INPUT, "%s: damaged gzip", path);
    used += (size_t)got;
    if (got == 0)
      break;
    if (used == room) {
      FACET_TRY(facet_grow(bytes, room, 2 * room, 1));
      room *= 2;
    }
  }
  bool plain = gzdirect(file); /* zlib passes on what does not begin with gzip's two bytes */
  FACET_CHECK(!plain || used >= 2, FACET_BAD_INPUT, "%s: truncated gzip", path);
  FACET_CHECK(!plain, FACET_BAD_INPUT, "%s: not a gzip file", path);
  *count = used;
  return FACET_OK;
}

facet_status facet_bytes_read(const char *path, uint8_t **bytes, size_t *count)
{
  *bytes = NULL;
  if (!ends_with(path, ".gz"))
    return facet_read_file(path, bytes, count);
  gzFile file;
  FACET_TRY(open_gzip(path, &file));
  gzbuffer(file, 1 << 18);
  facet_status status = gunzip(path, file, bytes, count);
  int closed = gzclose_r(file);
  if (status == FACET_OK && closed != Z_OK)
    status = facet_raise(FACET_BAD_INPUT, "%s: truncated gzip", path);
  if (status != FACET_OK)
    facet_free(bytes);
  return status;
}

void facet_part_clear(facet_part *part)
{
  facet_free(&part->pixels);
  facet_free(&part->label);
}

/* Images published for CIFAR-10-C are N x 32 x 32 x 3. */
static bool is_channels(int64_t d)
{
  return d == 1 || d == 3 || d == 4;
}

facet_status facet_part_shape(const char *path, int rank, const int64_t *dim, facet_part *part)
{
  int64_t size = 1;
  FACET_CHECK(rank >= 2 && rank <= 4, FACET_BAD_INPUT,
              "%s: has %d dimensions: N x channel x y x x, N x y x x x channel, N x y x x or N x D are samples", path,
              rank);
  for (int i = 0; i < rank; i++) {
    FACET_CHECK(dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is %lld", path, i, (long long)dim[i]);
    FACET_CHECK(size <= ((int64_t)1 << 40) / dim[i], FACET_BAD_INPUT,
                "%s: dimension %d is %lld: more numbers than can be held", path, i, (long long)dim[i]);
    size *= dim[i];
  }
  if (part->order == FACET_ORDER_AUTO)
    part->order = rank == 4 && is_channels(dim[3]) && !is_channels(dim[1]) ? FACET_CHANNELS_LAST : FACET_CHANNELS_FIRST;
  bool last = rank == 4 && part->order == FACET_CHANNELS_LAST;
  part->count = dim[0];
  part->image =
      (facet_image){rank == 4 ? dim[last ? 3 : 1] : 1, rank >= 3 ? dim[rank - 2 - last] : 1, dim[rank - 1 - last]};
  return FACET_OK;
}

facet_status facet_part_arrange(facet_part *part)
{
  size_t size = part->is_float ? sizeof(float) : 1, bytes = (size_t)facet_image_inputs(part->image) * size;
  if (part->order != FACET_CHANNELS_LAST || part->image.channels == 1)
    return FACET_OK;
  char *sample;
  FACET_NEW(sample, bytes);
  for (int64_t n = 0; n < part->count; n++) {
    char *at = (char *)part->pixels + (size_t)n * bytes;
    memcpy(sample, at, bytes);
    facet_channels_first(part->image, size, sample, at);
  }
  facet_free(&sample);
  return FACET_OK;
}

facet_status facet_part_label(const char *path, int64_t i, int64_t label, facet_part *part)
{
  FACET_CHECK(label >= -1 && label <= INT32_MAX, FACET_BAD_INPUT, "%s: label %lld of sample %lld is no class", path,
              (long long)label, (long long)i);
  part->label[i] = (int32_t)label;
  return FACET_OK;
}

facet_status facet_part_finite(const char *path, const facet_part *part)
{
  int64_t inputs = facet_image_inputs(part->image);
  const float *pixel = part->pixels;
  for (int64_t i = 0; part->is_float && i < part->count * inputs; i++)
    FACET_CHECK(isfinite(pixel[i]), FACET_BAD_INPUT, "%s: pixel %lld of sample %lld is %s", path,
                (long long)(i % inputs), (long long)(i / inputs), isnan(pixel[i]) ? "NaN" : "infinite");
  return FACET_OK;
}
