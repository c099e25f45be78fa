/* Filling the comparisons: see compare.h.  Lines, one variant under one condition, are read one after the other, so
 * that memory holds a few lines however many there are. */
#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "geometry/fragility.h"
#include "geometry/moments.h"

enum { METRICS = 3, SAMPLES_AT_ONCE = 256 };
static const char *const metrics[METRICS] = {"angle", "length", "margin"};

typedef struct {
  const facet_store_alone *store;
  const facet_store_plan *plan;
  facet_store_names names;
  int clean; /* -1: clean samples are not among the conditions */
  int32_t *predicted;
  double *value;
  int64_t *number;
  double *mean, *deviation; /* K + 1: by class, and of all */
  facet_fragility fragility;
} work;

static facet_status read_line(const work *w, const char *name, hid_t memory, int v, int c, void *to)
{
  return facet_store_alone_read(w->store, name, memory, 3, (int64_t[]){v, c, 0}, (int64_t[]){1, 1, w->plan->samples},
                                to);
}

static facet_status read_metric(const work *w, const char *metric, int v, int c, double *to)
{
  char name[40];
  (void)snprintf(name, sizeof name, "/geometry/%s", metric);
  return read_line(w, name, H5T_NATIVE_DOUBLE, v, c, to);
}

/* ---- means and deviations, over all labelled samples and by class ---- */

static facet_status write_by_class(const work *w, const char *what, const char *of, int v, int c, const double *x)
{
  char name[60];
  (void)snprintf(name, sizeof name, "/summary/by_class/%s_%s", what, of);
  return facet_store_alone_write(w->store, name, H5T_NATIVE_DOUBLE, 3, (int64_t[]){v, c, 0},
                                 (int64_t[]){1, 1, w->plan->classes}, x);
}

/* Of w->value. */
static facet_status summarize_values(const work *w, const char *what, bool deviations, int v, int c)
{
  const facet_store_plan *p = w->plan;
  char name[60];
  facet_moments(p->samples, p->classes, p->label, w->value, w->number, w->mean, w->deviation);
  FACET_TRY(write_by_class(w, what, "mean", v, c, w->mean));
  if (!deviations)
    return FACET_OK;
  FACET_TRY(write_by_class(w, what, "deviation", v, c, w->deviation));
  (void)snprintf(name, sizeof name, "/summary/%s_deviation", what);
  return facet_store_alone_write(w->store, name, H5T_NATIVE_DOUBLE, 2, (int64_t[]){v, c}, (int64_t[]){1, 1},
                                 &w->deviation[p->classes]);
}

static facet_status summarize_calibration(const work *w, int v, int c)
{
  const facet_store_plan *p = w->plan;
  facet_calibration_bins bins = {.count = {0}};
  double *logits;
  facet_status status = FACET_OK;
  FACET_NEW(logits, (int64_t)SAMPLES_AT_ONCE * p->classes);
  for (int64_t i = 0; i < p->samples && status == FACET_OK; i += SAMPLES_AT_ONCE) {
    int64_t count = p->samples - i < SAMPLES_AT_ONCE ? p->samples - i : SAMPLES_AT_ONCE;
    status = facet_store_alone_read(w->store, "/prediction/logits", H5T_NATIVE_DOUBLE, 4, (int64_t[]){v, c, i, 0},
                                    (int64_t[]){1, 1, count, p->classes}, logits);
    facet_calibration_add(&bins, count, p->classes, logits, p->label + i);
  }
  facet_free(&logits);
  FACET_TRY(status);
  double error = facet_calibration_error(&bins);
  return facet_store_alone_write(w->store, "/summary/ece", H5T_NATIVE_DOUBLE, 2, (int64_t[]){v, c}, (int64_t[]){1, 1},
                                 &error);
}

static bool is_pruned(const work *w, int v)
{
  return w->names.method_of[v] >= 0 || strcmp(w->plan->variant[v].method, "mask") == 0;
}

/* One line: its summaries, and what it says of fragile samples. */
static facet_status take_line(work *w, int v, int c)
{
  const facet_store_plan *p = w->plan;
  FACET_TRY(read_line(w, "/prediction/class", H5T_NATIVE_INT32, v, c, w->predicted));
  for (int64_t i = 0; i < p->samples; i++)
    w->value[i] = w->predicted[i] == p->label[i];
  FACET_TRY(summarize_values(w, "accuracy", false, v, c));
  for (int m = 0; m < METRICS; m++) { /* the margin last */
    FACET_TRY(read_metric(w, metrics[m], v, c, w->value));
    FACET_TRY(summarize_values(w, metrics[m], true, v, c));
  }
  if (w->clean >= 0)
    facet_fragility_add(&w->fragility, w->predicted, w->value, c == w->clean && is_pruned(w, v));
  return summarize_calibration(w, v, c);
}

