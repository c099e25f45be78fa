/* Making what is missing: see groups.h. */
#include "groups.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "known.h"
#include "ranks/agree.h"
#include "ranks/exchange.h"
#include "ranks/profile.h"
#include "source.h"
#include "train/checkpoint.h"

/* What a member is made from beside dense and the study, as it is now. */
typedef struct {
  const facet_data_origin *from[FACET_FROM]; /* NULL: not from that */
  facet_data_origin file;                    /* of masks, or of the network that is trained; borrowed */
} origins;

static facet_status digest_file(const char *path, bool mask, char hex[65])
{
  uint8_t *bytes;
  size_t count;
  if (mask)
    return facet_sha256_file(path, hex);
  FACET_TRY(facet_onnx_whole(path, &bytes, &count));
  facet_status status = facet_sha256_bytes(bytes, count, hex);
  facet_free(&bytes);
  return status;
}

static facet_status find_origins(const facet_making *making, const facet_variant *variant, origins *o)
{
  const facet_recipe *recipe = facet_making_recipe(making, variant);
  const facet_method *method = variant->method;
  bool mask = recipe && recipe->mask, first = !recipe || (method && method->from_first);
  *o = (origins){.file.file = mask ? recipe->mask : first && making->model->train ? making->model->onnx : NULL};
  if (facet_making_training(making, variant) || (method && method->needs_data)) {
    o->from[FACET_FROM_IMAGES] = facet_data_origin_find(making->data, "train_images_sha256");
    o->from[FACET_FROM_LABELS] = facet_data_origin_find(making->data, "train_labels_sha256");
  }
  if (!o->file.file)
    return FACET_OK;
  o->from[FACET_FROM_FILE] = &o->file;
  return digest_file(o->file.file, mask, o->file.sha256);
}

static facet_status write_record(const facet_making *making, const facet_member *m, facet_record record)
{
  origins o;
  FACET_TRY(find_origins(making, &m->variant, &o));
  for (int i = 0; i < FACET_FROM; i++)
    snprintf(record.from[i], sizeof record.from[i], "%s", o.from[i] ? o.from[i]->sha256 : "");
  memcpy(record.from[FACET_FROM_RECIPE], m->recipe, sizeof m->recipe);
  char *path = facet_known_beside(m->file, "record");
  facet_status status = path ? facet_record_write(path, &record) : FACET_OS;
  facet_free(&path);
  return status;
}

/* FACET_BAD_INPUT if something has changed since the member was made from it, or given up with it. */
static facet_status same_origins(const facet_making *making, const facet_member *m, const facet_record *then)
{
  origins o;
  FACET_TRY(find_origins(making, &m->variant, &o));
  for (int i = 0; i < FACET_FROM; i++)
    if (o.from[i])
      FACET_TRY(facet_data_same(o.from[i], then->from[i], m->variant.name));
  return FACET_OK;
}

/* The record comes before the network: what has a file has a record. */
static facet_status write_network(const facet_making *making, const facet_member *m, facet_record record,
                                  const uint8_t *bytes, size_t count)
{
  FACET_TRY(facet_sha256_bytes(bytes, count, record.network));
  FACET_TRY(write_record(making, m, record));
  return facet_write_file(m->file, bytes, count);
}

/* Whether a network's file is what was written; says if it is not. */
static facet_status is_whole(const facet_record *record, const char *file, bool *whole)
{
  FACET_TRY(facet_record_holds(record, file, whole));
  if (!*whole)
    fprintf(stderr, "facet: %s: %s, and it is made anew\n", file,
            record->damaged ? "its record does not hold its checksum" : "does not hold the digest in its record");
  return FACET_OK;
}

/* An external network is copied byte by byte, or with the data of its other files inside, so that the copy and its
 * digest are those of the whole; a copy that differs from it now is refused, unless it is not the copy that was made:
 * that is dense, or one that changed since the run began. */
