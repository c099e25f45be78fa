/* A data set: parts from its files, one after the other, cut to the count that the study asks for; and the table of
 * formats.  To add one, write its reader in a file of its own, and its row.  Few labels are in memory, pixels are not.
 */
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

/* Adds one file's samples to the end; the data set takes them over. */
static facet_status append(const char *path, facet_part *part, facet_dataset *d)
{
  if (d->parts == 0)
    *d = (facet_dataset){.image = part->image, .is_float = part->is_float};
  FACET_TRY(same_size(path, d, part));
  FACET_TRY(facet_grow(&d->part, (size_t)d->parts, (size_t)d->parts + 1, sizeof *d->part));
  part->decoded = NULL;
  d->count += part->count;
  d->part[d->parts++] = *part;
  *part = (facet_part){.count = 0};
  return FACET_OK;
}

/* Gives the samples of images' file i their labels, if there are any. */
static facet_status read_labels(const facet_data_source *s, int i, facet_part *samples)
{
  facet_part labels = {.count = samples->count, .decoded = samples->decoded};
  facet_part_reader *reader = s->labels ? formats[s->format].labels : formats[s->format].beside;
  facet_status status = reader ? reader(s->labels ? s->labels[i] : s->images[i], &labels) : FACET_OK;
  if (status == FACET_OK && labels.labels.count > 0) {
    samples->labels = labels.labels;
    labels.labels = (facet_labels){.count = 0};
  }
  facet_part_clear(&labels);
  return status;
}

static facet_status read_file(const facet_data_source *s, int i, facet_decoded *decoded, facet_dataset *d)
{
  facet_part samples = {.order = s->order, .decoded = decoded};
  facet_status status = formats[s->format].pixels(s->images[i], &samples);
  if (status == FACET_OK)
    status = read_labels(s, i, &samples);
  if (status == FACET_OK)
    status = append(s->images[i], &samples, d);
  facet_part_clear(&samples);
  return status;
}

static facet_status read_labels_of_parts(const facet_dataset *d, int64_t first, int64_t count, int32_t *to)
{
  for (int i = 0; i < d->parts && count > 0; first -= d->part[i++].count) {
    int64_t there = d->part[i].count - first;
    if (there <= 0)
      continue;
    there = there < count ? there : count;
    FACET_TRY(facet_labels_take(&d->part[i].labels, first, there, to));
    to += there;
    first += there;
    count -= there;
  }
  return FACET_OK;
}

/* Few labels are held by the data set, and no longer by its parts. */
static facet_status hold_labels(facet_dataset *d)
{
  if (d->count > FACET_LABELS_HELD)
    return FACET_OK;
  FACET_NEW(d->label, d->count);
  facet_status status = read_labels_of_parts(d, 0, d->count, d->label);
  for (int i = 0; i < d->parts; i++)
    facet_labels_clear(&d->part[i].labels);
  return status;
}

static double nameless_bytes(const facet_bytes *bytes)
{
  return bytes && bytes->nameless ? (double)bytes->size : 0;
}

double facet_dataset_decoded(const facet_dataset *d)
{
  double sum = 0;
  for (int i = 0; i < d->parts; i++)
    sum += nameless_bytes(d->part[i].bytes) + nameless_bytes(d->part[i].labels.file);
  return sum;
}

facet_status facet_dataset_labels(const facet_dataset *d, int64_t first, int64_t count, int32_t *label)
{
  if (!d->label)
    return read_labels_of_parts(d, first, count, label);
  memcpy(label, d->label + first, (size_t)count * sizeof *label);
  return FACET_OK;
}

facet_status facet_dataset_open_decoded(const facet_data_source *source, facet_decoded *decoded,
                                        facet_dataset **dataset)
{
  facet_dataset *d;
  facet_status status = FACET_OK;
  FACET_CHECK(source->files > 0, FACET_BAD_INPUT, "a data set without files");
  FACET_CHECK(facet_data_format_name(source->format), FACET_INTERNAL, "no format of data has the number %d",
              source->format);
  FACET_CHECK(is_format(source->format), FACET_BAD_INPUT, "a data set without format");
  FACET_NEW(d, 1);
  for (int i = 0; i < source->files; i++)
    FACET_GO(failed, status, read_file(source, i, decoded, d));
  FACET_CHECK_GO(failed, status, source->count <= d->count, FACET_BAD_INPUT,
                 "%s: count is %lld but there are %lld samples", source->images[0], (long long)source->count,
                 (long long)d->count);
  if (source->count > 0)
    d->count = source->count;
  FACET_GO(failed, status, hold_labels(d));
  *dataset = d;
  return FACET_OK;
failed:
  facet_dataset_destroy(&d);
  return status;
}

