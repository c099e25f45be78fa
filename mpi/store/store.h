/* The store: <output>/study.h5, schema version 11 (docs/results.md).  Created whole by
 * facet_store_create, closed, and from then on only overwritten in place by all ranks, so a killed run
 * leaves a valid file.  The only writer of results; beside it, data/hdf5.c and prune/mask_file.c call HDF5. */
#ifndef FACET_STORE_H
#define FACET_STORE_H

#include <mpi.h>

#include "rows.h"
#include "study/data.h"
#include "study/study.h"

/* What a variant costs. */
typedef struct {
  double epochs, epochs_before; /* of its own training; of the network that it began with */
  int64_t samples;              /* that its own training sees, each as often as it does */
  int64_t parameters;
  int64_t flops, flops_sparse; /* of a forward pass of one sample, 2 for each multiply-add; sparse: of weights not 0 */
  int64_t bytes, bytes_sparse; /* of the parameters */
  double train_seconds;        /* wall time of its own training; NaN: not known, 0: none */
  double forward_seconds;      /* of a forward pass, per sample, on one rank; NaN: not measured */
} facet_store_cost;

enum { FACET_BATCHES = 5 };

typedef struct {
  const char *name, *method, *scope; /* scope "" where there is none */
  const char *replicate;             /* what it shares with its replicates over seeds */
  const char *parent; /* the variant that it was made from; "": it is from elsewhere, or from first weights */
  char *operation;    /* what was done to that, owned */
  uint32_t seed;
  double sparsity, achieved; /* asked for and reached */
  const char *onnx, *sha256; /* file name in <output>/variants/, and its digest */
  int layers;
  const char **layer;     /* node names of the prunable layers */
  double *layer_achieved; /* their achieved sparsity */
  int64_t *layer_size;
  int constant_nodes; /* what b is split over */
  const char **constant_node;
  bool linearize;
  bool secant;                  /* not piecewise linear: what is frozen makes W no Jacobian */
  int64_t batch[FACET_BATCHES]; /* what the analysis handles at once, and which rows of W; bits may depend on it */
  int64_t features;             /* that are kept of each sample; 0: none are */
  facet_input_layout input;     /* the dimensions of a row of W */
  bool change;                  /* how its margins differ from dense's is taken apart */
  bool path;                    /* paths are followed in it */
  bool line;                    /* lines are cut into its pieces */
  bool plane;                   /* planes are cut into its regions */
  bool attribution;             /* its outputs are attributed to inputs */
  int change_nodes, gates;      /* constant nodes of dense and of this one; nodes whose pattern a sample chooses */
  const char **change_node;     /* names */
  const char **gate;
  int64_t *gate_size, gate_elements; /* elements of each, and of all */
  uint32_t *gate_off;                /* facet_executor_gate_off */
  bool census;                       /* patterns of its samples are counted */
  bool reach;                        /* facets of its samples are measured */
  int embed_nodes;   /* constant nodes of the network from its input to a position; 0: it has no positions */
  char **embed_node; /* names, owned */
  int warnings;
  char **warning; /* about collapsed layers */
  facet_store_cost cost;
} facet_store_variant;

/* A stage that the study wants: what its marks in /progress/NAME are of, dimensions of rows.def with ", " between them;
 * "": one mark for all of it. */
typedef struct {
  const char *name, *marks;
  char follows[65]; /* SHA-256 of what all of it follows from, beside what its parts read; "": of nothing */
} facet_store_stage;
enum { FACET_MOST_STAGES = 32 };

/* Of a plane: as include/facet/plane.h has it. */
static inline int64_t facet_plane_points(int64_t polygons)
{
  return 3 * polygons + 4;
}
static inline int64_t facet_plane_corners(int64_t polygons)
{
  return 6 * polygons + 4;
}
enum { FACET_PATH_CROSSINGS = 16, FACET_PATH_POINTS = 65 }; /* of a path: what there is room for */

