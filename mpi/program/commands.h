/* The commands of the program, but for those of a few lines: each a row of the table in facet.c. */
#ifndef FACET_COMMANDS_H
#define FACET_COMMANDS_H

#include "base/base.h"

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
/* Not collective: `facet corrupt STUDY FOLDER`. Writes, in the layout of CIFAR-10-C, FOLDER/<corruption>.npy (uint8,
 * S x N samples, y, x, channel, the severities of the study one after the other), FOLDER/clean.npy where clean is among
 * the conditions, and FOLDER/labels.npy (uint8, S x N for the most severities; 255 where there is no label). Existing
 * files are replaced. Errors as facet_session_read and facet_make_folder; FACET_IO. */
facet_command facet_corrupt_study;

/* Not collective: `facet view STUDY.h5`: serves viewer and study on loopback until SIGINT, SIGTERM or SIGHUP.
 * FACET_NO_INPUT: also where no viewer is built; FACET_BAD_INPUT, FACET_CANNOT_CREATE, FACET_USAGE as of served.h. */
facet_command facet_view;
/* Not collective: `facet repack STUDY.h5`. FACET_NO_INPUT; FACET_CANNOT_CREATE while a run is at work there; otherwise
 * as facet_store_repack, which SIGINT, SIGTERM and SIGUSR1 interrupt. */
facet_command facet_repack;

#endif
