/* Lines of all ranks come out rank by rank, however long they are, also where rank 0 has no memory left.
 *
 * Ranks: 1 3 */
#include <fcntl.h>
#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* needs the above */

#include "ranks/agree.h"
#include "ranks/said.h"

enum { LINE = 64 };

/* Takes the place of the system's, which is what facet asks. */
static bool no_memory;
static int asked;

void *aligned_alloc(size_t alignment, size_t size)
{
  void *room = NULL;
  asked++;
  return no_memory || posix_memalign(&room, alignment, size) != 0 ? NULL : room;
}

/* With its end, LINE bytes. */
static void write_line(char *line, int rank, int i)
{
  memset(line, '.', LINE);
  line[snprintf(line, LINE, "rank %d line %d ", rank, i)] = '.';
  line[LINE - 1] = '\n';
}

/* How many lines a rank has: none, half a piece, whole pieces, more than MPI sends before somebody asks. */
static int lines_of(int rank, int turn)
{
  static const int many[] = {3, 0, 32, 64, 128, 2000};
  return many[(rank + turn) % 6];
}

static bool is_printed(FILE *file, int turn)
{
  char line[LINE + 1], wanted[LINE + 1];
  rewind(file);
  for (int r = 0; r < facet_ranks(MPI_COMM_WORLD); r++)
    for (int i = 0; i < lines_of(r, turn); i++) {
      write_line(wanted, r, i);
      if (fread(line, 1, LINE, file) != LINE || memcmp(line, wanted, LINE) != 0)
        return false;
    }
  return fgetc(file) == EOF;
}

static void test_rank_by_rank(void **state)
{
  (void)state;
  int rank = facet_rank(MPI_COMM_WORLD), own = dup(STDOUT_FILENO), good = 1;
  for (int turn = 0; turn < 6 && good; turn++) {
    FILE *file = tmpfile();
    char line[LINE + 1];
    for (int i = 0; i < lines_of(rank, turn); i++) {
      write_line(line, rank, i);
      facet_said("%.*s", LINE - 1, line);
    }
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    no_memory = rank == 0;
    facet_status status = facet_said_print(MPI_COMM_WORLD, FACET_OK);
    no_memory = false;
    dup2(own, STDOUT_FILENO);
    good = status == FACET_OK && (rank != 0 || is_printed(file, turn));
    assert_int_equal(facet_least(MPI_COMM_WORLD, &good, 1, "looking"), FACET_OK);
    fclose(file);
  }
  close(own);
  assert_true(good);
}

/* Lines without number: of a file, a part of which is bad for each of them. */
static void test_many_lines_are_not_copied_for_each(void **state)
{
  (void)state;
  enum { LINES = 20000, MOST = 30 };
  int own = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY), before = asked;
  for (int i = 0; i < LINES; i++)
    facet_said("part %d does not hold its checksum", i);
  int times = asked - before;
  dup2(nowhere, STDOUT_FILENO);
  facet_status status = facet_said_print(MPI_COMM_WORLD, FACET_OK);
  dup2(own, STDOUT_FILENO);
  close(nowhere);
  close(own);
  assert_int_equal(status, FACET_OK);
  assert_in_range(times, 1, MOST);
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rank_by_rank),
                                     cmocka_unit_test(test_many_lines_are_not_copied_for_each)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
