/* Reading a study file: the keys at its top, and what holds of all of them together. */
#include "study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "study_keys.h"

enum { LARGEST_FILE = 16 << 20 };

/* ---- the keys at the top ---- */

/* "2 GiB": a number, at most one space, a unit. */
static facet_status read_memory(const facet_schema_reader *r, const facet_tree *node, void *target)
{
  (void)r;
  static const struct {
    const char *name;
    double bytes;
  } unit[] = {{"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  facet_study *study = target;
  const char *text = node->kind == FACET_TREE_SCALAR ? node->text : "";
  size_t digits = strspn(text, "0123456789.");
  const char *rest = text + digits + (text[digits] == ' ');
  for (int i = 0; i < (int)(sizeof unit / sizeof unit[0]); i++) {
    char *end = NULL;
    double bytes = strtod(text, &end) * unit[i].bytes;
    if (digits == 0 || end != text + digits || strcmp(rest, unit[i].name) != 0)
      continue;
    if (bytes < 0x1p20 || bytes > 0x1p50)
      return facet_tree_raise(node, "%s is not in [1 MiB, 1024 TiB]", text);
    study->settings.memory = (int64_t)(bytes + 0.5);
    return FACET_OK;
  }
  return facet_tree_raise_kind(node, "a size such as 2 GiB or 500 MB");
}

/* In whole GiB or MiB; otherwise in MB, to the byte. */
static void print_memory(FILE *out, const void *target)
{
  int64_t bytes = ((const facet_study *)target)->settings.memory;
  const int64_t large = (int64_t)1 << 30, small = 1 << 20, decimal = 1000000;
  if (bytes % large == 0)
    fprintf(out, " %lld GiB", (long long)(bytes / large));
  else if (bytes % small == 0)
    fprintf(out, " %lld MiB", (long long)(bytes / small));
  else
    fprintf(out, " %lld.%06lld MB", (long long)(bytes / decimal), (long long)(bytes % decimal));
}

static const facet_word precisions[] = {{"float", FACET_F32}, {"double", FACET_F64}, {NULL, 0}};

static const facet_key study_keys[] = {
    {"study", "what the study is called", FACET_NAME(facet_study, settings.name),
     .standard_says = "name of the file without its ending"},
    {"seed", "of everything random: first weights, order of samples, random pruning, noise",
     FACET_WHOLE(facet_study, settings.seed, "[0, 4294967295]"), .standard = "1"},
    {"output", "folder of the results", FACET_PATH(facet_study, settings.output),
     .standard_says = "`../results/<study>`"},
    {"precision", "`double` runs the network in float64, slowly: the ground truth",
     FACET_WORD(facet_study, settings.precision, precisions), .standard = "float"},
    {"threads", "threads of a rank", FACET_WHOLE(facet_study, settings.threads, "[1, 1024]"), .standard = "1"},
    {"block", "samples of a tile, the unit of work that is given to a rank and resumed after",
     FACET_WHOLE(facet_study, settings.block, "[1, 1000000]"), .standard = "250"},
    {"memory", "what a rank may take in the analysis, the program and the data sets included: [memory](#memory)",
     FACET_WHOLE(facet_study, settings.memory, NULL), .line = offsetof(facet_study, settings.memory_line),
     .standard = "2 GiB", .read = read_memory, .print = print_memory, .type_says = "size: `2 GiB`, `500 MB`, …"},
    {"data", "[data](#data)", FACET_MAPPING(&facet_keys_data, facet_study, data), .required = true},
    {"model", "[model](#model)", FACET_MAPPING(&facet_keys_model, facet_study, model), .required = true},
    {"variants", "[variants](#variants); the unpruned network, `dense`, is always there",
     FACET_ITEMS(FACET_KEY_MAPPING, facet_study, recipes), .keys = &facet_keys_variant, .plural = "variants",
     .standard_says = "none"},
    {"conditions", "[conditions](#conditions)", FACET_ITEMS(FACET_KEY_MAPPING, facet_study, conditions),
     .keys = &facet_keys_corrupted, .read = facet_keys_read_conditions, .print = facet_keys_print_conditions,
     .clear = facet_keys_clear_conditions, .plural = "conditions", .standard_says = "`[clean]`"},
    {"linearize", "[linearize](#linearize)", FACET_MAPPING(&facet_keys_linearize, facet_study, stages.linearize),
     .given = offsetof(facet_study, stages.linearize.wanted), .standard_says = "nothing is linearized"},
    {"change", "[change](#change)", FACET_MAPPING(&facet_keys_change, facet_study, stages.change),
     .given = offsetof(facet_study, stages.change.wanted), .standard_says = "nothing is compared"},
    {"aggregate", "[aggregate](#aggregate)", FACET_MAPPING(&facet_keys_aggregate, facet_study, stages.aggregate),
     .given = offsetof(facet_study, stages.aggregate.wanted), .line = offsetof(facet_study, stages.aggregate.line),
     .standard_says = "nothing is aggregated"},
    {"embed", "[embed](#embed)", FACET_MAPPING(&facet_keys_embed, facet_study, stages.embed),
     .given = offsetof(facet_study, stages.embed.wanted), .line = offsetof(facet_study, stages.embed.line),
     .standard_says = "there is no map"},
};
const facet_mapping facet_keys_study = {FACET_KEYS(study_keys)};

/* Name, output and conditions that the file leaves out; and which condition is clean. */
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
  if (study->conditions.count == 0) {
    FACET_NEW(study->conditions.item, 1);
    study->conditions.count = 1;
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
  FACET_TRY(facet_schema_defaults(r, &facet_keys_study, study));
  FACET_TRY(facet_schema_read(r, &facet_keys_study, root, study));
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

facet_status facet_study_read(const char *path, facet_study_taken *taken, facet_study **out)
{
  facet_status status = FACET_OK;
  uint8_t *bytes = NULL;
  size_t count = 0;
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
  FACET_GO(done, status, check_size(path));
  FACET_GO(done, status, facet_read_file(path, &bytes, &count));
  FACET_GO(done, status, locate(path, &r));
  FACET_GO(done, status, facet_tree_read(study->settings.file, bytes, count, &root));
  FACET_GO(done, status, read_tree(&r, root, taken, study));
  *out = study;
  study = NULL;
done:
  facet_tree_destroy(&root);
  facet_study_destroy(&study);
  facet_free(&bytes);
  facet_free(&r.file);
  return status;
}

void facet_study_destroy(facet_study **study)
{
  if (!study || !*study)
    return;
  facet_schema_clear(&facet_keys_study, *study);
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
  facet_schema_print(out, &facet_keys_study, study, 0);
  fputc('\n', out);
  bool failed = ferror(out) != 0;
  failed = fclose(out) != 0 || failed;
  if (!failed)
    *yaml = facet_copy_text(text);
  free(text);
  FACET_CHECK(*yaml, FACET_OS, "out of memory");
  return FACET_OK;
}
