/* The stage spectra: singular values and directions of the stacked linearizations M of every variant.
 *
 * M, one row for each row of W of each sample, goes by in pieces, each rank with its own, and is never held.  Three
 * ways lead to its singular values and right singular vectors:
 *
 * - gram: eigenvectors of MT M, D x D, distributed;
 *
 * - dual: eigenvectors u of M MT, rows x rows, distributed; MT u / |MT u| in a second walk through M;
 *
 * - random: a range finder (Halko, Martinsson & Tropp 2011, algorithm 4.4): MT times Gaussian columns, orthonormalised,
 *   twice more times MT M, and Rayleigh-Ritz in that basis.
 *
 * Under `keep: digest` there is no W, and the analysis has made MT M.
 *
 * Results are on rank 0, which writes them. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "linear/gram.h"
#include "linear/sketch.h"
#include "linear/spectrum.h"
#include "matrix/blockmatrix.h"
#include "ranks/agree.h"
#include "reuse.h"
#include "store/pieces.h"

enum {
  LARGEST_GRAM = 4096,   /* order of a Gram matrix that is made without being asked for */
  MOST_SUMMED = 1 << 28, /* bytes of products that a rank sums up in one walk, at order 4096 all of them */
  OVERSAMPLING = 10,
  SKETCH_WALKS = 4 /* of the random projection: with random numbers, and thrice with MT M */
};

typedef struct {
  MPI_Comm comm;
  int rank, ranks;
  const facet_store_plan *plan;
  facet_store *store;
  facet_grid *grid;
  facet_progress *progress;
  int64_t done;
  /* of the present variant */
  int variant;
  facet_pieces pieces;
  double *lines, *room;            /* of a piece */
  facet_spectrum spectrum;         /* D inputs, n k rows, r components, in the variant's own order */
  double effective_rank, residual; /* docs/results.md says what the residual is of */
} work;

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* ---- a walk through M ---- */

/* Takes lines first .. first+count-1 of the pieces, or none. On all ranks at once; only collective calls may fail. */
typedef facet_status visitor(void *context, int64_t first, int64_t count, const double *lines);

static facet_status walk(work *w, visitor *visit, void *context)
{
  for (int64_t i = w->rank; i - w->rank < w->pieces.count; i += w->ranks) {
    facet_lines lines = {.numbers = w->lines};
    facet_status status = facet_interrupt_check();
    if (status == FACET_OK && i < w->pieces.count)
      status = facet_pieces_read(&w->pieces, w->store, w->variant, i, w->room, &lines);
    FACET_AGREE(w->comm, status);
    FACET_TRY(visit(context, lines.first, lines.count, lines.numbers));
    w->done += least(w->ranks, w->pieces.count - (i - w->rank));
    facet_progress_at(w->progress, w->done);
  }
  return FACET_OK;
}

/* square: eigenvalues, descending, some or all; total: of all. */
static void take_values(work *w, int64_t count, const double *square, double total)
{
  bool whole =
      count == least(w->spectrum.inputs, w->spectrum.rows) || w->plan->spectrum_method != FACET_SPECTRUM_RANDOM;
  w->effective_rank = whole ? facet_effective_rank(count, square) : (double)NAN;
  facet_spectrum_take(&w->spectrum, square, total);
}

/* ---- gram and dual: eigenvectors of a distributed matrix ---- */

/* Each rank adds up the products of its own lines. */
static facet_status add_products(void *panel, int64_t first, int64_t count, const double *lines)
{
  (void)first;
  facet_gram_add(panel, count, lines);
  return FACET_OK;
}

/* Columns of the Gram matrix that a rank has in a row: all ranks' together are one panel. */
static int64_t block_of(int64_t order, int ranks)
{
  int64_t all = (order + ranks - 1) / ranks, most = MOST_SUMMED / (order * (int64_t)sizeof(double) * ranks);
  return most < 1 ? 1 : least(all, most);
}

/* One panel, summed over the ranks, each block at its owner. */
static facet_status sum_panel(work *w, facet_gram_panel *p, facet_blockmatrix *gram)
{
  int64_t block = gram->column_block, at = p->first / w->ranks;
  p->count = least(block * w->ranks, p->order - p->first);
  memset(p->sum, 0, (size_t)(p->count * p->order) * sizeof *p->sum);
  FACET_TRY(walk(w, add_products, p));
  for (int64_t r = 0; r * block < p->count; r++) {
    double *part = p->sum + r * block * p->order, *own = (double *)gram->local + (r == w->rank ? at * p->order : 0);
    FACET_TRY(facet_mpi_check(MPI_Reduce(part, own, (int)(least(block, p->count - r * block) * p->order),
                                         FACET_MPI_TYPE(part), MPI_SUM, (int)r, w->comm),
                              "summing up products"));
  }
  return FACET_OK;
}

