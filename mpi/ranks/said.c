/* Lines of all ranks, printed by rank 0: see said.h. */
#include "said.h"

#include <stdio.h>
#include <string.h>

#include "agree.h"

enum { PIECE = 4096 }; /* bytes that are sent at once */

static char *kept;          /* with a 0 behind it */
static size_t length, room; /* of kept, without and with what is not used yet */

/* Room for so many bytes: twice as much as before, so that many lines are not copied over and over. */
static facet_status make_room(size_t bytes)
{
  size_t more = bytes > 2 * room ? bytes : 2 * room;
  if (bytes <= room)
    return FACET_OK;
  FACET_TRY(facet_grow(&kept, room, more, 1));
  room = more;
  return FACET_OK;
}

void facet_said_list(const char *format, va_list list)
{
  va_list again;
  va_copy(again, list);
  int count = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (count < 0 || make_room(length + (size_t)count + 2) != FACET_OK) {
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
  length = room = 0;
}

/* Those of a rank after rank 0: pieces, the last of which is not full. */
static facet_status print_of(MPI_Comm comm, int rank)
{
  char piece[PIECE];
  for (int count = PIECE; count == PIECE;) {
    MPI_Status came;
    FACET_TRY(facet_mpi_check(MPI_Recv(piece, PIECE, MPI_BYTE, rank, 0, comm, &came), "lines of a rank"));
    FACET_TRY(facet_mpi_check(MPI_Get_count(&came, MPI_BYTE, &count), "lines of a rank"));
    fwrite(piece, 1, (size_t)count, stdout);
  }
  return FACET_OK;
}

static facet_status send(MPI_Comm comm)
{
  for (size_t at = 0, count = PIECE; count == PIECE; at += count) {
    count = length - at < PIECE ? length - at : PIECE;
    FACET_TRY(facet_mpi_check(MPI_Send(kept ? kept + at : NULL, (int)count, MPI_BYTE, 0, 0, comm), "lines of a rank"));
  }
  return FACET_OK;
}

/* Needs no memory, without which rank 0 would leave the others with what they have to say. */
static facet_status print(MPI_Comm comm)
{
  facet_status status = FACET_OK;
  if (facet_rank(comm) > 0)
    return send(comm);
  fputs(kept ? kept : "", stdout);
  for (int rank = 1; rank < facet_ranks(comm); rank++) {
    facet_status printed = print_of(comm, rank);
    status = status == FACET_OK ? printed : status;
  }
  fflush(stdout);
  return status;
}

facet_status facet_said_print(MPI_Comm comm, facet_status status)
{
  facet_status printed = facet_agree(comm, print(comm));
  forget();
  return status == FACET_OK ? printed : status;
}
