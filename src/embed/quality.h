/* Figures of merit of an embedding: do neighbours stay neighbours, and has the nearest one the same label?
 *
 * Everything is counted for a block of queries in whole numbers, which add up to the same sum however the queries are
 * shared out.  Distances are compared as plain sums of squared differences in double precision; of equal ones the
 * lower number is nearer.  So samples that occur twice are at distance 0 from each other, and the lower number is the
 * nearer neighbour. */
#ifndef FACET_EMBED_QUALITY_H
#define FACET_EMBED_QUALITY_H

#include "base/base.h"

/* Numbers of many samples, so many a sample one after the other: all of them in memory, or taken by the block, so that
 * none is made of all. */
typedef struct {
  const void *held; /* borrowed; NULL: */
  facet_status (*take)(void *self, int64_t first, int64_t count, void *to);
  void *self;
} facet_many;

/* Samples and where they were put. */
typedef struct {
  int64_t samples, features, dimensions;
  facet_many x;       /* samples x features, float: in the input space */
  facet_many y;       /* samples x dimensions, double: in the embedding; at most 1e150 in size */
  int64_t neighbours; /* k, from 1 to less than half of the samples; meant to be small */
} facet_embedded;

/* Sums of rank - k over queries: of those that are among the k nearest in the embedding but not in the input space, by
 * their rank in the input space; and of those that are it in the input space but not in the embedding, by their rank in
 * the embedding. A rank is 1 for the nearest of the other samples. */
typedef struct {
  int64_t trustworthiness, continuity;
} facet_rank_penalties;

/* What penalties are found with; e must outlive it. Takes what FACET_RANKING_BLOCK says, and some 16 MB of products,
 * however many samples there are. FACET_BAD_INPUT: k out of range, numbers that are not finite; FACET_OS; what taking
 * says. */
typedef struct facet_ranking facet_ranking;
facet_status facet_ranking_create(const facet_embedded *embedded, facet_ranking **ranking);
void facet_ranking_destroy(facet_ranking **ranking);
/* Bytes that it takes, at most; of the counts of what is embedded alone. */
double facet_ranking_bytes(const facet_embedded *embedded);
/* Queries that are looked at together, at most: fewer read the samples as often. */
int64_t facet_ranking_rows(const facet_embedded *embedded);
enum { FACET_RANKING_BLOCK = 1 << 22 }; /* numbers in the input space that are in memory at once */
/* Adds the penalties of the queries first .. first+count-1 to `sum`: a product of count x features x samples in float,
 * made twice where a block does not hold all samples; ranks that float leaves open are settled in double. */
facet_status facet_rank_penalties_add(facet_ranking *ranking, int64_t first, int64_t count, facet_rank_penalties *sum);
/* Trustworthiness T(k) or continuity C(k) from its penalties over all queries: 1 is perfect (Venna & Kaski 2001; T is
 * sklearn.manifold.trustworthiness). */
double facet_rank_quality(int64_t samples, int64_t neighbours, int64_t penalty);

/* Positions with labels (-1: unknown). */
typedef struct {
  int64_t dimensions, references, queries;
  facet_many reference;                    /* references x dimensions, double, at most 1e150 in size */
  facet_many query;                        /* queries x dimensions, double */
  facet_many reference_label, query_label; /* int32_t */
  bool leave_out;                          /* the queries are the references: none is its own neighbour */
} facet_labelled;

typedef struct {
  int64_t wrong, counted;
} facet_nearest_errors;

enum { FACET_NEAREST_QUERIES = 256, FACET_NEAREST_REFERENCES = 8192 }; /* looked at together */
double facet_nearest_bytes(int64_t dimensions);                        /* that it takes, at most */
/* Adds to `sum` how many of the queries first .. first+count-1 have a label, and how many of those another one than the
 * nearest reference with a label. FACET_BAD_INPUT: no reference with a label, numbers that are not finite; FACET_OS. */
facet_status facet_nearest_errors_add(const facet_labelled *labelled, int64_t first, int64_t count,
                                      facet_nearest_errors *sum);

#endif
