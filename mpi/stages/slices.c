/* Samples that lines and planes go through, and arrays that they do not fill: see slices.h. */
#include "slices.h"

#include <math.h>
#include <string.h>

enum { MOST_EACH = 3, TRIES = 10000, BEHIND = 4096 };

/* ---- samples ---- */

/* At random: of different classes if TRIES draws find such, at least different ones. */
static facet_status draw(const facet_study_data *data, const facet_store_plan *s, int64_t each, int64_t number,
                         int64_t *sample)
{
  facet_random random = {s->settings->seed, FACET_STREAM_SLICES};
  int32_t label[MOST_EACH];
  for (int64_t attempt = 0;; attempt++) {
    bool same = false, alike = false;
    for (int64_t i = 0; i < each; i++) {
      double share = facet_random_uniform(random, (uint64_t)number, (uint64_t)(each * attempt + i));
      sample[i] = (int64_t)(share * (double)s->samples);
      FACET_TRY(facet_dataset_labels(data->test, sample[i], 1, &label[i]));
      for (int64_t j = 0; j < i; j++) {
        same = same || sample[i] == sample[j];
        alike = alike || label[i] == label[j];
      }
    }
    if (!same && (!alike || attempt > TRIES))
      return FACET_OK;
  }
}

/* Those that the study names. */
static facet_status take(const facet_store_plan *s, const facet_slices_asked *asked, int64_t number, int64_t *sample)
{
  for (int64_t i = 0; i < asked->each; i++) {
    sample[i] = asked->list->item[asked->each * number + i];
    FACET_CHECK(sample[i] < s->samples, FACET_BAD_INPUT, "%s:%d: %s.%s: there is no sample %lld, but 0 to %lld",
                s->settings->file, asked->line, asked->stage, asked->key, (long long)sample[i],
                (long long)s->samples - 1);
    for (int64_t j = 0; j < i; j++)
      FACET_CHECK(sample[i] != sample[j], FACET_BAD_INPUT, "%s:%d: %s.%s: sample %lld stands there twice for one",
                  s->settings->file, asked->line, asked->stage, asked->key, (long long)sample[i]);
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
  for (int64_t i = 0; i < *count; i++) {
    int64_t *own = *sample + asked.each * i;
    FACET_TRY(asked.random ? draw(data, s, asked.each, i, own) : take(s, &asked, i, own));
  }
  return FACET_OK;
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
