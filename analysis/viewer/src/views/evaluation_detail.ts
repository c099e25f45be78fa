/* The metric's histograms of the two compared variants under the condition, one below the other; dragging in one selects
 * the samples whose number lies there. */
import { axisBottom } from "d3-axis";
import { brushX, type D3BrushEvent } from "d3-brush";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { h, onWidth, svg } from "../parts/dom";
import { Counts } from "../parts/histogram";
import { count, short } from "../parts/numbers";
import { hideTip, showTip } from "../parts/tooltip";
import { counted } from "../state/store";
import { PLACE } from "../study/study";
import type { Context } from "./view";

const BARS = 120;
const HEIGHT = 64;
const TOP = 16;
const LEFT = 8;

/** Draws them into an empty place; gives back what takes them down. */
export function detail(where: HTMLElement, { study, store }: Context): () => void {
  const box = h("div", { class: "evaluation-detail" });
  where.append(box);
  let columns: Float32Array[] = [];
  let range: [number, number] = [0, 1];
  let all = new Counts(2, BARS, store.state.passing);
  let some = new Counts(2, BARS, counted(store.state));
  let width = 0;
  let mine: Uint8Array | null = null; // the selection that a drag here has made
  let paths: { all: SVGPathElement; some: SVGPathElement; count: SVGTextElement; said: { all: string; some: string } }[] = [];
  let clearBrushes: (() => void)[] = [];

  const variants = (): number[] => [store.state.first, store.state.second];

  async function load(): Promise<void> {
    const { metric, condition } = store.state;
    const turn = variants().join() + metric + condition;
    const [edges, ...read] = await Promise.all([study.edges(metric), ...variants().map((variant) => study.column(metric, variant, condition))]);
    if (turn !== variants().join() + store.state.metric + store.state.condition) return;
    columns = read;
    // Between the outer quantiles of both, a little more on each side; what lies beyond is in the outermost bars.
    const sorted = Float32Array.from(columns.flatMap((column) => Array.from(column.filter(Number.isFinite)))).sort();
    const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
    let [low, high] = sorted.length ? [at(0.002), at(0.998)] : [edges[0], edges[edges.length - 1]];
    if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
    const more = (high - low) * 0.03;
    range = [low - more, high + more];
    const step = (range[1] - range[0]) / BARS;
    all = new Counts(2, BARS, store.state.passing);
    some = new Counts(2, BARS, counted(store.state));
    columns.forEach((column, i) => {
      const bins = Uint8Array.from(column, (value) => (Number.isFinite(value) ? Math.max(0, Math.min(BARS - 1, Math.floor((value - range[0]) / step))) : 255));
      all.give(i, bins);
      some.give(i, bins);
    });
    draw();
  }

  function draw(): void {
    if (!width || columns.length < 2) return;
    const { metric, condition } = store.state;
    const x = scaleLinear(range, [LEFT, width - LEFT]);
    const height = 2 * (HEIGHT + TOP) + 40;
    const picture = svg("svg", { width, height, role: "img", "aria-label": `${metric} of the two compared variants under ${study.conditions[condition]}` });
    paths = [];
    clearBrushes = [];
    variants().forEach((variant, i) => {
      const row = svg("g", { transform: `translate(0 ${i * (HEIGHT + TOP)})` });
      const parts = { all: svg("path", { class: "histogram-all", transform: `translate(0 ${TOP})` }), some: svg("path", { class: "histogram-some", transform: `translate(0 ${TOP})` }),
        count: svg("text", { x: width - LEFT, y: 11, "text-anchor": "end" }), said: { all: "", some: "" } };
      parts.all.style.fill = `var(--${i ? "second" : "first"})`;
      row.append(parts.all, parts.some, svg("line", { x1: LEFT, x2: width - LEFT, y1: TOP + HEIGHT, y2: TOP + HEIGHT, stroke: "var(--line)" }),
        svg("rect", { x: LEFT, y: 3, width: 9, height: 9, style: `fill:var(--${i ? "second" : "first"})` }),
        svg("text", { class: "label", x: LEFT + 14, y: 11 }, `${study.variants[variant].name}, ${study.conditions[condition]}`), parts.count);
      if (metric === "margin" && range[0] < 0 && range[1] > 0) {
        row.append(svg("line", { x1: x(0), x2: x(0), y1: TOP, y2: TOP + HEIGHT, stroke: "var(--faint)", "stroke-dasharray": "3 3" }));
        if (i === 0) row.append(svg("text", { x: x(0) - 4, y: TOP + 9, "text-anchor": "end" }, "misclassified"));
      }
      const brushed = svg("g", { class: "brush", transform: `translate(0 ${TOP})` });
      row.append(brushed);
      const brush = brushX<unknown>().extent([[LEFT, 0], [width - LEFT, HEIGHT]]);
      brush.on("start brush end", (event: D3BrushEvent<unknown>) => {
        if (!event.sourceEvent) return;
        const ends = event.selection as [number, number] | null;
        if (!ends) {
          if (event.type === "end" && mine && store.state.selected === mine) store.set({ selected: null });
          return;
        }
        clearBrushes.forEach((clear, other) => { if (other !== i) clear(); });
        const low = ends[0] <= LEFT ? -Infinity : x.invert(ends[0]);
        const high = ends[1] >= width - LEFT ? Infinity : x.invert(ends[1]);
        const column = columns[i];
        const selected = new Uint8Array(column.length);
        let any = false;
        for (let s = 0; s < column.length; s++) {
          if (column[s] >= low && column[s] <= high) {
            selected[s] = 1;
            any = true;
          }
        }
        mine = any ? selected : null;
        store.set({ selected: mine });
      });
      const group = select<SVGGElement, unknown>(brushed);
      group.call(brush);
      clearBrushes.push(() => group.call(brush.move, null));
      brushed.addEventListener("mousemove", (event) => {
        const left = picture.getBoundingClientRect().left;
        const bar = Math.max(0, Math.min(BARS - 1, Math.floor((BARS * (event.clientX - left - LEFT)) / (width - 2 * LEFT))));
        const step = (range[1] - range[0]) / BARS;
        showTip(event.clientX, event.clientY, study.variants[variant].name, [
          [`${metric} ${short(range[0] + bar * step)} to ${short(range[0] + (bar + 1) * step)}`, ""],
          ["samples", count(all.get(i)?.[bar] ?? 0)], ...(store.state.selected ? [["selected", count(some.get(i)?.[bar] ?? 0)] as const] : [])]);
      });
      brushed.addEventListener("mouseleave", hideTip);
      picture.append(row);
      paths.push(parts);
    });
    const axis = svg("g", { class: "axis", transform: `translate(0 ${2 * (HEIGHT + TOP)})` });
    select(axis).call(axisBottom(x).ticks(Math.max(3, width / 110)).tickSizeOuter(0));
    const unit = study.unit(PLACE[metric]);
    picture.append(axis, svg("text", { x: width / 2, y: height - 6, "text-anchor": "middle" }, unit ? `${metric} (${unit})` : metric));
    box.replaceChildren(picture);
    fill();
  }

  function fill(): void {
    if (paths.length < 2) return;
    all.use(store.state.passing);
    some.use(counted(store.state));
    const chosen = store.state.selected !== null;
    const both = [0, 1].map((i) => all.get(i) ?? new Int32Array(BARS));
    const tallest = Math.max(1, ...both[0], ...both[1]);
    const step = (width - 2 * LEFT) / BARS;
    const shape = (counts: Int32Array): string => {
      let d = `M${LEFT} ${HEIGHT}`;
      for (let i = 0; i < BARS; i++) {
        const y = (HEIGHT - (counts[i] / tallest) * (HEIGHT - 2)).toFixed(1);
        d += `V${y}H${(LEFT + (i + 1) * step).toFixed(1)}`;
      }
      return `${d}V${HEIGHT}Z`;
    };
    paths.forEach((parts, i) => {
      const put = (which: "all" | "some", d: string): void => {
        if (parts.said[which] !== d) parts[which].setAttribute("d", parts.said[which] = d);
      };
      put("all", shape(both[i]));
      parts.all.style.opacity = chosen ? "0.28" : "0.75";
      const picked = chosen ? some.get(i) : null;
      put("some", picked ? shape(picked) : "");
      const total = picked ?? both[i];
      let sum = 0;
      for (const one of total) sum += one;
      parts.count.textContent = `${count(sum)} samples`;
    });
  }

  const reload = (): void => { void load().catch((error: Error) => box.replaceChildren(h("p", { class: "problem" }, error.message))); };
  const downs = [
    onWidth(box, (now) => {
      width = now;
      draw();
    }),
    store.on(["first", "second", "condition", "metric"], reload),
    store.on(["selected", "passing"], (state) => {
      if (mine && state.selected !== mine) {
        mine = null;
        clearBrushes.forEach((clear) => clear());
      }
      fill();
    }),
  ];
  reload();
  return () => downs.forEach((down) => down());
}
