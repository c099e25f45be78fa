/* The evaluation table: every variant under every condition, as a heat map with small histograms; replicates folded. */
import { detail } from "./evaluation_detail";
import { RowBars } from "./evaluation_bars";
import { Table, type Measure, type Row } from "./evaluation_table";
import { Choices, OFF, ON, onOff, some, type Choice } from "../parts/choices";
import { h, onTheme, svg } from "../parts/dom";
import { count, percent } from "../parts/numbers";
import { chosenOf, replicates, type Spread } from "../parts/replicates";
import { hideTip, showTip, type Line } from "../parts/tooltip";
import { METRICS, PLACE, type Study } from "../study/study";
import { mounted, type Context, type View } from "./view";

interface Cell { td: HTMLTableCellElement; row: Row; condition: number; number: HTMLElement; text: Text; more: HTMLElement; said: string; ground: string }
interface TableRow { row: Row; tr: HTMLTableRowElement; bars: RowBars; last: HTMLElement | null }

const NEAR = 60; // pixels around what is seen that are drawn, too

function choices(study: Study): readonly Choice[] {
  return [
    { name: "measure", title: "measure", options: [["accuracy", "accuracy"], ...METRICS.map((metric) => [metric, `mean ${metric}`] as const)], start: "accuracy" },
    onOff("relative", "", false),
    { name: "sort", title: "sort", options: [["", ""], ["sparsity", ""], ["corrupted", ""], ...study.conditions.map((name) => [name, ""] as const)], start: "" },
    onOff("rising", "", false),
    some("open", replicates(study.variants).filter(({ variants }) => variants.length > 1).map(({ name }) => name)),
  ];
}

