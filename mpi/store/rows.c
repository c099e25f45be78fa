/* The schema's table in C, and what follows from its paths alone. */
#include "rows.h"

#include <fnmatch.h>
#include <stdio.h>
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

facet_row facet_row_of(const char *path)
{
  char pattern[200];
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
      return (facet_row)r;
  }
  return FACET_ROWS;
}

/* A path without the first '/': that of a row, whose holes stand for any names; or else coordinates, which are covered
 * as the arrays of their folder are, but for those that say the same again. */
bool facet_row_summed(const char *path)
{
  if (repeats(path))
    return false;
  size_t folder = strcspn(path, "/");
  facet_row row = facet_row_of(path);
  if (row != FACET_ROWS)
    return facet_row_table[row].summed;
  for (int r = 0; r < FACET_ROWS && path[folder]; r++)
    if (strncmp(facet_row_table[r].path + 1, path, folder + 1) == 0)
      return facet_row_table[r].summed;
  return true;
}

/* ---- names beside which arrays lie ---- */

/* Whether a path that lies in the folder, the first `folder` characters of `pattern`, begins there with the name. */
static bool is_at(const char *pattern, size_t folder, const char *path, const char *name)
{
  size_t length = strlen(name);
  return strncmp(pattern, path, folder) == 0 && strncmp(path + folder, name, length) == 0 &&
         (path[folder + length] == '/' || path[folder + length] == '\0');
}

/* The same for the coordinates of a dimension that lie beside an array, or have a number since it occurs twice there.
 */
static bool is_scale_at(const char *pattern, size_t folder, const facet_row_about *row, const char *name)
{
  char path[220];
  int turn[FACET_DIMENSIONS] = {0};
  for (const char *list = row->dimensions; *list;) {
    size_t length = strcspn(list, ",");
    for (int d = 0; d < FACET_DIMENSIONS; d++) {
      const char *own = facet_dimension_table[d].coordinate, *last = strrchr(own, '/');
      if (strstr(name, last + 1) != name || strlen(facet_dimension_table[d].name) != length ||
          strncmp(facet_dimension_table[d].name, list, length) != 0)
        continue;
      (void)snprintf(path, sizeof path, "%.*s%s", (int)(strrchr(row->path, '/') - row->path), row->path, last);
      bool within = strncmp(own, row->path, (size_t)(last + 1 - own)) == 0; /* then readers find them where they are */
      if (!within && is_at(pattern, folder, path, name))
        return true;
      (void)snprintf(path, sizeof path, "%s_%d", own, ++turn[d]);
      if (turn[d] > 1 && is_at(pattern, folder, path, name))
        return true;
    }
    list += length + strspn(list + length, ", ");
  }
  return false;
}

/* Where variants, or conditions, have folders, the arrays beside these have their names. */
bool facet_store_name_taken(const char *hole, const char *name)
{
  const char *last = "";
  for (int r = 0; r < FACET_ROWS; r++) {
    const char *path = facet_row_table[r].path, *found = strstr(path, hole);
    size_t folder = found ? (size_t)(found - path) : 0;
    if (!found || strncmp(last, path, folder) == 0)
      continue;
    last = path;
    for (int i = 0; i < FACET_ROWS + FACET_DIMENSIONS; i++) {
      bool row = i < FACET_ROWS;
      const char *other = row ? facet_row_table[i].path : facet_dimension_table[i - FACET_ROWS].coordinate;
      if (is_at(path, folder, other, name) || (row && is_scale_at(path, folder, &facet_row_table[i], name)))
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

bool facet_row_of_stage(facet_row row)
{
  return strstr(facet_row_table[row].path, "{stage}") != NULL;
}
