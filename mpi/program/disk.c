/* The disk: see disk.h. Networks are not compressed, and a checkpoint is written beside the one that it replaces. */
#include "disk.h"

#include <math.h>

/* Lists of numbers as long as the weights in a checkpoint, at most: weights, momentum, those of the first steps,
 * scores. MOMENTS: of an encoder: its numbers and two moments, as double. */
enum { LISTS = 4, MOMENTS = 3, BESIDE = 2 };

static double network_bytes(const facet_member *m)
{
  return (double)facet_network_parameters(m->network) * sizeof(float);
}

static double encoder_parameters(const facet_plan *plan)
{
  const facet_embedding *e = &plan->keys->embed;
  double in = (double)plan->store.embed_inputs, sum = 0;
  for (int i = 0; i <= e->layers.count; i++) {
    double out = (double)(i < e->layers.count ? e->layers.item[i] : e->dimensions);
    sum += (in + 1) * out;
    in = out;
  }
  return sum;
}

facet_status facet_disk_find(const facet_plan *plan, const facet_family *family, int ranks, bool standing,
                             facet_disk *disk)
{
  int64_t file;
  FACET_TRY(facet_store_bytes(&plan->store, &file));
  facet_disk d = {.file = (double)file, .store = standing ? 0 : (double)file};
  double largest = 0;
  int trained = 0;
  for (int i = 0; i < family->count; i++) {
    const facet_member *m = &family->member[i];
    if (m->sha256[0])
      continue;
    d.networks += network_bytes(m);
    if (!facet_making_training(&family->making, &m->variant))
      continue;
    trained++;
    largest = fmax(largest, network_bytes(m));
  }
  d.checkpoints = BESIDE * LISTS * largest * fmin(trained, ranks);
  if (plan->keys->embed.wanted && !standing) {
    d.networks += encoder_parameters(plan) * sizeof(float);
    d.checkpoints = fmax(d.checkpoints, BESIDE * MOMENTS * encoder_parameters(plan) * sizeof(double));
  }
  if (!facet_space_free(plan->store.settings->output, &d.free))
    d.free = -1;
  *disk = d;
  return FACET_OK;
}

facet_status facet_disk_check(const facet_plan *plan, const facet_disk *d)
{
  double all = d->store + d->networks + d->checkpoints;
  int digits = all < 1e9 ? 6 : 2;
  FACET_CHECK(d->free < 0 || all <= d->free, FACET_IO,
              "%s: no space left: %.*f GB needed (result file %.*f, networks %.*f, checkpoints %.*f), %.*f GB free",
              plan->store.settings->output, digits, all / 1e9, digits, d->store / 1e9, digits, d->networks / 1e9,
              digits, d->checkpoints / 1e9, digits, d->free / 1e9);
  return FACET_OK;
}
