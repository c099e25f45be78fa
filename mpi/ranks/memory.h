/* Memory of a rank: what executors handle at once, chosen so that a rank stays under the study's bound. */
#ifndef FACET_MEMORY_H
#define FACET_MEMORY_H

#include "store/store.h"
#include "train/variants.h"

/* What executors of one network handle at once. Fixed by the study and the network, so results are too. */
typedef struct {
  int64_t forward_batch; /* samples */
  int64_t linear_batch,
      linear_chunk; /* when linearizing: samples, and rows of each; 0: the network is not linearized */
} facet_work;

/* Not collective. The work of every member of the family, in `work`. FACET_BAD_INPUT with file, line and key if the
 * study's memory is not enough for one row of one sample. No executor may be alive. */
facet_status facet_memory_share(const facet_store_plan *plan, const facet_study_data *data, const facet_family *family,
                                facet_work *work);

/* To be called first of all: large pieces go back to the system as soon as they are freed. */
void facet_memory_begin(void);
/* Small pieces that were freed between others go back to the system, too: after many of them. */
void facet_memory_trim(void);
/* Bytes of this process that are in memory now, and the most there ever were; 0 where the system does not say. */
void facet_memory_resident(double *now, double *most);

#endif
