/* A disk with 1 TB free, whatever there is: preloaded, who asks a file system for its room hears so. With
 * SMALL_DISK_AT, a folder, that alone has 100 kB. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

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
