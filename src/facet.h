/* facet: the public face of the library.  Instance-wise linearization, pruning and feature geometry
 * of ReLU networks.  No MPI in here. */
#ifndef FACET_H
#define FACET_H

#include "base/base.h"
#include "data/data.h"
#include "geometry/geometry.h"
#include "kernels/kernels.h"
#include "linear/linear.h"
#include "linear/margin.h"
#include "net/net.h"
#include "onnx/onnx.h"
#include "prune/prune.h"

#endif
