/* Legends: of classes (colour, shape and letter) and of whatever has a name and a colour. */
import { classColour, classLetter, classShape } from "./colours";
import { h, svg } from "./dom";
import { outline } from "./looks";

/** A class's mark: its shape in its colour. */
export function classMark(index: number, of: number, size = 64): SVGSVGElement {
  const { path, open } = outline(classShape(index), size);
  const colour = classColour(index, of);
  return svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" },
    svg("path", open ? { d: path, fill: "none", stroke: colour, "stroke-width": 2 } : { d: path, fill: colour }));
}

/** Names of the classes with their marks; clicked, where `choose` is given. More than `most` are folded into a note. */
export function classLegend(classes: readonly string[], choose?: (index: number) => void, chosen: readonly number[] | null = null, most = 24): HTMLElement {
  const shown = classes.slice(0, most);
  return h("div", { class: "legend" },
    ...shown.map((name, index) => {
      const inside = [classMark(index, classes.length), h("span", {}, `${classLetter(index)} ${name}`)];
      return choose
        ? h("button", { class: "legend-item", "aria-pressed": String(chosen?.includes(index) ?? false), title: name, onclick: () => choose(index) }, ...inside)
        : h("span", { class: "legend-item", title: name }, ...inside);
    }),
    classes.length > most ? h("span", {}, `… and ${classes.length - most} more classes`) : null);
}

export function swatchLegend(items: readonly { name: string; colour: string; dash?: string }[]): HTMLElement {
  return h("div", { class: "legend" }, ...items.map(({ name, colour, dash }) => h("span", { class: "legend-item", title: name },
    svg("svg", { width: 20, height: 10, "aria-hidden": "true" }, svg("line", { x1: 0, x2: 20, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash || undefined })),
    h("span", {}, name))));
}
