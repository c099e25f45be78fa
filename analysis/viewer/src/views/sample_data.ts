/* What a study holds of one sample: its picture, what every network says of it, rows of W, and what explains margins and
 * places in the map. Sums are made in double, of the numbers as they are stored. */
import type { Study, Variant } from "../study/study";

export interface Picture { channels: number; height: number; width: number }

/** One network's explanation of one sample. Pictures are channel by channel. */
export interface Explained {
  variant: Variant;
  classes: number[];            // which the rows explain
  w: Float64Array[];            // by row; none where W is not kept
  b: number[];
  nodes: string[];
  bNode: number[][];            // by row
  residual: number;
  gates: string;                // "secant: W is not the Jacobian" of a network that is frozen at each sample
  ties: number;
  touched: Uint8Array | null;   // null: the file does not say
  logits: Float64Array;         // F, of every class
}

/** What an output, or the difference of two, is made of: pixels and nodes add up to the total. */
export interface Parts { w: Float64Array; pixels: Float64Array; nodes: string[]; b: number[]; total: number; network: number }

export interface Change { total: number; residual: number; before: number; rival: number; pixels: Float64Array; moved: Float64Array | null; nodes: string[]; b: number[] }
export interface Place { total: number[]; pixels: Float64Array[]; b: number[]; residual: number; gates: string }

/** What happens on the straight way to a sample: by explained class its exact integrated gradients, channel by channel. */
export interface Way { from: string; classes: number[]; pixels: Float64Array[]; total: number[]; residual: number; pieces: number; changes: number; crossing: number[]; logits: number[][] }

/* Samples of a part of the study, kept by study and path: where a sample lies in it. */
const lists = new WeakMap<Study, Map<string, Promise<Map<number, number>>>>();

async function placeIn(study: Study, paths: readonly string[], sample: number): Promise<number> {
  const path = paths.find((one) => study.has(one));
  if (!path) return -1;
  const known = lists.get(study) ?? new Map<string, Promise<Map<number, number>>>();
  lists.set(study, known);
  let list = known.get(path);
  if (!list) known.set(path, list = study.read(path).then((numbers) => new Map(Array.from(numbers, (number, at) => [number, at] as const))));
  return (await list).get(sample) ?? -1;
}

const one = async (study: Study, path: string, at: number): Promise<Float64Array> => Float64Array.from(await study.read(path, [at], [1]));

/** Which samples of its own a stage has done in a variant, by their places; of a file without marks all. */
export async function sampleMarks(study: Study, stage: string, variant: Variant, samples: number): Promise<ArrayLike<number>> {
  const marks = `/progress/${stage}`;
  return study.has(marks) ? study.read(marks, [variant.index, 0], [1, samples]) : new Uint8Array(samples).fill(1);
}

/** Pixels as in the data, and as networks take them: (pixel / scale - mean) / std, channel by channel. null: a file that was
 * cut down to some samples' pictures does not hold this one's. */
export async function pictureOf(study: Study, sample: number): Promise<{ raw: Float64Array; normal: (pixel: number, at: number) => number; scale: number } | null> {
  const at = study.has("/image_sample") ? await placeIn(study, ["/image_sample"], sample) : sample;
  if (at < 0) return null;
  const [raw, about] = await Promise.all([one(study, "/image", at), study.attributes("/")]);
  const { channels, height, width } = study.image, plane = height * width;
  const list = (name: string, otherwise: number): number[] => {
    const value = about[name];
    const all = value === undefined ? [otherwise] : ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value as ArrayLike<number>, Number) : [Number(value)];
    return Array.from({ length: channels }, (_, c) => all[all.length === 1 ? 0 : c]);
  };
  const [scale] = list("normalize_scale", 1), mean = list("normalize_mean", 0), deviation = list("normalize_std", 1);
  return { raw, scale, normal: (pixel, at) => { const c = Math.floor(at / plane); return (pixel / scale - mean[c]) / deviation[c]; } };
}

