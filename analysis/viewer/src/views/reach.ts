/* Reach: how far linearizations hold, and how near other classes are: sample by sample the first network against the second, the
 * shares of the samples that count, and the figures of the one that is shown. */
import { bisectRight, median } from "d3-array";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { otherThan, runs, stepsAmong } from "../parts/among";
import { cut, drawAxes } from "../parts/axes";
import { Choices, type Choice } from "../parts/choices";
import { replaceControls } from "../parts/controls";
import { css, h, svg as svgElement } from "../parts/dom";
import { fillLegend, toggleClass } from "../parts/key";
import { picking, stepping, type Points, type Tool } from "../parts/lasso";
import { logAxis, tickText, type LogAxis } from "../parts/log_axis";
import { classLook } from "../parts/looks";
import { count, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { Scattered } from "../parts/scatter";
import { hideTip, showTip } from "../parts/tooltip";
import type { PixelMap } from "../parts/pixel_map";
import { counted, howMany } from "../state/store";
import { certain, measured, nearestOf, NORMS, reachOf, SAMPLES, unitOf, type Nearest, type Reach } from "./reach_data";
import { nearestMaps } from "./reach_maps";
import { reachTable } from "./reach_table";
import { pictureOf } from "./sample_data";
import { CUT_DOWN, mounted, type Context, type Study, type View } from "./view";

const MARGINS = { top: 26, right: 14, bottom: 42, left: 58 };
const WHAT = {
  untied: "radius, ties aside", radius: "radius", boundary: "decision boundary", certain: "no other class within",
} as const;
type What = keyof typeof WHAT;
const LINES = [["untied", ""], ["boundary", "5 3"]] as const;     // what the shares are of, and how it is drawn
const CHOICES: readonly Choice[] = [
  { name: "what", title: "Distance", options: Object.entries(WHAT), start: "untied" },
  { name: "norm", title: "in the", options: NORMS, start: "max" },
  { name: "tool", title: "Drag to", options: [["brush", "choose a rectangle"], ["lasso", "draw a lasso"]], start: "brush" },
];

const numbersOf = (reach: Reach, what: What, norm: number): Float64Array => (what === "certain" ? certain(reach, norm) : reach[what][norm]);

class ReachView {
  private readonly steps = h("div", { class: "choices" });
  private readonly scatter: Plot;
  private readonly shares: Plot;
  private readonly legend = h("div", { class: "legend" });
  private readonly key = h("div", { class: "legend" });      // of the shares
  private readonly note = h("p", { class: "note" });
  private readonly own = h("div", { class: "reach-own" });
  private readonly nearest = h("div", {});
  private maps: PixelMap[] = [];
  private mapsTurn = 0;
  private readonly choices: Choices;
  private readonly ends: (() => void)[] = [];
  private numbers: ArrayLike<number> = [];
  private placeOf = new Map<number, number>();
  private unit = "";
  private sides: Reach[] = [];
  private points: Points | null = null;
  private drawn: { passing: Scattered; selected: Scattered; x: LogAxis; y: LogAxis } | null = null;
  private passing = new Uint8Array();      // of those that are measured in both
  private turn = 0;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { store } = context, [left, right] = [h("div", {}), h("div", {})];
    this.choices = new Choices(store, "reach", CHOICES, (names) => { this.anew(); if (names.has("norm")) this.figures(); });
    where.append(h("div", { class: "choices" }, ...CHOICES.map(({ name }) => this.choices.control(name))), h("div", { class: "pair" }, left, right), this.note, this.steps, this.own, this.nearest);
    const height = (w: number): number => Math.min(420, Math.max(260, 0.72 * w));
    this.scatter = new Plot(left, { layers: 2, height, name: "How far linearizations hold: the first network against the second, sample by sample", draw: (_, resized) => this.drawScatter(resized) });
    this.shares = new Plot(right, { layers: 0, height, name: "Share of the samples within a distance", draw: () => this.drawShares() });
    left.append(this.legend);
    right.append(this.key);
    this.ends.push(picking(this.scatter, { store, tool: () => this.choices.get("tool") as Tool, points: () => this.points, hover: (i, event) => this.hover(i, event) }));
    stepping(this.scatter, store, () => this.passing);
    this.ends.push(() => this.choices.remove(), store.on(["first", "second"], () => void this.renew()), store.on(["passing"], () => this.anew()),
      store.on(["selected"], () => this.again()), store.on(["sample"], () => { this.again(); this.figures(); }));
  }

  async load(): Promise<void> {
    const { study } = this.context;
    [this.numbers, this.unit] = await Promise.all([study.read(SAMPLES), unitOf(study)]);
    this.placeOf = new Map(Array.from(this.numbers, (number, at) => [number, at]));
    await this.renew();
  }

  private get what(): What { return this.choices.get("what") as What; }
  private get norm(): number { return NORMS.findIndex(([id]) => id === this.choices.get("norm")); }

  private async renew(): Promise<void> {
    const { study, store } = this.context, turn = ++this.turn;
    const sides = await Promise.all([...new Set([store.state.first, store.state.second])].map((v) => reachOf(study, study.variants[v])));
    if (turn !== this.turn) return;
    this.sides = sides.filter((reach): reach is Reach => reach !== null);
    this.scatter.root.hidden = this.sides.length < 2;
    this.anew();
    this.figures();
  }

  private anew(): void {
    this.drawn = null;
    this.marks();
    this.again();
  }

  private again(): void {
    this.scatter.draw();
    this.shares.draw();
    this.words();
  }

  /** Where all samples stand; those that are not measured nowhere. */
  private place(): void {
    const { study, store } = this.context, { width, height } = this.scatter, [a, b] = this.sides.map((reach) => numbersOf(reach, this.what, this.norm));
    const all = [...a, ...b], x = logAxis(all, MARGINS.left, width - MARGINS.right), y = logAxis(all, height - MARGINS.bottom, MARGINS.top);
    const points = { x: new Float32Array(study.samples).fill(NaN), y: new Float32Array(study.samples).fill(NaN) };
    this.passing = new Uint8Array(study.samples);
    a.forEach((value, at) => {
      const i = this.numbers[at], [px, py] = [x.at(value), y.at(b[at])];
      if (!Number.isFinite(px + py)) return;
      [points.x[i], points.y[i]] = [px, py];
      this.passing[i] = store.state.passing[i];
    });
    const what = { points, labels: study.labels, classes: study.classes.length, width, height };
    this.points = points;
    this.drawn = { passing: new Scattered(what), selected: new Scattered(what), x, y };
  }

  private drawScatter(resized: boolean): void {
    if (this.sides.length < 2) return;
    if (!this.drawn || resized) this.place();
    const { x, y, passing, selected } = this.drawn!, { store } = this.context, { width, height } = this.scatter, svg = select(this.scatter.svg), plain = css("--soft") || "#808080";
    passing.draw(this.scatter.pen(0), this.passing, howMany(this.passing), plain);
    this.scatter.layers[0].style.opacity = store.state.selected ? "0.22" : "1";
    const pen = this.scatter.pen(1), chosen = this.passing.map((one, i) => one & (store.state.selected?.[i] ?? 0));
    if (store.state.selected) selected.draw(pen, chosen, howMany(chosen), plain);
    const what = `${WHAT[this.what]} (${this.unit})`;
    drawAxes(this.scatter.svg, { width, height, margins: MARGINS, grid: true, x: { scale: x.scale, values: x.ticks, format: tickText, name: cut(`${what}, ${this.sides[0].variant.name}`, Math.floor((width - 70) / 6)) },
      y: { scale: y.scale, values: y.ticks, format: tickText, name: cut(this.sides[1].variant.name, Math.floor((height - 70) / 6)) } });
    this.rails(svg, x, y, height);
    const [low, high] = x.scale.domain();
    svg.selectAll("line.zero").data([0]).join("line").attr("class", "zero").attr("x1", x.at(low)).attr("x2", x.at(high)).attr("y1", y.at(low)).attr("y2", y.at(high));
    svg.selectAll("text.plot-title").data([0]).join("text").attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 15).text("first against second, sample by sample");
    const s = store.state.sample;
    svg.selectAll("circle.sample").data(s !== null && this.points && Number.isFinite(this.points.x[s]) ? [s] : []).join("circle").attr("class", "sample").attr("r", 7)
      .attr("cx", (i) => this.points!.x[i]).attr("cy", (i) => this.points!.y[i]);
  }

  /* Names of the places for what is 0, or infinite. */
  private rails(svg: ReturnType<typeof select<SVGSVGElement, unknown>>, x: LogAxis, y: LogAxis, height: number): void {
    const names = [[x.zero, "0"], [x.infinite, "∞"]].flatMap(([at, text]) => (at === null ? [] : [{ x: Number(at), y: height - MARGINS.bottom + 15, text: String(text), anchor: "middle" }]))
      .concat([[y.zero, "0"], [y.infinite, "∞"]].flatMap(([at, text]) => (at === null ? [] : [{ x: MARGINS.left - 6, y: Number(at) + 4, text: String(text), anchor: "end" }])));
    svg.selectAll("text.rail-name").data(names).join("text").attr("class", "rail-name").attr("x", (n) => n.x).attr("y", (n) => n.y).attr("text-anchor", (n) => n.anchor).text((n) => n.text);
  }

  private drawShares(): void {
    if (!this.sides.length) return;
    const { store } = this.context, { width, height } = this.shares, svg = select(this.shares.svg), members = counted(store.state), { norm } = this;
    const lines = this.sides.flatMap((reach) => LINES.map(([what, dash]) => {
      const sorted = numbersOf(reach, what, norm).filter((value, at) => !Number.isNaN(value) && members[this.numbers[at]]).sort();
      return { reach, what, dash, sorted, colour: reach.variant.index === store.state.first ? "var(--first)" : "var(--second)" };
    }));
    const axis = logAxis(this.sides.flatMap((reach) => LINES.flatMap(([what]) => [...numbersOf(reach, what, norm)].filter((value) => value > 0 && value < Infinity))), MARGINS.left, width - MARGINS.right);
    const y = scaleLinear([0, 1], [height - MARGINS.bottom, MARGINS.top]);
    drawAxes(this.shares.svg, { width, height, margins: MARGINS, grid: true, x: { scale: axis.scale, values: axis.ticks, format: tickText, name: `distance in the ${NORMS[norm][1]} (${this.unit})` },
      y: { scale: y, name: "share of the samples", format: (value) => `${Math.round(100 * value)} %` } });
    svg.selectAll("text.plot-title").data([0]).join("text").attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 15).text("how many samples it ends within");
    svg.selectAll<SVGPathElement, (typeof lines)[number]>("path.share").data(lines).join("path").attr("class", "share").attr("d", ({ sorted }) => {
      const step = (px: number): number => y(sorted.length ? bisectRight(sorted, axis.scale.invert(px)) / sorted.length : 0);
      return `M${Array.from({ length: Math.max(2, width - MARGINS.left - MARGINS.right) }, (_, i) => `${MARGINS.left + i},${step(MARGINS.left + i).toFixed(1)}`).join("L")}`;
    }).style("stroke", ({ colour }) => colour).style("stroke-dasharray", ({ dash }) => dash || null)
      .attr("data-variant", ({ reach }) => reach.variant.name).attr("data-what", ({ what }) => what).attr("data-median", ({ sorted }) => median(sorted) ?? NaN).attr("data-samples", ({ sorted }) => sorted.length);
    this.key.replaceChildren(...lines.map(({ reach, what, dash, sorted, colour }) => h("span", { class: "legend-item share-name", title: reach.variant.name },
      svgElement("svg", { width: 22, height: 10, "aria-hidden": "true" }, svgElement("path", { d: "M0,5H22", style: `stroke:${colour};stroke-width:2`, "stroke-dasharray": dash || null })),
      `${WHAT[what]}, median ${short(median(sorted) ?? NaN)}: ${reach.variant.name}`)));
  }

  private words(): void {
    const { study, store } = this.context, { first, second } = store.state, { norm } = this, members = counted(store.state);
    const missing = [...new Set([first, second])].filter((v) => !this.sides.some((reach) => reach.variant.index === v)).map((v) => study.variants[v].name);
    const taken = Array.from(this.numbers).filter((number) => members[number]).length, share = (of: (at: number) => boolean): number => Array.from(this.numbers).filter((number, at) => members[number] && of(at)).length;
    this.note.textContent = [
      ...missing.map((name) => `The study did not measure ${name} (reach: variants), or this file does not hold it.`), first === second ? "Choose two networks to hold one against the other." : "",
      `${count(taken)} of the ${count(this.numbers.length)} samples that were measured (${runs(this.numbers)})${store.state.selected ? ", the selected ones" : ""}.`,
      ...this.sides.map((reach) => `${reach.variant.name}: ${count(share((at) => reach.tied[at] > 0))} of them lie on a boundary of their region (ties), so that their radius is 0; the decision boundary is exact for ${count(share((at) => reach.inside[norm][at]))}, a lower bound for the others.`),
      this.sides.length > 1 ? "Dashed: as far in both. Drag to select, with Shift to add, with Alt to take away; click for a sample; Left and Right go through them, Escape drops the selection." : ""].filter(Boolean).join(" ");
  }

  /** The legend; its classes are a filter. */
  private marks(): void {
    const { study, store } = this.context, k = study.classes.length, { filters } = store.state;
    this.legend.hidden = k > 20 || this.sides.length < 2;
    if (!this.legend.hidden) fillLegend(this.legend, study.classes.map((name, i) => ({ name, look: classLook(i, k), chosen: filters.classes?.includes(i), title: "let this class alone pass; again: all" })), (at) => toggleClass(store, at, k));
  }

  /** The sample that is shown. */
  private figures(): void {
    const { study, store } = this.context, sample = store.state.sample ?? this.numbers[0], at = this.placeOf.get(sample) ?? -1;
    replaceControls(this.steps, h("span", {}, `sample ${sample}`), ...stepsAmong(store, at, this.numbers));
    this.own.replaceChildren(at < 0 ? otherThan(store, sample, this.numbers, "measured") : reachTable(study, this.sides, at, this.unit, store.state.first));
    void this.pictures(sample, at);
  }

  /** Pictures of the nearest points of it. */
  private async pictures(sample: number, at: number): Promise<void> {
    const { study } = this.context, { norm } = this, turn = ++this.mapsTurn;
    const all = at < 0 ? [] : await Promise.all(this.sides.map((reach) => nearestOf(study, reach, sample, at, norm)));
    const found = all.filter((one): one is Nearest => one !== null), picture = found.length ? await pictureOf(study, sample) : null;
    if (turn !== this.mapsTurn) return;
    this.clear();
    if (picture) this.nearest.replaceChildren(nearestMaps(study, found, picture.raw, picture.scale, sample, at, norm, (map) => { this.maps.push(map); return map.where; }));
  }

  private clear(): void {
    this.maps.forEach((map) => map.remove());
    this.maps = [];
    this.nearest.replaceChildren();
  }

  private hover(i: number, event: PointerEvent): void {
    const at = this.placeOf.get(i);
    if (i < 0 || at === undefined) return hideTip();
    const { study } = this.context, label = study.labels[i];
    showTip(event.clientX, event.clientY, `sample ${i}: ${label < 0 ? "none" : study.classes[label]}`, this.sides.flatMap((reach) => [
      [reach.variant.name, ""] as const, ...(Object.keys(WHAT) as What[]).map((what) => [WHAT[what], short(numbersOf(reach, what, this.norm)[at])] as const)]));
  }

  remove(): void {
    this.turn++;
    this.mapsTurn++;
    this.clear();
    this.ends.forEach((end) => end());
    this.scatter.remove();
    this.shares.remove();
  }
}

