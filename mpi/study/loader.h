/* Samples as a condition makes them, corrupted here or read from a published set, and as a network takes them. */
#ifndef FACET_LOADER_H
#define FACET_LOADER_H

#include "study.h"

/* Not collective. pixels: samples first .. first+count-1 of the data set, which become those of the condition. scale:
 * what white is. */
facet_status facet_condition_apply(facet_condition condition, uint32_t seed, double scale, const facet_dataset *data,
                                   int64_t first, int64_t count, float *pixels);
/* Not collective. FACET_BAD_INPUT, FACET_NO_INPUT with the study's file if a published set does not fit the data. */
facet_status facet_conditions_check(const facet_conditions *conditions, const char *file, const facet_dataset *data);

/* One at a time: pixels of a condition, normalised, in the network's own order. */
typedef struct {
  const facet_settings *settings;
  const facet_normalization *normalize;
  const facet_dataset *data;
  const facet_input_layout *input;
  int64_t inputs;         /* D */
  float *pixels, *single; /* of one sample */
  double *image;
} facet_loader;

/* Not collective. All that goes in is borrowed. Clear it in any case. */
facet_status facet_loader_make(const facet_settings *settings, const facet_normalization *normalize,
                               const facet_dataset *data, const facet_input_layout *input, facet_loader *loader);
void facet_loader_clear(facet_loader *loader);
/* x: D of the study's precision, sample `sample` under a condition, as the network takes it; exact (may be NULL): the
 * same in double. */
facet_status facet_loader_load(facet_loader *loader, facet_condition condition, int64_t sample, void *x, double *exact);

#endif
