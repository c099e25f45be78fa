/* What `facet verify` does beyond checksums: holds the data against the digests in the file, and computes tiles and
 * parts of later stages again, which are picked at random, from the networks beside it and the data, with nothing but
 * what the file says. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ranks/agree.h"
#include "ranks/said.h"
#include "session.h"
#include "stages/stage.h"
#include "verify.h"

/* ---- the study, as the file has it, and its data ---- */

/* What lies in the folder by its last name is taken from there. */
static facet_status look_in(const char *folder, char **path)
{
  char *name = *path ? strrchr(*path, '/') : NULL;
  if (!name)
    return FACET_OK;
  char *there = facet_format("%s%s", folder, name);
  FACET_CHECK(there, FACET_OS, "out of memory");
  if (facet_exists(there)) {
    char *before = *path;
    *path = there;
    there = before;
  }
  facet_free(&there);
  return FACET_OK;
}

static facet_status look_for_files(const char *folder, facet_study *study)
{
  facet_texts *files[] = {&study->data.test.images, &study->data.test.labels, &study->data.train.images,
                          &study->data.train.labels};
  for (size_t f = 0; f < sizeof files / sizeof files[0]; f++)
    for (int i = 0; i < files[f]->count; i++)
      FACET_TRY(look_in(folder, &files[f]->item[i]));
  for (int c = 0; c < study->conditions.count; c++)
    FACET_TRY(look_in(folder, &study->conditions.item[c].published));
  return look_in(folder, &study->stages.paths.from); /* a number or a word has no folder */
}

/* Tiles are of test samples alone, so those without the training data can check them, too. */
static void leave_training_data_out(facet_study *study, bool says)
{
  const facet_texts *images = &study->data.train.images;
  if (!study->data.has_train || facet_exists(images->item[0]))
    return;
  if (says)
    printf("%s: is not there, and not checked\n", images->item[0]);
  study->data.has_train = false;
  study->stages.embed.samples = 0;
}

static facet_status read_study(const facet_call *call, bool says, facet_session *s)
{
  const char *path = call->file[0];
  char *text = NULL;
  facet_status status;
  FACET_GO(done, status, facet_again_said(path, "study_filled", &text));
  FACET_GO(done, status, facet_study_parse(path, text, strlen(text), facet_store_name_taken, &s->study));
  facet_kernels_threads(s->study->settings.threads);
  FACET_GO(done, status, facet_study_text(s->study, &s->filled));
  if (call->data)
    FACET_GO(done, status, look_for_files(call->data, s->study));
  leave_training_data_out(s->study, says);
done:
  facet_free(&text);
  return status;
}

/* By the digests in the file. */
static facet_status check_data(const char *path, const facet_study_data *data, int64_t *bad)
{
  for (int i = 0; i < data->origins; i++) {
    const facet_data_origin *o = &data->origin[i];
    char *then = NULL;
    FACET_TRY(facet_again_said(path, o->name, &then));
    bool same = strcmp(then, o->sha256) == 0;
    *bad += !same;
    printf("%s%s: %s\n", o->file, o->more ? " and those after it" : "",
           same ? "what the study was made with" : "is not what the study was made with: its SHA-256 is another");
    facet_free(&then);
  }
  return FACET_OK;
}

/* ---- the plan ---- */

/* Whatever else may have changed the bits is said before any are. */
static facet_status say_made(const char *path, const facet_plan *plan, bool *other)
{
  char *then;
  FACET_TRY(facet_again_said(path, "made", &then));
  *other = strcmp(then, plan->store.made) != 0;
  if (*other)
    printf("%s: was made by another build, with other libraries or on another processor, so last digits may differ "
           "without being wrong\n  made:     %s\n  computed: %s\n",
           path, then, plan->store.made);
  facet_free(&then);
  return FACET_OK;
}

/* What was handled at once is as it was, whatever would be chosen here. */
static void take_batches(const int64_t *batch, facet_plan *plan)
{
  for (int v = 0; v < plan->store.variants; v++, batch += FACET_BATCHES)
    plan->work[v] = (facet_work){batch[0], batch[1], batch[2]};
}

