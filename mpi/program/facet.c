/* The program: subcommands, their arguments, and the order of a study's stages. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "corrupt.h"
#include "embed/embed.h"
#include "embed/embed_train.h"
#include "ranks/agree.h"
#include "ranks/versions.h"
#include "stages/aggregate.h"
#include "stages/change.h"
#include "stages/compare.h"

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

/* ---- the output folder ---- */

/* Removes the files of a folder in <output> that facet makes there, by their endings. */
static void empty_folder(const char *output, const char *name)
{
  static const char *const endings[] = {".onnx", ".record", ".checkpoint"};
  char *folder = facet_format("%s/%s", output, name);
  DIR *entries = folder ? opendir(folder) : NULL;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    size_t length = strlen(entry->d_name);
    char *path = facet_format("%s/%s", folder, entry->d_name);
    for (size_t i = 0; path && i < sizeof endings / sizeof endings[0]; i++)
      if (length > strlen(endings[i]) && strcmp(entry->d_name + length - strlen(endings[i]), endings[i]) == 0)
        unlink(path);
    facet_free(&path);
  }
  if (entries)
    closedir(entries);
  facet_free(&folder);
}

/* Removes what facet itself makes there, and nothing else. */
static facet_status start_over(const char *output)
{
  static const char *const mine[] = {"study.h5", "study.yaml"};
  empty_folder(output, "variants");
  empty_folder(output, "embed");
  for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++) {
    char *path = facet_format("%s/%s", output, mine[i]);
    if (path)
      unlink(path);
    facet_free(&path);
  }
  return FACET_OK;
}

/* What a killed run was writing. */
static facet_status remove_temporaries(const char *output)
{
  static const char *const folders[] = {".", "variants", "embed"};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    char *folder = facet_format("%s/%s", output, folders[i]);
    if (!folder)
      return FACET_OS;
    facet_remove_temporaries(folder);
    facet_free(&folder);
  }
  return FACET_OK;
}

/* What an encoder learned from, and how, is in the store: without it the encoder goes, too. */
static facet_status forget_embedding(const char *output)
{
  char *store = facet_format("%s/study.h5", output);
  if (store && !facet_exists(store))
    empty_folder(output, "embed");
  facet_status status = store ? FACET_OK : FACET_OS;
  facet_free(&store);
  return status;
}

/* Whether a study has left something there that took time to make. */
static bool holds_results(const char *output)
{
  char *store = facet_format("%s/study.h5", output), *dense = facet_format("%s/variants/dense.onnx", output);
  bool holds = !store || !dense || facet_exists(store) || facet_exists(dense);
  facet_free(&store);
  facet_free(&dense);
  return holds;
}

/* Rank 0: makes the folder, or recognises it as this study's own by the canonical text kept in it. */
static facet_status claim_output(const facet_study *study, bool fresh)
{
  char *path = facet_format("%s/study.yaml", study->settings.output), *text = NULL;
  uint8_t *there = NULL;
  size_t count;
  facet_status status = path ? FACET_OK : FACET_OS;
  if (status == FACET_OK && fresh)
    status = start_over(study->settings.output);
  if (status == FACET_OK)
    status = facet_make_folder(study->settings.output);
  if (status == FACET_OK)
    status = facet_study_text(study, &text);
  if (status == FACET_OK && (!facet_exists(path) || !holds_results(study->settings.output))) {
    status = facet_write_file(path, text, strlen(text));
  } else if (status == FACET_OK) {
    status = facet_read_file(path, &there, &count);
    if (status == FACET_OK && strcmp((char *)there, text) != 0)
      status = facet_raise(FACET_BAD_INPUT,
                           "%s: holds the results of a different study (%s); "
                           "choose another output, or --fresh to start over",
                           study->settings.output, path);
  }
  if (status == FACET_OK)
    status = forget_embedding(study->settings.output);
  if (status == FACET_OK)
    status = remove_temporaries(study->settings.output);
  facet_free(&there);
  facet_free(&text);
  facet_free(&path);
  return status;
}

/* ---- facet run ---- */

typedef struct {
  facet_study *study;
  facet_study_data data;
  facet_family family;
  facet_plan plan;
  facet_store *store;
  uint8_t *text; /* the study as the user wrote it */
  char *path;    /* study.h5 */
} session;

