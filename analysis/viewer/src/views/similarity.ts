/* Similarity: every variant under every condition in the plane, like beside like, with the paths from clean through the
 * severities of each corruption. Replicates look alike, or are folded into their mean. */
import { extent } from "d3-array";
import { scaleLinear, type ScaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { drawAxes } from "../parts/axes";
import { Choices, onOff, type Choice } from "../parts/choices";
import { corruptions, severities } from "../parts/conditions";
import { h } from "../parts/dom";
import { fillLegend } from "../parts/key";
import { outline, variantLooks, type Look } from "../parts/looks";
import { count, listed, percent, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { chosenOf, replicated, replicates, type Replicates } from "../parts/replicates";
import { hideTip, showTip } from "../parts/tooltip";
import { mounted, type Context, type Study, type View } from "./view";

const MARGINS = { top: 12, right: 16, bottom: 40, left: 52 };
const MATRIX = 1000;         // up to so many pairs the distances are read, to say what the plane keeps of them

interface Item extends Replicates { condition: number; x: number; y: number }

function choices(study: Study): readonly Choice[] {
  const all = corruptions(study);
  return [
    ...(all.length > 1 ? [{ name: "corruption", title: "Corruption", options: [["", "all"], ...all.map((c) => [c, c] as const)] as const, start: "" }] : []),
    ...(replicated(study) ? [onOff("folded", "replicates as their mean", false)] : []),
    ...(study.variants.some((v) => v.failed) ? [onOff("failed", "with what has failed", false)] : []),
  ];
}

/** Share of the squared distances that a layout shows: its squares about the middle, of those of all dimensions. */
function kept(layout: ArrayLike<number>, distances: ArrayLike<number>, items: number): number {
  let shown = 0, all = 0;
  for (const axis of [0, 1]) {
    let sum = 0, squares = 0;
    for (let i = 0; i < items; i++) {
      sum += layout[2 * i + axis];
      squares += layout[2 * i + axis] ** 2;
    }
    shown += squares - sum ** 2 / items;
  }
  for (let i = 0; i < items * items; i++) all += distances[i] ** 2;
  return shown / (all / (2 * items));
}

class Similarity {
  private readonly plot: Plot;
  private looks: Look[];
  private layout = new Float64Array();
  private keeps = NaN;
  private distance: Float64Array | null = null;   // of everything to the reference
  private distanceOf = -1;
  private readonly choices: Choices;
  private items: Item[] = [];
  private focus = -1;
  private scales: { x: ScaleLinear<number, number>; y: ScaleLinear<number, number> } | null = null;
  private readonly ends: (() => void)[] = [];
  private readonly legend = h("div", { class: "legend" });
  private readonly note = h("p", { class: "note" });

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context, offered = choices(study);
    this.looks = variantLooks(study);
    this.choices = new Choices(store, "similarity", offered, () => this.renew());
    where.append(h("div", { class: "choices" }, ...offered.map(({ name }) => this.choices.control(name))));
    this.plot = new Plot(where, { layers: 0, height: (w) => Math.min(560, Math.max(300, 0.7 * w)),
      name: "Variants and conditions in the plane; Left and Right go through them, Enter compares one", draw: (_, resized) => this.draw(resized) });
    where.append(this.legend, this.note);
    this.plot.root.addEventListener("keydown", (event) => this.key(event));
    this.ends.push(() => this.choices.remove(), store.on(["first", "second", "condition"], () => { this.plot.draw(); void this.measure(); }));
    this.ends.push(store.on(["filters"], () => this.renew()));
  }

  private renew(): void {
    this.focus = -1;
    this.plot.draw();
  }

  async load(): Promise<void> {
    const { study } = this.context, items = study.variants.length * study.conditions.length;
    this.layout = Float64Array.from(await study.read("/similarity/layout"));
    if (study.has("/similarity/distance") && items <= MATRIX) this.keeps = kept(this.layout, await study.read("/similarity/distance"), items);
    await this.measure();
  }

  /** Distances of everything to the first network under the chosen condition. */
  private async measure(): Promise<void> {
    const { study, store } = this.context, at = store.state.first * study.conditions.length + store.state.condition;
    if (at === this.distanceOf || !study.has("/similarity/distance")) return;
    const row = Float64Array.from(await study.read("/similarity/distance", [at], [1]));
    if (at !== store.state.first * study.conditions.length + store.state.condition) return;
    this.distance = row;
    this.distanceOf = at;
    this.plot.draw();
  }

  private gather(): Item[] {
    const { study, store } = this.context, { variants, conditions } = store.state.filters, C = study.conditions.length;
    const groups = replicates(study.variants.filter((v) => (!variants || variants.includes(v.index)) && (!v.failed || this.choices.on("failed") || v.index === 0)), this.choices.on("folded"));
    const corruption = this.choices.has("corruption") ? this.choices.get("corruption") : "";
    const shown = (c: number): boolean => (!conditions || conditions.includes(c)) &&
      (corruption === "" || !study.conditions[c].includes("/") || study.conditions[c].startsWith(`${corruption}/`));
    return groups.flatMap((group) => study.conditions.flatMap((_, condition) => {
      const mean = (axis: number): number => group.counted.reduce((sum, v) => sum + this.layout[2 * (v.index * C + condition) + axis], 0) / group.counted.length;
      const item = { ...group, condition, x: mean(0), y: mean(1) };
      return shown(condition) && Number.isFinite(item.x + item.y) ? [item] : [];
    }));
  }

  private draw(resized: boolean): void {
    if (!this.layout.length) return;
    const { study, store } = this.context, { width, height } = this.plot, svg = select(this.plot.svg), clean = Math.max(0, study.conditions.indexOf("clean"));
    if (resized) this.looks = variantLooks(study);     // the theme may be another
    this.items = this.gather();
    const [x0 = 0, x1 = 1] = extent(this.items, (i) => i.x), [y0 = 0, y1 = 1] = extent(this.items, (i) => i.y);
    const inner = { width: width - MARGINS.left - MARGINS.right, height: height - MARGINS.top - MARGINS.bottom };
    const unit = Math.max((x1 - x0) / inner.width, (y1 - y0) / inner.height, 1e-12) * 1.1;       // one scale for both axes
    const x = scaleLinear([(x0 + x1 - unit * inner.width) / 2, (x0 + x1 + unit * inner.width) / 2], [MARGINS.left, width - MARGINS.right]);
    const y = scaleLinear([(y0 + y1 - unit * inner.height) / 2, (y0 + y1 + unit * inner.height) / 2], [height - MARGINS.bottom, MARGINS.top]);
    this.scales = { x, y };
    drawAxes(this.plot.svg, { width, height, margins: MARGINS, grid: true, x: { scale: x, name: "first coordinate (standard deviations)" }, y: { scale: y, name: "second coordinate" } });
    const by = new Map(this.items.map((i) => [`${i.name} ${i.condition}`, i]));
    const tracks = corruptions(study).map((corruption) => [clean, ...severities(study, corruption)]);
    const paths = [...new Set(this.items.map((i) => i.name))].flatMap((name) => tracks.flatMap((track) => {
      const steps = track.map((c) => by.get(`${name} ${c}`)).filter((i): i is Item => !!i);
      return steps.length > 1 ? [steps] : [];
    }));
    const group = svg.selectAll<SVGGElement, number>("g.paths").data([0]).join("g").attr("class", "paths");
    group.selectAll("path.severity").data(paths).join("path").attr("class", "severity").classed("failed", ([i]) => i.failed)
      .attr("d", (steps) => `M${steps.map((i) => `${x(i.x)},${y(i.y)}`).join("L")}`).style("stroke", ([i]) => this.looks[chosenOf(i)].colour);
    const marks = svg.selectAll<SVGGElement, Item>("g.item").data(this.items, (i) => `${i.name}\n${i.condition}`).join((enter) => {
      const g = enter.append("g");
      g.append("circle").attr("class", "ring");
      g.append("path").attr("class", "mark");
      return g;
    }).attr("class", "item hot").classed("failed", (i) => i.failed).attr("transform", (i) => `translate(${x(i.x)},${y(i.y)})`)
      .attr("data-name", (i) => i.name).attr("data-condition", (i) => study.conditions[i.condition]).attr("data-x", (i) => i.x).attr("data-y", (i) => i.y);
    marks.select(".mark").classed("small", (i) => i.condition !== clean).attr("d", (i) => outline(this.looks[chosenOf(i)].shape, i.condition === clean ? 90 : 22).path)
      .style("fill", (i) => this.looks[chosenOf(i)].colour).style("stroke", "var(--ground)");
    const { first, second, condition } = store.state;
    const ring = (i: Item): string | null => this.items[this.focus] === i ? "var(--accent)" : i.condition !== condition ? null
      : i.variants.some((v) => v.index === second) ? "var(--second)" : i.variants.some((v) => v.index === first) ? "var(--first)" : null;
    marks.select(".ring").attr("r", 9).style("stroke", ring).style("display", (i) => (ring(i) ? null : "none"));
    marks.filter((i) => ring(i) !== null).raise();
    marks.on("pointermove", (event: PointerEvent, i) => this.tip(event.clientX, event.clientY, i)).on("pointerleave", hideTip)
      .on("click", (event: MouseEvent, i) => this.take(i, event.shiftKey));
    this.words();
  }

  private take(item: Item, first: boolean): void {
    this.context.store.set({ [first ? "first" : "second"]: chosenOf(item), condition: item.condition });
  }

  private words(): void {
    const { study, store } = this.context, names = [...new Set(this.items.map((i) => i.name))], out = study.variants.filter((v) => v.failed && v.index > 0);
    // Replicates look alike: one entry for all of them.
    const groups = replicates([...new Set(this.items.flatMap((i) => i.variants))]);
    fillLegend(this.legend, groups.map((g) => ({ name: g.failed ? `${g.name} (failed)` : g.name, look: this.looks[chosenOf(g)], dim: g.failed, chosen: g.variants.some((v) => v.index === store.state.first || v.index === store.state.second) })),
      (i, event) => store.set({ [event.shiftKey ? "first" : "second"]: chosenOf(groups[i]) }));
    this.note.textContent = this.layout.some(Number.isFinite) ? "" : "The stage similarity of this study is not done yet: nothing can be shown.";
    if (this.items.length) this.note.textContent = [`${count(this.items.length)} points of ${count(names.length)} ${this.choices.on("folded") ? "groups of replicates" : "variants"}.`,
      "Large: clean; lines: from there through the severities of a corruption.",
      Number.isFinite(this.keeps) ? `The plane shows ${percent(this.keeps)} of all squared distances (of angle, length and margin of every sample).` : "",
      out.length && !this.choices.on("failed") ? `Left out, since they have failed (near chance): ${listed(out.map((v) => v.name))}.` : "",
      "Rings: the two networks that are compared. Click: second network and condition; with Shift the first."].filter(Boolean).join(" ");
  }

  private tip(px: number, py: number, item: Item): void {
    const { study, store } = this.context, C = study.conditions.length;
    const far = this.distance && this.distanceOf === store.state.first * C + store.state.condition
      ? item.counted.reduce((sum, v) => sum + (this.distance?.[v.index * C + item.condition] ?? NaN), 0) / item.counted.length : NaN;
    showTip(px, py, `${item.name}, ${study.conditions[item.condition]}${item.failed ? " (failed)" : ""}`, [
      ...(Number.isFinite(far) ? [[`distance to ${study.variants[store.state.first].name}, ${study.conditions[store.state.condition]}`, short(far)] as const] : []),
      ["coordinates", `${short(item.x)}, ${short(item.y)}`], ...(item.variants.length > 1 ? [["mean of replicates", String(item.counted.length)] as const] : [])]);
  }

  private key(event: KeyboardEvent): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step && this.items.length && this.scales) {
      this.focus = (this.focus + step + this.items.length) % this.items.length;
      const item = this.items[this.focus], box = this.plot.root.getBoundingClientRect();
      this.tip(box.left + this.scales.x(item.x), box.top + this.scales.y(item.y), item);
      this.plot.draw();
    } else if (event.key === "Enter" && this.items[this.focus]) this.take(this.items[this.focus], event.shiftKey);
    else return;
    event.preventDefault();
  }

  remove(): void {
    this.ends.forEach((end) => end());
    this.plot.remove();
  }
}

export const similarity: View = {
  id: "similarity",
  title: "Similarity",
  width: "half",
  choices,
  help: "How alike networks are to their samples: near each other are those that give the samples like angles, lengths and margins.",
  wanted: (study: Study) => {
    if (!study.has("/similarity/layout")) return "This file holds no /similarity: one variant under one condition alone, or too many of them.";
    return study.shape("/similarity/layout")[0] === study.variants.length * study.conditions.length ? null : "The items of /similarity are not the variants and conditions of this file.";
  },
  mount: mounted(Similarity),
  async table({ study }) {
    const layout = await study.read("/similarity/layout"), C = study.conditions.length;
    return [["variant", "condition", "x", "y"], ...study.variants.flatMap((v) => study.conditions.map((name, c) =>
      [v.name, name, layout[2 * (v.index * C + c)], layout[2 * (v.index * C + c) + 1]]))];
  },
};
