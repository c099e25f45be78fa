/* Private to the store: the shape of one file, which follows from a plan and the schema (rows.def); and HDF5, and an
 * open file. */
#ifndef FACET_STORE_FILE_H
#define FACET_STORE_FILE_H

#include <hdf5.h>
#include <hdf5_hl.h>

#include "ranks/agree.h"
#include "store.h"

/* ---- the shape: which arrays are there, where, and how large ---- */

enum { FACET_MOST_AXES = 2 + FACET_MAX_AXES };
enum { FACET_STORE_PIECE = 1 << 20 }; /* bytes that are read or copied at once */

/* A dimension. */
typedef struct {
  int64_t size;            /* -1: not there */
  const char *const *text; /* its coordinates; NULL: numbers */
} facet_store_extent;

typedef struct {
  const facet_store_plan *plan;
  facet_store_names names;
  facet_store_extent (*extent)[FACET_DIMENSIONS]; /* of each variant */
  int64_t first[FACET_ROWS];                      /* the number of a row's first array */
  int64_t arrays;                                 /* whether they are there or not */
} facet_store_shape;

typedef struct {
  facet_dimension dimension;
  int turn; /* 2: the second of that kind in an array */
  int64_t size;
  const char *beside; /* a path: coordinates lie in its folder; NULL: where the dimension has them */
} facet_store_shape_axis;

/* One array. */
typedef struct {
  facet_row row;
  int variant, condition; /* 0 where the path has none; a stage counts as a variant */
  int64_t number;         /* among all of the file, that are not there included */
  int axes;
  facet_store_shape_axis axis[FACET_MOST_AXES];
  double elements; /* which may be more than an int64_t counts */
} facet_store_shape_array;

/* The plan must outlive it. Clear it in any case. */
facet_status facet_store_shape_make(const facet_store_plan *plan, facet_store_shape *shape);
void facet_store_shape_clear(facet_store_shape *shape);
/* An array; false: it is not there. */
bool facet_store_shape_find(const facet_store_shape *shape, facet_row row, int variant, int condition,
                            facet_store_shape_array *array);
/* Whether an array sums up tiles. */
bool facet_store_shape_is_digest(const facet_store_shape_array *array);
/* The next array that is there; from an array of zeros with number -1 the first. False after the last. */
bool facet_store_shape_next(const facet_store_shape *shape, facet_store_shape_array *array);
/* Paths; the caller frees. NULL: no memory. */
char *facet_store_shape_path(const facet_store_shape *shape, const facet_store_shape_array *array);
/* Of a pattern of rows.def, where {variant}, or {stage}, and {condition} have these names. */
char *facet_store_path(const char *pattern, const char *variant, const char *condition);
/* Room for the array of each number, none of which is open: -1. Closes those that are. */
facet_status facet_store_sets_make(const facet_store_shape *shape, hid_t **set);
void facet_store_sets_close(const facet_store_shape *shape, hid_t *set);
char *facet_store_shape_coordinate_path(const facet_store_shape *shape, facet_store_shape_axis axis, int variant);

/* ---- HDF5 ---- */

/* What HDF5 calls at a failure is the caller's own: every public function that calls HDF5 listens itself, which
 * silences HDF5 and keeps what it would have said last, and gives the caller's back. */
typedef struct {
  H5E_auto2_t function;
  void *data;
  const char *path; /* of the file that is read, for messages; borrowed. NULL: none is */
} facet_store_listener;
facet_store_listener facet_store_listen(const char *path);
/* Returns status; but FACET_IO where that is FACET_BAD_INPUT, and not all could be read that says so. */
facet_status facet_store_unlisten(facet_store_listener before, facet_status status);
/* The same, of what was heard so far. */
facet_status facet_store_heard(const char *path, facet_status status);

/* FACET_IO, or FACET_OS, with HDF5's own innermost words about its last failure: "PATH: WHAT: ...". */
facet_status facet_store_raise(const char *path, const char *what);
/* Whether that failure, the last one, is of what the file says, not of the disk: chunks that cannot be unpacked. */
bool facet_store_is_spoiled(facet_status status);
/* FACET_BAD_INPUT "PATH: ...", for a file that is not what it should be; FACET_IO, with what the system says, if it is
 * not known, for some of it could not be read. */
