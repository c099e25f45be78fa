/* Private to src/data: whole files in memory, gunzipped where their name ends in .gz. */
#ifndef FACET_BYTES_H
#define FACET_BYTES_H

#include "data.h"

/* FACET_NO_INPUT, FACET_IO, FACET_BAD_INPUT "FILE: truncated gzip". Caller frees. */
facet_status facet_bytes_read(const char *path, uint8_t **bytes, size_t *count);
uint32_t facet_bytes_big32(const uint8_t *at); /* big endian */

/* One file's worth of samples, before files are joined. Arrays are owned. */
typedef struct {
  facet_order order; /* of the pixels as they lie in the file: asked for at first, then known */
  int64_t count;
  facet_image image;
  bool is_float;
  void *pixels;   /* NULL: labels only */
  int32_t *label; /* NULL: pixels only */
} facet_part;

void facet_part_clear(facet_part *part);
/* Reads one file of a format: pixels, or labels, or both. */
typedef facet_status facet_part_reader(const char *path, facet_part *part);

/* Sets count, image and order from the dimensions of an array of samples: N x C x H x W or
 * N x H x W x C as part->order asks, N x H x W, N x D.
 * FACET_BAD_INPUT with the file's name otherwise, or if it could not be held. */
facet_status facet_part_shape(const char *path, int rank, const int64_t *dim, facet_part *part);
/* Brings pixels that lie channels last into channels first. */
facet_status facet_part_arrange(facet_part *part);
/* FACET_BAD_INPUT if a float pixel is not finite. */
facet_status facet_part_finite(const char *path, const facet_part *part);

/* Stores the label of sample i. FACET_BAD_INPUT unless it is -1 or more and fits 32 bits. */
facet_status facet_part_label(const char *path, int64_t i, int64_t label, facet_part *part);

#endif
