/* Labels of one file: see bytes.h. Those that wait for their turn lie where few of them stay. */
#include <string.h>
#include <unistd.h>

#include "bytes.h"

/* Not more than the file has, nor than wait for each other. */
static int64_t room_for(int64_t count)
{
  return count < FACET_LABELS_HELD ? count : FACET_LABELS_HELD;
}

/* Where no file can be made they stay in memory; others, who would look for the file, do the same then. */
static facet_status hold_all(facet_labels *l, facet_decoded *decoded)
{
  if (decoded && !decoded->shared && decoded->count < FACET_MOST_DECODED)
    decoded->item[decoded->count++] = (facet_told_file){.file = -1};
  FACET_NEW(l->label, l->count);
  l->room = l->count;
  return FACET_OK;
}

facet_status facet_labels_begin(const char *path, int64_t count, facet_decoded *decoded, facet_labels *l)
{
  size_t bytes = (size_t)count * sizeof *l->label;
  *l = (facet_labels){.count = count, .room = room_for(count)};
  if (l->room == count) {
    FACET_NEW(l->label, count);
    return FACET_OK;
  }
  FACET_TRY(facet_decoded_take(path, decoded, &l->file));
  if (l->file && l->file->size != bytes)
    facet_bytes_close(&l->file);
  l->is_there = l->file != NULL;
  if (!l->file && facet_scratch_open(path, decoded, &l->file) != FACET_OK)
    return hold_all(l, decoded);
  FACET_NEW(l->label, l->room);
  return FACET_OK;
}

/* Those that wait go to the file. */
static facet_status move_out(facet_labels *l)
{
  int64_t waiting = l->added % l->room ? l->added % l->room : l->room;
  if (!l->file || l->is_there)
    return FACET_OK;
  return facet_scratch_add(l->file, (size_t)waiting * sizeof *l->label, l->label);
}

facet_status facet_labels_add(facet_labels *l, int32_t label)
{
  l->label[l->added++ % l->room] = label;
  return l->added % l->room == 0 && l->added < l->count ? move_out(l) : FACET_OK;
}

facet_status facet_labels_end(facet_decoded *decoded, facet_labels *l)
{
  FACET_TRY(l->count > 0 ? move_out(l) : FACET_OK);
  if (!l->file)
    return FACET_OK;
  facet_free(&l->label);
  if (!l->is_there)
    facet_decoded_tell(l->file, decoded);
  return FACET_OK;
}

facet_status facet_labels_take(const facet_labels *l, int64_t first, int64_t count, int32_t *to)
{
  if (l->file)
    return facet_bytes_take(l->file, (size_t)first * sizeof *to, (size_t)count * sizeof *to, to);
  for (int64_t i = 0; i < count; i++)
    to[i] = l->label ? l->label[first + i] : -1;
  return FACET_OK;
}

void facet_labels_clear(facet_labels *l)
{
  facet_bytes_close(&l->file);
  facet_free(&l->label);
}
