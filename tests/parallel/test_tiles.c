/* The driver of tiles: every unit once, on any number of ranks, whoever fails, is interrupted, or is slow. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* needs the above */

#include "balance.h"
#include "ranks/profile.h"
#include "stages/plan.h"
#include "stages/tiles.h"

enum { UNITS = 300, GROUPS = 7 };

/* What one rank does, and has done. */
typedef struct {
  int64_t count;
  facet_unit unit[UNITS];
  int times[UNITS]; /* that a unit was run here */
  int group;        /* entered; -1: none */
  int entered, left;
  int64_t fail_at, signal_at; /* units; -1: none */
  bool enter_fails;
  double nap;  /* seconds for a cost of 1, on this rank */
  double busy; /* seconds in units */
} work;

static facet_unit unit_of(const void *self, int64_t i)
{
  return ((const work *)self)->unit[i];
}

static facet_status enter(void *self, int group)
{
  work *w = self;
  assert_int_equal(w->group, -1);
  w->group = group;
  w->entered++;
  return w->enter_fails ? facet_raise(FACET_OS, "no room for group %d", group) : FACET_OK;
}

static void leave(void *self)
{
  work *w = self;
  assert_int_not_equal(w->group, -1);
  w->group = -1;
  w->left++;
}

static facet_status run(void *self, facet_dealer *dealer, int64_t unit)
{
  work *w = self;
  double begun = facet_seconds(), seconds = w->nap * w->unit[unit].cost;
  assert_int_equal(w->group, w->unit[unit].group);
  if (unit == w->fail_at)
    return facet_raise(FACET_BAD_INPUT, "unit %lld is bad", (long long)unit);
  if (unit == w->signal_at)
    (void)raise(SIGUSR1);
  for (int batch = 0; batch < 4; batch++) {
    if (seconds > 0)
      nanosleep(&(struct timespec){.tv_nsec = (long)(seconds / 4 * 1e9)}, NULL);
    FACET_TRY(facet_dealer_pause(dealer));
  }
  w->times[unit]++;
  w->busy += facet_seconds() - begun;
  return FACET_OK;
}

static work *make_work(int64_t count)
{
  static work w;
  w = (work){.count = count, .group = -1, .fail_at = -1, .signal_at = -1};
  for (int64_t i = 0; i < count; i++)
    w.unit[i] = (facet_unit){.cost = 1, .group = (int)(i * GROUPS / count)};
  facet_interrupt_listen(MPI_COMM_WORLD);
  return &w;
}

static facet_status run_all(work *w)
{
  facet_tiles tiles = {.stage = "test",
                       .name = "units",
                       .count = w->count,
                       .self = w,
                       .unit = unit_of,
                       .enter = enter,
                       .leave = leave,
                       .run = run};
  facet_status status = facet_tiles_run(MPI_COMM_WORLD, &tiles, NULL);
  assert_int_equal(w->group, -1);
  assert_int_equal(w->entered, w->left);
  return status;
}

