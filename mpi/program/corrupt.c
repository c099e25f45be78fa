/* The command `facet corrupt`: a study's test samples under its conditions, as .npy files. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "session.h"
#include "study/loader.h"

/* NumPy's header, version 1.0: padded so that the numbers begin at a multiple of 64. */
static bool write_header(FILE *file, const char *shape)
{
  char text[256];
  int used = snprintf(text, sizeof text, "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", shape);
  int padded = (10 + used + 1 + 63) / 64 * 64 - 10;
  unsigned char head[10] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(padded & 255), (unsigned char)(padded >> 8)};
  return fwrite(head, 1, sizeof head, file) == sizeof head && fprintf(file, "%-*s\n", padded - 1, text) == padded;
}

/* One sample in the file's order: y, x, channel. */
static void to_bytes(const facet_study *study, const facet_dataset *d, const float *pixels, uint8_t *bytes)
{
  int64_t plane = facet_image_plane(d->image);
  for (int64_t c = 0; c < d->image.channels; c++)
    for (int64_t i = 0; i < plane; i++) {
      double level = 255 * (double)pixels[c * plane + i] / study->data.normalize.scale;
      bytes[i * d->image.channels + c] = (uint8_t)rint(level < 0 ? 0 : level > 255 ? 255 : level);
    }
}

/* All samples under one condition. */
static facet_status write_condition(const facet_study *study, const facet_dataset *d, facet_condition c, float *pixels,
                                    uint8_t *bytes, FILE *file)
{
  const facet_sample_source source = {&study->settings, &study->data.normalize, NULL, d};
  size_t size = (size_t)facet_image_inputs(d->image);
  for (int64_t i = 0; i < d->count; i++) {
    facet_dataset_pixels(d, i, 1, pixels);
    FACET_TRY(facet_condition_apply(&source, c, i, 1, NULL, pixels));
    to_bytes(study, d, pixels, bytes);
    FACET_CHECK(fwrite(bytes, 1, size, file) == size, FACET_IO, "%s", strerror(errno));
  }
  return FACET_OK;
}

/* What is published is not written again. */
static bool is_of(facet_condition condition, int corruption)
{
  return condition.corruption == corruption && !condition.published;
}

/* How many conditions of the study are of that corruption. */
static int count_severities(const facet_study *study, int corruption)
{
  int count = 0;
  for (int c = 0; c < study->conditions.count; c++)
    count += is_of(study->conditions.item[c], corruption);
  return count;
}

static facet_status write_corruption(const facet_study *study, const facet_dataset *d, int corruption, float *pixels,
                                     uint8_t *bytes, FILE *file)
{
  char shape[100];
  long long samples = d->count * count_severities(study, corruption);
  (void)snprintf(shape, sizeof shape, "%lld, %lld, %lld, %lld", samples, (long long)d->image.height,
                 (long long)d->image.width, (long long)d->image.channels);
  FACET_CHECK(write_header(file, shape), FACET_IO, "%s", strerror(errno));
  for (int severity = 0; severity <= 5; severity++)
    for (int c = 0; c < study->conditions.count; c++)
      if (is_of(study->conditions.item[c], corruption) && study->conditions.item[c].severity == severity)
        FACET_TRY(write_condition(study, d, study->conditions.item[c], pixels, bytes, file));
  return FACET_OK;
}

static facet_status write_labels(const facet_study *study, const facet_dataset *d, FILE *file)
{
  int most = 0;
  char shape[40];
  for (int c = 0; c < study->conditions.count; c++) {
    int count = count_severities(study, study->conditions.item[c].corruption);
    most = count > most ? count : most;
  }
  long long labels = d->count * most;
  (void)snprintf(shape, sizeof shape, "%lld,", labels);
  FACET_CHECK(write_header(file, shape), FACET_IO, "%s", strerror(errno));
  for (int64_t i = 0; i < d->count * most; i++) {
    int32_t label = d->label[i % d->count];
    FACET_CHECK(putc(label >= 0 && label < 255 ? label : 255, file) != EOF, FACET_IO, "%s", strerror(errno));
  }
  return FACET_OK;
}

/* corruption -1: labels. */
static facet_status write_file(const facet_study *study, const facet_dataset *d, int corruption, const char *folder)
{
  const char *name = corruption < 0 ? "labels" : facet_corruption_name(corruption);
  int64_t size = facet_image_inputs(d->image);
  float *pixels = NULL;
  uint8_t *bytes = NULL;
  char *path = facet_format("%s/%s.npy", folder, name);
  FILE *file = path ? fopen(path, "wb") : NULL;
  facet_status status = FACET_OK;
  if (!file) {
    status = path ? facet_raise(FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno)) : FACET_OS;
    goto done;
  }
  FACET_NEW_GO(done, status, pixels, size);
  FACET_NEW_GO(done, status, bytes, size);
  status = corruption < 0 ? write_labels(study, d, file) : write_corruption(study, d, corruption, pixels, bytes, file);
done:
  if (file && fclose(file) != 0 && status == FACET_OK)
    status = facet_raise(FACET_IO, "%s", strerror(errno));
  if (status == FACET_IO)
    status = facet_raise_in(FACET_IO, "%s: ", path);
  FACET_FREE(&pixels, &bytes, &path);
  return status;
}

static facet_status write_all(const facet_study *study, const facet_dataset *test, const char *folder)
{
  FACET_TRY(facet_make_folder(folder));
  for (int corruption = 0; facet_corruption_name(corruption); corruption++)
    if (count_severities(study, corruption) > 0) {
      FACET_TRY(write_file(study, test, corruption, folder));
      printf("%s/%s.npy\n", folder, facet_corruption_name(corruption));
    }
  return write_file(study, test, -1, folder);
}

facet_status facet_corrupt_study(char *const *argument, bool fresh)
{
  (void)fresh;
  facet_session s = {0};
  facet_status status = facet_session_read(argument[0], &s);
  if (status == FACET_OK)
    status = write_all(s.study, s.data.test, argument[1]);
  facet_session_clear(&s);
  return status;
}
