/* Map: where the parametric t-SNE puts every sample, moved from the first network to the second and on through the
 * severities of a corruption. Points by regl-scatterplot (one WebGL context); over them the paths of what is selected. */
import { extent } from "d3-array";
import { symbolCircle } from "d3-shape";
import createScatterplot from "regl-scatterplot";
import { corruptions, severities } from "../parts/conditions";
import { Choices, free, type Choice } from "../parts/choices";
import { css, h } from "../parts/dom";
import { picking, stepping, type Points, type Tool } from "../parts/lasso";
import { fillLegend, fillRamp, toggleClass } from "../parts/key";
import { classLook, diverging, outline, sequential, type Look } from "../parts/looks";
import { membersOf } from "../parts/members";
import { lookOf, saidLook, type Look as Part } from "../parts/moving";
import { count, short } from "../parts/numbers";
import { Plot } from "../parts/plot";
import { hideTip, showTip } from "../parts/tooltip";
import { counted, howMany } from "../state/store";
import { mounted, type Context, type Study, type View } from "./view";

type Colouring = "class" | "right" | "margin" | "change" | "group";
interface Step { variant: number; condition: number }
/** What is drawn by colour: a code for each sample, and the looks of the codes; of a ramp the ends. */
interface Paint { codes: Uint8Array | Uint16Array; looks: Look[]; names: string[]; ramp?: { title: string; low: string; high: string; colour: (t: number) => string } }

const SHADES = 32;
const PATHS = 500;           // up to so many selected samples have paths
const NAMED = 20;            // up to so many classes are named in the map
const STILL = 1e-4;          // a move of less of what is seen is none
const MOVE = 900;            // milliseconds from one step to the next
const OUTCOMES = ["right in both", "lost: right in the first alone", "won: right in the second alone", "wrong in both"];

const FARTHEST = 1e-3;        // how much smaller than the whole map
const partOf = (said: string): Part | null => lookOf(said, FARTHEST);

const PLANES: readonly (readonly [string, string])[] = [["xy", "x, y"], ["xz", "x, z"], ["yz", "y, z"]];
const axesOf = (study: Study): number => study.shape("/embed/position")[3] ?? 2;

/* A step is named by the network, or, of a corruption, by the condition. */
function choices(study: Study): readonly Choice[] {
  const all = corruptions(study);
  return [
    { name: "colour", title: "Colour", options: [["class", "class"], ["right", "right or wrong"], ["margin", "margin"], ["change", "change of the margin"], ["group", "my groups"]], start: "class" },
    { name: "tool", title: "Drag to", options: [["lasso", "draw a lasso"], ["brush", "choose a rectangle"], ["pan", "move (wheel: zoom)"]], start: "lasso" },
    ...(all.length ? [{ name: "corruption", title: "Severities of", options: [["", "none"], ...all.map((c) => [c, c] as const)] as const, start: "" }] : []),
    ...(axesOf(study) < 3 ? [] : [{ name: "plane", title: "Plane", options: PLANES, start: "xy" }]),
    { name: "step", title: "step", options: [["second", ""], ["first", ""], ...study.conditions.map((c) => [c, ""] as const)], start: "second" },
    free("look", (value) => partOf(value) !== null),
  ];
}

/** The steps of the animation: first network, second network, and it under the severities of a corruption. */
function steps(study: Study, first: number, second: number, condition: number, corruption: string): Step[] {
  const clean = Math.max(0, study.conditions.indexOf("clean"));
  const from = corruption ? clean : condition;
  const start = first === second ? [] : [{ variant: first, condition: from }];
  return [...start, { variant: second, condition: from }, ...severities(study, corruption).map((c) => ({ variant: second, condition: c }))];
}

