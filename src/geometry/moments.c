/* Means, then distances from them: see moments.h. Two passes over the values, however many classes there are. */
#include "moments.h"

#include <math.h>

static bool counts(int64_t classes, int32_t label, double value)
{
  return label >= 0 && label < classes && isfinite(value);
}

void facet_moments(int64_t count, int64_t classes, const int32_t *label, const double *value, int64_t *number,
                   double *mean, double *deviation)
{
  for (int64_t k = 0; k <= classes; k++) {
    number[k] = 0;
    mean[k] = deviation[k] = 0;
  }
  for (int64_t i = 0; i < count; i++)
    if (counts(classes, label[i], value[i])) {
      mean[label[i]] += value[i];
      mean[classes] += value[i];
      number[label[i]]++;
      number[classes]++;
    }
  for (int64_t k = 0; k <= classes; k++)
    mean[k] = number[k] > 0 ? mean[k] / (double)number[k] : NAN;
  for (int64_t i = 0; i < count; i++)
    if (counts(classes, label[i], value[i])) {
      double off = value[i] - mean[label[i]], all = value[i] - mean[classes];
      deviation[label[i]] += off * off;
      deviation[classes] += all * all;
    }
  for (int64_t k = 0; k <= classes; k++)
    deviation[k] = number[k] > 1 ? sqrt(deviation[k] / (double)(number[k] - 1)) : NAN;
}
