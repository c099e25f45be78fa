/* A kill right before a checkpoint is removed: preloaded, it lets no file of that name be removed. */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

int unlink(const char *path)
{
  static const char end[] = ".checkpoint";
  size_t length = strlen(path);
  if (length >= sizeof end && strcmp(path + length - (sizeof end - 1), end) == 0)
    return 0;
  return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}
