/* The ground every room stands on, beside what the face shows of it: raising messages, memory, text, counter-based
 * random numbers, SHA-256 and the progress line.  Nothing here knows networks or ranks. */
#ifndef FACET_BASE_H
#define FACET_BASE_H

#include <facet/base.h>

/* ---- messages ---- */

/* Sets the present message of the running thread and returns `status`. */
facet_status facet_raise(facet_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "text" in front of the present message ("file.onnx: " for one) and returns `status`. */
facet_status facet_raise_in(facet_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Both again as macros, so that compilers and analyzers see which status comes back. */
static inline facet_status facet_raised(facet_status raised, facet_status status)
{
  (void)raised;
  return status;
}
#define facet_raise(status, ...)    facet_raised((facet_raise)((status), __VA_ARGS__), (status))
#define facet_raise_in(status, ...) facet_raised((facet_raise_in)((status), __VA_ARGS__), (status))

/* Passes a failure up. */
#define FACET_TRY(call)                                                                                                \
  do {                                                                                                                 \
    facet_status facet_try_status = (call);                                                                            \
    if (facet_try_status != FACET_OK)                                                                                  \
      return facet_try_status;                                                                                         \
  } while (0)

/* Like FACET_TRY, for functions that clean up: stores into `status` (a variable) and jumps to `label`. */
#define FACET_GO(label, status, call)                                                                                  \
  do {                                                                                                                 \
    (status) = (call);                                                                                                 \
    if ((status) != FACET_OK)                                                                                          \
      goto label;                                                                                                      \
  } while (0)

/* Raises unless the condition holds. */
#define FACET_CHECK(condition, status, ...)                                                                            \
  do {                                                                                                                 \
    if (!(condition))                                                                                                  \
      return facet_raise((status), __VA_ARGS__);                                                                       \
  } while (0)

/* The same for functions that clean up: stores into `status` and jumps to `label`. */
#define FACET_CHECK_GO(label, status, condition, code, ...)                                                            \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      (status) = facet_raise((code), __VA_ARGS__);                                                                     \
      goto label;                                                                                                      \
    }                                                                                                                  \
  } while (0)

/* ---- memory: zeroed, 64-byte aligned, overflow checked; a failure raises FACET_OS ---- */

void *facet_allocate(size_t count, size_t size); /* NULL on failure, message set; count 0 gives a valid pointer */
/* Grows to `count` elements, keeps the first `old` ones, zeroes the rest. On failure `*pointer` is unchanged. */
facet_status facet_grow(void *pointer_to_pointer, size_t old, size_t count, size_t size);
/* Frees the `count` pointers of a list, and the list, whose address is given; NULL is an empty list. */
void facet_free_list(void *pointer_to_list, int64_t count);
/* facet_free of several. */
#define FACET_FREE(...)                                                                                                \
  do {                                                                                                                 \
    void *facet_freed[] = {__VA_ARGS__};                                                                               \
    for (size_t facet_i = 0; facet_i < sizeof facet_freed / sizeof facet_freed[0]; facet_i++)                          \
      facet_free(facet_freed[facet_i]);                                                                                \
  } while (0)
/* p = zeroed array of count elements; the enclosing function returns FACET_OS if there is no memory. */
#define FACET_NEW(p, count)                                                                                            \
  do {                                                                                                                 \
    if (!((p) = facet_allocate((size_t)(count), sizeof *(p))))                                                         \
      return FACET_OS;                                                                                                 \
  } while (0)

/* The same for functions that clean up. */
#define FACET_NEW_GO(label, status, p, count)                                                                          \
  do {                                                                                                                 \
    if (!((p) = facet_allocate((size_t)(count), sizeof *(p)))) {                                                       \
      (status) = FACET_OS;                                                                                             \
      goto label;                                                                                                      \
    }                                                                                                                  \
  } while (0)

/* A piece of memory that belongs to somebody else. */
typedef struct {
  void *data;
  size_t bytes;
} facet_piece;

/* ---- text ---- */

