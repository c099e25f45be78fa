/* Samples as points on a canvas: marks where they are few, dots where they are more, and the density of cells where they
   are many, in the colour of the class that most samples of a cell have. */

import { classLook, outline, rgbOf } from "./looks";
import type { Points } from "./lasso";

const CELL = 3;          // CSS pixels of a cell of the density
const MARKED = 600;      // up to so many points have the mark of their class
const DOTTED = 4000;     // up to so many are dots
const COLOURED = 20;     // up to so many classes have colours in the density

export interface Scatter { points: Points; labels: Int32Array; classes: number; width: number; height: number; plain: string }

/** Draws those that are shown; gives back how: "marks", "dots" or "density". */
export function drawPoints(pen: CanvasRenderingContext2D, what: Scatter, shown: Uint8Array, count: number): string {
  if (count > DOTTED) {
    density(pen, what, shown);
    return "density";
  }
  const { x, y } = what.points, marked = count <= MARKED;
  const paths = new Map<number, Path2D>();
  for (let i = 0; i < x.length; i++) {
    if (!shown[i] || !(x[i] > -1e6)) continue;
    const k = what.labels[i];
    let path = paths.get(k);
    if (!path) paths.set(k, (path = new Path2D()));
    if (marked) path.addPath(new Path2D(outline(classLook(k, what.classes).shape, 26).path), new DOMMatrix([1, 0, 0, 1, x[i], y[i]]));
    else path.rect(x[i] - 1.25, y[i] - 1.25, 2.5, 2.5);
  }
  for (const [k, path] of paths) {
    const colour = k < 0 ? what.plain : classLook(k, what.classes).colour;
    pen.fillStyle = pen.strokeStyle = colour;
    pen.lineWidth = 1.4;
    pen.globalAlpha = marked ? 0.85 : 0.7;
    if (marked && outline(classLook(k, what.classes).shape, 26).open) pen.stroke(path);
    else pen.fill(path);
  }
  pen.globalAlpha = 1;
  return marked ? "marks" : "dots";
}

let cells = new Uint32Array(0);
let kept: OffscreenCanvas | null = null;
function canvasOf(width: number, height: number): OffscreenCanvas {
  if (kept?.width !== width || kept.height !== height) kept = new OffscreenCanvas(width, height);
  return kept;
}

/** A colour as the lower bytes of a pixel. */
function packed(colour: string): number {
  const [r, g, b] = rgbOf(colour);
  return r | (g << 8) | (b << 16);
}

function density(pen: CanvasRenderingContext2D, what: Scatter, shown: Uint8Array): void {
  const width = Math.ceil(what.width / CELL), height = Math.ceil(what.height / CELL);
  const kinds = what.classes <= COLOURED ? what.classes + 1 : 1;         // the last: no label
  if (cells.length < width * height * kinds) cells = new Uint32Array(width * height * kinds);
  const counts = cells.subarray(0, width * height * kinds).fill(0);
  const { x, y } = what.points, { labels } = what;
  for (let i = 0; i < x.length; i++) {
    if (!shown[i]) continue;
    const column = Math.floor(x[i] / CELL), row = Math.floor(y[i] / CELL);
    if (!(column >= 0 && row >= 0 && column < width && row < height)) continue;
    const kind = kinds === 1 ? 0 : labels[i] < 0 ? kinds - 1 : labels[i];
    counts[(row * width + column) * kinds + kind]++;
  }
  let most = 0;
  const sums = new Uint32Array(width * height), first = new Uint16Array(width * height);
  for (let c = 0; c < width * height; c++) {
    let best = 0;
    for (let k = 0; k < kinds; k++) {
      const n = counts[c * kinds + k];
      sums[c] += n;
      if (n > best) { best = n; first[c] = k; }
    }
    most = Math.max(most, sums[c]);
  }
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer), plain = packed(what.plain), log = Math.log1p(most);
  const colours = Array.from({ length: kinds }, (_, k) => (kinds === 1 || k === kinds - 1 ? plain : packed(classLook(k, what.classes).colour)));
  for (let c = 0; c < width * height; c++) {
    if (sums[c]) pixels[c] = (colours[first[c]] | (Math.min(255, 255 * (0.4 + (0.6 * Math.log1p(sums[c])) / log)) << 24)) >>> 0;
  }
  const small = canvasOf(width, height);
  small.getContext("2d")?.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, width * CELL, height * CELL);
}