/* What the store is made for. All arrays belong to the caller. */
typedef struct {
  const facet_settings *settings;
  const facet_normalization *normalize;
  const char *study_text, *study_filled; /* as the user wrote it, and with every default */
  char *made; /* what all of the analysis may depend on beside networks, samples and conditions; NULL: not known */
  int variants;
  facet_store_variant *variant;
  int diverged; /* variants that are missing, and why */
  char *const *diverged_line;
  int conditions, clean; /* clean: which of them is; -1: none */
  const char **condition;
  int classes;
  const char **class_name;
  int64_t samples; /* N test samples */
  facet_image image;
  const facet_dataset *test; /* whose labels these are */
  int origins;               /* of samples and labels */
  const facet_data_origin *origin;
  int64_t linear_samples, linear_rows;  /* n, k; the first n test samples; 0: no linearization */
  facet_keep keep;                      /* what of linearizations is stored */
  bool half;                            /* W is float16 */
  int64_t digests, digest_blocks;       /* parts of the linearized samples that have digests each; blocks of one */
  int64_t block;                        /* samples of a tile */
  int64_t change_samples;               /* whose changes of margin are taken apart; 0: none */
  int change_conditions;                /* under which they are compared with clean */
  int *change_condition;                /* their numbers */
  int change_groups;                    /* of samples, over which changes are added up; 0: none are */
  char **change_group;                  /* names, owned */
  int64_t path_samples, path_rows;      /* that paths lead to, the first ones; rows of each. 0: none */
  const char *path_from;                /* where they begin, as the study says; borrowed */
  bool path_clean;                      /* to clean samples, too */
  int path_conditions, *path_condition; /* under which they are an end; their numbers */
  const char *reach_unit;               /* as the study says */
  int64_t reach_samples;                /* whose facets are measured, the first ones; 0: none */
  int64_t lines, line_points;           /* lines that are cut into pieces; what there is room for. 0: none */
  int64_t *line_sample;                 /* lines x 2 */
  int64_t planes, plane_polygons;       /* planes that are cut into regions; what there is room for. 0: none */
  int64_t *plane_sample;                /* planes x 3 */
  double plane_margin, plane_window;
  bool plane_change; /* the window is around a change of dense's predicted class, not around the first sample */
  int64_t attributed, attributed_rows; /* samples whose outputs are attributed, the first ones; rows of each. 0: none */
  int attribution_methods, *attribution_method; /* numbers of the methods */
  const char **attribution_name;                /* and their names */
  double attribution_baseline;                  /* in pixels before normalisation */
  int64_t curve_points;                         /* of curves of deletion; 0: faithfulness is not measured */
  int census_conditions;                        /* under which patterns are counted; 0: none are */
  int *census_condition;
  int64_t components;                    /* singular values and directions of each spectrum; 0: none */
  facet_spectrum_method spectrum_method; /* never auto */
  bool cka;                              /* similarity of features of pairs of variant and condition */
  int stages;                            /* in the order in which they run */
  facet_store_stage stage[FACET_MOST_STAGES];
  int64_t profile_ranks; /* that have room for a profile; 0: none */
  int phases;            /* that it is of */
  const char *phase[FACET_MOST_STAGES + 1];
  int embed_axes;                    /* of positions; 0: no embedding */
  int64_t embed_train, embed_inputs; /* samples that the encoder learns from, and numbers of each */
  int embed_epochs;
  int64_t embed_samples; /* whose positions are linearized; the first ones */
} facet_store_plan;

/* A tile: samples of a variant under a condition. */
typedef struct {
  int variant, condition;
  int64_t block;
  int64_t first, count; /* samples */
  int64_t linear;       /* how many of them, from the first, are linearized */
} facet_tile;

typedef struct facet_store facet_store;

/* ---- names that follow from others ---- */

enum { FACET_MOST_ITEMS = 4000, FACET_CLASS_RANKS = 100 }; /* more items have no /similarity */

