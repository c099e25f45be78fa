/* Patterns of two executors compared, gate by gate: how many elements are on another piece, or won by another one. */
#include "executor.h"

#include <string.h>

static bool has_pattern(const facet_step *step)
{
  return step->slope || step->winner;
}

static const facet_step *gate_of(const facet_executor *x, int gate)
{
  for (int i = 0; i < x->steps; i++)
    if (has_pattern(&x->step[i]) && gate-- == 0)
      return &x->step[i];
  return NULL;
}

int facet_executor_gates(const facet_executor *x)
{
  int count = 0;
  for (int i = 0; i < x->steps; i++)
    count += has_pattern(&x->step[i]);
  return count;
}

const char *facet_executor_gate(const facet_executor *x, int gate)
{
  return gate_of(x, gate)->node->name;
}

/* Elements of which one of the `parts` of the pattern differs; each part has `width` bytes an element. */
typedef struct {
  const char *a, *b;
  size_t width;
} part;

static int64_t count_differing(const part *p, int parts, int64_t size)
{
  int64_t count = 0;
  for (int64_t i = 0; i < size; i++) {
    bool same = true;
    for (int k = 0; k < parts; k++)
      same = same && memcmp(p[k].a + (size_t)i * p[k].width, p[k].b + (size_t)i * p[k].width, p[k].width) == 0;
    count += !same;
  }
  return count;
}

static part part_of(const void *a, int64_t sample_a, const void *b, int64_t sample_b, int64_t size, size_t width)
{
  return (part){(const char *)a + (size_t)(sample_a * size) * width,
                (const char *)b + (size_t)(sample_b * size) * width, width};
}

int64_t facet_executor_gate_differs(const facet_executor *a, int64_t sample_a, const facet_executor *b,
                                    int64_t sample_b, int gate)
{
  const facet_step *s = gate_of(a, gate), *t = NULL;
  for (int i = 0; i < b->steps && !t; i++)
    if (has_pattern(&b->step[i]) && strcmp(b->step[i].node->name, s->node->name) == 0)
      t = &b->step[i];
  if (!t || a->real != b->real || !s->slope != !t->slope || !s->offset != !t->offset ||
      memcmp(&a->layout[s->output], &b->layout[t->output], sizeof a->layout[s->output]) != 0)
    return -1;
  int64_t size = facet_value_size(a, s->output);
  part p[2];
  int parts = 0;
  if (s->slope)
    p[parts++] = part_of(s->slope, sample_a, t->slope, sample_b, size, a->real);
  if (s->offset)
    p[parts++] = part_of(s->offset, sample_a, t->offset, sample_b, size, a->real);
  if (s->winner && t->winner)
    p[parts++] = part_of(s->winner, sample_a, t->winner, sample_b, size, sizeof *s->winner);
  return count_differing(p, parts, size);
}
