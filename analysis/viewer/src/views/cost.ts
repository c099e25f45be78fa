/* Cost: accuracy against what a variant costs, those that no other one beats (Pareto), and where each came from. With
 * samples selected, the accuracy on these, counted as they come and go. */
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { drawAxes, withUnit } from "../parts/axes";
import { Choices, onOff, type Choice } from "../parts/choices";
import { h } from "../parts/dom";
import { Counts } from "../parts/histogram";
import { fillLegend } from "../parts/key";
import { outline, variantLooks, type Look } from "../parts/looks";
import { whenNear } from "../parts/near";
import { count, listed, percent, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { chosenOf, replicated, replicates, spread, type Replicates } from "../parts/replicates";
import { hideTip, showTip } from "../parts/tooltip";
import { allCount, counted } from "../state/store";
import { mounted, type Context, type Study, type Variant, type View } from "./view";

const MARGINS = { top: 14, right: 18, bottom: 42, left: 60 };
const KEPT = 64 << 20;       // bytes of right-or-wrong of all variants; with more, selections are not counted here

/* What a cost is called; those that a file has are offered. */
const COSTS: readonly (readonly [string, string])[] = [
  ["flops_sparse", "FLOPs of a sample, weights that are not 0"], ["flops", "FLOPs of a sample, all weights"], ["parameters", "parameters"],
  ["bytes_sparse", "size of the parameters that are not 0"], ["bytes", "size of the parameters"], ["epochs", "training of its own"], ["samples", "samples seen in training"],
  ["train_seconds", "training time"], ["forward_seconds", "time of a sample"],
];

const costsOf = (study: Study): typeof COSTS => COSTS.filter(([key]) => study.has(`/cost/${key}`));

function choices(study: Study): readonly Choice[] {
  const offered = costsOf(study);
  return [
    { name: "cost", title: "Cost", options: offered, start: offered[0][0] },
    ...(replicated(study) ? [onOff("folded", "replicates as their mean", true)] : []),
    onOff("from", "where each came from", true),
  ];
}

/** A point of the picture: a variant, or replicates as one by their mean. */
interface Point extends Replicates { cost: number; accuracy: number; deviation: number; best: boolean }

/** Marks those for which no other one is as good and cheaper; the failed neither win nor beat. */
function front(points: Point[]): Point[] {
  const alive = points.filter((p) => !p.failed && Number.isFinite(p.cost) && Number.isFinite(p.accuracy));
  for (const p of points) {
    p.best = alive.includes(p) && !alive.some((q) => q.cost <= p.cost && q.accuracy >= p.accuracy && (q.cost < p.cost || q.accuracy > p.accuracy));
  }
  return points.filter((p) => p.best).sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy);
}

/** What was done to a network to get a variant, in words. */
function operation(variant: Variant, epochs: number): string {
  if (variant.method === "dense") return variant.operation === "load" ? "as loaded" : "as trained";
  const trained = epochs > 0 ? `, trained ${short(epochs)} epochs of its own` : ", not trained after";
  const steps = variant.operation ? `${variant.operation} (` : "";
  return `${steps}${variant.method}${variant.scope ? `, ${variant.scope}` : ""}, ${percent(variant.achieved)} removed${trained}${steps ? ")" : ""}`;
}

