/* Out of memory inside a library: see exhausted.h.
 *
 * Our own code looks at every allocation. Libraries do not all: oneDNN throws std::bad_alloc through C or follows a
 * null pointer. Whether memory was the reason is asked from the system, which is refused some room then. Only what a
 * signal handler may call is called. */
#include "exhausted.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

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

static void end(int signal_number)
{
  if (is_exhausted()) {
    say("facet: out of memory: a limit leaves too little (ulimit -v); facet check says what a study takes\n");
    if (has_launcher)
      say("\036"
          "71\n"); /* see launch.c */
    _exit(FACET_OS);
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
