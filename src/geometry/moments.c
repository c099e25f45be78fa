/* Means, then distances from them: see moments.h. Two passes over the values, however many classes there are; over some
 * at a time where those that went by are not there any more. */
#include "moments.h"

#include <math.h>

static bool counts(int64_t classes, int32_t label, double value)
{
  return label >= 0 && label < classes && isfinite(value);
}

facet_status facet_moments_make(int64_t classes, facet_moments *m)
{
  *m = (facet_moments){.classes = classes};
  FACET_NEW(m->number, classes + 1);
  FACET_NEW(m->mean, classes + 1);
  FACET_NEW(m->deviation, classes + 1);
  return FACET_OK;
}

void facet_moments_clear(facet_moments *m)
{
  FACET_FREE(&m->number, &m->mean, &m->deviation);
}

void facet_moments_begin(facet_moments *m)
{
  for (int64_t k = 0; k <= m->classes; k++) {
    m->number[k] = 0;
    m->mean[k] = m->deviation[k] = 0;
  }
}

void facet_moments_add(facet_moments *m, int64_t count, const int32_t *label, const double *value)
{
  for (int64_t i = 0; i < count; i++)
    if (counts(m->classes, label[i], value[i])) {
      m->mean[label[i]] += value[i];
      m->mean[m->classes] += value[i];
      m->number[label[i]]++;
      m->number[m->classes]++;
    }
}

void facet_moments_means(facet_moments *m)
{
  for (int64_t k = 0; k <= m->classes; k++)
    m->mean[k] = m->number[k] > 0 ? m->mean[k] / (double)m->number[k] : NAN;
}

void facet_moments_spread(facet_moments *m, int64_t count, const int32_t *label, const double *value)
{
  for (int64_t i = 0; i < count; i++)
    if (counts(m->classes, label[i], value[i])) {
      double off = value[i] - m->mean[label[i]], all = value[i] - m->mean[m->classes];
      m->deviation[label[i]] += off * off;
      m->deviation[m->classes] += all * all;
    }
}

void facet_moments_deviations(facet_moments *m)
{
  for (int64_t k = 0; k <= m->classes; k++)
    m->deviation[k] = m->number[k] > 1 ? sqrt(m->deviation[k] / (double)(m->number[k] - 1)) : NAN;
}

void facet_spread_add(facet_spread *spread, int64_t count, const double *value)
{
  facet_spread some = {0};
  for (int64_t i = 0; i < count; i++)
    if (!isnan(value[i])) {
      some.mean += value[i];
      some.count++;
    }
  some.mean = some.count > 0 ? some.mean / some.count : 0;
  for (int64_t i = 0; i < count; i++)
    if (!isnan(value[i]))
      some.squares += (value[i] - some.mean) * (value[i] - some.mean);
  facet_spread_join(spread, &some);
}

/* Chan, Golub and LeVeque 1983. */
void facet_spread_join(facet_spread *spread, const facet_spread *other)
{
  double all = spread->count + other->count, off = other->mean - spread->mean;
  if (other->count == 0)
    return;
  spread->squares += other->squares + off * off * (spread->count * other->count / all);
  spread->mean += off * (other->count / all);
  spread->count = all;
}

void facet_labelled_mean_add(facet_labelled_mean *mean, int64_t count, const int32_t *label, const double *value)
{
  for (int64_t i = 0; i < count; i++)
    if (label[i] >= 0) {
      mean->sum += value[i];
      mean->number++;
    }
}

double facet_labelled_mean_of(const facet_labelled_mean *mean)
{
  return mean->number ? mean->sum / (double)mean->number : NAN;
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
