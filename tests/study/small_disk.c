/* A disk with 1 TB free, whatever there is: preloaded, who asks a file system for its room hears so. */
#include <dlfcn.h>
#include <sys/statvfs.h>

#define ASKING(name, type)                                                                                             \
  int name(const char *path, struct type *about)                                                                       \
  {                                                                                                                    \
    int failed = ((int (*)(const char *, struct type *))dlsym(RTLD_NEXT, #name))(path, about);                         \
    if (!failed)                                                                                                       \
      about->f_bavail = 1000000000000 / about->f_frsize;                                                               \
    return failed;                                                                                                     \
  }

ASKING(statvfs, statvfs)
ASKING(statvfs64, statvfs64)
