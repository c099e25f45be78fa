/* One file's samples, and what all formats check alike. */
#include <math.h>
#include <string.h>

#include "bytes.h"

enum { DOUBLES = 512, AT_ONCE = 1 << 20 }; /* numbers, bytes */

void facet_part_clear(facet_part *part)
{
  facet_bytes_close(&part->bytes);
  facet_hdf5_close(&part->set);
  facet_labels_clear(&part->labels);
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

/* ---- reading ---- */

/* One sample of doubles. */
static facet_status take_doubles(const facet_part *p, size_t at, float *to)
{
  double room[DOUBLES];
  size_t inputs = (size_t)facet_image_inputs(p->image);
  for (size_t i = 0, count; i < inputs; i += count) {
    count = inputs - i < DOUBLES ? inputs - i : DOUBLES;
    FACET_TRY(facet_bytes_take(p->bytes, at + i * sizeof *room, count * sizeof *room, room));
    for (size_t j = 0; j < count; j++)
      to[i + j] = (float)room[j];
  }
  return FACET_OK;
}

static facet_status take_as_they_lie(const facet_part *p, int64_t first, int64_t count, size_t sample, char *to)
{
  size_t at = p->start + (size_t)first * p->stride;
  if (p->set)
    return facet_hdf5_take(p->set, first, count, to);
  if (p->width < sizeof(double) && p->stride == sample)
    return facet_bytes_take(p->bytes, at, (size_t)count * sample, to);
  for (int64_t i = 0; i < count; i++, at += p->stride, to += sample)
    FACET_TRY(p->width == sizeof(double) ? take_doubles(p, at, (float *)(void *)to)
                                         : facet_bytes_take(p->bytes, at, sample, to));
  return FACET_OK;
}

facet_status facet_part_take(const facet_part *p, int64_t first, int64_t count, void *to)
{
  size_t size = p->is_float ? sizeof(float) : 1, bytes = (size_t)facet_image_inputs(p->image) * size;
  char *sample, *at = to;
  FACET_TRY(take_as_they_lie(p, first, count, bytes, to));
  if (p->order != FACET_CHANNELS_LAST || p->image.channels == 1)
    return FACET_OK;
  FACET_NEW(sample, bytes);
  for (int64_t i = 0; i < count; i++, at += bytes) {
    memcpy(sample, at, bytes);
    facet_channels_first(p->image, size, sample, at);
  }
  facet_free(&sample);
  return FACET_OK;
}

/* ---- checks ---- */

static facet_status check_finite(const char *path, int64_t inputs, int64_t first, int64_t count, const float *pixel)
{
  for (int64_t i = 0; i < count * inputs; i++)
    FACET_CHECK(isfinite(pixel[i]), FACET_BAD_INPUT, "%s: pixel %lld of sample %lld is %s", path,
                (long long)(i % inputs), (long long)(first + i / inputs), isnan(pixel[i]) ? "NaN" : "infinite");
  return FACET_OK;
}

facet_status facet_part_finite(const char *path, const facet_part *part)
{
  int64_t inputs = facet_image_inputs(part->image), most = AT_ONCE / (inputs * (int64_t)sizeof(float)) + 1;
  float *pixel;
  facet_status status = FACET_OK;
  if (!part->is_float || (part->decoded && part->decoded->shared)) /* whoever shares it has looked */
    return FACET_OK;
  most = most < part->count ? most : part->count;
  FACET_NEW(pixel, most * inputs);
  for (int64_t first = 0, count; first < part->count && status == FACET_OK; first += count) {
    count = part->count - first < most ? part->count - first : most;
    status = facet_part_take(part, first, count, pixel);
    if (status == FACET_OK)
      status = check_finite(path, inputs, first, count, pixel);
    if (status == FACET_OK && part->decoded && part->decoded->pause)
      status = part->decoded->pause();
  }
  facet_free(&pixel);
  return status;
}

facet_status facet_part_labels(const char *path, int64_t count, facet_part *part)
{
  FACET_CHECK(part->count == 0 || part->count == count, FACET_BAD_INPUT, "%s: %lld labels for the %lld samples", path,
              (long long)count, (long long)part->count);
  part->count = count;
  return facet_labels_begin(path, count, part->decoded, &part->labels);
}

facet_status facet_part_label(const char *path, int64_t label, facet_part *part)
{
  FACET_CHECK(label >= -1 && label <= INT32_MAX, FACET_BAD_INPUT, "%s: label %lld of sample %lld is no class", path,
              (long long)label, (long long)part->labels.added);
  return facet_labels_add(&part->labels, (int32_t)label);
}
