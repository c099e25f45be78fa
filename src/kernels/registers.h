/* The vector registers that a file is compiled for: how many bytes one holds, and how many there are. */
#ifndef FACET_REGISTERS_H
#define FACET_REGISTERS_H

#if defined(__AVX512F__)
enum { FACET_REGISTER = 64, FACET_REGISTERS = 32 };
#elif defined(__AVX__)
enum { FACET_REGISTER = 32, FACET_REGISTERS = 16 };
#elif defined(__aarch64__)
enum { FACET_REGISTER = 16, FACET_REGISTERS = 32 };
#else
enum { FACET_REGISTER = 16, FACET_REGISTERS = 16 };
#endif

#endif
