/* Bounds of all rows at once, from points that go forward through the frozen map: see reach.c. */
#include <math.h>
#include <string.h>

#include "reach_parts.h"

static const double share = 0.0209; /* q; rounded down */

static void take_gains(void *self, int64_t point, int part, const double *d, double rounding)
{
  facet_reach *r = self;
  const facet_wall_part p = facet_region_part(r->region, part);
  const double *before = facet_region_distances(r->region) + p.first;
  double *squares = r->squares + p.first;
  (void)point;
  r->noise[part] = fmax(r->noise[part], rounding + p.rounding);
  for (int64_t i = 0; i < p.count; i++) {
    double gain = d[i] - before[i];
    squares[i] += gain * gain;
  }
  for (int64_t i = 0; r->options.certain && i < p.count; i++)
    r->sizes[p.first + i] += fabs(d[i] - before[i]);
}

/* The sample, moved along a direction: normal numbers, or one input. */
static void place_probe(const facet_reach *r, int64_t probe, double *x)
{
  const facet_random random = {0, FACET_STREAM_PROBE};
  memcpy(x, r->x, (size_t)r->inputs * sizeof *x);
  if (r->options.certain) {
    x[probe] += facet_reach_scale(r, probe);
    return;
  }
  for (int64_t i = 0; i < r->inputs; i += 2) {
    double pair[2];
    facet_random_normal(random, (uint64_t)probe, (uint64_t)i, pair);
    x[i] += facet_reach_scale(r, i) * pair[0];
    if (i + 1 < r->inputs)
      x[i + 1] += facet_reach_scale(r, i + 1) * pair[1];
  }
}

facet_status facet_reach_probe(facet_reach *r)
{
  memset(r->squares, 0, (size_t)r->all * sizeof *r->squares);
  memset(r->sizes, 0, (size_t)(r->options.certain ? r->all : 1) * sizeof *r->sizes);
  memset(r->noise, 0, (size_t)facet_region_parts(r->region) * sizeof *r->noise);
  for (int64_t first = 0, count; first < r->probes; first += count) {
    count = r->probes - first < FACET_PROBE_BATCH ? r->probes - first : FACET_PROBE_BATCH;
    for (int64_t i = 0; i < count; i++)
      place_probe(r, first + i, r->point + i * r->inputs);
    FACET_TRY(facet_region_carry(r->region, r->point, count, (facet_wall_sink){take_gains, r}));
  }
  return FACET_OK;
}

facet_span facet_reach_span(const facet_reach *r, int64_t wall, double noise, int norm)
{
  double m = (double)r->probes, spread = sqrt((double)r->inputs), root = sqrt(r->squares[wall]);
  if (r->options.certain && norm == FACET_NORM_MAX)
    return (facet_span){r->sizes[wall], r->sizes[wall] + m * noise};
  facet_span l = {root, root + sqrt(m) * noise};
  if (!r->options.certain)
    l = (facet_span){root / sqrt(m), l.most / sqrt(share * m)};
  return norm == FACET_NORM_MAX ? (facet_span){spread * l.about, spread * l.most} : l;
}

bool facet_reach_constant(const facet_reach *r, int64_t wall, double noise)
{
  return r->squares[wall] <= (double)r->probes * noise * noise;
}