/* What a finding is about; the sparsity, of those that are of one. */
typedef enum {
  FACET_FINDING_FAILED,
  FACET_FINDING_BEST_CLEAN,
  FACET_FINDING_BEST_CORRUPTED,
  FACET_FINDING_MARGIN_PRUNED,
  FACET_FINDING_MARGIN_CORRUPTED,
  FACET_FINDING_CLASS_PRUNED,
  FACET_FINDING_CLASS_CORRUPTED,
  FACET_FINDING_CORRUPTION,
  FACET_FINDING_LOST,
  FACET_FINDING_KINDS
} facet_finding_kind;
typedef struct {
  facet_finding_kind kind;
  double sparsity;
} facet_finding;

typedef struct {
  const char **variant;            /* of all of them; borrowed */
  int corruptions, *corruption_of; /* of each condition; -1: clean */
  char **corruption;
  int methods, *method_of; /* of each variant; -1: not pruned here. "lrr-global" */
  char **method;
  int replicates, *replicate_of; /* of each variant */
  char **replicate;
  int64_t *replicate_size; /* variants of each */
  int64_t items;           /* facet_store_items */
  char **item;
  int findings;
  facet_finding *about; /* of each finding */
  char **finding;
} facet_store_names;
/* Not collective. Clear it in any case. */
facet_status facet_store_names_make(const facet_store_plan *plan, facet_store_names *names);
void facet_store_names_clear(facet_store_names *names);
/* Whether a variant was pruned, here or elsewhere. The next sparsity after `last` that a method has, -1: any of them
 * has; NaN: no more. */
bool facet_store_is_pruned(const facet_store_plan *plan, const facet_store_names *names, int variant);
double facet_store_next_sparsity(const facet_store_plan *plan, const facet_store_names *names, int method, double last);
/* Pairs of variant and condition that are compared: V x C, or 0 for fewer than two, or too many. */
int64_t facet_store_items(const facet_store_plan *plan);
/* Whether the plan has a spectrum of a variant; how many pairs of variant and condition are in /aggregate/cka. */
bool facet_store_has_spectrum(const facet_store_plan *plan, int variant);
int64_t facet_store_cka_items(const facet_store_plan *plan);
/* Whether patterns of a variant under a condition are counted. */
bool facet_store_counts(const facet_store_plan *plan, int variant, int condition);

/* ---- the file ---- */

/* Bytes that the file will take, INT64_MAX at the most. */
facet_status facet_store_bytes(const facet_store_plan *plan, int64_t *bytes);
/* Whether a variant ("{variant}") or the folder of a condition ("{condition}") cannot bear that name: an array of the
 * file has it. */
bool facet_store_name_taken(const char *hole, const char *name);
/* Before MPI_Init, and before anything else uses HDF5, where files are written: HDF5 then leaves files that could not
 * be written alone when the program ends. */
void facet_store_begin(void);
/* Collective. Creates the file whole (rank 0, under a temporary name, space really reserved, renamed when complete):
 * FACET_CANNOT_CREATE (also if there is a file of that name), FACET_IO "...: no space left: N GB needed, M GB free".
 * Nothing is left behind on failure. Coordinates, labels, attributes are written here. */
facet_status facet_store_create(MPI_Comm comm, const char *path, const facet_store_plan *plan);
/* Not collective. Whether all of a file is done; and whether it is of this study, with its data and networks: of the
 * plan nothing else is looked at. FACET_BAD_INPUT as of facet_store_open. */
facet_status facet_store_finished(const char *path, const facet_store_plan *plan, bool *finished);
/* Collective. Opens for overwriting. FACET_BAD_INPUT if the file does not fit the plan (schema version, study text with
 * defaults but for where files lie, variants' sha256, shapes, digests of data, labels). The plan must outlive the
 * store. */
facet_status facet_store_open(MPI_Comm comm, const char *path, const facet_store_plan *plan, facet_store **store);
/* Ranks that a file has room for the profiles of; 0: none, or no file. Not collective. Of an open one. */
int64_t facet_store_profiled(const char *path);
int64_t facet_store_profile_ranks(const facet_store *store);
/* Collective. Makes everything durable and closes. */
facet_status facet_store_close(facet_store **store);

