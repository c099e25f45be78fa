/* A study: what the YAML file asks for, checked, with every default filled in.
 *
 * Each key of the file has a struct of its own, which stands alone: facet_settings (all keys of one value: what every
 * stage may need), facet_data_keys, facet_model_keys, facet_recipes (key `variants`), facet_conditions,
 * facet_linearize_keys, facet_change_keys, facet_aggregation, facet_embedding. Their members are named as the keys are.
 * What works on one of them takes that one; the whole facet_study is for whoever runs a study. */
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

/* ---- a struct for each key ---- */

/* What every stage may need: the keys of one value. */
typedef struct {
  char *file; /* the study file, as given, for messages; every other path is absolute */
  char *name;
  uint32_t seed;
  char *output; /* resolved folder */
  facet_type precision;
  int threads;     /* per rank; 1 */
  int64_t block;   /* samples of a tile; 250 */
  int64_t memory;  /* bytes that a rank may take in the analysis; 2 GiB */
  int memory_line; /* in the YAML file, for messages; 0: left out */
} facet_settings;

/* A data set: facet_data_source, as the study has it. */
typedef struct {
  int format;
  facet_texts images, labels;
  facet_order layout;
  int64_t count;
} facet_source_keys;

typedef struct {
  facet_source_keys train, test;
  bool has_train;
  facet_texts classes; /* none given: the network says how many there are */
  facet_normalization normalize;
  facet_order layout; /* in which order the networks take the numbers; auto: as their input's dimensions say */
  int layout_line;    /* in the YAML file, for messages; 0: left out */
} facet_data_keys;

typedef struct {
  char *onnx; /* or NULL: the architecture below is trained */
  int resnet; /* or so many blocks in each stage of a residual network: resnet20 has 3 */
  facet_wholes conv, dense;
  bool train; /* always with an architecture; with onnx: model.train given, it is trained on */
  facet_training training;
} facet_model_keys;

/* One line of `variants`, before lists multiply. */
typedef struct {
  int line;             /* in the YAML file, for messages */
  char *name;           /* or NULL: made from the recipe */
  char *onnx;           /* an external network (resolved path), or NULL: method counts */
  facet_order layout;   /* of an external network's input; that of data.layout if the recipe says nothing */
  char *mask;           /* a file of masks (resolved path), or NULL */
  facet_choices method; /* facet_method_at */
  facet_choices scope;
  facet_numbers sparsity;
  facet_wholes seeds;  /* none: the study's */
  int norm;            /* filter: 1 or 2 */
  int64_t calibration; /* taylor: so many training samples; snip, grasp: the first batch of them */
  int64_t rewind;      /* lth, lrr: steps */
  double per_round;    /* lth, lrr: the fraction of what is left that each removal takes */
  bool allow_collapse, remove_dead;
  bool retrain;            /* or budget: there is training */
  facet_training training; /* of the retraining, or of the method: what the study leaves out is the model's */
} facet_recipe;

typedef struct {
  int count;
  facet_recipe *item;
} facet_recipes;

typedef struct {
  int corruption;  /* facet_corruption_find; 0 is clean */
  int severity;    /* 1..5; 0 for clean */
  char *published; /* folder of a set in the layout of CIFAR-10-C (resolved path), or NULL: corrupted here */
} facet_condition;

typedef struct {
  int count; /* at least 1; lists multiplied */
  facet_condition *item;
  int clean; /* which one is clean; -1: none */
} facet_conditions;

/* How linearizations are computed: key `linearize`. */
typedef struct {
  bool wanted;
  facet_texts variants; /* none: all */
  int64_t samples;      /* the first so many test samples; 0: all */
  facet_rows_choice rows;
  int64_t top;
} facet_linearize_keys;

/* How margins change is taken apart: key `change`. */
typedef struct {
  bool wanted;
  facet_texts variants; /* none: all */
  int64_t samples;      /* 0: all */
  enum { FACET_PICK_FRAGILE, FACET_PICK_FIRST } pick;
  bool all_conditions; /* else the corrupted ones below */
  facet_texts conditions;
} facet_change_keys;

/* How the spectrum of a variant's stacked linearizations M is found: from MT M, from M MT, or by a random projection.
 */
typedef enum {
  FACET_SPECTRUM_AUTO,
  FACET_SPECTRUM_GRAM,
  FACET_SPECTRUM_DUAL,
  FACET_SPECTRUM_RANDOM
} facet_spectrum_method;
const char *facet_spectrum_name(facet_spectrum_method method); /* as the study file has it */

/* What is computed over all samples together: key `aggregate`. */
typedef struct {
  bool wanted;
  int64_t spectrum; /* leading singular values and directions of each linearized variant; 0: none */
  facet_spectrum_method method;
  bool cka; /* similarity of features of all pairs of variant and condition */
  int line; /* in the YAML file, for messages */
} facet_aggregation;

enum { FACET_EMBED_LAYERS = 16 }; /* hidden ones, at most */

/* A parametric t-SNE: key `embed`. */
typedef struct {
  bool wanted;
  enum { FACET_SOURCE_FEATURES, FACET_SOURCE_PIXELS } source;
  char *variant;       /* whose features the encoder learns from; "dense" */
  facet_wholes layers; /* hidden ones */
  int dimensions;
  double perplexity, alpha;
  bool learn_alpha; /* from `alpha` on */
  int64_t samples;  /* of training; 0: all */
  int64_t batch;
  int epochs;
  double noise; /* deviation of what is added to the encoder's inputs in training; theirs is 1 */
  enum { FACET_EMBED_ADAM, FACET_EMBED_MOMENTUM } optimizer;
  double rate, momentum;
  int schedule; /* FACET_SCHEDULE_COSINE or FACET_SCHEDULE_CONSTANT */
  double exaggeration;
  int exaggeration_epochs;
  int64_t explain; /* the first so many test samples are linearized; 0: all */
  int line;        /* in the YAML file, for messages */
} facet_embedding;

/* What is asked of stages: each reads its own. */
typedef struct {
  facet_linearize_keys linearize;
  facet_change_keys change;
  facet_aggregation aggregate;
  facet_embedding embed;
} facet_stage_keys;

typedef struct {
  facet_settings settings;
  facet_data_keys data;
  facet_model_keys model;
  facet_recipes recipes; /* key `variants` */
  facet_conditions conditions;
  facet_stage_keys stages;
} facet_study;

/* Whether a variant cannot bear a name because whoever stores its results has that name for something else. */
typedef bool facet_study_taken(const char *name);
/* Reads, checks values and fills defaults; paths are resolved beside the study file. taken: NULL is no name. Errors,
 * one line each: FACET_NO_INPUT; FACET_BAD_INPUT "FILE:LINE: variants[2].sparsity: 1.3 is not in [0, 1)". Touches no
 * other file. */
facet_status facet_study_read(const char *path, facet_study_taken *taken, facet_study **study);
void facet_study_destroy(facet_study **study);
/* The study as YAML with all defaults filled in: what `facet check` shows, and what tells one study from another. */
facet_status facet_study_text(const facet_study *study, char **yaml); /* caller frees */
/* "clean", "gaussian_noise/3", "CIFAR-10-C/gaussian_noise/3"; caller frees. */
char *facet_condition_name(facet_condition condition);

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
/* All variants in order. FACET_BAD_INPUT with file, line and key if two would bear one name. Caller frees with
 * facet_variants_free. */
facet_status facet_study_variants(const facet_settings *settings, const facet_recipes *recipes, facet_variant **variant,
                                  int *count);
void facet_variants_free(facet_variant **variant, int count);

#endif
