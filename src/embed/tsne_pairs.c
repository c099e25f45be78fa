/* Loops over pairs: see tsne_pairs.h.  Compiled with -ffast-math, for vector versions of exp and log: nothing here may
 * ask whether a number is finite. */
#include "tsne_pairs.h"

#include <math.h>
#include <string.h>

void facet_tsne_sum(int64_t n, int64_t self, const double *d2, double beta, double *sum, double *weighted)
{
  double s = 0, w = 0;
  for (int64_t j = 0; j < n; j++) {
    double e = exp(-beta * d2[j]);
    s += e;
    w += e * d2[j];
  }
  *sum = s - exp(-beta * d2[self]);
  *weighted = w - d2[self] * exp(-beta * d2[self]);
}

void facet_tsne_probabilities(int64_t n, int64_t self, double beta, double sum, double *d2)
{
  for (int64_t j = 0; j < n; j++)
    d2[j] = exp(-beta * d2[j]) / sum;
  d2[self] = 0;
}

/* Rows that are worked on together, and columns after which their sums go from REAL to double. */
enum { TILE = 256, COLUMNS = 64 };

#define REAL    float
#define NAME(x) x##_float
#define LOG(x)  logf(x)
#define EXP(x)  expf(x)
#include "tsne_pairs_body.h"
#undef REAL
#undef NAME
#undef LOG
#undef EXP

#define REAL    double
#define NAME(x) x##_double
#define LOG(x)  log(x)
#define EXP(x)  exp(x)
#include "tsne_pairs_body.h"
