/* Plans: see session.h. What stages alone know they plan themselves. */
#include "session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/stage.h"
#include "study/loader.h"
#include "train/sgd.h"

static void variant_clear(facet_store_variant *v)
{
  FACET_FREE(&v->layer, &v->layer_achieved, &v->layer_size, &v->constant_node, &v->change_node, &v->gate, &v->gate_size,
             &v->gate_off, &v->operation);
  facet_free_list(&v->warning, v->warnings);
  facet_free_list(&v->embed_node, v->embed_nodes);
}

void facet_session_forget_plan(facet_session *session)
{
  facet_plan *plan = &session->plan;
  facet_store_plan *s = &plan->store;
  for (int i = 0; s->variant && i < s->variants; i++)
    variant_clear(&s->variant[i]);
  facet_free_list(&s->class_name, s->classes);
  facet_free_list(&s->change_group, s->change_groups);
  FACET_FREE(&s->condition, &s->variant, &s->change_condition, &s->path_condition, &s->line_sample, &s->plane_sample,
             &s->census_condition, &s->attribution_method, &s->attribution_name, &s->made, &plan->work);
}

static facet_status size_gates(const facet_executor *executor, facet_store_variant *v)
{
  FACET_NEW(v->gate_size, v->gates);
  FACET_NEW(v->gate_off, v->gates);
  for (int i = 0; i < v->gates; i++) {
    v->gate_size[i] = facet_executor_gate_size(executor, i);
    v->gate_off[i] = facet_executor_gate_off(executor, i);
    v->gate_elements += v->gate_size[i];
  }
  return FACET_OK;
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
  facet_status status = v->constant_node && v->gate ? size_gates(executor, v) : FACET_OS;
  facet_executor_destroy(&executor);
  return status;
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

/* All but the time of a forward pass, which is not known yet. */
static facet_status count_cost(const facet_making *making, const facet_member *m, facet_store_cost *cost)
{
  const facet_training *how = facet_making_training(making, &m->variant);
  const facet_training *dense = making->model->train ? &making->model->training : NULL;
  const facet_dataset *data = making->data->train;
  bool from_dense = facet_variant_from_dense(making, &m->variant);
  facet_cost *count;
  FACET_TRY(facet_network_cost(m->network, &count));
  *cost = (facet_store_cost){.epochs = how ? how->epochs : 0,
                             .epochs_before = from_dense && dense ? dense->epochs : 0,
                             .samples = how && data ? facet_training_samples(how, data->count) : 0,
                             .parameters = facet_network_parameters(m->network),
                             .flops = 2 * count->all.products,
                             .flops_sparse = 2 * count->all.products_sparse,
                             .bytes = count->all.bytes,
                             .bytes_sparse = count->all.bytes_sparse,
                             .train_seconds = how ? m->record.seconds : 0,
                             .forward_seconds = NAN};
  facet_cost_destroy(&count);
  return FACET_OK;
}

static facet_status describe_variant(const facet_study *study, const facet_making *making, const facet_member *m,
                                     facet_store_variant *v)
{
  const facet_recipe *recipe = m->variant.recipe >= 0 ? &study->recipes.item[m->variant.recipe] : NULL;
  const char *slash = strrchr(m->file, '/');
  *v = (facet_store_variant){
      .name = m->variant.name, .sparsity = m->variant.sparsity, .sha256 = m->sha256, .input = m->input};
  v->replicate = m->variant.replicate;
  v->seed = m->variant.seed;
  bool pruned = recipe && !recipe->onnx && !recipe->mask;
  v->method = !recipe ? "dense" : pruned ? m->variant.method->name : recipe->onnx ? "external" : "mask";
  v->scope = pruned ? facet_scope_name((int)m->variant.scope) : "";
  v->parent = facet_variant_from_dense(making, &m->variant) ? "dense" : "";
  v->operation = facet_variant_operation(making, &m->variant);
  FACET_CHECK(v->operation, FACET_OS, "out of memory");
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
  v->secant = !facet_network_is_piecewise_linear(m->network);
  FACET_TRY(collect_warnings(m, v));
  FACET_TRY(count_cost(making, m, &v->cost));
  return constant_nodes(study, m->network, v);
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
    s->condition[c] = study->conditions.item[c].name;
  return FACET_OK;
}

/* What the bits of the analysis may depend on beside networks, samples and conditions. */
static facet_status say_made(const facet_plan *plan, facet_store_plan *s)
{
  const facet_linearize_keys *keys = &plan->keys->linearize;
  const facet_normalization *n = s->normalize;
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  FACET_CHECK(out, FACET_OS, "out of memory");
  fprintf(out, "facet %s (%s), kernels %s, %s, BLAS %s, oneDNN %s; %zu bytes, %d threads, blocks of %lld; / %a",
          facet_version(), facet_revision(), facet_level_name(), facet_compiler(), facet_blas_core(),
          facet_onednn_version(), facet_type_size(s->settings->precision), s->settings->threads, (long long)s->block,
          n->scale);
  for (int i = 0; i < n->channels; i++)
    fprintf(out, ", - %a, / %a", n->mean[i], n->std[i]);
  s->made = fclose(out) == 0 ? facet_copy_text(text) : NULL;
  free(text);
  FACET_CHECK(s->made, FACET_OS, "out of memory");
  for (int v = 0; v < s->variants; v++) {
    const facet_work *w = &plan->work[v];
    const int64_t batch[FACET_BATCHES] = {w->forward_batch, w->linear_batch, w->linear_chunk, keys->rows, keys->top};
    memcpy(s->variant[v].batch, batch, sizeof batch);
  }
  return FACET_OK;
}

/* What each stage follows from, as a digest. */
static facet_status say_follows(const facet_session *session, facet_plan *plan)
{
  const facet_context context = {
      .comm = MPI_COMM_SELF, .plan = plan, .data = &session->data, .family = &session->family};
  facet_store_plan *s = &plan->store;
  for (int i = 0, n = 0; facet_stages[n]; n++) {
    const facet_stage *stage = facet_stages[n];
    if (!stage->marks || !facet_stage_wanted(stage, plan))
      continue;
    facet_store_stage *own = &s->stage[i++];
    char *text = NULL;
    size_t size;
    FILE *out = stage->follows ? open_memstream(&text, &size) : NULL;
    if (!stage->follows)
      continue;
    FACET_CHECK(out, FACET_OS, "out of memory");
    facet_status status = stage->follows(&context, out);
    if (fclose(out) != 0 && status == FACET_OK)
      status = FACET_OS;
    if (status == FACET_OK)
      status = facet_sha256_bytes(text, size, own->follows);
    free(text);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status fill_outline(const facet_session *session, int ranks, facet_plan *plan)
{
  const facet_study *study = session->study;
  const facet_study_data *data = &session->data;
  const facet_family *family = &session->family;
  facet_store_plan *s = &plan->store;
  int64_t classes = facet_network_outputs(family->member[0].network);
  plan->keys = &study->stages;
  plan->ranks = ranks;
  plan->source = (facet_sample_source){&study->settings, &study->data.normalize, &study->conditions, data->test};
  *s = (facet_store_plan){.settings = &study->settings,
                          .normalize = &study->data.normalize,
                          .study_text = (const char *)session->text,
                          .study_filled = session->filled,
                          .samples = data->test->count,
                          .image = data->test->image,
                          .test = data->test,
                          .origins = data->origins,
                          .origin = data->origin,
                          .block = study->settings.block,
                          .clean = study->conditions.clean,
                          .cka = study->stages.aggregate.cka};
  FACET_TRY(name_things(study, classes, s));
  s->variants = family->count;
  s->diverged = family->diverged;
  s->diverged_line = family->diverged_line;
  FACET_NEW(s->variant, family->count);
  for (int i = 0; i < family->count; i++)
    FACET_TRY(describe_variant(study, &family->making, &family->member[i], &s->variant[i]));
  plan->blocks = (s->samples + s->block - 1) / s->block;
  plan->inputs = facet_image_inputs(s->image);
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->plan)
      FACET_TRY((*stage)->plan(data, family, ranks, plan));
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->marks && facet_stage_wanted(*stage, plan))
      s->stage[s->stages++] = (facet_store_stage){.name = (*stage)->name, .marks = (*stage)->marks};
  return FACET_OK;
}

facet_status facet_session_outline(facet_session *session, int ranks)
{
  session->plan = (facet_plan){.blocks = 0};
  return fill_outline(session, ranks, &session->plan);
}

facet_status facet_session_plan(facet_session *session, int ranks)
{
  facet_plan *plan = &session->plan;
  FACET_TRY(facet_session_outline(session, ranks));
  FACET_NEW(plan->work, plan->store.variants);
  FACET_TRY(facet_work_share(&plan->store, &session->data, &session->family, facet_conditions_bytes(&plan->source),
                             plan->work, &plan->room));
  FACET_TRY(say_made(plan, &plan->store));
  return say_follows(session, plan);
}
