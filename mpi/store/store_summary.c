/* Summaries: means over the samples of every variant and condition, and their spread over replicates. */
#include <math.h>
#include <stdio.h>

#include "stages/compare.h"

enum { MEANS = 5 };
static const char *const summaries[MEANS] = {"accuracy", "loss", "angle", "length", "margin"};
static const char *const spreads[2] = {"mean", "deviation"};

typedef struct {
  facet_store_alone store;
  const facet_store_plan *plan;
  double *value; /* N */
  int32_t *predicted;
  double *mean; /* MEANS x V x C */
} summary;

/* Mean over labelled samples; NaN if there is none. */
static double mean_of(const facet_store_plan *p, const double *value)
{
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < p->samples; i++)
    if (p->label[i] >= 0) {
      sum += value[i];
      count++;
    }
  return count ? sum / (double)count : NAN;
}

static facet_status summarize_pair(summary *s, int v, int c)
{
  static const char *const from[MEANS] = {NULL, "/prediction/loss", "/geometry/angle", "/geometry/length",
                                          "/geometry/margin"};
  const facet_store_plan *p = s->plan;
  int64_t n = p->samples, pairs = (int64_t)p->variants * p->conditions;
  const int64_t start[] = {v, c, 0}, size[] = {1, 1, n};
  FACET_TRY(facet_store_alone_read(&s->store, "/prediction/class", H5T_NATIVE_INT32, 3, start, size, s->predicted));
  for (int64_t i = 0; i < n; i++)
    s->value[i] = s->predicted[i] == p->label[i];
  for (int i = 0; i < MEANS; i++) {
    if (from[i])
      FACET_TRY(facet_store_alone_read(&s->store, from[i], H5T_NATIVE_DOUBLE, 3, start, size, s->value));
    s->mean[i * pairs + (int64_t)v * p->conditions + c] = mean_of(p, s->value);
  }
  return FACET_OK;
}

static facet_status write_means(summary *s)
{
  const facet_store_plan *p = s->plan;
  const int64_t start[] = {0, 0}, size[] = {p->variants, p->conditions};
  char name[60];
  for (int i = 0; i < MEANS; i++) {
    (void)snprintf(name, sizeof name, "/summary/%s", summaries[i]);
    FACET_TRY(
        facet_store_alone_write(&s->store, name, H5T_NATIVE_DOUBLE, 2, start, size, s->mean + i * size[0] * size[1]));
  }
  return FACET_OK;
}

static facet_status summarize_residual(summary *s, int v)
{
  double worst = NAN;
  int64_t n = s->plan->linear_samples;
  if (s->plan->variant[v].linearize && n > 0) {
    char *name = facet_format("/linear/%s/residual", s->plan->variant[v].name);
    facet_status status =
        name ? facet_store_alone_read(&s->store, name, H5T_NATIVE_DOUBLE, 1, (int64_t[]){0}, &n, s->value) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
    worst = 0;
    for (int64_t i = 0; i < n; i++)
      worst = s->value[i] <= worst ? worst : s->value[i];
  }
  return facet_store_alone_write(&s->store, "/summary/residual", H5T_NATIVE_DOUBLE, 1, (int64_t[]){v}, (int64_t[]){1},
                                 &worst);
}

/* ---- replicates ---- */

/* Mean and standard deviation (n - 1; NaN for one) of the variants of replicate r, under one condition. */
static void spread_of(const summary *s, const double *mean, const int *replicate, int r, int c, double spread[2])
{
  double sum = 0, squares = 0;
  int count = 0;
  for (int v = 0; v < s->plan->variants; v++)
    if (replicate[v] == r) {
      sum += mean[(int64_t)v * s->plan->conditions + c];
      count++;
    }
  spread[0] = sum / count;
  for (int v = 0; v < s->plan->variants; v++)
    if (replicate[v] == r)
      squares += pow(mean[(int64_t)v * s->plan->conditions + c] - spread[0], 2);
  spread[1] = count > 1 ? sqrt(squares / (count - 1)) : NAN;
}

static facet_status summarize_replicates(summary *s, int count, const int *replicate)
{
  const facet_store_plan *p = s->plan;
  const int64_t one[] = {1, 1}, pairs = (int64_t)p->variants * p->conditions;
  char name[60];
  for (int i = 0; i < MEANS; i++)
    for (int r = 0; r < count; r++)
      for (int c = 0; c < p->conditions; c++) {
        double spread[2];
        spread_of(s, s->mean + i * pairs, replicate, r, c, spread);
        for (int j = 0; j < 2; j++) {
          (void)snprintf(name, sizeof name, "/replicates/%s_%s", summaries[i], spreads[j]);
          FACET_TRY(facet_store_alone_write(&s->store, name, H5T_NATIVE_DOUBLE, 2, (int64_t[]){r, c}, one, &spread[j]));
        }
      }
  return FACET_OK;
}

/* ---- all of it ---- */

static facet_status summarize(summary *s, const double *forward_seconds)
{
  const facet_store_plan *p = s->plan;
  const int64_t start = 0, variants = p->variants;
  facet_store_names names;
  for (int v = 0; v < p->variants; v++) {
    for (int c = 0; c < p->conditions; c++)
      FACET_TRY(summarize_pair(s, v, c));
    FACET_TRY(summarize_residual(s, v));
  }
  FACET_TRY(write_means(s));
  if (forward_seconds)
    FACET_TRY(facet_store_alone_write(&s->store, "/cost/forward_seconds", H5T_NATIVE_DOUBLE, 1, &start, &variants,
                                      forward_seconds));
  facet_status status = facet_store_names_make(p, &names);
  if (status == FACET_OK)
    status = summarize_replicates(s, names.replicates, names.replicate_of);
  facet_store_names_clear(&names);
  return status == FACET_OK ? facet_compare_fill(&s->store, p, s->mean) : status;
}

static facet_status summarize_file(const char *path, const facet_store_plan *plan, const double *forward_seconds)
{
  summary s = {.plan = plan};
  facet_status status = FACET_OK;
  FACET_TRY(facet_store_alone_open(path, &s.store));
  FACET_NEW_GO(done, status, s.value, plan->samples);
  FACET_NEW_GO(done, status, s.predicted, plan->samples);
  FACET_NEW_GO(done, status, s.mean, MEANS * plan->variants * plan->conditions);
  status = summarize(&s, forward_seconds);
done:
  facet_free(&s.value);
  facet_free(&s.predicted);
  facet_free(&s.mean);
  if (status == FACET_OK)
    return facet_store_alone_close(&s.store);
  H5Fclose(s.store.file);
  return status;
}

facet_status facet_store_summarize(MPI_Comm comm, const char *path, const facet_store_plan *plan,
                                   const double *forward_seconds)
{
  FACET_AGREE(comm, facet_rank(comm) == 0 ? summarize_file(path, plan, forward_seconds) : FACET_OK);
  return facet_compare_items(comm, path, plan);
}
