/* What stages have in common whose unit of work is one item (a sample, a line, a plane) in one variant: item i of
 * variant v is unit v x items + i, and that part of the stage's marks.
 *
 * Such a stage says where a plan counts its items, makes what it needs, for the run and in each variant, and computes
 * one item; the rest is done here. */
#ifndef FACET_ITEMS_H
#define FACET_ITEMS_H

#include <stddef.h>

#include "reuse.h"

typedef struct facet_items facet_items;

/* What all of them work with: the first member of a stage's own. */
typedef struct {
  const facet_items *items;
  const facet_context *context;
  const facet_store_plan *plan;
  facet_store *store; /* NULL while a run is forecast */
  int64_t inputs;     /* D */
  facet_pixels *pixels;
  /* of the variant that was entered */
  int variant;
  facet_loader loader;
  facet_dealer *dealer; /* of the unit that is run; NULL: none is */
} facet_item_work;

/* `self` is the stage's own, zeros at first; what is made is freed in any case. */
struct facet_items {
  const char *stage, *name;         /* as of facet_tiles */
  size_t count, asked;              /* FACET_ITEMS_OF */
  facet_status (*make)(void *self); /* after pixels; NULL: nothing */
  void (*clear)(void *self);
  facet_status (*enter)(void *self, const facet_member *member); /* after its loader */
  void (*leave)(void *self);
  facet_status (*run)(void *self, int64_t item);
};
/* Which member of a plan says how many items there are (int64_t; 0: the study wants none), and which of a variant
 * whether it is asked for them (bool). */
#define FACET_ITEMS_OF(items, of_variant)                                                                              \
  .count = offsetof(facet_store_plan, items), .asked = offsetof(facet_store_variant, of_variant)

/* Collective; self: the stage's own, zeros. As a stage's run. */
facet_status facet_items_run(const facet_context *context, const facet_items *items, void *self);

/* The rest is not collective. */

/* As a stage's memory; self as above. */
facet_status facet_items_memory(const facet_context *context, const facet_items *items, void *self, double *bytes);
/* As a stage's wanted. */
bool facet_items_wanted(const facet_items *items, const facet_plan *plan);
/* Which variants are asked, those of the list or all. FACET_BAD_INPUT unless each is piecewise linear. */
facet_status facet_items_ask(const facet_items *items, const facet_texts *list, const facet_family *family,
                             facet_plan *plan);
bool facet_items_asked(const facet_items *items, const facet_store_plan *plan, int variant);
/* The first variant that is asked, which writes what belongs to an item alone; -1: none is. */
int facet_items_writer(const facet_items *items, const facet_store_plan *plan);
/* Whether each unit of which take is 1 is still true: the `each` samples of every item are the same, clean.
 * sample: items x each; NULL: of item i it is sample i. */
void facet_items_still(const facet_context *context, const facet_items *items, int64_t each, const int64_t *sample,
                       uint8_t *take);
/* Writes 0 ... items-1, the numbers of the samples, into two rows: an array, and the labels of its dimension. */
facet_status facet_items_number(const facet_item_work *work, facet_row array, facet_row labels);
/* The first samples, so many as asked: 0 is all. */
int64_t facet_items_samples(const facet_store_plan *plan, int64_t asked);
/* Bytes for what is known at once on one item: an eighth of what a rank may take, and at most what pays. */
double facet_item_bytes(const facet_store_plan *plan, double most);
/* Between portions of an item: as facet_dealer_pause. self: the stage's own. */
facet_status facet_item_pause(void *self);

#endif
