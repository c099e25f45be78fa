/* The spectrum of many linearizations together: what follows from singular values and directions, once they are there.
 * Directions are rows of D numbers, orthonormal, the one with the largest singular value first. */
#ifndef FACET_SPECTRUM_H
#define FACET_SPECTRUM_H

#include "base/base.h"

/* How many singular values carry the whole: exp of the entropy of their squares' shares. After Roy & Vetterli 2007, who
 * take the singular values themselves; the squares are what the explained share is made of. Those below 0, which
 * rounding makes, count as 0; NaN if all are 0. */
double facet_effective_rank(int64_t count, const double *squares);

/* Makes the entry of the largest magnitude positive, of equal ones the first: eigenvectors come with either sign. */
void facet_direction_orient(int64_t inputs, double *direction);

/* The leading part of the spectrum of a matrix M of rows x inputs. */
typedef struct {
  int64_t inputs, rows, components;
  double *value, *share; /* components: singular values; their squares' share of all */
  double *direction;     /* components x inputs: right singular vectors */
} facet_spectrum;

/* Values, shares, and directions of length 1 and oriented, from eigenvectors of MT M in `direction`, of any length, and
 * their eigenvalues, descending; total: of all eigenvalues. Singular values that rounding cannot tell from 0 become 0,
 * and have no direction: NaN. */
void facet_spectrum_take(const facet_spectrum *spectrum, const double *square, double total);

/* Turns the order of rows round, the last one first. */
void facet_rows_reverse(int64_t count, int64_t width, double *rows);

/* Angles between the subspaces of a and b directions, u: a x inputs, v: b x inputs: min(a, b), the smallest first, in
 * [0, pi/2]. From cosines where these are at most sqrt(1/2), and otherwise from sines, which small angles need (Bjorck
 * & Golub 1973; Knyazev & Argentati 2002). FACET_OS, FACET_INTERNAL if LAPACK fails. */
facet_status facet_principal_angles(int64_t inputs, int64_t a, const double *u, int64_t b, const double *v,
                                    double *angle);

/* Makes `count` <= inputs rows orthonormal with the same span, by QR. Errors as above. */
facet_status facet_rows_orthonormalize(int64_t count, int64_t inputs, double *rows);

/* The span of `count` orthonormal rows q of so many inputs each, and what a symmetric matrix G makes of them: the rows
 * q G, count x inputs. */
typedef struct {
  int64_t count, inputs;
  const double *q, *gq;
} facet_subspace;

/* Rayleigh-Ritz: the `wanted` largest eigenvalues and directions of G in a subspace. value: count, all, descending;
 * direction: wanted x inputs. residual: the a-posteriori error |G V - V L|_F / |L|_F of the wanted ones: each of them
 * is at most that times |L|_F off an eigenvalue of G (Parlett, The Symmetric Eigenvalue Problem, 1998, 4.5). Errors as
 * above. */
facet_status facet_ritz(const facet_subspace *space, int64_t wanted, double *value, double *direction,
                        double *residual);

#endif
