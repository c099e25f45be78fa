/* The stage attributions: explanations as the field makes them next to the exact ones, of the same samples in all
 * variants, and how faithful they are.
 *
 * It is done in double precision, whatever the study's.  A unit of work is a sample in a variant, by all methods; noise
 * and perturbations are those of the sample's number, so results are the same on any rank, and variants see the same.
 */
#include <string.h>

#include "items.h"
#include "ranks/agree.h"

/* SLOWER: what kernels for double are. */
enum { SLOWER = 4, TENTH = 10 };

typedef struct {
  facet_item_work common;
  const facet_attributions_keys *keys;
  int64_t rows, classes;
  int methods;
  double *node, *weight; /* of the quadrature of integrated gradients, for all variants */
  /* of the variant that was entered */
  facet_attributor *attributor;
  double *x, *baseline, *logits;
  int32_t *row;
  double *attribution; /* method x k x D */
  /* method x k, curves with their points; two methods' k */
  facet_faithfulness found;
  double *area[2], *spearman, *overlap;
} attributions;

/* ---- entering ---- */

/* As of paths: an eighth of what a rank may take, and no more than pays. */
static double bytes_of(const facet_store_plan *p)
{
  return facet_item_bytes(p, 1 << 26);
}

static facet_status make_attributor(attributions *w, const facet_member *member)
{
  const facet_attributions_keys *k = w->keys;
  const facet_attribution_options options = {.steps = k->steps,
                                             .noisy = k->noisy,
                                             .noise = k->noise,
                                             .epsilon = k->epsilon,
                                             .gamma = k->gamma,
                                             .seed = w->common.plan->settings->seed,
                                             .bytes = bytes_of(w->common.plan),
                                             .image = w->common.plan->image,
                                             .layout = &member->input,
                                             .pause = facet_item_pause,
                                             .context = w,
                                             .node = w->node,
                                             .weight = w->weight};
  FACET_TRY(facet_attributor_create(member->network, &options, &w->attributor));
  for (int m = 0; m < w->methods; m++)
    FACET_TRY(facet_attributor_ready(w->attributor, w->common.plan->attribution_method[m]));
  return FACET_OK;
}

static facet_status make_results(attributions *w)
{
  int64_t all = w->methods * w->rows, points = w->common.plan->curve_points + 1;
  FACET_NEW(w->attribution, all * w->common.inputs);
  if (w->common.plan->curve_points == 0)
    return FACET_OK;
  FACET_NEW(w->found.deletion, all * points);
  FACET_NEW(w->found.insertion, all * points);
  FACET_NEW(w->found.infidelity, all);
  FACET_NEW(w->found.sensitivity, all);
  FACET_NEW(w->area[0], all);
  FACET_NEW(w->area[1], all);
  FACET_NEW(w->spearman, all * w->methods);
  FACET_NEW(w->overlap, all * w->methods);
  return FACET_OK;
}

static facet_status enter(void *self, const facet_member *member)
{
  attributions *w = self;
  FACET_NEW(w->x, w->common.inputs);
  FACET_NEW(w->baseline, w->common.inputs);
  FACET_NEW(w->logits, w->classes);
  FACET_NEW(w->row, w->rows);
  facet_loader_even(&w->common.loader, (float)w->keys->baseline, w->baseline);
  FACET_TRY(make_results(w));
  return make_attributor(w, member);
}

static void leave(void *self)
{
  attributions *w = self;
  facet_attributor_destroy(&w->attributor);
  FACET_FREE(&w->x, &w->baseline, &w->logits, &w->row, &w->attribution, &w->found.deletion, &w->found.insertion,
             &w->found.infidelity, &w->found.sensitivity, &w->area[0], &w->area[1], &w->spearman, &w->overlap);
}

/* ---- one sample ---- */

static facet_status explain(attributions *w, int64_t sample, facet_explained *what)
{
  const int *method = w->common.plan->attribution_method;
  FACET_TRY(facet_loader_load(&w->common.loader, w->common.plan->clean, sample, NULL, w->x));
  FACET_TRY(facet_attributor_logits(w->attributor, w->x, 1, w->logits));
  facet_rows_choose(w->keys->rows, w->rows, w->classes, w->logits, 1, w->row);
  *what = (facet_explained){.x = w->x, .baseline = w->baseline, .number = sample, .k = w->rows, .row = w->row};
  for (int m = 0; m < w->methods; m++)
    FACET_TRY(
        facet_attributor_explain(w->attributor, method[m], what, w->attribution + m * w->rows * w->common.inputs));
  return FACET_OK;
}

