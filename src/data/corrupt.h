/* Private to src/data: what corruptions are made of.  Pixels are doubles, 0 black and 1 white, channel by channel.
 *
 * Constants are those of 32 x 32 images (from make_cifar_c.py of hendrycks/robustness).  Lengths in pixels
 * are multiplied by `unit`, the smaller side divided by 32. */
#ifndef FACET_CORRUPT_H
#define FACET_CORRUPT_H

#include "data.h"

enum { CORRUPT_ROOMS = 5, CORRUPT_CONSTANTS = 7 };

/* One sample under one severity. */
typedef struct {
  facet_random random;
  int severity;
  uint64_t sample;
  int64_t channels, height, width;
  int64_t plane, size; /* numbers of a channel, of the sample */
  double unit;
  const double *constant;      /* of the severity */
  double *room[CORRUPT_ROOMS]; /* scratch, as long as the sample or the fog's map: as many as the table says */
  double *row;                 /* as long as the sample is wide: of facet_filter_gaussian */
} facet_canvas;

/* Changes the sample in place; the caller clips. FACET_OS alone can go wrong. */
typedef facet_status facet_corruption(const facet_canvas *c, double *pixels);

/* Side of the map that fog is drawn on: the power of two that holds the image. */
int64_t facet_fog_side(int64_t height, int64_t width);

/* Random numbers of this sample: `layer` 0..15 tells what for, i which one. */
double facet_canvas_uniform(const facet_canvas *c, int layer, int64_t i);
void facet_canvas_normals(const facet_canvas *c, int layer, int64_t count, double *to);
double facet_canvas_luma(const facet_canvas *c, const double *pixels, int64_t at); /* grey of one pixel */

/* ---- filters of `planes` images of the canvas's size; `to` is another buffer: corrupt_filter.c ---- */

typedef enum { EDGE_NEAREST, EDGE_REFLECT, EDGE_REFLECT_101 } facet_edge;
/* A Gaussian of that sigma, cut at truncate x sigma, as scipy's. */
void facet_filter_gaussian(const facet_canvas *c, int64_t planes, double sigma, double truncate, facet_edge edge,
                           const double *from, double *to);
/* Half a Gaussian along a line, as ImageMagick's motion blur: radius in pixels, angle in degrees; edges are held. */
void facet_filter_motion(const facet_canvas *c, int64_t planes, double radius, double sigma, double angle,
                         const double *from, double *to);
/* The middle enlarged by `factor` >= 1, bilinear, as scipy's zoom of a crop. */
void facet_filter_zoom(const facet_canvas *c, int64_t planes, double factor, const double *from, double *to);
/* Position i of a line of `size` numbers, seen beyond its ends. */
int64_t facet_edge_at(int64_t i, int64_t size, facet_edge edge);
/* Bilinear value of one plane at (y, x). */
double facet_filter_sample(const facet_canvas *c, const double *plane, double y, double x, facet_edge edge);

#endif
