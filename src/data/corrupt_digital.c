/* Light, colour, shape and resolution. */
#include <math.h>
#include <string.h>

#include "corrupt.h"

static double clip(double x)
{
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* The value V of HSV, which grows with all channels in proportion. */
facet_status facet_brightness(const facet_canvas *c, double *pixels)
{
  int64_t n = c->plane;
  for (int64_t i = 0; i < n; i++) {
    double value = 0;
    for (int64_t k = 0; k < c->channels; k++)
      value = fmax(value, pixels[k * n + i]);
    double wanted = clip(value + c->constant[0]);
    for (int64_t k = 0; k < c->channels; k++)
      pixels[k * n + i] = value > 0 ? pixels[k * n + i] * wanted / value : wanted;
  }
  return FACET_OK;
}

/* Towards the mean of each channel. */
facet_status facet_contrast(const facet_canvas *c, double *pixels)
{
  int64_t n = c->plane;
  for (int64_t k = 0; k < c->channels; k++) {
    double mean = 0, *p = pixels + k * n;
    for (int64_t i = 0; i < n; i++)
      mean += p[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
      p[i] = (p[i] - mean) * c->constant[0] + mean;
  }
  return FACET_OK;
}

/* The saturation S of HSV becomes S x + plus. A grey has hue 0, red; images of another number of channels than three
 * have no colour and stay as they are. (x, plus) */
facet_status facet_saturate(const facet_canvas *c, double *pixels)
{
  int64_t n = c->plane;
  for (int64_t i = 0; c->channels == 3 && i < n; i++) {
    double *p[3] = {pixels + i, pixels + n + i, pixels + 2 * n + i};
    double most = fmax(*p[0], fmax(*p[1], *p[2])), least = fmin(*p[0], fmin(*p[1], *p[2]));
    double saturation = most > 0 ? (most - least) / most : 0;
    double wanted = clip(saturation * c->constant[0] + c->constant[1]);
    for (int k = 0; k < 3; k++) {
      double depth = saturation > 0 ? (most - *p[k]) / (most * saturation) : k > 0; /* 0 at V, 1 at the least */
      *p[k] = most * (1 - wanted * depth);
    }
  }
  return FACET_OK;
}

/* ---- elastic ---- */

/* The affine map (2 x 3) from where three corners of a square go to, back to where they were. */
static void draw_affine(const facet_canvas *c, double reach, double map[6])
{
  double y = floor((double)c->height / 2), x = floor((double)c->width / 2);
  double side = floor((double)(c->height < c->width ? c->height : c->width) / 3);
  const double from[3][2] = {{x + side, y + side}, {x + side, y - side}, {x - side, y - side}};
  double to[3][2];
  for (int i = 0; i < 6; i++)
    to[i / 2][i % 2] = from[i / 2][i % 2] + reach * (2 * facet_canvas_uniform(c, 2, i) - 1);
  double ux = to[0][0] - to[1][0], uy = to[0][1] - to[1][1], vx = to[1][0] - to[2][0], vy = to[1][1] - to[2][1];
  double det = ux * vy - uy * vx;
  for (int k = 0; k < 2; k++) {
    double u = from[0][k] - from[1][k], v = from[1][k] - from[2][k];
    map[3 * k] = (u * vy - v * uy) / det;
    map[3 * k + 1] = (v * ux - u * vx) / det;
    map[3 * k + 2] = from[1][k] - map[3 * k] * to[1][0] - map[3 * k + 1] * to[1][1];
  }
}

static void draw_shift(const facet_canvas *c, int layer, double *noise, double *shift)
{
  for (int64_t i = 0; i < c->plane; i++)
    noise[i] = 2 * facet_canvas_uniform(c, layer, i) - 1;
  facet_filter_gaussian(c, 1, c->constant[1] * c->unit, 3, EDGE_REFLECT, noise, shift);
  for (int64_t i = 0; i < c->plane; i++)
    shift[i] *= c->constant[0] * c->unit;
}

/* A random affine map, then a smooth field of shifts. (alpha, sigma, affine) */
facet_status facet_elastic(const facet_canvas *c, double *pixels)
{
  int64_t n = c->plane, w = c->width;
  double map[6], *warped = c->room[0], *right = c->room[1], *down = c->room[2];
  draw_affine(c, c->constant[2] * c->unit, map);
  for (int64_t k = 0; k < c->channels; k++)
    for (int64_t i = 0; i < n; i++) {
      int64_t row = i / w;
      double x = (double)(i % w), y = (double)row;
      warped[k * n + i] = facet_filter_sample(c, pixels + k * n, map[3] * x + map[4] * y + map[5],
                                              map[0] * x + map[1] * y + map[2], EDGE_REFLECT_101);
    }
  draw_shift(c, 0, c->room[3], right);
  draw_shift(c, 1, c->room[3], down);
  for (int64_t k = 0; k < c->channels; k++)
    for (int64_t i = 0; i < n; i++) {
      int64_t row = i / w;
      double y = (double)row + down[i], x = (double)(i % w) + right[i];
      pixels[k * n + i] = facet_filter_sample(c, warped + k * n, y, x, EDGE_REFLECT);
    }
  return FACET_OK;
}

/* ---- pixelate ---- */

/* Pillow's box filter along one axis: output i is the mean of positions begin .. end-1. */
static void box_range(int64_t i, int64_t in, int64_t out, int64_t *begin, int64_t *end)
{
  double scale = (double)in / (double)out, half = 0.5 * fmax(scale, 1), center = ((double)i + 0.5) * scale;
  *begin = (int64_t)fmax(0, floor(center - half + 0.5));
  *end = (int64_t)fmin((double)in, floor(center + half + 0.5));
  if (*end <= *begin)
    *end = *begin + 1;
}

/* One plane from h x w to H x W. */
static void resize(const double *from, int64_t h, int64_t w, double *to, int64_t height, int64_t width)
{
  for (int64_t y = 0; y < height; y++)
    for (int64_t x = 0; x < width; x++) {
      int64_t top, bottom, left, right;
      double sum = 0;
      box_range(y, h, height, &top, &bottom);
      box_range(x, w, width, &left, &right);
      for (int64_t v = top; v < bottom; v++)
        for (int64_t u = left; u < right; u++)
          sum += from[v * w + u];
      to[y * width + x] = sum / (double)((bottom - top) * (right - left));
    }
}

facet_status facet_pixelate(const facet_canvas *c, double *pixels)
{
  int64_t h = (int64_t)fmax(1, floor((double)c->height * c->constant[0]));
  int64_t w = (int64_t)fmax(1, floor((double)c->width * c->constant[0]));
  for (int64_t k = 0; k < c->channels; k++) {
    double *plane = pixels + k * c->plane;
    resize(plane, c->height, c->width, c->room[0], h, w);
    resize(c->room[0], h, w, plane, c->height, c->width);
  }
  return FACET_OK;
}
