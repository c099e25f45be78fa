/* The cross-entropy loss, from logits or from geometry alone: -log P(y) = log(sum_j exp l_j) - l_y, with
 * l_j = |w_j| |h| cos t_j + c_j.  The sum is kept relative to the largest logit, and the largest apart from the others,
 * so that neither a huge logit nor a loss near zero loses its digits. */
#include <facet/geometry.h>

#include "vector.h"

typedef struct {
  double largest; /* logit */
  double others;  /* sum of exp(l - largest) over the other logits */
} log_sum;

static void log_sum_add(log_sum *sum, double logit)
{
  if (logit > sum->largest) {
    sum->others = (sum->others + 1) * exp(sum->largest - logit);
    sum->largest = logit;
  } else {
    sum->others += exp(logit - sum->largest);
  }
}

static double loss_of(log_sum sum, double own)
{
  return (sum.largest - own) + log1p(sum.others);
}

double facet_cross_entropy(const double *logits, int64_t classes, int32_t y)
{
  if (y < 0 || y >= classes)
    return NAN;
  log_sum sum = {.largest = logits[0]};
  for (int64_t j = 1; j < classes; j++)
    log_sum_add(&sum, logits[j]);
  return loss_of(sum, logits[y]);
}

static double logit_from_geometry(const facet_head *head, double length, const double *cosine, int64_t j)
{
  const double *direction = head->direction + j * head->features;
  return vector_length(direction, head->features) * length * cosine[j] + head->offset[j];
}

double facet_loss_from_geometry(const facet_head *head, double length, const double *cosine, int32_t y)
{
  if (y < 0 || y >= head->classes)
    return NAN;
  log_sum sum = {.largest = logit_from_geometry(head, length, cosine, 0)};
  for (int64_t j = 1; j < head->classes; j++)
    log_sum_add(&sum, logit_from_geometry(head, length, cosine, j));
  return loss_of(sum, logit_from_geometry(head, length, cosine, y));
}
