/* Blurs. */
#include <math.h>
#include <string.h>

#include "corrupt.h"

static size_t bytes_of(const facet_canvas *c)
{
  return (size_t)(c->size) * sizeof(double);
}

facet_status facet_gaussian_blur(const facet_canvas *c, double *pixels)
{
  memcpy(c->room[0], pixels, bytes_of(c));
  facet_filter_gaussian(c, c->channels, c->constant[0] * c->unit, 4, EDGE_NEAREST, c->room[0], pixels);
  return FACET_OK;
}

/* ---- defocus ---- */

enum { MOST_DISK = 129 };

/* A disk, its edge softened by a Gaussian over 3 x 3 (5 x 5 where the radius is over 8). Returns half its side. */
static int64_t make_disk(double radius, double alias, double *kernel)
{
  int64_t half = radius <= 8 ? 8 : (int64_t)radius, reach = radius <= 8 ? 1 : 2;
  half = half > MOST_DISK / 2 ? MOST_DISK / 2 : half;
  int64_t side = 2 * half + 1;
  double inside = 0, weight = 0;
  for (int64_t y = -half; y <= half; y++)
    for (int64_t x = -half; x <= half; x++)
      inside += (double)(x * x + y * y) <= radius * radius;
  for (int64_t k = -reach; k <= reach; k++)
    weight += exp(-0.5 * (double)(k * k) / (alias * alias));
  for (int64_t y = -half; y <= half; y++)
    for (int64_t x = -half; x <= half; x++) {
      double sum = 0;
      for (int64_t v = -reach; v <= reach; v++)
        for (int64_t u = -reach; u <= reach; u++)
          if ((double)((x + u) * (x + u) + (y + v) * (y + v)) <= radius * radius)
            sum += exp(-0.5 * (double)(u * u + v * v) / (alias * alias));
      kernel[(y + half) * side + x + half] = sum / inside / (weight * weight);
    }
  return half;
}

facet_status facet_defocus_blur(const facet_canvas *c, double *pixels)
{
  double kernel[MOST_DISK * MOST_DISK];
  int64_t h = c->height, w = c->width, half = make_disk(c->constant[0] * c->unit, c->constant[1], kernel);
  const double *from = c->room[0];
  memcpy(c->room[0], pixels, bytes_of(c));
  memset(pixels, 0, bytes_of(c));
  for (int64_t v = -half; v <= half; v++)
    for (int64_t u = -half; u <= half; u++) {
      double k = kernel[(v + half) * (2 * half + 1) + u + half];
      for (int64_t y = 0; k != 0 && y < c->channels * h; y++) {
        const double *line = from + (y / h * h + facet_edge_at(y % h + v, h, EDGE_REFLECT_101)) * w;
        for (int64_t x = 0; x < w; x++)
          pixels[y * w + x] += k * line[facet_edge_at(x + u, w, EDGE_REFLECT_101)];
      }
    }
  return FACET_OK;
}

/* ---- glass ---- */

/* Blurred, every pixel made that of a near neighbour, blurred again. The source means to swap the two, but what it
 * writes copies (numpy's views), and so the published images were made. */
facet_status facet_glass_blur(const facet_canvas *c, double *pixels)
{
  double sigma = c->constant[0] * c->unit;
  int64_t reach = (int64_t)fmax(1, round(c->constant[1] * c->unit)), turn = 0;
  int64_t h = c->height, w = c->width;
  double *work = c->room[0];
  facet_filter_gaussian(c, c->channels, sigma, 4, EDGE_NEAREST, pixels, work);
  for (int64_t i = 0; i < c->channels * h * w; i++)
    work[i] = floor(work[i] * 255) / 255;
  for (int round_of = 0; round_of < (int)c->constant[2]; round_of++)
    for (int64_t y = h - reach; y > reach; y--)
      for (int64_t x = w - reach; x > reach; x--, turn++) {
        int64_t right = (int64_t)(facet_canvas_uniform(c, 0, turn) * 2 * (double)reach) - reach;
        int64_t down = (int64_t)(facet_canvas_uniform(c, 1, turn) * 2 * (double)reach) - reach;
        for (int64_t k = 0; k < c->channels; k++)
          work[(k * h + y) * w + x] = work[(k * h + y + down) * w + x + right];
      }
  facet_filter_gaussian(c, c->channels, sigma, 4, EDGE_NEAREST, work, pixels);
  return FACET_OK;
}

/* ---- motion and zoom ---- */

facet_status facet_motion_blur(const facet_canvas *c, double *pixels)
{
  double angle = 90 * facet_canvas_uniform(c, 0, 0) - 45;
  memcpy(c->room[0], pixels, bytes_of(c));
  facet_filter_motion(c, c->channels, c->constant[0] * c->unit, c->constant[1] * c->unit, angle, c->room[0], pixels);
  return FACET_OK;
}

/* The mean of the image and of its enlargements by 1, 1.01, 1.02, ...; numpy's arange makes them with this very step,
 * and a last digit more or less turns a side of 32.5 into 32 or 33. */
facet_status facet_zoom_blur(const facet_canvas *c, double *pixels)
{
  int64_t size = c->size, count = (int64_t)ceil((c->constant[0] - 1) / 0.01);
  const double one = 1, step = one + 0.01 - one;
  double *sum = c->room[0], *zoomed = c->room[1];
  memcpy(sum, pixels, bytes_of(c));
  for (int64_t k = 0; k < count; k++) {
    facet_filter_zoom(c, c->channels, 1 + (double)k * step, pixels, zoomed);
    for (int64_t i = 0; i < size; i++)
      sum[i] += zoomed[i];
  }
  for (int64_t i = 0; i < size; i++)
    pixels[i] = sum[i] / (double)(count + 1);
  return FACET_OK;
}
