/* float16: see half.h. By arithmetic alone, which all compilers have: not all know a type of that kind. */
#include "half.h"

#include <math.h>

enum { SIGN = 0x8000, INFINITE = 0x7c00, QUIET = 0x7e00, FRACTION = 0x3ff, BITS = 10, BIAS = 15 };

uint16_t facet_half_from(double number)
{
  double size = fabs(number);
  int sign = signbit(number) ? SIGN : 0, exponent;
  if (isnan(number))
    return (uint16_t)(sign | QUIET);
  if (size >= FACET_HALF_MOST + 16)
    return (uint16_t)(sign | INFINITE);
  if (size < 0x1p-14) /* 1024 of these steps are the smallest of the others, and its bits, too */
    return (uint16_t)(sign | (int)nearbyint(size * 0x1p24));
  double fraction = frexp(size, &exponent); /* in [0.5, 1) */
  int steps = (int)nearbyint(fraction * 0x1p11);
  return (uint16_t)(sign | (((exponent + BIAS - 1) << BITS) + steps - (FRACTION + 1)));
}

double facet_half_to(uint16_t half)
{
  int exponent = (half & INFINITE) >> BITS, fraction = half & FRACTION;
  double size = exponent == 0 ? fraction * 0x1p-24 : ldexp(fraction + FRACTION + 1, exponent - BIAS - BITS);
  if ((half & INFINITE) == INFINITE)
    size = fraction ? (double)NAN : (double)INFINITY;
  return half & SIGN ? -size : size;
}
