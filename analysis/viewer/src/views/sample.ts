/* The page of one sample: its picture, what every network says of it, and what makes two networks say so, by pixel and by
 * node; how its margin changed, and where it lies in the map. */
import { Choices, some, type Choice } from "../parts/choices";
import { choice } from "../parts/controls";
import { h } from "../parts/dom";
import { fillRamp } from "../parts/key";
import { ledger } from "../parts/ledger";
import { diverging } from "../parts/looks";
import { count, percent, short } from "../parts/numbers";
import { boundOf, imageMap, signedMap, summed, type PixelMap } from "../parts/pixel_map";
import { changeOf, corruptedOf, explained, partsOf, pictureOf, placeOf, predictions, wayOf, type Explained, type Parts } from "./sample_data";
import { waySection } from "./sample_way";
import { mounted, type Context, type Study, type Variant, type View } from "./view";

const BASELINES = ["zero", "black", "white", "background", "mean"] as const;
type Baseline = (typeof BASELINES)[number];
const BASELINE: Record<Baseline, string> = { zero: "0, normalised (W × x)", black: "black", white: "white", background: "its commonest pixel", mean: "its mean pixel" };

/* The output that is explained, none: what the first network predicts; the one that it is held against, none: nothing. */
const choices = (study: Study): readonly Choice[] => [some("output", study.classes), some("against", study.classes),
  { name: "baseline", title: "baseline", options: BASELINES.map((kind) => [kind, BASELINE[kind]] as const), start: "zero" }];

/* The baseline in the image's own numbers; null: the normalised 0. */
function baselineOf(kind: Baseline, raw: Float64Array, scale: number, plane: number): Float64Array | null {
  if (kind === "zero") return null;
  return raw.map((_, at) => {
    if (kind === "black") return 0;
    if (kind === "white") return scale > 1 ? scale : 1;
    const channel = raw.subarray(Math.floor(at / plane) * plane, Math.floor(at / plane) * plane + plane);
    if (kind === "mean") return channel.reduce((sum, value) => sum + value, 0) / plane;
    const counts = new Map<number, number>();
    for (const value of channel) counts.set(value, (counts.get(value) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1])[0][0];
  });
}

class SamplePage {
  private readonly head = h("div", { class: "choices" });
  private readonly top = h("div", { class: "sample-top" });
  private readonly body = h("div", { class: "sample-body" });
  private maps: PixelMap[] = [];
  private turn = 0;
  private shown = 0;
  private asked = "";                     // the outputs that were chosen for it
  private readonly choices: Choices;
  private readonly base: HTMLElement;     // the control of the baseline
  private readonly ends: (() => void)[] = [];

  constructor(where: HTMLElement, private readonly context: Context) {
    where.append(this.head, this.top, this.body);
    this.choices = new Choices(context.store, "sample", choices(context.study), (names) => {
      if (names.has("baseline") || this.outputs() !== this.asked) void this.renew();     // else they were forgotten with the last sample
    });
    this.base = this.choices.control("baseline");
    this.ends.push(() => this.choices.remove(), context.store.on(["sample", "first", "second", "condition"], ({ sample }) => {
      if (sample !== null && sample !== this.shown && this.outputs() === this.asked) this.forget();
      void this.renew();
    }));
  }

  private outputs(): string { return JSON.stringify([this.choices.get("output"), this.choices.get("against")]); }

  /* Outputs that were chosen for one sample say nothing of the next; those that come with it do. */
  private forget(): void {
    this.choices.set("output");
    this.choices.set("against");
  }

  /* A class that is chosen; null: none. */
  private chosen(name: "output" | "against"): number | null {
    const at = this.context.study.classes.indexOf(this.choices.get(name));
    return at < 0 ? null : at;
  }

  private get baseline(): Baseline { return this.choices.get("baseline") as Baseline; }

  async load(): Promise<void> {
    const { study, store } = this.context;
    this.shown = store.state.sample ?? (study.has("/fragility/rank") ? Math.max(0, Number((await study.read("/fragility/rank", [0], [1]))[0])) : 0);
    await this.renew();
  }

  private keep<T extends PixelMap>(map: T): HTMLElement {
    this.maps.push(map);
    return map.where;
  }

  private name(cls: number): string { return this.context.study.classes[cls] ?? "–"; }

