/* Memory of this process, as the system sees it. */
#ifndef FACET_PROCESS_MEMORY_H
#define FACET_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* To be called first of all: large pieces go back to the system as soon as they are freed. */
void facet_memory_begin(void);
/* Small pieces that were freed between others go back to the system, too: after many of them. */
void facet_memory_trim(void);
/* Bytes of this process that are in memory now, and the most there ever were; 0 where the system does not say. */
void facet_memory_resident(double *now, double *most);

/* facet_allocate, but not zeroed: for what is written before it is read, and often not to the end, which then takes no
 * memory. */
void *facet_allocate_room(size_t bytes);
/* Until it is told the opposite: what is allocated is to be counted, and hardly used; what is large takes memory, and
 * the time to zero it, only where it is touched. */
void facet_memory_measured(bool begin);

#endif
