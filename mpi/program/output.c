/* The output folder of a study: see output.h. */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "study/study.h"

static facet_status remove_file(const char *path)
{
  FACET_CHECK(unlink(path) == 0 || errno == ENOENT, FACET_CANNOT_CREATE, "%s: cannot be removed: %s", path,
              strerror(errno));
  return FACET_OK;
}

static bool ends_in(const char *name, const char *ending)
{
  size_t length = strlen(name), end = strlen(ending);
  return length > end && strcmp(name + length - end, ending) == 0;
}

/* Removes the files of a folder that facet makes there, by their endings. */
static facet_status empty_folder(const char *folder)
{
  static const char *const endings[] = {".onnx", ".record", ".checkpoint"};
  DIR *entries = opendir(folder);
  facet_status status = FACET_OK;
  FACET_CHECK(entries || errno == ENOENT, FACET_CANNOT_CREATE, "%s: %s", folder, strerror(errno));
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));)
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && status == FACET_OK; i++)
      if (ends_in(entry->d_name, endings[i])) {
        char *path = facet_format("%s/%s", folder, entry->d_name);
        status = path ? remove_file(path) : FACET_OS;
        facet_free(&path);
      }
  if (entries)
    closedir(entries);
  return status;
}

/* The paths of what facet makes in its output. */
enum { STORE, TEXT, VARIANTS, EMBED, PATHS };

/* Removes what facet itself makes there, and nothing else. */
static facet_status start_over(char *const path[PATHS])
{
  FACET_TRY(empty_folder(path[VARIANTS]));
  FACET_TRY(empty_folder(path[EMBED]));
  FACET_TRY(remove_file(path[STORE]));
  return remove_file(path[TEXT]);
}

/* Whether a study has left something there that took time to make. */
static facet_status holds_results(char *const path[PATHS], bool *holds)
{
  char *dense = facet_format("%s/dense.onnx", path[VARIANTS]);
  *holds = dense && facet_exists(path[TEXT]) && (facet_exists(path[STORE]) || facet_exists(dense));
  facet_status status = dense ? FACET_OK : FACET_OS;
  facet_free(&dense);
  return status;
}

static facet_status compare_texts(const char *output, const char *path, const char *text)
{
  uint8_t *there = NULL;
  size_t count;
  FACET_TRY(facet_read_file(path, &there, &count));
  bool same;
  facet_status status = facet_study_same((char *)there, text, &same);
  facet_free(&there);
  FACET_TRY(status);
  FACET_CHECK(same, FACET_BAD_INPUT,
              "%s: holds the results of a different study (%s); choose another output, or --fresh to start over",
              output, path);
  return FACET_OK;
}

static facet_status claim(const char *output, bool fresh, char *const path[PATHS], const char *text)
{
  bool holds;
  if (fresh)
    FACET_TRY(start_over(path));
  FACET_TRY(facet_make_folder(output));
  FACET_TRY(holds_results(path, &holds));
  if (holds)
    FACET_TRY(compare_texts(output, path[TEXT], text));
  else
    FACET_TRY(facet_write_file(path[TEXT], text, strlen(text)));
  if (!facet_exists(path[STORE])) /* what an encoder learned from, and how, is in the store: without it it goes, too */
    FACET_TRY(empty_folder(path[EMBED]));
  facet_remove_temporaries(output); /* what a killed run was writing */
  facet_remove_temporaries(path[VARIANTS]);
  facet_remove_temporaries(path[EMBED]);
  return FACET_OK;
}

facet_status facet_output_claim(const char *output, const char *text, bool fresh)
{
  static const char *const name[PATHS] = {"study.h5", "study.yaml", "variants", "embed"};
  char *path[PATHS] = {NULL};
  facet_status status = FACET_OK;
  for (int i = 0; i < PATHS && status == FACET_OK; i++)
    status = (path[i] = facet_format("%s/%s", output, name[i])) ? FACET_OK : FACET_OS;
  if (status == FACET_OK)
    status = claim(output, fresh, path, text);
  for (int i = 0; i < PATHS; i++)
    facet_free(&path[i]);
  return status;
}
