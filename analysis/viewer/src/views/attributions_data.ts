/* What a study holds of attributions: maps of one output by all methods, and how faithful they are. */
import { inOrder, sampleMarks } from "./sample_data";
import type { Study, Variant } from "./view";

/* What methods are called here; others by their names in the study. */
const NAMES: Record<string, string> = {
  gradient_x_input: "gradient × input", exact_integrated_gradients: "exact int. gradients", integrated_gradients: "int. gradients", lrp_epsilon: "LRP-ε", lrp_gamma: "LRP-γ",
  smoothgrad: "SmoothGrad", deeplift: "DeepLIFT", gradcam: "Grad-CAM",
};
const SLOPES = ["gradient", "smoothgrad"];
const EXACT = ["exact_integrated_gradients", "gradient_x_input"];

export interface Method {
  id: string; name: string; unit: string;
  /** Its place in the arrays. */
  at: number;
  /** What it gives are parts of the logit, input by input. */
  part: boolean;
}

/** The exact one first: what the others are held against, if there is such. */
export async function methodsOf(study: Study): Promise<Method[]> {
  const all = (await study.texts("/attributions/method")).map((id, at) => ({
    id, at, name: NAMES[id] ?? id.replace(/_/g, " "), part: !SLOPES.includes(id) && id !== "gradcam",
    unit: SLOPES.includes(id) ? "logit per input" : id === "gradcam" ? "Grad-CAM" : "logit" }));
  const exact = exactOf(all);
  return exact ? [exact, ...all.filter((method) => method !== exact)] : all;
}

export const exactOf = (methods: readonly Method[]): Method | undefined => EXACT.map((id) => methods.find((method) => method.id === id)).find((method) => method !== undefined);

export const attributed = (study: Study, { name }: Variant): boolean => study.has(`/attributions/${name}/attribution`);

/** The classes whose logits are explained of a sample; none where that is not done yet. */
export async function classesOf(study: Study, variant: Variant, at: number): Promise<number[]> {
  const path = `/attributions/${variant.name}/row`, done = await sampleMarks(study, "attributions", variant, study.shape(path)[0]);
  return done[at] ? Array.from(await study.read(path, [at], [1])) : [];
}

/** Of one output, by place of the method: channel by channel. */
export async function mapsOf(study: Study, variant: Variant, at: number, row: number): Promise<Float64Array[]> {
  const path = `/attributions/${variant.name}/attribution`, [methods] = study.shape(path);
  const [numbers, { order }] = await Promise.all([study.read(path, [0, at, row], [methods, 1, 1]), study.attributes(path)]);
  const size = numbers.length / methods;
  return Array.from({ length: methods }, (_, m) => inOrder(Float64Array.from(numbers.subarray(m * size, (m + 1) * size)), order, study.image));
}

/** A figure of faithfulness; better: which way, 1 the higher. */
export interface Figure { name: string; path: string; better: 1 | -1; says: string }
/* Of pairs of methods: they are shown of the exact one and another. */
const PAIRS = ["spearman", "overlap"];
/** Whether a figure of a method with itself says nothing. */
export const isOfPairs = (path: string): boolean => PAIRS.includes(path);
export const FIGURES: readonly Figure[] = [
  { name: "deletion", path: "deletion_area", better: -1, says: "mean probability of the class while its inputs are taken away, the largest attribution first: the lower, the more faithful" },
  { name: "insertion", path: "insertion_area", better: 1, says: "the same while they come into the baseline: the higher, the more faithful" },
  { name: "infidelity", path: "infidelity", better: -1, says: "mean squared error of what the attribution says goes with a random rectangle (logit²): the lower, the more faithful" },
  { name: "sensitivity", path: "sensitivity", better: -1, says: "largest relative change of the attribution when the input changes a little: the lower, the steadier" },
  { name: "agreement", path: "spearman", better: 1, says: "rank correlation with the exact one over all inputs" },
  { name: "overlap", path: "overlap", better: 1, says: "share of the largest tenth of the inputs that is also the exact one's largest tenth" },
];

