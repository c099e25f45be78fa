/* What follows from singular values and directions: see spectrum.h. */
#include "spectrum.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* LAPACK: singular values alone, QR, eigenvectors of a symmetric matrix. */
extern void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
                    const int *ldu, double *vt, const int *ldvt, double *work, const int *size, int *integers,
                    int *info);
extern void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *size,
                    int *info);
extern void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
                    double *work, const int *size, int *info);
extern void dsyevd_(const char *job, const char *half, const int *n, double *a, const int *lda, double *values,
                    double *work, const int *size, int *integers, const int *integers_size, int *info);

double facet_effective_rank(int64_t count, const double *squares)
{
  double entropy = 0, total = 0;
  for (int64_t i = 0; i < count; i++)
    total += fmax(squares[i], 0);
  for (int64_t i = 0; i < count; i++)
    entropy -= squares[i] > 0 ? squares[i] / total * log(squares[i] / total) : 0;
  return total > 0 ? exp(entropy) : (double)NAN;
}

void facet_direction_orient(int64_t inputs, double *direction)
{
  int64_t largest = 0;
  for (int64_t i = 1; i < inputs; i++)
    if (fabs(direction[i]) > fabs(direction[largest]))
      largest = i;
  if (inputs > 0 && direction[largest] < 0)
    for (int64_t i = 0; i < inputs; i++)
      direction[i] = -direction[i];
}

void facet_spectrum_take(const facet_spectrum *s, const double *square, double total)
{
  double bound = (double)(s->inputs > s->rows ? s->inputs : s->rows) * 0x1p-52 * square[0];
  for (int64_t i = 0; i < s->components; i++) {
    bool known = square[i] > bound;
    s->value[i] = known ? sqrt(square[i]) : 0;
    s->share[i] = known ? square[i] / total : 0;
    double *direction = s->direction + i * s->inputs, norm = cblas_dnrm2((int)s->inputs, direction, 1);
    for (int64_t j = 0; j < s->inputs; j++)
      direction[j] = known ? direction[j] / norm : (double)NAN;
    facet_direction_orient(s->inputs, direction);
  }
}

void facet_rows_reverse(int64_t count, int64_t width, double *rows)
{
  for (int64_t i = 0, j = count - 1; i < j; i++, j--)
    for (int64_t k = 0; k < width; k++) {
      double kept = rows[i * width + k];
      rows[i * width + k] = rows[j * width + k];
      rows[j * width + k] = kept;
    }
}

static facet_status lapack_check(const char *routine, int info)
{
  FACET_CHECK(info == 0, FACET_INTERNAL, "%s gave status %d", routine, info);
  return FACET_OK;
}

/* ---- angles ---- */

/* Singular values of m x n numbers by columns, m >= n, which are lost: n, descending. */
static facet_status singular_values(int m, int n, double *a, double *value)
{
  const int query = -1, one = 1;
  int info = 0, size, *integers = NULL;
  double found = 0, none = 0, *work = NULL;
  facet_status status = FACET_OK;
  dgesdd_("N", &m, &n, a, &m, value, &none, &one, &none, &one, &found, &query, &info, &info);
  size = (int)found + 1;
  FACET_NEW_GO(done, status, work, size);
  FACET_NEW_GO(done, status, integers, 8 * (int64_t)n);
  dgesdd_("N", &m, &n, a, &m, value, &none, &one, &none, &one, work, &size, integers, &info);
  status = lapack_check("dgesdd", info);
done:
  facet_free(&work);
  facet_free(&integers);
  return status;
}

/* So many directions. */
typedef struct {
  int count;
  const double *direction;
} basis;

/* u has no fewer than v. cosine: b x a, v uT, becomes free; rest: b x inputs, becomes v - v uT u: its singular values
 * are sines. */
static facet_status angles_of(int inputs, basis of_u, basis of_v, double *cosine, double *rest, double *angle)
{
  const int a = of_u.count, b = of_v.count;
  const double *u = of_u.direction, *v = of_v.direction;
  double *sine;
  FACET_NEW(sine, b);
  memcpy(rest, v, (size_t)b * (size_t)inputs * sizeof *rest);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, b, a, inputs, 1, v, inputs, u, inputs, 0, cosine, a);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, b, inputs, a, -1, cosine, a, u, inputs, 1, rest, inputs);
  facet_status status;
  FACET_GO(done, status, singular_values(inputs, b, rest, sine)); /* rows here are columns there */
  FACET_GO(done, status, singular_values(a, b, cosine, angle));
  for (int i = 0; i < b; i++) /* cosines descend, sines come from the other end: the angle grows */
    angle[i] = angle[i] * angle[i] >= 0.5 ? asin(fmin(sine[b - 1 - i], 1)) : acos(angle[i]);
