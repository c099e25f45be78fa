/* The picture of a plane on its three canvases: polygons in the colours of their classes, lines over them, and what is under the
 * pointer. */
import { interpolateRgb } from "d3-interpolate";
import { css } from "../parts/dom";
import { classLook, rgbOf } from "../parts/looks";
import type { Shown } from "../parts/moving";
import type { Plot } from "../parts/plot";
import { cornersOf, covering, edges, NOWHERE } from "../parts/polygons";
import type { Plane } from "./planes_data";

const TINT = 0.62;               // of the class's colour, so that lines are seen on it
const BORDER = 0.8;              // at most so wide, and in shares of how far borders are from each other
const BORDER_SHARE = 0.07;

/** By the pixels of the screen. */
export function fill(plot: Plot, plane: Plane, { x, y, width, height, left, top, unit }: Shown, classes: number): void {
  const pen = plot.pen(0), scale = plot.layers[0].width / plot.width, columns = Math.round(width * scale), rows = Math.round(height * scale);
  const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer), ground = css("--ground"), colours = new Map<number, number>();
  for (const k of new Set(plane.predicted)) {
    const [r, g, b] = rgbOf(interpolateRgb(ground, classLook(k, classes).colour)(TINT));
    colours.set(k, (255 << 24) | (b << 16) | (g << 8) | r);
  }
  const ofPolygon = Int32Array.from(plane.predicted, (k) => colours.get(k) ?? 0), owner = covering(plane, { left, top, unit: unit / scale }, columns, rows);
  for (let i = 0; i < owner.length; i++) if (owner[i] !== NOWHERE) pixels[i] = ofPolygon[owner[i]];
  pen.putImageData(image, Math.round(x * scale), Math.round(y * scale));
}

interface Strokes { plane: Plane; borders: boolean; zoom: number; other: Plane | null | undefined; colour: string }

/** Borders of regions, the thinner the more there are, and decision boundaries; those of the other network in a colour. */
export function strokes(plot: Plot, shown: Shown, { plane, borders, zoom, other, colour }: Strokes): void {
  const pen = plot.pen(1), { width, height } = shown;
  const line = (of: Plane, which: Uint8Array, ...looks: readonly (readonly [colour: string, wide: number, alpha: number])[]): void => {
    const path = edges(of, shown, width, height, (c) => which[c] === 1);
    for (const [name, wide, alpha] of looks) {
      pen.strokeStyle = css(name);
      pen.lineWidth = wide;
      pen.globalAlpha = alpha;
      pen.stroke(path);
    }
  };
  within(pen, shown, () => {
    pen.lineCap = "round";
    if (borders) line(plane, plane.border, ["--ink", Math.min(BORDER, BORDER_SHARE * zoom * Math.sqrt((width * height) / plane.predicted.length)), 0.55]);
    line(plane, plane.boundary, ["--ground", 5, 0.7], ["--ink", 2.2, 1]);
    if (other) line(other, other.boundary, ["--ground", 3.6, 0.7], [colour, 1.6, 1]);
  });
}

/** The polygon under the pointer; none. */
export function under(plot: Plot, shown: Shown, what: { plane: Plane; polygon: number } | undefined): void {
  const pen = plot.pen(2), { left, top, unit } = shown;
  if (!what) return;
  const { at } = what.plane, path = new Path2D();
  for (const point of cornersOf(what.plane, what.polygon)) path.lineTo((at[2 * point] - left) / unit, (top - at[2 * point + 1]) / unit);
  path.closePath();
  within(pen, shown, () => {
    pen.globalAlpha = 0.35;
    pen.fillStyle = css("--ground");
    pen.fill(path);
    pen.globalAlpha = 1;
    pen.strokeStyle = css("--mark");
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.stroke(path);
  });
}

/* Draws from the left and upper end of what is shown, and no farther than it goes. */
function within(pen: CanvasRenderingContext2D, { x, y, width, height }: Shown, draw: () => void): void {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.translate(x, y);
  draw();
  pen.restore();
}
