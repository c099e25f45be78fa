/* How lth and lrr cut their budget into trainings, and what is removed between them: see methods.h. */
#include <math.h>

#include "methods.h"

static int count_removals(double sparsity, double per_round)
{
  int removals = 0;
  double left = 1;
  while (left > (1 - sparsity) * (1 + 1e-9)) {
    left *= 1 - per_round;
    removals++;
  }
  return removals;
}

double facet_rounds_sparsity(const facet_rounds *rounds, double sparsity, int removal)
{
  return removal >= rounds->removals ? sparsity : 1 - pow(1 - rounds->per_round, removal);
}

facet_status facet_rounds_cut(double sparsity, double per_round, int64_t steps, int64_t rewind, bool trained,
                              facet_rounds *rounds)
{
  facet_rounds r = {.removals = count_removals(sparsity, per_round), .rewind = rewind, .per_round = per_round};
  r.trained = trained && r.removals > 0;
  r.trainings = r.removals + !r.trained;
  int64_t late = r.trainings - !r.trained; /* trainings that start at `rewind` */
  r.length = (steps + late * rewind) / r.trainings;
  r.last_length = r.length + (steps + late * rewind) % r.trainings;
  FACET_CHECK(steps >= r.trainings, FACET_BAD_INPUT,
              "a budget of %lld steps is not enough for %d trainings: raise budget.epochs or per_round",
              (long long)steps, r.trainings);
  FACET_CHECK(rewind >= 0 && rewind < r.length, FACET_BAD_INPUT,
              "rewind: iteration %lld, but each of %d trainings has %lld", (long long)rewind, r.trainings,
              (long long)r.length);
  *rounds = r;
  return FACET_OK;
}

facet_round_place facet_rounds_at(const facet_rounds *r, int64_t step)
{
  int64_t begin = 0;
  for (int training = 0;; training++) {
    int64_t from = training > 0 || r->trained ? r->rewind : 0;
    int64_t length = training == r->trainings - 1 ? r->last_length : r->length;
    if (step < begin + length - from || training == r->trainings - 1)
      return (facet_round_place){training, step - begin + from, length, step == begin};
    begin += length - from;
  }
}
