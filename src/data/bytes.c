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
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

uint32_t facet_bytes_big32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

size_t facet_bytes_times(size_t size, size_t count)
{
  return count == 0 ? 0 : size < SIZE_MAX / 2 / count ? size * count : SIZE_MAX / 2;
}

static bool ends_with(const char *text, const char *end)
{
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static facet_status bytes_new(const char *path, int file, size_t size, bool nameless, facet_bytes **bytes)
{
  char *copy = facet_copy_text(path);
  if (copy && (*bytes = facet_allocate(1, sizeof **bytes))) {
    **bytes = (facet_bytes){copy, file, size, nameless, NULL};
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
  size_t got;
  int problem = facet_read_at(b->file, at, count, to, &got);
  FACET_CHECK(problem == 0, FACET_IO, "%s: cannot be read: %s", b->path, strerror(problem));
  FACET_CHECK(got == count, FACET_IO, "%s: has become shorter since it was opened", b->path);
  return FACET_OK;
}

/* ---- files without a name ---- */

facet_status facet_scratch_open(const char *path, const facet_decoded *decoded, facet_bytes **scratch)
{
  char *folder;
  int file;
  facet_status status = facet_nameless_file("facet-data", &file, &folder);
  facet_free(&folder);
  if (status != FACET_OK)
    return facet_raise_in(status, "%s: cannot be decoded: ", path);
  FACET_TRY(bytes_new(path, file, 0, true, scratch));
  (*scratch)->pause = decoded ? decoded->pause : NULL;
  return FACET_OK;
}

facet_status facet_scratch_room(const facet_bytes *scratch, double bytes)
{
  struct statvfs about = {.f_blocks = 0};
  if (fstatvfs(scratch->file, &about) != 0 || about.f_blocks == 0) /* that cannot be asked */
    return FACET_OK;
  double room = (double)about.f_bavail * (double)about.f_frsize;
  int digits = bytes < 1e9 ? 6 : 2;
  FACET_CHECK(bytes <= room, FACET_IO,
              "%s: cannot be decoded into the folder TMPDIR (otherwise /tmp): no space left: %.*f GB needed, %.*f GB "
              "free",
              scratch->path, digits, bytes / 1e9, digits, room / 1e9);
  return FACET_OK;
}

facet_status facet_scratch_add(facet_bytes *scratch, size_t count, const void *from)
{
  int problem = facet_write_at(scratch->file, scratch->size, count, from);
  FACET_CHECK(problem == 0, FACET_IO, "%s: cannot be decoded into the folder TMPDIR (otherwise /tmp): %s",
              scratch->path, strerror(problem));
  scratch->size += count;
  return scratch->pause ? scratch->pause() : FACET_OK;
}

facet_status facet_decoded_take(const char *path, facet_decoded *decoded, facet_bytes **bytes)
{
  struct stat about;
  if (!decoded || !decoded->shared || decoded->next == decoded->count)
    return FACET_OK;
  int file = facet_file_open_told(&decoded->item[decoded->next++]);
  if (file < 0)
    return FACET_OK;
  if (fstat(file, &about) == 0)
    return bytes_new(path, file, (size_t)about.st_size, true, bytes);
  close(file);
  return FACET_OK;
}

void facet_decoded_tell(const facet_bytes *bytes, facet_decoded *decoded)
{
  if (decoded && !decoded->shared && decoded->count < FACET_MOST_DECODED)
    decoded->count += facet_file_tell(bytes->file, &decoded->item[decoded->count]);
}

/* ---- gzip ---- */

enum { STEP = 1 << 18, MOST_FROM_ONE = 1032 }; /* bytes that gzip makes of one, at most */

typedef struct {
  const char *path;
  int file;
  z_stream stream;
  uint8_t *in, *out; /* STEP each */
  bool end;          /* of the file */
  bool whole;        /* a member ended, and the next one did not begin */
  facet_bytes *scratch;
  facet_bytes_most *most; /* NULL: none */
  size_t said;            /* by `most`; SIZE_MAX: nothing yet */
} gunzip;

static facet_status fill(gunzip *g)
{
  ssize_t got = read(g->file, g->in, STEP);
  if (got < 0 && errno == EINTR)
    return FACET_OK;
  FACET_CHECK(got >= 0, FACET_IO, "%s: cannot be read: %s", g->path, strerror(errno));
  g->end = got == 0;
  g->stream.next_in = g->in;
  g->stream.avail_in = (unsigned)got;
  return FACET_OK;
}

/* What is there of the input, until the output is full. Members follow each other, as gzip has it. */
static facet_status inflate_some(gunzip *g)
{
  if (g->whole && g->stream.avail_in > 0) {
    FACET_CHECK(g->stream.next_in[0] == 0x1f, FACET_BAD_INPUT, "%s: other bytes follow the end of the gzip", g->path);
    g->whole = false;
    FACET_CHECK(inflateReset(&g->stream) == Z_OK, FACET_OS, "out of memory");
  }
  int done = g->whole ? Z_OK : inflate(&g->stream, Z_NO_FLUSH);
  g->whole = g->whole || done == Z_STREAM_END;
  FACET_CHECK(done != Z_MEM_ERROR, FACET_OS, "out of memory");
  FACET_CHECK(g->whole || done == Z_OK || done == Z_BUF_ERROR, FACET_BAD_INPUT,
              g->stream.total_out == 0 && g->scratch->size == 0 ? "%s: not a gzip file, or damaged"
                                                                : "%s: damaged gzip",
              g->path);
  return FACET_OK;
}

/* Before the disk is full, where the file says how much it is, and can hold that. */
static facet_status look_for_room(const gunzip *g)
{
  struct stat about;
  bool believed = g->said < SIZE_MAX && fstat(g->file, &about) == 0 &&
                  g->said <= facet_bytes_times((size_t)about.st_size, MOST_FROM_ONE);
  return believed && g->said > g->scratch->size ? facet_scratch_room(g->scratch, (double)(g->said - g->scratch->size))
                                                : FACET_OK;
}

/* Until all is decoded, or more than it says that it is: who opens it finds that out, too. */
static facet_status decode(gunzip *g)
{
  for (bool more = true; more;) {
    g->stream.next_out = g->out;
    g->stream.avail_out = STEP;
    while (g->stream.avail_out > 0 && !(g->end && g->stream.avail_in == 0)) {
      if (g->stream.avail_in == 0)
        FACET_TRY(fill(g));
      FACET_TRY(inflate_some(g));
    }
    size_t count = STEP - g->stream.avail_out;
    FACET_TRY(facet_scratch_add(g->scratch, count, g->out));
    more = g->stream.avail_out == 0;
    if (more && g->most && g->said == SIZE_MAX) {
      g->said = g->most(g->scratch);
      FACET_TRY(look_for_room(g));
    }
    if (more && g->scratch->size > g->said)
      return FACET_OK;
  }
  FACET_CHECK(g->whole, FACET_BAD_INPUT, "%s: truncated gzip", g->path);
  return FACET_OK;
}

static facet_status decode_file(const char *path, int file, facet_bytes_most *most, facet_bytes *scratch)
{
  gunzip g = {.path = path, .file = file, .scratch = scratch, .most = most, .said = SIZE_MAX};
  facet_status status;
  FACET_CHECK(inflateInit2(&g.stream, 16 + MAX_WBITS) == Z_OK, FACET_OS, "out of memory"); /* 16: of gzip */
  FACET_NEW_GO(done, status, g.in, STEP);
  FACET_NEW_GO(done, status, g.out, STEP);
  status = decode(&g);
done:
  inflateEnd(&g.stream);
  FACET_FREE(&g.in, &g.out);
  return status;
}

facet_status facet_bytes_open_most(const char *path, facet_decoded *decoded, facet_bytes_most *most,
                                   facet_bytes **bytes)
{
  int file;
  size_t size;
  *bytes = NULL;
  bool packed = ends_with(path, ".gz");
  if (packed)
    FACET_TRY(facet_decoded_take(path, decoded, bytes));
  if (*bytes)
    return FACET_OK;
  FACET_TRY(facet_open_file(path, &file, &size));
  if (!packed)
    return bytes_new(path, file, size, false, bytes);
  facet_status status = facet_scratch_open(path, decoded, bytes);
  if (status == FACET_OK)
    status = decode_file(path, file, most, *bytes);
  close(file);
  if (status != FACET_OK)
    facet_bytes_close(bytes);
  else
    facet_decoded_tell(*bytes, decoded);
  return status;
}

facet_status facet_bytes_open(const char *path, facet_decoded *decoded, facet_bytes **bytes)
{
  return facet_bytes_open_most(path, decoded, NULL, bytes);
}