class Embedding {
  private readonly plot: Plot;
  private scatter: ReturnType<typeof createScatterplot> | null = null;
  private readonly positions = new Map<string, Promise<Float32Array>>();   // x, y of every sample, in the data's units
  private readonly axesCount: number;
  private track: Step[] = [];
  private at = 0;
  private playing = 0;
  private readonly choices: Choices;
  private paint: Paint | null = null;
  private frame: { x: number; y: number; half: number } | null = null;     // what is drawn: the middle, and half of the larger side
  private current: Float32Array | null = null;
  private points: Points | null = null;
  private trail: Float32Array[] = [];
  private middles: [number, number][] = [];                                // of the classes, in pixels
  private middlesOf: [Points | null, Uint8Array | null] = [null, null];
  private drawing: Promise<void> = Promise.resolve();
  private turn = 0;                                                        // of the track
  private paints = 0;
  private plays = 0;
  private flat = false;                                                    // no WebGL
  private moving = false;                                                  // from one step to the next
  private rest = 0;                                                        // not before then the points are drawn again
  private said: string;                                                    // the part as this view has written it into the address
  private chooses = false;                                                 // who passes or is selected has changed
  private readonly ends: (() => void)[] = [];
  private readonly legend = h("div", { class: "legend" });
  private readonly stops = h("span", { class: "stops", role: "group", "aria-label": "steps of the animation" });
  private readonly play = h("button", { type: "button", onclick: () => void this.toggle() }, "▶ play");
  private readonly note = h("p", { class: "note" });

  constructor(where: HTMLElement, private readonly context: Context) {
    const { study, store } = context;
    this.axesCount = axesOf(study);
    const names = ["x", "y", "z"], offered = choices(study);
    this.choices = new Choices(store, "map", offered, (names) => this.chosen(names));
    this.said = this.choices.get("look");
    where.append(h("div", { class: "choices" },
      ...offered.filter(({ name }) => name !== "step" && name !== "look").map(({ name }) => this.choices.control(name)),
      h("button", { type: "button", onclick: () => this.lookAt(null) }, "whole map")),
    h("div", { class: "choices" }, this.play, this.stops));
    this.plot = new Plot(where, { layers: 2, height: (w) => Math.min(620, Math.max(320, 0.62 * w)), name: `Map of the samples: ${names.slice(0, this.axesCount).join(", ")} of the embedding`,
      draw: (_, resized) => this.draw(resized) });
    this.plot.layers[0].dataset.own = "yes";
    where.append(this.legend, this.note);
    this.ends.push(picking(this.plot, { store, tool: () => this.choices.get("tool") as Tool, points: () => this.points, hover: (i, event) => void this.hover(i, event) }));
    stepping(this.plot, store);
    this.toolChosen();
    this.ends.push(() => this.choices.remove(), store.on(["first", "second", "condition"], () => void this.retrack()));
    this.ends.push(store.on(["groups"], () => void this.repaint()), store.on(["filters"], () => this.key()));
    this.ends.push(store.on(["passing", "selected"], () => { this.chooses = true; this.plot.draw(); }));
    this.ends.push(store.on(["sample"], () => this.plot.draw()));
  }

  async load(): Promise<void> {
    await this.retrack();
  }

  private chosen(names: ReadonlySet<string>): void {
    if (names.has("look") && this.choices.get("look") !== this.said) {
      this.said = this.choices.get("look");
      this.lookAt(partOf(this.said));
    } else if (names.has("plane")) this.choices.set("look");     // of the other axes it was
    if (names.has("tool")) this.toolChosen();
    if (names.has("plane")) this.positions.clear();
    if (names.has("plane") || names.has("corruption")) return void this.retrack();    // paints anew, and shows the step
    if (names.has("colour")) void this.repaint();
    if (names.has("step")) this.stepChosen();
  }

  private toolChosen(): void { this.plot.root.classList.toggle("panning", this.choices.get("tool") === "pan"); }

  private get colouring(): Colouring { return this.choices.get("colour") as Colouring; }
  private get corruption(): string { return this.choices.has("corruption") ? this.choices.get("corruption") : ""; }
  private plane(): [number, number] {
    const [a, b] = this.choices.has("plane") ? this.choices.get("plane") : "xy";
    return ["xyz".indexOf(a), "xyz".indexOf(b)];
  }

  /** What a step of the track is called in the address. */
  private nameOf(at: number): string {
    const networks = this.context.store.state.first === this.context.store.state.second ? ["second"] : ["first", "second"];
    return networks[at] ?? this.context.study.conditions[this.track[at].condition];
  }
  /** The step that is chosen; of what is no step of the track, the second network. */
  private chosenStep(): number {
    const all = this.track.map((_, at) => this.nameOf(at)), at = all.indexOf(this.choices.get("step"));
    return at < 0 ? all.indexOf("second") : at;
  }
  /* By the address; a step that is gone to is chosen, and then nothing is left to do. */
  private stepChosen(): void {
    const at = this.chosenStep();
    if (this.playing || at === this.at || !this.track.length) return;
    void this.go(at);
  }

