/* From a study, its data and its networks to the shape of the store and the list of tiles. */
#include "plan.h"

#include <string.h>

#include "embed/embed.h"
#include "stages/aggregate.h"

static void variant_clear(facet_store_variant *v)
{
  facet_free(&v->layer);
  facet_free(&v->layer_achieved);
  facet_free(&v->layer_size);
  facet_free(&v->constant_node);
  facet_free(&v->change_node);
  facet_free(&v->gate);
  for (int i = 0; v->warning && i < v->warnings; i++)
    facet_free(&v->warning[i]);
  facet_free(&v->warning);
  for (int i = 0; v->embed_node && i < v->embed_nodes; i++)
    facet_free(&v->embed_node[i]);
  facet_free(&v->embed_node);
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
  facet_free(&s->change_condition);
  facet_free(&plan->work);
}

/* Names of the nodes with constants and of the gates, as an executor numbers them. */
static facet_status constant_nodes(const facet_study *study, const facet_network *network, facet_store_variant *v)
{
  facet_executor *executor;
  facet_executor_options options = {.real = study->settings.precision, .batch = 1};
  FACET_TRY(facet_executor_create(network, options, &executor));
  v->constant_nodes = facet_executor_constant_nodes(executor);
  v->constant_node = facet_allocate((size_t)v->constant_nodes, sizeof *v->constant_node);
  for (int i = 0; v->constant_node && i < v->constant_nodes; i++)
    v->constant_node[i] = facet_executor_constant_node(executor, i);
  v->gates = facet_executor_gates(executor);
  v->gate = facet_allocate((size_t)v->gates, sizeof *v->gate);
  for (int i = 0; v->gate && i < v->gates; i++)
    v->gate[i] = facet_executor_gate(executor, i);
  facet_executor_destroy(&executor);
  return v->constant_node && v->gate ? FACET_OK : FACET_OS;
}

/* What is to be said of a pruned network's layers. */
static facet_status collect_warnings(const facet_member *m, facet_store_variant *v)
{
  FACET_NEW(v->warning, m->zeros->layers);
  for (int i = 0; i < m->zeros->layers && m->variant.recipe >= 0; i++) {
    char *text;
    FACET_TRY(facet_mask_collapse(m->network, m->zeros, i, &text));
    if (text)
      v->warning[v->warnings++] = text;
  }
  return FACET_OK;
}

static facet_status describe_variant(const facet_study *study, const facet_dataset *train, const facet_member *m,
                                     facet_store_variant *v)
{
  const facet_recipe *recipe = m->variant.recipe >= 0 ? &study->recipes.item[m->variant.recipe] : NULL;
  const char *slash = strrchr(m->file, '/');
  *v = (facet_store_variant){
      .name = m->variant.name, .sparsity = m->variant.sparsity, .sha256 = m->sha256, .input = m->input};
  v->replicate = m->variant.replicate;
  v->seed = m->variant.seed;
  bool pruned = recipe && !recipe->onnx && !recipe->mask;
  v->method = !recipe ? "dense" : pruned ? facet_method_name(m->variant.method) : recipe->onnx ? "external" : "mask";
  v->scope = pruned ? facet_scope_name(m->variant.scope) : "";
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
  v->linearize = study->linearize.wanted && study->linearize.variants.count == 0;
  for (int i = 0; study->linearize.wanted && i < study->linearize.variants.count; i++)
    v->linearize = v->linearize || strcmp(study->linearize.variants.item[i], v->name) == 0;
  FACET_TRY(collect_warnings(m, v));
  FACET_TRY(facet_variant_cost_count(study, train, &m->variant, m->network, &v->cost));
  if (v->cost.epochs > 0)
    v->cost.train_seconds = m->record.seconds;
  return constant_nodes(study, m->network, v);
}

/* ---- changes of margin ---- */

