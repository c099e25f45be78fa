/* Sentences of what was counted, each with its numbers and the place in the viewer that shows it: see findings.h.
 *
 * A difference counts as supported where the p-value of its exact test, adjusted (Holm) for all tests of its kind, is
 * below 0.05, and the 95 % interval of a mean leaves out 0; what is not supported is said to be so. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"

#define SURE 0.05

/* What is written of one finding. */
typedef struct {
  char text[FACET_LINE_BYTES], view[FACET_LINE_BYTES], number[FACET_LINE_BYTES];
} finding;

typedef struct {
  const facet_tally *t;
  const double *holm[2]; /* adjusted p-values of all duels, clean and under corruption */
  int64_t tests;         /* that they are of */
  finding f;
} writer;

/* ---- words ---- */

#define NARROW "\u202f" /* a narrow space that does not break */

static const char *percent(double share, char text[40])
{
  (void)snprintf(text, 40, isnan(share) ? "?" : "%.2f" NARROW "%%", 100 * share);
  return text;
}

/* 12345 as 12 345. */
static const char *whole(int64_t number, char text[40])
{
  char plain[24];
  int digits = snprintf(plain, sizeof plain, "%lld", (long long)number), used = 0;
  text[0] = '\0';
  for (int i = 0; i < digits; i++) {
    bool gap = digits > 4 && i > 0 && (digits - i) % 3 == 0;
    used += snprintf(text + used, (size_t)(40 - used), "%s%c", gap ? NARROW : "", plain[i]);
  }
  return text;
}

/* In points, hundredths; signed: also above 0. */
static const char *points(double share, bool is_signed, char text[40])
{
  double value = round(1e4 * share) / 100;
  const char *sign = value < 0 ? "\u2212" : is_signed && value > 0 ? "+" : "";
  (void)snprintf(text, 40, isnan(value) ? "?" : "%s%.2f", sign, fabs(value));
  return text;
}

static const char *probability(double p, char text[40])
{
  (void)snprintf(text, 40, p < 1e-4 ? "p < 0.0001" : "p = %.2g", p);
  return text;
}

/* A correlation. */
static const char *signed_number(double value, char text[40])
{
  (void)snprintf(text, 40, "%s%.2f", value <= -0.005 ? "\u2212" : "", fabs(value));
  return text;
}

__attribute__((format(printf, 2, 3))) static void say(writer *w, const char *format, ...)
{
  va_list arguments;
  size_t used = strlen(w->f.text);
  va_start(arguments, format);
  (void)vsnprintf(w->f.text + used, sizeof w->f.text - used, format, arguments);
  va_end(arguments);
}

/* ", " between, " and " before the last. */
static const char *between(int64_t i, int64_t count)
{
  return i == 0 ? "" : i + 1 < count ? ", " : " and ";
}

/* ---- JSON ---- */

enum { JSON_ROOM = 700 }; /* of one more item, and the end */

static bool has_room(const writer *w)
{
  return strlen(w->f.number) + JSON_ROOM < sizeof w->f.number;
}

static void put_json(writer *w, const char *text)
{
  facet_append(w->f.number, sizeof w->f.number, "", "%s", text);
}

static void begin_item(writer *w)
{
  size_t used = strlen(w->f.number);
  put_json(w, used > 0 && strchr("{[", w->f.number[used - 1]) == NULL ? ", " : "");
}

static void put_key(writer *w, const char *key)
{
  begin_item(w);
  facet_append(w->f.number, sizeof w->f.number, "", "\"%s\": ", key);
}

static void put_number(writer *w, const char *key, double value)
{
  put_key(w, key);
  if (isfinite(value))
    facet_append(w->f.number, sizeof w->f.number, "", "%.17g", value);
  else
    put_json(w, "null");
}

/* A name, as much of it as 300 bytes hold: with some numbers it fits JSON_ROOM. */
static void put_name(writer *w, const char *key, const char *name)
{
  char text[300];
  size_t used = 0;
  put_key(w, key);
  text[used++] = '"';
  for (size_t i = 0; name[i] && i < 200 && used + 10 < sizeof text; i++) {
    unsigned char c = (unsigned char)name[i];
    if (c < ' ')
      used += (size_t)snprintf(text + used, 10, "\\u%04x", c);
    else
      used += (size_t)snprintf(text + used, 10, c == '"' || c == '\\' ? "\\%c" : "%c", c);
  }
  (void)snprintf(text + used, 2, "\"");
  put_json(w, text);
}

/* ---- the place in the viewer ---- */

