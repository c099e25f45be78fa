/* Agreement of ranks on failure: see agree.h. */
#include "agree.h"

#include <stdio.h>
#include <string.h>

#include "profile.h"

int facet_rank(MPI_Comm comm)
{
  int rank = 0;
  if (comm != MPI_COMM_NULL)
    MPI_Comm_rank(comm, &rank);
  return rank;
}

int facet_ranks(MPI_Comm comm)
{
  int ranks = 1;
  if (comm != MPI_COMM_NULL)
    MPI_Comm_size(comm, &ranks);
  return ranks;
}

/* Who waits here for others hears of signals all the same, and passes them on. */
static void find_least(MPI_Comm comm, int mine, int *least)
{
  MPI_Request request;
  int done = 0;
  double begun = facet_profile_enter();
  *least = mine;
  MPI_Iallreduce(&mine, least, 1, MPI_INT, MPI_MIN, comm, &request);
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
    (void)facet_interrupted();
  MPI_Wait(&request, MPI_STATUS_IGNORE); /* over already */
  facet_profile_leave(begun, true);
}

facet_status(facet_agree)(MPI_Comm comm, facet_status status)
{
  struct {
    int status;
    char message[1000];
  } said = {(int)status, ""};
  if (comm == MPI_COMM_NULL)
    return status;
  int rank = facet_rank(comm), ranks = facet_ranks(comm);
  int mine = status == FACET_OK ? ranks : rank, first;
  find_least(comm, mine, &first);
  if (first == ranks)
    return FACET_OK;
  if (rank == first)
    snprintf(said.message, sizeof said.message, "%s", facet_message());
  MPI_Bcast(&said, (int)sizeof said, MPI_BYTE, first, comm);
  return facet_raise((facet_status)said.status, "%s", said.message);
}
