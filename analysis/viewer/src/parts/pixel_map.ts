/* A picture of a sample: its pixels, or a signed number for each of them, red adds and blue takes away; hatched where ties
 * touch. The number under the pointer is in the tooltip; by keyboard, arrows move a cursor. */
import { max } from "d3-array";
import { css, h } from "./dom";
import { diverging } from "./looks";
import { short } from "./numbers";
import { Plot } from "./plot";
import { hideTip, showTip, type Line } from "./tooltip";

export interface Size { channels: number; height: number; width: number }

/** The size that colours end at: a few extreme pixels do not spoil it. */
export function boundOf(...maps: readonly ArrayLike<number>[]): number {
  const sizes = maps.flatMap((map) => Array.from(map, Math.abs)).filter(Number.isFinite).sort((a, b) => a - b);
  if (!sizes.length) return 1;
  return sizes[Math.floor(0.995 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
}

/** Channels added up, for what is shown by one colour. */
export function summed(numbers: ArrayLike<number>, { channels, height, width }: Size): Float64Array {
  const plane = height * width, sum = new Float64Array(plane);
  for (let i = 0; i < channels * plane; i++) sum[i % plane] += numbers[i];
  return sum;
}

export interface MapOptions { title: string; size: Size; note?: string; colour: (at: number) => string; lines: (at: number) => Line[]; touched?: Uint8Array | null }

export class PixelMap {
  readonly where: HTMLElement;
  private readonly plot: Plot;
  private readonly shape: { rows: number; columns: number };
  private cursor = -1;

  constructor(private readonly options: MapOptions) {
    const { height, width } = options.size, flat = height === 1 || width === 1, long = height * width;
    const columns = flat ? Math.ceil(Math.sqrt(2 * long)) : width;
    this.shape = { columns, rows: flat ? Math.ceil(long / columns) : height };
    this.where = h("figure", { class: "pixel-map" }, h("figcaption", {}, options.title));
    this.plot = new Plot(this.where, { layers: 1, height: (w) => Math.round((w * this.shape.rows) / this.shape.columns), name: options.title, draw: () => this.draw() });
    this.plot.root.addEventListener("pointermove", (event) => {
      const [x, y] = this.plot.at(event);
      this.tell(Math.floor((y * this.shape.rows) / this.plot.height) * columns + Math.floor((x * columns) / this.plot.width), event.clientX, event.clientY);
    });
    this.plot.root.addEventListener("keydown", (event) => this.key(event));
    this.plot.root.addEventListener("blur", () => { this.cursor = -1; hideTip(); this.plot.draw(); });
    if (options.note) this.where.append(h("p", { class: "note" }, options.note));
  }

  private tell(at: number, x: number, y: number): void {
    const { width, height } = this.options.size;
    if (at < 0 || at >= width * height) return hideTip();
    showTip(x, y, `pixel y ${Math.floor(at / width)}, x ${at % width}`, [...this.options.lines(at), ...(this.options.touched?.[at] ? [["W", "one of several: touched by a tie"] as const] : [])]);
  }

  private key(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.shape.columns, ArrowDown: this.shape.columns }[event.key];
    const { width, height } = this.options.size, next = this.cursor < 0 ? 0 : this.cursor + (step ?? 0);
    if (step === undefined || next < 0 || next >= width * height) return;
    event.preventDefault();
    this.cursor = next;
    this.plot.draw();
    const box = this.plot.root.getBoundingClientRect(), { rows, columns } = this.shape;
    this.tell(next, box.left + ((next % columns) * box.width) / columns, box.top + (Math.floor(next / columns) * box.height) / rows);
  }

  private draw(): void {
    const pen = this.plot.pen(0), { rows, columns } = this.shape, { size, colour, touched } = this.options;
    const w = this.plot.width / columns, hgt = this.plot.height / rows, count = size.width * size.height;
    const box = (at: number): [number, number, number, number] => {
      const x = Math.floor((at % columns) * w), y = Math.floor(Math.floor(at / columns) * hgt);
      return [x, y, Math.floor(((at % columns) + 1) * w) - x, Math.floor((Math.floor(at / columns) + 1) * hgt) - y];
    };
    for (let at = 0; at < count; at++) {
      pen.fillStyle = colour(at);
      pen.fillRect(...box(at));
    }
    if (touched?.some((one) => one)) {
      pen.save();
      pen.beginPath();
      for (let at = 0; at < count; at++) if (touched[at]) pen.rect(...box(at));
      pen.clip();
      pen.strokeStyle = "rgba(70, 76, 84, 0.75)";
      pen.lineWidth = 0.9;
      pen.beginPath();
      for (let x = -this.plot.height; x < this.plot.width; x += 6) {
        pen.moveTo(x, this.plot.height);
        pen.lineTo(x + this.plot.height, 0);
      }
      pen.stroke();
      pen.restore();
    }
    if (this.cursor >= 0) {
      pen.strokeStyle = css("--mark");
      pen.lineWidth = 2;
      pen.strokeRect(...box(this.cursor));
    }
  }

  remove(): void { this.plot.remove(); }
}

/** A signed map; numbers of all channels, colours of their sum. */
export function signedMap(title: string, numbers: Float64Array, size: Size, bound: number, unit: string, touched: Uint8Array | null = null): PixelMap {
  const sums = summed(numbers, size), plane = size.height * size.width;
  const any = touched && Uint8Array.from({ length: plane }, (_, at) => (Array.from({ length: size.channels }, (_one, c) => touched[c * plane + at]).some(Boolean) ? 1 : 0));
  return new PixelMap({
    title, size, touched: any, note: `colours end at ±${short(bound)}`,
    colour: (at) => diverging(0.5 + Math.max(-1, Math.min(1, sums[at] / bound)) / 2),
    lines: (at) => [...(size.channels > 1 ? Array.from({ length: size.channels }, (_, c) => [`channel ${c}`, short(numbers[c * plane + at])] as const) : []), [unit, short(sums[at])]],
  });
}

/** The sample as it is, in grey or in colours. */
export function imageMap(title: string, raw: Float64Array, size: Size, scale: number): PixelMap {
  const plane = size.height * size.width, white = scale > 1 ? scale : Math.max(1, max(raw) ?? 1);
  const tone = (value: number): number => Math.round(255 * Math.max(0, Math.min(1, value / white)));
  return new PixelMap({
    title, size,
    colour: (at) => {
      const [r, g, b] = size.channels === 3 ? [0, 1, 2].map((c) => tone(raw[c * plane + at])) : [0, 0, 0].map(() => tone(raw[at]));
      return `rgb(${r},${g},${b})`;
    },
    lines: (at) => Array.from({ length: size.channels }, (_, c) => [size.channels > 1 ? `channel ${c}` : "pixel", short(raw[c * plane + at])] as const),
  });
}