/* ---- agreement ---- */

static double share_alike(int64_t n, const int32_t *a, const int32_t *b)
{
  int64_t same = 0;
  for (int64_t i = 0; i < n; i++)
    same += a[i] == b[i];
  return (double)same / (double)n;
}

static facet_status agree_under(const work *w, int c, int32_t *classes, double *table)
{
  const facet_store_plan *p = w->plan;
  int64_t n = p->samples;
  for (int v = 0; v < p->variants; v++)
    FACET_TRY(read_line(w, "/prediction/class", H5T_NATIVE_INT32, v, c, classes + v * n));
  for (int a = 0; a < p->variants; a++)
    for (int b = 0; b < p->variants; b++)
      table[(int64_t)a * p->variants + b] = share_alike(n, classes + a * n, classes + b * n);
  return facet_store_alone_write(w->store, "/summary/agreement", H5T_NATIVE_DOUBLE, 3, (int64_t[]){c, 0, 0},
                                 (int64_t[]){1, p->variants, p->variants}, table);
}

static facet_status compare_variants(const work *w)
{
  const facet_store_plan *p = w->plan;
  int32_t *classes = NULL;
  double *table = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, classes, p->variants * p->samples);
  FACET_NEW_GO(done, status, table, p->variants * p->variants);
  for (int c = 0; c < p->conditions && status == FACET_OK; c++)
    status = agree_under(w, c, classes, table);
done:
  facet_free(&classes);
  facet_free(&table);
  return status;
}

/* ---- errors under corruption ---- */

static double error_of(const work *w, const double *accuracy, int v, int c)
{
  return 1 - accuracy[(int64_t)v * w->plan->conditions + c];
}

/* Sum over the severities of corruption x of the error, the clean one subtracted if `relative`. */
static double sum_errors(const work *w, const double *accuracy, int v, int x, bool relative)
{
  double sum = 0, clean = w->clean < 0 ? NAN : error_of(w, accuracy, v, w->clean);
  for (int c = 0; c < w->plan->conditions; c++)
    if (w->names.corruption_of[c] == x)
      sum += error_of(w, accuracy, v, c) - (relative ? clean : 0);
  return sum;
}

static facet_status write_errors(const work *w, const double *accuracy, int v)
{
  const int corruptions = w->names.corruptions;
  static const char *const each[] = {"/summary/corruption_error", "/summary/relative_corruption_error"},
                           *const mean[] = {"/summary/mce", "/summary/relative_mce"};
  for (int relative = 0; relative < 2; relative++) {
    double all = 0;
    for (int x = 0; x < corruptions; x++) {
      double error = sum_errors(w, accuracy, v, x, relative != 0),
             reference = sum_errors(w, accuracy, 0, x, relative != 0);
      error = reference == 0 ? NAN : error / reference;
      all += error;
      FACET_TRY(facet_store_alone_write(w->store, each[relative], H5T_NATIVE_DOUBLE, 2, (int64_t[]){v, x},
                                        (int64_t[]){1, 1}, &error));
    }
    all = corruptions > 0 ? all / corruptions : NAN; /* of the reference itself: exactly 1 */
    FACET_TRY(
        facet_store_alone_write(w->store, mean[relative], H5T_NATIVE_DOUBLE, 1, (int64_t[]){v}, (int64_t[]){1}, &all));
  }
  double sum = 0;
  int count = 0;
  for (int c = 0; c < w->plan->conditions; c++)
    if (w->names.corruption_of[c] >= 0) {
      sum += error_of(w, accuracy, v, c);
      count++;
    }
  sum = count > 0 ? sum / count : NAN;
  return facet_store_alone_write(w->store, "/summary/mean_error", H5T_NATIVE_DOUBLE, 1, (int64_t[]){v}, (int64_t[]){1},
                                 &sum);
}

