/* Random numbers without a state: Philox4x32-10 turns (key, counter) into 128 random bits, so a number belongs to its
 * place (seed, stream, sample, draw) and not to the order in which somebody asked for it. */
#include "base.h"

#include <math.h>
#include <Random123/philox.h>

__extension__ typedef unsigned __int128 wide;

void facet_random_bits(facet_random random, uint64_t sample, uint64_t draw, uint32_t bits[4])
{
  philox4x32_ctr_t counter = {{(uint32_t)sample, (uint32_t)(sample >> 32), (uint32_t)draw, (uint32_t)(draw >> 32)}};
  philox4x32_key_t key = {{random.seed, random.stream}};
  philox4x32_ctr_t drawn = philox4x32_R(10, counter, key);
  for (int i = 0; i < 4; i++)
    bits[i] = drawn.v[i];
}

static uint64_t join(const uint32_t half[2])
{
  return (uint64_t)half[0] << 32 | half[1];
}

/* The middle of one of 2^52 equal pieces of (0, 1): exact in a double, so neither end is ever reached. */
static double unit(uint64_t bits)
{
  return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

double facet_random_uniform(facet_random random, uint64_t sample, uint64_t draw)
{
  uint32_t bits[4];
  facet_random_bits(random, sample, draw, bits);
  return unit(join(bits));
}

void facet_random_normal(facet_random random, uint64_t sample, uint64_t draw, double pair[2])
{
  const double pi = 3.14159265358979323846;
  uint32_t bits[4];
  facet_random_bits(random, sample, draw, bits);
  double radius = sqrt(-2.0 * log(unit(join(bits))));
  double turn = 2.0 * pi * unit(join(bits + 2));
  pair[0] = radius * cos(turn);
  pair[1] = radius * sin(turn);
}

int64_t facet_random_exchange(facet_random random, uint64_t sample, int64_t place)
{
  uint32_t bits[4];
  facet_random_bits(random, sample, (uint64_t)place, bits);
  return (int64_t)((wide)join(bits) * (uint64_t)(place + 1) >> 64);
}

void facet_random_permutation(facet_random random, uint64_t sample, int64_t count, int64_t *order)
{
  for (int64_t i = 0; i < count; i++)
    order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t j = facet_random_exchange(random, sample, i), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}
