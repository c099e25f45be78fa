/* The program: subcommands and their arguments. */
#include <stdio.h>
#include <string.h>

#include "corrupt.h"
#include "inspect.h"
#include "kernels/kernels.h"
#include "ranks/agree.h"
#include "ranks/memory.h"
#include "ranks/versions.h"
#include "session.h"

static const char help[] =
    "facet: what a ReLU network does with each sample, exactly, and what pruning changes about it\n"
    "\n"
    "usage:\n"
    "  facet run STUDY.yaml [--fresh]  the whole study: train or read networks, prune, linearize, measure;\n"
    "                                  started again, it goes on where it was; --fresh starts over\n"
    "  facet check STUDY.yaml          validate; print the study with defaults, variants, tiles, work, memory, disk\n"
    "  facet inspect MODEL.onnx        nodes, shapes, parameters, zeros, dead channels, cost; what is not supported\n"
    "  facet corrupt STUDY.yaml DIR    write the study's test samples under its conditions, as .npy files\n"
    "  facet checksum STUDY.h5         one line that depends on the results alone\n"
    "  facet --help, --version\n"
    "\n"
    "Run it on all cores with mpirun:  mpirun --quiet -n 8 facet run study.yaml\n"
    "\n"
    "Exit status: 0 done, 64 usage, 65 bad input, 66 input missing, 70 internal error, 71 out of memory,\n"
    "73 cannot create output, 74 reading or writing failed (disk full), 75 interrupted and resumable.\n";

/* Collective commands come with MPI; the others work without. */
static facet_status with_ranks(int argc, char **argv, bool fresh, bool *speaks)
{
  facet_blas_core_fit(argv);
  MPI_Init(&argc, &argv);
  MPI_Comm comm = MPI_COMM_WORLD;
  *speaks = facet_rank(comm) == 0;
  facet_status status = strcmp(argv[1], "run") == 0 ? facet_run(comm, argv[2], fresh) : facet_check(comm, argv[2]);
  MPI_Finalize();
  return status;
}

static facet_status checksum(const char *file)
{
  char hex[65];
  FACET_TRY(facet_store_checksum(file, hex));
  printf("%s\n", hex);
  return FACET_OK;
}

static facet_status corrupt(const char *file, const char *folder)
{
  facet_session s = {0};
  facet_status status = facet_session_read(file, &s);
  if (status == FACET_OK)
    status = facet_corrupt_command(s.study, s.data.test, folder);
  facet_session_clear(&s);
  return status;
}

static facet_status command(int argc, char **argv, bool *speaks)
{
  const char *name = argc > 1 ? argv[1] : "";
  bool fresh = argc == 4 && strcmp(argv[3], "--fresh") == 0;
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
    printf("%s", help);
    return FACET_OK;
  }
  if (strcmp(name, "--version") == 0) {
    facet_blas_core_fit(argv);
    facet_versions_print();
    return FACET_OK;
  }
  if (argc == 4 && strcmp(argv[2], "--fresh") == 0) { /* options may come first */
    char *file = argv[3];
    argv[3] = argv[2];
    argv[2] = file;
    fresh = true;
  }
  if (strcmp(name, "run") == 0 && (argc == 3 || fresh))
    return with_ranks(argc, argv, fresh, speaks);
  if (strcmp(name, "check") == 0 && argc == 3)
    return with_ranks(argc, argv, false, speaks);
  if (strcmp(name, "inspect") == 0 && argc == 3)
    return facet_inspect(argv[2]);
  if (strcmp(name, "corrupt") == 0 && argc == 4)
    return corrupt(argv[2], argv[3]);
  if (strcmp(name, "checksum") == 0 && argc == 3)
    return checksum(argv[2]);
  return facet_raise(FACET_USAGE, "usage: facet run STUDY.yaml [--fresh] | check STUDY.yaml | inspect MODEL.onnx | "
                                  "corrupt STUDY.yaml DIR | checksum STUDY.h5 | --help | --version");
}

int main(int argc, char **argv)
{
  bool speaks = true;
  facet_memory_begin();
  facet_status status = command(argc, argv, &speaks);
  if (status != FACET_OK && speaks)
    fprintf(stderr, "facet: %s\n", facet_message());
  if (fflush(stdout) != 0 && status == FACET_OK)
    status = FACET_IO;
  return (int)status;
}