static void show(writer *w, const char *key, const char *value)
{
  size_t used = strlen(w->f.view);
  (void)snprintf(w->f.view + used, sizeof w->f.view - used, "%s%s=", used == 0 ? "#" : "&", key);
  for (used = strlen(w->f.view); *value && used + 4 < sizeof w->f.view; value++) {
    unsigned char c = (unsigned char)*value;
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c != '\0' && strchr("-_.~/", c) != NULL);
    used += (size_t)snprintf(w->f.view + used, 4, plain ? "%c" : "%%%02X", c);
  }
}

static void show_variants(writer *w, int first, int second)
{
  const facet_store_plan *p = w->t->plan;
  if (first >= 0)
    show(w, "first", p->variant[first].name);
  if (second >= 0)
    show(w, "second", p->variant[second].name);
}

static void show_condition(writer *w, int c)
{
  if (c >= 0)
    show(w, "condition", w->t->plan->condition[c]);
}

static double accuracy_of(const facet_tally *t, int v)
{
  return t->accuracy[(int64_t)v * t->plan->conditions + t->reference];
}

/* The first network of an entrant. */
static int first_of(const facet_tally *t, int entrant)
{
  int v = 0;
  while (v < t->plan->variants && t->entrant_of[v] != entrant)
    v++;
  return v < t->plan->variants ? v : -1;
}

/* The pruned variant in the middle: of the lower half of the clean accuracies the best. -1: there is none. */
static int middle_pruned(const facet_tally *t)
{
  for (int v = 0; v < t->plan->variants; v++) {
    int below = 0;
    if (!t->stays[v])
      continue;
    for (int u = 0; u < t->plan->variants; u++)
      below +=
          t->stays[u] && (accuracy_of(t, u) < accuracy_of(t, v) || (accuracy_of(t, u) == accuracy_of(t, v) && u < v));
    if (below == (t->pruned - 1) / 2)
      return v;
  }
  return -1;
}

/* The hardest condition of a corruption: the last one. -1: any. */
static int last_of(const facet_tally *t, int corruption)
{
  int last = -1;
  for (int c = 0; c < t->plan->conditions; c++)
    if (corruption < 0 ? t->names.corruption_of[c] >= 0 : t->names.corruption_of[c] == corruption)
      last = c;
  return last;
}

/* ---- failed variants ---- */

static const char *least_relative(const facet_tally *t, const double *relative)
{
  int least = -1;
  for (int v = 0; v < t->plan->variants; v++)
    if (isfinite(relative[v]) && (least < 0 || relative[v] < relative[least]))
      least = v;
  return least >= 0 && t->failed[least] ? t->plan->variant[least].name : NULL;
}

static void list_failed(writer *w, int failed)
{
  const facet_tally *t = w->t;
  char number[40];
  int64_t said = 0;
  put_key(w, "failed");
  put_json(w, "[");
  for (int v = 0; v < t->plan->variants; v++) {
    if (!t->failed[v])
      continue;
    if (said < 5)
      say(w, "%s%s (%s right)", between(said, failed), t->plan->variant[v].name, percent(accuracy_of(t, v), number));
    if (said++ == 0)
      show_variants(w, 0, v);
    if (has_room(w)) {
      begin_item(w);
      put_json(w, "{");
      put_name(w, "variant", t->plan->variant[v].name);
      put_number(w, "accuracy", accuracy_of(t, v));
      put_json(w, "}");
    }
  }
  put_json(w, "]");
  if (failed > 5)
    say(w, " and %d more", failed - 5);
}

static void write_failed(writer *w, const double *relative)
{
  const facet_tally *t = w->t;
  const char *condition = t->plan->condition[t->reference], *least = least_relative(t, relative);
  char number[2][40];
  int failed = 0;
  for (int v = 0; v < t->plan->variants; v++)
    failed += t->failed[v];
  show(w, "view", "evaluation");
  put_json(w, "{");
  put_number(w, "chance", t->chance);
  if (failed == 0)
    say(w, "No variant has failed: under %s each is above chance, %s, and at least halfway from there to dense, %s.",
        condition, percent(t->chance, number[0]), percent(accuracy_of(t, 0), number[1]));
  else
    say(w, "%d of %d variants %s failed under %s and %s left out of all that follows: ", failed, t->plan->variants,
        failed == 1 ? "has" : "have", condition, failed == 1 ? "is" : "are");
  list_failed(w, failed);
  if (failed > 0)
    say(w,
        ". Failed means not above chance, %s, by five standard errors, or less than halfway from there to dense, %s.",
        percent(t->chance, number[0]), percent(accuracy_of(t, 0), number[1]));
  if (failed > 0 && least)
    say(w, " The least relative mCE of all is that of %s, which has little left to lose.", least);
  put_number(w, "dense", accuracy_of(t, 0));
  put_json(w, "}");
}

