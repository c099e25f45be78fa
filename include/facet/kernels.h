/* What does the arithmetic. */
#ifndef FACET_FACE_KERNELS_H
#define FACET_FACE_KERNELS_H

#include <facet/base.h>

FACET_BEGIN

typedef struct facet_kernels facet_kernels;

/* A set of kernels: "dense" (oneDNN and kernels of our own, float), "reference" (plain loops, float or double: the
 * ground truth), "exact" (the reference kernels in double, with faster convolutions). NULL: there is none of that name.
 */
const facet_kernels *facet_kernels_find(const char *name);

/* How many OpenMP threads executors that are made from now on use, in any thread; 1 unless asked for. Sets it for BLAS
 * in the calling thread, too. */
void facet_kernels_threads(int threads);

/* Gives the calling thread's working memory back to the system; executors take it again when they need it. It is given
 * back, too, when the thread ends. */
void facet_kernels_release(void);

const char *facet_onednn_version(void); /* "3.1.0", of the oneDNN in use */
const char *facet_blas_core(void);      /* the processor whose kernels OpenBLAS has chosen: "SkylakeX" */

FACET_END

#endif
