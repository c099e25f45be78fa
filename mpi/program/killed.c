/* Kills for want of memory: see killed.h. Linux' cgroups, of both versions: man 7 cgroups. */
#include "killed.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* The number behind a word at the begin of a line; -1: there is none. */
static long number_in(const char *path, const char *word)
{
  char line[200];
  long number = -1;
  size_t length = strlen(word);
  FILE *file = path ? fopen(path, "r") : NULL;
  while (file && number < 0 && fgets(line, sizeof line, file))
    if (strncmp(line, word, length) == 0 && line[length] == ' ')
      number = strtol(line + length, NULL, 10);
  if (file)
    (void)fclose(file);
  return number;
}

/* A line of /proc/self/cgroup is HIERARCHY:CONTROLLERS:PATH; of version 2 the controllers are none. */
static char *counter_of(char *line)
{
  char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!path)
    return NULL;
  *path++ = '\0';
  path[strcspn(path, "\n")] = '\0';
  if (strcmp(controllers, ":memory") == 0)
    return facet_format("/sys/fs/cgroup/memory%s/memory.oom_control", path);
  return controllers[1] == '\0' ? facet_format("/sys/fs/cgroup%s/memory.events", path) : NULL;
}

long facet_killed_for_memory(void)
{
  char line[4096];
  long killed = -1;
  FILE *file = fopen("/proc/self/cgroup", "r");
  while (file && killed < 0 && fgets(line, sizeof line, file)) {
    char *counter = counter_of(line);
    killed = number_in(counter, "oom_kill");
    facet_free(&counter);
  }
  if (file)
    (void)fclose(file);
  return killed;
}
