/* The small histograms of the evaluation table: those of a row on one canvas, which lies over its cells. Grey: all that
 * pass; coloured: what is selected; each as high as there is room, since it is the shapes that are compared. */
import { css, h } from "../parts/dom";
import { drawsPaths, type VectorPath } from "../parts/export";
import { DRAWN, type Row, type Table } from "./evaluation_table";

const HEIGHT = 19;
const BELOW = 3;
const SIDE = 6;   // between a cell's edge and its bars

/** Where the columns are, in pixels of what scrolls. */
export interface Columns { lefts: readonly number[]; widths: readonly number[] }

interface Bars { heights: Float64Array; of: number }

export class RowBars {
  readonly canvas = h("canvas", { class: "row-bars" });
  private readonly pen = this.canvas.getContext("2d");
  private readonly all: Bars[];             // of all that pass, kept until these are others
  private allOf: Uint8Array | null = null;
  private version = -1;
  private readonly some: Bars = { heights: new Float64Array(DRAWN), of: 0 };
  private left = 0;
  private columns: Columns = { lefts: [], widths: [] };

  constructor(private readonly table: Table, private readonly row: Row, private readonly conditions: readonly number[]) {
    this.all = conditions.map(() => ({ heights: new Float64Array(DRAWN), of: 0 }));
    this.canvas.classList.toggle("failed", row.failed);
    drawsPaths(this.canvas, () => this.paths());
  }

  /** Its place: below the numbers of a row that lies there. */
  place(columns: Columns, top: number, height: number): void {
    this.columns = columns;
    this.left = columns.lefts[0] ?? 0;
    const last = columns.lefts.length - 1, width = last < 0 ? 0 : columns.lefts[last] + columns.widths[last] - this.left, scale = devicePixelRatio || 1;
    Object.assign(this.canvas.style, { left: `${this.left}px`, top: `${top + height - HEIGHT - BELOW}px`, width: `${width}px`, height: `${HEIGHT}px` });
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(HEIGHT * scale);
  }

  /* Left end and width of a cell's bars, in the canvas. */
  private cell(at: number): [number, number] {
    const { lefts, widths } = this.columns;
    return [lefts[at] - this.left + SIDE, widths[at] - 2 * SIDE];
  }

  private renew(passing: Uint8Array): void {
    if (this.allOf === passing && this.version === this.table.version) return;
    this.allOf = passing;
    this.version = this.table.version;
    this.conditions.forEach((condition, at) => { this.all[at].of = this.table.heights(this.table.all, this.row, condition, this.all[at].heights); });
  }
  private chosen(at: number): Bars {
    this.some.of = this.table.heights(this.table.bins, this.row, this.conditions[at], this.some.heights);
    return this.some;
  }

  /* What is drawn, on the canvas and for a file: the lowest first. */
  private layers(selected: boolean): { fill: string; opacity: number; of: (at: number) => Bars }[] {
    const all = { fill: css("--ink"), opacity: selected ? 0.16 : 0.4, of: (at: number) => this.all[at] };
    return selected ? [all, { fill: css("--mark"), opacity: 0.7, of: (at) => this.chosen(at) }] : [all];
  }

  /** Draws the columns between two places of what scrolls. */
  draw(passing: Uint8Array, selected: boolean, from: number, to: number): void {
    const { pen, columns: { lefts, widths } } = this;
    if (!pen) return;
    const scale = devicePixelRatio || 1;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.renew(passing);
    for (const { fill, opacity, of } of this.layers(selected)) {
      pen.globalAlpha = opacity;
      pen.fillStyle = fill;
      pen.beginPath();
      for (let at = 0; at < lefts.length; at++) if (lefts[at] + widths[at] > from && lefts[at] < to) trace(pen, of(at), ...this.cell(at));
      pen.fill();
    }
  }

  /* The same for a file. */
  private paths(): VectorPath[] {
    const { passing, selected } = this.table.now();
    this.renew(passing);
    return this.layers(selected !== null).flatMap(({ fill, opacity, of: bars }) => this.conditions.flatMap((_, at) => {
      const [left, width] = this.cell(at), { heights, of } = bars(at);
      return of > 0 ? [{ d: `M${left} ${HEIGHT}${Array.from(heights, (height, i) =>
        `V${(HEIGHT - (height / of) * (HEIGHT - 1)).toFixed(2)}H${(left + ((i + 1) * width) / DRAWN).toFixed(2)}`).join("")}V${HEIGHT}Z`, fill, opacity }] : [];
    }));
  }
}

function trace(pen: CanvasRenderingContext2D, { heights, of }: Bars, left: number, width: number): void {
  if (of <= 0) return;
  const step = width / DRAWN;
  pen.moveTo(left, HEIGHT);
  for (let i = 0; i < DRAWN; i++) {
    const y = HEIGHT - (heights[i] / of) * (HEIGHT - 1);
    pen.lineTo(left + i * step, y);
    pen.lineTo(left + (i + 1) * step, y);
  }
  pen.lineTo(left + width, HEIGHT);
}
