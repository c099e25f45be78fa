/* The schema of the result file: what rows.def lists, as C.  See there for what a row says. */
#ifndef FACET_ROWS_H
#define FACET_ROWS_H

#include "base/base.h"

/* In a list of dimensions: the axes of a network's own input; and those of a stage's marks. */
#define ANY_LAYOUT "channel, y, x ([or otherwise](#layout))"
#define MARKED     "of the stage"

#define DIMENSION(id, ...) FACET_DIM_##id,
typedef enum {
#include "rows.def"
  FACET_DIMENSIONS
} facet_dimension;

#define ROW(id, ...) FACET_ROW_##id,
typedef enum {
#include "rows.def"
  FACET_ROWS
} facet_row;

/* REAL: the study's precision. LEAN: that, or float16 where the study says so. TEXT: of variable length, as
 * coordinates; written with the file alone. LINE: UTF-8 of fixed length, overwritten in place as numbers are. */
typedef enum {
  FACET_ROW_REAL,
  FACET_ROW_LEAN,
  FACET_ROW_F32,
  FACET_ROW_F64,
  FACET_ROW_I32,
  FACET_ROW_I64,
  FACET_ROW_U8,
  FACET_ROW_TEXT,
  FACET_ROW_LINE
} facet_row_type;

enum { FACET_LINE_BYTES = 4096 }; /* of a LINE, its NUL included */

typedef struct {
  const char *name, *coordinate; /* a path, which may hold {variant} */
  bool text;                     /* of the coordinates */
  const char *length, *meaning;
} facet_dimension_about;

typedef struct {
  const char *path;       /* may hold {variant}, {condition}, {stage} */
  const char *dimensions; /* their names, ", " between them */
  facet_row_type type;
  const char *unit, *stage, *meaning;
  bool summed; /* the checksum covers it */
} facet_row_about;

extern const facet_dimension_about facet_dimension_table[FACET_DIMENSIONS];
extern const facet_row_about facet_row_table[FACET_ROWS];

/* Whether the checksum covers an array of the file; its path without the first '/'. What no row knows is covered. */
bool facet_row_summed(const char *path);
/* The row of an array of the file, by its path without the first '/'; FACET_ROWS: none. */
facet_row facet_row_of(const char *path);
/* Whether every stage has one. */
bool facet_row_of_stage(facet_row row);
/* Whether it is that of a dimension's coordinate: the same array. */
bool facet_row_is_coordinate(facet_row row);
#endif
