/* What is kept of W: see kept.h. */
#include "kept.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "linear/half.h"

enum { MOST_PARTS = 256 };

/* ---- sizes ---- */

static bool wants_gram(const facet_store_plan *p)
{
  return p->components > 0;
}

/* So many parts that they can be shared by ranks, as long as their digests take at most half the room of W. */
void facet_kept_plan(bool gram, facet_store_plan *p)
{
  if (p->keep != FACET_KEEP_DIGEST)
    return;
  double d = (double)facet_image_inputs(p->image), k = (double)p->classes;
  double w = (double)p->linear_samples * (double)p->linear_rows * d * (double)facet_type_size(p->settings->precision);
  double room = w / (2 * sizeof(double) * d * (2 * k + (gram ? d : 0)));
  int64_t blocks = (p->linear_samples + p->block - 1) / p->block;
  int64_t parts = room < 1 ? 1 : room < MOST_PARTS ? (int64_t)room : MOST_PARTS;
  p->digest_blocks = (blocks + parts - 1) / parts;
  p->digests = (blocks + p->digest_blocks - 1) / p->digest_blocks;
}

bool facet_kept_touched(const facet_store_plan *p)
{
  return p->keep != FACET_KEEP_DIGEST;
}

double facet_kept_bytes(const facet_store_plan *p, int64_t batch, int64_t chunk)
{
  double inputs = (double)facet_image_inputs(p->image), n = (double)batch;
  if (p->digests > 0)
    return facet_digest_bytes(facet_image_inputs(p->image), p->classes, wants_gram(p));
  double half = p->half ? n * (double)chunk * (inputs * sizeof(uint16_t) + 3 * sizeof(double)) : 0;
  return half + inputs * (n + 1);
}

/* ---- digests: where sums by class lie ---- */

static facet_status put_sums(void *context, int64_t k, const double *sums)
{
  const facet_kept *kept = context;
  const facet_place at = {.variant = kept->variant, .part = {{kept->part, 1}, {k, 1}}};
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_CONTRIBUTION, at, sums));
  return facet_store_put(kept->store, FACET_ROW_MAGNITUDE, at, sums + kept->inputs);
}

static facet_status get_sums(void *context, int64_t k, double *sums)
{
  const facet_kept *kept = context;
  const facet_place at = {.variant = kept->variant, .part = {{kept->part, 1}, {k, 1}}};
  FACET_TRY(facet_store_get(kept->store, FACET_ROW_CONTRIBUTION, at, sums));
  return facet_store_get(kept->store, FACET_ROW_MAGNITUDE, at, sums + kept->inputs);
}

/* ---- making ---- */

facet_status facet_kept_make(const facet_store_plan *plan, facet_store *store, int variant, const facet_pass *pass,
                             int64_t chunk, facet_kept *kept)
{
  *kept = (facet_kept){
      .plan = plan, .store = store, .variant = variant, .pass = pass, .inputs = facet_image_inputs(plan->image)};
  if (plan->digests > 0)
    return facet_digest_make(plan->settings->precision, kept->inputs, plan->classes, wants_gram(plan),
                             (facet_class_keeper){get_sums, put_sums, kept}, &kept->digest);
  FACET_NEW(kept->touched, pass->batch * kept->inputs);
  FACET_NEW(kept->image, kept->inputs);
  if (!plan->half)
    return FACET_OK;
  FACET_NEW(kept->half, pass->batch * chunk * kept->inputs);
  FACET_NEW(kept->rounding, pass->batch);
  FACET_NEW(kept->relative, pass->batch);
  FACET_NEW(kept->rounded_residual, pass->batch);
  return FACET_OK;
}

void facet_kept_clear(facet_kept *kept)
{
  facet_digest_clear(&kept->digest);
  FACET_FREE(&kept->half, &kept->rounding, &kept->relative, &kept->rounded_residual, &kept->touched, &kept->image);
}

/* ---- chunks ---- */

