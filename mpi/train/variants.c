/* Making the networks of a study: see variants.h.
 *
 * Every network is written to its file before it is used, and every rank then reads the file: what a resumed run
 * works with is what the first run worked with, bit for bit. */
#include "variants.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "ranks/agree.h"
#include "recipe.h"

/* ---- one network ---- */

/* The study's word on the order of the numbers that a network takes, and where it stands. */
typedef struct {
  facet_order order;
  int line;
  const char *key;
} asked_layout;

static asked_layout asked_of(const facet_study *study, int recipe)
{
  const facet_recipe *r = recipe >= 0 && study->recipes.item[recipe].onnx ? &study->recipes.item[recipe] : NULL;
  if (r && r->layout != study->data.layout)
    return (asked_layout){r->layout, r->line, "variants.layout"};
  return (asked_layout){study->data.layout, study->data.layout_line, "data.layout"};
}

/* How the network of a variant (by its recipe; -1: dense) takes the samples. */
static facet_status check_layout(const facet_study *study, int recipe, const char *path, const facet_network *network,
                                 const facet_study_data *data, facet_input_layout *layout)
{
  facet_shape input = facet_network_input_shape(network);
  const facet_dataset *d = data->test;
  asked_layout asked = asked_of(study, recipe);
  facet_fit fit = facet_input_layout_find(d->image, input.rank, input.dim, asked.order, layout);
  FACET_CHECK(fit != FACET_FIT_NONE, FACET_BAD_INPUT, "%s: images are %lld x %lld x %lld but the network %s takes %s",
              study->data.test.images.item[0], (long long)d->image.channels, (long long)d->image.height,
              (long long)d->image.width, path, facet_shape_text(input));
  FACET_CHECK(fit != FACET_FIT_OTHER, FACET_BAD_INPUT,
              "%s:%d: %s: %s, but images are %lld x %lld x %lld and the network %s takes %s: that is %s",
              study->settings.file, asked.line, asked.key, facet_order_name(asked.order), (long long)d->image.channels,
              (long long)d->image.height, (long long)d->image.width, path, facet_shape_text(input),
              facet_order_name(layout->order));
  return FACET_OK;
}

static facet_status check_fit(const facet_study *study, int recipe, const char *path, const facet_network *network,
                              const facet_study_data *data)
{
  facet_input_layout layout;
  int64_t outputs = facet_network_outputs(network);
  FACET_TRY(check_layout(study, recipe, path, network, data, &layout));
  FACET_CHECK(study->data.classes.count == 0 || study->data.classes.count == outputs, FACET_BAD_INPUT,
              "%s: data.classes names %d classes but the network %s has %lld outputs", study->settings.file,
              study->data.classes.count, path, (long long)outputs);
  return facet_dataset_check_labels(data->test, facet_label_file(&study->data.test), outputs);
}

/* The number of classes: named, of the network, or the largest label of the training data. */
static int64_t count_classes(const facet_study *study, const facet_study_data *data)
{
  int64_t classes = study->data.classes.count;
  for (int64_t i = 0; study->data.classes.count == 0 && i < data->train->count; i++)
    classes = data->train->label[i] >= classes ? data->train->label[i] + 1 : classes;
  return classes;
}

static facet_status first_weights(const facet_study *study, const facet_study_data *data, facet_network **network)
{
  const facet_dataset *d = data->test;
  int64_t classes = count_classes(study, data);
  FACET_CHECK(classes > 1, FACET_BAD_INPUT, "%s: the training data has no labels", study->data.train.images.item[0]);
  FACET_TRY(facet_dataset_check_labels(data->train, facet_label_file(&study->data.train), classes));
  facet_shape input = {3, {d->image.channels, d->image.height, d->image.width}};
  if (study->model.resnet)
    return facet_network_resnet(input, study->model.resnet, classes, study->settings.seed, network);
  return facet_network_plain(input, study->model.conv.count, study->model.conv.item, study->model.dense.count,
                             study->model.dense.item, classes, study->settings.seed, network);
}

/* dense before any training: its first weights, or as it is read. */
static facet_status make_first(const facet_study *study, const facet_study_data *data, facet_network **network)
{
  if (study->model.onnx)
    FACET_TRY(facet_onnx_read(study->model.onnx, network));
  else
    FACET_TRY(first_weights(study, data, network));
  return check_fit(study, -1, study->model.onnx ? study->model.onnx : "to be trained", *network, data);
}

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

