/* Networks that are there already: see known.h. */
#include "known.h"

#include <dirent.h>
#include <string.h>

char *facet_known_beside(const char *file, const char *what)
{
  return facet_format("%.*s.%s", (int)(strlen(file) - strlen(".onnx")), file, what);
}

facet_status facet_known_recipe(const facet_family *family, facet_member *m)
{
  const facet_making *making = &family->making;
  const facet_variant *dense = &family->member[0].variant;
  char *of_dense = NULL, *own = NULL, *all = NULL;
  facet_status status;
  m->recipe[0] = '\0';
  if (facet_making_external(making, &m->variant))
    return FACET_OK;
  FACET_GO(done, status, facet_variant_text(making->keys, making->model, making->recipes, dense, &of_dense));
  FACET_GO(done, status, facet_variant_text(making->keys, making->model, making->recipes, &m->variant, &own));
  const char *network = m->variant.recipe < 0 ? "" : family->member[0].sha256;
  all = facet_format("%s\n%s\n%s\n", of_dense, network, own);
  status = all ? facet_sha256_bytes(all, strlen(all), m->recipe) : FACET_OS;
done:
  FACET_FREE(&of_dense, &own, &all);
  return status;
}

/* Whether a network from elsewhere has a copy that is what it is now. */
static facet_status same_external(const char *from, const char *copy, bool *same)
{
  uint8_t *bytes;
  size_t count;
  char now[65] = "", then[65] = "";
  FACET_TRY(facet_onnx_whole(from, &bytes, &count));
  facet_status status = facet_sha256_bytes(bytes, count, now);
  facet_free(&bytes);
  FACET_TRY(status);
  FACET_TRY(facet_sha256_file(copy, then));
  *same = strcmp(now, then) == 0;
  return FACET_OK;
}

bool facet_known_same(const facet_record *record, const char *recipe, bool otherwise)
{
  const char *then = record->from[FACET_FROM_RECIPE];
  return then[0] ? strcmp(then, recipe) == 0 : otherwise;
}

facet_record facet_known_record(const char *file)
{
  char *path = facet_known_beside(file, "record");
  facet_record record = facet_record_read(path ? path : "");
  facet_free(&path);
  return record;
}

/* Whether the network of a file was made by a recipe. */
static bool made_by(const char *file, const char *recipe, bool otherwise)
{
  facet_record record = facet_known_record(file);
  return facet_exists(file) && !record.damaged && facet_known_same(&record, recipe, otherwise);
}

/* The first file of a folder, in order of name, that was made by a recipe. */
static facet_status search(const char *own, const char *recipe, char **file)
{
  char *folder = facet_path_beside(own, ".");
  DIR *entries = folder ? opendir(folder) : NULL;
  facet_status status = folder ? FACET_OK : FACET_OS;
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));) {
    const char *ending = strrchr(entry->d_name, '.');
    char *path = ending && strcmp(ending, ".onnx") == 0 ? facet_path_beside(own, entry->d_name) : NULL;
    if (path && made_by(path, recipe, false) && (!*file || strcmp(path, *file) < 0)) {
      char *before = *file;
      *file = path;
      path = before;
    }
    facet_free(&path);
  }
  if (entries)
    closedir(entries);
  facet_free(&folder);
  return status;
}

facet_status facet_known_find(const facet_family *family, const facet_member *m, char **file)
{
  const char *external = facet_making_external(&family->making, &m->variant);
  bool own = !external && made_by(m->file, m->recipe, !family->making.edited);
  *file = NULL;
  if (external && facet_exists(m->file))
    FACET_TRY(same_external(external, m->file, &own));
  if (own)
    return (*file = facet_copy_text(m->file)) ? FACET_OK : FACET_OS;
  return external ? FACET_OK : search(m->file, m->recipe, file);
}