  async renew(): Promise<void> {
    const { study, store } = this.context, turn = ++this.turn, { first, second, condition } = store.state;
    this.asked = this.outputs();
    const sample = this.shown = store.state.sample ?? this.shown, variants = [...new Set([first, second])].map((v) => study.variants[v]);
    const moved = study.conditions[condition] === "clean" ? "" : study.conditions[condition];
    const [picture, said, all] = await Promise.all([pictureOf(study, sample), predictions(study, sample), Promise.all(variants.map((v) => explained(study, v, sample)))]);
    if (!picture) {
      if (turn === this.turn) this.unpictured(sample, said);
      return;
    }
    const x = picture.raw.map((pixel, at) => picture.normal(pixel, at));
    const changes = await Promise.all([changeOf(study, study.variants[second], "", sample), moved ? changeOf(study, study.variants[second], moved, sample) : null]);
    const ways = await Promise.all([...variants.map((v) => ({ v, c: "" })), ...(moved ? [{ v: study.variants[second], c: moved }] : [])].map(async ({ v, c }) => ({ v, c, way: await wayOf(study, v, c, sample) })));
    const [seen, places] = await Promise.all([moved ? corruptedOf(study, condition, sample) : null, Promise.all(variants.map((v) => placeOf(study, v, sample, x)))]);
    if (turn !== this.turn) return;
    this.clear();
    const clean = Math.max(0, study.conditions.indexOf("clean")), predicted = said[first * study.conditions.length + clean];
    const cls = this.chosen("output") ?? predicted, other = this.chosen("against"), here = all.filter((e): e is Explained => e !== null);
    this.controls(sample, cls, other, here);
    const corrupted = seen instanceof Float64Array ? seen : null;
    this.top.replaceChildren(this.pictures(sample, picture, moved, seen), this.table(sample, said));
    this.top.classList.toggle("has-corrupted", corrupted !== null);
    const plane = study.image.height * study.image.width, raw = baselineOf(this.baseline, picture.raw, picture.scale, plane);
    const base = raw ? raw.map((pixel, at) => picture.normal(pixel, at)) : new Float64Array(x.length);
    const parts = here.map((e) => partsOf(e, cls, other, x, base));
    const bounds = (of: (p: Parts) => Float64Array): number => boundOf(...parts.filter((p): p is Parts => p !== null).map((p) => summed(of(p), study.image)));
    const [most, mostPixels] = [bounds((p) => p.w), bounds((p) => p.pixels)];
    const key = h("div", { class: "sample-key" });
    fillRamp(key, diverging, "each map", "takes away", "adds");
    if (here.some((e) => e.touched?.some((one) => one))) key.append(h("span", { class: "legend-item" }, h("span", { class: "hatch" }), "a tie leaves W a choice"));
    this.body.replaceChildren(key,
      ...variants.map((v, i) => {
        const e = all[i];
        return e ? this.network(e, parts[here.indexOf(e)], cls, most, mostPixels) : h("section", {}, h("h3", {}, v.name), h("p", { class: "unavailable" }, this.without(study, v)));
      }),
      ...changes.flatMap((c, i) => (c ? [this.change(study.variants[second], i ? moved : "", c, i && corrupted ? this.keep(imageMap(`under ${moved}`, corrupted, study.image, picture.scale)) : null)] : [])),
      ...ways.flatMap(({ v, c, way }) => (way ? [waySection(study, v, c, way, cls, (map) => this.keep(map))] : [])),
      ...places.flatMap((p, i) => (p ? [this.place(variants[i], p)] : [])));
  }

  /* The sample as it is, and beside it as networks saw it under the chosen condition, and what that changed; or why it is not
   * there. */
  private pictures(sample: number, picture: { raw: Float64Array; scale: number }, moved: string, seen: Float64Array | string | null): HTMLElement {
    const { study } = this.context, size = study.image, maps = [imageMap(`sample ${sample}, as in the data`, picture.raw, size, picture.scale)];
    if (seen instanceof Float64Array) {
      const changed = seen.map((value, at) => value - picture.raw[at]);
      maps.push(imageMap(`under ${moved}`, seen, size, picture.scale), signedMap(`what ${moved} adds`, changed, size, boundOf(summed(changed, size)), "pixel"));
    }
    return h("div", { class: "sample-picture" }, h("div", { class: "sample-pictures" }, ...maps.map((map) => this.keep(map))),
      h("p", { class: "note" }, study.labels[sample] < 0 ? "without label" : `label: ${this.name(study.labels[sample])}`),
      typeof seen === "string" ? h("p", { class: "note" }, seen) : !moved && study.conditions.length > 1 ? h("p", { class: "note" }, "A condition, chosen above or in the table, puts what networks saw under it beside this.") : null);
  }

