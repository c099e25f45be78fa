/* Lines between two samples, cut into the pieces of the two compared networks: logits on the way, the predicted class, and where it
 * changes, one network below the other on the same axes. */
import { scaleLinear, type ScaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { cut, drawAxes } from "../parts/axes";
import { Choices, type Choice } from "../parts/choices";
import { curve } from "../parts/curve";
import { css, h, onTheme } from "../parts/dom";
import { fillLegend } from "../parts/key";
import { classLook, outline } from "../parts/looks";
import { count, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { hideTip, showTip, type Line as Told } from "../parts/tooltip";
import { behind, lineOf, logitAt, type Line } from "./lines_data";
import { choiceOf, compared, nameOf, nameOptions, numberIn, saidOf, samplesOf, showOrSay, wantedOf } from "./slices";
import { mounted, type Context, type Study, type Variant, type View } from "./view";

const MARGINS = { top: 24, right: 14, bottom: 38, left: 56 };
const STRIP = 11, TICKS = 9, GAP = 3;      // heights of what is below the curves: predicted classes, ends of pieces, space
const HEIGHT = 270;
const DRAWN = 10;                  // classes

interface Side { variant: Variant; line: Line | null }
type Scales = { x: ScaleLinear<number, number>; y: ScaleLinear<number, number>; bottom: number };

/* All classes where they are few; else those that are predicted, and the two largest at either end. */
function telling(lines: readonly Line[], classes: number): number[] {
  const every = Array.from({ length: classes }, (_, k) => k);
  if (classes <= DRAWN) return every;
  const largest = ({ logits, t }: Line): number[] => [0, t.length - 1].flatMap((i) => [...every].sort((a, b) => logits[i * classes + b] - logits[i * classes + a]).slice(0, 2));
  return [...new Set([...lines.flatMap(({ predicted }) => [...new Set(predicted)]), ...lines.flatMap(largest)])].slice(0, DRAWN).sort((a, b) => a - b);
}

class Lines {
  private readonly plots: Plot[];
  private readonly lacks: HTMLElement[];
  private readonly choices: Choices;
  private readonly options: HTMLSelectElement | null;    // which line; null: there is one alone
  private readonly legend = h("div", { class: "legend" });
  private readonly note = h("p", { class: "note" });
  private readonly ends: (() => void)[] = [];
  private between: number[][] = [];
  private sides: Side[] = [];
  private number = 0;
  private length = NaN;
  private classes: number[] = [];                        // those that are drawn
  private range: [number, number] = [0, 1];              // of their logits
  private cursor: number | null = null;                  // of the keyboard, a share of the way
  private loading = 0;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context, offered = choiceOf("line", study);
    this.choices = new Choices(store, "lines", offered, () => void this.renew());
    const controls = offered.map(({ name }) => this.choices.control(name)), places = [0, 1].map(() => h("div", {}));
    this.options = controls[0]?.querySelector("select") ?? null;
    this.lacks = places.map((place) => place.appendChild(h("p", { class: "unavailable", hidden: true })));
    where.append(...(controls.length ? [h("div", { class: "choices" }, ...controls)] : []), ...places, this.legend, this.note);
    this.plots = places.map((place, at) => new Plot(place, {
      layers: 1, height: () => HEIGHT, draw: () => this.draw(at),
      name: `Logits of the ${at ? "second" : "first"} network on the line; Left and Right go to the next end of a piece, with Shift to the next change of the class`,
    }));
    this.plots.forEach((plot, at) => {
      plot.root.addEventListener("pointermove", (event) => {
        const { x } = this.scales(plot), [px] = plot.at(event);
        this.point(px >= x(0) && px <= x(1) ? x.invert(px) : null, event.clientX, event.clientY);
      });
      plot.root.addEventListener("pointerleave", () => this.point(null, 0, 0));
      plot.root.addEventListener("blur", () => { this.cursor = null; this.point(null, 0, 0); });
      plot.root.addEventListener("keydown", (event) => this.key(event, at));
    });
    this.ends.push(() => this.choices.remove(), store.on(["first", "second"], () => void this.renew()), onTheme(() => this.words()));
  }

  async load(): Promise<void> {
    this.between = await samplesOf(this.context.study, "line");
    nameOptions(this.options, this.between);
    await this.renew();
  }

  private async renew(): Promise<void> {
    const { study, store } = this.context, turn = ++this.loading, number = numberIn(store.state, "lines", "line"), variants = compared(this.context);
    const [[length], ...lines] = await Promise.all([study.read("/lines/length", [number], [1]), ...variants.map((variant) => lineOf(study, variant, number))] as const);
    if (turn !== this.loading) return;
    this.number = number;
    this.length = length;
    this.cursor = null;
    this.sides = lines.map((line, i) => ({ variant: variants[i], line: typeof line === "string" ? null : line }));
    showOrSay(this.plots, this.lacks, variants, lines);
    const there = this.there().map(({ line }) => line), K = study.classes.length;
    this.classes = telling(there, K);
    let low = Infinity, high = -Infinity;
    for (const { logits, t } of there) {
      for (let i = 0; i < t.length; i++) {
        for (const k of this.classes) {
          low = Math.min(low, logits[i * K + k]);
          high = Math.max(high, logits[i * K + k]);
        }
      }
    }
    this.range = low <= high ? [low, high] : [0, 1];
    this.point(null, 0, 0);
    this.plots.forEach((plot) => plot.again());
    this.words();
  }

  private there(): { variant: Variant; line: Line }[] {
    return this.sides.flatMap(({ variant, line }) => (line ? [{ variant, line }] : []));
  }

  private scales({ width, height }: Plot): Scales {
    const bottom = height - MARGINS.bottom - STRIP - TICKS - 3 * GAP;
    return { bottom, x: scaleLinear([0, 1], [MARGINS.left, width - MARGINS.right]), y: scaleLinear(this.range, [bottom, MARGINS.top]).nice() };
  }

  private draw(at: number): void {
    const plot = this.plots[at], side = this.sides[at], line = side?.line, K = this.context.study.classes.length;
    if (!line) return;
    const { x, y, bottom } = this.scales(plot), pen = plot.pen(0), { t, logits } = line;
    const changes = [0, ...line.crossing, t.length - 1], spans = changes.slice(0, -1).map((from, i) => ({ from: t[from], to: t[changes[i + 1]], k: line.predicted[from] }));
    for (const { from, to, k } of spans) {
      pen.fillStyle = classLook(k, K).colour;
      pen.globalAlpha = 0.1;
      pen.fillRect(x(from), MARGINS.top, x(to) - x(from), bottom - MARGINS.top);
    }
    // Where pieces end; of very many one in a quarter of a pixel.
    pen.globalAlpha = Math.min(0.9, Math.max(0.25, (plot.width / t.length) * 0.5));
    pen.strokeStyle = css("--ink");
    pen.lineWidth = 1;
    const ticks = new Path2D(), below = bottom + STRIP + 2 * GAP;
    for (let i = 1, last = -1; i < t.length - 1; i++) {
      const there = x(t[i]);
      if (line.piece[i] === line.piece[i - 1] || there - last < 0.25) continue;
      last = there;
      ticks.moveTo(there, below);
      ticks.lineTo(there, below + TICKS);
    }
    pen.stroke(ticks);
    pen.globalAlpha = 1;
    pen.lineJoin = "round";
    pen.lineWidth = 1.7;
    for (const k of this.classes) {
      pen.strokeStyle = classLook(k, K).colour;
      pen.stroke(curve(t.length, (i) => x(t[i]), (i) => y(logits[i * K + k])));
    }
    this.overlay(plot, at, line, spans);
  }

  private overlay(plot: Plot, at: number, line: Line, spans: readonly { from: number; to: number; k: number }[]): void {
    const { study, store } = this.context, { x, y, bottom } = this.scales(plot), { width, height } = plot, svg = select(plot.svg), { variant } = this.sides[at];
    const K = study.classes.length, ends = this.between[this.number], of = this.sides.length > 1 ? `${at ? "second" : "first"}: ` : "";
    drawAxes(plot.svg, { width, height, margins: MARGINS, x: { scale: x, name: "share of the way" }, y: { scale: y, name: "logit" } });
    Object.assign(plot.root.dataset, { variant: variant.name, pieces: line.pieces, crossings: line.crossing.length });
    const changes = `${count(line.crossing.length)} ${line.crossing.length === 1 ? "change" : "changes"} of the class`;
    svg.selectAll("text.plot-title").data([`${of}${variant.name}${variant.failed ? " (failed)" : ""}, ${count(line.pieces)} pieces, ${changes}`]).join("text")
      .attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 14).text((title) => cut(title, Math.floor((width - 60) / 7)));
    svg.selectAll<SVGRectElement, (typeof spans)[number]>("rect.span").data(spans).join("rect").attr("class", "span").attr("x", ({ from }) => x(from)).attr("y", bottom + GAP)
      .attr("width", ({ from, to }) => x(to) - x(from)).attr("height", STRIP).style("fill", ({ k }) => classLook(k, K).colour)
      .attr("data-class", ({ k }) => k).attr("data-from", ({ from }) => from).attr("data-to", ({ to }) => to);
    svg.selectAll("line.crossing").data(line.crossing.map((i) => line.t[i])).join("line").attr("class", "crossing").attr("data-t", (t) => t)
      .attr("x1", (t) => x(t)).attr("x2", (t) => x(t)).attr("y1", MARGINS.top).attr("y2", bottom + GAP + STRIP);
    svg.selectAll<SVGTextElement, number>("text.end").data(ends).join("text").attr("class", "end hot").attr("x", (_, i) => x(i)).attr("y", height - 5)
      .attr("text-anchor", (_, i) => (i ? "end" : "start")).text((sample) => cut(nameOf(study, sample), Math.floor(width / 16))).on("click", (_, sample) => store.set({ sample }));
    const marks = [0, 1].flatMap((t) => this.classes.map((k) => ({ t, k })));
    svg.selectAll<SVGPathElement, (typeof marks)[number]>("path.mark").data(marks).join("path").attr("d", ({ k }) => outline(classLook(k, K).shape, 60).path)
      .attr("class", ({ k }) => (outline(classLook(k, K).shape, 60).open ? "mark open" : "mark"))
      .attr("transform", ({ t, k }) => `translate(${x(t)},${y(logitAt(line, K, k, t))})`)
      .each(function ({ k }) {
        const { colour, shape } = classLook(k, K), { open } = outline(shape, 60);
        select(this).style("fill", open ? "none" : colour).style("stroke", open ? colour : "var(--ground)");
      });
  }

  /* What both networks say at a share of the way, and a rule there in both pictures. */
  private point(t: number | null, px: number, py: number): void {
    const { study } = this.context, K = study.classes.length, there = this.there();
    this.plots.forEach((plot) => {
      const { x, bottom } = this.scales(plot);
      select(plot.svg).selectAll("line.rule").data(t === null ? [] : [t]).join("line").attr("class", "rule").attr("data-t", (at) => at).attr("x1", (at) => x(at)).attr("x2", (at) => x(at))
        .attr("y1", MARGINS.top).attr("y2", bottom + STRIP + TICKS + 2 * GAP);
    });
    if (t === null || !there.length) return hideTip();
    const said = there.map(({ line }) => study.classes.map((_, k) => logitAt(line, K, k, t))), most = (k: number): number => Math.max(...said.map((one) => one[k]));
    showTip(px, py, `t = ${t.toFixed(5)}`, [
      ...there.map(({ variant, line }): Told => [variant.name, `${study.classes[line.predicted[behind(line, t)]]}, piece ${count(line.piece[behind(line, t)])}`]),
      ...[...this.classes].sort((a, b) => most(b) - most(a)).map((k): Told => [study.classes[k], said.map((one) => short(one[k])).join(" → ")]),
    ]);
  }

  /* To the next end of a piece, or, with Shift, to the next change of the class; Home and End: to the samples. */
  private key(event: KeyboardEvent, at: number): void {
    const line = this.sides[at]?.line, step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!line || !(step || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    if (step) {
      const stops = event.shiftKey ? [0, ...line.crossing.map((i) => line.t[i]), 1] : Array.from(line.t), now = this.cursor ?? (step > 0 ? -1 : 2);
      this.cursor = (step > 0 ? stops.find((t) => t > now) : [...stops].reverse().find((t) => t < now)) ?? this.cursor;
    } else this.cursor = event.key === "Home" ? 0 : 1;
    const box = this.plots[at].root.getBoundingClientRect();
    if (this.cursor !== null) this.point(this.cursor, box.left + this.scales(this.plots[at]).x(this.cursor), box.top + MARGINS.top);
  }

  private words(): void {
    const { study } = this.context, K = study.classes.length, [one, other] = this.between[this.number];
    fillLegend(this.legend, this.classes.map((k) => ({ name: study.classes[k], look: classLook(k, K) })));
    this.note.textContent = this.there().length === 0 ? "" : [`The straight line from ${saidOf(study, one)} to ${saidOf(study, other)}, ${short(this.length)} long in the network's input; ticks below are the ends of pieces, between which logits are affine, rules the places where the predicted class changes.`,
      this.classes.length < K ? `Drawn: ${this.classes.length} of ${count(K)} classes, those that are predicted, and the largest two at the ends.` : "",
      ...this.there().map(({ variant, line }) => `${variant.name}: certificate ${short(line.residual)}.`), "Left and Right go from piece to piece, with Shift from change to change; click a sample to look at it."].filter(Boolean).join(" ");
  }

  remove(): void {
    this.loading++;
    this.ends.forEach((end) => end());
    this.plots.forEach((plot) => plot.remove());
  }
}

export const lines: View = {
  id: "lines",
  title: "Lines",
  width: "whole",
  help: "The straight line between two samples, cut into all pieces on which two networks are affine: logits on the way, with every bend where it is; below them the predicted class, its changes, and where pieces end.",
  choices: (study: Study): readonly Choice[] => choiceOf("line", study),
  wanted: wantedOf("line"),
  mount: mounted(Lines),
  async table(context) {
    const { study, store } = context, number = numberIn(store.state, "lines", "line"), K = study.classes.length;
    const found = await Promise.all(compared(context).map(async (variant) => ({ variant, line: await lineOf(study, variant, number) })));
    return [["variant", "t", "piece", "class", ...study.classes.map((name) => `logit ${name}`)], ...found.flatMap(({ variant, line }) => (typeof line === "string" ? []
      : Array.from(line.t, (t, i) => [variant.name, t, line.piece[i], study.classes[line.predicted[i]] ?? "", ...line.logits.subarray(i * K, (i + 1) * K)])))];
  },
};
