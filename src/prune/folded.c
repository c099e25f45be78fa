/* Whether an export has folded batch normalization into the convolutions before it, which exporters do by themselves:
 * the weights are then w gamma / sigma, and what removes the smallest of them removes others. */
#include <string.h>

#include "inspect.h"
#include "net/lowered.h"

static bool is_normalized(const facet_network *n, int value)
{
  for (int i = 0; i < n->nodes; i++)
    if (n->node[i].inputs > 0 && n->node[i].input[0] == value && strcmp(n->node[i].type, "BatchNormalization") == 0)
      return true;
  return false;
}

/* What is left of folding: a bias, and no BatchNormalization. A last layer that is a convolution looks like that by
 * nature, and where a branch or a gate lies between nothing can be folded: so not all have to. */
const char *facet_folded_note(const facet_network *n)
{
  int all = 0, folded = 0;
  for (int i = 0; i < n->nodes; i++) {
    const facet_node *node = &n->node[i];
    if (strcmp(node->type, "Conv") != 0)
      continue;
    all++;
    folded += node->lowered->bias != NO_VALUE && !is_normalized(n, node->output[0]);
  }
  return folded > 0 && 3 * folded >= all
             ? "no BatchNormalization behind convolutions: folded? magnitude means something "
               "else then (docs/networks.md has the export that keeps it)"
             : NULL;
}
