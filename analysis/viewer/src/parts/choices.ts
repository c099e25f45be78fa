/* What somebody chooses in one view alone: kept in the shared state and so in the address, under the view's name and the
 * choice's own (map.colour=margin), by names. */
import type { Store } from "../state/store";
import { choice, toggle } from "./controls";

/** start: what holds where nothing was chosen. Options are values, which the address names, and what they are called; accepts: of
 * what has no list of values, whether one is fine. */
export interface Choice { name: string; title: string; options: readonly (readonly [value: string, text: string])[]; start: string; accepts?: (value: string) => boolean }

export const isOf = ({ options, accepts }: Choice, value: string): boolean => options.some(([option]) => option === value) || (accepts?.(value) ?? false);

/** A switch: a choice of two. */
export const ON = "yes";
export const OFF = "no";
export const onOff = (name: string, title: string, start: boolean): Choice => ({ name, title, options: [[ON, "on"], [OFF, "off"]], start: start ? ON : OFF });

/** Some of many, none at the start: by name alone, without a control. */
export const some = (name: string, options: readonly string[]): Choice => ({ name, title: name, options: options.map((value) => [value, value] as const), start: "" });

/** Values without a list, none at the start: by name alone, too. */
export const free = (name: string, accepts: (value: string) => boolean): Choice => ({ name, title: name, options: [], start: "", accepts });

/** The choices of one view: what holds, its controls, and who hears of a change, by whatever it was made: once, with the names
 * of all that have changed together. */
export class Choices {
  private readonly end: () => void;
  private readonly shown: (() => void)[] = [];
  private said: Map<string, string>;

  constructor(private readonly store: Store, private readonly view: string, private readonly all: readonly Choice[], changed: (names: ReadonlySet<string>) => void) {
    this.said = this.now();
    this.end = store.on(["choices"], () => {
      const before = this.said;
      this.said = this.now();
      this.shown.forEach((show) => show());
      const names = new Set([...this.said.keys()].filter((name) => before.get(name) !== this.said.get(name)));
      if (names.size) changed(names);
    });
  }

  private now(): Map<string, string> { return new Map(this.all.map(({ name }) => [name, this.several(name).join("\n")])); }
  private of(name: string): Choice {
    const choice = this.all.find((one) => one.name === name);
    if (!choice) throw new Error(`${this.view}: no choice ${name}`);
    return choice;
  }

  has(name: string): boolean { return this.all.some((one) => one.name === name); }
  /** What is chosen. */
  get(name: string): string { return this.several(name)[0] ?? this.of(name).start; }
  on(name: string): boolean { return this.has(name) && this.get(name) === ON; }
  several(name: string): readonly string[] {
    const choice = this.of(name), given = this.store.state.choices[`${this.view}.${name}`] ?? [];
    return given.filter((value) => isOf(choice, value));
  }

  set(name: string, ...values: string[]): void {
    const { [`${this.view}.${name}`]: _, ...others } = this.store.state.choices, { start } = this.of(name);
    const kept = values.filter((value) => value !== start);
    this.store.set({ choices: kept.length ? { ...others, [`${this.view}.${name}`]: kept } : others });
  }

  control(name: string): HTMLLabelElement {
    const { title, options } = this.of(name);
    if (options[0][0] === ON) {
      const label = toggle(title, this.on(name), (on) => this.set(name, on ? ON : OFF)), box = label.querySelector("input") as HTMLInputElement;
      this.shown.push(() => { box.checked = this.on(name); });
      return label;
    }
    const label = choice(title, options, this.get(name), (value) => this.set(name, value)), select = label.querySelector("select") as HTMLSelectElement;
    this.shown.push(() => { select.value = this.get(name); });
    return label;
  }

  remove(): void { this.end(); }
}
