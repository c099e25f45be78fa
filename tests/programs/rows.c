/* The tables of docs/results.md (make docs).  usage: rows dimensions|arrays */
#include <stdio.h>
#include <string.h>

#include "store/rows.h"

/* What ends a cell in Markdown is escaped; {variant} is <variant>. */
static void print_cell(const char *before, const char *text, const char *after)
{
  printf("| %s", before);
  for (; *text; text++)
    if (*text == '|')
      printf("\\|");
    else
      putchar(*text == '{' ? '<' : *text == '}' ? '>' : *text);
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

int main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "dimensions") == 0)
    print_dimensions();
  else if (argc == 2 && strcmp(argv[1], "arrays") == 0)
    print_arrays();
  else
    return 64;
  return 0;
}
