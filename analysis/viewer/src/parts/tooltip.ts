/* One tooltip for the page: names and numbers of what the pointer, or the keyboard's focus, is on. */
import { h } from "./dom";

export type Line = readonly [name: string, value: string];
let box: HTMLElement | null = null;

/** Shows it beside a point of the window. A name of "" makes a line of its own; the first of those is the title. */
export function showTip(x: number, y: number, title: string, lines: readonly Line[]): void {
  box ??= document.body.appendChild(h("div", { class: "tip", role: "tooltip" }));
  box.replaceChildren(h("strong", {}, title), ...lines.map(([name, value]) => h("div", { class: "tip-line" }, h("span", {}, name), h("b", {}, value))));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, x + 14 + width > innerWidth ? x - 14 - width : x + 14)}px`;
  box.style.top = `${Math.max(4, y + 14 + height > innerHeight ? y - 14 - height : y + 14)}px`;
}

export function hideTip(): void {
  if (box) box.hidden = true;
}