/* Collective. Everything written before, by any rank, is durable and seen by all. FACET_IO: not durable, and then no
 * sync of this open store succeeds any more, nor any mark. */
facet_status facet_store_sync(facet_store *store);
/* Not collective. What this rank has put is durable. FACET_IO, as above. */
facet_status facet_store_settle(facet_store *store);
/* The same for what this rank has put until now, while it goes on; what it puts meanwhile is to be settled again. Once
 * at a time: whether it is over is asked for without waiting, and it is ended by waiting. FACET_IO, as above. */
facet_status facet_store_settle_begin(facet_store *store);
bool facet_store_settle_over(const facet_store *store);
int64_t facet_store_unsettled(const facet_store *store); /* bytes that were put since any sync began last */
facet_status facet_store_settle_end(facet_store *store);

/* ---- numbers, by row of the schema (rows.def) ---- */

/* What floating-point numbers are in memory; whole numbers are what they are in the file. */
typedef enum { FACET_AS_DOUBLE, FACET_AS_FLOAT, FACET_AS_STORED } facet_store_as; /* stored float16: its 16 bits */

/* A part of an array. `variant` and `condition`: whose, where the path says so. part: of its first dimensions, numbers
 * start .. start+count-1; {0, 0}, as all that is not given: the whole dimension. */
typedef struct {
  int variant, condition;
  struct {
    int64_t start, count;
  } part[2 + FACET_MAX_AXES];
  facet_store_as as;
} facet_place;

/* By one rank alone (independent access in place), after the store was opened. What is written is seen by other ranks
 * after a facet_store_sync. Data are contiguous, of the part's shape. FACET_INTERNAL: no such array, or part of it.
 *
 *   facet_store_put(store, FACET_ROW_MARGIN, (facet_place){.part = {{v, 1}, {c, 1}, {first, count}}}, margin);
 *   facet_store_put(store, FACET_ROW_W, (facet_place){.variant = v, .part = {{first, count}}, .as = FACET_AS_STORED},
 * w);
 */
facet_status facet_store_put(facet_store *store, facet_row row, facet_place place, const void *data);
facet_status facet_store_get(facet_store *store, facet_row row, facet_place place, void *data);

/* ---- marks ---- */

/* Marks a part of a stage as done, numbered through the dimensions of its marks, the last one fastest; call after its
 * data. What was marked is durable against a kill of the process at once. A mark never reaches the disk before its
 * data, so power loss costs at most the parts since the last facet_store_sync or close. Not collective. */
facet_status facet_store_mark(facet_store *store, const char *stage, int64_t part);
facet_status facet_store_mark_parts(facet_store *store, const char *stage, int64_t count, const int64_t *part);
/* The same for parts whose data were put before facet_store_settle_begin, which is ended. */
facet_status facet_store_mark_settled(facet_store *store, const char *stage, int64_t count, const int64_t *part);
/* How many parts a stage of a plan has, by its number. Not collective. */
int64_t facet_store_stage_parts(const facet_store_plan *plan, int stage);
/* How many parts a stage has, 0 if the study does not want it; and all of its marks, 1 = done. Not collective. */
int64_t facet_store_parts(const facet_store *store, const char *stage);
facet_status facet_store_marks(facet_store *store, const char *stage, uint8_t *done);
/* Collective over comm. The same as rank 0 reads them, so that all ranks go the same way; the caller frees in any case.
 */
facet_status facet_store_marks_shared(MPI_Comm comm, facet_store *store, const char *stage, uint8_t **done);
/* Collective. Holds the data of every part of a stage that is marked against its checksum. What does not hold is said
 * on standard error and not marked any more, so that the stage computes it anew; others see that after a
 * facet_store_sync. lost, V: of these variants there are such parts, beside those that are set already; of all, where
 * its marks count no variants. FACET_INTERRUPTED. */
facet_status facet_store_check(facet_store *store, const char *stage, bool *lost);
/* Not collective. Whether that was done since the stage was finished last. */
bool facet_store_held(const facet_store *store, const char *stage);
/* Not collective. Whether a part was done once, and its data do not hold. */
facet_status facet_store_spoilt(facet_store *store, const char *stage, int64_t part, bool *spoilt);
/* Not collective. Keeps the checksums of parts as they are now, which a stop leaves half done; whether they are so
 * still. */
