/* What a view is. Each has a file here and a row in list.ts. */
import type { Choice } from "../parts/choices";
import type { State, Store } from "../state/store";
import type { Study } from "../study/study";

export interface Context {
  study: Study;
  store: Store;
  /** What an address says of the state. */
  parsed(address: string): Partial<State>;
}

export interface View {
  /** Its name in the address (#view=…) and its element's id. */
  id: string;
  title: string;
  /** A few sentences: what is drawn, how to read it, what can be done with it. */
  help: string;
  /** How much of the page's width it takes where there is room for two. */
  width: "whole" | "half";
  /** What can be chosen in it alone, and is kept in the address. */
  choices?(study: Study): readonly Choice[];
  /** null: it can be shown; else why not, which is shown in its place. */
  wanted(study: Study): string | null;
  /** Draws into an empty element, at that element's width; gives back what takes it down. */
  mount(where: HTMLElement, context: Context): Promise<() => void>;
  /** What its CSV export holds, where that is more than the selected samples: rows, the first with the columns' names. */
  table?(context: Context): Promise<(string | number)[][]>;
}

/** Why a view cannot be shown of a file that has some of what it wants. */
export const CUT_DOWN = "This file was cut down and has no room for this; the study that it was made of holds it.";

/** Mounts a view that is a class: what it began is taken down when it cannot be loaded, too. */
export const mounted = (Made: new (where: HTMLElement, context: Context) => { load(): Promise<void>; remove(): void }): View["mount"] => async (where, context) => {
  const view = new Made(where, context);
  try {
    await view.load();
  } catch (error) {
    view.remove();
    throw error;
  }
  return () => view.remove();
};

export type { State, Store } from "../state/store";
export type { Metric, Study, Variant } from "../study/study";
