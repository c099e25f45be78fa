/* A whole training, plain or by a method, by all ranks together: the steps are taken here, and kept safe; what they do
 * to a network is train/method.h's. */
#ifndef FACET_METHOD_RUN_H
#define FACET_METHOD_RUN_H

#include <mpi.h>

#include "train/method.h"

/* Collective. Trains and prunes `network` in place, on all ranks alike: the same bits on any number of them. With
 * job->checkpoint, goes on from there if it fits (and says so on stderr), and keeps it up to date after every epoch but
 * the last, and after the step at which a signal stops it (FACET_INTERRUPTED); the caller removes it when the network
 * is safe. Errors as facet_method_begin and facet_train_step.
 * *seconds, which may be NULL: a killed run's part included. */
facet_status facet_method_run(MPI_Comm comm, const facet_method_job *job, facet_network *network, double *seconds);

/* Collective. A step, of an sgd that is this rank's part of as many as there are ranks. All ranks must come with the
 * same network; all leave with the same bits. before: whether this rank is ready for it. mask: as facet_sgd_move has
 * it. FACET_DIVERGED if the loss is no longer finite; then the network is as it was before the step. *asked: a signal
 * to any of the ranks asks for a stop. */
facet_status facet_train_step(MPI_Comm comm, facet_sgd *sgd, facet_status before, int64_t step, double rate,
                              const facet_mask *mask, bool *asked);

/* Collective. facet_checkpoint_read by rank 0; all get the same. */
facet_status facet_checkpoint_share(MPI_Comm comm, const char *path, const char digest[65], int pieces,
                                    const facet_piece *piece, bool *found);

#endif
