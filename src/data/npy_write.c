/* Bytes into a .npy file, piece by piece: see npy_write.h. */
#include "npy_write.h"

#include <errno.h>
#include <string.h>

static facet_status raise_io(const facet_npy_file *f)
{
  return facet_raise(FACET_IO, "%s: %s", f->path, strerror(errno));
}

/* NumPy's header, version 1.0: padded so that the numbers begin at a multiple of 64. */
static facet_status write_header(const facet_npy_file *f, int axes, const int64_t *dim)
{
  char shape[100] = "", text[256];
  for (int i = 0; i < axes; i++)
    facet_append(shape, sizeof shape, ", ", axes == 1 ? "%lld," : "%lld", (long long)dim[i]);
  int used = snprintf(text, sizeof text, "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", shape);
  int padded = (10 + used + 1 + 63) / 64 * 64 - 10;
  unsigned char head[10] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(padded & 255), (unsigned char)(padded >> 8)};
  bool written =
      fwrite(head, 1, sizeof head, f->file) == sizeof head && fprintf(f->file, "%-*s\n", padded - 1, text) == padded;
  return written ? FACET_OK : raise_io(f);
}

facet_status facet_npy_begin(const char *path, int axes, const int64_t *dim, facet_npy_file *f)
{
  *f = (facet_npy_file){path, fopen(path, "wb")};
  FACET_CHECK(f->file, FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno));
  facet_status status = write_header(f, axes, dim);
  return status == FACET_OK ? FACET_OK : facet_npy_end(f, status);
}

facet_status facet_npy_add(const facet_npy_file *f, const uint8_t *bytes, size_t count)
{
  return fwrite(bytes, 1, count, f->file) == count ? FACET_OK : raise_io(f);
}

facet_status facet_npy_end(facet_npy_file *f, facet_status status)
{
  int failed = fclose(f->file);
  f->file = NULL;
  return failed && status == FACET_OK ? raise_io(f) : status;
}
