/* Calls that are counted, of which the nth fails, and all after it, or that one alone: for libraries that are
 * preloaded. Who includes it says by FAILING what the names of its variables begin with: FAILING_CALL, _ONCE and
 * _COUNT. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static long calls;

static long number_of(const char *name)
{
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

/* Counts this call; whether it is to fail. */
static bool call_fails(void)
{
  long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED), wanted = number_of(FAILING "_CALL");
  return wanted > 0 && (number_of(FAILING "_ONCE") ? call == wanted : call >= wanted);
}

__attribute__((destructor)) static void write_count(void)
{
  const char *path = getenv(FAILING "_COUNT");
  FILE *file = path && calls > 0 ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "%ld\n", calls);
    fclose(file);
  }
}
