/* Which arrays of a result file are read and written, and when: preloaded, it adds a line to the file ARRAYS_USED for
 * each time, "r" or "w" and the array's path, of all ranks in their order. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(char how, int64_t set)
{
  char line[1000] = {how, ' '};
  int file = open(getenv("ARRAYS_USED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ssize_t length =
      ((ssize_t(*)(int64_t, char *, size_t))dlsym(RTLD_NEXT, "H5Iget_name"))(set, line + 2, sizeof line - 3);
  if (file < 0 || length <= 0 || length >= (ssize_t)sizeof line - 3)
    abort();
  line[2 + length] = '\n';
  if (write(file, line, (size_t)length + 3) != length + 3)
    abort();
  close(file);
}

#define USING(name, how, data)                                                                                         \
  int name(int64_t set, int64_t type, int64_t memory, int64_t space, int64_t list, data to)                            \
  {                                                                                                                    \
    note(how, set);                                                                                                    \
    return ((int (*)(int64_t, int64_t, int64_t, int64_t, int64_t, data))dlsym(RTLD_NEXT, #name))(set, type, memory,    \
                                                                                                 space, list, to);     \
  }

USING(H5Dread, 'r', void *)
USING(H5Dwrite, 'w', const void *)