done:
  facet_free(&sine);
  return status;
}

facet_status facet_principal_angles(int64_t inputs, int64_t a, const double *u, int64_t b, const double *v,
                                    double *angle)
{
  double *cosine = NULL, *rest = NULL;
  facet_status status = FACET_OK;
  if (a < b)
    return facet_principal_angles(inputs, b, v, a, u, angle);
  FACET_CHECK(a <= inputs && inputs < INT32_MAX, FACET_INTERNAL, "%lld directions of %lld inputs", (long long)a,
              (long long)inputs);
  if (b == 0)
    return FACET_OK;
  FACET_NEW_GO(done, status, cosine, a * b);
  FACET_NEW_GO(done, status, rest, b * inputs);
  status = angles_of((int)inputs, (basis){(int)a, u}, (basis){(int)b, v}, cosine, rest, angle);
done:
  facet_free(&cosine);
  facet_free(&rest);
  return status;
}

/* ---- bases ---- */

facet_status facet_rows_orthonormalize(int64_t count, int64_t inputs, double *rows)
{
  FACET_CHECK(count >= 1 && count <= inputs && inputs <= INT32_MAX / 64, FACET_INTERNAL,
              "%lld rows of %lld numbers cannot be orthonormal", (long long)count, (long long)inputs);
  const int m = (int)inputs, n = (int)count, size = 64 * n;
  int info = 0;
  double *work = NULL, *tau = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, work, size);
  FACET_NEW_GO(done, status, tau, count);
  dgeqrf_(&m, &n, rows, &m, tau, work, &size, &info);
  FACET_GO(done, status, lapack_check("dgeqrf", info));
  dorgqr_(&m, &n, &n, rows, &m, tau, work, &size, &info);
  status = lapack_check("dorgqr", info);
done:
  facet_free(&work);
  facet_free(&tau);
  return status;
}

/* a: n x n, becomes its eigenvectors, one a row; values ascend with them. */
static facet_status eigenvectors(int n, double *a, double *value)
{
  const int size = 1 + 6 * n + 2 * n * n, integers_size = 3 + 5 * n;
  int info = 0, *integers = NULL;
  double *work = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, work, size);
  FACET_NEW_GO(done, status, integers, integers_size);
  dsyevd_("V", "L", &n, a, &n, value, work, &size, integers, &integers_size, &info);
  status = lapack_check("dsyevd", info);
done:
  facet_free(&work);
  facet_free(&integers);
  return status;
}

/* |G V - V L|_F / |L|_F. */
static double ritz_residual(int64_t inputs, int64_t wanted, const double *value, const double *direction,
                            const double *gv)
{
  double off = 0, size = 0;
  for (int64_t i = 0; i < wanted; i++) {
    size += value[i] * value[i];
    for (int64_t j = 0; j < inputs; j++) {
      double difference = gv[i * inputs + j] - value[i] * direction[i * inputs + j];
      off += difference * difference;
    }
  }
  return size > 0 ? sqrt(off / size) : sqrt(off);
}

facet_status facet_ritz(const facet_subspace *space, int64_t wanted, double *value, double *direction, double *residual)
{
  const int64_t count = space->count, inputs = space->inputs;
  const double *q = space->q, *gq = space->gq;
  const int c = (int)count, d = (int)inputs, w = (int)wanted;
  double *small = NULL, *gv = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, small, count * count);
  FACET_NEW_GO(done, status, gv, wanted * inputs);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, c, c, d, 1, q, d, gq, d, 0, small, c);
  FACET_GO(done, status, eigenvectors(c, small, value));
  facet_rows_reverse(count, 1, value);
  facet_rows_reverse(count, count, small);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, w, d, c, 1, small, c, q, d, 0, direction, d);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, w, d, c, 1, small, c, gq, d, 0, gv, d);
  *residual = ritz_residual(inputs, wanted, value, direction, gv);
done:
  facet_free(&small);
  facet_free(&gv);
  return status;
}