/* ---- the best method at a sparsity ---- */

/* The mean over the networks of an entrant: clean, or over all conditions of a corruption. */
static double network_accuracy(const facet_tally *t, int v, bool corrupted)
{
  double sum = 0;
  for (int c = 0; c < t->plan->conditions; c++)
    if (corrupted ? t->names.corruption_of[c] >= 0 : c == t->plan->clean)
      sum += t->accuracy[(int64_t)v * t->plan->conditions + c];
  return sum / (corrupted ? t->corrupted : 1);
}

static double entrant_accuracy(const facet_tally *t, int entrant, bool corrupted)
{
  double sum = 0;
  for (int v = 0; v < t->plan->variants; v++)
    if (t->entrant_of[v] == entrant)
      sum += network_accuracy(t, v, corrupted);
  return sum / t->entrant[entrant].networks;
}

/* Differences between networks of the same seed. */
typedef struct {
  int count;
  double mean, reach, p; /* half of the 95 % interval; Student's t */
} over_seeds;

static int same_seed(const facet_tally *t, int v, int entrant)
{
  int found = -1;
  for (int u = 0; u < t->plan->variants; u++)
    if (t->entrant_of[u] == entrant && t->plan->variant[u].seed == t->plan->variant[v].seed)
      found = found < 0 ? u : -2;
  return found;
}

static over_seeds compare_seeds(const facet_tally *t, int a, int b, bool corrupted)
{
  over_seeds s = {.reach = NAN, .p = NAN};
  double sum = 0, squares = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int v = 0; v < t->plan->variants; v++) {
      int u = t->entrant_of[v] == a && same_seed(t, v, a) == v ? same_seed(t, v, b) : -1;
      if (u < 0)
        continue;
      double d = network_accuracy(t, v, corrupted) - network_accuracy(t, u, corrupted);
      s.count += pass == 0;
      sum += pass == 0 ? d : 0;
      squares += pass == 0 ? 0 : (d - sum / s.count) * (d - sum / s.count);
    }
  s.mean = s.count > 0 ? sum / s.count : NAN;
  if (s.count > 1) {
    double error = sqrt(squares / (s.count - 1) / s.count);
    s.reach = error * facet_student_t(SURE, s.count - 1);
    s.p = error > 0 ? facet_student_p(s.mean / error, s.count - 1) : s.mean == 0 ? 1 : 0;
  }
  return s;
}

/* The best entrant against another. */
typedef struct {
  int other;
  double mean, reach, holm, p; /* of the samples */
  over_seeds seeds;
  bool sure;
} lead;

static lead lead_over(const writer *w, int best, int64_t d, bool corrupted)
{
  const facet_tally *t = w->t;
  const facet_duel *duel = &t->duel[d];
  const facet_pairs *pairs = corrupted ? &t->hurt[d] : &t->clean[d];
  bool first = duel->a == best;
  lead l = {.other = first ? duel->b : duel->a};
  double unit = (double)t->entrant[duel->a].networks * t->entrant[duel->b].networks * (corrupted ? t->corrupted : 1);
  l.mean = facet_pairs_mean(pairs, first ? unit : -unit);
  l.reach = facet_pairs_reach(pairs, unit);
  l.p = facet_sign_test(pairs->wins, pairs->losses);
  l.holm = w->holm[corrupted][d];
  l.seeds = compare_seeds(t, best, l.other, corrupted);
  l.sure = l.holm < SURE && l.mean - l.reach > 0 && (first ? pairs->wins > pairs->losses : pairs->losses > pairs->wins);
  return l;
}

static const char *method_of(const facet_tally *t, int entrant)
{
  return t->names.method[t->entrant[entrant].method];
}

static void put_lead(writer *w, const lead *l)
{
  begin_item(w);
  put_json(w, "{");
  put_name(w, "with", method_of(w->t, l->other));
  put_number(w, "difference", l->mean);
  put_number(w, "low", l->mean - l->reach);
  put_number(w, "high", l->mean + l->reach);
  put_number(w, "p", l->p);
  put_number(w, "holm", l->holm);
  put_number(w, "seeds", l->seeds.count);
  if (l->seeds.count > 1) {
    put_number(w, "seed_difference", l->seeds.mean);
    put_number(w, "seed_low", l->seeds.mean - l->seeds.reach);
    put_number(w, "seed_high", l->seeds.mean + l->seeds.reach);
    put_number(w, "seed_p", l->seeds.p);
  }
  put_json(w, "}");
}

