/* What the views of lines and of planes have in common: which of them there are, between which samples, and why one is not
 * there. */
import type { Choice } from "../parts/choices";
import type { Plot } from "../parts/plot";
import type { Context, State, Study, Variant } from "./view";

export type Kind = "line" | "plane";
interface Words { group: string; samples: string; room: string; needed: readonly string[] }
const WORDS: Record<Kind, Words> = {
  line: { group: "lines", samples: "/lines/between", room: "points", needed: ["points", "pieces", "t", "logits", "piece", "predicted", "residual"] },
  plane: { group: "planes", samples: "/planes/through", room: "polygons",
    needed: ["polygons", "points", "regions", "at", "logits", "end", "corner", "edge", "predicted", "region", "dropped", "uncovered", "residual"] },
};

const holds = (study: Study, kind: Kind, variant: Variant): boolean => WORDS[kind].needed.every((name) => study.has(`/${WORDS[kind].group}/${variant.name}/${name}`));

/** Which of several is looked at, by its number; of one alone there is no choice. */
export const choiceOf = (kind: Kind, study: Study): readonly Choice[] => {
  const [many = 0] = study.shape(WORDS[kind].samples);
  return many > 1 ? [{ name: kind, title: kind === "line" ? "Line" : "Plane", options: Array.from({ length: many }, (_, i) => [String(i), String(i)] as const), start: "0" }] : [];
};

export const wantedOf = (kind: Kind) => (study: Study): string | null => {
  const { group, samples } = WORDS[kind];
  if (!study.has(samples)) return `This study cuts no ${group}: the key ${group} of a study file asks for them (${group}: {}).`;
  return study.variants.some((variant) => holds(study, kind, variant)) ? null : `This file was cut down, and does not hold the ${group} of its study.`;
};

/** The samples that each goes through. */
export async function samplesOf(study: Study, kind: Kind): Promise<number[][]> {
  const all = await study.read(WORDS[kind].samples), width = kind === "line" ? 2 : 3;
  return Array.from({ length: all.length / width }, (_, i) => Array.from(all.slice(i * width, (i + 1) * width)));
}

/** Which one is chosen. */
export const numberIn = ({ choices }: Readonly<State>, view: string, kind: Kind): number => Number(choices[`${view}.${kind}`]?.[0] ?? 0);

/** The compared variants, each once. */
export const compared = ({ study, store: { state } }: Context): Variant[] => [...new Set([state.first, state.second])].map((v) => study.variants[v]);

/** Says beside each number to choose from which samples it stands for, as far as the run has said it: they are different ones. */
export function nameOptions(select: HTMLSelectElement | null, samples: readonly number[][]): void {
  samples.forEach((some, i) => { if (select && new Set(some).size === some.length) select.options[i].text = `${i}: samples ${some.join(", ")}`; });
}

const labelOf = (study: Study, sample: number): string => study.classes[study.labels[sample]] ?? "";
/** A sample with its label, beside a mark, and in a sentence. */
export const nameOf = (study: Study, sample: number): string => [`sample ${sample}`, labelOf(study, sample)].filter(Boolean).join(": ");
export const saidOf = (study: Study, sample: number): string => `sample ${sample}${labelOf(study, sample) ? ` (${labelOf(study, sample)})` : ""}`;

/** Why a variant has none of that number, in a sentence; null: it has. */
export async function lackOf(study: Study, kind: Kind, variant: Variant, number: number): Promise<string | null> {
  const { group, room } = WORDS[kind], marks = `/progress/${group}`;
  if (!holds(study, kind, variant)) return `The study's ${group} are of ${study.variants.filter((other) => holds(study, kind, other)).map(({ name }) => name).join(", ")}.`;
  if (study.has(marks) && (await study.read(marks, [variant.index, number], [1, 1]))[0] !== 1) return `The run has not cut this ${kind} in it yet.`;
  if ((await study.read(`/${group}/${variant.name}/${room}`, [number], [1]))[0] === 0) return `This ${kind} has more ${room} in it than the file has room for (${group}: ${room}).`;
  return null;
}

/** Shows the pictures of what was found, and says of the others why there is none. */
export function showOrSay(plots: readonly Plot[], lacks: readonly HTMLElement[], variants: readonly Variant[], found: readonly (object | string)[]): void {
  plots.forEach((plot, at) => {
    const one = found[at];
    plot.root.hidden = typeof one !== "object";
    lacks[at].hidden = typeof one !== "string";
    lacks[at].textContent = typeof one === "string" ? `${variants[at].name}: ${one}` : "";
  });
}

/** A number, or the numbers of one of them, as they are in the file. */
export async function numbersOf(study: Study, kind: Kind, variant: Variant, name: string, number: number, ...count: number[]): Promise<Float64Array> {
  return Float64Array.from(await study.read(`/${WORDS[kind].group}/${variant.name}/${name}`, [number], [1, ...count]));
}
