/* The stage paths: what happens on the straight way from a baseline to a sample, or from the clean sample to the
 * corrupted one: exact integrated gradients, pieces, changes of the predicted class.
 *
 * It is done in double precision, whatever the study's.  A unit of work is a sample in a variant, with all ways that
 * end at it; what is known of a way at once follows from the study's memory alone, so results are the same on any rank.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"
#include "linear/digest.h"
#include "ranks/agree.h"

/* SLOWER: what kernels for double are. */
enum { SLOWER = 4, AT_ONCE = 64, BLUR = 8 };

typedef enum { FROM_IMAGES, FROM_BLUR, FROM_CLEAN } from;

typedef struct {
  facet_item_work common;
  const facet_paths_keys *keys;
  int64_t rows, classes;
  from from;
  int64_t baselines; /* of a way's end: 1 but for images */
  float *baseline;   /* FROM_IMAGES: that many x D pixels; else one, made for each sample */
  double *kernel;    /* of the blur, from its middle on */
  int64_t radius;
  float *blurred;
  /* of the variant that was entered */
  facet_path *path;
  double *start, *end;
  facet_path_result way, mean; /* of one baseline, and of all */
} paths;

/* ---- where paths begin ---- */

static from from_of(const facet_paths_keys *k)
{
  return strcmp(k->from, "clean") == 0 ? FROM_CLEAN : strcmp(k->from, "blur") == 0 ? FROM_BLUR : FROM_IMAGES;
}

static bool is_number(const char *text, double *number)
{
  char *end;
  *number = strtod(text, &end);
  return end != text && *end == '\0';
}

/* FACET_NO_INPUT, FACET_BAD_INPUT with the study's file, line and key. Caller destroys. */
static facet_status open_images(const facet_plan *plan, facet_dataset **images)
{
  const facet_paths_keys *k = &plan->keys->paths;
  char *file = k->from;
  const facet_data_source source = {.format = facet_data_format_find("npy"), .files = 1, .images = &file};
  facet_image image = plan->store.image;
  facet_status status = facet_dataset_open(&source, images);
  if (status == FACET_OK && !facet_image_same(facet_dataset_image(*images), image)) {
    facet_image other = facet_dataset_image(*images);
    status = facet_raise(FACET_BAD_INPUT, "images of %lld x %lld x %lld, but samples are %lld x %lld x %lld: %s",
                         (long long)other.channels, (long long)other.height, (long long)other.width,
                         (long long)image.channels, (long long)image.height, (long long)image.width, file);
    facet_dataset_destroy(images);
  }
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s:%d: paths.from: ", plan->store.settings->file, k->line);
}

/* The file is what its digest was taken of: it is read when a run is planned, and when paths are, much later. */
static facet_status hold_images(const facet_context *c)
{
  const facet_paths_keys *k = &c->plan->keys->paths;
  facet_status status = facet_data_hold(c->data, "paths_from_", k->from);
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s:%d: paths.from: ", c->plan->store.settings->file, k->line);
}

static facet_status read_images(paths *w)
{
  facet_dataset *images = NULL;
  FACET_TRY(open_images(w->common.context->plan, &images));
  facet_status status = FACET_OK;
  w->baselines = facet_dataset_count(images);
  FACET_NEW_GO(done, status, w->baseline, w->baselines * w->common.inputs);
  status = facet_dataset_pixels(images, 0, w->baselines, w->baseline);
  if (status == FACET_OK)
    status = hold_images(w->common.context);
done:
  facet_dataset_destroy(&images);
  return status;
}

/* The mean of all test samples, added up in their order. */
static facet_status add_samples(const paths *w, double *sum, float *some)
{
  const facet_dataset *test = w->common.context->data->test;
  for (int64_t first = 0, n; first < w->common.plan->samples; first += n) {
    n = w->common.plan->samples - first < AT_ONCE ? w->common.plan->samples - first : AT_ONCE;
    FACET_TRY(facet_dataset_pixels(test, first, n, some));
    for (int64_t i = 0; i < n * w->common.inputs; i++)
      sum[i % w->common.inputs] += some[i];
    FACET_TRY(facet_interrupt_check());
  }
  return FACET_OK;
}

static facet_status find_mean(paths *w)
{
  double *sum = NULL;
  float *some = NULL;
  facet_status status;
  FACET_NEW_GO(done, status, sum, w->common.inputs);
  FACET_NEW_GO(done, status, some, AT_ONCE * w->common.inputs);
  FACET_GO(done, status, add_samples(w, sum, some));
  for (int64_t i = 0; i < w->common.inputs; i++)
    w->baseline[i] = (float)(sum[i] / (double)w->common.plan->samples);
done:
  FACET_FREE(&sum, &some);
  return status;
}

