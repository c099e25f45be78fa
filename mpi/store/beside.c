/* What lies beside a result file, held against digests: the networks of variants against those in the file, the encoder
 * and networks that are no variants any more against their records, records and checkpoints against their own. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "store_file.h"
#include "train/checkpoint.h"
#include "train/record.h"

typedef struct {
  const facet_sums_source *source;
  bool says;
  facet_store_verified *found;
} beside;

static void find_bad(const beside *b, const char *file, const char *what)
{
  facet_store_find_bad(b->found, b->says, "%s: %s", file, what);
}

/* The copy of a network beside the file, by the digest that its variant has. */
static facet_status check_network(beside *b, int i)
{
  char *object = facet_format("/variants/%s", b->source->variant[i]), *name = NULL, *then = NULL, *inside = NULL,
       *file = NULL;
  char now[65] = "";
  facet_status status;
  FACET_GO(done, status, object ? FACET_OK : FACET_OS);
  FACET_GO(done, status, facet_store_text(b->source->file, object, "onnx", &name));
  FACET_GO(done, status, facet_store_text(b->source->file, object, "sha256", &then));
  inside = facet_format("variants/%s", name);
  file = inside ? facet_path_beside(b->source->path, inside) : NULL;
  FACET_GO(done, status, file ? FACET_OK : FACET_OS);
  if (!facet_exists(file)) {
    printf("%s: is not there, and not checked\n", file);
    goto done;
  }
  FACET_GO(done, status, facet_sha256_file(file, now));
  b->found->networks++;
  if (strcmp(now, then) != 0) {
    find_bad(b, file, "is not the network that was analysed: its SHA-256 is another");
  }
done:
  FACET_FREE(&object, &name, &then, &inside, &file);
  return status;
}

/* Whether a file is the network of a variant, which was looked at. */
static bool is_variant(const beside *b, const char *folder, const char *name)
{
  bool is = false;
  size_t length = strlen(name) - strlen(".record");
  for (int i = 0; i < b->source->variants && strcmp(folder, "variants") == 0; i++)
    is = is || (strlen(b->source->variant[i]) == length && strncmp(b->source->variant[i], name, length) == 0);
  return is;
}

/* A record, and the network that it is of, where that is no variant's. */
static facet_status check_record(beside *b, const char *folder, const char *name, const char *path)
{
  const facet_record record = facet_record_read(path);
  bool holds = !record.damaged;
  char *network = facet_format("%.*s.onnx", (int)(strlen(path) - strlen(".record")), path);
  facet_status status = network ? FACET_OK : FACET_OS;
  b->found->files++;
  if (!holds)
    find_bad(b, path, "does not hold its checksum");
  else if (status == FACET_OK && !is_variant(b, folder, name) && facet_exists(network)) {
    status = facet_record_holds(&record, network, &holds);
    b->found->files++;
    if (status == FACET_OK && !holds)
      find_bad(b, network, "does not hold the digest in its record");
  }
  facet_free(&network);
  return status;
}

static facet_status check_checkpoint(beside *b, const char *path)
{
  bool holds;
  FACET_TRY(facet_checkpoint_holds(path, &holds));
  b->found->files++;
  if (!holds)
    find_bad(b, path, "does not hold its checksum");
  return FACET_OK;
}

/* Records and checkpoints of a folder. */
static facet_status check_folder(beside *b, const char *folder)
{
  char *path = facet_path_beside(b->source->path, folder);
  DIR *entries = path ? opendir(path) : NULL;
  facet_status status = path ? FACET_OK : FACET_OS;
  for (struct dirent *entry; entries && status == FACET_OK && (entry = readdir(entries));) {
    const char *ending = strrchr(entry->d_name, '.');
    char *file = ending ? facet_format("%s/%s", path, entry->d_name) : NULL;
    if (file && strcmp(ending, ".record") == 0)
      status = check_record(b, folder, entry->d_name, file);
    else if (file && strcmp(ending, ".checkpoint") == 0)
      status = check_checkpoint(b, file);
    facet_free(&file);
  }
  if (entries)
    closedir(entries);
  facet_free(&path);
  return status;
}

facet_status facet_store_verify_beside(const facet_sums_source *source, bool says, facet_store_verified *found)
{
  beside b = {source, says, found};
  for (int i = 0; i < source->variants && says; i++)
    FACET_TRY(check_network(&b, i));
  if (says)
    FACET_TRY(check_folder(&b, "variants"));
  return check_folder(&b, "embed");
}
