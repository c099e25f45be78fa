/* Checkpoints: a line that says what it is, the version of facet, the digest of what the state follows from, the digest
 * of the state, and the state's pieces one after the other.  A file is used only if all of these and the size are
 * right: what one version began another may not end, since its steps may be others. */
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char title[] = "facet checkpoint 2\n";
enum { TITLE = sizeof title - 1, FIELD = 65, HEADER = TITLE + 3 * FIELD };

/* The header but for its last field, the digest of the state. */
static void begin_header(const char digest[FIELD], uint8_t header[HEADER])
{
  memset(header, 0, HEADER);
  memcpy(header, title, TITLE);
  snprintf((char *)header + TITLE, FIELD, "%s %s", FACET_VERSION, facet_revision());
  memcpy(header + TITLE + FIELD, digest, FIELD);
}

static size_t size_of(int pieces, const facet_piece *piece)
{
  size_t bytes = HEADER;
  for (int i = 0; i < pieces; i++)
    bytes += piece[i].bytes;
  return bytes;
}

facet_status facet_checkpoint_write(const char *path, const char digest[65], int pieces, const facet_piece *piece)
{
  size_t size = size_of(pieces, piece), at = HEADER;
  uint8_t *bytes;
  char state[FIELD];
  FACET_NEW(bytes, size);
  begin_header(digest, bytes);
  for (int i = 0; i < pieces; i++) {
    memcpy(bytes + at, piece[i].data, piece[i].bytes);
    at += piece[i].bytes;
  }
  facet_status status;
  FACET_GO(done, status, facet_sha256_bytes(bytes + HEADER, size - HEADER, state));
  memcpy(bytes + HEADER - FIELD, state, FIELD);
  status = facet_write_file(path, bytes, size);
done:
  facet_free(&bytes);
  return status;
}

/* Whether what was read is the state that is asked for. */
static facet_status fits(const uint8_t *bytes, size_t count, size_t size, const char *digest, bool *good)
{
  uint8_t header[HEADER];
  char state[FIELD];
  *good = false;
  begin_header(digest, header);
  if (count != size || memcmp(bytes, header, HEADER - FIELD) != 0)
    return FACET_OK;
  FACET_TRY(facet_sha256_bytes(bytes + HEADER, size - HEADER, state));
  *good = memcmp(bytes + HEADER - FIELD, state, FIELD) == 0;
  return FACET_OK;
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

void facet_checkpoint_remove(const char *path)
{
  (void)unlink(path);
}