static bool asked(char *const *names, int count, const char *name)
{
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

/* The constant nodes of dense, then those that the variant alone has. */
static facet_status join_nodes(const facet_store_variant *dense, facet_store_variant *v)
{
  FACET_NEW(v->change_node, dense->constant_nodes + v->constant_nodes);
  for (int i = 0; i < dense->constant_nodes; i++)
    v->change_node[v->change_nodes++] = dense->constant_node[i];
  for (int i = 0; i < v->constant_nodes; i++)
    if (!asked((char *const *)dense->constant_node, dense->constant_nodes, v->constant_node[i]))
      v->change_node[v->change_nodes++] = v->constant_node[i];
  return FACET_OK;
}

static facet_status plan_changes(const facet_study *study, facet_store_variant *variant, facet_store_plan *s)
{
  if (!study->change.wanted)
    return FACET_OK;
  int64_t most = study->change.samples ? study->change.samples : s->samples;
  s->change_samples = most < s->samples ? most : s->samples;
  FACET_NEW(s->change_condition, s->conditions);
  for (int c = 0; c < s->conditions; c++)
    if (study->conditions.item[c].corruption != 0 &&
        (study->change.all_conditions ||
         asked(study->change.conditions.item, study->change.conditions.count, s->condition[c])))
      s->change_condition[s->change_conditions++] = c;
  for (int v = 0; v < s->variants; v++) {
    variant[v].change = study->change.variants.count == 0 ||
                        asked(study->change.variants.item, study->change.variants.count, variant[v].name);
    FACET_TRY(join_nodes(&variant[0], &variant[v]));
  }
  return FACET_OK;
}

/* ---- the embedding ---- */

/* The constant nodes of the network from a variant's input to a position. */
static facet_status embed_nodes(const facet_study *study, const facet_member *m, int64_t numbers,
                                facet_store_variant *v)
{
  facet_network *stacked;
  facet_executor *executor;
  facet_executor_options options = {.real = study->settings.precision, .batch = 1};
  FACET_TRY(facet_embed_stack(study, m, NULL, numbers, &stacked));
  if (!stacked)
    return FACET_OK;
  facet_status status = facet_executor_create(stacked, options, &executor);
  int count = status == FACET_OK ? facet_executor_constant_nodes(executor) : 0;
  if (status == FACET_OK && !(v->embed_node = facet_allocate((size_t)count, sizeof *v->embed_node)))
    status = FACET_OS;
  for (int i = 0; i < count && status == FACET_OK; i++, v->embed_nodes++)
    if (!(v->embed_node[i] = facet_copy_text(facet_executor_constant_node(executor, i))))
      status = FACET_OS;
  facet_executor_destroy(&executor);
  facet_network_destroy(&stacked);
  return status;
}

static facet_status plan_embedding(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                   facet_store_variant *variant, facet_store_plan *s)
{
  int64_t explain = study->embed.explain;
  if (!study->embed.wanted)
    return FACET_OK;
  FACET_TRY(facet_embed_source(study, data, family, &s->embed_train, &s->embed_inputs));
  s->embed_axes = study->embed.dimensions;
  s->embed_samples = explain == 0 || explain > s->samples ? s->samples : explain;
  for (int v = 0; v < s->variants; v++)
    FACET_TRY(embed_nodes(study, &family->member[v], s->embed_inputs, &variant[v]));
  return FACET_OK;
}

static facet_status name_things(const facet_study *study, int64_t classes, facet_store_plan *s)
{
  s->classes = (int)classes;
  FACET_NEW(s->class_name, classes);
  for (int k = 0; k < s->classes; k++)
    if (!(s->class_name[k] =
              study->data.classes.item ? facet_copy_text(study->data.classes.item[k]) : facet_format("%d", k)))
      return FACET_OS;
  s->conditions = study->conditions.count;
  FACET_NEW(s->condition, s->conditions);
  for (int c = 0; c < s->conditions; c++)
    if (!(s->condition[c] = facet_condition_name(study->conditions.item[c])))
      return FACET_OS;
  return FACET_OK;
}

static facet_status fill_plan(const facet_study *study, const char *text, const facet_study_data *data,
                              const facet_family *family, facet_plan *plan)
{
  const facet_dataset *test = data->test;
  facet_store_plan *s = &plan->store;
  int64_t classes = facet_network_outputs(family->member[0].network);
  *s = (facet_store_plan){.study = study, .study_text = text, .label = test->label, .block = study->settings.block};
  s->samples = test->count;
  s->channels = test->channels;
  s->height = test->height;
  s->width = test->width;
  FACET_TRY(name_things(study, classes, s));
  s->variants = family->count;
  s->diverged = family->diverged;
  s->diverged_line = family->diverged_line;
  facet_store_variant *variant;
  FACET_NEW(variant, family->count);
  s->variant = variant;
  for (int i = 0; i < family->count; i++)
    FACET_TRY(describe_variant(study, data->train, &family->member[i], &variant[i]));
  FACET_TRY(plan_changes(study, variant, s));
  FACET_TRY(plan_embedding(study, data, family, variant, s));
  if (study->linearize.wanted) {
    s->linear_samples = study->linearize.samples ? study->linearize.samples : s->samples;
    s->linear_rows = facet_rows_count(study->linearize.rows, study->linearize.top, classes);
  }
  FACET_TRY(facet_aggregate_plan(study, s));
  plan->blocks = (s->samples + s->block - 1) / s->block;
  plan->inputs = s->channels * s->height * s->width;
  FACET_NEW(plan->work, s->variants);
  return facet_memory_share(s, data, family, plan->work);
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
  bool linear = s->variant[t.variant].linearize && s->study->conditions.item[t.condition].corruption == 0;
  int64_t left = s->linear_samples - t.first;
  t.linear = !linear || left <= 0 ? 0 : left < t.count ? left : t.count;
  return t;
}
