/* Forecasts: see forecast.h. */
#include "forecast.h"

#include <cblas.h>

#include "embed/embed_time.h"
#include "stages/aggregate.h"
#include "study/loader.h"
#include "train/methods.h"

enum { FEW = 8, STEPS = 3, ORDER = 384 };

/* Seconds per sample and corrupted condition, summed over the conditions. */
static facet_status time_corruptions(const facet_plan *plan, const facet_study_data *data, double *seconds)
{
  const facet_dataset *d = data->test;
  const facet_study *study = plan->store.study;
  int64_t count = d->count < FEW ? d->count : FEW;
  float *pixels;
  facet_status status = FACET_OK;
  FACET_NEW(pixels, count * plan->inputs);
  double begun = facet_seconds();
  for (int c = 0; c < study->conditions.count && status == FACET_OK; c++) {
    facet_dataset_pixels(d, 0, count, pixels);
    status = facet_condition_apply(study->conditions.item[c], study->settings.seed, study->data.normalize.scale, d, 0,
                                   count, pixels);
  }
  *seconds = (facet_seconds() - begun) / (double)count;
  facet_free(&pixels);
  return status;
}

/* Seconds per sample of training, one rank, of a copy of dense; 0 where nothing is trained. */
static facet_status time_training(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                  double *seconds)
{
  const facet_training *how = study->model.train ? &study->model.training : NULL;
  facet_network *copy = NULL;
  facet_trainer *trainer = NULL;
  facet_status status;
  *seconds = 0;
  for (int i = 1; !how && i < family->count; i++)
    how = facet_variant_training(study, &family->member[i].variant);
  if (!how || !data->train)
    return FACET_OK;
  facet_training_job job = {
      data->train, &study->data.normalize, &family->member[0].input, how, study->settings.seed, NULL, "", NULL};
  FACET_GO(done, status, facet_network_copy(family->member[0].network, &copy));
  FACET_GO(done, status, facet_trainer_create(MPI_COMM_SELF, copy, NULL, &job, &trainer));
  FACET_GO(done, status, facet_trainer_step(trainer, 0, 0, NULL)); /* warms up; the rate is 0 */
  double begun = facet_seconds();
  for (int step = 0; step < STEPS; step++)
    FACET_GO(done, status, facet_trainer_step(trainer, step % facet_trainer_epoch(trainer), 0, NULL));
  *seconds = (facet_seconds() - begun) / (double)(STEPS * facet_trainer_batch(trainer));
done:
  facet_trainer_destroy(&trainer);
  facet_network_destroy(&copy);
  return status == FACET_DIVERGED ? FACET_OK : status;
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

facet_status facet_forecast_make(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                 const double *forward, int ranks, facet_forecast *f)
{
  const facet_store_plan *s = &plan->store;
  double training, corrupting, product;
  *f = (facet_forecast){.training = 0};
  FACET_TRY(time_training(s->study, data, family, &training));
  FACET_TRY(time_corruptions(plan, data, &corrupting));
  FACET_TRY(time_product(&product));
  f->corrupting = corrupting * (double)s->samples * s->variants / ranks;
  for (int v = 0; v < s->variants; v++) {
    const facet_store_variant *variant = &s->variant[v];
    f->training += training * (double)variant->cost.samples / ranks;
    f->forward += forward[v] * (double)s->samples * s->conditions / ranks;
    if (variant->linearize)
      f->linearizing += forward[v] * (double)(s->linear_samples * (s->linear_rows + 1)) / ranks;
  }
  f->aggregating = product * facet_aggregate_work(plan, family) / ranks;
  if (facet_store_cka_items(s) > 0)
    f->aggregating += f->corrupting + f->forward;
  return facet_embed_time(plan, forward, f->corrupting, ranks, &f->embedding);
}