class Evaluation {
  private readonly table: Table;
  private readonly choices: Choices;
  private readonly relativeTo: HTMLElement;
  private readonly legend = h("span", { class: "legend" });
  private readonly scroller = h("div", { class: "evaluation", role: "region", tabIndex: -1 });
  private cells: Cell[] = [];        // row by row
  private lines: TableRow[] = [];
  private placed = false;            // the canvases, over the cells
  private unsorted = true;           // rows were laid before their numbers were there, or by others; a brush lets them be
  private seen = new Set<Element>();
  private waiting = 0;
  private scaled: { relative: boolean; name: HTMLElement; low: HTMLElement; high: HTMLElement } | null = null;   // the legend
  private window = { left: 0, width: 0 }; // what is seen of the table: asked of the browser when it changes, not in every frame
  private readonly watch: IntersectionObserver;
  private readonly ends: (() => void)[] = [];

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context;
    this.table = new Table(study, () => store.state);
    this.choices = new Choices(store, "evaluation", choices(study), (names) => this.chosen(names));
    const relative = this.choices.control("relative");
    this.relativeTo = relative.querySelector("span") as HTMLElement;
    const below = h("div", {});
    where.append(h("div", { class: "choices" }, this.choices.control("measure"), relative, this.legend), this.scroller, below);
    this.watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.seen.add(target);
        else this.seen.delete(target);
      }
      this.drawBars();
    }, { root: null, rootMargin: `${NEAR}px` });
    this.ends.push(() => this.watch.disconnect(), () => this.choices.remove(), () => cancelAnimationFrame(this.waiting), hideTip, detail(below, context));
    this.listen();
    this.take();
  }

  load(): Promise<void> {
    this.build();
    this.renew();
    return Promise.resolve();
  }

  /* What is chosen, for the table. */
  private take(): void {
    const { table, choices: chosen } = this, by = chosen.get("sort");
    table.measure = chosen.get("measure") as Measure;
    table.relative = chosen.on("relative");
    table.sort = { by: by === "" ? null : by === "sparsity" || by === "corrupted" ? by : this.context.study.conditions.indexOf(by), down: !chosen.on("rising") };
    table.open = chosen.several("open");
  }

  private chosen(names: ReadonlySet<string>): void {
    this.take();
    this.unsorted = true;
    if (names.size > 1 || !names.has("measure")) this.build();
    this.renew();
  }

  private listen(): void {
    const { context: { store }, scroller } = this;
    const on = (what: string, does: (event: Event) => void): void => scroller.addEventListener(what, does);
    on("click", (event) => {
      const cell = this.cellOf(event);
      if (cell) this.select(cell, (event as MouseEvent).shiftKey);
    });
    on("mousemove", (event) => {
      const cell = this.cellOf(event);
      if (cell) this.tip(cell, (event as MouseEvent).clientX, (event as MouseEvent).clientY);
      else hideTip();
    });
    on("mouseleave", hideTip);
    on("focusin", (event) => {
      const cell = this.cellOf(event);
      if (!cell || !cell.td.matches(":focus-visible")) return;
      const box = cell.td.getBoundingClientRect();
      this.tip(cell, box.right, box.top);
    });
    on("focusout", hideTip);
    on("keydown", (event) => this.key(event as KeyboardEvent));
    const look = (): void => { this.window = { left: scroller.scrollLeft, width: scroller.clientWidth }; };
    on("scroll", () => {
      look();
      this.soon();
    });
    const resized = new ResizeObserver(() => {
      look();
      this.placed = false;
      this.soon();
    });
    resized.observe(scroller);
    this.ends.push(
      () => resized.disconnect(),
      store.on(["selected", "passing", "metric"], () => this.renew()),
      store.on(["first", "second", "condition"], () => {
        this.relativeTo.textContent = this.relative();
        this.soon();
      }),
      store.on(["filters"], () => {
        this.build();
        this.renew();
      }),
      onTheme(() => this.soon()),
    );
  }

  private relative(): string { return ` minus ${this.context.study.variants[this.context.store.state.first].name}`; }
  private cellOf(event: Event): Cell | undefined {
    const td = (event.target as Element).closest("td");
    return this.cells.find((cell) => cell.td === td);
  }
  private select({ row, condition }: Cell, first: boolean): void {
    this.context.store.set({ [first ? "first" : "second"]: chosenOf(row), condition });
  }
  private measureName(): string { return this.table.measure === "accuracy" ? "accuracy" : `mean ${this.table.measure}`; }

  private tip({ row, condition }: Cell, x: number, y: number): void {
    const { table, context: { study } } = this, many = row.variants.length > 1;
    const lines: Line[] = many ? replicates(row.variants, false).map((one) => [`${one.name}${one.failed ? " (failed)" : ""}`, table.text(table.value(one, condition).mean)] as const) : [];
    const { mean, deviation, of } = table.value(row, condition);
    lines.push([many ? `mean of ${of}` : this.measureName(), table.text(mean)]);
    if (Number.isFinite(deviation)) lines.push(["standard deviation", table.measure === "accuracy" ? `${table.deviation(deviation)} points` : table.deviation(deviation)]);
    lines.push(["samples", count(table.bins.total)]);
    showTip(x, y, `${row.name} · ${study.conditions[condition]}`, lines);
  }

  private key(event: KeyboardEvent): void {
    const { cells, table } = this, cell = this.cellOf(event);
    if (!cell) return;
    const columns = table.conditions().length;
    const at = cells.indexOf(cell);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step !== undefined && cells[at + step]) {
      cell.td.tabIndex = -1;
      cells[at + step].td.tabIndex = 0;
      cells[at + step].td.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      this.select(cell, event.shiftKey);
    } else return;
    event.preventDefault();
  }

  /* A heading sorts: falling, rising, and as in the study again. */
  private heading(name: string, key: string, title: string): HTMLElement {
    const { choices: chosen } = this, on = chosen.get("sort") === key, rising = chosen.on("rising");
    return h("th", { scope: "col", class: key === "sparsity" || key === "corrupted" ? key : "", "aria-sort": on ? (rising ? "ascending" : "descending") : "none" },
      h("button", { title: `${title}: sort by it`, onclick: () => {
        chosen.set("sort", on && rising ? "" : key);
        chosen.set("rising", on && !rising ? ON : OFF);
      } }, ...name.split(/(?<=[_/ ])/).flatMap((word, i) => (i ? [document.createElement("wbr"), word] : [word])), h("span", { class: "sort" }, on ? (rising ? " ▲" : " ▼") : "")));
  }

  private rowHead(row: Row): HTMLElement {
    const isOpen = this.table.open.includes(row.name), lost = row.variants.filter((variant) => !row.counted.includes(variant));
    return h("th", { scope: "row", class: row.part ? "part" : "" },
      row.folded ? h("button", { class: "fold", "aria-expanded": String(isOpen), title: isOpen ? "fold its seeds" : "show its seeds", onclick: () =>
        this.choices.set("open", ...(isOpen ? this.table.open.filter((one) => one !== row.name) : [...this.table.open, row.name])) }, isOpen ? "▾" : "▸") : h("span", { class: "fold" }),
      h("span", { class: "name", title: row.name }, row.name), row.folded ? h("span", { class: "seeds", title: lost.length ? `numbers without those that have failed: ${lost.map(({ name }) => name).join(", ")}` : "replicates" },
        `×${row.counted.length}${lost.length ? ` of ${row.variants.length}` : ""}`) : null,
      row.failed ? h("span", { class: "failed-tag", title: "near chance when clean: left out of rankings" }, "failed") : null);
  }

  /* The table anew: other rows, columns or order. */
  private build(): void {
    const { table, context: { study } } = this, conditions = table.conditions(), rows = table.rows(), corrupted = table.hasCorrupted();
    this.relativeTo.textContent = this.relative();
    const longest = Math.max(...rows.map(({ name, failed }) => name.length + (failed ? 7 : 0)));
    const wide = Math.min(20, Math.max(9, 4.2 + 0.5 * longest));
    this.cells = [];
    this.placed = false;
    this.watch.disconnect();
    this.seen = new Set();
    this.lines = rows.map((row) => {
      const values = conditions.map((condition) => {
        const text = document.createTextNode(""), more = h("small", {}), number = h("span", { class: "number" }, text, more);
        const td = h("td", { tabIndex: -1 }, number);
        this.cells.push({ td, row, condition, number, text, more, said: "", ground: "" });
        return td;
      });
      const last = corrupted ? h("td", { class: "plain corrupted" }) : null;
      const tr = h("tr", { class: row.failed ? "failed" : "" }, this.rowHead(row),
        h("td", { class: "plain" }, row.variants[0].index === 0 ? "–" : percent(row.variants[0].achieved)), ...values, last);
      return { row, tr, last, bars: new RowBars(table, row, conditions) };
    });
    this.scroller.replaceChildren(h("table", { style: `min-width:${wide + 4.5 + 6.7 * conditions.length + (corrupted ? 9.2 : 0)}rem` }, h("caption", { class: "visually-hidden" }, "Measure by variant and condition"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "corner", style: `width:${wide}rem` }, "variant"), this.heading("sparsity", "sparsity", "share of weights removed"),
        ...conditions.map((condition) => this.heading(study.conditions[condition], study.conditions[condition], study.conditions[condition])),
        corrupted ? this.heading("mean corrupted", "corrupted", "mean over the shown conditions but clean") : null)),
      h("tbody", {}, ...this.lines.map(({ tr }) => tr))), ...this.lines.map(({ bars }) => bars.canvas));
    this.lines.forEach(({ tr }) => this.watch.observe(tr));
    if (this.cells[0]) this.cells[0].td.tabIndex = 0;
    this.fill();
  }

  private soon(): void {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.fill();
    });
  }

  /* Renewed after what it needs is there; what comes meanwhile is drawn as it comes. */
  private renew(): void {
    const soon = (): void => this.soon();
    this.table.use();
    soon();
    this.table.need(soon).then(() => {
      if (this.unsorted && this.table.rows().some(({ name }, at) => name !== this.lines[at]?.row.name)) this.build();
      this.unsorted = false;
      soon();
    }, (error: Error) => console.error(error));
  }

  /* Numbers and colours. */
  private fill(): void {
    const { table, cells } = this, values = cells.map(({ row, condition }) => table.value(row, condition));
    let low = Infinity, high = -Infinity;
    cells.forEach(({ row }, i) => {
      if (row.failed || !Number.isFinite(values[i].mean)) return;
      low = Math.min(low, values[i].mean);
      high = Math.max(high, values[i].mean);
    });
    if (table.relative) {
      high = Math.max(Math.abs(low), Math.abs(high));
      low = -high;
    }
    const best = this.best(values), { first, second, condition: now } = this.context.store.state;
    cells.forEach((cell, i) => {
      const { td, row, condition } = cell, { mean, deviation } = values[i];
      this.say(cell, table.text(mean), Number.isFinite(deviation) ? ` ±${table.deviation(deviation)}` : "");
      cell.number.classList.toggle("best", best.has(i));
      const ground = row.failed || !Number.isFinite(mean) ? "" : heat(low === high ? 0.5 : (mean - low) / (high - low), table.relative);
      if (ground !== cell.ground) td.style.background = cell.ground = ground;
      td.classList.toggle("is-first", condition === now && row.variants.some(({ index }) => index === first));
      td.classList.toggle("is-second", condition === now && row.variants.some(({ index }) => index === second));
    });
    const columns = table.conditions().length;
    this.lines.forEach(({ row, last }, at) => {
      if (last) last.textContent = table.text(table.corrupted(row, values.slice(at * columns, (at + 1) * columns).map(({ mean }) => mean)));
    });
    this.scale(low, high);
    this.drawBars();
  }

  /* Numbers of the cells of the best pruned variants of their conditions. */
  private best(values: readonly Spread[]): Set<number> {
    const { table, cells } = this, better = table.measure === "loss" || table.measure === "angle" ? -1 : 1;
    const ranked = (i: number): boolean => { const { row } = cells[i]; return !row.part && !row.failed && row.variants[0].index !== 0; };
    const best = new Map<number, number>();
    cells.forEach(({ condition }, i) => {
      if (ranked(i) && better * values[i].mean > (best.get(condition) ?? -Infinity)) best.set(condition, better * values[i].mean);
    });
    return new Set(cells.flatMap(({ condition }, i) => (ranked(i) && better * values[i].mean === best.get(condition) ? [i] : [])));
  }

  private say(cell: Cell, text: string, more: string): void {
    if (cell.said === text + more) return;
    cell.said = text + more;
    cell.text.data = text;
    cell.more.textContent = more;
  }

  private scale(low: number, high: number): void {
    const { table, context: { study } } = this, unit = table.measure === "accuracy" ? "" : study.unit(PLACE[table.measure]);
    this.legend.hidden = !(low <= high);
    if (this.scaled?.relative !== table.relative) {
      this.scaled = { relative: table.relative, name: h("span"), low: h("span"), high: h("span") };
      this.legend.replaceChildren(this.scaled.name, this.scaled.low, ramp(table.relative), this.scaled.high, h("span", { class: "bold-note" }, h("b", {}, "bold"), ": best pruned variant"));
    }
    this.scaled.name.textContent = `${this.measureName()}${unit ? `, ${unit}` : ""}`;
    this.scaled.low.textContent = table.text(low);
    this.scaled.high.textContent = table.text(high);
  }

  /* The canvases over the cells, where these lie now. */
  private place(): boolean {
    const cells = this.cells.slice(0, this.table.conditions().length), box = this.scroller.getBoundingClientRect();
    if (!box.width) return false;
    const { scrollLeft, scrollTop, clientTop } = this.scroller, boxes = cells.map(({ td }) => td.getBoundingClientRect());
    const columns = { lefts: boxes.map(({ left }) => left - box.left + scrollLeft), widths: boxes.map(({ width }) => width) };
    const tops = this.lines.map(({ tr }) => tr.getBoundingClientRect());
    this.lines.forEach(({ bars }, i) => bars.place(columns, tops[i].top - box.top + scrollTop - clientTop, tops[i].height));
    return true;
  }

  private drawBars(): void {
    if (!this.placed) this.placed = this.place();
    if (!this.placed) return;
    const { passing, selected } = this.context.store.state, { left, width } = this.window;
    for (const { tr, bars } of this.lines) if (this.seen.has(tr)) bars.draw(passing, selected !== null, left - NEAR, left + width + NEAR);
  }

  remove(): void {
    this.ends.forEach((end) => end());
  }
}

