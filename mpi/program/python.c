#include "python.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

/* The path as it is said here: without the working folder in front of it. */
static const char *from_here(const char *path)
{
  char here[PATH_MAX];
  size_t length = getcwd(here, sizeof here) ? strlen(here) : 0;
  bool below = length > 1 && strncmp(path, here, length) == 0 && path[length] == '/';
  return below ? path + length + 1 : path;
}

/* A clone's own Python, absolute and owned by the caller, or NULL: in the folder `up` from that of the program. */
static char *of_clone(const char *self, const char *up)
{
  char folder[PATH_MAX], *above = facet_path_beside(self, up);
  bool there = above && realpath(above, folder);
  char *package = there ? facet_format("%s/analysis/facet/__main__.py", folder) : NULL;
  char *python = package && facet_exists(package) ? facet_format("%s/.venv/bin/python", folder) : NULL;
  FACET_FREE(&above, &package);
  if (python && access(python, X_OK) != 0)
    facet_free(&python);
  return python;
}

void facet_say_report(const char *output)
{
  char self[PATH_MAX] = "";
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  char *python = *self ? of_clone(self, "..") : NULL; /* of build/facet */
  if (*self && !python)
    python = of_clone(self, "../.."); /* of build/mpich/facet */
  printf("next: %s -m facet report %s/study.h5", python ? from_here(python) : "python3", output);
  facet_free(&python);
}
