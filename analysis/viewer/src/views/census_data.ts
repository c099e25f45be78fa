/* What a study holds of activation patterns, under one condition: how far each sample's is from another one's, node by node, which
 * elements of a node never change, and who shares a region. */
import type { Table } from "../parts/bars";
import type { Study, Variant } from "./view";

const NUMBERS = 4_000_000;   // numbers that are read of distances; of more samples the first ones
export const ALL = "all nodes";
export const REFERENCES = ["dense", "clean"] as const;

/** Elements of a node by what they do over all samples: they change; never, and are on; never, and are off. */
export interface Gate { name: string; elements: number; changing: number; on: number; off: number }

export interface Census {
  variant: Variant;
  /** All nodes together first. */
  gates: Gate[];
  /** By reference: elements on another piece than there, in percent of each node's; null: there is nothing to compare with. */
  distance: (Table | null)[];
  /** By sample, how many lie in its region, itself among them. */
  shared: Int32Array;
  /** Different patterns among the samples. */
  regions: number;
}

/** All of it: a file that was cut down may hold some. */
export const counts = (study: Study, { name }: Variant): boolean => ["gate", "element", "first", "distance", "constant", "dead", "shared"].every((what) => study.has(`/census/${name}/${what}`));

/** null: this variant's patterns were not counted under that condition. */
export async function censusOf(study: Study, variant: Variant, condition: number): Promise<Census | null> {
  if (!counts(study, variant)) return null;
  const path = `/census/${variant.name}`, regions = (await study.read("/census/regions", [variant.index, condition], [1, 1]))[0];
  if (!(regions >= 0)) return null;
  const [, samples, references, width] = study.shape(`${path}/distance`), read = Math.min(samples, Math.max(1, Math.floor(NUMBERS / (references * width))));
  const row = (what: string): ReturnType<Study["read"]> => study.read(`${path}/${what}`, [condition], [1]);
  const [names, first, constant, dead, shared, apart] = await Promise.all([study.texts(`${path}/gate`), study.read(`${path}/first`), row("constant"), row("dead"), row("shared"),
    study.read(`${path}/distance`, [condition, 0], [1, read])]);
  const end = study.shape(`${path}/element`)[0], gates = names.map((name, g): Gate => {
    const elements = (first[g + 1] ?? end) - first[g];
    return { name, elements, changing: elements - constant[g], on: constant[g] - dead[g], off: dead[g] };
  });
  const all = gates.reduce((sum, gate) => ({ name: ALL, elements: sum.elements + gate.elements, changing: sum.changing + gate.changing, on: sum.on + gate.on, off: sum.off + gate.off }),
    { name: ALL, elements: 0, changing: 0, on: 0, off: 0 });
  const distance = REFERENCES.map((_, reference): Table | null => {
    const values = new Float64Array(read * (width + 1));
    let some = false;
    for (let s = 0; s < read; s++) {
      let sum = 0;
      for (let g = 0; g < width; g++) {
        const elements = apart[(s * references + reference) * width + g];
        values[s * (width + 1) + g + 1] = elements < 0 ? NaN : (100 * elements) / gates[g].elements;
        sum += elements < 0 ? NaN : elements;
        some ||= elements >= 0;
      }
      values[s * (width + 1)] = (100 * sum) / all.elements;
    }
    return some ? { samples: Float64Array.from({ length: read }, (_one, i) => i), nodes: [ALL, ...names], values } : null;
  });
  return { variant, gates: [all, ...gates], distance, shared: Int32Array.from(shared), regions };
}

/** Numbers of samples that share a region, as the picture has them: 1, 2, 3–4, 5–8, … */
export const sizeOf = (shared: number): number => Math.ceil(Math.log2(shared));
export const sizeName = (size: number): string => (size === 0 ? "alone" : size === 1 ? "2 together" : `${2 ** (size - 1) + 1}–${2 ** size} together`);
