/* Lines of all ranks, printed by rank 0: see said.h. */
#include "said.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agree.h"

static char *kept; /* with a 0 behind it */
static size_t length;

void facet_said_list(const char *format, va_list list)
{
  va_list again;
  va_copy(again, list);
  int count = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (count < 0 || facet_grow(&kept, kept ? length + 1 : 0, length + (size_t)count + 2, 1) != FACET_OK) {
    vprintf(format, list);
    putchar('\n');
    return;
  }
  (void)vsnprintf(kept + length, (size_t)count + 1, format, list);
  length += (size_t)count;
  kept[length++] = '\n';
  kept[length] = 0;
}

void facet_said(const char *format, ...)
{
  va_list list;
  va_start(list, format);
  facet_said_list(format, list);
  va_end(list);
}

static void forget(void)
{
  facet_free(&kept);
  length = 0;
}

/* Those of a rank after rank 0. */
static facet_status print_of(MPI_Comm comm, int rank)
{
  MPI_Status probed;
  int count = 0;
  char *text;
  FACET_TRY(facet_mpi_check(MPI_Probe(rank, 0, comm, &probed), "lines of a rank"));
  FACET_TRY(facet_mpi_check(MPI_Get_count(&probed, MPI_BYTE, &count), "lines of a rank"));
  FACET_NEW(text, count + 1);
  facet_status status =
      facet_mpi_check(MPI_Recv(text, count, MPI_BYTE, rank, 0, comm, MPI_STATUS_IGNORE), "lines of a rank");
  if (status == FACET_OK)
    fputs(text, stdout);
  facet_free(&text);
  return status;
}

static facet_status send(MPI_Comm comm)
{
  int count = length < INT_MAX ? (int)length : INT_MAX;
  return facet_mpi_check(MPI_Send(kept ? kept : "", count, MPI_BYTE, 0, 0, comm), "lines of a rank");
}

static facet_status print(MPI_Comm comm)
{
  if (facet_rank(comm) > 0)
    return send(comm);
  fputs(kept ? kept : "", stdout);
  for (int rank = 1; rank < facet_ranks(comm); rank++)
    FACET_TRY(print_of(comm, rank));
  fflush(stdout);
  return FACET_OK;
}

facet_status facet_said_print(MPI_Comm comm, facet_status status)
{
  facet_status printed = facet_agree(comm, print(comm));
  forget();
  return status == FACET_OK ? printed : status;
}