facet_status facet_store_refuse(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A list for opening files without locks, which many parallel file systems lack; facet takes none on shared files
 * anyway. Caller closes. */
hid_t facet_store_access(void);
/* Opens a file for reading, for this rank alone. FACET_BAD_INPUT. */
facet_status facet_store_open_alone(const char *path, hid_t *file);

/* FACET_BAD_INPUT unless an open file is of the plan's study, with its data and networks. */
facet_status facet_store_same(const char *path, hid_t file, const facet_store_plan *plan);

/* A list of texts; *count is 0 where it cannot be read. The caller frees it, by facet_free_list. */
facet_status facet_store_texts(hid_t file, const char *path, char ***text, int *count);
/* Opens an array by its path. Negative: it is not there, or says more than its file can hold. */
hid_t facet_store_set(hid_t file, const char *path);
/* Integers of an array, or an attribute of the file, of exactly so many. False: there is none such. */
bool facet_store_integers(hid_t file, const char *path, int64_t count, int64_t *to);
bool facet_store_attribute(hid_t file, const char *name, int64_t count, int64_t *to);
/* How many elements an array has; 0: it is not there. */
int64_t facet_store_count(hid_t file, const char *path);
/* The sizes of an array; how many, -1: it is not open, or has more than arrays have here. */
int facet_store_sizes(hid_t set, hsize_t size[FACET_MOST_AXES]);
/* FACET_BAD_INPUT unless this facet reads a file's schema version, and holds it against checksums. */
facet_status facet_store_check_version(const char *path, hid_t file);
/* A text of an object; "" if it has none of that name. The caller frees it. */
facet_status facet_store_text(hid_t file, const char *object, const char *name, char **text);

/* Closes what is open of these identifiers (not of files), of whatever kind. */
#define H5_CLOSE(...) facet_store_drop((const hid_t[]){__VA_ARGS__, 0})
void facet_store_drop(const hid_t *id);

#define H5_CHECK(path, what, call)                                                                                     \
  do {                                                                                                                 \
    if ((call) < 0)                                                                                                    \
      return facet_store_raise((path), (what));                                                                        \
  } while (0)

/* A row's type in the file, the bytes of a number there, and its type in memory. */
/* Of variable length, UTF-8; made once: not to be closed. */
hid_t facet_store_text_type(void);
hid_t facet_store_file_type(const facet_store_shape *shape, facet_row row);
size_t facet_store_size_of(const facet_store_shape *shape, facet_row row);
hid_t facet_store_memory(const facet_store_shape *shape, facet_row row, facet_store_as as);

struct facet_store {
  MPI_Comm comm;
  const char *path; /* an open file owns it */
  facet_store_shape shape;
  hid_t file;
  hid_t list; /* how numbers are moved */
  int raw;    /* the same file as the system knows it, for syncing */
  hid_t *set; /* of every array of the shape; -1: not there */
  uint64_t identity;
  struct facet_sums *sums;         /* of the stage whose parts were marked last; NULL: none yet */
  int sums_of;                     /* its number */
  struct facet_again *again;       /* what is put is compared instead; NULL: it is not */
  struct facet_settling *settling; /* what is being made durable: settle.c; NULL: nothing */
  int64_t unsettled;               /* bytes that were put since any sync began last */
  int lost;                        /* errno of the first sync that failed: what was put may be lost; 0: none */
  bool held[FACET_MOST_STAGES];    /* stages whose parts hold since they were finished */
};
/* What a sync gave, an errno or 0. After one that failed all fail: the system tells of lost data once, so a later one
 * that goes well says nothing of them. FACET_IO. */
facet_status facet_store_synced(facet_store *store, int failed);
/* Knows the shape of the file at `path`, and none of its arrays is open yet. Not collective. */
facet_status facet_store_lay_out(facet_store *store, const char *path, const facet_store_plan *plan);
/* Opens the arrays of a stage with its marks, of a file that this rank has for itself; NULL: all. FACET_BAD_INPUT. */
facet_status facet_store_open_arrays(facet_store *store, const char *stage);

/* A part of an array. `digest`, or another array from `there` on, takes what is read, piece by piece: each lies where
 * `data` begins then. */
typedef struct {
  hid_t set, memory, list;
  int axes;
  hsize_t start[H5S_MAX_RANK], count[H5S_MAX_RANK];
  size_t most; /* bytes of a piece, unless one element is more */
  char *data;
  bool write;
  facet_sha256 *digest;
  void *sum; /* an XXH3_state_t, as digest */
  hid_t to;  /* 0: none */
  hsize_t there[H5S_MAX_RANK];
} facet_store_transfer;
/* Moves it in pieces that lie one behind the other. */
facet_status facet_store_move(const char *path, facet_store_transfer transfer);

/* A part of an array, by its place: without data. FACET_INTERNAL: there is none. */
facet_status facet_store_part(const facet_store *store, facet_row row, const facet_place *place,
                              facet_store_transfer *transfer);

/* ---- parts that are computed again: again.c ---- */

facet_status facet_again_put(facet_store *store, facet_row row, const facet_place *place, const void *data);
/* Whether these numbers were put, to be gone on with. */
bool facet_again_get(facet_store *store, facet_row row, const facet_place *place, void *data);
/* Marks of a stage that some parts are chosen of; false: it is another stage. */
bool facet_again_marks(const facet_store *store, const char *stage, int64_t parts, uint8_t *done);
void facet_again_free(struct facet_again **again);

/* ---- checksums of the parts of a stage: sums.c ---- */

/* Where its arrays are: in an open store, or in a file that this rank has for itself. All of it is borrowed. */
typedef struct {
  const char *path;
  const facet_store *store; /* NULL: file */
  hid_t file;
  int variants, conditions, clean;
  const char *const *variant, *const *condition;
  int64_t block, linear_blocks; /* samples of a block; blocks with linearized samples */
  uint64_t identity;
} facet_sums_source;

/* Of a file alone, which has its names, sizes and identity itself; names are to be forgotten in any case.
 * FACET_BAD_INPUT. */
facet_status facet_sums_describe(const char *path, hid_t file, facet_sums_source *source);
void facet_sums_forget(facet_sums_source *source);
/* Something does not hold: counted, and said by a line (ranks/said.h). */
void facet_store_find_bad(facet_store_verified *found, bool says, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What lies beside that file: beside.c. says: also networks of variants, and a line for what does not hold. */
facet_status facet_store_verify_beside(const facet_sums_source *source, bool says, facet_store_verified *found);
typedef struct facet_sums facet_sums;
/* marks: the dimensions of the stage's. FACET_BAD_INPUT where the file has others. End it in any case. */
facet_status facet_sums_begin(const facet_sums_source *source, const char *stage, const char *marks, facet_sums **sums);
void facet_sums_end(facet_sums **sums);
int64_t facet_sums_parts(const facet_sums *sums);
/* The checksum of a part as it is now; never negative. */
facet_status facet_sums_find(facet_sums *sums, int64_t part, int64_t *sum);
/* Whether that is what it was `then`; what cannot be read for what the file says does not hold. */
facet_status facet_sums_hold(facet_sums *sums, int64_t part, int64_t then, bool *hold);
/* Of a file alone: marks and checksums of all parts, as it has them; the caller frees. FACET_BAD_INPUT: it has none. */
facet_status facet_sums_read(const facet_sums *sums, uint8_t **mark, int64_t **sum);
/* "analyse of dense, clean, block 3". */
void facet_sums_name(const facet_sums *sums, int64_t part, char *text, size_t size);
/* What tells a study from others: its text, but for where files lie, and its networks. */
facet_status facet_sums_identity(hid_t file, int variants, const char *const *variant, uint64_t *identity);
/* A dimension by its name; FACET_DIMENSIONS: none. */
facet_dimension facet_dimension_called(const char *name, size_t length);
/* Writes /index of an open file all of whose arrays have their places (index.c); whether it says where they lie now:
 * also where there is none. */
facet_status facet_store_index_write(const char *path, hid_t file);
facet_status facet_store_index_holds(const char *path, hid_t file, bool *holds);
/* Of what was written when the file was made, but for the index, which follows from where things lie; never negative.
 */
facet_status facet_store_head(const char *path, hid_t file, int64_t *sum);
/* Whether that is what it was. */
facet_status facet_store_head_holds(const char *path, hid_t file, bool *holds);

#endif
