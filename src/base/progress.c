/* How far a stage has come, on stderr: a bar that redraws itself on a terminal, and elsewhere (a job's log) a line
 * every ten seconds and one at the end. */
#include "base.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CELLS = 24, LEAST_CELLS = 6, LINE_BYTES = 512, NOTE_BYTES = 128 };

struct facet_progress {
  char *stage, *unit;
  const char *outer; /* phase */
  char note[NOTE_BYTES];
  int64_t total, done;
  int64_t first; /* where the work began: a resumed stage does not begin at 0 */
  double begun, first_at, drawn_at;
  bool quiet, terminal, started;
};

static int columns_behind; /* of a terminal that what is said is passed on to; 0: none */

void facet_progress_columns(int columns)
{
  columns_behind = columns;
}

double facet_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

facet_status facet_progress_begin(facet_progress **progress, const char *stage, const char *unit, int64_t total,
                                  bool quiet)
{
  *progress = NULL;
  facet_progress *made = NULL;
  FACET_NEW(made, 1);
  made->stage = facet_copy_text(stage);
  made->unit = facet_copy_text(unit);
  if (!made->stage || !made->unit) {
    facet_free(&made->stage);
    facet_free(&made->unit);
    facet_free(&made);
    return FACET_OS;
  }
  made->total = total;
  made->quiet = quiet;
  made->terminal = columns_behind > 0 || isatty(STDERR_FILENO) == 1;
  made->begun = facet_seconds();
  made->drawn_at = made->begun;
  if (!quiet)
    made->outer = facet_phase(made->stage);
  *progress = made;
  return FACET_OK;
}

void facet_progress_note(facet_progress *progress, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(progress->note, sizeof progress->note, format, arguments);
  va_end(arguments);
}

/* Units a second, 0 when nothing is known yet. Measured from the first report, which also leaves out warming up. */
static double rate(const facet_progress *progress, double now)
{
  int64_t count = progress->done - progress->first;
  double seconds = now - progress->first_at;
  if (count <= 0) {
    count = progress->done;
    seconds = now - progress->begun;
  }
  return seconds > 0 && count > 0 ? (double)count / seconds : 0;
}

static void say_rate(char *text, size_t bytes, double per_second)
{
  if (per_second <= 0)
    snprintf(text, bytes, "-/s");
  else if (per_second < 100)
    snprintf(text, bytes, "%.3g/s", per_second);
  else
    snprintf(text, bytes, "%.0f/s", per_second);
}

static void say_duration(char *text, size_t bytes, double seconds)
{
  long long whole = (long long)(seconds + 0.5);
  if (whole >= 3600)
    snprintf(text, bytes, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    snprintf(text, bytes, "%lld:%02lld", whole / 60, whole % 60);
}

static void say_left(char *text, size_t bytes, const facet_progress *progress, double per_second)
{
  char duration[32] = "?";
  if (per_second > 0)
    say_duration(duration, sizeof duration, (double)(progress->total - progress->done) / per_second);
  snprintf(text, bytes, "%s left", duration);
}

static int terminal_columns(void)
{
  struct winsize size = {0};
  if (columns_behind > 0)
    return columns_behind;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/* The bar takes what the words leave of the line; what is still too long is cut, since a wrapped line cannot be
 * redrawn. */
static void draw_bar(const char *stage, double part, const char *words)
{
  char bar[MOST_CELLS + 1] = "";
  int columns = terminal_columns() - 1;
  int cells = columns - (int)strlen(stage) - (int)strlen(words) - 3;
  cells = cells > MOST_CELLS ? MOST_CELLS : cells < LEAST_CELLS ? LEAST_CELLS : cells;
  for (int i = 0; i < cells; i++)
    bar[i] = i < (int)(part * cells) ? '#' : '.';
  char line[2 * LINE_BYTES];
  snprintf(line, sizeof line, "%s [%s]%s", stage, bar, words);
  fprintf(stderr, "\r\033[K%.*s", columns, line);
}

static void draw(const facet_progress *progress, double now)
{
  char words[LINE_BYTES], speed[32], left[48];
  double part = progress->total > 0 ? (double)progress->done / (double)progress->total : 1.0;
  double per_second = rate(progress, now);
  say_rate(speed, sizeof speed, per_second);
  say_left(left, sizeof left, progress, per_second);
  const char *gap = progress->note[0] ? "  " : "";
  if (progress->terminal) {
    snprintf(words, sizeof words, " %3.0f %%  %lld/%lld %s  %s  %s%s%s", floor(100 * part), (long long)progress->done,
             (long long)progress->total, progress->unit, speed, left, gap, progress->note);
    draw_bar(progress->stage, part, words);
  } else {
    fprintf(stderr, "%s: %.0f %%, %lld of %lld %s, %s, %s%s%s\n", progress->stage, floor(100 * part),
            (long long)progress->done, (long long)progress->total, progress->unit, speed, left, gap, progress->note);
  }
  fflush(stderr);
  facet_phase_heard(progress->terminal);
}

void facet_progress_at(facet_progress *progress, int64_t done)
{
  if (!progress)
    return;
  double now = facet_seconds();
  progress->done = done < progress->total ? done : progress->total;
  if (!progress->started) {
    progress->started = true;
    progress->first = progress->done;
    progress->first_at = now;
  }
  if (progress->quiet || now - progress->drawn_at < (progress->terminal ? 0.1 : 10.0))
    return;
  progress->drawn_at = now;
  draw(progress, now);
}

void facet_progress_more(facet_progress *progress, int64_t more)
{
  if (progress)
    progress->total += more;
}

/* At once: where a launcher passes on what ranks say, pieces of a line may be parted. */
static void draw_end(const facet_progress *progress, double now)
{
  char speed[32], duration[32], stopped[48] = "";
  say_rate(speed, sizeof speed, rate(progress, now));
  say_duration(duration, sizeof duration, now - progress->begun);
  if (progress->done < progress->total)
    snprintf(stopped, sizeof stopped, "stopped at %lld of ", (long long)progress->done);
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "%s%s: %s%lld %s in %s, %s%s%s\n", progress->terminal ? "\r\033[K" : "", progress->stage,
           stopped, (long long)progress->total, progress->unit, duration, speed, progress->note[0] ? "  " : "",
           progress->note);
  fputs(line, stderr);
  fflush(stderr);
}

void facet_progress_end(facet_progress **progress)
{
  if (!*progress)
    return;
  if (!(*progress)->quiet) {
    draw_end(*progress, facet_seconds());
    facet_phase((*progress)->outer);
  }
  facet_free(&(*progress)->stage);
  facet_free(&(*progress)->unit);
  facet_free(progress);
}
