/* A plane through three samples in one variant: polygons, on each of which the network is one affine map. */
import { cornersOf, once, type Polygons } from "../parts/polygons";
import { lackOf, numbersOf } from "./slices";
import type { Study, Variant } from "./view";

/* Up to so many logits are read at once; of more, those of the corners that are asked for. */
const MOST = 1 << 23;

export interface Plane extends Polygons {
  boundary: Uint8Array;         // of each corner, whether the edge to the next one is part of a decision boundary
  border: Uint8Array;           // and whether it is drawn as a border: not a second time on its way back
  predicted: Int32Array;        // of each polygon
  region: Float64Array;
  regions: number;
  residual: number;
  uncovered: number;
  dropped: number;
  /** Logits at a point. */
  logits(point: number): Promise<ArrayLike<number>>;
}

/** A plane; or, in a sentence, why it is not there. */
export async function planeOf(study: Study, variant: Variant, number: number): Promise<Plane | string> {
  const lack = await lackOf(study, "plane", variant, number);
  if (lack) return lack;
  const read = (name: string, ...count: number[]): Promise<Float64Array> => numbersOf(study, "plane", variant, name, number, ...count);
  const [[polygons], [points], [regions], [residual], [uncovered], [dropped]] = await Promise.all(["polygons", "points", "regions", "residual", "uncovered", "dropped"].map((name) => read(name)));
  const classes = study.classes.length, few = points * classes <= MOST;
  const [end, at, predicted, region, logits] = await Promise.all([read("end", polygons), read("at", points), read("predicted", polygons), read("region", polygons), few ? read("logits", points) : null]);
  const corners = end[polygons - 1], [corner, edge] = await Promise.all([read("corner", corners), read("edge", corners)]);
  const shape = { at, end, corner: Int32Array.from(corner) }, boundary = Uint8Array.from(edge);
  return {
    ...shape, boundary, border: once(shape).map((one, c) => one & (boundary[c] ^ 1)), predicted: Int32Array.from(predicted), region, regions, residual, uncovered, dropped,
    logits: async (point) => (logits ? logits.subarray(point * classes, (point + 1) * classes) : study.read(`/planes/${variant.name}/logits`, [number, point], [1, 1])),
  };
}

/** The network at a place of a polygon: the affine map of three of its corners, the largest triangle with the first. */
export async function logitsAt(plane: Plane, polygon: number, u: number, v: number): Promise<number[]> {
  const { at } = plane, [first, ...others] = cornersOf(plane, polygon), [x0, y0] = [at[2 * first], at[2 * first + 1]];
  const spokes = others.map((point): [number, number] => [at[2 * point] - x0, at[2 * point + 1] - y0]);
  const areas = spokes.slice(1).map(([p, q], i) => spokes[i][0] * q - spokes[i][1] * p), best = areas.indexOf(Math.max(...areas));
  const [[a, b], [p, q]] = [spokes[best], spokes[best + 1]], one = ((u - x0) * q - (v - y0) * p) / areas[best], two = (a * (v - y0) - b * (u - x0)) / areas[best];
  const [f0, f1, f2] = await Promise.all([first, others[best], others[best + 1]].map((point) => plane.logits(point)));
  return Array.from(f0, (start, k) => start + one * (f1[k] - start) + two * (f2[k] - start));
}

/** Where the three samples lie, and the window: u, v one after the other. */
export async function frameOf(study: Study, number: number): Promise<{ inputs: Float64Array; window: { left: number; right: number; low: number; high: number } }> {
  const [inputs, corners] = await Promise.all(["at", "window"].map(async (name) => Float64Array.from(await study.read(`/planes/${name}`, [number], [1]))));
  const [us, vs] = [0, 1].map((axis) => [0, 1, 2, 3].map((i) => corners[2 * i + axis]));
  return { inputs, window: { left: Math.min(...us), right: Math.max(...us), low: Math.min(...vs), high: Math.max(...vs) } };
}
