/* What a study holds of changes added up over groups of samples: from dense to a variant, or from clean to a condition in it. */
import type { Study, Variant } from "./view";

const NUMBERS = 8_000_000;   // up to so many numbers of pixels are added up for all groups at once

/** What changed the margins of one group, of its mean sample: pixels and nodes add up to the change, up to the certificate. */
export interface GroupChange {
  name: string;
  /** Its place in the arrays. */
  at: number;
  samples: number; lost: number; won: number;
  pixels: number; nodes: number[];
  sum: number;
  change: number;
  residual: number;
}

export interface Changes { path: string; variant: Variant; condition: string; nodes: string[]; groups: GroupChange[] }

const place = ({ name }: Variant, condition: string): string => (condition === "clean" ? `/change/${name}` : `/change/${name}/${condition}`);
export const added = (study: Study, variant: Variant, condition: string): boolean => study.has(`${place(variant, condition)}/group_total`);

/** null: they are not added up, or this file does not hold them. */
export async function changesOf(study: Study, variant: Variant, condition: string): Promise<Changes | null> {
  if (!added(study, variant, condition)) return null;
  const path = place(variant, condition), read = (what: string): ReturnType<Study["read"]> => study.read(`${path}/group_${what}`), moves = study.has(`${path}/group_moved`);
  const few = study.has(`${path}/group_pixel`) && study.shape(`${path}/group_pixel`).reduce((all, length) => all * length, 1) <= NUMBERS;
  const [names, nodes, samples, lost, won, total, residual, node, pixel, moved] = await Promise.all([study.texts("/change/group"), study.texts(`/change/${variant.name}/node_name`),
    read("samples"), read("lost"), read("won"), read("total"), read("residual"), read("node"), few ? read("pixel") : null, few && moves ? read("moved") : null]);
  return { path, variant, condition, nodes, groups: names.map((name, at) => {
    const each = Math.max(1, samples[at]), own = Array.from(node.subarray(at * nodes.length, (at + 1) * nodes.length), (value) => value / each);
    const constants = own.reduce((sum, value) => sum + value, 0), change = total[at] / each;
    const sumOf = (numbers: ArrayLike<number>): number => {
      const size = numbers.length / names.length;
      let sum = 0;
      for (let i = at * size; i < (at + 1) * size; i++) sum += numbers[i];
      return sum;
    };
    // Of very many, or where a file was cut down, pixels are what nodes leave of the whole.
    const pixels = pixel ? (sumOf(pixel) + (moved ? sumOf(moved) : 0)) / each : change - constants;
    return { name, at, samples: samples[at], lost: lost[at], won: won[at], pixels, nodes: own, sum: pixels + constants, change, residual: residual[at] };
  }) };
}

/** What each pixel adds for the mean sample of a group: by the changed pattern, and, under a condition, by its own change. null: a
 * file that was cut down does not hold it. */
export async function groupMaps(study: Study, { path }: Changes, { at, samples }: GroupChange): Promise<{ pixels: Float64Array; moved: Float64Array | null } | null> {
  if (!study.has(`${path}/group_pixel`)) return null;
  const mean = async (what: string): Promise<Float64Array> => Float64Array.from(await study.read(`${path}/group_${what}`, [at], [1]), (value) => value / Math.max(1, samples));
  const [pixels, moved] = await Promise.all([mean("pixel"), study.has(`${path}/group_moved`) ? mean("moved") : null]);
  return { pixels, moved };
}

/** The samples of a group, by their numbers among all. */
export async function membersOf(study: Study, { at }: GroupChange): Promise<number[]> {
  const [samples, groups] = study.shape("/change/member"), [numbers, member] = await Promise.all([study.read(study.has("/change/sample") ? "/change/sample" : "/change/change_sample"), study.read("/change/member")]);
  return Array.from({ length: samples }, (_, s) => s).filter((s) => member[s * groups + at]).map((s) => numbers[s]);
}
