/* The stage planes: planes through three clean samples each, cut into the regions of every variant and by its largest
 * logit, side by side in one window.
 *
 * A window that is smaller than the plane's is around a change of dense's predicted class.  It is done in double
 * precision, whatever the study's.  A unit of work is a plane in a variant; how many corners are
 * known at once follows from the study's memory alone, so results are the same on any rank. */
#include <facet/plane.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "slices.h"

/* A plane cuts about half of all elements of gates and maxima, where the whole window is looked at, and those lines
 * make about as many regions as the square of their number. Of a ResNet-20 on CIFAR-10: 33 thousand in 1/500 of it,
 * where that says 35; of the demo's network 2.9 thousand in 1/250, where that says 0.7, for lines are closer together
 * where the class changes. SPARE: so many times what is expected is to have room. */
enum { SLOWER = 4, SPARE = 16 };

typedef struct {
  facet_item_work common;
  /* of the variant that was entered */
  facet_plane *plane;
  double *x, *along; /* 3 x D; 2 x D */
  /* dense, where a window is around what it changes at */
  facet_plane *dense;
  facet_loader dense_loader;
} planes;

/* ---- how much of a plane ---- */

static double lines_of(const facet_family *family, int v, double window)
{
  return window * (double)facet_path_elements(family->member[v].network) / 2;
}

static double polygons_of(double lines)
{
  return 1 + lines + lines * lines;
}

/* So much that there is room for what is expected of dense. */
static double window_that_fits(const facet_family *family, int64_t polygons)
{
  double lines = sqrt((double)polygons / SPARE), all = lines_of(family, 0, 1);
  return lines < all ? lines / all : 1;
}

/* ---- entering ---- */

/* An eighth of what a rank may take. */
static double bytes_of(const facet_store_plan *p)
{
  return facet_item_bytes(p, 1 << 28);
}

static facet_status enter(void *self, const facet_member *member)
{
  planes *w = self;
  FACET_NEW(w->x, 3 * w->common.inputs);
  FACET_NEW(w->along, 2 * w->common.inputs);
  return facet_plane_create(member->network, bytes_of(w->common.plan), &w->plane);
}

static void leave(void *self)
{
  planes *w = self;
  facet_plane_destroy(&w->plane);
  FACET_FREE(&w->x, &w->along);
}

/* ---- one plane ---- */

static facet_status load(planes *w, facet_loader *loader, const int64_t *sample)
{
  for (int i = 0; i < 3; i++)
    FACET_TRY(facet_loader_load(loader, w->common.plan->clean, sample[i], NULL, w->x + i * w->common.inputs));
  return FACET_OK;
}

static facet_status frame(planes *w, int64_t plane, double at[6], double corner[8])
{
  const int64_t *sample = w->common.plan->plane_sample + 3 * plane;
  const double *const x[3] = {w->x, w->x + w->common.inputs, w->x + 2 * w->common.inputs};
  double centre[2] = {0, 0};
  int32_t found;
  FACET_TRY(load(w, &w->common.loader, sample));
  facet_status status = facet_plane_through(w->common.inputs, x, w->along, at);
  if (status != FACET_OK)
    return facet_raise_in(
        status, "%s:%d: planes.through: samples %lld, %lld and %lld: ", w->common.plan->settings->file,
        w->common.context->plan->keys->planes.line, (long long)sample[0], (long long)sample[1], (long long)sample[2]);
  if (w->dense) { /* whose inputs may lie in another order */
    FACET_TRY(load(w, &w->dense_loader, sample));
    FACET_TRY(facet_plane_change(w->dense, x, at, facet_item_pause, w, centre, &found));
    FACET_TRY(load(w, &w->common.loader, sample));
  }
  facet_plane_around(at, w->common.plan->plane_margin, w->common.plan->plane_window, centre, corner);
  return FACET_OK;
}

/* What belongs to a plane alone goes with the first variant that it is cut in; all would write the same. */
static facet_status put_frame(const planes *w, int64_t plane, const double at[6], const double corner[8])
{
  const facet_place place = {.part = {{plane, 1}}};
  const int64_t *sample = w->common.plan->plane_sample + 3 * plane;
  if (facet_items_writer(w->common.items, w->common.plan) != w->common.variant)
    return FACET_OK;
  FACET_TRY(facet_store_put(w->common.store, FACET_ROW_PLANE_SAMPLE, place, sample));
  FACET_TRY(facet_store_put(w->common.store, FACET_ROW_PLANE_AT, place, at));
  return facet_store_put(w->common.store, FACET_ROW_PLANE_WINDOW, place, corner);
}

static facet_status put_some(const planes *w, facet_row row, int64_t plane, int64_t count, int64_t room, int64_t width,
                             const void *data)
{
  return facet_slices_put(w->common.store, row, w->common.variant, plane, count, room, width, data);
}

static facet_status put_one(const planes *w, facet_row row, int64_t plane, const void *data)
{
  return facet_store_put(w->common.store, row, (facet_place){.variant = w->common.variant, .part = {{plane, 1}}}, data);
}