static facet_status measure(attributions *w, int m, const facet_explained *what)
{
  const facet_attributions_keys *k = w->keys;
  int64_t first = m * w->rows, points = k->points;
  const facet_faithfulness_options options = {.points = points, .perturbations = k->perturbations, .radius = k->radius};
  facet_faithfulness found = {.deletion = w->found.deletion + first * (points + 1),
                              .insertion = w->found.insertion + first * (points + 1),
                              .infidelity = w->found.infidelity + first,
                              .sensitivity = w->found.sensitivity + first};
  FACET_TRY(facet_faithfulness_measure(w->attributor, w->common.plan->attribution_method[m], what,
                                       w->attribution + first * w->common.inputs, &options, &found));
  for (int64_t r = 0; r < w->rows; r++) {
    w->area[0][first + r] = facet_curve_area(points, found.deletion + r * (points + 1));
    w->area[1][first + r] = facet_curve_area(points, found.insertion + r * (points + 1));
  }
  return FACET_OK;
}

/* Of all pairs of methods. */
static facet_status compare(attributions *w)
{
  int64_t top = (w->common.inputs + TENTH - 1) / TENTH;
  for (int a = 0; a < w->methods; a++)
    for (int b = 0; b < w->methods; b++)
      for (int64_t r = 0; r < w->rows; r++) {
        FACET_TRY(facet_dealer_pause(w->common.dealer));
        int64_t at = (a * w->methods + b) * w->rows + r;
        FACET_TRY(facet_rank_agreement(w->common.inputs, w->attribution + (a * w->rows + r) * w->common.inputs,
                                       w->attribution + (b * w->rows + r) * w->common.inputs, top, &w->spearman[at],
                                       &w->overlap[at]));
      }
  return FACET_OK;
}

static facet_status put(const attributions *w, int64_t sample)
{
  const facet_place by_method = {.variant = w->common.variant, .part = {{0, w->methods}, {sample, 1}}};
  const facet_place by_sample = {.variant = w->common.variant, .part = {{sample, 1}}};
  const facet_place by_pair = {.variant = w->common.variant, .part = {{0, w->methods}, {0, w->methods}, {sample, 1}}};
  const struct {
    facet_row row;
    facet_place place;
    const void *data;
  } arrays[] = {
      {FACET_ROW_ATTRIBUTION, by_method, w->attribution},     {FACET_ROW_ATTRIBUTION_CLASS, by_sample, w->row},
      {FACET_ROW_DELETION, by_method, w->found.deletion},     {FACET_ROW_INSERTION, by_method, w->found.insertion},
      {FACET_ROW_DELETION_AREA, by_method, w->area[0]},       {FACET_ROW_INSERTION_AREA, by_method, w->area[1]},
      {FACET_ROW_INFIDELITY, by_method, w->found.infidelity}, {FACET_ROW_SENSITIVITY, by_method, w->found.sensitivity},
      {FACET_ROW_ATTRIBUTION_SPEARMAN, by_pair, w->spearman}, {FACET_ROW_ATTRIBUTION_OVERLAP, by_pair, w->overlap}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && arrays[i].data; i++)
    FACET_TRY(facet_store_put(w->common.store, arrays[i].row, arrays[i].place, arrays[i].data));
  return FACET_OK;
}

static facet_status run_item(void *self, int64_t sample)
{
  attributions *w = self;
  facet_explained what;
  FACET_TRY(explain(w, sample, &what));
  for (int m = 0; m < w->methods && w->common.plan->curve_points > 0; m++)
    FACET_TRY(measure(w, m, &what));
  if (w->common.plan->curve_points > 0)
    FACET_TRY(compare(w));
  return put(w, sample);
}

/* ---- all of it ---- */

static void clear(void *self)
{
  attributions *w = self;
  FACET_FREE(&w->node, &w->weight);
}

static facet_status check(void *context)
{
  (void)context;
  return facet_interrupt_check();
}