static facet_record read_record(const facet_member *m)
{
  char *path = file_beside(m, "record");
  facet_record record = facet_record_read(path ? path : "");
  facet_free(&path);
  return record;
}

static facet_status train_dense(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                                const char *checkpoint, facet_network *network, double *seconds)
{
  facet_input_layout input;
  FACET_CHECK(data->train, FACET_BAD_INPUT, "%s: training dense needs data.train", study->settings.file);
  FACET_TRY(check_layout(study, -1, "dense", network, data, &input));
  facet_training_job job = {
      data->train, &study->data.normalize, &input,    &study->model.training, study->settings.seed,
      NULL,        "train dense",          checkpoint};
  facet_method_cost cost = {0};
  facet_status status = facet_method_run(comm, &(facet_method_job){.training = job}, network, &cost);
  *seconds = cost.seconds;
  return status;
}

static facet_status read_external(const facet_study *study, const facet_study_data *data, const char *path, int recipe,
                                  const facet_network *dense, facet_network **network)
{
  FACET_TRY(facet_onnx_read(path, network));
  FACET_TRY(check_fit(study, recipe, path, *network, data));
  FACET_CHECK(facet_network_outputs(*network) == facet_network_outputs(dense), FACET_BAD_INPUT,
              "%s: has %lld outputs but dense has %lld", path, (long long)facet_network_outputs(*network),
              (long long)facet_network_outputs(dense));
  return FACET_OK;
}

/* A network of the study, and how long its training took. comm MPI_COMM_NULL: a sketch, nothing trained. */
static facet_status make_network(MPI_Comm comm, const facet_kitchen *k, const facet_member *m, facet_network **network,
                                 double *seconds)
{
  int recipe = m->variant.recipe;
  *seconds = 0;
  if (recipe >= 0 && k->study->recipes.item[recipe].onnx)
    return read_external(k->study, k->data, k->study->recipes.item[recipe].onnx, recipe, k->dense, network);
  char *checkpoint = file_beside(m, "checkpoint");
  facet_status status = checkpoint ? FACET_OK : FACET_OS;
  if (status == FACET_OK && recipe >= 0) {
    status = facet_recipe_make(comm, k, &m->variant, checkpoint, network, seconds);
  } else if (status == FACET_OK) {
    status = facet_network_copy(k->first, network);
    if (status == FACET_OK && comm != MPI_COMM_NULL && k->study->model.train)
      status = train_dense(comm, k->study, k->data, checkpoint, *network, seconds);
  }
  facet_free(&checkpoint);
  return status;
}

/* ---- the family ---- */

static facet_status list_members(const facet_study *study, facet_family *family)
{
  facet_variant *variant;
  int count;
  FACET_TRY(facet_study_variants(study, &variant, &count));
  family->member = facet_allocate((size_t)count, sizeof *family->member);
  if (!family->member) {
    facet_variants_free(&variant, count);
    return FACET_OS;
  }
  family->count = count;
  for (int i = 0; i < count; i++) {
    family->member[i].variant = variant[i]; /* names go over to the family */
    family->member[i].file = facet_format("%s/variants/%s.onnx", study->settings.output, variant[i].name);
    variant[i].name = variant[i].replicate = NULL;
    if (!family->member[i].file) {
      facet_variants_free(&variant, count);
      return FACET_OS;
    }
  }
  facet_variants_free(&variant, count);
  return FACET_OK;
}

