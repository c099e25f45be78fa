/* Which of its kernels OpenBLAS computes with.  It chooses while it is loaded, by a list of processors: one that is
 * newer than the list gets the oldest kernels, several times slower than what it can run.  So a program whose OpenBLAS
 * fell behind starts itself again and tells it which to take. */
#include "kernels.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* What OpenBLAS obeys; and, for the program that was started again, what it had chosen by itself. */
static const char told[] = "OPENBLAS_CORETYPE", before[] = "FACET_BLAS_CORE_BEFORE";

const char *facet_blas_core(void)
{
  return openblas_get_corename();
}

const char *facet_blas_core_before(void)
{
  const char *core = getenv(before);
  return core && strcmp(core, facet_blas_core()) != 0 ? core : NULL;
}

facet_vectors facet_processor_vectors(void)
{
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return FACET_VECTORS_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return FACET_VECTORS_AVX2;
#endif
  return FACET_VECTORS_OLD;
}

const char *facet_blas_core_better(const char *core, facet_vectors can)
{
  /* Cores of x86-64 by the vectors that their kernels use; one that is not listed is newer than this list. */
  static const char *const old[] = {"Unknown", "Katmai",    "Coppermine",   "Northwood",   "Prescott",
                                    "Banias",  "Atom",      "Core2",        "Penryn",      "Dunnington",
                                    "Nehalem", "Athlon",    "Opteron",      "Nano",        "Barcelona",
                                    "Bobcat",  "Bulldozer", "Opteron_SSE3", "Sandybridge", "Piledriver"};
  static const char *const avx2[] = {"Haswell", "Zen", "Steamroller", "Excavator"};
  facet_vectors has = FACET_VECTORS_AVX512;
  for (size_t i = 0; i < sizeof avx2 / sizeof avx2[0]; i++)
    if (strcmp(core, avx2[i]) == 0)
      has = FACET_VECTORS_AVX2;
  for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
    if (strcmp(core, old[i]) == 0)
      has = FACET_VECTORS_OLD;
  if (has >= can)
    return NULL;
  return can == FACET_VECTORS_AVX512 ? "SkylakeX" : "Haswell";
}

void facet_blas_core_fit(char **arguments)
{
  char self[4096];
  const char *core = facet_blas_core(), *better = facet_blas_core_better(core, facet_processor_vectors());
  /* What a user wants, or what was done already, stands; and where the loader was told to load the program, there is
   * no program to start again. */
  if (!better || getenv(told) || getenv(before) || getauxval(AT_BASE) == 0)
    return;
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0)
    return;
  self[length] = 0;
  if (setenv(before, core, 1) == 0 && setenv(told, better, 1) == 0) {
    (void)execv(self, arguments);
    (void)execv("/proc/self/exe", arguments); /* the file was replaced meanwhile */
  }
  unsetenv(told); /* then as it is */
  unsetenv(before);
}

/* Bytes of the buffer that OpenBLAS maps for its calls, by as many threads as call it, and some more. */
enum { BUFFER = 136 << 20 };

facet_status facet_blas_begin(void)
{
  double one = 1, sum = 0;
  void *room = mmap(NULL, BUFFER, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FACET_CHECK(room != MAP_FAILED, FACET_OS, "out of memory: a limit leaves too little for OpenBLAS (ulimit -v)");
  munmap(room, BUFFER);
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, 1, 1, 1, &one, 1, 0, &sum, 1);
  return FACET_OK;
}
