/* Whole files.  What is written appears under its name complete or not at all: it goes to a temporary beside it,
 * is synced, and then takes the name in one step. */
#include "base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

/* Opening a pipe does not wait for who writes into it. */
facet_status facet_open_file(const char *path, int *file, size_t *size)
{
  struct stat about = {0};
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  FACET_CHECK(*file >= 0, FACET_NO_INPUT, "%s: %s", path, strerror(errno));
  facet_status status = FACET_OK;
  if (fstat(*file, &about) != 0)
    status = facet_raise(FACET_IO, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(about.st_mode))
    status = facet_raise(FACET_NO_INPUT, "%s: is a %s, not a file", path,
                         S_ISDIR(about.st_mode)    ? "folder"
                         : S_ISFIFO(about.st_mode) ? "pipe"
                                                   : "device");
  if (status != FACET_OK)
    close(*file);
  *size = (size_t)about.st_size;
  return status;
}

facet_status facet_check_file(const char *path)
{
  int file;
  size_t size;
  FACET_TRY(facet_open_file(path, &file, &size));
  close(file);
  return FACET_OK;
}

static facet_status read_all(int file, const char *path, uint8_t **bytes, size_t *count)
{
  size_t room = *count + 1; /* one more than the expected size sees the end without growing, and holds the NUL */
  size_t filled = 0;
  FACET_NEW(*bytes, room + 1);
  for (;;) {
    ssize_t got = read(file, *bytes + filled, room - filled);
    if (got < 0 && errno == EINTR)
      continue;
    FACET_CHECK(got >= 0, FACET_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (got == 0)
      break;
    filled += (size_t)got;
    if (filled == room) {
      FACET_TRY(facet_grow(bytes, filled, 2 * room + 4096 + 1, 1));
      room = 2 * room + 4096;
    }
  }
  (*bytes)[filled] = 0;
  *count = filled;
  return FACET_OK;
}

facet_status facet_read_file(const char *path, uint8_t **bytes, size_t *count)
{
  *bytes = NULL;
  *count = 0;
  int file;
  FACET_TRY(facet_open_file(path, &file, count));
  facet_status status = read_all(file, path, bytes, count);
  close(file);
  if (status != FACET_OK) {
    facet_free(bytes);
    *count = 0;
  }
  return status;
}

int facet_read_at(int file, size_t at, size_t count, void *to, size_t *got)
{
  for (*got = 0; *got < count;) {
    ssize_t some = pread(file, (char *)to + *got, count - *got, (off_t)(at + *got));
    if (some < 0 && errno == EINTR)
      continue;
    if (some <= 0)
      return some < 0 ? errno : 0;
    *got += (size_t)some;
  }
  return 0;
}

/* ---- writing ---- */

/* Between a file's name and a number, that of the thread that writes it: no name that somebody else gives, such as
 * those of the pieces that split makes. */
#define TEMPORARY ".facet-part-"

int facet_write_at(int file, size_t at, size_t count, const void *from)
{
  for (size_t put = 0; put < count;) {
    ssize_t some = pwrite(file, (const char *)from + put, count - put, (off_t)(at + put));
    if (some < 0 && errno == EINTR)
      continue;
    if (some <= 0)
      return some < 0 ? errno : ENOSPC;
    put += (size_t)some;
  }
  return 0;
}

/* A full disk is not a wrong name: it may be emptied, and the same command works. */
static bool disk_is_full(int error)
{
  return error == ENOSPC || error == EDQUOT || error == EIO;
}

static facet_status raise_write(const char *path, int error)
{
  if (disk_is_full(error))
    return facet_raise(FACET_IO, "%s: cannot be written: %s", path, strerror(error));
  return facet_raise(FACET_CANNOT_CREATE, "%s: cannot be created: %s", path, strerror(error));
}

static facet_status write_all(int file, const char *path, const uint8_t *bytes, size_t count)
{
  size_t written = 0;
  while (written < count) {
    ssize_t put = write(file, bytes + written, count - written);
    if (put < 0 && errno == EINTR)
      continue;
    FACET_CHECK(put >= 0, FACET_IO, "%s: cannot be written: %s", path, strerror(errno));
    written += (size_t)put;
  }
  return FACET_OK;
}

/* Writes to what `open` gave, syncs and closes. Devices and pipes cannot be synced, and need not be. */
static facet_status write_and_close(int file, const char *path, const void *bytes, size_t count)
{
  facet_status status = write_all(file, path, bytes, count);
  if (status == FACET_OK && fsync(file) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
    status = facet_raise(FACET_IO, "%s: cannot be written: %s", path, strerror(errno));
  if (close(file) != 0 && status == FACET_OK)
    status = facet_raise(FACET_IO, "%s: cannot be written: %s", path, strerror(errno));
  return status;
}

void facet_sync_folder_of(const char *path)
{
  char *folder = facet_path_beside(path, ".");
  int file = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (file >= 0) {
    (void)fsync(file);
    close(file);
  }
  facet_free(&folder);
}

static facet_status write_and_rename(const char *temporary, const char *path, const void *bytes, size_t count)
{
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file < 0)
    return raise_write(path, errno);
  facet_status status = write_and_close(file, path, bytes, count);
  if (status == FACET_OK && rename(temporary, path) != 0)
    status = raise_write(path, errno);
  if (status != FACET_OK)
    unlink(temporary);
  return status;
}

/* Two threads may write the same file. */
char *facet_temporary(const char *path)
{
  return facet_format("%s" TEMPORARY "%ld", path, (long)gettid());
}

facet_status facet_write_file(const char *path, const void *bytes, size_t count)
{
  struct stat about;
  if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) { /* a device or a pipe keeps its place */
    int file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? raise_write(path, errno) : write_and_close(file, path, bytes, count);
  }
  char *temporary = facet_temporary(path);
  if (!temporary)
    return FACET_OS;
  facet_status status = write_and_rename(temporary, path, bytes, count);
  facet_free(&temporary);
  if (status == FACET_OK)
    facet_sync_folder_of(path);
  return status;
}

