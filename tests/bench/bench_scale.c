/* What many ranks cost, each alone: a message, agreement of all ranks, a unit of work dealt, a stage of one unit,
 * a sync of a file. As JSON, seconds. On two ranks or more.  usage: bench_scale FILE */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ranks/agree.h"
#include "stages/tiles.h"

enum { TURNS = 100, ROUNDS = 50, UNITS = 200000, SYNCS = 20, PAGE = 4096 };

static void message(int rank)
{
  int64_t words[2] = {0, 0};
  for (int turn = 0; turn < 2 && rank < 2; turn++)
    if (rank == turn)
      MPI_Send(words, 2, MPI_INT64_T, 1 - rank, 0, MPI_COMM_WORLD);
    else
      MPI_Recv(words, 2, MPI_INT64_T, 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void agreement(int rank)
{
  (void)rank;
  (void)facet_agree(MPI_COMM_WORLD, FACET_OK);
}

/* Of one call, the best of many rounds: other programs disturb some of them. */
static double best(void (*call)(int), int rank)
{
  double least = 1;
  for (int round = 0; round < ROUNDS; round++) {
    double begun = facet_seconds(), each;
    for (int i = 0; i < TURNS; i++)
      call(rank);
    each = (facet_seconds() - begun) / TURNS;
    least = each < least ? each : least;
  }
  return least;
}

static facet_status nothing(void *self, facet_dealer *dealer, int64_t i)
{
  (void)self, (void)i;
  return facet_dealer_pause(dealer);
}

static double deal(int64_t units, facet_status *status)
{
  const facet_tiles tiles = {.stage = "bench", .count = units, .run = nothing};
  double begun = facet_seconds();
  *status = facet_tiles_run(MPI_COMM_WORLD, &tiles, NULL);
  return facet_seconds() - begun;
}

static double sync_file(const char *path)
{
  static const char page[PAGE];
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  double begun = facet_seconds();
  for (int i = 0; i < SYNCS && file >= 0; i++)
    if (pwrite(file, page, sizeof page, (off_t)i * PAGE) != PAGE || fdatasync(file) != 0)
      break;
  double seconds = (facet_seconds() - begun) / SYNCS;
  if (file >= 0)
    close(file);
  unlink(path);
  return seconds;
}

int main(int argc, char **argv)
{
  facet_status status = FACET_OK;
  MPI_Init(&argc, &argv);
  int rank = facet_rank(MPI_COMM_WORLD);
  double one = best(message, rank) / 2, all = best(agreement, rank), few = deal(1, &status),
         units = deal(UNITS, &status);
  double synced = rank == 0 && argc > 1 ? sync_file(argv[1]) : 0;
  if (rank == 0)
    printf("{\"message\": %.3g, \"agreement\": %.3g, \"unit\": %.3g, \"stage\": %.3g, \"sync\": %.3g}\n", one, all,
           (units - few) / UNITS, few, synced);
  MPI_Finalize();
  return (int)status;
}
