/* What an encoder learns from: see embed_samples.h. */
#include "embed_samples.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "ranks/agree.h"
#include "study/data.h"

enum { FEATURES_AT_ONCE = 64 };

#define NO_VARIANCE 0x1p-40 /* of the mean square: less is rounding of the sums */

facet_status facet_embed_samples_deal(facet_embed_samples *s)
{
  const facet_random random = {s->plan->store.settings->seed, FACET_STREAM_EMBED};
  s->batches = (int)facet_embed_batches(&s->plan->keys->embed, s->count);
  s->largest = facet_embed_largest(&s->plan->keys->embed, s->count);
  FACET_NEW(s->batch, s->batches);
  FACET_NEW(s->order, s->largest);
  FACET_NEW(s->mean, s->features);
  for (int i = 0; i < s->batches; i++) {
    s->batch[i].first = s->count * i / s->batches;
    s->batch[i].count = s->count * (i + 1) / s->batches - s->batch[i].first;
  }
  return facet_shuffle_create(random, s->count, &s->shuffle);
}

void facet_embed_samples_clear(facet_embed_samples *s)
{
  for (int i = 0; s->batch && i < s->batches; i++)
    facet_blockmatrix_destroy(&s->batch[i].x);
  if (s->folder)
    close(s->file);
  facet_shuffle_destroy(&s->shuffle);
  FACET_FREE(&s->batch, &s->order, &s->folder, &s->mean);
}

const int64_t *facet_embed_samples_of(facet_embed_samples *s, const facet_embed_batch *b, int64_t first, int64_t count)
{
  facet_shuffle_take(s->shuffle, UINT64_MAX, b->first + first, count, s->order);
  return s->order;
}

/* ---- batches that are not held ---- */

/* This rank's numbers of a batch, and where they lie: all batches have as much room. */
static facet_piece piece_of(const facet_embed_samples *s, const facet_embed_batch *b, size_t *at)
{
  size_t row = (size_t)s->features * facet_type_size(b->x->type);
  *at = (size_t)(b - s->batch - s->held) * (size_t)b->x->row_block * row;
  return (facet_piece){b->x->local, (size_t)b->x->local_rows * row};
}

static facet_status put_away(facet_embed_samples *s, const facet_embed_batch *b)
{
  size_t at;
  facet_piece piece = piece_of(s, b, &at);
  if (!s->folder)
    FACET_TRY(facet_nameless_file("facet-embed", &s->file, &s->folder));
  int failed = facet_write_at(s->file, at, piece.bytes, piece.data);
  FACET_CHECK(!failed, FACET_IO, "%s, the folder TMPDIR: features cannot be written: %s", s->folder, strerror(failed));
  return FACET_OK;
}

static facet_status take_back(const facet_embed_samples *s, const facet_embed_batch *b)
{
  size_t at, got;
  facet_piece piece = piece_of(s, b, &at);
  int failed = facet_read_at(s->file, at, piece.bytes, piece.data, &got);
  FACET_CHECK(!failed && got == piece.bytes, FACET_IO, "%s, the folder TMPDIR: features cannot be read again: %s",
              s->folder, failed ? strerror(failed) : "they are gone");
  return FACET_OK;
}

/* ---- features ---- */

/* A pass through the network, and room for the features of a few samples. */
typedef struct {
  facet_pixels *pixels;
  facet_features *reader;
  double *feature;
} source;

static void source_clear(source *from)
{
  facet_features_destroy(&from->reader);
  facet_pixels_destroy(&from->pixels);
  facet_free(&from->feature);
}

static facet_status source_make(const facet_embed_samples *s, source *from)
{
  facet_sample_source samples = {s->plan->store.settings, s->plan->store.normalize, NULL, s->data};
  *from = (source){NULL, NULL, NULL};
  FACET_NEW(from->feature, FEATURES_AT_ONCE * s->features);
  FACET_TRY(facet_pixels_create(&samples, 0, &from->pixels));
  facet_feature_source what = {.pixels = from->pixels,
                               .member = s->member,
                               .inputs = s->plan->keys->embed.source == FACET_SOURCE_PIXELS,
                               .real = s->plan->store.settings->precision,
                               .batch = FEATURES_AT_ONCE};
  return facet_features_create(&what, &from->reader);
}

