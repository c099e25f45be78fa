/* The frame of a view: title, help, export; the view itself is drawn when it comes near what is seen. */
import { Choices, OFF, ON, onOff, type Choice } from "./parts/choices";
import { h } from "./parts/dom";
import { saveCsv, savePng, saveSvg } from "./parts/export";
import { selectionTable } from "./parts/selection_table";
import type { Context, Study, View } from "./views/view";

/** The choices of a view, and, of one that has half of the page's width, whether it has all of it. */
export function ownChoices(view: View, study: Study): readonly Choice[] {
  return [...(view.wanted(study) === null ? view.choices?.(study) ?? [] : []), ...(view.width === "half" ? [WIDE] : [])];
}
const WIDE = onOff("wide", "as wide as the page", false);

export function card(view: View, context: Context, downs: (() => void)[]): HTMLElement {
  const { study, store } = context;
  const body = h("div", { class: "body" });
  const help = h("p", { class: "help", hidden: true, id: `${view.id}-help` }, view.help);
  const name = `${study.name}-${view.id}`;
  const asks = h("button", { "aria-expanded": "false", "aria-controls": help.id, title: "how to read this", onclick: () => {
    help.hidden = !help.hidden;
    asks.setAttribute("aria-expanded", String(!help.hidden));
  } }, "?");
  const saves = h("span", { class: "saves" },
    h("button", { title: "save this view as SVG", onclick: () => saveSvg(body, name) }, "SVG"),
    h("button", { title: "save this view as PNG", onclick: () => void savePng(body, name) }, "PNG"),
    h("button", { title: view.table ? "save these numbers as CSV" : "save the selected samples as CSV", onclick: () =>
      void (view.table ? view.table(context) : selectionTable(context)).then((rows) => saveCsv(rows, view.table ? name : `${study.name}-selection`)) }, "CSV"));
  const choices = new Choices(store, view.id, [WIDE], () => widen());
  const wide = h("button", { title: "as wide as the page", onclick: () => choices.set("wide", choices.on("wide") ? OFF : ON) }, "↔");
  const widen = (): void => {
    element.classList.toggle("half", view.width === "half" && !choices.on("wide"));
    wide.setAttribute("aria-pressed", String(choices.on("wide")));
  };
  const element = h("section", { id: view.id, class: "card", "aria-label": view.title },
    h("header", {}, h("h2", {}, view.title), asks, h("span", { class: "space" }), saves, view.width === "half" ? wide : null), help, body);
  widen();
  downs.push(() => choices.remove());
  const why = view.wanted(study);
  if (why) {
    body.append(h("p", { class: "unavailable" }, why));
    saves.hidden = true;
    return element;
  }
  body.setAttribute("aria-busy", "true");
  let down: (() => void) | null = null;
  let gone = false;
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    view.mount(body, context).then((off) => {
      if (gone) off();
      else down = off;
    }, (error: Error) => {
      console.error(error);
      body.replaceChildren(h("p", { class: "problem" }, `This view cannot be drawn: ${error.message}`));
    }).finally(() => body.removeAttribute("aria-busy"));
  }, { rootMargin: "300px" });
  observer.observe(element);
  downs.push(() => {
    gone = true;
    observer.disconnect();
    down?.();
  });
  return element;
}
