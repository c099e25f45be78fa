/* What `facet check` shows: first what a run will take and need not do again; then variants, tiles, work.
 *
 * Memory is not summed up from formulas.  When it comes to be asked, this process has read the same data and networks
 * as a run would, and what a run makes beside them is made here too, and measured, and thrown away. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/process_memory.h"
#include "certified.h"
#include "commands.h"
#include "disk.h"
#include "noted.h"
#include "output.h"
#include "python.h"
#include "ranks/agree.h"
#include "ranks/versions.h"
#include "session.h"
#include "speeds.h"
#include "stages/reuse.h"
#include "study/loader.h"

enum { BESIDE = 10 << 20 }; /* bytes that HDF5 and MPI take for the store in a run. Measured. */

/* What a run will take. */
typedef struct {
  int ranks;
  double seconds, memory; /* of all stages; bytes of a rank */
  facet_disk disk;
  facet_nameless nameless;
  char parts[1000];                  /* "training 3 s, analyse 12 s" */
  int64_t networks;                  /* that are there and true */
  int64_t reused[FACET_MOST_STAGES]; /* parts of each stage */
} forecast;

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
  *bytes = fmax(now + stage + facet_conditions_bytes(&context->plan->source) + BESIDE, most);
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

/* Whether a variant is a replicate of one before it, and how many replicates begin with it. */
static bool is_repeated(const facet_store_plan *s, int v, int *replicates)
{
  bool repeated = false;
  *replicates = 0;
  for (int i = 0; i < s->variants; i++) {
    bool alike = strcmp(s->variant[i].replicate, s->variant[v].replicate) == 0;
    repeated = repeated || (alike && i < v);
    *replicates += alike;
  }
  return repeated;
}

/* What a variant is and what it costs, or the first of so many replicates. "not 0": the same without the weights that
 * are removed, "-" where only training, or scoring, will tell. */
static void print_variant(const facet_store_variant *v, int replicates, bool zeros, double forward)
{
  const facet_store_cost *c = &v->cost;
  char flops[12], sparse[12] = "-", bytes[12], light[12] = "-", parameters[12], seed[24];
  if (zeros) {
    (void)short_number((double)c->flops_sparse, sparse);
    (void)short_number((double)c->bytes_sparse, light);
  }
  (void)snprintf(seed, sizeof seed, replicates > 1 ? "%u.." : "%u", v->seed);
  printf("%-32s %-10s %-7s %8g %5s %7g %10s %9s %9s %9s %9s %8.3g ms %s\n", replicates > 1 ? v->replicate : v->name,
         v->method, v->scope, v->sparsity, seed, c->epochs, short_number((double)c->parameters, parameters),
         short_number((double)c->flops, flops), sparse, short_number((double)c->bytes, bytes), light, 1e3 * forward,
         v->linearize ? "yes" : "no");
}

