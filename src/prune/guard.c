/* Selection that leaves every layer its last weight.  The last to go of a layer is its champion: the highest score, the
 * last of equals.  With the champions out of the competition the others are selected from as ever, so that what a layer
 * may not give comes from the next lowest scores elsewhere. */
#include "score.h"

#include <math.h>

static int64_t champion_of(const double *score, int64_t size)
{
  int64_t best = 0;
  for (int64_t i = 1; i < size; i++)
    if (score[i] >= score[best])
      best = i;
  return best;
}

/* The removed one that went last: the highest score, the last of equals. -1: none. */
static int64_t last_removed(const double *score, int64_t size, const uint8_t *keep)
{
  int64_t last = -1;
  for (int64_t i = 0; i < size; i++)
    if (!keep[i] && (last < 0 || score[i] >= score[last]))
      last = i;
  return last;
}

static bool alone(const uint8_t *keep, int64_t size)
{
  int64_t kept = 0;
  for (int64_t i = 0; i < size; i++)
    kept += keep[i];
  return kept == 1;
}

facet_status facet_select_guarded(double *score, int layers, const int64_t *size, int64_t remove, uint8_t *keep,
                                  bool *guarded)
{
  struct {
    int64_t at;
    double score;
  } * champion;
  int64_t count = 0, start = 0;
  FACET_NEW(champion, layers);
  for (int l = 0; l < layers; l++)
    count += size[l];
  for (int64_t i = 0; i < count; i++)
    score[i] = isnan(score[i]) ? (double)INFINITY : score[i]; /* only champions are NaN below: the highest of all */
  for (int l = 0; l < layers; start += size[l++]) {
    champion[l].at = start + champion_of(score + start, size[l]);
    champion[l].score = score[champion[l].at];
    score[champion[l].at] = NAN;
  }
  bool exhausted = remove > count - layers;
  facet_select_lowest(score, count, exhausted ? count - layers : remove, keep);
  int64_t last = last_removed(score, count, keep);
  start = 0;
  for (int l = 0; l < layers; start += size[l++]) {
    double own = score[champion[l].at] = champion[l].score;
    bool passed = last >= 0 && (own < score[last] || (own == score[last] && champion[l].at < last));
    guarded[l] = (passed || exhausted) && alone(keep + start, size[l]);
  }
  facet_free(&champion);
  return FACET_OK;
}
