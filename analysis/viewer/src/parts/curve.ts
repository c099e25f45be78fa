/* A curve of straight pieces on a canvas: where many of its points share a column of pixels, their first, least, largest and last one. */

/** x ascends; both in pixels, of point number i. */
export function curve(points: number, x: (i: number) => number, y: (i: number) => number): Path2D {
  const path = new Path2D();
  for (let i = 0; i < points;) {
    const column = Math.floor(x(i)), start = y(i);
    let last = i, low = start, high = start;
    while (last + 1 < points && Math.floor(x(last + 1)) === column) {
      const at = y(++last);
      if (at < low) low = at;
      if (at > high) high = at;
    }
    path.lineTo(x(i), start);
    if (last > i + 2) {
      path.lineTo(x(i), low);
      path.lineTo(x(i), high);
    } else if (last === i + 2) path.lineTo(x(i + 1), y(i + 1));
    if (last > i) path.lineTo(x(last), y(last));
    i = last + 1;
  }
  return path;
}
