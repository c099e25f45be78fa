/* Numbers that all ranks exchange: see exchange.h. MPI counts in int, so many numbers go in pieces. */
#include "exchange.h"

enum { PIECE = 1 << 30 };

facet_status facet_mpi_check(int code, const char *what)
{
  char words[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (code == MPI_SUCCESS)
    return FACET_OK;
  MPI_Error_string(code, words, &length);
  return facet_raise(FACET_IO, "%s: %.*s", what, length, words);
}

facet_status facet_node_ranks(MPI_Comm comm, MPI_Comm *node)
{
  return facet_mpi_check(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, node),
                         "finding the ranks of a node");
}

static int piece_of(int64_t left)
{
  return left < PIECE ? (int)left : PIECE;
}

static void *number(void *x, MPI_Datatype type, int64_t at)
{
  int size = 1;
  MPI_Type_size(type, &size);
  return (char *)x + at * size;
}

facet_status facet_combine_numbers(MPI_Comm comm, MPI_Op op, MPI_Datatype type, void *x, int64_t count,
                                   const char *what)
{
  int code = MPI_SUCCESS;
  for (int64_t at = 0; at < count && code == MPI_SUCCESS; at += PIECE)
    code = MPI_Allreduce(MPI_IN_PLACE, number(x, type, at), piece_of(count - at), type, op, comm);
  return facet_mpi_check(code, what);
}

facet_status facet_share_numbers(MPI_Comm comm, MPI_Datatype type, void *x, int64_t count, const char *what)
{
  int code = MPI_SUCCESS;
  for (int64_t at = 0; at < count && code == MPI_SUCCESS; at += PIECE)
    code = MPI_Bcast(number(x, type, at), piece_of(count - at), type, 0, comm);
  return facet_mpi_check(code, what);
}
