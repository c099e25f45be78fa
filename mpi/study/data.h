/* The data sets of a study, read whole. */
#ifndef FACET_STUDY_DATA_H
#define FACET_STUDY_DATA_H

#include <mpi.h>

#include "study.h"

typedef struct {
  facet_dataset *train, *test; /* train NULL: nothing is trained */
} facet_study_data;

/* Not collective. Reads the data sets and checks labels and normalisation against each other and the study. */
facet_status facet_study_data_read(const facet_study *study, facet_study_data *data);
/* Files that data come from, and the digest of what they say. */
typedef struct {
  const char *name; /* of an attribute: "test_images_sha256" */
  const facet_texts *files;
  const char *sha256;
} facet_data_origin;
typedef enum { FACET_TEST_IMAGES, FACET_TEST_LABELS, FACET_TRAIN_IMAGES, FACET_TRAIN_LABELS } facet_data_part;
enum { FACET_DATA_ORIGINS = 4 };
/* Those of a part; false: it is not there. All is borrowed. */
bool facet_data_origin_of(const facet_data_keys *keys, const facet_study_data *data, facet_data_part part,
                          facet_data_origin *origin);
/* FACET_BAD_INPUT unless a digest that was kept with `made`, if one was (otherwise ""), is that of now. */
facet_status facet_data_same(const facet_data_origin *now, const char *then, const char *made);

/* Collective. Gives the data sets, which all ranks have alike, their digests; the ranks share the work. */
facet_status facet_study_data_digest(MPI_Comm comm, facet_study_data *data);
void facet_study_data_clear(facet_study_data *data);
/* The first file that holds labels, for messages. */
const char *facet_label_file(const facet_source_keys *source);

/* How many batches of about one size an encoder learns from, none larger than the study's; and the largest of them. */
int64_t facet_embed_batches(const facet_embedding *embed, int64_t samples);
int64_t facet_embed_largest(const facet_embedding *embed, int64_t samples);

#endif
