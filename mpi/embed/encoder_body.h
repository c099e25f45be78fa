/* The loops of encoder.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

/* z + b, and ReLU of that if wanted. */
static void NAME(add_bias)(const facet_blockmatrix *z, const double *bias, bool relu)
{
  for (int64_t j = 0; j < z->local_columns; j++) {
    REAL *column = (REAL *)z->local + j * z->local_rows, b = (REAL)bias[j];
    for (int64_t i = 0; i < z->local_rows; i++) {
      REAL x = column[i] + b;
      column[i] = relu && !(x > 0) ? 0 : x;
    }
  }
}

/* Two columns with each pair of normal numbers. */
static void NAME(add_noise)(const facet_blockmatrix *x, const facet_encoder_noise *noise, facet_blockmatrix *out)
{
  for (int64_t j = 0; j < x->local_columns; j += 2)
    for (int64_t i = 0; i < x->local_rows; i++) {
      double pair[2];
      facet_random_normal(noise->random, (uint64_t)noise->sample[i], (uint64_t)(noise->visit * x->columns + j), pair);
      for (int64_t k = 0; k < 2 && j + k < x->local_columns; k++) {
        int64_t at = i + (j + k) * x->local_rows;
        ((REAL *)out->local)[at] = ((const REAL *)x->local)[at] + (REAL)(noise->deviation * pair[k]);
      }
    }
}

/* Nothing comes back through a gate that let nothing pass. */
static void NAME(close_gates)(const facet_blockmatrix *out, const facet_blockmatrix *delta)
{
  const REAL *o = out->local;
  REAL *d = delta->local;
  for (int64_t i = 0; i < out->local_rows * out->local_columns; i++)
    d[i] = o[i] > 0 ? d[i] : 0;
}

static void NAME(column_sums)(const facet_blockmatrix *m, double *sum)
{
  for (int64_t j = 0; j < m->local_columns; j++) {
    const REAL *column = (const REAL *)m->local + j * m->local_rows;
    sum[j] = 0;
    for (int64_t i = 0; i < m->local_rows; i++)
      sum[j] += (double)column[i];
  }
}

static void NAME(adam_move)(int64_t size, REAL *p, const REAL *g, REAL *first, REAL *second, adam a)
{
  REAL keep = (REAL)a.keep_first, keep_second = (REAL)a.keep_second, rate = (REAL)(a.rate * a.correct_first);
  REAL correct = (REAL)a.correct_second;
  for (int64_t i = 0; i < size; i++) {
    first[i] = keep * first[i] + (1 - keep) * g[i];
    second[i] = keep_second * second[i] + (1 - keep_second) * g[i] * g[i];
    p[i] -= rate * first[i] / (ROOT(second[i] * correct) + (REAL)1e-8);
  }
}

static void NAME(momentum_move)(int64_t size, REAL *p, const REAL *g, REAL *velocity, double rate, double momentum)
{
  for (int64_t i = 0; i < size; i++) {
    velocity[i] = (REAL)momentum * velocity[i] + g[i];
    p[i] -= (REAL)rate * velocity[i];
  }
}