/* exp(-d^2 / 2 s^2), s an eighth of the longer side, as far as three of it. */
static facet_status make_kernel(paths *w)
{
  facet_image image = w->common.plan->image;
  double side = (double)(image.width > image.height ? image.width : image.height), deviation = side / BLUR;
  w->radius = (int64_t)ceil(3 * deviation);
  FACET_NEW(w->kernel, w->radius + 1);
  FACET_NEW(w->blurred, w->common.inputs);
  for (int64_t d = 0; d <= w->radius; d++)
    w->kernel[d] = exp(-(double)(d * d) / (2 * deviation * deviation));
  return FACET_OK;
}

static facet_status make_baseline(paths *w)
{
  double number;
  w->baselines = 1;
  if (facet_paths_file(w->keys))
    return read_images(w);
  FACET_NEW(w->baseline, w->common.inputs);
  if (w->from == FROM_BLUR)
    return make_kernel(w);
  if (strcmp(w->keys->from, "mean") == 0)
    return w->common.store ? find_mean(w) : FACET_OK;
  for (int64_t i = 0; w->from == FROM_IMAGES && is_number(w->keys->from, &number) && i < w->common.inputs; i++)
    w->baseline[i] = (float)number;
  return FACET_OK;
}

/* One line of `length` pixels, `step` apart: each the mean of its neighbours, weighed, as far as there are any. */
static void blur_line(const paths *w, int64_t length, int64_t step, const float *x, float *to)
{
  for (int64_t i = 0; i < length; i++) {
    double sum = 0, weights = 0;
    for (int64_t d = -w->radius; d <= w->radius; d++) {
      if (i + d < 0 || i + d >= length)
        continue;
      sum += w->kernel[d < 0 ? -d : d] * (double)x[(i + d) * step];
      weights += w->kernel[d < 0 ? -d : d];
    }
    to[i * step] = (float)(sum / weights);
  }
}

static void blur(const paths *w, const float *pixels)
{
  facet_image image = w->common.plan->image;
  for (int64_t line = 0; line < image.channels * image.height; line++)
    blur_line(w, image.width, 1, pixels + line * image.width, w->blurred + line * image.width);
  for (int64_t c = 0; c < image.channels; c++)
    for (int64_t x = 0; x < image.width; x++) {
      int64_t at = c * facet_image_plane(image) + x;
      blur_line(w, image.height, image.width, w->blurred + at, w->baseline + at);
    }
}

/* Number `b` of the baselines of a sample under a condition, as the network takes it. */
static facet_status take_start(paths *w, int condition, int64_t sample, int64_t b)
{
  facet_loader *l = &w->common.loader;
  const float *pixels = w->baseline + b * w->common.inputs;
  if (w->from == FROM_CLEAN)
    return facet_loader_load(l, w->common.plan->clean, sample, NULL, w->start);
  if (w->from == FROM_BLUR) {
    const float *own;
    FACET_TRY(facet_pixels_take(w->common.pixels, condition, sample, &own));
    blur(w, own);
  }
  facet_loader_arrange(l, pixels, w->start);
  return FACET_OK;
}

/* ---- entering ---- */

static facet_status make_result(const paths *w, facet_path_result *r)
{
  FACET_NEW(r->row, w->rows);
  FACET_NEW(r->attribution, w->rows * w->common.inputs);
  FACET_NEW(r->total, w->rows);
  FACET_NEW(r->crossing, FACET_PATH_CROSSINGS);
  FACET_NEW(r->curve, FACET_PATH_POINTS * w->classes);
  return FACET_OK;
}

static void clear_result(facet_path_result *r)
{
  FACET_FREE(&r->row, &r->attribution, &r->total, &r->crossing, &r->curve);
}

/* An eighth of what a rank may take, and no more than pays: points come and go through the cache. */
static double bytes_of(const facet_store_plan *p)
{
  return facet_item_bytes(p, 1 << 26);
}

static facet_status enter(void *self, const facet_member *member)
{
  paths *w = self;
  FACET_NEW(w->start, w->common.inputs);
  FACET_NEW(w->end, w->common.inputs);
  FACET_TRY(make_result(w, &w->way));
  FACET_TRY(make_result(w, &w->mean));
  return facet_path_create(member->network, bytes_of(w->common.plan), &w->path);
}

static void leave(void *self)
{
  paths *w = self;
  facet_path_destroy(&w->path);
  clear_result(&w->way);
  clear_result(&w->mean);
  FACET_FREE(&w->start, &w->end);
}

/* ---- one sample ---- */

static void add(double *sum, const double *x, int64_t count, double share)
{
  for (int64_t i = 0; i < count; i++)
    sum[i] = (share < 1 ? sum[i] : 0) + share * x[i];
}