/** Figures of a variant, by their paths, each by method, sample and row: of method m, sample s and row r at (m * samples + s) * rows + r. */
export interface Faithfulness { samples: number; rows: number; done: ArrayLike<number>; classes: ArrayLike<number>; figures: ReadonlyMap<string, ArrayLike<number>> }

/** null: it was not measured. */
export async function faithfulnessOf(study: Study, variant: Variant, exact: Method | undefined): Promise<Faithfulness | null> {
  const path = `/attributions/${variant.name}`, [methods, samples, rows] = study.shape(`${path}/deletion_area`);
  if (!methods) return null;
  const wanted = FIGURES.filter((figure) => study.has(`${path}/${figure.path}`) && (!isOfPairs(figure.path) || exact));
  const [done, classes, ...found] = await Promise.all([sampleMarks(study, "attributions", variant, samples), study.read(`${path}/row`), ...wanted.map((figure) =>
    (isOfPairs(figure.path) ? study.read(`${path}/${figure.path}`, [0, exact?.at ?? 0], [methods, 1]) : study.read(`${path}/${figure.path}`)))]);
  return { samples, rows, done, classes, figures: new Map(wanted.map((figure, i) => [figure.path, found[i]])) };
}

export const CURVES = ["deletion", "insertion"] as const;
export type CurveName = (typeof CURVES)[number];

/** Of every method, by its place: points of a curve, from nothing changed to all; NaN where the method says nothing. */
export type Curves = ReadonlyMap<CurveName, readonly (readonly number[])[]>;

const pointsOf = (values: ArrayLike<number>, points: number, at: number): number[] => Array.from({ length: points }, (_, i) => values[at * points + i]);

/** The curves that the file holds, each made by `of` from its path. */
async function curvesBy({ name }: Variant, study: Study, of: (path: string) => Promise<number[][]>): Promise<Curves> {
  const there = CURVES.map((curve) => [curve, `/attributions/${name}/${curve}`] as const).filter(([, path]) => study.has(path));
  return new Map(await Promise.all(there.map(async ([curve, path]) => [curve, await of(path)] as const)));
}

/** Of one output. */
export const curvesOf = (study: Study, variant: Variant, at: number, row: number): Promise<Curves> => curvesBy(variant, study, async (path) => {
  const [methods, , , points] = study.shape(path), values = await study.read(path, [0, at, row], [methods, 1, 1]);
  return Array.from({ length: methods }, (_, m) => pointsOf(values, points, m));
});

/** Means over rows of samples that are members; one method after the other, for they may be large. */
export const meanCurvesOf = (study: Study, variant: Variant, { done }: Faithfulness, numbers: ArrayLike<number>, members: Uint8Array): Promise<Curves> => curvesBy(variant, study, async (path) => {
  const [methods, samples, rows, points] = study.shape(path), means: number[][] = [];
  for (let m = 0; m < methods; m++) {
    const values = await study.read(path, [m], [1]), sums = new Array<number>(points).fill(0);
    let found = 0;
    for (let at = 0; at < samples * rows; at++) {
      const s = Math.floor(at / rows);
      if (!members[numbers[s]] || !done[s] || !Number.isFinite(values[at * points])) continue;
      for (let i = 0; i < points; i++) sums[i] += values[at * points + i];
      found++;
    }
    means.push(sums.map((sum) => sum / found));
  }
  return means;
});

/** The mean of a figure of a method over rows of samples that are members, where it is a number; NaN: nowhere. */
export function meanOf({ samples, rows, done, figures }: Faithfulness, figure: string, method: number, numbers: ArrayLike<number>, members: Uint8Array): number {
  const values = figures.get(figure);
  let sum = 0, found = 0;
  for (let s = 0; values && s < samples; s++) {
    if (!members[numbers[s]] || !done[s]) continue;
    for (let r = 0; r < rows; r++) {
      const value = values[(method * samples + s) * rows + r];
      if (!Number.isFinite(value)) continue;
      sum += value;
      found++;
    }
  }
  return sum / found;
}
