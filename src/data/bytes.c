/* Files that are read where it is needed, and those that must be decoded first: see bytes.h.
 *
 * What is decoded goes into a file in TMPDIR (or /tmp) that has no name, so that nothing stays behind however the
 * process ends. Other processes of the node open it through /proc, by the number it has here. */
#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

uint32_t facet_bytes_big32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool ends_with(const char *text, const char *end)
{
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static facet_status bytes_new(const char *path, int file, size_t size, facet_bytes **bytes)
{
  char *copy = facet_copy_text(path);
  if (copy && (*bytes = facet_allocate(1, sizeof **bytes))) {
    **bytes = (facet_bytes){copy, file, size};
    return FACET_OK;
  }
  facet_free(&copy);
  close(file);
  return FACET_OS;
}

void facet_bytes_close(facet_bytes **bytes)
{
  if (*bytes) {
    close((*bytes)->file);
    facet_free(&(*bytes)->path);
  }
  facet_free(bytes);
}

facet_status facet_bytes_take(const facet_bytes *b, size_t at, size_t count, void *to)
{
  for (size_t filled = 0; filled < count;) {
    ssize_t got = pread(b->file, (char *)to + filled, count - filled, (off_t)(at + filled));
    if (got < 0 && errno == EINTR)
      continue;
    FACET_CHECK(got >= 0, FACET_IO, "%s: cannot be read: %s", b->path, strerror(errno));
    FACET_CHECK(got > 0, FACET_IO, "%s: has become shorter since it was opened", b->path);
    filled += (size_t)got;
  }
  return FACET_OK;
}

/* ---- files as they are ---- */

/* Opening a pipe does not wait for who writes into it. */
static facet_status open_regular(const char *path, int *file, size_t *size)
{
  struct stat about = {0};
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  FACET_CHECK(*file >= 0, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  facet_status status = FACET_OK;
  if (fstat(*file, &about) != 0)
    status = facet_raise(FACET_IO, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(about.st_mode))
    status = facet_raise(FACET_NO_INPUT, "%s: is a %s, not a file", path,
                         S_ISDIR(about.st_mode)    ? "folder"
                         : S_ISFIFO(about.st_mode) ? "pipe"
                                                   : "device");
  if (status != FACET_OK)
    close(*file);
  *size = (size_t)about.st_size;
  return status;
}

/* ---- files without a name ---- */

facet_status facet_scratch_open(const char *path, facet_bytes **scratch)
{
  char *folder;
  int file;
  facet_status status = facet_nameless_file("facet-data", &file, &folder);
  facet_free(&folder);
  if (status != FACET_OK)
    return facet_raise_in(status, "%s: cannot be decoded: ", path);
  return bytes_new(path, file, 0, scratch);
}

facet_status facet_scratch_add(facet_bytes *scratch, size_t count, const void *from)
{
  for (size_t written = 0; written < count;) {
    ssize_t put = write(scratch->file, (const char *)from + written, count - written);
    if (put < 0 && errno == EINTR)
      continue;
    FACET_CHECK(put >= 0, FACET_IO, "%s: cannot be decoded into the folder TMPDIR (otherwise /tmp): %s", scratch->path,
                strerror(errno));
    written += (size_t)put;
  }
  scratch->size += count;
  return FACET_OK;
}

facet_status facet_decoded_take(const char *path, facet_decoded *decoded, facet_bytes **bytes)
{
  struct stat about;
  char name[64];
  if (!decoded || !decoded->shared || decoded->next == decoded->count)
    return FACET_OK;
  const facet_decoded_file *f = &decoded->item[decoded->next++];
  (void)snprintf(name, sizeof name, "/proc/%lld/fd/%lld", (long long)f->process, (long long)f->file);
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return FACET_OK;
  if (fstat(file, &about) == 0 && (int64_t)about.st_dev == f->device && (int64_t)about.st_ino == f->inode)
    return bytes_new(path, file, (size_t)about.st_size, bytes);
  close(file); /* of another process: numbers may differ between containers */
  return FACET_OK;
}

void facet_decoded_tell(const facet_bytes *bytes, facet_decoded *decoded)
{
  struct stat about;
  if (decoded && !decoded->shared && decoded->count < FACET_MOST_DECODED && fstat(bytes->file, &about) == 0)
    decoded->item[decoded->count++] =
        (facet_decoded_file){getpid(), bytes->file, (int64_t)about.st_dev, (int64_t)about.st_ino};
}

/* ---- gzip ---- */

enum { STEP = 1 << 18 };

static facet_status copy_out(const char *path, gzFile file, uint8_t *room, facet_bytes *scratch)
{
  for (int got = 1; got > 0;) {
    int problem;
    got = gzread(file, room, STEP);
    gzerror(file, &problem);
    FACET_CHECK(problem != Z_ERRNO, FACET_IO, "%s: cannot be read: %s", path, strerror(errno));
    FACET_CHECK(problem != Z_BUF_ERROR, FACET_BAD_INPUT, "%s: truncated gzip", path);
    FACET_CHECK(got >= 0 && problem == Z_OK, FACET_BAD_INPUT, "%s: damaged gzip", path);
    bool plain = gzdirect(file); /* zlib passes on what does not begin with gzip's two bytes */
    FACET_CHECK(!plain || scratch->size + (size_t)got >= 2, FACET_BAD_INPUT, "%s: truncated gzip", path);
    FACET_CHECK(!plain, FACET_BAD_INPUT, "%s: not a gzip file", path);
    FACET_TRY(facet_scratch_add(scratch, (size_t)got, room));
  }
  return FACET_OK;
}

/* Takes the open file over. */
static facet_status gunzip(const char *path, int packed, facet_bytes *scratch)
{
  uint8_t *room = NULL;
  gzFile file = gzdopen(packed, "rb");
  if (!file) {
    close(packed);
    return FACET_OS;
  }
  gzbuffer(file, STEP);
  facet_status status = (room = facet_allocate(STEP, 1)) ? copy_out(path, file, room, scratch) : FACET_OS;
  if (gzclose_r(file) != Z_OK && status == FACET_OK)
    status = facet_raise(FACET_BAD_INPUT, "%s: truncated gzip", path);
  facet_free(&room);
  return status;
}

facet_status facet_bytes_open(const char *path, facet_decoded *decoded, facet_bytes **bytes)
{
  int file;
  size_t size;
  *bytes = NULL;
  bool packed = ends_with(path, ".gz");
  if (packed)
    FACET_TRY(facet_decoded_take(path, decoded, bytes));
  if (*bytes)
    return FACET_OK;
  FACET_TRY(open_regular(path, &file, &size));
  if (!packed)
    return bytes_new(path, file, size, bytes);
  facet_status status = facet_scratch_open(path, bytes);
  if (status != FACET_OK) {
    close(file);
    return status;
  }
  status = gunzip(path, file, *bytes);
  if (status != FACET_OK)
    facet_bytes_close(bytes);
  else
    facet_decoded_tell(*bytes, decoded);
  return status;
}