  private clear(): void {
    this.maps.forEach((map) => map.remove());
    this.maps = [];
  }

  /* Of a file that was cut down: predictions are all there is of most samples. */
  private unpictured(sample: number, said: Int32Array): void {
    this.clear();
    this.controls(sample, -1, null, []);
    this.top.replaceChildren(h("p", { class: "unavailable" }, "This file was cut down to the pictures of some samples, and this is none of them. The study it was made of has all."), this.table(sample, said));
    this.body.replaceChildren();
  }

  private without(study: Study, v: Variant): string {
    return study.has(`/linear/${v.name}/row`) ? "This sample is not among those that the study linearized (linearize: samples)." : "The study did not linearize this network, or this file does not hold it.";
  }

  private controls(sample: number, cls: number, other: number | null, here: Explained[]): void {
    const { study, store } = this.context;
    const number = h("input", { type: "number", min: 0, max: study.samples - 1, value: sample, style: "width:6.5em", onchange: () => {
      const to = Math.round(Number(number.value));
      if (to >= 0 && to < study.samples) store.set({ sample: to });
    } });
    const step = (by: number): HTMLElement => h("button", { title: by < 0 ? "the sample before" : "the next sample", disabled: sample + by < 0 || sample + by >= study.samples, onclick: () => store.set({ sample: sample + by }) }, by < 0 ? "‹" : "›");
    const stored = [...new Set(here.flatMap((e) => e.classes))].sort((a, b) => a - b), names = stored.map((c) => [String(c), this.name(c)] as const);
    this.head.replaceChildren(h("label", {}, h("span", {}, "sample"), number), step(-1), step(1),
      ...(stored.length ? [choice("output", names, String(cls), (value) => this.choices.set("output", this.name(Number(value)))),
        choice("against", [["", "nothing"], ...names.filter(([c]) => Number(c) !== cls)], other === null ? "" : String(other), (value) => {
          this.choices.set("output", this.name(cls));
          this.choices.set("against", ...(value === "" ? [] : [this.name(Number(value))]));
        }),
        this.base] : []));
  }

  /* Predictions of all networks under all conditions. */
  private table(sample: number, said: Int32Array): HTMLElement {
    const { study, store } = this.context, { first, second, condition, filters } = store.state, label = study.labels[sample];
    const variants = study.variants.filter((v) => !filters.variants || filters.variants.includes(v.index)), conditions = study.conditions.map((_, c) => c).filter((c) => !filters.conditions || filters.conditions.includes(c));
    return h("div", { class: "sample-said" }, h("table", { "aria-label": "predictions" }, h("thead", {}, h("tr", {}, h("th", {}, "network"), ...conditions.map((c) => h("th", { class: c === condition ? "chosen" : "" }, h("button", { title: "look at this condition", onclick: () => store.set({ condition: c }) }, study.conditions[c]))))),
      h("tbody", {}, ...variants.map((v) => h("tr", { class: [v.index === first ? "is-first" : "", v.index === second ? "is-second" : "", v.failed ? "failed" : ""].join(" ") },
        h("th", { scope: "row", title: v.name }, h("button", { title: "compare this network (second); with Shift as the first", onclick: (event: MouseEvent) => store.set(event.shiftKey ? { first: v.index } : { second: v.index }) }, v.name)),
        ...conditions.map((c) => {
          const given = said[v.index * study.conditions.length + c];
          return h("td", { class: given < 0 || label < 0 ? "" : given === label ? "right" : "wrong", "data-class": given, title: `${v.name}, ${study.conditions[c]}` }, `${label < 0 || given < 0 ? "" : given === label ? "✓ " : "✗ "}${given < 0 ? "–" : this.name(given)}`);
        }))))));
  }

