/* For src/net: functions of one number that are not piecewise linear, and their secants.
 *
 * At a sample, z = a(u) is z = s(u) u + a(0) with the secant s(u) = (a(u) - a(0)) / u, and s(0) the limit a'(0).  For
 * what is 0 at 0, as Gelu, Tanh and HardSwish are, that is z = (a(u) / u) u; Sigmoid and Softplus have a constant,
 * a(0). Each row has s in a form that cancels nothing. */
#ifndef FACET_CURVE_H
#define FACET_CURVE_H

#include <stdbool.h>

typedef struct {
  const char *type;                                    /* ONNX's operator */
  double (*secant)(double u, const double *parameter); /* s(u) */
  double (*at_zero)(const double *parameter);          /* a(0); NULL: 0 */
  /* The largest |a'| there is for |u| from `least` to `most`, which has to be looked at only where `at_least` says so.
   */
  double (*steepest)(const double *parameter, double least, double most);
  bool bounded;  /* |a| has a bound */
  bool at_least; /* a grows without bound at 0 */
} facet_curve;

/* NULL: no curve is that operator. */
const facet_curve *facet_curve_find(const char *type);

#endif
