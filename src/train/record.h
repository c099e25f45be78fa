/* What is remembered of how a network was made, in a small file beside its own: how long its training took, or why
 * there is no network. A run that goes on reads it; results do not depend on it. */
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
} facet_record;

/* Written whole or not at all. */
facet_status facet_record_write(const char *path, const facet_record *record);
/* No file, or one that says nothing: nothing is known, and that is no error. */
facet_record facet_record_read(const char *path);

#endif
