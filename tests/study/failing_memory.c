/* Memory that runs out: preloaded, it refuses the nth allocation of facet's own (base/memory.c), and all after it, or
 * that one alone.
 *
 *   LD_PRELOAD=build/tests/failing_memory.so MEMORY_CALL=17 [MEMORY_ONCE=1] facet run ...
 *
 * MEMORY_COUNT=FILE: at the end, the number of allocations is written there (MEMORY_CALL=0: none is refused). Of one
 * rank, MEMORY_RANK; without it, of programs without ranks alone. */
#include <dlfcn.h>
#include <string.h>

#define FAILING "MEMORY"
#include "failing.h"

static bool is_refused(void)
{
  const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *whose = getenv("MEMORY_RANK");
  if (rank ? !whose || strcmp(rank, whose) != 0 : whose != NULL)
    return false;
  return call_fails();
}

void *aligned_alloc(size_t alignment, size_t size)
{
  return is_refused() ? NULL : ((void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc"))(alignment, size);
}
