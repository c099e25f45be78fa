/* Certificates of a finished study that do not hold. */
#ifndef FACET_CERTIFIED_H
#define FACET_CERTIFIED_H

#include "train/variants.h"

/* On standard error a line for each variant and what of it is not what the network does, by its certificates. Not
 * collective. Nothing where the file cannot be read: it is a word on the way, and no result. */
void facet_certified_warn(const char *output, const facet_family *family);

#endif
