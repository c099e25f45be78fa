/* Corruptions: one row per name, with its constants by severity (SCIENCE 4, from make_cifar_c.py of
 * hendrycks/robustness).  To add one, write its function and its row. */
#include <string.h>

#include "data/data.h"

typedef struct {
  double constant;
  facet_random random;
  int severity;
  int64_t channels, height, width;
} setting;

/* One sample, pixels in [0, 1] up to rounding; the caller clips. */
typedef void corruption_function(const setting *s, uint64_t sample, double *pixels);

static void gaussian_noise(const setting *s, uint64_t sample, double *pixels)
{
  int64_t size = s->channels * s->height * s->width;
  for (int64_t i = 0; i < size; i += 2) {
    double pair[2];
    facet_random_normal(s->random, sample, (uint64_t)s->severity << 32 | (uint64_t)i, pair);
    pixels[i] += s->constant * pair[0];
    if (i + 1 < size)
      pixels[i + 1] += s->constant * pair[1];
  }
}

static const struct {
  const char *name;
  corruption_function *apply;
  double constant[5];
} corruptions[] = {
    {"clean", NULL, {0}},
    {"gaussian_noise", gaussian_noise, {.04, .06, .08, .09, .10}},
};

int facet_corruption_find(const char *name)
{
  for (size_t i = 0; i < sizeof corruptions / sizeof corruptions[0]; i++)
    if (strcmp(corruptions[i].name, name) == 0)
      return (int)i;
  return -1;
}

const char *facet_corruption_name(int corruption)
{
  bool known = corruption >= 0 && (size_t)corruption < sizeof corruptions / sizeof corruptions[0];
  return known ? corruptions[corruption].name : NULL;
}

facet_status facet_corrupt(int corruption, int severity, uint32_t seed, double scale, int64_t channels, int64_t height,
                           int64_t width, int64_t first, int64_t count, float *pixels)
{
  if (corruption == 0)
    return FACET_OK;
  FACET_CHECK(facet_corruption_name(corruption), FACET_INTERNAL, "corruption %d", corruption);
  FACET_CHECK(severity >= 1 && severity <= 5, FACET_INTERNAL, "severity %d", severity);
  int64_t size = channels * height * width;
  setting s = {.constant = corruptions[corruption].constant[severity - 1],
               .random = {seed, FACET_STREAM_CORRUPT + (uint32_t)corruption},
               .severity = severity,
               .channels = channels,
               .height = height,
               .width = width};
  double *sample;
  FACET_NEW(sample, size);
  for (int64_t n = 0; n < count; n++) {
    float *p = pixels + n * size;
    for (int64_t i = 0; i < size; i++)
      sample[i] = (double)p[i] / scale;
    corruptions[corruption].apply(&s, (uint64_t)(first + n), sample);
    for (int64_t i = 0; i < size; i++)
      p[i] = (float)((sample[i] < 0 ? 0 : sample[i] > 1 ? 1 : sample[i]) * scale);
  }
  facet_free(&sample);
  return FACET_OK;
}
