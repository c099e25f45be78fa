/* Distances, tree and layout of networks: see similarity.h. */
#include "similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As many sums as a vector of any processor takes: their order, and so the bits, are the same on all. */
enum { LANES = 8 };

static double square_if_known(double difference)
{
  return difference == difference ? difference * difference : 0;
}

static double add_differences(int64_t count, const double *a, const double *b)
{
  double lane[LANES] = {0}, sum = 0;
  int64_t k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int i = 0; i < LANES; i++)
      lane[i] += square_if_known(a[k + i] - b[k + i]);
  for (; k < count; k++)
    sum += square_if_known(a[k] - b[k]);
  for (int i = 0; i < LANES; i++)
    sum += lane[i];
  return sum;
}

void facet_similarity_add(int64_t count, int64_t rows, const double *a, int64_t columns, const double *b, double *sum)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      *sum++ += add_differences(count, a + i * count, b + j * count);
}

/* ---- the tree ---- */

typedef struct {
  double distance;
  int64_t a, b; /* any item of either cluster */
} merge;

static int by_distance(const void *left, const void *right)
{
  const merge *a = left, *b = right;
  if (a->distance != b->distance)
    return a->distance < b->distance ? -1 : 1;
  return a->a != b->a ? (a->a < b->a ? -1 : 1) : (a->b > b->b) - (a->b < b->b);
}

typedef struct {
  int64_t items;
  double *d;     /* items x items, of clusters that are left */
  int64_t *size; /* 0: joined with another one */
  int64_t *chain;
  merge *merges;
} chain_work;

static int64_t nearest(const chain_work *w, int64_t of, int64_t before)
{
  int64_t best = before;
  for (int64_t i = 0; i < w->items; i++)
    if (w->size[i] > 0 && i != of && (best < 0 || w->d[of * w->items + i] < w->d[of * w->items + best]))
      best = i;
  return best;
}

/* Cluster b takes a in. */
static void join(const chain_work *w, int64_t a, int64_t b)
{
  double of_a = (double)w->size[a], of_b = (double)w->size[b];
  for (int64_t i = 0; i < w->items; i++) {
    if (w->size[i] == 0 || i == a || i == b)
      continue;
    double mean = (of_a * w->d[a * w->items + i] + of_b * w->d[b * w->items + i]) / (of_a + of_b);
    w->d[b * w->items + i] = w->d[i * w->items + b] = mean;
  }
  w->size[b] += w->size[a];
  w->size[a] = 0;
}

/* Follows nearest neighbours until two are each other's: those are joined, whatever else is. */
static void join_all(const chain_work *w)
{
  int64_t length = 0, first = 0;
  for (int64_t made = 0; made < w->items - 1; made++) {
    while (length == 0) {
      while (w->size[first] == 0)
        first++;
      w->chain[length++] = first;
    }
    for (;;) {
      int64_t last = w->chain[length - 1], before = length > 1 ? w->chain[length - 2] : -1;
      int64_t next = nearest(w, last, before);
      if (next != before) {
        w->chain[length++] = next;
        continue;
      }
      int64_t low = last < before ? last : before, high = last < before ? before : last;
      w->merges[made] = (merge){w->d[last * w->items + before], low, high};
      join(w, low, high);
      length -= 2;
      break;
    }
  }
}

/* Merges in order of distance, with clusters numbered as they come about. */
static void number_clusters(int64_t items, const merge *merges, int64_t *cluster_of, int64_t *size, double *linkage)
{
  for (int64_t i = 0; i < items; i++) {
    cluster_of[i] = i;
    size[i] = 1;
  }
  for (int64_t k = 0; k < items - 1; k++) {
    int64_t a = cluster_of[merges[k].a], b = cluster_of[merges[k].b], made = items + k;
    size[made] = size[a] + size[b];
    double *line = linkage + 4 * k;
    line[0] = (double)(a < b ? a : b);
    line[1] = (double)(a < b ? b : a);
    line[2] = merges[k].distance;
    line[3] = (double)size[made];
    for (int64_t i = 0; i < items; i++)
      if (cluster_of[i] == a || cluster_of[i] == b)
        cluster_of[i] = made;
  }
}

/* Leaves from left to right: the first cluster of a line before the second. */
static void order_leaves(int64_t items, const double *linkage, int64_t *stack, int64_t *order)
{
  int64_t depth = 0, leaves = 0;
  stack[depth++] = 2 * items - 2;
  while (depth > 0) {
    int64_t cluster = stack[--depth];
    if (cluster < items) {
      order[leaves++] = cluster;
      continue;
    }
    const double *line = linkage + 4 * (cluster - items);
    stack[depth++] = (int64_t)line[1];
    stack[depth++] = (int64_t)line[0];
  }
}

