/* A variant that was entered: its network, made ready for batches of samples, and what loads them. What every stage
 * over tiles works with. */
#ifndef FACET_PASS_H
#define FACET_PASS_H

#include "study/loader.h"

typedef struct {
  facet_executor *executor; /* NULL: samples are only loaded */
  facet_loader loader;
  int64_t batch;
  float *x;      /* batch x D, as the network takes it; NULL in double precision */
  double *exact; /* the same in double; NULL: neither that nor wanted */
  /* of facet_pass_make_linear */
  int32_t *row; /* batch x rows */
  facet_linearization linear;
} facet_pass;

/* Not collective. network NULL: no executor; options.batch and real count all the same. exact: samples in double as
 * well, for facet_executor_settle. All that goes in is borrowed. Clear it in any case. */
facet_status facet_pass_make(const facet_network *network, facet_executor_options options, facet_pixels *pixels,
                             const facet_input_layout *input, bool exact, facet_pass *pass);
/* Room for linearizing a batch, so many rows of each sample, and `chunk` of W's at once. */
facet_status facet_pass_make_linear(facet_pass *pass, int64_t rows, int64_t chunk);
void facet_pass_clear(facet_pass *pass);
/* What the executor takes. */
const void *facet_pass_input(const facet_pass *pass);
/* Loads sample `sample` as number i of the batch. */
facet_status facet_pass_load(facet_pass *pass, int condition, int64_t sample, int64_t i);
/* Loads samples first .. first+count-1 under a condition, at most a batch, and sends them forward. */
facet_status facet_pass_run(facet_pass *pass, int condition, int64_t first, int64_t count);

#endif
