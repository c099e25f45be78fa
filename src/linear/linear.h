/* Linearization of samples: W, b, b by node and the certificate (SCIENCE 1), on top of an executor. */
#ifndef FACET_LINEAR_H
#define FACET_LINEAR_H

#include "net/net.h"

typedef enum { FACET_ROWS_ALL, FACET_ROWS_PREDICTED, FACET_ROWS_TOP } facet_rows_choice;

/* Rows of W per sample: K, 1 or min(top, K). */
int64_t facet_rows_count(facet_rows_choice choice, int64_t top, int64_t classes);
/* row: count x k, the classes to explain: 0..K-1, the predicted one, or the top k by logit, largest first (equal
 * logits: the lower class first). */
void facet_rows_choose(facet_rows_choice choice, int64_t k, int64_t classes, const double *logits, int64_t count,
                       int32_t *row);

/* Results for `count` samples and k rows; buffers are the caller's. */
typedef struct {
  void *w;          /* count x k x D, the executor's real type; for facet_linearize_to see there */
  double *b;        /* count x k */
  double *b_node;   /* count x k x nodes */
  double *residual; /* count: max over the k rows of |F - (Wx + b)| / max(1, max_k |F|), F from the forward pass */
  int32_t *ties;    /* count */
} facet_linearization;

/* Linearizes the samples of the executor's last forward pass. x: count x D as given to it. `row` as above. Works
 * through the rows in chunks of the executor's own number of rows. */
facet_status facet_linearize(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                             facet_linearization *out);

/* Takes rows from, from+1, ... of W, of all `count` samples: count x rows x D. */
typedef facet_status facet_w_sink(void *context, int64_t from, int64_t rows, const void *w);

/* The same, the bits too, with memory for one chunk of W: `sink` gets each as it is made, certified already. out->w:
 * batch x rows x D of the executor's settings, used again for every chunk. */
facet_status facet_linearize_to(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                                facet_w_sink *sink, void *context, facet_linearization *out);

#endif