/* Where the analysis kept the Gram matrix in place of W: the same, each rank its own columns, part by part. */
static facet_status read_panel(work *w, facet_gram_panel *p, facet_blockmatrix *gram)
{
  int64_t block = gram->column_block, first = p->first + w->rank * block, count = least(block, p->order - first);
  double *own = (double *)gram->local + p->first / w->ranks * p->order;
  facet_status status = facet_interrupt_check();
  for (int64_t g = 0; g < w->plan->digests && count > 0 && status == FACET_OK; g++) {
    const facet_place at = {.variant = w->variant, .part = {{g, 1}, {first, count}}};
    status = facet_store_get(w->store, FACET_ROW_GRAM, at, g > 0 ? p->sum : own);
    for (int64_t i = 0; g > 0 && i < count * p->order; i++)
      own[i] += p->sum[i];
  }
  facet_progress_at(w->progress, ++w->done);
  return facet_agree(w->comm, status);
}

/* Its lower triangle. */
static facet_status make_gram(work *w, facet_blockmatrix **gram)
{
  facet_gram_panel p = {.order = w->pieces.width};
  int64_t block = block_of(p.order, w->ranks);
  FACET_TRY(facet_blockmatrix_create(w->grid, FACET_F64, p.order, p.order, p.order, block, gram));
  bool kept = w->plan->digests > 0;
  p.sum = facet_allocate((size_t)(block * (kept ? 1 : w->ranks) * p.order), sizeof *p.sum);
  facet_status status = facet_agree(w->comm, p.sum ? FACET_OK : FACET_OS);
  for (; p.first < p.order && status == FACET_OK; p.first += block * w->ranks)
    status = kept ? read_panel(w, &p, *gram) : sum_panel(w, &p, *gram);
  facet_free(&p.sum);
  return status;
}

/* The eigenvalues of the lines' Gram matrix, descending, and its leading vectors: order x r, ascending, on every rank.
 */
static facet_status decompose(work *w, double *value, double *vector)
{
  int64_t order = w->pieces.width, r = w->spectrum.components;
  facet_blockmatrix *gram = NULL, *vectors = NULL;
  facet_decomposition quality = {0, 0};
  facet_status status;
  FACET_GO(done, status, make_gram(w, &gram));
  FACET_GO(done, status, facet_blockmatrix_eigen(gram, value, &vectors, &quality));
  facet_blockmatrix_destroy(&gram);
  status = facet_blockmatrix_gather(vectors, order - r, r, vector);
  facet_rows_reverse(order, 1, value);
  w->residual = quality.residual;
done:
  facet_blockmatrix_destroy(&gram);
  facet_blockmatrix_destroy(&vectors);
  return status;
}

typedef struct {
  work *w;
  const double *vector; /* rows x r, ascending */
} projection;

/* uT M for some columns of M, which are the lines: they are the numbers of the directions from `first` on. */
static facet_status project(void *context, int64_t first, int64_t count, const double *lines)
{
  projection *p = context;
  work *w = p->w;
  int r = (int)w->spectrum.components, rows = (int)w->pieces.width;
  if (count > 0)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasTrans, r, (int)count, rows, 1, p->vector, r, lines, rows, 0,
                w->spectrum.direction + first, (int)w->spectrum.inputs);
  return FACET_OK;
}

/* Rows of numbers, one by one, summed over the ranks. */
static facet_status sum_rows(const work *w, int64_t count, double *rows)
{
  for (int64_t i = 0; i < count; i++)
    FACET_TRY(facet_sum(w->comm, rows + i * w->spectrum.inputs, w->spectrum.inputs, "summing up directions"));
  return FACET_OK;
}

