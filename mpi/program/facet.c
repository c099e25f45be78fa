/* The program: its commands, each a row of one table. */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "prune/inspect.h"
#include "ranks/agree.h"
#include "ranks/memory.h"
#include "ranks/versions.h"
#include "session.h"

typedef struct {
  const char *name, *takes;
  const char *says; /* lines of the help */
  bool fresh;       /* takes --fresh */
  bool ranks;       /* collective; the others do without MPI */
  facet_command *run;
} command;

static facet_status inspect(char *const *argument, bool fresh)
{
  (void)fresh;
  return facet_inspect(argument[0]);
}

static facet_status checksum(char *const *argument, bool fresh)
{
  (void)fresh;
  char hex[65];
  FACET_TRY(facet_store_checksum(argument[0], hex));
  printf("%s\n", hex);
  return FACET_OK;
}

static const command commands[] = {
    {"run", "STUDY.yaml",
     "the whole study: train or read networks, prune, linearize, measure;\n"
     "started again, it goes on where it was; --fresh starts over",
     true, true, facet_run},
    {"check", "STUDY.yaml", "validate; print the study with defaults, variants, tiles, work, memory, disk", false, true,
     facet_check},
    {"inspect", "MODEL.onnx", "nodes, shapes, parameters, zeros, dead channels, cost; what is not supported", false,
     false, inspect},
    {"corrupt", "STUDY.yaml DIR", "write the study's test samples under its conditions, as .npy files", false, false,
     facet_corrupt_study},
    {"checksum", "STUDY.h5", "one line that depends on the results alone", false, false, checksum},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* "run STUDY.yaml [--fresh]". */
static const char *usage_of(const command *c, char text[64])
{
  (void)snprintf(text, 64, "%s %s%s", c->name, c->takes, c->fresh ? " [--fresh]" : "");
  return text;
}

static facet_status print_help(void)
{
  char usage[64];
  printf("facet: what a ReLU network does with each sample, exactly, and what pruning changes about it\n\nusage:\n");
  for (int i = 0; i < COMMANDS; i++) {
    const char *says = commands[i].says, *more = strchr(says, '\n');
    printf("  facet %-24s  %.*s\n", usage_of(&commands[i], usage), (int)strcspn(says, "\n"), says);
    if (more)
      printf("%34s%s\n", "", more + 1);
  }
  printf("  facet --help, --version\n"
         "\n"
         "Run it on all cores with mpirun:  mpirun --quiet -n 8 facet run study.yaml\n"
         "\n"
         "Exit status: 0 done, 64 usage, 65 bad input, 66 input missing, 70 internal error, 71 out of memory,\n"
         "73 cannot create output, 74 reading or writing failed (disk full), 75 interrupted and resumable.\n");
  return FACET_OK;
}

static facet_status refuse(void)
{
  char all[COMMANDS * 64] = "", usage[64];
  for (int i = 0; i < COMMANDS; i++)
    (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s | ", usage_of(&commands[i], usage));
  return facet_raise(FACET_USAGE, "usage: facet %s--help | --version", all);
}

/* Options may come first. Collective commands come with MPI. */
static facet_status start(const command *c, int argc, char **argv, bool *speaks)
{
  char *own[2] = {NULL};
  bool fresh = false;
  int owned = 0, wanted = strchr(c->takes, ' ') ? 2 : 1;
  for (int i = 2; i < argc; i++)
    if (c->fresh && !fresh && strcmp(argv[i], "--fresh") == 0)
      fresh = true;
    else if (owned++ < wanted)
      own[owned - 1] = argv[i];
  if (owned != wanted)
    return refuse();
  if (!c->ranks)
    return c->run(own, fresh);
  facet_blas_core_fit(argv);
  MPI_Init(&argc, &argv);
  *speaks = facet_rank(MPI_COMM_WORLD) == 0;
  facet_status status = c->run(own, fresh);
  MPI_Finalize();
  return status;
}

static facet_status dispatch(int argc, char **argv, bool *speaks)
{
  const char *name = argc > 1 ? argv[1] : "";
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
    return print_help();
  if (strcmp(name, "--version") == 0) {
    facet_blas_core_fit(argv);
    facet_versions_print();
    return FACET_OK;
  }
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(name, commands[i].name) == 0)
      return start(&commands[i], argc, argv, speaks);
  return refuse();
}

int main(int argc, char **argv)
{
  bool speaks = true;
  facet_memory_begin();
  facet_status status = dispatch(argc, argv, &speaks);
  if (status != FACET_OK && speaks)
    fprintf(stderr, "facet: %s\n", facet_message());
  if (fflush(stdout) != 0 && status == FACET_OK)
    status = FACET_IO;
  return (int)status;
}
