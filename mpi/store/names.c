/* Names that follow from other names: corruptions among the conditions, methods and replicates among the variants, and
 * pairs of variant and condition. */
#include <math.h>
#include <string.h>

#include "store.h"

/* The number of a name in a list, which takes it if it is new; frees it if not. -1: no memory. */
static int number_of(char **name, int *count, char *text)
{
  int i = 0;
  if (!text)
    return -1;
  while (i < *count && strcmp(name[i], text) != 0)
    i++;
  if (i == *count)
    name[(*count)++] = text;
  else
    facet_free(&text);
  return i;
}

static facet_status name_corruptions(const facet_store_plan *p, facet_store_names *n)
{
  FACET_NEW(n->corruption, p->conditions);
  FACET_NEW(n->corruption_of, p->conditions);
  for (int c = 0; c < p->conditions; c++) {
    const char *slash = strrchr(p->condition[c], '/');
    n->corruption_of[c] = -1;
    if (c == p->clean || !slash)
      continue;
    char *text = facet_format("%.*s", (int)(slash - p->condition[c]), p->condition[c]);
    n->corruption_of[c] = number_of(n->corruption, &n->corruptions, text);
    if (n->corruption_of[c] < 0)
      return FACET_OS;
  }
  return FACET_OK;
}

static facet_status name_methods(const facet_store_plan *p, facet_store_names *n)
{
  FACET_NEW(n->method, p->variants);
  FACET_NEW(n->method_of, p->variants);
  for (int v = 0; v < p->variants; v++) {
    const char *method = p->variant[v].method, *scope = p->variant[v].scope;
    n->method_of[v] = -1;
    if (strcmp(method, "dense") == 0 || strcmp(method, "external") == 0 || strcmp(method, "mask") == 0)
      continue;
    n->method_of[v] =
        number_of(n->method, &n->methods, facet_format("%s%s%s", method, scope[0] ? "-" : "", scope[0] ? scope : ""));
    if (n->method_of[v] < 0)
      return FACET_OS;
  }
  return FACET_OK;
}

static facet_status name_replicates(const facet_store_plan *p, facet_store_names *n)
{
  FACET_NEW(n->replicate, p->variants);
  FACET_NEW(n->replicate_of, p->variants);
  FACET_NEW(n->replicate_size, p->variants);
  for (int v = 0; v < p->variants; v++) {
    if ((n->replicate_of[v] = number_of(n->replicate, &n->replicates, facet_copy_text(p->variant[v].replicate))) < 0)
      return FACET_OS;
    n->replicate_size[n->replicate_of[v]]++;
  }
  return FACET_OK;
}

/* ---- findings: which there are follows from methods, sparsities and corruptions ---- */

double facet_store_next_sparsity(const facet_store_plan *p, const facet_store_names *n, int method, double last)
{
  double next = NAN;
  for (int v = 0; v < p->variants; v++) {
    double s = p->variant[v].sparsity;
    bool of = method < 0 ? n->method_of[v] >= 0 : n->method_of[v] == method;
    if (of && s > last && !(next <= s))
      next = s;
  }
  return next;
}

/* What each is called, and what of a study it is of: of each sparsity; whether it needs corruptions, or pruned
 * variants. */
static const struct {
  const char *name;
  bool each, corrupted, pruned;
} kinds[FACET_FINDING_KINDS] = {
    [FACET_FINDING_FAILED] = {.name = "failed"},
    [FACET_FINDING_BEST_CLEAN] = {.name = "best of clean at", .each = true},
    [FACET_FINDING_BEST_CORRUPTED] = {.name = "best of corrupted at", .each = true, .corrupted = true},
    [FACET_FINDING_MARGIN_PRUNED] = {.name = "margin and pruning", .pruned = true},
    [FACET_FINDING_MARGIN_CORRUPTED] = {.name = "margin and corruption", .corrupted = true},
    [FACET_FINDING_CLASS_PRUNED] = {.name = "classes and pruning", .pruned = true},
    [FACET_FINDING_CLASS_CORRUPTED] = {.name = "classes and corruption", .corrupted = true},
    [FACET_FINDING_CORRUPTION] = {.name = "corruption and pruning", .corrupted = true, .pruned = true},
    [FACET_FINDING_LOST] = {.name = "samples lost", .pruned = true},
};

