/* What is said of certificates that do not hold: see certified.h. */
#include "certified.h"

#include <stdio.h>

#include "store/store.h"

/* By what has them: what is said of it, and what it is called, where that is not W. */
static const struct {
  const char *of, *wrong;
} SAID[FACET_CERTIFIED] = {
    [FACET_CERTIFIED_LINEAR] = {"", "W and b are not what the network does there"},
    [FACET_CERTIFIED_PATHS] = {" of paths", "integrated gradients do not add up to what logits gain there"},
    [FACET_CERTIFIED_STORED] = {" of paths as stored", "integrated gradients do not add up to what logits gain there"},
    [FACET_CERTIFIED_REACH] = {" of reach", "radii and boundaries are not those of the network there"},
    [FACET_CERTIFIED_LINES] = {" of lines", "the pieces are not those of the network there"},
    [FACET_CERTIFIED_PLANES] = {" of planes", "the polygons are not those of the network there"},
};

static void say(const char *variant, int what, const facet_store_certificates *c)
{
  if (c->bad == 0)
    return;
  fprintf(stderr, "facet: warning: %s: %lld of %lld certificates%s are above %g, or no numbers: %s; %s\n", variant,
          (long long)c->bad, (long long)c->all, SAID[what].of, c->bound, SAID[what].wrong,
          c->is_double ? "its numbers are too large for double" : "use precision: double");
}

void facet_certified_warn(const char *output, const facet_family *family)
{
  const char **name = facet_allocate((size_t)family->count, sizeof *name);
  facet_store_certificates *found = facet_allocate((size_t)family->count * FACET_CERTIFIED, sizeof *found);
  char *path = facet_format("%s/study.h5", output);
  for (int v = 0; v < family->count && name; v++)
    name[v] = family->member[v].variant.name;
  if (name && found && path && facet_store_certified(path, family->count, name, found) == FACET_OK)
    for (int i = 0; i < family->count * FACET_CERTIFIED; i++)
      say(name[i / FACET_CERTIFIED], i % FACET_CERTIFIED, &found[i]);
  FACET_FREE(&name, &found, &path);
}
