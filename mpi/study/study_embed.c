/* The key `embed` of a study: a parametric t-SNE. */
#include "study_embed.h"

#include <stddef.h>
#include <string.h>

#include "embed/tsne.h"

#define EMBED(member)   offsetof(facet_embedding, member)
#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

static const facet_word sources[] = {{"features", FACET_SOURCE_FEATURES}, {"pixels", FACET_SOURCE_PIXELS}, {NULL, 0}};
static const facet_word optimizers[] = {{"adam", FACET_EMBED_ADAM}, {"momentum", FACET_EMBED_MOMENTUM}, {NULL, 0}};
static const facet_word schedules[] = {
    {"cosine", FACET_SCHEDULE_COSINE}, {"constant", FACET_SCHEDULE_CONSTANT}, {NULL, 0}};

static facet_status read_layers(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_embedding *e = target;
  if (node->kind != FACET_TREE_LIST)
    return facet_tree_raise_kind(node, "a list of whole numbers");
  if (node->count > FACET_EMBED_LAYERS)
    return facet_tree_raise(node, "%d layers; at most %d are possible", node->count, FACET_EMBED_LAYERS);
  facet_free(&e->layers.item);
  FACET_NEW(e->layers.item, node->count);
  for (int i = 0; i < node->count; i++)
    FACET_TRY(facet_schema_whole(node->child[i], "[1, 65536]", &e->layers.item[i]));
  e->layers.count = node->count;
  return FACET_OK;
}

/* A number, or `learned`. */
static facet_status read_alpha(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  facet_embedding *e = target;
  e->learn_alpha = node->kind == FACET_TREE_SCALAR && strcmp(node->text, "learned") == 0;
  return e->learn_alpha ? FACET_OK : facet_schema_number(node, "[0.05, 1000]", &e->alpha);
}

static const facet_key keys[] = {
    {.key = "source", .type = FACET_KEY_WORD, .words = sources, .standard = "features", .target = EMBED(source)},
    {.key = "variant", .type = FACET_KEY_NAME, .standard = "dense", .target = EMBED(variant)},
    {.key = "layers", .type = FACET_KEY_OTHER, .read = read_layers},
    {.key = "dimensions", .type = FACET_KEY_WHOLE, .range = "[1, 3]", .standard = "2", .target = EMBED(dimensions)},
    {.key = "perplexity", .type = FACET_KEY_NUMBER, .range = "[1, inf)", .standard = "30", .target = EMBED(perplexity)},
    {.key = "alpha", .type = FACET_KEY_OTHER, .read = read_alpha},
    {.key = "samples",
     .type = FACET_KEY_COUNT,
     .range = "[1, 9007199254740992]",
     .standard = "all",
     .target = EMBED(samples)},
    {.key = "batch", .type = FACET_KEY_LARGE, .range = "[4, 1000000]", .standard = "5000", .target = EMBED(batch)},
    {.key = "epochs", .type = FACET_KEY_WHOLE, .range = "[1, 1000000]", .standard = "100", .target = EMBED(epochs)},
    {.key = "noise", .type = FACET_KEY_NUMBER, .range = "[0, inf)", .standard = "0.5", .target = EMBED(noise)},
    {.key = "optimizer", .type = FACET_KEY_WORD, .words = optimizers, .standard = "adam", .target = EMBED(optimizer)},
    {.key = "rate", .type = FACET_KEY_NUMBER, .range = "(0, inf)", .standard = "0.003", .target = EMBED(rate)},
    {.key = "momentum", .type = FACET_KEY_NUMBER, .range = "[0, 1)", .standard = "0.9", .target = EMBED(momentum)},
    {.key = "schedule", .type = FACET_KEY_WORD, .words = schedules, .standard = "cosine", .target = EMBED(schedule)},
    {.key = "exaggeration",
     .type = FACET_KEY_NUMBER,
     .range = "[1, 1000]",
     .standard = "4",
     .target = EMBED(exaggeration)},
    {.key = "exaggeration_epochs",
     .type = FACET_KEY_WHOLE,
     .range = "[0, 1000000]",
     .target = EMBED(exaggeration_epochs)},
    {.key = "explain",
     .type = FACET_KEY_COUNT,
     .range = "[1, 9007199254740992]",
     .standard = "200",
     .target = EMBED(explain)},
};

facet_status facet_study_read_embed(const facet_schema_reader *reader, const facet_tree *node, void *target)
{
  static const int64_t usual[] = {500, 500, 2000};
  facet_embedding *e = &((facet_study *)target)->embed;
  e->wanted = true;
  e->line = node->line;
  e->alpha = 1;
  e->layers.count = COUNT_OF(usual);
  FACET_NEW(e->layers.item, e->layers.count);
  memcpy(e->layers.item, usual, sizeof usual);
  e->exaggeration_epochs = -1;
  FACET_TRY(facet_schema_defaults(reader, keys, COUNT_OF(keys), e));
  FACET_TRY(facet_schema_read(reader, node, keys, COUNT_OF(keys), e));
  if (e->exaggeration_epochs < 0)
    e->exaggeration_epochs = e->epochs / 4;
  return FACET_OK;
}

void facet_study_clear_embed(facet_embedding *e)
{
  facet_free(&e->variant);
  facet_free(&e->layers.item);
}

int64_t facet_embed_batches(const facet_embedding *e, int64_t samples)
{
  return (samples + e->batch - 1) / e->batch;
}

int64_t facet_embed_largest(const facet_embedding *e, int64_t samples)
{
  int64_t batches = facet_embed_batches(e, samples);
  return (samples + batches - 1) / batches;
}

facet_status facet_study_check_embed(const facet_study *study, int64_t there)
{
  const facet_embedding *e = &study->embed;
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
