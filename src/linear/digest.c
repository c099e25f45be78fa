/* Digests of linearizations: see digest.h. Sums of classes that are not at hand are with the keeper, in double, so that
 * giving one up and taking it back changes no bit. */
#include "digest.h"

#include <math.h>
#include <string.h>

enum {
  WAITING = 256
}; /* rows of W that are added to a Gram matrix at once: moving it costs more than a few products */
#define MOST_HELD 0x1p26 /* bytes of sums by class at hand */

static int64_t places_of(int64_t inputs, int64_t classes)
{
  int64_t most = (int64_t)(MOST_HELD / (2.0 * (double)inputs * sizeof(double)));
  return most < 1 ? 1 : most < classes ? most : classes;
}

double facet_digest_bytes(int64_t inputs, int64_t classes, bool gram)
{
  double d = (double)inputs, places = (double)places_of(inputs, classes);
  return sizeof(double) * (2 * d * places + places + 2 * (double)classes + (gram ? d * (d + WAITING) : 0));
}

facet_status facet_digest_make(facet_type real, int64_t inputs, int64_t classes, bool gram, facet_class_keeper keeper,
                               facet_digest *d)
{
  *d = (facet_digest){.real = real, .inputs = inputs, .classes = classes, .keeper = keeper, .most = WAITING};
  d->places = places_of(inputs, classes);
  FACET_NEW(d->held, d->places);
  FACET_NEW(d->place, classes);
  FACET_NEW(d->rows, classes);
  FACET_NEW(d->sums, d->places * 2 * inputs);
  if (!gram)
    return FACET_OK;
  d->gram = (facet_gram_panel){.order = inputs, .count = inputs};
  FACET_NEW(d->line, d->most * inputs);
  FACET_NEW(d->gram.sum, inputs * inputs);
  return FACET_OK;
}

void facet_digest_clear(facet_digest *d)
{
  FACET_FREE(&d->held, &d->place, &d->rows, &d->sums, &d->line, &d->gram.sum);
}

void facet_digest_begin(facet_digest *d)
{
  for (int64_t p = 0; p < d->places; p++)
    d->held[p] = -1;
  for (int64_t k = 0; k < d->classes; k++)
    d->place[k] = -1;
  memset(d->rows, 0, (size_t)d->classes * sizeof *d->rows);
  d->filled = d->next = d->behind = 0;
  if (d->gram.sum)
    memset(d->gram.sum, 0, (size_t)(d->inputs * d->inputs) * sizeof *d->gram.sum);
}

/* ---- sums by class ---- */

static double *sums_at(const facet_digest *d, int64_t place)
{
  return d->sums + place * 2 * d->inputs;
}

static facet_status give_up(facet_digest *d, int64_t place)
{
  int64_t k = d->held[place];
  if (k < 0)
    return FACET_OK;
  d->held[place] = d->place[k] = -1;
  return d->keeper.save(d->keeper.context, k, sums_at(d, place));
}

/* The sums of a class, at hand; of one that has no rows yet, zeros. */
static facet_status hold(facet_digest *d, int64_t k, double **sums)
{
  *sums = sums_at(d, d->place[k] < 0 ? d->next : d->place[k]);
  if (d->place[k] >= 0)
    return FACET_OK;
  FACET_TRY(give_up(d, d->next));
  d->held[d->next] = k;
  d->place[k] = d->next;
  d->next = (d->next + 1) % d->places;
  if (d->rows[k] > 0)
    return d->keeper.load(d->keeper.context, k, *sums);
  memset(*sums, 0, (size_t)(2 * d->inputs) * sizeof **sums);
  return FACET_OK;
}

static void add_products(const facet_digest *d, const void *w, const void *x, double *sums)
{
  double *sizes = sums + d->inputs;
  for (int64_t i = 0; i < d->inputs; i++) {
    double product = d->real == FACET_F64 ? ((const double *)w)[i] * ((const double *)x)[i]
                                          : (double)((const float *)w)[i] * (double)((const float *)x)[i];
    sums[i] += product;
    sizes[i] += fabs(product);
  }
}

/* ---- the Gram matrix ---- */

static void add_lines(facet_digest *d)
{
  facet_gram_add(&d->gram, d->filled, d->line);
  d->filled = 0;
}

static void keep_line(facet_digest *d, const void *w)
{
  double *line = d->line + d->filled++ * d->inputs;
  for (int64_t i = 0; i < d->inputs; i++)
    line[i] = d->real == FACET_F64 ? ((const double *)w)[i] : (double)((const float *)w)[i];
  if (d->filled == d->most)
    add_lines(d);
}

/* Only the numbers from the diagonal on were summed up. */
static void mirror(int64_t order, double *matrix)
{
  for (int64_t i = 0; i < order; i++)
    for (int64_t j = 0; j < i; j++)
      matrix[i * order + j] = matrix[j * order + i];
}

/* ---- rows ---- */

facet_status facet_digest_add(facet_digest *d, int64_t k, const void *w, const void *x)
{
  double *sums;
  if (d->behind > 0) {
    if (d->behind-- <= d->waited)
      keep_line(d, w);
    return FACET_OK;
  }
  FACET_TRY(hold(d, k, &sums));
  add_products(d, w, x, sums);
  d->rows[k]++;
  if (d->gram.sum)
    keep_line(d, w);
  return FACET_OK;
}

facet_status facet_digest_leave(facet_digest *d)
{
  for (int64_t p = 0; p < d->places; p++)
    FACET_TRY(give_up(d, p));
  return FACET_OK;
}

int64_t facet_digest_waiting(const facet_digest *d, int64_t rows)
{
  return d->gram.sum ? rows % d->most : 0;
}

void facet_digest_resume(facet_digest *d, const int64_t *rows, int64_t again)
{
  int64_t all = 0;
  memcpy(d->rows, rows, (size_t)d->classes * sizeof *d->rows);
  for (int64_t k = 0; k < d->classes; k++)
    all += rows[k];
  d->behind = again;
  d->waited = facet_digest_waiting(d, all);
}

facet_status facet_digest_end(facet_digest *d)
{
  FACET_TRY(facet_digest_leave(d));
  memset(d->sums, 0, (size_t)(2 * d->inputs) * sizeof *d->sums);
  for (int64_t k = 0; k < d->classes; k++)
    if (d->rows[k] == 0)
      FACET_TRY(d->keeper.save(d->keeper.context, k, d->sums));
  if (!d->gram.sum)
    return FACET_OK;
  add_lines(d);
  mirror(d->inputs, d->gram.sum);
  return FACET_OK;
}