/* Each unit that was not done is run once in all, no other is. */
static void assert_all_once(work *w)
{
  MPI_Allreduce(MPI_IN_PLACE, w->times, UNITS, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  for (int64_t i = 0; i < w->count; i++)
    assert_int_equal(w->times[i], !w->unit[i].none);
}

/* At most once each, and how many. */
static int count_once(work *w)
{
  int sum = 0;
  MPI_Allreduce(MPI_IN_PLACE, w->times, UNITS, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  for (int64_t i = 0; i < w->count; i++) {
    assert_in_range(w->times[i], 0, 1);
    sum += w->times[i];
  }
  return sum;
}

static void test_every_unit_once(void **state)
{
  (void)state;
  for (int64_t count = 0; count <= UNITS; count += count < 12 ? 1 : 96) {
    work *w = make_work(count);
    assert_int_equal(run_all(w), FACET_OK);
    assert_all_once(w);
  }
}

static void test_random_costs_and_marks(void **state)
{
  (void)state;
  for (uint64_t turn = 0; turn < 20; turn++) {
    work *w = make_work(UNITS);
    facet_random random = {5, 1};
    for (uint64_t i = 0; i < UNITS; i++) {
      double u = facet_random_uniform(random, turn, 2 * i);
      w->unit[i].cost = u < 0.05 ? 0 : u > 0.95 ? 1000 : u;
      w->unit[i].none = facet_random_uniform(random, turn, 2 * i + 1) < (double)turn / 19;
    }
    w->nap = 2e-6;
    assert_int_equal(run_all(w), FACET_OK);
    assert_all_once(w);
  }
}

/* Whichever rank it is, and wherever; nobody waits for ever, and all know why. */
static void test_a_failure_is_known_to_all(void **state)
{
  (void)state;
  for (int64_t at = 0; at < UNITS; at += 23) {
    work *w = make_work(UNITS);
    w->fail_at = at;
    w->nap = 1e-4;
    assert_int_equal(run_all(w), FACET_BAD_INPUT);
    char message[40];
    snprintf(message, sizeof message, "unit %lld is bad", (long long)at);
    assert_string_equal(facet_message(), message);
    assert_in_range(count_once(w), 0, UNITS - 1);
  }
}

static void test_entering_fails(void **state)
{
  (void)state;
  for (int rank = 0; rank < facet_ranks(MPI_COMM_WORLD); rank++) {
    work *w = make_work(UNITS);
    w->enter_fails = facet_rank(MPI_COMM_WORLD) == rank;
    assert_int_equal(run_all(w), FACET_OS);
    assert_in_range(count_once(w), 0, UNITS - 1);
  }
}

/* One rank alone hears the signal, and the others stop, too, far from the end of what they have. */
static void test_an_interrupted_rank(void **state)
{
  (void)state;
  for (int64_t at = 0; at < UNITS; at += 37) {
    work *w = make_work(UNITS);
    w->signal_at = at;
    w->nap = 3e-4;
    assert_int_equal(run_all(w), FACET_INTERRUPTED);
    assert_in_range(count_once(w), 0, UNITS - 1);
  }
  work *w = make_work(UNITS); /* goes on where the last one was: no message is left */
  assert_int_equal(run_all(w), FACET_OK);
  assert_all_once(w);
}

/* A unit of the last rank goes on for as long as the others do nothing but wait, and they are done with theirs. */
typedef struct {
  int units;    /* of the others, before they wait */
  bool signals; /* rank 0, which waits by then */
  bool ended;   /* here, and not because patience was at an end */
} patience;

enum { PATIENT = 20 }; /* seconds at most */

static facet_unit unit_of_patience(const void *self, int64_t i)
{
  (void)self;
  return (facet_unit){.cost = 1, .part = i, .parts = 1};
}

static facet_status begin_patience(void *self, int group)
{
  (void)self, (void)group;
  return FACET_OK;
}

/* At the end of a rank's units: rank 0 is given a signal a moment after that. */
static void end_patience(void *self)
{
  const patience *p = self;
  if (!p->signals || facet_rank(MPI_COMM_WORLD) != 0)
    return;
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const struct itimerspec soon = {.it_value = {.tv_nsec = 50000000}};
  assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
}

/* The last unit ends by an interrupt, or once it has made this rank say twice that it is at work. */
static facet_status run_patience(void *self, facet_dealer *dealer, int64_t unit)
{
  patience *p = self;
  double begun = facet_seconds();
  int64_t sent = 0;
  (void)facet_profile_take();
  while (unit == p->units && !p->ended && facet_seconds() - begun < PATIENT) {
    facet_status status = facet_dealer_pause(dealer);
    sent += facet_profile_take().messages;
    p->ended = p->signals ? status == FACET_INTERRUPTED : sent >= 2;
    FACET_TRY(status);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
  return FACET_OK;
}

/* Whether the last unit ended in time, on whatever rank. */
static bool end_in_time(patience *p, facet_status wanted)
{
  const facet_tiles tiles = {.stage = "test",
                             .count = p->units + 1,
                             .self = p,
                             .unit = unit_of_patience,
                             .enter = begin_patience,
                             .leave = end_patience,
                             .run = run_patience};
  facet_interrupt_listen(MPI_COMM_WORLD);
  facet_profile_begin();
  assert_int_equal(facet_tiles_run(MPI_COMM_WORLD, &tiles, NULL), wanted);
  return combined(p->ended, MPI_MAX) > 0;
}

static void test_a_signal_to_rank_0_while_it_waits(void **state)
{
  (void)state;
  patience p = {.units = facet_ranks(MPI_COMM_WORLD) - 1, .signals = true};
  if (p.units > 0)
    assert_true(end_in_time(&p, FACET_INTERRUPTED));
}

static void test_a_rank_that_is_long_in_a_unit_says_so(void **state)
{
  (void)state;
  patience p = {.units = facet_ranks(MPI_COMM_WORLD) - 1};
  setenv("FACET_SILENCE", "0.001", 1);
  if (p.units > 0)
    assert_true(end_in_time(&p, FACET_OK));
  unsetenv("FACET_SILENCE");
}

/* A slow rank takes three times as long for the same. */
static bool slow_rank_holds_nobody(int slow)
{
  work *w = make_work(UNITS);
  for (uint64_t i = 0; i < UNITS; i++)
    w->unit[i].cost = 0.5 + facet_random_uniform((facet_random){6, 1}, 0, i);
  w->nap = facet_rank(MPI_COMM_WORLD) == slow ? 9e-3 : 3e-3;
  assert_int_equal(run_all(w), FACET_OK);
  assert_all_once(w);
  return balanced(w->busy);
}

static void test_a_slow_rank(void **state)
{
  (void)state;
  assert_true(slow_ranks_hold_nobody(slow_rank_holds_nobody));
}

/* Memory: of the group that takes the most, each entered and left. */
typedef struct {
  char *room;
} holder;

static facet_unit held(const void *self, int64_t i)
{
  static const facet_unit unit[] = {
      {.group = 0}, {.group = 2, .none = true}, {.group = 1, .none = true}, {.group = 4}, {.group = 3}};
  (void)self;
  return unit[i];
}

static facet_status hold(void *self, int group)
{
  FACET_NEW(((holder *)self)->room, (group % 3 + 1) << 20);
  return FACET_OK;
}

static void let_go(void *self)
{
  facet_free(&((holder *)self)->room);
}

static void test_memory(void **state)
{
  (void)state;
  holder h = {NULL};
  facet_tiles tiles = {.count = 5, .self = &h, .unit = held, .enter = hold, .leave = let_go};
  size_t bytes, before = facet_memory_in_use();
  assert_int_equal(facet_tiles_memory(&tiles, &bytes), FACET_OK);
  assert_in_range(bytes, 2 << 20, (2 << 20) + 4096);
  assert_int_equal(facet_memory_in_use(), before);
}

/* What rank 0 measured counts for all: batches, and the order of tiles. */
static void test_a_plan_is_shared(void **state)
{
  (void)state;
  int rank = facet_rank(MPI_COMM_WORLD);
  facet_work own[] = {{50 + rank, 4 + rank, 10 + rank}, {7 + rank, 0, 0}};
  facet_plan plan = {.store = {.variants = 2, .conditions = 6, .block = 10}, .work = own, .blocks = 5, .inputs = 25};
  plan.room = 3e3 + 2e3 * rank; /* three blocks of pixels, or more */
  assert_int_equal(facet_plan_share(MPI_COMM_WORLD, &plan), FACET_OK);
  const facet_work wanted[] = {{50, 4, 10}, {7, 0, 0}};
  assert_memory_equal(own, wanted, sizeof own);
  assert_int_equal(facet_plan_span(&plan, 2), 3);
}

/* Who waits for others to agree, which all stages do when rank 0 works alone, does nothing of its own. Others may be
 * kept from the processor until rank 0 is there, so the best of some tries counts. */
static void test_agreeing_is_waiting(void **state)
{
  (void)state;
  const double nap = 0.1;
  bool first = facet_rank(MPI_COMM_WORLD) == 0, seen = false;
  facet_profile_begin();
  for (int i = 0; i < BALANCE_TRIES && !seen; i++) {
    MPI_Barrier(MPI_COMM_WORLD);
    (void)facet_profile_take();
    if (first)
      nanosleep(&(struct timespec){.tv_nsec = (long)(nap * 1e9)}, NULL);
    assert_int_equal(facet_agree(MPI_COMM_WORLD, FACET_OK), FACET_OK);
    facet_profile p = facet_profile_take();
    assert_true(p.waiting <= p.seconds && p.collective == 1);
    seen = combined(first ? 1 : p.waiting, MPI_MIN) > nap / 2;
  }
  assert_true(seen);
}

/* What is said of a call on a file while it goes on: by the file's own handler of errors. */
static char said_inside[100];

static void look_inside(MPI_File *file, int *code, ...)
{
  (void)file, (void)code;
  int before = dup(STDERR_FILENO), lines[2];
  assert_int_equal(pipe(lines), 0);
  dup2(lines[1], STDERR_FILENO);
  (void)facet_phase("test");
  for (int i = 0; i < 2; i++) /* the second line says whether it has waited since the first */
    (void)raise(SIGALRM);
  (void)facet_phase(NULL);
  dup2(before, STDERR_FILENO);
  ssize_t length = read(lines[0], said_inside, sizeof said_inside - 1);
  said_inside[length > 0 ? length : 0] = '\0';
  close(before);
  close(lines[0]);
  close(lines[1]);
}

/* Who reads or writes by itself waits for the disk; by calls of all ranks, for others, too. */
static void test_who_reads_alone_waits_for_nobody(void **state)
{
  (void)state;
  MPI_File file;
  MPI_Errhandler handler;
  int number;
  assert_int_equal(MPI_File_open(MPI_COMM_WORLD, "/dev/null", MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
  MPI_File_create_errhandler(look_inside, &handler);
  MPI_File_set_errhandler(file, handler);
  assert_int_not_equal(MPI_File_read_at(file, 0, &number, -1, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
  assert_string_equal(said_inside, "facet: test ...\nfacet: test, 0 s\n");
  assert_int_not_equal(MPI_File_write_at(file, 0, &number, -1, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
  assert_string_equal(said_inside, "facet: test ...\nfacet: test, 0 s\n");
  assert_int_not_equal(MPI_File_read_at_all(file, 0, &number, -1, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
  assert_string_equal(said_inside, "facet: test ...\nfacet: test, 0 s: waiting for other ranks\n");
  MPI_Errhandler_free(&handler);
  MPI_File_close(&file);
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_unit_once),
      cmocka_unit_test(test_random_costs_and_marks),
      cmocka_unit_test(test_a_failure_is_known_to_all),
      cmocka_unit_test(test_entering_fails),
      cmocka_unit_test(test_an_interrupted_rank),
      cmocka_unit_test(test_a_slow_rank),
      cmocka_unit_test(test_a_signal_to_rank_0_while_it_waits),
      cmocka_unit_test(test_a_rank_that_is_long_in_a_unit_says_so),
      cmocka_unit_test(test_who_reads_alone_waits_for_nobody),
      cmocka_unit_test(test_agreeing_is_waiting),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_a_plan_is_shared),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  facet_interrupt_settle();
  MPI_Finalize();
  return failed;
}
