/* Whether this processor has what the compiler took for granted, before anything of that is used: a program that was
 * built for another one ends with a line, not with an illegal instruction.  The Makefile compiles this file for any
 * x86-64, and says in FACET_GRANTED what the others were compiled for. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined __x86_64__ && defined FACET_GRANTED

/* Never runs on two threads, nor after main: as plain as can be. */
static void say(const char *words)
{
  if (write(STDERR_FILENO, words, strlen(words)) < 0)
    _exit(70);
}

static void refuse(const char *feature)
{
  const char *rank = getenv("OMPI_COMM_WORLD_RANK");
  if (!rank)
    rank = getenv("PMI_RANK");
  if (!rank || strcmp(rank, "0") == 0) {
    say("facet: built for another processor, this one has no ");
    say(feature);
    say(": build it here, or without -march and ARCH= for any\n");
  }
  _exit(70);
}

/* As preprocessors call them, and as GCC and clang ask for them; in order of age. */
#define NEED(word, name)                                                                                               \
  if (strstr(granted, " " word " ") && !__builtin_cpu_supports(name))                                                  \
  refuse(word)

__attribute__((constructor)) static void check_processor(void)
{
  static const char granted[] = FACET_GRANTED;
  __builtin_cpu_init();
  NEED("SSE4_2", "sse4.2");
  NEED("POPCNT", "popcnt");
  NEED("AVX", "avx");
  NEED("XOP", "xop");
  NEED("FMA4", "fma4");
  NEED("FMA", "fma");
  NEED("AVX2", "avx2");
  NEED("BMI2", "bmi2");
  NEED("AVX512F", "avx512f");
  NEED("AVX512CD", "avx512cd");
  NEED("AVX512BW", "avx512bw");
  NEED("AVX512DQ", "avx512dq");
  NEED("AVX512VL", "avx512vl");
  NEED("AVX512VBMI", "avx512vbmi");
  NEED("AVX512VNNI", "avx512vnni");
  NEED("AVX512VBMI2", "avx512vbmi2");
}

#endif
