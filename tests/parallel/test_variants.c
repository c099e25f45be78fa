/* The making of a study's networks: rank 0 alone looks at the folder, and what it found is what every rank has. */
#include <math.h>
#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "balance.h"
#include "ranks/agree.h"
#include "ranks/exchange.h"
#include "ranks/profile.h"
#include "train/variants.h"

enum { N = 48, SIDE = 4, K = 2 };

static int rank;
static char folder[64];

static bool everywhere(bool good)
{
  int all = good;
  return facet_least(MPI_COMM_WORLD, &all, 1, "test") == FACET_OK && all;
}

#define assert_everywhere(condition) assert_true(everywhere(condition))

/* ---- a study ---- */

static uint8_t pixels[N * SIDE * SIDE];
static int32_t label[N];
static facet_dataset set = {.count = N, .image = {1, SIDE, SIDE}, .pixels = pixels, .label = label};
static char *images[] = {(char *)"images"};
static facet_settings settings = {.file = (char *)"study.yaml", .seed = 5};
static facet_data_keys keys = {.has_train = true,
                               .train = {.images = {1, images}},
                               .test = {.images = {1, images}},
                               .normalize = {.scale = 255, .channels = 1, .mean = {0.5}, .std = {0.5}}};
static int64_t conv[] = {3}, dense[] = {6};
static facet_model_keys model = {.conv = {1, conv},
                                 .dense = {1, dense},
                                 .train = true,
                                 .training = {.epochs = 2, .batch = 16, .micro_batch = 8, .rate = 0.05}};
static facet_recipe recipe[2];
static const facet_recipes recipes = {2, recipe};
static const facet_study_data data = {.train = &set, .test = &set};
static const facet_making making = {&settings, &keys, &model, &recipes, &data, false};

/* magnitude, and lth with a training of its own. */
static void make_study(void)
{
  static int magnitude, lth, scope = FACET_SCOPE_GLOBAL;
  static double half = 0.5;
  while (facet_method_at(magnitude) != facet_method_find("magnitude"))
    magnitude++;
  while (facet_method_at(lth) != facet_method_find("lth"))
    lth++;
  for (int i = 0; i < N; i++) {
    label[i] = i % K;
    for (int p = 0; p < SIDE * SIDE; p++)
      pixels[i * SIDE * SIDE + p] = (uint8_t)((p % 2 == label[i] ? 160 : 40) + (i * 7 + p * 13) % 50);
  }
  for (int i = 0; i < 2; i++)
    recipe[i] = (facet_recipe){.line = i,
                               .method = {1, i ? &lth : &magnitude},
                               .scope = {1, &scope},
                               .sparsity = {1, &half},
                               .per_round = 0.5,
                               .retrain = i,
                               .training = model.training};
}

/* Rank 0's folder; that of the others cannot be: a file is in its way. */
static void set_output(const char *name)
{
  static char path[128], way[96];
  snprintf(way, sizeof way, "%s/in-the-way", folder);
  if (rank == 0 && !facet_exists(way))
    assert_int_equal(facet_write_file(way, "", 0), FACET_OK);
  snprintf(path, sizeof path, "%s/%s", rank == 0 ? folder : way, name);
  settings.output = path;
}

static bool same_everywhere(const facet_family *family)
{
  bool good = true;
  for (int i = 0; i < family->count; i++) {
    char first[65];
    memcpy(first, family->member[i].sha256, sizeof first);
    good = good && facet_share(MPI_COMM_WORLD, first, (int64_t)sizeof first, "test") == FACET_OK;
    good = good && memcmp(first, family->member[i].sha256, sizeof first) == 0;
  }
  return good;
}

