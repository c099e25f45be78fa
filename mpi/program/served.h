/* Files served to a browser on this machine, by HTTP with ranges. */
#ifndef FACET_SERVED_H
#define FACET_SERVED_H

#include "base/base.h"

/* A file under its path: "/study.h5". Borrowed; open as long as the server runs. */
typedef struct {
  const char *path, *type; /* "application/x-hdf5" */
  int file;
  bool large; /* not to be kept by the browser */
} facet_served;

typedef struct facet_server facet_server;
/* Begins to serve them on 127.0.0.1, and nothing else; *port: where, 0: any that is free, which it becomes. Answers
 * come from threads of its own, until it is ended. FACET_CANNOT_CREATE where the port is taken, FACET_USAGE where facet
 * was built without the library for it. */
facet_status facet_server_begin(int count, const facet_served *served, int *port, facet_server **server);
void facet_server_end(facet_server **server);

#endif