/** What is saved of a network, by the sample's place. */
type Column = readonly [name: string, of: (at: number) => string | number];
function columnsOf(study: Study, { variant, radius, untied, limit, boundary, inside, other, tied }: Reach): Column[] {
  return [[`${variant.name} ties`, (at) => tied[at]], ...NORMS.flatMap(([, norm], n): Column[] => {
    const named = (what: string): string => `${variant.name} ${what} (${norm})`;
    return [[named("radius"), (at) => radius[n][at]], [named("radius, ties aside"), (at) => untied[n][at]], [named("ends at"), (at) => limit[n][at]], [named("decision boundary"), (at) => boundary[n][at]],
      [named("exact"), (at) => (inside[n][at] ? "yes" : "lower bound")], [named("beyond it"), (at) => study.classes[other[n][at]] ?? ""]];
  })];
}

export const reach: View = {
  id: "reach",
  title: "Reach",
  width: "whole",
  choices: () => CHOICES,
  help: "How far the linearization of a sample holds: within the radius of its region W and b are those of all inputs. And how near another class is: the nearest decision boundary of the sample's own map, which is exact where its nearest point lies in the region, and a lower bound of that elsewhere; the smaller of the two bounds the distance to any input of another class from below. "
    + "Left: the first network against the second, sample by sample; above the dashed line the second one's is larger. Right: the share of the samples that count whose region ends within a distance (solid), and that have a decision boundary within it (dashed). Below: of the sample that is shown the figures, and the nearest point of another class of its own map.",
  wanted: (study: Study) => (study.has(SAMPLES) && study.variants.some((variant) => measured(study, variant)) ? null : study.has(SAMPLES) ? CUT_DOWN : "This file does not say how far linearizations hold: the key reach of a study asks for it."),
  mount: mounted(ReachView),
  async table({ study, store }) {
    const members = counted(store.state), numbers = await study.read(SAMPLES);
    const sides = (await Promise.all([...new Set([store.state.first, store.state.second])].map((v) => reachOf(study, study.variants[v])))).filter((one): one is Reach => one !== null);
    const columns = sides.flatMap((one) => columnsOf(study, one));
    return [["sample", "label", ...columns.map(([name]) => name)], ...Array.from(numbers, (number, at) => ({ number, at })).filter(({ number }) => members[number])
      .map(({ number, at }) => [number, study.classes[study.labels[number]] ?? "", ...columns.map(([, of]) => of(at))])];
  },
};
