/* The schema's table in C, and what follows from its paths alone. */
#include "rows.h"

#include <fnmatch.h>
#include <string.h>

#include "store.h"

#define TEXT(list) true
#define NUMBERS    false
#define DIMENSION(id, name, coordinate, size, holds, length, meaning)                                                  \
  [FACET_DIM_##id] = {name, coordinate, holds, length, meaning},
const facet_dimension_about facet_dimension_table[FACET_DIMENSIONS] = {
#include "rows.def"
};

#define SUMMED true
#define APART  false
#define ROW(id, path, dimensions, type, unit, there, stage, sum, meaning)                                              \
  [FACET_ROW_##id] = {path, dimensions, FACET_ROW_##type, unit, stage, meaning, sum},
const facet_row_about facet_row_table[FACET_ROWS] = {
#include "rows.def"
};

/* ---- paths ---- */

/* Whether a path, without the first '/', is that of the second coordinates of a dimension that all variants share. */
static bool repeats(const char *path)
{
  const char *end = strrchr(path, '_');
  for (int d = 0; end && d < FACET_DIMENSIONS; d++) {
    const char *first = facet_dimension_table[d].coordinate + 1;
    size_t length = strlen(first);
    if (length == (size_t)(end - path) && strncmp(first, path, length) == 0 && strspn(end + 1, "0123456789") > 0)
      return true;
  }
  return false;
}

/* A path without the first '/': that of a row, whose holes stand for any names; or else coordinates, which are covered
 * as the arrays of their folder are, but for those that say the same again. */
bool facet_row_summed(const char *path)
{
  if (repeats(path))
    return false;
  char pattern[200];
  size_t folder = strcspn(path, "/");
  for (int r = 0; r < FACET_ROWS; r++) {
    const char *from = facet_row_table[r].path + 1;
    char *to = pattern;
    while (*from)
      if (*from == '{') {
        *to++ = '*';
        from = strchr(from, '}') + 1;
      } else {
        *to++ = *from++;
      }
    *to = '\0';
    if (fnmatch(pattern, path, 0) == 0)
      return facet_row_table[r].summed;
  }
  for (int r = 0; r < FACET_ROWS && path[folder]; r++)
    if (strncmp(facet_row_table[r].path + 1, path, folder + 1) == 0)
      return facet_row_table[r].summed;
  return true;
}

/* Where variants have folders, the arrays beside these have their names. */
bool facet_store_name_taken(const char *name)
{
  for (int r = 0; r < FACET_ROWS; r++) {
    const char *path = facet_row_table[r].path, *hole = strstr(path, "{variant}");
    for (int i = 0; hole && i < FACET_ROWS + FACET_DIMENSIONS; i++) {
      const char *other = i < FACET_ROWS ? facet_row_table[i].path : facet_dimension_table[i - FACET_ROWS].coordinate;
      size_t folder = (size_t)(hole - path), length = strlen(name);
      bool beside = strncmp(other, path, folder) == 0 && strncmp(other + folder, name, length) == 0;
      if (beside && (other[folder + length] == '/' || other[folder + length] == '\0'))
        return true;
    }
  }
  return false;
}

bool facet_row_is_coordinate(facet_row row)
{
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    if (strcmp(facet_dimension_table[d].coordinate, facet_row_table[row].path) == 0)
      return true;
  return false;
}
