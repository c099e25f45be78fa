/* Crashes inside a library, for want of memory or on a damaged file: see exhausted.h.
 *
 * Our own code looks at every allocation. Libraries do not all: oneDNN throws std::bad_alloc through C or follows a
 * null pointer. Whether memory was the reason is asked from the system, which is refused some room then. Only what a
 * signal handler may call is called.
 *
 * HDF5 crashes on some damaged files; which one it reads it was told. */
#include "exhausted.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hdf5_turn.h"

enum { PROBE = 64 << 20 };

static struct sigaction before[NSIG];
static bool has_launcher;

static bool is_exhausted(void)
{
  void *room = mmap(NULL, PROBE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED)
    return true;
  munmap(room, PROBE);
  return false;
}

static void say(const char *text)
{
  (void)!write(STDERR_FILENO, text, strlen(text));
}

/* status: of two digits. */
static void leave(facet_status status)
{
  char text[] = "\036..\n"; /* see launch.c */
  text[1] = (char)('0' + (int)status / 10);
  text[2] = (char)('0' + (int)status % 10);
  if (has_launcher)
    say(text);
  _exit((int)status);
}

static void end(int signal_number)
{
  const char *file = facet_hdf5_read();
  if (is_exhausted()) {
    say("facet: out of memory: a limit leaves too little (ulimit -v); facet check says what a study takes\n");
    leave(FACET_OS);
  }
  if (file) {
    say("facet: ");
    say(file);
    say(": truncated or damaged: the HDF5 library crashed when it read it\n");
    leave(FACET_BAD_INPUT);
  }
  sigaction(signal_number, &before[signal_number], NULL);
  raise(signal_number);
}

void facet_exhausted_listen(bool ranked)
{
  static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT};
  struct sigaction action = {.sa_handler = end};
  sigemptyset(&action.sa_mask);
  has_launcher = ranked;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    sigaction(signals[i], &action, &before[signals[i]]);
}