class Cost {
  private readonly plot: Plot;
  private looks: Look[];
  private readonly costs = new Map<string, Float64Array>();
  private accuracy = new Float64Array();       // variants x conditions
  private counts: Counts | null = null;
  private countsFor = -1;
  private readonly parents: (string | null)[] = [];
  private readonly choices: Choices;
  private points: Point[] = [];
  private focus = -1;
  private readonly ends: (() => void)[] = [];
  private readonly legend = h("div", { class: "legend" });
  private readonly note = h("p", { class: "note" });

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context, offered = choices(study);
    this.looks = variantLooks(study);
    this.choices = new Choices(store, "cost", offered, () => {
      this.focus = -1;
      this.plot.draw();
    });
    where.append(h("div", { class: "choices" }, ...offered.map(({ name }) => this.choices.control(name))));
    this.plot = new Plot(where, { layers: 0, height: (w) => Math.min(460, Math.max(280, 0.55 * w)), name: "Accuracy against cost; Left and Right go through the variants, Enter compares one", draw: (_, resized) => this.draw(resized) });
    where.append(this.legend, this.note);
    this.plot.root.addEventListener("keydown", (event) => this.key(event));
    const near = whenNear(this.plot.root, () => void this.recount());
    this.ends.push(() => this.choices.remove(), near.end, store.on(["condition", "selected", "passing"], near.ask));
    this.ends.push(store.on(["first", "second", "filters"], () => this.plot.draw()));
  }

  async load(): Promise<void> {
    const { study } = this.context;
    await Promise.all([...costsOf(study).map(([key]) => key), "epochs_before"].map(async (key) => {
      if (study.has(`/cost/${key}`)) this.costs.set(key, Float64Array.from(await study.read(`/cost/${key}`)));
    }));
    this.accuracy = Float64Array.from(await study.read("/summary/accuracy"));
    for (const v of study.variants) this.parents[v.index] = this.parentOf(v);
    await this.recount();
  }

  /** The network that a variant was made from: dense as trained, or none: the weights before training. What older files do not
   * say follows from costs. */
  private parentOf(v: Variant): string | null {
    const { study } = this.context;
    if (v.parent !== null || v.index === 0) return v.parent || null;
    const before = this.costs.get("epochs_before");
    // External networks and masks of others say nothing; what began untrained has no epochs before.
    if (v.method === "external" || !before) return null;
    return before[v.index] > 0 || !(this.costs.get("epochs_before")?.some((e) => e > 0)) ? study.variants[0].name : null;
  }

  /** With a selection or a filter, right and wrong of every variant is read once, and counted by what came and went. */
  private async recount(): Promise<void> {
    const { study, store } = this.context, { condition } = store.state, some = !allCount(store.state);
    if (some && study.variants.length * study.samples <= KEPT && this.countsFor !== condition) {
      const counts = new Counts(study.variants.length, 2, counted(store.state));
      await Promise.all(study.variants.map(async (v) => counts.give(v.index, await study.right(v.index, condition))));
      if (condition !== store.state.condition) return;
      this.counts = counts;
      this.countsFor = condition;
    }
    if (some && this.countsFor === condition) this.counts?.use(counted(store.state));
    this.plot.draw();
  }

  /** Accuracy of a variant over the samples that count; of all, the file's own. */
  private accuracyOf(v: Variant): number {
    const { study, store } = this.context, { condition } = store.state;
    if (!allCount(store.state) && this.counts && this.countsFor === condition) {
      const n = this.counts.get(v.index);
      return n ? n[1] / (n[0] + n[1]) : NaN;
    }
    return this.accuracy[v.index * study.conditions.length + condition];
  }

  private what(): string { return this.choices.get("cost"); }
  private lineage(): boolean { return this.choices.on("from"); }

  private gather(): Point[] {
    const { study, store } = this.context, costs = this.costs.get(this.what()), only = store.state.filters.variants;
    return replicates(study.variants.filter((v) => !only || only.includes(v.index)), this.choices.on("folded")).map((group) => {
      const { mean, deviation } = spread(group.counted.map((v) => this.accuracyOf(v)));
      return { ...group, cost: spread(group.counted.map((v) => costs?.[v.index] ?? NaN)).mean, accuracy: mean, deviation, best: false };
    });
  }

  /** Those that have a place. */
  private drawn(): Point[] { return this.points.filter((p) => Number.isFinite(p.cost) && Number.isFinite(p.accuracy)); }

  private scales(points: readonly Point[]) {
    const { width, height } = this.plot, xs = points.map((p) => p.cost).filter(Number.isFinite), ys = points.flatMap((p) => [p.accuracy - (p.deviation || 0), p.accuracy + (p.deviation || 0)]).filter(Number.isFinite);
    const low = Math.min(...xs), high = Math.max(...xs), logarithmic = low > 0 && high / low > 4;
    const pad = high > low ? 0.04 * (high - low) : Math.abs(high) * 0.1 || 1;
    const range: [number, number] = [MARGINS.left, width - MARGINS.right];
    const x = logarithmic ? scaleLog([low / (high / low) ** 0.05, high * (high / low) ** 0.05], range) : scaleLinear(xs.length ? [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad] : [0, 1], range);
    const bottom = Math.min(...ys), top = Math.max(...ys), room = Math.max(0.01, 0.06 * (top - bottom));
    const y = scaleLinear(ys.length ? [Math.max(0, bottom - room), Math.min(1, top + room)] : [0, 1], [height - MARGINS.bottom, MARGINS.top]).nice();
    return { x, y, logarithmic };
  }

  private draw(resized: boolean): void {
    const { study, store } = this.context, { width, height } = this.plot, svg = select(this.plot.svg);
    if (!this.accuracy.length) return;
    if (resized) this.looks = variantLooks(study);     // the theme may be another
    this.points = this.gather();
    const best = front(this.points), drawn = this.drawn();
    const { x, y, logarithmic } = this.scales(drawn), name = COSTS.find(([key]) => key === this.what())?.[1] ?? this.what(), unit = study.unit(`/cost/${this.what()}`);
    const [low, high] = x.domain(), decades = Math.log10(high / low);
    drawAxes(this.plot.svg, { width, height, margins: MARGINS, grid: true,
      x: { scale: x, name: withUnit(name, unit), format: logarithmic ? (v) => (tidy(v, decades) ? readable(v) : "") : readable },
      y: { scale: y, name: `accuracy, ${study.conditions[store.state.condition]}`, format: (v) => `${Math.round(1000 * v) / 10} %` } });
    const at = (p: Point): [number, number] => [x(p.cost), y(p.accuracy)];
    const paths = svg.selectAll<SVGGElement, number>("g.paths").data([0]).join("g").attr("class", "paths");
    paths.selectAll("path.front").data(best.length > 1 ? [best] : []).join("path").attr("class", "front")
      .attr("d", (b) => `M${b.map(at).map(([px, py], i) => (i ? `H${px}V${py}` : `${px},${py}`)).join("")}`);
    const children = this.lineage() ? drawn.flatMap((p) => {
      const parent = this.parents[p.variants[0].index];
      const from = drawn.find((q) => q !== p && q.variants.some((v) => v.name === parent));
      return from ? [{ p, from }] : [];
    }) : [];
    paths.selectAll("path.parent").data(children).join("path").attr("class", "parent")
      .classed("chosen", ({ p }) => this.chosen(p)).attr("d", ({ p, from }) => {
        const [x0, y0] = at(from), [x1, y1] = at(p);
        return `M${x0},${y0}Q${x0},${(y0 + y1) / 2} ${x1},${y1}`;
      });
    const marks = svg.selectAll<SVGGElement, Point>("g.variant").data(drawn, (p) => p.name).join((enter) => {
      const g = enter.append("g");
      g.append("path").attr("class", "bar");
      g.append("circle").attr("class", "ring");
      g.append("path").attr("class", "mark");
      return g;
    }).attr("class", "variant hot").classed("failed", (p) => p.failed).attr("transform", (p) => `translate(${at(p).join()})`)
      .attr("data-name", (p) => p.name).attr("data-cost", (p) => p.cost).attr("data-accuracy", (p) => p.accuracy).attr("data-best", (p) => String(p.best));
    marks.select(".bar").attr("d", (p) => (Number.isFinite(p.deviation) ? `M0,${y(p.accuracy - p.deviation) - y(p.accuracy)}V${y(p.accuracy + p.deviation) - y(p.accuracy)}` : null));
    marks.select(".ring").attr("r", 9).style("display", (p) => (this.chosen(p) || this.points[this.focus] === p ? null : "none"))
      .style("stroke", (p) => this.ring(p));
    marks.select(".mark").attr("d", (p) => outline(this.looks[chosenOf(p)].shape, p.best ? 90 : 62).path).style("fill", (p) => this.looks[chosenOf(p)].colour)
      .style("stroke", (p) => (p.best ? "var(--ink)" : "var(--ground)"));
    marks.on("pointermove", (event: PointerEvent, p) => this.tip(event.clientX, event.clientY, p)).on("pointerleave", hideTip)
      .on("click", (event: MouseEvent, p) => store.set({ [event.shiftKey ? "first" : "second"]: chosenOf(p) }));
    this.words(best);
  }

  private chosen(p: Point): boolean {
    const { first, second } = this.context.store.state;
    return p.variants.some((v) => v.index === first || v.index === second);
  }
  private ring(p: Point): string {
    const { first, second } = this.context.store.state;
    return p.variants.some((v) => v.index === second) ? "var(--second)" : p.variants.some((v) => v.index === first) ? "var(--first)" : "var(--accent)";
  }

  private words(best: readonly Point[]): void {
    const { store } = this.context;
    const untrained = this.points.filter((p) => this.parents[p.variants[0].index] === null && p.variants[0].method !== "dense" && p.variants[0].method !== "external");
    fillLegend(this.legend, this.points.map((p) => ({ name: p.failed ? `${p.name} (failed)` : p.name, look: this.looks[chosenOf(p)], dim: p.failed, chosen: this.chosen(p) })),
      (i, event) => store.set({ [event.shiftKey ? "first" : "second"]: chosenOf(this.points[i]) }));
    this.note.textContent = [
      !allCount(store.state) ? (this.counts && this.countsFor === store.state.condition ? "Accuracy on the samples that are selected and pass the filters." : "Accuracy on all samples (too many to count a selection here).") : "",
      best.length ? `On the dotted line, with a rim: no other one is as good for less (${listed(best.map((p) => p.name))}).` : "",
      this.points.some((p) => Number.isFinite(p.deviation)) ? "Bars: one standard deviation over seeds." : "",
      this.points.every((p) => Number.isNaN(p.accuracy)) ? "The stage summary of this study is not done yet: there are no accuracies." : "",
      this.lineage() && this.parents.some((parent) => parent !== null) ? `Thin curves: made from ${this.context.study.variants[0].name}.${untrained.length ? ` From the weights before training: ${listed(untrained.map((p) => p.name))}.` : ""}` : "",
      "Click: the second network of the comparison; with Shift the first.",
    ].filter(Boolean).join(" ");
  }

  private tip(px: number, py: number, p: Point): void {
    const v = p.counted[0], parent = this.parents[v.index], epochs = this.costs.get("epochs")?.[v.index] ?? 0, name = COSTS.find(([key]) => key === this.what())?.[1] ?? "";
    showTip(px, py, p.name + (p.failed ? " (failed)" : ""), [
      ["accuracy", percent(p.accuracy, 2) + (Number.isFinite(p.deviation) ? ` ± ${percent(p.deviation, 2)}` : "")], [name, `${readable(p.cost)} ${this.context.study.unit(`/cost/${this.what()}`)}`.trim()],
      ["from", parent ?? (v.operation === "load" || v.method === "external" ? "another file" : v.method === "dense" ? "training" : "weights before training")], ["by", operation(v, epochs)],
      ...(p.variants.length > 1 ? [["mean of replicates", count(p.counted.length)] as const] : [])]);
  }

  private key(event: KeyboardEvent): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0, drawn = this.drawn();
    if (step && drawn.length) {
      const now = drawn.indexOf(this.points[this.focus]), p = drawn[now < 0 ? (step > 0 ? 0 : drawn.length - 1) : (now + step + drawn.length) % drawn.length];
      this.focus = this.points.indexOf(p);
      const { x, y } = this.scales(drawn);
      const box = this.plot.root.getBoundingClientRect();
      this.tip(box.left + x(p.cost), box.top + y(p.accuracy), p);
      this.plot.draw();
    } else if (event.key === "Enter" && this.points[this.focus]) {
      this.context.store.set({ [event.shiftKey ? "first" : "second"]: chosenOf(this.points[this.focus]) });
    } else return;
    event.preventDefault();
  }

  remove(): void {
    this.ends.forEach((end) => end());
    this.plot.remove();
  }
}

