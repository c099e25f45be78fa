/* Making one pruned network: see recipe.h. */
#include "recipe.h"

#include <string.h>

#include "ranks/agree.h"

static const facet_recipe *recipe_of(const facet_kitchen *k, const facet_variant *variant)
{
  return &k->study->recipes.item[variant->recipe];
}

/* The first training samples, as the network takes them. Caller frees x and label. */
static facet_status calibrate(const facet_kitchen *k, const facet_recipe *recipe, float **x, int32_t **label,
                              facet_calibration *set)
{
  const facet_dataset *d = k->data->train;
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
  facet_dataset_pixels(d, 0, count, pixels);
  facet_normalize(&k->study->data.normalize, d->image, count, pixels, pixels);
  facet_input_arrange(k->input, d->image, count, sizeof **x, pixels, *x);
  memcpy(*label, d->label, (size_t)count * sizeof **label);
  facet_free(&pixels);
  int64_t batch = recipe->training.batch;
  *set = (facet_calibration){*x, *label, count, batch < count ? batch : count};
  return FACET_OK;
}

static facet_status score(const facet_kitchen *k, const facet_variant *variant, facet_mask **mask)
{
  const facet_recipe *recipe = recipe_of(k, variant);
  facet_pruning how = {.method = variant->method,
                       .scope = variant->scope,
                       .sparsity = variant->sparsity,
                       .seed = variant->seed,
                       .norm = recipe->norm,
                       .allow_collapse = recipe->allow_collapse};
  facet_calibration set;
  float *x = NULL;
  int32_t *label = NULL;
  bool needs = how.method->needs_data;
  facet_status status = needs ? calibrate(k, recipe, &x, &label, &set) : FACET_OK;
  if (status == FACET_OK)
    status = facet_mask_create(k->dense, &how, needs ? &set : NULL, mask);
  facet_free(&x);
  facet_free(&label);
  return status == FACET_BAD_INPUT
             ? facet_raise_in(status, "%s:%d: variant %s: ", k->study->settings.file, recipe->line, variant->name)
             : status;
}

facet_method_job facet_recipe_job(const facet_kitchen *k, const facet_variant *variant)
{
  const facet_recipe *recipe = recipe_of(k, variant);
  return (facet_method_job){.method = variant->method && variant->method->rule ? variant->method : NULL,
                            .sparsity = variant->sparsity,
                            .scope = variant->scope,
                            .rewind = recipe->rewind,
                            .per_round = recipe->per_round,
                            .trained = k->study->model.train || k->study->model.onnx,
                            .allow_collapse = recipe->allow_collapse,
                            .training = {.data = k->data->train,
                                         .normalize = &k->study->data.normalize,
                                         .input = k->input,
                                         .how = &recipe->training,
                                         .seed = variant->seed}};
}

static facet_status train(MPI_Comm comm, const facet_kitchen *k, const facet_variant *variant, const facet_mask *mask,
                          const char *checkpoint, facet_network *network, double *seconds)
{
  facet_method_job job = facet_recipe_job(k, variant);
  char *stage = facet_format("train %s", variant->name);
  job.training.mask = mask;
  job.training.stage = stage ? stage : variant->name;
  job.training.checkpoint = checkpoint;
  facet_method_cost cost = {0};
  facet_status status = facet_method_run(comm, &job, network, &cost);
  *seconds = cost.seconds;
  facet_free(&stage);
  return status == FACET_BAD_INPUT ? facet_raise_in(status, "%s:%d: variant %s: ", k->study->settings.file,
                                                    recipe_of(k, variant)->line, variant->name)
                                   : status;
}

facet_status facet_recipe_mask(const facet_study *study, const facet_variant *variant, const facet_network *like,
                               facet_mask **mask)
{
  const facet_recipe *recipe = &study->recipes.item[variant->recipe];
  facet_status status = facet_mask_read(like, recipe->mask, mask);
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s:%d: variants[%d].mask: ", study->settings.file, recipe->line,
                                             variant->recipe);
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
static bool dead_are_known(const facet_kitchen *k, const facet_variant *variant)
{
  return !k->study->model.train || (variant->method && variant->method->filters && variant->scope == FACET_SCOPE_LAYER);
}

static facet_status make(MPI_Comm comm, const facet_kitchen *k, const facet_variant *variant, const char *checkpoint,
                         facet_network **network, facet_mask **mask, double *seconds)
{
  const facet_recipe *recipe = recipe_of(k, variant);
  const facet_method *method = variant->method;
  bool sketch = comm == MPI_COMM_NULL;
  FACET_TRY(facet_network_copy(method && method->from_first ? k->first : k->dense, network));
  if (recipe->mask)
    FACET_TRY(facet_recipe_mask(k->study, variant, *network, mask));
  else if (!method->rule && !(sketch && method->needs_data))
    FACET_TRY(score(k, variant, mask));
  if (*mask)
    facet_mask_apply(*mask, *network);
  bool trains_on = recipe->retrain && !sketch;
  if (*mask && recipe->remove_dead && (!sketch || dead_are_known(k, variant))) {
    if (trains_on)
      FACET_TRY(cut_mask(*network, mask));
    FACET_TRY(remove_dead(network)); /* before training could bring them back, and so that less is trained */
  }
  if (!trains_on)
    return FACET_OK;
  FACET_TRY(train(comm, k, variant, *mask, checkpoint, *network, seconds));
  return recipe->remove_dead ? remove_dead(network) : FACET_OK;
}

facet_status facet_recipe_make(MPI_Comm comm, const facet_kitchen *kitchen, const facet_variant *variant,
                               const char *checkpoint, facet_network **network, double *seconds)
{
  facet_mask *mask = NULL;
  *seconds = 0;
  facet_status status = make(comm, kitchen, variant, checkpoint, network, &mask, seconds);
  facet_mask_destroy(&mask);
  return status;
}
