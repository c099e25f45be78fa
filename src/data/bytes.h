/* Private to src/data: files as they are read, anywhere and by need.
 *
 * They are read by pread, not mapped: what is mapped counts as memory of every process that looks at it, and a file
 * that is cut short meanwhile would end the process instead of the read. The system keeps what is read often, once for
 * all processes of a node. */
#ifndef FACET_BYTES_H
#define FACET_BYTES_H

#include "data.h"

/* An open file; one that is compressed as what it says. */
typedef struct {
  char *path;
  int file;
  size_t size;
  bool nameless;               /* it is what was decoded, or put together */
  facet_status (*pause)(void); /* of a file that is written: as in facet_decoded */
} facet_bytes;

/* A file whose name ends in .gz is decoded into a file without a name, unless `decoded` knows one. FACET_NO_INPUT,
 * FACET_IO, FACET_BAD_INPUT "FILE: truncated gzip". decoded: may be NULL. Caller closes. */
facet_status facet_bytes_open(const char *path, facet_decoded *decoded, facet_bytes **bytes);
/* How many bytes what has been decoded says that it is, of as many as are there; SIZE_MAX: that is not known yet, so
 * it is asked again, 0: it cannot be right. */
typedef size_t facet_bytes_most(const facet_bytes *bytes);
/* The same, and decodes no more than some bytes beyond that, so that a small file fills no disk. The caller finds too
 * many bytes, as in a file that is not compressed. */
facet_status facet_bytes_open_most(const char *path, facet_decoded *decoded, facet_bytes_most *most,
                                   facet_bytes **bytes);
/* `count` bytes from `at` on. FACET_IO, also where the file has become shorter. */
facet_status facet_bytes_take(const facet_bytes *bytes, size_t at, size_t count, void *to);
void facet_bytes_close(facet_bytes **bytes);
uint32_t facet_bytes_big32(const uint8_t *at);       /* big endian */
size_t facet_bytes_times(size_t size, size_t count); /* at most SIZE_MAX / 2: more than any file has */

/* A file without a name, for what another says. FACET_IO where there is no room. decoded: or NULL. Caller closes. */
facet_status facet_scratch_open(const char *path, const facet_decoded *decoded, facet_bytes **scratch);
/* FACET_IO, with both, where so many bytes more than it has are more than are free. */
facet_status facet_scratch_room(const facet_bytes *scratch, double bytes);
/* Pauses behind it. */
facet_status facet_scratch_add(facet_bytes *scratch, size_t count, const void *from);
/* What another process decoded, or NULL; and what this one did, told to others. */
facet_status facet_decoded_take(const char *path, facet_decoded *decoded, facet_bytes **bytes);
void facet_decoded_tell(const facet_bytes *bytes, facet_decoded *decoded);

/* ---- labels ---- */

enum { FACET_LABELS_HELD = 1 << 14 }; /* more of a file are in a file without a name, once for a node */

/* Begins with zeros; a file without labels keeps them. */
typedef struct {
  int64_t count, added;
  int64_t room;   /* of label */
  int32_t *label; /* all of them, or those that wait; NULL: in the file, or there are none */
  facet_bytes *file;
  bool is_there; /* the file, whole: another process has made it */
} facet_labels;

/* So many; then each of them; then the end. decoded: as for facet_bytes_open. FACET_IO: no room in TMPDIR. */
facet_status facet_labels_begin(const char *path, int64_t count, facet_decoded *decoded, facet_labels *labels);
facet_status facet_labels_add(facet_labels *labels, int32_t label);
facet_status facet_labels_end(facet_decoded *decoded, facet_labels *labels);
/* Labels first .. first+count-1; -1 where there are none. */
facet_status facet_labels_take(const facet_labels *labels, int64_t first, int64_t count, int32_t *to);
void facet_labels_clear(facet_labels *labels);

/* Samples of an HDF5 file that stays open: hdf5.c. */
typedef struct facet_hdf5_set facet_hdf5_set;
facet_status facet_hdf5_take(const facet_hdf5_set *set, int64_t first, int64_t count, void *to);
void facet_hdf5_close(facet_hdf5_set **set);

/* One file's worth of samples, before files are joined. What it points to is owned. */
typedef struct facet_part {
  facet_order order; /* of the pixels as they lie in the file: asked for at first, then known */
  int64_t count;     /* of labels: how many are wanted at first; 0: any number */
  facet_image image;
  bool is_float;
  facet_decoded *decoded; /* borrowed, while the file is opened */
  facet_bytes *bytes;     /* NULL: `set`, or labels only */
  size_t start, stride;   /* of the first sample, and from one to the next, in the file */
  size_t width;           /* of a number there: 1, 4, or 8, which becomes float32 */
  facet_hdf5_set *set;
  facet_labels labels;
} facet_part;

void facet_part_clear(facet_part *part);
/* Opens one file of a format: pixels, or reads labels, or both. */
typedef facet_status facet_part_reader(const char *path, facet_part *part);
/* Samples first .. first+count-1, channels first, as bytes or float32. */
facet_status facet_part_take(const facet_part *part, int64_t first, int64_t count, void *to);

/* Sets count, image and order from the dimensions of an array of samples: N x C x H x W or
 * N x H x W x C as part->order asks, N x H x W, N x D.
 * FACET_BAD_INPUT with the file's name otherwise, or if it could not be held. */
facet_status facet_part_shape(const char *path, int rank, const int64_t *dim, facet_part *part);
/* FACET_BAD_INPUT if a float pixel is not finite. Reads all of them. */
facet_status facet_part_finite(const char *path, const facet_part *part);

/* Begins so many labels. FACET_BAD_INPUT if another number is wanted: before memory is asked for. */
facet_status facet_part_labels(const char *path, int64_t count, facet_part *part);
/* Adds the label of the next sample. FACET_BAD_INPUT unless it is -1 or more and fits 32 bits. */
facet_status facet_part_label(const char *path, int64_t label, facet_part *part);

#endif
