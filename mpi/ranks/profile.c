/* Counting calls of MPI: see profile.h.
 *
 * MPI has a second name for each of its functions, PMPI_..., so that a program may define the first itself (MPI 3.1,
 * chapter 14).  Those that are defined here count, and call the second; libraries that the program is linked with find
 * them, too. */
#include "profile.h"

#include <mpi.h>
#include <stdio.h>

#include "base/process_memory.h"
#include "file_errors.h"

/* STORING: numbers of a file, by one rank for itself; TOGETHER: by all ranks, who wait for each other there. */
typedef enum { MESSAGE, WAITING, COLLECTIVE, STORING, TOGETHER } kind;

static struct {
  bool counts;
  int depth; /* calls inside calls are the outer one's */
  double since;
  facet_profile sums;
} all;

static double enter(kind what)
{
  if (all.depth++ > 0)
    return 0;
  facet_phase_waits(what != STORING);
  return all.counts ? facet_seconds() : 0;
}

/* count: numbers of a file that it moved, of that type. */
static void leave(kind what, double begun, int count, MPI_Datatype type)
{
  int size = 0;
  bool storing = what == STORING || what == TOGETHER;
  if (--all.depth > 0)
    return;
  facet_phase_waits(false);
  if (!all.counts)
    return;
  *(storing ? &all.sums.storing : &all.sums.waiting) += facet_seconds() - begun;
  all.sums.messages += what == MESSAGE;
  all.sums.collective += what == COLLECTIVE;
  if (storing && count > 0 && PMPI_Type_size(type, &size) == MPI_SUCCESS)
    all.sums.bytes += (int64_t)count * size;
}

double facet_profile_enter(void)
{
  return enter(COLLECTIVE);
}

void facet_profile_leave(double begun, bool collective)
{
  leave(collective ? COLLECTIVE : WAITING, begun, 0, MPI_BYTE);
}

/* A function, its parameters and how they are passed on; what it is; a file's numbers that it moves, and their type. */
#define COUNTED(name, what, parameters, arguments, ...)                                                                \
  int MPI_##name parameters                                                                                            \
  {                                                                                                                    \
    double begun = enter(what);                                                                                        \
    int code = PMPI_##name arguments;                                                                                  \
    leave(what, begun, __VA_ARGS__);                                                                                   \
    return code;                                                                                                       \
  }
