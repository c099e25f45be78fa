/* The page that explains what is drawn: angle, length and margin with pictures, what views share, and the keys. */
import { line } from "d3-shape";
import { h, svg } from "./parts/dom";
import type { Study } from "./study/study";
import { views } from "./views/list";

const SIDE = 210;
/* The plane of features in which all three pictures are drawn: two classes' directions, and a feature. */
const origin = [40, SIDE - 40] as const;
const feature = [150, 78] as const;
const own = [118, 30] as const;   // end of the direction of the true class
const other = [192, 124] as const; // of the nearest rival

export function guide(study: Study): HTMLDialogElement {
  const dialog = h("dialog", { class: "guide", "aria-label": "How to read this page" });
  const close = h("button", { class: "close", onclick: () => dialog.close(), title: "Escape" }, "Close");
  const unit = (path: string): string => study.unit(path) || "no unit";
  dialog.append(close, h("h2", {}, "How to read this page"),
    h("p", {}, "A network of this kind turns a sample into a ", h("b", {}, "feature"), ", the input of its last linear layer, and that layer into one score (logit) for each class; the largest wins. Three numbers say where a feature lies, and so what pruning or a corruption did to a sample:"),
    h("div", { class: "figures" },
      figure("Angle", anglePicture(), `between the feature and the direction of its true class (${unit("/geometry/angle")}). Small: the feature points where its class lies. It says what the network sees, however strongly.`),
      figure("Length", lengthPicture(), "of the feature (2-norm). Long: the network is sure, of whatever it sees. Corruption and pruning often shorten features first."),
      figure("Margin", marginPicture(), "signed distance of the feature to the nearest boundary of its true class. Negative exactly when the sample is misclassified; near 0, a small change decides: the sample is fragile.")),
    h("p", {}, h("b", {}, "Loss"), " is the cross-entropy with the true class, in nats. A variant has ", h("b", {}, "failed"), " where it is near chance when clean; it is grey and stands in no ranking. ", h("b", {}, "Replicates"),
      " are variants that differ in their seeds alone."),
    h("h3", {}, "What all views share"),
    h("ul", {},
      h("li", {}, "Two networks are compared ", swatch("--first"), " with ", swatch("--second"), " under one condition; they are chosen above, or by a click in the evaluation table."),
      h("li", {}, "A selection — brushed, lassoed, clicked, or searched for — is marked ", swatch("--mark"), " in every view, and every number is then that of the selection."),
      h("li", {}, "Filters say which samples count at all. A selection can be kept as a group with a name, to filter and to colour by."),
      h("li", {}, "The page's address holds all of this: a copy of it brings it back. Each view is saved as SVG or PNG, its numbers or the selected samples as CSV.")),
    h("h3", {}, "Keys"),
    h("table", { class: "keys" }, ...[
      ["/", "search for samples by number, label or class: 12, 40-60, shirt; #12 where a class is called 12"], ["Esc", "nothing selected"], ["?", "this page"], ["d", "dark or light"],
      [`1 … ${Math.min(9, views.length)}`, `to a view: ${views.slice(0, 9).map(({ title }) => title).join(", ")}`],
      ["Tab", "through what can be chosen"], ["arrows, Enter", "in the evaluation table: move, compare (Shift+Enter: as the first)"],
      ["+, −, 0", "in planes: nearer, farther, all of it; arrows move a cursor"], ["Left, Right", "in lines: to the next end of a piece, with Shift to the next change of the class"],
    ].map(([key, does]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, does)))),
    h("h3", {}, "The views"),
    h("dl", {}, ...views.flatMap(({ title, help }) => [h("dt", {}, title), h("dd", {}, help)])));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}

function swatch(colour: string): HTMLElement { return h("i", { class: "swatch", style: `background:var(${colour})` }); }

function figure(title: string, picture: SVGSVGElement, text: string): HTMLElement {
  return h("figure", {}, picture, h("figcaption", {}, h("b", {}, title), ` ${text}`));
}

