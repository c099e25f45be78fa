/* Fragile samples, calibration: see fragility.h. */
#include "fragility.h"

#include <math.h>
#include <string.h>

facet_status facet_fragility_make(int64_t most, int64_t classes, facet_fragility *f)
{
  *f = (facet_fragility){.classes = classes};
  FACET_NEW(f->dense, most);
  FACET_NEW(f->dense_margin, most);
  FACET_NEW(f->flips, most);
  FACET_NEW(f->worst_margin, most);
  FACET_NEW(f->margin_drop, most);
  FACET_NEW(f->votes, most * classes);
  return FACET_OK;
}

void facet_fragility_begin(facet_fragility *f, int64_t samples, const int32_t *label, const int32_t *dense,
                           const double *margin)
{
  f->samples = samples;
  f->label = label;
  memcpy(f->dense, dense, (size_t)samples * sizeof *dense);
  memcpy(f->dense_margin, margin, (size_t)samples * sizeof *margin);
  memset(f->flips, 0, (size_t)samples * sizeof *f->flips);
  memset(f->votes, 0, (size_t)(samples * f->classes) * sizeof *f->votes);
  for (int64_t i = 0; i < samples; i++)
    f->worst_margin[i] = f->margin_drop[i] = NAN;
}

void facet_fragility_clear(facet_fragility *f)
{
  FACET_FREE(&f->dense, &f->dense_margin, &f->flips, &f->worst_margin, &f->margin_drop, &f->votes);
}

void facet_fragility_add(facet_fragility *f, const int32_t *predicted, const double *margin, bool pruned_clean)
{
  for (int64_t i = 0; i < f->samples; i++) {
    f->flips[i] += predicted[i] != f->dense[i];
    f->worst_margin[i] = fmin(f->worst_margin[i], margin[i]); /* fmin and fmax pass over NaN */
    f->margin_drop[i] = fmax(f->margin_drop[i], f->dense_margin[i] - margin[i]);
    f->votes[i * f->classes + predicted[i]] += pruned_clean;
  }
}

void facet_fragility_exemplars(const facet_fragility *f, uint8_t *exemplar)
{
  for (int64_t i = 0; i < f->samples; i++) {
    const int32_t *votes = f->votes + i * f->classes;
    int64_t most = 0;
    for (int64_t k = 1; k < f->classes; k++)
      most = votes[k] > votes[most] ? k : most;
    exemplar[i] = votes[most] > 0 && most != f->dense[i];
  }
}

int facet_more_fragile(const void *left, const void *right)
{
  const facet_fragile *a = left, *b = right;
  if (a->flips != b->flips)
    return a->flips > b->flips ? -1 : 1;
  if (a->margin != b->margin)
    return a->margin < b->margin ? -1 : 1;
  return a->sample < b->sample ? -1 : a->sample > b->sample;
}

void facet_fragility_lost(const facet_fragility *f, double sparsity, const int32_t *wrong, int count,
                          double *first_lost)
{
  for (int64_t i = 0; i < f->samples; i++)
    if (isnan(first_lost[i]) && f->label[i] >= 0 && f->dense[i] == f->label[i] && 2 * wrong[i] > count)
      first_lost[i] = sparsity;
}

/* ---- calibration ---- */

enum { BINS = 15 };

void facet_calibration_add(facet_calibration_bins *bins, int64_t count, int64_t classes, const double *logits,
                           const int32_t *label)
{
  for (int64_t i = 0; i < count; i++, logits += classes) {
    int64_t top = 0;
    double sum = 0;
    if (label[i] < 0)
      continue;
    for (int64_t k = 1; k < classes; k++)
      top = logits[k] > logits[top] ? k : top;
    for (int64_t k = 0; k < classes; k++)
      sum += exp(logits[k] - logits[top]);
    double confidence = 1 / sum; /* in (0, 1]; bins are open below and closed above */
    int bin = confidence > 0 ? (int)ceil(confidence * BINS) - 1 : 0; /* NaN, too, which makes the error NaN */
    bin = bin >= BINS ? BINS - 1 : bin;
    bins->confidence[bin] += confidence;
    bins->right[bin] += top == label[i];
    bins->count[bin]++;
  }
}

double facet_calibration_error(const facet_calibration_bins *bins)
{
  double error = 0;
  int64_t all = 0;
  for (int b = 0; b < BINS; b++) {
    error += fabs(bins->right[b] - bins->confidence[b]);
    all += bins->count[b];
  }
  return all > 0 ? error / (double)all : NAN;
}
