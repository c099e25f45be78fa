/* The data sets of a study: see data.h. */
#include "data.h"

#include <string.h>

#include "loader.h"
#include "ranks/agree.h"

const char *facet_label_file(const facet_source_keys *source)
{
  return source->labels.count > 0 ? source->labels.item[0] : source->images.item[0];
}

const char *facet_paths_file(const facet_paths_keys *keys)
{
  return keys->wanted && strchr(keys->from, '/') ? keys->from : NULL; /* resolved: no number and no word has one */
}

const char *facet_group_file(const facet_change_keys *keys, int i)
{
  return strchr(keys->groups.item[i], '/'); /* resolved: the word has none */
}

/* Ranks of one node, among which the first decodes what is compressed, and looks through pixels. */
typedef struct {
  MPI_Comm all, node;
} ranks;

static facet_status ranks_make(MPI_Comm comm, ranks *r)
{
  r->all = r->node = comm;
  if (comm == MPI_COMM_NULL)
    return FACET_OK;
  return facet_node_ranks(comm, &r->node);
}

static bool is_first(const ranks *r)
{
  return facet_rank(r->node) == 0;
}

static facet_status share_decoded(const ranks *r, facet_decoded *decoded)
{
  int64_t number[4 * FACET_MOST_DECODED], count = decoded->count;
  if (r->node == MPI_COMM_NULL)
    return FACET_OK;
  FACET_TRY(facet_share(r->node, &count, 1, "sharing decoded data"));
  memcpy(number, decoded->item, sizeof number);
  FACET_TRY(facet_share(r->node, number, 4 * count, "sharing decoded data"));
  if (!is_first(r)) {
    memcpy(decoded->item, number, sizeof number);
    decoded->count = count;
    decoded->shared = true;
  }
  return FACET_OK;
}

static facet_status open_data(const ranks *r, const facet_source_keys *keys, facet_dataset **data)
{
  facet_decoded decoded = {.pause = facet_interrupt_check};
  const facet_data_source source = {.format = keys->format,
                                    .files = keys->images.count,
                                    .images = keys->images.item,
                                    .labels = keys->labels.item,
                                    .count = keys->count,
                                    .order = keys->layout};
  FACET_AGREE(r->all, is_first(r) ? facet_dataset_open_decoded(&source, &decoded, data) : FACET_OK);
  FACET_AGREE(r->all, share_decoded(r, &decoded));
  return facet_agree(r->all, is_first(r) ? FACET_OK : facet_dataset_open_decoded(&source, &decoded, data));
}

static facet_status check_data(const facet_study *study, const facet_source_keys *keys, const char *key,
                               const facet_dataset *data)
{
  if (study->data.classes.count > 0)
    FACET_TRY(facet_dataset_check_labels(data, facet_label_file(keys), study->data.classes.count));
  facet_status status = facet_normalization_check(&study->data.normalize, data->image.channels);
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s: data.normalize (for data.%s): ", study->settings.file, key);
}

enum { AT_ONCE = 1 << 20 }; /* bytes of pixels */

static facet_status check_pixels(const facet_study *study, int64_t size, int64_t first, int64_t count,
                                 const float *pixel)
{
  for (int64_t i = 0; i < count * size; i++)
    FACET_CHECK(pixel[i] >= 0 && (double)pixel[i] <= study->data.normalize.scale, FACET_BAD_INPUT,
                "%s: conditions: a pixel of sample %lld is %g, but corruptions need pixels from 0 to "
                "data.normalize.scale, which is %g",
                study->settings.file, (long long)(first + i / size), (double)pixel[i], study->data.normalize.scale);
  return FACET_OK;
}

/* Corruptions work on pixels from 0 (black) to normalize.scale (white), and clip to that: others would be lost. */
static facet_status check_range(const facet_study *study, const facet_dataset *data)
{
  int64_t size = facet_image_inputs(data->image), most = AT_ONCE / (size * (int64_t)sizeof(float)) + 1;
  bool corrupted = false;
  float *pixel;
  facet_status status = FACET_OK;
  for (int i = 0; i < study->conditions.count; i++)
    corrupted = corrupted || (study->conditions.item[i].corruption != 0 && !study->conditions.item[i].published);
  if (!corrupted || (!data->is_float && study->data.normalize.scale >= 255))
    return FACET_OK;
  FACET_NEW(pixel, most * size);
  for (int64_t first = 0, count; first < data->count && status == FACET_OK; first += count) {
    count = data->count - first < most ? data->count - first : most;
    status = facet_dataset_pixels(data, first, count, pixel);
    if (status == FACET_OK)
      status = check_pixels(study, size, first, count, pixel);
    if (status == FACET_OK)
      status = facet_interrupt_check();
  }
  facet_free(&pixel);
  return status;
}

