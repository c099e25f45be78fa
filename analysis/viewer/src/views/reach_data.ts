/* What a study holds of how far linearizations hold: radii of regions, and distances to decision boundaries, sample by sample. */
import { inOrder, pictureOf, sampleMarks } from "./sample_data";
import type { Study, Variant } from "./view";

export const NORMS = [["max", "max norm"], ["two", "2-norm"]] as const;
export const SAMPLES = "/reach/reached_sample";

/** Of one variant, by norm, then by place of the sample; NaN: not measured yet. */
export interface Reach {
  variant: Variant;
  /** Of the region: 0 where the sample lies on a boundary of it. */
  radius: Float64Array[];
  /** The same but for boundaries that the sample lies on. */
  untied: Float64Array[];
  /** Which gate ends it, by its name; "": none. */
  limit: string[][];
  /** Distance to the nearest decision boundary of the sample's map; inside: exact, else a lower bound. */
  boundary: Float64Array[];
  inside: boolean[][];
  /** The class beyond it; -1: there is none. */
  other: number[][];
  /** Boundaries of the region that the sample lies on. */
  tied: number[];
}

const ARRAYS = ["max_norm", "two_norm", "untied", "boundary", "inside", "other", "limit", "tied"] as const;
/** All of it: a file that was cut down may hold some. */
export const measured = (study: Study, { name }: Variant): boolean => ARRAYS.every((what) => study.has(`/reach/${name}/${what}`));

/** What distances are measured in. */
export async function unitOf(study: Study): Promise<string> {
  const { unit } = await study.attributes("/reach");
  return unit === "pixel" ? "pixels" : "normalised inputs";
}

/** What is certain of all inputs: none nearer than this is of another class. */
export const certain = (reach: Reach, norm: number): Float64Array => reach.boundary[norm].map((value, at) => Math.min(value, reach.radius[norm][at]));

/** null: the study does not measure it, or this file does not hold it. */
export async function reachOf(study: Study, variant: Variant): Promise<Reach | null> {
  if (!measured(study, variant)) return null;
  const path = `/reach/${variant.name}`, [samples] = study.shape(`${path}/untied`), gates = study.shape(`${path}/tied`)[1] ?? 0;
  const [[max, two, untied, boundary, inside, other, limit, tied], done, names] = await Promise.all([Promise.all(ARRAYS.map((what) => study.read(`${path}/${what}`))),
    sampleMarks(study, "reach", variant, samples), study.texts(`${path}/gate`)]);
  const places = Array.from({ length: samples }, (_, at) => at), real = (of: (at: number) => number): Float64Array => Float64Array.from(places, (at) => (done[at] ? of(at) : NaN));
  const by = <T>(of: (norm: number) => T): T[] => NORMS.map((_, norm) => of(norm));
  return {
    variant, radius: [max, two].map((numbers) => real((at) => numbers[at])),
    untied: by((norm) => real((at) => untied[2 * at + norm])), boundary: by((norm) => real((at) => boundary[2 * at + norm])),
    inside: by((norm) => places.map((at) => inside[2 * at + norm] === 1)), other: by((norm) => places.map((at) => other[2 * at + norm])),
    limit: by((norm) => places.map((at) => names[limit[2 * at + norm]] ?? "")),
    tied: places.map((at) => Array.from({ length: gates }, (_, gate) => tied[at * gates + gate]).reduce((sum, count) => sum + count, 0)),
  };
}

/** The nearest point of another class of a sample's own map, channel by channel: in pixels of the data, and, in normalised inputs, what it
 * differs in from the sample. */
export interface Nearest { reach: Reach; pixels: Float64Array; difference: Float64Array }

/** null: there is none, it is not measured yet, or this file does not hold it. at: the sample's place. */
export async function nearestOf(study: Study, reach: Reach, sample: number, at: number, norm: number): Promise<Nearest | null> {
  const path = `/reach/${reach.variant.name}/point`;
  if (!study.has(path) || !Number.isFinite(reach.boundary[norm][at])) return null;
  const [numbers, { order }, picture] = await Promise.all([study.read(path, [at, norm], [1, 1]), study.attributes(path), pictureOf(study, sample)]);
  if (!picture) return null;
  const point = inOrder(Float64Array.from(numbers), order, study.image), { raw, normal } = picture;
  // normal() is a line: what it makes of 0 and of 1 says how it goes back.
  const zero = raw.map((_, i) => normal(0, i)), one = raw.map((_, i) => normal(1, i));
  return { reach, pixels: point.map((value, i) => (value - zero[i]) / (one[i] - zero[i])), difference: point.map((value, i) => value - normal(raw[i], i)) };
}
