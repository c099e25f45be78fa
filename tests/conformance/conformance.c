/* Every official ONNX case whose operators facet claims: outputs against the expected ones, and the linearization.
 *
 *   conformance [-v] [-d DATA]... [-x COPIES [-k FOLDER]] [PATTERN]...
 *     -v  say what became of every case, and why
 *     -x  read damaged copies of the models instead; -k keeps the one that is being read (damage.c)
 *
 * A case passes if the network is right with each choice of one floating-point input as the data (the others become
 * constants) and one output.  Where facet refuses a choice, that is a failure, unless
 *   - the case uses operators that facet has not, or has no floating-point data and result: it is not claimed;
 *   - excused.c lists it with the message: it is not claimed either;
 *   - its operator set is not one that facet claims (7 to 21): then it may be refused, but must not be wrong;
 *   - the data is an input that is a parameter of its operator, as the weights of a convolution are.
 * Prints passed / claimed / total by operator, then the failures, then a last line for tests/run. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

enum { FIRST_OPSET = 7, LAST_OPSET = 21, MOST_OPERATORS = 400, MOST_FAILURES = 2000 };

typedef enum { PASSED, FAILED, NOT_CLAIMED, DATALESS } verdict;

typedef struct {
  char name[60];
  int passed, claimed, total;
  int dataless;    /* of the total: integers or text only */
  int first, last; /* the operator sets of those that passed */
} tally;

static tally tallies[MOST_OPERATORS];
static char *failure[MOST_FAILURES];
static int operators, failures, models, damaged;
static bool verbose;
static int copies;
static const char *kept;

static tally *tally_of(const char *name)
{
  for (int i = 0; i < operators; i++)
    if (strcmp(tallies[i].name, name) == 0)
      return &tallies[i];
  if (operators == MOST_OPERATORS)
    return &tallies[0];
  snprintf(tallies[operators].name, sizeof tallies[0].name, "%s", name);
  return &tallies[operators++];
}

/* Operators of which every input may be the data. */
static bool symmetric(const char *operator)
{
  static const char *const all[] = {"Add", "Concat", "MatMul", "Max", "Mean", "Min", "Mul", "Sub", "Sum"};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strcmp(operator, all[i]) == 0)
      return true;
  return false;
}

/* One choice of data and output. *refused: facet took no network of it; else a failure is one of numbers. */
static facet_status run_choice(const onnx_case *c, int data, int out, bool *refused)
{
  facet_network *network;
  facet_status status = case_build(c, data, out, &network);
  *refused = status != FACET_OK;
  if (*refused)
    return status;
  const char *last = network->stripped;
  status = last ? FACET_OK : numbers_check(network, c->given[data], c->expected[out]);
  facet_network_destroy(&network);
  *refused = last != NULL;
  return last ? facet_raise(FACET_BAD_INPUT, "a last %s is left out", last) : status;
}

/* All choices of a data set. `why` gets the reason of whatever is not a pass. */
static verdict run_set(const onnx_case *c, char *why, size_t size)
{
  int opset, passed = 0;
  if (facet_onnx_opset(c->model, &opset) != FACET_OK)
    opset = 0;
  bool first = true;
  for (int data = 0; data < c->inputs; data++) {
    if (!case_real(c->given[data]))
      continue;
    bool needed = first || symmetric(case_operator(c));
    first = false;
    for (int out = 0; out < c->outputs; out++) {
      bool refused;
      if (!case_real(c->expected[out]))
        continue;
      if (run_choice(c, data, out, &refused) == FACET_OK) {
        passed++;
        continue;
      }
      if (refused && !needed)
        continue;
      snprintf(why, size, "input %d, output %d: %s%s", data, out, refused ? "refused: " : "", facet_message());
      bool outside = refused && (opset < FIRST_OPSET || opset > LAST_OPSET);
      if (!outside && !excused(c, refused, facet_message()))
        return FAILED;
    }
  }
  bool dataless = first || (!passed && !why[0]);
  if (dataless)
    snprintf(why, size, "no floating-point data and result");
  return passed ? PASSED : dataless ? DATALESS : NOT_CLAIMED;
}

static verdict run_case(onnx_case *c, char *why, size_t size)
{
  verdict all = DATALESS;
  why[0] = 0;
  if (!case_known(c)) {
    snprintf(why, size, "operator %s", case_operator(c));
    return NOT_CLAIMED;
  }
  for (int set = 0; case_data(c, set) && all != FAILED; set++) {
    verdict one = run_set(c, why, size);
    all = one == DATALESS ? all : one;
  }
  return all;
}

static void fail(char *why)
{
  if (failures < MOST_FAILURES)
    failure[failures++] = why;
}