facet_status facet_store_leave_parts(facet_store *store, const char *stage, int64_t count, const int64_t *part);
facet_status facet_store_left_hold(facet_store *store, const char *stage, int64_t count, const int64_t *part,
                                   bool *hold);
/* Collective. No part of a stage, or of these variants of it, counts as done any more. lost: V, all where the marks
 * count no variants; NULL: all. count: on rank 0, how many parts did; NULL: nobody asks. */
facet_status facet_store_forget(facet_store *store, const char *stage, const bool *lost, int64_t *count);
/* Collective. A stage is over: what it wrote is durable, then all of its parts are marked. */
facet_status facet_store_finish(facet_store *store, const char *stage);

/* What was found: parts of stages, those that are not done, networks of variants, other files beside them (an encoder,
 * records, checkpoints), and how many of all do not hold. */
typedef struct {
  int64_t parts, missing, networks, files, bad;
} facet_store_verified;
/* Collective, each rank for its share, with nothing but the file: holds what was written when it was made, and every
 * part that is done of these stages, against their checksums, and the encoder beside it. says: also the networks,
 * records and checkpoints there, and a line on standard output for what does not hold. FACET_BAD_INPUT where it has no
 * checksums, FACET_NO_INPUT. */
facet_status facet_store_verify(MPI_Comm comm, const char *path, int stages, const facet_store_stage *stage, bool says,
                                facet_store_verified *found);

/* ---- a file whose parts are computed again ---- */

/* Not collective, all of them. A text that the file says of itself, by the name of its attribute; "": nothing. Caller
 * frees. FACET_NO_INPUT, FACET_BAD_INPUT. */
facet_status facet_again_said(const char *path, const char *name, char **text);
/* Its variants, and what was handled at once for each, FACET_BATCHES numbers. Caller frees, the names by
 * facet_free_list, also after a failure. FACET_BAD_INPUT. */
facet_status facet_again_variants(const char *path, int64_t **batch, char ***variant, int *count);
/* Opens a file, which is not written, so that whatever is put of this stage is held against what is there, and
 * marks are not set.
 * FACET_BAD_INPUT if its arrays are not those of the plan, which must outlive it. To be closed as any store. */
facet_status facet_again_open(const char *path, const facet_store_plan *plan, const char *stage, facet_store **store);
/* Other stages, ' ' between their names, whose arrays may be read or put then, too. FACET_BAD_INPUT. */
facet_status facet_again_add(facet_store *store, const char *stages);
/* Parts of a stage, 1 of `chosen`, which is borrowed, alone count as not done yet, so that the stage computes them. */
void facet_again_choose(facet_store *store, const char *stage, const uint8_t *chosen);
/* After all that a part puts: a line on standard output for each array that is another, bit for bit. */
facet_status facet_again_end(facet_store *store, const char *part, bool *same);

/* What has certificates: W; paths, clean and under conditions, as found and as stored; facets; lines; planes. */
typedef enum {
  FACET_CERTIFIED_LINEAR,
  FACET_CERTIFIED_PATHS,
  FACET_CERTIFIED_STORED,
  FACET_CERTIFIED_REACH,
  FACET_CERTIFIED_LINES,
  FACET_CERTIFIED_PLANES,
  FACET_CERTIFIED
} facet_certified;
/* Certificates of one of these in a variant, and how many of them are above a bound, or no numbers. all: 0 where the
 * variant has none. */
typedef struct {
  int64_t all, bad;
  double bound;
  bool is_double; /* what they are about: W and paths as stored are in the study's precision, all else is in double */
} facet_store_certificates;
/* Not collective. Of these variants of a finished file; found: variants x FACET_CERTIFIED. FACET_BAD_INPUT, FACET_IO.
 */
facet_status facet_store_certified(const char *path, int variants, const char *const *variant,
                                   facet_store_certificates *found);

