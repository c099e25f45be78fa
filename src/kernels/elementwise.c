/* elementwise.h for float and for double: one body, compiled twice. INTEGER is as wide as REAL. */
#include "elementwise.h"

#include <math.h>
#include <string.h>

/* A loop of which no turn reads or writes an element of another. */
#ifdef __clang__
#define FOR_EACH(i, count) _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < (count); i++)
#else
#define FOR_EACH(i, count) _Pragma("GCC ivdep") for (int64_t i = 0; i < (count); i++)
#endif

#define REAL        float
#define INTEGER     int32_t
#define NAME(x)     x##_f32
#define ABSOLUTE(x) fabsf(x)
#include "elementwise_body.h"
#undef REAL
#undef INTEGER
#undef NAME
#undef ABSOLUTE

#define REAL        double
#define INTEGER     int64_t
#define NAME(x)     x##_f64
#define ABSOLUTE(x) fabs(x)
#include "elementwise_body.h"
#undef REAL
#undef INTEGER
#undef NAME
#undef ABSOLUTE

const facet_elementwise *facet_elementwise_of(facet_type real)
{
  return real == FACET_F64 ? &table_f64 : &table_f32;
}
