/* What is said of certificates that do not hold: see certified.h. */
#include "certified.h"

#include <stdio.h>

#include "store/store.h"

static void say(const char *variant, const facet_store_certificates *c)
{
  if (c->bad == 0)
    return;
  fprintf(stderr,
          "facet: warning: %s: %lld of %lld certificates are above %g, or no numbers: W and b are not what the ",
          variant, (long long)c->bad, (long long)c->all, c->bound);
  fprintf(stderr, "network does there; %s\n",
          c->is_double ? "its numbers are too large for double" : "use precision: double");
}

void facet_certified_warn(const char *output, const facet_family *family)
{
  const char **name = facet_allocate((size_t)family->count, sizeof *name);
  facet_store_certificates *found = facet_allocate((size_t)family->count, sizeof *found);
  char *path = facet_format("%s/study.h5", output);
  for (int v = 0; v < family->count && name; v++)
    name[v] = family->member[v].variant.name;
  if (name && found && path && facet_store_certified(path, family->count, name, found) == FACET_OK)
    for (int v = 0; v < family->count; v++)
      say(name[v], &found[v]);
  FACET_FREE(&name, &found, &path);
}
