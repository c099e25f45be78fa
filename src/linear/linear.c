/* Linearization: rows of W by pullback, b by node from the nodes' own constants, and the certificate.  b is the sum of
 * its parts, never F - W x: so the residual says something. */
#include <facet/linear.h>
#include <math.h>
#include <string.h>

#include "base/base.h"

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

/* What stays the same while the chunks of rows go by. */
typedef struct {
  facet_executor *executor;
  facet_type real;
  int64_t inputs, classes, chunk; /* chunk: rows that the executor takes at once */
  int nodes;
  const char *x;
  int64_t count, k;
  const int32_t *row;
  facet_linearization *out;
  /* of one chunk */
  int32_t *chunk_row;
  double *logits, *b_node;
} linearizing;

static facet_status begin(linearizing *l)
{
  facet_executor_options o = facet_executor_settings(l->executor);
  const facet_network *network = facet_executor_network(l->executor);
  l->real = o.real;
  l->chunk = o.rows;
  l->inputs = facet_shape_size(facet_network_input_shape(network));
  l->classes = facet_network_outputs(network);
  FACET_CHECK(l->count == facet_executor_count(l->executor), FACET_INTERNAL,
              "%lld samples to linearize, but %lld of the last forward pass", (long long)l->count,
              (long long)facet_executor_count(l->executor));
  for (int64_t i = 0; i < l->count * l->k; i++)
    FACET_CHECK(l->row[i] >= 0 && l->row[i] < l->classes, FACET_INTERNAL, "row %d of %lld outputs", l->row[i],
                (long long)l->classes);
  l->nodes = facet_executor_constant_nodes(l->executor);
  FACET_NEW(l->logits, l->count * l->classes);
  FACET_NEW(l->chunk_row, l->count * l->chunk);
  FACET_NEW(l->b_node, l->count * l->chunk * l->nodes);
  FACET_TRY(facet_executor_output(l->executor, l->logits));
  facet_executor_ties(l->executor, l->out->ties);
  memset(l->out->residual, 0, (size_t)l->count * sizeof *l->out->residual);
  return FACET_OK;
}

static void end(linearizing *l)
{
  facet_free(&l->logits);
  facet_free(&l->chunk_row);
  facet_free(&l->b_node);
}

/* Sums b of rows from, from+1, ... and compares F with W x + b; residual becomes the largest difference so far. */
static void certify(const linearizing *l, int64_t from, int64_t rows, const char *w)
{
  size_t line = (size_t)l->inputs * facet_type_size(l->real);
  for (int64_t s = 0; s < l->count; s++)
    for (int64_t r = 0; r < rows; r++) {
      int64_t at = s * l->k + from + r;
      double *b = &l->out->b[at], *worst = &l->out->residual[s];
      *b = 0;
      for (int n = 0; n < l->nodes; n++)
        *b += l->out->b_node[at * l->nodes + n];
      double wx = row_times_sample(l->real, w + (size_t)(s * rows + r) * line, l->x + (size_t)s * line, l->inputs);
      double distance = fabs(l->logits[s * l->classes + l->row[at]] - (wx + *b));
      *worst = isnan(*worst) || distance <= *worst ? *worst : distance; /* NaN stays */
    }
}

/* Relative to the largest logit. */
static void finish_certificate(const linearizing *l)
{
  for (int64_t s = 0; s < l->count; s++) {
    double largest = 1;
    for (int64_t c = 0; c < l->classes; c++)
      largest = fmax(largest, fabs(l->logits[s * l->classes + c]));
    l->out->residual[s] /= largest;
  }
}

/* Rows from, from+1, ... of every sample: w becomes count x rows x D, and the parts of b and the certificate are filled
 * in. The last chunk may be short: the executor then has rows too many, which are closed up. */
static facet_status pull_chunk(linearizing *l, int64_t from, int64_t rows, char *w)
{
  size_t line = (size_t)l->inputs * facet_type_size(l->real);
  for (int64_t s = 0; s < l->count; s++)
    for (int64_t r = 0; r < l->chunk; r++)
      l->chunk_row[s * l->chunk + r] = r < rows ? l->row[s * l->k + from + r] : -1;
  FACET_TRY(facet_executor_pullback(l->executor, l->chunk_row, w, l->b_node));
  for (int64_t s = 0; s < l->count; s++) {
    if (rows < l->chunk)
      memmove(w + (size_t)(s * rows) * line, w + (size_t)(s * l->chunk) * line, (size_t)rows * line);
    memcpy(l->out->b_node + (s * l->k + from) * l->nodes, l->b_node + s * l->chunk * l->nodes,
           (size_t)(rows * l->nodes) * sizeof *l->b_node);
  }
  certify(l, from, rows, w);
  return FACET_OK;
}

static facet_status linearize_to(linearizing *l, facet_w_sink sink, void *w)
{
  for (int64_t from = 0; from < l->k; from += l->chunk) {
    int64_t rows = l->k - from < l->chunk ? l->k - from : l->chunk;
    FACET_TRY(pull_chunk(l, from, rows, w));
    if (sink.put)
      FACET_TRY(sink.put(sink.context, from, rows, w));
  }
  finish_certificate(l);
  return FACET_OK;
}

facet_status facet_linearize_to(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                                facet_w_sink sink, facet_linearization *out)
{
  linearizing l = {.executor = executor, .x = x, .count = count, .k = k, .row = row, .out = out};
  facet_status status;
  FACET_GO(done, status, begin(&l));
  status = linearize_to(&l, sink, out->w);
done:
  end(&l);
  return status;
}

/* ---- W as a whole ---- */

typedef struct {
  char *w;
  int64_t count, k;
  size_t line;
} whole;

static facet_status put_chunk(void *context, int64_t from, int64_t rows, const void *w)
{
  const whole *all = context;
  for (int64_t s = 0; s < all->count; s++)
    memcpy(all->w + (size_t)(s * all->k + from) * all->line, (const char *)w + (size_t)(s * rows) * all->line,
           (size_t)rows * all->line);
  return FACET_OK;
}

facet_status facet_linearize(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                             facet_linearization *out)
{
  facet_executor_options o = facet_executor_settings(executor);
  int64_t inputs = facet_shape_size(facet_network_input_shape(facet_executor_network(executor)));
  if (k == o.rows && !o.room) /* one chunk: straight to where it belongs */
    return facet_linearize_to(executor, x, count, k, row, (facet_w_sink){NULL, NULL}, out);
  whole all = {.w = out->w, .count = count, .k = k, .line = (size_t)inputs * facet_type_size(o.real)};
  facet_linearization part = *out;
  if (!(part.w = facet_allocate((size_t)(o.batch * o.rows), all.line)))
    return FACET_OS;
  facet_status status = facet_linearize_to(executor, x, count, k, row, (facet_w_sink){put_chunk, &all}, &part);
  facet_free(&part.w);
  return status;
}
