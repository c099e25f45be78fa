/* The frame of a picture: canvases for what is many, an SVG over them for axes, marks and text, as wide as its place.
   It draws at most once a frame, again when its place or the theme changes, and only while it is near what is seen. */

import { h, onTheme, svg } from "./dom";
import { whenNear } from "./near";
import { hideTip } from "./tooltip";

interface PlotOptions {
  layers: number;                                  // canvases, the lowest first
  height: (width: number) => number;
  name: string;                                    // for those who do not see it
  draw: (plot: Plot, resized: boolean) => void;
}

export class Plot {
  readonly root: HTMLDivElement;
  readonly svg: SVGSVGElement;
  readonly layers: HTMLCanvasElement[];
  width = 0;
  height = 0;
  private resized = true;
  private room = 0;                                 // the place's width
  private readonly observer: ResizeObserver;
  private readonly near: { ask: () => void; end: () => void };
  private readonly untheme: () => void;

  constructor(where: HTMLElement, private readonly options: PlotOptions) {
    this.layers = Array.from({ length: options.layers }, () => h("canvas"));
    this.svg = svg("svg");
    this.root = h("div", { class: "plot", tabIndex: 0, role: "group", "aria-label": options.name, onpointerleave: hideTip }, ...this.layers, this.svg);
    where.append(this.root);
    const again = (): void => this.again();
    this.observer = new ResizeObserver(() => {
      this.room = Math.floor(this.root.clientWidth);
      again();
    });
    this.observer.observe(this.root);
    this.untheme = onTheme(again);
    this.near = whenNear(this.root, () => this.drawNow());
  }

  /** Draws all of it anew, its canvases sized anew. */
  again(): void {
    this.resized = true;
    this.draw();
  }

  /** Draws with the next frame; what is far from what is seen, when it comes near. */
  draw(): void {
    this.near.ask();
  }

  private drawNow(): void {
    const width = this.room || Math.floor(this.root.clientWidth);     // not asked of the browser in every frame
    if (width < 40) return;
    const height = Math.round(this.options.height(width));
    const resized = this.resized || width !== this.width || height !== this.height;
    this.resized = false;
    if (resized) this.size(width, height);
    this.options.draw(this, resized);
  }

  private size(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.root.style.height = `${height}px`;
    const scale = devicePixelRatio || 1;
    for (const canvas of this.layers) {
      if (canvas.dataset.own) continue; // a library sizes it
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", String(height));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  /** What draws on a layer, cleared, in CSS pixels. */
  pen(layer: number): CanvasRenderingContext2D {
    const canvas = this.layers[layer];
    const pen = canvas.getContext("2d")!;
    const scale = canvas.width / Math.max(1, this.width);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    return pen;
  }

  /** Where an event is, in CSS pixels of the picture. */
  at(event: MouseEvent): [number, number] {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left - this.root.clientLeft, event.clientY - box.top - this.root.clientTop];
  }

  remove(): void {
    this.observer.disconnect();
    this.near.end();
    this.untheme();
    hideTip();
    this.root.remove();
  }
}