static facet_status make_plan(MPI_Comm comm, const char *path, facet_session *s)
{
  facet_making making = facet_session_making(s);
  int64_t *batch = NULL;
  char **variant = NULL, *folder = facet_path_beside(path, "variants");
  int count = 0;
  facet_status status = facet_agree(comm, folder ? facet_again_variants(path, &batch, &variant, &count) : FACET_OS);
  if (status == FACET_OK)
    status = facet_family_read(comm, &making, folder, count, variant, &s->family);
  if (status == FACET_OK)
    status = facet_agree(comm, facet_session_plan(s, facet_ranks(comm)));
  if (status == FACET_OK)
    status = facet_plan_share(comm, &s->plan);
  if (status == FACET_OK)
    take_batches(batch, &s->plan);
  facet_free_list(&variant, count);
  FACET_FREE(&batch, &folder);
  return status;
}

/* ---- parts of stages ---- */

/* Of those that are done, so many. number: of the stage, so that each has a lot of its own. */
static facet_status pick(const facet_context *c, const char *stage, uint64_t number, int64_t most, uint32_t seed,
                         uint8_t *chosen)
{
  int64_t count = facet_store_parts(c->store, stage), picked = 0, *order;
  uint8_t *done = NULL;
  facet_status status;
  FACET_NEW(order, count);
  FACET_NEW_GO(end, status, done, count);
  FACET_GO(end, status, facet_store_marks(c->store, stage, done));
  facet_random_permutation((facet_random){seed, FACET_STREAM_VERIFY}, number, count, order);
  for (int64_t i = 0; i < count && picked < most; i++) {
    chosen[order[i]] = done[order[i]] == 1;
    picked += chosen[order[i]];
  }
end:
  FACET_FREE(&order, &done);
  return status;
}

/* Collective: by rank 0. Caller frees, also after a failure. */
static facet_status choose(const facet_context *c, const char *stage, uint64_t number, int64_t most, uint32_t seed,
                           uint8_t **chosen)
{
  int64_t parts = facet_store_parts(c->store, stage);
  *chosen = facet_allocate((size_t)parts, 1);
  FACET_AGREE(c->comm, *chosen ? FACET_OK : FACET_OS);
  FACET_AGREE(c->comm, facet_rank(c->comm) == 0 ? pick(c, stage, number, most, seed, *chosen) : FACET_OK);
  return facet_share(c->comm, (char *)*chosen, parts, "picking parts");
}

static void say_tiles(const facet_context *c, const char *path, uint32_t seed, const uint8_t *chosen)
{
  char name[200];
  printf("%s: tiles are computed again, picked by --seed %u:\n", path, seed);
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++)
    if (chosen[i]) {
      facet_analyse_name(c->plan, i, name, sizeof name);
      printf("  %s\n", name);
    }
  fflush(stdout);
}

static facet_status compute_tiles(const facet_context *c, const facet_call *call, uint32_t seed, int64_t *bad)
{
  uint8_t *chosen = NULL;
  int64_t others = 0;
  bool speaks = facet_rank(c->comm) == 0;
  facet_status status = choose(c, facet_stage_analyse.name, 0, call->tiles, seed, &chosen);
  if (status == FACET_OK && speaks)
    say_tiles(c, call->file[0], seed, chosen);
  if (status == FACET_OK)
    status = facet_said_print(c->comm, facet_analyse_again(c, chosen, &others));
  if (status == FACET_OK && speaks && others == 0)
    printf("%s: they are the same, bit for bit\n", call->file[0]);
  *bad += others;
  facet_free(&chosen);
  return status;
}

static facet_status open_arrays(const facet_context *c, const facet_stage *stage)
{
  FACET_TRY(facet_again_add(c->store, stage->reads));
  return facet_again_add(c->store, stage->name);
}

