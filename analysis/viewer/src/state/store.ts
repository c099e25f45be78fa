/* The one state that all views share: what is selected, what the filters let pass, which networks are compared. */
import type { Metric, Study } from "../study/study";

/** Samples that a user has named. */
export interface Group { name: string; members: Uint8Array }
export type Outcome = "any" | "right" | "wrong";

/** What a sample has to be to pass; null and "any": whatever it is. */
export interface Filters {
  classes: readonly number[] | null;      // its true class
  variants: readonly number[] | null;     // rows that tables and pictures of variants show; no filter on samples
  conditions: readonly number[] | null;   // the same of conditions
  first: Outcome;                         // what the first of the two compared variants makes of it, under the condition
  second: Outcome;                        // the second one
  lost: { method: string; sparsity: number | null } | null; // first lost by a method at this sparsity; null: never lost
  group: string | null;                   // of a group of the user's
}

export interface State {
  selected: Uint8Array | null;            // one byte a sample: brushed, lassoed, clicked; null: nothing is selected
  filters: Filters;
  passing: Uint8Array;                    // one byte a sample: passes the filters (kept up by passing.ts)
  sample: number | null;                  // the one that the sample page shows
  first: number;                          // the two compared variants
  second: number;
  condition: number;
  metric: Metric;
  groups: readonly Group[];
  view: string | null;                    // the view that the address names
  choices: Choices;                       // of single views
}

/** What was chosen in single views, by "view.choice"; what is as at the start is not there. */
export type Choices = Readonly<Record<string, readonly string[]>>;

type Listener = (state: Readonly<State>) => void;
export interface Store {
  readonly state: Readonly<State>;
  /** Changes some of the state; who listens to what has changed hears of it once, in the next frame. */
  set(change: Partial<State>): void;
  /** Calls `what` after changes of any of the keys, until the returned function is called. */
  on(keys: readonly (keyof State)[], what: Listener): () => void;
}

export const noFilters: Filters = { classes: null, variants: null, conditions: null, first: "any", second: "any", lost: null, group: null };

/* The variant that says most beside the first: the sparsest of those that are linearized, or of all, without the failed;
 * of equal ones the first. */
function telling(study: Study): number {
  const well = study.variants.filter((variant) => !variant.failed && variant.index > 0);
  const linear = well.filter((variant) => study.has(`/linear/${variant.name}/row`));
  let best = 0;
  for (const variant of linear.length > 0 ? linear : well) {
    if (best === 0 || variant.achieved > study.variants[best].achieved) best = variant.index;
  }
  return best || (study.variants.length > 1 ? 1 : 0);
}

export function initial(study: Study): State {
  return {
    selected: null, filters: noFilters, passing: new Uint8Array(study.samples).fill(1), sample: null, first: 0, second: telling(study),
    condition: Math.max(0, study.conditions.indexOf("clean")), metric: "margin", groups: [], view: null, choices: {},
  };
}

export function createStore(start: State): Store {
  let state = start;
  const listeners = new Set<{ keys: readonly (keyof State)[]; what: Listener }>();
  let changed = new Set<keyof State>();
  function tell(): void {
    const keys = changed;
    changed = new Set();
    for (const listener of [...listeners]) {
      if (!listeners.has(listener) || !listener.keys.some((key) => keys.has(key))) continue;
      try {
        listener.what(state);
      } catch (error) {
        console.error(error); // one view that fails does not silence the others
      }
    }
  }
  return {
    get state() { return state; },
    set(change) {
      const keys = (Object.keys(change) as (keyof State)[]).filter((key) => change[key] !== state[key]);
      if (keys.length === 0) return;
      state = { ...state, ...change };
      if (changed.size === 0) requestAnimationFrame(tell);
      for (const key of keys) changed.add(key);
    },
    on(keys, what) {
      const listener = { keys, what };
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
  };
}

/** Samples that views count: those that pass and, if there is a selection, are selected. The same array for the same two. */
export function counted({ selected, passing }: Readonly<State>): Uint8Array {
  if (!selected) return passing;
  if (last.selected !== selected || last.passing !== passing) {
    const both = new Uint8Array(passing.length);
    for (let i = 0; i < both.length; i++) both[i] = selected[i] & passing[i];
    last = { selected, passing, both };
  }
  return last.both;
}
let last: { selected: Uint8Array | null; passing: Uint8Array | null; both: Uint8Array } = { selected: null, passing: null, both: new Uint8Array() };

/** Whether all samples count: nothing is selected, and all pass. */
export function allCount({ selected, passing }: Readonly<State>): boolean {
  if (selected) return false;
  if (looked.passing !== passing) looked = { passing, all: !passing.includes(0) };
  return looked.all;
}
let looked: { passing: Uint8Array | null; all: boolean } = { passing: null, all: false };

export function howMany(samples: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i];
  return sum;
}

/** A selection of the samples with these numbers; null for none. */
export function selectionOf(numbers: Iterable<number>, samples: number): Uint8Array | null {
  const selected = new Uint8Array(samples);
  let some = false;
  for (const number of numbers) {
    if (number >= 0 && number < samples) {
      selected[number] = 1;
      some = true;
    }
  }
  return some ? selected : null;
}