/* Its lead over the next one. */
static void say_lead(writer *w, const lead *l)
{
  char number[6][40];
  say(w, ", %s points ahead of %s, the next (95" NARROW "%% interval over samples %s to %s; sign test %s)",
      points(l->mean, false, number[0]), method_of(w->t, l->other), points(l->mean - l->reach, true, number[1]),
      points(l->mean + l->reach, true, number[2]), probability(l->holm, number[3]));
  if (l->seeds.count > 1)
    say(w, "; over %d pairs of one seed %s to %s", l->seeds.count,
        points(l->seeds.mean - l->seeds.reach, true, number[4]),
        points(l->seeds.mean + l->seeds.reach, true, number[5]));
  if (l->sure && l->seeds.count > 1 && !(l->seeds.mean - l->seeds.reach > 0))
    say(w, ", so that with other seeds another may lead");
}

/* Those that it is, or is not, told apart from, without the next one. */
static void list_others(writer *w, const lead *list, int64_t count, bool sure)
{
  int64_t all = 0, said = 0;
  char number[40];
  for (int64_t i = 1; i < count; i++)
    all += list[i].sure == sure;
  if (all == 0)
    return;
  say(w, sure ? " It is ahead of " : " Not told apart from it: ");
  for (int64_t i = 1; i < count; i++)
    if (list[i].sure == sure && said < 4) {
      say(w, "%s%s (%s)", between(said, all), method_of(w->t, list[i].other), points(list[i].mean, false, number));
      said++;
    }
  if (all > said)
    say(w, " and %lld more", (long long)(all - said));
  say(w, ".");
}

static void say_networks(writer *w, int entrant, bool corrupted)
{
  const facet_entrant *e = &w->t->entrant[entrant];
  if (e->networks > 1)
    say(w, ", the mean of %d networks", e->networks);
  if (corrupted && w->t->corrupted > 1)
    say(w, "%s %d conditions", e->networks > 1 ? " and" : ", the mean of", w->t->corrupted);
  if (e->failed > 0)
    say(w, " (%d more %s failed)", e->failed, e->failed == 1 ? "has" : "have");
}

/* All leads of the best one, the smallest first. */
static int64_t find_leads(const writer *w, int best, bool corrupted, lead *list)
{
  int64_t count = 0;
  for (int64_t d = 0; d < w->t->duels; d++) {
    if (w->t->duel[d].a != best && w->t->duel[d].b != best)
      continue;
    lead l = lead_over(w, best, d, corrupted);
    int64_t i = count++;
    for (; i > 0 && list[i - 1].mean > l.mean; i--)
      list[i] = list[i - 1];
    list[i] = l;
  }
  return count;
}

static void say_best(writer *w, int best, const lead *list, int64_t count, double sparsity, bool corrupted)
{
  char number[40];
  const char *where = corrupted ? "under corruption" : "on clean samples";
  const char *share = percent(entrant_accuracy(w->t, best, corrupted), number);
  if (count == 0)
    say(w, "At sparsity %g one method alone can be judged %s: %s is right on %s", sparsity, where,
        method_of(w->t, best), share);
  else if (list[0].sure)
    say(w, "At sparsity %g %s is best %s: right on %s", sparsity, method_of(w->t, best), where, share);
  else
    say(w, "At sparsity %g no method is shown to be best %s: %s comes first with %s", sparsity, where,
        method_of(w->t, best), share);
  say_networks(w, best, corrupted);
  if (count > 0)
    say_lead(w, &list[0]);
  say(w, ".");
  list_others(w, list, count, true);
  list_others(w, list, count, false);
  if (count > 0)
    say(w,
        " Exact sign tests over samples in pairs, by Holm for all %lld comparisons of methods; Student's t over seeds.",
        (long long)w->tests);
}

static facet_status write_best(writer *w, double sparsity, bool corrupted)
{
  const facet_tally *t = w->t;
  int best = -1;
  lead *list;
  for (int e = 0; e < t->entrants; e++)
    if (t->entrant[e].sparsity == sparsity && t->entrant[e].networks > 0 &&
        (best < 0 || entrant_accuracy(t, e, corrupted) > entrant_accuracy(t, best, corrupted)))
      best = e;
  if (best < 0) {
    say(w, "At sparsity %g every variant has failed.", sparsity);
    return FACET_OK;
  }
  FACET_NEW(list, t->entrants);
  int64_t count = find_leads(w, best, corrupted, list);
  say_best(w, best, list, count, sparsity, corrupted);
  show(w, "view", "evaluation");
  show_variants(w, first_of(t, best), count > 0 ? first_of(t, list[0].other) : -1);
  show_condition(w, corrupted ? last_of(t, -1) : t->plan->clean);
  put_json(w, "{");
  put_number(w, "sparsity", sparsity);
  put_name(w, "best", method_of(t, best));
  put_number(w, "accuracy", entrant_accuracy(t, best, corrupted));
  put_number(w, "tests", (double)w->tests);
  put_key(w, "comparisons");
  put_json(w, "[");
  for (int64_t i = 0; i < count && has_room(w); i++)
    put_lead(w, &list[i]);
  put_json(w, "]}");
  facet_free(&list);
  return FACET_OK;
}

