/* `facet run`: a study from beginning to end, stage by stage, or from where a run before was stopped. */
#include <stdio.h>

#include "certified.h"
#include "commands.h"
#include "disk.h"
#include "lock.h"
#include "noted.h"
#include "output.h"
#include "profiling.h"
#include "python.h"
#include "ranks/agree.h"
#include "ranks/levels.h"
#include "ranks/versions.h"
#include "session.h"
#include "stages/reuse.h"
#include "stages/stage.h"
#include "verify.h"

/* Closing must not hide why what came before it failed. */
static facet_status close_store(facet_store **store, facet_status status)
{
  char first[1000];
  snprintf(first, sizeof first, "%s", facet_message());
  facet_status closed = facet_store_close(store);
  return status == FACET_OK ? closed : facet_raise(status, "%s", first);
}

/* Creates the store unless a run before did, and opens it. */
static facet_status open_store(const char *path, facet_context *c)
{
  MPI_Comm comm = c->comm;
  const facet_store_plan *plan = &c->plan->store;
  facet_status status;
  int there = facet_rank(comm) == 0 && facet_exists(path);
  FACET_TRY(facet_share(comm, &there, 1, "opening the store"));
  if (!there)
    FACET_TRY(facet_store_create(comm, path, plan));
  else
    FACET_AGREE(comm, facet_rank(comm) == 0 ? facet_store_unpack(path) : FACET_OK);
  FACET_TRY(facet_store_open(comm, path, plan, &c->store));
  status = there ? facet_stages_check(c) : FACET_OK;
  if (there && status == FACET_OK)
    status = facet_stages_hold(c);
  return status == FACET_OK ? FACET_OK : close_store(&c->store, status);
}

/* What a phase took, also of one that was interrupted; status: of the phase, which is given back with its words. */
static facet_status profile(facet_profiling *profiling, const facet_stage *stage, facet_store *store,
                            facet_status status)
{
  char said[1000];
  if (!profiling || (status != FACET_OK && status != FACET_INTERRUPTED))
    return status;
  snprintf(said, sizeof said, "%s", facet_message());
  FACET_TRY(facet_profiling_phase(profiling, stage));
  if (store)
    FACET_TRY(facet_profiling_store(profiling, store));
  return status == FACET_OK ? FACET_OK : facet_raise(status, "%s", said);
}

/* How many ranks share this one's node, and its folder TMPDIR. */
static facet_status count_here(MPI_Comm comm, int *here)
{
  MPI_Comm node;
  FACET_TRY(facet_node_ranks(comm, &node));
  *here = facet_ranks(node);
  MPI_Comm_free(&node);
  return FACET_OK;
}

static facet_status run_all(const facet_context *context, facet_profiling *profiling)
{
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->run && facet_stage_wanted(*stage, context->plan)) {
      facet_session_phase(context->comm, (*stage)->name);
      FACET_TRY(profile(profiling, *stage, context->store, facet_stage_run(context, *stage)));
    }
  return FACET_OK;
}

/* Whether each node has room for what stages that are not done put into its folder TMPDIR, days later perhaps. What is
 * taken over from the store before may need none of it. */
static facet_status check_nameless(const facet_context *c)
{
  bool left[FACET_MOST_STAGES] = {false}, done;
  int here;
  facet_nameless nameless;
  if (facet_reused_from(c))
    return FACET_OK;
  FACET_TRY(count_here(c->comm, &here));
  for (int i = 0; facet_stages[i]; i++)
    if (facet_stages[i]->nameless && facet_stage_wanted(facet_stages[i], c->plan)) {
      FACET_TRY(facet_stage_done(c, facet_stages[i], &done));
      left[i] = !done;
    }
  facet_status status = facet_nameless_find(c, facet_ranks(c->comm), here, left, &nameless);
  return facet_agree(c->comm, status == FACET_OK ? facet_nameless_check(&nameless) : status);
}

static facet_status run_stages(facet_context *context, facet_profiling *profiling)
{
  if (facet_rank(context->comm) == 0)
    facet_versions_warn();
  facet_session_phase(context->comm, "looking for what is still true");
  facet_status status = facet_reuse_begin(context);
  if (status == FACET_OK)
    status = check_nameless(context);
  if (status == FACET_OK)
    status = run_all(context, profiling);
  facet_reuse_end(context);
  return status;
}

/* Rank 0: makes the output the study's own. */
static facet_status claim(const facet_session *s, bool fresh, facet_making *making)
{
  const char *output = s->study->settings.output;
  bool dense = false, changed = false;
  facet_output_state state = FACET_OUTPUT_EMPTY;
  making->edited = true; /* then what no record tells of does not count */
  if (!fresh) {
    FACET_TRY(facet_family_stands(making, &dense));
    FACET_TRY(facet_output_look(output, s->filled, dense, &state));
  }
  if (state == FACET_OUTPUT_SAME)
    FACET_TRY(facet_family_changed(making, &changed));
  return facet_output_claim(output, s->filled, dense, changed, fresh, &making->edited);
}

