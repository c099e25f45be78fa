/* Filters that several corruptions share: see corrupt.h. */
#include "corrupt.h"

#include <math.h>

enum { MOST_TAPS = 512 };

int64_t facet_edge_at(int64_t i, int64_t size, facet_edge edge)
{
  if (edge == EDGE_NEAREST || size == 1)
    return i < 0 ? 0 : i >= size ? size - 1 : i;
  int64_t period = edge == EDGE_REFLECT ? 2 * size : 2 * size - 2;
  i = (i % period + period) % period;
  return i < size ? i : period - i - (edge == EDGE_REFLECT);
}

/* weights of the offsets -radius .. radius; the radius. */
static int64_t gaussian_taps(double sigma, double truncate, double tap[MOST_TAPS])
{
  int64_t radius = (int64_t)(truncate * sigma + 0.5);
  double sum = 0;
  radius = radius < 0 ? 0 : radius > MOST_TAPS / 2 - 1 ? MOST_TAPS / 2 - 1 : radius;
  for (int64_t i = 0; i <= 2 * radius; i++) {
    double off = (double)(i - radius);
    tap[i] = radius > 0 ? exp(-0.5 * off * off / (sigma * sigma)) : 1;
    sum += tap[i];
  }
  for (int64_t i = 0; i <= 2 * radius; i++)
    tap[i] /= sum;
  return radius;
}

/* One line: `size` numbers, `step` apart. */
static void filter_line(int64_t size, int64_t step, const double *tap, int64_t radius, facet_edge edge,
                        const double *from, double *to)
{
  for (int64_t i = 0; i < size; i++) {
    double sum = 0;
    bool inside = i >= radius && i + radius < size;
    for (int64_t k = -radius; k <= radius; k++)
      sum += tap[k + radius] * from[(inside ? i + k : facet_edge_at(i + k, size, edge)) * step];
    to[i * step] = sum;
  }
}

void facet_filter_gaussian(const facet_canvas *c, int64_t planes, double sigma, double truncate, facet_edge edge,
                           const double *from, double *to)
{
  double tap[MOST_TAPS]; /* columns first, into `to`; then rows in place, through a copy */
  int64_t h = c->height, w = c->width, radius = gaussian_taps(sigma, truncate, tap);
  for (int64_t p = 0; p < planes; p++)
    for (int64_t x = 0; x < w; x++)
      filter_line(h, w, tap, radius, edge, from + p * h * w + x, to + p * h * w + x);
  double *row = c->row;
  for (int64_t y = 0; y < planes * h; y++) {
    for (int64_t x = 0; x < w; x++)
      row[x] = to[y * w + x];
    filter_line(w, 1, tap, radius, edge, row, to + y * w);
  }
}

void facet_filter_motion(const facet_canvas *c, int64_t planes, double radius, double sigma, double angle,
                         const double *from, double *to)
{
  const double pi = 3.14159265358979323846;
  double tap[MOST_TAPS], sum = 0, dy = sin(angle * pi / 180), dx = cos(angle * pi / 180);
  int64_t width = 2 * (int64_t)fmax(1, round(radius)) + 1, h = c->height, w = c->width;
  width = width > MOST_TAPS ? MOST_TAPS : width;
  for (int64_t i = 0; i < width; i++)
    sum += tap[i] = exp(-(double)(i * i) / (2 * sigma * sigma));
  for (int64_t k = 0; k < planes * h * w; k++)
    to[k] = 0;
  for (int64_t i = 0; i < width; i++) {
    int64_t down = -(int64_t)ceil((double)i * dy - 0.5), right = -(int64_t)ceil((double)i * dx - 0.5);
    if (down >= h || -down >= h || right >= w || -right >= w)
      break;
    for (int64_t y = 0; y < planes * h; y++) {
      const double *line = from + (y / h * h + facet_edge_at(y % h - down, h, EDGE_NEAREST)) * w;
      for (int64_t x = 0; x < w; x++)
        to[y * w + x] += tap[i] / sum * line[facet_edge_at(x - right, w, EDGE_NEAREST)];
    }
  }
}

double facet_filter_sample(const facet_canvas *c, const double *plane, double y, double x, facet_edge edge)
{
  double top = floor(y), left = floor(x), down = y - top, right = x - left;
  int64_t y0 = facet_edge_at((int64_t)top, c->height, edge), y1 = facet_edge_at((int64_t)top + 1, c->height, edge);
  int64_t x0 = facet_edge_at((int64_t)left, c->width, edge), x1 = facet_edge_at((int64_t)left + 1, c->width, edge);
  const double *a = plane + y0 * c->width, *b = plane + y1 * c->width;
  return (1 - down) * ((1 - right) * a[x0] + right * a[x1]) + down * ((1 - right) * b[x0] + right * b[x1]);
}

/* Where output position i of an axis comes from. */
typedef struct {
  double from, step;
} zoomed;

static zoomed zoom_axis(int64_t size, double factor)
{
  int64_t crop = (int64_t)ceil((double)size / factor), begin = (size - crop) / 2;
  int64_t out = (int64_t)rint((double)crop * factor), trim = (out - size) / 2;
  double step = out > 1 ? (double)(crop - 1) / (double)(out - 1) : 0;
  return (zoomed){(double)begin + (double)trim * step, step};
}

void facet_filter_zoom(const facet_canvas *c, int64_t planes, double factor, const double *from, double *to)
{
  zoomed v = zoom_axis(c->height, factor), u = zoom_axis(c->width, factor);
  int64_t h = c->height, w = c->width;
  for (int64_t p = 0; p < planes; p++)
    for (int64_t y = 0; y < h; y++)
      for (int64_t x = 0; x < w; x++)
        to[(p * h + y) * w + x] = facet_filter_sample(c, from + p * h * w, v.from + (double)y * v.step,
                                                      u.from + (double)x * u.step, EDGE_NEAREST);
}
