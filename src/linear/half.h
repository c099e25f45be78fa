/* float16, IEEE 754's binary16: 11 significant bits, numbers up to 65504 and, below 2^-14, multiples of 2^-24. */
#ifndef FACET_HALF_H
#define FACET_HALF_H

#include "base/base.h"

#define FACET_HALF_MOST 65504.0

/* The nearest one, of two the even one; what lies beyond the largest by half a step is infinite. NaN stays NaN. */
uint16_t facet_half_from(double number);
double facet_half_to(uint16_t half);

#endif
