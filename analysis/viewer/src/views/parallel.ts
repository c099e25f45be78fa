/* Global geometry: the cosine of every sample's feature to the direction of every class, as parallel coordinates whose
 * lines are so many that their density is drawn. The first network above, the second below. With many classes a strip
 * shows all of them, a column each, and the lines show some. */
import { scaleLinear, scalePoint } from "d3-scale";
import { select } from "d3-selection";
import { cut, drawAxes } from "../parts/axes";
import { Choices, type Choice } from "../parts/choices";
import { BINS, gapDensity, histograms, NONE, Pairs, usedBins, type Coded } from "../parts/density";
import { css, h } from "../parts/dom";
import { combined, stepping } from "../parts/lasso";
import { classLook, outline, rgbOf } from "../parts/looks";
import { count, percent, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { hideTip, showTip } from "../parts/tooltip";
import { mounted, type Context, type Study, type View } from "./view";

const MARGINS = { top: 26, right: 46, bottom: 26, left: 52 };
const ALL = 24;              // up to so many classes all have axes
const SOME = 16;             // of more, so many
const NUMBERS = 2_500_000;   // cosines that are read of a network; of more samples some
const RUNS = 32;             // in so many runs of neighbours, spread over the samples
const ROWS = 192;            // of pixels of the density

interface Side { variant: number; coded: Coded; own: Float64Array; ownCount: Uint32Array }

/* Which classes have axes, in which order; and of many from which on, where they are beside each other. */
function choices(study: Study): readonly Choice[] {
  const many = study.classes.length > ALL;
  return [
    { name: "order", title: "Classes", options: [["number", many ? "beside each other, from the place in the strip" : "by number"],
      ["moved", many ? "those whose own samples moved most" : "most moved first"], ["kept", many ? "those that moved least" : "least moved first"]], start: many ? "moved" : "number" },
    { name: "from", title: "from", options: study.classes.map((name) => [name, name] as const), start: study.classes[0] },
  ];
}

/** The cosine at a place on the axis, counted in bins. */
const cosineOf = (bin: number): number => (bin / BINS) * 2 - 1;

/** Which samples are read: runs of neighbours, all if they are few. */
function runs(samples: number, classes: number): { start: number; length: number }[] {
  const most = Math.floor(NUMBERS / Math.max(1, classes));
  if (samples <= most) return [{ start: 0, length: samples }];
  const length = Math.max(1, Math.floor(most / RUNS));
  return Array.from({ length: RUNS }, (_, i) => ({ start: Math.floor((i * (samples - length)) / (RUNS - 1)), length }));
}

class Parallel {
  private readonly plots: Plot[];
  private readonly strip: Plot | null;
  private sides: Side[] = [];
  private picked: Int32Array;                     // the samples that were read
  private base: (Pairs | null)[] = [null, null];
  private chosen: (Pairs | null)[] = [null, null];
  private shown: number[] = [];
  private small = new OffscreenCanvas(1, 1);
  private stale = [true, true];                   // more than the selection has changed
  private used: [number, number] = [0, BINS];     // the bins that are drawn: from, to
  private readonly choices: Choices;
  private counted: { of: Uint8Array; and?: Uint8Array; members: Uint8Array }[] = [];       // of the samples that were read, the last ones asked for
  private strips: { coded: Coded; passing: Uint8Array; counts: Uint32Array } | null = null; // what the strip shows
  private loading = 0;
  private readonly ends: (() => void)[] = [];
  private readonly note = h("p", { class: "note" });

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context, many = study.classes.length > ALL;
    this.choices = new Choices(store, "parallel", choices(study), () => this.arrange());
    this.picked = Int32Array.from(runs(study.samples, study.classes.length).flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i)));
    where.append(h("div", { class: "choices" }, this.choices.control("order")));
    this.strip = many ? new Plot(where, { layers: 1, height: () => 130, name: "Cosines to all classes, a column each", draw: () => this.drawStrip() }) : null;
    this.plots = [0, 1].map((at) => new Plot(where, {
      layers: 2, height: (w) => Math.min(260, Math.max(190, 0.3 * w)),
      name: `Cosine to the direction of each class in the ${at ? "second" : "first"} network`, draw: (_, resized) => this.draw(at, resized),
    }));
    where.append(this.note);
    this.plots.forEach((plot, at) => {
      this.listen(plot, at);
      stepping(plot, store);
    });
    if (this.strip) this.listenStrip(this.strip);
    this.ends.push(() => this.choices.remove(), store.on(["first", "second", "condition"], () => void this.load()));
    this.ends.push(store.on(["selected"], () => this.plots.forEach((p) => p.draw())));
    this.ends.push(store.on(["passing", "sample"], () => this.all()));
  }

  private all(): void {
    this.stale = [true, true];
    for (const plot of [...this.plots, this.strip]) plot?.draw();
  }

  async load(): Promise<void> {
    const turn = ++this.loading, { study, store } = this.context, { first, second, condition } = store.state;
    const sides = await Promise.all([first, second].map((variant) => this.side(study, variant, condition)));
    if (turn !== this.loading) return;
    this.sides = sides;
    const ends = sides.map((s) => usedBins(s.coded));     // on both sides the same, to an eighth of the range
    this.used = [Math.floor(Math.min(...ends.map(([low]) => low)) / 4) * 4, Math.ceil((Math.max(...ends.map(([, high]) => high)) + 1) / 4) * 4];
    this.arrange();
  }

  private async side(study: Study, variant: number, condition: number): Promise<Side> {
    const classes = study.classes.length, samples = this.picked.length;
    const codes = new Uint8Array(classes * samples).fill(NONE);
    let at = 0;
    const [angle] = await Promise.all([study.column("angle", variant, condition), ...runs(study.samples, classes).map(async ({ start, length }) => {
      const offset = at;
      at += length;
      const cosine = await study.read("/geometry/cosine", [variant, condition, start], [1, 1, length]);
      for (let i = 0; i < length; i++) {
        for (let k = 0; k < classes; k++) {
          const value = cosine[i * classes + k];
          if (Number.isFinite(value)) codes[k * samples + offset + i] = Math.max(0, Math.min(BINS - 1, Math.floor(((value + 1) / 2) * BINS)));
        }
      }
    })]);
    // What is not analysed yet has no angle; its cosines say nothing.
    this.picked.forEach((sample, i) => {
      if (study.labels[sample] >= 0 && !Number.isFinite(angle[sample])) for (let k = 0; k < classes; k++) codes[k * samples + i] = NONE;
    });
    // The cosine of a sample to its own class is that of its angle: of all samples, whatever was read.
    const own = new Float64Array(classes), ownCount = new Uint32Array(classes);
    for (let i = 0; i < study.samples; i++) {
      const k = study.labels[i];
      if (k < 0 || !Number.isFinite(angle[i])) continue;
      own[k] += Math.cos(angle[i]);
      ownCount[k]++;
    }
    for (let k = 0; k < classes; k++) own[k] /= ownCount[k];
    return { variant, coded: { codes, samples, axes: classes }, own, ownCount };
  }

  /** Which classes have axes, in which order. */
  private arrange(): void {
    if (!this.sides.length) return;
    const classes = this.context.study.classes.length, [a, b] = this.sides;
    const order = this.choices.get("order"), every = Array.from({ length: classes }, (_, k) => k);
    const moved = (k: number): number => (Number.isFinite(a.own[k] - b.own[k]) ? Math.abs(a.own[k] - b.own[k]) : -1);
    if (order === "moved") every.sort((i, j) => moved(j) - moved(i) || i - j);
    else if (order === "kept") every.sort((i, j) => moved(i) - moved(j) || i - j);
    const most = classes > ALL ? SOME : classes, start = order === "number" ? Math.max(0, Math.min(classes - most, this.from())) : 0;
    this.shown = every.slice(start, start + most);
    this.base = this.sides.map((s) => new Pairs(s.coded, this.shown));
    this.chosen = this.sides.map((s) => new Pairs(s.coded, this.shown));
    this.all();
  }

  private from(): number { return this.context.study.classes.indexOf(this.choices.get("from")); }

  /** One byte for each sample that was read; not to be written to. */
  private members(of: Uint8Array, and?: Uint8Array): Uint8Array {
    const known = this.counted.find((one) => one.of === of && one.and === and);
    if (known) return known.members;
    const { picked } = this, members = new Uint8Array(picked.length);
    for (let i = 0; i < picked.length; i++) members[i] = and ? of[picked[i]] & and[picked[i]] : of[picked[i]];
    this.counted = [{ of, and, members }, ...this.counted.slice(0, 1)];
    return members;
  }

  private axes(plot: Plot) {
    return {
      x: scalePoint<number>(this.shown, [MARGINS.left + 8, plot.width - MARGINS.right]),
      y: scaleLinear(this.used.map(cosineOf), [plot.height - MARGINS.bottom, MARGINS.top]),
    };
  }

  private draw(at: number, resized: boolean): void {
    const plot = this.plots[at], side = this.sides[at], base = this.base[at], chosen = this.chosen[at];
    if (!side || !base || !chosen) return;
    const { store } = this.context, { passing, selected } = store.state, stale = this.stale[at] || resized;
    this.stale[at] = false;
    if (stale) {
      base.follow(this.members(passing));
      this.lines(plot, 0, base, css("--soft") || "#707070");
    }
    plot.layers[0].style.opacity = selected ? "0.35" : "1";
    if (selected) {
      chosen.follow(this.members(selected, passing));
      this.lines(plot, 1, chosen, css("--mark") || "#c2410c");
    } else plot.pen(1);
    if (stale) this.overlay(plot, at);
    if (at === 1) this.words();
  }

  private lines(plot: Plot, layer: number, pairs: Pairs, colour: string): void {
    const pen = plot.pen(layer), { x } = this.axes(plot), [r, g, b] = rgbOf(colour), gaps = this.shown.length - 1;
    if (gaps < 1) return;
    const columns = Math.max(2, Math.round(Math.min(x.step() / 2, 480 / gaps))), gap = new Float32Array(columns * ROWS), densities = new Float32Array(gaps * gap.length);
    let most = 0;
    for (let at = 0; at < gaps; at++) {
      gapDensity(pairs.counts, at, columns, ROWS, gap);
      densities.set(gap, at * gap.length);
      for (let i = 0; i < gap.length; i++) if (gap[i] > most) most = gap[i];
    }
    const image = new ImageData(columns * gaps, ROWS), pixels = new Uint32Array(image.data.buffer), plain = r | (g << 8) | (b << 16), log = Math.log1p(most);
    const shade = (density: number): number => ((plain | ((255 * (0.06 + 0.94 * (Math.log1p(density) / log) ** 1.5)) << 24)) >>> 0);
    const shades = most < 65536 ? Uint32Array.from({ length: most + 1 }, (_, density) => (density ? shade(density) : 0)) : null;
    for (let at = 0; at < gaps; at++) {
      for (let row = 0; row < ROWS; row++) {
        for (let column = 0; column < columns; column++) {
          const density = densities[(at * ROWS + row) * columns + column];
          if (density) pixels[(row * gaps + at) * columns + column] = shades ? shades[density] : shade(density);
        }
      }
    }
    if (this.small.width !== image.width || this.small.height !== ROWS) this.small = new OffscreenCanvas(image.width, ROWS);
    this.small.getContext("2d")?.putImageData(image, 0, 0);
    const rows = ROWS / BINS, [from, to] = this.used;
    pen.drawImage(this.small, 0, (BINS - to) * rows, image.width, (to - from) * rows, x(this.shown[0]) ?? 0, MARGINS.top, x.step() * gaps, plot.height - MARGINS.top - MARGINS.bottom);
  }

  private overlay(plot: Plot, at: number): void {
    const { study, store } = this.context, side = this.sides[at], { x, y } = this.axes(plot), svg = select(plot.svg), room = x.step() || 100;
    drawAxes(plot.svg, { width: plot.width, height: plot.height, margins: MARGINS, y: { scale: y, name: "cosine" } });
    const variant = study.variants[side.variant];
    svg.selectAll("text.plot-title").data([`${at ? "second" : "first"}: ${variant.name}${variant.failed ? " (failed)" : ""}`]).join("text")
      .attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 14).text((t) => t);
    svg.selectAll("line.rail").data(this.shown).join("line").attr("class", "rail").attr("x1", (k) => x(k) ?? 0).attr("x2", (k) => x(k) ?? 0)
      .attr("y1", MARGINS.top).attr("y2", plot.height - MARGINS.bottom);
    svg.selectAll("line.zero").data([0]).join("line").attr("class", "zero").attr("x1", MARGINS.left).attr("x2", plot.width - MARGINS.right + 8).attr("y1", y(0)).attr("y2", y(0));
    const letters = Math.max(2, Math.floor((room - 8) / 6.4));
    svg.selectAll("text.class-name").data(this.shown).join("text").attr("class", "class-name").attr("text-anchor", "middle")
      .attr("x", (k) => x(k) ?? 0).attr("y", plot.height - 8).text((k) => cut(study.classes[k], letters));
    svg.selectAll<SVGPathElement, number>("path.mean").data(this.shown.filter((k) => side.ownCount[k])).join("path").attr("class", (k) => (outline(classLook(k, study.classes.length).shape, 1).open ? "mean mark open" : "mean mark"))
      .attr("d", (k) => outline(classLook(k, study.classes.length).shape, 90).path)
      .style("fill", (k) => { const look = classLook(k, study.classes.length); return outline(look.shape, 1).open ? "none" : look.colour; })
      .style("stroke", (k) => { const look = classLook(k, study.classes.length); return outline(look.shape, 1).open ? look.colour : "var(--ground)"; })
      .attr("data-class", (k) => k).attr("data-cosine", (k) => side.own[k])
      .attr("transform", (k) => `translate(${x(k) ?? 0},${y(side.own[k])})`);
    const i = store.state.sample === null ? -1 : this.picked.indexOf(store.state.sample);
    const line = i < 0 ? "" : this.shown.map((k) => [x(k) ?? 0, side.coded.codes[k * side.coded.samples + i]] as const).filter(([, c]) => c !== NONE)
      .map(([px, c]) => `${px},${y(cosineOf(c + 0.5))}`).join("L");
    svg.selectAll("path.sample").data(line ? [line] : []).join("path").attr("class", "sample").attr("d", (l) => `M${l}`);
  }

  private words(): void {
    const { study, store } = this.context, read = this.picked.length;
    const parts = [`${count(read)} samples${read < study.samples ? ` of ${count(study.samples)}, in ${RUNS} runs spread over all` : ""}: the stronger, the more.`,
      "Marks: the mean cosine of a class's own samples (of all of them) to its own direction."];
    if (store.state.selected) parts.push("In colour: the selected samples.");
    if (this.shown.length < study.classes.length) parts.push(`${this.shown.length} of ${count(study.classes.length)} classes have axes; the strip above shows all, dark where most samples are.`);
    parts.push("Drag along an axis to select the samples whose cosine lies there, with Shift to add, with Alt to take away.");
    this.note.textContent = parts.join(" ");
  }

  /** Drags along an axis select; the pointer over it tells its numbers. */
  private listen(plot: Plot, at: number): void {
    const { store, study } = this.context;
    let start: { k: number; y: number; before: Uint8Array | null } | null = null;
    const nearest = (px: number): number => {
      const { x } = this.axes(plot), step = x.step() || 1;
      return this.shown[Math.max(0, Math.min(this.shown.length - 1, Math.round((px - (x(this.shown[0]) ?? 0)) / step)))];
    };
    const range = select(plot.svg);
    const brush = (event: PointerEvent, to: number): void => {
      const side = this.sides[at];
      if (!start || !side) return;
      const { y, x } = this.axes(plot), ends = [y.invert(start.y), y.invert(to)].sort((a, b) => a - b);
      const low = ((ends[0] + 1) / 2) * BINS, high = ((ends[1] + 1) / 2) * BINS;
      const found = new Uint8Array(study.samples), { codes, samples } = side.coded;
      for (let i = 0; i < samples; i++) {
        const code = codes[start.k * samples + i];
        if (code !== NONE && code + 0.5 >= low && code + 0.5 <= high && store.state.passing[this.picked[i]]) found[this.picked[i]] = 1;
      }
      range.selectAll("rect.range").data([0]).join("rect").attr("class", "range outline").attr("x", (x(start.k) ?? 0) - 7).attr("width", 14)
        .attr("y", Math.min(start.y, to)).attr("height", Math.abs(to - start.y));
      store.set({ selected: combined(start.before, found, event) });
    };
    plot.root.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.sides.length) return;
      const [px, py] = plot.at(event);
      start = { k: nearest(px), y: py, before: store.state.selected };
      plot.root.setPointerCapture(event.pointerId);
      hideTip();
    });
    plot.root.addEventListener("pointermove", (event) => {
      const [px, py] = plot.at(event);
      if (start) {
        if (Math.abs(py - start.y) > 3) brush(event, py);
      } else if (this.sides.length) this.tip(event, at, nearest(px));
    });
    const end = (event: PointerEvent): void => {
      if (start && event.type === "pointerup" && Math.abs(plot.at(event)[1] - start.y) <= 3 && store.state.selected) store.set({ selected: null });
      start = null;
      range.selectAll("rect.range").remove();
    };
    plot.root.addEventListener("pointerup", end);
    plot.root.addEventListener("pointercancel", end);
  }

  private tip(event: PointerEvent, at: number, k: number): void {
    const { study, store } = this.context, side = this.sides[at], { codes, samples } = side.coded;
    const { y } = this.axes(this.plots[at]), code = Math.max(0, Math.min(BINS - 1, Math.floor(((y.invert(this.plots[at].at(event)[1]) + 1) / 2) * BINS)));
    const { passing, selected } = store.state, members = selected ? this.members(selected, passing) : this.members(passing);
    let here = 0, all = 0;
    for (let i = 0; i < samples; i++) {
      if (!members[i] || codes[k * samples + i] === NONE) continue;
      all++;
      if (codes[k * samples + i] === code) here++;
    }
    const low = cosineOf(code);
    showTip(event.clientX, event.clientY, study.classes[k], [
      ["cosine", `${short(low)} to ${short(low + 2 / BINS)}`], ["samples there", `${count(here)} of ${count(all)} (${percent(all ? here / all : 0)})`],
      ["own samples, first → second", this.sides.map((s) => short(s.own[k])).join(" → ")]]);
  }

  private drawStrip(): void {
    const plot = this.strip, side = this.sides[1];
    if (!plot || !side) return;
    const { study, store } = this.context, classes = study.classes.length, pen = plot.pen(0);
    const { passing } = store.state;
    if (this.strips?.coded !== side.coded || this.strips.passing !== passing) {
      this.strips = { coded: side.coded, passing, counts: histograms(side.coded, this.members(passing)) };
    }
    const { counts } = this.strips;
    const columns = Math.min(classes, Math.max(1, plot.width - MARGINS.left - MARGINS.right)), image = new ImageData(columns, BINS), [r, g, b] = rgbOf(css("--ink") || "#222222");
    const sums = new Float64Array(columns * BINS);
    for (let k = 0; k < classes; k++) for (let c = 0; c < BINS; c++) sums[c * columns + Math.floor((k * columns) / classes)] += counts[k * BINS + c];
    const most = Math.log1p(sums.reduce((m, v) => Math.max(m, v), 0));
    for (let column = 0; column < columns; column++) {
      for (let c = 0; c < BINS; c++) image.data.set([r, g, b, 255 * (Math.log1p(sums[c * columns + column]) / most)], 4 * ((BINS - 1 - c) * columns + column));
    }
    const small = new OffscreenCanvas(columns, BINS), height = plot.height - 44;
    small.getContext("2d")?.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, MARGINS.left, 18, plot.width - MARGINS.left - MARGINS.right, height);
    const x = scaleLinear([0, classes], [MARGINS.left, plot.width - MARGINS.right]);
    drawAxes(plot.svg, { width: plot.width, height: plot.height, margins: { ...MARGINS, top: 18, bottom: 26 },
      x: { scale: x, name: "" }, y: { scale: scaleLinear([-1, 1], [18 + height, 18]), name: "cosine", values: [-1, 0, 1] } });
    const svg = select(plot.svg);
    svg.selectAll("text.plot-title").data([`all ${count(classes)} classes by number, second: ${study.variants[side.variant].name}`]).join("text")
      .attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 12).text((t) => t);
    svg.selectAll("rect.window").data(this.shown).join("rect").attr("class", "window").attr("x", (k) => x(k)).attr("width", Math.max(1.5, x(1) - x(0)))
      .attr("y", 18 + height).attr("height", 5);
  }

  private listenStrip(plot: Plot): void {
    const { study } = this.context, classes = study.classes.length;
    const at = (event: PointerEvent): number =>
      Math.max(0, Math.min(classes - 1, Math.floor(((plot.at(event)[0] - MARGINS.left) / (plot.width - MARGINS.left - MARGINS.right)) * classes)));
    const go = (to: number): void => {
      this.choices.set("from", study.classes[Math.max(0, Math.min(classes - SOME, to))]);
      this.choices.set("order", "number");
    };
    plot.root.addEventListener("pointerdown", (event) => go(at(event) - SOME / 2));
    plot.root.addEventListener("pointermove", (event) => {
      if (!this.sides.length) return;
      if (event.buttons & 1) go(at(event) - SOME / 2);
      const k = at(event);
      showTip(event.clientX, event.clientY, study.classes[k], [["own samples, first → second", this.sides.map((s) => short(s.own[k])).join(" → ")]]);
    });
    plot.root.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
      go(this.from() + (event.key === "ArrowRight" ? SOME : -SOME));
      event.preventDefault();
    });
  }

  remove(): void {
    this.loading++;
    this.ends.forEach((end) => end());
    for (const plot of [...this.plots, this.strip]) plot?.remove();
  }
}

export const parallel: View = {
  id: "parallel",
  title: "Global geometry",
  width: "whole",
  choices,
  help: "How the features of all samples point to the directions of all classes: an axis for each class, and the density of the samples' lines.",
  wanted: (study: Study) => (study.has("/geometry/cosine") ? null : "This file holds no /geometry/cosine: the cosines of the features to all classes were not kept."),
  mount: mounted(Parallel),
};
