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

double facet_labelled_mean(int64_t count, const int32_t *label, const double *value)
{
  double sum = 0;
  int64_t number = 0;
  for (int64_t i = 0; i < count; i++)
    if (label[i] >= 0) {
      sum += value[i];
      number++;
    }
  return number ? sum / (double)number : NAN;
}

/* The sum over the rows of a group of the values, or of their squared distances from a mean, in one column. */
static double sum_group(int rows, int columns, const int *group_of, int group, const double *value, const double *mean)
{
  double sum = 0;
  for (int r = 0; r < rows; r++)
    if (group_of[r] == group)
      sum += mean ? pow(value[(int64_t)r * columns] - *mean, 2) : value[(int64_t)r * columns];
  return sum;
}

void facet_group_moments(int rows, int columns, int groups, const int *group_of, const double *value, double *mean,
                         double *deviation)
{
  for (int g = 0; g < groups; g++) {
    int count = 0;
    for (int r = 0; r < rows; r++)
      count += group_of[r] == g;
    for (int c = 0; c < columns; c++, mean++, deviation++) {
      *mean = sum_group(rows, columns, group_of, g, value + c, NULL) / count;
      *deviation = count > 1 ? sqrt(sum_group(rows, columns, group_of, g, value + c, mean) / (count - 1)) : NAN;
    }
  }
}