/* Correlation of the errors of variant v between corruptions, each averaged over severities; errors: X x N. */
static facet_status write_redundancy(const work *w, int v, double *errors)
{
  const facet_store_plan *p = w->plan;
  int corruptions = w->names.corruptions;
  int64_t n = 0;
  memset(errors, 0, (size_t)(corruptions * p->samples) * sizeof *errors);
  for (int c = 0; c < p->conditions; c++) {
    if (w->names.corruption_of[c] < 0)
      continue;
    FACET_TRY(read_line(w, "/prediction/class", H5T_NATIVE_INT32, v, c, w->predicted));
    n = 0;
    for (int64_t i = 0; i < p->samples; i++)
      if (p->label[i] >= 0)
        errors[w->names.corruption_of[c] * p->samples + n++] += w->predicted[i] != p->label[i];
  }
  for (int a = 0; a < corruptions; a++)
    for (int b = 0; b < corruptions; b++) {
      double r = facet_correlation(n, errors + a * p->samples, errors + b * p->samples);
      FACET_TRY(facet_store_alone_write(w->store, "/summary/redundancy", H5T_NATIVE_DOUBLE, 3, (int64_t[]){v, a, b},
                                        (int64_t[]){1, 1, 1}, &r));
    }
  return FACET_OK;
}

static facet_status compare_corruptions(const work *w, const double *accuracy)
{
  double *errors;
  facet_status status = FACET_OK;
  FACET_NEW(errors, w->names.corruptions * w->plan->samples);
  for (int v = 0; v < w->plan->variants && status == FACET_OK; v++) {
    status = write_errors(w, accuracy, v);
    if (status == FACET_OK && w->names.corruptions > 0)
      status = write_redundancy(w, v, errors);
  }
  facet_free(&errors);
  return status;
}

/* ---- fragile samples ---- */

static facet_status write_samples(const work *w, const char *name, hid_t memory, const void *data)
{
  return facet_store_alone_write(w->store, name, memory, 1, (int64_t[]){0}, &w->plan->samples, data);
}

static facet_status write_ranks(const work *w, int64_t *rank)
{
  const facet_store_plan *p = w->plan;
  int64_t most = p->samples < FACET_CLASS_RANKS ? p->samples : FACET_CLASS_RANKS;
  int64_t list[FACET_CLASS_RANKS];
  FACET_TRY(facet_fragility_rank(&w->fragility, rank));
  FACET_TRY(write_samples(w, "/fragility/rank", H5T_NATIVE_INT64, rank));
  for (int k = 0; k < p->classes; k++) {
    int64_t found = 0;
    for (int64_t i = 0; i < p->samples && found < most; i++)
      if (p->label[rank[i]] == k)
        list[found++] = rank[i];
    while (found < most)
      list[found++] = -1;
    FACET_TRY(facet_store_alone_write(w->store, "/fragility/class_rank", H5T_NATIVE_INT64, 2, (int64_t[]){k, 0},
                                      (int64_t[]){1, most}, list));
  }
  return FACET_OK;
}

/* The next sparsity of a method after `last`, of its variants; NaN: no more. */
static double next_sparsity(const work *w, int method, double last)
{
  double next = NAN;
  for (int v = 0; v < w->plan->variants; v++) {
    double s = w->plan->variant[v].sparsity;
    if (w->names.method_of[v] == method && s > last && !(next <= s))
      next = s;
  }
  return next;
}

static facet_status write_first_lost(const work *w, int method, double *lost, int32_t *wrong)
{
  const facet_store_plan *p = w->plan;
  for (int64_t i = 0; i < p->samples; i++)
    lost[i] = NAN;
  for (double s = next_sparsity(w, method, -1); !isnan(s); s = next_sparsity(w, method, s)) {
    int networks = 0;
    memset(wrong, 0, (size_t)p->samples * sizeof *wrong);
    for (int v = 0; v < p->variants; v++) {
      if (w->names.method_of[v] != method || p->variant[v].sparsity != s)
        continue;
      FACET_TRY(read_line(w, "/prediction/class", H5T_NATIVE_INT32, v, w->clean, w->predicted));
      networks++;
      for (int64_t i = 0; i < p->samples; i++)
        wrong[i] += w->predicted[i] != p->label[i];
    }
    facet_fragility_lost(&w->fragility, s, wrong, networks, lost);
  }
  return facet_store_alone_write(w->store, "/fragility/first_lost", H5T_NATIVE_DOUBLE, 2, (int64_t[]){method, 0},
                                 (int64_t[]){1, p->samples}, lost);
}

