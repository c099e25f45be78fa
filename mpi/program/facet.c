/* The program: its commands, each a row of one table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/process_memory.h"
#include "commands.h"
#include "exhausted.h"
#include "kernels/kernels.h"
#include "launch.h"
#include "prune/inspect.h"
#include "ranks/agree.h"
#include "ranks/versions.h"
#include "store/store.h"

typedef struct {
  const char *name, *takes;
  const char *says; /* lines of the help */
  const char *options;
  bool ranks; /* collective; the others do without MPI */
  facet_command *run;
} command;

typedef struct {
  facet_call call;
  int files;
  bool ranked; /* by the launcher of ranks */
} arguments;

static facet_status inspect(const facet_call *call)
{
  return facet_inspect(call->file[0]);
}

static facet_status checksum(const facet_call *call)
{
  char hex[65];
  FACET_TRY(facet_store_checksum(call->file[0], hex));
  printf("%s\n", hex);
  return FACET_OK;
}

static const command commands[] = {
    {"run", "STUDY.yaml",
     "the whole study: train or read networks, prune, linearize, measure;\n"
     "started again, it goes on where it was; --fresh starts over;\n"
     "-n: on so many ranks, by mpirun (FACET_MPIRUN: options for it);\n"
     "--profile: where the time of every rank goes, shown and stored",
     "[-n RANKS] [--fresh] [--profile]", true, facet_run},
    {"check", "STUDY.yaml",
     "validate; time, memory and disk of a run, what it need not do again, variants and work;\n"
     "-n: of a run on so many ranks;\n"
     "--verbose: the study with all defaults, and every replicate",
     "[-n RANKS] [--verbose]", true, facet_check},
    {"progress", "STUDY.yaml",
     "one line: where the output lies, and how much is done there that a run need not do again", "", false,
     facet_tell_progress},
    {"inspect", "MODEL.onnx", "nodes, shapes, parameters, zeros, dead channels, cost; what is not supported", "", false,
     inspect},
    {"corrupt", "STUDY.yaml DIR", "write the study's test samples under its conditions, as .npy files", "", false,
     facet_corrupt_study},
    {"verify", "STUDY.h5",
     "hold the file, all that is done in it, and the networks beside it against their checksums;\n"
     "--tiles: so many parts of the analysis, and of some later stages, picked at random, computed again and\n"
     "compared bit for bit;\n"
     "--seed: the ones that this number picks; --data: the study's data, too, looked for in that folder first;\n"
     "-n: on so many ranks",
     "[-n RANKS] [--tiles K] [--seed S] [--data DIR]", true, facet_verify},
    {"view", "STUDY.h5",
     "the viewer in the browser: serves it and the study on this machine alone, until Ctrl-C;\n"
     "--port: which (else any that is free); --no-browser: only says the address",
     "[--port N] [--no-browser]", false, facet_view},
    {"checksum", "STUDY.h5", "one line that depends on the results alone", "", false, checksum},
    {"repack", "STUDY.h5", "compress a finished study's file in place; all that reads it reads it still", "", false,
     facet_repack},
};
enum { COMMANDS = sizeof commands / sizeof commands[0], USAGE = 100 };

static const char statuses[] =
    "Exit status: 0 done, 64 usage, 65 bad input, 66 input missing, 70 internal error, 71 out of memory,\n"
    "73 cannot create output, 74 reading or writing failed (disk full), 75 interrupted and resumable.\n";

/* "run STUDY.yaml [-n RANKS] [--fresh]". The options are looked up there, too. */
static const char *usage_of(const command *c, char text[USAGE])
{
  (void)snprintf(text, USAGE, "%s %s%s%s", c->name, c->takes, c->options[0] ? " " : "", c->options);
  return text;
}

static void print_command(const command *c)
{
  char usage[USAGE];
  printf("  facet %s\n", usage_of(c, usage));
  for (const char *line = c->says, *end; *line; line = end + (*end == '\n')) {
    end = line + strcspn(line, "\n");
    printf("      %.*s\n", (int)(end - line), line);
  }
}

