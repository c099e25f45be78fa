/* What goes on where nothing is counted, said when it takes long: by a timer, since whoever is busy cannot look at the
 * clock. Whatever else is said starts the silence anew. Whoever waits for other ranks all the time from one word to the
 * next says so: one of them may hang. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

enum { FIRST = 2, AGAIN = 20, OFTENER = 10 }; /* seconds of silence; again after so many times the first */

static const char *volatile doing;
static volatile sig_atomic_t said; /* of this phase already */
static volatile time_t begun;
static volatile double again = AGAIN;
static volatile sig_atomic_t waits;         /* for other ranks */
static volatile unsigned turns, turns_then; /* it began or ended, up to now and to the last word */

static time_t now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static struct timeval time_of(double seconds)
{
  time_t whole = (time_t)seconds;
  return (struct timeval){whole, (suseconds_t)(1e6 * (seconds - (double)whole))};
}

static void listen_after(double seconds)
{
  const struct itimerval timer = {.it_interval = time_of(again), .it_value = time_of(seconds)};
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
  time_t seconds = now() - begun;
  do
    *--digit = (char)('0' + seconds % 10);
  while (seconds /= 10);
  if (said)
    length = add(line, add(line, add(line, length, ", "), digit), " s");
  else
    length = add(line, length, " ...");
  if (said && waits && turns == turns_then)
    length = add(line, length, ": waiting for other ranks");
  turns_then = turns;
  line[length++] = '\n';
  (void)!write(STDERR_FILENO, line, length);
  said = 1;
}

/* Seconds of silence that the environment asks for, or negative. */
static double asked(void)
{
  const char *silence = getenv("FACET_SILENCE");
  return silence ? fmax(0, strtod(silence, NULL)) : -1;
}

double facet_phase_every(void)
{
  double first = asked();
  return first > 0 ? OFTENER * first : AGAIN;
}

const char *facet_phase(const char *what)
{
  const char *before = doing;
  double first = asked() < 0 ? FIRST : asked();
  struct sigaction action = {.sa_handler = say, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, NULL);
  doing = what;
  said = 0;
  begun = now();
  again = facet_phase_every();
  listen_after(what ? first : 0);
  if (what && first <= 0)
    say(SIGALRM);
  return before;
}

void facet_phase_heard(bool stays)
{
  if (doing)
    listen_after(stays ? 0 : again);
}

void facet_phase_waits(bool for_others)
{
  waits = for_others;
  turns = turns + 1;
}
