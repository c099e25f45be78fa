/* The evaluation table: every variant under every condition, as a heat map with small histograms; replicates folded. */
import { detail } from "./evaluation_detail";
import { css, h, onTheme, svg } from "../parts/dom";
import { Counts, drawnRange, evened, Means } from "../parts/histogram";
import { drawsPaths, type VectorPath } from "../parts/export";
import { percent, short } from "../parts/numbers";
import { hideTip, showTip, type Line } from "../parts/tooltip";
import { counted, type State } from "../state/store";
import { METRICS, type Metric, type Study } from "../study/study";
import type { Context, View } from "./view";

type Measure = "accuracy" | Metric;
interface Row { name: string; members: number[]; folded: boolean; part: boolean } // part: a replicate of the row above
interface Value { mean: number; deviation: number; of: number }

const DRAWN = 40; // bins of a small histogram

/** Variants that differ in their seeds alone, in the order of the first of each. */
export function replicates(study: Study, shown: readonly number[] | null): { name: string; members: number[] }[] {
  const groups = new Map<string, number[]>();
  for (const { index, name, replicate } of study.variants) {
    if (shown && !shown.includes(index)) continue;
    const key = replicate || name;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  return [...groups].map(([name, members]) => ({ name: members.length === 1 ? study.variants[members[0]].name : name, members }));
}

/** Mean and standard deviation (n - 1) of what is finite. */
export function spread(values: readonly number[]): Value {
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((a, b) => a + b, 0) / finite.length;
  const square = finite.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, deviation: finite.length > 1 ? Math.sqrt(square / (finite.length - 1)) : NaN, of: finite.length };
}

class Table {
  measure: Measure = "accuracy";
  relative = false;
  sort: { by: number | "sparsity" | "corrupted" | null; down: boolean } = { by: null, down: true };
  readonly open = new Set<string>();
  readonly bins: Counts;
  readonly all: Counts; // the same of all that pass
  readonly rights: Counts;
  means: Means;
  private binned: Metric | null = null;
  private meansOf: Metric | null = null;
  edges: ArrayLike<number> = [0, 1];
  private asked: Uint8Array | null = null;
  private allPass = true;
  private readonly sum = new Int32Array(256);
  private summary = new Map<Measure, ArrayLike<number>>();

  constructor(readonly study: Study, private readonly state: () => Readonly<State>) {
    const pairs = study.variants.length * study.conditions.length;
    const samples = counted(state());
    this.bins = new Counts(pairs, 254, samples);
    this.all = new Counts(pairs, 254, state().passing);
    this.rights = new Counts(pairs, 2, samples);
    this.means = new Means(pairs, samples);
  }

  pair(variant: number, condition: number): number { return variant * this.study.conditions.length + condition; }
  conditions(): number[] { return [...(this.state().filters.conditions ?? this.study.conditions.keys())]; }

  rows(): Row[] {
    const rows: Row[] = [];
    for (const group of this.sorted(replicates(this.study, this.state().filters.variants))) {
      rows.push({ ...group, folded: group.members.length > 1, part: false });
      if (group.members.length > 1 && this.open.has(group.name)) {
        for (const member of group.members) rows.push({ name: this.study.variants[member].name, members: [member], folded: false, part: true });
      }
    }
    return rows;
  }

  private sorted(groups: { name: string; members: number[] }[]): { name: string; members: number[] }[] {
    const { by, down } = this.sort;
    if (by === null) return groups;
    const key = (members: number[]): number => {
      const value = by === "sparsity" ? this.study.variants[members[0]].achieved : by === "corrupted" ? this.corrupted(members).mean : this.value(members, by).mean;
      return Number.isFinite(value) ? (down ? -value : value) : Infinity;
    };
    const failed = (members: number[]): number => (this.failed(members) ? 1 : 0);
    return [...groups].sort((a, b) => failed(a.members) - failed(b.members) || key(a.members) - key(b.members));
  }

  failed(members: readonly number[]): boolean { return members.every((member) => this.study.variants[member].failed); }

