/* Reading a study file, and what holds of all keys together. */
#include "study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "study_keys.h"

enum { LARGEST_FILE = 16 << 20 };

/* Name and output that the file leaves out; and which condition is clean. */
static facet_status fill_in(const facet_schema_reader *r, facet_study *study)
{
  if (!study->settings.name && !(study->settings.name = facet_name_of_file(study->settings.file)))
    return FACET_OS;
  if (!study->settings.output) {
    facet_tree node = {.kind = FACET_TREE_SCALAR, .text = facet_format("../results/%s", study->settings.name)};
    if (!node.text)
      return FACET_OS;
    facet_status status = facet_schema_path(r, &node, &study->settings.output);
    facet_free(&node.text);
    FACET_TRY(status);
  }
  study->conditions.clean = -1;
  for (int i = 0; i < study->conditions.count; i++)
    if (study->conditions.item[i].corruption == 0)
      study->conditions.clean = i;
  return FACET_OK;
}

/* ---- the whole ---- */

/* Results and data sets are mistaken for studies; they need not be read to see that. */
static facet_status check_size(const char *path)
{
  struct stat about;
  bool large = stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > LARGEST_FILE;
  FACET_CHECK(!large, FACET_BAD_INPUT, "%s:1: a file of %lld MiB is not a study", path,
              (long long)about.st_size / 1048576);
  return FACET_OK;
}

static facet_status read_tree(const facet_schema_reader *r, const facet_tree *root, facet_study_taken *taken,
                              facet_study *study)
{
  FACET_TRY(facet_schema_defaults(r, &facet_study_mapping, study));
  FACET_TRY(facet_schema_read(r, &facet_study_mapping, root, study));
  FACET_TRY(fill_in(r, study));
  return facet_study_check(root, study, taken);
}

/* The folder of the study file without links, and a file name in it: what paths are relative to. */
static facet_status locate(const char *path, facet_schema_reader *r)
{
  char *here = facet_path_beside(path, ".");
  if (!here)
    return FACET_OS;
  char *folder = realpath(here, NULL);
  facet_free(&here);
  FACET_CHECK(folder, FACET_NO_INPUT, "%s: its folder cannot be found", path);
  r->real = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
  r->file = facet_format("%s/study", folder);
  free(folder);
  return r->file ? FACET_OK : FACET_OS;
}

facet_status facet_study_parse(const char *path, const void *bytes, size_t count, facet_study_taken *taken,
                               facet_study **out)
{
  facet_status status = FACET_OK;
  facet_tree *root = NULL;
  facet_study *study = NULL;
  facet_schema_reader r = {0};
  *out = NULL;
  FACET_NEW_GO(done, status, study, 1);
  r.context = study;
  if (!(study->settings.file = facet_copy_text(path))) {
    status = FACET_OS;
    goto done;
  }
  FACET_GO(done, status, locate(path, &r));
  FACET_GO(done, status, facet_tree_read(study->settings.file, bytes, count, &root));
  FACET_GO(done, status, read_tree(&r, root, taken, study));
  *out = study;
  study = NULL;
done:
  facet_tree_destroy(&root);
  facet_study_destroy(&study);
  facet_free(&r.file);
  return status;
}

facet_status facet_study_read(const char *path, facet_study_taken *taken, facet_study **out)
{
  uint8_t *bytes = NULL;
  size_t count = 0;
  *out = NULL;
  FACET_TRY(check_size(path));
  FACET_TRY(facet_read_file(path, &bytes, &count));
  facet_status status = facet_study_parse(path, bytes, count, taken, out);
  facet_free(&bytes);
  return status;
}

void facet_study_destroy(facet_study **study)
{
  if (!study || !*study)
    return;
  facet_schema_clear(&facet_study_mapping, *study);
  facet_free(&(*study)->settings.file);
  facet_free(study);
}

facet_status facet_study_text(const facet_study *study, char **yaml)
{
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  *yaml = NULL;
  FACET_CHECK(out, FACET_OS, "out of memory");
  facet_schema_print(out, &facet_study_mapping, study, 0);
  fputc('\n', out);
  bool failed = ferror(out) != 0;
  failed = fclose(out) != 0 || failed;
  if (!failed)
    *yaml = facet_copy_text(text);
  free(text);
  FACET_CHECK(*yaml, FACET_OS, "out of memory");
  return FACET_OK;
}
