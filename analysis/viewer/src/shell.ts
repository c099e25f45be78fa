/* The page around the views: header, filters, and the views one below the other, each drawn when it comes near. */
import { h } from "./parts/dom";
import { switchTheme } from "./parts/theme";
import { saveSvg, savePng, saveCsv } from "./parts/export";
import { count } from "./parts/numbers";
import { keepAddress, parsed } from "./state/address";
import { keepPassing } from "./state/passing";
import { counted, createStore, howMany, initial, type Store } from "./state/store";
import type { Study } from "./study/study";
import { views } from "./views/list";
import type { Context, View } from "./views/view";

/** Shows a study; gives back what takes the page down. */
export function shell(root: HTMLElement, study: Study, pick: (file: File) => void): () => void {
  const store = createStore({ ...initial(study), ...parsed(study, location.hash) });
  const context: Context = { study, store };
  const downs: (() => void)[] = [keepPassing(study, store), keepAddress(study, store), () => study.close()];
  const main = h("main", { class: "views" }, ...views.map((view) => card(view, context, downs)));
  root.replaceChildren(header(study, pick), status(study, store, downs), main);
  if (store.state.view) document.getElementById(store.state.view)?.scrollIntoView();
  downs.push(store.on(["view"], ({ view }) => { if (view) document.getElementById(view)?.scrollIntoView(); }));
  return () => downs.forEach((down) => down());
}

function header(study: Study, pick: (file: File) => void): HTMLElement {
  const input = h("input", { type: "file", accept: ".h5,.hdf5,.he5", hidden: true, onchange: () => { if (input.files?.[0]) pick(input.files[0]); } });
  const open = study.stages.filter(({ done, of }) => done < of);
  return h("header", { class: "head" },
    h("h1", {}, study.name),
    h("span", { class: "facts" }, `${study.variants.length} variants × ${study.conditions.length} conditions × ${count(study.samples)} samples`),
    open.length ? h("span", { class: "missing" }, `not finished: ${open.map(({ name, done, of }) => `${name} ${Math.floor((100 * done) / of)} %`).join(", ")}`) : null,
    h("span", { class: "space" }),
    input, h("button", { onclick: () => input.click() }, "Open…"), h("button", { onclick: switchTheme, title: "dark or light" }, "◐"));
}

function status(study: Study, store: Store, downs: (() => void)[]): HTMLElement {
  const text = h("output", {});
  const say = (): void => {
    const { selected, passing } = store.state;
    text.textContent = selected ? `${count(howMany(counted(store.state)))} selected of ${count(howMany(passing))}` : `${count(howMany(passing))} of ${count(study.samples)} samples`;
  };
  say();
  downs.push(store.on(["selected", "passing"], say));
  return h("div", { class: "bar" }, text, h("button", { onclick: () => store.set({ selected: null }) }, "clear"));
}

function card(view: View, context: Context, downs: (() => void)[]): HTMLElement {
  const body = h("div", { class: "body" });
  const element = h("section", { id: view.id, class: `card ${view.width}`, "aria-label": view.title },
    h("header", {}, h("h2", {}, view.title), h("span", { class: "space" }),
      h("button", { onclick: () => saveSvg(body, `${context.study.name}-${view.id}`) }, "SVG"),
      h("button", { onclick: () => void savePng(body, `${context.study.name}-${view.id}`) }, "PNG"),
      view.table ? h("button", { onclick: () => void view.table?.(context).then((rows) => saveCsv(rows, `${context.study.name}-${view.id}`)) }, "CSV") : null),
    h("p", { class: "help" }, view.help), body);
  const why = view.wanted(context.study);
  if (why) {
    body.append(h("p", { class: "unavailable" }, why));
    return element;
  }
  let down: (() => void) | null = null;
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    view.mount(body, context).then((off) => { down = off; }, (error: Error) => {
      console.error(error);
      body.replaceChildren(h("p", { class: "problem" }, `${view.title} cannot be drawn: ${error.message}`));
    });
  }, { rootMargin: "400px" });
  observer.observe(element);
  downs.push(() => { observer.disconnect(); down?.(); });
  return element;
}
