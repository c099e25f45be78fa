/* The command `facet corrupt`: a study's test samples under its conditions, as files. */
#ifndef FACET_CORRUPT_COMMAND_H
#define FACET_CORRUPT_COMMAND_H

#include "study/study.h"

/* Not collective. Writes, in the layout of CIFAR-10-C, FOLDER/<corruption>.npy (uint8, S x N samples, y, x, channel,
 * the severities of the study one after the other), FOLDER/clean.npy where clean is among the conditions, and
 * FOLDER/labels.npy (uint8, S x N for the most severities; 255 where there is no label). Existing files are replaced.
 * Errors as facet_make_folder and facet_dataset_open; FACET_IO. */
facet_status facet_corrupt_command(const facet_study *study, const facet_dataset *test, const char *folder);

#endif
