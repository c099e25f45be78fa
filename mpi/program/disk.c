/* The disk: see disk.h. Networks are not compressed, and a checkpoint is written beside the one that it replaces. */
#include "disk.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

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

/* ---- the folder TMPDIR ---- */

static facet_status find_free(facet_nameless *n)
{
  char *folder;
  int file;
  FACET_TRY(facet_nameless_file("facet-room", &file, &folder));
  close(file);
  (void)snprintf(n->folder, sizeof n->folder, "%s", folder);
  if (!facet_space_free(folder, &n->free))
    n->free = -1;
  facet_free(&folder);
  return FACET_OK;
}

facet_status facet_nameless_find(const facet_context *c, int ranks, int here, const bool *left,
                                 facet_nameless *nameless)
{
  facet_nameless *n = nameless;
  *n = (facet_nameless){.data = facet_dataset_decoded(c->data->test), .free = -1};
  if (c->data->train)
    n->data += facet_dataset_decoded(c->data->train);
  for (int i = 0; facet_stages[i]; i++)
    if (facet_stages[i]->nameless && (left ? left[i] : facet_stage_wanted(facet_stages[i], c->plan)))
      n->stages = fmax(n->stages, facet_stages[i]->nameless(c->plan, ranks, here));
  return n->data + n->stages > 0 ? find_free(n) : FACET_OK;
}

facet_status facet_nameless_check(const facet_nameless *n)
{
  int digits = n->stages < 1e9 ? 6 : 2;
  FACET_CHECK(n->free < 0 || n->stages <= n->free, FACET_IO,
              "%s, the folder TMPDIR: no space left: %.*f GB needed for features and orders of samples, %.*f GB free",
              n->folder, digits, n->stages / 1e9, digits, n->free / 1e9);
  return FACET_OK;
}
