/* Pixels of samples under a study's conditions, before normalisation. What corrupting takes is done once for a block of
 * samples that many variants see one after the other, as far as there is room to keep it. */
#ifndef FACET_PIXELS_H
#define FACET_PIXELS_H

#include "study.h"

/* All of it is borrowed. */
typedef struct {
  const facet_settings *settings;
  const facet_normalization *normalize;
  const facet_conditions *conditions; /* NULL: samples are taken as they are */
  const facet_dataset *data;
} facet_sample_source;

typedef struct facet_pixels facet_pixels;

/* Not collective. bytes: room for corrupted blocks; 0: each sample is corrupted when it is asked for. */
facet_status facet_pixels_create(const facet_sample_source *source, double bytes, facet_pixels **pixels);
void facet_pixels_destroy(facet_pixels **pixels);
const facet_sample_source *facet_pixels_source(const facet_pixels *pixels);
/* *x: D numbers of a sample, channel by channel, valid until the next call. condition -1: as it is. */
facet_status facet_pixels_take(facet_pixels *pixels, int condition, int64_t sample, const float **x);

#endif
