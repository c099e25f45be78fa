/* Records: a line of text, "seconds 12.5" or "diverged WHAT WAS SAID", one for each thing that the network was made
 * from, "images SHA-256", one for the network, and last one for the lines before it, "sum SHA-256". */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char seconds[] = "seconds ", diverged[] = "diverged ", network[] = "network ", none[] = "none",
                  sum[] = "sum ";
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
  fprintf(out, "%s%s\n", network, record->network[0] ? record->network : none);
}

/* The text with its sum. */
static facet_status write_summed(const char *path, const char *text, size_t length)
{
  char hex[65];
  FACET_TRY(facet_sha256_bytes(text, length, hex));
  char *all = facet_format("%s%s%s\n", text, sum, hex);
  facet_status status = all ? facet_write_file(path, all, strlen(all)) : FACET_OS;
  facet_free(&all);
  return status;
}

facet_status facet_record_write(const char *path, const facet_record *record)
{
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  FACET_CHECK(out, FACET_OS, "out of memory");
  print(out, record);
  facet_status status = fclose(out) == 0 ? write_summed(path, text, length) : facet_raise(FACET_OS, "out of memory");
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
  if ((value = after(line, network)) && strcmp(value, none) != 0)
    snprintf(record->network, sizeof record->network, "%s", value);
}

enum { HEX = 64, LAST = sizeof sum - 1 + HEX + 1 };

/* Whether the last line is not the sum of those before. Records that were written before there were sums name no
 * network. */
static bool is_damaged(const char *text, size_t count)
{
  char hex[HEX + 1];
  const char *last = count >= LAST ? text + count - LAST : text;
  if (count >= LAST && after(last, sum) && last[LAST - 1] == '\n')
    return facet_sha256_bytes(text, count - LAST, hex) != FACET_OK || memcmp(last + sizeof sum - 1, hex, HEX) != 0;
  return strstr(text, "\nnetwork ") != NULL;
}

facet_record facet_record_read(const char *path)
{
  facet_record record = {.seconds = NAN};
  uint8_t *bytes = NULL;
  size_t count;
  if (!facet_exists(path) || facet_read_file(path, &bytes, &count) != FACET_OK)
    return record;
  record.damaged = is_damaged((const char *)bytes, count);
  for (char *line = (char *)bytes, *next; *line && !record.damaged; line = next) {
    char *end = line + strcspn(line, "\n");
    next = *end ? end + 1 : end;
    *end = '\0';
    read_line(line, &record);
  }
  facet_free(&bytes);
  return record;
}

facet_status facet_record_holds(const facet_record *record, const char *network_file, bool *holds)
{
  char now[HEX + 1];
  *holds = !record->damaged;
  if (record->damaged || !record->network[0])
    return FACET_OK;
  FACET_TRY(facet_sha256_file(network_file, now));
  *holds = strcmp(now, record->network) == 0;
  return FACET_OK;
}