type Point = readonly [number, number];
function stroke(points: readonly Point[], colour: string, width: number, more: Record<string, unknown> = {}): SVGPathElement {
  return svg("path", { d: line()(points as [number, number][]) ?? "", fill: "none", style: `stroke:var(${colour})`, "stroke-width": width, "stroke-linecap": "round", ...more });
}
function arrow(to: Point, colour: string, width = 1.6): SVGGElement {
  const angle = Math.atan2(to[1] - origin[1], to[0] - origin[0]);
  const side = (turn: number): Point => [to[0] - 8 * Math.cos(angle + turn), to[1] - 8 * Math.sin(angle + turn)];
  return svg("g", {}, stroke([origin, to], colour, width), stroke([side(0.4), to, side(-0.4)], colour, width));
}
function label(at: Point, text: string, colour: string, anchor = "start"): SVGTextElement {
  return svg("text", { x: at[0], y: at[1], "text-anchor": anchor, style: `fill:var(${colour})` }, text);
}

function plane(name: string, ...parts: SVGElement[]): SVGSVGElement {
  return svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": name },
    stroke([[origin[0] - 15, origin[1]], [SIDE - 8, origin[1]]], "--line", 1), stroke([[origin[0], SIDE - 25], [origin[0], 8]], "--line", 1), ...parts);
}
const dot = (): SVGCircleElement => svg("circle", { cx: feature[0], cy: feature[1], r: 4.5, style: "fill:var(--ink)" });

function anglePicture(): SVGSVGElement {
  const from = Math.atan2(own[1] - origin[1], own[0] - origin[0]);
  const to = Math.atan2(feature[1] - origin[1], feature[0] - origin[0]);
  const arc = Array.from({ length: 17 }, (_, i): Point => {
    const at = from + ((to - from) * i) / 16;
    return [origin[0] + 62 * Math.cos(at), origin[1] + 62 * Math.sin(at)];
  });
  const middle = (from + to) / 2;
  return plane("The angle between a feature and the direction of its class", arrow(own, "--first"), stroke([origin, feature], "--ink", 1.2), dot(), stroke(arc, "--mark", 2.5),
    label([own[0] + 6, own[1] + 4], "its class", "--first"), label([feature[0] + 8, feature[1] + 4], "feature", "--ink"),
    label([origin[0] + 70 * Math.cos(middle), origin[1] + 70 * Math.sin(middle) + 3], "angle", "--mark"));
}

function lengthPicture(): SVGSVGElement {
  return plane("The length of a feature", stroke([origin, feature], "--mark", 2.5), dot(),
    label([feature[0] + 8, feature[1] + 4], "feature", "--ink"), label([104, 136], "length", "--mark"));
}

function marginPicture(): SVGSVGElement {
  // The boundary of two classes whose directions are equally long goes between them.
  const at = [112, 70] as const;
  const between = [own[0] + other[0] - 2 * origin[0], own[1] + other[1] - 2 * origin[1]];
  const size = Math.hypot(between[0], between[1]);
  const along = (by: number): Point => [origin[0] + (between[0] / size) * by, origin[1] + (between[1] / size) * by];
  const on = along(((at[0] - origin[0]) * between[0] + (at[1] - origin[1]) * between[1]) / size);
  return plane("The margin of a feature to the boundary of its class", stroke([along(-15), along(192)], "--soft", 1.4, { "stroke-dasharray": "5 4" }),
    arrow(own, "--first"), arrow(other, "--second"), stroke([at, on], "--mark", 2.5), svg("circle", { cx: at[0], cy: at[1], r: 4.5, style: "fill:var(--ink)" }),
    label([own[0] + 6, own[1] + 4], "its class", "--first"), label([other[0] + 2, other[1] + 16], "rival", "--second", "end"),
    label([at[0] + 9, at[1] + 1], "feature", "--ink"), label([128, 116], "margin", "--mark"), label([186, 42], "boundary", "--soft", "end"));
}
