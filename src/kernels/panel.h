/* The products of the reference kernels: four rows of weights with a panel of PANEL bytes of numbers side by side.  A
 * sum runs in order and in its own lane, product and sum apart: the same bits for registers of any width. */
#ifndef FACET_PANEL_H
#define FACET_PANEL_H

#include "kernels.h"

enum { FACET_PANEL = 64, FACET_PANEL_ROWS = 4 };

/* sum[row][lane] = start[row] + sum over k of a[k][row] * b[k][lane], k in order. b and sum begin at a multiple of
 * FACET_PANEL bytes. */
void facet_panel_f32(int64_t count, const float *a, const float *b, const float *start, float *sum);
void facet_panel_f64(int64_t count, const double *a, const double *b, const double *start, double *sum);

#endif