static facet_status copy_external(const facet_making *making, const facet_member *m, const char *from)
{
  const facet_record record = facet_known_record(m->file);
  uint8_t *bytes;
  size_t count;
  char now[65] = "", then[65] = "";
  bool whole = facet_exists(m->file), same = false;
  if (whole)
    FACET_TRY(is_whole(&record, m->file, &whole));
  FACET_TRY(facet_onnx_whole(from, &bytes, &count));
  facet_status status = facet_sha256_bytes(bytes, count, now);
  if (status == FACET_OK && whole && record.network[0]) /* which is what the file was found to have */
    memcpy(then, record.network, sizeof then);
  else if (status == FACET_OK && whole)
    status = facet_sha256_file(m->file, then);
  same = whole && strcmp(now, then) == 0;
  if (status == FACET_OK && (!whole || (same && !record.network[0])))
    status = write_network(making, m, (facet_record){.seconds = NAN}, bytes, count);
  facet_free(&bytes);
  FACET_TRY(status);
  FACET_CHECK(!whole || same, FACET_BAD_INPUT,
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
  return copy_external(o->making, m, facet_making_external(o->making, &m->variant));
}

/* Rank 0. */
static facet_status write_made(const facet_making *making, const facet_member *m, const facet_network *made,
                               double seconds)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_onnx_write_bytes(made, &bytes, &count));
  facet_status status = write_network(making, m, (facet_record){.seconds = seconds}, bytes, count);
  facet_free(&bytes);
  return status;
}

/* Says at once that a training has diverged, and keeps it for the end. */
static facet_status note_diverged(MPI_Comm comm, const facet_making *making, const facet_member *m)
{
  facet_record record = {.seconds = NAN};
  snprintf(record.diverged, sizeof record.diverged, "%s", facet_message());
  if (facet_rank(comm) == 0)
    fprintf(stderr, "facet: warning: %s; the study goes on without %s\n", record.diverged, m->variant.name);
  return facet_agree(comm, facet_rank(comm) == 0 ? write_record(making, m, record) : FACET_OK);
}

facet_status facet_groups_make_one(MPI_Comm comm, const facet_origin *o, const facet_member *m)
{
  bool speaks = facet_rank(comm) == 0;
  if (facet_making_external(o->making, &m->variant))
    return facet_agree(comm, speaks ? take_external(o, m) : FACET_OK);
  facet_network *made = NULL;
  double seconds;
  char *checkpoint = facet_known_beside(m->file, "checkpoint");
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, checkpoint ? FACET_OK : FACET_OS));
  FACET_GO(done, status, facet_recipe_make(comm, o, &m->variant, checkpoint, &made, &seconds));
  status = facet_agree(comm, speaks ? write_made(o->making, m, made, seconds) : FACET_OK);
done:
  if (speaks && (status == FACET_OK || status == FACET_DIVERGED))
    facet_checkpoint_remove(checkpoint);
  facet_network_destroy(&made);
  facet_free(&checkpoint);
  return status;
}

/* A network that was made under another name, with what is remembered of it. */
static facet_status copy_known(const facet_making *making, const char *file, const facet_member *m)
{
  const facet_record record = facet_known_record(file);
  uint8_t *bytes;
  size_t count;
  FACET_TRY(same_origins(making, m, &record));
  FACET_TRY(facet_read_file(file, &bytes, &count));
  (void)unlink(m->file); /* of another recipe: it must not be there with this one's record */
  facet_status status = write_network(making, m, record, bytes, count);
  facet_free(&bytes);
  return status;
}

/* Rank 0. The file of a network that is the member, or NULL: a network that does not hold its digest is none, and
 * neither is one whose own record does not. */
static facet_status find_whole(const facet_family *family, const facet_member *m, const facet_record *own, char **file)
{
  bool whole = true;
  FACET_TRY(facet_known_find(family, m, file));
  facet_status status = FACET_OK;
  if (*file) {
    const facet_record record = facet_known_record(*file);
    status = is_whole(&record, *file, &whole);
  } else if (own->damaged) {
    status = is_whole(own, m->file, &whole);
  }
  if (status != FACET_OK || !whole)
    facet_free(file);
  return status;
}

/* Rank 0. A kill between the two leaves what the training of a network that is there would have gone on from. */
static facet_status remove_checkpoint(const facet_member *m)
{
  char *path = facet_known_beside(m->file, "checkpoint");
  if (!path)
    return FACET_OS;
  facet_checkpoint_remove(path);
  facet_free(&path);
  return FACET_OK;
}