/* The stage runs as it always does, for what is chosen alone. */
static facet_status run_again(const facet_context *c, const facet_stage *stage, const uint8_t *chosen, bool *same)
{
  char name[100];
  facet_again_choose(c->store, stage->name, chosen);
  facet_status status = stage->run(c);
  facet_again_choose(c->store, NULL, NULL);
  FACET_TRY(status);
  (void)snprintf(name, sizeof name, "part of %s", stage->name);
  return facet_said_print(c->comm, facet_agree(c->comm, facet_again_end(c->store, name, same)));
}

static facet_status compute_parts(const facet_context *c, const facet_call *call, int number, uint32_t seed,
                                  int64_t *bad)
{
  const facet_stage *stage = facet_stages[number];
  uint8_t *chosen = NULL;
  int64_t others = 0, parts = 0;
  bool same = true;
  FACET_AGREE(c->comm, open_arrays(c, stage));
  facet_status status = choose(c, stage->name, (uint64_t)number, call->tiles, seed, &chosen);
  for (int64_t i = 0; status == FACET_OK && i < facet_store_parts(c->store, stage->name); i++)
    parts += chosen[i];
  if (status == FACET_OK && parts > 0)
    status = run_again(c, stage, chosen, &same);
  facet_free(&chosen);
  FACET_TRY(status);
  others = !same;
  FACET_TRY(facet_sum(c->comm, &others, 1, "comparing"));
  if (facet_rank(c->comm) == 0 && others == 0 && parts > 0)
    printf("%s: %lld %s of %s, computed again from what they read, %s the same\n", call->file[0], (long long)parts,
           parts == 1 ? "part" : "parts", stage->name, parts == 1 ? "is" : "are");
  *bad += others > 0;
  return FACET_OK;
}

static facet_status compute(const facet_context *c, const facet_call *call, int64_t *bad)
{
  uint32_t seed = call->seed >= 0 ? (uint32_t)call->seed : (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16;
  FACET_TRY(compute_tiles(c, call, seed, bad));
  for (int i = 0; facet_stages[i]; i++)
    if (facet_stages[i]->again && facet_stage_wanted(facet_stages[i], c->plan))
      FACET_TRY(compute_parts(c, call, i, seed, bad));
  return FACET_OK;
}

static facet_status compare(MPI_Comm comm, const facet_call *call, facet_session *s, int64_t *bad)
{
  facet_context c = {.comm = comm, .plan = &s->plan, .data = &s->data, .family = &s->family};
  const char *path = call->file[0];
  bool other = false;
  facet_session_phase(comm, "planning");
  FACET_TRY(make_plan(comm, path, s));
  FACET_AGREE(comm, facet_rank(comm) == 0 ? say_made(path, &s->plan, &other) : FACET_OK);
  facet_status status = facet_agree(comm, facet_again_open(path, &s->plan.store, facet_stage_analyse.name, &c.store));
  facet_session_phase(comm, "computing parts again");
  if (status == FACET_OK)
    status = compute(&c, call, bad);
  facet_store *store = c.store;
  (void)facet_store_close(&store);
  return status;
}

static facet_status verify(MPI_Comm comm, const facet_call *call, facet_session *s, int64_t *bad)
{
  bool speaks = facet_rank(comm) == 0;
  int64_t others = 0;
  FACET_AGREE(comm, read_study(call, speaks, s));
  facet_session_phase(comm, "reading the data");
  FACET_TRY(facet_study_data_read(comm, s->study, &s->data));
  facet_session_phase(comm, "taking the digests of the data");
  FACET_TRY(facet_study_data_digest(comm, s->study, &s->data));
  FACET_AGREE(comm, speaks ? check_data(call->file[0], &s->data, &others) : FACET_OK);
  FACET_TRY(facet_sum(comm, &others, 1, "verifying"));
  *bad += others;
  return call->tiles > 0 && others == 0 ? compare(comm, call, s, bad) : FACET_OK;
}

facet_status facet_verify_again(MPI_Comm comm, const facet_call *call, int64_t *bad)
{
  facet_session s = {0};
  facet_status status = verify(comm, call, &s, bad);
  facet_session_clear(&s);
  return status;
}
