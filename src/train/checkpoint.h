/* What a killed training goes on from: a file with the state after the last finished epoch. */
#ifndef FACET_CHECKPOINT_H
#define FACET_CHECKPOINT_H

#include "base/base.h"

/* Writes the pieces whole or not at all. digest: of everything that the state follows from, as facet_sha256_end gives
 * it; done: so many steps are behind it. */
facet_status facet_checkpoint_write(const char *path, const char digest[65], int64_t done, int pieces,
                                    const facet_piece *piece);
/* Fills the pieces; *found is false, and nothing is filled, if there is no file, or if it is damaged, of another
 * version of facet, another digest or other pieces: such a file is of no use and no error. */
facet_status facet_checkpoint_read(const char *path, const char digest[65], int pieces, const facet_piece *piece,
                                   bool *found);
/* Whether a file is a checkpoint as it was written, whatever it is of. FACET_NO_INPUT, FACET_IO. */
facet_status facet_checkpoint_holds(const char *path, bool *holds);
/* The steps that are behind what a file keeps, as its header says; 0 where it is no checkpoint. */
int64_t facet_checkpoint_done(const char *path);
/* To be called once what was trained is safe. */
void facet_checkpoint_remove(const char *path);

#endif
