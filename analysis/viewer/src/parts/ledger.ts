/* Bars that add up: what all pixels and the constants of nodes give, and the sum. */
import { h } from "./dom";
import { short } from "./numbers";

/** says: what the network says itself, below the sum. */
export function ledger(title: string, pixels: number, nodes: readonly string[], b: readonly number[], sum: number, says: string): HTMLElement {
  const most = 7, order = b.map((_, i) => i).sort((i, j) => Math.abs(b[j]) - Math.abs(b[i]));
  const kept = new Set(order.slice(0, b.length > most ? most - 1 : most)), rest = b.reduce((all, value, i) => all + (kept.has(i) ? 0 : value), 0);
  const rows: [string, number, string][] = [["all pixels", pixels, "main"], ["bias", b.reduce((all, value) => all + value, 0), "main"],
    ...b.flatMap((value, i): [string, number, string][] => (kept.has(i) ? [[nodes[i], value, "part"]] : [])), ...(kept.size < b.length ? [[`${b.length - kept.size} others`, rest, "part"] as [string, number, string]] : [])];
  const largest = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-30);
  return h("div", { class: "ledger" }, h("h4", {}, title), h("table", {}, h("tbody", {},
    ...rows.map(([name, value, kind]) => h("tr", { class: kind, title: name }, h("td", { class: "name" }, h("bdi", {}, name)), h("td", { class: "bar-cell" }, h("span", {
      class: value < 0 ? "minus" : "plus", style: `width:${(50 * Math.abs(value)) / largest}%;${value < 0 ? "right" : "left"}:50%` })), h("td", { "data-value": value }, short(value)))),
    h("tr", { class: "sum" }, h("td", { class: "name" }, "sum"), h("td", {}), h("td", { "data-value": sum }, short(sum))))), h("p", { class: "note" }, says));
}
