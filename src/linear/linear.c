/* Linearization: rows of W by pullback, b by node from the nodes' own constants, and the certificate
 * (SCIENCE 1).  b is the sum of its parts, never F - W x: so the residual says something. */
#include "linear/linear.h"

#include <math.h>
#include <string.h>

int64_t facet_rows_count(facet_rows_choice choice, int64_t top, int64_t classes)
{
  int64_t k = choice == FACET_ROWS_ALL ? classes : choice == FACET_ROWS_PREDICTED ? 1 : top;
  return k < classes ? k : classes;
}

void facet_rows_choose(facet_rows_choice choice, int64_t k, int64_t classes, const double *logits, int64_t count,
                       int32_t *row)
{
  for (int64_t s = 0; s < count; s++, logits += classes, row += k) {
    if (choice == FACET_ROWS_ALL) {
      for (int64_t r = 0; r < k; r++)
        row[r] = (int32_t)r;
      continue;
    }
    int64_t filled = 0; /* the k largest so far, in order */
    for (int64_t c = 0; c < classes; c++) {
      int64_t r = filled;
      while (r > 0 && logits[c] > logits[row[r - 1]])
        r--;
      if (r >= k)
        continue;
      filled = filled < k ? filled + 1 : k;
      memmove(row + r + 1, row + r, (size_t)(filled - r - 1) * sizeof *row);
      row[r] = (int32_t)c;
    }
  }
}

/* W x over one row, in double. */
static double row_times_sample(facet_type real, const char *w, const char *x, int64_t inputs)
{
  double sum = 0;
  if (real == FACET_F64)
    for (int64_t i = 0; i < inputs; i++)
      sum += ((const double *)(const void *)w)[i] * ((const double *)(const void *)x)[i];
  else
    for (int64_t i = 0; i < inputs; i++)
      sum += (double)((const float *)(const void *)w)[i] * (double)((const float *)(const void *)x)[i];
  return sum;
}

/* Sums b and compares F with W x + b, sample by sample. */
static void certify(facet_type real, int64_t inputs, int nodes, int64_t classes, const double *logits, const char *x,
                    int64_t count, int64_t k, const int32_t *row, facet_linearization *out)
{
  size_t bytes = facet_type_size(real);
  for (int64_t s = 0; s < count; s++) {
    double largest = 1, worst = 0;
    for (int64_t c = 0; c < classes; c++)
      largest = fmax(largest, fabs(logits[s * classes + c]));
    for (int64_t r = s * k; r < (s + 1) * k; r++) {
      out->b[r] = 0;
      for (int n = 0; n < nodes; n++)
        out->b[r] += out->b_node[r * nodes + n];
      double wx = row_times_sample(real, (const char *)out->w + (size_t)(r * inputs) * bytes,
                                   x + (size_t)(s * inputs) * bytes, inputs);
      double distance = fabs(logits[s * classes + row[r]] - (wx + out->b[r]));
      worst = distance <= worst ? worst : distance; /* lets NaN through */
    }
    out->residual[s] = worst / largest;
  }
}

typedef struct {
  double *logits, *b_node;
  int32_t *row;
  char *w;
} chunk;

/* Rows from, from+1, ... of every sample, as many as the executor takes at once. */
static facet_status pull_chunk(facet_executor *executor, chunk *c, int64_t from, int64_t count, int64_t k,
                               const int32_t *row, facet_linearization *out)
{
  facet_executor_options o = facet_executor_settings(executor);
  int64_t inputs = facet_shape_size(facet_network_input_shape(facet_executor_network(executor)));
  size_t line = (size_t)inputs * facet_type_size(o.real);
  int nodes = facet_executor_constant_nodes(executor);
  int64_t rows = k - from < o.rows ? k - from : o.rows;
  for (int64_t s = 0; s < count; s++)
    for (int64_t r = 0; r < o.rows; r++)
      c->row[s * o.rows + r] = r < rows ? row[s * k + from + r] : -1;
  FACET_TRY(facet_executor_pullback(executor, c->row, c->w, c->b_node));
  for (int64_t s = 0; s < count; s++) {
    memcpy((char *)out->w + (size_t)(s * k + from) * line, c->w + (size_t)(s * o.rows) * line, (size_t)rows * line);
    memcpy(out->b_node + (s * k + from) * nodes, c->b_node + s * o.rows * nodes,
           (size_t)(rows * nodes) * sizeof *out->b_node);
  }
  return FACET_OK;
}

facet_status facet_linearize(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                             facet_linearization *out)
{
  facet_executor_options o = facet_executor_settings(executor);
  const facet_network *network = facet_executor_network(executor);
  int64_t inputs = facet_shape_size(facet_network_input_shape(network)), classes = facet_network_outputs(network);
  int nodes = facet_executor_constant_nodes(executor);
  facet_status status = FACET_OK;
  chunk c = {0};
  FACET_NEW_GO(done, status, c.logits, count * classes);
  FACET_GO(done, status, facet_executor_output(executor, c.logits));
  facet_executor_ties(executor, out->ties);
  if (k == o.rows) {
    FACET_GO(done, status, facet_executor_pullback(executor, row, out->w, out->b_node));
  } else {
    FACET_NEW_GO(done, status, c.row, count * o.rows);
    FACET_NEW_GO(done, status, c.b_node, count * o.rows * nodes);
    FACET_NEW_GO(done, status, c.w, (size_t)(count * o.rows * inputs) * facet_type_size(o.real));
    for (int64_t from = 0; from < k; from += o.rows)
      FACET_GO(done, status, pull_chunk(executor, &c, from, count, k, row, out));
  }
  certify(o.real, inputs, nodes, classes, c.logits, x, count, k, row, out);
done:
  facet_free(&c.logits);
  facet_free(&c.b_node);
  facet_free(&c.row);
  facet_free(&c.w);
  return status;
}