static void session_clear(session *s)
{
  facet_free(&s->path);
  facet_plan_clear(&s->plan);
  facet_family_clear(&s->family);
  facet_study_data_clear(&s->data);
  facet_study_destroy(&s->study);
  facet_free(&s->text);
}

static facet_status read_study(const char *file, session *s)
{
  size_t count;
  FACET_TRY(facet_study_read(file, facet_store_name_taken, &s->study));
  facet_kernels_threads(s->study->settings.threads);
  return facet_read_file(file, &s->text, &count);
}

/* Creates the store unless a run before did, and opens it. */
static facet_status open_store(MPI_Comm comm, session *s)
{
  FACET_AGREE(comm, facet_plan_make(s->study, (const char *)s->text, &s->data, &s->family, &s->plan));
  FACET_TRY(facet_embed_fits(&s->plan.store, facet_ranks(comm))); /* before hours of work that come first */
  s->path = facet_format("%s/study.h5", s->study->settings.output);
  FACET_AGREE(comm, s->path ? FACET_OK : FACET_OS);
  int there = facet_rank(comm) == 0 && facet_exists(s->path);
  FACET_TRY(facet_mpi_check(MPI_Bcast(&there, 1, MPI_INT, 0, comm), "opening the store"));
  if (!there)
    FACET_TRY(facet_store_create(comm, s->path, &s->plan.store));
  return facet_store_open(comm, s->path, &s->plan.store, &s->store);
}

/* Forward times: every rank measures its share of the networks, all at once, as they run in the analysis. */
static facet_status measure_forward(MPI_Comm comm, const session *s, double *seconds)
{
  const facet_family *family = &s->family;
  for (int i = facet_rank(comm); i < family->count; i += facet_ranks(comm))
    FACET_TRY(facet_forward_measure(family->member[i].network, s->study->settings.precision,
                                    s->plan.work[i].forward_batch, &seconds[i]));
  return FACET_OK;
}

static facet_status summarize(MPI_Comm comm, const session *s)
{
  double *seconds = facet_allocate((size_t)s->family.count, sizeof *seconds);
  facet_status status = facet_agree(comm, seconds ? measure_forward(comm, s, seconds) : FACET_OS);
  if (status == FACET_OK)
    status = facet_mpi_check(MPI_Allreduce(MPI_IN_PLACE, seconds, s->family.count, MPI_DOUBLE, MPI_SUM, comm),
                             "summarizing");
  if (status == FACET_OK)
    status = facet_store_summarize(comm, s->path, &s->plan.store, seconds);
  facet_free(&seconds);
  return status;
}

/* Closing must not hide why what came before it failed. */
static facet_status close_store(session *s, facet_status status)
{
  char first[1000];
  snprintf(first, sizeof first, "%s", facet_message());
  facet_status closed = facet_store_close(&s->store);
  return status == FACET_OK ? closed : facet_raise(status, "%s", first);
}

/* What is known of the samples decides which of them are looked at closely; the store is opened once more for it. */
static facet_status take_changes_apart(MPI_Comm comm, session *s)
{
  facet_change_picked picked;
  facet_status status = facet_change_pick(comm, &s->plan, s->path, &picked);
  if (status == FACET_OK)
    status = facet_store_open(comm, s->path, &s->plan.store, &s->store);
  if (status == FACET_OK)
    status = facet_change_measure(comm, &s->plan, &s->data, &s->family, &picked, s->store);
  facet_change_picked_clear(&picked);
  return close_store(s, status);
}

static facet_status aggregate(MPI_Comm comm, session *s)
{
  FACET_TRY(facet_store_open(comm, s->path, &s->plan.store, &s->store));
  return close_store(s, facet_aggregate(comm, &s->plan, &s->data, &s->family, s->store));
}

static facet_status run_stages(MPI_Comm comm, const char *file, bool fresh, session *s)
{
  FACET_AGREE(comm, read_study(file, s));
  FACET_AGREE(comm, facet_study_data_read(s->study, &s->data));
  FACET_AGREE(comm, facet_rank(comm) == 0 ? claim_output(s->study, fresh) : FACET_OK);
  FACET_TRY(facet_family_make(comm, s->study, &s->data, &s->family));
  FACET_TRY(open_store(comm, s));
  facet_status status = facet_analyse(comm, &s->plan, &s->data, &s->family, s->store);
  if (status == FACET_OK)
    status = facet_embed(comm, &s->plan, &s->data, &s->family, s->store);
  FACET_TRY(close_store(s, status));
  FACET_TRY(summarize(comm, s));
  if (s->plan.store.change_samples > 0)
    FACET_TRY(take_changes_apart(comm, s));
  return s->study->aggregate.wanted ? aggregate(comm, s) : FACET_OK;
}

