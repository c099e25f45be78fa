/* `facet progress`: where a study's output lies, and how much of it is done. Whoever starts a study again and again
 * sees by it whether that brings anything: what changes is what the next run need not do again, and files that are
 * written without that change nothing. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "stages/stage.h"
#include "train/checkpoint.h"

typedef struct {
  int64_t networks, records, steps;
} made;

static facet_status add_file(const char *folder, const char *name, made *m)
{
  m->networks += fnmatch("?*.onnx", name, 0) == 0;
  m->records += fnmatch("?*.record", name, 0) == 0;
  if (fnmatch("?*.checkpoint", name, 0) != 0)
    return FACET_OK;
  char *path = facet_format("%s/%s", folder, name);
  m->steps += path ? facet_checkpoint_done(path) : 0;
  facet_status status = path ? FACET_OK : FACET_OS;
  facet_free(&path);
  return status;
}

/* A folder that is not there holds nothing. */
static facet_status add_folder(const char *output, const char *name, made *m)
{
  char *folder = facet_format("%s/%s", output, name);
  DIR *entries = folder ? opendir(folder) : NULL;
  facet_status status = !folder                      ? FACET_OS
                        : entries || errno == ENOENT ? FACET_OK
                                                     : facet_raise(FACET_IO, "%s: %s", folder, strerror(errno));
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));)
    status = add_file(folder, entry->d_name, m);
  if (entries)
    closedir(entries);
  facet_free(&folder);
  return status;
}

static facet_status add_store(const char *output, facet_store_done *done)
{
  const char *stage[FACET_MOST_STAGES];
  int count = 0;
  char *path = facet_format("%s/study.h5", output);
  facet_status status = path ? FACET_OK : FACET_OS;
  for (const facet_stage *const *s = facet_stages; *s; s++)
    if ((*s)->marks)
      stage[count++] = (*s)->name;
  if (path && facet_exists(path))
    status = facet_store_find_done(path, count, stage, done);
  facet_free(&path);
  return status;
}

facet_status facet_tell_progress(const facet_call *call)
{
  facet_study *study;
  made m = {0};
  facet_store_done done = {0};
  FACET_TRY(facet_study_read(call->file[0], facet_store_name_taken, &study));
  const char *output = study->settings.output;
  facet_status status = add_folder(output, "variants", &m);
  if (status == FACET_OK)
    status = add_folder(output, "embed", &m);
  if (status == FACET_OK)
    status = add_store(output, &done);
  if (status == FACET_OK)
    printf("%s: %lld networks, %lld records of networks, %lld steps of unfinished trainings, %lld of %lld parts, "
           "%lld rows of W in unfinished digests\n",
           output, (long long)m.networks, (long long)m.records, (long long)m.steps, (long long)done.parts,
           (long long)done.all, (long long)done.rows);
  facet_study_destroy(&study);
  return status;
}
