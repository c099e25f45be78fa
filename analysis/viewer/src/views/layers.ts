/* Layers: what pruning removed of each, which gates changed, and which part of the bias b and of the margin's change each
 * node has. The means follow what is selected; the sample that is shown has marks of its own. */
import { scaleBand } from "d3-scale";
import { interpolateBlues } from "d3-scale-chromatic";
import { select } from "d3-selection";
import { Latest } from "../file/kept";
import { cut, withUnit } from "../parts/axes";
import { Bars, means, ownOf, type Table } from "../parts/bars";
import { h } from "../parts/dom";
import { fillRamp } from "../parts/key";
import { whenNear } from "../parts/near";
import { count, percent } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { chosenOf, replicates, type Replicates } from "../parts/replicates";
import { hideTip, showTip } from "../parts/tooltip";
import { counted } from "../state/store";
import { gatesOf } from "./sample_data";
import { mounted, type Context, type Study, type Variant, type View } from "./view";

const NUMBERS = 4_000_000;   // numbers that are read of a table by node; of more samples the first ones

interface Removed extends Replicates { layers: string[]; share: number[]; size: number[] }
/** What pruning removed of every layer, replicates as their mean. */
async function removedBy(study: Study): Promise<Removed[]> {
  const recipes = await Promise.all(study.variants.map((v) => study.attributes(`/variants/${v.name}`)));
  const list = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<unknown>) : [value]);
  return replicates(study.variants.filter((v) => recipes[v.index].layer !== undefined && v.method !== "dense")).map((group) => {
    const { layer, layer_size } = recipes[chosenOf(group)], layers = list(layer).map(String), shares = group.counted.map((v) => list(recipes[v.index].layer_achieved).map(Number));
    return { ...group, layers, share: layers.map((_, l) => shares.reduce((sum, s) => sum + s[l], 0) / shares.length), size: list(layer_size).map(Number) };
  });
}

class Layers {
  private readonly heat: Plot;
  private readonly ramp = h("div", { class: "legend" });
  private removed: Removed[] = [];
  private rows: string[] = [];
  private readonly bias = new Bars("Bias by node", ["var(--first)", "var(--second)"]);
  private readonly change = new Bars("Change of the margin by node", ["var(--second)"]);
  private readonly gates = new Bars("Gates that changed", ["var(--second)"]);
  private readonly tables = new Latest<Table | null>(12);
  private turn = 0;
  private shown: Removed[] = [];           // the columns
  private cursor: { column: number; row: number } | null = null;   // by keyboard
  private readonly ends: (() => void)[] = [];

  constructor(where: HTMLElement, private readonly context: Context) {
    const { store } = context;
    const left = h("div", { class: "layer-part" }, h("h3", {}, "Weights removed by layer"));
    this.heat = new Plot(left, { layers: 0, height: () => (this.removed.length ? this.named() + 8 + 22 * this.rows.length : 1), name: "Share of the weights removed, by layer and variant; arrows go through them, Enter compares a variant", draw: () => this.table() });
    this.heat.root.addEventListener("keydown", (event) => this.key(event));
    this.heat.root.addEventListener("blur", () => { this.cursor = null; hideTip(); this.heat.draw(); });
    left.append(this.ramp);
    where.append(h("div", { class: "layer-parts" }, left, this.bias.where, this.change.where, this.gates.where));
    fillRamp(this.ramp, (t) => interpolateBlues(0.05 + 0.9 * t), "removed", "0 %", "100 %");
    const near = whenNear(where, () => void this.renew());
    this.ends.push(near.end, store.on(["first", "second", "condition", "selected", "passing", "sample"], near.ask));
    this.ends.push(store.on(["first", "second", "filters"], () => this.heat.draw()));
  }

  async load(): Promise<void> {
    this.removed = await removedBy(this.context.study);
    this.rows = [...new Set(this.removed.flatMap((r) => r.layers))];
    this.heat.draw();
    await this.renew();
  }

  /* Names of columns stand upright; they take so much room. */
  private named(): number {
    return 14 + 7.2 * Math.min(24, Math.max(...this.removed.map((r) => r.name.length)));
  }

