/* Sorted runs, and a heap of where each of them is: see sorter.h. */
#include "sorter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Records of a run; runs, at most: more records make them longer. */
enum { RUN = 1 << 14, RUNS = 256 };

/* A run as it is read: `count` records in memory, of which `at` is the next, and `left` more in the file. */
typedef struct {
  int64_t next, left; /* in the file, in records */
  int64_t at, count;
  char *record;
} run;

struct facet_sorter {
  size_t size;
  int (*compare)(const void *, const void *);
  int64_t length, filled; /* of the run that is filled: records, at most and so far */
  char *record;           /* length x size; while runs are read, shared out among them */
  int file;               /* -1: none */
  char *folder;           /* that it is in */
  int64_t runs, in_heap;
  run run[RUNS];
  int heap[RUNS]; /* numbers of runs, the one with the smallest record first */
  bool reading;
};

static int64_t length_of(int64_t most)
{
  int64_t even = (most + RUNS - 1) / RUNS, length = even > RUN ? even : RUN;
  return most < length ? most : length;
}

double facet_sorter_bytes(size_t size, int64_t most)
{
  return (double)length_of(most) * (double)size + (double)sizeof(facet_sorter);
}

double facet_sorter_filed(size_t size, int64_t most)
{
  return most > length_of(most) ? (double)most * (double)size : 0;
}

facet_status facet_sorter_create(size_t size, int (*compare)(const void *, const void *), int64_t most,
                                 facet_sorter **sorter)
{
  facet_sorter *s;
  FACET_NEW(*sorter, 1);
  s = *sorter;
  s->size = size;
  s->compare = compare;
  s->length = length_of(most);
  s->file = -1;
  FACET_NEW(s->record, s->length * (int64_t)size);
  return FACET_OK;
}

void facet_sorter_destroy(facet_sorter **sorter)
{
  facet_sorter *s = *sorter;
  if (!s)
    return;
  if (s->file >= 0)
    close(s->file);
  FACET_FREE(&s->record, &s->folder, sorter);
}

/* ---- the file ---- */

static facet_status write_run(facet_sorter *s)
{
  size_t bytes = (size_t)s->filled * s->size, at = (size_t)s->runs * (size_t)s->length * s->size;
  if (s->file < 0)
    FACET_TRY(facet_nameless_file("facet-sort", &s->file, &s->folder));
  int problem = facet_write_at(s->file, at, bytes, s->record);
  FACET_CHECK(problem == 0, FACET_IO, "%s, the folder TMPDIR: samples cannot be sorted there: %s", s->folder,
              strerror(problem));
  s->run[s->runs++].left = s->filled;
  s->filled = 0;
  return FACET_OK;
}

/* The next records of a run, as many as its share of the room holds. */
static facet_status read_more(facet_sorter *s, run *r)
{
  int64_t share = s->length / s->runs, count = r->left < share ? r->left : share;
  size_t bytes = (size_t)count * s->size, got;
  int problem = facet_read_at(s->file, (size_t)r->next * s->size, bytes, r->record, &got);
  FACET_CHECK(problem == 0 && got == bytes, FACET_IO, "%s, the folder TMPDIR: what was sorted there cannot be read: %s",
              s->folder, problem ? strerror(problem) : "it has become shorter");
  r->next += count;
  r->left -= count;
  r->count = count;
  r->at = 0;
  return FACET_OK;
}

/* ---- order ---- */

facet_status facet_sorter_add(facet_sorter *s, const void *record)
{
  if (s->filled == s->length) {
    FACET_CHECK(s->runs < RUNS, FACET_INTERNAL, "more records than were said");
    qsort(s->record, (size_t)s->filled, s->size, s->compare);
    FACET_TRY(write_run(s));
  }
  memcpy(s->record + (size_t)s->filled++ * s->size, record, s->size);
  return FACET_OK;
}

static const char *smallest(const facet_sorter *s, int64_t place)
{
  const run *r = &s->run[s->heap[place]];
  return r->record + (size_t)r->at * s->size;
}

/* Puts the run at a place of the heap where it belongs below it. */
static void sink(facet_sorter *s, int64_t place)
{
  for (int64_t child; (child = 2 * place + 1) < s->in_heap; place = child) {
    if (child + 1 < s->in_heap && s->compare(smallest(s, child + 1), smallest(s, child)) < 0)
      child++;
    if (s->compare(smallest(s, place), smallest(s, child)) <= 0)
      return;
    int moved = s->heap[place];
    s->heap[place] = s->heap[child];
    s->heap[child] = moved;
  }
}

/* All runs from the file, or the one there is as it lies. */
static facet_status begin_reading(facet_sorter *s)
{
  s->reading = true;
  qsort(s->record, (size_t)s->filled, s->size, s->compare);
  if (s->runs == 0) {
    s->run[0] = (run){.count = s->filled, .record = s->record};
    s->runs = 1;
  } else {
    if (s->filled > 0)
      FACET_TRY(write_run(s));
    for (int64_t i = 0; i < s->runs; i++) {
      s->run[i].record = s->record + (size_t)(s->length / s->runs * i) * s->size;
      s->run[i].next = i * s->length;
      FACET_TRY(read_more(s, &s->run[i]));
    }
  }
  for (int i = 0; i < s->runs; i++)
    if (s->run[i].count > 0)
      s->heap[s->in_heap++] = i;
  for (int64_t i = s->in_heap / 2 - 1; i >= 0; i--)
    sink(s, i);
  return FACET_OK;
}

facet_status facet_sorter_next(facet_sorter *s, void *record, bool *found)
{
  if (!s->reading)
    FACET_TRY(begin_reading(s));
  *found = s->in_heap > 0;
  if (!*found)
    return FACET_OK;
  run *r = &s->run[s->heap[0]];
  memcpy(record, smallest(s, 0), s->size);
  r->at++;
  if (r->at == r->count && r->left > 0)
    FACET_TRY(read_more(s, r));
  if (r->at == r->count)
    s->heap[0] = s->heap[--s->in_heap];
  sink(s, 0);
  return FACET_OK;
}
