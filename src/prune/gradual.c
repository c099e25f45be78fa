/* Rules of one training: finetune (Han 2015) and gradual pruning, gmp (Zhu & Gupta 2017).
 *
 *   finetune    magnitude at the start, then all of the budget.
 *   gmp         the sparsity grows from 0 to s as s (1 - (1 - t/T)^3) over the first three quarters T of the steps,
 *               magnitude each of 100 times; the last quarter trains on with the last mask. */
#include "methods.h"

extern const facet_rule facet_rule_finetune, facet_rule_gmp;

static facet_turn finetune(const facet_budget *budget, int64_t step)
{
  return (facet_turn){.removes = step == 0, .sparsity = budget->sparsity, .position = step, .length = budget->steps};
}

static facet_turn gmp(const facet_budget *budget, int64_t step)
{
  int64_t ramp = budget->steps - budget->steps / 4; /* steps in which the sparsity grows */
  int64_t interval = ramp > 100 ? ramp / 100 : 1;
  double left = 1 - (double)step / (double)ramp;
  return (facet_turn){.removes = step == ramp || (step < ramp && step % interval == 0),
                      .sparsity = budget->sparsity - budget->sparsity * left * left * left,
                      .position = step,
                      .length = budget->steps};
}

const facet_rule facet_rule_finetune = {.turn = finetune};
const facet_rule facet_rule_gmp = {.turn = gmp};
