/* Noise, each number by itself. */
#include <math.h>

#include "corrupt.h"

facet_status facet_gaussian_noise(const facet_canvas *c, double *pixels)
{
  facet_canvas_normals(c, 0, c->size, c->room[0]);
  for (int64_t i = 0; i < c->size; i++)
    pixels[i] += c->constant[0] * c->room[0][i];
  return FACET_OK;
}

facet_status facet_speckle_noise(const facet_canvas *c, double *pixels)
{
  facet_canvas_normals(c, 0, c->size, c->room[0]);
  for (int64_t i = 0; i < c->size; i++)
    pixels[i] += pixels[i] * c->constant[0] * c->room[0][i];
  return FACET_OK;
}

/* Salt and pepper. */
facet_status facet_impulse_noise(const facet_canvas *c, double *pixels)
{
  for (int64_t i = 0; i < c->size; i++)
    if (facet_canvas_uniform(c, 0, i) < c->constant[0])
      pixels[i] = facet_canvas_uniform(c, 1, i) < 0.5;
  return FACET_OK;
}

/* ---- shot noise ---- */

enum { MOST_TRIES = 8 };

/* Counted down from u: for small means. */
static double poisson_by_inversion(double mean, double u)
{
  double p = exp(-mean), k = 0;
  while (u > p && k < 200) {
    u -= p;
    p *= mean / ++k;
  }
  return k;
}

/* Transformed rejection (Hoermann 1993, PTRS): most often the first try does. */
static double poisson_by_rejection(const facet_canvas *c, double mean, int64_t i)
{
  double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b, k = 0;
  double inverse = 1.1239 + 1.1328 / (b - 3.4), limit = 0.9277 - 3.6224 / (b - 2);
  for (int64_t turn = 0; turn < MOST_TRIES; turn++) {
    int sign;
    double u = facet_canvas_uniform(c, 0, i * MOST_TRIES + turn) - 0.5;
    double v = facet_canvas_uniform(c, 1, i * MOST_TRIES + turn), left = 0.5 - fabs(u);
    k = floor((2 * a / left + b) * u + mean + 0.43);
    if (left >= 0.07 && v <= limit)
      return k;
    if (k < 0 || (left < 0.013 && v > left))
      continue;
    if (log(v * inverse / (a / (left * left) + b)) <= k * log(mean) - mean - lgamma_r(k + 1, &sign))
      return k;
  }
  return round(mean); /* one in millions */
}

facet_status facet_shot_noise(const facet_canvas *c, double *pixels)
{
  for (int64_t i = 0; i < c->size; i++) {
    double mean = pixels[i] * c->constant[0];
    double count = mean >= 10 ? poisson_by_rejection(c, mean, i)
                              : poisson_by_inversion(fmax(mean, 0), facet_canvas_uniform(c, 2, i));
    pixels[i] = count / c->constant[0];
  }
  return FACET_OK;
}
