/* Records: a line of text, "seconds 12.5" or "diverged WHAT WAS SAID", and one for each thing that the network was made
 * from, "images SHA-256". */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char seconds[] = "seconds ", diverged[] = "diverged ";
static const char *const from[FACET_FROM] = {"images ", "labels ", "file ", "recipe "};

static void print(FILE *out, const facet_record *record)
{
  if (record->diverged[0])
    fprintf(out, "%s%s\n", diverged, record->diverged);
  else
    fprintf(out, "%s%.3f\n", seconds, record->seconds);
  for (int i = 0; i < FACET_FROM; i++)
    if (record->from[i][0])
      fprintf(out, "%s%s\n", from[i], record->from[i]);
}

facet_status facet_record_write(const char *path, const facet_record *record)
{
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  FACET_CHECK(out, FACET_OS, "out of memory");
  print(out, record);
  facet_status status =
      fclose(out) == 0 ? facet_write_file(path, text, length) : facet_raise(FACET_OS, "out of memory");
  free(text);
  return status;
}

/* What follows a word at the beginning of a line, or NULL. */
static const char *after(const char *line, const char *word)
{
  size_t length = strlen(word);
  return strncmp(line, word, length) == 0 ? line + length : NULL;
}

static void read_line(const char *line, facet_record *record)
{
  const char *value = after(line, diverged);
  if (value)
    snprintf(record->diverged, sizeof record->diverged, "%s", value);
  else if ((value = after(line, seconds)))
    record->seconds = strtod(value, NULL);
  for (int i = 0; i < FACET_FROM; i++)
    if ((value = after(line, from[i])))
      snprintf(record->from[i], sizeof record->from[i], "%s", value);
}

facet_record facet_record_read(const char *path)
{
  facet_record record = {.seconds = NAN};
  uint8_t *bytes = NULL;
  size_t count;
  if (!facet_exists(path) || facet_read_file(path, &bytes, &count) != FACET_OK)
    return record;
  for (char *line = (char *)bytes, *next; *line; line = next) {
    char *end = line + strcspn(line, "\n");
    next = *end ? end + 1 : end;
    *end = '\0';
    read_line(line, &record);
  }
  facet_free(&bytes);
  return record;
}
