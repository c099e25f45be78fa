/* The stage groups: why pruning, or corruption, changed the margins of a group of samples: the changes of each, taken
 * apart by pixel and by node, added up over the group. Sums of what adds up add up.
 *
 * Groups are those that the study gives, beside all samples: its classes, and those of files of numbers. A unit of work
 * is a variant, whose samples are added in their order, in double. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "picked.h"
#include "ranks/agree.h"
#include "reuse.h"

enum { MOST_GROUPS = 1000, ADDED = 40 };

/* What is stored of one comparison: dense and a variant, or clean and a condition. */
typedef struct {
  facet_row pixel, moved, node, total; /* of samples; moved: of corruptions alone */
  facet_row group_pixel, group_moved, group_node, group_total, group_samples, group_lost, group_won, group_residual;
} rows;

static const rows from_dense = {.pixel = FACET_ROW_CHANGE_PIXEL,
                                .node = FACET_ROW_CHANGE_NODE,
                                .total = FACET_ROW_CHANGE_TOTAL,
                                .group_pixel = FACET_ROW_GROUP_PIXEL,
                                .group_node = FACET_ROW_GROUP_NODE,
                                .group_total = FACET_ROW_GROUP_TOTAL,
                                .group_samples = FACET_ROW_GROUP_SAMPLES,
                                .group_lost = FACET_ROW_GROUP_LOST,
                                .group_won = FACET_ROW_GROUP_WON,
                                .group_residual = FACET_ROW_GROUP_RESIDUAL},
                  from_clean = {.pixel = FACET_ROW_MOVE_PIXEL,
                                .moved = FACET_ROW_MOVE_MOVED,
                                .node = FACET_ROW_MOVE_NODE,
                                .total = FACET_ROW_MOVE_TOTAL,
                                .group_pixel = FACET_ROW_MOVED_PIXEL,
                                .group_moved = FACET_ROW_MOVED_MOVED,
                                .group_node = FACET_ROW_MOVED_NODE,
                                .group_total = FACET_ROW_MOVED_TOTAL,
                                .group_samples = FACET_ROW_MOVED_SAMPLES,
                                .group_lost = FACET_ROW_MOVED_LOST,
                                .group_won = FACET_ROW_MOVED_WON,
                                .group_residual = FACET_ROW_MOVED_RESIDUAL};

typedef struct {
  const facet_context *context;
  const facet_store_plan *p;
  int64_t inputs;
  int64_t *sample; /* s */
  uint8_t *member; /* s x groups */
  int variant;
  double *part;                    /* of one sample: pixels, or nodes */
  double *pixel, *moved, *node;    /* groups x D, groups x D, groups x nodes */
  double *total, *size, *residual; /* groups; size: the sum of |total| */
  int64_t *samples, *lost, *won;   /* groups */
} groups;

/* ---- which groups there are ---- */

/* As the file was when its digest was taken: it is read when a run is planned, and when groups are made, much later. */
static facet_status read_file(const facet_study_data *data, const facet_store_plan *p, const facet_change_keys *k,
                              int item, int32_t *number)
{
  const char *file = facet_group_file(k, item);
  facet_status status = facet_npy_whole_numbers(file, p->samples, number);
  if (status == FACET_OK)
    status = facet_data_hold(data, "groups_", file);
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s:%d: change.groups: ", p->settings->file, k->groups_line);
}

static facet_status add_name(facet_store_plan *p, const facet_change_keys *k, char *name)
{
  FACET_CHECK(name, FACET_OS, "out of memory");
  size_t count = (size_t)p->change_groups;
  facet_status status = FACET_OK;
  if (p->change_groups == MOST_GROUPS)
    status = facet_raise(FACET_BAD_INPUT, "%s:%d: change.groups: more than %d groups", p->settings->file,
                         k->groups_line, MOST_GROUPS);
  else if (facet_is_among(name, p->change_group, p->change_groups))
    status = facet_raise(FACET_BAD_INPUT, "%s:%d: change.groups: two files are called %.*s", p->settings->file,
                         k->groups_line, (int)strcspn(name, "/"), name);
  else
    status = facet_grow(&p->change_group, count, count + 1, sizeof *p->change_group);
  if (status == FACET_OK)
    p->change_group[p->change_groups++] = name;
  else
    facet_free(&name);
  return status;
}

