/* Making the networks of a study: see variants.h.
 *
 * Every network is written to its file before it is used, and every rank then reads the file: what a resumed run
 * works with is what the first run worked with, bit for bit. */
#include "variants.h"

#include <string.h>

#include "agree.h"
#include "methods.h"

/* ---- data ---- */

static facet_status read_data(const facet_study *study, const facet_data_source *source, const char *key,
                              facet_dataset **data)
{
  FACET_TRY(facet_dataset_open(source, data));
  const char *labels = source->labels ? source->labels[0] : source->images[0];
  if (study->classes > 0)
    FACET_TRY(facet_dataset_check_labels(*data, labels, study->classes));
  facet_status status = facet_normalization_check(&study->normalize, (*data)->channels);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: data.normalize (for data.%s): ", study->file, key);
}

/* Corruptions work on pixels from 0 (black) to normalize.scale (white), and clip to that: others would be lost. */
static facet_status check_range(const facet_study *study, const facet_dataset *data)
{
  bool corrupted = false;
  for (int i = 0; i < study->conditions; i++)
    corrupted = corrupted || study->condition[i].corruption != 0;
  int64_t size = data->channels * data->height * data->width;
  for (int64_t i = 0; corrupted && i < data->count * size; i++) {
    double p = data->is_float ? (double)((const float *)data->pixels)[i] : ((const uint8_t *)data->pixels)[i];
    FACET_CHECK(p >= 0 && p <= study->normalize.scale, FACET_BAD_INPUT,
                "%s: conditions: a pixel of sample %lld is %g, but corruptions need pixels from 0 to "
                "data.normalize.scale, which is %g",
                study->file, (long long)(i / size), p, study->normalize.scale);
  }
  return FACET_OK;
}

facet_status facet_study_data_read(const facet_study *study, facet_study_data *data)
{
  FACET_TRY(read_data(study, &study->test, "test", &data->test));
  FACET_CHECK(study->linear_samples <= data->test->count, FACET_BAD_INPUT,
              "%s: linearize.samples: %lld but there are %lld test samples", study->file,
              (long long)study->linear_samples, (long long)data->test->count);
  FACET_TRY(check_range(study, data->test));
  if (!study->has_train)
    return FACET_OK;
  FACET_TRY(read_data(study, &study->train, "train", &data->train));
  const facet_dataset *a = data->train, *b = data->test;
  FACET_CHECK(a->channels == b->channels && a->height == b->height && a->width == b->width, FACET_BAD_INPUT,
              "%s: training images are %lld x %lld x %lld but test images are %lld x %lld x %lld",
              study->train.images[0], (long long)a->channels, (long long)a->height, (long long)a->width,
              (long long)b->channels, (long long)b->height, (long long)b->width);
  return FACET_OK;
}

void facet_study_data_clear(facet_study_data *data)
{
  facet_dataset_destroy(&data->train);
  facet_dataset_destroy(&data->test);
}

/* ---- one network ---- */

/* The study's word on the order of the numbers that a network takes, and where it stands. */
typedef struct {
  facet_order order;
  int line;
  const char *key;
} asked_layout;

static asked_layout asked_of(const facet_study *study, int recipe)
{
  const facet_recipe *r = recipe >= 0 && study->recipe[recipe].onnx ? &study->recipe[recipe] : NULL;
  if (r && r->layout != study->layout)
    return (asked_layout){r->layout, r->line, "variants.layout"};
  return (asked_layout){study->layout, study->layout_line, "data.layout"};
}

/* How the network of a variant (by its recipe; -1: dense) takes the samples. */
static facet_status check_layout(const facet_study *study, int recipe, const char *path, const facet_network *network,
                                 const facet_study_data *data, facet_input_layout *layout)
{
  facet_shape input = facet_network_input_shape(network);
  const facet_dataset *d = data->test;
  asked_layout asked = asked_of(study, recipe);
  facet_fit fit = facet_input_layout_find(d->channels, d->height, d->width, input.rank, input.dim, asked.order, layout);
  FACET_CHECK(fit != FACET_FIT_NONE, FACET_BAD_INPUT, "%s: images are %lld x %lld x %lld but the network %s takes %s",
              study->test.images[0], (long long)d->channels, (long long)d->height, (long long)d->width, path,
              facet_shape_text(input));
  FACET_CHECK(fit != FACET_FIT_OTHER, FACET_BAD_INPUT,
              "%s:%d: %s: %s, but images are %lld x %lld x %lld and the network %s takes %s: that is %s", study->file,
              asked.line, asked.key, facet_order_name(asked.order), (long long)d->channels, (long long)d->height,
              (long long)d->width, path, facet_shape_text(input), facet_order_name(layout->order));
  return FACET_OK;
}