static void count_case(const onnx_case *c, verdict v, const char *why)
{
  static const char *const words[] = {"passed", "FAILED", "not claimed", "not claimed"};
  tally *t = tally_of(case_operator(c));
  int opset;
  if (facet_onnx_opset(c->model, &opset) != FACET_OK)
    opset = 0;
  t->total++;
  t->claimed += v == PASSED || v == FAILED;
  t->dataless += v == DATALESS;
  t->passed += v == PASSED;
  if (v == PASSED) {
    t->first = !t->first || opset < t->first ? opset : t->first;
    t->last = opset > t->last ? opset : t->last;
  }
  if (v == FAILED)
    fail(facet_format("%s (operator set %d): %s", c->name, opset, why));
  if (verbose)
    printf("%s: %s%s%s\n", c->name, words[v], why[0] ? ": " : "", why);
}

/* ---- all cases ---- */

static bool chosen(const char *name, char *const *pattern)
{
  bool any = false;
  for (int i = 0; pattern[i]; i++)
    any |= fnmatch(pattern[i], name, 0) == 0 || strstr(name, pattern[i]);
  return any || !pattern[0];
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_one(onnx_case *c)
{
  char why[800];
  if (!copies) {
    verdict v = run_case(c, why, sizeof why);
    count_case(c, v, why);
    return;
  }
  if (!case_known(c) || !case_data(c, 0) || !c->outputs)
    return;
  if (damage_check(c, copies, kept, &damaged) != FACET_OK) {
    printf("FAILED %s: %s\n", c->name, facet_message());
    damaged++;
  }
  models++;
}

static void run_folder(const char *data, const char *part, char *const *pattern)
{
  char folder[500];
  struct dirent **entry;
  snprintf(folder, sizeof folder, "%s/%s", data, part);
  int count = scandir(folder, &entry, NULL, by_name);
  for (int i = 0; i < count; i++) {
    onnx_case c;
    if (entry[i]->d_name[0] != '.' && chosen(entry[i]->d_name, pattern) && case_open(&c, folder, entry[i]->d_name)) {
      run_one(&c);
      case_close(&c);
    }
    free(entry[i]);
  }
  if (count >= 0)
    free(entry);
}

static int by_operator(const void *a, const void *b)
{
  return strcmp(((const tally *)a)->name, ((const tally *)b)->name);
}

/* Every operator that facet claims is one it knows, and passes a case if there is any with data and result. */
static void check_claims(bool whole)
{
  for (int i = 0; claims[i]; i++) {
    const tally *t = NULL;
    for (int j = 0; j < operators; j++)
      if (strcmp(tallies[j].name, claims[i]) == 0)
        t = &tallies[j];
    if (!facet_operator_known(claims[i]))
      fail(facet_format("%s: claimed, but not in the operator table", claims[i]));
    else if (whole && t && t->total > t->dataless && t->passed == 0)
      fail(facet_format("%s: claimed, but none of its %d cases passes", claims[i], t->total));
  }
}

static void print_table(void)
{
  tally all = {.name = "all"}, none = {.name = "no claimed case"};
  qsort(tallies, (size_t)operators, sizeof tallies[0], by_operator);
  printf("%-24s %6s %7s %5s  %s\n", "operator", "passed", "claimed", "total", "operator sets");
  for (int i = 0; i < operators; i++) {
    const tally *t = &tallies[i];
    all.passed += t->passed;
    all.claimed += t->claimed;
    all.total += t->total;
    none.total += t->claimed ? 0 : t->total;
    if (t->claimed)
      printf("%-24s %6d %7d %5d  %d to %d\n", t->name, t->passed, t->claimed, t->total, t->first, t->last);
  }
  printf("%-24s %6d %7d %5d\n", none.name, 0, 0, none.total);
  printf("%-24s %6d %7d %5d\n", all.name, all.passed, all.claimed, all.total);
}

int main(int argc, char **argv)
{
  static const char *const parts[] = {"node", "simple", "pytorch-operator", "pytorch-converted"};
  const char *data[8] = {"/usr/share/libonnx-testdata/data"};
  int folders = 0, at = 1;
  (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a crash keeps what was said */
  for (; at < argc && argv[at][0] == '-'; at++)
    if (strcmp(argv[at], "-d") == 0 && at + 1 < argc && folders < 8)
      data[folders++] = argv[++at];
    else if (strcmp(argv[at], "-x") == 0 && at + 1 < argc)
      copies = atoi(argv[++at]);
    else if (strcmp(argv[at], "-k") == 0 && at + 1 < argc)
      kept = argv[++at];
    else
      verbose = true;
  for (int i = 0; i < (folders ? folders : 1); i++)
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
      run_folder(data[i], parts[p], argv + at);
  if (copies) {
    printf("%d damaged copies of each of %d models: %d came to harm\n", copies, models, damaged);
    return damaged > 0;
  }
  check_claims(at == argc && operators > 0);
  print_table();
  for (int i = 0; i < failures; i++) {
    printf("FAILED %s\n", failure[i]);
    facet_free(&failure[i]);
  }
  return failures > 0;
}
