/* Samples as points on a canvas: marks where they are few, dots where they are more, and the density of cells where they
   are many, in the colour of the class that most samples of a cell have. */

import type { Points } from "./lasso";
import { classLook, outline, rgbOf } from "./looks";
import { membersOf } from "./members";

const CELL = 3;          // CSS pixels of a cell of the density
const MARKED = 600;      // up to so many points have the mark of their class
const DOTTED = 4000;     // up to so many are dots
const COLOURED = 20;     // up to so many classes have colours in the density

/** What is drawn, and where; other places or sizes are another object. */
export interface Scatter { points: Points; labels: Int32Array; classes: number; width: number; height: number }

/** How a set of samples was drawn. */
export type Drawn = "marks" | "dots" | "density";

/** One picture of sets of the same points, one after the other: of many points only those that came or went are counted. */
export class Scattered {
  private density: Density | null = null;

  constructor(private readonly what: Scatter) {}

  /** Draws a set of samples; plain: the colour of those without a class of their own. */
  draw(pen: CanvasRenderingContext2D, shown: Uint8Array, count: number, plain: string): Drawn {
    if (count > DOTTED) {
      this.density ??= new Density(this.what);
      this.density.follow(shown);
      this.density.draw(pen, plain);
      return "density";
    }
    const marked = count <= MARKED;
    points(pen, this.what, membersOf(shown), marked, plain);
    return marked ? "marks" : "dots";
  }
}

function points(pen: CanvasRenderingContext2D, { points: { x, y }, labels, classes }: Scatter, shown: Int32Array, marked: boolean, plain: string): void {
  const paths = new Map<number, Path2D>();
  for (const i of shown) {
    if (!(x[i] > -1e6)) continue;
    const k = labels[i];
    let path = paths.get(k);
    if (!path) paths.set(k, (path = new Path2D()));
    if (marked) path.addPath(outline(classLook(k, classes).shape, 26).drawn, { e: x[i], f: y[i] });
    else path.rect(x[i] - 1.25, y[i] - 1.25, 2.5, 2.5);
  }
  for (const [k, path] of paths) {
    const look = classLook(k, classes);
    pen.fillStyle = pen.strokeStyle = k < 0 ? plain : look.colour;
    pen.lineWidth = 1.4;
    pen.globalAlpha = marked ? 0.85 : 0.7;
    if (marked && outline(look.shape, 26).open) pen.stroke(path);
    else pen.fill(path);
  }
  pen.globalAlpha = 1;
}

/** A colour as the lower bytes of a pixel. */
function packed(colour: string): number {
  const [r, g, b] = rgbOf(colour);
  return r | (g << 8) | (b << 16);
}

/* Samples by cell and class. */
class Density {
  private readonly columns: number;
  private readonly rows: number;
  private readonly kinds: number;             // classes, and none
  private readonly cellOf: Int32Array;        // of each sample; -1: nowhere
  private readonly counts: Uint32Array;       // by cell and kind
  private readonly sums: Uint32Array;         // by cell
  private readonly first: Uint8Array;         // the kind that most of a cell's samples have
  private readonly asked: Uint32Array;        // in which turn a cell was looked at
  private turn = 0;
  private set: Uint8Array | null = null;
  private readonly image: ImageData;
  private readonly small: OffscreenCanvas;

  constructor(private readonly what: Scatter) {
    const { points: { x, y }, classes, width, height } = what;
    this.columns = Math.max(1, Math.ceil(width / CELL));
    this.rows = Math.max(1, Math.ceil(height / CELL));
    this.kinds = classes <= COLOURED ? classes + 1 : 1;
    const cells = this.columns * this.rows;
    this.cellOf = new Int32Array(x.length);
    for (let i = 0; i < x.length; i++) {
      const column = Math.floor(x[i] / CELL), row = Math.floor(y[i] / CELL);
      this.cellOf[i] = column >= 0 && row >= 0 && column < this.columns && row < this.rows ? row * this.columns + column : -1;
    }
    this.counts = new Uint32Array(cells * this.kinds);
    this.sums = new Uint32Array(cells);
    this.first = new Uint8Array(cells);
    this.asked = new Uint32Array(cells);
    this.image = new ImageData(this.columns, this.rows);
    this.small = new OffscreenCanvas(this.columns, this.rows);
  }

  follow(shown: Uint8Array): void {
    if (this.set === shown) return;
    const came = membersOf(shown, this.set ?? undefined), went = this.set ? membersOf(this.set, shown) : new Int32Array();
    this.set = shown;
    this.add(came, 1);
    this.add(went, -1);
    this.turn++;
    this.look(came);
    this.look(went);
  }

  private kindOf(sample: number): number {
    const label = this.what.labels[sample];
    return this.kinds === 1 ? 0 : label < 0 ? this.kinds - 1 : label;
  }

  private add(samples: Int32Array, sign: 1 | -1): void {
    const { cellOf, counts, sums, kinds } = this;
    for (let at = 0; at < samples.length; at++) {
      const cell = cellOf[samples[at]];
      if (cell < 0) continue;
      counts[cell * kinds + this.kindOf(samples[at])] += sign;
      sums[cell] += sign;
    }
  }

  /* Which kind the cells of some samples have most of. */
  private look(samples: Int32Array): void {
    const { cellOf, counts, first, kinds, asked, turn } = this;
    for (let at = 0; at < samples.length; at++) {
      const cell = cellOf[samples[at]];
      if (cell < 0 || asked[cell] === turn) continue;
      asked[cell] = turn;
      let best = 0, kind = 0;
      for (let k = 0; k < kinds; k++) {
        const n = counts[cell * kinds + k];
        if (n > best) { best = n; kind = k; }
      }
      first[cell] = kind;
    }
  }

  draw(pen: CanvasRenderingContext2D, plain: string): void {
    const { sums, first, kinds, image, small, columns, rows, what: { classes } } = this;
    let most = 0;
    for (let c = 0; c < sums.length; c++) if (sums[c] > most) most = sums[c];
    const alphas = new Uint32Array(most + 1), log = Math.log1p(most);
    for (let n = 1; n <= most; n++) alphas[n] = (255 * (0.4 + (0.6 * Math.log1p(n)) / log)) << 24;
    const colours = Uint32Array.from({ length: kinds }, (_, k) => packed(kinds === 1 || k === kinds - 1 ? plain : classLook(k, classes).colour));
    const pixels = new Uint32Array(image.data.buffer);
    for (let c = 0; c < sums.length; c++) pixels[c] = sums[c] ? colours[first[c]] | alphas[sums[c]] : 0;
    small.getContext("2d")?.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, columns * CELL, rows * CELL);
  }
}