/* ---- margins ---- */

static void write_margin(writer *w, bool corrupted)
{
  const facet_tally *t = w->t;
  int64_t levels = (corrupted ? t->corrupted : t->pruned) + 1, count = 0;
  double low, high,
      rho = facet_spearman(levels, t->kept[corrupted], t->ranks[corrupted], facet_pairs_squares(&t->alike));
  char number[4][40];
  for (int64_t k = 0; k < levels; k++)
    count += t->kept[corrupted][k];
  if (count < 4 || isnan(rho))
    return;
  facet_spearman_interval(rho, count, &low, &high);
  bool sure = low > 0 || high < 0;
  const char *what = corrupted ? "corruption" : "pruning";
  if (sure)
    say(w, "The margin of dense explains %.0f" NARROW "%% of which samples survive %s%s", 100 * rho * rho, what,
        rho < 0 ? ", the other way round" : "");
  else
    say(w, "The margin of dense is not shown to say which samples survive %s", what);
  say(w,
      ": Spearman's rank correlation of a sample's clean margin with the share of %s that leave it right is %s "
      "(95" NARROW "%% interval %s to %s), over the %s samples that dense has right.",
      corrupted ? "corrupted conditions" : "pruned variants", signed_number(rho, number[0]),
      signed_number(low, number[1]), signed_number(high, number[2]), whole(count, number[3]));
  show(w, "view", "geometry");
  show_variants(w, 0, corrupted ? -1 : middle_pruned(t));
  show_condition(w, corrupted ? last_of(t, -1) : t->plan->clean);
  show(w, "metric", "margin");
  put_json(w, "{");
  put_number(w, "spearman", rho);
  put_number(w, "low", low);
  put_number(w, "high", high);
  put_number(w, "explained", rho * rho);
  put_number(w, "samples", (double)count);
  put_json(w, "}");
}

/* ---- classes ---- */

typedef struct {
  double drop, rate, rest, p, holm; /* of accuracy; lost of what dense has right, and in all others */
} payer;

static facet_status find_payers(const facet_tally *t, bool corrupted, payer *list, double *drop)
{
  int64_t right = 0, gone = 0, members = 0, answers = 0, networks = corrupted ? t->corrupted : t->pruned;
  double *p;
  FACET_NEW(p, t->plan->classes);
  for (int k = 0; k < t->plan->classes; k++) {
    right += t->right[k];
    gone += t->gone[corrupted][k];
    members += t->members[k];
    answers += t->answers[corrupted][k];
  }
  *drop = (double)(networks * right - answers) / (double)(networks * members);
  for (int k = 0; k < t->plan->classes; k++) {
    int64_t own = t->gone[corrupted][k], of = t->right[k];
    list[k].drop = (double)(networks * of - t->answers[corrupted][k]) / (double)(networks * t->members[k]);
    list[k].rate = (double)own / (double)of;
    list[k].rest = (double)(gone - own) / (double)(right - of);
    p[k] = list[k].p = facet_fisher_test(own, of, gone - own, right - of);
  }
  facet_status status = facet_holm(t->plan->classes, p, p);
  for (int k = 0; k < t->plan->classes; k++)
    list[k].holm = p[k];
  facet_free(&p);
  return status;
}

static bool pays(const payer *p)
{
  return p->holm < SURE && p->rate > p->rest;
}

static void say_payer(writer *w, int k, const payer *p, double drop, bool corrupted)
{
  const facet_tally *t = w->t;
  char number[8][40];
  int64_t networks = corrupted ? t->corrupted : t->pruned;
  if (pays(p))
    say(w, "%s pays most for %s: ", t->plan->class_name[k], corrupted ? "corruption" : "pruning");
  else
    say(w, "No class is shown to pay more than others for %s. %s comes first: ", corrupted ? "corruption" : "pruning",
        t->plan->class_name[k]);
  say(w,
      "%s points of accuracy over %lld %s, against %s over all classes. %s lose%s %s of the %s samples that dense has "
      "right (%s), of other classes %s (Fisher's exact test, by Holm for %d classes: %s).",
      points(-p->drop, true, number[0]), (long long)networks, corrupted ? "corrupted conditions" : "pruned variants",
      points(-drop, true, number[1]), corrupted ? "Under most of them dense" : "Most of them", corrupted ? "s" : "",
      whole(t->gone[corrupted][k], number[2]), whole(t->right[k], number[3]), percent(p->rate, number[4]),
      percent(p->rest, number[5]), t->plan->classes, probability(p->holm, number[6]));
}

