/* Space on the disk: asked for before a large file is written, and taken when it stands. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* refused: the system has said so already. */
static facet_status check_space(const char *path, double needed, bool refused)
{
  char *folder = facet_path_beside(path, ".");
  double room = 0;
  bool known = folder && facet_space_free(folder, &room);
  facet_free(&folder);
  int digits = needed < 1e9 ? 6 : 2;
  FACET_CHECK(!refused || known, FACET_IO, "%s: no space left: %.*f GB needed", path, digits, needed / 1e9);
  FACET_CHECK(!refused && (!known || needed <= room), FACET_IO, "%s: no space left: %.*f GB needed, %.*f GB free", path,
              digits, needed / 1e9, digits, room / 1e9);
  return FACET_OK;
}

facet_status facet_space_check(const char *path, double bytes)
{
  return check_space(path, bytes, false);
}

bool facet_space_free(const char *folder, double *bytes)
{
  struct statvfs s = {.f_frsize = 0};
  char *at = facet_copy_text(folder), *slash;
  while (at && statvfs(at, &s) != 0 && (slash = strrchr(at, '/')) && slash > at)
    *slash = '\0';
  facet_free(&at);
  *bytes = (double)s.f_bavail * (double)s.f_frsize;
  return s.f_blocks > 0;
}

/* 0 or errno. */
static int reserve(int file, off_t *size)
{
  struct stat about;
  if (fstat(file, &about) != 0)
    return errno;
  *size = about.st_size;
  int problem = posix_fallocate(file, 0, about.st_size);
  if (problem == EOPNOTSUPP || problem == EINVAL) /* a file system that cannot: statvfs has to do */
    problem = 0;
  return problem == 0 && fsync(file) != 0 ? errno : problem;
}

facet_status facet_space_reserve(const char *path, const char *temporary)
{
  off_t size = 0;
  int file = open(temporary, O_RDWR | O_CLOEXEC);
  FACET_CHECK(file >= 0, FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno));
  int problem = reserve(file, &size);
  close(file);
  if (problem == ENOSPC) {
    unlink(temporary); /* so that what is free counts without it */
    return check_space(path, (double)size, true);
  }
  FACET_CHECK(problem == 0, FACET_IO, "%s: cannot reserve %.3f GB: %s", path, (double)size / 1e9, strerror(problem));
  return FACET_OK;
}
