/* Which facet this is. */
#include "base.h"

#ifndef FACET_REVISION
#define FACET_REVISION "unknown"
#endif
#ifndef FACET_OPTIONS
#define FACET_OPTIONS "(options unknown)"
#endif
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *facet_version(void)
{
  return FACET_VERSION;
}

const char *facet_revision(void)
{
  return FACET_REVISION;
}

const char *facet_compiler(void)
{
  return COMPILER " " FACET_OPTIONS;
}
