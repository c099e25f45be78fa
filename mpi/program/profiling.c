/* Profiles: see profiling.h. Rank 0 has those of all ranks, and writes them. */
#include "profiling.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ranks/agree.h"
#include "ranks/profile.h"

struct facet_profiling {
  MPI_Comm comm;
  int rank, ranks;
  facet_profile *now;  /* rank 0: of each phase, of each rank; `start` first, then facet_stages */
  facet_profile *last; /* rank 0: of each rank, what was collected last */
  bool *fresh;         /* phases that the store does not know of yet */
};

static int phases(void)
{
  int count = 1;
  while (facet_stages[count - 1])
    count++;
  return count;
}

static const char *phase_name(int phase)
{
  return phase == 0 ? "start" : facet_stages[phase - 1]->name;
}

/* ---- collecting ---- */

static facet_status make(MPI_Comm comm, facet_profiling **profiling)
{
  FACET_NEW(*profiling, 1);
  facet_profiling *p = *profiling;
  *p = (facet_profiling){.comm = comm, .rank = facet_rank(comm), .ranks = facet_ranks(comm)};
  FACET_NEW(p->now, phases() * p->ranks);
  FACET_NEW(p->last, p->ranks);
  FACET_NEW(p->fresh, phases());
  return FACET_OK;
}

facet_status facet_profiling_begin(MPI_Comm comm, bool wanted, facet_profiling **profiling)
{
  *profiling = NULL;
  if (!wanted)
    return FACET_OK;
  facet_profile_begin();
  return facet_agree(comm, make(comm, profiling));
}

void facet_profiling_end(facet_profiling **profiling)
{
  if (*profiling)
    FACET_FREE(&(*profiling)->now, &(*profiling)->last, &(*profiling)->fresh);
  facet_free(profiling);
}

/* Of one that was measured before, too: the sum, and the larger memory. */
static facet_profile sum_of(const facet_profile *a, const facet_profile *b)
{
  return (facet_profile){.seconds = a->seconds + b->seconds,
                         .waiting = a->waiting + b->waiting,
                         .storing = a->storing + b->storing,
                         .memory = fmax(a->memory, b->memory),
                         .units = a->units + b->units,
                         .messages = a->messages + b->messages,
                         .collective = a->collective + b->collective,
                         .bytes = a->bytes + b->bytes};
}

facet_status facet_profiling_phase(facet_profiling *p, const facet_stage *stage)
{
  int phase = 0;
  if (!p)
    return FACET_OK;
  while (stage && facet_stages[phase] != stage)
    phase++;
  phase += stage != NULL;
  facet_profile own = facet_profile_take();
  p->fresh[phase] = true;
  FACET_TRY(facet_mpi_check(MPI_Gather(&own, (int)sizeof own, MPI_BYTE, p->last, (int)sizeof own, MPI_BYTE, 0, p->comm),
                            "collecting profiles"));
  facet_profile *of = p->now + (size_t)phase * (size_t)p->ranks;
  for (int r = 0; r < p->ranks && p->rank == 0; r++)
    of[r] = sum_of(&of[r], &p->last[r]);
  return FACET_OK;
}

/* ---- in the store ---- */

facet_status facet_profiling_plan(const facet_profiling *p, const char *path, facet_store_plan *plan)
{
  if (!p)
    return FACET_OK;
  int64_t ranks = p->ranks;
  if (p->rank == 0 && facet_exists(path))
    ranks = facet_store_profiled(path);
  FACET_TRY(facet_share(p->comm, &ranks, 1, "sharing a plan"));
  if (p->rank == 0 && ranks == 0)
    fprintf(stderr, "facet: warning: %s was begun without --profile: this run's profile is shown, and not stored\n",
            path);
  plan->profile_ranks = ranks;
  plan->phases = phases();
  for (int i = 0; i < plan->phases; i++)
    plan->phase[i] = phase_name(i);
  return FACET_OK;
}

/* The numbers of a profile, each a row. */
static const struct {
  facet_row row;
  size_t at;
  bool whole;
} numbers[] = {{FACET_ROW_PROFILE_SECONDS, offsetof(facet_profile, seconds), false},
               {FACET_ROW_PROFILE_WAITING, offsetof(facet_profile, waiting), false},
               {FACET_ROW_PROFILE_STORING, offsetof(facet_profile, storing), false},
               {FACET_ROW_PROFILE_MEMORY, offsetof(facet_profile, memory), false},
               {FACET_ROW_PROFILE_UNITS, offsetof(facet_profile, units), true},
               {FACET_ROW_PROFILE_MESSAGES, offsetof(facet_profile, messages), true},
               {FACET_ROW_PROFILE_COLLECTIVE, offsetof(facet_profile, collective), true},
               {FACET_ROW_PROFILE_BYTES, offsetof(facet_profile, bytes), true}};

