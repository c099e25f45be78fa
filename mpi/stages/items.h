/* What stages have in common whose unit of work is one item (a sample, a line, a plane) in one variant: item i of
 * variant v is unit v x items + i, and that part of the stage's marks. */
#ifndef FACET_ITEMS_H
#define FACET_ITEMS_H

#include "reuse.h"

/* Nothing of it is collective. */
facet_unit facet_item_unit(const facet_store_plan *plan, int variant, int64_t unit, bool wanted);
/* Whether each unit of which take is 1 is still true: the `each` samples of every item are the same, clean.
 * sample: items x each; NULL: of item i it is sample i. */
void facet_items_still(const facet_context *context, int64_t items, int64_t each, const int64_t *sample, uint8_t *take);
/* Writes 0 ... items-1, the numbers of the samples, into two rows: an array, and the labels of its dimension. */
facet_status facet_items_number(const facet_context *context, int64_t items, facet_row array, facet_row labels);
/* Bytes for what is known at once on one item: an eighth of what a rank may take, and at most what pays. */
double facet_item_bytes(const facet_store_plan *plan, double most);

#endif
