/* The stage findings: what can be said of a study in sentences. Here is what is counted for them, and sentences.c says
 * it.
 *
 * Ranks share the samples, and go through their own block by block, all variants and conditions of it; a rank's counts
 * are whole numbers, and so are their sums: the bits do not depend on the number of ranks. The ranks of margins among
 * all samples are counted by rank 0, which sorts them in a file. */
#include "findings.h"

#include <math.h>
#include <string.h>

#include "base/sorter.h"
#include "ranks/agree.h"

enum { MOST_BLOCK = 4096, LEAST_BLOCK = 64, BLOCK_BYTES = 16 << 20, PORTION = 1024 };

/* A sample that dense has right: its margin, and how many pruned networks, and corruptions of dense, leave it right. */
typedef struct {
  double margin;
  int32_t kept[2];
} sound;

typedef struct {
  MPI_Comm comm;
  facet_store *store;
  facet_tally *tally;
  int64_t first, count; /* samples of this rank */
  int64_t block;
  int32_t *predicted, *clean, *hurt; /* block; V x block: right answers clean, and under corruption */
  int32_t *dense_under, *under;      /* X x block: of dense, and of all pruned networks together */
  double *margin;                    /* block */
  int32_t *label;                    /* block */
  facet_sorter *sounds;              /* of this rank's samples */
  int64_t wrong[FACET_WORST];        /* answers, of the tally's worst */
  facet_progress *progress;
} work;

/* ---- who takes part ---- */

static bool has_failed(const facet_tally *t, int v)
{
  double dense = t->accuracy[t->reference] - t->chance, n = (double)t->labelled;
  double own = t->accuracy[(int64_t)v * t->plan->conditions + t->reference] - t->chance;
  return own <= 5 * sqrt(t->chance * (1 - t->chance) / n) || (dense > 0 && own < dense / 2);
}

static facet_status find_chance(facet_tally *t)
{
  const facet_store_plan *p = t->plan;
  int64_t largest = 0;
  facet_label_walk w = {.of = p->test};
  while (facet_labels_walk(&w))
    for (int64_t i = 0; i < w.count; i++)
      if (w.label[i] >= 0)
        t->members[w.label[i]]++;
  FACET_TRY(w.status);
  for (int k = 0; k < p->classes; k++) {
    t->labelled += t->members[k];
    largest = t->members[k] > largest ? t->members[k] : largest;
  }
  t->chance = t->labelled > 0 ? (double)largest / (double)t->labelled : NAN;
  return FACET_OK;
}

static int entrant_at(const facet_tally *t, int method, double sparsity)
{
  int e = 0;
  while (e < t->entrants && (t->entrant[e].method != method || t->entrant[e].sparsity != sparsity))
    e++;
  return e;
}

static facet_status find_entrants(facet_tally *t)
{
  const facet_store_plan *p = t->plan;
  FACET_NEW(t->entrant, p->variants);
  FACET_NEW(t->entrant_of, p->variants);
  FACET_NEW(t->stays, p->variants);
  for (int v = 0; v < p->variants; v++) {
    t->entrant_of[v] = -1;
    t->stays[v] = !t->failed[v] && facet_store_is_pruned(p, &t->names, v);
    t->pruned += t->stays[v];
    if (t->names.method_of[v] < 0)
      continue;
    int e = entrant_at(t, t->names.method_of[v], p->variant[v].sparsity);
    if (e == t->entrants)
      t->entrant[t->entrants++] = (facet_entrant){.method = t->names.method_of[v], .sparsity = p->variant[v].sparsity};
    t->entrant[e].networks += !t->failed[v];
    t->entrant[e].failed += t->failed[v];
    t->entrant_of[v] = t->failed[v] ? -1 : e;
  }
  return FACET_OK;
}

static bool meet(const facet_tally *t, int a, int b)
{
  const facet_entrant *x = &t->entrant[a], *y = &t->entrant[b];
  return x->sparsity == y->sparsity && x->networks > 0 && y->networks > 0;
}

