/* A run that waits for a test: preloaded, it holds rank 0 where it has made the folder or moved the file that HELD_AT
 * ends the path of, until somebody removes HELD_MARK, which it makes, or a signal has been heard.
 *
 *   LD_PRELOAD=build/tests/held.so HELD_AT=variants/dense.onnx HELD_MARK=mark facet run ... */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static void hold(const char *path)
{
  const char *at = getenv("HELD_AT"), *mark = getenv("HELD_MARK"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  const struct timespec while_waiting = {0, 2000000};
  if (!at || !mark || (rank && strcmp(rank, "0") != 0) || strlen(path) < strlen(at) ||
      strcmp(path + strlen(path) - strlen(at), at) != 0)
    return;
  close(open(mark, O_CREAT | O_WRONLY, 0666));
  while (!heard && access(mark, F_OK) == 0)
    nanosleep(&while_waiting, NULL);
}

int rename(const char *from, const char *to)
{
  int failed = ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
  if (!failed)
    hold(to);
  return failed;
}

int mkdir(const char *path, mode_t mode)
{
  int failed = ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
  if (!failed)
    hold(path);
  return failed;
}
