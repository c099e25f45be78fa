/* Data sets as the rooms see them, beside what the face shows; augmentation. */
#ifndef FACET_DATA_H
#define FACET_DATA_H

#include <facet/data.h>

#include "base/base.h"

/* SHA-256 of what a data set says, however its files say it. "": not known. */
typedef struct {
  char images[65], labels[65];
} facet_data_digest;

struct facet_part;

struct facet_dataset {
  int64_t count; /* samples N */
  facet_image image;
  bool is_float;           /* pixels are float32 instead of uint8 */
  const void *pixels;      /* N x channel x y x x, borrowed; NULL: they are read from the files when asked for */
  struct facet_part *part; /* the files, open */
  int parts;
  int32_t *label; /* N, -1 where there is none; NULL: they are read when asked for, being many */
  facet_data_digest digest;
};

enum { FACET_LABELS_AT_ONCE = 4096 };

/* A walk over all labels, some at a time; it begins with `of` alone set. */
typedef struct {
  const facet_dataset *of;
  int64_t first, count; /* of those that are here now */
  int32_t label[FACET_LABELS_AT_ONCE];
  facet_status status;
} facet_label_walk;

/* Goes on to the next ones. False: those were all, or `status` says what kept them. */
bool facet_labels_walk(facet_label_walk *walk);
enum { FACET_BYTE_VALUES = 256 };

/* What facet_normalize makes of every byte: channels x FACET_BYTE_VALUES. */
void facet_normalize_table(const facet_normalization *n, int64_t channels, float *table);
/* facet_normalize by that table, the same bits, of pixels that are bytes. */
void facet_normalize_bytes(const float *table, facet_image image, int64_t count, const float *pixels, float *x);
/* One more than the largest label. */
facet_status facet_dataset_classes(const facet_dataset *dataset, int64_t *classes);
/* How many samples have a label. */
facet_status facet_dataset_labelled(const facet_dataset *dataset, int64_t *labelled);
/* Samples first .. first+count-1 as they are kept, bytes or float32. */
facet_status facet_dataset_take(const facet_dataset *dataset, int64_t first, int64_t count, void *to);

/* ---- what is decoded once for all processes of a node ---- */

enum { FACET_MOST_DECODED = 64 }; /* further files are decoded by each process for itself */

/* Of gzip, and of HDF5 whose numbers are compressed; in the order in which a data set opens them. */
typedef struct {
  bool shared; /* they are another process's, which has also looked whether all pixels are finite; false: to be told */
  int64_t count, next;
  facet_told_file item[FACET_MOST_DECODED];
  facet_status (*pause)(void); /* asked now and then whether to go on; NULL: nobody is */
} facet_decoded;

/* Bytes of a data set that lie in files without a name: what is decoded, and labels that are many. */
double facet_dataset_decoded(const facet_dataset *dataset);
/* As facet_dataset_open. The process that told of them keeps its data set until the others have opened theirs. */
facet_status facet_dataset_open_decoded(const facet_data_source *source, facet_decoded *decoded,
                                        facet_dataset **dataset);

/* The images' digest is that of the digests of so many pieces, which may be shared out. */
int64_t facet_dataset_pieces(const facet_dataset *dataset);
facet_status facet_dataset_digest_piece(const facet_dataset *dataset, int64_t piece, char hex[65]);
/* From the pieces, 64 characters each, one after the other. */
facet_status facet_dataset_digest_join(const facet_dataset *dataset, const char *pieces, facet_data_digest *digest);
/* What the data set has, or else found by this thread alone. */
facet_status facet_dataset_digest(const facet_dataset *dataset, facet_data_digest *digest);

/* Whether files of images hold the labels, so that no others are wanted; or have them beside where no others are given.
 */
bool facet_data_format_holds_labels(int format);
bool facet_data_format_finds_labels(int format);
/* Whether images are always channels first. */
bool facet_data_format_channels_first(int format);

/* Bytes that facet_corrupt takes beside the pixels. */
double facet_corruption_bytes(int corruption, facet_image image);
/* The table of constants in docs/study.md, on stdout. */
void facet_corruptions_print(void);

/* The file of a published set that has a corruption. Caller frees; NULL: no memory. */
char *facet_published_path(const char *folder, int corruption);
/* SHA-256 of the first samples of one severity. */
facet_status facet_published_digest(const facet_published *published, int severity, int64_t count, char hex[65]);

/* So many whole numbers, -1 or more, or false and true, of a file of numpy's. FACET_BAD_INPUT, FACET_NO_INPUT, FACET_IO
 * with its name. */
facet_status facet_npy_whole_numbers(const char *path, int64_t count, int32_t *number);

/* ---- augmentation for training ---- */

/* What a training sample goes through; 0 is off everywhere. */
typedef struct {
  int shift;  /* moved by up to so many pixels along x and along y, each by lot; what comes in is 0 */
  bool flip;  /* mirrored left to right, every other time */
  int cutout; /* a square of so many pixels' side around a pixel drawn by lot is blotted out (DeVries 2017) */
} facet_augmentation;

/* Shift and flip of one sample's pixels, before normalisation; room: as many floats. What happens follows from seed,
 * epoch and sample alone. */
void facet_augment_move(const facet_augmentation *a, uint32_t seed, int64_t epoch, int64_t sample, facet_image image,
                        float *pixels, float *room);
/* Cutout of one sample, after normalisation: the square becomes 0, which is the mean. */
void facet_augment_cut(const facet_augmentation *a, uint32_t seed, int64_t epoch, int64_t sample, facet_image image,
                       float *x);

/* ---- the two orders ---- */

/* One sample, from pixel by pixel to channel by channel. */
void facet_channels_first(facet_image image, size_t size, const void *last, void *first);

#endif
