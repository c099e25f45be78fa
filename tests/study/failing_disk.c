/* A disk that fails: preloaded, it lets the nth call that changes a file below a folder fail, and all after it, or that
 * one alone; or, with DISK_READS=1, the nth that reads one.
 *
 *   LD_PRELOAD=build/tests/failing_disk.so DISK_FOLDER=out DISK_CALL=17 DISK_ERROR=28 [DISK_ONCE=1] facet run ...
 *
 * DISK_COUNT=FILE: at the end, the number of calls is written there (DISK_CALL=0: none fails). Of one rank, DISK_RANK
 * (0), and of programs without ranks alone. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FAILING "DISK"
#include "failing.h"

static bool is_watched(const char *path)
{
  const char *folder = getenv("DISK_FOLDER"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  return folder && path && (!rank || strtol(rank, NULL, 10) == number_of("DISK_RANK")) && strstr(path, folder);
}

/* Whether this call is to fail. */
static bool fails(const char *path, bool reads)
{
  bool now = is_watched(path) && (reads == (number_of("DISK_READS") != 0)) && call_fails();
  if (now)
    errno = (int)number_of("DISK_ERROR");
  return now;
}

static bool fails_at(int file, bool reads)
{
  char link[40], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0)
    return false;
  path[length] = '\0';
  return fails(path, reads);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define ON(reads, type, name, takes, ...)                                                                              \
  type name takes                                                                                                      \
  {                                                                                                                    \
    return fails_at(file, reads) ? -1 : NEXT(name)(__VA_ARGS__);                                                       \
  }
#define ON_FILE(type, ...) ON(false, type, __VA_ARGS__)
#define READING(...)       ON(true, ssize_t, __VA_ARGS__)

ON_FILE(ssize_t, write, (int file, const void *from, size_t count), file, from, count)
ON_FILE(ssize_t, pwrite, (int file, const void *from, size_t count, off_t at), file, from, count, at)
ON_FILE(ssize_t, pwrite64, (int file, const void *from, size_t count, off64_t at), file, from, count, at)
ON_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), file, from, count)
ON_FILE(ssize_t, pwritev, (int file, const struct iovec *from, int count, off_t at), file, from, count, at)
ON_FILE(int, fsync, (int file), file)
ON_FILE(int, fdatasync, (int file), file)
ON_FILE(int, ftruncate, (int file, off_t size), file, size)
ON_FILE(int, ftruncate64, (int file, off64_t size), file, size)
ON_FILE(int, fallocate, (int file, int mode, off_t from, off_t size), file, mode, from, size)
ON_FILE(int, fallocate64, (int file, int mode, off64_t from, off64_t size), file, mode, from, size)

READING(read, (int file, void *to, size_t count), file, to, count)
READING(pread, (int file, void *to, size_t count, off_t at), file, to, count, at)
READING(pread64, (int file, void *to, size_t count, off64_t at), file, to, count, at)
READING(readv, (int file, const struct iovec *to, int count), file, to, count)
READING(preadv, (int file, const struct iovec *to, int count, off_t at), file, to, count, at)
READING(preadv64, (int file, const struct iovec *to, int count, off64_t at), file, to, count, at)

int rename(const char *from, const char *to)
{
  return fails(to, false) ? -1 : NEXT(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
  return fails(path, false) ? -1 : ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
  if ((flags & O_CREAT) && fails(path, false))
    return -1;
  return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...)                                                                           \
  {                                                                                                                    \
    va_list more;                                                                                                      \
    va_start(more, flags);                                                                                             \
    mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0;                                                        \
    va_end(more);                                                                                                      \
    return open_as(#name, path, flags, mode);                                                                          \
  }

OPEN(open)
OPEN(open64)