/** Pixels as networks saw them under a condition; or, in a sentence, why they are not there. */
export async function corruptedOf(study: Study, condition: number, sample: number): Promise<Float64Array | string> {
  const name = study.conditions[condition], again = name.split("/").length === 2 ? " facet corrupt STUDY.yaml DIR makes it again." : "";
  const path = "/change/picture", lists = ["/change/sample", "/change/change_sample"];
  if (!study.has(path)) return `Under ${name} networks saw another picture. This file holds no pictures under conditions: facet keeps those of the samples whose changes it takes apart (change).${again}`;
  const at = await placeIn(study, lists, sample);
  if (at < 0) return `Under ${name} networks saw another picture. This file holds those of ${study.shape(path)[0]} samples (change: samples), and this is none of them.${again}`;
  if (study.has("/progress/pictures") && (await study.read("/progress/pictures", [condition, at], [1, 1]))[0] !== 1) return `The run has not stored the picture under ${name} yet.`;
  return Float64Array.from(await study.read(path, [at, condition], [1, 1]));
}

/** What every variant says of the sample under every condition: classes, variant by variant. */
export async function predictions(study: Study, sample: number): Promise<Int32Array> {
  return Int32Array.from(await study.read("/prediction/class", [0, 0, sample], [study.variants.length, study.conditions.length, 1]));
}

/** A row of numbers of a network's own order as a picture: channel by channel. */
export function inOrder(numbers: Float64Array, order: unknown, { channels, height, width }: Picture): Float64Array {
  if (order !== "channels_last" || channels === 1) return numbers;
  const plane = height * width;
  return Float64Array.from(numbers, (_, at) => numbers[(at % plane) * channels + Math.floor(at / plane)]);
}

/** What a group says of a network that is frozen at each sample; empty of others. */
export const gatesOf = (group: object): string => String((group as Record<string, unknown>).gates ?? "");

export async function explained(study: Study, variant: Variant, sample: number): Promise<Explained | null> {
  const path = `/linear/${variant.name}`;
  if (![`${path}/row`, `${path}/b`, `${path}/residual`, `${path}/ties`, "/prediction/logits"].every((needed) => study.has(needed))) return null;
  const at = await placeIn(study, ["/linear/sample", "/linear/linear_sample"], sample);
  if (at < 0) return null;
  const clean = Math.max(0, study.conditions.indexOf("clean")), there = (name: string): boolean => study.has(`${path}/${name}`);
  const [row, b, residual, ties, logits, nodes, bNode, w, about, touched, group] = await Promise.all([
    one(study, `${path}/row`, at), one(study, `${path}/b`, at), one(study, `${path}/residual`, at), one(study, `${path}/ties`, at),
    study.read("/prediction/logits", [variant.index, clean, sample], [1, 1, 1]),
    there("b_node") ? study.texts(`${path}/node`) : ["all nodes"], there("b_node") ? one(study, `${path}/b_node`, at) : null,
    there("W") ? one(study, `${path}/W`, at) : null, there("W") ? study.attributes(`${path}/W`) : {},
    there("touched") ? study.read(`${path}/touched`, [at], [1]) : null, study.attributes(path),
  ]);
  const k = row.length, size = study.image.channels * study.image.height * study.image.width, order = (about as Record<string, unknown>).order;
  return {
    variant, classes: [...row], b: [...b], nodes, gates: gatesOf(group), residual: residual[0], ties: ties[0], logits: Float64Array.from(logits),
    bNode: Array.from({ length: k }, (_, r) => (bNode ? [...bNode.subarray(r * nodes.length, (r + 1) * nodes.length)] : [b[r]])),
    w: w ? Array.from({ length: k }, (_, r) => inOrder(w.subarray(r * size, (r + 1) * size), order, study.image)) : [],
    touched: touched ? Uint8Array.from(touched) : null,
  };
}

/** F_c, or F_c - F_other, by pixel and node, against a baseline: the sample's own difference from it times W, and what W
 * says of the baseline is a part of the bias. null: a row is not stored. */
