/* A result file: a small finished one, of which bytes are changed, as what reads it sees it: a run that goes on, one of
 * an edited study, verify, checksum, pack.
 *
 * What comes in is a byte that says who reads it, then a list of changes, each of three bytes that say where and one
 * that says by what; or a whole file. What is changed in a file that holds its checksums is no result. */
#include <hdf5.h>
#include <mpi.h>

#include "fuzz.h"
#include "parallel/store_made.h"
#include "program/verify.h"

enum { CHANGE = 4, MOST_NUMBERS = 1 << 16 };

static fixture made;
static uint8_t *whole, *changed;
static size_t size;
static char result[65];

static void must(facet_status status)
{
  if (status == FACET_OK)
    return;
  fprintf(stderr, "status %d: %s\n", (int)status, facet_message());
  abort();
}

/* Of the leak sanitizer, where it is there: what MPI keeps of its beginning is nobody's leak here. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void begin(void)
{
  if (__lsan_disable)
    __lsan_disable();
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 1); /* no daemon beside each process */
  setenv("OMPI_MCA_opal_signal", "", 1);             /* crashes are the sanitizer's */
  facet_store_begin();
  MPI_Init(NULL, NULL);
  make_fixture(&made);
  const char *path = fuzz_path("made.h5");
  must(write_store(MPI_COMM_SELF, path, &made));
  must(facet_store_checksum(path, result));
  must(facet_read_file(path, &whole, &size));
  changed = facet_allocate(size, 1);
  if (!changed)
    abort();
  if (__lsan_enable)
    __lsan_enable();
}

static const char *write_input(const uint8_t *bytes, size_t count, bool *is_whole)
{
  *is_whole = count >= 8 && memcmp(bytes, "\211HDF\r\n\032\n", 8) == 0;
  if (*is_whole)
    return fuzz_file("s.h5", bytes, count);
  memcpy(changed, whole, size);
  for (size_t i = 0; i + CHANGE <= count; i += CHANGE)
    changed[((size_t)bytes[i] << 16 | (size_t)bytes[i + 1] << 8 | bytes[i + 2]) % size] ^= bytes[i + 3];
  return fuzz_file("s.h5", changed, size);
}

static bool good(facet_status status)
{
  if (status != FACET_OK)
    fuzz_refused(status);
  return status == FACET_OK;
}

/* ---- who reads it ---- */

static void read_as_finished(const char *path, bool is_whole)
{
  char sum[65];
  facet_store_verified found = {.bad = 1};
  facet_store_certificates certified[V * FACET_CERTIFIED];
  const char *const names[] = {made.variant[0].name, made.variant[1].name, made.variant[2].name};
  bool finished, holds = good(facet_verify_store(MPI_COMM_SELF, path, false, &found)) && found.bad == 0;
  if (good(facet_store_checksum(path, sum)) && holds && !is_whole && strcmp(sum, result) != 0) {
    fprintf(stderr, "another result holds its checksums\n");
    abort();
  }
  (void)good(facet_store_certified(path, V, names, certified));
  (void)good(facet_store_finished(path, &made.plan, &finished));
  (void)facet_store_profiled(path);
}

static void read_again(const char *path)
{
  char *text = NULL, **variant = NULL;
  int64_t *batch = NULL;
  int count = 0;
  facet_store *store;
  if (good(facet_again_said(path, "study_filled", &text)))
    facet_free(&text);
  (void)good(facet_again_variants(path, &batch, &variant, &count));
  facet_free(&batch);
  facet_free_list(&variant, count);
  if (good(facet_again_open(path, &made.plan, "analyse", &store)))
    (void)good(facet_store_close(&store));
}

static void read_before(const char *path)
{
  facet_before *before = NULL;
  bool damaged = false, features, holds;
  char name[256];
  int32_t number;
  facet_status status = facet_before_open(path, &made.plan, &before, &damaged);
  (void)good(status);
  if (status == FACET_OK && before)
    for (int s = 0; s < made.plan.stages; s++) {
      const char *stage = made.plan.stage[s].name;
      (void)facet_before_parts(path, stage);
      if (!good(facet_before_enter(before, stage)))
        break;
      for (int64_t i = 0; i < facet_before_plan_parts(before); i++)
        if (facet_before_has(before, i, &features)) {
          facet_before_name(before, i, name, sizeof name);
          (void)good(facet_before_holds(before, i, &holds));
        }
      (void)good(facet_before_number(before, FACET_ROW_EMBED_RANKS, 0, &number));
    }
  facet_before_close(&before);
}

static void go_on(const char *path)
{
  static const facet_row rows[] = {FACET_ROW_LOGITS, FACET_ROW_MARGIN, FACET_ROW_IMAGE, FACET_ROW_W, FACET_ROW_B_NODE};
  static double number[MOST_NUMBERS];
  static uint8_t mark[MOST_NUMBERS];
  facet_store *store;
  if (!good(facet_store_open(MPI_COMM_SELF, path, &made.plan, &store)))
    return;
  bool lost[MOST_NUMBERS] = {false}, checked = true;
  for (int s = 0; s < made.plan.stages && checked; s++)
    checked = good(facet_store_check(store, made.plan.stage[s].name, lost));
  if (checked) {
    for (int s = 0; s < made.plan.stages; s++)
      (void)good(facet_store_marks(store, made.plan.stage[s].name, mark));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
      (void)good(facet_store_get(store, rows[i], (facet_place){.variant = 0}, number));
    (void)good(write_tile(store, &made, 1, 1, 2));
    (void)good(facet_store_finish(store, "similarity"));
  }
  (void)good(facet_store_close(&store));
}

static void pack(const char *path)
{
  int64_t before, after;
  (void)good(facet_store_repack(path, &before, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
  bool is_whole;
  if (!whole)
    begin();
  if (count < 1 || count > FUZZ_MOST)
    return 0;
  const char *path = write_input(bytes + 1, count - 1, &is_whole);
  switch (bytes[0] % 5) {
  case 0:
    read_as_finished(path, is_whole);
    break;
  case 1:
    read_again(path);
    break;
  case 2:
    read_before(path);
    break;
  case 3:
    go_on(path);
    break;
  default:
    pack(path);
  }
  return 0;
}