static facet_status find_duels(facet_tally *t)
{
  for (int a = 0; a < t->entrants; a++)
    for (int b = 0; b < a; b++)
      t->duels += meet(t, a, b);
  FACET_NEW(t->duel, t->duels);
  FACET_NEW(t->clean, t->duels);
  FACET_NEW(t->hurt, t->duels);
  int64_t d = 0;
  for (int a = 0; a < t->entrants; a++)
    for (int b = 0; b < a; b++)
      if (meet(t, a, b))
        t->duel[d++] = (facet_duel){a, b};
  return FACET_OK;
}

static facet_status begin(work *w)
{
  facet_tally *t = w->tally;
  const facet_store_plan *p = t->plan;
  FACET_TRY(facet_store_names_make(p, &t->names));
  t->reference = p->clean < 0 ? 0 : p->clean;
  FACET_NEW(t->severities, t->names.corruptions);
  for (int c = 0; c < p->conditions; c++)
    if (t->names.corruption_of[c] >= 0) {
      t->corrupted++;
      t->severities[t->names.corruption_of[c]]++;
    }
  FACET_NEW(t->accuracy, (int64_t)p->variants * p->conditions);
  FACET_NEW(t->failed, p->variants);
  FACET_NEW(t->members, p->classes);
  FACET_NEW(t->right, p->classes);
  FACET_NEW(t->lost_of_class, p->classes);
  FACET_NEW(t->lost, t->names.methods);
  FACET_NEW(t->worse, t->names.corruptions);
  FACET_TRY(facet_store_get(w->store, FACET_ROW_MEAN_ACCURACY, (facet_place){0}, t->accuracy));
  FACET_TRY(find_chance(t));
  for (int v = 0; v < p->variants; v++)
    t->failed[v] = has_failed(t, v);
  FACET_TRY(find_entrants(t));
  for (int i = 0; i < 2; i++) {
    int64_t levels = (i == 0 ? t->pruned : t->corrupted) + 1;
    FACET_NEW(t->kept[i], levels);
    FACET_NEW(t->ranks[i], levels);
    FACET_NEW(t->answers[i], p->classes);
    FACET_NEW(t->gone[i], p->classes);
  }
  return find_duels(t);
}

static int by_margin(const void *a, const void *b)
{
  const sound *x = a, *y = b;
  return (x->margin > y->margin) - (x->margin < y->margin);
}

static int64_t block_of(int64_t variants, int64_t corruptions)
{
  int64_t own = BLOCK_BYTES / (4 * (2 * variants + 2 * corruptions));
  return own < LEAST_BLOCK ? LEAST_BLOCK : own > MOST_BLOCK ? MOST_BLOCK : own;
}

static facet_status begin_blocks(work *w)
{
  const facet_store_plan *p = w->tally->plan;
  w->block = block_of(p->variants, w->tally->names.corruptions);
  FACET_NEW(w->predicted, w->block);
  FACET_NEW(w->margin, w->block);
  FACET_NEW(w->clean, p->variants * w->block);
  FACET_NEW(w->hurt, p->variants * w->block);
  FACET_NEW(w->dense_under, w->tally->names.corruptions * w->block);
  FACET_NEW(w->under, w->tally->names.corruptions * w->block);
  FACET_NEW(w->label, w->block);
  FACET_TRY(facet_sorter_create(sizeof(sound), by_margin, w->count, &w->sounds));
  for (int i = 0; i < FACET_WORST; i++)
    w->tally->worst[i] = -1;
  return FACET_OK;
}

static void clear(work *w)
{
  facet_tally *t = w->tally;
  facet_progress_end(&w->progress);
  facet_store_names_clear(&t->names);
  FACET_FREE(&t->accuracy, &t->failed, &t->entrant, &t->entrant_of, &t->duel, &t->clean, &t->hurt, &t->worse,
             &t->members, &t->right, &t->lost, &t->lost_of_class, &t->severities, &t->stays);
  for (int i = 0; i < 2; i++)
    FACET_FREE(&t->kept[i], &t->ranks[i], &t->answers[i], &t->gone[i]);
  FACET_FREE(&w->predicted, &w->clean, &w->hurt, &w->dense_under, &w->under, &w->margin, &w->label);
  facet_sorter_destroy(&w->sounds);
}

/* ---- a block: answers ---- */