/* Without clean samples; large arrays hold zeros until they are written. /fragility/exemplar is 0 as it is. */
static facet_status write_no_fragility(work *w)
{
  const facet_store_plan *p = w->plan;
  int64_t *none, most = p->samples < FACET_CLASS_RANKS ? p->samples : FACET_CLASS_RANKS;
  facet_status status = FACET_OK;
  FACET_NEW(none, p->samples);
  for (int64_t i = 0; i < p->samples; i++) {
    none[i] = w->predicted[i] = -1;
    w->value[i] = NAN;
  }
  FACET_GO(done, status, write_samples(w, "/fragility/flips", H5T_NATIVE_INT32, w->predicted));
  FACET_GO(done, status, write_samples(w, "/fragility/worst_margin", H5T_NATIVE_DOUBLE, w->value));
  FACET_GO(done, status, write_samples(w, "/fragility/margin_drop", H5T_NATIVE_DOUBLE, w->value));
  FACET_GO(done, status, write_samples(w, "/fragility/rank", H5T_NATIVE_INT64, none));
  for (int k = 0; k < p->classes && status == FACET_OK; k++)
    status = facet_store_alone_write(w->store, "/fragility/class_rank", H5T_NATIVE_INT64, 2, (int64_t[]){k, 0},
                                     (int64_t[]){1, most}, none);
  for (int m = 0; m < w->names.methods && status == FACET_OK; m++)
    status = facet_store_alone_write(w->store, "/fragility/first_lost", H5T_NATIVE_DOUBLE, 2, (int64_t[]){m, 0},
                                     (int64_t[]){1, p->samples}, w->value);
done:
  facet_free(&none);
  return status;
}

static facet_status write_fragility(const work *w)
{
  uint8_t *exemplar = NULL;
  int64_t *rank = NULL;
  int32_t *wrong = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, exemplar, w->plan->samples);
  FACET_NEW_GO(done, status, rank, w->plan->samples);
  FACET_NEW_GO(done, status, wrong, w->plan->samples);
  facet_fragility_exemplars(&w->fragility, exemplar);
  FACET_GO(done, status, write_samples(w, "/fragility/flips", H5T_NATIVE_INT32, w->fragility.flips));
  FACET_GO(done, status, write_samples(w, "/fragility/worst_margin", H5T_NATIVE_DOUBLE, w->fragility.worst_margin));
  FACET_GO(done, status, write_samples(w, "/fragility/margin_drop", H5T_NATIVE_DOUBLE, w->fragility.margin_drop));
  FACET_GO(done, status, write_samples(w, "/fragility/exemplar", H5T_NATIVE_UINT8, exemplar));
  FACET_GO(done, status, write_ranks(w, rank));
  for (int m = 0; m < w->names.methods && status == FACET_OK; m++)
    status = write_first_lost(w, m, w->value, wrong);
done:
  facet_free(&exemplar);
  facet_free(&rank);
  facet_free(&wrong);
  return status;
}

/* ---- all of it ---- */

static facet_status begin_fragility(work *w)
{
  w->clean = -1;
  for (int c = 0; c < w->plan->conditions; c++)
    if (w->plan->study->conditions.item[c].corruption == 0)
      w->clean = c;
  if (w->clean < 0)
    return FACET_OK;
  FACET_TRY(read_line(w, "/prediction/class", H5T_NATIVE_INT32, 0, w->clean, w->predicted));
  FACET_TRY(read_metric(w, "margin", 0, w->clean, w->value));
  return facet_fragility_begin(w->plan->samples, w->plan->classes, w->plan->label, w->predicted, w->value,
                               &w->fragility);
}

static facet_status fill(work *w, const double *accuracy)
{
  const facet_store_plan *p = w->plan;
  FACET_TRY(facet_store_names_make(p, &w->names));
  FACET_TRY(begin_fragility(w));
  for (int v = 0; v < p->variants; v++)
    for (int c = 0; c < p->conditions; c++)
      FACET_TRY(take_line(w, v, c));
  FACET_TRY(compare_variants(w));
  FACET_TRY(compare_corruptions(w, accuracy));
  return w->clean >= 0 ? write_fragility(w) : write_no_fragility(w);
}

facet_status facet_compare_fill(const facet_store_alone *store, const facet_store_plan *plan, const double *accuracy)
{
  work w = {.store = store, .plan = plan};
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, w.predicted, plan->samples);
  FACET_NEW_GO(done, status, w.value, plan->samples);
  FACET_NEW_GO(done, status, w.number, plan->classes + 1);
  FACET_NEW_GO(done, status, w.mean, plan->classes + 1);
  FACET_NEW_GO(done, status, w.deviation, plan->classes + 1);
  status = fill(&w, accuracy);
done:
  facet_free(&w.predicted);
  facet_free(&w.value);
  facet_free(&w.number);
  facet_free(&w.mean);
  facet_free(&w.deviation);
  facet_fragility_clear(&w.fragility);
  facet_store_names_clear(&w.names);
  return status;
}