  private position({ variant, condition }: Step): Promise<Float32Array> {
    const key = `${variant} ${condition}`, plane = this.plane();
    let found = this.positions.get(key);
    if (!found) {
      found = this.context.study.read("/embed/position", [variant, condition], [1, 1]).then((all) => {
        const n = this.context.study.samples, two = new Float32Array(2 * n);
        for (let i = 0; i < n; i++) {
          two[2 * i] = all[i * this.axesCount + plane[0]];
          two[2 * i + 1] = this.axesCount > 1 ? all[i * this.axesCount + plane[1]] : 0;
        }
        return two;
      });
      this.positions.set(key, found);
      if (this.positions.size > 24) this.positions.delete(this.positions.keys().next().value as string);
    }
    return found;
  }

  /** The steps anew; shown is the one that is chosen, at first the second network. */
  private async retrack(): Promise<void> {
    const { study, store } = this.context, { first, second, condition } = store.state, turn = ++this.turn;
    this.stop();
    const track = steps(study, first, second, condition, this.corruption);
    const all = await Promise.all(track.map((step) => this.position(step)));
    if (turn !== this.turn) return;
    this.stop();
    this.track = track;
    this.at = this.chosenStep();
    this.trail = all;
    this.frame = this.framed(all);
    this.lookAt(partOf(this.choices.get("look")));
    this.buttons();
    await this.repaint();
  }

  /** What holds all steps. */
  private framed(all: Float32Array[]): { x: number; y: number; half: number } {
    const ends = [Infinity, -Infinity, Infinity, -Infinity];
    for (const two of all) {
      for (let i = 0; i < two.length; i++) {
        const at = 2 * (i & 1);
        if (two[i] < ends[at]) ends[at] = two[i];
        if (two[i] > ends[at + 1]) ends[at + 1] = two[i];
      }
    }
    const [left, right, bottom, top] = ends;
    return left <= right && bottom <= top ? { x: (left + right) / 2, y: (bottom + top) / 2, half: (Math.max(right - left, top - bottom) / 2) * 1.04 || 1 } : { x: 0, y: 0, half: 1 };
  }

  /** From the data to pixels of the picture, as the camera sees them now: px = x * data + left, py = y * data + top. */
  private seen(): { x: number; left: number; y: number; top: number } {
    const view = (this.scatter?.get("cameraView") ?? [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]) as unknown as number[];
    const { width, height } = this.plot, { x, y, half } = this.frame ?? { x: 0, y: 0, half: 1 };
    const sx = (view[0] * height) / 2 / half, sy = (-view[5] * height) / 2 / half;     // the projection divides x by width / height
    return { x: sx, left: width / 2 + (view[12] * height) / 2 - sx * x, y: sy, top: height / 2 - (view[13] * height) / 2 - sy * y };
  }

  /** The part that is shown, in the data's units; null: all of the map. */
  private part(): Part | null {
    const view = this.scatter?.get("cameraView") as unknown as number[] | undefined, { x, y, half } = this.frame ?? { x: 0, y: 0, half: 1 };
    if (!view || Math.max(Math.abs(view[0] - 1), Math.abs(view[12]), Math.abs(view[13])) < STILL) return null;
    return { u: x - (view[12] * half) / view[0], v: y - (view[13] * half) / view[0], zoom: view[0] };
  }
  private cameraOn(part: Part | null): number[] {
    const { x, y, half } = this.frame ?? { x: 0, y: 0, half: 1 }, { u, v, zoom } = part ?? { u: x, v: y, zoom: 1 };
    return [zoom, 0, 0, 0, 0, zoom, 0, 0, 0, 0, 1, 0, (zoom * (x - u)) / half, (zoom * (y - v)) / half, 0, 1];
  }
  private lookAt(part: Part | null): void { this.scatter?.view(this.cameraOn(part)); }

  /** The address says where somebody has moved; what is rounding is not. */
  private moved(): void {
    if (this.choices.get("look") !== this.said) return;     // somebody else has just said where to look
    const now = this.part(), said = partOf(this.said), span = (this.frame?.half ?? 1) / (now?.zoom ?? 1);
    if (now === said || (now && said && Math.abs(now.zoom / said.zoom - 1) < STILL && Math.max(Math.abs(now.u - said.u), Math.abs(now.v - said.v)) < STILL * span)) return;
    this.said = now ? saidLook(now) : "";
    this.choices.set("look", ...(now ? [this.said] : []));
  }