static facet_status check_fit(const facet_study *study, int recipe, const char *path, const facet_network *network,
                              const facet_study_data *data)
{
  facet_input_layout layout;
  int64_t outputs = facet_network_outputs(network);
  FACET_TRY(check_layout(study, recipe, path, network, data, &layout));
  FACET_CHECK(study->classes == 0 || study->classes == outputs, FACET_BAD_INPUT,
              "%s: data.classes names %d classes but the network %s has %lld outputs", study->file, study->classes,
              path, (long long)outputs);
  return facet_dataset_check_labels(data->test, study->test.labels ? study->test.labels[0] : study->test.images[0],
                                    outputs);
}

/* The number of classes: named, of the network, or the largest label of the training data. */
static int64_t count_classes(const facet_study *study, const facet_study_data *data)
{
  int64_t classes = study->classes;
  for (int64_t i = 0; study->classes == 0 && i < data->train->count; i++)
    classes = data->train->label[i] >= classes ? data->train->label[i] + 1 : classes;
  return classes;
}

static facet_status first_weights(const facet_study *study, const facet_study_data *data, facet_network **network)
{
  const facet_dataset *d = data->test;
  int64_t classes = count_classes(study, data);
  FACET_CHECK(classes > 1, FACET_BAD_INPUT, "%s: the training data has no labels", study->train.images[0]);
  FACET_TRY(facet_dataset_check_labels(data->train,
                                       study->train.labels ? study->train.labels[0] : study->train.images[0], classes));
  return facet_network_plain((facet_shape){3, {d->channels, d->height, d->width}}, study->convs, study->conv,
                             study->denses, study->dense, classes, study->seed, network);
}

static facet_status train(MPI_Comm comm, const facet_study *study, const facet_study_data *data, const char *name,
                          const facet_training *how, const facet_mask *mask, facet_network *network)
{
  FACET_CHECK(data->train, FACET_BAD_INPUT, "%s: training %s needs data.train", study->file, name);
  facet_input_layout input; /* whatever is trained takes what dense takes */
  FACET_TRY(check_layout(study, -1, name, network, data, &input));
  char *stage = facet_format("train %s", name);
  facet_training_job job = {data->train, &study->normalize, &input, how, study->seed, mask, stage ? stage : name, NULL};
  facet_status status = facet_train(comm, network, &job);
  facet_free(&stage);
  return status;
}

/* dense: trained from its first weights, or read and perhaps trained on. comm MPI_COMM_NULL: a sketch, nothing trained.
 */
static facet_status make_dense(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                               facet_network **network)
{
  if (study->onnx)
    FACET_TRY(facet_onnx_read(study->onnx, network));
  else
    FACET_TRY(first_weights(study, data, network));
  FACET_TRY(check_fit(study, -1, study->onnx ? study->onnx : "to be trained", *network, data));
  if (comm != MPI_COMM_NULL && study->train_model)
    FACET_TRY(train(comm, study, data, "dense", &study->training, NULL, *network));
  return FACET_OK;
}

static facet_status make_pruned(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                                const facet_variant *variant, const facet_network *dense, facet_network **network)
{
  const facet_recipe *recipe = &study->recipe[variant->recipe];
  facet_mask *mask = NULL;
  const facet_pruning how = {
      .criterion = recipe->method, .scope = recipe->scope, .sparsity = variant->sparsity, .seed = study->seed};
  FACET_TRY(facet_network_copy(dense, network));
  facet_status status = facet_mask_create(dense, &how, NULL, &mask);
  if (status == FACET_OK)
    facet_mask_apply(mask, *network);
  if (status == FACET_OK && recipe->retrain && comm != MPI_COMM_NULL)
    status = train(comm, study, data, variant->name, &recipe->training, mask, *network);
  facet_mask_destroy(&mask);
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

static facet_status make_network(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                                 const facet_variant *variant, const facet_network *dense, facet_network **network)
{
  if (variant->recipe < 0)
    return make_dense(comm, study, data, network);
  if (study->recipe[variant->recipe].onnx)
    return read_external(study, data, study->recipe[variant->recipe].onnx, variant->recipe, dense, network);
  return make_pruned(comm, study, data, variant, dense, network);
}

/* ---- the family ---- */

void facet_family_clear(facet_family *family)
{
  for (int i = 0; family->member && i < family->count; i++) {
    facet_member *m = &family->member[i];
    facet_network_destroy(&m->network);
    facet_mask_destroy(&m->zeros);
    facet_free(&m->file);
    facet_free(&m->variant.name);
  }
  facet_free(&family->member);
  family->count = 0;
}

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
    family->member[i].file = facet_format("%s/variants/%s.onnx", study->output, variant[i].name);
    variant[i].name = NULL;
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
    return study->recipe[m->variant.recipe].onnx;
  return study->train_model ? NULL : study->onnx;
}

