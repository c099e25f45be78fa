/* The lock of an output folder: see lock.h.
 *
 * A POSIX record lock on a file: the kernel, or the lock manager of a network file system, frees it when its owner
 * dies, so nothing has to be guessed from times or process numbers. The text in the file is for people. Who ends well
 * removes the file while it holds it; so whoever gets the lock looks whether the name still means the same file. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ranks/agree.h"

enum { MOST_WORDS = 200 };

/* 0, or errno: EAGAIN if another process holds it. */
static int try_lock(int file)
{
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int problem;
  do
    problem = fcntl(file, F_SETLK, &whole) == 0 ? 0 : errno;
  while (problem == EINTR);
  return problem == EACCES ? EAGAIN : problem;
}

static facet_status refuse(const char *folder, int file)
{
  char words[MOST_WORDS] = "";
  ssize_t got = pread(file, words, sizeof words - 1, 0);
  words[got > 0 ? got : 0] = '\0';
  words[strcspn(words, "\n")] = '\0';
  return facet_raise(FACET_CANNOT_CREATE, "%s: another run is at work there%s%s; wait for it, or choose another output",
                     folder, words[0] ? ": " : "", words);
}

static void write_words(int file)
{
  char host[100] = "", when[40], words[MOST_WORDS];
  time_t now = time(NULL);
  struct tm parts;
  (void)gethostname(host, sizeof host - 1);
  (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &parts));
  int count = snprintf(words, sizeof words, "process %ld on %s, since %s\n", (long)getpid(), host, when);
  if (ftruncate(file, 0) != 0 || pwrite(file, words, (size_t)count, 0) != count)
    return; /* a full disk: the lock holds all the same */
}

/* Two runs that do not see each other would spoil what both make; a file that is there or not says nothing of an owner
 * that died. So it is the user's to see to. */
static facet_status without_locks(const char *folder, int problem)
{
  const char *said = getenv("FACET_UNLOCKED");
  FACET_CHECK(
      said && strcmp(said, "1") == 0, FACET_CANNOT_CREATE,
      "%s: its file system has no locks (%s), so two runs there at once would not see each other: choose another "
      "output, or let one at a time work there and set FACET_UNLOCKED=1",
      folder, strerror(problem));
  return FACET_OK;
}

/* Of a file that is open. *again: it was somebody's who has left since. */
static facet_status lock_file(const char *folder, const facet_lock *lock, bool *again)
{
  int problem = try_lock(lock->file);
  *again = false;
  if (problem == EAGAIN)
    return refuse(folder, lock->file);
  if (problem == ENOLCK || problem == ENOTSUP || problem == ENOSYS || problem == EINVAL)
    FACET_TRY(without_locks(folder, problem));
  else if (problem != 0)
    return facet_raise(FACET_IO, "%s: cannot be locked: %s", lock->path, strerror(problem));
  *again = !facet_still_there(lock->path, lock->file);
  if (!*again)
    write_words(lock->file);
  return FACET_OK;
}

/* The folders on a path that are not there: the last ones of it. */
static int count_missing(const char *folder)
{
  char *path = facet_copy_text(folder), *slash = path;
  int count = 0;
  while (slash && *path && !facet_exists(path)) {
    count++;
    slash = strrchr(path, '/');
    if (slash)
      *slash = '\0';
  }
  facet_free(&path);
  return count;
}

/* What is not empty, and what is above it, stays. */
static void remove_made(const facet_lock *lock)
{
  char *path = facet_copy_text(lock->path), *slash;
  for (int i = 0; path && i < lock->made && (slash = strrchr(path, '/')); i++) {
    *slash = '\0';
    if (rmdir(path) != 0)
      break;
  }
  facet_free(&path);
}

facet_status facet_lock_take(const char *folder, facet_lock *lock)
{
  bool again = true;
  *lock = (facet_lock){.file = -1, .made = count_missing(folder)};
  lock->path = facet_format("%s/facet.lock", folder);
  FACET_CHECK(lock->path, FACET_OS, "out of memory");
  while (again) {
    FACET_TRY(facet_make_folder(folder));
    int file = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    int problem = errno;
    if (file < 0 && problem == ENOENT && !facet_exists(folder)) { /* who made it, too, has removed it since */
      FACET_TRY(facet_interrupt_check());
      continue;
    }
    FACET_CHECK(file >= 0, problem == ENOSPC || problem == EDQUOT || problem == EIO ? FACET_IO : FACET_CANNOT_CREATE,
                "%s: cannot be created: %s", lock->path, strerror(problem));
    lock->file = file;
    facet_status status = lock_file(folder, lock, &again);
    if (status != FACET_OK || again) {
      close(file);
      lock->file = -1;
    }
    FACET_TRY(status);
  }
  return FACET_OK;
}

bool facet_lock_is_lost(const facet_lock *lock)
{
  return lock->path && lock->file >= 0 && !facet_still_there(lock->path, lock->file);
}

void facet_lock_release(facet_lock *lock)
{
  if (lock->path && lock->file >= 0) {
    if (facet_still_there(lock->path, lock->file)) { /* else it is another run's */
      (void)unlink(lock->path);
      remove_made(lock);
    }
    close(lock->file);
  } else if (lock->path) {
    remove_made(lock);
  }
  facet_free(&lock->path);
  lock->file = -1;
}