static double number_at(const facet_kept *kept, const void *numbers, int64_t i)
{
  return kept->plan->settings->precision == FACET_F64 ? ((const double *)numbers)[i]
                                                      : (double)((const float *)numbers)[i];
}

static const void *line_at(const facet_kept *kept, const void *numbers, int64_t i)
{
  return (const char *)numbers + (size_t)(i * kept->inputs) * facet_type_size(kept->plan->settings->precision);
}

static facet_status store_chunk(void *context, int64_t from, int64_t rows, const void *w)
{
  const facet_kept *kept = context;
  const facet_place at = {
      .variant = kept->variant, .part = {{kept->first, kept->count}, {from, rows}}, .as = FACET_AS_STORED};
  return facet_store_put(kept->store, FACET_ROW_W, at, w);
}

/* Row `line` of a chunk, row k of sample s, as float16; and what that changes. */
static void round_row(facet_kept *kept, int64_t s, int64_t k, int64_t line, const void *w)
{
  const void *row = line_at(kept, w, line), *x = line_at(kept, facet_pass_input(kept->pass), s);
  uint16_t *half = kept->half + line * kept->inputs;
  double off = 0, largest = 0, wx = 0, *residual = &kept->rounded_residual[s];
  for (int64_t i = 0; i < kept->inputs; i++) {
    double number = number_at(kept, row, i), rounded;
    half[i] = facet_half_from(number);
    rounded = facet_half_to(half[i]);
    off = fmax(off, fabs(number - rounded));
    largest = fmax(largest, fabs(number));
    wx += rounded * number_at(kept, x, i);
  }
  int64_t at = s * kept->plan->linear_rows + k;
  double logit = kept->logits[s * kept->plan->classes + kept->pass->row[at]];
  double distance = fabs(logit - (wx + kept->pass->linear.b[at]));
  kept->rounding[s] = fmax(kept->rounding[s], off);
  kept->relative[s] = fmax(kept->relative[s], largest > 0 ? off / largest : 0);
  *residual = isnan(*residual) || distance <= *residual ? *residual : distance; /* NaN stays */
}

static facet_status round_chunk(void *context, int64_t from, int64_t rows, const void *w)
{
  facet_kept *kept = context;
  for (int64_t s = 0; s < kept->count; s++)
    for (int64_t r = 0; r < rows; r++)
      round_row(kept, s, from + r, s * rows + r, w);
  return store_chunk(kept, from, rows, kept->half);
}

static facet_status digest_chunk(void *context, int64_t from, int64_t rows, const void *w)
{
  facet_kept *kept = context;
  for (int64_t s = 0; s < kept->count; s++)
    for (int64_t r = 0; r < rows; r++)
      FACET_TRY(facet_digest_add(&kept->digest, kept->pass->row[s * kept->plan->linear_rows + from + r],
                                 line_at(kept, w, s * rows + r), line_at(kept, facet_pass_input(kept->pass), s)));
  return FACET_OK;
}

facet_w_sink facet_kept_batch(facet_kept *kept, int64_t first, int64_t count, const double *logits)
{
  kept->first = first;
  kept->count = count;
  kept->logits = logits;
  for (int64_t s = 0; s < count && kept->half; s++)
    kept->rounding[s] = kept->relative[s] = kept->rounded_residual[s] = 0;
  return (facet_w_sink){kept->plan->digests > 0 ? digest_chunk : kept->half ? round_chunk : store_chunk, kept};
}

/* ---- the rest ---- */

