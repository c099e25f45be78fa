/* What happens on the segment between two inputs: exact integrated gradients, certificate, pieces, changes of the
 * predicted class.  The segment is cut into parts of which each has as many changes as there is memory for. */
#include <facet/linear.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "net/lowered.h"
#include "net/walk.h"

enum { FEWEST = 16 }; /* points at once */

struct facet_path {
  facet_walk *walk;
  int64_t inputs, classes;
  double *ends;     /* 2 x K: logits */
  double *gradient; /* k x D, of the present call; W integrated so far */
  int64_t rows;     /* that it has room for */
  int64_t now;      /* the class predicted so far */
};

facet_status facet_path_create(const facet_network *network, double bytes, facet_path **path)
{
  facet_path *p;
  *path = NULL;
  FACET_NEW(p, 1);
  p->inputs = facet_network_inputs(network);
  p->classes = facet_network_outputs(network);
  facet_status status = facet_walk_create(network, bytes, FEWEST, &p->walk);
  if (status == FACET_OK && !(p->ends = facet_allocate((size_t)(2 * p->classes), sizeof *p->ends)))
    status = FACET_OS;
  if (status != FACET_OK)
    facet_path_destroy(&p);
  *path = p;
  return status;
}

void facet_path_destroy(facet_path **path)
{
  facet_path *p = *path;
  if (!p)
    return;
  facet_walk_destroy(&p->walk);
  FACET_FREE(&p->ends, &p->gradient);
  facet_free(path);
}

int64_t facet_path_elements(const facet_network *network)
{
  int64_t sum = 0;
  for (int i = 0; i < network->nodes; i++) {
    const facet_lowered *l = network->node[i].lowered;
    if (l->kind == KIND_GATE || l->kind == KIND_SELECT || (l->kind == KIND_WINDOW && l->maximum))
      sum += facet_shape_size(l->full);
  }
  return sum;
}

/* About half of all elements change on a way, and a layer is run at the points of those before it: there at half of the
 * pieces; a row back takes less (walk_spans.c). */
double facet_path_passes(const facet_network *network, int64_t rows)
{
  const double back = 0.7;
  return (1 + (double)facet_path_elements(network) / 2) / 2 * (1 + back * (double)rows);
}

/* ---- the predicted class ---- */

/* Who overtakes the present class first between two points, and after what share of the way; -1: nobody. */
static int64_t next_class(const facet_path *p, const double *before, const double *after, double *share)
{
  double largest = 0;
  for (int64_t c = 0; c < p->classes; c++)
    largest = fmax(largest, fmax(fabs(before[c]), fabs(after[c])));
  return facet_walk_next_ahead(p->classes, before, after, FACET_WALK_ROUNDING * largest, p->now, share);
}

/* Of the part that was walked last. At the start the class is the one of the first piece. */
static void find_crossings(facet_path *p, const facet_path_options *o, facet_path_result *r)
{
  for (int64_t i = 0; i + 1 < facet_walk_points(p->walk); i++) {
    const double *before = facet_walk_logits(p->walk, i), *after = facet_walk_logits(p->walk, i + 1);
    double from = facet_walk_point(p->walk, i), to = facet_walk_point(p->walk, i + 1), share = 0;
    for (int64_t next; (next = next_class(p, before, after, &share)) >= 0; p->now = next) {
      double t = from + share * (to - from);
      if (t == 0)
        continue;
      if (r->changes < o->crossings)
        r->crossing[r->changes] = t;
      r->changes++;
    }
  }
}

/* ---- parts ---- */

static void draw_curve(const facet_path *p, const facet_path_options *o, facet_path_result *r)
{
  int64_t points = facet_walk_points(p->walk);
  double first = facet_walk_point(p->walk, 0), last = facet_walk_point(p->walk, points - 1);
  for (int64_t c = 0, i = 0; c < o->points; c++) {
    double t = (double)c / (double)(o->points - 1);
    if (t < first || t > last)
      continue;
    while (i + 2 < points && facet_walk_point(p->walk, i + 1) < t)
      i++;
    double from = facet_walk_point(p->walk, i), share = (t - from) / (facet_walk_point(p->walk, i + 1) - from);
    const double *a = facet_walk_logits(p->walk, i), *b = facet_walk_logits(p->walk, i + 1);
    for (int64_t k = 0; k < p->classes; k++)
      r->curve[c * p->classes + k] = (1 - share) * a[k] + share * b[k];
  }
}

/* One call. */
typedef struct {
  facet_path *path;
  const facet_path_options *options;
  facet_path_result *result;
} call;

static facet_status take_part(void *self)
{
  facet_path *p = ((call *)self)->path;
  const facet_path_options *o = ((call *)self)->options;
  facet_path_result *r = ((call *)self)->result;
  r->pieces += facet_walk_points(p->walk) - 2;
  find_crossings(p, o, r);
  draw_curve(p, o, r);
  for (int64_t k = 0; k < o->k; k++)
    FACET_TRY(facet_walk_integrate(p->walk, r->row[k], p->gradient + k * p->inputs));
  return FACET_OK;
}

/* ---- all of it ---- */

static facet_status begin(facet_path *p, const double *start, const double *end, const facet_path_options *o,
                          facet_path_result *r)
{
  if (p->rows < o->k) {
    facet_free(&p->gradient);
    p->rows = 0;
    FACET_NEW(p->gradient, o->k * p->inputs);
    p->rows = o->k;
  }
  memset(p->gradient, 0, (size_t)(o->k * p->inputs) * sizeof *p->gradient);
  facet_walk_pauses(p->walk, o->pause, o->context);
  FACET_TRY(facet_walk_begin(p->walk, start, end, p->ends));
  if (o->given)
    memmove(r->row, o->given, (size_t)o->k * sizeof *r->row);
  else
    facet_rows_choose(o->rows, o->k, p->classes, p->ends + p->classes, 1, r->row);
  p->now = 0;
  for (int64_t c = 1; c < p->classes; c++)
    p->now = p->ends[c] > p->ends[p->now] ? c : p->now;
  for (int64_t i = 0; i < o->crossings; i++)
    r->crossing[i] = NAN;
  r->pieces = 1;
  r->changes = 0;
  return FACET_OK;
}

static void finish(const facet_path *p, const double *start, const double *end, const facet_path_options *o,
                   facet_path_result *r)
{
  double largest = 1;
  for (int64_t c = 0; c < 2 * p->classes; c++)
    largest = fmax(largest, fabs(p->ends[c]));
  r->residual = 0;
  for (int64_t k = 0; k < o->k; k++) {
    double sum = 0;
    for (int64_t i = 0; i < p->inputs; i++)
      sum += r->attribution[k * p->inputs + i] = (end[i] - start[i]) * p->gradient[k * p->inputs + i];
    r->total[k] = p->ends[p->classes + r->row[k]] - p->ends[r->row[k]];
    double distance = fabs(r->total[k] - sum) / largest;
    r->residual = isnan(r->residual) || distance <= r->residual ? r->residual : distance; /* NaN stays */
  }
}

facet_status facet_path_follow(facet_path *p, const double *start, const double *end, const facet_path_options *o,
                               facet_path_result *r)
{
  FACET_CHECK(o->k > 0 && o->k <= p->classes && o->points != 1, FACET_INTERNAL, "a path of %lld rows, %lld points",
              (long long)o->k, (long long)o->points);
  FACET_TRY(begin(p, start, end, o, r));
  FACET_TRY(facet_walk_parts(p->walk, take_part, &(call){p, o, r}));
  finish(p, start, end, o, r);
  return FACET_OK;
}
