/* A data set: parts from its files, joined, cut to the count that the study asks for. */
#include <string.h>

#include "data/bytes.h"

typedef facet_status part_reader(const char *path, facet_part *part);

static const struct {
  part_reader *pixels, *labels; /* labels NULL: the images' files hold them */
} formats[] = {
    [FACET_IDX] = {facet_idx_pixels, facet_idx_labels},
    [FACET_CIFAR10] = {facet_cifar_read, NULL},
    [FACET_NPY] = {facet_npy_pixels, facet_npy_labels},
    [FACET_HDF5] = {facet_hdf5_pixels, facet_hdf5_labels},
};

static facet_status same_size(const char *path, const facet_dataset *d, const facet_part *part)
{
  FACET_CHECK(part->channels == d->channels && part->height == d->height && part->width == d->width &&
                  part->is_float == d->is_float,
              FACET_BAD_INPUT, "%s: samples are %lld x %lld x %lld but %lld x %lld x %lld in the files before it", path,
              (long long)part->channels, (long long)part->height, (long long)part->width, (long long)d->channels,
              (long long)d->height, (long long)d->width);
  return FACET_OK;
}

/* Adds one file's samples to the end. */
static facet_status append(const char *path, const facet_part *part, facet_dataset *d)
{
  if (d->count == 0) {
    d->channels = part->channels;
    d->height = part->height;
    d->width = part->width;
    d->is_float = part->is_float;
  }
  FACET_TRY(same_size(path, d, part));
  size_t size = (size_t)(d->channels * d->height * d->width) * (d->is_float ? sizeof(float) : 1);
  size_t old = (size_t)d->count, count = old + (size_t)part->count;
  FACET_TRY(facet_grow(&d->pixels, old, count, size));
  FACET_TRY(facet_grow(&d->label, old, count, sizeof *d->label));
  memcpy((char *)d->pixels + old * size, part->pixels, (size_t)part->count * size);
  for (size_t i = 0; i < (size_t)part->count; i++)
    d->label[old + i] = part->label ? part->label[i] : -1;
  d->count = (int64_t)count;
  return FACET_OK;
}

static facet_status read_file(const facet_data_source *s, int i, facet_dataset *d)
{
  facet_part pixels = {0}, labels = {0};
  facet_status status = formats[s->format].pixels(s->images[i], &pixels);
  if (status == FACET_OK && s->labels && formats[s->format].labels) {
    status = formats[s->format].labels(s->labels[i], &labels);
    if (status == FACET_OK && labels.count != pixels.count)
      status = facet_raise(FACET_BAD_INPUT, "%s: %lld labels for the %lld samples of %s", s->labels[i],
                           (long long)labels.count, (long long)pixels.count, s->images[i]);
    pixels.label = labels.label;
    labels.label = NULL;
  }
  if (status == FACET_OK)
    status = append(s->images[i], &pixels, d);
  facet_part_clear(&pixels);
  facet_part_clear(&labels);
  return status;
}

facet_status facet_dataset_open(const facet_data_source *source, facet_dataset **dataset)
{
  facet_dataset *d;
  facet_status status = FACET_OK;
  FACET_CHECK(source->files > 0, FACET_BAD_INPUT, "a data set without files");
  FACET_NEW(d, 1);
  for (int i = 0; i < source->files && status == FACET_OK; i++)
    status = read_file(source, i, d);
  if (status == FACET_OK && source->count > d->count)
    status = facet_raise(FACET_BAD_INPUT, "%s: count is %lld but there are %lld samples", source->images[0],
                         (long long)source->count, (long long)d->count);
  if (status != FACET_OK) {
    facet_dataset_destroy(&d);
    return status;
  }
  if (source->count > 0)
    d->count = source->count;
  *dataset = d;
  return FACET_OK;
}

void facet_dataset_destroy(facet_dataset **dataset)
{
  if (*dataset) {
    facet_free(&(*dataset)->pixels);
    facet_free(&(*dataset)->label);
  }
  facet_free(dataset);
}

facet_status facet_dataset_check_labels(const facet_dataset *d, const char *file, int64_t classes)
{
  for (int64_t i = 0; i < d->count; i++)
    FACET_CHECK(d->label[i] >= -1 && d->label[i] < classes, FACET_BAD_INPUT,
                "%s: label %d of sample %lld is not in 0..%lld", file, d->label[i], (long long)i,
                (long long)classes - 1);
  return FACET_OK;
}

void facet_dataset_pixels(const facet_dataset *d, int64_t first, int64_t count, float *pixels)
{
  int64_t size = d->channels * d->height * d->width;
  if (d->is_float) {
    memcpy(pixels, (const float *)d->pixels + first * size, (size_t)(count * size) * sizeof *pixels);
    return;
  }
  const uint8_t *from = (const uint8_t *)d->pixels + first * size;
  for (int64_t i = 0; i < count * size; i++)
    pixels[i] = from[i];
}