/* The external file that a member comes from, or NULL. */
static const char *external_file(const facet_study *study, const facet_member *m)
{
  if (m->variant.recipe >= 0)
    return study->recipes.item[m->variant.recipe].onnx;
  return study->model.train ? NULL : study->model.onnx;
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

/* The record comes before the network: what has a file has a record. */
static facet_status write_made(const facet_study *study, const facet_member *m, const facet_network *made,
                               double seconds)
{
  const char *external = external_file(study, m);
  if (external)
    return copy_external(external, m->file);
  FACET_TRY(write_record(m, &(facet_record){.seconds = seconds}));
  return facet_onnx_write(made, m->file);
}

static void drop_checkpoint(MPI_Comm comm, const facet_member *m)
{
  char *checkpoint = file_beside(m, "checkpoint");
  if (checkpoint && facet_rank(comm) == 0)
    facet_checkpoint_remove(checkpoint);
  facet_free(&checkpoint);
}

/* Makes a network and writes its file. Collective over comm. */
static facet_status make_file(MPI_Comm comm, const facet_kitchen *k, const facet_member *m)
{
  facet_network *made = NULL;
  double seconds;
  facet_status status = facet_agree(comm, make_network(comm, k, m, &made, &seconds));
  if (status == FACET_OK && facet_rank(comm) == 0)
    status = write_made(k->study, m, made, seconds);
  facet_network_destroy(&made);
  FACET_AGREE(comm, status);
  drop_checkpoint(comm, m);
  return FACET_OK;
}

/* Every rank reads the file. */
static facet_status read_member(MPI_Comm comm, const facet_study *study, const facet_study_data *data, facet_member *m)
{
  facet_status status = facet_onnx_read(m->file, &m->network);
  if (status == FACET_OK)
    status = check_fit(study, m->variant.recipe, m->file, m->network, data);
  if (status == FACET_OK)
    status = check_layout(study, m->variant.recipe, m->file, m->network, data, &m->input);
  if (status == FACET_OK)
    status = facet_sha256_file(m->file, m->sha256);
  if (status == FACET_OK)
    status = facet_mask_of_zeros(m->network, &m->zeros);
  return facet_agree(comm, status);
}

/* ---- side by side ---- */

enum { THERE, TO_MAKE, DIVERGED };

/* What is still to be made: rank 0 knows, the others may see files late. state: one per member, the same everywhere.
 * What diverged before would do so again. */
static facet_status find_missing(MPI_Comm comm, const facet_study *study, const facet_family *family, int *state)
{
  FACET_CHECK(state, FACET_INTERNAL, "no room for what is missing");
  for (int i = 0; i < family->count; i++) {
    bool external = external_file(study, &family->member[i]) != NULL; /* always: it may have changed */
    state[i] = external || !facet_exists(family->member[i].file) ? TO_MAKE : THERE;
    if (state[i] == TO_MAKE && i > 0 && read_record(&family->member[i]).diverged[0])
      state[i] = DIVERGED;
  }
  return facet_share(comm, state, family->count, "making variants");
}

/* Epochs of training that a member takes. */
static int epochs_of(const facet_study *study, const facet_member *m)
{
  const facet_training *how = facet_variant_training(study, &m->variant);
  return how ? how->epochs : 0;
}

/* Deals the members to make out to groups of ranks, longest first, each to the group that has the least to do. */
static facet_status deal(const facet_study *study, const facet_family *family, const int *state, int groups, int *group)
{
  int64_t *load;
  FACET_NEW(load, groups);
  for (int i = 0; i < family->count; i++)
    group[i] = -1;
  for (int turn = 1; turn < family->count; turn++) {
    int longest = -1, least = 0;
    for (int i = 1; i < family->count; i++)
      if (state[i] == TO_MAKE && group[i] < 0 &&
          (longest < 0 || epochs_of(study, &family->member[i]) > epochs_of(study, &family->member[longest])))
        longest = i;
    if (longest < 0)
      break;
    for (int g = 1; g < groups; g++)
      least = load[g] < load[least] ? g : least;
    group[longest] = least;
    load[least] += 10 * (int64_t)epochs_of(study, &family->member[longest]) + 1;
  }
  facet_free(&load);
  return FACET_OK;
}

/* Says at once that a training has diverged, and keeps it for the end. */
static facet_status note_diverged(MPI_Comm comm, const facet_member *m)
{
  facet_record record = {.seconds = NAN};
  snprintf(record.diverged, sizeof record.diverged, "%s", facet_message());
  if (facet_rank(comm) == 0)
    fprintf(stderr, "facet: warning: %s; the study goes on without %s\n", record.diverged, m->variant.name);
  drop_checkpoint(comm, m);
  return facet_agree(comm, facet_rank(comm) == 0 ? write_record(m, &record) : FACET_OK);
}

/* The members of one group of ranks, one after the other. A training that diverges costs its own network alone. */
static facet_status make_dealt(MPI_Comm comm, const facet_kitchen *k, const facet_family *family, const int *group,
                               int mine, int *state)
{
  for (int i = 1; i < family->count; i++) {
    if (group[i] != mine)
      continue;
    facet_status status = make_file(comm, k, &family->member[i]);
    if (status == FACET_DIVERGED) {
      status = note_diverged(comm, &family->member[i]);
      state[i] = DIVERGED;
    }
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* Ranks split into as many groups as there are networks to train, at most; what comes out does not depend on how. */
static facet_status make_in_groups(MPI_Comm comm, const facet_kitchen *k, const facet_family *family, int *state)
{
  int ranks = facet_ranks(comm), groups = 0, *group;
  for (int i = 1; i < family->count; i++)
    groups += state[i] == TO_MAKE && epochs_of(k->study, &family->member[i]) > 0;
  groups = groups < 1 ? 1 : groups < ranks ? groups : ranks;
  int mine = facet_rank(comm) * groups / ranks;
  MPI_Comm part = MPI_COMM_NULL;
  FACET_NEW(group, family->count);
  facet_status status = deal(k->study, family, state, groups, group);
  if (status == FACET_OK)
    status = facet_mpi_check(MPI_Comm_split(comm, mine, facet_rank(comm), &part), "splitting ranks");
  status = facet_agree(comm, status);
  if (status == FACET_OK)
    status = facet_agree(comm, make_dealt(part, k, family, group, mine, state));
  if (part != MPI_COMM_NULL)
    MPI_Comm_free(&part);
  facet_free(&group);
  FACET_TRY(status);
  return facet_largest(comm, state, family->count, "making variants");
}

static void member_clear(facet_member *m)
{
  facet_network_destroy(&m->network);
  facet_mask_destroy(&m->zeros);
  facet_free(&m->file);
  facet_free(&m->variant.name);
  facet_free(&m->variant.replicate);
}

/* Rank 0 tells the others what the records say. */
static facet_status read_records(MPI_Comm comm, facet_family *family)
{
  for (int i = 0; i < family->count; i++) {
    facet_record *record = &family->member[i].record;
    if (facet_rank(comm) == 0)
      *record = read_record(&family->member[i]);
    FACET_TRY(facet_share(comm, (char *)record, sizeof *record, "reading records"));
  }
  return FACET_OK;
}

/* Members whose training diverged leave the family; what was said of them stays. */
static facet_status drop_diverged(facet_family *family, const int *state)
{
  int kept = 0;
  facet_status status = FACET_OK;
  FACET_NEW(family->diverged_line, family->count);
  for (int i = 0; i < family->count; i++) {
    facet_member *m = &family->member[i];
    if (state[i] != DIVERGED) {
      family->member[kept++] = *m;
      continue;
    }
    char *line = facet_copy_text(m->record.diverged);
    family->diverged_line[family->diverged++] = line;
    status = line ? status : FACET_OS;
    member_clear(m);
  }
  family->count = kept;
  return status;
}

static facet_status try_network(const facet_study *study, const facet_study_data *data, const facet_member *m)
{
  const char *external = external_file(study, m);
  facet_network *network = NULL;
  facet_status status = facet_onnx_read(external, &network);
  if (status == FACET_OK)
    status = check_fit(study, m->variant.recipe, external, network, data);
  facet_network_destroy(&network);
  return status;
}

static facet_status try_mask(const facet_study *study, const facet_member *m, const facet_network *first)
{
  facet_mask *mask = NULL;
  facet_status status = facet_recipe_mask(study, &m->variant, first, &mask);
  facet_mask_destroy(&mask);
  return status;
}

/* Reads networks and masks from elsewhere once before anything is trained, so that a wrong one costs no time. */
static facet_status try_externals(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                  const facet_network *first)
{
  for (int i = 1; i < family->count; i++) {
    const facet_member *m = &family->member[i];
    if (external_file(study, m))
      FACET_TRY(try_network(study, data, m));
    else if (study->recipes.item[m->variant.recipe].mask)
      FACET_TRY(try_mask(study, m, first));
  }
  return FACET_OK;
}

void facet_family_clear(facet_family *family)
{
  for (int i = 0; family->member && i < family->count; i++)
    member_clear(&family->member[i]);
  for (int i = 0; family->diverged_line && i < family->diverged; i++)
    facet_free(&family->diverged_line[i]);
  facet_free(&family->diverged_line);
  facet_free(&family->member);
  family->count = family->diverged = 0;
}

static facet_status make_all(MPI_Comm comm, facet_kitchen *k, facet_family *family, int *state)
{
  FACET_CHECK(state && family->count > 0, FACET_INTERNAL, "a family without members");
  FACET_TRY(find_missing(comm, k->study, family, state));
  if (state[0] == TO_MAKE) {
    facet_status status = make_file(comm, k, &family->member[0]);
    if (status == FACET_DIVERGED) /* without dense there is no study */
      return facet_raise(FACET_BAD_INPUT, "%s", facet_message());
    FACET_TRY(status);
  }
  FACET_TRY(read_member(comm, k->study, k->data, &family->member[0]));
  k->dense = family->member[0].network;
  k->input = &family->member[0].input;
  FACET_TRY(make_in_groups(comm, k, family, state));
  FACET_TRY(read_records(comm, family));
  FACET_AGREE(comm, drop_diverged(family, state));
  for (int i = 1; i < family->count; i++)
    FACET_TRY(read_member(comm, k->study, k->data, &family->member[i]));
  return FACET_OK;
}

facet_status facet_family_make(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                               facet_family *family)
{
  facet_kitchen k = {.study = study, .data = data};
  facet_network *first = NULL;
  int *state = NULL;
  facet_status status = list_members(study, family);
  char *folder = facet_format("%s/variants", study->settings.output);
  if (status == FACET_OK)
    status = folder ? facet_make_folder(folder) : FACET_OS;
  facet_free(&folder);
  if (status == FACET_OK)
    status = make_first(study, data, &first);
  k.first = k.dense = first;
  if (status == FACET_OK)
    status = try_externals(study, data, family, first);
  if (status == FACET_OK && !(state = facet_allocate((size_t)family->count, sizeof *state)))
    status = FACET_OS;
  status = facet_agree(comm, status);
  if (status == FACET_OK)
    status = make_all(comm, &k, family, state);
  facet_network_destroy(&first);
  facet_free(&state);
  return status;
}

static facet_status sketch_members(facet_kitchen *k, facet_family *family)
{
  for (int i = 0; i < family->count; i++) {
    facet_member *m = &family->member[i];
    FACET_TRY(make_network(MPI_COMM_NULL, k, m, &m->network, &m->record.seconds));
    FACET_TRY(check_layout(k->study, m->variant.recipe, m->variant.name, m->network, k->data, &m->input));
    FACET_TRY(facet_mask_of_zeros(m->network, &m->zeros));
    k->dense = family->member[0].network;
    k->input = &family->member[0].input;
  }
  return FACET_OK;
}

facet_status facet_family_sketch(const facet_study *study, const facet_study_data *data, facet_family *family)
{
  facet_network *first = NULL;
  FACET_TRY(list_members(study, family));
  facet_status status = make_first(study, data, &first);
  facet_kitchen k = {.study = study, .data = data, .first = first, .dense = first};
  if (status == FACET_OK)
    status = sketch_members(&k, family);
  facet_network_destroy(&first);
  return status;
}

facet_status facet_family_memory(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                 int ranks, size_t *bytes)
{
  *bytes = 0;
  facet_kitchen k = {.study = study, .data = data, .input = &family->member[0].input};
  for (int i = 0; i < family->count; i++) {
    const facet_member *m = &family->member[i];
    size_t one = 0;
    if (i == 0 ? !study->model.train : epochs_of(study, m) == 0)
      continue;
    facet_method_job dense = {.training = {data->train, &study->data.normalize, &m->input, &study->model.training,
                                           study->settings.seed, NULL, "", m->file}};
    facet_method_job job = i == 0 ? dense : facet_recipe_job(&k, &m->variant);
    job.training.stage = "";
    job.training.checkpoint = m->file; /* any: there is one */
    FACET_TRY(facet_method_memory(&job, m->network, ranks, &one));
    *bytes = one > *bytes ? one : *bytes;
  }
  return FACET_OK;
}
