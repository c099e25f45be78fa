/* The networks of a study: see variants.h.
 *
 * Every network is written to its file before it is used, and every rank then has the bytes of that file: what a
 * resumed run works with is what the first run worked with, bit for bit.  Rank 0 alone looks at the folder. */
#include "variants.h"

#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "known.h"
#include "prune/inspect.h"
#include "ranks/agree.h"
#include "ranks/exchange.h"
#include "source.h"

bool facet_variant_from_dense(const facet_making *making, const facet_variant *variant)
{
  bool first = variant->method && variant->method->from_first && making->model->train;
  return variant->recipe >= 0 && !facet_making_external(making, variant) && !first;
}

char *facet_variant_operation(const facet_making *making, const facet_variant *variant)
{
  const facet_recipe *recipe = facet_making_recipe(making, variant);
  const facet_method *method = variant->method;
  if (!recipe || recipe->onnx)
    return facet_copy_text(facet_making_external(making, variant) ? "load" : "train");
  const char *prunes = recipe->mask ? "mask" : method->operation ? method->operation : "prune";
  return facet_format("%s%s%s", prunes, recipe->remove_dead ? ", remove dead channels" : "",
                      recipe->retrain && !(method && method->rule) ? ", train" : "");
}

static facet_status list_members(const facet_making *making, facet_family *family)
{
  facet_variant *variant;
  int count;
  facet_status status = FACET_OK;
  *family = (facet_family){.making = *making};
  FACET_TRY(facet_study_variants(making->settings, making->recipes, &variant, &count));
  FACET_NEW_GO(done, status, family->member, count);
  family->count = count;
  for (int i = 0; i < count && status == FACET_OK; i++) {
    facet_member *m = &family->member[i];
    m->variant = variant[i]; /* names go over to the family */
    m->file = facet_format("%s/variants/%s.onnx", making->settings->output, variant[i].name);
    variant[i].name = variant[i].replicate = NULL;
    status = m->file ? FACET_OK : FACET_OS;
  }
done:
  facet_variants_free(&variant, count);
  return status;
}

static void member_clear(facet_member *m)
{
  facet_network_destroy(&m->network);
  facet_mask_destroy(&m->zeros);
  FACET_FREE(&m->file, &m->variant.name, &m->variant.replicate);
}

/* Every rank gets what rank 0 reads. */
static facet_status share_file(MPI_Comm comm, const char *path, uint8_t **bytes, size_t *count)
{
  facet_status status = facet_agree(comm, facet_rank(comm) == 0 ? facet_read_file(path, bytes, count) : FACET_OK);
  int64_t size = status == FACET_OK && facet_rank(comm) == 0 ? (int64_t)*count : 0;
  FACET_TRY(status);
  FACET_TRY(facet_share(comm, &size, 1, "sharing a network"));
  if (facet_rank(comm) != 0)
    *bytes = facet_allocate((size_t)size, 1);
  FACET_AGREE(comm, *bytes ? FACET_OK : FACET_OS);
  *count = (size_t)size;
  return facet_share(comm, (char *)*bytes, size, "sharing a network");
}

static facet_status parse_member(const facet_making *making, const uint8_t *bytes, size_t count, facet_member *m)
{
  FACET_TRY(facet_onnx_read_bytes_gates(m->file, bytes, count, making->model->gates, &m->network));
  FACET_TRY(facet_source_fits(making, facet_making_recipe(making, &m->variant), m->file, m->network, &m->input));
  FACET_TRY(facet_sha256_bytes(bytes, count, m->sha256));
  return facet_mask_of_zeros(m->network, &m->zeros);
}

static facet_status read_member(MPI_Comm comm, const facet_making *making, facet_member *m)
{
  uint8_t *bytes = NULL;
  size_t count = 0;
  facet_status status;
  FACET_GO(done, status, share_file(comm, m->file, &bytes, &count));
  status = facet_agree(comm, parse_member(making, bytes, count, m));
done:
  facet_free(&bytes);
  return status;
}

