/* Data sets: IDX, CIFAR binary, NumPy .npy and HDF5, read where they are needed, channels first; normalisation;
 * corruptions; in which layout a network takes them. */
#ifndef FACET_FACE_DATA_H
#define FACET_FACE_DATA_H

#include <facet/base.h>

FACET_BEGIN

/* ---- reading ---- */

/* Whether the numbers of a channel lie side by side, or those of a pixel. */
typedef enum { FACET_ORDER_AUTO, FACET_CHANNELS_FIRST, FACET_CHANNELS_LAST } facet_order;
const char *facet_order_name(facet_order order); /* "auto", "channels_first", "channels_last" */

/* Formats of files are numbered; -1, NULL: there is none of that name ("idx", "cifar10", "npy", "hdf5"), or number. */
int facet_data_format_find(const char *name);
const char *facet_data_format_name(int format);

typedef struct {
  int format;
  int files;
  char **images; /* one or more paths; HDF5: "file.h5:/dataset" or "file.h5" for /images (then /labels beside it) */
  char **labels; /* as many as images. NULL: cifar10 holds its own; hdf5: /labels of the images' file, if there is one;
                  * otherwise unlabelled (labels are -1) */
  int64_t count; /* use the first so many; 0: all. More than there are is FACET_BAD_INPUT */
  facet_order order; /* of the images in the files. Auto: channels last if the last of four dimensions is 1, 3 or 4 and
                      * the second is not, otherwise channels first */
} facet_data_source;

/* The dimensions of a sample; flat data (N x D): channels 1, height 1, width D. */
typedef struct {
  int64_t channels, height, width;
} facet_image;

static inline int64_t facet_image_plane(facet_image image) /* numbers of a channel */
{
  return image.height * image.width;
}
static inline int64_t facet_image_inputs(facet_image image) /* D */
{
  return image.channels * facet_image_plane(image);
}
static inline bool facet_image_same(facet_image a, facet_image b)
{
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

typedef struct facet_dataset facet_dataset;

/* Opens the files, looks at the labels, and looks through real numbers for NaN. Pixels are read when they are asked
 * for: the files stay open and must stay as they are. One whose name ends in .gz, and HDF5 that is compressed, is
 * decoded into a file without a name in TMPDIR (otherwise /tmp). Errors name the file: FACET_NO_INPUT (missing, no
 * regular file), FACET_BAD_INPUT (wrong magic, truncated, shapes that differ between files, NaN, labels of another
 * count), FACET_IO. Dimensions that the file cannot hold are refused before memory is asked for. Caller destroys. */
facet_status facet_dataset_open(const facet_data_source *source, facet_dataset **dataset);
void facet_dataset_destroy(facet_dataset **dataset);
/* FACET_BAD_INPUT "FILE: label 11 of sample 3 is not in 0..9" unless every label is -1 or in [0, classes). */
facet_status facet_dataset_check_labels(const facet_dataset *dataset, const char *file, int64_t classes);

int64_t facet_dataset_count(const facet_dataset *dataset); /* samples N */
facet_image facet_dataset_image(const facet_dataset *dataset);
/* labels of samples first .. first+count-1, -1 where there is none. FACET_IO. */
facet_status facet_dataset_labels(const facet_dataset *dataset, int64_t first, int64_t count, int32_t *label);
/* pixels before normalisation, as floats: count x channel x y x x. FACET_IO with the file's name. */
facet_status facet_dataset_pixels(const facet_dataset *dataset, int64_t first, int64_t count, float *pixels);

/* ---- normalisation ---- */

typedef struct {
  double scale; /* pixels are divided by it first; 1 when left out */
  int channels; /* of mean and std: 0 (left out), 1 or the data's */
  double mean[16], std[16];
} facet_normalization;

/* FACET_BAD_INPUT unless mean and std fit the channels and no std is 0. */
facet_status facet_normalization_check(const facet_normalization *n, int64_t channels);
/* x = (pixel / scale - mean_c) / std_c, computed in double, for `count` samples; x may be pixels. */
void facet_normalize(const facet_normalization *n, facet_image image, int64_t count, const float *pixels, float *x);
/* the same into doubles */
void facet_normalize_double(const facet_normalization *n, facet_image image, int64_t count, const float *pixels,
                            double *x);

/* ---- how a network takes samples ---- */

typedef enum { FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X, FACET_AXIS_INPUT, FACET_AXIS_ONE } facet_axis;
enum { FACET_MAX_AXES = 8 };

/* The dimensions of a network's input. INPUT: of a flat input, or of one that takes flat samples as they lie. ONE: a 1
 * that means nothing. */
typedef struct {
  facet_order order; /* of the numbers, whatever the dimensions; never auto */
  bool flat;         /* the dimensions do not tell of channel, y and x */
  int axes;
  int64_t size[FACET_MAX_AXES];
  facet_axis axis[FACET_MAX_AXES];
} facet_input_layout;

/* FIT: as asked. OTHER: the samples fit, but the dimensions say the other order than asked for; that is in `layout`. */
typedef enum { FACET_FIT, FACET_FIT_NONE, FACET_FIT_OTHER } facet_fit;
/* How samples meet a network's input of these dimensions (facet_network_input_shape). Where they leave a doubt, `asked`
 * settles it; auto is channels first. */
facet_fit facet_input_layout_find(facet_image image, int axes, const int64_t *size, facet_order asked,
                                  facet_input_layout *layout);
const char *facet_input_layout_name(const facet_input_layout *layout); /* "channels_first", "channels_last", "flat" */
/* Brings samples, `size` bytes a number, into the network's order; x must not be images. */
void facet_input_arrange(const facet_input_layout *layout, facet_image image, int64_t count, size_t size,
                         const void *images, void *x);

/* ---- corruptions (Hendrycks & Dietterich 2019) ---- */

/* Number of the corruption called `name`, or -1. 0 is "clean". */
int facet_corruption_find(const char *name);
const char *facet_corruption_name(int corruption); /* NULL: there is none of that number */
typedef struct {
  int corruption; /* facet_corruption_find */
  int severity;   /* 1..5; clean ignores it */
  uint32_t seed;
  double scale; /* of white */
  facet_image image;
} facet_corruption_settings;
/* Corrupts samples in place: pixels count x D in units of `scale`, result clipped to [0, scale]. Random numbers belong
 * to the seed and to sample first + i alone. FACET_INTERNAL: no such corruption or severity. */
facet_status facet_corrupt(const facet_corruption_settings *how, int64_t first, int64_t count, float *pixels);

/* ---- published corrupted sets ---- */

/* A set in the layout of CIFAR-10-C: FOLDER/<corruption>.npy (elastic_transform, jpeg_compression too), uint8,
 * 5 M x y x x x channel, severities one after the other, of which the first `samples` <= M are the data set's. */
typedef struct facet_published facet_published;

/* *published: NULL, or a set that is open; that stays if it is the one wanted, and is closed otherwise. Only
 * what is asked for is read. FACET_NO_INPUT, FACET_BAD_INPUT with the file's name. */
facet_status facet_published_open(const char *folder, int corruption, const facet_dataset *like,
                                  facet_published **published);
void facet_published_close(facet_published **published);
/* Samples first .. first+count-1 of one severity (1..5). pixels: count x channel x y x x, white is `scale`. FACET_IO.
 */
facet_status facet_published_pixels(const facet_published *published, int severity, double scale, int64_t first,
                                    int64_t count, float *pixels);
/* FACET_BAD_INPUT unless FOLDER/labels.npy begins with the labels of the data set, where that has any. */
facet_status facet_published_check_labels(const char *folder, const facet_dataset *like);

FACET_END

#endif
