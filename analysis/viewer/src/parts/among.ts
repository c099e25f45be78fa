/* What a study says of some of its samples alone: which they are, and the nearest of them where another one is shown. */
import type { Store } from "../state/store";
import { h } from "./dom";
import { count } from "./numbers";

/** Ascending numbers in few words: 0–11, 15. Of many runs the first. */
export function runs(numbers: ArrayLike<number>, most = 6): string {
  const found: [number, number][] = [];
  for (let i = 0; i < numbers.length; i++) {
    const last = found[found.length - 1];
    if (last && numbers[i] === last[1] + 1) last[1]++;
    else found.push([numbers[i], numbers[i]]);
  }
  return found.slice(0, most).map(([a, b]) => (a === b ? String(a) : `${a}–${b}`)).join(", ") + (found.length > most ? ", …" : "");
}

/** Where the nearest to a sample lies among some; of equally near ones the first; -1: there are none. */
export function nearestAmong(numbers: ArrayLike<number>, sample: number): number {
  let best = -1;
  for (let i = 0; i < numbers.length; i++) if (best < 0 || Math.abs(numbers[i] - sample) < Math.abs(numbers[best] - sample)) best = i;
  return best;
}

/** A sentence that says so of a sample that is none of them ("attributed"), and leads to the nearest. */
export function otherThan(store: Store, sample: number, numbers: ArrayLike<number>, done: string): HTMLElement {
  const near = numbers[nearestAmong(numbers, sample)];
  return h("p", { class: "unavailable among" }, `Sample ${sample} is not among the ${count(numbers.length)} that are ${done}: ${runs(numbers)}. `,
    near === undefined ? null : h("button", { onclick: () => store.set({ sample: near }) }, `Show sample ${near}, the nearest`));
}

/** Buttons to the sample before and the next one among some. */
export function stepsAmong(store: Store, at: number, numbers: ArrayLike<number>): HTMLElement[] {
  return [-1, 1].map((by) => h("button", { title: by < 0 ? "the one before of these samples" : "the next of these samples", "data-no-export": true, disabled: numbers[at + by] === undefined,
    onclick: () => store.set({ sample: numbers[at + by] }) }, by < 0 ? "‹" : "›"));
}
