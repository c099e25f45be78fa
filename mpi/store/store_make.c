/* The parts that a store is made of: arrays, their scales, attributes. */
#include <math.h>
#include <string.h>

#include "store_file.h"

/* ---- arrays ---- */

/* What is not written yet must not look like a result, where saying so costs little: NaN, -1, and 0 for marks. Larger
 * arrays hold whatever the reserved blocks hold, zeros; /progress/tile tells. */
enum { MOST_FILLED = 16 << 20 };

static void set_fill(hid_t list, hid_t type, int rank, const hsize_t *dim)
{
  const double nan = NAN;
  const int none = -1;
  double bytes = (double)H5Tget_size(type);
  for (int i = 0; i < rank; i++)
    bytes *= (double)dim[i];
  H5Pset_fill_time(list, bytes > MOST_FILLED ? H5D_FILL_TIME_NEVER : H5D_FILL_TIME_ALLOC);
  if (H5Tget_class(type) == H5T_FLOAT)
    H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &nan);
  else if (H5Tget_size(type) > 1)
    H5Pset_fill_value(list, H5T_NATIVE_INT, &none);
}

/* Creates an array whose dimensions have the given scales. */
facet_status facet_store_make_open(const facet_store_creation *c, const char *name, hid_t type, int rank,
                                   const hid_t *scale, hid_t *out)
{
  hsize_t dim[2 + FACET_MAX_AXES] = {0};
  for (int i = 0; i < rank; i++) {
    hid_t space = H5Dget_space(scale[i]);
    int one = H5Sget_simple_extent_dims(space, &dim[i], NULL);
    H5Sclose(space);
    H5_CHECK(c->path, name, one);
  }
  hid_t space = H5Screate_simple(rank, dim, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_layout(list, H5D_CONTIGUOUS);
  H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
  H5Pset_obj_track_times(list, 0);
  set_fill(list, type, rank, dim);
  hid_t set = H5Dcreate2(c->file, name, type, space, links, list, H5P_DEFAULT);
  H5Pclose(links);
  H5Pclose(list);
  H5Sclose(space);
  H5_CHECK(c->path, name, set);
  herr_t attached = 0;
  for (int i = 0; i < rank && attached >= 0; i++)
    attached = H5DSattach_scale(set, scale[i], (unsigned)i);
  if (out && attached >= 0)
    *out = set;
  else
    H5Dclose(set);
  H5_CHECK(c->path, name, attached);
  return FACET_OK;
}

facet_status facet_store_make(const facet_store_creation *c, const char *name, hid_t type, int rank, const hid_t *scale)
{
  return facet_store_make_open(c, name, type, rank, scale, NULL);
}

static hid_t text_type(void)
{
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/* A coordinate: a list that is a dimension scale. */
facet_status facet_store_make_scale(const facet_store_creation *c, const char *name, hid_t type, hid_t memory,
                                    int64_t count, const void *data, hid_t *out)
{
  hsize_t dim = (hsize_t)count;
  hid_t space = H5Screate_simple(1, &dim, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(list, 0);
  hid_t set = H5Dcreate2(c->file, name, type, space, links, list, H5P_DEFAULT);
  herr_t done = set < 0 ? -1 : 0;
  const char *slash = strrchr(name, '/');
  if (done >= 0 && count > 0)
    done = H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
  if (done >= 0)
    done = H5DSset_scale(set, slash ? slash + 1 : name);
  H5Pclose(links);
  H5Pclose(list);
  H5Sclose(space);
  *out = set;
  H5_CHECK(c->path, name, done);
  return FACET_OK;
}

facet_status facet_store_make_names(const facet_store_creation *c, const char *name, int64_t count,
                                    const char *const *text, hid_t *out)
{
  hid_t type = text_type();
  facet_status status = facet_store_make_scale(c, name, type, type, count, text, out);
  H5Tclose(type);
  return status;
}

/* 0, step, 2 step, ... as a coordinate. */
facet_status facet_store_make_counting(const facet_store_creation *c, const char *name, int64_t count, int64_t step,
                                       hid_t *out)
{
  int64_t *numbers;
  FACET_NEW(numbers, count);
  for (int64_t i = 0; i < count; i++)
    numbers[i] = i * step;
  facet_status status = facet_store_make_scale(c, name, H5T_STD_I64LE, H5T_NATIVE_INT64, count, numbers, out);
  facet_free(&numbers);
  return status;
}

/* ---- attributes ---- */

facet_status facet_store_put_text(const facet_store_creation *c, hid_t object, const char *name, const char *text)
{
  hid_t type = text_type(), space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t done = attribute < 0 ? -1 : H5Awrite(attribute, type, &text);
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5_CHECK(c->path, name, done);
  return FACET_OK;
}

facet_status facet_store_put_numbers(const facet_store_creation *c, hid_t object, const char *name, hid_t memory,
                                     hid_t type, int64_t count, const void *data)
{
  hsize_t dim = (hsize_t)count;
  hid_t space = count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dim, NULL);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t done = attribute < 0 ? -1 : H5Awrite(attribute, memory, data);
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  H5_CHECK(c->path, name, done);
  return FACET_OK;
}

facet_status facet_store_put_double(const facet_store_creation *c, hid_t object, const char *name, double value)
{
  return facet_store_put_numbers(c, object, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, -1, &value);
}

facet_status facet_store_put_int(const facet_store_creation *c, hid_t object, const char *name, int64_t value)
{
  return facet_store_put_numbers(c, object, name, H5T_NATIVE_INT64, H5T_STD_I64LE, -1, &value);
}

facet_status facet_store_put_names(const facet_store_creation *c, hid_t object, const char *name, int count,
                                   const char *const *text)
{
  hid_t type = text_type();
  facet_status status = facet_store_put_numbers(c, object, name, type, type, count, text);
  H5Tclose(type);
  return status;
}