/* Directions from the leading vectors: they are the columns of those, or what these project M to. */
static facet_status find_directions(work *w, const double *vector)
{
  int64_t r = w->spectrum.components;
  double *direction = w->spectrum.direction;
  if (w->pieces.transposed) {
    projection p = {w, vector};
    memset(direction, 0, (size_t)(r * w->spectrum.inputs) * sizeof *direction);
    FACET_TRY(walk(w, project, &p));
    FACET_TRY(sum_rows(w, r, direction));
  }
  for (int64_t i = 0; i < r && !w->pieces.transposed; i++)
    for (int64_t j = 0; j < w->spectrum.inputs; j++)
      direction[i * w->spectrum.inputs + j] = vector[j * r + i];
  facet_rows_reverse(r, w->spectrum.inputs, direction);
  return FACET_OK;
}

static facet_status by_gram(work *w)
{
  int64_t order = w->pieces.width;
  double *value = facet_allocate((size_t)order, sizeof *value), total = 0;
  double *vector = facet_allocate((size_t)(order * w->spectrum.components), sizeof *vector);
  facet_status status;
  FACET_GO(done, status, facet_agree(w->comm, value && vector ? FACET_OK : FACET_OS));
  FACET_GO(done, status, decompose(w, value, vector));
  FACET_GO(done, status, find_directions(w, vector));
  for (int64_t i = 0; i < order; i++)
    total += fmax(value[i], 0);
  take_values(w, order, value, total);
done:
  FACET_FREE(&value, &vector);
  return status;
}

/* ---- random: a basis of the leading directions ---- */

static facet_status add_lines(void *sketch, int64_t first, int64_t count, const double *lines)
{
  facet_sketch_add(sketch, first, count, lines);
  return FACET_OK;
}

/* All ranks work in rank 0's basis. */
static facet_status find_basis(work *w, facet_sketch *k)
{
  for (int walks = 1;; walks++) {
    FACET_TRY(walk(w, add_lines, k));
    FACET_TRY(sum_rows(w, k->size, k->product));
    if (walks == SKETCH_WALKS)
      return facet_sum(w->comm, &k->squares, 1, "summing up squares");
    FACET_AGREE(w->comm, facet_sketch_renew(k));
    for (int64_t i = 0; i < k->size; i++)
      FACET_TRY(facet_share(w->comm, k->basis + i * k->inputs, k->inputs, "sharing a basis"));
  }
}

static facet_status by_projection(work *w)
{
  const facet_spectrum *s = &w->spectrum;
  const int64_t size = least(s->components + OVERSAMPLING, least(s->rows, s->inputs));
  const facet_random random = {w->plan->settings->seed, FACET_STREAM_PROJECT};
  facet_sketch k;
  facet_status status = facet_sketch_make(random, size, s->inputs, w->pieces.most, &k);
  double *value = facet_allocate((size_t)size, sizeof *value);
  FACET_GO(done, status, facet_agree(w->comm, value ? status : FACET_OS));
  FACET_GO(done, status, find_basis(w, &k));
  const facet_subspace span = {size, s->inputs, k.basis, k.product};
  FACET_GO(done, status, facet_agree(w->comm, facet_ritz(&span, s->components, value, s->direction, &w->residual)));
  take_values(w, size, value, k.squares);
done:
  facet_sketch_clear(&k);
  facet_free(&value);
  return status;
}

/* ---- variants ---- */

static facet_status write(const work *w)
{
  const facet_spectrum *s = &w->spectrum;
  const facet_place own = {.variant = w->variant}, at = {.part = {{w->variant, 1}}};
  FACET_TRY(facet_store_put(w->store, FACET_ROW_SINGULAR_VALUES, own, s->value));
  FACET_TRY(facet_store_put(w->store, FACET_ROW_SHARE, own, s->share));
  FACET_TRY(facet_store_put(w->store, FACET_ROW_DIRECTIONS, own, s->direction));
  FACET_TRY(facet_store_put(w->store, FACET_ROW_EFFECTIVE_RANK, at, &w->effective_rank));
  FACET_TRY(facet_store_put(w->store, FACET_ROW_SPECTRUM_RESIDUAL, at, &w->residual));
  FACET_TRY(facet_store_put(w->store, FACET_ROW_SPECTRUM_RANKS, at, &(int32_t){w->ranks}));
  return facet_store_mark(w->store, "spectra", w->variant);
}

