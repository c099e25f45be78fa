/* What `facet check` shows: variants, tiles, work, memory per rank, disk.
 *
 * Memory is not summed up from formulas.  When it comes to be asked, this process has read the same data and networks
 * as a run would, and what a run makes beside them is made here too, and measured, and thrown away. */
#include "check.h"

#include "embed/embed.h"
#include "stages/aggregate.h"
#include "stages/compare.h"

#include <stdio.h>

#include "forecast.h"

/* Bytes that a run takes beside what is measured here: HDF5 and MPI for the store; what a BLAS keeps for itself.
 * Measured. */
enum { BESIDE = 12 << 20, BLAS = 6 << 20 };

/* Memory of the process: at its fullest while it read, or in the stage to come that takes the most. What is there after
 * those stages were tried out, code made by oneDNN for one, stays in a run, too. */
static facet_status memory_per_rank(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                    int ranks, double *bytes)
{
  double now, most, ignored;
  size_t analysis, training;
  double embedding;
  facet_memory_resident(&ignored, &most);
  FACET_TRY(facet_analysis_memory(plan, data, family, &analysis));
  FACET_TRY(facet_family_memory(plan->store.study, data, family, ranks, &training));
  FACET_TRY(facet_embed_memory(plan, data, family, ranks, &embedding));
  facet_memory_resident(&now, &ignored);
  double stage = (double)(analysis > training ? analysis : training);
  const double other[] = {embedding + BLAS, facet_compare_memory(&plan->store),
                          facet_aggregate_memory(plan, family, ranks) + BLAS};
  for (int i = 0; i < 3; i++)
    stage = other[i] > stage ? other[i] : stage;
  double work = now + stage + BESIDE;
  *bytes = work > most ? work : most;
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
static bool zeros_are_known(const facet_study *study, const facet_variant *variant)
{
  const facet_recipe *recipe = variant->recipe >= 0 ? &study->recipes.item[variant->recipe] : NULL;
  return !recipe || recipe->onnx || recipe->mask ||
         (variant->method < FACET_TRAINS && !facet_criterion_needs_data((facet_criterion)variant->method));
}

/* What the variants are and what they cost. "not 0": the same without the weights that are removed, "-" where only
 * training, or scoring, will tell. */
static facet_status print_variants(const facet_plan *plan, const facet_family *family, double *forward)
{
  const facet_store_plan *s = &plan->store;
  double epochs = 0, samples = 0;
  printf("\n%-32s %-10s %-7s %8s %5s %7s %10s %9s %9s %9s %9s %11s %s\n", "variant", "method", "scope", "sparsity",
         "seed", "epochs", "parameters", "FLOPs", "not 0", "bytes", "not 0", "forward", "linearized");
  for (int i = 0; i < s->variants; i++) {
    const facet_store_variant *v = &s->variant[i];
    const facet_variant_cost *c = &v->cost;
    char flops[12], sparse[12] = "-", bytes[12], light[12] = "-", parameters[12];
    FACET_TRY(facet_forward_measure(family->member[i].network, s->study->settings.precision,
                                    plan->work[i].forward_batch, &forward[i]));
    if (zeros_are_known(s->study, &family->member[i].variant)) {
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
  return FACET_OK;
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

static facet_status print_forecast(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                   const double *forward, int ranks)
{
  facet_forecast f;
  char all[32], part[6][32];
  const facet_study *study = plan->store.study;
  FACET_TRY(facet_forecast_make(plan, data, family, forward, ranks, &f));
  printf("time             about %s on %d rank%s: training %s, corrupting %s, forward passes %s, linearizing %s",
         short_time(f.training + f.corrupting + f.forward + f.linearizing + f.aggregating + f.embedding, all), ranks,
         ranks == 1 ? "" : "s", short_time(f.training, part[0]), short_time(f.corrupting, part[1]),
         short_time(f.forward, part[2]), short_time(f.linearizing, part[3]));
  if (study->embed.wanted)
    printf(", embedding %s", short_time(f.embedding, part[5]));
  if (study->aggregate.wanted)
    printf(", aggregating %s", short_time(f.aggregating, part[4]));
  printf("\n");
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

static facet_status print_plan(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                               int ranks, double *forward)
{
  const facet_store_plan *s = &plan->store;
  int64_t linear = 0, passes = s->samples * s->variants * s->conditions;
  double memory;
  for (int64_t i = 0; i < facet_plan_tiles(plan); i++)
    linear += facet_plan_tile(plan, i).linear;
  FACET_TRY(memory_per_rank(plan, data, family, ranks, &memory)); /* before anything is made to be timed */
  FACET_TRY(print_variants(plan, family, forward));
  print_work(plan);
  printf("\nconditions       %d\n", s->conditions);
  printf("test samples     %lld of %lld x %lld x %lld, %d classes\n", (long long)s->samples, (long long)s->channels,
         (long long)s->height, (long long)s->width, s->classes);
  printf("tiles            %lld of up to %lld samples\n", (long long)facet_plan_tiles(plan), (long long)s->block);
  printf("work             %lld forward passes, %lld linearizations of %lld rows\n", (long long)passes,
         (long long)linear, (long long)s->linear_rows);
  if (s->components > 0)
    printf("spectra          %lld singular values of %lld x %lld, method %s\n", (long long)s->components,
           (long long)s->linear_samples * s->linear_rows, (long long)plan->inputs,
           facet_spectrum_name(s->spectrum_method));
  FACET_TRY(print_forecast(plan, data, family, forward, ranks));
  printf("memory per rank  about %.3f GiB (%d rank%s here)\n", memory / 0x1p30, ranks, ranks == 1 ? "" : "s");
  printf("disk             %.2f GiB in %s/study.h5\n", (double)facet_store_bytes(s) / 0x1p30,
         s->study->settings.output);
  return FACET_OK;
}

facet_status facet_plan_print(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                              int ranks)
{
  double *forward;
  FACET_NEW(forward, plan->store.variants);
  facet_status status = print_plan(plan, data, family, ranks, forward);
  facet_free(&forward);
  return status;
}
