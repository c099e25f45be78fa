/* Data sets as the rooms see them, beside what the face shows; augmentation; published corrupted sets. */
#ifndef FACET_DATA_H
#define FACET_DATA_H

#include <facet/data.h>

#include "base/base.h"

struct facet_dataset {
  int64_t count; /* samples N */
  facet_image image;
  bool is_float;  /* pixels are float32 instead of uint8 */
  void *pixels;   /* N x channel x y x x */
  int32_t *label; /* N; -1 where there is none */
};

/* Whether files of images hold the labels, so that no others are wanted; or have them beside where no others are given.
 */
bool facet_data_format_holds_labels(int format);
bool facet_data_format_finds_labels(int format);
/* Whether images are always channels first. */
bool facet_data_format_channels_first(int format);

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

/* One sample from one order into the other. */
void facet_channels_last(facet_image image, size_t size, const void *first, void *last);
void facet_channels_first(facet_image image, size_t size, const void *last, void *first);

/* ---- published corrupted sets ---- */

/* A set in the layout of CIFAR-10-C: FOLDER/<corruption>.npy (elastic_transform, jpeg_compression too), uint8,
 * 5 M x y x x x channel, severities one after the other, of which the first `samples` <= M are the data set's. */
typedef struct facet_published facet_published;

/* *published: NULL, or a set that is open; that stays if it is the one wanted, and is closed otherwise. The file is
 * mapped, and only what is asked for is read. FACET_NO_INPUT, FACET_BAD_INPUT with the file's name. */
facet_status facet_published_open(const char *folder, int corruption, const facet_dataset *like,
                                  facet_published **published);
void facet_published_close(facet_published **published);
/* Samples first .. first+count-1 of one severity (1..5). pixels: count x channel x y x x, white is `scale`. */
void facet_published_pixels(const facet_published *published, int severity, double scale, int64_t first, int64_t count,
                            float *pixels);
/* FACET_BAD_INPUT unless FOLDER/labels.npy begins with the labels of the data set, where that has any. */
facet_status facet_published_check_labels(const char *folder, const facet_dataset *like);

#endif
