/* Planes through three samples, cut into the regions of the two compared networks: every polygon in the colour of the class that is
 * predicted there, exactly. Both pictures show the same part. */
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { cut, drawAxes, withUnit } from "../parts/axes";
import { Choices, free, onOff, type Choice } from "../parts/choices";
import { h, onTheme } from "../parts/dom";
import { fillLegend } from "../parts/key";
import { classLook, outline } from "../parts/looks";
import { all, lookOf, moving, nearer, saidLook, shownAt, type Field, type Look, type Shown } from "../parts/moving";
import { count, percent, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { areaOf, cornersOf, NOWHERE, polygonAt } from "../parts/polygons";
import { hideTip, showTip, type Line } from "../parts/tooltip";
import { frameOf, logitsAt, planeOf, type Plane } from "./planes_data";
import { fill, strokes, under } from "./planes_drawing";
import { choiceOf, compared, nameOf, nameOptions, numberIn, saidOf, samplesOf, showOrSay, wantedOf } from "./slices";
import { mounted, type Context, type Study, type Variant, type View } from "./view";

const MARGINS = { top: 26, right: 12, bottom: 40, left: 46 };
const TOLD = 8;            // classes whose logits the tooltip has

const choices = (study: Study): readonly Choice[] => [...choiceOf("plane", study), onOff("borders", "region borders", true), onOff("other", "decision boundaries of the other network", true), free("look", (value) => lookOf(value) !== null)];

/* Of every class the share of the window in which it is predicted. */
function sharesOf(plane: Plane, classes: number): Float64Array {
  const shares = new Float64Array(classes), areas = Array.from(plane.predicted, (_, polygon) => areaOf(plane, polygon)), all = areas.reduce((sum, area) => sum + area, 0);
  plane.predicted.forEach((k, polygon) => { shares[k] += areas[polygon] / all; });
  return shares;
}

interface Side { variant: Variant; plane: Plane | null }

class Planes {
  private readonly plots: Plot[];
  private readonly lacks: HTMLElement[];
  private readonly choices: Choices;
  private readonly options: HTMLSelectElement | null;    // which plane; null: there is one alone
  private readonly legend = h("div", { class: "legend" });
  private readonly note = h("p", { class: "note" });
  private readonly ends: (() => void)[] = [];
  private through: number[][] = [];
  private sides: Side[] = [];
  private number = -1;                         // the plane that is shown
  private field: Field | null = null;
  private inputs: ArrayLike<number> = [];
  private look: Look = { u: 0, v: 0, zoom: 1 };
  private loading = 0;
  private told = 0;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context, offered = choices(study);
    this.choices = new Choices(store, "planes", offered, (names) => {
      if (names.has("plane") && !names.has("look")) this.choices.set("look");      // another plane: all of it
      if (names.has("plane")) void this.renew();
      else this.see();
    });
    const turn = (text: string, title: string, to: (field: Field) => Look): HTMLElement =>
      h("button", { type: "button", title, "aria-label": title, onclick: () => { if (this.field) this.move(to(this.field)); } }, text);
    const pair = h("div", { class: "pair" }), places = [0, 1].map(() => pair.appendChild(h("div", {})));
    this.lacks = places.map((place) => place.appendChild(h("p", { class: "unavailable", hidden: true })));
    const controls = offered.filter(({ options }) => options.length).map(({ name }) => this.choices.control(name));
    this.options = controls[0].querySelector("select");
    where.append(h("div", { class: "choices" }, ...controls, h("span", { class: "stops", "data-no-export": true },
      turn("+", "nearer (+)", (field) => nearer(this.look, field, 1.5)), turn("−", "farther (-)", (field) => nearer(this.look, field, 1 / 1.5)), turn("all of it", "all of it (0)", all))),
    pair, this.legend, this.note);
    this.plots = places.map((place, at) => new Plot(place, {
      layers: 3, name: `Regions of the ${at ? "second" : "first"} network in the plane; arrows move a cursor, + and - come nearer and go farther, 0 shows all`,
      height: (width) => this.height(width), draw: () => this.draw(at),
    }));
    this.plots.forEach((plot) => moving(plot, { field: () => this.field, shown: () => this.shown(plot), look: () => this.look, move: (look) => this.move(look),
      point: (at, x, y) => void this.point(at, x, y) }));
    this.ends.push(() => this.choices.remove(), store.on(["first", "second"], () => void this.renew()), store.on(["sample"], () => this.draws()), onTheme(() => this.words()));
  }

  async load(): Promise<void> {
    const { study } = this.context;
    this.through = await samplesOf(study, "plane");
    nameOptions(this.options, this.through);
    await this.renew();
  }

  private async renew(): Promise<void> {
    const { study, store } = this.context, turn = ++this.loading;
    const number = numberIn(store.state, "planes", "plane"), variants = compared(this.context);
    const [frame, ...planes] = await Promise.all([frameOf(study, number), ...variants.map((variant) => planeOf(study, variant, number))] as const);
    if (turn !== this.loading) return;
    this.inputs = frame.inputs;
    this.field = frame.window;
    this.number = number;
    this.look = this.chosen(this.field);
    this.sides = planes.map((plane, i) => ({ variant: variants[i], plane: typeof plane === "string" ? null : plane }));
    showOrSay(this.plots, this.lacks, variants, planes);
    void this.point(null, 0, 0);
    this.plots.forEach((plot) => plot.again());
    this.words();
  }

  private draws(): void { this.plots.forEach((plot) => plot.draw()); }

  /** The part that the address names; else all of it. */
  private chosen(field: Field): Look {
    const look = lookOf(this.choices.get("look"));
    return look ? nearer(look, field, 1) : all(field);
  }

  /** Somebody else may have changed the address. */
  private see(): void {
    if (this.field && saidLook(this.look) !== this.choices.get("look")) this.look = this.chosen(this.field);
    this.draws();
  }

  private move(look: Look): void {
    this.look = look;
    this.choices.set("look", ...(look.zoom > 1 ? [saidLook(look)] : []));
    this.draws();
  }

  private height(width: number): number {
    const { left, right, low, high } = this.field ?? { left: 0, right: 1, low: 0, high: 1 };
    return Math.min(560, Math.max(200, ((width - MARGINS.left - MARGINS.right) * (high - low)) / (right - left))) + MARGINS.top + MARGINS.bottom;
  }

  private shown({ width, height }: Plot): Shown {
    return shownAt(this.look, this.field ?? { left: 0, right: 1, low: 0, high: 1 },
      { x: MARGINS.left, y: MARGINS.top, width: width - MARGINS.left - MARGINS.right, height: height - MARGINS.top - MARGINS.bottom });
  }

  private draw(at: number): void {
    const plot = this.plots[at], plane = this.sides[at]?.plane;
    if (!plane) return;
    const shown = this.shown(plot);
    fill(plot, plane, shown, this.context.study.classes.length);
    strokes(plot, shown, { plane, borders: this.choices.on("borders"), zoom: this.look.zoom, other: this.choices.on("other") ? this.sides[1 - at]?.plane : null, colour: at ? "--first" : "--second" });
    this.overlay(plot, at, plane, shown);
  }

  private overlay(plot: Plot, at: number, plane: Plane, shown: Shown): void {
    const { study, store } = this.context, { width, height } = plot, svg = select(plot.svg), { variant } = this.sides[at], classes = study.classes.length;
    const x = scaleLinear([shown.left, shown.left + shown.width * shown.unit], [shown.x, shown.x + shown.width]);
    const y = scaleLinear([shown.top - shown.height * shown.unit, shown.top], [shown.y + shown.height, shown.y]);
    drawAxes(plot.svg, { width, height, margins: MARGINS, x: { scale: x, name: withUnit("u", study.unit("/planes/at")) }, y: { scale: y, name: "v" } });
    Object.assign(plot.root.dataset, { variant: variant.name, polygons: plane.predicted.length, regions: plane.regions });
    const of = this.sides.length > 1 ? `${at ? "second" : "first"}: ` : "";
    svg.selectAll("text.plot-title").data([`${of}${variant.name}${variant.failed ? " (failed)" : ""}, ${count(plane.regions)} regions`]).join("text")
      .attr("class", "plot-title").attr("x", MARGINS.left).attr("y", 15).text((title) => cut(title, Math.floor((width - 60) / 7)));
    const through = this.through[this.number], places = through.map((sample, i) => ({ sample, u: this.inputs[2 * i], v: this.inputs[2 * i + 1] }));
    const there = places.filter(({ u, v }) => x(u) >= shown.x && x(u) <= shown.x + shown.width && y(v) >= shown.y && y(v) <= shown.y + shown.height);
    svg.selectAll<SVGGElement, (typeof there)[number]>("g.input").data(there, ({ sample }) => String(sample)).join((enter) => {
      const g = enter.append("g").attr("class", "input hot");
      g.append("path").attr("class", "halo");
      g.append("path").attr("class", "mark");
      g.append("text").attr("class", "class-name on-picture");
      return g;
    }).attr("transform", ({ u, v }) => `translate(${x(u)},${y(v)})`).attr("data-sample", ({ sample }) => sample).attr("data-u", ({ u }) => u).attr("data-v", ({ v }) => v)
      .classed("chosen", ({ sample }) => sample === store.state.sample).on("click", (_, { sample }) => store.set({ sample }))
      .each(function ({ sample, u }) {
        const look = classLook(study.labels[sample], classes), mark = outline(look.shape, 110), g = select(this), end = x(u) > width / 2;
        g.select(".halo").attr("d", mark.path);
        g.select(".mark").attr("d", mark.path).classed("open", mark.open).style("fill", mark.open ? "none" : look.colour).style("stroke", mark.open ? look.colour : "var(--ground)");
        g.select("text").attr("x", end ? -11 : 11).attr("y", 4).attr("text-anchor", end ? "end" : "start").text(cut(nameOf(study, sample), 34));
      });
  }

  /* What both networks say at a place, and in both pictures a cross there and the polygon that it lies in. */
  private async point(at: readonly [number, number] | null, px: number, py: number): Promise<void> {
    const turn = ++this.told, { study } = this.context;
    const found = this.sides.flatMap(({ variant, plane }, side) => {
      const polygon = plane && at ? polygonAt(plane, ...at) : NOWHERE;
      return plane && polygon !== NOWHERE ? [{ side, variant, plane, polygon }] : [];
    });
    this.plots.forEach((plot, side) => {
      const shown = this.shown(plot), { x, y, left, top, unit } = shown;
      select(plot.svg).selectAll("path.cross").data(at ? [at] : []).join("path").attr("class", "cross").attr("data-u", ([u]) => u).attr("data-v", ([, v]) => v)
        .attr("d", "M-9,0H-3M3,0H9M0,-9V-3M0,3V9").attr("transform", ([u, v]) => `translate(${x + (u - left) / unit},${y + (top - v) / unit})`);
      under(plot, shown, found.find((one) => one.side === side));
    });
    if (!at || !found.length) return hideTip();
    const logits = await Promise.all(found.map(({ plane, polygon }) => logitsAt(plane, polygon, ...at)));
    if (turn !== this.told) return;
    const most = (k: number): number => Math.max(...logits.map((one) => one[k])), order = study.classes.map((_, k) => k).sort((a, b) => most(b) - most(a));
    showTip(px, py, `u ${short(at[0])}, v ${short(at[1])}`, [
      ...found.map(({ variant, plane, polygon }): Line => [variant.name, `${study.classes[plane.predicted[polygon]]}, region ${count(plane.region[polygon])}`]),
      ...order.slice(0, TOLD).map((k): Line => [study.classes[k], logits.map((one) => short(one[k])).join(" → ")]),
      ...(order.length > TOLD ? [["", `and ${count(order.length - TOLD)} smaller logits`] as const] : []),
    ]);
  }

  private words(): void {
    const { study } = this.context, through = this.through[this.number], shown = this.sides.flatMap(({ variant, plane }) => (plane ? [{ variant, plane }] : []));
    const shares = shown.map(({ plane }) => sharesOf(plane, study.classes.length)), known = study.classes.map((_, k) => k).filter((k) => shares.some((share) => share[k] > 0));
    fillLegend(this.legend, known.map((k) => ({ name: `${study.classes[k]}: ${shares.map((share) => percent(share[k])).join(" → ")}`, look: classLook(k, study.classes.length),
      title: "the share of the window in which it is predicted" })));
    const { left, right, low, high } = this.field as Field, out = through.filter((_, i) => {
      const [u, v] = [this.inputs[2 * i], this.inputs[2 * i + 1]];
      return u < left || u > right || v < low || v > high;
    });
    this.note.textContent = shown.length === 0 ? "" : [`The plane through ${through.map((sample) => saidOf(study, sample)).join(", ")}. On each polygon the network is one affine map; its colour says which class is predicted there, thick lines are decision boundaries; below is the share of the window that each class has.`,
      out.length ? `Outside of what was cut: ${out.map((sample) => `sample ${sample}`).join(", ")}.` : "",
      ...shown.map(({ variant, plane }) => `${variant.name}: ${count(plane.regions)} regions, ${count(plane.predicted.length)} polygons; certificate ${short(plane.residual)}, uncovered ${short(plane.uncovered)}${plane.dropped ? `, ${count(plane.dropped)} cuts not made` : ""}.`),
      "Drag to move, Ctrl and the wheel or a double click to come nearer; click a sample to look at it."].filter(Boolean).join(" ");
  }

  remove(): void {
    this.loading++;
    this.told++;
    this.ends.forEach((end) => end());
    this.plots.forEach((plot) => plot.remove());
  }
}

