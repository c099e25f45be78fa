/* A disk with 1 TB free, whatever there is: preloaded, who asks a file system for its room hears so. With
 * SMALL_DISK_AT, a folder, that alone has 100 kB. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static unsigned long long room_of(const char *path)
{
  const char *small = getenv("SMALL_DISK_AT");
  return small && strcmp(path, small) == 0 ? 100000 : 1000000000000;
}

#define ASKING(name, type)                                                                                             \
  int name(const char *path, struct type *about)                                                                       \
  {                                                                                                                    \
    int failed = ((int (*)(const char *, struct type *))dlsym(RTLD_NEXT, #name))(path, about);                         \
    if (!failed)                                                                                                       \
      about->f_bavail = room_of(path) / about->f_frsize;                                                               \
    return failed;                                                                                                     \
  }

ASKING(statvfs, statvfs)
ASKING(statvfs64, statvfs64)

/* Of an open file, in a folder. */
#define ASKING_OF(name, type)                                                                                          \
  int name(int file, struct type *about)                                                                               \
  {                                                                                                                    \
    char link[64], path[4096] = "";                                                                                    \
    int failed = ((int (*)(int, struct type *))dlsym(RTLD_NEXT, #name))(file, about);                                  \
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);                                                             \
    if (!failed && readlink(link, path, sizeof path - 1) > 0) {                                                        \
      *strrchr(path, '/') = '\0';                                                                                      \
      about->f_bavail = room_of(path) / about->f_frsize;                                                               \
    }                                                                                                                  \
    return failed;                                                                                                     \
  }

ASKING_OF(fstatvfs, statvfs)
ASKING_OF(fstatvfs64, statvfs64)
