/* Data files beside a model: where large constants lie when the model's own file does not hold them.
 *
 * A model may come from anybody, so what it says about its data files is checked: a location cannot leave the model's
 * folder, neither by its name nor through a symbolic link; must be an ordinary file (a pipe would block), and must hold
 * the bytes before any memory is asked for.  Only those bytes are read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor_proto.h"

bool facet_external_is(const Onnx__TensorProto *p)
{
  return p->has_data_location && p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static const char *entry(const Onnx__TensorProto *p, const char *key)
{
  for (size_t i = 0; i < p->n_external_data; i++)
    if (p->external_data[i]->key && strcmp(p->external_data[i]->key, key) == 0)
      return p->external_data[i]->value;
  return NULL;
}

/* Digits alone, at most INT64_MAX, so that sums of two fit. */
static facet_status read_count(const Onnx__TensorProto *p, const char *key, uint64_t otherwise, uint64_t *count)
{
  const char *text = entry(p, key);
  *count = text ? 0 : otherwise;
  size_t digits = text ? strspn(text, "0123456789") : 0;
  bool fits = !text || (digits > 0 && text[digits] == 0);
  for (size_t i = 0; fits && i < digits; i++)
    fits = !__builtin_mul_overflow(*count, 10, count) && !__builtin_add_overflow(*count, text[i] - '0', count) &&
           *count <= INT64_MAX;
  FACET_CHECK(fits, FACET_BAD_INPUT, "%s is %.40s", key, text);
  return FACET_OK;
}

/* Whether a relative path has ".." among its parts. */
static bool climbs(const char *path)
{
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += *part == '/';
    size_t length = strcspn(part, "/");
    if (length == 2 && part[0] == '.' && part[1] == '.')
      return true;
  }
  return false;
}

/* Whether a file, links resolved, lies in the folder of another. */
static bool is_within(const char *file, const char *other)
{
  char *here = facet_path_beside(other, "."), *folder = here ? realpath(here, NULL) : NULL;
  size_t length = folder ? strlen(folder) : 0;
  length -= length == 1; /* the root */
  bool within = folder && strncmp(file, folder, length) == 0 && file[length] == '/';
  free(folder);
  facet_free(&here);
  return within;
}

/* A model may be a link itself, into a store of files: then its data may be links into the folder that it leads to. */
static bool stays(const char *path, const char *model)
{
  char *file = realpath(path, NULL), *real = realpath(model, NULL);
  bool within = file && (is_within(file, model) || (real && is_within(file, real)));
  free(file);
  free(real);
  return within;
}

static facet_status open_beside(const char *model, const char *location, int *file)
{
  char *path = facet_path_beside(model, location);
  if (!path)
    return FACET_OS;
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not keep us waiting */
  int error = errno;
  bool outside = *file >= 0 && !stays(path, model);
  facet_free(&path);
  FACET_CHECK(*file >= 0 || error == ENXIO, FACET_NO_INPUT, "%s", strerror(error));
  struct stat about;
  bool ordinary = *file >= 0 && fstat(*file, &about) == 0 && S_ISREG(about.st_mode);
  FACET_CHECK(ordinary, FACET_BAD_INPUT, "is no ordinary file");
  FACET_CHECK(!outside, FACET_BAD_INPUT, "is a link that leaves the folder of the network");
  return FACET_OK;
}

static facet_status check_size(const Onnx__TensorProto *p, uint64_t bytes, facet_external *e)
{
  struct stat about;
  uint64_t length;
  FACET_TRY(read_count(p, "offset", 0, &e->at));
  FACET_TRY(read_count(p, "length", bytes, &length));
  FACET_CHECK(length == bytes, FACET_BAD_INPUT, "length is %llu bytes but the dimensions say %llu",
              (unsigned long long)length, (unsigned long long)bytes);
  FACET_CHECK(fstat(e->file, &about) == 0, FACET_IO, "%s", strerror(errno));
  uint64_t size = (uint64_t)about.st_size;
  FACET_CHECK(e->at <= size && bytes <= size - e->at, FACET_BAD_INPUT, "has %llu bytes, not %llu from %llu on",
              (unsigned long long)size, (unsigned long long)bytes, (unsigned long long)e->at);
  return FACET_OK;
}

facet_status facet_external_open(const Onnx__TensorProto *p, const char *model, uint64_t bytes, facet_external *e)
{
  *e = (facet_external){.file = -1, .location = entry(p, "location")};
  FACET_CHECK(e->location && e->location[0], FACET_BAD_INPUT, "has its data in another file, but does not say which");
  FACET_CHECK(model, FACET_BAD_INPUT, "has its data in another file, %s: a network in memory has no folder",
              e->location);
  FACET_CHECK(e->location[0] != '/' && !climbs(e->location), FACET_BAD_INPUT,
              "has its data in %s: data files must lie in the folder of the network", e->location);
  facet_status status;
  FACET_GO(failed, status, open_beside(model, e->location, &e->file));
  FACET_GO(failed, status, check_size(p, bytes, e));
  return FACET_OK;
failed:
  facet_external_close(e);
  return facet_raise_in(status, "data file %s: ", e->location);
}

facet_status facet_external_read(facet_external *e, void *into, size_t bytes)
{
  size_t got;
  int problem = facet_read_at(e->file, (size_t)e->at, bytes, into, &got);
  FACET_CHECK(problem == 0, FACET_IO, "data file %s: cannot be read: %s", e->location, strerror(problem));
  FACET_CHECK(got == bytes, FACET_IO, "data file %s: became shorter while it was read", e->location);
  e->at += got;
  return FACET_OK;
}

void facet_external_close(facet_external *e)
{
  if (e->file >= 0)
    close(e->file);
  e->file = -1;
}