/* "light" of /data/light.npy. */
static char *stem_of(const char *file)
{
  const char *last = strrchr(file, '/') + 1;
  return facet_format("%.*s", (int)strcspn(last, "."), last);
}

static facet_status name_file(const facet_study_data *data, facet_store_plan *p, const facet_change_keys *k, int item)
{
  int32_t *number, largest = -1;
  FACET_NEW(number, p->samples);
  char *stem = stem_of(facet_group_file(k, item));
  facet_status status = stem ? read_file(data, p, k, item, number) : FACET_OS;
  for (int64_t i = 0; i < p->samples; i++)
    largest = number[i] > largest ? number[i] : largest;
  for (int32_t g = 0; g <= largest && status == FACET_OK; g++)
    status = add_name(p, k, facet_format("%s/%d", stem, g));
  FACET_FREE(&number, &stem);
  return status;
}

static facet_status name_groups(const facet_study_data *data, facet_store_plan *p, const facet_change_keys *k)
{
  FACET_TRY(add_name(p, k, facet_copy_text("all")));
  for (int i = 0; i < k->groups.count; i++) {
    if (facet_group_file(k, i))
      FACET_TRY(name_file(data, p, k, i));
    else
      for (int c = 0; c < p->classes; c++)
        FACET_TRY(add_name(p, k, facet_format("class/%s", p->class_name[c])));
  }
  return FACET_OK;
}

/* ---- who is in them ---- */

/* The number of each sample among the groups of one item, which are `first` and those behind it; *first goes on. There
 * are as many as were planned: `check` has no digest to tell it that the file is another. */
static facet_status join_item(groups *w, int item, int32_t *number, int *first)
{
  const facet_change_keys *k = &w->context->plan->keys->change;
  int32_t largest = -1;
  const char *file = facet_group_file(k, item);
  if (file)
    FACET_TRY(read_file(w->context->data, w->p, k, item, number));
  else
    FACET_TRY(facet_dataset_labels(w->context->data->test, 0, w->p->samples, number));
  for (int64_t i = 0; i < w->p->samples; i++)
    largest = number[i] > largest ? number[i] : largest;
  int64_t there = file ? (int64_t)largest + 1 : w->p->classes;
  FACET_CHECK(largest < there && there <= w->p->change_groups - *first, FACET_BAD_INPUT,
              "%s:%d: change.groups: %s: has changed since it was read first", w->p->settings->file, k->groups_line,
              file ? file : "labels of data.test");
  for (int64_t i = 0; i < w->p->change_samples; i++)
    if (number[w->sample[i]] >= 0)
      w->member[i * w->p->change_groups + *first + number[w->sample[i]]] = 1;
  *first += (int)there;
  return FACET_OK;
}

static facet_status find_members(groups *w)
{
  int32_t *number;
  int first = 1;
  facet_status status = FACET_OK;
  FACET_NEW(number, w->p->samples);
  for (int64_t i = 0; i < w->p->change_samples; i++)
    w->member[i * w->p->change_groups] = 1; /* of all */
  for (int i = 0; i < w->context->plan->keys->change.groups.count && status == FACET_OK; i++)
    status = join_item(w, i, number, &first);
  facet_free(&number);
  return status;
}

/* ---- adding up ---- */

static void add(const groups *w, int64_t place, int64_t count, double *sum)
{
  for (int g = 0; g < w->p->change_groups; g++)
    for (int64_t i = 0; w->member[place * w->p->change_groups + g] && i < count; i++)
      sum[g * count + i] += w->part[i];
}

