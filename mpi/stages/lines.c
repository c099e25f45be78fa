/* The stage lines: segments between two clean samples each, cut into the pieces of every variant, with the logits at
 * all of their ends, and where the predicted class changes.
 *
 * As paths, without what leads back to pixels, and with all that paths only count.  It is done in double precision,
 * whatever the study's.  A unit of work is a line in a variant; what is known at once follows from the study's memory
 * alone, so results are the same on any rank. */
#include <math.h>
#include <stdio.h>

#include "slices.h"

/* SLOWER: what kernels for double are. SPARE: points beside those of an element each. */
enum { SLOWER = 4, SPARE = 64 };

typedef struct {
  facet_item_work common;
  /* of the variant that was entered */
  facet_line *line;
  double *start, *end;
} lines;

/* ---- entering ---- */

/* As of paths. */
static double bytes_of(const facet_store_plan *p)
{
  return facet_item_bytes(p, 1 << 26);
}

static facet_status enter(void *self, const facet_member *member)
{
  lines *w = self;
  FACET_NEW(w->start, w->common.inputs);
  FACET_NEW(w->end, w->common.inputs);
  return facet_line_create(member->network, bytes_of(w->common.plan), &w->line);
}

static void leave(void *self)
{
  lines *w = self;
  facet_line_destroy(&w->line);
  FACET_FREE(&w->start, &w->end);
}

/* ---- one line ---- */

/* What belongs to a line alone goes with the first variant that it is cut in. */
static facet_status put_ends(const lines *w, int64_t line)
{
  double sum = 0;
  if (facet_items_writer(w->common.items, w->common.plan) != w->common.variant)
    return FACET_OK;
  for (int64_t i = 0; i < w->common.inputs; i++)
    sum += (w->end[i] - w->start[i]) * (w->end[i] - w->start[i]);
  double length = sqrt(sum);
  const facet_place place = {.part = {{line, 1}}};
  FACET_TRY(facet_store_put(w->common.store, FACET_ROW_LINE_SAMPLE, place, w->common.plan->line_sample + 2 * line));
  return facet_store_put(w->common.store, FACET_ROW_LINE_LENGTH, place, &length);
}

static facet_status put_points(const lines *w, int64_t line, const facet_line_result *r)
{
  const struct {
    facet_row row;
    int64_t width;
    const void *data;
  } some[] = {{FACET_ROW_LINE_T, 1, r->t},
              {FACET_ROW_LINE_LOGITS, w->common.plan->classes, r->logits},
              {FACET_ROW_LINE_PIECE, 1, r->piece},
              {FACET_ROW_LINE_WINNER, 1, r->winner}};
  const facet_place place = {.variant = w->common.variant, .part = {{line, 1}}};
  for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
    FACET_TRY(facet_slices_put(w->common.store, some[i].row, w->common.variant, line, r->points,
                               w->common.plan->line_points, some[i].width, some[i].data));
  FACET_TRY(facet_store_put(w->common.store, FACET_ROW_LINE_POINTS, place, &r->points));
  FACET_TRY(facet_store_put(w->common.store, FACET_ROW_LINE_PIECES, place, &r->pieces));
  return facet_store_put(w->common.store, FACET_ROW_LINE_RESIDUAL, place, &r->residual);
}

static facet_status run_item(void *self, int64_t line)
{
  lines *w = self;
  const int64_t *sample = w->common.plan->line_sample + 2 * line;
  const facet_line_options options = {.most = w->common.plan->line_points, .pause = facet_item_pause, .context = w};
  facet_line_result r;
  FACET_TRY(facet_loader_load(&w->common.loader, w->common.plan->clean, sample[0], NULL, w->start));
  FACET_TRY(facet_loader_load(&w->common.loader, w->common.plan->clean, sample[1], NULL, w->end));
  FACET_TRY(facet_line_cut(w->line, w->start, w->end, &options, &r));
  FACET_TRY(put_ends(w, line));
  if (r.full) {
    fprintf(stderr,
            "facet: warning: line %lld of %s has more than %lld points and is left out: let 'points' be larger in "
            "'lines'\n",
            (long long)line, w->common.plan->variant[w->common.variant].name, (long long)w->common.plan->line_points);
    r = (facet_line_result){.residual = NAN};
  }
  return put_points(w, line, &r);
}

/* ---- all of it ---- */

static const facet_items items = {
    .stage = "lines", .name = "lines", FACET_ITEMS_OF(lines, line), .enter = enter, .leave = leave, .run = run_item};

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_store_plan *p = &c->plan->store;
  fprintf(out, "%lld points, %.0f bytes", (long long)p->line_points, bytes_of(p));
  for (int64_t i = 0; i < 2 * p->lines; i++)
    fprintf(out, ", %lld", (long long)p->line_sample[i]);
  int writer = facet_items_writer(&items, p);
  if (writer >= 0)
    fprintf(out, ", %s", p->variant[writer].name);
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  facet_items_still(c, &items, 2, c->plan->store.line_sample, take);
  return FACET_OK;
}

static facet_status run(const facet_context *context)
{
  return facet_items_run(context, &items, &(lines){.common = {0}});
}

static bool wanted(const facet_plan *plan)
{
  return facet_items_wanted(&items, plan);
}

/* Beside points of the walk, what is found of one line, with room to grow. */
static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  const facet_store_plan *p = &context->plan->store;
  FACET_TRY(facet_items_memory(context, &items, &(lines){.common = {0}}, bytes));
  *bytes += 3 * (double)p->line_points * (8 * (double)p->classes + 20);
  return FACET_OK;
}

/* Half of all elements change on a line: a forward pass for half of the pieces, and one for the middle of each. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  *sum = 0;
  for (int v = 0; v < p->variants; v++) {
    double pieces = 1 + (double)facet_path_elements(context->family->member[v].network) / 2;
    *sum += p->variant[v].line ? 1.5 * pieces * (double)p->lines * SLOWER * speeds->forward[v] / ranks : 0;
  }
  return FACET_OK;
}

static int64_t room_for(const facet_family *family)
{
  int64_t most = 0;
  for (int v = 0; v < family->count; v++) {
    int64_t elements = facet_path_elements(family->member[v].network);
    most = elements > most ? elements : most;
  }
  return most + SPARE;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)ranks;
  const facet_lines_keys *k = &plan->keys->lines;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  const facet_slices_asked asked = {.stage = "lines",
                                    .key = "between",
                                    .line = k->line,
                                    .each = 2,
                                    .random = k->random,
                                    .count = k->count,
                                    .list = &k->between};
  FACET_TRY(facet_slices_choose(data, s, asked, &s->lines, &s->line_sample));
  s->line_points = k->points > 0 ? k->points : room_for(family);
  return facet_items_ask(&items, &k->variants, family, plan);
}

const facet_stage facet_stage_lines = {.name = "lines",
                                       .marks = "V, line place",
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