  /* Nothing is filtered or selected: the file has the numbers. */
  private whole(): boolean {
    const { selected, passing } = this.state();
    if (selected !== null) return false;
    if (this.asked !== passing) {
      this.asked = passing;
      this.allPass = !passing.includes(0);
    }
    return this.allPass;
  }

  one(variant: number, condition: number): number {
    const pair = this.pair(variant, condition);
    const ready = this.summary.get(this.measure);
    if (ready && this.whole() && Number.isFinite(ready[pair])) return ready[pair];
    if (this.measure !== "accuracy") return this.means.get(pair);
    const counts = this.rights.get(pair);
    return counts ? counts[1] / (counts[0] + counts[1]) : NaN;
  }

  private plain(members: readonly number[], condition: number): Value {
    // Of a group, those that have not failed, as long as there is one.
    const good = members.filter((member) => !this.study.variants[member].failed);
    return spread((good.length ? good : members).map((member) => this.one(member, condition)));
  }

  value(members: readonly number[], condition: number): Value {
    const value = this.plain(members, condition);
    return this.relative ? { ...value, mean: value.mean - this.one(this.state().first, condition) } : value;
  }

  corrupted(members: readonly number[]): Value {
    const others = this.conditions().filter((condition) => this.study.conditions[condition] !== "clean");
    const values = others.map((condition) => this.value(members, condition).mean);
    return { mean: values.reduce((a, b) => a + b, 0) / values.length, deviation: NaN, of: values.length };
  }

  text(value: number): string {
    const sign = this.relative && value > 0 ? "+" : "";
    return sign + (this.measure === "accuracy" ? percent(value) : short(value));
  }
  /* A deviation: in points, if it is of a share. */
  deviation(value: number): string { return this.measure === "accuracy" ? (100 * value).toFixed(1) : short(value); }

  /** Reads what the table shows now and is not there yet, or its numbers alone; `came` is called as it comes. */
  async need(came: () => void, histograms = true): Promise<void> {
    const { metric } = this.state();
    if (!this.summary.has(this.measure)) {
      const path = `/summary/${this.measure}`;
      this.summary.set(this.measure, this.study.has(path) ? await this.study.read(path) : []);
      came();
    }
    if (histograms && this.binned !== metric) {
      this.binned = metric;
      this.bins.forget();
      this.all.forget();
      const edges = await this.study.edges(metric);
      if (this.binned !== metric) return;
      this.edges = edges;
    }
    if (this.measure !== "accuracy" && this.meansOf !== this.measure) {
      this.meansOf = this.measure;
      this.means = new Means(this.study.variants.length * this.study.conditions.length, counted(this.state()));
    }
    const ready = this.summary.get(this.measure);
    const whole = this.whole();
    const jobs: (() => Promise<void>)[] = [];
    for (const { members } of this.rows().filter(({ part }) => !part)) {
      for (const member of members) {
        for (const condition of this.conditions()) {
          const pair = this.pair(member, condition);
          if (histograms && !this.bins.has(pair)) jobs.push(async () => {
            const bins = await this.study.bins(metric, member, condition);
            if (this.binned !== metric) return;
            this.bins.give(pair, bins);
            this.all.give(pair, bins);
          });
          if (whole && Number.isFinite(ready?.[pair])) continue;
          if (this.measure === "accuracy" && !this.rights.has(pair)) jobs.push(async () => this.rights.give(pair, await this.study.right(member, condition)));
          if (this.measure !== "accuracy" && !this.means.has(pair)) {
            const { measure, means } = this;
            jobs.push(async () => means.give(pair, await this.study.column(measure as Metric, member, condition)));
          }
        }
      }
    }
    jobs.reverse();
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job; job = jobs.pop()) {
        await job();
        came();
      }
    };
    await Promise.all(Array.from({ length: Math.min(8, jobs.length) }, work));
  }

  use(): void {
    const samples = counted(this.state());
    this.bins.use(samples);
    this.all.use(this.state().passing);
    this.rights.use(samples);
    this.means.use(samples);
  }

  /** Counts of a row under a condition, its members together; good until the next call. */
  counts(of: Counts, members: readonly number[], condition: number): Int32Array | null {
    if (members.length === 1) return of.get(this.pair(members[0], condition));
    const sum = this.sum.fill(0);
    let some = false;
    for (const member of members) {
      const counts = of.get(this.pair(member, condition));
      if (!counts) continue;
      some = true;
      for (let i = 0; i < this.edges.length - 1; i++) sum[i] += counts[i];
    }
    return some ? sum : null;
  }
}