static void add_right(const work *w, int v, int c, int64_t count)
{
  const facet_tally *t = w->tally;
  int x = t->names.corruption_of[c];
  for (int64_t i = 0; i < count; i++) {
    int right = w->predicted[i] == w->label[i];
    if (c == t->plan->clean)
      w->clean[v * w->block + i] = right;
    if (x < 0)
      continue;
    w->hurt[v * w->block + i] += right;
    if (v == 0)
      w->dense_under[x * w->block + i] += right;
    if (t->stays[v])
      w->under[x * w->block + i] += right;
  }
}

static facet_status read_block(const work *w, int64_t first, int64_t count)
{
  const facet_store_plan *p = w->tally->plan;
  size_t bytes = (size_t)w->block * sizeof *w->under;
  memset(w->hurt, 0, (size_t)p->variants * bytes);
  memset(w->clean, 0, (size_t)p->variants * bytes);
  memset(w->under, 0, (size_t)w->tally->names.corruptions * bytes);
  memset(w->dense_under, 0, (size_t)w->tally->names.corruptions * bytes);
  FACET_TRY(facet_dataset_labels(p->test, first, count, w->label));
  for (int v = 0; v < p->variants; v++)
    for (int c = 0; c < p->conditions; c++) {
      facet_place at = {.part = {{v, 1}, {c, 1}, {first, count}}};
      FACET_TRY(facet_store_get(w->store, FACET_ROW_PREDICTED, at, w->predicted));
      add_right(w, v, c, count);
    }
  if (p->clean < 0)
    return FACET_OK;
  return facet_store_get(w->store, FACET_ROW_MARGIN, (facet_place){.part = {{0, 1}, {p->clean, 1}, {first, count}}},
                         w->margin);
}

/* ---- a sample of the block ---- */

static void add_duels(const work *w, const int32_t *right, facet_pairs *pairs, int64_t *answers, int64_t i)
{
  const facet_tally *t = w->tally;
  for (int e = 0; e < t->entrants; e++)
    answers[e] = 0;
  for (int v = 0; v < t->plan->variants; v++)
    if (t->entrant_of[v] >= 0)
      answers[t->entrant_of[v]] += right[v * w->block + i];
  for (int64_t d = 0; d < t->duels; d++) {
    int a = t->duel[d].a, b = t->duel[d].b;
    facet_pairs_add(&pairs[d], answers[a] * t->entrant[b].networks - answers[b] * t->entrant[a].networks);
  }
}

static int64_t pruned_right(const work *w, int64_t i)
{
  const facet_tally *t = w->tally;
  int64_t sum = 0;
  for (int v = 0; v < t->plan->variants; v++)
    if (t->stays[v])
      sum += w->clean[v * w->block + i];
  return sum;
}

/* What pruning takes under each corruption, beyond what it takes clean, in answers of all pruned networks. */
static void add_corruptions(const work *w, int64_t kept, int64_t i)
{
  const facet_tally *t = w->tally;
  int64_t clean = (int64_t)t->pruned * w->clean[i] - kept;
  for (int x = 0; x < t->names.corruptions; x++) {
    int64_t taken = (int64_t)t->pruned * w->dense_under[x * w->block + i] - w->under[x * w->block + i];
    facet_pairs_add(&t->worse[x], taken - t->severities[x] * clean);
  }
}

/* Keeps the samples with the most wrong answers, and of those with as many the first. */
static void keep_worst(int64_t sample, int64_t answers, int64_t worst[FACET_WORST], int64_t wrong[FACET_WORST])
{
  for (int k = 0; k < FACET_WORST && sample >= 0; k++) {
    if (worst[k] >= 0 && (wrong[k] > answers || (wrong[k] == answers && worst[k] < sample)))
      continue;
    int64_t s = worst[k], a = wrong[k];
    worst[k] = sample;
    wrong[k] = answers;
    sample = s;
    answers = a;
  }
}

/* Whether most of its networks at some sparsity lose a sample; there: whether it has any. */
static bool method_loses(const facet_tally *t, int method, const int64_t *answers, bool *there)
{
  bool loses = false;
  *there = false;
  for (int e = 0; e < t->entrants; e++)
    if (t->entrant[e].method == method && t->entrant[e].networks > 0) {
      *there = true;
      loses = loses || 2 * (t->entrant[e].networks - answers[e]) > t->entrant[e].networks;
    }
  return loses;
}