/* Rank 0. */
static facet_status look_for(const facet_family *family, const facet_member *m, int *state)
{
  char *file = NULL;
  *state = FACET_TO_MAKE;
  if (facet_making_external(&family->making, &m->variant)) /* always: it may have changed */
    return FACET_OK;
  facet_record record = facet_known_record(m->file);
  FACET_TRY(find_whole(family, m, &record, &file));
  bool same = !record.damaged && facet_known_same(&record, m, !family->making.edited);
  bool elsewhere = file && strcmp(file, m->file) != 0;
  facet_status status = FACET_OK;
  if (file)
    *state = FACET_THERE;
  else if (m != family->member && same && record.diverged[0])
    *state = FACET_GIVEN_UP;
  if (*state == FACET_THERE && elsewhere)
    status = copy_known(&family->making, file, m);
  else if (*state != FACET_TO_MAKE)
    status = same_origins(&family->making, m, &record);
  if (status == FACET_OK && *state != FACET_TO_MAKE)
    status = remove_checkpoint(m);
  facet_free(&file);
  return status;
}

/* Rank 0. Files of other recipes, which others may have been copied from, go before what is made takes their place. */
static void remove_others(const facet_family *family, int first, int end, const int *state)
{
  for (int i = first; i < end; i++)
    if (state[i] == FACET_TO_MAKE &&
        (family->making.edited || !facet_making_external(&family->making, &family->member[i].variant)))
      (void)unlink(family->member[i].file);
}

facet_status facet_groups_missing(MPI_Comm comm, facet_family *family, int first, int end, int *state)
{
  facet_status status = FACET_OK;
  for (int i = first; i < end && status == FACET_OK; i++)
    status = facet_known_recipe(family, &family->member[i]);
  for (int i = first; i < end && status == FACET_OK && facet_rank(comm) == 0; i++)
    status = look_for(family, &family->member[i], &state[i]);
  FACET_AGREE(comm, status);
  if (facet_rank(comm) == 0)
    remove_others(family, first, end, state);
  return facet_share(comm, state + first, end - first, "making variants");
}

/* ---- side by side ---- */

/* Epochs of training that a member takes. */
static int epochs_of(const facet_family *family, int member)
{
  const facet_training *how = facet_making_training(&family->making, &family->member[member].variant);
  return how ? how->epochs : 0;
}

/* Members that are to be made, the longest first. Each group begins with one; the rest rank 0 hands out one by one: to
 * the first rank of each group that asks, also while it trains itself, between two steps. Who is slow asks less often.
 */
typedef struct {
  MPI_Comm comm; /* of all ranks, for these messages alone */
  int count, next, *member;
  int others; /* rank 0: groups that have not heard the end yet */
} dealing;

enum { TAG_ASK, TAG_NEXT };

static facet_status put_in_order(const facet_family *family, const int *state, dealing *d)
{
  FACET_NEW(d->member, family->count);
  for (int i = 1; i < family->count; i++) {
    int at = d->count;
    if (state[i] != FACET_TO_MAKE)
      continue;
    for (; at > 0 && epochs_of(family, d->member[at - 1]) < epochs_of(family, i); at--)
      d->member[at] = d->member[at - 1];
    d->member[at] = i;
    d->count++;
  }
  return FACET_OK;
}

static int take(dealing *d)
{
  return d->next < d->count ? d->member[d->next++] : -1;
}

/* Who has failed is not answered, and nobody begins another one. */
static void answer(dealing *d)
{
  int failed, next = -1;
  MPI_Status from;
  MPI_Recv(&failed, 1, MPI_INT, MPI_ANY_SOURCE, TAG_ASK, d->comm, &from);
  d->next = failed ? d->count : d->next;
  if (!failed) {
    next = take(d);
    MPI_Send(&next, 1, MPI_INT, from.MPI_SOURCE, TAG_NEXT, d->comm);
  }
  d->others -= next < 0;
}

