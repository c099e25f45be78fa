/* The data sets of a study, read whole. */
#ifndef FACET_STUDY_DATA_H
#define FACET_STUDY_DATA_H

#include "study.h"

typedef struct {
  facet_dataset *train, *test; /* train NULL: nothing is trained */
} facet_study_data;

/* Not collective. Reads the data sets and checks labels and normalisation against each other and the study. */
facet_status facet_study_data_read(const facet_study *study, facet_study_data *data);
void facet_study_data_clear(facet_study_data *data);
/* The first file that holds labels, for messages. */
const char *facet_label_file(const facet_source_keys *source);

#endif
