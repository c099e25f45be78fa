/* Speeds of this machine: see speeds.h. */
#include "speeds.h"

#include <cblas.h>

#include "study/loader.h"

enum { FEW = 8, ORDER = 384 };

/* Seconds per sample and corrupted condition, summed over the conditions. */
static facet_status time_corruptions(const facet_plan *plan, double *seconds)
{
  const facet_sample_source *s = &plan->source;
  const facet_dataset *d = s->data;
  int64_t count = d->count < FEW ? d->count : FEW;
  float *pixels;
  facet_published *published = NULL;
  facet_status status = FACET_OK;
  FACET_NEW(pixels, count * plan->inputs);
  double begun = facet_seconds();
  for (int c = 0; c < s->conditions->count && status == FACET_OK; c++) {
    status = facet_dataset_pixels(d, 0, count, pixels);
    if (status == FACET_OK)
      status = facet_condition_apply(s, s->conditions->item[c], 0, count, &published, pixels);
  }
  *seconds = (facet_seconds() - begun) / (double)count;
  facet_published_close(&published);
  facet_free(&pixels);
  return status;
}

/* Seconds per floating-point operation of a matrix product. */
static facet_status time_product(double *seconds)
{
  double *a;
  const int n = ORDER;
  FACET_NEW(a, (int64_t)3 * ORDER * ORDER);
  for (int turn = 0; turn < 2; turn++) { /* the first warms up */
    double begun = facet_seconds();
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, n, 1, a, n, a + n * n, n, 0, a + 2 * n * n, n);
    *seconds = (facet_seconds() - begun) / (2.0 * ORDER * ORDER * ORDER);
  }
  facet_free(&a);
  return FACET_OK;
}

/* The variant before v whose network does the same arithmetic, zeros or not; -1: none. */
static int alike_before(const facet_plan *plan, int v)
{
  const facet_store_variant *a = &plan->store.variant[v];
  for (int u = 0; u < v; u++) {
    const facet_store_variant *b = &plan->store.variant[u];
    if (a->cost.flops == b->cost.flops && a->cost.bytes == b->cost.bytes && a->gates == b->gates &&
        a->constant_nodes == b->constant_nodes && plan->work[v].forward_batch == plan->work[u].forward_batch)
      return u;
  }
  return -1;
}

facet_status facet_speeds_measure(const facet_plan *plan, const facet_family *family, double *forward,
                                  facet_speeds *speeds)
{
  *speeds = (facet_speeds){.forward = forward};
  for (int v = 0; v < plan->store.variants; v++) {
    int same = alike_before(plan, v);
    if (same >= 0)
      forward[v] = forward[same];
    else
      FACET_TRY(facet_forward_measure(family->member[v].network, plan->store.settings->precision,
                                      plan->work[v].forward_batch, &forward[v]));
  }
  FACET_TRY(time_corruptions(plan, &speeds->corrupting));
  return time_product(&speeds->product);
}