/* Once, and not where a run is forecast: it takes as long as the square of the steps. */
static facet_status make_quadrature(attributions *w)
{
  int64_t steps = w->keys->steps;
  FACET_NEW(w->node, steps);
  FACET_NEW(w->weight, steps);
  return w->common.store ? facet_attribution_quadrature(steps, check, NULL, w->node, w->weight) : FACET_OK;
}

static facet_status make(void *self)
{
  attributions *w = self;
  w->keys = &w->common.context->plan->keys->attributions;
  w->rows = w->common.plan->attributed_rows;
  w->classes = w->common.plan->classes;
  w->methods = w->common.plan->attribution_methods;
  return make_quadrature(w);
}

static const facet_items items = {.stage = "attributions",
                                  .name = "attributions",
                                  FACET_ITEMS_OF(attributed, attribution),
                                  .make = make,
                                  .clear = clear,
                                  .enter = enter,
                                  .leave = leave,
                                  .run = run_item};

/* ---- taking them over ---- */

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_attributions_keys *k = &c->plan->keys->attributions;
  const facet_store_plan *p = &c->plan->store;
  fprintf(out, "%d %lld, baseline %.17g, steps %lld, noise %lld %.17g, lrp %.17g %.17g, seed %u, %.0f bytes",
          (int)k->rows, (long long)p->attributed_rows, k->baseline, (long long)k->steps, (long long)k->noisy, k->noise,
          k->epsilon, k->gamma, p->settings->seed, bytes_of(p));
  if (p->curve_points > 0)
    fprintf(out, ", faithfulness %lld %lld %.17g", (long long)k->points, (long long)k->perturbations, k->radius);
  for (int m = 0; m < p->attribution_methods; m++)
    fprintf(out, ", %s", p->attribution_name[m]);
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  facet_items_still(c, &items, 1, NULL, take);
  return FACET_OK;
}

/* ---- the stage ---- */

static facet_status run(const facet_context *context)
{
  return facet_items_run(context, &items, &(attributions){.common = {0}});
}

static bool wanted(const facet_plan *plan)
{
  return facet_items_wanted(&items, plan);
}

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  return facet_items_memory(context, &items, &(attributions){.common = {0}}, bytes);
}

/* Forward passes, about, of one row of one sample. The exact ones as the stage paths forecasts them. */
static double passes_of(const facet_attributions_keys *k, const facet_store_plan *p, const facet_network *network)
{
  double sum = 0, all = 1 + (p->curve_points > 0 ? (double)k->perturbations : 0);
  for (int m = 0; m < p->attribution_methods; m++) {
    double passes = facet_attribution_passes(p->attribution_method[m], k->steps, k->noisy);
    if (passes == 0)
      passes = facet_path_passes(network, 1);
    sum += passes * all;
    if (p->curve_points > 0)
      sum += 2 * (double)(p->curve_points + 1 + k->perturbations);
  }
  return sum;
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  *sum = 0;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].attribution)
      *sum += passes_of(&context->plan->keys->attributions, p, context->family->member[v].network) * SLOWER *
              speeds->forward[v] * (double)(p->attributed * p->attributed_rows) / ranks;
  return FACET_OK;
}

/* The methods that are asked for, in the order of their table. */
static facet_status choose_methods(const facet_choices *asked, facet_store_plan *s)
{
  int all = 0;
  while (facet_attribution_name(all))
    all++;
  FACET_NEW(s->attribution_method, all);
  FACET_NEW(s->attribution_name, all);
  for (int m = 0; m < all; m++) {
    bool chosen = asked->count == 0;
    for (int i = 0; i < asked->count; i++)
      chosen = chosen || asked->item[i] == m;
    if (!chosen)
      continue;
    s->attribution_name[s->attribution_methods] = facet_attribution_name(m);
    s->attribution_method[s->attribution_methods++] = m;
  }
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  const facet_attributions_keys *k = &plan->keys->attributions;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  s->attributed = facet_items_samples(s, k->samples);
  s->attributed_rows = facet_rows_count(k->rows, k->top, s->classes);
  s->attribution_baseline = k->baseline;
  s->curve_points = k->faithfulness ? k->points : 0;
  FACET_TRY(facet_items_ask(&items, &k->variants, family, plan));
  return choose_methods(&k->methods, s);
}

const facet_stage facet_stage_attributions = {.name = "attributions",
                                              .marks = "V, attributed place",
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
