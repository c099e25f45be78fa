/* Samples that lines and planes go through, and arrays that they do not fill: see slices.h. */
#include "slices.h"

#include <facet/plane.h>
#include <math.h>
#include <string.h>

enum { MOST_EACH = 3, TRIES = 10000, MOST_FLAT = 1000, BEHIND = 4096 };

/* ---- samples ---- */

typedef struct {
  const facet_study_data *data;
  const facet_store_plan *s;
  const facet_slices_asked *asked;
  float *pixels;     /* D */
  double *x, *along; /* each x D, 2 x D */
} choice;

/* Whether the pictures of samples, normalised as networks take them, are none to go through: two that are one, three
 * that lie on a line. */
static facet_status look(const choice *w, const int64_t *sample, bool *flat)
{
  int64_t inputs = facet_image_inputs(w->s->image), each = w->asked->each;
  const double *const x[MOST_EACH] = {w->x, w->x + inputs, w->x + (each - 1) * inputs};
  double at[6];
  for (int64_t i = 0; i < each; i++) {
    FACET_TRY(facet_dataset_pixels(w->data->test, sample[i], 1, w->pixels));
    facet_normalize_double(w->s->normalize, w->s->image, 1, w->pixels, w->x + i * inputs);
  }
  *flat = each == 2 ? memcmp(x[0], x[1], (size_t)inputs * sizeof *w->x) == 0
                    : facet_plane_through(inputs, x, w->along, at) != FACET_OK;
  return FACET_OK;
}

static facet_status refuse(const choice *w, const char *what)
{
  const facet_slices_asked *a = w->asked;
  return facet_raise(FACET_BAD_INPUT, "%s:%d: %s.%s: %s", w->s->settings->file, a->line, a->stage, a->key, what);
}

/* At random: of different classes if TRIES draws find such, at least different ones. */
static facet_status draw(const choice *w, int64_t number, int64_t *sample)
{
  const facet_store_plan *s = w->s;
  int64_t each = w->asked->each;
  facet_random random = {s->settings->seed, FACET_STREAM_SLICES};
  int32_t label[MOST_EACH];
  for (int64_t attempt = 0, flats = 0;; attempt++) {
    bool same = false, alike = false;
    for (int64_t i = 0; i < each; i++) {
      double share = facet_random_uniform(random, (uint64_t)number, (uint64_t)(each * attempt + i));
      sample[i] = (int64_t)(share * (double)s->samples);
      FACET_TRY(facet_dataset_labels(w->data->test, sample[i], 1, &label[i]));
      for (int64_t j = 0; j < i; j++) {
        same = same || sample[i] == sample[j];
        alike = alike || label[i] == label[j];
      }
    }
    if (same || (alike && attempt <= TRIES))
      continue;
    bool flat;
    FACET_TRY(look(w, sample, &flat));
    if (!flat)
      return FACET_OK;
    if (++flats == MOST_FLAT)
      return refuse(w, each == 2 ? "random samples have one picture" : "pictures of random samples lie on a line");
  }
}

/* Those that the study names. */
static facet_status take(const choice *w, int64_t number, int64_t *sample)
{
  const facet_store_plan *s = w->s;
  const facet_slices_asked *asked = w->asked;
  bool flat;
  for (int64_t i = 0; i < asked->each; i++) {
    sample[i] = asked->list->item[asked->each * number + i];
    FACET_CHECK(sample[i] < s->samples, FACET_BAD_INPUT, "%s:%d: %s.%s: there is no sample %lld, but 0 to %lld",
                s->settings->file, asked->line, asked->stage, asked->key, (long long)sample[i],
                (long long)s->samples - 1);
    for (int64_t j = 0; j < i; j++)
      FACET_CHECK(sample[i] != sample[j], FACET_BAD_INPUT, "%s:%d: %s.%s: sample %lld stands there twice for one",
                  s->settings->file, asked->line, asked->stage, asked->key, (long long)sample[i]);
  }
  FACET_TRY(look(w, sample, &flat));
  char *what = !flat ? NULL
               : asked->each == 2
                   ? facet_format("samples %lld and %lld have one picture: there is no line between them",
                                  (long long)sample[0], (long long)sample[1])
                   : facet_format("samples %lld, %lld and %lld lie on a line: there are many such planes",
                                  (long long)sample[0], (long long)sample[1], (long long)sample[2]);
  facet_status status = flat ? refuse(w, what ? what : "they lie on a line") : FACET_OK;
  facet_free(&what);
  return status;
}

static facet_status choose(choice *w, int64_t count, int64_t *sample)
{
  int64_t inputs = facet_image_inputs(w->s->image);
  FACET_NEW(w->pixels, inputs);
  FACET_NEW(w->x, MOST_EACH * inputs);
  FACET_NEW(w->along, 2 * inputs);
  for (int64_t i = 0; i < count; i++) {
    int64_t *own = sample + w->asked->each * i;
    FACET_TRY(w->asked->random ? draw(w, i, own) : take(w, i, own));
  }
  return FACET_OK;
}

facet_status facet_slices_choose(const facet_study_data *data, const facet_store_plan *s, facet_slices_asked asked,
                                 int64_t *count, int64_t **sample)
{
  FACET_CHECK(s->samples >= asked.each, FACET_BAD_INPUT, "%s:%d: %s: %lld samples, and each wants %lld",
              s->settings->file, asked.line, asked.stage, (long long)s->samples, (long long)asked.each);
  *count = asked.random ? asked.count : asked.list->count / asked.each;
  FACET_NEW(*sample, asked.each * *count);
  choice w = {.data = data, .s = s, .asked = &asked};
  facet_status status = choose(&w, *count, *sample);
  FACET_FREE(&w.pixels, &w.x, &w.along);
  return status;
}

/* ---- arrays ---- */

facet_status facet_slices_put(facet_store *store, facet_row row, int variant, int64_t item, int64_t count, int64_t room,
                              int64_t width, const void *data)
{
  union {
    double real[BEHIND];
    int64_t whole[BEHIND];
    uint8_t byte[BEHIND];
  } none;
  facet_row_type type = facet_row_table[row].type;
  memset(&none, type == FACET_ROW_U8 ? 0 : 0xff, sizeof none); /* -1 */
  for (int i = 0; i < BEHIND && type == FACET_ROW_F64; i++)
    none.real[i] = NAN;
  facet_place place = {.variant = variant, .part = {{item, 1}, {0, count}}};
  if (count > 0)
    FACET_TRY(facet_store_put(store, row, place, data));
  int64_t most = BEHIND / width > 0 ? BEHIND / width : 1;
  FACET_CHECK(width <= BEHIND, FACET_INTERNAL, "%lld numbers to an item", (long long)width);
  for (int64_t at = count; at < room; at += place.part[1].count) {
    place.part[1].start = at;
    place.part[1].count = room - at < most ? room - at : most;
    FACET_TRY(facet_store_put(store, row, place, &none));
  }
  return FACET_OK;
}
