/* The rooms of the library together, with their insides: for the program's study and for tests.  Users of the library
 * have <facet/facet.h>. */
#ifndef FACET_ROOMS_H
#define FACET_ROOMS_H

#include <facet/facet.h>

#include "base/base.h"
#include "data/data.h"
#include "kernels/kernels.h"
#include "net/net.h"
#include "onnx/onnx.h"
#include "prune/prune.h"

#endif
