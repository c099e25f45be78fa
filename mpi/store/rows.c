/* The schema's table in C, and what follows from its paths alone. */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "shape.h"

#define TEXT    true
#define NUMBERS false
#define DIMENSION(id, name, coordinate, holds, length, meaning)                                                        \
  [FACET_DIM_##id] = {name, coordinate, holds, length, meaning},
#define ROW(...)
const facet_dimension_about facet_dimension_table[FACET_DIMENSIONS] = {
#include "rows.def"
};
#undef DIMENSION
#undef ROW

#define SUMMED true
#define APART  false
#define DIMENSION(...)
#define ROW(id, path, dimensions, type, unit, there, stage, sum, meaning)                                              \
  [FACET_ROW_##id] = {path, dimensions, FACET_ROW_##type, unit, stage, meaning, sum},
const facet_row_about facet_row_table[FACET_ROWS] = {
#include "rows.def"
};
#undef DIMENSION
#undef ROW

/* ---- paths ---- */

/* Whether a path is one of a pattern: {variant} and {stage} stand for one folder's name, {condition} for some. */
static bool fits(const char *pattern, const char *path)
{
  while (*pattern && *pattern != '{') {
    if (*pattern++ != *path++)
      return false;
  }
  if (!*pattern)
    return !*path;
  bool some = strncmp(pattern, "{condition}", 11) == 0;
  const char *rest = strchr(pattern, '}') + 1;
  for (const char *end = path; *end; end++) {
    if (end > path && *end == '/' && fits(rest, end))
      return true;
    if (*end == '/' && !some)
      return false;
  }
  return *path && fits(rest, path + strlen(path));
}

/* Coordinates in a folder are covered as its arrays are. */
static bool folder_summed(const char *path)
{
  size_t folder = 1 + strcspn(path + 1, "/");
  for (int r = 0; r < FACET_ROWS && path[folder]; r++)
    if (strncmp(facet_row_table[r].path, path, folder + 1) == 0)
      return facet_row_table[r].summed;
  return true;
}

bool facet_row_summed(const char *path)
{
  char whole[1000];
  (void)snprintf(whole, sizeof whole, "/%s", path);
  for (int r = 0; r < FACET_ROWS; r++)
    if (fits(facet_row_table[r].path, whole))
      return facet_row_table[r].summed;
  return folder_summed(whole);
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
