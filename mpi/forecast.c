/* Forecasts: see forecast.h. */
#include "forecast.h"

#include "condition.h"
#include "methods.h"

enum { FEW = 8, STEPS = 3 };

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
  for (int c = 0; c < study->conditions && status == FACET_OK; c++) {
    facet_dataset_pixels(d, 0, count, pixels);
    status = facet_condition_apply(study, d, study->condition[c], 0, count, pixels);
  }
  *seconds = (facet_seconds() - begun) / (double)count;
  facet_free(&pixels);
  return status;
}

/* Seconds per sample of training, one rank, of a copy of dense; 0 where nothing is trained. */
static facet_status time_training(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                  double *seconds)
{
  const facet_training *how = study->train_model ? &study->training : NULL;
  facet_network *copy = NULL;
  facet_trainer *trainer = NULL;
  facet_status status;
  *seconds = 0;
  for (int i = 1; !how && i < family->count; i++)
    how = facet_variant_training(study, &family->member[i].variant);
  if (!how || !data->train)
    return FACET_OK;
  facet_training_job job = {data->train, &study->normalize, &family->member[0].input, how, study->seed, NULL, "", NULL};
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

facet_status facet_forecast_make(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                 const double *forward, int ranks, facet_forecast *f)
{
  const facet_store_plan *s = &plan->store;
  double training, corrupting;
  *f = (facet_forecast){0, 0, 0, 0};
  FACET_TRY(time_training(s->study, data, family, &training));
  FACET_TRY(time_corruptions(plan, data, &corrupting));
  f->corrupting = corrupting * (double)s->samples * s->variants / ranks;
  for (int v = 0; v < s->variants; v++) {
    const facet_store_variant *variant = &s->variant[v];
    f->training += training * (double)variant->cost.samples / ranks;
    f->forward += forward[v] * (double)s->samples * s->conditions / ranks;
    if (variant->linearize)
      f->linearizing += forward[v] * (double)(s->linear_samples * (s->linear_rows + 1)) / ranks;
  }
  return FACET_OK;
}
