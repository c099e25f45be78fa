/* The ground of the library's face: versions, status codes, errors, memory.
 *
 * Every function that can fail returns a facet_status, and what it makes comes back through its last arguments, which
 * are untouched or NULL after a failure.  Who is handed a pointer to a handle destroys it, by the address of the
 * pointer, which is nulled; destroying NULL does nothing.
 *
 * Threads.  Functions may be called from any number of threads at once, if no two of these calls use one and the same
 * handle and one of them changes it.  A handle taken as const is only read, so many threads may share a network, a data
 * set or a mask; but an executor belongs to one thread at a time, whatever is asked of it, and may go from one to the
 * next.  Messages are each thread's own.  Settings of the process are facet_kernels_threads alone.  The library's own
 * calls of HDF5 take turns; a program that calls HDF5 itself, in another thread at the same time, needs an HDF5 that is
 * built for threads.  What the caller has set is left as it was: HDF5's error handler, OpenMP's number of threads
 * (facet_kernels_threads apart), signals, locale. */
#ifndef FACET_FACE_BASE_H
#define FACET_FACE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between these stand the declarations of functions that the libraries export; nothing else is. */
#ifdef __GNUC__
#define FACET_VISIBLE _Pragma("GCC visibility push(default)")
#define FACET_HIDDEN  _Pragma("GCC visibility pop")
#else
#define FACET_VISIBLE
#define FACET_HIDDEN
#endif
#ifdef __cplusplus
#define FACET_BEGIN                                                                                                    \
  FACET_VISIBLE extern "C"                                                                                             \
  {
#define FACET_END                                                                                                      \
  }                                                                                                                    \
  FACET_HIDDEN
#else
#define FACET_BEGIN FACET_VISIBLE
#define FACET_END   FACET_HIDDEN
#endif

FACET_BEGIN

/* ---- versions ---- */

#define FACET_VERSION_MAJOR  0 /* of these headers; the only place where it stands */
#define FACET_VERSION_MINOR  1
#define FACET_VERSION_PATCH  0
#define FACET_QUOTED_TEXT(x) #x
#define FACET_QUOTED(x)      FACET_QUOTED_TEXT(x)
#define FACET_VERSION                                                                                                  \
  FACET_QUOTED(FACET_VERSION_MAJOR) "." FACET_QUOTED(FACET_VERSION_MINOR) "." FACET_QUOTED(FACET_VERSION_PATCH)
/* For #if: whether these headers are of this version or a later one. */
#define FACET_VERSION_AT_LEAST(major, minor, patch)                                                                    \
  (FACET_VERSION_MAJOR > (major) ||                                                                                    \
   (FACET_VERSION_MAJOR == (major) &&                                                                                  \
    (FACET_VERSION_MINOR > (minor) || (FACET_VERSION_MINOR == (minor) && FACET_VERSION_PATCH >= (patch)))))

const char *facet_version(void);  /* of the library in use: "0.1.0" */
const char *facet_revision(void); /* the git revision it was built from, or "unknown" */
const char *facet_compiler(void); /* the compiler that built it, with its options: "gcc 12.2.0 -O3 -march=native" */

/* ---- status: sysexits numbers, so that a status is also the exit status of a program ---- */

typedef enum {
  FACET_OK = 0,
  FACET_USAGE = 64,         /* wrong command line */
  FACET_BAD_INPUT = 65,     /* a file or a study says something wrong */
  FACET_NO_INPUT = 66,      /* an input is missing or unreadable */
  FACET_INTERNAL = 70,      /* a fault of facet itself, or of a library */
  FACET_OS = 71,            /* out of memory */
  FACET_CANNOT_CREATE = 73, /* an output cannot be created */
  FACET_IO = 74,            /* reading or writing failed: disk full, for one */
  FACET_INTERRUPTED = 75,   /* stopped on request; run again to go on */
  FACET_DIVERGED = 76       /* a training's loss is no longer finite: that network is lost, others are not */
} facet_status;

/* What went wrong last.  Each thread has one of its own, and may put one that the caller owns in its place; it begins
 * as {0}. */
typedef struct {
  facet_status status;
  char message[2048]; /* one line, no trailing newline: "FILE: node NAME (Type): why"; "": there was no failure */
} facet_error;

/* From now on the failures of the calling thread go into `error`, which has to live until another one takes its place,
 * and which one thread at a time may use; NULL: into the thread's own. Returns what it replaces; NULL: the thread's
 * own.
 */
facet_error *facet_error_use(facet_error *error);

/* The message of the calling thread's last failure, "" if there was none: of its own error, or of the one in its place.
 * Valid until the thread's next failure. */
const char *facet_message(void);

/* ---- memory ---- */

/* Frees a list that the library made. Takes the address of the pointer, and nulls it. */
void facet_free(void *pointer_to_pointer);

/* Bytes that the library has allocated, for all threads together, and not freed: by differences, what something takes.
 * What HDF5, oneDNN and BLAS take for themselves does not count. */
size_t facet_memory_in_use(void);

/* ---- numbers ---- */

typedef enum { FACET_F32 = 1, FACET_F64 = 2, FACET_I64 = 3 } facet_type;

FACET_END

#endif