/* What a user must not miss, at the end: layers that collapsed, variants and comparisons that are missing. */
static void say_warnings(const session *s)
{
  const facet_store_plan *p = &s->plan.store;
  for (int v = 0; v < p->variants; v++)
    for (int i = 0; i < p->variant[v].warnings; i++)
      fprintf(stderr, "facet: warning: %s: %s\n", p->variant[v].name, p->variant[v].warning[i]);
  for (int i = 0; i < p->diverged; i++)
    fprintf(stderr, "facet: warning: a variant is missing: %s\n", p->diverged_line[i]);
  for (int v = 0; v < p->variants && p->embed_axes > 0; v++)
    if (p->variant[v].embed_nodes == 0)
      fprintf(stderr, "facet: warning: %s has no positions: its features are not %lld\n", p->variant[v].name,
              (long long)p->embed_inputs);
  if (p->variants * (int64_t)p->conditions > FACET_MOST_ITEMS)
    fprintf(stderr, "facet: warning: no /similarity%s: %d variants under %d conditions are more than %d pairs\n",
            p->study->aggregate.cka ? " and no /aggregate/cka" : "", p->variants, p->conditions, FACET_MOST_ITEMS);
  if (facet_store_cka_items(p) > FACET_MOST_PAIRED)
    fprintf(stderr,
            "facet: warning: /aggregate/cka compares variants under clean, and the conditions of each: %d variants "
            "under %d conditions are more than %d pairs\n",
            p->variants, p->conditions, FACET_MOST_PAIRED);
}

static facet_status run(MPI_Comm comm, const char *file, bool fresh)
{
  session s = {0};
  double start = facet_seconds();
  facet_interrupt_listen();
  facet_status status = run_stages(comm, file, fresh, &s);
  if (status == FACET_OK && facet_rank(comm) == 0)
    printf("%s: %d variants, %d conditions, %lld samples, %lld of them linearized, in %.1f s on %d rank%s\n", s.path,
           s.plan.store.variants, s.plan.store.conditions, (long long)s.plan.store.samples,
           (long long)s.plan.store.linear_samples, facet_seconds() - start, facet_ranks(comm),
           facet_ranks(comm) == 1 ? "" : "s");
  if (status == FACET_OK && facet_rank(comm) == 0)
    say_warnings(&s);
  session_clear(&s);
  return status;
}

/* ---- facet check ---- */

static facet_status check(MPI_Comm comm, const char *file)
{
  session s = {0};
  char *filled = NULL;
  facet_status status = FACET_OK;
  if (facet_rank(comm) == 0) {
    FACET_GO(done, status, read_study(file, &s));
    FACET_GO(done, status, facet_study_text(s.study, &filled));
    FACET_GO(done, status, facet_study_data_read(s.study, &s.data));
    FACET_GO(done, status, facet_family_sketch(s.study, &s.data, &s.family));
    FACET_GO(done, status, facet_plan_make(s.study, (const char *)s.text, &s.data, &s.family, &s.plan));
    printf("%s", filled);
    status = facet_plan_print(&s.plan, &s.data, &s.family, facet_ranks(comm));
  }
done:
  facet_free(&filled);
  session_clear(&s);
  return facet_agree(comm, status);
}

/* ---- commands ---- */

/* Collective commands come with MPI; the others work without. */
static facet_status with_ranks(int argc, char **argv, bool fresh, bool *speaks)
{
  MPI_Init(&argc, &argv);
  MPI_Comm comm = MPI_COMM_WORLD;
  *speaks = facet_rank(comm) == 0;
  facet_status status = strcmp(argv[1], "run") == 0 ? run(comm, argv[2], fresh) : check(comm, argv[2]);
  MPI_Finalize();
  return status;
}

static facet_status inspect(const char *file)
{
  return facet_onnx_inspect(file);
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
  session s = {0};
  facet_status status = read_study(file, &s);
  if (status == FACET_OK)
    status = facet_study_data_read(s.study, &s.data);
  if (status == FACET_OK)
    status = facet_corrupt_command(s.study, s.data.test, folder);
  session_clear(&s);
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
    return inspect(argv[2]);
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
