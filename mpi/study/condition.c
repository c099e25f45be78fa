/* Conditions applied to samples: see condition.h. */
#include "condition.h"

#include <string.h>

facet_status facet_condition_apply(const facet_study *study, const facet_dataset *d, facet_condition c, int64_t first,
                                   int64_t count, float *pixels)
{
  if (c.published)
    return facet_published_read(c.published, c.corruption, c.severity, study->data.normalize.scale, d, first, count,
                                pixels);
  return facet_corrupt(c.corruption, c.severity, study->settings.seed, study->data.normalize.scale, d->channels,
                       d->height, d->width, first, count, pixels);
}

/* Every file once, and the labels of every folder. */
facet_status facet_conditions_check(const facet_study *study, const facet_dataset *d)
{
  const char *folder = "";
  for (int i = 0; i < study->conditions.count; i++) {
    facet_condition c = study->conditions.item[i];
    if (!c.published)
      continue;
    facet_status status = FACET_OK;
    if (strcmp(folder, c.published) != 0)
      status = facet_published_check_labels(c.published, d);
    folder = c.published;
    if (status == FACET_OK)
      status = facet_published_read(c.published, c.corruption, c.severity, 1, d, 0, 0, NULL);
    if (status != FACET_OK)
      return facet_raise_in(status, "%s: conditions.published: ", study->settings.file);
  }
  return FACET_OK;
}
