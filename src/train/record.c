/* Records: one line of text, "seconds 12.5" or "diverged WHAT WAS SAID". */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char seconds[] = "seconds ", diverged[] = "diverged ";

facet_status facet_record_write(const char *path, const facet_record *record)
{
  char *line = record->diverged[0] ? facet_format("%s%s\n", diverged, record->diverged)
                                   : facet_format("%s%.3f\n", seconds, record->seconds);
  facet_status status = line ? facet_write_file(path, line, strlen(line)) : FACET_OS;
  facet_free(&line);
  return status;
}

facet_record facet_record_read(const char *path)
{
  facet_record record = {.seconds = NAN};
  uint8_t *bytes = NULL;
  size_t count;
  if (!facet_exists(path) || facet_read_file(path, &bytes, &count) != FACET_OK)
    return record;
  char *line = (char *)bytes;
  line[strcspn(line, "\n")] = '\0';
  if (strncmp(line, diverged, strlen(diverged)) == 0)
    snprintf(record.diverged, sizeof record.diverged, "%s", line + strlen(diverged));
  else if (strncmp(line, seconds, strlen(seconds)) == 0)
    record.seconds = strtod(line + strlen(seconds), NULL);
  facet_free(&bytes);
  return record;
}
