/* Augmentation: training samples moved, mirrored and blotted by lot.  What happens to a sample follows from (seed,
 * epoch, sample), so it is the same on whatever rank and in whatever order. */
#include <string.h>

#include "data.h"

/* A whole number in [0, count), from 32 random bits. */
static int64_t draw_below(uint32_t bits, int64_t count)
{
  return (int64_t)(((uint64_t)bits * (uint64_t)count) >> 32);
}

/* Two draws of an epoch: how the sample moves, and where it is cut. */
static void draw(uint32_t seed, int64_t epoch, int64_t sample, int which, uint32_t bits[4])
{
  facet_random_bits((facet_random){seed, FACET_STREAM_AUGMENT}, (uint64_t)sample, (uint64_t)(2 * epoch + which), bits);
}

/* One channel: row y, column x come from row y + dy, column x + dx, mirrored afterwards. */
static void move_plane(facet_image image, int64_t dy, int64_t dx, bool flip, const float *from, float *to)
{
  for (int64_t y = 0; y < image.height; y++)
    for (int64_t x = 0; x < image.width; x++) {
      int64_t row = y + dy, column = (flip ? image.width - 1 - x : x) + dx;
      bool inside = row >= 0 && row < image.height && column >= 0 && column < image.width;
      to[y * image.width + x] = inside ? from[row * image.width + column] : 0;
    }
}

void facet_augment_move(const facet_augmentation *a, uint32_t seed, int64_t epoch, int64_t sample, facet_image image,
                        float *pixels, float *room)
{
  uint32_t bits[4];
  if (a->shift == 0 && !a->flip)
    return;
  draw(seed, epoch, sample, 0, bits);
  int64_t dy = draw_below(bits[0], 2 * (int64_t)a->shift + 1) - a->shift;
  int64_t dx = draw_below(bits[1], 2 * (int64_t)a->shift + 1) - a->shift;
  bool flip = a->flip && (bits[2] & 1);
  int64_t plane = facet_image_plane(image);
  memcpy(room, pixels, (size_t)(image.channels * plane) * sizeof *pixels);
  for (int64_t c = 0; c < image.channels; c++)
    move_plane(image, dy, dx, flip, room + c * plane, pixels + c * plane);
}

void facet_augment_cut(const facet_augmentation *a, uint32_t seed, int64_t epoch, int64_t sample, facet_image image,
                       float *x)
{
  uint32_t bits[4];
  if (a->cutout == 0)
    return;
  draw(seed, epoch, sample, 1, bits);
  int64_t top = draw_below(bits[0], image.height) - a->cutout / 2,
          left = draw_below(bits[1], image.width) - a->cutout / 2;
  int64_t bottom = top + a->cutout < image.height ? top + a->cutout : image.height;
  int64_t right = left + a->cutout < image.width ? left + a->cutout : image.width;
  top = top > 0 ? top : 0;
  left = left > 0 ? left : 0;
  for (int64_t c = 0; c < image.channels; c++)
    for (int64_t row = top; row < bottom && left < right; row++)
      memset(x + (c * image.height + row) * image.width + left, 0, (size_t)(right - left) * sizeof *x);
}