/* Of a sample that dense has right; answers: of entrants, clean. */
static void add_losses(work *w, int64_t sample, int64_t kept, int64_t i, const int64_t *answers)
{
  facet_tally *t = w->tally;
  int methods = 0, losing = 0;
  int64_t wrong = t->pruned - kept + (int64_t)t->pruned * t->corrupted;
  for (int m = 0; m < t->names.methods; m++) {
    bool there, loses = method_loses(t, m, answers, &there);
    t->lost[m] += loses;
    methods += there;
    losing += loses;
  }
  if (losing < methods || methods == 0)
    return;
  for (int x = 0; x < t->names.corruptions; x++)
    wrong -= w->under[x * w->block + i];
  t->lost_by_all++;
  t->lost_of_class[w->label[i]]++;
  keep_worst(sample, wrong, t->worst, w->wrong);
}

static facet_status add_sample(work *w, int64_t sample, int64_t i, int64_t *answers)
{
  facet_tally *t = w->tally;
  int k = w->label[i];
  add_duels(w, w->hurt, t->hurt, answers, i);
  if (t->plan->clean < 0)
    return FACET_OK;
  add_duels(w, w->clean, t->clean, answers, i);
  int64_t kept = pruned_right(w, i), under = w->hurt[i];
  t->answers[0][k] += kept;
  t->answers[1][k] += under;
  t->right[k] += w->clean[i];
  add_corruptions(w, kept, i);
  if (!w->clean[i])
    return FACET_OK;
  t->sound++;
  t->gone[0][k] += 2 * (t->pruned - kept) > t->pruned;
  t->gone[1][k] += 2 * (t->corrupted - under) > t->corrupted;
  add_losses(w, sample, kept, i, answers);
  if (isnan(w->margin[i]))
    return FACET_OK;
  return facet_sorter_add(w->sounds, &(sound){w->margin[i], {(int32_t)kept, (int32_t)under}});
}

static facet_status count_samples(work *w)
{
  int64_t *answers;
  facet_status status = FACET_OK;
  FACET_NEW(answers, w->tally->entrants);
  for (int64_t first = 0; first < w->count && status == FACET_OK; first += w->block) {
    int64_t count = w->count - first < w->block ? w->count - first : w->block;
    status = read_block(w, w->first + first, count);
    for (int64_t i = 0; i < count && status == FACET_OK; i++)
      if (w->label[i] >= 0)
        status = add_sample(w, w->first + first + i, i, answers);
    facet_progress_at(w->progress, first + count);
    if (status == FACET_OK)
      status = facet_interrupt_check();
  }
  facet_free(&answers);
  return status;
}

/* ---- ranks of margins ---- */

/* A portion of a rank's own, in order of their margins; fewer than PORTION: there are no more; -1: it failed. */
typedef struct {
  int64_t count;
  sound sound[PORTION];
} portion;

static facet_status take_portion(facet_sorter *from, portion *p)
{
  bool found = true;
  p->count = 0;
  while (found && p->count < PORTION) {
    facet_status status = facet_sorter_next(from, &p->sound[p->count], &found);
    p->count += found;
    if (status == FACET_OK)
      continue;
    p->count = -1;
    return status;
  }
  return FACET_OK;
}

static facet_status add_portion(const portion *p, facet_sorter *all)
{
  for (int64_t i = 0; i < p->count; i++)
    FACET_TRY(facet_sorter_add(all, &p->sound[i]));
  return FACET_OK;
}

/* Rank 0. Hears a rank to its end, whatever happens. */
static facet_status hear(const work *w, int rank, portion *p, facet_sorter *all)
{
  facet_status status = FACET_OK;
  do {
    facet_interrupt_await(w->comm, rank, 0);
    FACET_TRY(facet_mpi_check(MPI_Recv(p, (int)sizeof *p, MPI_BYTE, rank, 0, w->comm, MPI_STATUS_IGNORE),
                              "gathering margins"));
    if (status == FACET_OK)
      status = add_portion(p, all);
  } while (p->count == PORTION);
  return status;
}

