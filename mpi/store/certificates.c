/* Certificates that do not hold: W whose numbers went beyond the study's precision, or lost their digits there. */
#include <math.h>

#include "store_file.h"

/* Relative, as the certificates are: a hundred times what rounding makes of deep networks (ResNet-50: 1.5e-5 in float).
 * The report has the same (analysis/facet/linear.py). */
static const double in_float = 1e-3, in_double = 1e-11;

static facet_status read_one(const char *path, hid_t file, const char *variant, facet_store_certificates *found)
{
  char *name = facet_store_path(facet_row_table[FACET_ROW_RESIDUAL].path, variant, "");
  FACET_CHECK(name, FACET_OS, "out of memory");
  hid_t set = facet_store_set(file, name), space = set < 0 ? -1 : H5Dget_space(set);
  hid_t type = set < 0 ? -1 : H5Dget_type(set);
  facet_free(&name);
  hssize_t all = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
  bool is_double = type >= 0 && H5Tget_size(type) == sizeof(double);
  double *residual = facet_allocate((size_t)all + 1, sizeof *residual);
  herr_t read = !residual ? -1 : all > 0 ? H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, residual) : 0;
  *found = (facet_store_certificates){.all = all, .is_double = is_double, .bound = is_double ? in_double : in_float};
  for (hssize_t i = 0; i < all && read >= 0; i++)
    found->bad += !(residual[i] <= found->bound); /* NaN, too */
  facet_free(&residual);
  H5_CLOSE(type, space, set);
  H5_CHECK(path, "reading certificates", read);
  return FACET_OK;
}

facet_status facet_store_certified(const char *path, int variants, const char *const *variant,
                                   facet_store_certificates *found)
{
  facet_store_listener before = facet_store_listen();
  hid_t file = -1;
  facet_status status = facet_store_open_alone(path, &file);
  for (int v = 0; v < variants && status == FACET_OK; v++)
    status = read_one(path, file, variant[v], &found[v]);
  if (file >= 0)
    H5Fclose(file);
  return facet_store_unlisten(before, status);
}
