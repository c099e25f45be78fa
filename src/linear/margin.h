/* The margin of a sample as a sum over its pixels and the network's constants (SCIENCE 2): all of it is in the face. */
#ifndef FACET_MARGIN_H
#define FACET_MARGIN_H

#include <facet/linear.h>

#include "net/net.h"

#endif
