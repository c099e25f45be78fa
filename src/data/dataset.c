/* A data set: parts from its files, joined, cut to the count that the study asks for; and the table of formats.  To add
 * one, write its reader in a file of its own, and its row. */
#include <string.h>

#include "bytes.h"

/* What the formats give, each in its own file. */
facet_part_reader facet_idx_pixels, facet_idx_labels, facet_cifar_read, facet_npy_pixels, facet_npy_labels,
    facet_hdf5_pixels, facet_hdf5_labels, facet_hdf5_labels_beside;

static const struct {
  const char *name;
  facet_part_reader *pixels;
  facet_part_reader *labels; /* NULL: `pixels` reads them too */
  facet_part_reader *beside; /* labels, where the study names no file of them, from the images' file; none there: the
                                part stays as it is. NULL: there are none */
  bool channels_first;
} formats[] = {
    {"idx", facet_idx_pixels, facet_idx_labels, NULL, false},
    {"cifar10", facet_cifar_read, NULL, NULL, true},
    {"npy", facet_npy_pixels, facet_npy_labels, NULL, false},
    {"hdf5", facet_hdf5_pixels, facet_hdf5_labels, facet_hdf5_labels_beside, false},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

int facet_data_format_find(const char *name)
{
  for (int i = 0; i < FORMATS; i++)
    if (strcmp(formats[i].name, name) == 0)
      return i;
  return -1;
}

static bool is_format(int format)
{
  return format >= 0 && format < FORMATS;
}

const char *facet_data_format_name(int format)
{
  return is_format(format) ? formats[format].name : NULL;
}

bool facet_data_format_holds_labels(int format)
{
  return is_format(format) && !formats[format].labels;
}

bool facet_data_format_finds_labels(int format)
{
  return is_format(format) && (formats[format].beside || !formats[format].labels);
}

bool facet_data_format_channels_first(int format)
{
  return is_format(format) && formats[format].channels_first;
}

static facet_status same_size(const char *path, const facet_dataset *d, const facet_part *part)
{
  FACET_CHECK(part->is_float == d->is_float, FACET_BAD_INPUT, "%s: pixels are %s but %s in the files before it", path,
              part->is_float ? "real numbers" : "bytes", d->is_float ? "real numbers" : "bytes");
  FACET_CHECK(facet_image_same(part->image, d->image), FACET_BAD_INPUT,
              "%s: samples are %lld x %lld x %lld but %lld x %lld x %lld in the files before it", path,
              (long long)part->image.channels, (long long)part->image.height, (long long)part->image.width,
              (long long)d->image.channels, (long long)d->image.height, (long long)d->image.width);
  return FACET_OK;
}

/* The first file's samples: the data set takes its arrays over. */
static facet_status take(facet_part *part, facet_dataset *d)
{
  if (!part->label) {
    FACET_NEW(part->label, part->count);
    for (int64_t i = 0; i < part->count; i++)
      part->label[i] = -1;
  }
  *d = (facet_dataset){.count = part->count,
                       .image = part->image,
                       .is_float = part->is_float,
                       .pixels = part->pixels,
                       .label = part->label};
  part->pixels = NULL;
  part->label = NULL;
  return FACET_OK;
}

/* Adds one file's samples to the end. */
static facet_status append(const char *path, facet_part *part, facet_dataset *d)
{
  if (d->count == 0)
    return take(part, d);
  FACET_TRY(same_size(path, d, part));
  size_t size = (size_t)facet_image_inputs(d->image) * (d->is_float ? sizeof(float) : 1);
  size_t old = (size_t)d->count, count = old + (size_t)part->count;
  FACET_TRY(facet_grow(&d->pixels, old, count, size));
  FACET_TRY(facet_grow(&d->label, old, count, sizeof *d->label));
  memcpy((char *)d->pixels + old * size, part->pixels, (size_t)part->count * size);
  for (size_t i = 0; i < (size_t)part->count; i++)
    d->label[old + i] = part->label ? part->label[i] : -1;
  d->count = (int64_t)count;
  return FACET_OK;
}

/* Gives the samples of images' file i their labels, if there are any. */
static facet_status read_labels(const facet_data_source *s, int i, facet_part *samples)
{
  facet_part labels = {0};
  facet_part_reader *reader = s->labels ? formats[s->format].labels : formats[s->format].beside;
  const char *file = s->labels ? s->labels[i] : s->images[i];
  facet_status status;
  FACET_GO(done, status, reader ? reader(file, &labels) : FACET_OK);
  FACET_CHECK_GO(done, status, !labels.label || labels.count == samples->count, FACET_BAD_INPUT,
                 "%s: %lld labels for the %lld samples of %s", file, (long long)labels.count, (long long)samples->count,
                 s->images[i]);
  if (labels.label) {
    samples->label = labels.label;
    labels.label = NULL;
  }
done:
  facet_part_clear(&labels);
  return status;
}

static facet_status read_file(const facet_data_source *s, int i, facet_dataset *d)
{
  facet_part samples = {.order = s->order};
  facet_status status;
  FACET_GO(done, status, formats[s->format].pixels(s->images[i], &samples));
  FACET_GO(done, status, facet_part_arrange(&samples));
  FACET_GO(done, status, read_labels(s, i, &samples));
  status = append(s->images[i], &samples, d);
done:
  facet_part_clear(&samples);
  return status;
}

facet_status facet_dataset_open(const facet_data_source *source, facet_dataset **dataset)
{
  facet_dataset *d;
  facet_status status = FACET_OK;
  FACET_CHECK(source->files > 0, FACET_BAD_INPUT, "a data set without files");
  FACET_CHECK(facet_data_format_name(source->format), FACET_INTERNAL, "no format of data has the number %d",
              source->format);
  FACET_CHECK(is_format(source->format), FACET_BAD_INPUT, "a data set without format");
  FACET_NEW(d, 1);
  for (int i = 0; i < source->files; i++)
    FACET_GO(failed, status, read_file(source, i, d));
  FACET_CHECK_GO(failed, status, source->count <= d->count, FACET_BAD_INPUT,
                 "%s: count is %lld but there are %lld samples", source->images[0], (long long)source->count,
                 (long long)d->count);
  if (source->count > 0)
    d->count = source->count;
  *dataset = d;
  return FACET_OK;
failed:
  facet_dataset_destroy(&d);
  return status;
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
  int64_t size = facet_image_inputs(d->image);
  if (d->is_float) {
    memcpy(pixels, (const float *)d->pixels + first * size, (size_t)(count * size) * sizeof *pixels);
    return;
  }
  const uint8_t *from = (const uint8_t *)d->pixels + first * size;
  for (int64_t i = 0; i < count * size; i++)
    pixels[i] = from[i];
}

int64_t facet_dataset_count(const facet_dataset *dataset)
{
  return dataset->count;
}

facet_image facet_dataset_image(const facet_dataset *dataset)
{
  return dataset->image;
}

const int32_t *facet_dataset_labels(const facet_dataset *dataset)
{
  return dataset->label;
}
