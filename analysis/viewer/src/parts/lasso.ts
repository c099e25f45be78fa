/* Choosing samples with the pointer: a rectangle or a lasso over points, a click for one of them.  With Shift what is
   chosen is added to the selection, with Alt taken from it. */

import type { Store } from "../state/store";
import type { Plot } from "./plot";
import { hideTip } from "./tooltip";

export type Tool = "brush" | "lasso" | "pan";

/** Where the samples are in a picture, in CSS pixels; NaN: nowhere. */
export interface Points { x: Float32Array; y: Float32Array }

type Region = { kind: "brush"; x0: number; y0: number; x1: number; y1: number } | { kind: "lasso"; path: [number, number][] };

/** 1 for every point in the region that passes. */
function within(region: Region, points: Points, passing: Uint8Array): Uint8Array {
  const { x, y } = points, found = new Uint8Array(x.length);
  if (region.kind === "brush") {
    const { x0, x1, y0, y1 } = region;
    for (let i = 0; i < x.length; i++)
      if (passing[i] && x[i] >= x0 && x[i] <= x1 && y[i] >= y0 && y[i] <= y1) found[i] = 1;
    return found;
  }
  const mask = filled(region.path);
  if (!mask) return found;
  for (let i = 0; i < x.length; i++) {
    if (!passing[i]) continue;
    const column = Math.floor(x[i] - mask.x), row = Math.floor(y[i] - mask.y);
    if (column >= 0 && row >= 0 && column < mask.width && row < mask.height && mask.data[4 * (row * mask.width + column) + 3] > 127) found[i] = 1;
  }
  return found;
}

/** A polygon drawn once, so that every point costs one look, however many corners there are. */
function filled(path: [number, number][]): { x: number; y: number; width: number; height: number; data: Uint8ClampedArray } | null {
  const xs = path.map((p) => p[0]), ys = path.map((p) => p[1]);
  const x = Math.floor(Math.min(...xs)), y = Math.floor(Math.min(...ys));
  const width = Math.ceil(Math.max(...xs)) - x + 1, height = Math.ceil(Math.max(...ys)) - y + 1;
  if (path.length < 3 || width < 2 || height < 2) return null;
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.beginPath();
  path.forEach(([px, py], i) => (i ? pen.lineTo(px - x, py - y) : pen.moveTo(px - x, py - y)));
  pen.fill("evenodd");
  return { x, y, width, height, data: pen.getImageData(0, 0, width, height).data };
}

/** A selection and what is newly chosen, together; null: nothing is left. */
export function combined(before: Uint8Array | null, found: Uint8Array, event: { shiftKey: boolean; altKey: boolean }): Uint8Array | null {
  if (before && (event.shiftKey || event.altKey))
    for (let i = 0; i < found.length; i++) found[i] = event.shiftKey ? found[i] | before[i] : before[i] & (found[i] ^ 1);
  return found.includes(1) ? found : null;
}

/** The number of the nearest point that passes, within so many pixels; -1: none. */
export function nearest(points: Points, passing: Uint8Array, x: number, y: number, reach = 12): number {
  let best = -1, least = reach * reach;
  for (let i = 0; i < points.x.length; i++) {
    if (!passing[i]) continue;
    const dx = points.x[i] - x, dy = points.y[i] - y, d = dx * dx + dy * dy;
    if (d < least) [best, least] = [i, d];
  }
  return best;
}

interface Picking {
  store: Store;
  tool: () => Tool;
  points: () => Points | null;
  hover: (sample: number, event: PointerEvent) => void;    // -1: none
}

/** Makes the samples of a picture choosable; gives back what ends that. */
export function picking(plot: Plot, options: Picking): () => void {
  const { store } = options;
  let start: [number, number] | null = null, path: [number, number][] = [], before: Uint8Array | null = null, moved = false;
  const outline = document.createElementNS("http://www.w3.org/2000/svg", "path");
  outline.setAttribute("class", "outline");

  const region = (): Region => {
    const [x0, y0] = start!, [x1, y1] = path[path.length - 1];
    return options.tool() === "lasso" ? { kind: "lasso", path }
      : { kind: "brush", x0: Math.min(x0, x1), x1: Math.max(x0, x1), y0: Math.min(y0, y1), y1: Math.max(y0, y1) };
  };
  const drawn = (r: Region) => r.kind === "lasso" ? `M${r.path.map((p) => p.join(",")).join("L")}Z` : `M${r.x0},${r.y0}H${r.x1}V${r.y1}H${r.x0}Z`;
  let asked = 0, last: PointerEvent | null = null;
  const choose = () => {
    asked = 0;
    const points = options.points();
    if (!points || !last) return;
    store.set({ selected: combined(before, within(region(), points, store.state.passing), last) });
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || options.tool() === "pan") return;
    start = plot.at(event);
    path = [start];
    before = store.state.selected;
    moved = false;
    plot.root.setPointerCapture(event.pointerId);
    hideTip();
  };
  const move = (event: PointerEvent) => {
    const at = plot.at(event);
    if (!start) {
      const points = options.points();
      if (points) options.hover(nearest(points, store.state.passing, ...at), event);
      return;
    }
    if (!moved && Math.hypot(at[0] - start[0], at[1] - start[1]) < 4) return;
    moved = true;
    path.push(at);
    plot.svg.append(outline);
    outline.setAttribute("d", drawn(region()));
    last = event;
    asked ||= requestAnimationFrame(choose);
  };
  const up = (event: PointerEvent) => {
    if (!start) return;
    if (moved) { cancelAnimationFrame(asked); last = event; choose(); }
    else clicked(event);
    start = null;
    outline.remove();
  };
  const clicked = (event: PointerEvent) => {
    const points = options.points();
    const found = points ? nearest(points, store.state.passing, ...plot.at(event)) : -1;
    if (found >= 0) store.set({ sample: found });
    else if (store.state.selected) store.set({ selected: null });
  };
  const cancel = () => { start = null; outline.remove(); };
  plot.root.addEventListener("pointerdown", down);
  plot.root.addEventListener("pointermove", move);
  plot.root.addEventListener("pointerup", up);
  plot.root.addEventListener("pointercancel", cancel);
  return () => {
    cancelAnimationFrame(asked);
    plot.root.removeEventListener("pointerdown", down);
    plot.root.removeEventListener("pointermove", move);
    plot.root.removeEventListener("pointerup", up);
    plot.root.removeEventListener("pointercancel", cancel);
    outline.remove();
  };
}

/** By keyboard: Left and Right go through the samples that are selected, or pass (or those of a picture that has some of them);
 * Escape drops the selection. */
export function stepping(plot: Plot, store: Store, passes: () => Uint8Array = () => store.state.passing): void {
  plot.root.addEventListener("keydown", (event) => {
    if (event.target !== plot.root) return;
    if (event.key === "Escape" && store.state.selected) store.set({ selected: null });
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const { selected, sample } = store.state, passing = passes(), step = event.key === "ArrowRight" ? 1 : -1, n = passing.length;
      let at = sample ?? (step > 0 ? -1 : n);
      for (let tried = 0; tried < n; tried++) {
        at = (at + step + n) % n;
        if (passing[at] && (!selected || selected[at])) break;
      }
      if (passing[at]) store.set({ sample: at });
    } else return;
    event.preventDefault();
  });
}