static facet_status write_rounding(const facet_kept *kept)
{
  const facet_place at = {.variant = kept->variant, .part = {{kept->first, kept->count}}};
  for (int64_t s = 0; s < kept->count; s++) {
    double largest = 1;
    for (int k = 0; k < kept->plan->classes; k++)
      largest = fmax(largest, fabs(kept->logits[s * kept->plan->classes + k]));
    kept->rounded_residual[s] /= largest;
    FACET_CHECK(
        isfinite(kept->rounding[s]), FACET_BAD_INPUT,
        "%s: linearize.store: float16 holds numbers up to %g, and W of sample %lld of %s has larger ones: leave "
        "'store' out",
        kept->plan->settings->file, FACET_HALF_MOST, (long long)(kept->first + s),
        kept->plan->variant[kept->variant].name);
  }
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_ROUNDING, at, kept->rounding));
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_ROUNDING_RELATIVE, at, kept->relative));
  return facet_store_put(kept->store, FACET_ROW_ROUNDED_RESIDUAL, at, kept->rounded_residual);
}

static facet_status write_touched(const facet_kept *kept)
{
  const facet_pass *pass = kept->pass;
  const facet_place at = {.variant = kept->variant, .part = {{kept->first, kept->count}}};
  FACET_TRY(facet_executor_touched(pass->executor, kept->plan->linear_rows, pass->row, kept->touched));
  for (int64_t s = 0; s < kept->count && pass->loader.input->order == FACET_CHANNELS_LAST; s++) {
    facet_channels_first(kept->plan->image, 1, kept->touched + s * kept->inputs, kept->image);
    memcpy(kept->touched + s * kept->inputs, kept->image, (size_t)kept->inputs);
  }
  return facet_store_put(kept->store, FACET_ROW_TOUCHED, at, kept->touched);
}

facet_status facet_kept_write(const facet_kept *kept)
{
  const facet_place at = {.variant = kept->variant, .part = {{kept->first, kept->count}}};
  const facet_linearization *r = &kept->pass->linear;
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_ROW, at, kept->pass->row));
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_B, at, r->b));
  if (kept->plan->keep != FACET_KEEP_ROWS)
    FACET_TRY(facet_store_put(kept->store, FACET_ROW_B_NODE, at, r->b_node));
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_RESIDUAL, at, r->residual));
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_TIES, at, r->ties));
  if (kept->touched)
    FACET_TRY(write_touched(kept));
  return kept->half ? write_rounding(kept) : FACET_OK;
}

/* ---- parts ---- */

/* The rows of each class in a part that is not whole are stored as numbers below 0, from the -1 on that a new file has:
 * nothing but facet_kept_leave writes others, and no power loss makes them, since what they are of is durable first. */
static int64_t as_unfinished(int64_t rows)
{
  return -1 - rows;
}

static facet_place part_of(const facet_kept *kept)
{
  return (facet_place){.variant = kept->variant, .part = {{kept->part, 1}}};
}

/* Rows that a run left behind, one number for each class, or false. */
static bool are_unfinished(const facet_kept *kept, int64_t *rows, int64_t *all)
{
  *all = 0;
  for (int k = 0; k < kept->plan->classes; k++) {
    if (rows[k] >= 0)
      return false;
    rows[k] = as_unfinished(rows[k]);
    *all += rows[k];
  }
  return *all % kept->plan->linear_rows == 0;
}

/* The tiles of a part that its first `samples` lie in; *tile is to be freed. */
static facet_status tiles_of(const facet_kept *kept, int64_t samples, int64_t **tile, int64_t *count)
{
  *count = (samples + kept->plan->block - 1) / kept->plan->block;
  FACET_NEW(*tile, *count);
  for (int64_t i = 0; i < *count; i++)
    (*tile)[i] = kept->tile + i;
  return FACET_OK;
}

/* Whether what was left is what is there: the sums, and the tiles that will not be computed again. */
static facet_status left_holds(const facet_kept *kept, int64_t samples, bool *holds)
{
  int64_t *tile, count;
  FACET_TRY(tiles_of(kept, samples, &tile, &count));
  facet_status status = facet_store_left_hold(kept->store, "analyse", count, tile, holds);
  facet_free(&tile);
  if (status == FACET_OK && !*holds)
    fprintf(stderr,
            "facet: analyse: what was left of digest %lld of %s does not hold its checksum, and is computed anew\n",
            (long long)kept->part, kept->plan->variant[kept->variant].name);
  return status;
}

