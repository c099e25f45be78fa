/* Attributions as the field makes them, by gradients at other inputs and by rules of propagation, next to the exact
 * ones, all in double; and how faithful they are.  Conventions are Captum's and, for curves, Quantus'; docs/results.md
 * says each. */
#ifndef FACET_FACE_ATTRIBUTION_H
#define FACET_FACE_ATTRIBUTION_H

#include <facet/data.h>
#include <facet/linear.h>

FACET_BEGIN

/* ---- methods ---- */

int facet_attribution_find(const char *name);    /* number of the method called `name`, or -1 */
const char *facet_attribution_name(int method);  /* NULL: there is none of that number */
const char *facet_attribution_about(int method); /* a sentence, as Markdown */
bool facet_attribution_adds_up(int method);      /* its numbers are parts of the output, not slopes: input by input,
                                                    what the way from the baseline (or from 0) adds */
double facet_attribution_passes(int method, int64_t steps, int64_t noisy); /* forward passes that it takes as long as,
                                                         about; of the exact one 0: that follows from the network */

typedef struct {
  int64_t steps;         /* of integrated gradients: points of a Gauss-Legendre quadrature */
  int64_t noisy;         /* of SmoothGrad: noisy samples, whose gradients' mean it is */
  double noise;          /* of SmoothGrad: standard deviation, as a share of the sample's range (largest less least) */
  double epsilon, gamma; /* of LRP; epsilon > 0, gamma >= 0 */
  uint32_t seed;         /* of noise */
  double bytes;          /* of memory for exact integrated gradients, as facet_path_create has it */
  facet_image image;     /* what a sample is, and how its numbers lie in the network's input; */
  const facet_input_layout *layout;     /* NULL: channels first. Borrowed */
  facet_status (*pause)(void *context); /* as of facet_path_options */
  void *context;
  const double *node, *weight; /* of facet_attribution_quadrature for `steps`, borrowed, where it is made once for many;
                                  NULL: it is made at first need */
} facet_attribution_options;

enum { FACET_ATTRIBUTION_STEPS = 10000 }; /* at most: the quadrature takes the square of it, a second for so many */

/* Points and weights (`steps` each) of the Gauss-Legendre quadrature on (0, 1), in rising order. pause: as of
 * facet_path_options, called before each point. */
facet_status facet_attribution_quadrature(int64_t steps, facet_status (*pause)(void *context), void *context,
                                          double *node, double *weight);

typedef struct facet_attributor facet_attributor; /* its memory; one thread at a time */

/* The network must outlive it, and is piecewise linear (FACET_BAD_INPUT, also where there are more than
 * FACET_ATTRIBUTION_STEPS). FACET_INTERNAL: options that make no sense.
 * Caller destroys. */
facet_status facet_attributor_create(const facet_network *network, const facet_attribution_options *options,
                                     facet_attributor **attributor);
void facet_attributor_destroy(facet_attributor **attributor);
/* Makes now what facet_attributor_explain makes at first need. */
facet_status facet_attributor_ready(facet_attributor *attributor, int method);

/* What is explained: one sample, and k of its outputs. */
typedef struct {
  const double *x, *baseline; /* D each, in the network's input order */
  int64_t number;             /* of the sample: noise is that of the number */
  int64_t k;
  const int32_t *row; /* k */
} facet_explained;

/* logits: count x K, of count x D. */
facet_status facet_attributor_logits(facet_attributor *attributor, const double *x, int64_t count, double *logits);
/* attribution: k x D. NaN where the method says nothing of the network: Grad-CAM of one without convolutions, or with
 * one that does not go over y and x. */
facet_status facet_attributor_explain(facet_attributor *attributor, int method, const facet_explained *what,
                                      double *attribution);

/* ---- faithfulness ---- */

typedef struct {
  int64_t points;        /* of a curve, beside its first */
  int64_t perturbations; /* of infidelity and sensitivity, each */
  double radius;         /* of sensitivity: largest change of a number of the network's input */
} facet_faithfulness_options;

/* Of one method; buffers are the caller's. */
typedef struct {
  /* k x (points + 1): the softmax's probability of the row's class, where the floor(i D / points) numbers of the input
   * with the largest attribution (of equal ones the first) are those of the baseline (Bach et al. 2015; Quantus'
   * PixelFlipping from its first step on), or are those of the sample in the baseline */
  double *deletion, *insertion;
  /* k: mean over perturbations of (what attribution says that goes with a rectangle - what goes from the logit where
   * the rectangle is the baseline's)^2 (Yeh et al. 2019; captum.metrics.infidelity) */
  double *infidelity;
  /* k: largest |attribution at x + d - attribution at x|_2 / |attribution at x|_2 over uniform d of the max norm
   * `radius` (Yeh et al. 2019; captum.metrics.sensitivity_max) */
  double *sensitivity;
} facet_faithfulness;

/* attribution: k x D, as facet_attributor_explain gave it. NaN in, NaN out. */
facet_status facet_faithfulness_measure(facet_attributor *attributor, int method, const facet_explained *what,
                                        const double *attribution, const facet_faithfulness_options *options,
                                        facet_faithfulness *result);
/* The mean height of a curve by the trapezoidal rule. */
double facet_curve_area(int64_t points, const double *curve);
/* Spearman's rank correlation, equal numbers having the mean of their ranks; NaN where one is constant, or has a NaN.
 * And the share of the `top` largest numbers of `a` (of equal ones the first) that are among those of `b`. FACET_OS. */
facet_status facet_rank_agreement(int64_t count, const double *a, const double *b, int64_t top, double *spearman,
                                  double *overlap);

/* ---- chance: what follows from seed and sample's number alone ---- */

/* Standard normal numbers of SmoothGrad's noisy sample `draw`. */
void facet_attribution_noise(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *noise);
/* Uniform in (-1, 1), of sensitivity's perturbation `draw`. */
void facet_attribution_shift(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *shift);
/* Infidelity's perturbation `draw`: 1 inside a rectangle, at most half of the image high and wide (rounded up), else 0;
 * D numbers, channel by channel. */
void facet_attribution_rectangle(uint32_t seed, int64_t number, int64_t draw, facet_image image, double *inside);

FACET_END

#endif
