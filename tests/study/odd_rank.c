/* A rank that sees files otherwise than rank 0 does, as network file systems let it for a while: preloaded, rank 1
 * cannot open the HDF5 file that ODD_FILE ends the path of, and reads no mark of the first part in the array ODD_MARKS.
 *
 *   LD_PRELOAD=build/tests/odd_rank.so ODD_MARKS=/progress/columns facet run -n 2 ... */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef int64_t hid;

static const char *asked(const char *name)
{
  const char *rank = getenv("OMPI_COMM_WORLD_RANK");
  return rank && strcmp(rank, "1") == 0 ? getenv(name) : NULL;
}

/* Opened together with others it is open there, too. */
hid H5Fopen(const char *path, unsigned flags, hid list)
{
  hid file = ((hid(*)(const char *, unsigned, hid))dlsym(RTLD_NEXT, "H5Fopen"))(path, flags, list);
  const char *end = asked("ODD_FILE");
  return end && strlen(path) >= strlen(end) && strcmp(path + strlen(path) - strlen(end), end) == 0 ? -1 : file;
}

int H5Dread(hid set, hid memory, hid there, hid here, hid list, void *to)
{
  char name[200] = "";
  int done =
      ((int (*)(hid, hid, hid, hid, hid, void *))dlsym(RTLD_NEXT, "H5Dread"))(set, memory, there, here, list, to);
  const char *marks = asked("ODD_MARKS");
  if (marks && ((ssize_t(*)(hid, char *, size_t))dlsym(RTLD_NEXT, "H5Iget_name"))(set, name, sizeof name) > 0 &&
      strcmp(name, marks) == 0)
    *(char *)to = 0;
  return done;
}