export function partsOf(e: Explained, cls: number, other: number | null, x: Float64Array, baseline: Float64Array): Parts | null {
  const first = e.classes.indexOf(cls), second = other === null ? -1 : e.classes.indexOf(other);
  if (!e.w.length || first < 0 || (other !== null && second < 0)) return null;
  const less = (a: ArrayLike<number>, c: ArrayLike<number> | null): Float64Array => Float64Array.from(a, (value, i) => value - (c ? c[i] : 0));
  const w = less(e.w[first], other === null ? null : e.w[second]), b = [...less(e.bNode[first], other === null ? null : e.bNode[second])];
  const pixels = w.map((value, i) => value * (x[i] - baseline[i]));
  const start = w.reduce((sum, value, i) => sum + value * baseline[i], 0), nodes = [...e.nodes];
  if (baseline.some((value) => value !== 0)) {
    nodes.unshift("W × baseline");
    b.unshift(start);
  }
  const total = pixels.reduce((sum, value) => sum + value, 0) + b.reduce((sum, value) => sum + value, 0);
  return { w, pixels, nodes, b, total, network: e.logits[cls] - (other === null ? 0 : e.logits[other]) };
}

/** How the margin came from dense to a variant (condition ""), or from clean to a condition in it. */
export async function changeOf(study: Study, variant: Variant, condition: string, sample: number): Promise<Change | null> {
  const own = `/change/${variant.name}`, path = condition === "" ? own : `${own}/${condition}`;
  if (!study.has(`${path}/pixel`)) return null;
  const at = await placeIn(study, ["/change/sample", "/change/change_sample"], sample);
  if (at < 0) return null;
  const [pixels, node, total, residual, before, rival, nodes, moved] = await Promise.all([
    ...["pixel", "node", "total", "residual", "rival_before", "rival"].map((name) => one(study, `${path}/${name}`, at)),
    study.texts(`${own}/node_name`), study.has(`${path}/moved`) ? one(study, `${path}/moved`, at) : null,
  ] as const) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, string[], Float64Array | null];
  return { pixels, moved, nodes, b: [...node], total: total[0], residual: residual[0], before: before[0], rival: rival[0] };
}

/** The way to a sample, clean (condition "") or under a condition. */
export async function wayOf(study: Study, variant: Variant, condition: string, sample: number): Promise<Way | null> {
  const path = `/paths/${variant.name}${condition === "" ? "" : `/${condition}`}`;
  if (!study.has(`${path}/attribution`)) return null;
  const at = await placeIn(study, ["/paths/sample", "/paths/path_sample"], sample);
  if (at < 0 || (study.has("/progress/paths") && (await study.read("/progress/paths", [variant.index, at], [1, 1]))[0] !== 1)) return null;
  const [rows, classes, pieces, total, residual, crossing, curve] = await Promise.all(["attribution", "class", "pieces", "total", "residual", "crossing", "logits"].map((name) => one(study, `${path}/${name}`, at)));
  const [about, group] = await Promise.all([study.attributes(`${path}/attribution`), study.attributes("/paths")]);
  const size = rows.length / classes.length, k = study.classes.length, first = [...crossing].filter(Number.isFinite);
  const changes = study.has(`${path}/changes`) ? (await one(study, `${path}/changes`, at))[0] : first.length;     // older files: of the first ones alone
  return {
    from: String(group.from ?? ""), classes: [...classes], total: [...total], residual: residual[0], pieces: pieces[0], changes, crossing: first,
    pixels: [...classes].map((_, r) => inOrder(rows.slice(r * size, (r + 1) * size), about.order, study.image)),
    logits: Array.from({ length: curve.length / k }, (_, i) => [...curve.subarray(i * k, (i + 1) * k)]),
  };
}

/** Where the sample lies in the map, by pixel, axis by axis. */
export async function placeOf(study: Study, variant: Variant, sample: number, x: Float64Array): Promise<Place | null> {
  const path = `/embed/${variant.name}`;
  if (!study.has(`${path}/W`)) return null;
  const at = await placeIn(study, ["/embed/embed_sample"], sample);
  if (at < 0) return null;
  const clean = Math.max(0, study.conditions.indexOf("clean"));
  const [w, b, residual, total, group] = await Promise.all([one(study, `${path}/W`, at), one(study, `${path}/b`, at), one(study, `${path}/residual`, at),
    study.read("/embed/position", [variant.index, clean, sample], [1, 1, 1]), study.attributes(path)]);
  return { total: [...total], b: [...b], residual: residual[0], gates: gatesOf(group), pixels: [...b].map((_, axis) => w.subarray(axis * x.length, (axis + 1) * x.length).map((value, i) => value * x[i])) };
}
