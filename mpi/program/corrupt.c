/* The command `facet corrupt`: a study's test samples under its conditions, as .npy files. */
#include <math.h>

#include "commands.h"
#include "data/npy_write.h"
#include "lock.h"
#include "session.h"
#include "study/loader.h"

typedef struct {
  const facet_study *study;
  const facet_dataset *test;
  float *pixels;
  uint8_t *bytes; /* D each: one sample */
} work;

/* The sample in the file's order: y, x, channel. */
static void to_bytes(const work *w)
{
  facet_image image = w->test->image;
  int64_t plane = facet_image_plane(image);
  for (int64_t c = 0; c < image.channels; c++)
    for (int64_t i = 0; i < plane; i++) {
      double level = 255 * (double)w->pixels[c * plane + i] / w->study->data.normalize.scale;
      w->bytes[i * image.channels + c] = (uint8_t)rint(level < 0 ? 0 : level > 255 ? 255 : level);
    }
}

/* All samples under one condition. */
static facet_status write_condition(const work *w, facet_condition c, const facet_npy_file *file)
{
  const facet_sample_source source = {&w->study->settings, &w->study->data.normalize, NULL, w->test};
  for (int64_t i = 0; i < w->test->count; i++) {
    FACET_TRY(facet_dataset_pixels(w->test, i, 1, w->pixels));
    FACET_TRY(facet_condition_apply(&source, c, i, 1, NULL, w->pixels));
    to_bytes(w);
    FACET_TRY(facet_npy_add(file, w->bytes, (size_t)facet_image_inputs(w->test->image)));
  }
  return FACET_OK;
}

/* What is published is not written again. */
static bool is_of(facet_condition condition, int corruption)
{
  return condition.corruption == corruption && !condition.published;
}

/* How many conditions of the study are of that corruption. */
static int count_severities(const work *w, int corruption)
{
  int count = 0;
  for (int c = 0; c < w->study->conditions.count; c++)
    count += is_of(w->study->conditions.item[c], corruption);
  return count;
}

static facet_status write_corruption(const work *w, int corruption, const char *path)
{
  const facet_conditions *conditions = &w->study->conditions;
  facet_image image = w->test->image;
  int64_t dim[] = {w->test->count * count_severities(w, corruption), image.height, image.width, image.channels};
  facet_npy_file file;
  FACET_TRY(facet_npy_begin(path, 4, dim, &file));
  facet_status status = FACET_OK;
  for (int severity = 0; severity <= 5; severity++)
    for (int c = 0; c < conditions->count && status == FACET_OK; c++)
      if (is_of(conditions->item[c], corruption) && conditions->item[c].severity == severity)
        status = write_condition(w, conditions->item[c], &file);
  FACET_TRY(facet_npy_end(&file, status));
  printf("%s\n", path);
  return FACET_OK;
}

/* Over again for each severity of the corruption that has the most. */
static facet_status write_labels(const work *w, const char *path)
{
  int64_t most = 0;
  for (int c = 0; c < w->study->conditions.count; c++) {
    int count = count_severities(w, w->study->conditions.item[c].corruption);
    most = count > most ? count : most;
  }
  int64_t labels = w->test->count * most;
  facet_npy_file file;
  FACET_TRY(facet_npy_begin(path, 1, &labels, &file));
  facet_status status = FACET_OK;
  for (int64_t i = 0; i < labels && status == FACET_OK; i++) {
    int32_t label = -1;
    status = facet_dataset_labels(w->test, i % w->test->count, 1, &label);
    uint8_t byte = (uint8_t)(label >= 0 && label < 255 ? label : 255);
    if (status == FACET_OK)
      status = facet_npy_add(&file, &byte, 1);
  }
  return facet_npy_end(&file, status);
}

/* corruption -1: labels. */
static facet_status write_file(const work *w, int corruption, const char *folder)
{
  const char *name = corruption < 0 ? "labels" : facet_corruption_name(corruption);
  char *path = facet_format("%s/%s.npy", folder, name);
  facet_status status = !path            ? FACET_OS
                        : corruption < 0 ? write_labels(w, path)
                                         : write_corruption(w, corruption, path);
  facet_free(&path);
  return status;
}

static facet_status write_all(work *w, const char *folder)
{
  FACET_NEW(w->pixels, facet_image_inputs(w->test->image));
  FACET_NEW(w->bytes, facet_image_inputs(w->test->image));
  for (int corruption = 0; facet_corruption_name(corruption); corruption++)
    if (count_severities(w, corruption) > 0)
      FACET_TRY(write_file(w, corruption, folder));
  return write_file(w, -1, folder);
}

facet_status facet_corrupt_study(const facet_call *call)
{
  facet_session s = {0};
  facet_status status = facet_session_read(MPI_COMM_NULL, call->file[0], &s);
  facet_lock lock = {.file = -1};
  work w = {s.study, s.data.test, NULL, NULL};
  if (status == FACET_OK)
    status = facet_lock_take(call->file[1], &lock);
  if (status == FACET_OK)
    status = write_all(&w, call->file[1]);
  FACET_FREE(&w.pixels, &w.bytes);
  facet_lock_release(&lock);
  facet_session_clear(&s);
  return status;
}