static bool trains(const facet_study *study)
{
  bool any = study->model.train;
  for (int i = 0; i < study->recipes.count; i++)
    any = any || study->recipes.item[i].retrain;
  return any;
}

/* Of the output, and of the folder TMPDIR, unless there is a store before: see check_nameless. */
static facet_status check_room(const facet_session *trial, int ranks, int here)
{
  const facet_context context = {
      .comm = MPI_COMM_SELF, .plan = &trial->plan, .data = &trial->data, .family = &trial->family};
  facet_disk disk;
  facet_nameless nameless;
  FACET_TRY(facet_disk_find(&trial->plan, &trial->family, ranks, false, &disk));
  FACET_TRY(facet_disk_check(&trial->plan, &disk));
  char *before = facet_reuse_file(&trial->study->settings);
  FACET_CHECK(before, FACET_OS, "out of memory");
  bool may_take_over = facet_exists(before);
  facet_free(&before);
  if (may_take_over)
    return FACET_OK;
  FACET_TRY(facet_nameless_find(&context, ranks, here, NULL, &nameless));
  return facet_nameless_check(&nameless);
}

/* Rank 0. Before networks are trained for hours: whether there is room for them, and for the result file that comes
 * then. Without training that file comes at once, and says so itself. */
static facet_status check_disk(const facet_session *s, const facet_making *making, int ranks, int here)
{
  bool standing = !making->edited && facet_output_has_store(s->study->settings.output);
  facet_session trial = *s;
  trial.family = (facet_family){.count = 0};
  trial.plan = (facet_plan){.blocks = 0};
  if (standing || !trains(s->study))
    return FACET_OK;
  facet_status status = facet_family_sketch(making, &trial.family);
  if (status == FACET_OK)
    status = facet_session_outline(&trial, ranks);
  if (status == FACET_OK)
    status = check_room(&trial, ranks, here);
  facet_session_forget_plan(&trial);
  facet_family_clear(&trial.family);
  return status;
}

/* Rank 0. Without a plan, which takes time where there are many networks. */
static facet_status look_finished(const facet_session *s, const char *path, int *finished)
{
  const facet_family *family = &s->family;
  facet_store_plan p = {.settings = &s->study->settings,
                        .study_filled = s->filled,
                        .origins = s->data.origins,
                        .origin = s->data.origin,
                        .variants = family->count};
  bool done = false;
  FACET_NEW(p.variant, p.variants);
  for (int v = 0; v < p.variants; v++) {
    p.variant[v].name = family->member[v].variant.name;
    p.variant[v].sha256 = family->member[v].sha256;
  }
  facet_status status = facet_store_finished(path, &p, &done);
  *finished = done;
  facet_free(&p.variant);
  return status;
}

/* Collective. What is finished must hold, too. */
static facet_status look_whole(MPI_Comm comm, const char *path, int *finished)
{
  facet_store_verified found;
  facet_session_phase(comm, "holding checksums against the data");
  FACET_TRY(facet_verify_store(comm, path, false, &found));
  *finished = found.bad == 0;
  return FACET_OK;
}

static facet_status make_store(facet_context *context, facet_session *s, const char *path, facet_profiling *profiling)
{
  MPI_Comm comm = context->comm;
  facet_session_phase(comm, "planning");
  FACET_AGREE(comm, facet_session_plan(s, facet_ranks(comm)));
  FACET_TRY(facet_plan_share(comm, &s->plan));
  facet_session_phase(comm, "creating or opening the result file");
  FACET_TRY(facet_profiling_plan(profiling, path, &s->plan.store));
  FACET_TRY(open_store(path, context));
  facet_status status = facet_profiling_phase(profiling, NULL);
  if (status == FACET_OK)
    status = run_stages(context, profiling);
  status = close_store(&context->store, status);
  return status;
}

/* From the networks on: what is finished stays, if it holds. */
static facet_status finish(facet_context *context, facet_session *s, const char *path, facet_profiling *profiling,
                           int *finished)
{
  MPI_Comm comm = context->comm;
  FACET_AGREE(comm, facet_rank(comm) == 0 ? look_finished(s, path, finished) : FACET_OK);
  FACET_TRY(facet_share(comm, finished, 1, "looking at the result file"));
  if (*finished)
    FACET_TRY(look_whole(comm, path, finished));
  if (!*finished)
    FACET_TRY(make_store(context, s, path, profiling));
  return facet_agree(comm, facet_rank(comm) == 0 ? facet_output_finish(s->study->settings.output) : FACET_OK);
}