/* of: the name of a file; NULL: any. */
static bool is_temporary(const char *name, const char *of)
{
  const char *number = NULL, *part = name;
  while ((part = strstr(part, TEMPORARY)))
    number = part += strlen(TEMPORARY);
  bool ours = number && *number && number[strspn(number, "0123456789")] == '\0';
  size_t stem = ours ? (size_t)(number - name) - strlen(TEMPORARY) : 0;
  return ours && (!of || (strlen(of) == stem && strncmp(name, of, stem) == 0));
}

static void remove_temporaries(const char *folder, const char *of)
{
  DIR *entries = opendir(folder);
  for (struct dirent *entry; entries && (entry = readdir(entries));)
    if (is_temporary(entry->d_name, of))
      (void)unlinkat(dirfd(entries), entry->d_name, 0);
  if (entries)
    closedir(entries);
}

void facet_remove_temporaries(const char *folder)
{
  remove_temporaries(folder, NULL);
}

void facet_remove_temporaries_of(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *folder = facet_path_beside(path, ".");
  if (folder)
    remove_temporaries(folder, slash ? slash + 1 : path);
  facet_free(&folder);
}

/* ---- folders ---- */

static bool is_folder(const char *path)
{
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static facet_status make_one(const char *path)
{
  if (mkdir(path, 0777) == 0)
    return FACET_OK;
  int problem = errno;
  if (is_folder(path)) /* another process may have been faster */
    return FACET_OK;
  return raise_write(path, problem == EEXIST ? ENOTDIR : problem);
}

facet_status facet_make_folder(const char *path)
{
  char *part = facet_copy_text(path);
  if (!part)
    return FACET_OS;
  facet_status status = FACET_OK;
  for (char *slash = strchr(part + 1, '/'); part[0] && slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    FACET_GO(out, status, make_one(part));
    *slash = '/';
  }
  status = make_one(part);
out:
  facet_free(&part);
  return status;
}

bool facet_exists(const char *path)
{
  struct stat about;
  return stat(path, &about) == 0;
}

bool facet_still_there(const char *path, int file)
{
  struct stat name, held;
  return stat(path, &name) == 0 && fstat(file, &held) == 0 && name.st_ino == held.st_ino && name.st_dev == held.st_dev;
}

/* ---- without a name ---- */

facet_status facet_nameless_file(const char *what, int *file, char **folder)
{
  const char *asked = getenv("TMPDIR");
  *file = -1;
  *folder = facet_copy_text(asked && asked[0] ? asked : "/tmp");
  char *name = *folder ? facet_format("%s/%s-XXXXXX", *folder, what) : NULL;
  if (!name)
    return FACET_OS;
  *file = mkostemp(name, O_CLOEXEC);
  facet_status status = FACET_OK;
  if (*file < 0)
    status = facet_raise(FACET_IO, "no file can be made in %s, the folder TMPDIR: %s", *folder, strerror(errno));
  else
    unlink(name);
  facet_free(&name);
  return status;
}

bool facet_file_tell(int file, facet_told_file *told)
{
  struct stat about;
  if (fstat(file, &about) != 0)
    return false;
  *told = (facet_told_file){getpid(), file, (int64_t)about.st_dev, (int64_t)about.st_ino};
  return true;
}

int facet_file_open_told(const facet_told_file *told)
{
  facet_told_file there;
  char name[64];
  (void)snprintf(name, sizeof name, "/proc/%lld/fd/%lld", (long long)told->process, (long long)told->file);
  int own = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (own < 0 || (facet_file_tell(own, &there) && there.device == told->device && there.inode == told->inode))
    return own;
  close(own);
  return -1;
}