/* ---- the store of a version of the study before this one ---- */

/* Open for reading; variants are known again by their networks' SHA-256, conditions by their names. */
typedef struct facet_before facet_before;
/* Not collective, as all of these. *before is NULL, and nothing is wrong, where nothing in the file can be true in the
 * plan: there is none, it is of another schema, or was made otherwise; or *damaged: what it was made with does not hold
 * its checksum. */
facet_status facet_before_open(const char *path, const facet_store_plan *plan, facet_before **before, bool *damaged);
void facet_before_close(facet_before **before);
/* How much of a store is done: marked parts, of all of the stages; rows of W in digests that a stop has left. */
typedef struct {
  int64_t parts, all, rows;
} facet_store_done;
/* Not collective; a run may be at work in it. FACET_BAD_INPUT. */
facet_status facet_store_find_done(const char *path, int stages, const char *const *stage, facet_store_done *done);
/* How many parts of a stage are done in a store; -1: it is none, or has no such stage. */
int64_t facet_before_parts(const char *path, const char *stage);
/* How many test samples it has; whether the plan's variant is there, with features or without as in the plan. */
int64_t facet_before_count(const facet_before *before);
bool facet_before_keeps(const facet_before *before, int variant);
/* Whether the plan's dense network was dense there. */
bool facet_before_dense(const facet_before *before);

/* Opens what is of a stage of the plan: what follows is of its parts, as facet_store_mark counts them; and how many of
 * those the plan has. */
facet_status facet_before_enter(facet_before *before, const char *stage);
int64_t facet_before_plan_parts(const facet_before *before);
/* The size there of a dimension of its marks. */
int64_t facet_before_marked(const facet_before *before, int axis);
/* With the analysis: whether its first tile of samples first .. first+count-1 is there, which these were stored with,
 * and has these pixels, as float, and labels. */
facet_status facet_before_samples(facet_before *before, int64_t first, int64_t count, const float *pixels,
                                  const int32_t *label, bool *same);
/* Whether numbers first .. first+count-1 of an array are these. */
facet_status facet_before_equal(facet_before *before, facet_row row, int64_t first, int64_t count, const void *wanted,
                                bool *same);
/* The whole number that an array has of a variant of the plan, or its only one; -1: none. */
facet_status facet_before_number(facet_before *before, facet_row row, int variant, int32_t *number);
/* Whether it has a part, made as the plan would have it made, if all that the part reads is the same. *features: and
 * the features, where the plan has them. */
bool facet_before_has(const facet_before *before, int64_t part, bool *features);
/* Whether one that it has holds its checksum; and its name there, for messages. */
facet_status facet_before_holds(facet_before *before, int64_t part, bool *holds);
void facet_before_name(const facet_before *before, int64_t part, char *text, size_t size);
/* Copies one that it has into the store: in every array of the stage what belongs to it. */
facet_status facet_before_copy(facet_before *before, int64_t part, facet_store *store);

/* One line that depends on the results alone: SHA-256 over every dataset (path, type, shape, bytes) in order of path
 * that its row counts among them, and over the variants' attributes. Not collective. FACET_NO_INPUT, FACET_BAD_INPUT,
 * also "...: is not finished: compare is missing" unless every part of every stage that the study wants is done. */
facet_status facet_store_checksum(const char *path, char hex[65]);

/* Writes a finished file anew with its large arrays in compressed chunks, beside it, and puts that in its place once
 * the checksum of both is the same; bytes before and after. Not collective. A kill leaves the file as it was, and a
 * temporary beside it. Errors as of facet_store_checksum and facet_space_check, FACET_CANNOT_CREATE, FACET_INTERRUPTED.
 */
facet_status facet_store_repack(const char *path, int64_t *before, int64_t *after);
/* The way back, with a line, where a file is packed and some of it is to be computed anew: nothing is written into
 * chunks. What cannot be unpacked becomes zeros. Not collective. Errors as of facet_store_repack. */
facet_status facet_store_unpack(const char *path);

#endif
