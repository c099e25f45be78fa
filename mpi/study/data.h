/* The data sets of a study: opened by all ranks, decoded by one of each node. */
#ifndef FACET_STUDY_DATA_H
#define FACET_STUDY_DATA_H

#include <mpi.h>

#include "study.h"

/* Files that data come from, and the digest of what they say. */
typedef struct {
  char *name, *file; /* of an attribute: "test_images_sha256", "CIFAR-10-C/fog/3_sha256"; the first file */
  bool more;         /* there are files after it */
  char sha256[65];
} facet_data_origin;

typedef struct {
  facet_dataset *train, *test; /* train NULL: nothing is trained */
  int origins;                 /* of test, train, baselines of paths, published conditions; 0 until they are digested */
  facet_data_origin *origin;
} facet_study_data;

/* Collective; comm may be MPI_COMM_NULL. Opens the data sets and checks labels and normalisation against each other and
 * the study. */
facet_status facet_study_data_read(MPI_Comm comm, const facet_study *study, facet_study_data *data);
/* The one of that name, or NULL. */
const facet_data_origin *facet_data_origin_find(const facet_study_data *data, const char *name);
/* FACET_BAD_INPUT unless a digest that was kept with `made`, if one was (otherwise ""), is that of now. */
facet_status facet_data_same(const facet_data_origin *now, const char *then, const char *made);

/* Not collective. A file that is read again later is still what its digest was taken of, if one was, which has this
 * name or one that begins like it; to be called after it was read. FACET_BAD_INPUT if it is not: "FILE: has changed
 * ...". */
facet_status facet_data_hold(const facet_study_data *data, const char *name, const char *file);

/* Collective. Finds the digests of data sets, baselines of paths, groups and published conditions, which all ranks have
 * alike; the ranks share the work. */
facet_status facet_study_data_digest(MPI_Comm comm, const facet_study *study, facet_study_data *data);
void facet_study_data_clear(facet_study_data *data);
/* The file of baselines that paths begin at; NULL: none are followed, or they begin elsewhere. */
const char *facet_paths_file(const facet_paths_keys *keys);
/* The file of item i of `change.groups`; NULL: it is a word. */
const char *facet_group_file(const facet_change_keys *keys, int i);
/* The first file that holds labels, for messages. */
const char *facet_label_file(const facet_source_keys *source);

/* How many batches of about one size an encoder learns from, none larger than the study's; and the largest of them. */
int64_t facet_embed_batches(const facet_embedding *embed, int64_t samples);
int64_t facet_embed_largest(const facet_embedding *embed, int64_t samples);

#endif
