/* The output folder of a study: see output.h. */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

static facet_status remove_file(const char *path)
{
  FACET_CHECK(unlink(path) == 0 || errno == ENOENT, FACET_CANNOT_CREATE, "%s: cannot be removed: %s", path,
              strerror(errno));
  return FACET_OK;
}

/* Removes the files of a folder that facet makes there, by their names. */
static facet_status empty_folder(const char *folder)
{
  static const char *const made[] = {"?*.onnx", "?*.record", "?*.checkpoint"};
  DIR *entries = opendir(folder);
  facet_status status = FACET_OK;
  FACET_CHECK(entries || errno == ENOENT, FACET_CANNOT_CREATE, "%s: %s", folder, strerror(errno));
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));)
    for (size_t i = 0; i < sizeof made / sizeof made[0] && status == FACET_OK; i++)
      if (fnmatch(made[i], entry->d_name, 0) == 0) {
        char *path = facet_format("%s/%s", folder, entry->d_name);
        status = path ? remove_file(path) : FACET_OS;
        facet_free(&path);
      }
  if (entries)
    closedir(entries);
  return status;
}

/* The paths of what facet makes in its output. */
enum { STORE, TEXT, VARIANTS, EMBED, BEFORE, DENSE, ENCODER, ENCODER_RECORD, PATHS };

/* What was set aside has its name with this behind it. */
static facet_status move_aside(const char *path)
{
  char *aside = facet_format("%s.before", path);
  bool moved = aside && (rename(path, aside) == 0 || errno == ENOENT);
  facet_status status =
      moved ? FACET_OK : facet_raise(FACET_CANNOT_CREATE, "%s: cannot be renamed: %s", path, strerror(errno));
  facet_free(&aside);
  return status;
}

static facet_status remove_aside(const char *path)
{
  char *aside = facet_format("%s.before", path);
  facet_status status = aside ? remove_file(aside) : FACET_OS;
  facet_free(&aside);
  return status;
}

/* Behind a link lies what may be somebody else's, too. */
static facet_status check_own(const char *folder)
{
  struct stat about;
  FACET_CHECK(lstat(folder, &about) != 0 || !S_ISLNK(about.st_mode), FACET_CANNOT_CREATE,
              "%s: is a link to another folder, in which --fresh removes nothing: remove the link first", folder);
  return FACET_OK;
}

/* Removes what facet itself makes there, and nothing else. */
static facet_status start_over(char *const path[PATHS])
{
  FACET_TRY(check_own(path[VARIANTS]));
  FACET_TRY(check_own(path[EMBED]));
  FACET_TRY(empty_folder(path[VARIANTS]));
  FACET_TRY(empty_folder(path[EMBED]));
  FACET_TRY(remove_aside(path[ENCODER]));
  FACET_TRY(remove_aside(path[ENCODER_RECORD]));
  FACET_TRY(remove_file(path[BEFORE]));
  FACET_TRY(remove_file(path[STORE]));
  return remove_file(path[TEXT]);
}

/* Whether a study has left something there that took time to make. */
static bool holds_results(char *const path[PATHS])
{
  return facet_exists(path[TEXT]) &&
         (facet_exists(path[STORE]) || facet_exists(path[BEFORE]) || facet_exists(path[DENSE]));
}

/* The first line of a study's text is its name. */
static facet_status compare_texts(const char *path, const char *text, bool dense, facet_output_state *state)
{
  uint8_t *there = NULL;
  size_t count, name = strcspn(text, "\n");
  FACET_TRY(facet_read_file(path, &there, &count));
  bool same, version = dense && strncmp((char *)there, text, name + 1) == 0;
  facet_status status = facet_study_same((char *)there, text, &same);
  *state = same ? FACET_OUTPUT_SAME : version ? FACET_OUTPUT_EDITED : FACET_OUTPUT_OTHER;
  facet_free(&there);
  return status;
}

static facet_status look(char *const path[PATHS], const char *text, bool dense, facet_output_state *state)
{
  *state = FACET_OUTPUT_EMPTY;
  return holds_results(path) ? compare_texts(path[TEXT], text, dense, state) : FACET_OK;
}

