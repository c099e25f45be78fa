/* Products of few weights by libxsmm's sparse kernel, the yardstick of lanes: a matrix of so large a share of numbers
 * that are not 0, out x (in x 3 x 3), times 8 positions of 16 lanes, which somebody has gathered from an image before
 * and which stay in the nearest cache. Where libxsmm is not there when this is built, it prints nothing.
 *
 *   bench_xsmm
 *
 * prints one JSON line per channels and share: GFLOP/s as if no number were 0. One thread; the best of several. */
#include <stdio.h>

#include "base/base.h"

#if defined(FACET_XSMM)
#include <libxsmm.h>
#include <math.h>

enum {
  TAPS = 9,
  CALLS = 10,
  POSITIONS = 8,
  LANES = 16,
  PASSES = 200,
  MOST_CODE = 1250 /* numbers: its buffer of code holds no more */
};

static facet_status measure(int64_t channels, double share)
{
  int64_t inner = channels * TAPS, count = 0;
  unsigned *first, *column;
  float *number, *from, *to;
  FACET_NEW(first, channels + 1);
  FACET_NEW(column, channels * inner);
  FACET_NEW(number, channels * inner);
  FACET_NEW(from, inner * POSITIONS * LANES);
  FACET_NEW(to, channels * POSITIONS * LANES);
  for (int64_t i = 0; i < channels * inner; i++) {
    if (facet_random_uniform((facet_random){1, 1}, 0, (uint64_t)i) < share) {
      column[count] = (unsigned)(i % inner);
      number[count++] = 0.01F * (float)(i % 5 + 1);
    }
    first[i / inner + 1] = (unsigned)count;
  }
  libxsmm_descriptor_blob blob;
  const libxsmm_gemm_descriptor *d =
      libxsmm_gemm_descriptor_dinit(&blob, LIBXSMM_GEMM_PRECISION_F32, (int)channels, POSITIONS, (int)inner, 0,
                                    POSITIONS, POSITIONS, 1, 0, LIBXSMM_GEMM_FLAG_NONE, LIBXSMM_GEMM_PREFETCH_NONE);
  libxsmm_smmfunction run = count <= MOST_CODE ? libxsmm_create_xcsr_soa(d, first, column, number, LANES).smm : NULL;
  double best = INFINITY, work = 2e-9 * (double)(channels * inner) * POSITIONS * LANES;
  for (int pass = 0; run && pass < PASSES; pass++) {
    double start = facet_seconds();
    for (int call = 0; call < CALLS; call++)
      run(number, from, to);
    best = fmin(best, (facet_seconds() - start) / CALLS);
  }
  if (run)
    printf("{\"channels\": %d, \"share\": %g, \"xsmm_gflops\": %.1f}\n", (int)channels, share, work / best);
  FACET_FREE(&first, &column, &number, &from, &to);
  return FACET_OK;
}
#endif

int main(void)
{
  facet_status status = FACET_OK;
#if defined(FACET_XSMM)
  static const double shares[] = {1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01};
  for (int64_t channels = 16; channels <= 64; channels *= 2)
    for (size_t i = 0; status == FACET_OK && i < sizeof shares / sizeof shares[0]; i++)
      status = measure(channels, shares[i]);
#endif
  return (int)status;
}