/* ---- samples to learn an embedding from ---- */

int64_t facet_embed_batches(const facet_embedding *e, int64_t samples)
{
  return (samples + e->batch - 1) / e->batch;
}

int64_t facet_embed_largest(const facet_embedding *e, int64_t samples)
{
  int64_t batches = facet_embed_batches(e, samples);
  return (samples + batches - 1) / batches;
}

static facet_status check_embed(const facet_study *study, int64_t there)
{
  const facet_embedding *e = &study->stages.embed;
  if (!e->wanted)
    return FACET_OK;
  FACET_CHECK(e->samples <= there, FACET_BAD_INPUT, "%s:%d: embed.samples: %lld, but there are %lld",
              study->settings.file, e->line, (long long)e->samples, (long long)there);
  int64_t samples = e->samples ? e->samples : there, least = samples / facet_embed_batches(e, samples);
  FACET_CHECK(e->perplexity < (double)(least - 1), FACET_BAD_INPUT,
              "%s:%d: embed.perplexity: %g neighbours are more than a batch of %lld samples has", study->settings.file,
              e->line, e->perplexity, (long long)least);
  return FACET_OK;
}

/* Without W a spectrum needs the Gram matrix of its columns, whatever their number. */
static facet_status check_digest(const facet_study *study, int64_t inputs)
{
  const facet_aggregation *a = &study->stages.aggregate;
  FACET_CHECK(
      !a->wanted || a->spectrum == 0 || study->stages.linearize.keep != FACET_KEEP_DIGEST ||
          inputs <= FACET_LARGEST_GRAM,
      FACET_BAD_INPUT,
      "%s:%d: aggregate.spectrum: 'keep: digest' in 'linearize' keeps a matrix of %lld x %lld for it; at most %d "
      "x %d are made: leave keep out, or say 'spectrum: none'",
      study->settings.file, a->line, (long long)inputs, (long long)inputs, FACET_LARGEST_GRAM, FACET_LARGEST_GRAM);
  return FACET_OK;
}

/* ---- reading ---- */

static facet_status check_test(const facet_study *study, bool first, const facet_dataset *test)
{
  FACET_TRY(check_data(study, &study->data.test, "test", test));
  FACET_CHECK(study->stages.linearize.samples <= test->count, FACET_BAD_INPUT,
              "%s: linearize.samples: %lld but there are %lld test samples", study->settings.file,
              (long long)study->stages.linearize.samples, (long long)test->count);
  FACET_TRY(check_digest(study, facet_image_inputs(test->image)));
  if (first)
    FACET_TRY(check_range(study, test));
  FACET_TRY(facet_conditions_check(&study->conditions, study->settings.file, test));
  return study->data.has_train ? FACET_OK : check_embed(study, test->count);
}

static facet_status check_train(const facet_study *study, const facet_dataset *a, const facet_dataset *b)
{
  FACET_TRY(check_data(study, &study->data.train, "train", a));
  FACET_TRY(check_embed(study, a->count));
  FACET_CHECK(facet_image_same(a->image, b->image), FACET_BAD_INPUT,
              "%s: training images are %lld x %lld x %lld but test images are %lld x %lld x %lld",
              study->data.train.images.item[0], (long long)a->image.channels, (long long)a->image.height,
              (long long)a->image.width, (long long)b->image.channels, (long long)b->image.height,
              (long long)b->image.width);
  return FACET_OK;
}

static facet_status read_all(const ranks *r, const facet_study *study, facet_study_data *data)
{
  FACET_TRY(open_data(r, &study->data.test, &data->test));
  FACET_AGREE(r->all, check_test(study, is_first(r), data->test));
  if (!study->data.has_train)
    return FACET_OK;
  FACET_TRY(open_data(r, &study->data.train, &data->train));
  return facet_agree(r->all, check_train(study, data->train, data->test));
}