facet_status facet_similarity_linkage(int64_t items, const double *distance, double *linkage, int64_t *order)
{
  chain_work w = {.items = items};
  int64_t *cluster = NULL, *size = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, w.d, items * items);
  FACET_NEW_GO(done, status, w.size, items);
  FACET_NEW_GO(done, status, w.chain, items + 1);
  FACET_NEW_GO(done, status, w.merges, items);
  FACET_NEW_GO(done, status, cluster, 2 * items);
  FACET_NEW_GO(done, status, size, 2 * items);
  memcpy(w.d, distance, (size_t)(items * items) * sizeof *w.d);
  for (int64_t i = 0; i < items; i++)
    w.size[i] = 1;
  join_all(&w);
  qsort(w.merges, (size_t)(items - 1), sizeof *w.merges, by_distance);
  number_clusters(items, w.merges, cluster, size, linkage);
  order_leaves(items, linkage, cluster, order);
done:
  facet_free(&w.d);
  facet_free(&w.size);
  facet_free(&w.chain);
  facet_free(&w.merges);
  facet_free(&cluster);
  facet_free(&size);
  return status;
}

/* ---- the layout ---- */

/* LAPACK: chosen eigenvalues and vectors of a symmetric matrix. */
extern void dsyevr_(const char *jobz, const char *range, const char *uplo, const int *n, double *a, const int *lda,
                    const double *vl, const double *vu, const int *il, const int *iu, const double *abstol, int *m,
                    double *w, double *z, const int *ldz, int *isuppz, double *work, const int *lwork, int *iwork,
                    const int *liwork, int *info);

/* -1/2 J D^2 J. */
static void center(int64_t n, const double *distance, double *mean, double *b)
{
  double all = 0;
  for (int64_t i = 0; i < n; i++) {
    mean[i] = 0;
    for (int64_t j = 0; j < n; j++)
      mean[i] += distance[i * n + j] * distance[i * n + j] / (double)n;
    all += mean[i] / (double)n;
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++)
      b[i * n + j] = -0.5 * (distance[i * n + j] * distance[i * n + j] - mean[i] - mean[j] + all);
}

/* The two largest eigenvalues, ascending, and their vectors. */
static facet_status top_two(int n, double *b, double value[2], double *vector)
{
  const int low = n - 1, lwork = 40 * n, liwork = 12 * n;
  const double none = 0;
  int found = 0, info = 0, support[4], *iwork = NULL;
  double *work = NULL, *values = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, work, lwork);
  FACET_NEW_GO(done, status, iwork, liwork);
  FACET_NEW_GO(done, status, values, n);
  dsyevr_("V", "I", "L", &n, b, &n, &none, &none, &low, &n, &none, &found, values, vector, &n, support, work, &lwork,
          iwork, &liwork, &info);
  if (info != 0 || found != 2)
    status = facet_raise(FACET_INTERNAL, "dsyevr gave %d eigenvalues and status %d", found, info);
  value[0] = values[0];
  value[1] = values[1];
done:
  facet_free(&work);
  facet_free(&iwork);
  facet_free(&values);
  return status;
}

static void place(int64_t n, double value, const double *vector, int64_t axis, double *layout)
{
  int64_t largest = 0;
  for (int64_t i = 1; i < n; i++)
    largest = fabs(vector[i]) > fabs(vector[largest]) * (1 + 1e-9) ? i : largest;
  double factor = sqrt(value > 0 ? value : 0) * (vector[largest] < 0 ? -1 : 1);
  for (int64_t i = 0; i < n; i++)
    layout[2 * i + axis] = factor * vector[i];
}

facet_status facet_similarity_layout(int64_t items, const double *distance, double *layout)
{
  double *b = NULL, *mean = NULL, *vector = NULL, value[2];
  facet_status status = FACET_OK;
  memset(layout, 0, (size_t)(2 * items) * sizeof *layout);
  if (items < 2)
    return FACET_OK;
  FACET_NEW_GO(done, status, b, items * items);
  FACET_NEW_GO(done, status, mean, items);
  FACET_NEW_GO(done, status, vector, 2 * items);
  center(items, distance, mean, b);
  FACET_GO(done, status, top_two((int)items, b, value, vector));
  place(items, value[1], vector + items, 0, layout);
  place(items, value[0], vector, 1, layout);
done:
  facet_free(&b);
  facet_free(&mean);
  facet_free(&vector);
  return status;
}