/* Of a store before and one that was begun after it, the one that more of the analysis is in stays, with its encoder:
 * which is never there with another one's record, whenever this is killed. */
static facet_status set_aside(char *const path[PATHS])
{
  int64_t newer = facet_before_parts(path[STORE], "analyse"), older = facet_before_parts(path[BEFORE], "analyse");
  if (!facet_exists(path[STORE]))
    return FACET_OK;
  if (newer < older)
    return remove_file(path[STORE]);
  FACET_TRY(remove_aside(path[ENCODER]));
  FACET_TRY(move_aside(path[ENCODER_RECORD]));
  FACET_TRY(move_aside(path[ENCODER]));
  FACET_CHECK(rename(path[STORE], path[BEFORE]) == 0, FACET_CANNOT_CREATE, "%s: %s", path[BEFORE], strerror(errno));
  facet_sync_folder_of(path[BEFORE]);
  return FACET_OK;
}

static facet_status claim(const char *output, char *const path[PATHS], const char *text, bool dense, bool changed)
{
  facet_output_state state;
  FACET_TRY(facet_make_folder(output));
  FACET_TRY(look(path, text, dense, &state));
  FACET_CHECK(state != FACET_OUTPUT_OTHER, FACET_BAD_INPUT,
              "%s: holds the results of a different study (%s); choose another output, or --fresh to start over",
              output, path[TEXT]);
  if (state == FACET_OUTPUT_EDITED || changed)
    FACET_TRY(set_aside(path));
  if (state != FACET_OUTPUT_SAME)
    FACET_TRY(facet_write_file(path[TEXT], text, strlen(text)));
  if (!facet_exists(path[STORE])) /* what an encoder learned from, and how, is in the store: without it it goes, too */
    FACET_TRY(empty_folder(path[EMBED]));
  facet_remove_temporaries(output); /* what a killed run was writing */
  facet_remove_temporaries(path[VARIANTS]);
  facet_remove_temporaries(path[EMBED]);
  return FACET_OK;
}

static void forget_paths(char *path[PATHS])
{
  for (int i = 0; i < PATHS; i++)
    facet_free(&path[i]);
}

static facet_status name_paths(const char *output, char *path[PATHS])
{
  static const char *const name[PATHS] = {
      "study.h5",        "study.yaml",          "variants",           "embed",
      "study.h5.before", "variants/dense.onnx", "embed/encoder.onnx", "embed/encoder.record"};
  memset(path, 0, PATHS * sizeof *path);
  for (int i = 0; i < PATHS; i++)
    if (!(path[i] = facet_format("%s/%s", output, name[i]))) {
      forget_paths(path);
      return FACET_OS;
    }
  return FACET_OK;
}

facet_status facet_output_look(const char *output, const char *text, bool dense, facet_output_state *state)
{
  char *path[PATHS];
  FACET_TRY(name_paths(output, path));
  facet_status status = look(path, text, dense, state);
  forget_paths(path);
  return status;
}

facet_status facet_output_claim(const char *output, const char *text, bool dense, bool changed, bool fresh,
                                bool *edited)
{
  char *path[PATHS];
  FACET_TRY(name_paths(output, path));
  facet_status status = fresh ? start_over(path) : FACET_OK;
  if (status == FACET_OK)
    status = claim(output, path, text, dense, changed);
  *edited = status == FACET_OK && (changed || facet_exists(path[BEFORE]));
  forget_paths(path);
  return status;
}

bool facet_output_has_store(const char *output)
{
  char *store = facet_format("%s/study.h5", output);
  bool there = store && facet_exists(store);
  facet_free(&store);
  return there;
}

facet_status facet_output_finish(const char *output)
{
  char *path[PATHS];
  FACET_TRY(name_paths(output, path));
  facet_status status = facet_exists(path[STORE]) ? FACET_OK
                                                  : facet_raise(FACET_IO,
                                                                "%s: was moved or removed while the study was at work "
                                                                "in it",
                                                                path[STORE]);
  if (status == FACET_OK)
    status = remove_aside(path[ENCODER]);
  if (status == FACET_OK)
    status = remove_aside(path[ENCODER_RECORD]);
  if (status == FACET_OK)
    status = remove_file(path[BEFORE]);
  forget_paths(path);
  return status;
}
