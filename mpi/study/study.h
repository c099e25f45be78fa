/* A study: what the YAML file asks for, checked, with every default filled in.
 *
 * Each key of the file has a struct of its own, which stands alone: facet_settings (all keys of one value: what every
 * stage may need), facet_data_keys, facet_model_keys, facet_recipes (key `variants`), facet_conditions,
 * facet_linearize_keys, facet_change_keys, facet_paths_keys, facet_reach_keys, facet_lines_keys, facet_planes_keys,
 * facet_census_keys, facet_attributions_keys, facet_aggregation, facet_embedding. Their members are named as the keys
 * are, and stand in keys.def, with what they mean, their units and their ranges. What works on one of them takes that
 * one; the whole facet_study is for whoever runs a study. */
#ifndef FACET_STUDY_H
#define FACET_STUDY_H

#include "prune/methods.h"
#include "rooms.h"
#include "train/sgd.h"

/* ---- lists of values ---- */

typedef struct {
  int count;
  char **item;
} facet_texts;
/* Whether a list of names asks for this one: an empty list is `all`. */
static inline bool facet_texts_ask(const facet_texts *list, const char *name)
{
  return list->count == 0 || facet_is_among(name, list->item, list->count);
}

typedef struct {
  int count;
  int64_t *item;
} facet_wholes;

typedef struct {
  int count;
  double *item;
} facet_numbers;

typedef struct {
  int count;
  int *item; /* of an enum */
} facet_choices;

typedef struct {
  int corruption;  /* facet_corruption_find; 0 is clean */
  int severity;    /* 1..5; 0 for clean */
  char *published; /* folder of a set in the layout of CIFAR-10-C (resolved path), or NULL: corrupted here */
  char *name;      /* "clean", "gaussian_noise/3", "CIFAR-10-C/gaussian_noise/3" */
} facet_condition;

typedef struct {
  int count; /* at least 1; lists multiplied */
  facet_condition *item;
  int clean; /* which one is clean; -1: none */
} facet_conditions;

/* ---- a struct for each key: what keys.def lists, as C ---- */

enum { FACET_EMBED_LAYERS = 16 }; /* hidden ones, at most */

/* clang-format off */
#define ENUM(name, words) typedef enum { words } name;
#define WORDS(name, words)
#define W(word, id) id,
#define STRUCT typedef struct {
#define END_STRUCT(name) } name;
#define BEGIN STRUCT
#define END(...) END_STRUCT(OWNER)
#define TABLE(name)
#define END_TABLE(name, ...)
#define MEMBER(type, name) type name;
#define KEY(type, name, ...) type name;
#define KEYS(type, name, ...) type name;
#define AS(...)
#define LIST_AS(...)
/* clang-format on */
#include "keys.def"

typedef struct {
  int count;
  facet_recipe *item;
} facet_recipes;

typedef struct {
  facet_settings settings;
  facet_data_keys data;
  facet_model_keys model;
  facet_recipes recipes; /* key `variants` */
  facet_conditions conditions;
  facet_stage_keys stages;
} facet_study;

/* As the study file has it. */
/* Rows and columns of the largest Gram matrix that is made: 2 GiB. */
enum { FACET_LARGEST_GRAM = 16384 };
/* As a study says it. */
const char *facet_keep_name(facet_keep keep);
const char *facet_spectrum_name(facet_spectrum_method method);

/* Whether a variant ("{variant}"), or the folder of a condition ("{condition}"), cannot bear a name because whoever
 * stores its results has that name for something else. */
typedef bool facet_study_taken(const char *hole, const char *name);
enum { FACET_MOST_VARIANTS = 10000, FACET_MOST_CONDITIONS = 1000 }; /* that a study may have */
/* Reads, checks values and fills defaults; paths are resolved beside the study file. taken: NULL is no name. Errors,
 * one line each: FACET_NO_INPUT; FACET_BAD_INPUT "FILE:LINE: variants[2].sparsity: 1.3 is not in [0, 1)". Touches no
 * other file. */
facet_status facet_study_read(const char *path, facet_study_taken *taken, facet_study **study);
/* The same of a text; path: a file that it stands for, in messages, and that its paths lie beside. */
facet_status facet_study_parse(const char *path, const void *text, size_t bytes, facet_study_taken *taken,
                               facet_study **study);
void facet_study_destroy(facet_study **study);
/* The study as YAML with all defaults filled in: what `facet check` shows. */
facet_status facet_study_text(const facet_study *study, char **yaml); /* caller frees */
/* What tells one study from another of such a text: all of it but for where files lie, so that what is moved still
 * knows its study; of paths their last names stay, and the output goes. Caller frees; NULL: no memory. */
char *facet_study_identity(const char *yaml);
/* Whether two such texts have one identity. */
facet_status facet_study_same(const char *yaml, const char *other, bool *same);

/* A variant: one network of the study, lists multiplied. Number 0 is `dense`. */
typedef struct {
  char *name;                 /* unique, safe as a path: "magnitude-global-0.95-s2" */
  char *replicate;            /* its name without the seed, where seeds are listed: what replicates have in common */
  int recipe;                 /* -1: dense */
  double sparsity;            /* asked for; 0 for dense and external ones */
  const facet_method *method; /* NULL: dense, external ones and masks */
  facet_scope scope;
  uint32_t seed; /* of pruning and training; the study's where the recipe lists none */
} facet_variant;
/* All variants in order. FACET_BAD_INPUT with file, line and key if there are too many, which is said before any is
 * made, or if two would bear one name. Caller frees with facet_variants_free. */
facet_status facet_study_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant **variant,
                                  int *count);
void facet_variants_free(facet_variant **variant, int count);
/* How a variant is made: as YAML, dense by the model, others by their recipe with what lists vary as this variant has
 * it; names, and where files lie, left out. Caller frees. */
facet_status facet_variant_text(const facet_data_keys *data, const facet_model_keys *model,
                                const facet_recipes *recipes, const facet_variant *variant, char **text);

#endif
