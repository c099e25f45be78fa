/* The making of variants, as far as forecasts go: train/ does it before there is a plan, and remembers by itself what
 * is done. */
#include "stage.h"
#include "train/method_run.h"

enum { STEPS = 3 };

/* Seconds per sample of training, one rank, of a copy of dense; 0 where nothing is trained. */
static facet_status time_step(const facet_family *family, double *seconds)
{
  const facet_making *making = &family->making;
  const facet_training *how = NULL;
  facet_network *copy = NULL;
  facet_sgd *sgd = NULL;
  facet_status status;
  bool asked;
  *seconds = 0;
  for (int i = 0; !how && i < family->count; i++)
    how = facet_making_training(making, &family->member[i].variant);
  if (!how)
    return FACET_OK;
  facet_training_job job = {.data = making->data->train,
                            .normalize = &making->keys->normalize,
                            .input = &family->member[0].input,
                            .how = how,
                            .seed = making->settings->seed,
                            .stage = ""};
  FACET_GO(done, status, facet_network_copy(family->member[0].network, &copy));
  FACET_GO(done, status, facet_sgd_create(copy, NULL, &job, 0, 1, &sgd));
  FACET_GO(done, status,
           facet_train_step(MPI_COMM_SELF, sgd, FACET_OK, 0, 0, NULL, &asked)); /* warms up; the rate is 0 */
  double begun = facet_seconds();
  for (int step = 0; step < STEPS; step++)
    FACET_GO(done, status, facet_train_step(MPI_COMM_SELF, sgd, FACET_OK, step % sgd->epoch, 0, NULL, &asked));
  *seconds = (facet_seconds() - begun) / (double)(STEPS * sgd->batch);
done:
  facet_sgd_destroy(&sgd);
  facet_network_destroy(&copy);
  return status == FACET_DIVERGED ? FACET_OK : status;
}

static bool wanted(const facet_plan *plan)
{
  for (int v = 0; v < plan->store.variants; v++)
    if (plan->store.variant[v].cost.samples > 0)
      return true;
  return false;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  size_t most;
  FACET_TRY(facet_family_memory(c->family, ranks, &most));
  *bytes = (double)most;
  return FACET_OK;
}

static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  (void)speeds;
  double sample;
  *sum = 0;
  FACET_TRY(time_step(c->family, &sample));
  for (int v = 0; v < c->plan->store.variants; v++)
    *sum += sample * (double)c->plan->store.variant[v].cost.samples / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_training = {.name = "training", .wanted = wanted, .memory = memory, .seconds = seconds};
