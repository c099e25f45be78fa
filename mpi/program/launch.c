/* Starting the ranks: facet runs mpirun, with itself as what mpirun runs, so that nothing of what is said gets lost.
 *
 * mpirun ends all ranks as soon as one exits with anything but 0, and what they said last is lost now and then; an
 * interrupt from the keyboard reaches it too, and it ends with 1.  Here ranks exit with 0 and rank 0 sends its status
 * as the last thing on standard error, behind a MARK, where the launcher takes it out.  Open MPI 5's loses parts of
 * what is said on a busy machine: ranks on the launcher's own node write into a pipe of its own instead, which they
 * open by the launcher's number and that of the pipe.  Signals go to the launcher alone: it asks the ranks by SIGUSR1,
 * which every mpirun passes on, to stop where they can go on later. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "killed.h"
#include "ranks/versions.h"

#ifndef FACET_BUILD_MPIRUN
#define FACET_BUILD_MPIRUN "mpirun"
#endif

enum { MARK = '\036', MOST_ARGUMENTS = 64, READ_BYTES = 4096, MACHINE = 64 };
static const char PIPE[] = "FACET_PIPE_OF_RANKS";

static volatile pid_t mpirun;
static volatile sig_atomic_t asked;

/* The second time, mpirun itself is to end. */
static void ask(int signal_number)
{
  int before = errno;
  (void)signal_number;
  kill(mpirun, asked ? SIGTERM : SIGUSR1);
  asked = 1;
  errno = before;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void listen_to_signals(void)
{
  struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < SIGNALS; i++)
    sigaction(signals[i], &action, NULL);
}

/* Until there is somebody to be told. */
static void hold_signals(sigset_t *before)
{
  sigset_t held;
  sigemptyset(&held);
  for (size_t i = 0; i < SIGNALS; i++)
    sigaddset(&held, signals[i]);
  sigprocmask(SIG_BLOCK, &held, before);
}

bool facet_launched(void)
{
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (getenv(names[i]))
      return true;
  return false;
}

/* One launcher may run below another, and what the other said is still there: a size that is MPI's settles it where
 * that is of several ranks; 1 may be anybody's. */
facet_status facet_launch_check(int ranks, bool *speaks)
{
  static const char *const names[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, {"PMI_SIZE", "PMI_RANK"}};
  const char *rank = NULL;
  int most = 0, count;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *text = getenv(names[i][0]);
    int size = text ? atoi(text) : 0;
    if (size == ranks && ranks > 1)
      return FACET_OK;
    if (size > most) {
      most = size;
      rank = getenv(names[i][1]);
    }
  }
  if (most <= ranks)
    return FACET_OK;
  char seen[40] = "each is alone";
  if (ranks > 1)
    (void)snprintf(seen, sizeof seen, "MPI sees %d", ranks);
  *speaks = *speaks && (!rank || atoi(rank) == 0);
  return facet_raise(FACET_USAGE,
                     "the launcher started %d processes, but %s: facet is built with %s, whose mpirun has to start it",
                     most, seen, facet_versions(&count)[0].text);
}

/* What Open MPI 4 and 5 need to be told, unless the user has told them: no words of their own, a rank for a hardware
 * thread, more ranks than these where so many are asked for. Under Slurm the allocation says where ranks go. */
