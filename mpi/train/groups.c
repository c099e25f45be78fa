/* Making what is missing: see groups.h. */
#include "groups.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ranks/agree.h"
#include "ranks/exchange.h"
#include "source.h"
#include "train/checkpoint.h"

/* A file beside a network's own: "checkpoint", which its training goes on from, or "record". Caller frees. */
static char *file_beside(const facet_member *m, const char *what)
{
  return facet_format("%.*s.%s", (int)(strlen(m->file) - strlen(".onnx")), m->file, what);
}

static facet_status write_record(const facet_member *m, const facet_record *record)
{
  char *path = file_beside(m, "record");
  facet_status status = path ? facet_record_write(path, record) : FACET_OS;
  facet_free(&path);
  return status;
}

facet_record facet_groups_record(const facet_member *m)
{
  char *path = file_beside(m, "record");
  facet_record record = facet_record_read(path ? path : "");
  facet_free(&path);
  return record;
}

/* An external network is copied byte by byte, or with the data of its other files inside, so that the copy and its
 * digest are those of the whole; a copy that differs from it now is refused. */
static facet_status copy_external(const char *from, const char *to)
{
  uint8_t *bytes;
  size_t count;
  char now[65], then[65];
  FACET_TRY(facet_onnx_whole(from, &bytes, &count));
  bool there = facet_exists(to);
  facet_status status = there ? facet_sha256_bytes(bytes, count, now) : facet_write_file(to, bytes, count);
  facet_free(&bytes);
  FACET_TRY(status);
  if (!there)
    return FACET_OK;
  FACET_TRY(facet_sha256_file(to, then));
  FACET_CHECK(strcmp(now, then) == 0, FACET_BAD_INPUT,
              "%s: has changed since this study began; use --fresh or another output folder", from);
  return FACET_OK;
}

/* Rank 0: the network is read once more, to be held against dense. */
static facet_status take_external(const facet_origin *o, const facet_member *m)
{
  const facet_recipe *recipe = facet_making_recipe(o->making, &m->variant);
  facet_network *network = NULL;
  facet_status status = recipe ? facet_source_external(o->making, recipe, o->dense, &network) : FACET_OK;
  facet_network_destroy(&network);
  FACET_TRY(status);
  return copy_external(facet_making_external(o->making, &m->variant), m->file);
}

/* Rank 0. The record comes before the network: what has a file has a record. */
static facet_status write_made(const facet_member *m, const facet_network *made, double seconds)
{
  FACET_TRY(write_record(m, &(facet_record){.seconds = seconds}));
  return facet_onnx_write(made, m->file);
}

/* Says at once that a training has diverged, and keeps it for the end. */
static facet_status note_diverged(MPI_Comm comm, const facet_member *m)
{
  facet_record record = {.seconds = NAN};
  snprintf(record.diverged, sizeof record.diverged, "%s", facet_message());
  if (facet_rank(comm) == 0)
    fprintf(stderr, "facet: warning: %s; the study goes on without %s\n", record.diverged, m->variant.name);
  return facet_agree(comm, facet_rank(comm) == 0 ? write_record(m, &record) : FACET_OK);
}

facet_status facet_groups_make_one(MPI_Comm comm, const facet_origin *o, const facet_member *m)
{
  bool speaks = facet_rank(comm) == 0;
  if (facet_making_external(o->making, &m->variant))
    return facet_agree(comm, speaks ? take_external(o, m) : FACET_OK);
  facet_network *made = NULL;
  double seconds;
  char *checkpoint = file_beside(m, "checkpoint");
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, checkpoint ? FACET_OK : FACET_OS));
  FACET_GO(done, status, facet_recipe_make(comm, o, &m->variant, checkpoint, &made, &seconds));
  status = facet_agree(comm, speaks ? write_made(m, made, seconds) : FACET_OK);
done:
  if (speaks && (status == FACET_OK || status == FACET_DIVERGED))
    facet_checkpoint_remove(checkpoint);
  facet_network_destroy(&made);
  facet_free(&checkpoint);
  return status;
}

facet_status facet_groups_missing(MPI_Comm comm, const facet_family *family, int *state)
{
  for (int i = 0; i < family->count && facet_rank(comm) == 0; i++) {
    const facet_member *m = &family->member[i];
    bool external = facet_making_external(&family->making, &m->variant) != NULL; /* always: it may have changed */
    state[i] = external || !facet_exists(m->file) ? FACET_TO_MAKE : FACET_THERE;
    if (state[i] == FACET_TO_MAKE && i > 0 && facet_groups_record(m).diverged[0])
      state[i] = FACET_GIVEN_UP;
  }
  return facet_share(comm, state, family->count, "making variants");
}

/* ---- side by side ---- */

/* Epochs of training that a member takes. */
static int epochs_of(const facet_family *family, int member)
{
  const facet_training *how = facet_making_training(&family->making, &family->member[member].variant);
  return how ? how->epochs : 0;
}

/* Deals the members to make out to groups of ranks, longest first, each to the group that has the least to do. */
static facet_status deal(const facet_family *family, const int *state, int groups, int *group)
{
  int64_t *load;
  FACET_NEW(load, groups);
  for (int i = 0; i < family->count; i++)
    group[i] = -1;
  for (int turn = 1; turn < family->count; turn++) {
    int longest = -1, least = 0;
    for (int i = 1; i < family->count; i++)
      if (state[i] == FACET_TO_MAKE && group[i] < 0 &&
          (longest < 0 || epochs_of(family, i) > epochs_of(family, longest)))
        longest = i;
    if (longest < 0)
      break;
    for (int g = 1; g < groups; g++)
      least = load[g] < load[least] ? g : least;
    group[longest] = least;
    load[least] += 10 * (int64_t)epochs_of(family, longest) + 1;
  }
  facet_free(&load);
  return FACET_OK;
}

/* The members of one group of ranks, one after the other. */
static facet_status make_dealt(MPI_Comm comm, const facet_origin *o, const facet_family *family, const int *group,
                               int mine, int *state)
{
  for (int i = 1; i < family->count; i++) {
    if (group[i] != mine)
      continue;
    facet_status status = facet_groups_make_one(comm, o, &family->member[i]);
    if (status == FACET_DIVERGED) {
      status = note_diverged(comm, &family->member[i]);
      state[i] = FACET_GIVEN_UP;
    }
    FACET_TRY(status);
  }
  return FACET_OK;
}

facet_status facet_groups_make(MPI_Comm comm, const facet_origin *o, const facet_family *family, int *state)
{
  int ranks = facet_ranks(comm), groups = 0;
  for (int i = 1; i < family->count; i++)
    groups += state[i] == FACET_TO_MAKE && epochs_of(family, i) > 0;
  groups = groups < 1 ? 1 : groups < ranks ? groups : ranks;
  int mine = facet_rank(comm) * groups / ranks;
  int *group = facet_allocate((size_t)family->count, sizeof *group);
  MPI_Comm part = MPI_COMM_NULL;
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, group ? deal(family, state, groups, group) : FACET_OS));
  FACET_GO(done, status, facet_mpi_check(MPI_Comm_split(comm, mine, facet_rank(comm), &part), "splitting ranks"));
  FACET_GO(done, status, facet_agree(comm, make_dealt(part, o, family, group, mine, state)));
  status = facet_largest(comm, state, family->count, "making variants");
done:
  if (part != MPI_COMM_NULL)
    MPI_Comm_free(&part);
  facet_free(&group);
  return status;
}