export const planes: View = {
  id: "planes",
  title: "Planes",
  width: "whole",
  help: "The plane through three samples, as the network's input has it, cut into all regions that two networks have there: on each the network is one affine map. "
    + "Colours say which class is predicted, thick lines are decision boundaries, thin ones borders of regions. All of it is computed, nothing sampled: under the pointer are the region, its class and the logits at that very place.",
  choices,
  wanted: wantedOf("plane"),
  mount: mounted(Planes),
  async table(context) {
    const { study, store } = context, number = numberIn(store.state, "planes", "plane");
    const found = await Promise.all(compared(context).map(async (variant) => ({ variant, plane: await planeOf(study, variant, number) })));
    return [["variant", "polygon", "region", "class", "area", "corners (u v)"], ...found.flatMap(({ variant, plane }) => (typeof plane === "string" ? [] : rows(study, variant, plane)))];
  },
};

/* Polygon by polygon. */
function rows(study: Study, { name }: Variant, plane: Plane): (string | number)[][] {
  const { at, predicted, region } = plane;
  return Array.from(predicted, (k, polygon) => [name, polygon, region[polygon], study.classes[k], areaOf(plane, polygon),
    Array.from(cornersOf(plane, polygon), (c) => `${at[2 * c]} ${at[2 * c + 1]}`).join(";")]);
}