/* ---- a small histogram ---- */

interface Bars { heights: Float64Array; of: number; fill: "--ink" | "--mark"; opacity: number }
const scratch = [new Float64Array(DRAWN), new Float64Array(DRAWN)];

/* Bars of all that pass and of what is selected, each as high as there is room: it is the shapes that are compared. */
function bars(table: Table, members: readonly number[], condition: number, chosen: boolean): Bars[] {
  const all = table.counts(table.all, members, condition);
  if (!all) return [];
  const [low, high] = drawnRange(table.edges);
  const one = (counts: Int32Array, turn: number, fill: Bars["fill"], opacity: number): Bars => {
    const heights = evened(counts.subarray(0, table.edges.length - 1), table.edges, low, high, DRAWN, scratch[turn]);
    return { heights, of: Math.max(...heights), fill, opacity };
  };
  const out = [one(all, 0, "--ink", chosen ? 0.16 : 0.4)];
  const some = chosen ? table.counts(table.bins, members, condition) : null;
  if (some) out.push(one(some, 1, "--mark", 0.7));
  return out.filter(({ of }) => of > 0);
}

function drawBars(draw: CanvasRenderingContext2D, all: readonly Bars[], width: number, height: number, colours: Record<Bars["fill"], string>): void {
  draw.clearRect(0, 0, width, height);
  const step = width / DRAWN;
  for (const { heights, of, fill, opacity } of all) {
    draw.globalAlpha = opacity;
    draw.fillStyle = colours[fill];
    draw.beginPath();
    draw.moveTo(0, height);
    for (let i = 0; i < DRAWN; i++) {
      const y = height - (heights[i] / of) * (height - 1);
      draw.lineTo(i * step, y);
      draw.lineTo((i + 1) * step, y);
    }
    draw.lineTo(width, height);
    draw.fill();
  }
}

/* The same for a file. */
function paths(all: readonly Bars[], width: number, height: number): VectorPath[] {
  return all.map(({ heights, of, fill, opacity }) => ({
    d: `M0 ${height}${Array.from(heights, (one, i) => `V${(height - (one / of) * (height - 1)).toFixed(2)}H${(((i + 1) * width) / DRAWN).toFixed(2)}`).join("")}V${height}Z`,
    fill: css(fill), opacity,
  }));
}

/* ---- the view ---- */