static facet_status is_right(const groups *w, int variant, int condition, int64_t sample, bool *right)
{
  int32_t class, label;
  const facet_place at = {.part = {{variant, 1}, {condition, 1}, {sample, 1}}};
  FACET_TRY(facet_store_get(w->context->store, FACET_ROW_PREDICTED, at, &class));
  FACET_TRY(facet_dataset_labels(w->context->data->test, sample, 1, &label));
  *right = class == label;
  return FACET_OK;
}

static facet_status add_sample(groups *w, const rows *r, int condition, int64_t place)
{
  const facet_store_plan *p = w->p;
  const facet_place at = {.variant = w->variant, .condition = condition, .part = {{place, 1}}};
  bool before, after, dense = r == &from_dense;
  double total;
  FACET_TRY(facet_store_get(w->context->store, r->total, at, &total));
  if (!isfinite(total))
    return FACET_OK;
  FACET_TRY(is_right(w, dense ? 0 : w->variant, p->clean, w->sample[place], &before));
  FACET_TRY(is_right(w, w->variant, condition, w->sample[place], &after));
  for (int g = 0; g < p->change_groups; g++) {
    if (!w->member[place * p->change_groups + g])
      continue;
    w->samples[g]++;
    w->lost[g] += before && !after;
    w->won[g] += !before && after;
    w->total[g] += total;
    w->size[g] += fabs(total);
  }
  FACET_TRY(facet_store_get(w->context->store, r->pixel, at, w->part));
  add(w, place, w->inputs, w->pixel);
  if (!dense) {
    FACET_TRY(facet_store_get(w->context->store, r->moved, at, w->part));
    add(w, place, w->inputs, w->moved);
  }
  FACET_TRY(facet_store_get(w->context->store, r->node, at, w->part));
  add(w, place, p->variant[w->variant].change_nodes, w->node);
  return FACET_OK;
}

static void clear_sums(groups *w)
{
  size_t count = (size_t)w->p->change_groups, inputs = (size_t)w->inputs * count;
  memset(w->pixel, 0, inputs * sizeof *w->pixel);
  memset(w->moved, 0, inputs * sizeof *w->moved);
  memset(w->node, 0, (size_t)w->p->variant[w->variant].change_nodes * count * sizeof *w->node);
  memset(w->total, 0, count * sizeof *w->total);
  memset(w->size, 0, count * sizeof *w->size);
  memset(w->samples, 0, count * sizeof *w->samples);
  memset(w->lost, 0, count * sizeof *w->lost);
  memset(w->won, 0, count * sizeof *w->won);
}

static void certify(groups *w)
{
  int64_t nodes = w->p->variant[w->variant].change_nodes;
  for (int g = 0; g < w->p->change_groups; g++) {
    double sum = 0;
    for (int64_t i = 0; i < w->inputs; i++)
      sum += w->pixel[g * w->inputs + i] + w->moved[g * w->inputs + i];
    for (int64_t i = 0; i < nodes; i++)
      sum += w->node[g * nodes + i];
    w->residual[g] = fabs(w->total[g] - sum) / fmax(1, w->size[g]);
  }
}

static facet_status put(const groups *w, const rows *r, int condition)
{
  const facet_place at = {.variant = w->variant, .condition = condition};
  const struct {
    facet_row row;
    const void *data;
  } arrays[] = {{r->group_pixel, w->pixel},       {r->group_node, w->node},  {r->group_total, w->total},
                {r->group_samples, w->samples},   {r->group_lost, w->lost},  {r->group_won, w->won},
                {r->group_residual, w->residual}, {r->group_moved, w->moved}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] - (r == &from_dense); i++)
    FACET_TRY(facet_store_put(w->context->store, arrays[i].row, at, arrays[i].data));
  return FACET_OK;
}

