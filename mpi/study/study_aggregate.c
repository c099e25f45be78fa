/* The key `aggregate` of a study: what is computed over all samples together. */
#include "study_aggregate.h"

#include <stddef.h>
#include <string.h>

enum { LEFT_OUT = -1, USUAL = 32 };

static const facet_word methods[] = {{"auto", FACET_SPECTRUM_AUTO},
                                     {"gram", FACET_SPECTRUM_GRAM},
                                     {"dual", FACET_SPECTRUM_DUAL},
                                     {"random", FACET_SPECTRUM_RANDOM},
                                     {NULL, 0}};

/* A number, or `none`. */
static facet_status read_spectrum(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_aggregation *a = target;
  a->spectrum = 0;
  if (node->kind == FACET_TREE_SCALAR && strcmp(node->text, "none") == 0)
    return FACET_OK;
  return facet_schema_whole(node, "[1, 1000]", &a->spectrum);
}

static facet_status read_cka(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  static const facet_word truths[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {NULL, 0}};
  int word = 0;
  FACET_TRY(facet_schema_word(node, truths, &word));
  ((facet_aggregation *)target)->cka = word != 0;
  return FACET_OK;
}

static const facet_key keys[] = {
    {.key = "spectrum", .type = FACET_KEY_OTHER, .read = read_spectrum},
    {.key = "method",
     .type = FACET_KEY_WORD,
     .words = methods,
     .standard = "auto",
     .target = offsetof(facet_aggregation, method)},
    {.key = "cka", .type = FACET_KEY_OTHER, .read = read_cka, .standard = "true"},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

facet_status facet_study_read_aggregate(const facet_schema_reader *reader, const facet_tree *node, void *target)
{
  facet_aggregation *a = &((facet_study *)target)->aggregate;
  *a = (facet_aggregation){.wanted = true, .spectrum = LEFT_OUT, .line = node->line};
  FACET_TRY(facet_schema_defaults(reader, keys, KEYS, a));
  return facet_schema_read(reader, node, keys, KEYS, a);
}

facet_status facet_study_settle_aggregate(const facet_tree *root, facet_study *study)
{
  facet_aggregation *a = &study->aggregate;
  if (a->spectrum == LEFT_OUT)
    a->spectrum = study->linearize.wanted ? USUAL : 0;
  if (a->spectrum > 0 && !study->linearize.wanted)
    return facet_tree_raise(facet_tree_find(facet_tree_find(root, "aggregate"), "spectrum"),
                            "is of linearizations, but there is no 'linearize'");
  return FACET_OK;
}

void facet_study_put_aggregate(FILE *out, const facet_aggregation *a)
{
  if (!a->wanted)
    return;
  if (a->spectrum > 0)
    fprintf(out, "aggregate:\n  spectrum: %lld\n", (long long)a->spectrum);
  else
    fputs("aggregate:\n  spectrum: none\n", out);
  fprintf(out, "  method: %s\n  cka: %s\n", facet_spectrum_name(a->method), a->cka ? "true" : "false");
}

const char *facet_spectrum_name(facet_spectrum_method method)
{
  return methods[method].name;
}