static facet_status run(MPI_Comm comm, const facet_call *call, facet_session *s, facet_lock *lock,
                        facet_profiling *profiling, int *finished)
{
  facet_context context = {.comm = comm, .plan = &s->plan, .data = &s->data, .family = &s->family};
  facet_session_phase(comm, "reading the data");
  FACET_TRY(facet_session_study(comm, call->file[0], s));
  FACET_AGREE(comm, facet_rank(comm) == 0 ? facet_lock_take(s->study->settings.output, lock) : FACET_OK);
  FACET_TRY(facet_study_data_read(comm, s->study, &s->data));
  facet_session_phase(comm, "taking the digests of the data");
  FACET_TRY(facet_study_data_digest(comm, s->study, &s->data));
  facet_making making = facet_session_making(s);
  FACET_AGREE(comm, facet_rank(comm) == 0 ? claim(s, call->fresh, &making) : FACET_OK);
  int here;
  FACET_TRY(count_here(comm, &here));
  FACET_AGREE(comm, facet_rank(comm) == 0 ? check_disk(s, &making, facet_ranks(comm), here) : FACET_OK);
  facet_session_phase(comm, "making or reading the networks");
  FACET_TRY(facet_profiling_phase(profiling, NULL));
  FACET_TRY(profile(profiling, &facet_stage_training, NULL, facet_family_make(comm, &making, &s->family)));
  if (facet_rank(comm) == 0)
    facet_noted_warn(&s->family);
  char *path = facet_format("%s/study.h5", s->study->settings.output);
  facet_status status = facet_agree(comm, path ? FACET_OK : FACET_OS);
  if (status == FACET_OK)
    status = finish(&context, s, path, profiling, finished);
  facet_free(&path);
  return status;
}

/* What a user must not miss, at the end: layers that collapsed, variants and results that are missing. */
static void say_warnings(const facet_plan *plan)
{
  const facet_store_plan *p = &plan->store;
  for (int v = 0; v < p->variants; v++)
    for (int i = 0; i < p->variant[v].warnings; i++)
      fprintf(stderr, "facet: warning: %s: %s\n", p->variant[v].name, p->variant[v].warning[i]);
  for (int i = 0; i < p->diverged; i++)
    fprintf(stderr, "facet: warning: a variant is missing: %s\n", p->diverged_line[i]);
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->warn)
      (*stage)->warn(plan);
}

/* What there is now, and what to do with it. */
static void say_done(const facet_session *s, bool finished, double seconds, int ranks)
{
  const facet_store_plan *p = &s->plan.store;
  const char *output = s->study->settings.output;
  if (finished) {
    printf("%s/study.h5 is finished, nothing to do; ", output);
    facet_say_report(output);
    printf("\n");
    fflush(stdout);
    facet_certified_warn(output, &s->family);
    return;
  }
  printf("%s/study.h5: %d variants, %d conditions, %lld samples, %lld of them linearized, in %.1f s on %d rank%s\n",
         output, p->variants, p->conditions, (long long)p->samples, (long long)p->linear_samples, seconds, ranks,
         ranks == 1 ? "" : "s");
  facet_say_report(output);
  printf(", or facet checksum %s/study.h5\n", output);
  fflush(stdout);
  say_warnings(&s->plan);
  facet_certified_warn(output, &s->family);
}

/* What has failed because somebody took the folder away is said to be that. Collective. */
static facet_status look_for_folder(MPI_Comm comm, const facet_session *s, const facet_lock *lock, facet_status status)
{
  bool lost = status != FACET_OK && facet_lock_is_lost(lock);
  return facet_agree(comm, lost
                               ? facet_raise(FACET_IO,
                                             "%s: was moved or removed while the study was at work in it; run the same "
                                             "command again to make what is missing",
                                             s->study->settings.output)
                               : status);
}

facet_status facet_run(const facet_call *call)
{
  MPI_Comm comm = MPI_COMM_WORLD;
  facet_session s = {0};
  facet_lock lock = {.file = -1};
  facet_profiling *profiling = NULL;
  double start = facet_seconds();
  int finished = 0;
  FACET_TRY(facet_levels_agree(comm));
  FACET_TRY(facet_interrupt_listen(comm));
  facet_status status = facet_profiling_begin(comm, call->profile, &profiling);
  if (status == FACET_OK)
    status = look_for_folder(comm, &s, &lock, run(comm, call, &s, &lock, profiling, &finished));
  facet_session_phase(comm, "ending"); /* until MPI has, too */
  if (status == FACET_OK && facet_rank(comm) == 0)
    say_done(&s, finished, facet_seconds() - start, facet_ranks(comm));
  if ((status == FACET_OK || status == FACET_INTERRUPTED) && facet_rank(comm) == 0)
    facet_profiling_print(profiling);
  facet_interrupt_settle();
  facet_lock_release(&lock);
  facet_profiling_end(&profiling);
  facet_session_clear(&s);
  return status;
}