static void say_other_payers(writer *w, int most, const payer *list)
{
  int64_t others = 0, said = 0;
  char number[40];
  for (int k = 0; k < w->t->plan->classes; k++)
    others += k != most && pays(&list[k]);
  if (others == 0)
    return;
  say(w, " More than others %s, too: ", others == 1 ? "pays" : "pay");
  for (int k = 0; k < w->t->plan->classes; k++)
    if (k != most && pays(&list[k]) && said < 5) {
      say(w, "%s%s (%s)", between(said, others), w->t->plan->class_name[k], points(-list[k].drop, true, number));
      said++;
    }
  if (others > said)
    say(w, " and %lld more", (long long)(others - said));
  say(w, ".");
}

static void put_payers(writer *w, const payer *list, double drop, bool corrupted)
{
  put_json(w, "{");
  put_number(w, "drop", drop);
  put_key(w, "classes");
  put_json(w, "[");
  for (int k = 0; k < w->t->plan->classes && has_room(w); k++) {
    begin_item(w);
    put_json(w, "{");
    put_name(w, "class", w->t->plan->class_name[k]);
    put_number(w, "drop", list[k].drop);
    put_number(w, "lost", (double)w->t->gone[corrupted][k]);
    put_number(w, "of", (double)w->t->right[k]);
    put_number(w, "p", list[k].p);
    put_number(w, "holm", list[k].holm);
    put_json(w, "}");
  }
  put_json(w, "]}");
}

static facet_status write_class(writer *w, bool corrupted)
{
  const facet_tally *t = w->t;
  int most = -1;
  double drop;
  payer *list;
  if (t->sound == 0 || (corrupted ? t->corrupted : t->pruned) == 0 || t->plan->classes < 2)
    return FACET_OK;
  FACET_NEW(list, t->plan->classes);
  facet_status status = find_payers(t, corrupted, list, &drop);
  for (int k = 0; k < t->plan->classes && status == FACET_OK; k++)
    if (!isnan(list[k].drop) && (most < 0 || list[k].drop > list[most].drop))
      most = k;
  if (most >= 0) {
    say_payer(w, most, &list[most], drop, corrupted);
    say_other_payers(w, most, list);
    show(w, "view", "geometry");
    show_variants(w, 0, corrupted ? -1 : middle_pruned(t));
    show_condition(w, corrupted ? last_of(t, -1) : t->plan->clean);
    show(w, "class", t->plan->class_name[most]);
    put_payers(w, list, drop, corrupted);
  }
  facet_free(&list);
  return status;
}

/* ---- corruptions ---- */

static double corruption_unit(const facet_tally *t, int x)
{
  return (double)t->pruned * t->severities[x];
}

static double excess(const facet_tally *t, int x)
{
  return facet_pairs_mean(&t->worse[x], corruption_unit(t, x));
}

static bool is_worse(const facet_tally *t, int x, double holm)
{
  return holm < SURE && excess(t, x) - facet_pairs_reach(&t->worse[x], corruption_unit(t, x)) > 0 &&
         t->worse[x].wins > t->worse[x].losses;
}

static void say_corruption(writer *w, int x, double holm)
{
  const facet_tally *t = w->t;
  const char *name = t->names.corruption[x];
  char number[4][40];
  double reach = facet_pairs_reach(&t->worse[x], corruption_unit(t, x));
  if (!is_worse(t, x, holm))
    say(w, "Pruning is not shown to make any corruption worse than its loss on clean samples. %s comes first: ", name);
  else if (t->names.corruptions > 1)
    say(w, "Pruning makes %s worst: ", name);
  else
    say(w, "Pruning makes %s worse: ", name);
  say(w,
      "what %d pruned variants lose to dense is %s points more than on clean samples (95" NARROW
      "%% interval %s to %s; "
      "exact sign test over samples, by Holm for %d corruption%s: %s).",
      t->pruned, points(excess(t, x), true, number[0]), points(excess(t, x) - reach, true, number[1]),
      points(excess(t, x) + reach, true, number[2]), t->names.corruptions, t->names.corruptions == 1 ? "" : "s",
      probability(holm, number[3]));
}

