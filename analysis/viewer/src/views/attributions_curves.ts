/* Curves of deletion and insertion of one network: the probability of the explained class while the input's numbers become the
 * baseline's, those of the largest attribution first, and while they come back into it; a line for each method. */
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { line } from "d3-shape";
import { drawAxes } from "../parts/axes";
import { h } from "../parts/dom";
import { fillLegend } from "../parts/key";
import { classLook } from "../parts/looks";
import { short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { hideTip, showTip } from "../parts/tooltip";
import type { CurveName, Curves, Method } from "./attributions_data";

const MARGINS = { top: 26, right: 24, bottom: 42, left: 52 };
const percent = (value: number): string => `${Math.round(100 * value)} %`;

interface Curve { method: Method; values: readonly number[] }

/** Both pictures side by side, and the legend. */
export class CurvePair {
  readonly where = h("div", { class: "attribution-curves" });
  private readonly plots: Plot[];

  /** methods: all of the study, in its order, so that one has the same colour wherever it is drawn. */
  constructor(network: string, what: string, curves: Curves, private readonly methods: readonly Method[]) {
    const key = h("div", {}), pair = h("div", { class: "pair" }), drawn = new Set<Method>();
    this.plots = [...curves].map(([name, all]) => {
      const place = h("div", { "data-curve": name }), there = methods.map((method) => ({ method, values: all[method.at] })).filter(({ values }) => values.every(Number.isFinite));
      there.forEach(({ method }) => drawn.add(method));
      const plot = new Plot(place, { layers: 0, height: (width) => Math.min(260, Math.max(180, 0.6 * width)), name: `${name}, ${network}: ${what}`, draw: () => this.draw(plot, name, there) });
      plot.root.addEventListener("pointermove", (event) => this.tell(plot, event, name, there));
      pair.append(place);
      return plot;
    });
    fillLegend(key, [...drawn].map((method) => ({ name: method.name, look: classLook(method.at, methods.length) })));
    this.where.append(pair, key);
  }

  private x(plot: Plot): ReturnType<typeof scaleLinear<number, number>> { return scaleLinear([0, 1], [MARGINS.left, plot.width - MARGINS.right]); }

  private draw(plot: Plot, name: CurveName, curves: readonly Curve[]): void {
    const { width, height } = plot, svg = select(plot.svg), x = this.x(plot), y = scaleLinear([0, 1], [height - MARGINS.bottom, MARGINS.top]);
    drawAxes(plot.svg, { width, height, margins: MARGINS, grid: true, x: { scale: x, name: name === "deletion" ? "share of the input taken away" : "share of the input put in", format: percent },
      y: { scale: y, name: "probability", format: percent } });
    svg.selectAll("text.plot-title").data([name]).join("text").attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 15).text((text) => text);
    svg.selectAll<SVGPathElement, Curve>("path.share").data(curves).join("path").attr("class", "share").attr("data-method", ({ method }) => method.id)
      .attr("data-values", ({ values }) => values.join(" ")).style("stroke", ({ method }) => classLook(method.at, this.methods.length).colour)
      .attr("d", ({ values }) => line<number>((_, i) => x(i / (values.length - 1)), (value) => y(value))(values));
  }

  /** Of all methods, at the point that is nearest to the pointer. */
  private tell(plot: Plot, event: PointerEvent, name: CurveName, curves: readonly Curve[]): void {
    const points = (curves[0]?.values.length ?? 0) - 1, at = Math.round(this.x(plot).invert(plot.at(event)[0]) * points);
    if (at < 0 || at > points) return hideTip();
    showTip(event.clientX, event.clientY, `${name}, ${percent(at / points)} of the input`, curves.map(({ method, values }) => [method.name, short(values[at])] as const));
  }

  remove(): void { this.plots.forEach((plot) => plot.remove()); }
}
