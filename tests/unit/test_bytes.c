/* What files of data hold, as their readers ask for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h> /* needs the above */

#include "data/bytes.h"

static int asked;

/* Known when the second portion is decoded. */
static size_t says_after_one(const facet_bytes *bytes)
{
  asked++;
  return bytes->size > 1 << 18 ? SIZE_MAX - 1 : SIZE_MAX;
}

/* A header is read until it says how many bytes there are, and not again for each portion. */
static void headers_are_read_once(void **state)
{
  (void)state;
  enum { ALL = 4 << 20 };
  char path[] = "/tmp/facet-bytes-XXXXXX.gz";
  gzFile file = gzdopen(mkstemps(path, 3), "wb");
  uint8_t *bytes = facet_allocate(ALL, 1);
  facet_bytes *decoded;
  assert_int_equal(gzwrite(file, bytes, ALL), ALL);
  assert_int_equal(gzclose(file), Z_OK);
  assert_int_equal(facet_bytes_open_most(path, NULL, says_after_one, &decoded), FACET_OK);
  assert_int_equal(decoded->size, ALL);
  assert_int_equal(asked, 2);
  facet_bytes_close(&decoded);
  facet_free(&bytes);
  unlink(path);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_are_read_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