export const evaluation: View = {
  id: "evaluation",
  title: "Evaluation",
  help: "Every variant (rows; replicates folded into mean ± deviation over seeds, ▸ unfolds them) under every condition (columns). A cell's colour and number are the measure over the samples that pass the filters, or over those that are selected; its histogram is the metric's (grey: all that pass, coloured: selected). Click a heading to sort, a cell to compare its variant under its condition (with Shift: as the first of the two). Bold is the best pruned variant; ×2 of 3: one seed has failed and is left out. Failed variants, near chance when clean, are grey, come last and stand in no ranking. Drag in the histograms below to select samples.",
  width: "whole",
  choices,
  wanted: (study) => (study.has("/view/margin") || study.has("/geometry/margin") ? null : "this study has no geometry"),
  mount: mounted(Evaluation),

  async table({ study, store }: Context) {
    const table = new Table(study, () => store.state);
    const rows: (string | number)[][] = [["variant", "replicate", "method", "scope", "seed", "sparsity", "achieved", "failed", "condition", "samples", "accuracy", ...METRICS.map((metric) => `mean ${metric}`)]];
    const measures: Measure[] = ["accuracy", ...METRICS];
    const found = new Map<string, number>();
    const only = store.state.filters.variants;
    const shown = study.variants.filter(({ index }) => !only || only.includes(index));
    for (const measure of measures) {
      table.measure = measure;
      await table.need(() => {}, false);
      for (const variant of shown) for (const condition of table.conditions()) found.set(`${measure} ${variant.index} ${condition}`, table.one(variant.index, condition));
    }
    for (const variant of shown) {
      for (const condition of table.conditions()) {
        rows.push([variant.name, variant.replicate, variant.method, variant.scope, variant.seed, variant.sparsity, variant.achieved, variant.failed ? 1 : 0, study.conditions[condition],
          table.bins.total, ...measures.map((measure) => found.get(`${measure} ${variant.index} ${condition}`) ?? NaN)]);
      }
    }
    return rows;
  },
};

/* Tints of the ground, so that text on them can be read in the dark and the light. */
function heat(share: number, relative: boolean): string {
  const strength = (part: number): string => `${(8 + 52 * Math.max(0, Math.min(1, part))).toFixed(0)}%`;
  if (!relative) return `color-mix(in srgb, var(--heat) ${strength(share)}, var(--ground))`;
  return share < 0.5 ? `color-mix(in srgb, var(--heat-less) ${strength(1 - 2 * share)}, var(--ground))` : `color-mix(in srgb, var(--heat) ${strength(2 * share - 1)}, var(--ground))`;
}

function ramp(relative: boolean): SVGSVGElement {
  const parts = 24;
  const bar = svg("svg", { width: 120, height: 10, "aria-hidden": "true" });
  for (let i = 0; i < parts; i++) bar.append(svg("rect", { x: (i * 120) / parts, width: 120 / parts + 0.5, height: 10, style: `fill:${heat(i / (parts - 1), relative)}` }));
  return bar;
}
