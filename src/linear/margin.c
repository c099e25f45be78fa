/* Margins taken apart: the two rows of W that a margin is made of, linearized, and their difference scaled. */
#include <facet/geometry.h>
#include <facet/linear.h>
#include <math.h>

#include "base/base.h"

enum { ROWS = 2 }; /* the class's own, and its rival's */

typedef struct {
  facet_linearization linear;
  int32_t *row; /* count x ROWS */
  double *feature, *factor;
} work;

static void work_clear(work *k)
{
  FACET_FREE(&k->linear.w, &k->linear.b, &k->linear.b_node, &k->linear.residual, &k->linear.ties, &k->row, &k->feature,
             &k->factor);
}

static facet_status work_make(const facet_executor *executor, const facet_head *head, int64_t count, work *k)
{
  facet_executor_options o = facet_executor_settings(executor);
  int64_t inputs = facet_shape_size(facet_network_input_shape(facet_executor_network(executor)));
  FACET_TRY(facet_network_need_pieces(facet_executor_network(executor), "margins taken apart"));
  FACET_CHECK(count == facet_executor_count(executor), FACET_INTERNAL,
              "%lld margins to take apart, but %lld samples of the last forward pass", (long long)count,
              (long long)facet_executor_count(executor));
  if (!(k->linear.w = facet_allocate((size_t)(count * ROWS * inputs), facet_type_size(o.real))))
    return FACET_OS;
  FACET_NEW(k->linear.b, count * ROWS);
  FACET_NEW(k->linear.b_node, count * ROWS * facet_executor_constant_nodes(executor));
  FACET_NEW(k->linear.residual, count);
  FACET_NEW(k->linear.ties, count);
  FACET_NEW(k->row, count * ROWS);
  FACET_NEW(k->feature, count * head->features);
  FACET_NEW(k->factor, count);
  return FACET_OK;
}

static double element(facet_type real, const void *w, int64_t i)
{
  return real == FACET_F64 ? ((const double *)w)[i] : (double)((const float *)w)[i];
}

/* One sample: differences of its two rows, scaled. */
static void fill(const facet_executor *executor, const work *k, const void *x, int64_t s, facet_margin_map *map)
{
  facet_type real = facet_executor_settings(executor).real;
  int64_t inputs = facet_shape_size(facet_network_input_shape(facet_executor_network(executor)));
  int nodes = facet_executor_constant_nodes(executor);
  double *gradient = map->gradient + s * inputs, *node = map->node + s * nodes, sum = 0;
  for (int64_t i = 0; i < inputs; i++) {
    gradient[i] = k->factor[s] * (element(real, k->linear.w, s * ROWS * inputs + i) -
                                  element(real, k->linear.w, (s * ROWS + 1) * inputs + i));
    sum += gradient[i] * element(real, x, s * inputs + i);
  }
  for (int n = 0; n < nodes; n++) {
    node[n] = k->factor[s] * (k->linear.b_node[s * ROWS * nodes + n] - k->linear.b_node[(s * ROWS + 1) * nodes + n]);
    sum += node[n];
  }
  map->residual[s] = fabs(map->margin[s] - sum) / fmax(1, fabs(map->margin[s]));
}

static facet_status take_apart(facet_executor *executor, const facet_head *head, const void *x, int64_t count,
                               const int32_t *label, work *k, facet_margin_map *map)
{
  FACET_TRY(facet_executor_value(executor, head->feature, k->feature));
  for (int64_t s = 0; s < count; s++) {
    map->rival[s] = facet_rival(head, k->feature + s * head->features, label[s], &map->margin[s], &k->factor[s]);
    bool known = map->rival[s] >= 0; /* else any rows: the factor is NaN */
    k->row[s * ROWS] = known ? label[s] : 0;
    k->row[s * ROWS + 1] = known ? map->rival[s] : 0;
  }
  FACET_TRY(facet_linearize(executor, x, count, ROWS, k->row, &k->linear));
  for (int64_t s = 0; s < count; s++)
    fill(executor, k, x, s, map);
  return FACET_OK;
}

facet_status facet_margin_take_apart(facet_executor *executor, const facet_head *head, const void *x, int64_t count,
                                     const int32_t *label, facet_margin_map *map)
{
  work k = {0};
  facet_status status;
  FACET_GO(done, status, work_make(executor, head, count, &k));
  status = take_apart(executor, head, x, count, label, &k, map);
done:
  work_clear(&k);
  return status;
}

void facet_margin_change(int64_t inputs, const double *gradient_from, const double *x_from, const double *gradient_to,
                         const double *x_to, double *pixel, double *moved)
{
  for (int64_t i = 0; i < inputs; i++) {
    double all = gradient_to[i] * x_to[i] - gradient_from[i] * x_from[i];
    if (moved)
      moved[i] = gradient_from[i] * (x_to[i] - x_from[i]);
    pixel[i] = moved ? (gradient_to[i] - gradient_from[i]) * x_to[i] : all;
  }
}
