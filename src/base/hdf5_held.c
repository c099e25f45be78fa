/* Sizes of a dataset held against the size of its file. */
#include "hdf5_held.h"

/* Bytes out of one: of deflate at most 1032; of zstd, and whatever else there may be, 2^15. */
enum { DEFLATED = 1032, MOST_COMPRESSED = 1 << 15 };

/* The most that a dataset's filters make of a byte; only chunks go through them. */
static uint64_t most_of_byte(hid_t list)
{
  uint64_t most = 1;
  if (H5Pget_layout(list) != H5D_CHUNKED)
    return most;
  for (int i = 0, filters = H5Pget_nfilters(list); i < filters; i++) {
    unsigned flags;
    size_t values = 0;
    H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
    if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      most = filter == H5Z_FILTER_DEFLATE && most == 1 ? DEFLATED : MOST_COMPRESSED;
  }
  return most;
}

static bool lies_elsewhere(hid_t list)
{
  return H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) > 0;
}

bool facet_hdf5_elsewhere(hid_t set)
{
  hid_t list = H5Dget_create_plist(set);
  bool elsewhere = list >= 0 && lies_elsewhere(list);
  if (list >= 0)
    H5Pclose(list);
  return elsewhere;
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
  if (list >= 0 && lies_elsewhere(list))
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

/* Where a dataset has chunks, one of them. */
static bool chunk_fits(hid_t list, int axes, uint64_t left)
{
  hsize_t chunk[H5S_MAX_RANK];
  return H5Pget_layout(list) != H5D_CHUNKED || (H5Pget_chunk(list, axes, chunk) == axes && fits(axes, chunk, left));
}

/* Whether what was never written is as somebody wants it: some of it was written, or he has said by which value it is
 * filled. numbers: of the dataset. */
static bool is_filled(hid_t set, hid_t list, int axes, uint64_t numbers)
{
  H5D_fill_value_t fill = H5D_FILL_VALUE_UNDEFINED;
  if (H5Dget_storage_size(set) == 0)
    return H5Pfill_value_defined(list, &fill) >= 0 && fill == H5D_FILL_VALUE_USER_DEFINED;
  return H5Pget_layout(list) == H5D_CHUNKED && chunk_fits(list, axes, numbers);
}

/* filled: of what was never written, too. */
static bool can_hold(hid_t set, bool filled)
{
  hsize_t size[H5S_MAX_RANK];
  hid_t space = H5Dget_space(set), type = H5Dget_type(set), list = H5Dget_create_plist(set);
  bool can = space >= 0 && type >= 0 && list >= 0 && H5Tget_size(type) > 0;
  if (can && H5Sget_simple_extent_type(space) != H5S_NULL) {
    int axes = H5Sget_simple_extent_dims(space, size, NULL);
    hssize_t numbers = H5Sget_simple_extent_npoints(space);
    uint64_t left = facet_hdf5_held(set) / H5Tget_size(type);
    can = axes >= 0 && fits(axes, size, left) && (numbers <= 0 || chunk_fits(list, axes, left));
    can = can || (filled && axes >= 0 && numbers > 0 && is_filled(set, list, axes, (uint64_t)numbers));
  }
  if (list >= 0)
    H5Pclose(list);
  if (type >= 0)
    H5Tclose(type);
  if (space >= 0)
    H5Sclose(space);
  return can;
}

bool facet_hdf5_can_hold(hid_t set)
{
  return can_hold(set, false);
}

bool facet_hdf5_can_fill(hid_t set)
{
  return can_hold(set, true);
}
