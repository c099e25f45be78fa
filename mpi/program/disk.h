/* What an output takes on the disk, and a run in the folder TMPDIR (otherwise /tmp), held against what is free. */
#ifndef FACET_DISK_H
#define FACET_DISK_H

#include "session.h"
#include "stages/stage.h"

/* Bytes that are to be written yet, and those of the result file in any case. */
typedef struct {
  double store, networks, checkpoints;
  double file;
  double free; /* -1: not known */
} facet_disk;

/* Not collective. Of a plan and its family, or a sketch of it, on so many ranks; standing: the result file is the
 * study's own already. */
facet_status facet_disk_find(const facet_plan *plan, const facet_family *family, int ranks, bool standing,
                             facet_disk *disk);
/* FACET_IO, with both, where it is more than is free. */
facet_status facet_disk_check(const facet_plan *plan, const facet_disk *disk);

/* Bytes of files without a name in that folder. */
typedef struct {
  double data;       /* which were decoded when they were opened, so these are there */
  double stages;     /* of the stage that keeps most there */
  double free;       /* beside the data; -1: not known, or nobody asks */
  char folder[1000]; /* "": nothing is put there */
} facet_nameless;

/* Not collective. Of what a context plans, with `here` of so many ranks on one node; left: which of facet_stages are to
 * be run, NULL: all that the study wants. FACET_IO where no file can be made there, though some are wanted. */
facet_status facet_nameless_find(const facet_context *context, int ranks, int here, const bool *left,
                                 facet_nameless *nameless);
/* FACET_IO with the folder's name, as above. */
facet_status facet_nameless_check(const facet_nameless *nameless);

#endif