static void prepare_mpirun(int ranks)
{
  cpu_set_t cpus;
  bool many = !getenv("SLURM_JOB_ID") && sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < ranks;
  setenv("OMPI_MCA_orte_execute_quiet", "1", 0);
  setenv("OMPI_MCA_hwloc_base_use_hwthreads_as_cpus", "1", 0);
  setenv("PRTE_MCA_rmaps_default_mapping_policy", many ? ":HWTCPUS:OVERSUBSCRIBE" : ":HWTCPUS", 0);
  if (many) {
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
    fprintf(stderr, "facet: %d ranks share %d processors\n", ranks, CPU_COUNT(&cpus));
  }
  if (geteuid() == 0) { /* who asks facet to run as root has decided it */
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
}

static int terminal_columns(void)
{
  struct winsize size = {0};
  if (!isatty(STDERR_FILENO))
    return 0;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/* The build's mpirun, else the one that the PATH has, with the environment's FACET_MPIRUN as options. Returns on
 * failure only. */
static void become_mpirun(int ranks, int columns, char *const arguments[])
{
  static char self[4096];
  char count[16], wide[16], *argument[MOST_ARGUMENTS] = {"mpirun"}, *options = getenv("FACET_MPIRUN"), *rest = NULL;
  int n = 1;
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
    return;
  snprintf(count, sizeof count, "%d", ranks);
  snprintf(wide, sizeof wide, "%d", columns);
  options = options ? strdup(options) : NULL;
  for (char *word = options ? strtok_r(options, " ", &rest) : NULL; word && n < MOST_ARGUMENTS / 2;
       word = strtok_r(NULL, " ", &rest))
    argument[n++] = word;
  char *const ours[] = {"-n", count, self, arguments[0], "--ranked", wide};
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
    argument[n++] = ours[i];
  for (int i = 1; arguments[i] && n < MOST_ARGUMENTS - 1; i++)
    argument[n++] = arguments[i];
  execvp(FACET_BUILD_MPIRUN, argument);
  execvp("mpirun", argument);
}

/* In the new process. A group of its own: an interrupt from the keyboard is the launcher's. It ends with the launcher,
 * even if that is killed. */
static void start_mpirun(int ranks, char *const arguments[], int say, const char *pipe_of_ranks)
{
  int columns = terminal_columns(), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (nothing >= 0)
    dup2(nothing, STDIN_FILENO);
  dup2(say, STDERR_FILENO);
  prepare_mpirun(ranks);
  setenv(PIPE, pipe_of_ranks, 1);
  become_mpirun(ranks, columns, arguments);
  fprintf(stderr, "facet: mpirun: %s\n", strerror(errno));
  facet_launch_report(FACET_NO_INPUT);
  _exit(1);
}

/* What comes through one pipe. */
typedef struct {
  int from;
  char word[16]; /* behind the last MARK */
  size_t words;
  bool marked, ended;
} heard;

/* Passes on what is there as it came, but for what follows a MARK. False: there was nothing. */
static bool pass_on(heard *h)
{
  char text[READ_BYTES];
  ssize_t got = read(h->from, text, sizeof text), plain = 0;
  h->ended = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
  for (ssize_t i = 0; i < got; i++)
    if (text[i] == MARK || h->marked) {
      h->marked = text[i] != '\n';
      h->words = text[i] == MARK ? 0 : h->words; /* several ranks without memory: the last one's */
      if (h->marked && text[i] != MARK && h->words < sizeof h->word - 1)
        h->word[h->words++] = text[i];
    } else {
      text[plain++] = text[i];
    }
  if (plain > 0)
    (void)!write(STDERR_FILENO, text, (size_t)plain);
  return got > 0;
}

/* Until mpirun has ended: the number behind a MARK, or -1. ranks: the pipe of their own, never empty for good, for it
 * is open here, too. */
static int pass_all_on(int mpirun_says, int ranks_say)
{
  heard by_mpirun = {.from = mpirun_says}, by_ranks = {.from = ranks_say};
  struct pollfd both[] = {{.fd = mpirun_says, .events = POLLIN}, {.fd = ranks_say, .events = POLLIN}};
  while (!by_mpirun.ended) {
    if (poll(both, 2, -1) < 0) {
      if (errno == EINTR)
        continue;
      break;
    }
    if (both[1].revents)
      pass_on(&by_ranks);
    if (both[0].revents)
      pass_on(&by_mpirun);
  }
  while (pass_on(&by_ranks))
    ;
  const heard *last = by_ranks.words > 0 ? &by_ranks : &by_mpirun;
  return last->words > 0 ? atoi(last->word) : -1;
}

/* ---- the ranks' pipe ---- */

/* Which machine this is, since it was started last. */
static void read_machine(char machine[MACHINE])
{
  int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? 0 : read(file, machine, MACHINE - 1);
  if (file >= 0)
    close(file);
  machine[got > 0 ? got : 0] = '\0';
  machine[strcspn(machine, "\n")] = '\0';
}

/* Where ranks find it: machine, process, descriptor there, and the number of the pipe. */
static void name_pipe(int writes, char *name, size_t size)
{
  char machine[MACHINE];
  struct stat about = {0};
  read_machine(machine);
  (void)fstat(writes, &about);
  (void)snprintf(name, size, "%s %ld %d %llu", machine, (long)getpid(), writes, (unsigned long long)about.st_ino);
}

void facet_launch_speak(void)
{
  const char *name = getenv(PIPE);
  char machine[MACHINE], there[MACHINE] = "", path[64];
  long process;
  int descriptor;
  unsigned long long number;
  struct stat about;
  read_machine(machine);
  if (!name || sscanf(name, "%63s %ld %d %llu", there, &process, &descriptor, &number) != 4 ||
      strcmp(machine, there) != 0)
    return;
  (void)snprintf(path, sizeof path, "/proc/%ld/fd/%d", process, descriptor);
  int file = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0)
    return;
  /* Of a launcher that was killed nobody hears, and what is done is to be kept all the same: no SIGPIPE. */
  if (fstat(file, &about) == 0 && S_ISFIFO(about.st_mode) && about.st_ino == number &&
      fcntl(file, F_SETFL, O_WRONLY) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR)
    dup2(file, STDERR_FILENO);
  close(file);
}

void facet_launch_report(facet_status status)
{
  fprintf(stderr, "%c%d\n", MARK, (int)status);
  fflush(stderr);
}

facet_status facet_launch(int ranks, char *const arguments[], bool *speaks)
{
  int ends[2], own[2], ended = 0;
  char name[160];
  sigset_t before;
  FACET_CHECK(!facet_launched(), FACET_USAGE, "-n %d: ranks are started already, by mpirun or srun; leave it out",
              ranks);
  FACET_CHECK(pipe2(ends, O_CLOEXEC) == 0 && pipe2(own, O_CLOEXEC) == 0 && fcntl(own[0], F_SETFL, O_NONBLOCK) == 0,
              FACET_OS, "pipe: %s", strerror(errno));
  name_pipe(own[1], name, sizeof name);
  long killed = facet_killed_for_memory();
  hold_signals(&before);
  mpirun = fork();
  FACET_CHECK(mpirun >= 0, FACET_OS, "fork: %s", strerror(errno));
  if (mpirun != 0)
    listen_to_signals();
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (mpirun == 0)
    start_mpirun(ranks, arguments, ends[1], name);
  close(ends[1]);
  int status = pass_all_on(ends[0], own[0]);
  close(ends[0]);
  close(own[0]);
  close(own[1]);
  while (waitpid(mpirun, &ended, 0) < 0 && errno == EINTR)
    ;
  *speaks = status < 0;
  if (*speaks && asked) /* before mpirun listened, say */
    return facet_raise(FACET_INTERRUPTED, "interrupted; run the same command again to go on");
  FACET_CHECK(!*speaks || facet_killed_for_memory() <= killed, FACET_OS,
              "out of memory: the system killed a rank, since the cgroup of this job or container has a limit; facet "
              "check says what a study takes");
  FACET_CHECK(!*speaks, FACET_INTERNAL,
              "ranks ended without a word, mpirun's status is %d; run the same command again to go on",
              WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended));
  return (facet_status)status;
}