  private buttons(): void {
    const { study } = this.context;
    this.stops.replaceChildren(...this.track.map(({ variant, condition }, i) => {
      const before = this.track[i - 1], name = study.variants[variant].name;
      return h("button", { type: "button", class: "stop", "aria-pressed": String(i === this.at), onclick: () => { this.stop(); void this.go(i); } },
        before?.variant === variant ? study.conditions[condition] : `${name}, ${study.conditions[condition]}`);
    }));
    this.play.disabled = this.track.length < 2;
  }

  private async toggle(): Promise<void> {
    if (this.playing) return this.stop();
    const mine = (this.playing = ++this.plays);
    this.play.textContent = "■ stop";
    await this.go(0);
    for (let i = 1; i < this.track.length && this.playing === mine; i++) await this.go(i);
    if (this.playing === mine) this.stop();
  }

  private stop(): void {
    if (this.playing) this.choices.set("step", this.nameOf(this.at));
    this.playing = 0;
    this.play.textContent = "▶ play";
  }

  private async go(to: number): Promise<void> {
    this.at = to;
    if (!this.playing) this.choices.set("step", this.nameOf(to));
    this.buttons();
    if (this.colouring === "class" || this.colouring === "group") await this.show(true);
    else await this.repaint(true);
  }

  /** Codes of colour for what is shown. */
  private async painted(): Promise<Paint> {
    const { study, store } = this.context, { first, second, groups } = store.state, { samples, labels } = study, K = study.classes.length;
    const { variant, condition } = this.track[this.at], none = K;
    if (this.colouring === "class") {
      return { codes: Uint16Array.from(labels, (k) => (k < 0 ? none : k)), names: [...study.classes, "no label"],
        looks: [...study.classes.map((_, k) => classLook(k, K)), { colour: "#888888", shape: symbolCircle }] };
    }
    if (this.colouring === "right") {
      const [a, b] = await Promise.all([study.right(first, condition), study.right(second, condition)]);
      return { codes: Uint8Array.from(a, (right, i) => (right === 255 || b[i] === 255 ? 4 : right ? (b[i] ? 0 : 1) : b[i] ? 2 : 3)), names: [...OUTCOMES, "no label, or not done yet"],
        looks: ["#56b4e9", "#d55e00", "#009e73", "#5c5c5c", "#bbbbbb"].map((colour, i) => ({ colour, shape: classLook(i, 10).shape })) };
    }
    if (this.colouring === "group") {
      const codes = new Uint8Array(samples).fill(groups.length);
      groups.forEach((group, g) => group.members.forEach((member, i) => { if (member) codes[i] = g; }));
      return { codes, names: [...groups.map((g) => g.name), "in none"],
        looks: [...groups.map((_, g) => classLook(g % 10, 10)), { colour: "#9a9a9a", shape: symbolCircle }] };
    }
    const [margin, dense] = await Promise.all([study.column("margin", variant, condition), study.column("margin", first, Math.max(0, study.conditions.indexOf("clean")))]);
    const change = this.colouring === "change", values = change ? margin.map((m, i) => m - dense[i]) : margin;
    const sizes = values.filter(Number.isFinite).map(Math.abs).sort(), most = sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
    const [low = -most, high = most] = change ? [-most, most] : (extent(values.filter(Number.isFinite)) as [number, number]);
    const colour = change ? diverging : sequential;
    const looks = Array.from({ length: SHADES }, (_, i) => ({ colour: colour(i / (SHADES - 1)), shape: symbolCircle }));
    return { codes: Uint8Array.from(values, (v) => (Number.isFinite(v) ? Math.max(0, Math.min(SHADES - 1, Math.floor(((v - low) / (high - low || 1)) * SHADES))) : SHADES)),
      looks: [...looks, { colour: "#888888", shape: symbolCircle }], names: [],
      ramp: { title: change ? `margin minus that of ${study.variants[first].name}, clean (${study.unit("/geometry/margin")})` : `margin (${study.unit("/geometry/margin")})`,
        low: short(low), high: short(high), colour } };
  }

