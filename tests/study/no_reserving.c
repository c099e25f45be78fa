/* A file system that cannot reserve space: preloaded, asking for it is interrupted twice, makes NO_RESERVING_MARK, and
 * is refused. What the C library would do in its place, a write into every block, is not meant at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(void)
{
  static int calls;
  const char *mark = getenv("NO_RESERVING_MARK");
  if (++calls == 3 && mark)
    close(open(mark, O_CREAT | O_WRONLY, 0666));
  errno = calls < 3 ? EINTR : EOPNOTSUPP;
  return -1;
}

int fallocate(int file, int mode, off_t from, off_t size)
{
  (void)file, (void)mode, (void)from, (void)size;
  return refuse();
}

int fallocate64(int file, int mode, off64_t from, off64_t size)
{
  (void)file, (void)mode, (void)from, (void)size;
  return refuse();
}

int posix_fallocate(int file, off_t from, off_t size)
{
  (void)file, (void)from, (void)size;
  return EINTR;
}
