/* Samples on their way into a network: pixels of a condition, normalised, in the network's own order. */
#ifndef FACET_ENTRY_H
#define FACET_ENTRY_H

#include "condition.h"
#include "train/variants.h"

typedef struct {
  const facet_study *study;
  const facet_dataset *data;
  const facet_input_layout *input;
  int64_t inputs;         /* D */
  float *pixels, *single; /* of one sample */
  double *image;
} facet_entry;

/* Not collective. study, data and member are borrowed. Clear it in any case. */
facet_status facet_entry_make(const facet_study *study, const facet_dataset *data, const facet_member *member,
                              facet_entry *entry);
void facet_entry_clear(facet_entry *entry);
/* x: D of the study's precision, sample `sample` under a condition, as the network takes it; exact (may be NULL): the
 * same in double. */
facet_status facet_entry_take(facet_entry *entry, facet_condition condition, int64_t sample, void *x, double *exact);

#endif