char *facet_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* caller frees; NULL: no memory */
char *facet_copy_text(const char *text);                                           /* NULL stays NULL */
/* Appends to a list in an array of so many bytes, with `between` before it unless it is the first; what does not fit is
 * cut off. */
void facet_append(char *text, size_t size, const char *between, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts a '?' in the place of every byte that is of no printable UTF-8 character: a text from a file must neither steer
 * a terminal nor break what reads UTF-8. */
void facet_clean_text(char *text);
bool facet_is_among(const char *text, char *const *item, int count); /* whether one of so many texts is this one */
/* `path` as seen from the folder of `file`: absolute paths stay. Caller frees. */
char *facet_path_beside(const char *file, const char *path);
/* Drops "." and doubled slashes of an absolute path, and resolves ".." in its first `real` bytes, which hold no links:
 * above a link, ".." is not the folder before it in the text. */
void facet_path_tidy(char *path, size_t real);
/* Lower-case hexadecimal SHA-256 (64 characters and a NUL). */
typedef struct facet_sha256 facet_sha256;
facet_status facet_sha256_begin(facet_sha256 **digest);
facet_status facet_sha256_add(facet_sha256 *digest, const void *bytes, size_t count);
facet_status facet_sha256_end(facet_sha256 **digest, char hex[65]); /* destroys */
void facet_sha256_drop(facet_sha256 **digest);                      /* destroys without a result */
facet_status facet_sha256_bytes(const void *bytes, size_t count, char hex[65]);
facet_status facet_sha256_file(const char *path, char hex[65]);
/* Reads a whole file. Errors: FACET_NO_INPUT (missing), FACET_IO. Caller frees *bytes; a NUL follows the last byte. */
facet_status facet_read_file(const char *path, uint8_t **bytes, size_t *count);
/* Opens a regular file for reading, and its bytes; and whether that could be done. FACET_NO_INPUT "PATH: is a pipe, not
 * a file", without waiting for what may come through it. Caller closes. */
facet_status facet_open_file(const char *path, int *file, size_t *size);
facet_status facet_check_file(const char *path);
/* Writes a file whole or not at all: to a temporary beside it, synced, then renamed. FACET_CANNOT_CREATE, FACET_IO. */
facet_status facet_write_file(const char *path, const void *bytes, size_t count);
/* The name of such a temporary, NAME.facet-part-NUMBER; NULL without memory. Caller frees. */
char *facet_temporary(const char *path);
/* Removes those that killed processes have left in a folder, or of one file; none may be writing there. */
void facet_remove_temporaries(const char *folder);
void facet_remove_temporaries_of(const char *path);
/* Syncs the folder that holds `path`: a new name is durable only once its folder is. Where the file system cannot sync
 * a folder nothing more can be done, so there is no status. */
void facet_sync_folder_of(const char *path);
/* Makes a folder and its parents. FACET_CANNOT_CREATE. */
facet_status facet_make_folder(const char *path);
bool facet_exists(const char *path);
/* Whether a path still is that of an open file: neither was moved, removed or replaced since. */
bool facet_still_there(const char *path, int file);
/* Opens a file without a name, which is gone however the process ends, in the folder TMPDIR (otherwise /tmp), whose
 * name the caller frees. what: what names of such files begin with, while they have one. FACET_IO where none can be
 * made. */
facet_status facet_nameless_file(const char *what, int *file, char **folder);
/* Reads from a place of an open file, or writes there, whatever interrupts; got: fewer bytes where the file ends. 0, or
 * errno. */
int facet_read_at(int file, size_t at, size_t count, void *to, size_t *got);
int facet_write_at(int file, size_t at, size_t count, const void *from);
/* A file that a process of this machine holds open, as number `file`, told to others; file -1: there is none. */
typedef struct {
  int64_t process, file, device, inode;
} facet_told_file;

/* Of a file of this process. False: it cannot be told. */
bool facet_file_tell(int file, facet_told_file *told);
/* Opens it for reading in another process, unless that is another file by now, or in another container; -1: it cannot
 * be opened. */
int facet_file_open_told(const facet_told_file *told);
/* FACET_IO, with what is free, if so many bytes are more than there are in the file's folder; what cannot be asked is
 * not held against it. */
facet_status facet_space_check(const char *path, double bytes);
/* Bytes that are free where a folder is or would be made, to those who are not root; false: that cannot be asked. */
bool facet_space_free(const char *folder, double *bytes);
/* Gives every byte of a file that will be `path` and is there as `temporary` its block on the disk, and makes it
 * durable. FACET_CANNOT_CREATE; FACET_IO: where the disk is full it is removed. */
facet_status facet_space_reserve(const char *path, const char *temporary);

/* ---- random numbers: Philox4x32-10 (Random123; Salmon et al. 2011) ----
 * A number depends only on (seed, stream, sample, draw): never on rank or order. */

typedef struct {
  uint32_t seed, stream; /* the key: the study's seed, and what the numbers are for (enum below) */
} facet_random;

enum { /* streams */
       FACET_STREAM_INITIAL = 1,
       FACET_STREAM_SHUFFLE = 2,
       FACET_STREAM_PRUNE = 3,
       FACET_STREAM_AUGMENT = 4,
       FACET_STREAM_SCORES = 5,
       FACET_STREAM_EMBED = 6,
       FACET_STREAM_PROJECT = 7,
       FACET_STREAM_EMBED_NOISE = 8,
       FACET_STREAM_VERIFY = 9,
       FACET_STREAM_PROBE = 10,
       FACET_STREAM_SLICES = 11,
       FACET_STREAM_NOISE = 12,
       FACET_STREAM_SHIFT = 13,
       FACET_STREAM_RECTANGLE = 14,
       FACET_STREAM_CORRUPT = 16 /* + index of the corruption */
};

void facet_random_bits(facet_random random, uint64_t sample, uint64_t draw, uint32_t bits[4]);
double facet_random_uniform(facet_random random, uint64_t sample, uint64_t draw);              /* in (0, 1) */
void facet_random_normal(facet_random random, uint64_t sample, uint64_t draw, double pair[2]); /* N(0,1), Box-Muller */
/* A permutation of 0..count-1 (Fisher-Yates) that depends on (seed, stream, sample); one of many: see shuffle.h. */
void facet_random_permutation(facet_random random, uint64_t sample, int64_t count, int64_t *order);
/* Which place of 0..place it exchanges with `place`: uniform, up to 2^-64 place. */
int64_t facet_random_exchange(facet_random random, uint64_t sample, int64_t place);

/* The one of `count` words nearest to `text`, or NULL if none is near: for "did you mean". */
const char *facet_nearest_word(const char *text, const char *const *word, int count);

/* ---- progress: on a terminal a bar, otherwise a line every 10 s; written to stderr ---- */

/* Before the first: standard error is passed on to a terminal of so many columns. Not thread-safe. */
void facet_progress_columns(int columns);
typedef struct facet_progress facet_progress;
/* `stage` names what goes on ("train dense"), `unit` what is counted ("samples"). quiet: show nothing. */
facet_status facet_progress_begin(facet_progress **progress, const char *stage, const char *unit, int64_t total,
                                  bool quiet);
void facet_progress_note(facet_progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
void facet_progress_at(facet_progress *progress, int64_t done);   /* cheap: draws at most every 0.1 s */
void facet_progress_more(facet_progress *progress, int64_t more); /* that there turned out to be */
void facet_progress_end(facet_progress **progress);
double facet_seconds(void); /* monotonic */

/* What goes on where nothing is counted ("reading data"), until the next or NULL; returns the one before, to go back
 * to. Said on stderr after two seconds without another word (or FACET_SILENCE in the environment; 0: at once), and
 * every twenty after that (ten times FACET_SILENCE). Stages that are counted are such phases, too. `what` must live as
 * long. One thread; takes SIGALRM. */
const char *facet_phase(const char *what);
/* Seconds from one word of a long phase to the next. */
double facet_phase_every(void);
/* Something else was said; stays: and can be seen all the time. */
void facet_phase_heard(bool stays);
/* A call that waits for other ranks begins, or ends. */
void facet_phase_waits(bool for_others);

/* ---- numbers ---- */

size_t facet_type_size(facet_type type);

#endif