static facet_status tell(const work *w, portion *p)
{
  facet_status status;
  do {
    status = take_portion(w->sounds, p);
    FACET_TRY(facet_mpi_check(MPI_Send(p, (int)sizeof *p, MPI_BYTE, 0, 0, w->comm), "gathering margins"));
  } while (p->count == PORTION);
  return status;
}

/* Rank 0 has the margins of all in `all` then. */
static facet_status gather(const work *w, portion *p, facet_sorter *all)
{
  facet_status status = FACET_OK;
  if (facet_rank(w->comm) != 0)
    return tell(w, p);
  do {
    status = take_portion(w->sounds, p);
    if (status == FACET_OK)
      status = add_portion(p, all);
  } while (status == FACET_OK && p->count == PORTION);
  for (int r = 1; r < facet_ranks(w->comm); r++) {
    facet_status own = hear(w, r, p, all);
    status = status == FACET_OK ? own : status;
  }
  return status;
}

/* Samples whose margins are one: `below` lie below them; how many of them have each number of answers right. */
typedef struct {
  double margin;
  int64_t below, at, *alike[2];
} level;

static void end_level(facet_tally *t, level *l)
{
  for (int64_t i = 0; i < l->at; i++)
    facet_pairs_add(&t->alike, l->at);
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; i <= (k == 0 ? t->pruned : t->corrupted); i++) {
      t->ranks[k][i] += l->alike[k][i] * (2 * l->below + l->at + 1);
      l->alike[k][i] = 0;
    }
  l->below += l->at;
  l->at = 0;
}

static facet_status count_ranks(facet_tally *t, facet_sorter *all, level *l)
{
  sound next;
  bool found = true;
  for (;;) {
    FACET_TRY(facet_sorter_next(all, &next, &found));
    if (!found || next.margin != l->margin)
      end_level(t, l);
    if (!found)
      return FACET_OK;
    l->margin = next.margin;
    l->at++;
    for (int k = 0; k < 2; k++) {
      t->kept[k][next.kept[k]]++;
      l->alike[k][next.kept[k]]++;
    }
  }
}

static facet_status rank_all(work *w, facet_sorter *all)
{
  facet_tally *t = w->tally;
  level l = {.margin = NAN};
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, l.alike[0], t->pruned + 1);
  FACET_NEW_GO(done, status, l.alike[1], t->corrupted + 1);
  status = count_ranks(t, all, &l);
done:
  FACET_FREE(&l.alike[0], &l.alike[1]);
  return status;
}

static facet_status rank_margins(work *w)
{
  facet_sorter *all = NULL;
  portion *p = facet_allocate(1, sizeof *p);
  bool first = facet_rank(w->comm) == 0;
  facet_status status = p ? FACET_OK : FACET_OS;
  if (status == FACET_OK && first)
    status = facet_sorter_create(sizeof(sound), by_margin, w->tally->plan->samples, &all);
  status = facet_agree(w->comm, status);
  if (status == FACET_OK)
    status = facet_agree(w->comm, gather(w, p, all));
  if (status == FACET_OK)
    status = facet_agree(w->comm, first ? rank_all(w, all) : FACET_OK);
  facet_sorter_destroy(&all);
  facet_free(&p);
  return status;
}

/* ---- sums over ranks ---- */

/* The worst of all ranks from each one's. */
static facet_status share_worst(work *w)
{
  int rank = facet_rank(w->comm), ranks = facet_ranks(w->comm);
  int64_t *all = facet_allocate((size_t)ranks * 2 * FACET_WORST, sizeof *all);
  facet_status status = facet_agree(w->comm, all ? FACET_OK : FACET_OS);
  for (int k = 0; k < FACET_WORST && status == FACET_OK; k++) {
    all[2 * (rank * FACET_WORST + k)] = w->tally->worst[k] + 1;
    all[2 * (rank * FACET_WORST + k) + 1] = w->wrong[k];
    w->tally->worst[k] = -1;
  }
  if (status == FACET_OK)
    status = facet_sum(w->comm, all, (int64_t)ranks * 2 * FACET_WORST, "gathering samples");
  for (int i = 0; i < ranks * FACET_WORST && status == FACET_OK; i++)
    keep_worst(all[2L * i] - 1, all[2L * i + 1], w->tally->worst, w->wrong);
  facet_free(&all);
  return status;
}

