/* How far a facet reaches around its sample: the nearest of all boundaries of gates and maxima, and the nearest
 * decision boundary, in the max norm and in the 2-norm.
 *
 * A boundary's distance takes its row a, and a row takes a pass back; there are as many as the network has elements.
 * But the nearest is nearer than most by far, so that a bound of |a| that is a few times too large leaves but a few in
 * question.  Such a bound of all rows at once comes from points that go forward through the frozen map: what d gains
 * along a direction g of independent normal numbers is normal with deviation |a|, and of m such gains the sum of
 * squares is below m q |a|^2 with probability (q exp(1 - q))^(m/2) at most (Dasgupta & Gupta 2003, lemma 2.2).  With 48
 * directions and q = 0.0209 that is 2^-100, for any row.  In the max norm |a|_1 is at most |a| times the root of D.
 * Rows in question are then pulled back, in the order of what they may be at least, until none may be nearer. */
#include <math.h>
#include <string.h>

#include "reach_parts.h"

enum { ROWS_OFTEN = 64 };
static const double near_by = 1.0 / 64;

/* ---- memory ---- */

static facet_status make(const facet_network *network, facet_reach *r)
{
  FACET_TRY(facet_region_create(network, &r->region));
  facet_region_pauses(r->region, r->options.pause, r->options.context);
  r->inputs = facet_network_inputs(network);
  r->options.certain = r->options.certain || r->inputs <= FACET_PROBES;
  r->probes = r->options.certain ? r->inputs : FACET_PROBES;
  r->walls = facet_region_walls(r->region);
  r->all = r->walls + facet_network_outputs(network);
  FACET_NEW(r->squares, r->all);
  FACET_NEW(r->sizes, r->options.certain ? r->all : 1);
  FACET_NEW(r->noise, facet_region_parts(r->region));
  FACET_NEW(r->pulled, r->all);
  FACET_NEW(r->point, FACET_PROBE_BATCH * r->inputs);
  FACET_NEW(r->row, FACET_REGION_ROWS * r->inputs);
  return FACET_OK;
}

facet_status facet_reach_create(const facet_network *network, facet_reach_options options, facet_reach **reach)
{
  facet_reach *r;
  *reach = NULL;
  FACET_NEW(r, 1);
  r->options = options;
  facet_status status = make(network, r);
  if (status != FACET_OK)
    facet_reach_destroy(&r);
  *reach = r;
  return status;
}

void facet_reach_destroy(facet_reach **reach)
{
  facet_reach *r = *reach;
  if (!r)
    return;
  facet_region_destroy(&r->region);
  FACET_FREE(&r->squares, &r->sizes, &r->noise, &r->pulled, &r->candidate, &r->point, &r->row);
  facet_free(reach);
}

double facet_reach_passes(const facet_network *network, bool certain)
{
  double inputs = (double)facet_network_inputs(network);
  return 2 * FACET_PROBE_BATCH + 1 + (certain || inputs <= FACET_PROBES ? inputs : FACET_PROBES) + ROWS_OFTEN;
}

/* ---- what was found ---- */

static void count_ties(facet_reach *r, int32_t *tied_of)
{
  r->tied = 0;
  for (int part = 0; part < facet_region_parts(r->region) - 1; part++) {
    const facet_wall_part p = facet_region_part(r->region, part);
    int32_t tied = 0;
    for (int64_t wall = p.first; wall < p.first + p.count; wall++)
      tied += facet_reach_tied(r, wall, p.rounding) && !facet_reach_constant(r, wall, r->noise[part]);
    r->tied += tied;
    if (tied_of)
      tied_of[part] = tied;
  }
}

/* The sample, moved so far against a row: in the direction in which d falls fastest. */
static void move(const facet_reach *r, const double *row, int norm, double distance, double *x)
{
  double length = norm == FACET_NORM_TWO ? facet_row_length(r, row, norm) : 1;
  for (int64_t i = 0; i < r->inputs; i++) {
    double s = facet_reach_scale(r, i), a = row[i] * s;
    double step = norm == FACET_NORM_TWO ? a / length : (a > 0) - (a < 0);
    x[i] = r->x[i] - distance * s * step;
  }
}

static void certify(facet_reach *r, int64_t wall, const double *row, double constant, double *residual)
{
  double d = facet_region_distances(r->region)[wall], sum = constant;
  for (int64_t i = 0; i < r->inputs; i++)
    sum += row[i] * r->x[i];
  double off = fabs(d - sum) / fmax(1, fabs(d));
  *residual = isnan(*residual) || off <= *residual ? *residual : off; /* NaN stays */
}

static void name_wall(const facet_reach *r, const facet_nearest *n, facet_reach_norm *out)
{
  facet_wall_name name = {.gate = -1, .element = -1, .next = -1};
  if (n->wall >= 0)
    name = facet_region_name(r->region, n->wall);
  out->gate = name.gate;
  out->element = name.element;
  out->next = name.next;
}

static void describe(const facet_reach *r, int norm, facet_reach_norm *out)
{
  const facet_nearest *wall = &r->found[FACET_WALLS][norm], *contrast = &r->found[FACET_CONTRASTS][norm];
  out->untied = r->broken ? NAN : wall->distance;
  out->radius = r->tied > 0 && !r->broken ? 0 : out->untied;
  out->error = wall->wall < 0 ? 0 : wall->distance - wall->least;
  out->boundary = r->broken ? NAN : contrast->distance;
  out->other = contrast->wall < 0 ? -1 : (int32_t)(contrast->wall - r->walls);
  out->inside = false;
  out->within = out->beyond = -1;
  for (int64_t i = 0; i < r->inputs; i++)
    out->point[i] = NAN;
  name_wall(r, wall, out);
}