static facet_status take_variant(work *w, int variant)
{
  const facet_spectrum_method method = w->plan->spectrum_method;
  facet_status status;
  w->variant = variant;
  w->pieces = facet_pieces_make(w->plan, variant, method == FACET_SPECTRUM_DUAL);
  size_t numbers = w->plan->digests > 0 ? 0 : (size_t)(w->pieces.most * w->pieces.width);
  w->lines = facet_allocate(numbers, sizeof *w->lines);
  w->room = facet_allocate(w->pieces.transposed ? numbers : 0, sizeof *w->room);
  FACET_GO(done, status, facet_agree(w->comm, w->lines && w->room ? FACET_OK : FACET_OS));
  FACET_GO(done, status, method == FACET_SPECTRUM_RANDOM ? by_projection(w) : by_gram(w));
  status = facet_agree(w->comm, w->rank == 0 ? write(w) : FACET_OK);
done:
  FACET_FREE(&w->lines, &w->room);
  return status;
}

/* How often M goes by. */
static int64_t walks(facet_spectrum_method method, int64_t order, int ranks)
{
  int64_t columns = block_of(order, ranks) * ranks;
  return method == FACET_SPECTRUM_RANDOM ? SKETCH_WALKS
                                         : (order + columns - 1) / columns + (method == FACET_SPECTRUM_DUAL);
}

static facet_status take_variants(work *w, const uint8_t *done)
{
  const facet_store_plan *p = w->plan;
  int64_t total = 0;
  for (int v = 0; v < p->variants; v++)
    if (facet_store_has_spectrum(p, v) && !done[v]) {
      facet_pieces pieces = facet_pieces_make(p, v, p->spectrum_method == FACET_SPECTRUM_DUAL);
      total += (p->digests > 0 ? 1 : pieces.count) * walks(p->spectrum_method, pieces.width, w->ranks);
    }
  FACET_AGREE(w->comm, facet_progress_begin(&w->progress, "spectra", p->digests > 0 ? "panels" : "pieces of W", total,
                                            w->rank != 0));
  for (int v = 0; v < p->variants; v++)
    if (facet_store_has_spectrum(p, v) && !done[v])
      FACET_TRY(take_variant(w, v));
  return FACET_OK;
}

/* ---- all of it ---- */

static facet_status prepare(facet_spectrum *s)
{
  FACET_NEW(s->value, s->components);
  FACET_NEW(s->share, s->components);
  FACET_NEW(s->direction, s->components * s->inputs);
  return FACET_OK;
}

static facet_status run(const facet_context *context)
{
  MPI_Comm comm = context->comm;
  const facet_store_plan *plan = &context->plan->store;
  work w = {.comm = comm,
            .rank = facet_rank(comm),
            .ranks = facet_ranks(comm),
            .plan = plan,
            .store = context->store,
            .spectrum = {.inputs = context->plan->inputs,
                         .rows = plan->linear_samples * plan->linear_rows,
                         .components = plan->components}};
  uint8_t *done = NULL;
  facet_status status;
  FACET_GO(end, status, facet_agree(comm, prepare(&w.spectrum)));
  FACET_GO(end, status, facet_grid_create(comm, 1, w.ranks, &w.grid));
  FACET_GO(end, status, facet_store_marks_shared(comm, context->store, "spectra", &done));
  status = take_variants(&w, done);
end:
  facet_progress_end(&w.progress);
  facet_grid_destroy(&w.grid);
  FACET_FREE(&done, &w.spectrum.value, &w.spectrum.share, &w.spectrum.direction);
  return status;
}

/* ---- what it takes ---- */

/* Of one variant, by eigenvectors: while the matrix is summed up, by each rank for itself, or while it is decomposed,
 * by as many ranks as have a place there: it, what is lost, vectors, and work space of three times its size. */
static double gram_memory(const facet_pieces *pieces, double piece, int ranks)
{
  int64_t width = pieces->width;
  double order = (double)width, places = fmax(1, floor(order / (2 * FACET_BLOCK)));
  double square = 8 * order * order, all = square / ranks, part = square / fmin(ranks, places * places);
  double summed = 8 * order * (double)block_of(width, ranks) * ranks;
  return (pieces->transposed ? 2 : 1) * piece + fmax(all + summed * (1 + 1.0 / ranks), all + 5 * part);
}

