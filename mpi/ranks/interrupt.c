/* Signals become a flag that stages look at between tiles and training steps.
 *
 * Whoever finds its own flag set tells its neighbours in a binary tree of all ranks by an empty message, and who hears
 * one tells the others: a signal to one rank stops all, in whatever groups they work, also those that wait for others
 * (see agree.c). Along each edge of the tree goes one message each way, at the latest when all is over, so that none is
 * left unread. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agree.h"
#include "profile.h"

enum { NEIGHBOURS = 3 };

static volatile sig_atomic_t caught;
static MPI_Comm tree = MPI_COMM_NULL;
static int neighbour[NEIGHBOURS], neighbours, heard;
static bool told;
static volatile sig_atomic_t early; /* signals are heard, and nobody has listened yet */

/* An mpirun that is ended by a signal sends SIGTERM to its ranks, and kills them a second later. */
static const char *last_words;

static void remember(int signal_number)
{
  const int kept = errno; /* whoever is interrupted may be about to look at it */
  if (early && caught) {  /* where MPI does not come to begin, who asks twice is heard */
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
  }
  if (signal_number == SIGTERM && !caught && last_words)
    (void)!write(STDERR_FILENO, last_words, strlen(last_words));
  errno = kept;
  caught = signal_number;
}

void facet_interrupt_say(const char *words)
{
  last_words = words;
}

static void find_neighbours(void)
{
  int rank = facet_rank(tree), ranks = facet_ranks(tree);
  const int all[NEIGHBOURS] = {rank > 0 ? (rank - 1) / 2 : ranks, 2 * rank + 1, 2 * rank + 2};
  neighbours = heard = 0;
  told = false;
  for (int i = 0; i < NEIGHBOURS; i++)
    if (all[i] < ranks)
      neighbour[neighbours++] = all[i];
}

/* Empty messages are sent without anybody's help. */
static void tell(void)
{
  for (int i = 0; i < neighbours && !told; i++)
    MPI_Send(NULL, 0, MPI_BYTE, neighbour[i], 0, tree);
  told = true;
}

static void hear(void)
{
  MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, 0, tree, MPI_STATUS_IGNORE);
  heard++;
}

void facet_interrupt_settle(void)
{
  if (tree == MPI_COMM_NULL)
    return;
  tell();
  while (heard < neighbours)
    hear();
  MPI_Comm_free(&tree);
}

void facet_interrupt_begin(void)
{
  static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  caught = 0;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    sigaction(signals[i], &action, NULL);
  early = true;
}

facet_status facet_interrupt_listen(MPI_Comm comm)
{
  facet_interrupt_settle();
  if (!early)
    facet_interrupt_begin();
  early = false;
  if (comm == MPI_COMM_NULL) /* nobody else is to be told */
    return FACET_OK;
  FACET_TRY(facet_mpi_check(MPI_Comm_dup(comm, &tree), "listening"));
  find_neighbours();
  return FACET_OK;
}

static void (*meanwhile)(void *self);
static void *whose;

void facet_interrupt_meanwhile(void (*what)(void *self), void *self)
{
  meanwhile = what;
  whose = self;
}

bool facet_interrupted(void)
{
  int there = 1;
  if (meanwhile)
    meanwhile(whose);
  if (tree == MPI_COMM_NULL)
    return caught != 0;
  while (heard < neighbours && MPI_Iprobe(MPI_ANY_SOURCE, 0, tree, &there, MPI_STATUS_IGNORE) == MPI_SUCCESS && there) {
    hear();
    caught = SIGUSR1;
  }
  if (caught)
    tell();
  return caught != 0;
}

facet_status facet_interrupt_check(void)
{
  return facet_interrupted() ? facet_raise(FACET_INTERRUPTED, "interrupted; run the same command again to go on")
                             : FACET_OK;
}

void facet_interrupt_await(MPI_Comm comm, int rank, int tag)
{
  int there = 0;
  double begun = facet_profile_enter();
  while (MPI_Iprobe(rank, tag, comm, &there, MPI_STATUS_IGNORE) == MPI_SUCCESS && !there)
    (void)facet_interrupted();
  facet_profile_leave(begun, false);
}
