/* Which facet this is. */
#include "base.h"

#ifndef FACET_REVISION
#define FACET_REVISION "unknown"
#endif

const char *facet_version(void)
{
  return FACET_VERSION;
}

const char *facet_revision(void)
{
  return FACET_REVISION;
}
