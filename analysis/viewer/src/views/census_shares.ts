/* What the elements of each node do over all samples, as shares: they change, are always on, or always off. A panel for each network. */
import { scaleBand, scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { cut } from "../parts/axes";
import { h } from "../parts/dom";
import { count, percent } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { hideTip, showTip } from "../parts/tooltip";
import type { Census, Gate } from "./census_data";

const KINDS = [["changing", "changes", "var(--heat)"], ["on", "always on, or always the same winner", "var(--heat-less)"], ["off", "always off", "var(--faint)"]] as const;

export class Shares {
  readonly where = h("div", { class: "layer-part" });
  private readonly note = h("p", { class: "note" });
  private readonly plot: Plot;
  private sides: readonly Census[] = [];

  constructor(title: string) {
    this.where.append(h("h3", {}, title));
    this.plot = new Plot(this.where, { layers: 0, height: () => Math.max(1, 24 + 21 * this.rows.length), name: title, draw: () => this.draw() });
    this.where.append(h("div", { class: "legend" }, ...KINDS.map(([, name, colour]) => h("span", { class: "legend-item census-kind" }, h("span", { class: "swatch", style: `background:${colour}` }), name))), this.note);
  }

  show(sides: readonly Census[], note: string): void {
    this.sides = sides;
    this.note.textContent = note;
    this.plot.root.hidden = sides.length === 0;
    this.plot.draw();
  }

  private get rows(): string[] { return [...new Set(this.sides.flatMap(({ gates }) => gates.map(({ name }) => name)))]; }

  private draw(): void {
    const { width, height } = this.plot, { rows } = this, svg = select(this.plot.svg), left = Math.min(150, Math.max(70, width * 0.26));
    const y = scaleBand(rows, [22, height]).paddingInner(0.25).paddingOuter(0.1), panel = (width - left - 8) / Math.max(1, this.sides.length);
    svg.selectAll("text.class-name").data(rows).join("text").attr("class", "class-name").attr("text-anchor", "end").attr("x", left - 6).attr("y", (name) => (y(name) ?? 0) + y.bandwidth() / 2 + 4)
      .text((name) => cut(name, Math.floor((left - 8) / 6.5)));
    svg.selectAll<SVGTextElement, Census>("text.plot-title").data(this.sides).join("text").attr("class", "plot-title").attr("x", (_, i) => left + i * panel).attr("y", 14).text(({ variant }) => cut(variant.name, Math.floor(panel / 7)));
    const cells = this.sides.flatMap((side, i) => side.gates.map((gate) => ({ side, gate, x: scaleLinear([0, 1], [left + i * panel, left + (i + 1) * panel - 12]) })));
    svg.selectAll<SVGGElement, (typeof cells)[number]>("g.gate").data(cells).join("g").attr("class", "gate hot").attr("transform", ({ gate }) => `translate(0,${y(gate.name)})`)
      .attr("data-variant", ({ side }) => side.variant.name).attr("data-gate", ({ gate }) => gate.name).attr("data-shares", ({ gate }) => KINDS.map(([kind]) => gate[kind] / gate.elements).join(" "))
      .on("pointermove", (event: PointerEvent, { side, gate }) => showTip(event.clientX, event.clientY, `${gate.name}, ${side.variant.name}`, [["elements", count(gate.elements)] as const,
        ...KINDS.map(([kind, name]) => [name, `${count(gate[kind])} (${percent(gate[kind] / gate.elements)})`] as const)])).on("pointerleave", hideTip)
      .each(({ gate, x }, at, nodes) => {
        const begin = (kind: number): number => KINDS.slice(0, kind).reduce((sum, [one]) => sum + gate[one as keyof Gate & typeof one], 0) / gate.elements;
        select(nodes[at]).selectAll("rect").data(KINDS).join("rect").attr("height", y.bandwidth()).attr("x", (_, i) => x(begin(i))).attr("width", (_, i) => x(begin(i + 1)) - x(begin(i))).style("fill", ([, , colour]) => colour);
      });
  }

  remove(): void { this.plot.remove(); }
}
