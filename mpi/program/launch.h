/* `-n RANKS`: facet starts the ranks itself. See launch.c. */
#ifndef FACET_LAUNCH_H
#define FACET_LAUNCH_H

#include "base/base.h"

/* Before MPI begins. Runs this program under mpirun with so many ranks, each given the command and, behind --ranked
 * (columns of the terminal, 0 without one), the arguments after it, passes on what they say and what signals ask, and
 * returns when they have ended: rank 0's status. FACET_USAGE under a launcher; FACET_NO_INPUT without mpirun;
 * FACET_INTERNAL where ranks ended without a word, killed for instance. arguments: the command first, NULL last.
 * *speaks, true before: whether the message is still to be said, because no rank has. */
facet_status facet_launch(int ranks, char *const arguments[], bool *speaks);
/* On a rank of such a run, before it says anything: what it says goes to the launcher itself, where that is on this
 * machine; else through mpirun, as it would. */
void facet_launch_speak(void);
/* On rank 0 of such a run, at the very end: its status for the launcher. All ranks exit with 0 then, so that mpirun
 * has no reason to end anyone early. */
void facet_launch_report(facet_status status);
/* FACET_USAGE where a launcher started more processes than MPI sees, one alone most often: several would do the whole
 * study, and write the same files. ranks: as MPI says. *speaks, whether this is MPI's rank 0, is that of one process of
 * them all then. */
facet_status facet_launch_check(int ranks, bool *speaks);
/* Before MPI begins, where no launcher has started this process: what spares a rank that is alone Open MPI's daemon
 * beside it and the search for networks. What the user has told Open MPI stays. */
void facet_launch_alone(void);
/* Whether a launcher of ranks has started this process: mpirun's, srun's or another's. */
bool facet_launched(void);

#endif