/** 12 k, 3.4 M: a number that has room below an axis. */
function readable(value: number): string {
  const size = Math.abs(value);
  for (const [unit, by] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) if (size >= by) return `${Number((value / by).toPrecision(3))} ${unit}`;
  return size >= 1e-3 || value === 0 ? String(Number(value.toPrecision(3))) : size >= 1e-6 ? `${Number((value * 1e6).toPrecision(3))}e-6` : value.toExponential(1);
}

/** Ticks of a logarithmic axis that have a number: of few decades 1, 2 and 5, of many 1. */
function tidy(value: number, decades: number): boolean {
  const digit = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
  return decades < 1 ? true : decades < 3 ? [1, 2, 5, 10].includes(digit) : digit === 1 || digit === 10;
}

export const cost: View = {
  id: "cost",
  title: "Cost",
  width: "half",
  choices,
  help: "What accuracy costs: each variant's accuracy under the chosen condition against its size, its work or its training.",
  wanted: (study: Study) => !study.has("/summary/accuracy") ? "This file holds no /summary/accuracy."
    : COSTS.some(([key]) => study.has(`/cost/${key}`)) ? null : "This file holds no /cost.",
  mount: mounted(Cost),
  async table({ study }) {
    const keys = costsOf(study).map(([key]) => key), C = study.conditions.length;
    const [accuracy, ...costs] = await Promise.all([study.read("/summary/accuracy"), ...keys.map((key) => study.read(`/cost/${key}`))]);
    return [["variant", "replicate", "failed", ...keys, ...study.conditions.map((name) => `accuracy ${name}`)], ...study.variants.map((v) =>
      [v.name, v.replicate, Number(v.failed), ...costs.map((of) => of[v.index]), ...study.conditions.map((_, c) => accuracy[v.index * C + c])])];
  },
};
