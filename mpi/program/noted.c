/* What is said of a network that comes from elsewhere: see noted.h. */
#include "noted.h"

#include <stdio.h>

#include "prune/inspect.h"

static void say(const facet_family *family, const char *note)
{
  if (note)
    fprintf(stderr, "facet: warning: %s: %s\n", family->making.model->onnx, note);
}

void facet_noted_warn(const facet_family *family)
{
  const facet_making *making = &family->making;
  bool pruned = false;
  if (!making->model->onnx || family->count == 0)
    return;
  for (int i = 1; i < family->count; i++)
    pruned = pruned || !facet_making_external(making, &family->member[i].variant);
  say(family, family->note);
  say(family, pruned ? facet_folded_note(family->member[0].network) : NULL);
}
