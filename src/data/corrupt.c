/* Corruptions: one row per name, with its constants by severity (from make_cifar_c.py of
 * hendrycks/robustness).  To add one, write its function in the file of its family, and its row. */
#include "corrupt.h"

#include <stdio.h>
#include <string.h>

/* What the families give. */
facet_corruption facet_gaussian_noise, facet_shot_noise, facet_impulse_noise, facet_speckle_noise, facet_gaussian_blur,
    facet_defocus_blur, facet_glass_blur, facet_motion_blur, facet_zoom_blur, facet_snow, facet_frost, facet_fog,
    facet_spatter, facet_brightness, facet_contrast, facet_saturate, facet_elastic, facet_pixelate, facet_jpeg;

/* In this order, which random numbers go by: a new row comes last. */
static const struct {
  const char *name, *numbers; /* what its constants are, in their order */
  facet_corruption *apply;
  int rooms; /* of the canvas that it uses */
  double constant[5][CORRUPT_CONSTANTS];
} corruptions[] = {
    {"clean", "", NULL, 0, {{0}}},
    {"gaussian_noise", "deviation", facet_gaussian_noise, 1, {{.04}, {.06}, {.08}, {.09}, {.10}}},
    {"shot_noise", "photons of a white pixel", facet_shot_noise, 0, {{500}, {250}, {100}, {75}, {50}}},
    {"impulse_noise",
     "share of pixels made white or black",
     facet_impulse_noise,
     0,
     {{.01}, {.02}, {.03}, {.05}, {.07}}},
    {"speckle_noise", "deviation, as a share of the pixel", facet_speckle_noise, 1, {{.06}, {.1}, {.12}, {.16}, {.2}}},
    {"gaussian_blur", "sigma", facet_gaussian_blur, 1, {{.4}, {.6}, {.7}, {.8}, {1}}},
    {"defocus_blur",
     "radius of the disk; sigma of its edge",
     facet_defocus_blur,
     1,
     {{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}}},
    {"glass_blur",
     "sigma; reach; rounds",
     facet_glass_blur,
     1,
     {{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}}},
    {"motion_blur", "radius; sigma", facet_motion_blur, 1, {{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}}},
    {"zoom_blur",
     "largest factor, from 1 in steps of 0.01",
     facet_zoom_blur,
     2,
     {{1.06}, {1.11}, {1.16}, {1.21}, {1.26}}},
    {"snow",
     "mean and deviation of the flakes; their zoom; threshold; radius and sigma of their motion; share of the picture "
     "that stays",
     facet_snow,
     2,
     {{.1, .2, 1, .6, 8, 3, .95},
      {.1, .2, 1, .5, 10, 4, .9},
      {.15, .3, 1.75, .55, 10, 4, .9},
      {.25, .3, 2.25, .6, 12, 6, .85},
      {.3, .3, 1.25, .65, 14, 12, .8}}},
    {"frost",
     "weight of the picture; of the frost",
     facet_frost,
     0,
     {{1, .2}, {1, .3}, {.9, .4}, {.85, .4}, {.75, .45}}},
    {"fog", "amplitude; decay", facet_fog, 1, {{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}}},
    {"brightness", "added to the value (HSV)", facet_brightness, 0, {{.05}, {.1}, {.15}, {.2}, {.3}}},
    {"contrast", "factor of what is off the mean", facet_contrast, 0, {{.75}, {.5}, {.4}, {.3}, {.15}}},
    {"saturate",
     "factor of the saturation (HSV); added to it",
     facet_saturate,
     0,
     {{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}}},
    {"elastic",
     "length of the shifts; their sigma; reach of the affine map's corners",
     facet_elastic,
     4,
     {{0, 0, 2.56}, {1.6, 6.4, 2.24}, {2.56, 1.92, 1.92}, {3.2, 1.28, 1.6}, {3.2, .96, .96}}},
    {"pixelate", "share of the side that is left", facet_pixelate, 1, {{.95}, {.9}, {.85}, {.75}, {.65}}},
    {"jpeg", "quality", facet_jpeg, 1, {{80}, {65}, {58}, {50}, {40}}},
    {"spatter",
     "mean and deviation of the liquid; sigma of its blur; threshold; share of it; 0 water, 1 mud",
     facet_spatter,
     5,
     {{.62, .1, .7, .7, .5, 0},
      {.65, .1, .8, .7, .5, 0},
      {.65, .3, 1, .69, .5, 0},
      {.65, .1, .7, .69, .6, 1},
      {.65, .1, .5, .68, .6, 1}}},
};
enum { CORRUPTIONS = sizeof corruptions / sizeof corruptions[0] };

int facet_corruption_find(const char *name)
{
  for (int i = 0; i < CORRUPTIONS; i++)
    if (strcmp(corruptions[i].name, name) == 0)
      return i;
  return -1;
}

const char *facet_corruption_name(int corruption)
{
  return corruption >= 0 && corruption < CORRUPTIONS ? corruptions[corruption].name : NULL;
}

