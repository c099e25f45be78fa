/* Puts more records in order than memory should hold: runs of them are sorted and written to a file without a name in
 * TMPDIR (otherwise /tmp), and read again side by side. Few records need no file. */
#ifndef FACET_SORTER_H
#define FACET_SORTER_H

#include "base.h"

typedef struct facet_sorter facet_sorter;

/* Of at most `most` records of so many bytes; compare as for qsort; of equal ones, any comes first. Caller destroys. */
facet_status facet_sorter_create(size_t size, int (*compare)(const void *, const void *), int64_t most,
                                 facet_sorter **sorter);
void facet_sorter_destroy(facet_sorter **sorter);
/* Bytes that it takes. */
double facet_sorter_bytes(size_t size, int64_t most);
/* And those that it writes to its file, at most. */
double facet_sorter_filed(size_t size, int64_t most);
/* FACET_IO with the folder's name where there is no room. */
facet_status facet_sorter_add(facet_sorter *sorter, const void *record);
/* After the last was added: the next one in order; *found: false after the last. FACET_IO. */
facet_status facet_sorter_next(facet_sorter *sorter, void *record, bool *found);

#endif
