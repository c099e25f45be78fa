/* Certificates that do not hold: of W whose numbers went beyond the study's precision, or lost their digits there, of
 * what is found in double, whatever the study's precision: paths, facets, lines and planes; and of paths as they are
 * stored, in the study's. */
#include <math.h>
#include <string.h>

#include "store_file.h"

typedef struct {
  double in_float, in_double;
} bounds;

/* Relative, as the certificates are. The report has the same (analysis/facet/linear.py).
 * deep: a hundred times what rounding makes of deep networks (ResNet-50: 1.5e-5 in float).
 * promised of paths, and above what rounding makes of them, by an estimate that is no bound. In double one row of a
 * ResNet-50 is off by 1.5e-5 / 2^29, 3e-14, and what is added up piece by piece by the root of the number of pieces, in
 * 2^-53 (Higham & Mary 2019): 2e-13 of the 5e6 that such a network would have (ResNet-20, of 85,000 pieces: 2.5e-15 in
 * all). As they are stored in float every number is off by 2^-24 of itself: below 1e-5 as long as their sizes add up to
 * no more than 167 times the largest logit. */
static const bounds deep = {1e-3, 1e-11}, promised = {1e-5, 1e-12};

/* Where certificates are. */
typedef struct {
  facet_certified of;
  facet_row row;
  facet_row count; /* of how much of it there is: where that is 0 nothing is said of it; the row itself: of all */
  facet_row what;  /* that they are about: its precision has the bound */
  const bounds *bound;
} place;

static const place PLACE[] = {
    {FACET_CERTIFIED_LINEAR, FACET_ROW_RESIDUAL, FACET_ROW_RESIDUAL, FACET_ROW_RESIDUAL, &deep},
    {FACET_CERTIFIED_PATHS, FACET_ROW_PATH_RESIDUAL, FACET_ROW_PATH_RESIDUAL, FACET_ROW_PATH_RESIDUAL, &promised},
    {FACET_CERTIFIED_PATHS, FACET_ROW_WAY_RESIDUAL, FACET_ROW_WAY_RESIDUAL, FACET_ROW_WAY_RESIDUAL, &promised},
    {FACET_CERTIFIED_STORED, FACET_ROW_PATH_ROUNDED, FACET_ROW_PATH_ROUNDED, FACET_ROW_PATH_ATTRIBUTION, &promised},
    {FACET_CERTIFIED_STORED, FACET_ROW_WAY_ROUNDED, FACET_ROW_WAY_ROUNDED, FACET_ROW_WAY_ATTRIBUTION, &promised},
    {FACET_CERTIFIED_REACH, FACET_ROW_REACH_RESIDUAL, FACET_ROW_REACH_RESIDUAL, FACET_ROW_REACH_RESIDUAL, &deep},
    {FACET_CERTIFIED_LINES, FACET_ROW_LINE_RESIDUAL, FACET_ROW_LINE_POINTS, FACET_ROW_LINE_RESIDUAL, &deep},
    {FACET_CERTIFIED_PLANES, FACET_ROW_PLANE_UNCOVERED, FACET_ROW_PLANE_POLYGONS, FACET_ROW_PLANE_UNCOVERED, &deep},
    {FACET_CERTIFIED_PLANES, FACET_ROW_PLANE_RESIDUAL, FACET_ROW_PLANE_POLYGONS, FACET_ROW_PLANE_RESIDUAL, &deep},
};
enum { PLACES = sizeof PLACE / sizeof *PLACE };

/* Whether an array is there, of numbers in double. */
static bool is_double(hid_t file, const char *name)
{
  hid_t set = facet_store_set(file, name), type = set < 0 ? -1 : H5Dget_type(set);
  bool is = type >= 0 && H5Tget_size(type) == sizeof(double);
  H5_CLOSE(type, set);
  return is;
}

/* The numbers of an array, in double; *all 0 where it is not there. The caller frees. */
static facet_status read_numbers(const char *path, hid_t file, const char *name, double **to, int64_t *all)
{
  hid_t set = facet_store_set(file, name), space = set < 0 ? -1 : H5Dget_space(set);
  hssize_t count = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
  *all = count > 0 ? count : 0;
  *to = facet_allocate((size_t)*all + 1, sizeof **to);
  herr_t read = !*to ? -1 : *all > 0 ? H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, *to) : 0;
  H5_CLOSE(space, set);
  H5_CHECK(path, "reading certificates", read);
  return FACET_OK;
}

static facet_status read_one(const char *path, hid_t file, const place *p, const char *variant, const char *condition,
                             facet_store_certificates *found)
{
  char *name = facet_store_path(facet_row_table[p->row].path, variant, condition);
  char *counted = facet_store_path(facet_row_table[p->count].path, variant, condition);
  char *what = facet_store_path(facet_row_table[p->what].path, variant, condition);
  double *residual = NULL, *count = NULL;
  int64_t all = 0, counts = 0;
  facet_status status = name && counted && what ? FACET_OK : FACET_OS;
  if (status == FACET_OK)
    status = read_numbers(path, file, name, &residual, &all);
  if (status == FACET_OK && p->count != p->row)
    status = read_numbers(path, file, counted, &count, &counts);
  if (status == FACET_OK && all > 0) {
    found->is_double = is_double(file, what);
    found->bound = found->is_double ? p->bound->in_double : p->bound->in_float;
    found->all += all;
    for (int64_t i = 0; i < all; i++)
      found->bad += !(residual[i] <= found->bound) && (i >= counts || count[i] != 0); /* NaN, too */
  }
  FACET_FREE(&name, &counted, &what, &residual, &count);
  return status;
}

/* Whether there are paths in a variant: a study may have a thousand conditions, under which none lead to samples. */
static bool has_ways(hid_t file, const char *variant)
{
  char *group = facet_format("/paths/%s", variant);
  bool has = group && H5Lexists(file, "/paths", H5P_DEFAULT) > 0 && H5Lexists(file, group, H5P_DEFAULT) > 0;
  facet_free(&group);
  return has;
}

static facet_status read_all(const char *path, hid_t file, int variants, const char *const *variant,
                             facet_store_certificates *found)
{
  char **condition = NULL;
  int conditions = 0;
  facet_status status =
      facet_store_texts(file, facet_dimension_table[FACET_DIM_CONDITION].coordinate, &condition, &conditions);
  for (int v = 0; v < variants; v++)
    for (const place *p = PLACE; p < PLACE + PLACES; p++) {
      bool many = strstr(facet_row_table[p->row].path, "{condition}") != NULL;
      int times = !many ? 1 : has_ways(file, variant[v]) ? conditions : 0;
      for (int c = 0; c < times && status == FACET_OK; c++)
        status =
            read_one(path, file, p, variant[v], many ? condition[c] : "", &found[v * FACET_CERTIFIED + (int)p->of]);
    }
  facet_free_list(&condition, conditions);
  return status;
}

facet_status facet_store_certified(const char *path, int variants, const char *const *variant,
                                   facet_store_certificates *found)
{
  facet_store_listener before = facet_store_listen(path);
  hid_t file = -1;
  memset(found, 0, (size_t)variants * FACET_CERTIFIED * sizeof *found);
  facet_status status = facet_store_open_alone(path, &file);
  if (status == FACET_OK)
    status = read_all(path, file, variants, variant, found);
  if (file >= 0)
    H5Fclose(file);
  return facet_store_unlisten(before, status);
}
