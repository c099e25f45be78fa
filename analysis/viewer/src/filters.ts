/* The panel of filters. */
import { classColour, classLetter } from "./parts/colours";
import { h } from "./parts/dom";
import { markPicture } from "./parts/key";
import { classLook } from "./parts/looks";
import type { Filters, Outcome, State } from "./state/store";
import type { Context } from "./views/view";

export function filterPanel({ study, store }: Context, downs: (() => void)[]): HTMLElement {
  const change = (filters: Partial<Filters>): void => store.set({ filters: { ...store.state.filters, ...filters } });
  const parts = [
    many("class", study.classes, (index) => h("span", { class: "legend-item" }, markPicture(classLook(index, study.classes.length)), `${classLetter(index)} ${study.classes[index]}`), "classes"),
    outcomes(),
    lost(),
    groups(),
    many("variants shown", study.variants.map(({ name }) => name), null, "variants"),
    many("conditions shown", study.conditions, null, "conditions"),
  ];
  return h("div", { class: "filters", hidden: true }, ...parts);

  /* Of a list, those that are ticked; all ticked is no filter. */
  function many(title: string, names: readonly string[], label: ((index: number) => Node) | null, key: "classes" | "variants" | "conditions"): HTMLElement {
    const boxes = names.map((_, index) => h("input", { type: "checkbox", value: index, onchange: collect }));
    const rows = names.map((name, index) => h("label", { title: name }, boxes[index], label ? label(index) : h("span", {}, name)));
    function collect(): void {
      const ticked = boxes.flatMap((box, index) => (box.checked ? [index] : []));
      change({ [key]: ticked.length === names.length || ticked.length === 0 ? null : ticked });
    }
    const show = (): void => {
      const chosen = store.state.filters[key];
      boxes.forEach((box, index) => { box.checked = chosen === null || chosen.includes(index); });
    };
    show();
    downs.push(store.on(["filters"], show));
    const narrow = h("input", { type: "search", placeholder: "find", "aria-label": `find among ${title}`, oninput: () => {
      rows.forEach((row, index) => { row.hidden = !names[index].toLowerCase().includes(narrow.value.toLowerCase()); });
    } });
    return h("fieldset", {}, h("legend", {}, title),
      h("div", { class: "all-none" },
        h("button", { onclick: () => change({ [key]: null }) }, "all"),
        h("button", { onclick: () => { // those that are in sight alone
          const only = rows.flatMap((row, index) => (row.hidden ? [] : [index]));
          change({ [key]: only.length === names.length ? null : only });
        }, title: "only those in the list below" }, "only these"),
        h("button", { title: "tick the others", onclick: () => {
          const rest = boxes.flatMap((box, index) => (box.checked ? [] : [index]));
          change({ [key]: rest.length ? rest : null });
        } }, "others"),
        names.length > 12 ? narrow : null),
      h("div", { class: "ticks" }, ...rows));
  }

  function outcomes(): HTMLElement {
    const one = (key: "first" | "second"): HTMLElement => {
      const name = h("span", { class: "outcome-name" });
      const select = h("select", { onchange: () => change({ [key]: select.value as Outcome }) }, ...["any", "right", "wrong"].map((value) => h("option", { value }, value)));
      const show = (state: Readonly<State>): void => {
        name.textContent = study.variants[state[key]].name;
        select.value = state.filters[key];
        select.setAttribute("aria-label", `${study.variants[state[key]].name} is`);
      };
      show(store.state);
      downs.push(store.on(["filters", key], show));
      return h("label", {}, h("i", { class: "swatch", style: `background:var(--${key})` }), name, " is ", select);
    };
    const gone = h("button", { title: "right in the first, wrong in the second", onclick: () => change({ first: "right", second: "wrong" }) }, "lost by the second");
    const won = h("button", { title: "wrong in the first, right in the second", onclick: () => change({ first: "wrong", second: "right" }) }, "won by the second");
    return h("fieldset", {}, h("legend", {}, "right or wrong, under the condition"), h("div", { class: "ticks" }, one("first"), one("second"), h("div", { class: "all-none" }, gone, won)));
  }

  function lost(): HTMLElement {
    const box = h("fieldset", {}, h("legend", {}, "first lost at"));
    if (!study.has("/fragility/first_lost") || !study.has("/fragility/method")) {
      box.append(h("p", { class: "unavailable" }, "not in this study"));
      return box;
    }
    const method = h("select", { "aria-label": "method", onchange: send });
    const sparsity = h("select", { "aria-label": "sparsity", onchange: send });
    function send(): void {
      change({ lost: method.value ? { method: method.value, sparsity: sparsity.value === "never" ? null : Number(sparsity.value) } : null });
    }
    const show = (): void => {
      const { lost: chosen } = store.state.filters;
      method.value = chosen?.method ?? "";
      const methods = study.variants.filter((variant) => `${variant.method}-${variant.scope}` === method.value || variant.method === method.value);
      const values = [...new Set((methods.length ? methods : study.variants.slice(1)).map((variant) => variant.sparsity))].sort((a, b) => a - b);
      sparsity.replaceChildren(...values.map((value) => h("option", { value }, String(value))), h("option", { value: "never" }, "never"));
      if (chosen) sparsity.value = chosen.sparsity === null ? "never" : String(chosen.sparsity);
      sparsity.disabled = !method.value;
    };
    downs.push(store.on(["filters"], show));
    study.texts("/fragility/method").then((names) => {
      method.append(h("option", { value: "" }, "any method"), ...names.map((name) => h("option", { value: name }, name)));
      show();
    }, (error: Error) => box.append(h("p", { class: "problem" }, error.message)));
    box.append(h("div", { class: "ticks" }, h("label", {}, "by ", method), h("label", {}, "at sparsity ", sparsity)));
    return box;
  }

  function groups(): HTMLElement {
    const list = h("div", { class: "ticks" });
    const show = (): void => {
      const { groups: all, filters } = store.state;
      list.replaceChildren(...(all.length ? [] : [h("p", { class: "unavailable" }, "none yet: select samples, then Keep as group…")]),
        ...all.map((group, index) => h("div", { class: "group" },
          h("label", {}, h("input", { type: "radio", name: "group", checked: filters.group === group.name, onchange: () => change({ group: group.name }) }),
            h("i", { class: "swatch", style: `background:${classColour(index % 10, 10)}` }), h("span", {}, group.name)),
          h("button", { title: "select its samples", onclick: () => store.set({ selected: group.members }) }, "select"),
          h("button", { title: "forget this group", "aria-label": `forget ${group.name}`, onclick: () =>
            store.set({ groups: all.filter((one) => one !== group), filters: { ...filters, group: filters.group === group.name ? null : filters.group } }) }, "×"))),
        ...(filters.group ? [h("label", {}, h("input", { type: "radio", name: "group", onchange: () => change({ group: null }) }), "any")] : []));
    };
    show();
    downs.push(store.on(["groups", "filters"], show));
    return h("fieldset", {}, h("legend", {}, "your groups"), list);
  }
}
