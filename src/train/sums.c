/* Exact sums: see sums.h.
 *
 * A floating-point sum depends on its order, and with it on the number of parts.  So every micro-batch's
 * gradient is turned into integers, with one scale for all that follows from the largest gradient of the step (a
 * maximum does not depend on order), and integers are summed: the same bits on any number of parts.
 *
 * Integers stay below 2^51, so that a sum with 1.5 * 2^52 turns doubles into integers and back: unlike conversions,
 * sums are done many at a time on every machine. */
#include "sums.h"

#include <math.h>
#include <string.h>

enum { SUM_BITS = 50, PIECE = 2048 };

/* Without the sign, the bits of floats order as the floats do. */
float facet_sums_largest(const float *g, int64_t count)
{
  int32_t top = 0;
  for (int64_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, &g[i], sizeof bits);
    bits &= INT32_MAX;
    top = bits > top ? bits : top;
  }
  float largest;
  memcpy(&largest, &top, sizeof largest);
  return isnan(largest) ? INFINITY : largest;
}

int facet_sums_exponent(double largest, int64_t terms)
{
  int power;
  frexp(largest * (double)terms, &power); /* every sum is below 2^power */
  return SUM_BITS - power;
}

static const double middle = 0x1.8p52; /* middle + i holds the integer i in its last bits, |i| < 2^51 */

static inline int64_t to_integer(double x)
{
  int64_t bits, base;
  double moved = x + middle;
  memcpy(&bits, &moved, sizeof bits);
  memcpy(&base, &middle, sizeof base);
  return bits - base;
}

static inline double to_double(int64_t i)
{
  int64_t base;
  double moved;
  memcpy(&base, &middle, sizeof base);
  base += i;
  memcpy(&moved, &base, sizeof moved);
  return moved - middle;
}

static void add_integers(const float *g, double scale, int64_t count, int64_t *sum)
{
  for (int64_t i = 0; i < count; i++)
    sum[i] += to_integer((double)g[i] * scale);
}

void facet_sums_make(int64_t rows, int64_t count, const float *g, int exponent, int64_t *sum)
{
  double scale = ldexp(1, exponent);
  for (int64_t first = 0; first < count; first += PIECE) {
    int64_t some = first + PIECE < count ? PIECE : count - first;
    memset(sum + first, 0, (size_t)some * sizeof *sum);
    for (int64_t row = 0; row < rows; row++)
      add_integers(g + row * count + first, scale, some, sum + first);
  }
}

void facet_sums_average(int64_t count, const int64_t *sum, double scale, float *theta)
{
  for (int64_t i = 0; i < count; i++)
    theta[i] = 0.9F * theta[i] + 0.1F * (float)(to_double(sum[i]) * scale);
}

void facet_sums_descend(int64_t count, facet_descent d, const int64_t *restrict sum, float *restrict velocity,
                        float *restrict theta)
{
  for (int64_t i = 0; i < count; i++) {
    float g = (float)(to_double(sum[i]) * d.scale);
    velocity[i] = d.momentum * velocity[i] + (g + d.decay * theta[i]);
    theta[i] -= d.rate * velocity[i];
  }
}

void facet_sums_descend_scores(int64_t count, facet_descent d, const int64_t *restrict sum,
                               const float *restrict weight, float *restrict velocity, float *restrict score)
{
  for (int64_t i = 0; i < count; i++) {
    float g = (float)(to_double(sum[i]) * d.scale) * weight[i];
    velocity[i] = d.momentum * velocity[i] + ((score[i] < 0 ? -g : g) + d.decay * score[i]);
    score[i] -= d.rate * velocity[i];
  }
}