/* What was found from baseline b becomes part of the mean of all. */
static void take_part(paths *w, int64_t b)
{
  const facet_path_result *r = &w->way;
  facet_path_result *m = &w->mean;
  double share = 1 / (double)w->baselines;
  if (b == 0) {
    memset(m->attribution, 0, (size_t)(w->rows * w->common.inputs) * sizeof *m->attribution);
    memset(m->total, 0, (size_t)w->rows * sizeof *m->total);
    memset(m->curve, 0, (size_t)(FACET_PATH_POINTS * w->classes) * sizeof *m->curve);
    memcpy(m->row, r->row, (size_t)w->rows * sizeof *m->row);
    memcpy(m->crossing, r->crossing, FACET_PATH_CROSSINGS * sizeof *m->crossing);
    m->changes = r->changes;
    m->residual = 0;
    m->pieces = 0;
  }
  add(m->attribution, r->attribution, w->rows * w->common.inputs, share);
  add(m->total, r->total, w->rows, share);
  add(m->curve, r->curve, FACET_PATH_POINTS * w->classes, share);
  m->residual = isnan(m->residual) || r->residual <= m->residual ? m->residual : r->residual; /* NaN stays */
  m->pieces += r->pieces;
}

/* How far what is stored, in the study's precision, misses `total`. */
static double rounded_residual(const paths *w)
{
  const facet_path_result *m = &w->mean;
  const double *end = m->curve + (FACET_PATH_POINTS - 1) * w->classes;
  bool single = w->common.plan->settings->precision == FACET_F32;
  double largest = 1, worst = 0;
  for (int64_t c = 0; c < w->classes; c++)
    largest = fmax(largest, fmax(fabs(m->curve[c]), fabs(end[c])));
  for (int64_t k = 0; k < w->rows; k++) {
    const double *row = m->attribution + k * w->common.inputs;
    double sum = 0;
    for (int64_t i = 0; i < w->common.inputs; i++)
      sum += single ? (double)(float)row[i] : row[i];
    double off = fabs(m->total[k] - sum) / largest;
    worst = isnan(worst) || off <= worst ? worst : off; /* NaN stays */
  }
  return worst;
}

/* condition: of the end. */
static facet_status put(const paths *w, int condition, int64_t place)
{
  const facet_path_result *m = &w->mean;
  const facet_place at = {.variant = w->common.variant, .condition = condition, .part = {{place, 1}}};
  const double rounded = rounded_residual(w);
  const struct {
    facet_row clean, corrupted;
    const void *data;
  } arrays[] = {{FACET_ROW_PATH_ATTRIBUTION, FACET_ROW_WAY_ATTRIBUTION, m->attribution},
                {FACET_ROW_PATH_CLASS, FACET_ROW_WAY_CLASS, m->row},
                {FACET_ROW_PATH_PIECES, FACET_ROW_WAY_PIECES, &m->pieces},
                {FACET_ROW_PATH_TOTAL, FACET_ROW_WAY_TOTAL, m->total},
                {FACET_ROW_PATH_RESIDUAL, FACET_ROW_WAY_RESIDUAL, &m->residual},
                {FACET_ROW_PATH_ROUNDED, FACET_ROW_WAY_ROUNDED, &rounded},
                {FACET_ROW_PATH_CROSSING, FACET_ROW_WAY_CROSSING, m->crossing},
                {FACET_ROW_PATH_CHANGES, FACET_ROW_WAY_CHANGES, &m->changes},
                {FACET_ROW_PATH_LOGITS, FACET_ROW_WAY_LOGITS, m->curve}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    FACET_TRY(facet_store_put(w->common.store,
                              condition == w->common.plan->clean ? arrays[i].clean : arrays[i].corrupted, at,
                              arrays[i].data));
  return FACET_OK;
}

/* All baselines of one end. */
static facet_status follow(paths *w, int condition, int64_t sample)
{
  const facet_path_options options = {.rows = w->keys->rows,
                                      .k = w->rows,
                                      .crossings = FACET_PATH_CROSSINGS,
                                      .points = FACET_PATH_POINTS,
                                      .pause = facet_item_pause,
                                      .context = w};
  FACET_TRY(facet_loader_load(&w->common.loader, condition, sample, NULL, w->end));
  for (int64_t b = 0; b < w->baselines; b++) {
    FACET_TRY(take_start(w, condition, sample, b));
    FACET_TRY(facet_path_follow(w->path, w->start, w->end, &options, &w->way));
    take_part(w, b);
  }
  return put(w, condition, sample);
}

static facet_status run_item(void *self, int64_t sample)
{
  paths *w = self;
  if (w->common.plan->path_clean)
    FACET_TRY(follow(w, w->common.plan->clean, sample));
  for (int i = 0; i < w->common.plan->path_conditions; i++)
    FACET_TRY(follow(w, w->common.plan->path_condition[i], sample));
  return FACET_OK;
}

/* ---- all of it ---- */

static void clear(void *self)
{
  paths *w = self;
  FACET_FREE(&w->baseline, &w->kernel, &w->blurred);
}

static facet_status make(void *self)
{
  paths *w = self;
  w->keys = &w->common.context->plan->keys->paths;
  w->rows = w->common.plan->path_rows;
  w->classes = w->common.plan->classes;
  w->from = from_of(w->keys);
  FACET_TRY(make_baseline(w));
  return facet_items_number(&w->common, FACET_ROW_PATH_SAMPLE, FACET_ROW_PATH_LABEL);
}

static const facet_items items = {.stage = "paths",
                                  .name = "paths",
                                  FACET_ITEMS_OF(path_samples, path),
                                  .make = make,
                                  .clear = clear,
                                  .enter = enter,
                                  .leave = leave,
                                  .run = run_item};

/* ---- taking paths over ---- */

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_paths_keys *k = &c->plan->keys->paths;
  const facet_store_plan *p = &c->plan->store;
  char digest[65] = "";
  if (facet_paths_file(k)) {
    FACET_TRY(facet_sha256_file(k->from, digest));
    FACET_TRY(hold_images(c));
  }
  fprintf(out, "from %s, %d %lld, %.0f bytes", digest[0] ? digest : k->from, (int)k->rows, (long long)p->path_rows,
          bytes_of(p));
  if (strcmp(k->from, "mean") == 0)
    fprintf(out, ", mean of %lld", (long long)p->samples);
  for (int i = 0; i < p->path_conditions; i++)
    fprintf(out, ", %s", p->condition[p->path_condition[i]]);
  return FACET_OK;
}

