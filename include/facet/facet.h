/* facet: what a ReLU network does with each sample.  Instance-wise linearization, pruning and feature geometry of
 * ReLU networks, without MPI.  All that a user of the library may touch; base.h says what holds for every function. */
#ifndef FACET_FACE_H
#define FACET_FACE_H

#include <facet/attribution.h>
#include <facet/base.h>
#include <facet/data.h>
#include <facet/executor.h>
#include <facet/geometry.h>
#include <facet/kernels.h>
#include <facet/linear.h>
#include <facet/network.h>
#include <facet/plane.h>
#include <facet/prune.h>

#endif
