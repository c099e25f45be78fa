/* Memory that runs out: preloaded, it refuses the nth allocation of facet's own (base/memory.c), and all after it, or
 * that one alone.
 *
 *   LD_PRELOAD=build/tests/failing_memory.so MEMORY_CALL=17 [MEMORY_ONCE=1] facet run ...
 *
 * MEMORY_COUNT=FILE: at the end, the number of allocations is written there (MEMORY_CALL=0: none is refused). Of one
 * rank, MEMORY_RANK; without it, of programs without ranks alone. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long calls;

static long number_of(const char *name)
{
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

static bool is_refused(void)
{
  const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *whose = getenv("MEMORY_RANK");
  if (rank ? !whose || strcmp(rank, whose) != 0 : whose != NULL)
    return false;
  long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED), wanted = number_of("MEMORY_CALL");
  return wanted > 0 && (number_of("MEMORY_ONCE") ? call == wanted : call >= wanted);
}

void *aligned_alloc(size_t alignment, size_t size)
{
  return is_refused() ? NULL : ((void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc"))(alignment, size);
}

__attribute__((destructor)) static void write_count(void)
{
  const char *path = getenv("MEMORY_COUNT");
  FILE *file = path && calls > 0 ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "%ld\n", calls);
    fclose(file);
  }
}
