/* Fuzz targets: each hands bytes to one reader, as a file where it wants one.  What comes of them is a thing, which is
 * used a little and freed, or a status with one line; anything else, a sanitizer's word or a hang, is a fault.
 *
 * libFuzzer calls them (make fuzz), or replay.c, which any compiler builds, for the files in found/. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rooms.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* The path of a file of that name, in a folder of this process, in the one that FUZZ_FOLDER names: who sets it takes it
 * away, whatever happens here. */
static inline const char *fuzz_path(const char *name)
{
  static char folder[64], path[4][128];
  static unsigned turn;
  if (!folder[0]) {
    const char *in = getenv("FUZZ_FOLDER");
    if (!in) {
      fprintf(stderr, "FUZZ_FOLDER is not set: a folder for the files that are tried\n");
      abort();
    }
    (void)snprintf(folder, sizeof folder, "%s/%ld", in, (long)getpid());
    (void)mkdir(folder, 0700);
  }
  char *to = path[turn++ % 4];
  (void)snprintf(to, sizeof path[0], "%s/%s", folder, name);
  return to;
}

static inline const char *fuzz_file(const char *name, const void *bytes, size_t count)
{
  const char *path = fuzz_path(name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
    abort();
  return path;
}

/* A failure says one line, whose status is one of bad input. */
static inline void fuzz_refused(facet_status status)
{
  const char *said = facet_message();
  if (status == FACET_INTERNAL || !said[0] || strchr(said, '\n') || strchr(said, '\033')) {
    fprintf(stderr, "status %d: %s\n", (int)status, said);
    abort();
  }
}

#define FUZZ_MOST (1 << 20) /* bytes that are tried */

#endif
