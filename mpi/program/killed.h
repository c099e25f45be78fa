/* Processes that the system kills because a cgroup, of a job or a container, has no memory left: they cannot say so
 * themselves, but the system counts them. */
#ifndef FACET_KILLED_H
#define FACET_KILLED_H

/* How many of the cgroup that this process is in were killed so; -1: it is not known. */
long facet_killed_for_memory(void);

#endif
