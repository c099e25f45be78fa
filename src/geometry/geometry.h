/* Angle, length and margin of features (SCIENCE 2): all of it is in the face. */
#ifndef FACET_GEOMETRY_H
#define FACET_GEOMETRY_H

#include <facet/geometry.h>

#include "net/net.h"

#endif
