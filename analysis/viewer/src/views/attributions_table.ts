/* How faithful the attributions of one network are: a row for each method, of each figure the shown output's and the mean. */
import { h } from "../parts/dom";
import { short } from "../parts/numbers";
import { FIGURES, isOfPairs, meanOf, type Faithfulness, type Method } from "./attributions_data";

/** at, row: of the output that is shown; -1: it is not there. */
export function figureTable(name: string, faith: Faithfulness, methods: readonly Method[], at: number, row: number, numbers: ArrayLike<number>, members: Uint8Array): HTMLElement {
  const { samples, rows, figures } = faith, shown = FIGURES.filter(({ path }) => figures.has(path));
  const lines = methods.map((method) => ({ method, cells: shown.map(({ path }) => ({
    own: at < 0 || row < 0 ? NaN : figures.get(path)![(method.at * samples + at) * rows + row], mean: meanOf(faith, path, method.at, numbers, members) })) }))
    .filter(({ cells }) => cells.some(({ own, mean }) => Number.isFinite(own) || Number.isFinite(mean)));
  // The exact one agrees with itself, which makes it no better.
  const best = shown.map(({ better, path }, f) => Math.max(...lines.map(({ cells }) => better * cells[f].mean).filter((value) => Number.isFinite(value) && !(isOfPairs(path) && value === 1))) * better);
  return h("table", { class: "attribution-figures", "aria-label": `faithfulness, ${name}` },
    h("thead", {}, h("tr", {}, h("th", { rowSpan: 2 }, "method"), ...shown.map(({ name: figure, better, says }) => h("th", { colSpan: 2, title: says }, `${figure} ${better < 0 ? "↓" : "↑"}`))),
      h("tr", {}, ...shown.flatMap(() => [h("th", {}, "this"), h("th", {}, "mean")]))),
    h("tbody", {}, ...lines.map(({ method, cells }) => h("tr", { "data-method": method.id }, h("th", { scope: "row" }, method.name),
      ...cells.flatMap(({ own, mean }, f) => [h("td", { "data-own": own }, short(own)), h("td", { class: mean === best[f] ? "mean best" : "mean", "data-mean": mean }, short(mean))])))));
}
