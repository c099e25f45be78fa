/* Axes with names and units, drawn by d3 into an SVG that lies over a canvas or holds the marks itself. */

import { axisBottom, axisLeft, type AxisScale } from "d3-axis";
import { select } from "d3-selection";

interface Margins { top: number; right: number; bottom: number; left: number }

interface AxesOptions {
  width: number;
  height: number;
  margins: Margins;
  x?: { scale: AxisScale<number>; name: string; format?: (value: number) => string; values?: number[] };
  y?: { scale: AxisScale<number>; name: string; format?: (value: number) => string; values?: number[] };
  grid?: boolean;
}

/** A name with its unit: "angle (radian)"; without one the name alone. */
export function withUnit(name: string, unit: string): string {
  return unit && unit !== "1" ? `${name} (${unit})` : name;
}

/** Draws the axes anew into an SVG: one group of class "axes", the first child. */
export function drawAxes(svg: SVGSVGElement, options: AxesOptions): void {
  const { width, height, margins } = options;
  const root = select(svg);
  root.select("g.axes").remove();
  const group = root.insert("g", ":first-child").attr("class", "axes");
  const inner = { width: width - margins.left - margins.right, height: height - margins.top - margins.bottom };
  if (options.x) {
    const axis = axisBottom<number>(options.x.scale).ticks(Math.max(2, Math.floor(inner.width / 70))).tickSizeOuter(0);
    if (options.x.values) axis.tickValues(options.x.values);
    if (options.x.format) axis.tickFormat(options.x.format);
    if (options.grid) axis.tickSizeInner(-inner.height).tickPadding(6);
    group.append("g").attr("class", options.grid ? "axis grid" : "axis").attr("transform", `translate(0,${height - margins.bottom})`).call(axis);
    group.append("text").attr("class", "axis-name").attr("x", margins.left + inner.width / 2).attr("y", height - 4)
      .attr("text-anchor", "middle").text(options.x.name);
  }
  if (options.y) {
    const axis = axisLeft<number>(options.y.scale).ticks(Math.max(2, Math.floor(inner.height / 45))).tickSizeOuter(0);
    if (options.y.values) axis.tickValues(options.y.values);
    if (options.y.format) axis.tickFormat(options.y.format);
    if (options.grid) axis.tickSizeInner(-inner.width).tickPadding(6);
    group.append("g").attr("class", options.grid ? "axis grid" : "axis").attr("transform", `translate(${margins.left},0)`).call(axis);
    group.append("text").attr("class", "axis-name").attr("text-anchor", "middle")
      .attr("transform", `translate(12,${margins.top + inner.height / 2}) rotate(-90)`).text(options.y.name);
  }
}

/** A text cut to so many letters, for places that are narrow, its ends kept (class 12, class 13); the whole is in a tooltip. */
export function cut(text: string, letters: number): string {
  if (text.length <= letters) return text;
  const end = Math.floor((letters - 1) * 0.4);
  return `${text.slice(0, Math.max(1, letters - 1 - end)).trimEnd()}…${text.slice(text.length - end)}`;
}