static facet_status name_finding(facet_store_names *n, facet_finding_kind kind, double sparsity)
{
  if (kinds[kind].corrupted && n->corruptions == 0)
    return FACET_OK;
  n->about[n->findings] = (facet_finding){kind, sparsity};
  n->finding[n->findings] =
      kinds[kind].each ? facet_format("%s %g", kinds[kind].name, sparsity) : facet_copy_text(kinds[kind].name);
  return n->finding[n->findings++] ? FACET_OK : FACET_OS;
}

static facet_status name_findings(const facet_store_plan *p, facet_store_names *n)
{
  bool pruned = false;
  FACET_NEW(n->about, FACET_FINDING_KINDS + 2 * p->variants);
  FACET_NEW(n->finding, FACET_FINDING_KINDS + 2 * p->variants);
  for (int v = 0; v < p->variants; v++)
    pruned = pruned || facet_store_is_pruned(p, n, v);
  FACET_TRY(name_finding(n, FACET_FINDING_FAILED, NAN));
  for (double s = facet_store_next_sparsity(p, n, -1, -1); !isnan(s); s = facet_store_next_sparsity(p, n, -1, s)) {
    FACET_TRY(name_finding(n, FACET_FINDING_BEST_CLEAN, s));
    FACET_TRY(name_finding(n, FACET_FINDING_BEST_CORRUPTED, s));
  }
  for (int kind = 0; kind < FACET_FINDING_KINDS; kind++)
    if (kind != FACET_FINDING_FAILED && !kinds[kind].each && (pruned || !kinds[kind].pruned))
      FACET_TRY(name_finding(n, (facet_finding_kind)kind, NAN));
  return FACET_OK;
}

bool facet_store_is_pruned(const facet_store_plan *p, const facet_store_names *n, int variant)
{
  return n->method_of[variant] >= 0 || strcmp(p->variant[variant].method, "mask") == 0;
}

int64_t facet_store_items(const facet_store_plan *p)
{
  int64_t items = (int64_t)p->variants * p->conditions;
  return items < 2 || items > FACET_MOST_ITEMS ? 0 : items;
}

facet_status facet_store_names_make(const facet_store_plan *p, facet_store_names *n)
{
  *n = (facet_store_names){.items = facet_store_items(p)};
  FACET_TRY(name_corruptions(p, n));
  FACET_TRY(name_methods(p, n));
  FACET_TRY(name_replicates(p, n));
  FACET_TRY(name_findings(p, n));
  FACET_NEW(n->variant, p->variants);
  for (int v = 0; v < p->variants; v++)
    n->variant[v] = p->variant[v].name;
  FACET_NEW(n->item, n->items);
  for (int64_t i = 0; i < n->items; i++)
    if (!(n->item[i] = facet_format("%s, %s", p->variant[i / p->conditions].name, p->condition[i % p->conditions])))
      return FACET_OS;
  return FACET_OK;
}

void facet_store_names_clear(facet_store_names *n)
{
  facet_free_list(&n->corruption, n->corruptions);
  facet_free_list(&n->method, n->methods);
  facet_free_list(&n->replicate, n->replicates);
  facet_free_list(&n->item, n->items);
  facet_free_list(&n->finding, n->findings);
  FACET_FREE(&n->about, &n->variant, &n->corruption_of, &n->method_of, &n->replicate_of, &n->replicate_size);
}

bool facet_store_has_spectrum(const facet_store_plan *p, int variant)
{
  return p->components > 0 && p->variant[variant].linearize;
}

bool facet_store_counts(const facet_store_plan *p, int variant, int condition)
{
  bool counted = false;
  for (int i = 0; i < p->census_conditions; i++)
    counted = counted || p->census_condition[i] == condition;
  return counted && p->variant[variant].census;
}

int64_t facet_store_cka_items(const facet_store_plan *p)
{
  return p->cka ? facet_store_items(p) : 0;
}