/* One that all ranks call to change a file; s: its status. */
#define KEPT(name, parameters, arguments, s, n, t)                                                                     \
  int MPI_##name parameters                                                                                            \
  {                                                                                                                    \
    double begun = enter(TOGETHER);                                                                                    \
    facet_file_error_watch();                                                                                          \
    int code = facet_file_error_keep(PMPI_##name arguments, s, n, t);                                                  \
    leave(TOGETHER, begun, n, t);                                                                                      \
    return code;                                                                                                       \
  }
/* One that reads a file. */
#define READ(name, what)                                                                                               \
  int MPI_##name(FILE_AT, IN, MPI_Status *s)                                                                           \
  {                                                                                                                    \
    double begun = enter(what);                                                                                        \
    int code = facet_file_error_read(f, at, PMPI_##name(f, at, b, m, u, s), s, m, u);                                  \
    leave(what, begun, m, u);                                                                                          \
    return code;                                                                                                       \
  }
#define COMM    MPI_Comm c
#define OUT     const void *a, int n, MPI_Datatype t
#define IN      void *b, int m, MPI_Datatype u
#define FILE_AT MPI_File f, MPI_Offset at

/* clang-format off */
COUNTED(Send, MESSAGE, (OUT, int to, int tag, COMM), (a, n, t, to, tag, c), 0, t)
COUNTED(Isend, MESSAGE, (OUT, int to, int tag, COMM, MPI_Request *r), (a, n, t, to, tag, c, r), 0, t)
COUNTED(Recv, WAITING, (IN, int from, int tag, COMM, MPI_Status *s), (b, m, u, from, tag, c, s), 0, u)
COUNTED(Probe, WAITING, (int from, int tag, COMM, MPI_Status *s), (from, tag, c, s), 0, MPI_BYTE)
COUNTED(Sendrecv, MESSAGE, (OUT, int to, int tag, IN, int from, int other, COMM, MPI_Status *s),
        (a, n, t, to, tag, b, m, u, from, other, c, s), 0, t)
COUNTED(Waitall, WAITING, (int n, MPI_Request r[], MPI_Status s[]), (n, r, s), 0, MPI_BYTE)
COUNTED(Barrier, COLLECTIVE, (COMM), (c), 0, MPI_BYTE)
COUNTED(Bcast, COLLECTIVE, (IN, int root, COMM), (b, m, u, root, c), 0, u)
COUNTED(Reduce, COLLECTIVE, (const void *a, IN, MPI_Op o, int root, COMM), (a, b, m, u, o, root, c), 0, u)
COUNTED(Allreduce, COLLECTIVE, (const void *a, IN, MPI_Op o, COMM), (a, b, m, u, o, c), 0, u)
COUNTED(Gather, COLLECTIVE, (OUT, IN, int root, COMM), (a, n, t, b, m, u, root, c), 0, t)
COUNTED(Gatherv, COLLECTIVE, (OUT, void *b, const int m[], const int at[], MPI_Datatype u, int root, COMM),
        (a, n, t, b, m, at, u, root, c), 0, t)
COUNTED(Allgather, COLLECTIVE, (OUT, IN, COMM), (a, n, t, b, m, u, c), 0, t)
COUNTED(Allgatherv, COLLECTIVE, (OUT, void *b, const int m[], const int at[], MPI_Datatype u, COMM),
        (a, n, t, b, m, at, u, c), 0, t)
COUNTED(Comm_dup, COLLECTIVE, (COMM, MPI_Comm *other), (c, other), 0, MPI_BYTE)
COUNTED(Comm_split, COLLECTIVE, (COMM, int color, int key, MPI_Comm *other), (c, color, key, other), 0, MPI_BYTE)
COUNTED(Comm_free, COLLECTIVE, (MPI_Comm *c), (c), 0, MPI_BYTE)
COUNTED(Finalize, COLLECTIVE, (void), (), 0, MPI_BYTE)
COUNTED(File_open, TOGETHER, (COMM, const char *name, int mode, MPI_Info i, MPI_File *f), (c, name, mode, i, f), 0, MPI_BYTE)
COUNTED(File_close, TOGETHER, (MPI_File *f), (f), 0, MPI_BYTE)
KEPT(File_sync, (MPI_File f), (f), NULL, 0, MPI_BYTE)
READ(File_read_at, STORING)
READ(File_read_at_all, TOGETHER)
COUNTED(File_write_at, STORING, (FILE_AT, OUT, MPI_Status *s), (f, at, a, n, t, s), n, t)
KEPT(File_write_at_all, (FILE_AT, OUT, MPI_Status *s), (f, at, a, n, t, s), s, n, t)
/* clang-format on */

/* ---- taking ---- */

/* Linux forgets how much a process had in memory at the most. */
static void begin_memory_anew(void)
{
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (!file)
    return;
  (void)fputs("5", file);
  (void)fclose(file);
}

void facet_profile_begin(void)
{
  all.counts = true;
  all.since = facet_seconds();
  begin_memory_anew();
}

facet_profile facet_profile_take(void)
{
  double now;
  facet_profile taken = all.sums;
  if (!all.counts)
    return taken;
  taken.seconds = facet_seconds() - all.since;
  facet_memory_resident(&now, &taken.memory);
  all.sums = (facet_profile){.seconds = 0};
  all.since += taken.seconds;
  begin_memory_anew();
  return taken;
}

void facet_profile_unit(void)
{
  all.sums.units += all.counts;
}

void facet_profile_stored(double seconds)
{
  all.sums.storing += all.counts ? seconds : 0;
}
