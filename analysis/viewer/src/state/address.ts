/* The state in the page's address, as its fragment, by names: #view=geometry&first=dense&condition=gaussian_noise/3&class=shirt&map.colour=margin
 * What a study does not have is ignored; what is as at the start is left out. */
import type { Study } from "../study/study";
import { METRICS, type Metric } from "../study/study";
import { packed, unpackedSet } from "./packed";
import { initial, noFilters, type Filters, type Outcome, type State, type Store } from "./store";

const KEYS: (keyof State)[] = ["selected", "filters", "sample", "first", "second", "condition", "metric", "groups", "view", "choices"];

/** Whether there is such a choice in a view, of this value. */
export type Known = (choice: string, value: string) => boolean;

function fragment(study: Study, state: Readonly<State>): string {
  const start = initial(study);
  const pairs: [string, string][] = [];
  const say = (key: string, value: string | null | undefined): void => { if (value != null) pairs.push([key, value]); };
  const { filters } = state;
  say("view", state.view);
  if (state.first !== start.first) say("first", study.variants[state.first].name);
  if (state.second !== start.second) say("second", study.variants[state.second].name);
  if (state.condition !== start.condition) say("condition", study.conditions[state.condition]);
  if (state.metric !== start.metric) say("metric", state.metric);
  if (state.sample !== null) say("sample", String(state.sample));
  filters.classes?.forEach((index) => say("class", study.classes[index]));
  filters.variants?.forEach((index) => say("variant", study.variants[index].name));
  filters.conditions?.forEach((index) => say("only", study.conditions[index]));
  if (filters.first !== "any") say("first_is", filters.first);
  if (filters.second !== "any") say("second_is", filters.second);
  if (filters.lost) say("lost", `${filters.lost.method}@${filters.lost.sparsity ?? "never"}`);
  for (const group of state.groups) say("group", `${packed(group.members)}:${group.name}`);
  say("in", filters.group);
  for (const [choice, values] of Object.entries(state.choices)) for (const value of values) say(choice, value);
  if (state.selected) say("selected", packed(state.selected));
  return pairs.map(([key, value]) => `${key}=${encodeURIComponent(value).replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%3A/g, ":")}`).join("&");
}

/** What a fragment says of the state; the rest as at the start. */
export function parsed(study: Study, text: string, known: Known): Partial<State> {
  const start = initial(study);
  const said = new Map<string, string[]>();
  for (const pair of text.replace(/^#/, "").split("&")) {
    const at = pair.indexOf("=");
    if (at < 1) continue;
    let value: string;
    try {
      value = decodeURIComponent(pair.slice(at + 1));
    } catch {
      continue;
    }
    said.set(pair.slice(0, at), [...(said.get(pair.slice(0, at)) ?? []), value]);
  }
  const one = (key: string): string | undefined => said.get(key)?.[0];
  const names = study.variants.map(({ name }) => name);
  const place = (among: readonly string[], name: string | undefined, otherwise: number): number => {
    const index = name === undefined ? -1 : among.indexOf(name);
    return index < 0 ? otherwise : index;
  };
  const places = (among: readonly string[], key: string): number[] | null => {
    const all = (said.get(key) ?? []).map((name) => among.indexOf(name)).filter((index) => index >= 0);
    return all.length ? all : null;
  };
  const outcome = (key: string): Outcome => (one(key) === "right" || one(key) === "wrong" ? (one(key) as Outcome) : "any");
  const groups = (said.get("group") ?? []).flatMap((group) => {
    const at = group.indexOf(":");
    const members = at > 0 ? unpackedSet(group.slice(0, at), study.samples) : null;
    return members ? [{ name: group.slice(at + 1), members }] : [];
  });
  const lost = one("lost")?.match(/^(.*)@(never|[\d.]+)$/);
  const filters: Filters = {
    ...noFilters, classes: places(study.classes, "class"), variants: places(names, "variant"), conditions: places(study.conditions, "only"),
    first: outcome("first_is"), second: outcome("second_is"),
    lost: lost ? { method: lost[1], sparsity: lost[2] === "never" ? null : Number(lost[2]) } : null,
    group: groups.some(({ name }) => name === one("in")) ? (one("in") as string) : null,
  };
  const sample = Number(one("sample") ?? NaN);
  const choices = Object.fromEntries([...said].map(([key, values]) => [key, values.filter((value) => known(key, value))] as const).filter(([, values]) => values.length));
  return {
    view: one("view") ?? null, first: place(names, one("first"), start.first), second: place(names, one("second"), start.second),
    condition: place(study.conditions, one("condition"), start.condition),
    metric: METRICS.includes(one("metric") as Metric) ? (one("metric") as Metric) : start.metric,
    sample: Number.isInteger(sample) && sample >= 0 && sample < study.samples ? sample : null,
    filters, groups, choices, selected: one("selected") ? unpackedSet(one("selected") as string, study.samples) : null,
  };
}

/** Writes the state into the address as it changes, and the other way when somebody changes the address or goes back. */
export function keepAddress(study: Study, store: Store, known: Known): () => void {
  let timer = 0, mine = location.hash;      // as it was read or written last
  const write = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      if (location.hash !== mine) return;     // somebody has just changed it, and what it says will be read
      const text = fragment(study, store.state);
      if (location.hash.replace(/^#/, "") !== text) history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
      mine = location.hash;
    }, 150);
  };
  const read = (): void => {
    mine = location.hash;
    store.set(parsed(study, mine, known));
  };
  window.addEventListener("hashchange", read);
  const off = store.on(KEYS, write);
  return () => {
    off();
    clearTimeout(timer);
    window.removeEventListener("hashchange", read);
  };
}
