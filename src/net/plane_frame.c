/* Coordinates of a plane through three inputs: the first is the origin, the second lies on the first axis, and
 * distances are those of the input. */
#include <facet/plane.h>
#include <math.h>

#include "net.h"

/* The three lie on a line if the third is no farther from it than this, of its distance to the first. */
static const double flat = 0x1p-30;

static double length_of(int64_t inputs, const double *x)
{
  double sum = 0;
  for (int64_t i = 0; i < inputs; i++)
    sum += x[i] * x[i];
  return sqrt(sum);
}

static void scale(int64_t inputs, double factor, double *x)
{
  for (int64_t i = 0; i < inputs; i++)
    x[i] *= factor;
}

facet_status facet_plane_through(int64_t inputs, const double *const *x, double *along, double *at)
{
  double *e1 = along, *e2 = along + inputs, inner = 0, farther = 0;
  for (int64_t i = 0; i < inputs; i++) {
    e1[i] = x[1][i] - x[0][i];
    e2[i] = x[2][i] - x[0][i];
  }
  double first = length_of(inputs, e1), second = length_of(inputs, e2);
  scale(inputs, 1 / first, e1);
  for (int64_t i = 0; i < inputs; i++)
    inner += e1[i] * e2[i];
  for (int64_t i = 0; i < inputs; i++)
    e2[i] -= inner * e1[i];
  double above = length_of(inputs, e2);
  FACET_CHECK(first > 0 && above > flat * second, FACET_BAD_INPUT, "they lie on a line: there are many such planes");
  scale(inputs, 1 / above, e2);
  for (int64_t i = 0; i < inputs; i++) /* once more, for what rounding left of e1 */
    farther += e1[i] * e2[i];
  for (int64_t i = 0; i < inputs; i++)
    e2[i] -= farther * e1[i];
  at[0] = at[1] = at[3] = 0;
  at[2] = first;
  at[4] = inner;
  at[5] = above;
  return FACET_OK;
}

void facet_plane_around(const double *at, double margin, double window, double *corner)
{
  double low[2], high[2];
  for (int i = 0; i < 2; i++) {
    low[i] = fmin(fmin(at[i], at[2 + i]), at[4 + i]);
    high[i] = fmax(fmax(at[i], at[2 + i]), at[4 + i]);
  }
  double more = margin * fmax(high[0] - low[0], high[1] - low[1]);
  for (int i = 0; i < 2; i++) {
    low[i] = at[i] + window * (low[i] - more - at[i]);
    high[i] = at[i] + window * (high[i] + more - at[i]);
  }
  const double all[8] = {low[0], low[1], high[0], low[1], high[0], high[1], low[0], high[1]};
  for (int i = 0; i < 8; i++)
    corner[i] = all[i];
}