static facet_status add_up(work *w)
{
  facet_tally *t = w->tally;
  const int64_t classes = t->plan->classes, pair = sizeof(facet_pairs) / sizeof(int64_t);
  const struct {
    void *number;
    int64_t count;
  } all[] = {{t->clean, pair * t->duels},
             {t->hurt, pair * t->duels},
             {t->worse, pair * t->names.corruptions},
             {&t->alike, pair},
             {t->kept[0], t->pruned + 1},
             {t->ranks[0], t->pruned + 1},
             {t->kept[1], t->corrupted + 1},
             {t->ranks[1], t->corrupted + 1},
             {t->right, classes},
             {t->answers[0], classes},
             {t->answers[1], classes},
             {t->gone[0], classes},
             {t->gone[1], classes},
             {&t->sound, 1},
             {t->lost, t->names.methods},
             {&t->lost_by_all, 1},
             {t->lost_of_class, classes}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    FACET_TRY(facet_sum(w->comm, (int64_t *)all[i].number, all[i].count, "adding up"));
  return share_worst(w);
}

/* ---- the stage ---- */

static facet_status say(const work *w)
{
  FACET_TRY(facet_store_put(w->store, FACET_ROW_FAILED, (facet_place){0}, w->tally->failed));
  return facet_findings_write(w->tally, w->store);
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  int64_t rank = facet_rank(c->comm), ranks = facet_ranks(c->comm);
  facet_tally tally = {.plan = p};
  work w = {.comm = c->comm, .store = c->store, .tally = &tally, .first = p->samples * rank / ranks};
  facet_status status;
  w.count = p->samples * (rank + 1) / ranks - w.first;
  FACET_GO(done, status, facet_agree(c->comm, begin(&w)));
  FACET_GO(done, status, facet_agree(c->comm, begin_blocks(&w)));
  FACET_GO(done, status,
           facet_agree(c->comm, facet_progress_begin(&w.progress, "findings", "samples", w.count, rank != 0)));
  FACET_GO(done, status, facet_agree(c->comm, count_samples(&w)));
  FACET_GO(done, status, rank_margins(&w));
  FACET_GO(done, status, add_up(&w));
  status = facet_agree(c->comm, rank == 0 ? say(&w) : FACET_OK);
done:
  clear(&w);
  return status;
}

/* At most so many methods meet at a sparsity. */
static facet_status count_methods(const facet_store_plan *p, double *methods)
{
  facet_store_names names;
  facet_status status = facet_store_names_make(p, &names);
  *methods = names.methods;
  facet_store_names_clear(&names);
  return status;
}

/* A block, the duels, and what sorts margins, of a rank and of all; corruptions are no more than conditions. */
static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  const facet_store_plan *p = &context->plan->store;
  double v = p->variants, x = p->conditions, block = (double)block_of(p->variants, p->conditions), methods;
  FACET_TRY(count_methods(p, &methods));
  *bytes = block * (8 * v + 8 * x + 16) + v * methods / 2 * (2 * sizeof(facet_pairs) + sizeof(facet_duel)) + 8 * v * x +
           sizeof(portion) + facet_sorter_bytes(sizeof(sound), p->samples / ranks) +
           facet_sorter_bytes(sizeof(sound), p->samples);
  return FACET_OK;
}

/* The samples of each rank here, and those of all on rank 0. */
static double nameless(const facet_plan *plan, int ranks, int here)
{
  int64_t samples = plan->store.samples;
  return here * facet_sorter_filed(sizeof(sound), (samples + ranks - 1) / ranks) +
         facet_sorter_filed(sizeof(sound), samples);
}

/* Answers of all variants and conditions; for each sample all duels, twice. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  double v = p->variants, n = (double)p->samples;
  *sum = speeds->product * n * (v * (20.0 * p->conditions + 100) + 10 * v * v) / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_findings = {.name = "findings",
                                          .marks = "",
                                          .memory = memory,
                                          .nameless = nameless,
                                          .seconds = seconds,
                                          .run = run,
                                          .reads = "create analyse summary compare"};
