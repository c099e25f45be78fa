/* Making one pruned network: see recipe.h. */
#include "recipe.h"

#include <string.h>

#include "ranks/agree.h"
#include "source.h"

/* The first training samples, as the network takes them. Caller frees x and label. */
static facet_status calibrate(const facet_origin *o, const facet_recipe *recipe, float **x, int32_t **label,
                              facet_calibration *set)
{
  const facet_dataset *d = o->making->data->train;
  int64_t size = facet_image_inputs(d->image);
  int64_t count = recipe->calibration < d->count ? recipe->calibration : d->count;
  float *pixels;
  FACET_NEW(pixels, count * size);
  *x = facet_allocate((size_t)(count * size), sizeof **x);
  *label = facet_allocate((size_t)count, sizeof **label);
  if (!*x || !*label) {
    facet_free(&pixels);
    return FACET_OS;
  }
  facet_status status = facet_dataset_pixels(d, 0, count, pixels);
  if (status == FACET_OK)
    status = facet_dataset_labels(d, 0, count, *label);
  if (status != FACET_OK) {
    facet_free(&pixels);
    return status;
  }
  facet_normalize(&o->making->keys->normalize, d->image, count, pixels, pixels);
  facet_input_arrange(o->input, d->image, count, sizeof **x, pixels, *x);
  facet_free(&pixels);
  int64_t batch = recipe->training.batch;
  *set = (facet_calibration){*x, *label, count, batch < count ? batch : count};
  return FACET_OK;
}

/* Also answers others who ask for a variant to make. */
static facet_status pause(void *context)
{
  (void)context;
  return facet_interrupt_check();
}

static facet_status score(const facet_origin *o, const facet_variant *variant, facet_mask **mask)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, variant);
  facet_pruning how = {.method = variant->method,
                       .scope = variant->scope,
                       .sparsity = variant->sparsity,
                       .seed = variant->seed,
                       .norm = recipe->norm,
                       .allow_collapse = recipe->allow_collapse,
                       .pause = pause};
  facet_calibration set = {0};
  float *x = NULL;
  int32_t *label = NULL;
  facet_status status;
  if (how.method->needs_data)
    FACET_GO(done, status, calibrate(o, recipe, &x, &label, &set));
  status = facet_mask_create(o->dense, &how, how.method->needs_data ? &set : NULL, mask);
done:
  facet_free(&x);
  facet_free(&label);
  return status == FACET_BAD_INPUT
             ? facet_raise_in(status, "%s:%d: variant %s: ", o->making->settings->file, recipe->line, variant->name)
             : status;
}

facet_method_job facet_recipe_job(const facet_origin *o, const facet_variant *variant)
{
  const facet_making *m = o->making;
  const facet_recipe *recipe = facet_making_recipe(m, variant);
  facet_method_job job = {.sparsity = variant->sparsity, .scope = variant->scope};
  job.training = (facet_training_job){.data = m->data->train,
                                      .normalize = &m->keys->normalize,
                                      .input = o->input,
                                      .how = facet_making_training(m, variant),
                                      .seed = variant->seed};
  if (!recipe)
    return job;
  job.method = variant->method && variant->method->rule ? variant->method : NULL;
  job.rewind = recipe->rewind;
  job.per_round = recipe->per_round;
  job.trained = m->model->train || m->model->onnx;
  job.allow_collapse = recipe->allow_collapse;
  return job;
}

static facet_status remove_dead(facet_network **network)
{
  facet_network *smaller = NULL;
  FACET_TRY(facet_channels_remove(*network, &smaller));
  facet_network_destroy(network);
  *network = smaller;
  return FACET_OK;
}

/* What the mask will be without the dead channels. */
static facet_status cut_mask(const facet_network *network, facet_mask **mask)
{
  facet_mask *cut = NULL;
  FACET_TRY(facet_channels_cut_mask(network, *mask, &cut));
  facet_mask_destroy(mask);
  *mask = cut;
  return FACET_OK;
}

/* Whether a sketch knows what its mask leaves dead, though dense may be still to be trained: then only how many filters
 * go from each layer is sure. */
static bool dead_are_known(const facet_origin *o, const facet_variant *variant)
{
  return !o->making->model->train ||
         (variant->method && variant->method->filters && variant->scope == FACET_SCOPE_LAYER);
}

/* What is pruned before any training. *mask: what training on holds; NULL: nothing. */
static facet_status prune(const facet_origin *o, const facet_variant *variant, bool sketch, facet_network **network,
                          facet_mask **mask)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, variant);
  const facet_method *method = variant->method;
  if (recipe->mask)
    FACET_TRY(facet_source_mask(o->making, variant, *network, mask));
  else if (method && !method->rule && !(sketch && method->needs_data))
    FACET_TRY(score(o, variant, mask));
  if (!*mask)
    return FACET_OK;
  facet_mask_apply(*mask, *network);
  if (!recipe->remove_dead || (sketch && !dead_are_known(o, variant)))
    return FACET_OK;
  if (recipe->retrain && !sketch)
    FACET_TRY(cut_mask(*network, mask));
  return remove_dead(network); /* before training could bring them back, and so that less is trained */
}

/* The network that training starts from, or that there is if nothing is trained. */
static facet_status prepare(const facet_origin *o, const facet_variant *variant, bool sketch, facet_network **network,
                            facet_mask **mask)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, variant);
  if (recipe && recipe->onnx)
    return facet_source_external(o->making, recipe, o->dense, network);
  bool first = !recipe || (variant->method && variant->method->from_first);
  FACET_TRY(facet_network_copy(first ? o->first : o->dense, network));
  return recipe ? prune(o, variant, sketch, network, mask) : FACET_OK;
}

static facet_status train(MPI_Comm comm, const facet_origin *o, const facet_variant *variant, const char *checkpoint,
                          const facet_mask *mask, facet_network *network, double *seconds)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, variant);
  facet_method_job job = facet_recipe_job(o, variant);
  char *stage = facet_format("train %s", variant->name);
  job.mask = mask;
  job.training.stage = stage ? stage : variant->name;
  job.checkpoint = checkpoint;
  facet_status status = facet_method_run(comm, &job, network, seconds);
  facet_free(&stage);
  return status == FACET_BAD_INPUT && recipe
             ? facet_raise_in(status, "%s:%d: variant %s: ", o->making->settings->file, recipe->line, variant->name)
             : status;
}

facet_status facet_recipe_make(MPI_Comm comm, const facet_origin *o, const facet_variant *variant,
                               const char *checkpoint, facet_network **network, double *seconds)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, variant);
  bool sketch = comm == MPI_COMM_NULL;
  facet_mask *mask = NULL;
  *seconds = 0;
  facet_status status = prepare(o, variant, sketch, network, &mask);
  if (sketch)
    goto done;
  FACET_GO(done, status, facet_agree(comm, status));
  if (!facet_making_training(o->making, variant))
    goto done;
  FACET_GO(done, status, train(comm, o, variant, checkpoint, mask, *network, seconds));
  status = facet_agree(comm, recipe && recipe->remove_dead ? remove_dead(network) : FACET_OK);
done:
  facet_mask_destroy(&mask);
  return status;
}
