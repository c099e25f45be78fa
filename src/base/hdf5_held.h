/* How much an HDF5 file may hold: dimensions and chunks are numbers in it, which damage, or somebody, may have made
 * larger than any file.  To be asked before memory is. */
#ifndef FACET_HDF5_HELD_H
#define FACET_HDF5_HELD_H

#include <hdf5.h>

#include "base.h"

/* Bytes of numbers that a dataset may have, by what it says of itself, by the size of its file, and by how much its
 * filters may compress; UINT64_MAX where they lie in other files. */
uint64_t facet_hdf5_held(hid_t set);
/* Whether its numbers, and those of one chunk, are no more than that. */
bool facet_hdf5_can_hold(hid_t set);
/* For who has room for its numbers already: the same, but parts that were never written may hold the fill value. All of
 * it may, if that was chosen; what nobody wrote, nor chose a value for, is refused. */
bool facet_hdf5_can_fill(hid_t set);
/* Whether its numbers lie in other files, where HDF5 reads zeros for what is missing. */
bool facet_hdf5_elsewhere(hid_t set);

#endif
