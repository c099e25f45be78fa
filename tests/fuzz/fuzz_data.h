/* A file as a data set: images, and labels; of what is accepted the first and the last sample are read. */
#ifndef FUZZ_DATA_H
#define FUZZ_DATA_H

#include "fuzz.h"

typedef struct {
  const char *format, *name; /* of the study, of the file */
} fuzz_format;

static inline void fuzz_samples(const facet_dataset *d)
{
  int64_t size = facet_image_inputs(facet_dataset_image(d)), place[] = {0, facet_dataset_count(d) - 1};
  float *pixels = size <= FUZZ_MOST ? facet_allocate((size_t)size, sizeof *pixels) : NULL;
  for (int i = 0; i < 2 && pixels; i++) {
    facet_status status = facet_dataset_pixels(d, place[i], 1, pixels);
    if (status != FACET_OK)
      fuzz_refused(status);
  }
  facet_free(&pixels);
}

static inline void fuzz_data(const fuzz_format *f, const uint8_t *bytes, size_t count)
{
  char *path = facet_copy_text(fuzz_file(f->name, bytes, count));
  for (int labels = 0; labels < 2; labels++) {
    facet_data_source source = {.format = facet_data_format_find(f->format), .files = 1, .images = &path};
    if (labels && facet_data_format_holds_labels(source.format))
      break;
    source.labels = labels ? &path : NULL;
    facet_dataset *d = NULL;
    facet_status status = facet_dataset_open(&source, &d);
    if (status == FACET_OK) {
      (void)facet_dataset_check_labels(d, path, 10);
      fuzz_samples(d);
    } else {
      fuzz_refused(status);
    }
    facet_dataset_destroy(&d);
  }
  facet_free(&path);
}

#endif