static facet_status sha256_of(const uint8_t *bytes, size_t count, char hex[65])
{
  facet_sha256 *digest;
  FACET_TRY(facet_sha256_begin(&digest));
  facet_status status = facet_sha256_add(digest, bytes, count);
  if (status == FACET_OK)
    return facet_sha256_end(&digest, hex);
  facet_sha256_drop(&digest);
  return status;
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
  facet_status status = there ? sha256_of(bytes, count, now) : facet_write_file(to, bytes, count);
  facet_free(&bytes);
  FACET_TRY(status);
  if (!there)
    return FACET_OK;
  FACET_TRY(facet_sha256_file(to, then));
  FACET_CHECK(strcmp(now, then) == 0, FACET_BAD_INPUT,
              "%s: has changed since this study began; use --fresh or another output folder", from);
  return FACET_OK;
}

static facet_status make_member(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                                facet_family *family, int i)
{
  facet_member *m = &family->member[i];
  const facet_network *dense = family->member[0].network;
  const char *external = external_file(study, m);
  facet_network *made = NULL;
  facet_status status = FACET_OK;
  int there = facet_rank(comm) == 0 && facet_exists(m->file); /* rank 0 knows: the others may see it late */
  FACET_TRY(facet_mpi_check(MPI_Bcast(&there, 1, MPI_INT, 0, comm), "making variants"));
  if (external || !there) {
    status = facet_agree(comm, make_network(comm, study, data, &m->variant, dense, &made));
    if (status == FACET_OK && facet_rank(comm) == 0)
      status = external ? copy_external(external, m->file) : facet_onnx_write(made, m->file);
    facet_network_destroy(&made);
    FACET_AGREE(comm, status);
  }
  if (status == FACET_OK)
    status = facet_onnx_read(m->file, &m->network);
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

/* Reads the external variants once before anything is trained, so that a wrong one costs no time. */
static facet_status try_externals(const facet_study *study, const facet_study_data *data, const facet_family *family)
{
  for (int i = 1; i < family->count; i++) {
    const char *external = external_file(study, &family->member[i]);
    facet_network *network = NULL;
    if (!external)
      continue;
    facet_status status = facet_onnx_read(external, &network);
    if (status == FACET_OK)
      status = check_fit(study, family->member[i].variant.recipe, external, network, data);
    facet_network_destroy(&network);
    FACET_TRY(status);
  }
  return FACET_OK;
}

facet_status facet_family_make(MPI_Comm comm, const facet_study *study, const facet_study_data *data,
                               facet_family *family)
{
  facet_status status = list_members(study, family);
  char *folder = facet_format("%s/variants", study->output);
  if (status == FACET_OK)
    status = folder ? facet_make_folder(folder) : FACET_OS;
  facet_free(&folder);
  if (status == FACET_OK)
    status = try_externals(study, data, family);
  FACET_AGREE(comm, status);
  for (int i = 0; i < family->count; i++)
    FACET_TRY(make_member(comm, study, data, family, i));
  return FACET_OK;
}

facet_status facet_family_sketch(const facet_study *study, const facet_study_data *data, facet_family *family)
{
  FACET_TRY(list_members(study, family));
  for (int i = 0; i < family->count; i++) {
    facet_member *m = &family->member[i];
    FACET_TRY(make_network(MPI_COMM_NULL, study, data, &m->variant, family->member[0].network, &m->network));
    FACET_TRY(check_layout(study, m->variant.recipe, m->variant.name, m->network, data, &m->input));
    FACET_TRY(facet_mask_of_zeros(m->network, &m->zeros));
  }
  return FACET_OK;
}

facet_status facet_family_memory(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                 int ranks, size_t *bytes)
{
  *bytes = 0;
  for (int i = 0; i < family->count; i++) {
    const facet_member *m = &family->member[i];
    const facet_recipe *recipe = m->variant.recipe >= 0 ? &study->recipe[m->variant.recipe] : NULL;
    size_t one = 0;
    if (recipe ? !recipe->retrain : !study->train_model)
      continue;
    facet_training_job job = {
        data->train, &study->normalize, &m->input, recipe ? &recipe->training : &study->training, study->seed, NULL, "",
        NULL};
    FACET_TRY(facet_train_memory(m->network, &job, ranks, &one));
    *bytes = one > *bytes ? one : *bytes;
  }
  return FACET_OK;
}