static facet_status put_polygons(const planes *w, int64_t plane, const facet_plane_result *r)
{
  int64_t polygons = w->common.plan->plane_polygons, points = facet_plane_points(polygons),
          corners = facet_plane_corners(polygons);
  FACET_TRY(put_some(w, FACET_ROW_PLANE_POINT, plane, r->points, points, 2, r->at));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_LOGITS, plane, r->points, points, w->common.plan->classes, r->logits));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_END, plane, r->polygons, polygons, 1, r->first ? r->first + 1 : NULL));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_CORNER, plane, r->corners, corners, 1, r->corner));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_EDGE, plane, r->corners, corners, 1, r->edge));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_WINNER, plane, r->polygons, polygons, 1, r->winner));
  FACET_TRY(put_some(w, FACET_ROW_PLANE_REGION, plane, r->polygons, polygons, 1, r->region));
  FACET_TRY(put_one(w, FACET_ROW_PLANE_POLYGONS, plane, &r->polygons));
  FACET_TRY(put_one(w, FACET_ROW_PLANE_POINTS, plane, &r->points));
  FACET_TRY(put_one(w, FACET_ROW_PLANE_REGIONS, plane, &r->regions));
  FACET_TRY(put_one(w, FACET_ROW_PLANE_DROPPED, plane, &r->dropped));
  FACET_TRY(put_one(w, FACET_ROW_PLANE_UNCOVERED, plane, &r->uncovered));
  return put_one(w, FACET_ROW_PLANE_RESIDUAL, plane, &r->residual);
}

static void say_full(const planes *w, int64_t plane)
{
  fprintf(stderr,
          "facet: warning: plane %lld of %s has more than %lld polygons and is left out: let 'window' be smaller in "
          "'planes', or 'polygons' larger\n",
          (long long)plane, w->common.plan->variant[w->common.variant].name, (long long)w->common.plan->plane_polygons);
}

static facet_status run_item(void *self, int64_t plane)
{
  planes *w = self;
  double at[6], corner[8];
  FACET_TRY(frame(w, plane, at, corner));
  const facet_plane_options options = {.origin = w->x,
                                       .along = w->along,
                                       .corners = 4,
                                       .corner = corner,
                                       .most = w->common.plan->plane_polygons,
                                       .pause = facet_item_pause,
                                       .context = w};
  facet_plane_result r;
  FACET_TRY(facet_plane_cut(w->plane, &options, &r));
  FACET_TRY(put_frame(w, plane, at, corner));
  if (r.full) {
    say_full(w, plane);
    r = (facet_plane_result){.dropped = -1, .uncovered = NAN, .residual = NAN};
  }
  return put_polygons(w, plane, &r);
}

/* ---- all of it ---- */

static void clear(void *self)
{
  planes *w = self;
  facet_plane_destroy(&w->dense);
  facet_loader_clear(&w->dense_loader);
}

static facet_status make(void *self)
{
  planes *w = self;
  if (!w->common.plan->plane_change)
    return FACET_OK;
  const facet_member *dense = &w->common.context->family->member[0];
  FACET_TRY(facet_loader_make(w->common.pixels, &dense->input, &w->dense_loader));
  return facet_plane_create(dense->network, 0, &w->dense);
}

static const facet_items items = {.stage = "planes",
                                  .name = "planes",
                                  FACET_ITEMS_OF(planes, plane),
                                  .make = make,
                                  .clear = clear,
                                  .enter = enter,
                                  .leave = leave,
                                  .run = run_item};

/* ---- taking planes over ---- */

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_store_plan *p = &c->plan->store;
  fprintf(out, "margin %.17g, window %.17g, %lld polygons, %.0f bytes", p->plane_margin, p->plane_window,
          (long long)p->plane_polygons, bytes_of(p));
  if (p->plane_change)
    fprintf(out, ", around a change of %s", p->variant[0].sha256);
  for (int64_t i = 0; i < 3 * p->planes; i++)
    fprintf(out, ", %lld", (long long)p->plane_sample[i]);
  int writer = facet_items_writer(&items, p);
  if (writer >= 0)
    fprintf(out, ", %s", p->variant[writer].name);
  return FACET_OK;
}

/* A plane reads its three samples. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  facet_items_still(c, &items, 3, c->plan->store.plane_sample, take);
  return FACET_OK;
}

/* ---- the stage ---- */

static facet_status run(const facet_context *context)
{
  return facet_items_run(context, &items, &(planes){.common = {0}});
}

static bool wanted(const facet_plan *plan)
{
  return facet_items_wanted(&items, plan);
}

/* Beside corners: what is found of one plane, with room to grow, and what waits. */
static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  const facet_store_plan *p = &context->plan->store;
  double points = (double)facet_plane_points(p->plane_polygons),
         corners = (double)facet_plane_corners(p->plane_polygons);
  double found = points * (2 + (double)p->classes) * sizeof(double) + corners * 5 + (double)p->plane_polygons * 20;
  FACET_TRY(facet_items_memory(context, &items, &(planes){.common = {0}}, bytes));
  *bytes += 3 * found;
  return FACET_OK;
}

/* Corners are as many as regions, each on half of its way; and a pass for the middle of each region. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  *sum = 0;
  for (int v = 0; v < p->variants; v++) {
    double polygons = polygons_of(lines_of(context->family, v, p->plane_window));
    polygons = fmin(polygons, (double)p->plane_polygons);
    *sum += p->variant[v].plane ? 2 * polygons * (double)p->planes * SLOWER * speeds->forward[v] / ranks : 0;
  }
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)ranks;
  const facet_planes_keys *k = &plan->keys->planes;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  const facet_slices_asked asked = {.stage = "planes",
                                    .key = "through",
                                    .line = k->line,
                                    .each = 3,
                                    .random = k->random,
                                    .count = k->count,
                                    .list = &k->through};
  FACET_TRY(facet_slices_choose(data, s, asked, &s->planes, &s->plane_sample));
  s->plane_polygons = k->polygons;
  s->plane_margin = k->margin;
  s->plane_window = k->fits ? window_that_fits(family, k->polygons) : k->window;
  s->plane_change = s->plane_window < 1 && k->around == FACET_AROUND_CHANGE && !s->variant[0].secant;
  return facet_items_ask(&items, &k->variants, family, plan);
}

const facet_stage facet_stage_planes = {.name = "planes",
                                        .marks = "V, plane place",
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
