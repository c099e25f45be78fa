/* Rules that train scores in place of weights: edge_popup (Ramanujan 2020) and biprop (Diffenderfer & Kailkhura 2021).
 *
 *   edge_popup  weights, biases and batch norm's factors stay as they are; the fraction 1 - s of highest |score| has
 *               its weights.
 *   biprop      the same with weights alpha sign(w), alpha the mean |w| of what a layer keeps. */
#include <math.h>

#include "methods.h"

extern const facet_rule facet_rule_edge_popup, facet_rule_biprop;

static facet_turn turn(const facet_budget *budget, int64_t step)
{
  return (facet_turn){.position = step, .length = budget->steps};
}

/* Scores start uniform, like Kaiming's with a^2 = 5 (Ramanujan's code): of a spread that goes with the weights'. */
static void begin(const float *weight, int64_t count, uint32_t seed, int layer, float *score)
{
  facet_random random = {seed, FACET_STREAM_SCORES};
  double squares = 0;
  for (int64_t i = 0; i < count; i++)
    squares += (double)weight[i] * (double)weight[i];
  double bound = squares > 0 ? sqrt(squares / (double)count / 2) : 1;
  for (int64_t i = 0; i < count; i++)
    score[i] = (float)(bound * (2 * facet_random_uniform(random, (uint64_t)layer, (uint64_t)i) - 1));
}

static void weigh(const float *weight, const uint8_t *keep, int64_t count, float *to)
{
  for (int64_t i = 0; i < count; i++)
    to[i] = keep[i] ? weight[i] : 0;
}

static void weigh_binary(const float *weight, const uint8_t *keep, int64_t count, float *to)
{
  double sum = 0;
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += keep[i] ? fabs((double)weight[i]) : 0;
    kept += keep[i];
  }
  float alpha = kept > 0 ? (float)(sum / (double)kept) : 0;
  for (int64_t i = 0; i < count; i++)
    to[i] = !keep[i] ? 0 : weight[i] < 0 ? -alpha : alpha;
}

const facet_rule facet_rule_edge_popup = {.turn = turn, .begin = begin, .weigh = weigh};
const facet_rule facet_rule_biprop = {.turn = turn, .begin = begin, .weigh = weigh_binary};
