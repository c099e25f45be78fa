/* What the stage findings counts, and what sentences are made of. Counts are whole numbers, added up over all ranks, so
 * they do not depend on how samples are shared. */
#ifndef FACET_FINDINGS_H
#define FACET_FINDINGS_H

#include "geometry/significance.h"
#include "stage.h"

enum { FACET_WORST = 8 }; /* samples that are named */

/* A method at a sparsity: its networks that have not failed, and how many have. */
typedef struct {
  int method, networks, failed;
  double sparsity;
} facet_entrant;

/* Two methods at one sparsity, held against each other sample by sample: how often the networks of one are right, times
 * the number of networks of the other. */
typedef struct {
  int a, b; /* entrants */
} facet_duel;

typedef struct {
  const facet_store_plan *plan;
  facet_store_names names;
  int reference, corrupted; /* the condition that stands for clean; conditions of a corruption */
  double *accuracy;         /* V x C: /summary/accuracy */
  double chance;            /* the share of the largest class */
  int64_t labelled;
  uint8_t *failed; /* V */
  int *severities; /* X: conditions of a corruption */
  bool *stays;     /* V: was pruned and has not failed */
  int pruned;      /* how many do */
  int entrants, *entrant_of;
  facet_entrant *entrant;
  int64_t duels;
  facet_duel *duel;
  facet_pairs *clean, *hurt; /* of each duel: on clean samples; under all conditions of a corruption */
  facet_pairs *worse;        /* X: what pruning takes more under a corruption than clean */
  /* of samples that dense has right: how many pruned networks, or corruptions of dense, leave them so, 0 .. pruned and
   * 0 .. corrupted; twice the sum of the ranks of their margins; and how many margins are alike */
  int64_t *kept[2], *ranks[2];
  facet_pairs alike;
  /* K: samples; of them right in dense; right answers of pruned networks, and of dense under corruption; those that
   * most pruned networks, or dense under most corruptions, lose */
  int64_t *members, *right, *answers[2], *gone[2];
  /* samples that dense has right: all, those that each method loses, that all lose, these by class */
  int64_t sound, *lost, lost_by_all, *lost_of_class;
  int64_t worst[FACET_WORST]; /* of those that all lose, those with the most wrong answers; -1: no more */
} facet_tally;

/* Not collective. Writes what is said of every finding, by one rank. */
facet_status facet_findings_write(const facet_tally *tally, facet_store *store);

#endif
