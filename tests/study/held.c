/* A run that waits for a test: preloaded, it holds rank 0 where it has made the folder or moved the file that HELD_AT
 * ends the path of, until somebody removes HELD_MARK, which it makes, or a signal has been heard.
 *
 *   LD_PRELOAD=build/tests/held.so HELD_AT=variants/dense.onnx HELD_MARK=mark facet run ... */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void hold(const char *path)
{
  const char *at = getenv("HELD_AT"), *mark = getenv("HELD_MARK"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  const struct timespec while_waiting = {0, 2000000};
  if (!at || !mark || (rank && strcmp(rank, "0") != 0) || strlen(path) < strlen(at) ||
      strcmp(path + strlen(path) - strlen(at), at) != 0)
    return;
  close(open(mark, O_CREAT | O_WRONLY, 0666));
  while (access(mark, F_OK) == 0 && nanosleep(&while_waiting, NULL) == 0) {
  }
}

int rename(const char *from, const char *to)
{
  int failed = ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
  if (!failed)
    hold(to);
  return failed;
}

int mkdir(const char *path, mode_t mode)
{
  int failed = ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
  if (!failed)
    hold(path);
  return failed;
}