  private scales(shown: readonly Removed[], width: number, height: number) {
    const top = this.named(), left = Math.min(130, Math.max(50, width * 0.24));
    return { top, left, x: scaleBand(shown.map((r) => r.name), [left, width - 6]).paddingInner(0.06), y: scaleBand(this.rows, [top, height - 4]).paddingInner(0.08) };
  }

  private tell(r: Removed, layer: string, px: number, py: number): void {
    const l = r.layers.indexOf(layer);
    showTip(px, py, `${r.name}: ${layer}`, l < 0 ? [["", "has no such layer"]] : [["removed", percent(r.share[l], 2)], ["weights", count(r.size[l])],
      ...(r.variants.length > 1 ? [["mean of replicates", count(r.counted.length)] as const] : [])]);
  }

  private key(event: KeyboardEvent): void {
    if (event.target !== this.heat.root || !this.shown.length) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key], { cursor } = this;
    if (step) {
      const within = (at: number, most: number): number => Math.max(0, Math.min(most - 1, at));
      const { column, row } = this.cursor = cursor ? { column: within(cursor.column + step[0], this.shown.length), row: within(cursor.row + step[1], this.rows.length) } : { column: 0, row: 0 };
      const { x, y } = this.scales(this.shown, this.heat.width, this.heat.height), r = this.shown[column], layer = this.rows[row], box = this.heat.root.getBoundingClientRect();
      this.tell(r, layer, box.left + (x(r.name) ?? 0) + x.bandwidth() / 2, box.top + (y(layer) ?? 0) + y.bandwidth() / 2);
      this.heat.draw();
    } else if (event.key === "Enter" && cursor && this.shown[cursor.column]) this.take(this.shown[cursor.column], event);
    else return;
    event.preventDefault();
  }

  private table(): void {
    const { store } = this.context, { width, height } = this.heat, only = store.state.filters.variants, svg = select(this.heat.svg);
    const shown = this.shown = this.removed.filter((r) => !only || r.variants.some((v) => only.includes(v.index)));
    if (!this.removed.length) return;
    const { top, left, x, y } = this.scales(shown, width, height);
    svg.selectAll("text.class-name").data(this.rows).join("text").attr("class", "class-name").attr("text-anchor", "end").attr("x", left - 6)
      .attr("y", (l) => (y(l) ?? 0) + y.bandwidth() / 2 + 4).text((l) => cut(l, Math.floor((left - 8) / 6.5)));
    const { first, second } = store.state, chosen = (r: Removed): boolean => r.variants.some((v) => v.index === first || v.index === second);
    svg.selectAll<SVGTextElement, Removed>("text.column").data(shown, (r) => r.name).join("text").attr("class", "column hot").classed("chosen", chosen)
      .classed("failed", (r) => r.failed).attr("transform", (r) => `translate(${(x(r.name) ?? 0) + x.bandwidth() / 2 + 4},${top - 6}) rotate(-90)`)
      .text((r) => (x.step() < 9 ? "" : cut(r.name, 24))).on("click", (event: MouseEvent, r) => this.take(r, event))
      .attr("tabindex", x.step() < 9 ? null : 0).attr("role", "button").attr("aria-label", (r) => r.name).on("keydown", (event: KeyboardEvent, r) => { if (event.key === "Enter") this.take(r, event); });
    const cells = shown.flatMap((r) => r.layers.map((layer, l) => ({ r, layer, share: r.share[l] })));
    const under = this.cursor && { name: shown[this.cursor.column]?.name, layer: this.rows[this.cursor.row] };
    const group = svg.selectAll<SVGGElement, (typeof cells)[number]>("g.cell").data(cells, (c) => `${c.r.name}\n${c.layer}`).join((enter) => {
      const g = enter.append("g");
      g.append("rect");
      g.append("text").attr("text-anchor", "middle");
      return g;
    }).attr("class", "cell hot").classed("failed", (c) => c.r.failed).classed("cursor", (c) => c.r.name === under?.name && c.layer === under.layer).attr("data-variant", (c) => c.r.name).attr("data-layer", (c) => c.layer).attr("data-share", (c) => c.share)
      .attr("transform", (c) => `translate(${x(c.r.name)},${y(c.layer)})`)
      .on("pointermove", (event: PointerEvent, c) => this.tell(c.r, c.layer, event.clientX, event.clientY))
      .on("pointerleave", hideTip).on("click", (event: MouseEvent, c) => this.take(c.r, event));
    group.select("rect").attr("width", x.bandwidth()).attr("height", y.bandwidth()).style("fill", (c) => interpolateBlues(0.05 + 0.9 * c.share));
    group.select("text").attr("x", x.bandwidth() / 2).attr("y", y.bandwidth() / 2 + 4).style("fill", (c) => (c.share > 0.55 ? "#ffffff" : "#1b1f24"))
      .text((c) => (x.bandwidth() < 24 ? "" : almost(100 * c.share)));
  }

  private take(r: Removed, event: { shiftKey: boolean }): void {
    this.context.store.set({ [event.shiftKey ? "first" : "second"]: chosenOf(r) });
  }

  /** b by node of the row that explains the class which the network gives a sample. */
  private biasOf(variant: Variant): Promise<Table | null> {
    return this.tables.get(`b ${variant.index}`, async () => {
      const { study } = this.context, path = `/linear/${variant.name}`, [n, k, nodes] = study.shape(`${path}/b_node`);
      if (!n) return null;
      const clean = Math.max(0, study.conditions.indexOf("clean")), read = Math.min(n, Math.max(1, Math.floor(NUMBERS / (k * nodes))));
      const [parts, rows, names, all, predicted] = await Promise.all([study.read(`${path}/b_node`, [0], [read]), study.read(`${path}/row`, [0], [read]),
        study.texts(`${path}/node`), study.read(study.has("/linear/sample") ? "/linear/sample" : "/linear/linear_sample"), study.predicted(variant.index, clean)]);
      const samples = Float64Array.from(all.subarray(0, read)), values = new Float64Array(read * nodes).fill(NaN);
      for (let s = 0; s < read; s++) {
        let row = 0;
        while (row < k && rows[s * k + row] !== predicted[samples[s]]) row++;
        if (row < k) for (let node = 0; node < nodes; node++) values[s * nodes + node] = parts[(s * k + row) * nodes + node];
      }
      return { samples, nodes: names, values };
    });
  }

  private changeOf(variant: Variant, condition: string, what: "node" | "gates"): Promise<Table | null> {
    return this.tables.get(`${what} ${variant.index} ${condition}`, async () => {
      const { study } = this.context, path = `/change/${variant.name}`, place = condition === "" ? path : `${path}/${condition}`, [n, width] = study.shape(`${place}/${what}`);
      if (!n || !width) return null;
      const read = Math.min(n, Math.max(1, Math.floor(NUMBERS / width)));
      const [parts, names, all, total] = await Promise.all([study.read(`${place}/${what}`, [0], [read]), study.texts(`${path}/${what === "node" ? "node_name" : "gate_name"}`),
        study.read(study.has("/change/sample") ? "/change/sample" : "/change/change_sample"), study.read(`${place}/total`, [0], [read])]);
      const samples = Float64Array.from(all.subarray(0, read));
      if (what === "gates") return { samples, nodes: names, values: Float64Array.from(parts, (v) => (v < 0 ? NaN : v)) };
      // What the nodes do not have, the pixels have: they add up to the total.
      const values = new Float64Array(read * (width + 1));
      for (let s = 0; s < read; s++) {
        let rest = total[s];
        for (let node = 0; node < width; node++) {
          values[s * (width + 1) + node + 1] = parts[s * width + node];
          rest -= parts[s * width + node];
        }
        values[s * (width + 1)] = rest;
      }
      return { samples, nodes: ["all pixels", ...names], values };
    });
  }

  private async renew(): Promise<void> {
    const { study, store } = this.context, { first, second, condition, sample } = store.state, turn = ++this.turn;
    const [a, b] = [study.variants[first], study.variants[second]], named = study.conditions[condition];
    const corrupted = named !== "clean" && study.has(`/change/${b.name}/${named}/node`) ? named : "";
    const [before, after, change, gates, frozen] = await Promise.all([this.biasOf(a), this.biasOf(b), this.changeOf(b, corrupted, "node"), this.changeOf(b, corrupted, "gates"),
      Promise.all([a, b].map(async (v) => gatesOf(await study.attributes(`/variants/${v.name}`))))]);
    if (turn !== this.turn) return;
    const members = counted(store.state), tell = (found: number, of: number): string => `Means over ${count(found)} of the ${count(of)} samples that were taken apart${store.state.selected ? " (the selected ones)" : ""}; ticks: the sample that is shown.`;
    const sides = [before, after].map((table) => (table ? { table, ...means(table, members) } : null)), nodes = [...new Set(sides.flatMap((s) => s?.table.nodes ?? []))];
    this.bias.show(nodes.map((name) => {
      const at = sides.map((s) => s?.table.nodes.indexOf(name) ?? -1);
      return { name, means: at.map((i, s) => (i < 0 ? NaN : sides[s]?.mean[i] ?? NaN)), own: at.map((i, s) => { const side = sides[s]; return i < 0 || !side ? NaN : ownOf(side.table, sample, i); }) };
    }), [a.name, b.name], withUnit("part of b, predicted class", study.unit("/linear/<variant>/b_node") || "logit"), nodes.length === 0
      ? `Neither ${a.name} nor ${b.name} is linearized in this study.`
      : [...[a, b].map((v, i) => (!sides[i] ? `${v.name} is not linearized in this study.` : frozen[i] && (i === 0 || a !== b) ? `${v.name}: ${frozen[i]}; its b belongs to that W.` : "")), tell(sides[0]?.count ?? sides[1]?.count ?? 0, (sides[0] ?? sides[1])?.table.samples.length ?? 0)].filter(Boolean).join(" "));
    const why = b.index === 0 ? "Choose a pruned variant as the second network." : study.paths().some((p) => p.startsWith("/change/"))
      ? `The changes of ${b.name} were not taken apart in this study.` : "This study takes no changes apart (the key change of a study asks for it).";
    const what = corrupted ? `${b.name}: from clean to ${corrupted}.` : `From ${study.variants[0].name} to ${b.name}, clean.`;
    for (const [bars, table, unit] of [[this.change, change, withUnit("adds to the margin", study.unit("/geometry/margin"))], [this.gates, gates, "elements on another piece"]] as const) {
      if (!table) {
        bars.show([], [], "", why);
        continue;
      }
      const { mean, count: found } = means(table, members);
      bars.show(table.nodes.map((name, i) => ({ name, means: [mean[i]], own: [ownOf(table, sample, i)] })), [b.name], unit, `${what} ${tell(found, table.samples.length)}`);
    }
  }

  remove(): void {
    this.turn++;
    this.ends.forEach((end) => end());
    this.heat.remove();
    for (const bars of [this.bias, this.change, this.gates]) bars.remove();
  }
}

/** A percentage without digits, but 99.6 is not 100. */
function almost(value: number): string {
  return value >= 99.5 && value < 100 ? ">99" : value > 0 && value < 0.5 ? "<1" : value.toFixed(0);
}

export const layers: View = {
  id: "layers",
  title: "Layers",
  width: "whole",
  help: "Layer by layer: what pruning removed, what each node adds to the bias of the two networks and to the change of the margin, and how many gates changed.",
  wanted: (study: Study) => (study.paths().some((p) => p.endsWith("/b_node") && p.startsWith("/linear/")) || study.variants.length > 1 ? null : "This file has one variant, which is not linearized."),
  mount: mounted(Layers),
  async table({ study }) {
    const removed = await removedBy(study);
    return [["variant", "layer", "weights", "removed"], ...removed.flatMap((r) => r.layers.map((layer, l) => [r.name, layer, r.size[l], r.share[l]]))];
  },
};