/* How many constants a row has: as many as some severity has one that is not 0. */
static int constants(int corruption)
{
  int count = 0;
  for (int s = 0; s < 5; s++)
    for (int k = 0; k < CORRUPT_CONSTANTS; k++)
      count = k >= count && corruptions[corruption].constant[s][k] != 0 ? k + 1 : count;
  return count;
}

void facet_corruptions_print(void)
{
  puts("| name | constants | 1 | 2 | 3 | 4 | 5 |\n|---|---|---|---|---|---|---|");
  for (int i = 1; i < CORRUPTIONS; i++) {
    printf("| `%s` | %s |", corruptions[i].name, corruptions[i].numbers);
    for (int s = 0; s < 5; s++) {
      for (int k = 0; k < constants(i); k++)
        printf("%s%g", k ? ", " : " ", corruptions[i].constant[s][k]);
      printf(" |");
    }
    puts("");
  }
}

/* ---- random numbers and grey ---- */

static uint64_t draw(const facet_canvas *c, int layer, int64_t i)
{
  return (uint64_t)layer << 48 | (uint64_t)c->severity << 32 | (uint64_t)i;
}

double facet_canvas_uniform(const facet_canvas *c, int layer, int64_t i)
{
  return facet_random_uniform(c->random, c->sample, draw(c, layer, i));
}

void facet_canvas_normals(const facet_canvas *c, int layer, int64_t count, double *to)
{
  for (int64_t i = 0; i < count; i += 2) {
    double pair[2];
    facet_random_normal(c->random, c->sample, draw(c, layer, i), pair);
    to[i] = pair[0];
    if (i + 1 < count)
      to[i + 1] = pair[1];
  }
}

double facet_canvas_luma(const facet_canvas *c, const double *pixels, int64_t at)
{
  int64_t plane = c->plane;
  if (c->channels == 3)
    return 0.299 * pixels[at] + 0.587 * pixels[plane + at] + 0.114 * pixels[2 * plane + at];
  double sum = 0;
  for (int64_t k = 0; k < c->channels; k++)
    sum += pixels[k * plane + at] / (double)c->channels;
  return sum;
}

/* ---- applying ---- */

static facet_status apply(int corruption, facet_canvas *c, double scale, int64_t first, int64_t count, double *sample,
                          float *pixels)
{
  int64_t size = c->size;
  for (int64_t n = 0; n < count; n++) {
    float *p = pixels + n * size;
    c->sample = (uint64_t)(first + n);
    for (int64_t i = 0; i < size; i++)
      sample[i] = (double)p[i] / scale;
    FACET_TRY(corruptions[corruption].apply(c, sample));
    for (int64_t i = 0; i < size; i++)
      p[i] = (float)((sample[i] < 0 ? 0 : sample[i] > 1 ? 1 : sample[i]) * scale);
  }
  return FACET_OK;
}

/* Numbers of a room: of the sample, or of the map that fog is drawn on. */
static int64_t room_size(int corruption, facet_image image)
{
  int64_t side = facet_fog_side(image.height, image.width);
  return corruptions[corruption].apply == facet_fog ? side * side : facet_image_inputs(image);
}

double facet_corruption_bytes(int corruption, facet_image image)
{
  double numbers = (double)(facet_image_inputs(image) + image.width);
  if (!corruptions[corruption].apply)
    return 0;
  return sizeof(double) * (numbers + corruptions[corruption].rooms * (double)room_size(corruption, image));
}

facet_status facet_corrupt(const facet_corruption_settings *how, int64_t first, int64_t count, float *pixels)
{
  const int corruption = how->corruption, severity = how->severity;
  const facet_image image = how->image;
  if (corruption == 0)
    return FACET_OK;
  FACET_CHECK(facet_corruption_name(corruption), FACET_INTERNAL, "corruption %d", corruption);
  FACET_CHECK(severity >= 1 && severity <= 5, FACET_INTERNAL, "severity %d", severity);
  int64_t size = facet_image_inputs(image);
  facet_canvas c = {.random = {how->seed, FACET_STREAM_CORRUPT + (uint32_t)corruption},
                    .severity = severity,
                    .channels = image.channels,
                    .height = image.height,
                    .width = image.width,
                    .plane = facet_image_plane(image),
                    .size = size,
                    .unit = (double)(image.height < image.width ? image.height : image.width) / 32,
                    .constant = corruptions[corruption].constant[severity - 1]};
  double *sample = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, sample, size);
  FACET_NEW_GO(done, status, c.row, image.width);
  for (int i = 0; i < corruptions[corruption].rooms; i++)
    FACET_NEW_GO(done, status, c.room[i], room_size(corruption, image));
  status = apply(corruption, &c, how->scale, first, count, sample, pixels);
done:
  for (int i = 0; i < CORRUPT_ROOMS; i++)
    facet_free(&c.room[i]);
  facet_free(&c.row);
  facet_free(&sample);
  return status;
}
