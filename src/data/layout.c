/* How a network takes samples: which axis of its input is which, and the order of the numbers.
 *
 * Data sets hold channel, y, x.  A network's own dimensions say more or less about them: surplus 1s mean nothing, and
 * a flat input does not tell whether the numbers of one channel or those of one pixel lie side by side. */
#include <string.h>

#include "data.h"

const char *facet_order_name(facet_order order)
{
  static const char *const names[] = {"auto", "channels_first", "channels_last"};
  return names[order];
}

const char *facet_input_layout_name(const facet_input_layout *layout)
{
  return layout->flat ? "flat" : facet_order_name(layout->order);
}

typedef struct {
  int64_t size[3];
  facet_axis axis[3];
} dimensions;

/* Whether the network's dimensions are those of the image in this order, with surplus 1s between them. `loosely`: the
 * image's own 1s may be missing. */
static bool match(const dimensions *i, bool loosely, facet_input_layout *layout)
{
  int next = 0;
  for (int a = 0; a < layout->axes; a++) {
    while (loosely && next < 3 && i->size[next] != layout->size[a] && i->size[next] == 1)
      next++;
    bool fits = next < 3 && i->size[next] == layout->size[a];
    if (!fits && layout->size[a] != 1)
      return false;
    layout->axis[a] = fits ? i->axis[next++] : FACET_AXIS_ONE;
  }
  while (loosely && next < 3 && i->size[next] == 1)
    next++;
  return next == 3;
}

/* A list of numbers, or the samples are one themselves: then they go in as they lie. */
static bool match_flat(facet_image image, facet_input_layout *layout)
{
  int64_t size = 1;
  int wide = 0;
  for (int a = 0; a < layout->axes; a++) {
    layout->axis[a] = layout->size[a] == 1 ? FACET_AXIS_ONE : FACET_AXIS_INPUT;
    wide += layout->size[a] != 1;
    if (__builtin_mul_overflow(size, layout->size[a], &size))
      return false;
  }
  return size == facet_image_inputs(image) && (wide <= 1 || (image.channels == 1 && image.height == 1));
}

/* What fits, of channels first ([0]) and channels last ([1]). */
static bool match_orders(facet_image image, facet_input_layout layout[2], bool fits[2])
{
  const dimensions order[2] = {
      {{image.channels, image.height, image.width}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}},
      {{image.height, image.width, image.channels}, {FACET_AXIS_Y, FACET_AXIS_X, FACET_AXIS_CHANNEL}}};
  layout[0].flat = fits[0] = fits[1] = match_flat(image, &layout[0]);
  layout[1] = layout[0];
  for (int loosely = 0; loosely < 2 && !fits[0] && !fits[1]; loosely++)
    for (int i = 0; i < 2; i++)
      fits[i] = match(&order[i], loosely, &layout[i]);
  layout[0].order = FACET_CHANNELS_FIRST;
  layout[1].order = FACET_CHANNELS_LAST;
  return fits[0] || fits[1];
}

facet_fit facet_input_layout_find(facet_image image, int axes, const int64_t *size, facet_order asked,
                                  facet_input_layout *layout)
{
  facet_input_layout both[2] = {{.axes = axes}};
  bool fits[2];
  if (axes > FACET_MAX_AXES)
    return FACET_FIT_NONE;
  memcpy(both[0].size, size, (size_t)axes * sizeof *size);
  if (!match_orders(image, both, fits))
    return FACET_FIT_NONE;
  int chosen = asked == FACET_ORDER_AUTO ? !fits[0] : asked == FACET_CHANNELS_LAST;
  *layout = both[fits[chosen] ? chosen : !chosen];
  return fits[chosen] ? FACET_FIT : FACET_FIT_OTHER;
}

/* From rows x columns into columns x rows. */
static void transpose(int64_t rows, int64_t columns, size_t size, const void *from, void *to)
{
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      memcpy((char *)to + (size_t)(c * rows + r) * size, (const char *)from + (size_t)(r * columns + c) * size, size);
}

static void channels_last(facet_image image, size_t size, const void *first, void *last)
{
  transpose(image.channels, facet_image_plane(image), size, first, last);
}

void facet_channels_first(facet_image image, size_t size, const void *last, void *first)
{
  transpose(facet_image_plane(image), image.channels, size, last, first);
}

void facet_input_arrange(const facet_input_layout *layout, facet_image image, int64_t count, size_t size,
                         const void *images, void *x)
{
  size_t sample = (size_t)facet_image_inputs(image) * size;
  if (layout->order != FACET_CHANNELS_LAST || image.channels == 1 || facet_image_plane(image) == 1) {
    memcpy(x, images, (size_t)count * sample);
    return;
  }
  for (int64_t n = 0; n < count; n++)
    channels_last(image, size, (const char *)images + (size_t)n * sample, (char *)x + (size_t)n * sample);
}
