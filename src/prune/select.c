/* The r lowest of n scores without sorting: scores become integers in the same order, and the r-th lowest is found
 * digit by digit, from the most significant one, by counting how many candidates share each value of the digit.
 * Everything below that threshold goes, and as many as are still missing of those that equal it, first ones first. */
#include "score.h"

#include <math.h>
#include <string.h>

enum { DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS };

/* An integer that orders as the score does; -0 equals 0, and NaN is the highest. */
static uint64_t key_of(double score)
{
  const uint64_t sign = (uint64_t)1 << 63;
  if (isnan(score))
    return UINT64_MAX;
  double positive_zero = score + 0.0;
  uint64_t bits = 0;
  memcpy(&bits, &positive_zero, sizeof bits);
  return bits & sign ? ~bits : bits | sign;
}

/* The key of rank `rank` (0: the lowest); `below` receives how many keys are lower. */
static uint64_t key_at_rank(const double *score, int64_t count, int64_t rank, int64_t *below)
{
  uint64_t prefix = 0, decided = 0; /* what is known of the key, and which of its bits */
  *below = 0;
  for (int shift = 64; shift > 0;) {
    int bits = shift < DIGIT_BITS ? shift : DIGIT_BITS;
    shift -= bits;
    uint64_t digit = ((uint64_t)1 << bits) - 1;
    int64_t histogram[DIGIT_VALUES] = {0};
    for (int64_t i = 0; i < count; i++) {
      uint64_t key = key_of(score[i]);
      if ((key & decided) == prefix)
        histogram[key >> shift & digit]++;
    }
    uint64_t value = 0;
    while (*below + histogram[value] <= rank)
      *below += histogram[value++];
    prefix |= value << shift;
    decided |= digit << shift;
  }
  return prefix;
}

void facet_select_lowest(const double *score, int64_t count, int64_t remove, uint8_t *keep)
{
  memset(keep, 1, (size_t)count);
  if (remove <= 0)
    return;
  int64_t below = 0;
  uint64_t threshold = key_at_rank(score, count, remove - 1, &below);
  int64_t missing = remove - below;
  for (int64_t i = 0; i < count; i++) {
    uint64_t key = key_of(score[i]);
    if (key < threshold || (key == threshold && missing-- > 0))
      keep[i] = 0;
  }
}
