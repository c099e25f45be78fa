/* The output folder of a study: see output.h. */
#include "output.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Removes the files of a folder in <output> that facet makes there, by their endings. */
static void empty_folder(const char *output, const char *name)
{
  static const char *const endings[] = {".onnx", ".record", ".checkpoint"};
  char *folder = facet_format("%s/%s", output, name);
  DIR *entries = folder ? opendir(folder) : NULL;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    size_t length = strlen(entry->d_name);
    char *path = facet_format("%s/%s", folder, entry->d_name);
    for (size_t i = 0; path && i < sizeof endings / sizeof endings[0]; i++)
      if (length > strlen(endings[i]) && strcmp(entry->d_name + length - strlen(endings[i]), endings[i]) == 0)
        unlink(path);
    facet_free(&path);
  }
  if (entries)
    closedir(entries);
  facet_free(&folder);
}

/* Removes what facet itself makes there, and nothing else. */
static facet_status start_over(const char *output)
{
  static const char *const mine[] = {"study.h5", "study.yaml"};
  empty_folder(output, "variants");
  empty_folder(output, "embed");
  for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++) {
    char *path = facet_format("%s/%s", output, mine[i]);
    if (path)
      unlink(path);
    facet_free(&path);
  }
  return FACET_OK;
}

/* What an encoder learned from, and how, is in the store: without it the encoder goes, too. */
static facet_status forget_embedding(const char *output)
{
  char *store = facet_format("%s/study.h5", output);
  if (store && !facet_exists(store))
    empty_folder(output, "embed");
  facet_status status = store ? FACET_OK : FACET_OS;
  facet_free(&store);
  return status;
}

/* Whether a study has left something there that took time to make. */
static bool holds_results(const char *output)
{
  char *store = facet_format("%s/study.h5", output), *dense = facet_format("%s/variants/dense.onnx", output);
  bool holds = !store || !dense || facet_exists(store) || facet_exists(dense);
  facet_free(&store);
  facet_free(&dense);
  return holds;
}

/* What a killed run was writing. */
static facet_status remove_temporaries(const char *output)
{
  static const char *const folders[] = {".", "variants", "embed"};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    char *folder = facet_format("%s/%s", output, folders[i]);
    if (!folder)
      return FACET_OS;
    facet_remove_temporaries(folder);
    facet_free(&folder);
  }
  return FACET_OK;
}

facet_status facet_output_claim(const facet_study *study, bool fresh)
{
  char *path = facet_format("%s/study.yaml", study->settings.output), *text = NULL;
  uint8_t *there = NULL;
  size_t count;
  facet_status status = path ? FACET_OK : FACET_OS;
  if (status == FACET_OK && fresh)
    status = start_over(study->settings.output);
  if (status == FACET_OK)
    status = facet_make_folder(study->settings.output);
  if (status == FACET_OK)
    status = facet_study_text(study, &text);
  if (status == FACET_OK && (!facet_exists(path) || !holds_results(study->settings.output))) {
    status = facet_write_file(path, text, strlen(text));
  } else if (status == FACET_OK) {
    status = facet_read_file(path, &there, &count);
    if (status == FACET_OK && strcmp((char *)there, text) != 0)
      status = facet_raise(FACET_BAD_INPUT,
                           "%s: holds the results of a different study (%s); "
                           "choose another output, or --fresh to start over",
                           study->settings.output, path);
  }
  if (status == FACET_OK)
    status = forget_embedding(study->settings.output);
  if (status == FACET_OK)
    status = remove_temporaries(study->settings.output);
  facet_free(&there);
  facet_free(&text);
  facet_free(&path);
  return status;
}