static void test_rank_0_alone_sees_the_folder(void **state)
{
  (void)state;
  facet_family made, again;
  set_output("out");
  facet_status status = facet_family_make(MPI_COMM_WORLD, &making, &made);
  if (status != FACET_OK)
    print_error("%s\n", facet_message());
  assert_everywhere(status == FACET_OK);
  assert_everywhere(made.count == 3 && same_everywhere(&made));
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) /* one of them is lost, and made again */
    assert_int_equal(unlink(made.member[2].file), 0);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_everywhere(facet_family_make(MPI_COMM_WORLD, &making, &again) == FACET_OK);
  assert_everywhere(again.count == 3 && same_everywhere(&again));
  for (int i = 0; i < 3; i++)
    assert_everywhere(strcmp(made.member[i].sha256, again.member[i].sha256) == 0);
  facet_family_clear(&made);
  facet_family_clear(&again);
}

/* A rank that is slow in every step. */
static void nap(void *self)
{
  (void)self;
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* As many networks for each rank as EACH, of equal work: the last rank, which is slow, makes half of its share at most.
 * Others may be kept from the processor, so the best of some tries counts. */
static void test_a_slow_rank_makes_less(void **state)
{
  (void)state;
  enum { EACH = 4 };
  int ranks = facet_ranks(MPI_COMM_WORLD), members = EACH * ranks;
  const facet_recipe before = recipe[0];
  double *sparsity = facet_allocate((size_t)members, sizeof *sparsity);
  bool good = ranks == 1;
  for (int i = 0; i < members; i++)
    sparsity[i] = (i + 1.0) / (members + 1);
  recipe[0].sparsity = (facet_numbers){members, sparsity};
  recipe[0].retrain = true;
  facet_profile_begin();
  for (int try = 0; try < BALANCE_TRIES && !good; try++) {
    char output[96];
    facet_family family;
    snprintf(output, sizeof output, "%s/slow-%d", folder, try);
    settings.output = output;
    (void)facet_profile_take();
    facet_interrupt_meanwhile(rank == ranks - 1 ? nap : NULL, NULL);
    facet_status status = facet_family_make(MPI_COMM_WORLD, &making, &family);
    facet_interrupt_meanwhile(NULL, NULL);
    if (status != FACET_OK)
      print_error("%s\n", facet_message());
    assert_everywhere(status == FACET_OK);
    int64_t all = facet_profile_take().units, own = all;
    assert_int_equal(facet_sum(MPI_COMM_WORLD, &all, 1, "test"), FACET_OK);
    assert_int_equal(all, members + 1); /* lth's */
    good = everywhere(rank < ranks - 1 || own <= EACH / 2);
    facet_family_clear(&family);
  }
  assert_true(good);
  recipe[0] = before;
  facet_free(&sparsity);
}

/* What rank 0 cannot do is known everywhere, with its words. */
static void test_a_folder_that_cannot_be(void **state)
{
  (void)state;
  facet_family family;
  set_output("in-the-way/out");
  assert_everywhere(facet_family_make(MPI_COMM_WORLD, &making, &family) == FACET_CANNOT_CREATE);
  assert_everywhere(strstr(facet_message(), "in-the-way"));
  facet_family_clear(&family);
}

/* A sketch has the same names and sizes, and no files. */
static void test_a_sketch_leaves_nothing(void **state)
{
  (void)state;
  facet_family family;
  size_t bytes = 0;
  set_output("none");
  assert_everywhere(facet_family_sketch(&making, &family) == FACET_OK);
  assert_everywhere(family.count == 3 && !facet_exists(settings.output));
  assert_string_equal(family.member[2].variant.name, "lth-global-0.5");
  assert_true(fabs(facet_mask_sparsity(family.member[1].zeros) - 0.5) < 0.01);
  assert_everywhere(facet_family_memory(&family, 2, &bytes) == FACET_OK && bytes > 0);
  facet_family_clear(&family);
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/facet-variants-XXXXXX", parent && strlen(parent) < 36 ? parent : "/tmp");
  if (rank == 0 && !mkdtemp(folder))
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  make_study();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rank_0_alone_sees_the_folder),
      cmocka_unit_test(test_a_slow_rank_makes_less),
      cmocka_unit_test(test_a_folder_that_cannot_be),
      cmocka_unit_test(test_a_sketch_leaves_nothing),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    failed += system(command) != 0; /* NOLINT */
  }
  MPI_Finalize();
  return failed;
}
