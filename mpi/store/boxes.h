/* Private to the store: which boxes of which arrays a part of a stage fills. It follows from the dimensions in
 * rows.def: those that the stage's marks count select, all others are whole. */
#ifndef FACET_BOXES_H
#define FACET_BOXES_H

#include "store_file.h"

/* What the marks of a stage count, in one file. Its sizes are those of the file, or of a plan. */
typedef struct {
  int axes;
  facet_dimension dimension[FACET_MOST_AXES];
  hsize_t size[FACET_MOST_AXES];
  int clean;                    /* the number of that condition; -1: there is none */
  int64_t block, linear_blocks; /* samples of a block; blocks with linearized samples */
} facet_marked;

/* An array of the stage there. */
typedef struct {
  facet_row row;
  int variant, condition; /* 0 where the path has none */
  int axes;
  facet_dimension dimension[FACET_MOST_AXES]; /* FACET_DIMENSIONS: of a network's own input */
  hsize_t size[FACET_MOST_AXES];
} facet_boxed;

typedef struct {
  hsize_t start[FACET_MOST_AXES], count[FACET_MOST_AXES];
} facet_box;

/* Dimensions of a list, ", " between them, as far as rows.def knows them; how many. */
int facet_boxes_dimensions(const char *list, facet_dimension dimension[FACET_MOST_AXES]);
/* How many parts there are, and where a part is among what the marks count. */
int64_t facet_boxes_parts(const facet_marked *marked);
void facet_boxes_place(const facet_marked *marked, int64_t part, hsize_t at[FACET_MOST_AXES]);
/* Which of the marks' axes cuts an axis of an array; -1: it is whole. */
int facet_boxes_cut(const facet_marked *marked, const facet_boxed *array, int axis);
/* Whether an array is of the part at a place, as far as the marks count what it has no axis of: it is then of the one
 * whose folder it lies in, or of the first, and of linearized samples of clean ones. */
bool facet_boxes_fills(const facet_marked *marked, const facet_boxed *array, const hsize_t *at);
/* The boxes that its axes are cut to there: 1, or, of a table of one kind by itself, 2; 0: they end before. */
int facet_boxes_cut_out(const facet_marked *marked, const facet_boxed *array, const hsize_t *at, facet_box box[2]);
/* Both: the boxes of an array that the part fills. */
int facet_boxes_find(const facet_marked *marked, const facet_boxed *array, const hsize_t *at, facet_box box[2]);

#endif