static facet_status print_help(void)
{
  printf("facet: what a ReLU network does with each sample, exactly, and what pruning changes about it\n\nusage:\n");
  for (int i = 0; i < COMMANDS; i++)
    print_command(&commands[i]);
  printf("  facet --help, --version; facet COMMAND --help\n"
         "\n"
         "On eight cores:  facet run study.yaml -n 8  (or mpirun -n 8 facet run study.yaml)\n"
         "\n%s",
         statuses);
  return FACET_OK;
}

static facet_status refuse(void)
{
  char all[COMMANDS * USAGE] = "", usage[USAGE];
  for (int i = 0; i < COMMANDS; i++)
    facet_append(all, sizeof all, " | ", "%s", usage_of(&commands[i], usage));
  return facet_raise(FACET_USAGE, "usage: facet %s | --help | --version", all);
}

static bool asks_help(const char *word)
{
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* ---- arguments ---- */

/* Of ranks, tiles and columns. */
enum { MOST = (1 << 20) - 1 };

static facet_status take_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *number)
{
  char *end = NULL;
  long long value = text ? strtoll(text, &end, 10) : 0; /* what is too large for it is beyond `most`, too */
  FACET_CHECK(text && end != text && !*end && value >= least && value <= most, FACET_USAGE,
              "%s: '%s' is no whole number from %lld to %lld", option, text ? text : "", (long long)least,
              (long long)most);
  *number = value;
  return FACET_OK;
}

/* Whether the command's usage has it: "[-n RANKS] [--fresh]". */
static bool has_option(const command *c, const char *option)
{
  size_t length = strlen(option);
  for (const char *at = c->options; (at = strchr(at, '[')); at++)
    if (strncmp(at + 1, option, length) == 0 && strchr(" ]", at[1 + length]))
      return true;
  return false;
}

/* An option of the command, and the word behind it; *words that were taken. */
static facet_status take_option(const command *c, const char *option, char *next, arguments *a, int *words)
{
  static char *const known[] = {"-n",     "--fresh", "--profile", "--verbose",    "--tiles",
                                "--seed", "--data",  "--port",    "--no-browser", "--help"};
  const int count = sizeof known / sizeof known[0];
  int64_t columns;
  *words = 2;
  if (strcmp(option, "--ranked") == 0) { /* the launcher's: columns of its terminal, 0 without one */
    FACET_TRY(take_number(option, next, 0, MOST, &columns));
    facet_progress_columns((int)columns);
    a->ranked = true;
    return FACET_OK;
  }
  if (!facet_is_among(option, known, count) || !has_option(c, option)) {
    const char *near = facet_nearest_word(option, (const char *const *)known, count);
    return near && (has_option(c, near) || asks_help(near))
               ? facet_raise(FACET_USAGE, "there is no option '%s'; did you mean '%s'?", option, near)
               : facet_raise(FACET_USAGE, "there is no option '%s'", option);
  }
  if (strcmp(option, "-n") == 0)
    return take_number(option, next, 1, MOST, &a->call.ranks);
  if (strcmp(option, "--tiles") == 0)
    return take_number(option, next, 0, MOST, &a->call.tiles);
  if (strcmp(option, "--seed") == 0)
    return take_number(option, next, 0, UINT32_MAX, &a->call.seed);
  if (strcmp(option, "--data") == 0) {
    FACET_CHECK(next, FACET_USAGE, "%s: what?", option);
    a->call.data = next;
    return FACET_OK;
  }
  if (strcmp(option, "--port") == 0)
    return take_number(option, next, 0, UINT16_MAX, &a->call.port);
  *words = 1;
  a->call.fresh |= strcmp(option, "--fresh") == 0;
  a->call.profile |= strcmp(option, "--profile") == 0;
  a->call.no_browser |= strcmp(option, "--no-browser") == 0;
  a->call.verbose |= strcmp(option, "--verbose") == 0;
  return FACET_OK;
}

/* Options may stand anywhere behind the command. */
static facet_status take_arguments(const command *c, int argc, char **argv, arguments *a)
{
  int wanted = strchr(c->takes, ' ') ? 2 : 1;
  for (int i = 2, words = 1; i < argc; i += words, words = 1)
    if (c->options[0] && argv[i][0] == '-')
      FACET_TRY(take_option(c, argv[i], argv[i + 1], a, &words));
    else if (a->files++ < wanted)
      a->call.file[a->files - 1] = argv[i];
  return a->files == wanted ? FACET_OK : refuse();
}

