/* Figures of merit of an embedding: do neighbours stay neighbours, and has the nearest one the same label?
 *
 * Everything is counted for a block of queries in whole numbers, which add up to the same sum however the queries are
 * shared out.  Distances are compared as plain sums of squared differences in double precision; of equal ones the
 * lower number is nearer.  So samples that occur twice are at distance 0 from each other, and the lower number is the
 * nearer neighbour. */
#ifndef FACET_EMBED_QUALITY_H
#define FACET_EMBED_QUALITY_H

#include "base/base.h"

/* Samples and where they were put; all borrowed. */
typedef struct {
  int64_t samples, features, dimensions;
  const float *x;     /* samples x features: in the input space */
  const double *y;    /* samples x dimensions: in the embedding; at most 1e150 in size */
  int64_t neighbours; /* k, from 1 to less than half of the samples; meant to be small */
} facet_embedded;

/* Sums of rank - k over queries: of those that are among the k nearest in the embedding but not in the input space, by
 * their rank in the input space; and of those that are it in the input space but not in the embedding, by their rank in
 * the embedding. A rank is 1 for the nearest of the other samples. */
typedef struct {
  int64_t trustworthiness, continuity;
} facet_rank_penalties;

/* What penalties are found with. Takes up to 32 MB and 40 bytes a sample; the
 * samples must outlive it, as they are. FACET_BAD_INPUT: k out of range, numbers that are not finite; FACET_OS. */
typedef struct facet_ranking facet_ranking;
facet_status facet_ranking_create(const facet_embedded *embedded, facet_ranking **ranking);
void facet_ranking_destroy(facet_ranking **ranking);
/* Bytes that it takes. */
double facet_ranking_bytes(int64_t samples);
/* Adds the penalties of the queries first .. first+count-1 to `sum`: a product of count x features x samples in float,
 * which up to 64 queries share that come one after another; ranks that float leaves open are settled in double. */
void facet_rank_penalties_add(facet_ranking *ranking, int64_t first, int64_t count, facet_rank_penalties *sum);
/* Trustworthiness T(k) or continuity C(k) from its penalties over all queries: 1 is perfect (Venna & Kaski 2001; T is
 * sklearn.manifold.trustworthiness). */
double facet_rank_quality(int64_t samples, int64_t neighbours, int64_t penalty);

/* Positions with labels (-1: unknown); all borrowed. */
typedef struct {
  int64_t dimensions, references, queries;
  const double *reference; /* references x dimensions, at most 1e150 in size */
  const double *query;     /* queries x dimensions */
  const int32_t *reference_label, *query_label;
  bool leave_out; /* the queries are the references: none is its own neighbour */
} facet_labelled;

typedef struct {
  int64_t wrong, counted;
} facet_nearest_errors;

/* Adds to `sum` how many of the queries first .. first+count-1 have a label, and how many of those another one than the
 * nearest reference with a label. FACET_BAD_INPUT: no reference with a label, numbers that are not finite. */
facet_status facet_nearest_errors_add(const facet_labelled *labelled, int64_t first, int64_t count,
                                      facet_nearest_errors *sum);

#endif
