/* Starting a rank that is alone without Open MPI's daemon and its search for networks.
 *
 * Without the daemon every process of a user takes itself for the same job, so each has a folder of its own, where Open
 * MPI would have the job's.  It is locked as long as the process lives: folders that nobody has locked are those of
 * processes that were killed, and go. */
#include "launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 8, OPEN_AT_ONCE = 8 };

/* Where Open MPI would have it, in its own order. */
static const char *scratch(void)
{
  static const char *const names[] = {"OMPI_MCA_orte_tmpdir_base", "TMPDIR", "TEMP", "TMP"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *folder = getenv(names[i]);
    if (folder && *folder)
      return folder;
  }
  return "/tmp";
}

/* A folder of this user's, and of nobody else's. */
static bool make_own(const char *path)
{
  struct stat about;
  (void)mkdir(path, 0700);
  return lstat(path, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid();
}

static int remove_one(const char *path, const struct stat *about, int what, struct FTW *place)
{
  (void)about, (void)what, (void)place;
  (void)remove(path);
  return 0;
}

static void remove_left(const char *folder)
{
  DIR *entries = opendir(folder);
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] == '.' || length >= (int)sizeof path)
      continue;
    int left = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (left >= 0 && flock(left, LOCK_EX | LOCK_NB) == 0)
      (void)nftw(path, remove_one, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS);
    if (left >= 0)
      (void)close(left);
  }
  if (entries)
    (void)closedir(entries);
}

/* Makes and locks it, for the life of the process; anew where another one has just taken it for left. */
static bool hold(const char *path)
{
  for (int i = 0; i < TRIES && make_own(path); i++) {
    struct stat locked, there;
    int own = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (own >= 0 && flock(own, LOCK_EX | LOCK_NB) == 0 && fstat(own, &locked) == 0 && lstat(path, &there) == 0 &&
        locked.st_dev == there.st_dev && locked.st_ino == there.st_ino)
      return true;
    if (own >= 0)
      (void)close(own);
  }
  return false;
}

void facet_launch_alone(void)
{
  char host[256] = "", folder[3072], own[3200];
  const char *base = scratch();
  if (facet_launched())
    return;
  (void)gethostname(host, sizeof host - 1);
  int length = snprintf(folder, sizeof folder, "%s/ompi.facet.%s.%lu", base, host, (unsigned long)geteuid());
  if (length >= (int)sizeof folder || !make_own(folder))
    return;
  remove_left(folder);
  (void)snprintf(own, sizeof own, "%s/%ld", folder, (long)getpid());
  if (!hold(own))
    return;
  setenv("OMPI_MCA_orte_tmpdir_base", base, 0);
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  setenv("OMPI_MCA_orte_jobfam_session_dir", own, 0);
  setenv("OMPI_MCA_pml", "ob1", 0);
  setenv("OMPI_MCA_btl", "self", 0);
}
