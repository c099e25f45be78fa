/* Weather: snow, frost, fog, and what splashes. */
#include <math.h>
#include <string.h>

#include "corrupt.h"

/* The same layer over every channel. */
static void add_layer(const facet_canvas *c, double factor, const double *layer, double *pixels)
{
  for (int64_t k = 0; k < c->channels; k++)
    for (int64_t i = 0; i < c->plane; i++)
      pixels[k * c->plane + i] += factor * layer[i];
}

/* A colour of three channels, or its grey. */
static double tint(const facet_canvas *c, int64_t channel, double red, double green, double blue)
{
  if (c->channels == 3)
    return channel == 0 ? red : channel == 1 ? green : blue;
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/* ---- snow ---- */

/* (mean, deviation, zoom, threshold, radius, sigma, mix) */
facet_status facet_snow(const facet_canvas *c, double *pixels)
{
  const double *k = c->constant;
  int64_t n = c->plane;
  double *flakes = c->room[0], *layer = c->room[1], angle = -135 + 90 * facet_canvas_uniform(c, 1, 0);
  facet_canvas_normals(c, 0, n, flakes);
  for (int64_t i = 0; i < n; i++)
    flakes[i] = k[0] + k[1] * flakes[i];
  facet_filter_zoom(c, 1, k[2], flakes, layer);
  for (int64_t i = 0; i < n; i++)
    layer[i] = layer[i] < k[3] ? 0 : floor(fmin(layer[i], 1) * 255) / 255;
  facet_filter_motion(c, 1, k[4] * c->unit, k[5] * c->unit, angle, layer, flakes);
  for (int64_t i = 0; i < n; i++) /* and turned by half, once more */
    layer[i] = flakes[i] + flakes[n - 1 - i];
  for (int64_t i = 0; i < n; i++) {
    double bright = 1.5 * facet_canvas_luma(c, pixels, i) + 0.5;
    for (int64_t ch = 0; ch < c->channels; ch++) {
      double *p = &pixels[ch * n + i];
      *p = k[6] * *p + (1 - k[6]) * fmax(*p, bright);
    }
  }
  add_layer(c, 1, layer, pixels);
  return FACET_OK;
}

/* ---- frost ---- */

/* The source lays photographs of frost over the image. This one draws its own: crystals as ridges of a lattice noise in
 * four octaves, white with a little blue. */
static double ridges(const facet_canvas *c, int octave, double cell, int64_t y, int64_t x)
{
  double v = (double)y / cell, u = (double)x / cell, top = floor(v), left = floor(u), corner[4];
  for (int i = 0; i < 4; i++)
    corner[i] = facet_canvas_uniform(c, octave, ((int64_t)top + i / 2) * 4096 + (int64_t)left + i % 2);
  v -= top;
  u -= left;
  v = v * v * (3 - 2 * v);
  u = u * u * (3 - 2 * u);
  double value = (1 - v) * ((1 - u) * corner[0] + u * corner[1]) + v * ((1 - u) * corner[2] + u * corner[3]);
  return 1 - fabs(2 * value - 1);
}

/* (image, frost) */
facet_status facet_frost(const facet_canvas *c, double *pixels)
{
  enum { OCTAVES = 4 };
  int64_t n = c->plane;
  for (int64_t y = 0; y < c->height; y++)
    for (int64_t x = 0; x < c->width; x++) {
      double sum = 0, share = 0.5, cell = 12 * c->unit;
      for (int o = 0; o < OCTAVES; o++, share /= 2, cell /= 2)
        sum += share * ridges(c, o, cell, y, x);
      double ice = fmin(fmax(0.6 + 2.5 * (sum - 0.5), 0), 1); /* from clear to white, as photographs have it */
      for (int64_t ch = 0; ch < c->channels; ch++) {
        double *p = &pixels[ch * n + y * c->width + x];
        *p = c->constant[0] * *p + c->constant[1] * fmin(ice * tint(c, ch, 0.92, 0.97, 1.05), 1);
      }
    }
  return FACET_OK;
}

/* ---- fog ---- */

int64_t facet_fog_side(int64_t height, int64_t width)
{
  int64_t side = 2;
  while (side < height || side < width)
    side *= 2;
  return side;
}

typedef struct {
  const facet_canvas *canvas;
  double *map, wibble;
  int64_t side, step, drawn;
} plasma;

static double corner(const plasma *p, int64_t y, int64_t x)
{
  return p->map[(y + p->side) % p->side * p->side + (x + p->side) % p->side];
}

static void wibble(plasma *p, int64_t y, int64_t x, double sum)
{
  double u = 2 * facet_canvas_uniform(p->canvas, 0, p->drawn++) - 1;
  p->map[y * p->side + x] = sum / 4 + p->wibble * p->wibble * u;
}

static void fill_squares(plasma *p)
{
  int64_t s = p->step, half = s / 2;
  for (int64_t y = 0; y < p->side; y += s)
    for (int64_t x = 0; x < p->side; x += s)
      wibble(p, y + half, x + half,
             corner(p, y, x) + corner(p, y + s, x) + corner(p, y, x + s) + corner(p, y + s, x + s));
}

static void fill_diamonds(plasma *p)
{
  int64_t s = p->step, half = s / 2;
  for (int turn = 0; turn < 2; turn++) /* right of the corners, then below them */
    for (int64_t y = turn ? half : 0; y < p->side; y += s)
      for (int64_t x = turn ? 0 : half; x < p->side; x += s)
        wibble(p, y, x,
               corner(p, y - half, x) + corner(p, y + half, x) + corner(p, y, x - half) + corner(p, y, x + half));
}

/* Plasma fractal by the diamond-square algorithm on a torus, from 0 to 1. */
static void draw_plasma(const facet_canvas *c, double decay, double *map)
{
  plasma p = {c, map, 100, facet_fog_side(c->height, c->width), 0, 0};
  double least = INFINITY, most = -INFINITY;
  map[0] = 0;
  for (p.step = p.side; p.step >= 2; p.step /= 2, p.wibble /= decay) {
    fill_squares(&p);
    fill_diamonds(&p);
  }
  for (int64_t i = 0; i < p.side * p.side; i++) {
    least = fmin(least, map[i]);
    most = fmax(most, map[i]);
  }
  for (int64_t i = 0; i < p.side * p.side; i++)
    map[i] = (map[i] - least) / (most - least);
}

/* (amplitude, decay) */
facet_status facet_fog(const facet_canvas *c, double *pixels)
{
  int64_t n = c->plane, side = facet_fog_side(c->height, c->width);
  double *map = c->room[0], most = 0;
  draw_plasma(c, c->constant[1], map);
  for (int64_t i = 0; i < c->channels * n; i++)
    most = fmax(most, pixels[i]);
  for (int64_t i = 0; i < c->channels * n; i++) {
    int64_t at = i % n;
    double foggy = pixels[i] + c->constant[0] * map[at / c->width * side + at % c->width];
    pixels[i] = foggy * most / (most + c->constant[0]);
  }
  return FACET_OK;
}

/* ---- spatter ---- */

static void box(const facet_canvas *c, const double *from, double *to)
{
  for (int64_t y = 0; y < c->height; y++)
    for (int64_t x = 0; x < c->width; x++) {
      double sum = 0;
      for (int64_t v = -1; v <= 1; v++)
        for (int64_t u = -1; u <= 1; u++)
          sum += from[facet_edge_at(y + v, c->height, EDGE_REFLECT_101) * c->width +
                      facet_edge_at(x + u, c->width, EDGE_REFLECT_101)];
      to[y * c->width + x] = sum / 9;
    }
}

/* Sobel's slopes of levels 0..255. */
static void slope_at(const facet_canvas *c, const double *level, int64_t y, int64_t x, double *across, double *down)
{
  double at[3][3];
  for (int v = 0; v < 3; v++)
    for (int u = 0; u < 3; u++)
      at[v][u] = level[facet_edge_at(y + v - 1, c->height, EDGE_NEAREST) * c->width +
                       facet_edge_at(x + u - 1, c->width, EDGE_NEAREST)];
  *across = at[0][2] + 2 * at[1][2] + at[2][2] - at[0][0] - 2 * at[1][0] - at[2][0];
  *down = at[2][0] + 2 * at[2][1] + at[2][2] - at[0][0] - 2 * at[0][1] - at[0][2];
}

/* |slope| of every pixel, measured before. */
static double strength(const facet_canvas *c, const double *slope, int64_t y, int64_t x)
{
  return y < 0 || y >= c->height || x < 0 || x >= c->width ? 0 : slope[y * c->width + x];
}

/* Whether no neighbour along the slope is stronger. */
static bool is_crest(const facet_canvas *c, const double *level, const double *slope, int64_t y, int64_t x)
{
  double across, down, own = strength(c, slope, y, x);
  slope_at(c, level, y, x, &across, &down);
  int64_t dy = fabs(down) > 0.41421356 * fabs(across), dx = fabs(across) > 0.41421356 * fabs(down);
  dy *= dx && across * down < 0 ? -1 : 1;
  return own > strength(c, slope, y - dy, x - dx) && own >= strength(c, slope, y + dy, x + dx);
}

/* Canny's edges with thresholds 50 and 150: 1 on an edge. */
static void find_edges(const facet_canvas *c, const double *level, double *edge)
{
  int64_t h = c->height, w = c->width;
  double *slope = c->room[4];
  for (int64_t i = 0; i < h * w; i++) {
    double across, down;
    slope_at(c, level, i / w, i % w, &across, &down);
    slope[i] = fabs(across) + fabs(down);
  }
  for (int64_t i = 0; i < h * w; i++)
    edge[i] = slope[i] > 50 && is_crest(c, level, slope, i / w, i % w) ? (slope[i] > 150 ? 1 : 0.5) : 0;
  for (bool grown = true; grown;) { /* weak ones that touch strong ones */
    grown = false;
    for (int64_t i = 0; i < h * w; i++) {
      bool touches = false;
      for (int64_t v = -1; v <= 1 && edge[i] == 0.5; v++)
        for (int64_t u = -1; u <= 1; u++) {
          int64_t y = i / w + v, x = i % w + u;
          touches = touches || (y >= 0 && y < h && x >= 0 && x < w && edge[y * w + x] == 1);
        }
      grown = grown || touches;
      edge[i] = touches ? 1 : edge[i];
    }
  }
}

/* Distance to the nearest edge, 20 at most. */
static void measure_distance(const facet_canvas *c, const double *edge, double *distance)
{
  const double farthest = 20 * 20;
  double *at = c->room[4];
  int64_t edges = 0;
  for (int64_t i = 0; i < c->plane; i++)
    if (edge[i] == 1)
      at[edges++] = (double)i;
  for (int64_t i = 0; i < c->plane; i++) {
    int64_t row = i / c->width;
    double y = (double)row, x = (double)(i % c->width), best = farthest;
    for (int64_t e = 0; e < edges; e++) {
      double v = floor(at[e] / (double)c->width) - y,
             u = at[e] - floor(at[e] / (double)c->width) * (double)c->width - x;
      best = fmin(best, v * v + u * u);
    }
    distance[i] = sqrt(best);
  }
}

/* Levels 0..255 spread evenly over the range. */
static void equalize(int64_t n, double *level)
{
  int64_t count[256] = {0}, sum = 0, first = 0;
  double table[256] = {0};
  for (int64_t i = 0; i < n; i++)
    count[(int)level[i]]++;
  while (first < 255 && count[first] == 0)
    first++;
  if (count[first] == n)
    return;
  for (int64_t k = first + 1; k < 256; k++) {
    sum += count[k];
    table[k] = rint(255.0 / (double)(n - count[first]) * (double)sum);
  }
  for (int64_t i = 0; i < n; i++)
    level[i] = table[(int)level[i]];
}

static void emboss(const facet_canvas *c, const double *from, double *to)
{
  static const double kernel[3][3] = {{-2, -1, 0}, {-1, 1, 1}, {0, 1, 2}};
  for (int64_t y = 0; y < c->height; y++)
    for (int64_t x = 0; x < c->width; x++) {
      double sum = 0;
      for (int v = 0; v < 3; v++)
        for (int u = 0; u < 3; u++)
          sum += kernel[v][u] * from[facet_edge_at(y + v - 1, c->height, EDGE_REFLECT_101) * c->width +
                                     facet_edge_at(x + u - 1, c->width, EDGE_REFLECT_101)];
      to[y * c->width + x] = fmin(fmax(sum, 0), 255);
    }
}

/* Drops of water that bend the light: bright where the liquid is, most at its edges. */
static void splash_water(const facet_canvas *c, double mix, double *liquid, double *pixels)
{
  int64_t n = c->plane;
  double *a = c->room[2], *b = c->room[3], most = 0;
  for (int64_t i = 0; i < n; i++)
    liquid[i] = floor(fmin(liquid[i], 1) * 255);
  find_edges(c, liquid, a);
  measure_distance(c, a, b);
  box(c, b, a);
  for (int64_t i = 0; i < n; i++)
    a[i] = floor(a[i]);
  equalize(n, a);
  emboss(c, a, b);
  box(c, b, a);
  for (int64_t i = 0; i < n; i++) {
    a[i] = liquid[i] * rint(a[i]);
    most = fmax(most, a[i]);
  }
  for (int64_t i = 0; most > 0 && i < c->channels * n; i++)
    pixels[i] += mix * a[i % n] / most * tint(c, i / n, 175 / 255.0, 238 / 255.0, 238 / 255.0);
}

static void splash_mud(const facet_canvas *c, double sigma, const double *liquid, double threshold, double *pixels)
{
  int64_t n = c->plane;
  double *a = c->room[2], *b = c->room[3];
  for (int64_t i = 0; i < n; i++)
    a[i] = liquid[i] > threshold;
  facet_filter_gaussian(c, 1, sigma, 4, EDGE_NEAREST, a, b);
  for (int64_t i = 0; i < c->channels * n; i++) {
    double mud = b[i % n] < 0.8 ? 0 : b[i % n];
    pixels[i] = pixels[i] * (1 - mud) + mud * tint(c, i / n, 63 / 255.0, 42 / 255.0, 20 / 255.0);
  }
}

/* (mean, deviation, blur, threshold, mix, mud) */
facet_status facet_spatter(const facet_canvas *c, double *pixels)
{
  const double *k = c->constant;
  double *liquid = c->room[0];
  facet_canvas_normals(c, 0, c->plane, c->room[1]);
  for (int64_t i = 0; i < c->plane; i++)
    c->room[1][i] = k[0] + k[1] * c->room[1][i];
  facet_filter_gaussian(c, 1, k[2] * c->unit, 4, EDGE_NEAREST, c->room[1], liquid);
  for (int64_t i = 0; i < c->plane; i++)
    liquid[i] = liquid[i] < k[3] ? 0 : liquid[i];
  if (k[5] == 0)
    splash_water(c, k[4], liquid, pixels);
  else
    splash_mud(c, k[4] * c->unit, liquid, k[3], pixels);
  return FACET_OK;
}
