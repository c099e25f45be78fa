/* t-SNE for a block of rows: neighbours have the perplexity that was asked for, and the gradient is the derivative of
 * the loss, for both types, for any alpha, and for alpha itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "embed/tsne.h"

enum { N = 150, MOST = 3 };

static const facet_random random_numbers = {5, 77};

static double uniform(int64_t i, int64_t j)
{
  return facet_random_uniform(random_numbers, (uint64_t)i, (uint64_t)j);
}

static double entropy(int64_t n, const double *p)
{
  double h = 0;
  for (int64_t j = 0; j < n; j++)
    h -= p[j] > 0 ? p[j] * log(p[j]) : 0;
  return h;
}

static void neighbours_have_the_perplexity(void **state)
{
  (void)state;
  const double scale[] = {1e-12, 1, 1e9};
  for (int s = 0; s < 3; s++)
    for (int perplexity = 2; perplexity < N - 2; perplexity += 20) {
      double p[N], sum = 0;
      for (int j = 0; j < N; j++)
        p[j] = scale[s] * (j == 7 ? 0 : uniform(j, 1) + 0.1);
      facet_tsne_neighbours(N, 7, perplexity, p);
      for (int j = 0; j < N; j++)
        sum += p[j];
      assert_true(fabs(sum - 1) < 1e-12);
      assert_true(p[7] == 0);
      assert_true(fabs(entropy(N, p) - log(perplexity)) <= 1.1e-5);
    }
}

static void duplicates_share_evenly(void **state)
{
  (void)state;
  double p[N];
  for (int j = 0; j < N; j++)
    p[j] = j < 20 ? 0 : 1; /* 19 others at the same place, perplexity 5 */
  facet_tsne_neighbours(N, 3, 5, p);
  for (int j = 0; j < N; j++)
    assert_true(fabs(p[j] - (j == 3 || j >= 20 ? 0 : 1 / 19.0)) < 1e-9);
  memset(p, 0, sizeof p); /* all at one place */
  facet_tsne_neighbours(N, 0, 5, p);
  for (int j = 1; j < N; j++)
    assert_true(fabs(p[j] - 1.0 / (N - 1)) < 1e-12);
}

/* ---- loss and gradient ---- */

typedef struct {
  int dimensions, parts;
  double p[N * N], y[N * MOST], gradient[N * MOST], gradient_alpha;
} problem;

static void make_problem(problem *m, int dimensions, int parts)
{
  double sum = 0;
  *m = (problem){.dimensions = dimensions, .parts = parts};
  for (int i = 0; i < N; i++)
    for (int j = 0; j < i; j++)
      sum += 2 * (m->p[i * N + j] = m->p[j * N + i] = pow(uniform(i, j), 4));
  for (int i = 0; i < N * N; i++)
    m->p[i] /= sum;
  for (int i = 0; i < N * dimensions; i++)
    m->y[i] = 4 * uniform(i, 1000) - 2;
}

/* The loss from parts of interleaved rows, as ranks would have them; the gradient too. */
static double loss_of(problem *m, facet_type real, double alpha, bool learn)
{
  double cross = 0, weight = 0, entropy_p = 0, cross_alpha = 0, weight_alpha = 0;
  static double pull[N * MOST], push[N * MOST], all_pull[N * MOST], all_push[N * MOST];
  for (int part = 0; part < m->parts; part++) {
    static union {
      double d[N * N];
      float f[N * N];
    } p;
    int64_t self[N], rows = 0;
    for (int i = part; i < N; i += m->parts)
      self[rows++] = i;
    for (int64_t j = 0; j < N; j++)
      for (int64_t i = 0; i < rows; i++) {
        if (real == FACET_F32)
          p.f[j * rows + i] = (float)m->p[self[i] * N + j];
        else
          p.d[j * rows + i] = m->p[self[i] * N + j];
      }
    facet_tsne_part given = {.real = real, .n = N, .rows = rows, .self = self, .p = &p};
    facet_tsne_forces f = {.pull = pull, .push = push};
    assert_int_equal(facet_tsne_measure(&given, m->dimensions, m->y, alpha, learn, &f), FACET_OK);
    cross += f.cross;
    weight += f.weight;
    cross_alpha += f.cross_alpha;
    weight_alpha += f.weight_alpha;
    for (int64_t i = 0; i < rows; i++)
      for (int d = 0; d < m->dimensions; d++) {
        all_pull[self[i] * m->dimensions + d] = pull[i * m->dimensions + d];
        all_push[self[i] * m->dimensions + d] = push[i * m->dimensions + d];
      }
  }
  for (int i = 0; i < N * m->dimensions; i++)
    m->gradient[i] = 2 * (alpha + 1) / alpha * (all_pull[i] - all_push[i] / weight);
  m->gradient_alpha = cross_alpha - weight_alpha / weight;
  for (int i = 0; i < N * N; i++)
    entropy_p += m->p[i] > 0 ? m->p[i] * log(m->p[i]) : 0;
  return entropy_p + cross + log(weight);
}

