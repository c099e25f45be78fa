/* Samples as a condition makes them, corrupted here or read from a published set, and as a network takes them. */
#ifndef FACET_LOADER_H
#define FACET_LOADER_H

#include "pixels.h"

/* Not collective. pixels: samples first .. first+count-1 of the data set, which become those of the condition.
 * published: the set read last, NULL at first, to be closed by the caller in the end; may be NULL where the condition
 * is none of a published set. */
facet_status facet_condition_apply(const facet_sample_source *source, facet_condition condition, int64_t first,
                                   int64_t count, facet_published **published, float *pixels);
/* Not collective. FACET_BAD_INPUT, FACET_NO_INPUT with the study's file if a published set does not fit the data. */
facet_status facet_conditions_check(const facet_conditions *conditions, const char *file, const facet_dataset *data);

/* Bytes that the corruption of the conditions that needs the most takes beside the pixels. */
double facet_conditions_bytes(const facet_sample_source *source);

/* One at a time: pixels of a condition, normalised, in a network's own order. */
typedef struct {
  facet_pixels *pixels;
  const facet_normalization *normalize;
  const facet_input_layout *input;
  facet_image size;
  int64_t inputs; /* D */
  float *single;  /* of one sample, channel by channel */
  double *image;  /* the same in double, where that is asked for */
} facet_loader;

/* Not collective. Both are borrowed. Clear it in any case. */
facet_status facet_loader_make(facet_pixels *pixels, const facet_input_layout *input, facet_loader *loader);
void facet_loader_clear(facet_loader *loader);
/* x, exact: D numbers of a sample under a condition (-1: as it is), as the network takes it; either may be NULL. */
facet_status facet_loader_load(facet_loader *loader, int condition, int64_t sample, float *x, double *exact);
/* x: other pixels, D channel by channel, or all of them `value`, as the network takes them. */
void facet_loader_arrange(facet_loader *loader, const float *pixels, double *x);
void facet_loader_even(facet_loader *loader, float value, double *x);

#endif
