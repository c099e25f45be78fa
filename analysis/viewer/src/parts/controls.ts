/* The small controls of a view: a choice and a switch, the browser's own, so that they work by keyboard. */
import { h } from "./dom";

/** A choice of one of some (value, text), with its name before it. */
export function choice(name: string, options: readonly (readonly [string, string])[], value: string, on: (value: string) => void): HTMLLabelElement {
  const select = h("select", { onchange: () => on(select.value) }, ...options.map(([key, text]) => h("option", { value: key }, text)));
  select.value = value;
  return h("label", {}, h("span", {}, name), select);
}

export function toggle(name: string, value: boolean, on: (value: boolean) => void): HTMLLabelElement {
  const box = h("input", { type: "checkbox", checked: value, onchange: () => on(box.checked) });
  return h("label", {}, box, h("span", {}, name));
}

/** Puts other controls into an element; who had the focus by keyboard keeps it, on the one at the same place. */
export function replaceControls(where: HTMLElement, ...controls: HTMLElement[]): void {
  const all = (): HTMLElement[] => [...where.querySelectorAll<HTMLElement>("button, select, input")], at = all().indexOf(document.activeElement as HTMLElement);
  where.replaceChildren(...controls);
  if (at >= 0) all()[at]?.focus();
}
