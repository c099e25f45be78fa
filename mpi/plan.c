/* From a study, its data and its networks to the shape of the store and the list of tiles. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

/* Numbers that an executor handles at once in a pullback, samples times rows: enough to keep the kernels busy, few
 * enough to stay in cache (measured on ResNet-20). */
enum { ADJOINTS = 40, FORWARD_BATCH = 50 };

static void variant_clear(facet_store_variant *v)
{
  facet_free(&v->layer);
  facet_free(&v->layer_achieved);
  facet_free(&v->layer_size);
  facet_free(&v->constant_node);
}

void facet_plan_clear(facet_plan *plan)
{
  facet_store_plan *s = &plan->store;
  for (int i = 0; s->variant && i < s->variants; i++)
    variant_clear((facet_store_variant *)&s->variant[i]);
  for (int i = 0; s->condition && i < s->conditions; i++)
    facet_free(&s->condition[i]);
  for (int i = 0; s->class_name && i < s->classes; i++)
    facet_free(&s->class_name[i]);
  facet_free(&s->variant);
  facet_free(&s->condition);
  facet_free(&s->class_name);
}

/* Names of the nodes with constants, as an executor numbers them. */
static facet_status constant_nodes(const facet_study *study, const facet_network *network, facet_store_variant *v)
{
  facet_executor *executor;
  facet_executor_options options = {.real = study->precision, .batch = 1};
  FACET_TRY(facet_executor_create(network, options, &executor));
  v->constant_nodes = facet_executor_constant_nodes(executor);
  v->constant_node = facet_allocate((size_t)v->constant_nodes, sizeof *v->constant_node);
  for (int i = 0; v->constant_node && i < v->constant_nodes; i++)
    v->constant_node[i] = facet_executor_constant_node(executor, i);
  facet_executor_destroy(&executor);
  return v->constant_node ? FACET_OK : FACET_OS;
}

static facet_status describe_variant(const facet_study *study, const facet_member *m, facet_store_variant *v)
{
  static const char *const method[] = {"random", "magnitude"}, *const scope[] = {"global", "layer"};
  const facet_recipe *recipe = m->variant.recipe >= 0 ? &study->recipe[m->variant.recipe] : NULL;
  const char *slash = strrchr(m->file, '/');
  *v = (facet_store_variant){.name = m->variant.name, .sparsity = m->variant.sparsity, .sha256 = m->sha256};
  v->method = !recipe ? "dense" : recipe->onnx ? "external" : method[recipe->method];
  v->scope = recipe && !recipe->onnx ? scope[recipe->scope] : "";
  v->onnx = slash ? slash + 1 : m->file;
  v->achieved = facet_mask_sparsity(m->zeros);
  v->layers = m->zeros->layers;
  FACET_NEW(v->layer, v->layers);
  FACET_NEW(v->layer_achieved, v->layers);
  FACET_NEW(v->layer_size, v->layers);
  for (int i = 0; i < v->layers; i++) {
    const struct facet_mask_layer *layer = &m->zeros->layer[i];
    v->layer[i] = m->network->node[layer->node].name;
    v->layer_size[i] = layer->size;
    v->layer_achieved[i] = layer->size ? (double)layer->removed / (double)layer->size : 0;
  }
  v->linearize = study->linearize && study->linear_variants == 0;
  for (int i = 0; study->linearize && i < study->linear_variants; i++)
    v->linearize = v->linearize || strcmp(study->linear_variant[i], v->name) == 0;
  return constant_nodes(study, m->network, v);
}

static facet_status name_things(const facet_study *study, int64_t classes, facet_store_plan *s)
{
  s->classes = (int)classes;
  FACET_NEW(s->class_name, classes);
  for (int k = 0; k < s->classes; k++)
    if (!(s->class_name[k] = study->class_name ? facet_copy_text(study->class_name[k]) : facet_format("%d", k)))
      return FACET_OS;
  s->conditions = study->conditions;
  FACET_NEW(s->condition, s->conditions);
  for (int c = 0; c < s->conditions; c++)
    if (!(s->condition[c] = facet_condition_name(study->condition[c])))
      return FACET_OS;
  return FACET_OK;
}

static facet_status fill_plan(const facet_study *study, const char *text, const facet_study_data *data,
                              const facet_family *family, facet_plan *plan)
{
  const facet_dataset *test = data->test;
  facet_store_plan *s = &plan->store;
  int64_t classes = facet_network_outputs(family->member[0].network);
  *s = (facet_store_plan){.study = study, .study_text = text, .label = test->label, .block = study->block};
  s->samples = test->count;
  s->channels = test->channels;
  s->height = test->height;
  s->width = test->width;
  FACET_TRY(name_things(study, classes, s));
  s->variants = family->count;
  facet_store_variant *variant;
  FACET_NEW(variant, family->count);
  s->variant = variant;
  for (int i = 0; i < family->count; i++)
    FACET_TRY(describe_variant(study, &family->member[i], &variant[i]));
  if (study->linearize) {
    s->linear_samples = study->linear_samples ? study->linear_samples : s->samples;
    s->linear_rows = facet_rows_count(study->rows, study->top, classes);
  }
  plan->blocks = (s->samples + s->block - 1) / s->block;
  plan->inputs = s->channels * s->height * s->width;
  plan->forward_batch = s->block < FORWARD_BATCH ? s->block : FORWARD_BATCH;
  plan->linear_chunk = s->linear_rows < ADJOINTS ? s->linear_rows : ADJOINTS;
  if (plan->linear_chunk > 0)
    plan->linear_batch = ADJOINTS / plan->linear_chunk < s->block ? ADJOINTS / plan->linear_chunk : s->block;
  return FACET_OK;
}