  private network(e: Explained, parts: Parts | null, cls: number, most: number, mostPixels: number): HTMLElement {
    const { study } = this.context, other = this.chosen("against"), what = other === null ? this.name(cls) : `${this.name(cls)} − ${this.name(other)}`;
    const colour = e.variant.index === this.context.store.state.first ? "--first" : "--second";
    const touched = e.touched ? e.touched.reduce((sum: number, one) => sum + one, 0) / e.touched.length : NaN;
    const facts = [...(e.gates ? [e.gates] : []), `certificate ${short(e.residual)}`, e.ties ? `${count(e.ties)} ties` : "no ties",
      ...(Number.isNaN(touched) ? [] : touched ? [`they touch ${percent(touched)} of the pixels`] : e.gates ? [] : ["W is the only one"])].join(" · ");
    const section = h("section", { class: "sample-network", "data-variant": e.variant.name }, h("h3", {}, h("span", { class: "swatch", style: `background:var(${colour})` }), ` ${e.variant.name}`), h("p", { class: "note" }, facts));
    if (!parts) {
      section.append(h("p", { class: "unavailable" }, !e.w.length ? "The study kept no rows of W of single samples (linearize: keep: digest)." :
        `The row of ${[cls, ...(other === null ? [] : [other])].filter((c) => !e.classes.includes(c)).map((c) => this.name(c)).join(" and of ")} is not stored for this sample; stored: ${e.classes.map((c) => this.name(c)).join(", ")}.`));
      return section;
    }
    const pixels = parts.pixels.reduce((sum, value) => sum + value, 0);
    section.append(h("div", { class: "sample-maps" },
      this.keep(signedMap(`W, ${what}`, parts.w, study.image, most, "W", e.touched)),
      this.keep(signedMap(this.baseline === "zero" ? "contributions W·x" : "contributions W·(x − baseline)", parts.pixels, study.image, mostPixels, "logit")),
      ledger(what, pixels, parts.nodes, parts.b, parts.total, `the network says ${short(parts.network)}: off by ${short(Math.abs(parts.total - parts.network))}`)));
    return section;
  }

  private change(variant: Variant, condition: string, c: NonNullable<Awaited<ReturnType<typeof changeOf>>>, picture: HTMLElement | null): HTMLElement {
    const { study } = this.context, size = study.image, shown = c.moved ? [c.pixels, c.moved] : [c.pixels];
    const bound = boundOf(...shown.map((map) => summed(map, size))), sum = (all: ArrayLike<number>): number => Array.from(all).reduce((a, value) => a + value, 0);
    const pixels = sum(c.pixels) + (c.moved ? sum(c.moved) : 0), rivals = c.before === c.rival ? `rival: ${this.name(c.rival)}` : `rival: ${this.name(c.before)}, then ${this.name(c.rival)}`;
    return h("section", { class: `sample-change${picture ? " has-picture" : ""}` }, h("h3", {}, condition ? `Change of the margin of ${variant.name}, from clean to ${condition}` : `Change of the margin from ${study.variants[0].name} to ${variant.name}, clean`),
      h("p", { class: "note" }, `${rivals} · certificate ${short(c.residual)}`), h("div", { class: "sample-maps" }, picture,
        this.keep(signedMap(c.moved ? "by the changed pattern" : "by pixel", c.pixels, size, bound, "feature")),
        c.moved ? this.keep(signedMap("by the pixel's own change", c.moved, size, bound, "feature")) : null,
        ledger("margin", pixels, c.nodes, c.b, pixels + sum(c.b), `the margin changed by ${short(c.total)}`)));
  }

  private place(variant: Variant, p: NonNullable<Awaited<ReturnType<typeof placeOf>>>): HTMLElement {
    const size = this.context.study.image, bound = boundOf(...p.pixels.map((map) => summed(map, size)));
    return h("section", { class: "sample-place" }, h("h3", {}, `Where the sample lies in the map, ${variant.name}`), h("p", { class: "note" }, [...(p.gates ? [p.gates] : []), `certificate ${short(p.residual)}`].join(" · ")),
      h("div", { class: "sample-maps" }, ...p.pixels.map((map, axis) => h("div", {}, this.keep(signedMap(`position, ${"xyz"[axis]}`, map, size, bound, "position")),
        h("p", { class: "note" }, `pixels ${short(map.reduce((a, value) => a + value, 0))} + bias ${short(p.b[axis])} = ${short(p.total[axis])}`)))));
  }

  remove(): void {
    this.turn++;
    this.clear();
    this.ends.forEach((end) => end());
  }
}

export const sample: View = {
  id: "sample", title: "One sample", width: "whole",
  help: "What every network says of a sample, and why the two compared ones do: the row of W that explains an output, or the difference of two (against); times the sample, less a baseline, it gives every pixel's contribution, red adds and blue takes away. Pixels and the bias by node add up to what the network says, to the last digits: the certificate says how far. Hatched pixels are touched by a tie, where W is one of several. Below: which pixels changed the margin, with the rival class, what happens on the straight way to it from a baseline (paths), and what puts the sample where it is in the map. Under a condition, what networks saw stands beside the picture. Clicking a sample in any view, or its number in the search, brings it here.",
  wanted: (study) => (study.has("/image") ? null : "This file holds no pictures of its samples."),
  mount: mounted(SamplePage),
  choices,
};
