/* Replicates: variants that differ in their seeds alone, which views show as one. Its numbers are those of the seeds that
 * have not failed, as long as there is one. */
import type { Study, Variant } from "../study/study";

export interface Replicates {
  /** What they have in common; of one alone, the variant's own name. */
  name: string;
  /** All of them, in the order of the study. */
  variants: readonly Variant[];
  /** Those whose numbers count. */
  counted: readonly Variant[];
  /** All have failed. */
  failed: boolean;
}

/** Groups of some variants, in the order of the first of each; not folded: each for itself. */
export function replicates(variants: readonly Variant[], folded = true): Replicates[] {
  const groups = new Map<string, Variant[]>();
  for (const variant of variants) {
    const key = folded ? variant.replicate : variant.name;
    const group = groups.get(key);
    if (group) group.push(variant);
    else groups.set(key, [variant]);
  }
  return [...groups].map(([name, all]) => {
    const well = all.filter(({ failed }) => !failed);
    return { name: all.length === 1 ? all[0].name : name, variants: all, counted: well.length ? well : all, failed: well.length === 0 };
  });
}

/** Whether a study has any. */
export const replicated = (study: Study): boolean => replicates(study.variants).length < study.variants.length;

/** The one of them that stands for all, where one alone can be chosen. */
export const chosenOf = ({ counted }: Replicates): number => counted[0].index;

export interface Spread { mean: number; deviation: number; of: number }

/** Mean and standard deviation (n - 1) of what is finite. */
export function spread(values: readonly number[]): Spread {
  let sum = 0, of = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += value;
    of++;
  }
  const mean = sum / of;
  let square = 0;
  for (const value of values) if (Number.isFinite(value)) square += (value - mean) ** 2;
  return { mean, deviation: of > 1 ? Math.sqrt(square / (of - 1)) : NaN, of };
}
