/* How things look in all pictures. A class: its colour and its shape. A variant: one recipe (method and scope) has one
 * hue and one shape, the sparser the darker, as in the report; replicates look alike, and what has failed is grey. */
import { interpolateRgb } from "d3-interpolate";
import { interpolateRdBu, interpolateViridis } from "d3-scale-chromatic";
import { symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle, symbolWye, type SymbolType } from "d3-shape";
import type { Study, Variant } from "../study/study";
import { classColour, classShape } from "./colours";
import { css } from "./dom";

export interface Look { colour: string; shape: SymbolType }
/** path: for an SVG; drawn: the same for a canvas. */
export interface Outline { path: string; drawn: Path2D; open: boolean }

const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolWye];

/** The outline of a shape of so many square pixels; shapes that d3 strokes (times, plus, asterisk) have no area. */
export function outline(shape: SymbolType, area: number): Outline {
  const known = outlines.get(shape) ?? new Map<number, Outline>();
  outlines.set(shape, known);
  let found = known.get(area);
  if (!found) {
    const path = symbol(shape, area)() ?? "";
    known.set(area, found = { path, drawn: new Path2D(path), open: OPEN.has(shape) });
  }
  return found;
}
const outlines = new Map<SymbolType, Map<number, Outline>>();
const OPEN = new Set<SymbolType>([7, 8, 9].map(classShape));

export const classLook = (index: number, of: number): Look => ({ colour: classColour(index, of), shape: classShape(index) });

/** Of every variant, by its number. */
export function variantLooks(study: Study): Look[] {
  const family = (v: Variant): string => `${v.method} ${v.scope}`;
  const pruned = study.variants.filter((v) => v.index > 0 && v.method !== "dense");
  const families = [...new Set(pruned.map(family))];
  return study.variants.map((v) => {
    const at = families.indexOf(family(v));
    if (at < 0) return { colour: css("--ink") || "#1a1a1a", shape: symbolStar };
    const shape = SHAPES[(at + Math.floor(at / HUES.length)) % SHAPES.length];
    if (v.failed) return { colour: "#9a9a9a", shape };
    const steps = [...new Set(pruned.filter((o) => family(o) === family(v)).map((o) => o.sparsity))].sort((a, b) => a - b);
    const step = steps.length > 1 ? steps.indexOf(v.sparsity) / (steps.length - 1) : 0;
    const shade = (document.documentElement.dataset.theme === "dark" ? 0.6 : 0.4) - 0.7 * step;
    return { colour: interpolateRgb(HUES[at % HUES.length], shade > 0 ? "#ffffff" : "#000000")(Math.abs(shade)), shape };
  });
}

/** Red, green and blue of a colour, 0 to 255. */
export function rgbOf(text: string): [number, number, number] {
  const [r = 0, g = 0, b = 0] = (interpolateRgb(text, text)(0).match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
}

/** From less (0) to more (1). */
export const sequential = interpolateViridis;
/** From what takes away (0, blue) over nothing (1/2) to what adds (1, red), as in the report. */
export const diverging = (t: number): string => interpolateRdBu(1 - t);