facet_status facet_plan_make(const facet_study *study, const char *text, const facet_study_data *data,
                             const facet_family *family, facet_plan *plan)
{
  *plan = (facet_plan){.blocks = 0};
  facet_status status = fill_plan(study, text, data, family, plan);
  if (status != FACET_OK)
    facet_plan_clear(plan);
  return status;
}

int64_t facet_plan_tiles(const facet_plan *plan)
{
  return (int64_t)plan->store.variants * plan->store.conditions * plan->blocks;
}

facet_tile facet_plan_tile(const facet_plan *plan, int64_t i)
{
  const facet_store_plan *s = &plan->store;
  facet_tile t = {.block = i % plan->blocks};
  t.condition = (int)(i / plan->blocks % s->conditions);
  t.variant = (int)(i / plan->blocks / s->conditions);
  t.first = t.block * s->block;
  t.count = s->samples - t.first < s->block ? s->samples - t.first : s->block;
  bool linear = s->variant[t.variant].linearize && s->study->condition[t.condition].corruption == 0;
  int64_t left = s->linear_samples - t.first;
  t.linear = !linear || left <= 0 ? 0 : left < t.count ? left : t.count;
  return t;
}

/* ---- what facet check prints ---- */

/* Memory of the largest executors, of the data and of one tile's results. */
static facet_status memory_per_rank(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                    double *bytes)
{
  const facet_store_plan *s = &plan->store;
  size_t real = facet_type_size(s->study->precision), largest = 0;
  for (int i = 0; i < family->count; i++) {
    facet_executor *executor;
    bool linear = s->variant[i].linearize;
    facet_executor_options options = {.real = s->study->precision,
                                      .batch = linear ? plan->linear_batch : plan->forward_batch,
                                      .rows = linear ? plan->linear_chunk : 0};
    FACET_TRY(facet_executor_create(family->member[i].network, options, &executor));
    largest = facet_executor_bytes(executor) > largest ? facet_executor_bytes(executor) : largest;
    facet_executor_destroy(&executor);
  }
  *bytes = (double)largest + (double)(s->block * s->linear_rows * plan->inputs) * (double)real;
  for (int i = 0; i < family->count; i++)
    *bytes += 4.0 * (double)facet_network_parameters(family->member[i].network);
  const facet_dataset *sets[] = {data->train, data->test};
  for (int i = 0; i < 2; i++)
    if (sets[i])
      *bytes += (double)(sets[i]->count * plan->inputs) * (sets[i]->is_float ? 4 : 1);
  *bytes += 60e6; /* program and libraries */
  return FACET_OK;
}

facet_status facet_plan_print(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                              int ranks)
{
  const facet_store_plan *s = &plan->store;
  int64_t linear = 0, forward = s->samples * s->variants * s->conditions;
  double memory;
  printf("\n%-32s %-10s %-7s %9s %11s %s\n", "variant", "method", "scope", "sparsity", "parameters", "linearized");
  for (int i = 0; i < s->variants; i++) {
    const facet_store_variant *v = &s->variant[i];
    printf("%-32s %-10s %-7s %9g %11lld %s\n", v->name, v->method, v->scope, v->sparsity,
           (long long)facet_network_parameters(family->member[i].network), v->linearize ? "yes" : "no");
  }
  for (int64_t i = 0; i < facet_plan_tiles(plan); i++)
    linear += facet_plan_tile(plan, i).linear;
  FACET_TRY(memory_per_rank(plan, data, family, &memory));
  printf("\nconditions       %d\n", s->conditions);
  printf("test samples     %lld of %lld x %lld x %lld, %d classes\n", (long long)s->samples, (long long)s->channels,
         (long long)s->height, (long long)s->width, s->classes);
  printf("tiles            %lld of up to %lld samples\n", (long long)facet_plan_tiles(plan), (long long)s->block);
  printf("work             %lld forward passes, %lld linearizations of %lld rows\n", (long long)forward,
         (long long)linear, (long long)s->linear_rows);
  printf("memory per rank  about %.2f GiB (%d rank%s here)\n", memory / 0x1p30, ranks, ranks == 1 ? "" : "s");
  printf("disk             %.2f GiB in %s/study.h5\n", (double)facet_store_bytes(s) / 0x1p30, s->study->output);
  return FACET_OK;
}