static void say_other_corruptions(writer *w, int most, const double *holm)
{
  const facet_tally *t = w->t;
  int64_t others = 0, said = 0;
  int least = most;
  char number[40];
  for (int x = 0; x < t->names.corruptions; x++) {
    others += x != most && is_worse(t, x, holm[x]);
    least = excess(t, x) < excess(t, least) ? x : least;
  }
  for (int x = 0; x < t->names.corruptions; x++)
    if (x != most && is_worse(t, x, holm[x]) && said < 5) {
      say(w, "%s%s (%s)", said == 0 ? " Worse, too: " : between(said, others), t->names.corruption[x],
          points(excess(t, x), true, number));
      said++;
    }
  if (others > said)
    say(w, " and %lld more", (long long)(others - said));
  if (others > 0)
    say(w, ".");
  if (!is_worse(t, least, holm[least]))
    say(w, " Least: %s (%s).", t->names.corruption[least], points(excess(t, least), true, number));
}

static void put_corruptions(writer *w, const double *p, const double *holm)
{
  const facet_tally *t = w->t;
  put_json(w, "{");
  put_key(w, "corruptions");
  put_json(w, "[");
  for (int x = 0; x < t->names.corruptions && has_room(w); x++) {
    double reach = facet_pairs_reach(&t->worse[x], corruption_unit(t, x));
    begin_item(w);
    put_json(w, "{");
    put_name(w, "corruption", t->names.corruption[x]);
    put_number(w, "excess", excess(t, x));
    put_number(w, "low", excess(t, x) - reach);
    put_number(w, "high", excess(t, x) + reach);
    put_number(w, "p", p[x]);
    put_number(w, "holm", holm[x]);
    put_json(w, "}");
  }
  put_json(w, "]}");
}

static facet_status write_corruption(writer *w)
{
  const facet_tally *t = w->t;
  int most = 0, corruptions = t->names.corruptions;
  double *p;
  if (t->pruned == 0 || t->labelled == 0)
    return FACET_OK;
  FACET_NEW(p, 2 * corruptions);
  double *holm = p + corruptions;
  for (int x = 0; x < corruptions; x++) {
    p[x] = facet_sign_test(t->worse[x].wins, t->worse[x].losses);
    most = excess(t, x) > excess(t, most) ? x : most;
  }
  facet_status status = facet_holm(corruptions, p, holm);
  if (status == FACET_OK) {
    say_corruption(w, most, holm[most]);
    say_other_corruptions(w, most, holm);
    show(w, "view", "similarity");
    show_variants(w, 0, middle_pruned(t));
    show_condition(w, last_of(t, most));
    put_corruptions(w, p, holm);
  }
  facet_free(&p);
  return status;
}

/* ---- samples that every method loses ---- */

/* Methods with a network that has not failed; how many samples they would lose together if each lost its own by lot. */
static int count_methods(const facet_tally *t, double *expected)
{
  int methods = 0;
  *expected = (double)t->sound;
  for (int m = 0; m < t->names.methods; m++) {
    int networks = 0;
    for (int e = 0; e < t->entrants; e++)
      networks += t->entrant[e].method == m ? t->entrant[e].networks : 0;
    methods += networks > 0;
    *expected *= networks > 0 ? (double)t->lost[m] / (double)t->sound : 1;
  }
  return methods;
}

static void say_lost(writer *w, int methods, double expected, double p)
{
  const facet_tally *t = w->t;
  char number[4][40];
  int most = 0;
  for (int k = 1; k < t->plan->classes; k++)
    most = t->lost_of_class[k] > t->lost_of_class[most] ? k : most;
  if (t->lost_by_all == 0) {
    say(w, "None of the %s samples that dense has right is lost by %s.", whole(t->sound, number[1]),
        methods > 1 ? "all methods" : "most networks of a sparsity");
    return;
  }
  say(w, "%s of the %s samples that dense has right are lost by ", whole(t->lost_by_all, number[0]),
      whole(t->sound, number[1]));
  if (methods > 1)
    say(w, "all %d methods, each by most of its networks at some sparsity; ", methods);
  else
    say(w, "the one method, by most of its networks at some sparsity");
  if (methods > 1)
    say(w,
        p < SURE ? "if each lost as many by lot, %.3g would be (exact binomial test: %s)"
                 : "that is not shown to be more than by lot, %.3g (exact binomial test: %s)",
        expected, probability(p, number[2]));
  say(w, ". Most often it is %s (%s)", t->plan->class_name[most], whole(t->lost_of_class[most], number[3]));
  for (int k = 0; k < FACET_WORST && t->worst[k] >= 0; k++)
    say(w, "%s%lld", k == 0 ? ". Most wrong answers: samples " : ", ", (long long)t->worst[k]);
  say(w, ".");
}

