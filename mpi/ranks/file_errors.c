/* Errors in collective calls on files: see file_errors.h. */
#include "file_errors.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool kept;
static char text[MPI_MAX_ERROR_STRING];

void facet_file_error_watch(void)
{
  errno = 0;
}

/* The system's word, where there is one: MPI's is "MPI_ERR_OTHER". */
static void describe(int code, int system)
{
  int length;
  if (system != 0)
    snprintf(text, sizeof text, "%s", strerror(system));
  else if (code == MPI_SUCCESS || PMPI_Error_string(code, text, &length) != MPI_SUCCESS)
    snprintf(text, sizeof text, "not all was written");
}

int facet_file_error_keep(int code, MPI_Status *status, int count, MPI_Datatype type)
{
  int size = 0, moved = 0, system = errno;
  bool told = status && status != MPI_STATUS_IGNORE && PMPI_Type_size(type, &size) == MPI_SUCCESS;
  /* In bytes, for a type may be many numbers. Open MPI may say by them alone that a write failed. */
  bool all = !told || (PMPI_Get_elements(status, MPI_BYTE, &moved) == MPI_SUCCESS && moved == count * size);
  if (code == MPI_SUCCESS && all)
    return code;
  if (!kept)
    describe(code, system);
  kept = true;
  if (told)
    (void)PMPI_Status_set_elements(status, MPI_BYTE, count * size);
  return MPI_SUCCESS;
}

int facet_file_error_read(MPI_File file, MPI_Offset at, int code, const MPI_Status *status, int count,
                          MPI_Datatype type)
{
  int size = 0, moved = 0;
  MPI_Offset begin = 0, whole = 0;
  if (code != MPI_SUCCESS || !status || status == MPI_STATUS_IGNORE || PMPI_Type_size(type, &size) != MPI_SUCCESS ||
      PMPI_Get_elements(status, MPI_BYTE, &moved) != MPI_SUCCESS || moved == count * size)
    return code;
  bool known =
      PMPI_File_get_byte_offset(file, at, &begin) == MPI_SUCCESS && PMPI_File_get_size(file, &whole) == MPI_SUCCESS;
  return known && begin + moved < whole ? MPI_ERR_IO : code;
}

const char *facet_file_error_take(void)
{
  bool any = kept;
  kept = false;
  return any ? text : NULL;
}