  private async repaint(moving = false): Promise<void> {
    if (!this.track.length) return;
    const turn = ++this.paints, paint = await this.painted();
    if (turn !== this.paints) return;
    this.paint = paint;
    this.key();
    await this.show(moving);
  }

  /** The legend. */
  private key(): void {
    const { paint } = this, { study, store } = this.context, { filters } = store.state, classes = this.colouring === "class", of = study.classes.length;
    if (!paint) return;
    if (classes && of > NAMED) {
      fillRamp(this.legend, (t) => classLook(Math.min(of - 1, Math.floor(t * of)), of).colour, `${count(of)} classes by number:`, study.classes[0], study.classes[of - 1]);
    } else if (paint.ramp) fillRamp(this.legend, paint.ramp.colour, paint.ramp.title, paint.ramp.low, paint.ramp.high);
    else {
      const there = new Set(paint.codes), shown = paint.looks.map((_, i) => i).filter((i) => there.has(i));
      fillLegend(this.legend, shown.map((i) => ({ name: paint.names[i], look: paint.looks[i], chosen: classes && filters.classes?.includes(i) })),
        classes ? (at) => toggleClass(store, shown[at], of) : undefined);
    }
  }

  /** Draws the step that is chosen; moving: from where the points are now. */
  private show(moving: boolean): Promise<void> {
    const next = this.drawing.then(() => this.reallyShow(moving), () => this.reallyShow(moving));
    this.drawing = next.catch((error: Error) => { this.note.textContent = `The map cannot be drawn: ${error.message}`; });
    return next;
  }