static void write_lost(writer *w)
{
  const facet_tally *t = w->t;
  double expected, p = NAN;
  int methods = count_methods(t, &expected);
  char number[40];
  if (methods == 0 || t->sound == 0)
    return;
  if (methods > 1)
    p = facet_binomial_above(t->lost_by_all, t->sound, expected / (double)t->sound);
  say_lost(w, methods, expected, p);
  show(w, "view", "sample");
  show_variants(w, 0, middle_pruned(t));
  show_condition(w, t->plan->clean);
  if (t->worst[0] >= 0) {
    (void)snprintf(number, sizeof number, "%lld", (long long)t->worst[0]);
    show(w, "sample", number);
  }
  put_json(w, "{");
  put_number(w, "lost", (double)t->lost_by_all);
  put_number(w, "of", (double)t->sound);
  put_number(w, "methods", methods);
  put_number(w, "expected", expected);
  put_number(w, "p", p);
  put_key(w, "samples");
  put_json(w, "[");
  for (int k = 0; k < FACET_WORST && t->worst[k] >= 0; k++) {
    begin_item(w);
    (void)snprintf(number, sizeof number, "%lld", (long long)t->worst[k]);
    put_json(w, number);
  }
  put_json(w, "]}");
}

/* ---- all of them ---- */

static facet_status write_about(writer *w, facet_finding about, const double *relative)
{
  bool clean = w->t->plan->clean >= 0, beside = clean && !w->t->failed[0];
  switch (about.kind) {
  case FACET_FINDING_FAILED:
    write_failed(w, relative);
    return FACET_OK;
  case FACET_FINDING_BEST_CLEAN:
    return clean ? write_best(w, about.sparsity, false) : FACET_OK;
  case FACET_FINDING_BEST_CORRUPTED:
    return write_best(w, about.sparsity, true);
  case FACET_FINDING_MARGIN_PRUNED:
  case FACET_FINDING_MARGIN_CORRUPTED:
    if (beside)
      write_margin(w, about.kind == FACET_FINDING_MARGIN_CORRUPTED);
    return FACET_OK;
  case FACET_FINDING_CLASS_PRUNED:
  case FACET_FINDING_CLASS_CORRUPTED:
    return beside ? write_class(w, about.kind == FACET_FINDING_CLASS_CORRUPTED) : FACET_OK;
  case FACET_FINDING_CORRUPTION:
    return beside ? write_corruption(w) : FACET_OK;
  case FACET_FINDING_LOST:
    if (beside)
      write_lost(w);
    return FACET_OK;
  case FACET_FINDING_KINDS:
    break;
  }
  return FACET_OK;
}

/* Adjusts the tests of all duels, clean and under corruption, for each other. */
static facet_status adjust(writer *w, double *p)
{
  const facet_tally *t = w->t;
  int64_t count = 0;
  const facet_pairs *both[2] = {t->plan->clean >= 0 ? t->clean : NULL, t->corrupted > 0 ? t->hurt : NULL};
  for (int k = 0; k < 2; k++) {
    w->holm[k] = p + count;
    for (int64_t d = 0; d < t->duels && both[k]; d++)
      p[count++] = facet_sign_test(both[k][d].wins, both[k][d].losses);
  }
  w->tests = count;
  return facet_holm(count, p, p);
}

static facet_status write_all(writer *w, facet_store *store, const double *relative)
{
  const facet_store_names *n = &w->t->names;
  for (int i = 0; i < n->findings; i++) {
    facet_place at = {.part = {{i, 1}}};
    memset(&w->f, 0, sizeof w->f);
    if (w->t->labelled > 0)
      FACET_TRY(write_about(w, n->about[i], relative));
    if (!w->f.number[0])
      put_json(w, "{}");
    facet_clean_text(w->f.text);
    facet_clean_text(w->f.number);
    FACET_TRY(facet_store_put(store, FACET_ROW_FINDING_TEXT, at, w->f.text));
    FACET_TRY(facet_store_put(store, FACET_ROW_FINDING_VIEW, at, w->f.view));
    FACET_TRY(facet_store_put(store, FACET_ROW_FINDING_NUMBER, at, w->f.number));
  }
  return FACET_OK;
}

facet_status facet_findings_write(const facet_tally *tally, facet_store *store)
{
  double *p = facet_allocate((size_t)(2 * tally->duels), sizeof *p);
  double *relative = facet_allocate((size_t)tally->plan->variants, sizeof *relative);
  writer *w = facet_allocate(1, sizeof *w);
  facet_status status = p && relative && w ? FACET_OK : FACET_OS;
  if (status == FACET_OK) {
    w->t = tally;
    status = facet_store_get(store, FACET_ROW_RELATIVE_MCE, (facet_place){0}, relative);
  }
  if (status == FACET_OK)
    status = adjust(w, p);
  if (status == FACET_OK)
    status = write_all(w, store, relative);
  FACET_FREE(&p, &relative, &w);
  return status;
}
