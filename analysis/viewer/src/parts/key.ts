/* The legend of a view: marks with their names. Where something can be chosen by it, its entries are buttons. */
import type { Store } from "../state/store";
import { h, svg } from "./dom";
import { outline, type Look } from "./looks";

export interface Entry { name: string; look: Look; dim?: boolean; chosen?: boolean; title?: string }

/** A mark as a small picture. */
export function markPicture(look: Look, size = 14): SVGSVGElement {
  const { path, open } = outline(look.shape, 0.36 * size * size);
  return svg("svg", { width: size, height: size, viewBox: `${-size / 2} ${-size / 2} ${size} ${size}`, "aria-hidden": "true" },
    svg("path", { d: path, style: open ? `fill:none;stroke:${look.colour};stroke-width:2` : `fill:${look.colour}` }));
}

const MOST = 40;
const RAMP = 50;     // rectangles of a bar of colours

/** Fills a place with a legend; of very many entries the first. choose: called with the number of the entry that was clicked. */
export function fillLegend(where: HTMLElement, entries: readonly Entry[], choose?: (at: number, event: MouseEvent) => void): void {
  where.classList.add("legend");
  where.replaceChildren(...entries.slice(0, MOST).map((entry, at) => {
    const parts = [markPicture(entry.look), h("span", {}, entry.name)];
    const name = entry.dim ? "legend-item dim" : "legend-item";
    return choose
      ? h("button", { class: name, type: "button", title: entry.title, "aria-pressed": String(entry.chosen ?? false), onclick: (event: MouseEvent) => choose(at, event) }, ...parts)
      : h("span", { class: name, title: entry.title }, ...parts);
  }), ...(entries.length > MOST ? [h("span", {}, `… and ${entries.length - MOST} more`)] : []));
}

/** Lets a class pass the filters, or, if it did because it was chosen, no longer; all, when none is chosen. */
export function toggleClass(store: Store, index: number, classes: number): void {
  const { filters } = store.state, before = filters.classes ?? [];
  const after = before.includes(index) ? before.filter((other) => other !== index) : [...before, index];
  if (index < classes) store.set({ filters: { ...filters, classes: after.length ? after : null } });
}

/** A bar of colours with the numbers at its ends, for what is drawn by colour; of rectangles, so that it is in what is saved, too. */
export function fillRamp(where: HTMLElement, colour: (t: number) => string, title: string, low: string, high: string): void {
  where.classList.add("legend");
  where.replaceChildren(h("span", {}, title), h("span", { class: "ramp-end" }, low),
    svg("svg", { class: "ramp", viewBox: `0 0 ${RAMP} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...Array.from({ length: RAMP }, (_, i) => svg("rect", { x: i, width: 1.05, height: 10, style: `fill:${colour(i / (RAMP - 1))}` }))), h("span", { class: "ramp-end" }, high));
}
