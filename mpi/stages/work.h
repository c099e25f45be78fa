/* What executors handle at once, chosen so that a rank stays under the study's bound. */
#ifndef FACET_WORK_H
#define FACET_WORK_H

#include "store/store.h"
#include "train/variants.h"

/* The program, its libraries, and what they take for themselves: 52 MiB on Debian 12, 65 on Debian 13 with Open MPI 5.
 */
enum { FACET_PROGRAM_BYTES = 72 << 20 };

/* What executors of one network handle at once. Fixed by the study and the network, so results are too. */
typedef struct {
  int64_t forward_batch; /* samples */
  int64_t linear_batch,
      linear_chunk; /* when linearizing: samples, and rows of each; 0: the network is not linearized */
} facet_work;

/* Not collective. The work of every member of the family, in `work`; corrupting: bytes that corrupting a sample takes;
 * *room: bytes that are left beside the largest, a bound of what a stage keeps to save time. FACET_BAD_INPUT with file,
 * line and key if the study's memory is not enough for one row of one sample. No executor may be alive. */
facet_status facet_work_share(const facet_store_plan *plan, const facet_study_data *data, const facet_family *family,
                              double corrupting, facet_work *work, double *room);

#endif
