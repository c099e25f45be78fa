/* What `facet check` shows: variants, tiles, work, memory per rank, disk.
 *
 * Memory is not summed up from formulas.  When it comes to be asked, this process has read the same data and networks
 * as a run would, and what a run makes beside them is made here too, and measured, and thrown away. */
#include <math.h>
#include <stdio.h>

#include "base/process_memory.h"
#include "output.h"
#include "prune/inspect.h"
#include "ranks/agree.h"
#include "ranks/versions.h"
#include "session.h"
#include "speeds.h"
#include "stages/reuse.h"

enum { BESIDE = 12 << 20 }; /* bytes that HDF5 and MPI take for the store in a run. Measured. */

/* Memory of the process: at its fullest while it read, or in the stage to come that takes the most. What is there after
 * those stages were tried out, code made by oneDNN for one, stays in a run, too. */
static facet_status memory_per_rank(const facet_context *context, int ranks, double *bytes)
{
  double now, most, ignored, stage = 0, one;
  facet_memory_resident(&ignored, &most);
  for (const facet_stage *const *s = facet_stages; *s; s++)
    if ((*s)->memory && facet_stage_wanted(*s, context->plan)) {
      FACET_TRY((*s)->memory(context, ranks, &one));
      stage = fmax(stage, one);
    }
  facet_memory_resident(&now, &ignored);
  *bytes = fmax(now + stage + BESIDE, most);
  return FACET_OK;
}

/* 12345678 as "12.3 M". */
static const char *short_number(double n, char text[12])
{
  static const char *const unit[] = {"", " k", " M", " G", " T", " P"};
  int i = 0;
  for (; n >= 999.5 && i < 5; i++)
    n /= 1000;
  (void)snprintf(text, 12, "%.3g%s", n, unit[i]);
  return text;
}

/* Whether a sketch has the zeros that its variant will have. */
static bool zeros_are_known(const facet_recipes *recipes, const facet_variant *variant)
{
  const facet_recipe *recipe = variant->recipe >= 0 ? &recipes->item[variant->recipe] : NULL;
  return !recipe || recipe->onnx || recipe->mask || (!variant->method->rule && !variant->method->needs_data);
}

/* What the variants are and what they cost. "not 0": the same without the weights that are removed, "-" where only
 * training, or scoring, will tell. */
static void print_variants(const facet_plan *plan, const facet_family *family, const double *forward)
{
  const facet_store_plan *s = &plan->store;
  double epochs = 0, samples = 0;
  printf("\n%-32s %-10s %-7s %8s %5s %7s %10s %9s %9s %9s %9s %11s %s\n", "variant", "method", "scope", "sparsity",
         "seed", "epochs", "parameters", "FLOPs", "not 0", "bytes", "not 0", "forward", "linearized");
  for (int i = 0; i < s->variants; i++) {
    const facet_store_variant *v = &s->variant[i];
    const facet_store_cost *c = &v->cost;
    char flops[12], sparse[12] = "-", bytes[12], light[12] = "-", parameters[12];
    if (zeros_are_known(family->making.recipes, &family->member[i].variant)) {
      (void)short_number((double)c->flops_sparse, sparse);
      (void)short_number((double)c->bytes_sparse, light);
    }
    printf("%-32s %-10s %-7s %8g %5u %7g %10s %9s %9s %9s %9s %8.3g ms %s\n", v->name, v->method, v->scope, v->sparsity,
           v->seed, c->epochs, short_number((double)c->parameters, parameters), short_number((double)c->flops, flops),
           sparse, short_number((double)c->bytes, bytes), light, 1e3 * forward[i], v->linearize ? "yes" : "no");
    epochs += c->epochs;
    samples += (double)c->samples;
  }
  char text[12];
  printf("\ntraining         %g epochs, %s samples in all\n", epochs, short_number(samples, text));
}

/* "1 h 05 min", "3 min 20 s", "12 s". */
static const char *short_time(double seconds, char text[32])
{
  long s = (long)(seconds + 0.5);
  if (s >= 3600)
    (void)snprintf(text, 32, "%ld h %02ld min", s / 3600, s % 3600 / 60);
  else if (s >= 60)
    (void)snprintf(text, 32, "%ld min %02ld s", s / 60, s % 60);
  else
    (void)snprintf(text, 32, "%ld s", s);
  return text;
}

/* Time of all stages, and of each that takes some. */
static facet_status print_forecast(const facet_context *context, const facet_speeds *speeds, int ranks)
{
  char all[32], parts[1000] = "";
  double sum = 0, one;
  for (const facet_stage *const *s = facet_stages; *s; s++)
    if ((*s)->seconds && facet_stage_wanted(*s, context->plan)) {
      FACET_TRY((*s)->seconds(context, speeds, ranks, &one));
      sum += one;
      facet_append(parts, sizeof parts, ", ", "%s %s", (*s)->name, short_time(one, all));
    }
  printf("time             about %s on %d rank%s: %s\n", short_time(sum, all), ranks, ranks == 1 ? "" : "s", parts);
  return FACET_OK;
}

/* How the variants meet the samples, and what executors handle at once. */
static void print_work(const facet_plan *plan)
{
  const facet_store_plan *s = &plan->store;
  printf("\n%-32s %-14s %-14s %s\n", "variant", "layout", "order", "at once");
  for (int i = 0; i < s->variants; i++) {
    const facet_input_layout *input = &s->variant[i].input;
    const facet_work *w = &plan->work[i];
    printf("%-32s %-14s %-14s %lld samples", s->variant[i].name, facet_input_layout_name(input),
           facet_order_name(input->order), (long long)w->forward_batch);
    if (s->variant[i].linearize)
      printf("; linearizing %lld x %lld rows", (long long)w->linear_batch, (long long)w->linear_chunk);
    printf("\n");
  }
}

