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

/* Collective; comm may be MPI_COMM_NULL, for a command without MPI. The study of a file, and its data. Clear it in any
 * case. */
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

/* A command, of what follows its name. */
typedef struct {
  char *file[2];
  bool fresh, verbose, profile; /* --fresh, --verbose, --profile */
  int64_t ranks;                /* -n; 0: not given */
  int64_t tiles, seed;          /* --tiles, --seed; -1: not given */
  char *data;                   /* --data; NULL: not given */
  int64_t port;                 /* --port; 0: any */
  bool no_browser;              /* --no-browser */
} facet_call;
typedef facet_status facet_command(const facet_call *call);
/* Collective over all ranks: `facet run STUDY`, and `facet check STUDY`. */
facet_command facet_run, facet_check;
/* Not collective: `facet progress STUDY`: a line on standard output. Errors as facet_study_read; FACET_IO. */
facet_command facet_tell_progress;
/* Collective: `facet verify STUDY.h5`. FACET_BAD_INPUT where something does not hold, after a line for each. */
facet_command facet_verify;
/* Collective, after the file was found to hold: its data held against it, and as many tiles, and parts of each
 * stage that can, as the call says computed again; *bad: so many data sets, tiles and stages are others. */
facet_status facet_verify_again(MPI_Comm comm, const facet_call *call, int64_t *bad);
/* Collective: what it finds. */
facet_status facet_verify_store(MPI_Comm comm, const char *path, bool says, facet_store_verified *found);
/* Not collective: `facet corrupt STUDY FOLDER`. Writes, in the layout of CIFAR-10-C, FOLDER/<corruption>.npy (uint8,
 * S x N samples, y, x, channel, the severities of the study one after the other), FOLDER/clean.npy where clean is among
 * the conditions, and FOLDER/labels.npy (uint8, S x N for the most severities; 255 where there is no label). Existing
 * files are replaced. Errors as facet_session_read and facet_make_folder; FACET_IO. */
facet_command facet_corrupt_study;

/* Not collective: `facet view STUDY.h5`: serves viewer and study on loopback until SIGINT, SIGTERM or SIGHUP.
 * FACET_NO_INPUT: also where no viewer is built; FACET_BAD_INPUT, FACET_CANNOT_CREATE, FACET_USAGE as of served.h. */
facet_command facet_view;

#endif
