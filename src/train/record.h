/* What is remembered of a network that was made, in a small file beside its own: its digest, and what it was made from;
 * how long its training took, or why there is no network. A run that goes on reads it; results do not depend on it. */
#ifndef FACET_RECORD_H
#define FACET_RECORD_H

#include "base/base.h"

/* What a network may be made from beside dense and the study. FILE: of masks, or of the network that is trained.
 * RECIPE: all that the study says of how it is made, and dense, if it is made from that. */
typedef enum { FACET_FROM_IMAGES, FACET_FROM_LABELS, FACET_FROM_FILE, FACET_FROM_RECIPE, FACET_FROM } facet_made_from;

typedef struct {
  double seconds;            /* of training, killed runs included; NaN: not known */
  char diverged[400];        /* what was said when the training diverged; "": it did not */
  char from[FACET_FROM][65]; /* SHA-256; "": not from that, or not known */
  char network[65];          /* SHA-256 of the network's file; "": there is none, or it is not known */
  bool damaged;              /* is not what was written: nothing of it is to be used */
} facet_record;

/* Written whole or not at all. */
facet_status facet_record_write(const char *path, const facet_record *record);
/* No file, or one that says nothing: nothing is known, and that is no error. */
facet_record facet_record_read(const char *path);
/* Whether a network's file is what its record says; where that says nothing it is. FACET_NO_INPUT. */
facet_status facet_record_holds(const facet_record *record, const char *network, bool *holds);

#endif
