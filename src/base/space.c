/* Space on the disk: asked for before a large file is written, and taken when it stands. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PIECE = 1 << 30 }; /* bytes that are reserved at once */

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

/* 0 or errno. Not posix_fallocate, which writes into every block where the file system cannot reserve: hours for a TB.
 * Piece by piece, so that timers, whose signals interrupt it, do not send it back to the beginning. */
static int reserve(int file, off_t size)
{
  for (off_t at = 0; at < size;) {
    off_t piece = size - at < PIECE ? size - at : PIECE;
    if (fallocate(file, 0, at, piece) == 0)
      at += piece;
    else if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) /* it cannot: statvfs has to do */
      break;
    else if (errno != EINTR)
      return errno;
  }
  return fsync(file) == 0 ? 0 : errno;
}

facet_status facet_space_reserve(const char *path, const char *temporary)
{
  struct stat about = {.st_size = 0};
  int file = open(temporary, O_RDWR | O_CLOEXEC);
  FACET_CHECK(file >= 0, FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno));
  int problem = fstat(file, &about) == 0 ? reserve(file, about.st_size) : errno;
  close(file);
  if (problem == ENOSPC) {
    unlink(temporary); /* so that what is free counts without it */
    return check_space(path, (double)about.st_size, true);
  }
  FACET_CHECK(problem == 0, FACET_IO, "%s: cannot reserve %.3f GB: %s", path, (double)about.st_size / 1e9,
              strerror(problem));
  return FACET_OK;
}
