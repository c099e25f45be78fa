/* Linearization of samples (SCIENCE 1), on top of an executor: all of it is in the face. */
#ifndef FACET_LINEAR_H
#define FACET_LINEAR_H

#include <facet/linear.h>

#include "net/net.h"

#endif