  private async reallyShow(moving: boolean): Promise<void> {
    const { paint, frame } = this, two = this.trail[this.at];
    if (!paint || !frame || !two || !this.plot.width) return;
    const plot = this.flat ? null : this.scatter ?? this.create();
    if (!plot) {
      this.current = two;
      this.points = null;
      this.plot.draw();
      return;
    }
    const n = this.context.study.samples, x = new Float32Array(n), y = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const there = Number.isFinite(two[2 * i] + two[2 * i + 1]);
      x[i] = there ? (two[2 * i] - frame.x) / frame.half : -9;
      y[i] = there ? (two[2 * i + 1] - frame.y) / frame.half : -9;
    }
    plot.set({ pointColor: paint.looks.map(({ colour }) => hex(colour)), pointColorActive: paint.looks.map(({ colour }) => hex(colour)) as never, colorBy: "valueA" });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const transition = moving && !still && this.current !== null && this.current !== two;
    this.current = two;
    this.points = null;
    this.moving = transition;
    if (transition) this.plot.pen(1);
    await plot.draw({ x, y, z: paint.codes }, { transition, transitionDuration: MOVE, zDataType: "categorical", preventFilterReset: true });
    this.moving = false;
    this.chooses = true;
    this.plot.draw();
  }

  /** The plot that draws the points; null where there is no WebGL: then they are drawn on a canvas, without zoom. */
  private create(): ReturnType<typeof createScatterplot> | null {
    try {
      return (this.scatter = this.created());
    } catch (error) {
      console.warn("no WebGL:", error);
      this.flat = true;
      delete this.plot.layers[0].dataset.own;
      this.plot.again();
      return null;
    }
  }

  private created(): ReturnType<typeof createScatterplot> {
    const canvas = this.plot.layers[0], { width, height } = this.plot, n = this.context.study.samples;
    const scatter = createScatterplot({
      canvas, width, height, mouseMode: "panZoom", lassoInitiator: false, deselectOnEscape: false, deselectOnDblClick: false,
      pointSize: n > 30000 ? 1.5 : n > 3000 ? 2.5 : 5, pointSizeSelected: 1, pointOutlineWidth: 0, opacity: n > 30000 ? 0.5 : 0.75, opacityInactiveMax: 0.08, opacityInactiveScale: 0.15,
      backgroundColor: hex(css("--ground") || "#ffffff"), spatialIndexUseWorker: false, showReticle: false,
    });
    scatter.view(this.cameraOn(partOf(this.choices.get("look"))));
    scatter.subscribe("view", () => { this.points = null; this.moved(); this.plot.draw(); });
    return scatter;
  }

  /** Shows what passes and what is selected. */
  private choose(): void {
    const { scatter } = this, { passing, selected } = this.context.store.state;
    if (!scatter) return;
    this.chooses = false;
    // Where drawing is slow (no GPU), the map follows a brush more slowly than the other views.
    const begun = performance.now();
    requestAnimationFrame(() => setTimeout(() => { const now = performance.now(); this.rest = now + 4 * Math.max(0, now - begun - 20); }));
    const two = this.current, numbers = (which: (i: number) => boolean): number[] => {
      const found: number[] = [];
      for (let i = 0; i < passing.length; i++) if (which(i)) found.push(i);
      return found;
    };
    const there = (i: number): boolean => passing[i] === 1 && !!two && Number.isFinite(two[2 * i]);
    const shown = numbers(there);
    if (shown.length < passing.length) void scatter.filter(shown, { preventEvent: true });
    else void scatter.unfilter({ preventEvent: true });
    if (selected) scatter.select(numbers((i) => selected[i] === 1 && there(i)), { preventEvent: true });
    else scatter.deselect({ preventEvent: true });
  }

  private draw(resized: boolean): void {
    const { scatter, plot } = this;
    if (!scatter && !this.flat) {
      if (this.paint) void this.show(false);
      return;
    }
    if (resized) this.points = null;
    if (resized && scatter) {
      scatter.set({ width: plot.width, height: plot.height, backgroundColor: hex(css("--ground") || "#ffffff") });
      if (this.current) void this.show(false);
    }
    const two = this.current;
    if (!two) return;
    if (this.chooses && performance.now() > this.rest) this.choose();
    else if (this.chooses) setTimeout(() => this.plot.draw(), 50);
    if (!this.points) {
      const n = this.context.study.samples, px = new Float32Array(n), py = new Float32Array(n);
      const { x, left, y, top } = this.seen();
      for (let i = 0; i < n; i++) {
        px[i] = x * two[2 * i] + left;
        py[i] = y * two[2 * i + 1] + top;
      }
      this.points = { x: px, y: py };
    }
    if (this.flat) this.flatPoints(this.points);
    if (!this.moving) this.overlay();
  }

  private flatPoints({ x, y }: Points): void {
    const pen = this.plot.pen(0), { passing, selected } = this.context.store.state, { paint } = this;
    if (!paint) return;
    const size = passing.length > 3000 ? 2 : 4;
    for (const chosen of selected ? [false, true] : [true]) {
      pen.globalAlpha = chosen ? 0.8 : 0.12;
      for (let code = 0; code < paint.looks.length; code++) {
        pen.fillStyle = paint.looks[code].colour;
        for (let i = 0; i < passing.length; i++) {
          if (passing[i] && paint.codes[i] === code && (!selected || (selected[i] === 1) === chosen)) pen.fillRect(x[i] - size / 2, y[i] - size / 2, size, size);
        }
      }
    }
  }

  /** The paths of the selected samples through the steps up to here, and the sample that is shown. */
  private overlay(): void {
    const { points } = this, { study, store } = this.context, { selected, sample } = store.state, pen = this.plot.pen(1);
    if (!points) return;
    const { x, left, y, top } = this.seen(), chosen = selected ? membersOf(counted(store.state)) : new Int32Array();
    const followed = chosen.length <= PATHS ? [...chosen] : [];
    if (sample !== null && !followed.includes(sample)) followed.push(sample);
    pen.lineJoin = "round";
    for (const i of followed) {
      pen.strokeStyle = study.labels[i] < 0 ? "#888888" : classLook(study.labels[i], study.classes.length).colour;
      pen.globalAlpha = i === sample ? 1 : followed.length > 60 ? 0.25 : 0.6;
      pen.lineWidth = i === sample ? 2 : 1;
      pen.beginPath();
      this.trail.slice(0, this.at + 1).forEach((two, s) => (s ? pen.lineTo(x * two[2 * i] + left, y * two[2 * i + 1] + top) : pen.moveTo(x * two[2 * i] + left, y * two[2 * i + 1] + top)));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (sample !== null && Number.isFinite(points.x[sample])) {
      const mark = outline(classLook(Math.max(0, study.labels[sample]), study.classes.length).shape, 120).drawn;
      pen.save();
      pen.translate(points.x[sample], points.y[sample]);
      pen.strokeStyle = css("--ink") || "#222222";
      pen.lineWidth = 2;
      pen.stroke(mark);
      pen.restore();
    }
    if (!this.moving && this.colouring === "class" && study.classes.length <= NAMED) this.names(pen, points);
    this.words(chosen.length);
  }

  /** Mark and name of every class at the middle of its samples: the median of both coordinates. */
  private names(pen: CanvasRenderingContext2D, points: Points): void {
    const { study, store } = this.context, { passing } = store.state;
    if (this.middlesOf[0] !== points || this.middlesOf[1] !== passing) {
      const own: number[][] = study.classes.map(() => []), middle = (values: number[]): number => Float64Array.from(values).sort()[values.length >> 1];
      for (let i = 0; i < passing.length; i++) if (passing[i] && study.labels[i] >= 0 && Number.isFinite(points.x[i])) own[study.labels[i]].push(i);
      this.middles = own.map((members) => [middle(members.map((i) => points.x[i])), middle(members.map((i) => points.y[i]))]);
      this.middlesOf = [points, passing];
    }
    pen.font = "600 12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    this.middles.forEach(([x, y], k) => {
      if (!Number.isFinite(x)) return;
      const { colour, shape } = classLook(k, study.classes.length), { drawn, open } = outline(shape, 110);
      pen.save();
      pen.translate(x, y);
      pen.strokeStyle = css("--ground") || "#ffffff";
      pen.lineWidth = open ? 6 : 3;
      pen.stroke(drawn);
      pen.fillStyle = pen.strokeStyle = colour;
      pen.lineWidth = 2.4;
      if (open) pen.stroke(drawn);
      else pen.fill(drawn);
      pen.strokeStyle = css("--ground") || "#ffffff";
      pen.lineWidth = 4;
      pen.strokeText(study.classes[k], 10, 0);
      pen.fillStyle = css("--ink") || "#222222";
      pen.fillText(study.classes[k], 10, 0);
      pen.restore();
    });
  }

  private words(chosen: number): void {
    const { study, store } = this.context, { variant, condition } = this.track[this.at];
    const stage = study.stages.find(({ name, done, of }) => name === "map" && done < of);
    this.note.textContent = `${stage ? `The stage map of this study is done to ${Math.floor((100 * stage.done) / stage.of)} %: what is missing lies at 0, 0 or nowhere. ` : ""}${study.variants[variant].name}${study.variants[variant].failed ? " (failed)" : ""}, ${study.conditions[condition]}: ${count(howMany(store.state.passing))} samples. `
      + "Distances between far clusters mean little. " + (chosen > PATHS ? `Lines: select at most ${PATHS} samples to see their paths. ` : "Lines: the paths of selected samples through the steps so far. ")
      + "Drag to select, with Shift to add, with Alt to take away; click for a sample; Left and Right go through them.";
  }

  private async hover(i: number, event: PointerEvent): Promise<void> {
    if (i < 0) return hideTip();
    const { study, store } = this.context, { variant, condition } = this.track[this.at], of = (k: number): string => (k < 0 ? "none" : study.classes[k] ?? String(k));
    const [predicted, margin] = await Promise.all([study.predicted(variant, condition), study.column("margin", variant, condition)]);
    if (store.state.passing[i]) showTip(event.clientX, event.clientY, `sample ${i}: ${of(study.labels[i])}`, [
      [study.variants[variant].name, of(predicted[i])], ["margin", short(margin[i])],
      ["position", `${short(this.trail[this.at][2 * i])}, ${short(this.trail[this.at][2 * i + 1])}`]]);
  }

  remove(): void {
    this.turn++;
    this.paints++;
    this.playing = 0;
    this.paint = null;         // nothing is drawn any more
    this.ends.forEach((end) => end());
    this.scatter?.destroy();
    this.plot.remove();
  }
}

/** As #rrggbb, which the scatter plot wants. */
function hex(colour: string): string {
  if (colour.startsWith("#")) return colour;
  return `#${(colour.match(/[\d.]+/g) ?? []).slice(0, 3).map((v) => Math.round(Number(v)).toString(16).padStart(2, "0")).join("")}`;
}

export const map: View = {
  id: "map",
  title: "Map",
  width: "whole",
  choices,
  help: "Where a parametric t-SNE, learned from the dense network, puts every sample: like lies near like. Play moves the samples from the first network to the second, and on through a corruption.",
  wanted: (study: Study) => (study.has("/embed/position") ? null : "This study makes no map: its file holds no /embed (the key embed of a study asks for it)."),
  mount: mounted(Embedding),
};
