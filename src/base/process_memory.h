/* Memory of this process, as the system sees it. */
#ifndef FACET_PROCESS_MEMORY_H
#define FACET_PROCESS_MEMORY_H

/* To be called first of all: large pieces go back to the system as soon as they are freed. */
void facet_memory_begin(void);
/* Small pieces that were freed between others go back to the system, too: after many of them. */
void facet_memory_trim(void);
/* Bytes of this process that are in memory now, and the most there ever were; 0 where the system does not say. */
void facet_memory_resident(double *now, double *most);

#endif