/* Moves a number of a phase to or from the store, of so many ranks; what was never written is 0. */
static facet_status move_number(facet_store *store, int phase, int64_t ranks, size_t i, facet_profile *of, bool write)
{
  const facet_place at = {.part = {{phase, 1}}};
  double *real;
  int64_t *whole;
  FACET_NEW(real, ranks);
  whole = (int64_t *)(void *)real; /* of the same size */
  for (int64_t r = 0; r < ranks && write; r++)
    memcpy(real + r, (const char *)(of + r) + numbers[i].at, sizeof *real);
  facet_status status =
      write ? facet_store_put(store, numbers[i].row, at, real) : facet_store_get(store, numbers[i].row, at, real);
  for (int64_t r = 0; r < ranks && !write; r++) {
    bool none = numbers[i].whole ? whole[r] < 0 : isnan(real[r]);
    memset((char *)(of + r) + numbers[i].at, 0, sizeof *real);
    if (!none)
      memcpy((char *)(of + r) + numbers[i].at, real + r, sizeof *real);
  }
  facet_free(&real);
  return status;
}

static facet_status move_phase(facet_store *store, int phase, int64_t ranks, facet_profile *of, bool write)
{
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    FACET_TRY(move_number(store, phase, ranks, i, of, write));
  return FACET_OK;
}

static facet_status write_rates(facet_store *store, int phase, int64_t ranks, const facet_profile *of)
{
  double *rate;
  FACET_NEW(rate, ranks);
  for (int64_t r = 0; r < ranks; r++)
    rate[r] = of[r].units > 0 ? (double)of[r].units / (of[r].seconds - of[r].waiting) : (double)NAN;
  const facet_place at = {.part = {{phase, 1}}};
  facet_status status = facet_store_put(store, FACET_ROW_PROFILE_RATE, at, rate);
  facet_free(&rate);
  return status;
}

static facet_status add_phase(const facet_profiling *p, facet_store *store, int phase, int64_t ranks)
{
  facet_profile *sum;
  facet_status status;
  const facet_profile *now = p->now + (size_t)phase * (size_t)p->ranks;
  FACET_NEW(sum, ranks);
  FACET_GO(done, status, move_phase(store, phase, ranks, sum, false));
  for (int64_t r = 0; r < ranks && r < p->ranks; r++)
    sum[r] = sum_of(&sum[r], &now[r]);
  FACET_GO(done, status, move_phase(store, phase, ranks, sum, true));
  status = write_rates(store, phase, ranks, sum);
done:
  facet_free(&sum);
  return status;
}

facet_status facet_profiling_store(facet_profiling *p, facet_store *store)
{
  if (!p)
    return FACET_OK;
  facet_status status = FACET_OK;
  int64_t ranks = facet_store_profile_ranks(store);
  for (int i = 0; i < phases() && p->rank == 0 && ranks > 0 && status == FACET_OK; i++)
    if (p->fresh[i])
      status = add_phase(p, store, i, ranks);
  for (int i = 0; i < phases(); i++)
    p->fresh[i] = false;
  return facet_agree(p->comm, status);
}

/* ---- in words ---- */

static void print_phase(const facet_profiling *p, int phase)
{
  const facet_profile *of = p->now + (size_t)phase * (size_t)p->ranks;
  facet_profile sum = {.seconds = 0};
  double longest = 0, busiest = 0;
  for (int r = 0; r < p->ranks; r++) {
    sum = sum_of(&sum, &of[r]);
    longest = fmax(longest, of[r].seconds);
    busiest = fmax(busiest, of[r].seconds - of[r].waiting);
  }
  double own = sum.seconds - sum.waiting, all = sum.seconds > 0 ? sum.seconds : 1;
  if (longest < 0.005)
    return;
  printf("%-12s %9.2f s %7.1f %% %7.1f %% %8.2f", phase_name(phase), longest, 100 * sum.waiting / all,
         100 * sum.storing / all, own > 0 ? busiest * p->ranks / own : 1);
  if (sum.units > 0)
    printf(" %10lld %10.4g", (long long)sum.units, (double)sum.units / longest);
  else
    printf(" %10s %10s", "-", "-");
  printf(" %8.3f GiB\n", sum.memory / 0x1p30);
}

void facet_profiling_print(const facet_profiling *p)
{
  if (!p)
    return;
  printf("\n%-12s %11s %9s %9s %8s %10s %10s %12s\n", "profile", "time", "waiting", "files", "busiest", "units",
         "units/s", "memory");
  for (int i = 0; i < phases(); i++)
    print_phase(p, i);
}
