/* Networks that are there already: see known.h. */
#include "known.h"

#include <dirent.h>
#include <string.h>

char *facet_known_beside(const char *file, const char *what)
{
  return facet_format("%.*s.%s", (int)(strlen(file) - strlen(".onnx")), file, what);
}

/* "": there is none. */
static facet_status digest_masks(const facet_making *making, facet_member *m)
{
  const facet_recipe *recipe = facet_making_recipe(making, &m->variant);
  m->masks[0] = '\0';
  return recipe && recipe->mask ? facet_sha256_file(recipe->mask, m->masks) : FACET_OK;
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
  FACET_TRY(digest_masks(making, m));
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

bool facet_known_same(const facet_record *record, const facet_member *m, bool otherwise)
{
  const char *then = record->from[FACET_FROM_RECIPE], *masks = record->from[FACET_FROM_FILE];
  bool same = !m->masks[0] || !masks[0] || strcmp(masks, m->masks) == 0;
  return same && (then[0] ? strcmp(then, m->recipe) == 0 : otherwise);
}

facet_record facet_known_record(const char *file)
{
  char *path = facet_known_beside(file, "record");
  facet_record record = facet_record_read(path ? path : "");
  facet_free(&path);
  return record;
}

/* Whether the network of a file was made as a member is. */
static bool made_as(const char *file, const facet_member *m, bool otherwise)
{
  facet_record record = facet_known_record(file);
  return facet_exists(file) && !record.damaged && facet_known_same(&record, m, otherwise);
}

/* The first file of a member's folder, in order of name, that was made as it is. */
static facet_status search(const facet_member *m, char **file)
{
  char *folder = facet_path_beside(m->file, ".");
  DIR *entries = folder ? opendir(folder) : NULL;
  facet_status status = folder ? FACET_OK : FACET_OS;
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));) {
    const char *ending = strrchr(entry->d_name, '.');
    char *path = ending && strcmp(ending, ".onnx") == 0 ? facet_path_beside(m->file, entry->d_name) : NULL;
    if (path && made_as(path, m, false) && (!*file || strcmp(path, *file) < 0)) {
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
  bool own = !external && made_as(m->file, m, !family->making.edited);
  *file = NULL;
  if (external && facet_exists(m->file))
    FACET_TRY(same_external(external, m->file, &own));
  if (own)
    return (*file = facet_copy_text(m->file)) ? FACET_OK : FACET_OS;
  return external ? FACET_OK : search(m, file);
}

/* What was copied is in its record, whatever became of the copy. */
static facet_status changed_network(const char *from, const facet_member *m, const facet_record *record, bool *changed)
{
  uint8_t *bytes;
  size_t count;
  char now[65] = "";
  bool same = true;
  *changed = false;
  if (!record->network[0]) {
    facet_status status = facet_exists(m->file) ? same_external(from, m->file, &same) : FACET_OK;
    *changed = !same;
    return status;
  }
  FACET_TRY(facet_onnx_whole(from, &bytes, &count));
  facet_status status = facet_sha256_bytes(bytes, count, now);
  facet_free(&bytes);
  *changed = strcmp(now, record->network) != 0;
  return status;
}

facet_status facet_known_changed(const facet_making *making, const facet_member *m, const char **file)
{
  const facet_recipe *recipe = facet_making_recipe(making, &m->variant);
  const char *from = recipe->mask ? recipe->mask : recipe->onnx;
  const facet_record record = facet_known_record(m->file);
  char now[65];
  bool changed = false;
  *file = NULL;
  if (!from || record.damaged)
    return FACET_OK;
  if (recipe->onnx) {
    FACET_TRY(changed_network(from, m, &record, &changed));
  } else if (record.from[FACET_FROM_FILE][0]) {
    FACET_TRY(facet_sha256_file(from, now));
    changed = strcmp(now, record.from[FACET_FROM_FILE]) != 0;
  }
  *file = changed ? from : NULL;
  return FACET_OK;
}
