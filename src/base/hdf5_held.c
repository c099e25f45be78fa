/* Sizes of a dataset held against the size of its file. */
#include "hdf5_held.h"

/* Bytes out of one: of deflate at most 1032; of zstd, and whatever else there may be, 2^15. */
enum { DEFLATED = 1032, MOST_COMPRESSED = 1 << 15 };

/* The most that a dataset's filters make of a byte. */
static uint64_t most_of_byte(hid_t list)
{
  uint64_t most = 1;
  for (int i = 0, filters = H5Pget_nfilters(list); i < filters; i++) {
    unsigned flags;
    size_t values = 0;
    H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
    if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      most = filter == H5Z_FILTER_DEFLATE && most == 1 ? DEFLATED : MOST_COMPRESSED;
  }
  return most;
}

uint64_t facet_hdf5_held(hid_t set)
{
  hid_t list = H5Dget_create_plist(set), file = H5Iget_file_id(set);
  uint64_t held = H5Dget_storage_size(set), most = list < 0 ? 1 : most_of_byte(list);
  hsize_t size = 0;
  if (file < 0 || H5Fget_filesize(file, &size) < 0)
    size = 0;
  held = held < size ? held : size;
  held = held < UINT64_MAX / most ? held * most : UINT64_MAX;
  if (list >= 0 && (H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) > 0))
    held = UINT64_MAX;
  if (list >= 0)
    H5Pclose(list);
  if (file >= 0)
    H5Fclose(file);
  return held;
}

static bool fits(int axes, const hsize_t *size, uint64_t left)
{
  for (int i = 0; i < axes; i++)
    if (size[i] == 0)
      return true;
  for (int i = 0; i < axes && left > 0; i++)
    left /= size[i];
  return left > 0;
}

bool facet_hdf5_can_hold(hid_t set)
{
  hsize_t size[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
  hid_t space = H5Dget_space(set), type = H5Dget_type(set), list = H5Dget_create_plist(set);
  bool can = space >= 0 && type >= 0 && list >= 0 && H5Tget_size(type) > 0;
  if (can && H5Sget_simple_extent_type(space) != H5S_NULL) {
    int axes = H5Sget_simple_extent_dims(space, size, NULL);
    uint64_t left = facet_hdf5_held(set) / H5Tget_size(type);
    can = axes >= 0 && fits(axes, size, left);
    if (can && H5Pget_layout(list) == H5D_CHUNKED && H5Sget_simple_extent_npoints(space) > 0)
      can = H5Pget_chunk(list, axes, chunk) == axes && fits(axes, chunk, left);
  }
  if (list >= 0)
    H5Pclose(list);
  if (type >= 0)
    H5Tclose(type);
  if (space >= 0)
    H5Sclose(space);
  return can;
}
