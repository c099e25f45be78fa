/* Per-channel normalisation: x = (pixel / scale - mean) / std, in double. */
#include <math.h>

#include "data.h"

facet_status facet_normalization_check(const facet_normalization *n, int64_t channels)
{
  FACET_CHECK(n->scale > 0 && isfinite(n->scale), FACET_BAD_INPUT, "scale is %g", n->scale);
  FACET_CHECK(n->channels >= 0 && n->channels <= 16 && (n->channels <= 1 || n->channels == channels), FACET_BAD_INPUT,
              "mean and std have %d entries but the images have %lld channels", n->channels, (long long)channels);
  for (int c = 0; c < n->channels; c++)
    FACET_CHECK(isfinite(n->mean[c]) && isfinite(n->std[c]) && n->std[c] != 0, FACET_BAD_INPUT,
                "mean %g and std %g of channel %d", n->mean[c], n->std[c], c);
  return FACET_OK;
}

static double mean_of(const facet_normalization *n, int64_t c)
{
  return n->channels == 0 ? 0 : n->mean[n->channels == 1 ? 0 : c];
}

static double std_of(const facet_normalization *n, int64_t c)
{
  return n->channels == 0 ? 1 : n->std[n->channels == 1 ? 0 : c];
}

void facet_normalize(const facet_normalization *n, facet_image image, int64_t count, const float *pixels, float *x)
{
  int64_t plane = facet_image_plane(image);
  for (int64_t first = 0, c = 0; first < count * facet_image_inputs(image); first += plane, c++) {
    double scale = n->scale, mean = mean_of(n, c % image.channels), deviation = std_of(n, c % image.channels);
    for (int64_t i = first; i < first + plane; i++)
      x[i] = (float)(((double)pixels[i] / scale - mean) / deviation);
  }
}

void facet_normalize_table(const facet_normalization *n, int64_t channels, float *table)
{
  for (int64_t i = 0; i < channels * FACET_BYTE_VALUES; i++)
    table[i] = (float)(i % FACET_BYTE_VALUES);
  facet_normalize(n, (facet_image){channels, 1, FACET_BYTE_VALUES}, 1, table, table);
}

void facet_normalize_bytes(const float *table, facet_image image, int64_t count, const float *pixels, float *x)
{
  int64_t plane = facet_image_plane(image);
  for (int64_t first = 0, c = 0; first < count * facet_image_inputs(image); first += plane, c++) {
    const float *of = table + c % image.channels * FACET_BYTE_VALUES;
    for (int64_t i = first; i < first + plane; i++)
      x[i] = of[(int32_t)pixels[i]];
  }
}

void facet_normalize_double(const facet_normalization *n, facet_image image, int64_t count, const float *pixels,
                            double *x)
{
  int64_t plane = facet_image_plane(image);
  for (int64_t first = 0, c = 0; first < count * facet_image_inputs(image); first += plane, c++) {
    double scale = n->scale, mean = mean_of(n, c % image.channels), deviation = std_of(n, c % image.channels);
    for (int64_t i = first; i < first + plane; i++)
      x[i] = ((double)pixels[i] / scale - mean) / deviation;
  }
}
