/* Memory of this process: see process_memory.h. */
#include "process_memory.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

void facet_memory_begin(void)
{
#ifdef M_MMAP_THRESHOLD
  mallopt(M_MMAP_THRESHOLD, 1 << 20); /* by itself it grows with what is freed, to 32 MiB */
#endif
}

void facet_memory_trim(void)
{
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

static double status_field(const char *line, const char *name)
{
  double kib = 0;
  if (strncmp(line, name, strlen(name)) == 0)
    (void)sscanf(line + strlen(name), ": %lf", &kib);
  return kib * 1024;
}

void facet_memory_resident(double *now, double *most)
{
  char line[200];
  *now = *most = 0;
  facet_memory_trim();
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status)) {
    *now += status_field(line, "VmRSS");
    *most += status_field(line, "VmHWM");
  }
  if (status)
    (void)fclose(status);
}
