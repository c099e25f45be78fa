/* Files that are compiled for several levels of x86-64 processors (LEVELED in the Makefile), so that one program runs
 * on all of them and computes with what it finds.  A level's functions have the level's name behind their own; those of
 * the plain name are made here, one line each, and call what facet_level says.  The Makefile takes the names from these
 * lines.  A build for one kind of processor (ARCH=, or not x86-64) compiles the files once, and none of this. */
#ifndef FACET_LEVELS_H
#define FACET_LEVELS_H

#include "kernels.h"

#ifdef FACET_LEVELS

#define FACET_LEVEL_CALL(name, arguments)                                                                              \
  facet_level() == FACET_VECTORS_AVX512 ? name##_avx512 arguments                                                      \
  : facet_level() == FACET_VECTORS_AVX2 ? name##_avx2 arguments                                                        \
                                        : name##_old arguments

#define FACET_LEVELED(result, name, parameters, arguments)                                                             \
  result name##_old parameters;                                                                                        \
  result name##_avx2 parameters;                                                                                       \
  result name##_avx512 parameters;                                                                                     \
  result name parameters                                                                                               \
  {                                                                                                                    \
    return FACET_LEVEL_CALL(name, arguments);                                                                          \
  }

#define FACET_LEVELED_VOID(name, parameters, arguments)                                                                \
  void name##_old parameters;                                                                                          \
  void name##_avx2 parameters;                                                                                         \
  void name##_avx512 parameters;                                                                                       \
  void name parameters                                                                                                 \
  {                                                                                                                    \
    FACET_LEVEL_CALL(name, arguments);                                                                                 \
  }

#endif
#endif
