/* What happens on the straight way to a sample: exact integrated gradients, pixel by pixel, and the logits on the way, with the
 * places where the predicted class changes. */
import { extent } from "d3-array";
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { drawAxes } from "../parts/axes";
import { h, svg } from "../parts/dom";
import { fillLegend } from "../parts/key";
import { classLook } from "../parts/looks";
import { count, short } from "../parts/numbers";
import { boundOf, signedMap, summed, type PixelMap } from "../parts/pixel_map";
import { hideTip, showTip } from "../parts/tooltip";
import type { Way } from "./sample_data";
import type { Study, Variant } from "./view";

const MOST = 4, MARGINS = { top: 6, right: 8, bottom: 36, left: 46 }, WIDTH = 340, HEIGHT = 190;

/* The classes that are explained, and those that are largest at either end. */
function drawn(w: Way): number[] {
  const classes = w.logits[0].map((_, k) => k), end = w.logits[w.logits.length - 1];
  const top = (at: ArrayLike<number>): number[] => [...classes].sort((a, b) => at[b] - at[a]).slice(0, 2);
  return [...new Set([...w.classes.slice(0, MOST), ...top(end), ...top(w.logits[0])])].slice(0, MOST);
}

function plotOf(w: Way, study: Study): HTMLElement {
  const classes = drawn(w), all = classes.flatMap((k) => w.logits.map((at) => at[k])), [low = 0, high = 1] = extent(all);
  const x = scaleLinear([0, 1], [MARGINS.left, WIDTH - MARGINS.right]), y = scaleLinear([low, high], [HEIGHT - MARGINS.bottom, MARGINS.top]).nice();
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", tabindex: 0, "aria-label": "logits on the way; Left and Right read them" });
  drawAxes(root, { width: WIDTH, height: HEIGHT, margins: MARGINS, x: { scale: x, name: "share of the way" }, y: { scale: y, name: "logit" } });
  for (const t of w.crossing) root.append(svg("line", { class: "crossing", x1: x(t), x2: x(t), y1: MARGINS.top, y2: HEIGHT - MARGINS.bottom }));
  const path = line<number>().x((_, i) => x(i / (w.logits.length - 1))).y((value) => y(value));
  for (const k of classes) root.append(svg("path", { d: path(w.logits.map((at) => at[k])) ?? "", fill: "none", stroke: classLook(k, study.classes.length).colour, "stroke-width": 1.6 }));
  reading(root, w, study, classes, x);
  const key = h("div", {});
  fillLegend(key, classes.map((k) => ({ name: study.classes[k], look: classLook(k, study.classes.length) })));
  return h("figure", { class: "way-plot" }, h("figcaption", {}, "logits on the way"), root, key);
}

/* Under the pointer, or by Left and Right, the logits of the nearest point that the study keeps. */
function reading(root: SVGSVGElement, w: Way, study: Study, classes: readonly number[], x: (t: number) => number): void {
  const last = w.logits.length - 1, rule = svg("line", { class: "rule", y1: MARGINS.top, y2: HEIGHT - MARGINS.bottom, visibility: "hidden" });
  let cursor = -1;
  const tell = (point: number): void => {
    const box = root.getBoundingClientRect(), there = x(point / last), at = w.logits[point];
    rule.setAttribute("x1", String(there));
    rule.setAttribute("x2", String(there));
    rule.setAttribute("visibility", "visible");
    showTip(box.left + (there * box.width) / WIDTH, box.top + MARGINS.top, `t = ${(point / last).toFixed(3)}`,
      [...classes].sort((a, b) => at[b] - at[a]).map((k) => [study.classes[k], short(at[k])] as const));
  };
  const leave = (): void => {
    cursor = -1;
    rule.setAttribute("visibility", "hidden");
    hideTip();
  };
  root.append(rule);
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect(), share = (((event.clientX - box.left) * WIDTH) / box.width - x(0)) / (x(1) - x(0));
    tell(Math.max(0, Math.min(last, Math.round(share * last))));
  });
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    cursor = cursor < 0 ? 0 : Math.max(0, Math.min(last, cursor + step));
    tell(cursor);
  });
}

/** cls: the class that is looked at; where it is not explained, the first that is. keep: of maps, until they are removed. */
export function waySection(study: Study, variant: Variant, condition: string, w: Way, cls: number, keep: (map: PixelMap) => HTMLElement): HTMLElement {
  const at = Math.max(0, w.classes.indexOf(cls)), pixels = w.pixels[at], sum = pixels.reduce((all, value) => all + value, 0);
  const times = w.changes > 5 ? `${count(w.changes)} times: ` : "", several = w.from.includes("/") ? " (from the first baseline; where there are several, logits are means)" : "";
  const changes = w.changes ? `the predicted class changes ${times}at ${w.crossing.slice(0, 5).map(short).join(", ")}${w.changes > 5 ? ", …" : ""}${several}` : `the predicted class does not change${several}`;
  return h("section", { class: "sample-way", "data-variant": variant.name },
    h("h3", {}, `On the way from ${w.from === "0" ? "0 (black)" : w.from} to ${condition === "" ? "the sample" : condition}, ${variant.name}`),
    h("p", { class: "note" }, `${count(w.pieces)} pieces · certificate ${short(w.residual)} · ${changes}`),
    h("div", { class: "sample-maps" },
      h("div", {}, keep(signedMap(`integrated gradients, ${study.classes[w.classes[at]]}`, pixels, study.image, boundOf(summed(pixels, study.image)), "logit")),
        h("p", { class: "note", "data-total": w.total[at] }, `pixels add up to ${short(sum)}; the logit gains ${short(w.total[at])}`)),
      plotOf(w, study)));
}
