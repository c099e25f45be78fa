/* Private to the store: opening, errors and the names of its datasets. */
#ifndef FACET_STORE_FILE_H
#define FACET_STORE_FILE_H

#include <hdf5.h>
#include <hdf5_hl.h>

#include "ranks/agree.h"
#include "ranks/versions.h"
#include "store.h"

/* Silences HDF5, and keeps what it would have said last. Every public function of the store that opens a file begins
 * with it. */
void facet_store_listen(void);
/* FACET_IO with HDF5's own innermost words about its last failure: "PATH: WHAT: ...". */
facet_status facet_store_raise(const char *path, const char *what);
/* A list for opening files without locks, which many parallel file systems lack; facet takes none on shared files
 * anyway. Caller closes. */
hid_t facet_store_access(void);

#define H5_CHECK(path, what, call)                                                                                     \
  do {                                                                                                                 \
    if ((call) < 0)                                                                                                    \
      return facet_store_raise((path), (what));                                                                        \
  } while (0)

/* The datasets of a linearized variant. */
typedef struct {
  hid_t w, row, b, b_node, residual, ties;
} facet_store_linear_sets;

/* The datasets of one comparison of margins. */
typedef struct {
  hid_t pixel, moved, node, gates, total, residual, rival_before, rival; /* moved -1: there is none */
} facet_store_change_sets;

/* The datasets of a variant's explained positions. */
typedef struct {
  hid_t w, b, b_node, residual, ties;
} facet_store_embed_sets;

struct facet_store {
  MPI_Comm comm;
  char *path;
  const facet_store_plan *plan;
  int64_t blocks;
  hid_t file, real; /* memory type of W */
  int raw;          /* the same file as the system knows it, for syncing */
  hid_t image, logits, predicted, loss, angle, length, margin, cosine, tile;
  hid_t label;
  facet_store_linear_sets *linear; /* per variant; -1 where it is not linearized */
  hid_t change_sample;
  struct {
    hid_t position, loss, gradient, rate, alpha, quality, tile, sample, label, train;
    facet_store_embed_sets *variant; /* w -1 where there is none */
  } embed;
  facet_store_change_sets *change; /* per variant: from dense, then for each condition; -1 where nothing is compared */
  hid_t *aggregate;                /* of store_aggregate.c; -1: not there */
};

/* Of an open store: a dataset that must have these dimensions and bytes an element; a part of one, overwritten. */
facet_status facet_store_open_set(const facet_store *s, const char *name, int rank, const int64_t *dim, size_t size,
                                  hid_t *set);
facet_status facet_store_write_part(const facet_store *s, hid_t set, hid_t memory, int rank, const int64_t *start,
                                    const int64_t *count, const void *data);
facet_status facet_store_read_part(const facet_store *s, hid_t set, hid_t memory, int rank, const int64_t *start,
                                   const int64_t *count, void *data);
/* What is computed over all samples together: opened with the store, and closed. */
facet_status facet_store_open_aggregates(facet_store *s);
void facet_store_close_aggregates(facet_store *s);
/* The embedding: opened with the store, and closed. */
facet_status facet_store_open_embed(facet_store *s);
void facet_store_close_embed(facet_store *s);
/* Changes of margin: opened with the store, and closed. */
facet_status facet_store_open_changes(facet_store *s);
void facet_store_close_changes(facet_store *s);

/* accuracy, loss, angle, length, margin (V x C) and residual (V). */
extern const char *const facet_store_summaries[6];
/* "mean", "deviation". */
extern const char *const facet_store_spreads[2];

/* ---- creating: the parts of a file, by one rank ---- */

typedef struct {
  const char *path; /* for messages */
  const facet_store_plan *plan;
  hid_t file, real;                                                     /* file type of floats */
  hid_t variant, condition, sample, class, channel, y, x, linear, rank; /* scales */
} facet_store_creation;

/* Creates an array, and the groups on its path, whose dimensions have the given scales; _open leaves it open in *out.
 */
facet_status facet_store_make_open(const facet_store_creation *c, const char *name, hid_t type, int rank,
                                   const hid_t *scale, hid_t *out);
facet_status facet_store_make(const facet_store_creation *c, const char *name, hid_t type, int rank,
                              const hid_t *scale);
/* A coordinate: a list that is a dimension scale, left open in *out: of numbers, of texts, and of 0, step, 2 step, ...
 */
facet_status facet_store_make_scale(const facet_store_creation *c, const char *name, hid_t type, hid_t memory,
                                    int64_t count, const void *data, hid_t *out);
facet_status facet_store_make_names(const facet_store_creation *c, const char *name, int64_t count,
                                    const char *const *text, hid_t *out);
facet_status facet_store_make_counting(const facet_store_creation *c, const char *name, int64_t count, int64_t step,
                                       hid_t *out);
/* Attributes; count -1: a single number. */
facet_status facet_store_put_text(const facet_store_creation *c, hid_t object, const char *name, const char *text);
facet_status facet_store_put_numbers(const facet_store_creation *c, hid_t object, const char *name, hid_t memory,
                                     hid_t type, int64_t count, const void *data);
facet_status facet_store_put_double(const facet_store_creation *c, hid_t object, const char *name, double value);
facet_status facet_store_put_int(const facet_store_creation *c, hid_t object, const char *name, int64_t value);
facet_status facet_store_put_names(const facet_store_creation *c, hid_t object, const char *name, int count,
                                   const char *const *text);

/* The scales of the dimensions of a row of W: channel, y and x are the images' own, the others the linearized
 * variant's, made here (input, input_2, ... and one, one_2, ...), or opened where they were made before. What they are
 * closed with. */
facet_status facet_store_row_scales(const facet_store_creation *c, const facet_store_variant *v, bool make,
                                    hid_t *scale);
void facet_store_close_row_scales(const facet_store_variant *v, const hid_t *scale);
/* What the rows of W look like, and in which order their numbers run, as attributes. */
facet_status facet_store_put_layout(const facet_store_creation *c, hid_t object, const facet_input_layout *input);

/* What is computed over all samples together: its arrays, and the bytes that they take. */
facet_status facet_store_make_aggregates(const facet_store_creation *c);
double facet_store_aggregate_bytes(const facet_store_plan *plan);

/* Changes of margin: their arrays, and the bytes that they take. */
facet_status facet_store_make_changes(const facet_store_creation *c);
double facet_store_change_bytes(const facet_store_plan *plan);

/* The embedding: its arrays, and the bytes that they take. */
facet_status facet_store_make_embed(const facet_store_creation *c);
double facet_store_embed_bytes(const facet_store_plan *plan);

/* Comparisons: their arrays, and the bytes that they take. */
facet_status facet_store_make_comparisons(const facet_store_creation *c);
double facet_store_compare_bytes(const facet_store_plan *plan);

/* ---- the end ---- */

/* The file in the hands of one rank alone, after the tiles: any part of any array, by its path. */
typedef struct {
  const char *path; /* borrowed */
  hid_t file;
} facet_store_alone;
facet_status facet_store_alone_open(const char *path, facet_store_alone *store);
facet_status facet_store_alone_close(facet_store_alone *store); /* durable */
facet_status facet_store_alone_read(const facet_store_alone *store, const char *name, hid_t memory, int rank,
                                    const int64_t *start, const int64_t *count, void *to);
facet_status facet_store_alone_write(const facet_store_alone *store, const char *name, hid_t memory, int rank,
                                     const int64_t *start, const int64_t *count, const void *from);

#endif
