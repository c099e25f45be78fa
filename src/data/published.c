/* Published corrupted sets, in the layout of CIFAR-10-C. A file is opened, and its header read, once for all samples.
 */
#include <string.h>

#include "npy.h"

enum { AT_ONCE = 1 << 20 }; /* bytes */

struct facet_published {
  char *folder;
  int corruption;
  facet_npy array;
};

static facet_status check_published(const char *path, const facet_npy *a, const facet_dataset *like)
{
  FACET_CHECK(a->kind == 'u' && a->width == 1 && a->rank == 4, FACET_BAD_INPUT,
              "%s: not a corrupted set: uint8 samples of y x x x channel are wanted", path);
  FACET_CHECK(a->dim[1] == like->image.height && a->dim[2] == like->image.width && a->dim[3] == like->image.channels,
              FACET_BAD_INPUT,
              "%s: its images are %lld x %lld x %lld (y, x, channel) but the test images %lld x %lld x %lld", path,
              (long long)a->dim[1], (long long)a->dim[2], (long long)a->dim[3], (long long)like->image.height,
              (long long)like->image.width, (long long)like->image.channels);
  FACET_CHECK(a->dim[0] % 5 == 0 && a->dim[0] / 5 >= like->count, FACET_BAD_INPUT,
              "%s: holds %lld samples, which are not five severities of %lld test samples or more", path,
              (long long)a->dim[0], (long long)like->count);
  return FACET_OK;
}

/* CIFAR-10-C calls two files by longer names. */
char *facet_published_path(const char *folder, int corruption)
{
  static const char *const longer[][2] = {{"elastic", "elastic_transform"}, {"jpeg", "jpeg_compression"}};
  const char *name = facet_corruption_name(corruption);
  char *path = facet_format("%s/%s.npy", folder, name);
  for (int i = 0; i < 2 && path && !facet_exists(path); i++)
    if (strcmp(name, longer[i][0]) == 0) {
      facet_free(&path);
      path = facet_format("%s/%s.npy", folder, longer[i][1]);
    }
  return path;
}

static facet_status open_array(const char *folder, int corruption, const facet_dataset *like, facet_npy *a)
{
  char *path = facet_published_path(folder, corruption);
  facet_status status;
  FACET_GO(done, status, path ? facet_npy_open(path, NULL, a) : FACET_OS);
  status = check_published(path, a, like); /* what it opened is the caller's to close */
done:
  facet_free(&path);
  return status;
}

facet_status facet_published_open(const char *folder, int corruption, const facet_dataset *like,
                                  facet_published **published)
{
  facet_published *p = *published;
  facet_status status = FACET_OK;
  if (p && p->corruption == corruption && strcmp(p->folder, folder) == 0)
    return FACET_OK;
  facet_published_close(published);
  FACET_NEW(p, 1);
  p->corruption = corruption;
  if (!(p->folder = facet_copy_text(folder)))
    status = FACET_OS;
  else
    status = open_array(folder, corruption, like, &p->array);
  *published = p;
  if (status != FACET_OK)
    facet_published_close(published);
  return status;
}

void facet_published_close(facet_published **published)
{
  facet_published *p = *published;
  if (p) {
    facet_bytes_close(&p->array.bytes);
    facet_free(&p->folder);
  }
  facet_free(published);
}

static size_t sample_size(const facet_npy *a)
{
  return (size_t)(a->dim[1] * a->dim[2] * a->dim[3]);
}

/* Where a sample of a severity lies in the file. */
static size_t place(const facet_npy *a, int severity, int64_t sample)
{
  return a->start + (size_t)((severity - 1) * (a->dim[0] / 5) + sample) * sample_size(a);
}

static facet_status digest_all(const facet_npy *a, size_t at, size_t bytes, uint8_t *room, facet_sha256 *digest)
{
  for (size_t i = 0, count; i < bytes; i += count) {
    count = bytes - i < AT_ONCE ? bytes - i : AT_ONCE;
    FACET_TRY(facet_bytes_take(a->bytes, at + i, count, room));
    FACET_TRY(facet_sha256_add(digest, room, count));
  }
  return FACET_OK;
}

facet_status facet_published_digest(const facet_published *published, int severity, int64_t count, char hex[65])
{
  const facet_npy *a = &published->array;
  facet_sha256 *digest;
  uint8_t *room = NULL;
  facet_status status;
  FACET_TRY(facet_sha256_begin(&digest));
  FACET_NEW_GO(done, status, room, AT_ONCE);
  status = digest_all(a, place(a, severity, 0), (size_t)count * sample_size(a), room, digest);
done:
  facet_free(&room);
  if (status == FACET_OK)
    return facet_sha256_end(&digest, hex);
  facet_sha256_drop(&digest);
  return status;
}

facet_status facet_published_pixels(const facet_published *published, int severity, double scale, int64_t first,
                                    int64_t count, float *pixels)
{
  const facet_npy *a = &published->array;
  int64_t channels = a->dim[3], plane = a->dim[1] * a->dim[2];
  uint8_t *from;
  facet_status status = FACET_OK;
  FACET_NEW(from, plane * channels);
  for (int64_t n = 0; n < count && status == FACET_OK; n++) {
    status = facet_bytes_take(a->bytes, place(a, severity, first + n), sample_size(a), from);
    for (int64_t i = 0; i < plane && status == FACET_OK; i++)
      for (int64_t c = 0; c < channels; c++)
        pixels[(n * channels + c) * plane + i] = (float)(from[i * channels + c] * scale / 255);
  }
  facet_free(&from);
  return status;
}

static facet_status same_labels(const char *path, const facet_part *part, const facet_dataset *like)
{
  FACET_CHECK(part->count >= like->count, FACET_BAD_INPUT, "%s: %lld labels for %lld test samples", path,
              (long long)part->count, (long long)like->count);
  int32_t own[FACET_LABELS_AT_ONCE];
  facet_label_walk its = {.of = like};
  while (facet_labels_walk(&its)) {
    FACET_TRY(facet_labels_take(&part->labels, its.first, its.count, own));
    for (int64_t i = 0; i < its.count; i++)
      FACET_CHECK(its.label[i] < 0 || own[i] == its.label[i], FACET_BAD_INPUT,
                  "%s: label %d of sample %lld is not that of the test set, %d", path, own[i],
                  (long long)(its.first + i), its.label[i]);
  }
  return its.status;
}

facet_status facet_published_check_labels(const char *folder, const facet_dataset *like)
{
  facet_part part = {.count = 0};
  char *path = facet_format("%s/labels.npy", folder);
  facet_status status;
  FACET_GO(done, status, path ? facet_npy_labels(path, &part) : FACET_OS);
  status = same_labels(path, &part, like);
done:
  facet_part_clear(&part);
  facet_free(&path);
  return status;
}
