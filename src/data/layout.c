/* How a network takes samples: which axis of its input is which, and the order of the numbers.
 *
 * Data sets hold channel, y, x.  A network's own dimensions say more or less about them: surplus 1s mean nothing, and
 * a flat input does not tell whether the numbers of one channel or those of one pixel lie side by side. */
#include <string.h>

#include "data/data.h"

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
} image;

/* Whether the network's dimensions are those of the image in this order, with surplus 1s between them. `loosely`: the
 * image's own 1s may be missing. */
static bool match(const image *i, bool loosely, facet_input_layout *layout)
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
static bool match_flat(int64_t channels, int64_t height, int64_t width, facet_input_layout *layout)
{
  int64_t size = 1;
  int wide = 0;
  for (int a = 0; a < layout->axes; a++) {
    layout->axis[a] = layout->size[a] == 1 ? FACET_AXIS_ONE : FACET_AXIS_INPUT;
    wide += layout->size[a] != 1;
    if (__builtin_mul_overflow(size, layout->size[a], &size))
      return false;
  }
  return size == channels * height * width && (wide <= 1 || (channels == 1 && height == 1));
}

/* What fits, of channels first ([0]) and channels last ([1]). */
static bool match_orders(int64_t channels, int64_t height, int64_t width, facet_input_layout layout[2], bool fits[2])
{
  const image order[2] = {{{channels, height, width}, {FACET_AXIS_CHANNEL, FACET_AXIS_Y, FACET_AXIS_X}},
                          {{height, width, channels}, {FACET_AXIS_Y, FACET_AXIS_X, FACET_AXIS_CHANNEL}}};
  layout[0].flat = fits[0] = fits[1] = match_flat(channels, height, width, &layout[0]);
  layout[1] = layout[0];
  for (int loosely = 0; loosely < 2 && !fits[0] && !fits[1]; loosely++)
    for (int i = 0; i < 2; i++)
      fits[i] = match(&order[i], loosely, &layout[i]);
  layout[0].order = FACET_CHANNELS_FIRST;
  layout[1].order = FACET_CHANNELS_LAST;
  return fits[0] || fits[1];
}

facet_fit facet_input_layout_find(int64_t channels, int64_t height, int64_t width, int axes, const int64_t *size,
                                  facet_order asked, facet_input_layout *layout)
{
  facet_input_layout both[2] = {{.axes = axes}};
  bool fits[2];
  if (axes > FACET_MAX_AXES)
    return FACET_FIT_NONE;
  memcpy(both[0].size, size, (size_t)axes * sizeof *size);
  if (!match_orders(channels, height, width, both, fits))
    return FACET_FIT_NONE;
  int chosen = asked == FACET_ORDER_AUTO ? !fits[0] : asked == FACET_CHANNELS_LAST;
  *layout = both[fits[chosen] ? chosen : !chosen];
  return fits[chosen] ? FACET_FIT : FACET_FIT_OTHER;
}

void facet_input_arrange(const facet_input_layout *layout, int64_t channels, int64_t plane, int64_t count, size_t size,
                         const void *images, void *x)
{
  size_t sample = (size_t)(channels * plane) * size;
  if (layout->order != FACET_CHANNELS_LAST || channels == 1 || plane == 1) {
    memcpy(x, images, (size_t)count * sample);
    return;
  }
  for (int64_t n = 0; n < count; n++)
    facet_channels_last(channels, plane, size, (const char *)images + (size_t)n * sample,
                        (char *)x + (size_t)n * sample);
}

void facet_channels_last(int64_t channels, int64_t plane, size_t size, const void *first, void *last)
{
  for (int64_t c = 0; c < channels; c++)
    for (int64_t p = 0; p < plane; p++)
      memcpy((char *)last + (size_t)(p * channels + c) * size, (const char *)first + (size_t)(c * plane + p) * size,
             size);
}

void facet_channels_first(int64_t channels, int64_t plane, size_t size, const void *last, void *first)
{
  facet_channels_last(plane, channels, size, last, first); /* the same with the two exchanged */
}