/* Rank 0 tells the others what the records say. */
static facet_status read_records(MPI_Comm comm, facet_family *family)
{
  for (int i = 0; i < family->count; i++) {
    facet_record *record = &family->member[i].record;
    if (facet_rank(comm) == 0)
      *record = facet_known_record(family->member[i].file);
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
    if (state[i] != FACET_GIVEN_UP) {
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

/* Rank 0 reads networks and masks from elsewhere once before anything is trained, so that a wrong one costs no time. */
static facet_status try_externals(const facet_family *family, const facet_network *first)
{
  const facet_making *making = &family->making;
  for (int i = 1; i < family->count; i++) {
    const facet_variant *variant = &family->member[i].variant;
    const facet_recipe *recipe = facet_making_recipe(making, variant);
    facet_network *network = NULL;
    facet_mask *mask = NULL;
    facet_status status = FACET_OK;
    if (recipe->onnx)
      status = facet_source_external(making, recipe, NULL, &network);
    else if (recipe->mask)
      status = facet_source_mask(making, variant, first, &mask);
    facet_network_destroy(&network);
    facet_mask_destroy(&mask);
    FACET_TRY(status);
  }
  return FACET_OK;
}

void facet_family_clear(facet_family *family)
{
  for (int i = 0; family->member && i < family->count; i++)
    member_clear(&family->member[i]);
  facet_free_list(&family->diverged_line, family->diverged);
  facet_free(&family->member);
  family->count = family->diverged = 0;
}

/* Rank 0, before anything is made. */
static facet_status make_ready(const facet_family *family, const facet_network *first)
{
  char *folder = facet_format("%s/variants", family->making.settings->output);
  facet_status status = folder ? facet_make_folder(folder) : FACET_OS;
  facet_free(&folder);
  return status == FACET_OK ? try_externals(family, first) : status;
}

/* dense first: variants come from it. */
static facet_status make_members(MPI_Comm comm, facet_origin *o, facet_family *family, int *state)
{
  const facet_making *making = &family->making;
  FACET_TRY(facet_groups_missing(comm, family, 0, 1, state));
  if (state[0] == FACET_TO_MAKE) {
    facet_status status = facet_groups_make_one(comm, o, &family->member[0]);
    if (status == FACET_DIVERGED) /* without dense there is no study */
      return facet_raise(FACET_BAD_INPUT, "%s", facet_message());
    FACET_TRY(status);
  }
  FACET_TRY(read_member(comm, making, &family->member[0]));
  o->dense = family->member[0].network;
  FACET_TRY(facet_groups_missing(comm, family, 1, family->count, state));
  FACET_TRY(facet_groups_make(comm, o, family, state));
  FACET_TRY(read_records(comm, family));
  FACET_AGREE(comm, drop_diverged(family, state));
  for (int i = 1; i < family->count; i++)
    FACET_TRY(read_member(comm, making, &family->member[i]));
  return FACET_OK;
}

/* Training and scores by gradients are of piecewise-linear networks alone. */
static facet_status need_pieces(const facet_making *making, const facet_variant *variant, const facet_network *first)
{
  const facet_recipe *recipe = facet_making_recipe(making, variant);
  bool gradients = variant->method && variant->method->gradients;
  if (!gradients && !facet_making_training(making, variant))
    return FACET_OK;
  facet_status status = facet_network_need_pieces(first, gradients ? variant->method->name : "training");
  return status == FACET_OK || !recipe
             ? status
             : facet_raise_in(status, "%s:%d: variant %s: ", making->settings->file, recipe->line, variant->name);
}

static facet_status begin(const facet_making *making, facet_family *family, facet_network **first,
                          facet_input_layout *input, int **state)
{
  FACET_TRY(list_members(making, family));
  FACET_NEW(*state, family->count);
  FACET_TRY(facet_source_first(making, first, input));
  family->note = facet_labels_note(*first);
  for (int i = 0; i < family->count; i++)
    FACET_TRY(need_pieces(making, &family->member[i].variant, *first));
  return FACET_OK;
}

facet_status facet_family_make(MPI_Comm comm, const facet_making *making, facet_family *family)
{
  facet_network *first = NULL;
  facet_input_layout input;
  int *state = NULL;
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, begin(making, family, &first, &input, &state)));
  FACET_GO(done, status, facet_agree(comm, facet_rank(comm) == 0 ? make_ready(family, first) : FACET_OK));
  facet_origin origin = {&family->making, &input, first, first};
  status = make_members(comm, &origin, family, state);
done:
  facet_network_destroy(&first);
  facet_free(&state);
  return status;
}

/* Keeps those that have a name, and says where they lie. */
static facet_status keep_named(facet_family *family, const char *folder, int count, char *const *name)
{
  int kept = 0;
  for (int i = 0; i < family->count; i++) {
    facet_member *m = &family->member[i];
    if (!facet_is_among(m->variant.name, name, count)) {
      member_clear(m);
      continue;
    }
    facet_free(&m->file);
    m->file = facet_format("%s/%s.onnx", folder, m->variant.name);
    FACET_CHECK(m->file, FACET_OS, "out of memory");
    family->member[kept++] = *m;
    if (kept <= i)
      *m = (facet_member){.file = NULL};
  }
  family->count = kept;
  for (int i = 0; i < count; i++)
    FACET_CHECK(i < kept && strcmp(family->member[i].variant.name, name[i]) == 0, FACET_BAD_INPUT,
                "%s: the study has no variant %s there", family->making.settings->file, name[i]);
  return FACET_OK;
}

facet_status facet_family_read(MPI_Comm comm, const facet_making *making, const char *folder, int count,
                               char *const *name, facet_family *family)
{
  FACET_AGREE(comm, list_members(making, family));
  FACET_AGREE(comm, keep_named(family, folder, count, name));
  for (int i = 0; i < family->count; i++)
    FACET_TRY(read_member(comm, &family->making, &family->member[i]));
  return FACET_OK;
}

/* The digest of what the output has of a member already. */
static facet_status digest_known(const facet_family *family, facet_member *m)
{
  char *file;
  FACET_TRY(facet_known_recipe(family, m));
  FACET_TRY(facet_known_find(family, m, &file));
  facet_status status = file ? facet_sha256_file(file, m->sha256) : FACET_OK;
  facet_free(&file);
  return status;
}

facet_status facet_family_stands(const facet_making *making, bool *stands)
{
  facet_family family;
  facet_status status = list_members(making, &family);
  if (status == FACET_OK)
    status = digest_known(&family, &family.member[0]);
  *stands = status == FACET_OK && family.member[0].sha256[0];
  facet_family_clear(&family);
  return status;
}

facet_status facet_family_changed(const facet_making *making, bool *changed)
{
  facet_family family;
  facet_status status = list_members(making, &family);
  *changed = false;
  for (int i = 1; i < family.count && status == FACET_OK; i++) {
    const facet_member *m = &family.member[i];
    const char *file;
    status = facet_known_changed(making, m, &file);
    if (status != FACET_OK || !file)
      continue;
    *changed = true;
    fprintf(stderr,
            "facet: %s: has changed since %s was made from it: that is made anew, with all that follows from it\n",
            file, m->variant.name);
  }
  facet_family_clear(&family);
  return status;
}

facet_status facet_family_sketch(const facet_making *making, facet_family *family)
{
  facet_network *first = NULL;
  facet_input_layout input;
  int *state = NULL;
  facet_status status = begin(making, family, &first, &input, &state);
  facet_origin origin = {&family->making, &input, first, first};
  for (int i = 0; i < family->count && status == FACET_OK; i++) {
    facet_member *m = &family->member[i];
    const facet_recipe *recipe = facet_making_recipe(making, &m->variant);
    FACET_GO(done, status,
             facet_recipe_make(MPI_COMM_NULL, &origin, &m->variant, NULL, &m->network, &m->record.seconds));
    FACET_GO(done, status, facet_source_fits(making, recipe, m->variant.name, m->network, &m->input));
    FACET_GO(done, status, facet_mask_of_zeros(m->network, &m->zeros));
    FACET_GO(done, status, digest_known(family, m));
    origin.dense = family->member[0].network;
  }
done:
  facet_network_destroy(&first);
  facet_free(&state);
  return status;
}

facet_status facet_family_memory(const facet_family *family, int ranks, size_t *bytes)
{
  facet_origin origin = {.making = &family->making, .input = &family->member[0].input};
  *bytes = 0;
  for (int i = 0; i < family->count; i++) {
    const facet_member *m = &family->member[i];
    if (!facet_making_training(&family->making, &m->variant))
      continue;
    facet_method_job job = facet_recipe_job(&origin, &m->variant);
    size_t one = 0;
    job.training.stage = "";
    FACET_TRY(facet_method_memory(&job, m->network, ranks, &one));
    *bytes = one > *bytes ? one : *bytes;
  }
  return FACET_OK;
}