static void take_outside(void *self, int64_t point, int part, const double *d, double rounding)
{
  facet_reach *r = self;
  const facet_wall_part p = facet_region_part(r->region, part);
  for (int64_t i = 0; part < facet_region_parts(r->region) - 1 && i < p.count; i++)
    r->outside[point] += d[i] < -rounding;
}

/* Rows of what was found, once more, in the order of families and norms; of those that there are. */
static facet_status pull_found(facet_reach *r, const double **row, double *residual)
{
  int64_t wall[FACET_FAMILIES * FACET_NORMS], count = 0;
  for (int i = 0; i < FACET_FAMILIES * FACET_NORMS; i++) {
    const facet_nearest *n = &r->found[i / FACET_NORMS][i % FACET_NORMS];
    row[i] = n->wall < 0 ? NULL : r->row + count * r->inputs;
    if (n->wall >= 0)
      wall[count++] = n->wall;
  }
  FACET_TRY(facet_region_rows(r->region, count, wall, r->row, r->constant));
  for (int64_t i = 0; i < count; i++)
    certify(r, wall[i], r->row + i * r->inputs, r->constant[i], residual);
  return FACET_OK;
}

/* Nearest points of another class, and whether they lie in the facet: whether all d are at least 0 there. */
static facet_status find_points(facet_reach *r, const double *const *row, facet_reach_result *out)
{
  memset(r->outside, 0, sizeof r->outside);
  for (int norm = 0; norm < FACET_NORMS; norm++) {
    double *to = r->point + norm * r->inputs;
    const double *a = row[FACET_CONTRASTS * FACET_NORMS + norm];
    memcpy(to, r->x, (size_t)r->inputs * sizeof *to);
    if (a) {
      move(r, a, norm, r->found[FACET_CONTRASTS][norm].distance, to);
      memcpy(out->norm[norm].point, to, (size_t)r->inputs * sizeof *to);
    }
  }
  FACET_TRY(facet_region_carry(r->region, r->point, FACET_NORMS, (facet_wall_sink){take_outside, r}));
  for (int norm = 0; norm < FACET_NORMS; norm++)
    out->norm[norm].inside = row[FACET_CONTRASTS * FACET_NORMS + norm] && r->outside[norm] == 0;
  return FACET_OK;
}

/* |F_c - F_k| at a point where they are to be equal. */
static void certify_point(const facet_reach *r, const double *logits, int32_t other, double *residual)
{
  int64_t classes = r->all - r->walls;
  double largest = 1, off = fabs(logits[facet_region_class(r->region)] - logits[other]);
  for (int64_t k = 0; k < classes; k++)
    largest = fmax(largest, fabs(logits[k]));
  off /= largest;
  *residual = isnan(*residual) || off <= *residual ? *residual : off;
}

/* By plain passes: what is a little nearer than the radius, and a little farther; and the points of another class, of
 * which r->point has each norm's. */
static facet_status compare(facet_reach *r, const double *const *row, facet_reach_result *out)
{
  int64_t differs[3 * FACET_NORMS], classes = r->all - r->walls;
  double *logits;
  FACET_NEW(logits, FACET_PROBE_BATCH * classes);
  for (int norm = 0; norm < FACET_NORMS; norm++)
    for (int side = 0; side < 2; side++) {
      double *to = r->point + (FACET_NORMS * (1 + norm) + side) * r->inputs;
      const double *a = row[FACET_WALLS * FACET_NORMS + norm];
      memcpy(to, r->x, (size_t)r->inputs * sizeof *to);
      if (a)
        move(r, a, norm, out->norm[norm].untied * (side ? 1 + near_by : 1 - near_by), to);
    }
  facet_status status = facet_region_compare(r->region, r->point, 3 * FACET_NORMS, differs, logits);
  for (int norm = 0; norm < FACET_NORMS && status == FACET_OK; norm++) {
    facet_reach_norm *n = &out->norm[norm];
    if (n->inside)
      certify_point(r, logits + norm * classes, n->other, &out->residual);
    if (r->tied > 0 || !row[FACET_WALLS * FACET_NORMS + norm])
      continue;
    n->within = differs[FACET_NORMS * (1 + norm)];
    n->beyond = differs[FACET_NORMS * (1 + norm) + 1];
  }
  facet_free(&logits);
  return status;
}

static facet_status finish(facet_reach *r, facet_reach_result *out)
{
  const double *row[FACET_FAMILIES * FACET_NORMS];
  out->tied = r->tied;
  out->rows = r->rows;
  out->residual = r->broken ? NAN : 0;
  for (int norm = 0; norm < FACET_NORMS; norm++)
    describe(r, norm, &out->norm[norm]);
  FACET_TRY(pull_found(r, row, &out->residual));
  FACET_TRY(find_points(r, row, out));
  return compare(r, row, out);
}

facet_status facet_reach_find(facet_reach *r, const double *x, facet_reach_result *out)
{
  r->x = x;
  r->rows = 0;
  r->broken = false;
  memset(r->pulled, 0, (size_t)r->all);
  for (int f = 0; f < FACET_FAMILIES; f++)
    for (int norm = 0; norm < FACET_NORMS; norm++)
      r->found[f][norm] = (facet_nearest){.distance = INFINITY, .least = INFINITY, .wall = -1};
  FACET_TRY(facet_region_enter(r->region, x));
  FACET_TRY(facet_reach_probe(r));
  count_ties(r, out->tied_of);
  for (int f = 0; f < FACET_FAMILIES; f++)
    for (int norm = 0; norm < FACET_NORMS; norm++)
      FACET_TRY(facet_reach_seek(r, (facet_family_of_walls)f, norm));
  return finish(r, out);
}
