/* What the stages lines and planes have in common: the samples that a line or plane goes through, and arrays that have
 * room for more than there is. */
#ifndef FACET_SLICES_H
#define FACET_SLICES_H

#include "items.h"

/* How a study says it. */
typedef struct {
  const char *stage, *key; /* for messages: "planes", "through" */
  int line;                /* in the study's file */
  int64_t each;            /* samples of one */
  bool random;             /* `count` of them, by the study's seed; else those of the list */
  int64_t count;
  const facet_wholes *list; /* `each` samples of the first, of the second, ... */
} facet_slices_asked;

/* Not collective. *sample: *count x each numbers of samples; of random ones of different classes where there are such.
 * Two have different pictures, three are not on a line. FACET_BAD_INPUT with line and key. The caller frees. */
facet_status facet_slices_choose(const facet_study_data *data, const facet_store_plan *plan, facet_slices_asked asked,
                                 int64_t *count, int64_t **sample);
/* Not collective. `count` of the items that there is room for, of number `item` in a variant, `width` numbers each;
 * what is behind them becomes NaN, -1, or 0 of bytes, whatever was there. */
facet_status facet_slices_put(facet_store *store, facet_row row, int variant, int64_t item, int64_t count, int64_t room,
                              int64_t width, const void *data);

#endif
