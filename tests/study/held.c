/* A run that waits for a test: preloaded, it holds a rank where it has made the folder or moved the file that HELD_AT
 * ends the path of, or said what HELD_AT ends the line of, or comes to MPI_Init if that is HELD_AT, until somebody
 * removes HELD_MARK, which it makes, or a signal has been heard.
 *
 *   LD_PRELOAD=build/tests/held.so HELD_AT=variants/dense.onnx HELD_MARK=mark facet run ...
 *
 * HELD_TIME=n: the nth time (1). HELD_WRITES=n: at the nth pwrite to that file, or its temporary, instead. Of rank 0
 * and of programs without ranks, of HELD_RANK, or, HELD_RANK=all, of each, which counts for itself. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static volatile sig_atomic_t heard;
static void (*meant[NSIG])(int);

static void hear(int number)
{
  heard = 1;
  meant[number](number);
}

/* The program's own handlers, with a note that they were called: a wait that a signal interrupts would miss one that
 * comes between a look at the mark and the wait, or that another thread is given. */
int sigaction(int number, const struct sigaction *wanted, struct sigaction *before)
{
  int (*next)(int, const struct sigaction *, struct sigaction *) =
      (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
  int ours = wanted && !(wanted->sa_flags & SA_SIGINFO) && wanted->sa_handler != SIG_IGN &&
             wanted->sa_handler != SIG_DFL && (number == SIGUSR1 || number == SIGTERM || number == SIGINT);
  if (!ours)
    return next(number, wanted, before);
  struct sigaction noted = *wanted;
  noted.sa_handler = hear;
  meant[number] = wanted->sa_handler;
  return next(number, &noted, before);
}

static long number_of(const char *name, long otherwise)
{
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : otherwise;
}

static bool is_held(void)
{
  const char *wanted = getenv("HELD_RANK"), *ompi = getenv("OMPI_COMM_WORLD_RANK"),
             *rank = ompi ? ompi : getenv("PMI_RANK");
  return !rank || strcmp(wanted ? wanted : "0", rank) == 0 || (wanted && strcmp(wanted, "all") == 0);
}

static bool is_there(const char *path)
{
  const char *at = getenv("HELD_AT");
  return at && strlen(path) >= strlen(at) && strcmp(path + strlen(path) - strlen(at), at) == 0;
}

/* Counts this time, and waits if it is the one. */
static void pass(const char *path, long *count, long wanted)
{
  const char *mark = getenv("HELD_MARK");
  const struct timespec while_waiting = {0, 2000000};
  if (!mark || !is_held() || !is_there(path) || __atomic_add_fetch(count, 1, __ATOMIC_RELAXED) != wanted)
    return;
  close(open(mark, O_CREAT | O_WRONLY, 0666));
  while (!heard && access(mark, F_OK) == 0)
    nanosleep(&while_waiting, NULL);
}

static void pass_made(const char *path)
{
  static long count;
  if (!getenv("HELD_WRITES"))
    pass(path, &count, number_of("HELD_TIME", 1));
}

static void pass_written(int file)
{
  static long count;
  char link[40], path[4096];
  if (!getenv("HELD_WRITES"))
    return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  char *temporary = strstr(path, ".facet-part-");
  if (temporary)
    *temporary = '\0';
  pass(path, &count, number_of("HELD_WRITES", 0));
}

int rename(const char *from, const char *to)
{
  int failed = NEXT(rename)(from, to);
  if (!failed)
    pass_made(to);
  return failed;
}

int mkdir(const char *path, mode_t mode)
{
  int failed = ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
  if (!failed)
    pass_made(path);
  return failed;
}

/* Whichever MPI it is. */
int MPI_Init(int *count, char ***arguments)
{
  pass_made("MPI_Init");
  return ((int (*)(int *, char ***))dlsym(RTLD_NEXT, "MPI_Init"))(count, arguments);
}

/* What facet says by itself, of a phase. */
ssize_t write(int file, const void *from, size_t count)
{
  ssize_t written = NEXT(write)(file, from, count);
  char line[300];
  if (file == STDERR_FILENO && count > 0 && count <= sizeof line) {
    memcpy(line, from, count);
    line[count - 1] = '\0';
    pass_made(line);
  }
  return written;
}

#define WRITING(name, takes, ...)                                                                                      \
  ssize_t name takes                                                                                                   \
  {                                                                                                                    \
    ssize_t written = NEXT(name)(__VA_ARGS__);                                                                         \
    if (written >= 0)                                                                                                  \
      pass_written(file);                                                                                              \
    return written;                                                                                                    \
  }

WRITING(pwrite, (int file, const void *from, size_t count, off_t at), file, from, count, at)
WRITING(pwrite64, (int file, const void *from, size_t count, off64_t at), file, from, count, at)
WRITING(pwritev, (int file, const struct iovec *from, int count, off_t at), file, from, count, at)
WRITING(pwritev64, (int file, const struct iovec *from, int count, off64_t at), file, from, count, at)
