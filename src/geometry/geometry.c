/* Where a feature lies between the class directions: the cosine to each, the angle to its own, and how far it is from
 * being classified otherwise. */
#include <facet/geometry.h>

#include "vector.h"

/* Rounding may carry a cosine a little past its end; NaN stays NaN. */
static double cosine_of(double dot, double lengths)
{
  if (lengths == 0)
    return 0;
  double cosine = dot / lengths;
  return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

/* Signed distance of h to the boundary between class y and its rival j. Two classes with one direction have no
 * boundary: it is infinitely far, on the side the offsets decide; with one offset, too, they tie everywhere. */
static double boundary_distance(const facet_head *head, const double *h, int64_t y, int64_t j)
{
  const double *own = head->direction + y * head->features;
  const double *rival = head->direction + j * head->features;
  double dot = 0, square = 0;
  for (int64_t i = 0; i < head->features; i++) {
    double difference = own[i] - rival[i];
    dot += difference * h[i];
    square += difference * difference;
  }
  double score = dot + (head->offset[y] - head->offset[j]);
  return score == 0 ? 0 : score / sqrt(square);
}

static double margin_of(const facet_head *head, const double *h, int64_t y)
{
  double margin = INFINITY;
  for (int64_t j = 0; j < head->classes; j++) {
    double distance = j == y ? INFINITY : boundary_distance(head, h, y, j);
    if (isnan(distance) || distance < margin)
      margin = distance;
  }
  return margin;
}

int32_t facet_rival(const facet_head *head, const double *h, int32_t y, double *margin, double *factor)
{
  int64_t rival = -1;
  *margin = *factor = NAN;
  if (y < 0 || y >= head->classes)
    return -1;
  for (int64_t j = 0; j < head->classes; j++) {
    double distance = j == y ? INFINITY : boundary_distance(head, h, y, j);
    if (isfinite(distance) && (rival < 0 || distance < *margin)) {
      *margin = distance;
      rival = j;
    }
  }
  double square = 0;
  for (int64_t i = 0; rival >= 0 && i < head->features; i++)
    square += pow(head->direction[y * head->features + i] - head->direction[rival * head->features + i], 2);
  if (square > 0)
    *factor = 1 / sqrt(square);
  return (int32_t)rival;
}

void facet_geometry(const facet_head *head, const double *h, int32_t y, double *angle, double *length, double *margin,
                    double *cosine)
{
  *length = vector_length(h, head->features);
  for (int64_t j = 0; j < head->classes; j++) {
    const double *direction = head->direction + j * head->features;
    double lengths = *length * vector_length(direction, head->features);
    cosine[j] = cosine_of(vector_dot(direction, h, head->features), lengths);
  }
  bool known = y >= 0 && y < head->classes;
  *angle = known ? acos(cosine[y]) : NAN;
  *margin = known ? margin_of(head, h, y) : NAN;
}
