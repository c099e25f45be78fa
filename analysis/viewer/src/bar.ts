/* The bar that stays in sight: which networks are compared under which condition, the search, the filters, and what is
 * selected, with what can be done with it. */
import { filterPanel } from "./filters";
import { cut } from "./parts/axes";
import { h } from "./parts/dom";
import { saveCsv } from "./parts/export";
import { count } from "./parts/numbers";
import { selectionTable } from "./parts/selection_table";
import { counted, howMany, noFilters, selectionOf, type State, type Store } from "./state/store";
import { METRICS, type Metric, type Study } from "./study/study";
import type { Context } from "./views/view";

export function bar(context: Context, downs: (() => void)[]): HTMLElement {
  const { study, store } = context;
  const filters = filterPanel(context, downs);
  const button = h("button", { "aria-expanded": "false", onclick: () => {
    filters.hidden = !filters.hidden;
    button.setAttribute("aria-expanded", String(!filters.hidden));
  } }, "Filters");
  const choose = (name: string, key: "first" | "second" | "condition", options: readonly string[], swatch?: string): HTMLElement => {
    const select = h("select", { "aria-label": name, onchange: () => store.set({ [key]: select.selectedIndex }) }, ...options.map((option) => h("option", {}, option)));
    const show = (): void => { select.selectedIndex = store.state[key]; };
    show();
    downs.push(store.on([key], show));
    return h("label", { class: "choice" }, swatch ? h("i", { class: "swatch", style: `background:var(${swatch})` }) : null, h("span", {}, name), select);
  };
  const names = study.variants.map(({ name, failed }) => (failed ? `${name} (failed)` : name));
  const metric = h("select", { "aria-label": "metric", onchange: () => store.set({ metric: metric.value as Metric }) }, ...METRICS.map((one) => h("option", { value: one }, one)));
  const showMetric = (): void => { metric.value = store.state.metric; };
  showMetric();
  downs.push(store.on(["metric"], showMetric));
  return h("div", { class: "bar" },
    h("div", { class: "bar-row" },
      choose("compare", "first", names, "--first"), choose("with", "second", names, "--second"), choose("under", "condition", study.conditions),
      h("label", { class: "choice" }, h("span", {}, "metric"), metric),
      h("span", { class: "space" }), search(study, store, downs), button),
    filters, chips(study, store, downs), status(context, downs));
}