facet_status facet_study_data_read(MPI_Comm comm, const facet_study *study, facet_study_data *data)
{
  ranks r;
  FACET_AGREE(comm, ranks_make(comm, &r));
  facet_status status = read_all(&r, study, data);
  if (r.node != MPI_COMM_NULL)
    MPI_Comm_free(&r.node);
  return status;
}

/* ---- digests ---- */

const facet_data_origin *facet_data_origin_find(const facet_study_data *data, const char *name)
{
  for (int i = 0; i < data->origins; i++)
    if (strcmp(data->origin[i].name, name) == 0)
      return &data->origin[i];
  return NULL;
}

facet_status facet_data_same(const facet_data_origin *now, const char *then, const char *made)
{
  FACET_CHECK(!then[0] || strcmp(then, now->sha256) == 0, FACET_BAD_INPUT,
              "%s%s has changed since %s was made from it; use --fresh or another output folder", now->file,
              now->more ? ": this or a file after it" : ":", made);
  return FACET_OK;
}

facet_status facet_data_hold(const facet_study_data *data, const char *name, const char *file)
{
  for (int i = 0; i < data->origins; i++) {
    const facet_data_origin *o = &data->origin[i];
    char now[65];
    if (strncmp(o->name, name, strlen(name)) != 0 || strcmp(o->file, file) != 0)
      continue;
    FACET_TRY(facet_sha256_file(file, now));
    FACET_CHECK(strcmp(now, o->sha256) == 0, FACET_BAD_INPUT,
                "%s: has changed since this run read it first; bring it back, or use --fresh or another output folder",
                file);
  }
  return FACET_OK;
}

enum { HEX = 64, WORDS = HEX / sizeof(int64_t) };

/* The pieces that are this rank's; the others stay 0, so that a sum over all ranks brings them together. */
static facet_status digest_own(MPI_Comm comm, const facet_dataset *d, int64_t *piece)
{
  for (int64_t i = facet_rank(comm); i < facet_dataset_pieces(d); i += facet_ranks(comm)) {
    char hex[HEX + 1];
    FACET_TRY(facet_dataset_digest_piece(d, i, hex));
    memcpy(piece + WORDS * i, hex, HEX);
    FACET_TRY(facet_interrupt_check());
  }
  return FACET_OK;
}

static facet_status digest_set(MPI_Comm comm, facet_dataset *d)
{
  int64_t words = (int64_t)WORDS * facet_dataset_pieces(d), *piece = facet_allocate((size_t)words, sizeof *piece);
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, piece ? digest_own(comm, d, piece) : FACET_OS));
  FACET_GO(done, status, facet_sum(comm, piece, words, "digesting data"));
  status = facet_agree(comm, facet_dataset_digest_join(d, (const char *)piece, &d->digest));
done:
  facet_free(&piece);
  return status;
}

/* Takes name and file over. */
static facet_status add_origin(facet_study_data *data, char *name, char *file, bool more, const char *sha256)
{
  facet_data_origin *o = &data->origin[data->origins++];
  *o = (facet_data_origin){.name = name, .file = file, .more = more};
  memcpy(o->sha256, sha256, HEX);
  return name && file ? FACET_OK : FACET_OS;
}

static facet_status add_set(facet_study_data *data, const char *set, const facet_source_keys *keys,
                            const facet_data_digest *digest)
{
  const facet_texts *labels = keys->labels.count > 0 ? &keys->labels : &keys->images;
  FACET_TRY(add_origin(data, facet_format("%s_images_sha256", set), facet_copy_text(keys->images.item[0]),
                       keys->images.count > 1, digest->images));
  return add_origin(data, facet_format("%s_labels_sha256", set), facet_copy_text(labels->item[0]), labels->count > 1,
                    digest->labels);
}

/* Those that are this rank's turn, as for pieces. */
static facet_status digest_own_conditions(MPI_Comm comm, const facet_conditions *conditions, const facet_dataset *d,
                                          int64_t *sum)
{
  facet_published *published = NULL;
  facet_status status = FACET_OK;
  for (int c = 0, turn = 0; c < conditions->count; c++) {
    facet_condition one = conditions->item[c];
    char hex[HEX + 1];
    if (!one.published || turn++ % facet_ranks(comm) != facet_rank(comm))
      continue;
    FACET_GO(done, status, facet_published_open(one.published, one.corruption, d, &published));
    FACET_GO(done, status, facet_published_digest(published, one.severity, d->count, hex));
    memcpy(sum + WORDS * c, hex, HEX);
    FACET_GO(done, status, facet_interrupt_check());
  }
done:
  facet_published_close(&published);
  return status;
}

