/* The tables of docs/results.md (make docs).  usage: rows dimensions|arrays|apart */
#include <stdio.h>
#include <string.h>

#include "store/rows.h"

/* What ends a cell in Markdown is escaped; {variant} is <variant>. */
static void print_text(const char *text)
{
  for (; *text; text++)
    if (*text == '|')
      printf("\\|");
    else
      putchar(*text == '{' ? '<' : *text == '}' ? '>' : *text);
}

static void print_cell(const char *before, const char *text, const char *after)
{
  printf("| %s", before);
  print_text(text);
  printf(strchr(after, '\n') ? "%s" : "%s ", after);
}

static void print_dimensions(void)
{
  printf("| name | length | coordinate | type | holds |\n|---|---|---|---|---|\n");
  for (int d = 0; d < FACET_DIMENSIONS; d++) {
    const facet_dimension_about *about = &facet_dimension_table[d];
    print_cell("", about->name, "");
    print_cell("", about->length, "");
    print_cell("`", about->coordinate, "`");
    print_cell("", about->text ? "text" : "i64", "");
    print_cell("", about->meaning, " |\n");
  }
}

static void print_arrays(void)
{
  static const char *const types[] = {"real", "real or f16",       "f32", "f64", "i32", "i64", "u8",
                                      "text", "text of 4096 bytes"};
  printf("| path | shape | type | unit | stage | checksum | meaning |\n|---|---|---|---|---|---|---|\n");
  for (int r = 0; r < FACET_ROWS; r++) {
    const facet_row_about *row = &facet_row_table[r];
    if (facet_row_is_coordinate((facet_row)r))
      continue;
    print_cell("`", row->path, "`");
    print_cell("", row->dimensions, "");
    print_cell("", types[row->type], "");
    print_cell("", row->unit, "");
    print_cell("", row->stage, "");
    print_cell("", row->summed ? "yes" : "", "");
    print_cell("", row->meaning, " |\n");
  }
}

/* Whether an array, no coordinate, is in the folder at the top that another is in, and the checksum covers it or not.
 */
static bool lies_beside(int row, int other, bool summed)
{
  const char *path = facet_row_table[row].path, *beside = facet_row_table[other].path;
  size_t length = 1 + strcspn(beside + 1, "/");
  return !facet_row_is_coordinate((facet_row)row) && facet_row_table[row].summed == summed &&
         strncmp(path, beside, length) == 0 && strchr("/", path[length]);
}

/* What the checksum does not cover of the folder that an array is in, if it is the first such array. */
static void print_apart_of(int r)
{
  const char *path = facet_row_table[r].path;
  int length = 1 + (int)strcspn(path + 1, "/"), before = 0, covered = 0;
  for (int k = 0; k < FACET_ROWS; k++) {
    before += k < r && lies_beside(k, r, false);
    covered += lies_beside(k, r, true);
  }
  if (before > 0 || !lies_beside(r, r, false))
    return;
  printf("| `%.*s` |%s", length, path, covered == 0 ? " all" : "");
  for (int k = r, all = 0; covered > 0 && k < FACET_ROWS; k++)
    if (lies_beside(k, r, false)) {
      printf(all++ > 0 ? ", `" : " `");
      print_text(facet_row_table[k].path + length + 1);
      putchar('`');
    }
  printf(" |\n");
}

static void print_apart(void)
{
  printf("| in | left out |\n|---|---|\n");
  for (int r = 0; r < FACET_ROWS; r++)
    print_apart_of(r);
}

int main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "dimensions") == 0)
    print_dimensions();
  else if (argc == 2 && strcmp(argv[1], "arrays") == 0)
    print_arrays();
  else if (argc == 2 && strcmp(argv[1], "apart") == 0)
    print_apart();
  else
    return 64;
  return 0;
}
