/* A study with all that belongs to it, as a command has it. */
#ifndef FACET_SESSION_H
#define FACET_SESSION_H

#include "stages/plan.h"

typedef struct {
  facet_study *study;
  facet_study_data data;
  facet_family family;
  facet_plan plan;
  uint8_t *text; /* the study as the user wrote it */
  char *filled;  /* and with every default */
} facet_session;

/* Collective; comm may be MPI_COMM_NULL, for a command without MPI. The study of a file, without its data yet. Clear
 * the session in any case. */
facet_status facet_session_study(MPI_Comm comm, const char *file, facet_session *session);
/* The study of a file, and its data; else the same. */
facet_status facet_session_read(MPI_Comm comm, const char *file, facet_session *session);
/* What its networks are made from. */
facet_making facet_session_making(const facet_session *session);
/* Not collective. From study, data and networks, or a sketch of these, to the plan of a run on so many ranks.
 * FACET_BAD_INPUT where the study's memory is not enough. */
facet_status facet_session_plan(facet_session *session, int ranks);
/* The same without what executors handle at once, and what follows from it: enough to know the result file's size. */
facet_status facet_session_outline(facet_session *session, int ranks);
void facet_session_forget_plan(facet_session *session);
void facet_session_clear(facet_session *session);
/* What goes on now, as rank 0 says it (facet_phase). Not collective. */
void facet_session_phase(MPI_Comm comm, const char *what);

#endif