static facet_status add_conditions(facet_study_data *data, const facet_conditions *conditions, const int64_t *sum)
{
  for (int c = 0; c < conditions->count; c++) {
    const facet_condition *one = &conditions->item[c];
    if (one->published)
      FACET_TRY(add_origin(data, facet_format("%s_sha256", one->name),
                           facet_published_path(one->published, one->corruption), false,
                           (const char *)(sum + WORDS * c)));
  }
  return FACET_OK;
}

static facet_status digest_conditions(MPI_Comm comm, const facet_conditions *conditions, facet_study_data *data)
{
  int64_t words = (int64_t)WORDS * conditions->count, *sum = facet_allocate((size_t)words, sizeof *sum);
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, sum ? digest_own_conditions(comm, conditions, data->test, sum) : FACET_OS));
  FACET_GO(done, status, facet_sum(comm, sum, words, "digesting data"));
  status = facet_agree(comm, add_conditions(data, conditions, sum));
done:
  facet_free(&sum);
  return status;
}

/* By its bytes, which are few. */
static facet_status add_baselines(MPI_Comm comm, const facet_study *study, facet_study_data *data)
{
  const facet_paths_keys *keys = &study->stages.paths;
  const char *file = facet_paths_file(keys);
  char hex[HEX + 1] = "";
  if (!file)
    return FACET_OK;
  facet_status status = facet_rank(comm) == 0 ? facet_sha256_file(file, hex) : FACET_OK;
  if (status != FACET_OK)
    status = facet_raise_in(status, "%s:%d: paths.from: ", study->settings.file, keys->line);
  FACET_AGREE(comm, status);
  FACET_TRY(facet_share(comm, hex, HEX, "digesting data"));
  return facet_agree(comm, add_origin(data, facet_copy_text("paths_from_sha256"), facet_copy_text(file), false, hex));
}

/* The files of groups, likewise. */
static facet_status add_groups(MPI_Comm comm, const facet_study *study, facet_study_data *data)
{
  const facet_change_keys *keys = &study->stages.change;
  for (int i = 0, files = 0; keys->wanted && i < keys->groups.count; i++) {
    const char *file = facet_group_file(keys, i);
    char hex[HEX + 1] = "";
    if (!file)
      continue;
    facet_status status = facet_rank(comm) == 0 ? facet_sha256_file(file, hex) : FACET_OK;
    if (status != FACET_OK)
      status = facet_raise_in(status, "%s:%d: change.groups: ", study->settings.file, keys->groups_line);
    FACET_AGREE(comm, status);
    FACET_TRY(facet_share(comm, hex, HEX, "digesting data"));
    char *name = files++ == 0 ? facet_copy_text("groups_sha256") : facet_format("groups_%d_sha256", files);
    FACET_AGREE(comm, add_origin(data, name, facet_copy_text(file), false, hex));
  }
  return FACET_OK;
}

static facet_status add_sets(const facet_study *study, facet_study_data *data)
{
  FACET_NEW(data->origin, 5 + study->conditions.count + study->stages.change.groups.count);
  FACET_TRY(add_set(data, "test", &study->data.test, &data->test->digest));
  return data->train ? add_set(data, "train", &study->data.train, &data->train->digest) : FACET_OK;
}

facet_status facet_study_data_digest(MPI_Comm comm, const facet_study *study, facet_study_data *data)
{
  FACET_TRY(digest_set(comm, data->test));
  if (data->train)
    FACET_TRY(digest_set(comm, data->train));
  FACET_AGREE(comm, add_sets(study, data));
  FACET_TRY(add_baselines(comm, study, data));
  FACET_TRY(add_groups(comm, study, data));
  return digest_conditions(comm, &study->conditions, data);
}

void facet_study_data_clear(facet_study_data *data)
{
  facet_dataset_destroy(&data->train);
  facet_dataset_destroy(&data->test);
  for (int i = 0; i < data->origins; i++)
    FACET_FREE(&data->origin[i].name, &data->origin[i].file);
  facet_free(&data->origin);
  data->origins = 0;
}