facet_status facet_dataset_open(const facet_data_source *source, facet_dataset **dataset)
{
  return facet_dataset_open_decoded(source, NULL, dataset);
}

void facet_dataset_destroy(facet_dataset **dataset)
{
  facet_dataset *d = *dataset;
  for (int i = 0; d && i < d->parts; i++)
    facet_part_clear(&d->part[i]);
  if (d)
    FACET_FREE(&d->part, &d->label);
  facet_free(dataset);
}

bool facet_labels_walk(facet_label_walk *w)
{
  int64_t left = w->of->count - (w->first += w->count);
  w->count = left < FACET_LABELS_AT_ONCE ? left : FACET_LABELS_AT_ONCE;
  w->status = w->count > 0 ? facet_dataset_labels(w->of, w->first, w->count, w->label) : FACET_OK;
  return w->count > 0 && w->status == FACET_OK;
}

facet_status facet_dataset_check_labels(const facet_dataset *d, const char *file, int64_t classes)
{
  facet_label_walk w = {.of = d};
  while (facet_labels_walk(&w))
    for (int64_t i = 0; i < w.count; i++)
      FACET_CHECK(w.label[i] >= -1 && w.label[i] < classes, FACET_BAD_INPUT,
                  "%s: label %d of sample %lld is not in 0..%lld", file, w.label[i], (long long)(w.first + i),
                  (long long)classes - 1);
  return w.status;
}

facet_status facet_dataset_classes(const facet_dataset *d, int64_t *classes)
{
  facet_label_walk w = {.of = d};
  *classes = 0;
  while (facet_labels_walk(&w))
    for (int64_t i = 0; i < w.count; i++)
      *classes = w.label[i] >= *classes ? w.label[i] + 1 : *classes;
  return w.status;
}

facet_status facet_dataset_labelled(const facet_dataset *d, int64_t *labelled)
{
  facet_label_walk w = {.of = d};
  *labelled = 0;
  while (facet_labels_walk(&w))
    for (int64_t i = 0; i < w.count; i++)
      *labelled += w.label[i] >= 0;
  return w.status;
}

facet_status facet_dataset_take(const facet_dataset *d, int64_t first, int64_t count, void *to)
{
  size_t bytes = (size_t)facet_image_inputs(d->image) * (d->is_float ? sizeof(float) : 1);
  char *at = to;
  if (d->pixels) {
    memcpy(to, (const char *)d->pixels + (size_t)first * bytes, (size_t)count * bytes);
    return FACET_OK;
  }
  for (int i = 0; i < d->parts && count > 0; first -= d->part[i++].count) {
    int64_t there = d->part[i].count - first;
    if (there <= 0)
      continue;
    there = there < count ? there : count;
    FACET_TRY(facet_part_take(&d->part[i], first, there, at));
    at += (size_t)there * bytes;
    first += there;
    count -= there;
  }
  return FACET_OK;
}

/* Bytes are read into the end of where the floats go: the float of a byte never reaches one that is still to come. */
facet_status facet_dataset_pixels(const facet_dataset *d, int64_t first, int64_t count, float *pixels)
{
  int64_t numbers = count * facet_image_inputs(d->image);
  if (d->is_float)
    return facet_dataset_take(d, first, count, pixels);
  uint8_t *bytes = (uint8_t *)(pixels + numbers) - numbers;
  FACET_TRY(facet_dataset_take(d, first, count, bytes));
  for (int64_t i = 0; i < numbers; i++)
    pixels[i] = bytes[i];
  return FACET_OK;
}

int64_t facet_dataset_count(const facet_dataset *dataset)
{
  return dataset->count;
}

facet_image facet_dataset_image(const facet_dataset *dataset)
{
  return dataset->image;
}
