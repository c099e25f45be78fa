/* The store in the hands of one rank, when all tiles are done: raw numbers are read and overwritten, as ever. */
#include "store_file.h"

facet_status facet_store_alone_open(const char *path, facet_store_alone *store)
{
  facet_store_listen();
  hid_t list = facet_store_access();
  H5Pset_sieve_buf_size(list, 1); /* parts of lines are read here, and what lies between them would come along */
  *store = (facet_store_alone){path, H5Fopen(path, H5F_ACC_RDWR, list)};
  H5Pclose(list);
  H5_CHECK(path, "opening", store->file);
  return FACET_OK;
}

facet_status facet_store_alone_close(facet_store_alone *store)
{
  herr_t done = H5Fflush(store->file, H5F_SCOPE_GLOBAL);
  if (H5Fclose(store->file) < 0)
    done = -1;
  store->file = -1;
  H5_CHECK(store->path, "closing", done);
  return FACET_OK;
}

static facet_status transfer(const facet_store_alone *s, const char *name, hid_t memory, int rank, const int64_t *start,
                             const int64_t *count, const void *from, void *to)
{
  hsize_t offset[H5S_MAX_RANK], size[H5S_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    offset[i] = (hsize_t)start[i];
    size[i] = (hsize_t)count[i];
  }
  hid_t set = H5Dopen2(s->file, name, H5P_DEFAULT);
  H5_CHECK(s->path, name, set);
  hid_t space = H5Dget_space(set), flat = H5Screate_simple(rank, size, NULL);
  herr_t done = H5Sselect_hyperslab(space, H5S_SELECT_SET, offset, NULL, size, NULL);
  if (done >= 0)
    done = from ? H5Dwrite(set, memory, flat, space, H5P_DEFAULT, from)
                : H5Dread(set, memory, flat, space, H5P_DEFAULT, to);
  H5Sclose(space);
  H5Sclose(flat);
  H5Dclose(set);
  H5_CHECK(s->path, name, done);
  return FACET_OK;
}

facet_status facet_store_alone_read(const facet_store_alone *store, const char *name, hid_t memory, int rank,
                                    const int64_t *start, const int64_t *count, void *to)
{
  return transfer(store, name, memory, rank, start, count, NULL, to);
}

facet_status facet_store_alone_write(const facet_store_alone *store, const char *name, hid_t memory, int rank,
                                     const int64_t *start, const int64_t *count, const void *from)
{
  return transfer(store, name, memory, rank, start, count, from, NULL);
}
