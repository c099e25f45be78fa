/* What an output takes on the disk, held against what is free. */
#ifndef FACET_DISK_H
#define FACET_DISK_H

#include "session.h"

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

#endif
