/* Shares by pace: see shares.h. Each unit goes where it would be over first, those before it counted; so parts whose
 * paces differ by a few per cent have equal shares, and keep them. */
#include "shares.h"

#include <math.h>

/* A rest of 2 % of being slow: one who was three times as slow is tried again after some fifty deals. */
static const double forgiven = 0.98;

void facet_shares_deal(int parts, int64_t units, int64_t most, const double *pace, int64_t *share)
{
  for (int i = 0; i < parts; i++)
    share[i] = 0;
  for (int64_t u = 0; u < units; u++) {
    int best = -1;
    double soonest = INFINITY;
    for (int i = 0; i < parts; i++) {
      double over = (double)(share[i] + 1) * pace[i];
      if (share[i] < most && over < soonest) {
        soonest = over;
        best = i;
      }
    }
    if (best >= 0)
      share[best]++;
  }
}

void facet_shares_learn(int parts, const double *took, double *pace)
{
  double least = INFINITY;
  for (int i = 0; i < parts; i++) {
    if (took[i] > 0)
      pace[i] = pace[i] > 0 ? (pace[i] + took[i]) / 2 : took[i];
    else
      pace[i] *= forgiven;
    least = pace[i] > 0 && pace[i] < least ? pace[i] : least;
  }
  for (int i = 0; i < parts; i++)
    pace[i] = pace[i] > 0 ? pace[i] : isfinite(least) ? least : 1;
}
