/* Corrupts samples for the tests: corrupt NAME SEVERITY SEED CHANNELS HEIGHT WIDTH FIRST <floats >floats, pixels in
 * [0, 1], channel by channel, as many samples as there are. */
#include <stdio.h>
#include <stdlib.h>

#include "rooms.h"

static facet_status run(char **argument)
{
  int64_t size[3] = {atoll(argument[4]), atoll(argument[5]), atoll(argument[6])}, first = atoll(argument[7]);
  size_t one = (size_t)(size[0] * size[1] * size[2]);
  int corruption = facet_corruption_find(argument[1]);
  float *pixels;
  FACET_CHECK(corruption >= 0, FACET_BAD_INPUT, "no corruption %s", argument[1]);
  FACET_NEW(pixels, one);
  facet_status status = FACET_OK;
  while (status == FACET_OK && fread(pixels, sizeof *pixels, one, stdin) == one) {
    status = facet_corrupt(&(facet_corruption_settings){corruption, atoi(argument[2]), (uint32_t)atol(argument[3]), 1,
                                                        (facet_image){size[0], size[1], size[2]}},
                           first++, 1, pixels);
    if (status == FACET_OK && fwrite(pixels, sizeof *pixels, one, stdout) != one)
      status = facet_raise(FACET_IO, "cannot write");
  }
  facet_free(&pixels);
  return status;
}

int main(int argc, char **argv)
{
  facet_status status =
      argc == 8 ? run(argv) : facet_raise(FACET_USAGE, "usage: corrupt NAME SEVERITY SEED C H W FIRST");
  if (status != FACET_OK)
    fprintf(stderr, "corrupt: %s\n", facet_message());
  return (int)status;
}