/* The sample from which on W is wanted: one that a batch began with, as bits may depend on what is computed at once. */
static int64_t batch_before(const facet_kept *kept, int64_t sample)
{
  int64_t tile = sample / kept->plan->block * kept->plan->block, batch = kept->pass->batch;
  return tile + (sample - tile) / batch * batch;
}

/* Samples that are added up, so many rows. */
static facet_status go_on(facet_kept *kept, const int64_t *rows, int64_t all, int64_t *done, int64_t *from)
{
  int64_t each = kept->plan->linear_rows, waiting = facet_digest_waiting(&kept->digest, all);
  *done = all / each;
  *from = waiting > 0 ? batch_before(kept, (all - waiting) / each) : *done;
  facet_digest_resume(&kept->digest, rows, all - *from * each);
  return wants_gram(kept->plan) ? facet_store_get(kept->store, FACET_ROW_GRAM, part_of(kept), kept->digest.gram.sum)
                                : FACET_OK;
}

/* From here on the sums change in their places: a kill leaves nothing that looks like a beginning. */
static facet_status take_up(facet_kept *kept, int64_t *rows, int64_t *done, int64_t *from)
{
  int64_t all;
  bool holds;
  FACET_TRY(facet_store_get(kept->store, FACET_ROW_EXPLAINED, part_of(kept), rows));
  if (!are_unfinished(kept, rows, &all) || all == 0)
    return FACET_OK;
  FACET_TRY(left_holds(kept, all / kept->plan->linear_rows, &holds));
  if (holds)
    FACET_TRY(go_on(kept, rows, all, done, from));
  memset(rows, 0, (size_t)kept->plan->classes * sizeof *rows);
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_EXPLAINED, part_of(kept), rows));
  return facet_store_settle(kept->store);
}

facet_status facet_kept_begin(facet_kept *kept, int64_t part, int64_t tile, int64_t *done, int64_t *from)
{
  int64_t *rows;
  kept->part = part;
  kept->tile = tile;
  facet_digest_begin(&kept->digest);
  *from = 0;
  if (!done)
    return FACET_OK;
  *done = 0;
  FACET_NEW(rows, kept->plan->classes);
  facet_status status = take_up(kept, rows, done, from);
  facet_free(&rows);
  return status;
}

static facet_status leave(facet_kept *kept, int64_t *rows)
{
  int64_t all = 0, *tile, count;
  for (int k = 0; k < kept->plan->classes; k++) {
    rows[k] = as_unfinished(kept->digest.rows[k]);
    all += kept->digest.rows[k];
  }
  FACET_TRY(facet_digest_leave(&kept->digest));
  if (wants_gram(kept->plan))
    FACET_TRY(facet_store_put(kept->store, FACET_ROW_GRAM, part_of(kept), kept->digest.gram.sum));
  FACET_TRY(facet_store_settle(kept->store));
  FACET_TRY(facet_store_put(kept->store, FACET_ROW_EXPLAINED, part_of(kept), rows));
  FACET_TRY(tiles_of(kept, all / kept->plan->linear_rows, &tile, &count));
  facet_status status = facet_store_leave_parts(kept->store, "analyse", count, tile);
  facet_free(&tile);
  return status == FACET_OK ? facet_store_settle(kept->store) : status;
}

facet_status facet_kept_leave(facet_kept *kept)
{
  int64_t *rows;
  FACET_NEW(rows, kept->plan->classes);
  facet_status status = leave(kept, rows);
  facet_free(&rows);
  return status;
}

facet_status facet_kept_end(facet_kept *kept)
{
  const facet_place at = part_of(kept);
  FACET_TRY(facet_digest_end(&kept->digest));
  if (wants_gram(kept->plan))
    FACET_TRY(facet_store_put(kept->store, FACET_ROW_GRAM, at, kept->digest.gram.sum));
  return facet_store_put(kept->store, FACET_ROW_EXPLAINED, at, kept->digest.rows);
}
