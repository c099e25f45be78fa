/* What tells a data set from another: SHA-256 of its pixels, channels first, and of its labels.  The pixels are
 * taken piece by piece, so that whoever shares the data can share the work. */
#include <string.h>

#include "data.h"

enum { PIECE = 4 << 20, HEX = 64 }; /* bytes, of which no result depends but the digest itself; characters */

static size_t pixel_bytes(const facet_dataset *d)
{
  return (size_t)(d->count * facet_image_inputs(d->image)) * (d->is_float ? sizeof(float) : 1);
}

int64_t facet_dataset_pieces(const facet_dataset *d)
{
  return (int64_t)((pixel_bytes(d) + PIECE - 1) / PIECE);
}

/* The samples that a piece touches are read whole; of the first and the last it may be a part. */
facet_status facet_dataset_digest_piece(const facet_dataset *d, int64_t piece, char hex[65])
{
  size_t begin = (size_t)piece * PIECE, left = pixel_bytes(d) - begin, bytes = left < PIECE ? left : PIECE;
  size_t sample = pixel_bytes(d) / (size_t)d->count, first = begin / sample, end = (begin + bytes - 1) / sample + 1;
  char *room;
  FACET_NEW(room, (end - first) * sample);
  facet_status status = facet_dataset_take(d, (int64_t)first, (int64_t)(end - first), room);
  if (status == FACET_OK)
    status = facet_sha256_bytes(room + (begin - first * sample), bytes, hex);
  facet_free(&room);
  return status;
}

static facet_status digest_labels(const facet_dataset *d, char hex[65])
{
  facet_label_walk w = {.of = d};
  facet_sha256 *sum;
  facet_status status = facet_sha256_begin(&sum);
  while (status == FACET_OK && facet_labels_walk(&w))
    status = facet_sha256_add(sum, w.label, (size_t)w.count * sizeof *w.label);
  if (status == FACET_OK && w.status == FACET_OK)
    return facet_sha256_end(&sum, hex);
  facet_sha256_drop(&sum);
  return status == FACET_OK ? w.status : status;
}

facet_status facet_dataset_digest_join(const facet_dataset *d, const char *pieces, facet_data_digest *digest)
{
  char *all = facet_format("%s %lld x %lld x %lld x %lld\n%.*s", d->is_float ? "float" : "byte", (long long)d->count,
                           (long long)d->image.channels, (long long)d->image.height, (long long)d->image.width,
                           (int)(HEX * facet_dataset_pieces(d)), pieces);
  facet_status status = all ? facet_sha256_bytes(all, strlen(all), digest->images) : FACET_OS;
  facet_free(&all);
  FACET_TRY(status);
  return digest_labels(d, digest->labels);
}

facet_status facet_dataset_digest(const facet_dataset *d, facet_data_digest *digest)
{
  char *pieces;
  facet_status status = FACET_OK;
  *digest = d->digest;
  if (digest->images[0])
    return FACET_OK;
  FACET_NEW(pieces, HEX * facet_dataset_pieces(d) + 1);
  for (int64_t i = 0; i < facet_dataset_pieces(d) && status == FACET_OK; i++)
    status = facet_dataset_digest_piece(d, i, pieces + HEX * i);
  if (status == FACET_OK)
    status = facet_dataset_digest_join(d, pieces, digest);
  facet_free(&pieces);
  return status;
}
