/* What a user should know of a network that comes from elsewhere before its results mean something else. */
#ifndef FACET_NOTED_H
#define FACET_NOTED_H

#include "train/variants.h"

/* On standard error a line each: of several labels at once, and, where the study prunes it, of batch normalization that
 * the export has folded away. Not collective. */
void facet_noted_warn(const facet_family *family);

#endif
