/* What goes on where nothing is counted, said when it takes long: by a timer, since whoever is busy cannot look at the
 * clock. Whatever else is said starts the silence anew. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

enum { FIRST = 2, AGAIN = 20 }; /* seconds of silence */

static const char *volatile doing;
static volatile sig_atomic_t said; /* of this phase already */
static volatile time_t begun;

static time_t now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static void listen_after(double seconds)
{
  struct itimerval timer = {.it_interval = {.tv_sec = AGAIN}};
  timer.it_value.tv_sec = (time_t)seconds;
  timer.it_value.tv_usec = (suseconds_t)(1e6 * (seconds - (double)(time_t)seconds));
  setitimer(ITIMER_REAL, &timer, NULL);
}

static size_t add(char *line, size_t length, const char *text)
{
  for (; *text && length < 200; text++)
    line[length++] = *text;
  return length;
}

/* In a signal handler: nothing but write. */
static void say(int signal_number)
{
  char line[240], digits[24], *digit = digits + sizeof digits - 1;
  const char *what = doing;
  (void)signal_number;
  if (!what)
    return;
  size_t length = add(line, add(line, 0, "facet: "), what);
  *digit = '\0';
  for (time_t seconds = now() - begun; seconds > 0; seconds /= 10)
    *--digit = (char)('0' + seconds % 10);
  if (said && *digit)
    length = add(line, add(line, add(line, length, ", "), digit), " s");
  else
    length = add(line, length, " ...");
  line[length++] = '\n';
  (void)!write(STDERR_FILENO, line, length);
  said = 1;
}

const char *facet_phase(const char *what)
{
  const char *before = doing, *silence = getenv("FACET_SILENCE");
  double first = silence ? strtod(silence, NULL) : FIRST;
  struct sigaction action = {.sa_handler = say, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, NULL);
  doing = what;
  said = 0;
  begun = now();
  listen_after(what ? first : 0);
  if (what && silence && first <= 0)
    say(SIGALRM);
  return before;
}

void facet_phase_heard(bool stays)
{
  if (doing)
    listen_after(stays ? 0 : AGAIN);
}
