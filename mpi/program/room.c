/* Whether a limit on address space (ulimit -v, a batch system's) leaves the libraries room to begin, before any of them
 * runs: OpenBLAS asks again and again for buffers that it does not get, Open MPI follows null pointers while it loads
 * its parts, and none of that ends with a line.  What else wants memory looks at it itself, or see exhausted.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

/* Bytes. A run of a tiny study maps 509 MiB in all (VmPeak, Open MPI 4.1, OpenBLAS 0.3.21 with one thread), of which
 * 120 are the libraries themselves, mapped before this; with less than that nothing gets as far as to read a study. */
enum { ROOM = 352 << 20 };

__attribute__((no_sanitize("address", "undefined"))) static void look(int argc, char **argv, char **environment)
{
  static const char words[] =
      "facet: out of memory: a limit leaves too little for the libraries to start (ulimit -v)\n";
  (void)argc, (void)argv, (void)environment;
  void *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    (void)!write(STDERR_FILENO, words, strlen(words));
    _exit(FACET_OS);
  }
  munmap(room, ROOM);
}

/* Before the constructors of shared libraries, which is what .preinit_array of a program is for (System V ABI). */
__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = look;
