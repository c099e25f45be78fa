/* How sure a difference is: exact tests of counts, paired differences, rank correlation, and what many tests at once
 * leave of each. Every p-value is two-sided unless it says otherwise. */
#ifndef FACET_SIGNIFICANCE_H
#define FACET_SIGNIFICANCE_H

#include "base/base.h"

/* P(X >= k) of a binomial distribution. */
double facet_binomial_above(int64_t k, int64_t n, double p);
/* The sign test: how likely counts of wins and losses as far apart as these are, if each is as likely; over one network
 * each and one condition it is McNemar's exact test. 1 without either. */
double facet_sign_test(int64_t wins, int64_t losses);
/* Fisher's exact test of `a` of `row` here, `c` of `other` elsewhere: the probability of all tables with the same sums
 * that are no more likely than this one. 1 for empty rows. */
double facet_fisher_test(int64_t a, int64_t row, int64_t c, int64_t other);
/* Student's t: P(|T| >= |t|), and the t that leaves p outside on both sides together. degrees > 0. */
double facet_student_p(double t, double degrees);
double facet_student_t(double p, double degrees);
/* Holm (1979): adjusted p-values, in the order of the p-values. adjusted may be p. */
facet_status facet_holm(int64_t count, const double *p, double *adjusted);

/* Differences between two in pairs, whole numbers, added in any order. */
typedef struct {
  int64_t count, wins, losses, sum;
  int64_t high, low; /* sum of squares: high 2^20 + low, which no study makes overflow */
} facet_pairs;
void facet_pairs_add(facet_pairs *pairs, int64_t difference);
double facet_pairs_squares(const facet_pairs *pairs); /* their sum */
/* Their mean and half of the 95 % interval of the mean, both divided by `unit`; NaN for none, and for one. */
double facet_pairs_mean(const facet_pairs *pairs, double unit);
double facet_pairs_reach(const facet_pairs *pairs, double unit);

/* Spearman's rank correlation of a number with a level, a whole number below `levels`: of each level how many numbers
 * have it, and the sum of twice their midranks, from 1, among all. alike: the sum over all numbers of the square of how
 * many are equal to it, itself among them. NaN where one of the two does not vary. */
double facet_spearman(int64_t levels, const int64_t *count, const int64_t *twice, double alike);
/* Its 95 % interval: Fisher's z, with the variance of Bonett & Wright (2000). */
void facet_spearman_interval(double correlation, int64_t count, double *low, double *high);

#endif
