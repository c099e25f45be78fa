/* Rules of several trainings, one after the other: lth (Frankle 2019) and lrr (Renda 2020).
 *
 * There are so many trainings that a fraction of what is left (theirs: 20 %), removed by magnitude after each but the
 * last, makes the sparsity; the last removal is what is missing.  Then, with lth, weights, batch norm and all, go back
 * to what they were at iteration `rewind` of the first training; with lrr the weights stay, and the learning-rate
 * schedule alone goes back.  If the network comes in trained (lrr), that was the first training, and the first removal
 * is made at once.
 *
 * A training after the first starts at iteration `rewind` of its schedule, so it is shorter by that; the budget is cut
 * so that all schedules have the same length but the last, which takes the steps left over. */
#include <math.h>

#include "methods.h"

extern const facet_rule facet_rule_lth, facet_rule_lrr;

/* How the budget is cut. */
typedef struct {
  int removals, trainings;
  int64_t length; /* steps of a schedule; of the last: last_length */
  int64_t last_length;
  bool trained; /* the first training starts at `rewind`, too, and a removal is before it */
} rounds;

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

static rounds cut(const facet_budget *budget)
{
  rounds r = {.removals = count_removals(budget->sparsity, budget->per_round)};
  r.trained = budget->trained && r.removals > 0;
  r.trainings = r.removals + !r.trained;
  int64_t late = r.trainings - !r.trained; /* trainings that start at `rewind` */
  r.length = (budget->steps + late * budget->rewind) / r.trainings;
  r.last_length = r.length + (budget->steps + late * budget->rewind) % r.trainings;
  return r;
}

static facet_status check(const facet_budget *budget)
{
  rounds r = cut(budget);
  FACET_CHECK(budget->steps >= r.trainings, FACET_BAD_INPUT,
              "a budget of %lld steps is not enough for %d trainings: raise budget.epochs or per_round",
              (long long)budget->steps, r.trainings);
  FACET_CHECK(budget->rewind >= 0 && budget->rewind < r.length, FACET_BAD_INPUT,
              "rewind: iteration %lld, but each of %d trainings has %lld", (long long)budget->rewind, r.trainings,
              (long long)r.length);
  return FACET_OK;
}

static facet_turn lrr(const facet_budget *budget, int64_t step)
{
  rounds r = cut(budget);
  int64_t begin = 0, from = r.trained ? budget->rewind : 0, length = r.length;
  int training = 0; /* which one the step is of */
  for (; training < r.trainings - 1 && step >= begin + length - from; from = budget->rewind, training++)
    begin += length - from;
  length = training == r.trainings - 1 ? r.last_length : length;
  int removal = training + r.trained;
  bool removes = step == begin && removal > 0;
  double sparsity = removal >= r.removals ? budget->sparsity : 1 - pow(1 - budget->per_round, removal);
  return (facet_turn){
      .removes = removes, .restarts = removes, .sparsity = sparsity, .position = step - begin + from, .length = length};
}

static facet_turn lth(const facet_budget *budget, int64_t step)
{
  facet_turn turn = lrr(budget, step);
  turn.remembers = step == budget->rewind; /* the first training is longer than that */
  turn.rewinds = turn.removes;
  return turn;
}

const facet_rule facet_rule_lth = {.check = check, .turn = lth, .remembers = true};
const facet_rule facet_rule_lrr = {.check = check, .turn = lrr};
