/* The page around the views: header, the bar with what all views share, and the views one below the other. */
import { bar } from "./bar";
import { card, ownChoices } from "./card";
import { guide } from "./guide";
import { isOf } from "./parts/choices";
import { h } from "./parts/dom";
import { bytes, count } from "./parts/numbers";
import { switchTheme } from "./parts/theme";
import { hideTip } from "./parts/tooltip";
import { keepAddress, parsed, type Known } from "./state/address";
import { keepPassing } from "./state/passing";
import { goTo, stay } from "./parts/scroll";
import { createStore, initial, type Store } from "./state/store";
import type { Study } from "./study/study";
import { views } from "./views/list";
import type { Context } from "./views/view";

/** Shows a study; `down` takes the page down. `pick` opens another file. */
export function shell(root: HTMLElement, study: Study, pick: (file: File) => void): { store: Store; down: () => void } {
  const known = knownChoices(study);
  const store = createStore({ ...initial(study), ...parsed(study, location.hash, known) });
  const context: Context = { study, store, parsed: (address) => parsed(study, address, known) };
  const downs: (() => void)[] = [keepPassing(study, store), keepAddress(study, store, known), () => study.close(), stay, hideTip];
  const help = guide(study);
  const strip = bar(context, downs);
  root.replaceChildren(
    h("a", { class: "skip", href: "#", onclick: (event: Event) => { event.preventDefault(); (root.querySelector(".card button, .card select") as HTMLElement | null)?.focus(); } }, "Skip to the views"),
    header(study, pick, help), strip,
    h("main", { class: "views" }, ...views.map((view) => card(view, context, downs))),
    foot(study), help);
  goTo(store.state.view);
  downs.push(store.on(["view"], ({ view }) => goTo(view)), keys(context, help));
  return { store, down: () => downs.forEach((down) => down()) };
}

/* What can be chosen in single views. */
function knownChoices(study: Study): Known {
  const all = new Map(views.flatMap((view) => ownChoices(view, study).map((choice) => [`${view.id}.${choice.name}` as string, choice] as const)));
  return (name, value) => {
    const choice = all.get(name);
    return choice !== undefined && isOf(choice, value);
  };
}

/* What is read, and how; of a page that holds a part of a study (python3 -m facet view), what it does not hold. */
function foot(study: Study): HTMLElement {
  const made = h("footer", { class: "foot" }, `${study.file.name}, ${bytes(study.file.size)}, schema version ${study.schema}, read ${study.how}. Nothing leaves this computer.`);
  void study.attributes("/").then(({ left_out: out }) => {
    if (out) made.append(h("p", {}, `Not in this page, but in the study: ${(Array.isArray(out) ? out : [out]).join("; ")}.`));
  });
  return made;
}

function header(study: Study, pick: (file: File) => void, help: HTMLDialogElement): HTMLElement {
  const input = h("input", { type: "file", accept: ".h5,.hdf5,.he5", hidden: true, onchange: () => { if (input.files?.[0]) pick(input.files[0]); } });
  const open = study.stages.filter(({ done, of }) => done < of);
  return h("header", { class: "head" },
    h("h1", {}, study.name),
    h("span", { class: "facts" }, [plural(study.variants.length, "variant"), plural(study.conditions.length, "condition"), plural(study.samples, "sample"),
      plural(study.classes.length, "class", "classes")].join(" · ")),
    h("span", { class: "space" }), input,
    h("nav", { "aria-label": "views" }, ...views.map((view) => h("a", { href: `#${view.id}`, onclick: (event: Event) => {
      event.preventDefault();
      goTo(view.id);
    } }, view.title))),
    h("button", { onclick: () => help.showModal(), title: "what angle, length and margin are, and all keys (?)" }, "Guide"),
    h("button", { onclick: () => input.click(), title: "open another study" }, "Open…"),
    h("button", { onclick: switchTheme, title: "dark or light (d)", "aria-label": "dark or light" }, "◐"),
    open.length ? h("p", { class: "missing", role: "status" }, h("b", {}, "This study is not finished. "),
      `Not done yet, or only so far: ${open.map(({ name, done, of }) => `${name} ${Math.floor((100 * done) / of)} %`).join(", ")}. What follows from these is missing here; facet run goes on where it was stopped.`) : null,
    study.diverged.length ? h("p", { class: "missing" }, h("b", {}, "Variants that are missing: "), `${study.diverged.join("; ")}.`) : null);
}

function plural(number: number, one: string, more = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : more}`;
}

/* Keys of the page: / search, Escape nothing selected, ? guide, d dark or light, 1 … 9 views. */
function keys({ store }: Context, help: HTMLDialogElement): () => void {
  const press = (event: KeyboardEvent): void => {
    const on = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || on.matches?.("input, select, textarea")) return;
    if (event.key === "/") (document.getElementById("search") as HTMLElement | null)?.focus();
    else if (event.key === "Escape") store.set({ selected: null });
    else if (event.key === "?") help.showModal();
    else if (event.key === "d") switchTheme();
    else if (/^[1-9]$/.test(event.key) && views[Number(event.key) - 1]) goTo(views[Number(event.key) - 1].id);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
}
