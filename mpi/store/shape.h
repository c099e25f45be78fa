/* Private to the store: the shape of one file, which follows from a plan and the schema (rows.def): which arrays are
 * there, where, and how large. */
#ifndef FACET_SHAPE_H
#define FACET_SHAPE_H

#include "store.h"

/* In a list of dimensions: the axes of a network's own input; and those of a stage's marks. */
#define ANY_LAYOUT "channel, y, x ([or otherwise](#layout))"
#define MARKED     "of the stage"

enum { FACET_MOST_AXES = 2 + FACET_MAX_AXES };

typedef struct {
  const facet_store_plan *plan;
  facet_store_names names;
  int64_t size[FACET_DIMENSIONS]; /* of dimensions that do not depend on the variant; -1: not there */
  int64_t first[FACET_ROWS];      /* the number of a row's first array */
  int64_t arrays;                 /* whether they are there or not */
} facet_store_shape;

typedef struct {
  facet_dimension dimension;
  int turn; /* 2: the second of that kind in a network's input */
  int64_t size;
} facet_store_shape_axis;

/* One array. */
typedef struct {
  facet_row row;
  int variant, condition; /* 0 where the path has none; a stage counts as a variant */
  int64_t number;         /* among all of the file, that are not there included */
  int axes;
  facet_store_shape_axis axis[FACET_MOST_AXES];
} facet_store_shape_array;

/* The plan must outlive it. Clear it in any case. */
facet_status facet_store_shape_make(const facet_store_plan *plan, facet_store_shape *shape);
void facet_store_shape_clear(facet_store_shape *shape);
/* Of a dimension; -1: it is not there. variant: where each has its own. */
int64_t facet_store_shape_size(const facet_store_shape *shape, facet_dimension dimension, int variant);
/* Coordinate i of a dimension: the text, or NULL and the number. */
const char *facet_store_shape_coordinate(const facet_store_shape *shape, facet_dimension dimension, int variant,
                                         int64_t i, int64_t *number);
/* An array; false: it is not there. */
bool facet_store_shape_find(const facet_store_shape *shape, facet_row row, int variant, int condition,
                            facet_store_shape_array *array);
/* The next array that is there; from an array of zeros with number -1 the first. False after the last. */
bool facet_store_shape_next(const facet_store_shape *shape, facet_store_shape_array *array);
/* Paths; the caller frees. NULL: no memory. */
char *facet_store_shape_path(const facet_store_shape *shape, const facet_store_shape_array *array);
char *facet_store_shape_coordinate_path(const facet_store_shape *shape, facet_store_shape_axis axis, int variant);
/* The number of a stage in the plan; -1: the study does not want it. */
int facet_store_shape_stage(const facet_store_plan *plan, const char *name);

#endif
