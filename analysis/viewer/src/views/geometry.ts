/* Local geometry: the angle of every sample's feature to its own class against the feature's length, for the two
   compared networks side by side on the same axes, and where pruning moves every class and the selected samples. */

import { extent } from "d3-array";
import { scaleLinear, type ScaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { drawAxes, cut, withUnit } from "../parts/axes";
import { Choices, type Choice } from "../parts/choices";
import { css, h } from "../parts/dom";
import { picking, stepping, type Points, type Tool } from "../parts/lasso";
import { fillLegend, toggleClass } from "../parts/key";
import { classLook, outline } from "../parts/looks";
import { membersOf } from "../parts/members";
import { count, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { Scattered } from "../parts/scatter";
import { hideTip, showTip } from "../parts/tooltip";
import { counted } from "../state/store";
import { mounted, type Context, type State, type Study, type View } from "./view";

const MARGINS = { top: 26, right: 12, bottom: 40, left: 52 };
const ARROWS = 300;        // up to so many selected samples have arrows of their own
const NAMED = 20;          // up to so many classes have means with marks and names

const CHOICES: readonly Choice[] = [{ name: "tool", title: "Drag to", options: [["brush", "choose a rectangle"], ["lasso", "draw a lasso"]], start: "brush" }];

interface Side {
  variant: number; angle: Float32Array; length: Float32Array; predicted: Int32Array; points: Points;
  passing: Scattered | null; selected: Scattered | null;     // null: the points have no places yet
}

/** Mean angle and length of every class over samples; NaN for a class that has none. */
function classMeans(labels: Int32Array, classes: number, angle: Float32Array, length: Float32Array, shown: Uint8Array): { angle: Float64Array; length: Float64Array; count: Uint32Array } {
  const sums = { angle: new Float64Array(classes), length: new Float64Array(classes), count: new Uint32Array(classes) };
  for (let i = 0; i < labels.length; i++) {
    const k = labels[i];
    if (k < 0 || k >= classes || !shown[i] || !Number.isFinite(angle[i] + length[i])) continue;
    sums.angle[k] += angle[i];
    sums.length[k] += length[i];
    sums.count[k]++;
  }
  for (let k = 0; k < classes; k++) {
    sums.angle[k] /= sums.count[k];
    sums.length[k] /= sums.count[k];
  }
  return sums;
}

class Geometry {
  private readonly plots: Plot[];
  private sides: Side[] = [];
  private scales: { x: ScaleLinear<number, number>; y: ScaleLinear<number, number> } | null = null;
  private readonly choices: Choices;
  private loading = 0;
  private readonly stale = [true, true];       // more than the selection has changed
  private how = "";
  private readonly ends: (() => void)[] = [];
  private readonly legend: HTMLElement;
  private readonly note: HTMLElement;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { store } = context;
    const pair = h("div", { class: "pair" });
    this.legend = h("div", { class: "legend" });
    this.note = h("p", { class: "note" });
    this.choices = new Choices(store, "geometry", CHOICES, () => {});
    where.append(h("div", { class: "choices" }, this.choices.control("tool")), pair, this.legend, this.note);
    this.plots = [0, 1].map((at) => new Plot(pair, {
      layers: 2, height: (w) => Math.min(440, Math.max(260, 0.8 * w)),
      name: at ? "Angle against length in the second network, with arrows from the first" : "Angle against length in the first network",
      draw: (_, resized) => this.draw(at, resized),
    }));
    this.plots.forEach((plot, at) => {
      this.ends.push(picking(plot, { store, tool: () => this.choices.get("tool") as Tool, points: () => this.sides[at]?.points ?? null, hover: (i, event) => this.hover(i, event) }));
      stepping(plot, store);
    });
    this.ends.push(() => this.choices.remove(), store.on(["first", "second", "condition"], () => void this.load()));
    this.ends.push(store.on(["passing", "sample"], () => this.anew()));
    this.ends.push(store.on(["selected"], () => this.plots.forEach((p) => p.draw())));
  }

  async load(): Promise<void> {
    const turn = ++this.loading, { study, store } = this.context, { first, second, condition } = store.state;
    const sides = await Promise.all([first, second].map(async (variant) => {
      const [angle, length, predicted] = await Promise.all([
        study.column("angle", variant, condition), study.column("length", variant, condition), study.predicted(variant, condition)]);
      return { variant, angle, length, predicted, points: { x: new Float32Array(study.samples), y: new Float32Array(study.samples) }, passing: null, selected: null };
    }));
    if (turn !== this.loading) return;
    this.sides = sides;
    this.scales = null;
    this.anew();
  }

  private anew(): void {
    this.stale.fill(true);
    this.plots.forEach((p) => p.draw());
  }

  /** Both sides on the same axes; the places of all points in pixels. */
  private place(): void {
    const { width, height } = this.plots[0];
    const finite = (values: Float32Array) => extent(values.filter(Number.isFinite)) as [number, number] | [undefined, undefined];
    const range = (what: "angle" | "length"): [number, number] => {
      const ends = this.sides.flatMap((s) => finite(s[what])).filter((v): v is number => v !== undefined);
      return ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
    };
    const x = scaleLinear(range("length"), [MARGINS.left, width - MARGINS.right]).nice();
    const y = scaleLinear(range("angle"), [height - MARGINS.bottom, MARGINS.top]).nice();
    this.scales = { x, y };
    const { labels, classes } = this.context.study;
    for (const side of this.sides) {
      const { length, angle, points } = side;
      for (let i = 0; i < length.length; i++) {
        points.x[i] = x(length[i]);
        points.y[i] = y(angle[i]);
      }
      const what = { points, labels, classes: classes.length, width, height };
      side.passing = new Scattered(what);
      side.selected = new Scattered(what);
    }
  }

  private draw(at: number, resized: boolean): void {
    const plot = this.plots[at], side = this.sides[at];
    if (!side) return;
    if (!this.scales || (resized && at === 0)) {
      this.place();
      this.anew();
    }
    const stale = this.stale[at] || resized;
    this.stale[at] = false;
    const { store } = this.context, { passing, selected } = store.state, state = store.state;
    const plain = css("--soft") || "#808080", total = membersOf(passing).length;
    if (stale) this.how = side.passing?.draw(plot.pen(0), passing, total, plain) ?? "";
    plot.layers[0].style.opacity = selected ? "0.22" : "1";
    const pen = plot.pen(1);
    const chosen = selected ? membersOf(counted(state)) : new Int32Array();
    if (selected) side.selected?.draw(pen, counted(state), chosen.length, plain);
    if (at === 1 && chosen.length <= ARROWS) this.sampleArrows(pen, chosen);
    if (stale) this.overlay(plot, at, state);
    if (at === 1) this.words(total, chosen.length);
    if (at === 1 && stale) this.marks();
  }

  private sampleArrows(pen: CanvasRenderingContext2D, samples: Int32Array): void {
    const [from, to] = this.sides.map((s) => s.points), { study } = this.context;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.6;
    for (const i of samples) {
      const k = study.labels[i];
      pen.strokeStyle = k < 0 ? "#888888" : classLook(k, study.classes.length).colour;
      pen.beginPath();
      pen.moveTo(from!.x[i], from!.y[i]);
      pen.lineTo(to!.x[i], to!.y[i]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  private overlay(plot: Plot, at: number, state: Readonly<State>): void {
    const { study } = this.context, { x, y } = this.scales!, { width, height } = plot, svg = select(plot.svg);
    drawAxes(plot.svg, { width, height, margins: MARGINS, grid: true,
      x: { scale: x, name: "length of the feature (2-norm)" },
      y: { scale: y, name: withUnit("angle to the own class", study.unit("/geometry/angle")) } });
    const variant = study.variants[this.sides[at].variant];
    svg.selectAll("text.plot-title").data([`${at ? "second" : "first"}: ${variant.name}${variant.failed ? " (failed)" : ""}`]).join("text")
      .attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 15).text((t) => cut(t, Math.floor((width - 60) / 7)));
    const means = this.sides.map((s) => classMeans(study.labels, study.classes.length, s.angle, s.length, state.passing));
    const named = this.named(means);
    const arrow = at === 1 ? named.filter((k) => Number.isFinite(means[0].length[k] + means[1].length[k])) : [];
    svg.selectAll<SVGGElement, number>("g.arrow").data(arrow, (k) => String(k)).join((enter) => {
      const g = enter.append("g").attr("class", "arrow");
      g.append("path").attr("class", "halo");
      g.append("path").attr("class", "shaft");
      return g;
    }).each(function (k) {
      const a = [x(means[0].length[k]), y(means[0].angle[k])] as const, b = [x(means[1].length[k]), y(means[1].angle[k])] as const;
      select(this).selectAll("path").attr("d", arrowPath(a, b)).style("fill", "none");
      select(this).select(".shaft").style("stroke", classLook(k, study.classes.length).colour);
    });
    const own = means[at];
    svg.selectAll<SVGGElement, number>("g.mean").data(named.filter((k) => own.count[k]), (k) => String(k)).join((enter) => {
      const g = enter.append("g").attr("class", "mean hot");
      g.append("path").attr("class", "halo");
      g.append("path");
      return g;
    }).attr("transform", (k) => `translate(${x(own.length[k])},${y(own.angle[k])})`)
      .attr("data-class", (k) => k).attr("data-angle", (k) => own.angle[k]).attr("data-length", (k) => own.length[k])
      .on("pointermove", (event: PointerEvent, k) => { event.stopPropagation(); this.meanTip(event, k, means, at); })
      .on("pointerleave", hideTip)
      .each(function (k) {
        const look = classLook(k, study.classes.length), mark = outline(look.shape, 110);
        select(this).select(".halo").attr("d", mark.path);
        select(this).select("path:last-child").attr("d", mark.path).style("fill", mark.open ? "none" : look.colour).attr("class", mark.open ? "mark open" : "mark")
          .style("stroke", mark.open ? look.colour : "var(--ground)");
      });
    const { points } = this.sides[at], s = state.sample;
    const from = this.sides[0].points, moved = at === 1 && s !== null && Number.isFinite(points.x[s] + from.x[s]) ? [s] : [];
    svg.selectAll("path.sample").data(moved).join("path").attr("class", "sample").attr("d", (i) => arrowPath([from.x[i], from.y[i]], [points.x[i], points.y[i]]));
    svg.selectAll("circle.sample").data(s !== null && Number.isFinite(points.x[s]) ? [s] : []).join("circle").attr("class", "sample").attr("r", 7)
      .attr("cx", (i) => points.x[i]).attr("cy", (i) => points.y[i]);
  }

  /** The classes whose means are drawn: all that are few; of many those that move most. */
  private named(means: ReturnType<typeof classMeans>[]): number[] {
    const all = Array.from({ length: this.context.study.classes.length }, (_, k) => k);
    if (all.length <= NAMED) return all;
    const { x, y } = this.scales!;
    const moved = (k: number) => Math.hypot(x(means[0].length[k]) - x(means[1].length[k]), y(means[0].angle[k]) - y(means[1].angle[k]));
    return all.filter((k) => Number.isFinite(moved(k))).sort((a, b) => moved(b) - moved(a)).slice(0, NAMED);
  }

  /** The legend; its classes are a filter. */
  private marks(): void {
    const { study, store } = this.context, { filters } = store.state, shown = this.legendClasses();
    fillLegend(this.legend, shown.map((k) => ({ name: study.classes[k], look: classLook(k, study.classes.length), chosen: filters.classes?.includes(k), title: "let this class alone pass; again: all" })), (at) => toggleClass(store, shown[at], study.classes.length));
  }

  private words(total: number, chosen: number): void {
    const { study } = this.context;
    const drawn = this.how === "density" ? "Cells are coloured by the class that most of their samples have, the stronger the more samples." : "Each mark is a sample.";
    const many = study.classes.length > NAMED ? ` Means: the ${NAMED} classes of ${study.classes.length} that move most.` : "";
    this.note.textContent = `${count(total)} samples${chosen ? `, ${count(chosen)} selected` : ""}. ${drawn} Large marks: means of the classes; arrows: from the first network to the second.${many} `
      + "Drag to select, with Shift to add, with Alt to take away; click for a sample; Left and Right go through them, Escape drops the selection.";
  }

  private legendClasses(): number[] {
    const { study } = this.context;
    if (study.classes.length <= NAMED) return study.classes.map((_, k) => k);
    return [...this.plots[1].svg.querySelectorAll("g.mean")].map((g) => Number(g.getAttribute("data-class"))).sort((a, b) => a - b);
  }

  private hover(i: number, event: PointerEvent): void {
    if (i < 0) return hideTip();
    const { study } = this.context, of = (k: number): string => (k < 0 ? "none" : study.classes[k] ?? String(k));
    showTip(event.clientX, event.clientY, `sample ${i}: ${of(study.labels[i])}`, this.sides.flatMap((s) => [
      [study.variants[s.variant].name, of(s.predicted[i])] as const, ["angle, length", `${short(s.angle[i])}, ${short(s.length[i])}`] as const]));
  }

  private meanTip(event: PointerEvent, k: number, means: ReturnType<typeof classMeans>[], at: number): void {
    const [a, b] = means;
    showTip(event.clientX, event.clientY, `${this.context.study.classes[k]}: mean of ${count(means[at].count[k])} samples`, [
      ["angle, first → second", `${short(a.angle[k])} → ${short(b.angle[k])}`], ["length, first → second", `${short(a.length[k])} → ${short(b.length[k])}`]]);
  }

  remove(): void {
    this.loading++;
    this.ends.forEach((end) => end());
    this.plots.forEach((p) => p.remove());
  }
}

/** A line with a head, ending a mark before its tip. */
function arrowPath(a: readonly [number, number], tip: readonly [number, number]): string {
  const turn = Math.atan2(tip[1] - a[1], tip[0] - a[0]), far = Math.hypot(tip[0] - a[0], tip[1] - a[1]), gap = Math.min(8, far / 2), head = Math.min(8, far - gap);
  const b = [tip[0] - gap * Math.cos(turn), tip[1] - gap * Math.sin(turn)];
  const end = (by: number) => `${b[0] - head * Math.cos(turn + by)},${b[1] - head * Math.sin(turn + by)}`;
  return `M${a[0]},${a[1]}L${b[0]},${b[1]}M${end(0.45)}L${b[0]},${b[1]}L${end(-0.45)}`;
}

export const geometry: View = {
  id: "geometry",
  title: "Local geometry",
  width: "whole",
  choices: () => CHOICES,
  help: "Where the feature of every sample lies in two networks: right is longer (more confident), up is further away from the direction of its own class.",
  wanted: (study: Study) => (study.has("/view/angle") || study.has("/geometry/angle")) && study.labels.some((k) => k >= 0) ? null
    : study.has("/view/angle") || study.has("/geometry/angle") ? "The test samples have no labels, so there are no angles." : "This file holds no /geometry.",
  mount: mounted(Geometry),
  async table({ study, store }) {
    const { first, second, condition } = store.state, members = counted(store.state);
    const [a, b] = await Promise.all([first, second].map(async (variant) => {
      const [angle, length] = await Promise.all([study.column("angle", variant, condition), study.column("length", variant, condition)]);
      return classMeans(study.labels, study.classes.length, angle, length, members);
    }));
    return [["class", "samples", ...["angle", "length"].flatMap((metric) => [first, second].map((v) => `${metric} ${study.variants[v].name}`))],
      ...study.classes.map((name, k) => [name, a.count[k], a.angle[k], b.angle[k], a.length[k], b.length[k]])];
  },
};