static facet_status print_plan(const facet_context *context, int ranks, double *forward)
{
  const facet_plan *plan = context->plan;
  const facet_store_plan *s = &plan->store;
  int64_t linear = 0, passes = s->samples * s->variants * s->conditions;
  double memory;
  facet_speeds speeds;
  for (int64_t i = 0; i < facet_plan_tiles(plan); i++)
    linear += facet_plan_tile(plan, i).linear;
  FACET_TRY(memory_per_rank(context, ranks, &memory)); /* before anything is made to be timed */
  FACET_TRY(facet_speeds_measure(plan, context->family, forward, &speeds));
  print_variants(plan, context->family, forward);
  print_work(plan);
  printf("\nconditions       %d\n", s->conditions);
  printf("test samples     %lld of %lld x %lld x %lld, %d classes\n", (long long)s->samples,
         (long long)s->image.channels, (long long)s->image.height, (long long)s->image.width, s->classes);
  printf("tiles            %lld of up to %lld samples\n", (long long)facet_plan_tiles(plan), (long long)s->block);
  printf("work             %lld forward passes, %lld linearizations of %lld rows\n", (long long)passes,
         (long long)linear, (long long)s->linear_rows);
  if (s->components > 0)
    printf("spectra          %lld singular values of %lld x %lld, method %s\n", (long long)s->components,
           (long long)s->linear_samples * s->linear_rows, (long long)plan->inputs,
           facet_spectrum_name(s->spectrum_method));
  FACET_TRY(print_forecast(context, &speeds, ranks));
  printf("memory per rank  about %.3f GiB (%d rank%s here)\n", memory / 0x1p30, ranks, ranks == 1 ? "" : "s");
  printf("disk             %.2f GiB in %s/study.h5\n", (double)facet_store_bytes(s) / 0x1p30, s->settings->output);
  return FACET_OK;
}

/* What of the output is still true, so that a run need not make it. */
static facet_status print_reused(const facet_context *context, facet_output_state state)
{
  const facet_settings *settings = context->plan->store.settings;
  char *store = facet_format("%s/study.h5", settings->output), *before = facet_reuse_file(settings);
  int64_t networks = 0, tiles = 0;
  facet_status status = store && before ? FACET_OK : FACET_OS;
  for (int i = 0; i < context->family->count; i++)
    networks += context->family->member[i].sha256[0] != '\0';
  bool here = status == FACET_OK && state == FACET_OUTPUT_EDITED && facet_exists(store);
  if (status == FACET_OK)
    status = facet_reuse_count(context, here ? store : before, &tiles);
  int64_t done = status == FACET_OK && state == FACET_OUTPUT_SAME ? facet_before_parts(store, "analyse") : 0;
  if (status == FACET_OK)
    printf("reused           %lld of %d networks, %lld of %lld tiles, of what is in %s\n", (long long)networks,
           context->family->count, (long long)(done > tiles ? done : tiles), (long long)facet_plan_tiles(context->plan),
           settings->output);
  facet_free(&store);
  facet_free(&before);
  return status;
}

static facet_status print_output(const facet_context *context, facet_output_state state)
{
  if (state == FACET_OUTPUT_OTHER)
    printf("output           %s holds the results of a different study: a run needs --fresh, or another output\n",
           context->plan->store.settings->output);
  return state == FACET_OUTPUT_SAME || state == FACET_OUTPUT_EDITED ? print_reused(context, state) : FACET_OK;
}

static facet_status look(const facet_session *s, facet_making *making, facet_output_state *state)
{
  bool dense;
  making->edited = true;
  FACET_TRY(facet_family_stands(making, &dense));
  FACET_TRY(facet_output_look(s->study->settings.output, s->filled, dense, state));
  making->edited = *state != FACET_OUTPUT_SAME;
  return FACET_OK;
}

/* Of a network that comes from elsewhere, and is pruned here. */
static void warn_of_folding(const facet_family *family)
{
  const facet_making *making = &family->making;
  bool pruned = false;
  for (int i = 1; i < family->count; i++)
    pruned = pruned || !facet_making_external(making, &family->member[i].variant);
  const char *note = pruned && making->model->onnx ? facet_folded_note(family->member[0].network) : NULL;
  if (note)
    fprintf(stderr, "facet: warning: %s: %s\n", making->model->onnx, note);
}

static facet_status check(int ranks, const char *file, facet_session *s)
{
  facet_context context = {.comm = MPI_COMM_SELF, .plan = &s->plan, .data = &s->data, .family = &s->family};
  double *forward = NULL;
  FACET_TRY(facet_session_read(file, s));
  facet_making making = facet_session_making(s);
  facet_output_state state;
  FACET_TRY(look(s, &making, &state));
  FACET_TRY(facet_family_sketch(&making, &s->family));
  FACET_TRY(facet_session_plan(s, ranks));
  FACET_NEW(forward, s->plan.store.variants);
  facet_versions_warn();
  warn_of_folding(&s->family);
  printf("%s", s->filled);
  facet_status status = print_plan(&context, ranks, forward);
  if (status == FACET_OK)
    status = print_output(&context, state);
  facet_free(&forward);
  return status;
}

facet_status facet_check(char *const *argument, bool fresh)
{
  (void)fresh;
  MPI_Comm comm = MPI_COMM_WORLD;
  facet_session s = {0};
  facet_status status = facet_rank(comm) == 0 ? check(facet_ranks(comm), argument[0], &s) : FACET_OK;
  facet_session_clear(&s);
  return facet_agree(comm, status);
}