static facet_status add_up(groups *w, facet_dealer *dealer, const rows *r, int condition)
{
  clear_sums(w);
  for (int64_t i = 0; i < w->p->change_samples; i++) {
    FACET_TRY(add_sample(w, r, condition, i));
    if (i % ADDED == 0)
      FACET_TRY(facet_dealer_pause(dealer));
  }
  certify(w);
  return put(w, r, condition);
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t v)
{
  groups *w = self;
  const facet_store_plan *p = w->p;
  w->variant = (int)v;
  if (v == 0)
    FACET_TRY(facet_store_put(w->context->store, FACET_ROW_GROUP_MEMBER, (facet_place){0}, w->member));
  if (!p->variant[v].change)
    return FACET_OK;
  if (v > 0)
    FACET_TRY(add_up(w, dealer, &from_dense, p->clean));
  for (int i = 0; i < p->change_conditions; i++)
    FACET_TRY(add_up(w, dealer, &from_clean, p->change_condition[i]));
  return FACET_OK;
}

/* ---- all of it ---- */

static void clear(void *self)
{
  groups *w = self;
  FACET_FREE(&w->sample, &w->member, &w->part, &w->pixel, &w->moved, &w->node, &w->total, &w->size, &w->residual,
             &w->samples, &w->lost, &w->won);
}

static int64_t most_nodes(const facet_store_plan *p)
{
  int64_t most = 1;
  for (int v = 0; v < p->variants; v++)
    most = p->variant[v].change_nodes > most ? p->variant[v].change_nodes : most;
  return most;
}

static facet_status make(const facet_context *context, int ranks, void *self)
{
  (void)ranks;
  groups *w = self;
  const facet_store_plan *p = &context->plan->store;
  int64_t count = p->change_groups, nodes = most_nodes(p);
  *w = (groups){.context = context, .p = p, .inputs = context->plan->inputs};
  FACET_NEW(w->sample, p->change_samples);
  FACET_NEW(w->member, p->change_samples * count);
  FACET_NEW(w->part, w->inputs > nodes ? w->inputs : nodes);
  FACET_NEW(w->pixel, count * w->inputs);
  FACET_NEW(w->moved, count * w->inputs);
  FACET_NEW(w->node, count * nodes);
  FACET_NEW(w->total, count);
  FACET_NEW(w->size, count);
  FACET_NEW(w->residual, count);
  FACET_NEW(w->samples, count);
  FACET_NEW(w->lost, count);
  FACET_NEW(w->won, count);
  FACET_TRY(facet_picked_samples(context, w->sample));
  return find_members(w);
}

static int64_t count(const facet_context *context)
{
  return context->plan->store.variants;
}

static const facet_tiled tiled = {
    .tiles = {.stage = "groups", .name = "variants", .run = run_unit}, .count = count, .make = make, .clear = clear};

static facet_status run(const facet_context *context)
{
  return facet_tiled_run(context, &tiled, &(groups){.context = NULL});
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.change_groups > 0;
}

/* What `make` asks for: the sums, the largest of them, who is in which group, and the numbers of a file. */
static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  const facet_store_plan *p = &context->plan->store;
  double inputs = (double)context->plan->inputs, count = p->change_groups, samples = (double)p->change_samples;
  *bytes = sizeof(double) * (count * (2 * inputs + (double)most_nodes(p) + 6) + inputs + samples) + samples * count +
           sizeof(int32_t) * (double)p->samples;
  return FACET_OK;
}

/* Every number that is read takes as long as some operations of a matrix product. A variant is one rank's. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  double numbers = (double)p->change_samples * (double)context->plan->inputs;
  int units = 0;
  *sum = 0;
  for (int v = 0; v < p->variants; v++) {
    if (!p->variant[v].change)
      continue;
    *sum += speeds->product * ADDED * numbers * ((v > 0) + 2 * p->change_conditions);
    units++;
  }
  *sum /= ranks < units ? ranks : units > 0 ? units : 1;
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)family, (void)ranks;
  const facet_change_keys *k = &plan->keys->change;
  return k->wanted && k->groups.count > 0 ? name_groups(data, &plan->store, k) : FACET_OK;
}

const facet_stage facet_stage_groups = {.name = "groups",
                                        .marks = "V",
                                        .wanted = wanted,
                                        .plan = plan_own,
                                        .memory = memory,
                                        .seconds = seconds,
                                        .run = run,
                                        .reads = "create analyse compare change",
                                        .again = true};
