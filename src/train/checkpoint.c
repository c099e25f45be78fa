/* Checkpoints: a line that says what it is, the version of facet, the digest of what the state follows from, how many
 * steps are behind it, the digest of all of the file but itself, and the state's pieces one after the other.  A file is
 * used only if all of these and the size are right: what one version began another may not end, since its steps may be
 * others. */
#include "checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char title[] = "facet checkpoint 4\n";
enum { TITLE = sizeof title - 1, FIELD = 65, DONE = TITLE + 2 * FIELD, HEADER = DONE + 2 * FIELD };

/* The header but for its last two fields, the steps and the digest of the state. */
static void begin_header(const char digest[FIELD], uint8_t header[HEADER])
{
  memset(header, 0, HEADER);
  memcpy(header, title, TITLE);
  snprintf((char *)header + TITLE, FIELD, "%s %s", FACET_VERSION, facet_revision());
  memcpy(header + TITLE + FIELD, digest, FIELD);
}

/* Of all of a file but the last field of its header. */
static facet_status digest_all(const uint8_t *bytes, size_t size, char hex[FIELD])
{
  facet_sha256 *digest;
  facet_status status;
  FACET_TRY(facet_sha256_begin(&digest));
  FACET_GO(done, status, facet_sha256_add(digest, bytes, HEADER - FIELD));
  FACET_GO(done, status, facet_sha256_add(digest, bytes + HEADER, size - HEADER));
  status = facet_sha256_end(&digest, hex);
done:
  facet_sha256_drop(&digest);
  return status;
}

static size_t size_of(int pieces, const facet_piece *piece)
{
  size_t bytes = HEADER;
  for (int i = 0; i < pieces; i++)
    bytes += piece[i].bytes;
  return bytes;
}

facet_status facet_checkpoint_write(const char *path, const char digest[65], int64_t done, int pieces,
                                    const facet_piece *piece)
{
  size_t size = size_of(pieces, piece), at = HEADER;
  uint8_t *bytes;
  char state[FIELD];
  FACET_NEW(bytes, size);
  begin_header(digest, bytes);
  snprintf((char *)bytes + DONE, FIELD, "%" PRId64, done);
  for (int i = 0; i < pieces; i++) {
    memcpy(bytes + at, piece[i].data, piece[i].bytes);
    at += piece[i].bytes;
  }
  facet_status status;
  FACET_GO(end, status, digest_all(bytes, size, state));
  memcpy(bytes + HEADER - FIELD, state, FIELD);
  status = facet_write_file(path, bytes, size);
end:
  facet_free(&bytes);
  return status;
}

/* Whether a file is what was written. */
static facet_status is_whole(const uint8_t *bytes, size_t count, bool *whole)
{
  char all[FIELD];
  *whole = false;
  if (count < HEADER)
    return FACET_OK;
  FACET_TRY(digest_all(bytes, count, all));
  *whole = memcmp(bytes, title, TITLE) == 0 && memcmp(bytes + HEADER - FIELD, all, FIELD) == 0;
  return FACET_OK;
}

/* Whether what was read is the state that is asked for. */
static facet_status fits(const uint8_t *bytes, size_t count, size_t size, const char *digest, bool *good)
{
  uint8_t header[HEADER];
  *good = false;
  begin_header(digest, header);
  if (count != size || memcmp(bytes, header, DONE) != 0)
    return FACET_OK;
  return is_whole(bytes, count, good);
}

/* The bytes of a file that fits; *bytes stays NULL if there is none. */
static facet_status read_fitting(const char *path, const char *digest, size_t size, uint8_t **bytes)
{
  size_t count;
  bool good;
  *bytes = NULL;
  if (!facet_exists(path))
    return FACET_OK;
  FACET_TRY(facet_read_file(path, bytes, &count));
  facet_status status = fits(*bytes, count, size, digest, &good);
  if (status != FACET_OK || !good)
    facet_free(bytes);
  return status;
}

facet_status facet_checkpoint_read(const char *path, const char digest[65], int pieces, const facet_piece *piece,
                                   bool *found)
{
  uint8_t *bytes;
  size_t at = HEADER;
  *found = false;
  FACET_TRY(read_fitting(path, digest, size_of(pieces, piece), &bytes));
  *found = bytes != NULL;
  for (int i = 0; i < pieces && bytes; at += piece[i++].bytes)
    memcpy(piece[i].data, bytes + at, piece[i].bytes);
  facet_free(&bytes);
  return FACET_OK;
}

facet_status facet_checkpoint_holds(const char *path, bool *holds)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_read_file(path, &bytes, &count));
  facet_status status = is_whole(bytes, count, holds);
  facet_free(&bytes);
  return status;
}

int64_t facet_checkpoint_done(const char *path)
{
  char header[HEADER + 1] = "";
  FILE *file = fopen(path, "rb");
  size_t got = file ? fread(header, 1, HEADER, file) : 0;
  if (file)
    (void)fclose(file);
  header[DONE + FIELD] = '\0';
  return got == HEADER && memcmp(header, title, TITLE) == 0 ? strtoll(header + DONE, NULL, 10) : 0;
}

void facet_checkpoint_remove(const char *path)
{
  (void)unlink(path);
}