static void answer_all(void *self)
{
  dealing *d = self;
  int there = 1;
  while (d->others > 0 && MPI_Iprobe(MPI_ANY_SOURCE, TAG_ASK, d->comm, &there, MPI_STATUS_IGNORE) == MPI_SUCCESS &&
         there)
    answer(d);
}

/* The first rank of a group. Whoever waits hears of signals all the same. */
static int ask(const dealing *d)
{
  int failed = 0, next = -1;
  MPI_Send(&failed, 1, MPI_INT, 0, TAG_ASK, d->comm);
  facet_interrupt_await(d->comm, 0, TAG_NEXT);
  MPI_Recv(&next, 1, MPI_INT, 0, TAG_NEXT, d->comm, MPI_STATUS_IGNORE);
  return next;
}

static facet_status next_member(MPI_Comm part, dealing *d, int *next)
{
  if (facet_rank(d->comm) == 0) {
    answer_all(d);
    *next = take(d);
  } else if (facet_rank(part) == 0) {
    *next = ask(d);
  }
  return facet_share(part, next, 1, "making variants");
}

/* So that the others do not wait, nor begin what will not be used. */
static void give_up(MPI_Comm part, dealing *d)
{
  const int failed = 1;
  if (facet_rank(d->comm) == 0)
    d->next = d->count;
  else if (facet_rank(part) == 0)
    MPI_Send(&failed, 1, MPI_INT, 0, TAG_ASK, d->comm);
}

static facet_status make_one_or_note(MPI_Comm part, const facet_origin *o, const facet_family *family, int i,
                                     int *state)
{
  facet_status status = facet_groups_make_one(part, o, &family->member[i]);
  facet_profile_unit();
  if (status != FACET_DIVERGED)
    return status;
  state[i] = FACET_GIVEN_UP;
  return note_diverged(part, &family->making, &family->member[i]);
}

/* Rank 0, which answers the other groups until they have done. */
static void wait_for_others(dealing *d)
{
  while (d->others > 0) {
    facet_interrupt_await(d->comm, MPI_ANY_SOURCE, TAG_ASK);
    answer(d);
  }
}

/* The members of group number `group`, one after the other. */
static facet_status make_dealt(MPI_Comm part, const facet_origin *o, const facet_family *family, int group, dealing *d,
                               int *state)
{
  facet_status status = FACET_OK;
  int next = group < d->count ? d->member[group] : -1;
  if (facet_rank(d->comm) == 0)
    facet_interrupt_meanwhile(answer_all, d);
  do {
    if (next >= 0)
      status = make_one_or_note(part, o, family, next, state);
    if (status == FACET_OK)
      status = next_member(part, d, &next);
  } while (status == FACET_OK && next >= 0);
  if (status != FACET_OK)
    give_up(part, d);
  facet_interrupt_meanwhile(NULL, NULL);
  wait_for_others(d);
  return status;
}

facet_status facet_groups_make(MPI_Comm comm, const facet_origin *o, const facet_family *family, int *state)
{
  int ranks = facet_ranks(comm), rank = facet_rank(comm), groups = 0;
  for (int i = 1; i < family->count; i++)
    groups += state[i] == FACET_TO_MAKE && epochs_of(family, i) > 0;
  groups = groups < 1 ? 1 : groups < ranks ? groups : ranks;
  int group = rank * groups / ranks;
  MPI_Comm part = MPI_COMM_NULL;
  dealing d = {.comm = MPI_COMM_NULL, .next = groups, .others = rank == 0 ? groups - 1 : 0};
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, put_in_order(family, state, &d)));
  FACET_GO(done, status, facet_mpi_check(MPI_Comm_dup(comm, &d.comm), "splitting ranks"));
  FACET_GO(done, status, facet_mpi_check(MPI_Comm_split(comm, group, rank, &part), "splitting ranks"));
  FACET_GO(done, status, facet_agree(comm, make_dealt(part, o, family, group, &d, state)));
  status = facet_largest(comm, state, family->count, "making variants");
done:
  if (part != MPI_COMM_NULL)
    MPI_Comm_free(&part);
  if (d.comm != MPI_COMM_NULL)
    MPI_Comm_free(&d.comm);
  facet_free(&d.member);
  return status;
}