/* By number (12, #12, 40-60), or by the name of a class, which goes before a number without #; several with commas. taken: what each was taken for. */
function found(study: Study, text: string): { selected: Uint8Array | null; taken: string[] } {
  const numbers = new Set<number>(), taken: string[] = [];
  for (const part of text.split(",").map((word) => word.trim()).filter(Boolean)) {
    const range = part.match(/^#?(\d+)(?:\s*[-–]\s*(\d+))?$/);
    const exact = study.classes.findIndex((name) => name.toLowerCase() === part.toLowerCase());
    if (range && exact < 0) {
      for (let i = Number(range[1]); i <= Math.min(study.samples - 1, Number(range[2] ?? range[1])); i++) numbers.add(i);
      taken.push(range[2] === undefined ? `sample ${range[1]}` : `samples ${range[1]} to ${range[2]}`);
      continue;
    }
    const among = exact >= 0 ? new Set([exact])
      : new Set(study.classes.flatMap((name, index) => (name.toLowerCase().includes(part.toLowerCase()) ? [index] : [])));
    study.labels.forEach((label, i) => { if (among.has(label)) numbers.add(i); });
    if (range) taken.push(`class ${study.classes[exact]} (#${range[0].replace("#", "")}: the sample)`);
    else if (among.size) taken.push(among.size === 1 ? `class ${study.classes[[...among][0]]}` : `${among.size} classes with ${part}`);
  }
  return { selected: selectionOf(numbers, study.samples), taken };
}

function search(study: Study, store: Store, downs: (() => void)[]): HTMLElement {
  const said = h("span", { class: "search-said", role: "status" });
  let mine: Uint8Array | null = null;
  downs.push(store.on(["selected"], ({ selected }) => { if (selected !== mine) said.textContent = ""; }));
  const list = h("datalist", { id: "search-classes" }, ...study.classes.slice(0, 1000).map((name) => h("option", { value: name })));
  const input = h("input", { id: "search", type: "search", placeholder: "sample, label or class  ( / )", title: "12, 40-60: samples by number; shirt: a class; several with commas. Where a number is the name of a class, #12 is the sample.", "aria-label": "search for samples by number, label or class",
    onchange: () => {
      const text = input.value.trim();
      const { selected, taken } = text ? found(study, text) : { selected: null, taken: [] };
      said.classList.toggle("none", text !== "" && !selected);
      said.textContent = text && !selected ? "none" : cut(taken.join(", "), 48);
      if (text && !selected) return;
      mine = selected;
      const only = selected && howMany(selected) === 1 ? selected.indexOf(1) : null;
      store.set(only === null ? { selected } : { selected, sample: only });
    } });
  input.setAttribute("list", "search-classes");
  return h("span", { class: "search" }, input, list, said);
}

function status(context: Context, downs: (() => void)[]): HTMLElement {
  const { study, store } = context;
  const text = h("output", { class: "count" });
  const clear = h("button", { onclick: () => store.set({ selected: null }), title: "Escape" }, "Clear");
  const keep = h("button", { title: "name these samples, to filter by them and to colour them", onclick: () => {
    const members = counted(store.state);
    const name = window.prompt("A name for this group of samples", `group ${store.state.groups.length + 1}`)?.trim();
    if (!name) return;
    store.set({ groups: [...store.state.groups.filter((group) => group.name !== name), { name, members: members.slice() }] });
  } }, "Keep as group…");
  const save = h("button", { title: "the selected samples with what the two compared variants make of them", onclick: () =>
    void selectionTable(context).then((rows) => saveCsv(rows, `${study.name}-selection`)) }, "CSV");
  const only = h("span", { class: "selected-only" }, clear, keep);
  const say = (): void => {
    const { selected, passing } = store.state;
    const pass = howMany(passing);
    const of = pass === study.samples ? `${count(pass)} samples` : `${count(pass)} that pass the filters (of ${count(study.samples)})`;
    text.replaceChildren(...(selected ? [h("b", {}, `${count(howMany(counted(store.state)))} selected`), ` of ${of}`] : [of]));
    only.hidden = !selected;
  };
  say();
  downs.push(store.on(["selected", "passing"], say));
  return h("div", { class: "bar-row status" }, text, only, save);
}

/* The filters that hold, each with what takes it away. */
function chips(study: Study, store: Store, downs: (() => void)[]): HTMLElement {
  const box = h("div", { class: "bar-row chips" });
  const say = (): void => {
    const { filters } = store.state;
    const all: [string, Partial<State["filters"]>][] = [];
    if (filters.classes) all.push([`class: ${some(filters.classes.map((index) => study.classes[index]))}`, { classes: null }]);
    if (filters.first !== "any") all.push([`${study.variants[store.state.first].name} is ${filters.first}`, { first: "any" }]);
    if (filters.second !== "any") all.push([`${study.variants[store.state.second].name} is ${filters.second}`, { second: "any" }]);
    if (filters.lost) all.push([filters.lost.sparsity === null ? `never lost by ${filters.lost.method}` : `first lost by ${filters.lost.method} at ${filters.lost.sparsity}`, { lost: null }]);
    if (filters.group) all.push([`group: ${filters.group}`, { group: null }]);
    if (filters.variants) all.push([`shown: ${some(filters.variants.map((index) => study.variants[index].name))}`, { variants: null }]);
    if (filters.conditions) all.push([`under: ${some(filters.conditions.map((index) => study.conditions[index]))}`, { conditions: null }]);
    box.replaceChildren(...all.map(([name, change]) => h("button", { class: "chip", title: "take this filter away", onclick: () => store.set({ filters: { ...store.state.filters, ...change } }) }, h("span", {}, name), " ×")),
      ...(all.length > 1 ? [h("button", { class: "chip", onclick: () => store.set({ filters: noFilters }) }, "all ×")] : []));
    box.hidden = all.length === 0;
  };
  say();
  downs.push(store.on(["filters", "first", "second"], say));
  return box;
}

const some = (names: readonly string[]): string => (names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", "));
