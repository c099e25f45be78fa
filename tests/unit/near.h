/* assert_near: doubles that agree to an absolute tolerance; NaN never does. Include after cmocka.h. */
#ifndef FACET_TEST_NEAR_H
#define FACET_TEST_NEAR_H

#include <math.h>

#define assert_near(got, wanted, tolerance)                                                                            \
  do {                                                                                                                 \
    double near_got = (got), near_wanted = (wanted);                                                                   \
    if (!(fabs(near_got - near_wanted) <= (tolerance)))                                                                \
      fail_msg("%s is %.17g, not %.17g", #got, near_got, near_wanted);                                                 \
  } while (0)

#endif
