/* Bars by node: what each node has of something, in one or two networks, as means over the samples that count; the sample that is
 * shown has marks of its own. */
import { axisTop } from "d3-axis";
import { scaleBand, scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { cut } from "./axes";
import { h } from "./dom";
import { short } from "./numbers";
import { Plot } from "./plot";
import { hideTip, showTip } from "./tooltip";

const HALF_LETTER = 3.5;     // pixels
const MOST = 40;             // bars of a picture; of more those with the largest numbers

/** Numbers by sample and node: of sample s (its number among all: samples[s]) and node n: values[s * nodes.length + n]. */
export interface Table { samples: Float64Array; nodes: string[]; values: Float64Array }
export interface Bar { name: string; means: number[]; own: number[] }

/** Mean of each column over samples that are members and have a number there; NaN without any. count: samples with any. */
export function means({ samples, nodes, values }: Table, members: Uint8Array): { mean: number[]; count: number } {
  const sums = new Float64Array(nodes.length), counts = new Uint32Array(nodes.length);
  let found = 0;
  for (let s = 0; s < samples.length; s++) {
    if (!members[samples[s]]) continue;
    let some = 0;
    for (let n = 0; n < nodes.length; n++) {
      const value = values[s * nodes.length + n];
      if (!Number.isFinite(value)) continue;
      sums[n] += value;
      counts[n]++;
      some = 1;
    }
    found += some;
  }
  return { mean: [...sums].map((sum, n) => sum / counts[n]), count: found };
}

/** The number of one sample; NaN: it is none of the table's. */
export function ownOf({ samples, nodes, values }: Table, sample: number | null, node: number): number {
  const at = sample === null ? -1 : samples.indexOf(sample);
  return at < 0 ? NaN : values[at * nodes.length + node];
}

/** One picture of bars: a row for each node, a bar for each of one or two networks, and the shown sample's marks. */
export class Bars {
  readonly where = h("div", { class: "layer-part" });
  private readonly title = h("h3", {});
  private readonly note = h("p", { class: "note" });
  private readonly plot: Plot;
  private bars: Bar[] = [];
  private names: string[] = [];
  private unit = "";

  /** choose: called with the name of a row that is clicked, or has the focus when Enter is pressed. */
  constructor(title: string, private colours: readonly string[], private readonly choose?: (name: string, event: { shiftKey: boolean }) => void) {
    this.title.textContent = title;
    this.where.append(this.title);
    this.plot = new Plot(this.where, { layers: 0, height: () => Math.max(1, 34 + this.bars.length * (12 + 9 * this.colours.length)), name: title, draw: () => this.draw() });
    this.where.append(this.note);
  }

  show(bars: Bar[], names: string[], unit: string, note: string, colours = this.colours): void {
    const size = (bar: Bar): number => Math.max(...bar.means.map((v) => Math.abs(v) || 0));
    const least = bars.length > MOST ? bars.map(size).sort((a, b) => b - a)[MOST - 1] : -1;
    this.bars = bars.filter((bar) => size(bar) >= least).slice(0, MOST);
    [this.names, this.unit, this.colours] = [names, unit, colours];
    this.note.textContent = note + (this.bars.length < bars.length ? ` Shown: the ${this.bars.length} of ${bars.length} nodes with the largest numbers.` : "");
    this.plot.root.hidden = bars.length === 0;
    this.plot.draw();
  }

  private draw(): void {
    if (!this.bars.length) return;
    const { width, height } = this.plot, svg = select(this.plot.svg), left = Math.min(150, Math.max(70, width * 0.26));
    const all = this.bars.flatMap((b) => [...b.means, ...b.own]).filter(Number.isFinite);
    const x = scaleLinear([Math.min(0, ...all), Math.max(0, ...all) || 1], [left, width - 14]).nice();
    x.range([left, width - Math.max(14, HALF_LETTER * x.tickFormat()(x.domain()[1]).length)]);     // the last number is whole
    const y = scaleBand(this.bars.map((b) => b.name), [32, height]).paddingInner(0.25).paddingOuter(0.1), own = y.bandwidth() / this.colours.length;
    svg.selectAll("g.axes").remove();
    const axes = svg.insert("g", ":first-child").attr("class", "axes");
    axes.append("g").attr("class", "axis grid").attr("transform", "translate(0,30)")
      .call(axisTop(x).ticks(Math.max(2, Math.floor(width / 90))).tickSizeInner(-(height - 32)).tickPadding(3).tickSizeOuter(0));
    axes.append("text").attr("class", "axis-name").attr("x", width - 14).attr("y", 10).attr("text-anchor", "end").text(this.unit);
    svg.selectAll("line.zero").data([0]).join("line").attr("class", "zero").attr("x1", x(0)).attr("x2", x(0)).attr("y1", 32).attr("y2", height);
    svg.selectAll<SVGGElement, Bar>("g.node").data(this.bars, (b) => b.name).join((enter) => {
      const g = enter.append("g").attr("class", "node hot");
      g.append("rect").attr("class", "back");
      g.append("text").attr("class", "class-name").attr("text-anchor", "end");
      return g;
    }).attr("transform", (b) => `translate(0,${y(b.name) ?? 0})`).attr("data-node", (b) => b.name).attr("data-means", (b) => b.means.join(" "))
      .on("pointermove", (event: PointerEvent, b) => showTip(event.clientX, event.clientY, b.name, this.names.flatMap((name, i) => [
        [`${name}, mean`, short(b.means[i])] as const, ...(Number.isFinite(b.own[i]) ? [[`${name}, the sample`, short(b.own[i])] as const] : [])])))
      .on("pointerleave", hideTip).on("click", (event: MouseEvent, b) => this.choose?.(b.name, event))
      .attr("tabindex", this.choose ? 0 : null).attr("role", this.choose ? "button" : null).attr("aria-label", (b) => (this.choose ? b.name : null))
      .on("keydown", (event: KeyboardEvent, b) => { if (event.key === "Enter") this.choose?.(b.name, event); })
      .each((b, at, nodes) => {
        const g = select(nodes[at]);
        g.select("rect.back").attr("width", width).attr("height", y.bandwidth()).style("fill", "transparent");
        g.select("text").attr("x", left - 6).attr("y", y.bandwidth() / 2 + 4).text(cut(b.name, Math.floor((left - 8) / 6.5)));
        g.selectAll("rect.value").data(b.means).join("rect").attr("class", "value").attr("y", (_, i) => i * own).attr("height", Math.max(1, own - 1))
          .attr("x", (v) => (Number.isFinite(v) ? Math.min(x(0), x(v)) : x(0))).attr("width", (v) => (Number.isFinite(v) ? Math.abs(x(v) - x(0)) : 0)).style("fill", (_, i) => this.colours[i]);
        g.selectAll("path.own").data(b.own.map((v, i) => [v, i] as const).filter(([v]) => Number.isFinite(v))).join("path").attr("class", "own")
          .attr("d", ([v, i]) => `M${x(v)},${i * own - 1}v${own + 1}`);
      });
  }

  remove(): void {
    this.plot.remove();
  }
}
