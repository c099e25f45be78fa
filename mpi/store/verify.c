/* A file held against its own checksums, without its study: names and sizes are those of the file. What lies beside it:
 * beside.c. */
#include <stdio.h>
#include <string.h>

#include "ranks/exchange.h"
#include "ranks/versions.h"
#include "store_file.h"

typedef struct {
  MPI_Comm comm;
  const char *path;
  bool says;
  hid_t file;
  facet_sums_source source;
  facet_store_verified *found;
} verification;

/* ---- stages ---- */

static facet_status check_part(verification *v, facet_sums *sums, int64_t part, uint8_t mark, int64_t then)
{
  int64_t now;
  char name[200];
  v->found->parts++;
  FACET_TRY(facet_sums_find(sums, part, &now));
  if (mark == 1 && now == then)
    return FACET_OK;
  v->found->bad++;
  facet_sums_name(sums, part, name, sizeof name);
  if (v->says)
    printf("%s: %s does not hold its checksum\n", v->path, name);
  return FACET_OK;
}

static facet_status check_parts(verification *v, const facet_store_stage *stage, facet_sums *sums)
{
  int64_t parts = facet_sums_parts(sums), *then = NULL;
  char *marks = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, stage->name, "");
  char *path = facet_store_path(facet_row_table[FACET_ROW_SUMS].path, stage->name, "");
  uint8_t *mark = NULL;
  facet_status status = marks && path ? FACET_OK : FACET_OS;
  FACET_NEW_GO(done, status, mark, parts);
  FACET_NEW_GO(done, status, then, parts);
  if (facet_store_count(v->file, marks) != parts || H5LTread_dataset(v->file, marks, H5T_NATIVE_UINT8, mark) < 0 ||
      !facet_store_integers(v->file, path, parts, then))
    FACET_GO(done, status, facet_raise(FACET_BAD_INPUT, "%s: has no checksums of %s", v->path, stage->name));
  for (int64_t i = facet_rank(v->comm); i < parts; i += facet_ranks(v->comm)) {
    FACET_GO(done, status, facet_interrupt_check());
    if (mark[i])
      FACET_GO(done, status, check_part(v, sums, i, mark[i], then[i]));
    else
      v->found->missing++;
  }
done:
  FACET_FREE(&marks, &path, &mark, &then);
  return status;
}

static facet_status check_stage(verification *v, const facet_store_stage *stage)
{
  facet_sums *sums = NULL;
  char *path = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, stage->name, "");
  bool there = path && H5LTpath_valid(v->file, path, true) > 0;
  facet_free(&path);
  if (!there)
    return FACET_OK;
  facet_status status = facet_sums_begin(&v->source, stage->name, stage->marks, &sums);
  if (status == FACET_OK)
    status = check_parts(v, stage, sums);
  facet_sums_end(&sums);
  return status;
}

static void find_bad(verification *v, const char *what)
{
  v->found->bad++;
  if (v->says)
    printf("%s: %s\n", v->path, what);
}

static facet_status check_head(verification *v)
{
  int64_t version = 0;
  bool holds;
  FACET_CHECK(facet_store_attribute(v->file, "schema_version", 1, &version), FACET_BAD_INPUT,
              "%s: is not a store of facet: it has no schema_version", v->path);
  FACET_CHECK(version >= FACET_SCHEMA_SUMMED && version <= FACET_SCHEMA_VERSION, FACET_BAD_INPUT,
              "%s: has schema version %lld, and this facet reads %d to %d: %s, so nothing can be checked", v->path,
              (long long)version, FACET_SCHEMA_SUMMED, FACET_SCHEMA_VERSION,
              version < FACET_SCHEMA_SUMMED ? "it is older than checksums" : "it is newer");
  if (facet_rank(v->comm) != 0)
    return FACET_OK;
  FACET_TRY(facet_store_head_holds(v->path, v->file, &holds));
  if (!holds)
    find_bad(v, "attributes, coordinates, labels or the list of arrays do not hold their checksum");
  FACET_TRY(facet_store_index_holds(v->path, v->file, &holds));
  if (!holds)
    find_bad(v, "/index does not say where the arrays lie; readers by byte offset must not use it");
  return FACET_OK;
}

static facet_status check_all(verification *v, int stages, const facet_store_stage *stage)
{
  FACET_CHECK(facet_exists(v->path), FACET_NO_INPUT, "%s: No such file or directory", v->path);
  FACET_TRY(facet_store_open_alone(v->path, &v->file));
  FACET_TRY(check_head(v));
  FACET_TRY(facet_sums_describe(v->path, v->file, &v->source));
  for (int i = 0; i < stages; i++)
    FACET_TRY(check_stage(v, &stage[i]));
  return FACET_OK;
}

static facet_status verify(verification *v, int stages, const facet_store_stage *stage)
{
  FACET_TRY(check_all(v, stages, stage));
  return facet_rank(v->comm) == 0 ? facet_store_verify_beside(&v->source, v->says, v->found) : FACET_OK;
}

facet_status facet_store_verify(MPI_Comm comm, const char *path, int stages, const facet_store_stage *stage, bool says,
                                facet_store_verified *found)
{
  *found = (facet_store_verified){.bad = 0};
  verification v = {.comm = comm, .path = path, .says = says, .file = -1, .found = found};
  facet_store_listener before = facet_store_listen();
  facet_status status = facet_agree(comm, verify(&v, stages, stage));
  facet_sums_forget(&v.source);
  if (v.file >= 0)
    H5Fclose(v.file);
  (void)facet_store_unlisten(before, status);
  FACET_TRY(status);
  int64_t all[] = {found->parts, found->missing, found->networks, found->files, found->bad};
  FACET_TRY(facet_sum(comm, all, 5, "verifying"));
  *found = (facet_store_verified){all[0], all[1], all[2], all[3], all[4]};
  return FACET_OK;
}
