/* Fragile samples: what pruning and corruption do to each one, over all networks and conditions. Lines (one network
 * under one condition) are added one after the other, in any order, after the dense network's clean one has begun it.
 */
#ifndef FACET_FRAGILITY_H
#define FACET_FRAGILITY_H

#include "base/base.h"

typedef struct {
  int64_t samples, classes;
  const int32_t *label; /* borrowed; -1: unknown */
  int32_t *dense;       /* N: classes of the dense network, clean */
  double *dense_margin; /* N */
  int32_t *flips;       /* N: lines whose class differs from dense's */
  double *worst_margin; /* N: smallest margin; NaN: none is known */
  double *margin_drop;  /* N: largest fall below dense's margin; NaN: none is known */
  int32_t *votes;       /* N x K: how often pruned networks say which class, clean */
} facet_fragility;

/* With room for at most so many samples. Clear it in any case. */
facet_status facet_fragility_make(int64_t most, int64_t classes, facet_fragility *fragility);
/* Before the first line of so many samples. label is borrowed, dense and margin copied. */
void facet_fragility_begin(facet_fragility *fragility, int64_t samples, const int32_t *label, const int32_t *dense,
                           const double *margin);
void facet_fragility_clear(facet_fragility *fragility);
/* One line. pruned_clean: it is of a pruned network on clean samples, and votes. */
void facet_fragility_add(facet_fragility *fragility, const int32_t *predicted, const double *margin, bool pruned_clean);
/* Pruning-identified exemplars (Hooker 2019): 1 where the class that most pruned networks name (of equals the first) is
 * not dense's; 0 without pruned networks. exemplar: N. */
void facet_fragility_exemplars(const facet_fragility *fragility, uint8_t *exemplar);
/* A sample among others: which one is more fragile. margin: the worst, INFINITY where none is known. */
typedef struct {
  int64_t sample;
  int32_t flips, label;
  double margin;
} facet_fragile;
/* For sorting, most fragile first: more flips, then the smaller worst margin, then the lower number. */
int facet_more_fragile(const void *left, const void *right);

/* Where a method first loses samples, for its groups of replicates in order of growing sparsity. wrong: how many of the
 * `count` networks of a group err on each sample. first_lost: N, NaN at first: becomes the sparsity of the first group
 * of which more than half err on a sample that dense has right. */
void facet_fragility_lost(const facet_fragility *fragility, double sparsity, const int32_t *wrong, int count,
                          double *first_lost);

/* Expected calibration error (Guo 2017): over 15 equal bins of confidence, the mean distance of accuracy from
 * confidence, weighted by samples. Samples are added in blocks. */
typedef struct {
  double confidence[15], right[15];
  int64_t count[15];
} facet_calibration_bins;
void facet_calibration_add(facet_calibration_bins *bins, int64_t count, int64_t classes, const double *logits,
                           const int32_t *label);
double facet_calibration_error(const facet_calibration_bins *bins); /* NaN without labelled samples */

#endif