static facet_status memory(const facet_context *context, int ranks, double *bytes_of_rank)
{
  const facet_store_plan *p = &context->plan->store;
  double d = (double)facet_image_inputs(p->image), r = (double)p->components;
  double most = 0, size = r + OVERSAMPLING;
  for (int v = 0; v < p->variants; v++) {
    if (!facet_store_has_spectrum(p, v))
      continue;
    facet_pieces pieces = facet_pieces_make(p, v, p->spectrum_method == FACET_SPECTRUM_DUAL);
    double piece = p->digests > 0 ? 0 : 8 * (double)pieces.most * (double)pieces.width, bytes;
    if (p->spectrum_method == FACET_SPECTRUM_RANDOM)
      bytes = piece + 8 * size * (2 * d + (double)pieces.most);
    else
      bytes = gram_memory(&pieces, piece, ranks) + 8 * r * (double)pieces.width;
    most = fmax(most, bytes);
  }
  *bytes_of_rank = most + 8 * r * d + FACET_BLAS_BYTES;
  return FACET_OK;
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum_of_all)
{
  const facet_store_plan *p = &context->plan->store;
  double d = (double)facet_image_inputs(p->image), r = (double)p->components, sum = 0;
  double rows = (double)p->linear_samples * (double)p->linear_rows;
  for (int v = 0; v < p->variants; v++) {
    if (!facet_store_has_spectrum(p, v))
      continue;
    double order = p->spectrum_method == FACET_SPECTRUM_GRAM ? d : rows, other = p->digests > 0 ? 0 : d + rows - order;
    sum += p->spectrum_method == FACET_SPECTRUM_RANDOM ? 4 * rows * d * (r + OVERSAMPLING) * SKETCH_WALKS
                                                       : order * order * other + 20 * order * order * order;
  }
  *sum_of_all = speeds->product * sum / ranks;
  return FACET_OK;
}

/* ---- taking spectra over ---- */

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_store_plan *p = &c->plan->store;
  fprintf(out, "%s, %lld components, %lld samples x %lld rows, seed %u", facet_spectrum_name(p->spectrum_method),
          (long long)p->components, (long long)p->linear_samples, (long long)p->linear_rows, p->settings->seed);
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  for (int v = 0; v < p->variants; v++) {
    int32_t ranks;
    FACET_TRY(facet_before_number(facet_reused_from(c), FACET_ROW_SPECTRUM_RANKS, v, &ranks));
    take[v] = take[v] && facet_reused_line(c, v, p->clean, p->linear_samples) &&
              (ranks == c->plan->ranks || !facet_store_has_spectrum(p, v));
  }
  return FACET_OK;
}

/* ---- the stage ---- */

static bool wanted(const facet_plan *plan)
{
  return plan->store.components > 0;
}

static facet_spectrum_method choose(facet_spectrum_method asked, int64_t inputs, int64_t rows)
{
  if (asked != FACET_SPECTRUM_AUTO)
    return asked;
  if (inputs <= LARGEST_GRAM)
    return FACET_SPECTRUM_GRAM;
  return rows <= LARGEST_GRAM ? FACET_SPECTRUM_DUAL : FACET_SPECTRUM_RANDOM;
}

/* How many values the spectra have, and how they are found. */
static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)family, (void)ranks;
  const facet_aggregation *a = &plan->keys->aggregate;
  facet_store_plan *p = &plan->store;
  int64_t rows = p->linear_samples * p->linear_rows;
  p->components = least(a->spectrum, least(plan->inputs, rows));
  p->spectrum_method = p->keep == FACET_KEEP_DIGEST ? FACET_SPECTRUM_GRAM : choose(a->method, plan->inputs, rows);
  int64_t order = p->spectrum_method == FACET_SPECTRUM_GRAM ? plan->inputs : rows;
  FACET_CHECK(p->components == 0 || p->spectrum_method == FACET_SPECTRUM_RANDOM || order <= FACET_LARGEST_GRAM,
              FACET_BAD_INPUT, "%s:%d: aggregate.method: %s makes a matrix of %lld x %lld; at most %d x %d are made",
              p->settings->file, a->line, facet_spectrum_name(p->spectrum_method), (long long)order, (long long)order,
              FACET_LARGEST_GRAM, FACET_LARGEST_GRAM);
  return FACET_OK;
}

const facet_stage facet_stage_spectra = {.name = "spectra",
                                         .marks = "V",
                                         .wanted = wanted,
                                         .plan = plan_own,
                                         .memory = memory,
                                         .seconds = seconds,
                                         .follows = follows,
                                         .still = still,
                                         .run = run,
                                         .reads = "analyse",
                                         .apart = true};