/* ---- running it ---- */

/* All words but the -n that ranks are started by. */
static facet_status launch(const facet_call *call, int argc, char **argv, bool *speaks)
{
  char **argument;
  int count = 0;
  FACET_NEW(argument, argc);
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "-n") == 0)
      i++;
    else
      argument[count++] = argv[i];
  facet_status status = facet_launch((int)call->ranks, argument, speaks);
  facet_free(&argument);
  return status;
}

/* Collective commands come with MPI. */
static facet_status start(const command *c, int argc, char **argv, arguments *a, bool *speaks)
{
  FACET_TRY(take_arguments(c, argc, argv, a));
  if (!c->ranks) {
    facet_phase(c->name);
    facet_status status = c->run(&a->call);
    facet_phase(NULL);
    return status;
  }
  if (a->call.ranks > 0 && c->run != facet_check) /* of which -n is a question */
    return launch(&a->call, argc, argv, speaks);
  if (a->ranked)
    facet_launch_speak();
  facet_blas_core_fit(argv); /* every rank for itself: nodes may differ */
  if (c->run == facet_run)   /* others end by them */
    facet_interrupt_begin();
  facet_store_begin();
  facet_launch_alone();
  MPI_Init(&argc, &argv);
  facet_exhausted_listen(a->ranked);
  *speaks = facet_rank(MPI_COMM_WORLD) == 0;
  if (!a->ranked && *speaks && facet_launched()) /* by an mpirun that is not ours */
    facet_interrupt_say("facet: asked to stop; what is done is kept: run the same command again to go on\n");
  facet_status status = facet_launch_check(facet_ranks(MPI_COMM_WORLD), speaks);
  if (status == FACET_OK)
    status = facet_agree(MPI_COMM_WORLD, facet_blas_begin());
  if (status == FACET_OK)
    status = c->run(&a->call);
  facet_interrupt_say(NULL);
  return status;
}

/* After the last words: as soon as one rank has ended with a status, mpirun kills those that still have something to
 * say. */
static void end_mpi(void)
{
  int on;
  MPI_Initialized(&on);
  if (on)
    MPI_Finalize();
  facet_phase(NULL);
}

static facet_status help_or_start(const command *c, int argc, char **argv, arguments *a, bool *speaks)
{
  for (int i = 2; i < argc; i++)
    if (asks_help(argv[i])) {
      print_command(c);
      printf("\n%s", statuses);
      return FACET_OK;
    }
  return start(c, argc, argv, a, speaks);
}

static facet_status dispatch(int argc, char **argv, arguments *a, bool *speaks)
{
  const char *name = argc > 1 ? argv[1] : "", *names[COMMANDS];
  if (asks_help(name) || strcmp(name, "help") == 0)
    return print_help();
  if (strcmp(name, "--version") == 0) {
    facet_blas_core_fit(argv);
    facet_versions_print();
    return FACET_OK;
  }
  for (int i = 0; i < COMMANDS; i++) {
    names[i] = commands[i].name;
    if (strcmp(name, names[i]) == 0)
      return help_or_start(&commands[i], argc, argv, a, speaks);
  }
  FACET_CHECK(
      strcmp(name, "pack") != 0, FACET_USAGE,
      "there is no command 'pack'; `facet repack STUDY.h5` compresses a finished file, and `python3 -m facet pack` "
      "makes a data set");
  const char *near = *name ? facet_nearest_word(name, names, COMMANDS) : NULL;
  return near ? facet_raise(FACET_USAGE, "there is no command '%s'; did you mean '%s'?", name, near) : refuse();
}

int main(int argc, char **argv)
{
  bool speaks = true;
  arguments a = {.call = {.tiles = -1, .seed = -1}};
  facet_memory_begin();
  facet_status status = dispatch(argc, argv, &a, &speaks);
  if (status != FACET_OK && speaks)
    fprintf(stderr, "facet: %s\n", facet_message());
  if (fflush(stdout) != 0 && status == FACET_OK)
    status = FACET_IO;
  end_mpi();
  if (a.ranked && speaks)
    facet_launch_report(status);
  return a.ranked ? 0 : (int)status;
}
