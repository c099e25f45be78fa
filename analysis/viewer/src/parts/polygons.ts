/* Convex polygons as pixels: which one the middle of each pixel lies in. So no seams show between them, tens of thousands cost
 * a moment, and the one under the pointer is known at once. */

/** Points and which of them are the corners of polygon 0, 1, …, counterclockwise: those of polygon i end before end[i]. */
export interface Polygons { at: ArrayLike<number>; corner: Int32Array; end: ArrayLike<number> }
/** What of the plane is in the picture: its left and upper end, and how much a pixel is of it. */
export interface Frame { left: number; top: number; unit: number }
/** In no polygon. */
export const NOWHERE = -1;

/** Of every pixel, row by row from above, the polygon; NOWHERE: none. */
export function covering({ at, corner, end }: Polygons, { left, top, unit }: Frame, width: number, height: number): Int32Array {
  const owner = new Int32Array(width * height).fill(NOWHERE), starts = new Float64Array(height), ends = new Float64Array(height);
  for (let polygon = 0, from = 0; polygon < end.length; from = end[polygon++]) {
    let low = height, high = 0;
    for (let c = from; c < end[polygon]; c++) {
      const y = (top - at[2 * corner[c] + 1]) / unit;
      if (y < low) low = y;
      if (y > high) high = y;
    }
    const first = Math.max(0, Math.ceil(low - 0.5)), last = Math.min(height, Math.ceil(high - 0.5));
    if (first >= last) continue;
    starts.fill(width, first, last);
    ends.fill(0, first, last);
    for (let c = from; c < end[polygon]; c++) {
      let a = 2 * corner[c], b = 2 * corner[c + 1 < end[polygon] ? c + 1 : from];
      if (at[a + 1] < at[b + 1]) [a, b] = [b, a];     // from above, so that both polygons of an edge say the same
      const x = (at[a] - left) / unit, y = (top - at[a + 1]) / unit, down = (top - at[b + 1]) / unit, slope = ((at[b] - left) / unit - x) / (down - y);
      for (let row = Math.max(first, Math.ceil(y - 0.5)), until = Math.min(last, Math.ceil(down - 0.5)); row < until; row++) {
        const there = x + (row + 0.5 - y) * slope;
        if (there < starts[row]) starts[row] = there;
        if (there > ends[row]) ends[row] = there;
      }
    }
    for (let row = first; row < last; row++) {
      const begin = Math.max(0, Math.ceil(starts[row] - 0.5)), stop = Math.min(width, Math.ceil(ends[row] - 0.5));
      if (begin < stop) owner.fill(polygon, row * width + begin, row * width + stop);
    }
  }
  return owner;
}

/** Edges of those polygons that reach into the picture; which: by the corner that each begins at. */
export function edges({ at, corner, end }: Polygons, { left, top, unit }: Frame, width: number, height: number, which: (corner: number) => boolean): Path2D {
  const path = new Path2D();
  for (let polygon = 0, from = 0; polygon < end.length; from = end[polygon++]) {
    for (let c = from; c < end[polygon]; c++) {
      if (!which(c)) continue;
      const a = 2 * corner[c], b = 2 * corner[c + 1 < end[polygon] ? c + 1 : from];
      const x0 = (at[a] - left) / unit, y0 = (top - at[a + 1]) / unit, x1 = (at[b] - left) / unit, y1 = (top - at[b + 1]) / unit;
      if ((x0 < 0 && x1 < 0) || (y0 < 0 && y1 < 0) || (x0 > width && x1 > width) || (y0 > height && y1 > height)) continue;
      path.moveTo(x0, y0);
      path.lineTo(x1, y1);
    }
  }
  return path;
}

/** Of each corner, whether its edge has to be drawn: of two that are the same there and back, one. */
export function once({ corner, end }: Polygons): Uint8Array {
  const drawn = new Uint8Array(corner.length), seen = new Set<number>(), stride = 2 ** 26;
  for (let polygon = 0, from = 0; polygon < end.length; from = end[polygon++]) {
    for (let c = from; c < end[polygon]; c++) {
      const a = corner[c], b = corner[c + 1 < end[polygon] ? c + 1 : from];
      if (seen.has(b * stride + a)) continue;
      seen.add(a * stride + b);
      drawn[c] = 1;
    }
  }
  return drawn;
}

/** The polygon that a place lies in; of those that meet there the first. */
export function polygonAt({ at, corner, end }: Polygons, u: number, v: number): number {
  for (let polygon = 0, from = 0; polygon < end.length; from = end[polygon++]) {
    let inside = true;
    for (let c = from; c < end[polygon] && inside; c++) {
      const a = 2 * corner[c], b = 2 * corner[c + 1 < end[polygon] ? c + 1 : from];
      inside = (at[b] - at[a]) * (v - at[a + 1]) - (at[b + 1] - at[a + 1]) * (u - at[a]) >= 0;
    }
    if (inside) return polygon;
  }
  return NOWHERE;
}

/** The points that are a polygon's corners. */
export const cornersOf = ({ corner, end }: Polygons, polygon: number): Int32Array => corner.subarray(polygon ? end[polygon - 1] : 0, end[polygon]);

/** The area of one of them. */
export function areaOf(polygons: Polygons, polygon: number): number {
  const { at } = polygons, [first, ...others] = cornersOf(polygons, polygon), [x, y] = [at[2 * first], at[2 * first + 1]];
  let twice = 0;
  for (let i = 0; i + 1 < others.length; i++) {
    const a = 2 * others[i], b = 2 * others[i + 1];
    twice += (at[a] - x) * (at[b + 1] - y) - (at[b] - x) * (at[a + 1] - y);
  }
  return twice / 2;
}