/* This rank's rows of a batch, and what they add to the sums of all features and their squares. */
static facet_status fill_batch(facet_embed_samples *s, source *from, const facet_embed_batch *b, double *sum,
                               double *squares)
{
  int64_t rows = b->x->local_rows, own = facet_blockmatrix_row(b->x, 0);
  for (int64_t first = 0; first < rows; first += FEATURES_AT_ONCE) {
    int64_t count = rows - first < FEATURES_AT_ONCE ? rows - first : FEATURES_AT_ONCE;
    const int64_t *order = facet_embed_samples_of(s, b, own + first, count);
    FACET_TRY(facet_features_run(from->reader, -1, order, 0, count, from->feature));
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = 0; j < s->features; j++) {
        double h = from->feature[i * s->features + j];
        FACET_CHECK(isfinite(h), FACET_BAD_INPUT, "%s:%d: embed: the features of sample %lld are not finite",
                    s->plan->store.settings->file, s->plan->keys->embed.line, (long long)order[i]);
        facet_blockmatrix_set(b->x, first + i + j * rows, h);
        sum[j] += h;
        squares[j] += h * h;
      }
    FACET_TRY(facet_interrupt_check());
  }
  return FACET_OK;
}

static facet_status fill_batches(MPI_Comm comm, const facet_encoder *encoder, facet_embed_samples *s, double *sum,
                                 double *squares)
{
  source from;
  facet_status status = facet_agree(comm, source_make(s, &from));
  for (int i = 0; i < s->batches && status == FACET_OK; i++) {
    facet_embed_batch *b = &s->batch[i];
    FACET_GO(done, status, facet_encoder_input(encoder, b->count, &b->x));
    status = facet_interrupt_check();
    if (status == FACET_OK)
      status = fill_batch(s, &from, b, sum, squares);
    if (status == FACET_OK && i >= s->held)
      status = put_away(s, b);
    facet_embed_samples_leave(s, i);
    status = facet_agree(comm, status);
  }
done:
  source_clear(&from);
  return status;
}

/* From the sums over all samples of all ranks. One scale for all features, so that distances keep their proportions. */
static facet_status find_scale(facet_embed_samples *s, const double *sum, const double *squares)
{
  const char *file = s->plan->store.settings->file;
  int line = s->plan->keys->embed.line;
  double n = (double)s->count, d = (double)s->features, variance = 0, square = 0;
  for (int64_t j = 0; j < s->features; j++) {
    s->mean[j] = sum[j] / n;
    variance += fmax(0, squares[j] / n - s->mean[j] * s->mean[j]) / d;
    square += squares[j] / n / d;
  }
  FACET_CHECK(isfinite(square), FACET_BAD_INPUT, "%s:%d: embed: the features are too large to be squared", file, line);
  FACET_CHECK(variance > NO_VARIANCE * square, FACET_BAD_INPUT,
              "%s:%d: embed: the features of all samples are the same", file, line);
  s->scale = sqrt(variance);
  return FACET_OK;
}

static void standardize(const facet_embed_samples *s, const facet_blockmatrix *x)
{
  for (int64_t j = 0; j < x->local_columns; j++)
    for (int64_t k = 0; k < x->local_rows; k++) {
      int64_t at = k + j * x->local_rows;
      facet_blockmatrix_set(x, at, (facet_blockmatrix_get(x, at) - s->mean[j]) / s->scale);
    }
}

facet_status facet_embed_samples_take(MPI_Comm comm, const facet_encoder *encoder, facet_embed_samples *s)
{
  double *sum = facet_allocate((size_t)s->features, sizeof *sum),
         *squares = facet_allocate((size_t)s->features, sizeof *sum);
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, sum && squares ? FACET_OK : FACET_OS));
  FACET_GO(done, status, fill_batches(comm, encoder, s, sum, squares));
  FACET_GO(done, status, facet_sum(comm, sum, s->features, "adding up features"));
  FACET_GO(done, status, facet_sum(comm, squares, s->features, "adding up features"));
  FACET_GO(done, status, find_scale(s, sum, squares));
  for (int i = 0; i < s->batches && i < s->held; i++)
    standardize(s, s->batch[i].x);
done:
  facet_free(&sum);
  facet_free(&squares);
  return status;
}

facet_status facet_embed_samples_enter(MPI_Comm comm, const facet_encoder *encoder, facet_embed_samples *s, int batch)
{
  facet_embed_batch *b = &s->batch[batch];
  if (b->x)
    return FACET_OK;
  FACET_TRY(facet_encoder_input(encoder, b->count, &b->x));
  FACET_AGREE(comm, take_back(s, b));
  standardize(s, b->x);
  return FACET_OK;
}

void facet_embed_samples_leave(facet_embed_samples *s, int batch)
{
  if (batch >= s->held)
    facet_blockmatrix_destroy(&s->batch[batch].x);
}

facet_status facet_embed_samples_memory(const facet_embed_samples *s, double *bytes)
{
  source from;
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  facet_status status = source_make(s, &from);
  *bytes = (double)(facet_memory_in_use() - before);
  source_clear(&from);
  return status;
}
