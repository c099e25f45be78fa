/* The body of tsne_pairs.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

/* Sums of the rows of a tile, over some columns. */
typedef struct {
  REAL y[FACET_MOST_DIMENSIONS][TILE], pull[FACET_MOST_DIMENSIONS][TILE], push[FACET_MOST_DIMENSIONS][TILE];
  REAL cross[TILE], weight[TILE], cross_alpha[TILE], weight_alpha[TILE];
} NAME(tile);

/* One column: the sample at `y` against the rows of the tile. alpha 1, as t-SNE has it: k = w. */
static inline void NAME(add_column)(NAME(tile) * t, int64_t rows, int dimensions, const REAL *restrict p, const REAL *y)
{
  for (int64_t i = 0; i < rows; i++) {
    REAL d2 = 0, delta[FACET_MOST_DIMENSIONS];
    for (int d = 0; d < dimensions; d++) {
      delta[d] = t->y[d][i] - y[d];
      d2 += delta[d] * delta[d];
    }
    REAL w = 1 / (1 + d2);
    for (int d = 0; d < dimensions; d++) {
      t->pull[d][i] += p[i] * w * delta[d];
      t->push[d][i] += w * w * delta[d];
    }
    t->cross[i] += p[i] * LOG(1 + d2);
    t->weight[i] += w;
  }
}

/* The same for any alpha. */
static inline void NAME(add_column_alpha)(NAME(tile) * t, int64_t rows, int dimensions, REAL alpha,
                                          const REAL *restrict p, const REAL *y)
{
  REAL half = (alpha + 1) / 2;
  for (int64_t i = 0; i < rows; i++) {
    REAL d2 = 0, delta[FACET_MOST_DIMENSIONS];
    for (int d = 0; d < dimensions; d++) {
      delta[d] = t->y[d][i] - y[d];
      d2 += delta[d] * delta[d];
    }
    REAL w = 1 / (1 + d2 / alpha), log_w = LOG(1 + d2 / alpha), k = EXP(-half * log_w);
    for (int d = 0; d < dimensions; d++) {
      t->pull[d][i] += p[i] * w * delta[d];
      t->push[d][i] += k * w * delta[d];
    }
    REAL g = log_w / 2 - half * w * d2 / (alpha * alpha);
    t->cross[i] += p[i] * half * log_w;
    t->weight[i] += k;
    t->cross_alpha[i] += p[i] * g;
    t->weight_alpha[i] += k * g;
  }
}

static void NAME(add_columns)(NAME(tile) * t, const facet_tsne_part *part, int64_t first, int64_t rows, int64_t from,
                              int64_t to, int dimensions, const double *y, double alpha, bool general)
{
  for (int64_t j = from; j < to; j++) {
    const REAL *p = (const REAL *)part->p + j * part->rows + first;
    REAL at[FACET_MOST_DIMENSIONS];
    for (int d = 0; d < dimensions; d++)
      at[d] = (REAL)y[j * dimensions + d];
    if (general)
      NAME(add_column_alpha)(t, rows, dimensions, (REAL)alpha, p, at);
    else if (dimensions == 2)
      NAME(add_column)(t, rows, 2, p, at);
    else
      NAME(add_column)(t, rows, dimensions, p, at);
  }
}

/* Into double, and the tile's sums are 0 again. What a sample says of itself is taken away: k = 1, and nothing else. */
static void NAME(hand_over)(NAME(tile) * t, const facet_tsne_part *part, int64_t first, int64_t rows, int64_t from,
                            int64_t to, int dimensions, facet_tsne_forces *forces)
{
  for (int64_t i = 0; i < rows; i++) {
    int64_t self = part->self[first + i];
    for (int d = 0; d < dimensions; d++) {
      forces->pull[(first + i) * dimensions + d] += (double)t->pull[d][i];
      forces->push[(first + i) * dimensions + d] += (double)t->push[d][i];
    }
    forces->cross += (double)t->cross[i];
    forces->weight += (double)t->weight[i] - (self >= from && self < to);
    forces->cross_alpha += (double)t->cross_alpha[i];
    forces->weight_alpha += (double)t->weight_alpha[i];
  }
  memset(t->pull, 0, sizeof *t - sizeof t->y);
}

facet_status NAME(facet_tsne_pairs)(const facet_tsne_part *part, int dimensions, const double *y, double alpha,
                                    bool learn_alpha, facet_tsne_forces *forces)
{
  NAME(tile) * t;
  bool general = learn_alpha || alpha != 1;
  FACET_NEW(t, 1);
  memset(forces->pull, 0, (size_t)(part->rows * dimensions) * sizeof *forces->pull);
  memset(forces->push, 0, (size_t)(part->rows * dimensions) * sizeof *forces->push);
  for (int64_t first = 0; first < part->rows; first += TILE) {
    int64_t rows = part->rows - first < TILE ? part->rows - first : TILE;
    for (int64_t i = 0; i < rows; i++)
      for (int d = 0; d < dimensions; d++)
        t->y[d][i] = (REAL)y[part->self[first + i] * dimensions + d];
    for (int64_t from = 0; from < part->n; from += COLUMNS) {
      int64_t to = part->n - from < COLUMNS ? part->n : from + COLUMNS;
      NAME(add_columns)(t, part, first, rows, from, to, dimensions, y, alpha, general);
      NAME(hand_over)(t, part, first, rows, from, to, dimensions, forces);
    }
  }
  facet_free(&t);
  return FACET_OK;
}
