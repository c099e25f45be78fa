/* A file held against its own checksums, without its study: names and sizes are those of the file. What lies beside it:
 * beside.c. */
#include <stdarg.h>
#include <string.h>

#include "ranks/exchange.h"
#include "ranks/said.h"
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

void facet_store_find_bad(facet_store_verified *found, bool says, const char *format, ...)
{
  va_list list;
  found->bad++;
  if (!says)
    return;
  va_start(list, format);
  facet_said_list(format, list);
  va_end(list);
}

/* ---- stages ---- */

static facet_status check_part(verification *v, facet_sums *sums, int64_t part, uint8_t mark, int64_t then)
{
  bool hold;
  char name[200];
  v->found->parts++;
  FACET_TRY(facet_sums_hold(sums, part, then, &hold));
  if (mark == 1 && hold)
    return FACET_OK;
  facet_sums_name(sums, part, name, sizeof name);
  facet_store_find_bad(v->found, v->says, "%s: %s does not hold its checksum", v->path, name);
  return FACET_OK;
}

/* Who takes a mark back takes the checksum, too. */
static void find_unmarked(verification *v, const facet_sums *sums, int64_t part)
{
  char name[200];
  v->found->parts++;
  facet_sums_name(sums, part, name, sizeof name);
  facet_store_find_bad(v->found, v->says, "%s: %s has a checksum and no mark", v->path, name);
}

static facet_status check_parts(verification *v, facet_sums *sums)
{
  int64_t parts = facet_sums_parts(sums), *then = NULL;
  uint8_t *mark = NULL;
  facet_status status;
  FACET_GO(done, status, facet_sums_read(sums, &mark, &then));
  for (int64_t i = facet_rank(v->comm); i < parts; i += facet_ranks(v->comm)) {
    FACET_GO(done, status, facet_interrupt_check());
    if (mark[i])
      FACET_GO(done, status, check_part(v, sums, i, mark[i], then[i]));
    else if (then[i] >= 0)
      find_unmarked(v, sums, i);
    else
      v->found->missing++;
  }
done:
  FACET_FREE(&mark, &then);
  return status;
}

static facet_status check_stage(verification *v, const facet_store_stage *stage)
{
  facet_sums *sums = NULL;
  char *path = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, stage->name, "");
  if (!path)
    return FACET_OS;
  bool there = H5LTpath_valid(v->file, path, true) > 0;
  facet_free(&path);
  if (!there)
    return FACET_OK;
  facet_status status = facet_sums_begin(&v->source, stage->name, stage->marks, &sums);
  if (status == FACET_OK)
    status = check_parts(v, sums);
  facet_sums_end(&sums);
  return status;
}

static facet_status check_head(verification *v)
{
  bool holds;
  FACET_TRY(facet_store_check_version(v->path, v->file));
  if (facet_rank(v->comm) != 0)
    return FACET_OK;
  FACET_TRY(facet_store_head_holds(v->path, v->file, &holds));
  if (!holds)
    facet_store_find_bad(v->found, v->says,
                         "%s: attributes, coordinates, labels or the list of arrays do not hold their checksum",
                         v->path);
  FACET_TRY(facet_store_index_holds(v->path, v->file, &holds));
  if (!holds)
    facet_store_find_bad(v->found, v->says,
                         "%s: /index does not say where the arrays lie; readers by byte offset must not use it",
                         v->path);
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
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_agree(comm, facet_store_heard(path, verify(&v, stages, stage)));
  facet_sums_forget(&v.source);
  if (v.file >= 0)
    H5Fclose(v.file);
  (void)facet_store_unlisten(before, status);
  FACET_TRY(facet_said_print(comm, status));
  int64_t all[] = {found->parts, found->missing, found->networks, found->files, found->bad};
  FACET_TRY(facet_sum(comm, all, 5, "verifying"));
  *found = (facet_store_verified){all[0], all[1], all[2], all[3], all[4]};
  return FACET_OK;
}