static void print_variants(const facet_plan *plan, const facet_family *family, const double *forward, bool verbose)
{
  const facet_store_plan *s = &plan->store;
  double epochs = 0, samples = 0;
  int folded = 0, replicates;
  char text[12];
  printf("\n%-32s %-10s %-7s %8s %5s %7s %10s %9s %9s %9s %9s %11s %s\n", "variant", "method", "scope", "sparsity",
         "seed", "epochs", "parameters", "FLOPs", "not 0", "bytes", "not 0", "forward", "linearized");
  for (int i = 0; i < s->variants; i++) {
    bool repeated = is_repeated(s, i, &replicates);
    if (verbose || !repeated)
      print_variant(&s->variant[i], verbose ? 1 : replicates,
                    zeros_are_known(family->making.recipes, &family->member[i].variant), forward[i]);
    folded += repeated;
    epochs += s->variant[i].cost.epochs;
    samples += (double)s->variant[i].cost.samples;
  }
  if (folded > 0 && !verbose)
    printf("%d replicates more, of other seeds (--verbose lists them)\n", folded);
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
static facet_status forecast_time(const facet_context *context, const facet_speeds *speeds, forecast *f)
{
  char text[32];
  double one;
  for (const facet_stage *const *s = facet_stages; *s; s++)
    if ((*s)->seconds && facet_stage_wanted(*s, context->plan)) {
      FACET_TRY((*s)->seconds(context, speeds, f->ranks, &one));
      f->seconds += one;
      facet_append(f->parts, sizeof f->parts, ", ", "%s %s", (*s)->name, short_time(one, text));
    }
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

static void print_free(double bytes)
{
  if (bytes >= 0)
    printf("; %.2f GiB free", bytes / 0x1p30);
  printf("\n");
}

static void print_plan(const facet_context *context, const forecast *f, const double *forward, bool verbose)
{
  const facet_plan *plan = context->plan;
  const facet_store_plan *s = &plan->store;
  int64_t linear = 0, passes = s->samples * s->variants * s->conditions;
  char text[32];
  for (int64_t i = 0; i < facet_plan_tiles(plan); i++)
    linear += facet_plan_tile(plan, i).linear;
  print_variants(plan, context->family, forward, verbose);
  if (verbose)
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
  printf("time             about %s on %d rank%s: %s\n", short_time(f->seconds, text), f->ranks,
         f->ranks == 1 ? "" : "s", f->parts);
  printf("memory per rank  about %.3f GiB (%d rank%s)\n", f->memory / 0x1p30, f->ranks, f->ranks == 1 ? "" : "s");
  printf("disk             %.2f GiB in %s/study.h5", f->disk.file / 0x1p30, s->settings->output);
  printf(", %.2f GiB in networks yet to be made and checkpoints", (f->disk.networks + f->disk.checkpoints) / 0x1p30);
  print_free(f->disk.free);
  if (f->nameless.folder[0]) {
    printf("TMPDIR           %.2f GiB in %s", (f->nameless.data + f->nameless.stages) / 0x1p30, f->nameless.folder);
    printf(" of each node, %.2f GiB of it decoded data, which are there now", f->nameless.data / 0x1p30);
    print_free(f->nameless.free);
  }
}

/* What of the output is still true, so that a run need not make it. */
static facet_status find_reused(const facet_context *context, facet_output_state state, forecast *f)
{
  const facet_settings *settings = context->plan->store.settings;
  if (state != FACET_OUTPUT_SAME && state != FACET_OUTPUT_EDITED)
    return FACET_OK;
  char *store = facet_format("%s/study.h5", settings->output), *before = facet_reuse_file(settings);
  facet_status status = store && before ? FACET_OK : FACET_OS;
  for (int i = 0; i < context->family->count; i++)
    f->networks += context->family->member[i].sha256[0] != '\0';
  bool here = status == FACET_OK && state == FACET_OUTPUT_EDITED && facet_exists(store);
  if (status == FACET_OK)
    status = facet_reuse_count(context, here ? store : before, !here, f->reused);
  for (int i = 0; facet_stages[i] && status == FACET_OK && state == FACET_OUTPUT_SAME; i++) {
    int64_t done = facet_before_parts(store, facet_stages[i]->name);
    f->reused[i] = done > f->reused[i] ? done : f->reused[i];
  }
  facet_free(&store);
  facet_free(&before);
  return status;
}

/* What stages that a run has yet to do put into the folder TMPDIR, with all ranks on this node. */
static facet_status find_nameless(const facet_context *context, forecast *f)
{
  bool left[FACET_MOST_STAGES] = {false};
  for (int i = 0, stage = 0; facet_stages[i]; i++)
    if (facet_stages[i]->marks && facet_stage_wanted(facet_stages[i], context->plan))
      left[i] = f->reused[i] < facet_store_stage_parts(&context->plan->store, stage++);
  return facet_nameless_find(context, f->ranks, f->ranks, left, &f->nameless);
}

/* ", 12 of 18 tiles, map 12 of 18, judge 3 of 4": of stages of which anything is. */
static void print_reused(const facet_plan *plan, const forecast *f)
{
  for (int i = 0, stage = 0; facet_stages[i]; i++) {
    const facet_store_plan *s = &plan->store;
    if (!facet_stages[i]->marks || !facet_stage_wanted(facet_stages[i], plan))
      continue;
    int64_t all = facet_store_stage_parts(s, stage++);
    if (facet_stages[i] == &facet_stage_analyse)
      printf(", %lld of %lld tiles", (long long)f->reused[i], (long long)all);
    else if (f->reused[i] > 0 && all == 1)
      printf(", %s", facet_stages[i]->name);
    else if (f->reused[i] > 0)
      printf(", %s %lld of %lld", facet_stages[i]->name, (long long)f->reused[i], (long long)all);
  }
}

/* The answer in a few lines, before all else. */
static void print_verdict(const facet_context *context, facet_output_state state, const forecast *f)
{
  const facet_store_plan *s = &context->plan->store;
  const char *output = s->settings->output;
  char text[32];
  printf("%s: about %s on %d rank%s, %.2f GiB of memory each, %.2f GiB of disk\n", s->settings->name,
         short_time(f->seconds, text), f->ranks, f->ranks == 1 ? "" : "s", f->memory / 0x1p30, f->disk.file / 0x1p30);
  if (state == FACET_OUTPUT_OTHER)
    printf("output           %s holds the results of a different study: a run needs --fresh, or another output\n",
           output);
  else if (state != FACET_OUTPUT_EMPTY) {
    printf("reused           %lld of %d networks", (long long)f->networks, context->family->count);
    print_reused(context->plan, f);
    printf(", of what is in %s; the time above is without that\n", output);
  }
}

/* Memory comes first: before anything is made to be timed. */
static facet_status print_all(const facet_context *context, facet_output_state state, forecast *f, const char *filled)
{
  double *forward = NULL;
  facet_speeds speeds;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, forward, context->plan->store.variants);
  facet_phase("trying out what a run takes");
  FACET_GO(done, status, memory_per_rank(context, f->ranks, &f->memory));
  FACET_GO(done, status, facet_speeds_measure(context->plan, context->family, forward, &speeds));
  FACET_GO(done, status, forecast_time(context, &speeds, f));
  facet_phase("looking for what a run need not do again");
  FACET_GO(done, status, find_reused(context, state, f));
  facet_phase(NULL);
  bool standing = state == FACET_OUTPUT_SAME && facet_output_has_store(context->plan->store.settings->output);
  FACET_GO(done, status, facet_disk_find(context->plan, context->family, f->ranks, standing, &f->disk));
  FACET_GO(done, status, find_nameless(context, f));
  print_verdict(context, state, f);
  if (filled)
    printf("\n%s", filled);
  print_plan(context, f, forward, filled != NULL);
done:
  facet_free(&forward);
  return status;
}

static facet_status look(const facet_session *s, facet_making *making, facet_output_state *state)
{
  bool dense, changed = false;
  making->edited = true;
  FACET_TRY(facet_family_stands(making, &dense));
  FACET_TRY(facet_output_look(s->study->settings.output, s->filled, dense, state));
  if (*state == FACET_OUTPUT_SAME)
    FACET_TRY(facet_family_changed(making, &changed));
  *state = changed ? FACET_OUTPUT_EDITED : *state;
  making->edited = *state != FACET_OUTPUT_SAME;
  return FACET_OK;
}

static void print_next(const facet_call *call, const facet_context *context, facet_output_state state,
                       const forecast *f)
{
  const facet_plan *plan = context->plan;
  bool finished = state == FACET_OUTPUT_SAME;
  for (int i = 0, stage = 0; facet_stages[i] && finished; i++)
    if (facet_stages[i]->marks && facet_stage_wanted(facet_stages[i], plan))
      finished = f->reused[i] == facet_store_stage_parts(&plan->store, stage++);
  if (finished) {
    facet_certified_warn(plan->store.settings->output, context->family);
    printf("finished         ");
    facet_say_report(plan->store.settings->output);
    printf("\n");
    return;
  }
  printf("next: facet run %s", call->file[0]);
  if (call->ranks > 0)
    printf(" -n %lld", (long long)call->ranks);
  printf("%s\n", state == FACET_OUTPUT_OTHER ? " --fresh, which removes what is there" : "");
}

/* What was made of data that are not in the store is known by their digests. */
static bool needs_digests(const facet_study *study, facet_output_state state)
{
  bool needs = study->stages.embed.wanted;
  for (int i = 0; i < study->conditions.count; i++)
    needs = needs || study->conditions.item[i].published;
  return needs && (state == FACET_OUTPUT_SAME || state == FACET_OUTPUT_EDITED);
}

static facet_status check(int ranks, const facet_call *call, facet_session *s)
{
  facet_context context = {.comm = MPI_COMM_SELF, .plan = &s->plan, .data = &s->data, .family = &s->family};
  forecast f = {.ranks = call->ranks > 0 ? (int)call->ranks : ranks};
  facet_output_state state;
  facet_phase("reading the data");
  FACET_TRY(facet_session_read(MPI_COMM_SELF, call->file[0], s));
  facet_phase("reading or sketching the networks");
  facet_making making = facet_session_making(s);
  FACET_TRY(look(s, &making, &state));
  if (needs_digests(s->study, state))
    FACET_TRY(facet_study_data_digest(MPI_COMM_SELF, s->study, &s->data));
  FACET_TRY(facet_family_sketch(&making, &s->family));
  facet_phase("planning");
  FACET_TRY(facet_session_plan(s, f.ranks));
  facet_versions_warn();
  facet_noted_warn(&s->family);
  FACET_TRY(print_all(&context, state, &f, call->verbose ? s->filled : NULL));
  print_next(call, &context, state, &f);
  if (facet_disk_check(&s->plan, &f.disk) != FACET_OK)
    fprintf(stderr, "facet: warning: %s\n", facet_message());
  if (facet_nameless_check(&f.nameless) != FACET_OK)
    fprintf(stderr, "facet: warning: %s\n", facet_message());
  return FACET_OK;
}

facet_status facet_check(const facet_call *call)
{
  MPI_Comm comm = MPI_COMM_WORLD;
  facet_session s = {0};
  facet_status status = facet_rank(comm) == 0 ? check(facet_ranks(comm), call, &s) : FACET_OK;
  facet_phase(NULL);
  facet_session_clear(&s);
  return facet_agree(comm, status);
}