/* A path reads its sample, clean and corrupted, and the mean of all. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  bool of_all = strcmp(c->plan->keys->paths.from, "mean") == 0;
  for (int v = 0; v < p->variants; v++)
    for (int64_t sample = 0; sample < p->path_samples; sample++) {
      bool same = facet_reused_sample(c, v, p->clean, sample);
      same = same && (!of_all || facet_reused_line(c, v, p->clean, p->samples));
      for (int i = 0; i < p->path_conditions; i++)
        same = same && facet_reused_sample(c, v, p->path_condition[i], sample);
      take[v * p->path_samples + sample] = take[v * p->path_samples + sample] && same;
    }
  return FACET_OK;
}

/* ---- the stage ---- */

static facet_status run(const facet_context *context)
{
  return facet_items_run(context, &items, &(paths){.common = {0}});
}

static bool wanted(const facet_plan *plan)
{
  return facet_items_wanted(&items, plan);
}

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  return facet_items_memory(context, &items, &(paths){.common = {0}}, bytes);
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  const facet_paths_keys *k = &context->plan->keys->paths;
  double baselines = 1;
  *sum = 0;
  if (facet_paths_file(k)) {
    facet_dataset *images = NULL;
    FACET_TRY(open_images(context->plan, &images));
    baselines = (double)facet_dataset_count(images);
    facet_dataset_destroy(&images);
  }
  for (int v = 0; v < p->variants; v++) {
    if (!p->variant[v].path)
      continue;
    double ways = baselines * (double)p->path_samples * (p->path_clean + p->path_conditions);
    double passes = facet_path_passes(context->family->member[v].network, p->path_rows);
    *sum += ways * passes * SLOWER * speeds->forward[v] / ranks;
  }
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  const facet_paths_keys *k = &plan->keys->paths;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  if (facet_paths_file(k)) {
    facet_dataset *images = NULL;
    FACET_TRY(open_images(plan, &images));
    facet_dataset_destroy(&images);
  }
  s->path_samples = facet_items_samples(s, k->samples);
  s->path_rows = facet_rows_count(k->rows, k->top, s->classes);
  s->path_from = k->from;
  s->path_clean = from_of(k) != FROM_CLEAN;
  FACET_TRY(facet_plan_corrupted(s, k->all_conditions, &k->conditions, &s->path_conditions, &s->path_condition));
  return facet_items_ask(&items, &k->variants, family, plan);
}

const facet_stage facet_stage_paths = {.name = "paths",
                                       .marks = "V, path place",
                                       .wanted = wanted,
                                       .plan = plan_own,
                                       .memory = memory,
                                       .seconds = seconds,
                                       .follows = follows,
                                       .still = still,
                                       .run = run,
                                       .reads = "create",
                                       .apart = true,
                                       .again = true};
