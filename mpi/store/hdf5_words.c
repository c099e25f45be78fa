/* What HDF5 says when it fails, and how its files are opened. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hdf5_held.h"
#include "base/hdf5_turn.h"
#include "store_file.h"

static _Thread_local char words[200];
static _Thread_local bool got;    /* the bytes were, and make no sense */
static _Thread_local bool unread; /* some were not, since somebody began to listen */

static herr_t keep_words(unsigned n, const H5E_error2_t *error, void *unused)
{
  const hid_t from = error->maj_num;
  (void)n;
  (void)unused;
  if (unread) /* what comes of it says less */
    return 1;
  static const char *const others[] = {"error message = '", "error string is '"}; /* of the system, and of MPI */
  const char *text = error->desc ? error->desc : "", *said = text;
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    const char *at = strstr(text, others[i]);
    said = at ? at + strlen(others[i]) : said;
  }
  (void)snprintf(words, sizeof words, "%.*s", (int)(said == text ? strlen(text) : strcspn(said, "'")), said);
  unread = from == H5E_IO || from == H5E_VFL || from == H5E_INTERNAL;
  got = !unread && from != H5E_RESOURCE;
  return 1; /* the first one met going up is where it happened */
}

/* Called by HDF5 at every failure: the calls that clean up afterwards make it forget. */
static herr_t hear(hid_t stack, void *unused)
{
  return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_words, unused);
}

/* What could not be written stays open inside HDF5, which at its own end tries again, and crashes; it is told that it
 * has no end. One that MPI has begun before it would end with MPI. */
void facet_store_begin(void)
{
  (void)H5dont_atexit();
  (void)H5open();
}

facet_store_listener facet_store_listen(const char *path)
{
  facet_store_listener before = {.path = path};
  words[0] = '\0';
  got = unread = false;
  H5Eget_auto2(H5E_DEFAULT, &before.function, &before.data);
  H5Eset_auto2(H5E_DEFAULT, hear, NULL);
  return before;
}

facet_status facet_store_unlisten(facet_store_listener before, facet_status status)
{
  facet_hdf5_reads(NULL);
  H5Eset_auto2(H5E_DEFAULT, before.function, before.data);
  return facet_store_heard(before.path, status);
}

facet_status facet_store_heard(const char *path, facet_status status)
{
  return path && status == FACET_BAD_INPUT && unread ? facet_store_raise(path, "reading") : status;
}

facet_status facet_store_raise(const char *path, const char *what)
{
  facet_status status = strstr(words, "memory allocation failed") ? FACET_OS : FACET_IO;
  return facet_raise(status, "%s: %s: %s", path, what, words[0] ? words : "HDF5 failed");
}

bool facet_store_is_spoiled(facet_status status)
{
  return status == FACET_IO && got;
}

facet_status facet_store_refuse(const char *path, const char *format, ...)
{
  char said[1000];
  va_list list;
  if (unread)
    return facet_store_raise(path, "reading");
  va_start(list, format);
  (void)vsnprintf(said, sizeof said, format, list);
  va_end(list);
  return facet_raise(FACET_BAD_INPUT, "%s: %s", path, said);
}

hid_t facet_store_access(void)
{
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  H5Pset_file_locking(list, 0, 1);
#endif
  return list;
}

facet_status facet_store_open_alone(const char *path, hid_t *file)
{
  FACET_TRY(facet_check_file(path));
  hid_t list = facet_store_access();
  facet_hdf5_reads(path);
  *file = H5Fopen(path, H5F_ACC_RDONLY, list);
  H5_CLOSE(list);
  return *file >= 0 ? FACET_OK : facet_store_refuse(path, "cannot be opened: not an HDF5 file, or damaged");
}

facet_status facet_store_text(hid_t file, const char *object, const char *name, char **text)
{
  char *read = NULL;
  bool there = H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0;
  hid_t attribute = there ? H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT) : -1;
  hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
  bool is_text = type >= 0 && H5Tis_variable_str(type) > 0 && H5Aread(attribute, type, &read) >= 0 && read;
  *text = facet_copy_text(is_text ? read : "");
  if (read)
    H5free_memory(read);
  H5_CLOSE(type, attribute);
  return *text ? FACET_OK : FACET_OS;
}

void facet_store_drop(const hid_t *id)
{
  for (; *id != 0; id++)
    if (*id > 0)
      H5Idec_ref(*id);
}

hid_t facet_store_set(hid_t file, const char *path)
{
  hid_t set = H5LTpath_valid(file, path, true) > 0 ? H5Dopen2(file, path, H5P_DEFAULT) : -1;
  if (set < 0 || facet_hdf5_can_hold(set))
    return set;
  H5_CLOSE(set);
  return -1;
}

bool facet_store_integers(hid_t file, const char *path, int64_t count, int64_t *to)
{
  hid_t set = facet_store_set(file, path), space = set < 0 ? -1 : H5Dget_space(set);
  bool read = space >= 0 && H5Sget_simple_extent_npoints(space) == count &&
              H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) >= 0;
  H5_CLOSE(space, set);
  return read;
}

bool facet_store_attribute(hid_t file, const char *name, int64_t count, int64_t *to)
{
  bool there = H5Aexists(file, name) > 0;
  hid_t attribute = there ? H5Aopen(file, name, H5P_DEFAULT) : -1;
  hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
  bool read =
      space >= 0 && H5Sget_simple_extent_npoints(space) == count && H5Aread(attribute, H5T_NATIVE_INT64, to) >= 0;
  H5_CLOSE(space, attribute);
  return read;
}

facet_status facet_store_texts(hid_t file, const char *path, char ***text, int *count)
{
  hid_t set = facet_store_set(file, path), type = set < 0 ? -1 : H5Dget_type(set);
  hid_t space = set < 0 ? -1 : H5Dget_space(set);
  hssize_t there = space < 0 || H5Tis_variable_str(type) <= 0 ? 0 : H5Sget_simple_extent_npoints(space);
  char **read = facet_allocate((size_t)there + 1, sizeof *read);
  *text = facet_allocate((size_t)there + 1, sizeof **text);
  *count = 0;
  facet_status status = read && *text ? FACET_OK : FACET_OS;
  if (status == FACET_OK && there > 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, read) >= 0) {
    for (*count = 0; *count < there && status == FACET_OK; ++*count)
      status = ((*text)[*count] = facet_copy_text(read[*count] ? read[*count] : "")) ? FACET_OK : FACET_OS;
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, read);
  }
  facet_free(&read);
  H5_CLOSE(space, type, set);
  return status;
}

int facet_store_sizes(hid_t set, hsize_t size[FACET_MOST_AXES])
{
  hsize_t all[H5S_MAX_RANK] = {0};
  hid_t space = set < 0 ? -1 : H5Dget_space(set);
  int axes = space < 0 ? -1 : H5Sget_simple_extent_dims(space, all, NULL);
  H5_CLOSE(space);
  if (axes > FACET_MOST_AXES)
    return -1;
  memcpy(size, all, FACET_MOST_AXES * sizeof *size);
  return axes;
}