export const evaluation: View = {
  id: "evaluation",
  title: "Evaluation",
  help: "Every variant (rows; replicates folded into mean ± deviation over seeds, ▸ unfolds them) under every condition (columns). A cell's colour and number are the measure over the samples that pass the filters, or over those that are selected; its histogram is the metric's (grey: all that pass, coloured: selected). Click a heading to sort, a cell to compare its variant under its condition (with Shift: as the first of the two). Bold is the best pruned variant. Failed variants, near chance when clean, are grey, come last and stand in no ranking. Drag in the histograms below to select samples.",
  width: "whole",
  wanted: (study) => (study.has("/view/margin") || study.has("/geometry/margin") ? null : "this study has no geometry"),

  async mount(where: HTMLElement, { study, store }: Context) {
    const table = new Table(study, () => store.state);
    const measure = h("select", { "aria-label": "measure", onchange: () => {
      table.measure = measure.value as Measure;
      renew();
    } }, h("option", { value: "accuracy" }, "accuracy"), ...METRICS.map((metric) => h("option", { value: metric }, `mean ${metric}`)));
    const relative = h("input", { type: "checkbox", onchange: () => {
      table.relative = relative.checked;
      build();
    } });
    const relativeTo = h("span", {});
    const legend = h("span", { class: "legend" });
    const scroller = h("div", { class: "evaluation", role: "region", tabIndex: -1 });
    const below = h("div", {});
    where.append(h("div", { class: "choices" }, h("label", {}, "measure ", measure), h("label", {}, relative, relativeTo), legend), scroller, below);
    interface Cell { td: HTMLTableCellElement; row: Row; condition: number; number: HTMLElement; canvas: HTMLCanvasElement; draw: CanvasRenderingContext2D | null; said: string }
    let cells: Cell[] = [];
    let lasts: { td: HTMLTableCellElement; row: Row }[] = []; // means of what is corrupted
    let size = { width: 0, height: 0 }; // of a small histogram
    let seen = new Set<Element>();
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) seen.add(target);
        else seen.delete(target);
      }
      drawAll();
    }, { root: null, rootMargin: "60px" });

    function select(row: Row, condition: number, first: boolean): void {
      const variant = row.members.find((member) => !study.variants[member].failed) ?? row.members[0];
      store.set({ [first ? "first" : "second"]: variant, condition });
    }

    function tip(cell: { row: Row; condition: number }, x: number, y: number): void {
      const { row, condition } = cell;
      const lines: Line[] = row.members.length > 1
        ? row.members.map((member) => [`${study.variants[member].name}${study.variants[member].failed ? " (failed)" : ""}`, table.text(table.value([member], condition).mean)] as const) : [];
      const { mean, deviation, of } = table.value(row.members, condition);
      lines.push([row.members.length > 1 ? `mean of ${of}` : measure.selectedOptions[0].text, table.text(mean)]);
      if (Number.isFinite(deviation)) lines.push(["standard deviation", table.measure === "accuracy" ? `${table.deviation(deviation)} points` : table.deviation(deviation)]);
      lines.push(["samples", table.bins.total.toLocaleString("en-US")]);
      showTip(x, y, `${row.name} · ${study.conditions[condition]}`, lines);
    }

    /* The table anew: other rows, columns or order. */
    function build(): void {
      relativeTo.textContent = ` minus ${study.variants[store.state.first].name}`;
      const conditions = table.conditions();
      const corrupted = conditions.some((condition) => study.conditions[condition] !== "clean") && conditions.length > 2;
      const heading = (name: string, by: number | "sparsity" | "corrupted", title: string): HTMLElement => {
        const on = table.sort.by === by;
        return h("th", { scope: "col", class: typeof by === "number" ? "" : by, "aria-sort": on ? (table.sort.down ? "descending" : "ascending") : "none" },
          h("button", { title: `${title}: sort by it`, onclick: () => {
            table.sort = !on ? { by, down: true } : table.sort.down ? { by, down: false } : { by: null, down: true };
            build();
          } }, ...name.split(/(?<=[_/ ])/).flatMap((word, i) => (i ? [document.createElement("wbr"), word] : [word])), h("span", { class: "sort" }, on ? (table.sort.down ? " ▼" : " ▲") : "")));
      };
      const longest = Math.max(...table.rows().map(({ name, members }) => name.length + (table.failed(members) ? 7 : 0)));
      const wide = Math.min(20, Math.max(9, 4.2 + 0.5 * longest));
      cells = [];
      lasts = [];
      size = { width: 0, height: 0 };
      watch.disconnect();
      seen = new Set();
      const rows = table.rows().map((row) => {
        const failed = table.failed(row.members);
        const isOpen = table.open.has(row.name);
        const name = h("th", { scope: "row", class: row.part ? "part" : "" },
          row.folded ? h("button", { class: "fold", "aria-expanded": String(isOpen), title: isOpen ? "fold its seeds" : "show its seeds", onclick: () => {
            if (isOpen) table.open.delete(row.name);
            else table.open.add(row.name);
            build();
          } }, isOpen ? "▾" : "▸") : h("span", { class: "fold" }),
          h("span", { class: "name", title: row.name }, row.name), row.folded ? h("span", { class: "seeds" }, `×${row.members.length}`) : null,
          failed ? h("span", { class: "failed-tag", title: "near chance when clean: left out of rankings" }, "failed") : null);
        const values = conditions.map((condition) => {
          const number = h("span", { class: "number" });
          const canvas = h("canvas", { class: "small-histogram" });
          const td = h("td", { tabIndex: -1 }, number, canvas);
          drawsPaths(canvas, () => paths(bars(table, row.members, condition, store.state.selected !== null), canvas.clientWidth, canvas.clientHeight));
          cells.push({ td, row, condition, number, canvas, draw: canvas.getContext("2d"), said: "" });
          return td;
        });
        const last = corrupted ? h("td", { class: "plain corrupted" }) : null;
        if (last) lasts.push({ td: last, row });
        return h("tr", { class: failed ? "failed" : "" }, name,
          h("td", { class: "plain" }, row.members[0] === 0 ? "–" : percent(study.variants[row.members[0]].achieved)), ...values, last);
      });
      scroller.replaceChildren(h("table", { style: `min-width:${wide + 4.5 + 6.7 * conditions.length + (corrupted ? 8 : 0)}rem` }, h("caption", { class: "visually-hidden" }, "Measure by variant and condition"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "corner", style: `width:${wide}rem` }, "variant"), heading("sparsity", "sparsity", "share of weights removed"),
          ...conditions.map((condition) => heading(study.conditions[condition], condition, study.conditions[condition])),
          corrupted ? heading("mean corrupted", "corrupted", "mean over the shown conditions but clean") : null)),
        h("tbody", {}, ...rows)));
      rows.forEach((row) => watch.observe(row));
      const start = cells[0];
      if (start) start.td.tabIndex = 0;
      fill();
    }

    /* Numbers and colours. */
    function fill(): void {
      const { first, second, condition: now } = store.state;
      const values = cells.map(({ row, condition }) => table.value(row.members, condition));
      const scaled = values.filter((_, i) => !table.failed(cells[i].row.members) && Number.isFinite(values[i].mean)).map(({ mean }) => mean);
      let low = Math.min(...scaled);
      let high = Math.max(...scaled);
      if (table.relative) {
        high = Math.max(Math.abs(low), Math.abs(high));
        low = -high;
      }
      const best = new Map<number, number>();
      const better = table.measure === "loss" || table.measure === "angle" ? -1 : 1;
      cells.forEach(({ row, condition }, i) => {
        if (row.part || row.members.includes(0) || table.failed(row.members)) return;
        const value = better * values[i].mean;
        if (value > (best.get(condition) ?? -Infinity)) best.set(condition, value);
      });
      cells.forEach((cell, i) => {
        const { td, row, condition, number } = cell;
        const { mean, deviation } = values[i];
        const failed = table.failed(row.members);
        const text = table.text(mean);
        const more = Number.isFinite(deviation) ? ` ±${table.deviation(deviation)}` : "";
        if (cell.said !== text + more) {
          cell.said = text + more;
          number.replaceChildren(text, ...(more ? [h("small", {}, more)] : []));
        }
        number.classList.toggle("best", !failed && !row.part && !row.members.includes(0) && better * mean === best.get(condition));
        td.style.background = failed || !Number.isFinite(mean) ? "" : heat(low === high ? 0.5 : (mean - low) / (high - low), table.relative);
        td.classList.toggle("is-first", condition === now && row.members.includes(first));
        td.classList.toggle("is-second", condition === now && row.members.includes(second));
      });
      for (const { td, row } of lasts) td.textContent = table.text(table.corrupted(row.members).mean);
      const unit = table.measure === "accuracy" ? "" : study.unit(table.measure === "loss" ? "/prediction/loss" : `/geometry/${table.measure}`);
      legend.replaceChildren(...(scaled.length ? scale(table.text(low), table.text(high), table.relative, `${measure.selectedOptions[0].text}${unit ? `, ${unit}` : ""}`) : []));
      drawAll();
    }

    function drawAll(): void {
      const chosen = store.state.selected !== null;
      const colours = { "--ink": css("--ink"), "--mark": css("--mark") };
      const scale = window.devicePixelRatio || 1;
      for (const { td, row, condition, canvas, draw } of cells) {
        if (!draw || !seen.has(td.parentElement as Element)) continue;
        if (size.width === 0) size = { width: canvas.clientWidth, height: canvas.clientHeight }; // of all: columns are equally wide
        const { width, height } = size;
        if (canvas.width !== Math.round(width * scale)) {
          canvas.width = Math.round(width * scale);
          canvas.height = Math.round(height * scale);
          draw.setTransform(scale, 0, 0, scale, 0, 0);
        }
        drawBars(draw, bars(table, row.members, condition, chosen), width, height, colours);
      }
    }

    let waiting = 0;
    const soon = (): void => {
      if (waiting) return;
      waiting = requestAnimationFrame(() => {
        waiting = 0;
        fill();
      });
    };
    /* Renewed after what it needs is there; what comes meanwhile is drawn as it comes. */
    const renew = (): void => {
      table.use();
      soon();
      table.need(soon).then(soon, (error: Error) => console.error(error));
    };

    const cellOf = (event: Event): Cell | undefined => {
      const td = (event.target as Element).closest("td");
      return cells.find((cell) => cell.td === td);
    };
    scroller.addEventListener("click", (event) => {
      const cell = cellOf(event);
      if (cell) select(cell.row, cell.condition, (event as MouseEvent).shiftKey);
    });
    scroller.addEventListener("mousemove", (event) => {
      const cell = cellOf(event);
      if (cell) tip(cell, event.clientX, event.clientY);
      else hideTip();
    });
    scroller.addEventListener("mouseleave", hideTip);
    scroller.addEventListener("focusin", (event) => {
      const cell = cellOf(event);
      if (!cell || !cell.td.matches(":focus-visible")) return;
      const box = cell.td.getBoundingClientRect();
      tip(cell, box.right, box.top);
    });
    scroller.addEventListener("focusout", hideTip);
    scroller.addEventListener("keydown", (event) => {
      const cell = cellOf(event);
      if (!cell) return;
      const columns = table.conditions().length;
      const at = cells.indexOf(cell);
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
      if (step !== undefined && cells[at + step]) {
        cell.td.tabIndex = -1;
        cells[at + step].td.tabIndex = 0;
        cells[at + step].td.focus();
      } else if (event.key === "Enter" || event.key === " ") {
        select(cell.row, cell.condition, event.shiftKey);
      } else return;
      event.preventDefault();
    });

    build();
    renew();
    const downs = [
      await detail(below, { study, store }),
      store.on(["selected", "passing", "metric"], renew),
      store.on(["first", "second", "condition"], () => {
        relativeTo.textContent = ` minus ${study.variants[store.state.first].name}`;
        soon();
      }),
      store.on(["filters"], () => {
        build();
        renew();
      }),
      onTheme(soon),
      () => watch.disconnect(),
      () => cancelAnimationFrame(waiting),
    ];
    const resized = new ResizeObserver(() => {
      size = { width: 0, height: 0 };
      soon();
    });
    resized.observe(scroller);
    return () => {
      resized.disconnect();
      downs.forEach((down) => down());
    };
  },

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

function scale(low: string, high: string, relative: boolean, name: string): Node[] {
  const parts = 24;
  const bar = svg("svg", { width: 120, height: 10, "aria-hidden": "true" });
  for (let i = 0; i < parts; i++) bar.append(svg("rect", { x: (i * 120) / parts, width: 120 / parts + 0.5, height: 10, style: `fill:${heat(i / (parts - 1), relative)}` }));
  return [h("span", {}, name), h("span", {}, low), bar, h("span", {}, high), h("span", { class: "bold-note" }, h("b", {}, "bold"), ": best pruned variant")];
}