/* The loss as its definition says. */
static double plain_loss(const problem *m, double alpha)
{
  static double k[N * N];
  double z = 0, loss = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double d2 = 0;
      for (int d = 0; d < m->dimensions; d++)
        d2 += pow(m->y[i * m->dimensions + d] - m->y[j * m->dimensions + d], 2);
      k[i * N + j] = i == j ? 0 : pow(1 + d2 / alpha, -(alpha + 1) / 2);
      z += k[i * N + j];
    }
  for (int i = 0; i < N * N; i++)
    loss += m->p[i] > 0 ? m->p[i] * log(m->p[i] / (k[i] / z)) : 0;
  return loss;
}

static void the_gradient_is_the_derivative_of_the_loss(void **state)
{
  (void)state;
  static problem m;
  const double alphas[] = {1, 1, 2.5, 0.4}, step = 1e-4;
  for (int c = 0; c < 4; c++) {
    double alpha = alphas[c];
    make_problem(&m, 1 + c % 3, 1 + c);
    double loss = loss_of(&m, FACET_F64, alpha, c == 3), largest = 0;
    assert_true(fabs(loss - plain_loss(&m, alpha)) < 1e-12);
    for (int i = 0; i < N * m.dimensions; i++)
      largest = fmax(largest, fabs(m.gradient[i]));
    for (int i = 0; i < N * m.dimensions; i += 11) {
      double y = m.y[i];
      m.y[i] = y + step;
      double after = plain_loss(&m, alpha);
      m.y[i] = y - step;
      double before = plain_loss(&m, alpha);
      m.y[i] = y;
      assert_true(fabs((after - before) / (2 * step) - m.gradient[i]) < 1e-7 * largest);
    }
    if (c == 3) {
      double by_alpha = (plain_loss(&m, alpha + step) - plain_loss(&m, alpha - step)) / (2 * step);
      assert_true(fabs(by_alpha - m.gradient_alpha) < 1e-7);
    }
  }
}

static void float_is_near_double(void **state)
{
  (void)state;
  static problem m;
  for (int c = 0; c < 2; c++) {
    double exact[N * MOST], alpha = c ? 2 : 1, largest = 0;
    make_problem(&m, 2, 3);
    double loss = loss_of(&m, FACET_F64, alpha, c == 1);
    memcpy(exact, m.gradient, sizeof exact);
    for (int i = 0; i < 2 * N; i++)
      largest = fmax(largest, fabs(exact[i]));
    assert_true(fabs(loss_of(&m, FACET_F32, alpha, c == 1) - loss) < 1e-6 * fabs(loss));
    for (int i = 0; i < 2 * N; i++)
      assert_true(fabs(m.gradient[i] - exact[i]) < 2e-6 * largest);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(neighbours_have_the_perplexity),
      cmocka_unit_test(duplicates_share_evenly),
      cmocka_unit_test(the_gradient_is_the_derivative_of_the_loss),
      cmocka_unit_test(float_is_near_double),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
