/* How much of a file is done, without its study: marks, and what digests that a stop has left hold already. */
#include "store_file.h"

/* Adds a stage's parts, and how many of them are marked. */
static facet_status add_stage(hid_t file, const char *stage, facet_store_done *done)
{
  char *path = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, stage, "");
  int64_t parts = path ? facet_store_count(file, path) : 0;
  uint8_t *mark = NULL;
  facet_status status = path ? FACET_OK : FACET_OS;
  FACET_NEW_GO(end, status, mark, parts);
  if (parts > 0 && H5LTread_dataset(file, path, H5T_NATIVE_UINT8, mark) >= 0) {
    done->all += parts;
    for (int64_t i = 0; i < parts; i++)
      done->parts += mark[i] == 1;
  }
end:
  FACET_FREE(&path, &mark);
  return status;
}

/* Rows of W in digests of a variant that are left: see stages/kept.c. */
static facet_status add_rows(hid_t file, const char *variant, facet_store_done *done)
{
  char *path = facet_store_path(facet_row_table[FACET_ROW_EXPLAINED].path, variant, "");
  int64_t count = path ? facet_store_count(file, path) : 0, *rows = NULL;
  facet_status status = path ? FACET_OK : FACET_OS;
  FACET_NEW_GO(end, status, rows, count);
  if (count > 0 && facet_store_integers(file, path, count, rows))
    for (int64_t i = 0; i < count; i++)
      done->rows += rows[i] < -1 ? -1 - rows[i] : 0;
end:
  FACET_FREE(&path, &rows);
  return status;
}

static facet_status find(hid_t file, int stages, const char *const *stage, facet_store_done *done)
{
  char **variant = NULL;
  int variants = 0;
  facet_status status = FACET_OK;
  for (int i = 0; i < stages && status == FACET_OK; i++)
    status = add_stage(file, stage[i], done);
  if (status == FACET_OK)
    status = facet_store_texts(file, facet_dimension_table[FACET_DIM_VARIANT].coordinate, &variant, &variants);
  for (int v = 0; v < variants && status == FACET_OK; v++)
    status = add_rows(file, variant[v], done);
  facet_free_list(&variant, variants);
  return status;
}

facet_status facet_store_find_done(const char *path, int stages, const char *const *stage, facet_store_done *done)
{
  *done = (facet_store_done){.parts = 0};
  facet_store_listener before = facet_store_listen(path);
  hid_t file = -1;
  facet_status status = facet_store_open_alone(path, &file);
  if (status == FACET_OK)
    status = find(file, stages, stage, done);
  if (file >= 0)
    H5Fclose(file);
  return facet_store_unlisten(before, status);
}
