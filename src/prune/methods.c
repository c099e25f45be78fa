/* The table of pruning methods, and what is asked of it: see methods.h. */
#include "methods.h"

#include <stdio.h>
#include <string.h>

/* What the families give. */
facet_scorer facet_score_random, facet_score_magnitude, facet_score_taylor, facet_score_snip, facet_score_grasp;
facet_masker facet_mask_filters, facet_mask_synflow;
extern const facet_rule facet_rule_finetune, facet_rule_gmp, facet_rule_lth, facet_rule_lrr, facet_rule_edge_popup,
    facet_rule_biprop;

static const facet_method table[] = {
    {.name = "random", .score = facet_score_random, .removes = "any", .source = ""},
    {.name = "magnitude", .score = facet_score_magnitude, .removes = "the smallest \\|w\\|", .source = "Han 2015"},
    {.name = "filter",
     .mask = facet_mask_filters,
     .filters = true,
     .keys = {"norm"},
     .removes = "whole output filters with the smallest norm, and their [feature maps](#dead-channels)",
     .source = "Li 2017"},
    {.name = "taylor",
     .score = facet_score_taylor,
     .needs_data = true,
     .gradients = true,
     .keys = {"calibration"},
     .removes = "by (w dL/dw)², summed over all batches of training samples, batch norm frozen",
     .source = "Molchanov 2019"},
    {.name = "snip",
     .score = facet_score_snip,
     .needs_data = true,
     .gradients = true,
     .keys = {"calibration"},
     .removes = "by \\|w dL/dw\\| on the first batch of training samples, batch norm frozen",
     .source = "Lee 2019"},
    {.name = "grasp",
     .score = facet_score_grasp,
     .needs_data = true,
     .gradients = true,
     .keys = {"calibration"},
     .removes = "by -w (H g) on the first batch of training samples, the highest first: g = dL/dw, H the Hessian",
     .source = "Wang 2020"},
    {.name = "synflow",
     .mask = facet_mask_synflow,
     .gradients = true,
     .removes = "by w dR/dw of the network in absolute value, in 100 rounds, without data",
     .source = "Tanaka 2020"},
    {.name = "finetune",
     .rule = &facet_rule_finetune,
     .operation = "prune, train",
     .removes = "by magnitude, then trains on",
     .source = "Han 2015"},
    {.name = "gmp",
     .rule = &facet_rule_gmp,
     .operation = "train and prune",
     .removes = "by magnitude while it trains, more and more (cubic)",
     .source = "Zhu & Gupta 2017"},
    {.name = "lth",
     .rule = &facet_rule_lth,
     .from_first = true,
     .keys = {"rewind", "per_round"},
     .operation = "train, prune, rewind weights",
     .removes = "a fraction of what is left after each of several trainings, then weights go back",
     .source = "Frankle 2019"},
    {.name = "lrr",
     .rule = &facet_rule_lrr,
     .keys = {"rewind", "per_round"},
     .operation = "train, prune, rewind the schedule",
     .removes = "the same, but the schedule alone goes back",
     .source = "Renda 2020"},
    {.name = "edge_popup",
     .rule = &facet_rule_edge_popup,
     .from_first = true,
     .operation = "train scores",
     .removes = "by scores that are trained in place of the weights",
     .source = "Ramanujan 2020"},
    {.name = "biprop",
     .rule = &facet_rule_biprop,
     .from_first = true,
     .operation = "train scores, make weights binary",
     .removes = "the same, and makes the weights of a layer binary",
     .source = "Diffenderfer & Kailkhura 2021"},
};
enum { METHODS = sizeof table / sizeof table[0] };

const facet_method *facet_method_at(int number)
{
  return number >= 0 && number < METHODS ? &table[number] : NULL;
}

const char *facet_method_name(int number)
{
  const facet_method *method = facet_method_at(number);
  return method ? method->name : NULL;
}

const facet_method *facet_method_find(const char *name)
{
  for (int i = 0; i < METHODS; i++)
    if (strcmp(table[i].name, name) == 0)
      return &table[i];
  return NULL;
}

bool facet_method_takes(const facet_method *method, const char *key)
{
  for (int i = 0; i < 2; i++)
    if (method->keys[i] && strcmp(method->keys[i], key) == 0)
      return true;
  return false;
}

const char *facet_scope_name(int scope)
{
  static const char *const name[] = {[FACET_SCOPE_GLOBAL] = "global", [FACET_SCOPE_LAYER] = "layer"};
  return scope >= 0 && scope < (int)(sizeof name / sizeof name[0]) ? name[scope] : NULL;
}

void facet_methods_print(void)
{
  printf("| method | removes | starts from | needs | keys of its own | source |\n|---|---|---|---|---|---|\n");
  for (const facet_method *m = table; m < table + METHODS; m++) {
    const char *needs = m->rule ? "`budget`" : m->needs_data ? "`data.train`" : "";
    printf("| `%s` | %s | %s | %s | ", m->name, m->removes, m->from_first ? "first weights" : "dense", needs);
    for (int i = 0; i < 2 && m->keys[i]; i++)
      printf("%s`%s`", i ? ", " : "", m->keys[i]);
    printf(" | %s |\n", m->source);
  }
}
