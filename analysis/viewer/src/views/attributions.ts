/* Attributions: what each input adds to an output by all methods, next to the exact one, in the two compared networks; and how
 * faithful each method is. */
import { otherThan, stepsAmong } from "../parts/among";
import { Choices, some, type Choice } from "../parts/choices";
import { choice, replaceControls } from "../parts/controls";
import { h } from "../parts/dom";
import { fillRamp } from "../parts/key";
import { diverging } from "../parts/looks";
import { count, short } from "../parts/numbers";
import { boundOf, imageMap, signedMap, summed, type PixelMap } from "../parts/pixel_map";
import { counted } from "../state/store";
import { CurvePair } from "./attributions_curves";
import { attributed, classesOf, curvesOf, exactOf, faithfulnessOf, FIGURES, mapsOf, meanCurvesOf, methodsOf, type Faithfulness, type Method } from "./attributions_data";
import { figureTable } from "./attributions_table";
import { pictureOf } from "./sample_data";
import { CUT_DOWN, mounted, type Context, type Study, type Variant, type View } from "./view";

const SAMPLES = "/attributions/attributions_sample";
const SCALE: Choice = { name: "scale", title: "scale", options: [["own", "each map its own"], ["one", "one for all parts of the logit"]], start: "own" };
const DRAWN: Choice = { name: "curves", title: "curves", options: [["own", "of this output"], ["mean", "means"]], start: "own" };
/* The output that is explained; none: what each network predicts. */
const choices = (study: Study): readonly Choice[] => [some("output", study.classes), SCALE, DRAWN];

/** One network's side of the view: which row is explained, and its maps by place of the method; none: they are not there. */
interface Side { variant: Variant; classes: number[]; row: number; maps: Float64Array[]; faith: Faithfulness | null }

const sum = (numbers: Float64Array): number => numbers.reduce((all, value) => all + value, 0);

class Attributions {
  private readonly head = h("div", { class: "choices" });
  private readonly top = h("div", { class: "attributions" });
  private readonly tables = h("div", { class: "attribution-tables" });
  private readonly note = h("p", { class: "note" });
  private readonly choices: Choices;
  private readonly scale: HTMLElement;
  private readonly drawn: HTMLElement;
  private readonly ends: (() => void)[] = [];
  private maps: PixelMap[] = [];
  private pairs: CurvePair[] = [];
  private methods: Method[] = [];
  private numbers: ArrayLike<number> = [];     // of the samples that are attributed
  private sides: Side[] = [];
  private at = -1;                             // where the shown sample lies among them
  private turn = 0;
  private curvesTurn = 0;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { store, study } = context;
    where.append(this.head, this.top, this.tables, this.note);
    this.choices = new Choices(store, "attributions", choices(study), (names) => (names.size === 1 && names.has("curves") ? this.figures() : void this.renew()));
    this.scale = this.choices.control("scale");
    this.drawn = this.choices.control("curves");
    this.ends.push(() => this.choices.remove(), store.on(["sample", "first", "second"], () => void this.renew()), store.on(["selected", "passing"], () => this.figures()));
  }

  async load(): Promise<void> {
    const { study } = this.context;
    [this.methods, this.numbers] = await Promise.all([methodsOf(study), study.read(SAMPLES)]);
    await this.renew();
  }

  private name(cls: number): string { return this.context.study.classes[cls] ?? "–"; }

  private async side(variant: Variant, at: number, cls: number): Promise<Side> {
    const { study } = this.context, clean = Math.max(0, study.conditions.indexOf("clean"));
    if (!attributed(study, variant)) return { variant, classes: [], row: -1, maps: [], faith: null };
    const [classes, predicted, faith] = await Promise.all([at < 0 ? Promise.resolve<number[]>([]) : classesOf(study, variant, at), study.predicted(variant.index, clean), faithfulnessOf(study, variant, exactOf(this.methods))]);
    const own = classes.indexOf(predicted[this.numbers[at]]), row = classes.includes(cls) ? classes.indexOf(cls) : classes.length ? Math.max(0, own) : -1;
    return { variant, classes, row, maps: row < 0 ? [] : await mapsOf(study, variant, at, row), faith };
  }

  private async renew(): Promise<void> {
    const { study, store } = this.context, turn = ++this.turn, { first, second } = store.state, sample = store.state.sample ?? this.numbers[0];
    const at = Array.from(this.numbers).indexOf(sample), cls = study.classes.indexOf(this.choices.get("output"));
    const [picture, sides] = await Promise.all([at < 0 ? null : pictureOf(study, sample), Promise.all([...new Set([first, second])].map((v) => this.side(study.variants[v], at, cls)))]);
    if (turn !== this.turn) return;
    this.clear();
    [this.at, this.sides] = [at, sides];
    this.controls(sample, cls);
    if (at < 0) this.top.replaceChildren(otherThan(store, sample, this.numbers, "attributed"));
    else {
      const size = study.image, parts = this.methods.filter(({ part }) => part).map((method) => method.at);
      const one = this.choices.get("scale") === "one" ? boundOf(...sides.flatMap(({ maps }) => parts.flatMap((m) => (maps[m]?.every(Number.isFinite) ? [summed(maps[m], size)] : [])))) : NaN;
      this.top.replaceChildren(h("div", { class: "attribution-sample" }, picture ? this.keep(imageMap(`sample ${sample}`, picture.raw, size, picture.scale)) : null,
        h("p", { class: "note" }, study.labels[sample] < 0 ? "without label" : `label: ${this.name(study.labels[sample])}`)),
      h("div", { class: "attribution-sides" }, ...sides.map((side) => this.section(side, cls, one))));
    }
    this.figures();
  }

  private controls(sample: number, cls: number): void {
    const { store } = this.context, explained = [...new Set(this.sides.flatMap(({ classes }) => classes))].sort((a, b) => a - b);
    const key = h("div", {});
    fillRamp(key, diverging, "", "takes away", "adds");
    replaceControls(this.head, h("span", {}, `sample ${sample}`), ...stepsAmong(store, this.at, this.numbers),
      choice("output", [["", "what each network predicts"], ...explained.map((c) => [this.name(c), this.name(c)] as const)], explained.includes(cls) ? this.name(cls) : "", (value) => this.choices.set("output", ...(value ? [value] : []))),
      this.scale, this.drawn, key);
  }

  private keep(map: PixelMap): HTMLElement {
    this.maps.push(map);
    return map.where;
  }

  private clear(): void {
    this.maps.forEach((map) => map.remove());
    this.maps = [];
  }

  private section({ variant, classes, row, maps }: Side, cls: number, one: number): HTMLElement {
    const { study, store } = this.context, size = study.image, colour = variant.index === store.state.first ? "--first" : "--second";
    const section = h("section", { "data-variant": variant.name }, h("h3", {}, h("span", { class: "swatch", style: `background:var(${colour})` }), ` ${variant.name}${row < 0 ? "" : `: ${this.name(classes[row])}`}`));
    if (row < 0) {
      section.append(h("p", { class: "unavailable" }, attributed(study, variant) ? "The study has not attributed this sample yet." : "The study did not attribute outputs of this network (attributions: variants), or this file does not hold them."));
      return section;
    }
    if (cls >= 0 && classes[row] !== cls) section.append(h("p", { class: "note" }, `The study does not explain ${this.name(cls)} here; explained: ${classes.map((c) => this.name(c)).join(", ")}.`));
    const there = this.methods.filter((method) => maps[method.at].every(Number.isFinite)), silent = this.methods.filter((method) => !there.includes(method));
    section.append(h("div", { class: "attribution-maps" }, ...there.map((method, i) => {
      const map = maps[method.at], bound = method.part && one > 0 ? one : boundOf(summed(map, size));
      return h("div", { class: i === 0 && exactOf(this.methods) === method ? "exact" : "", "data-method": method.id }, this.keep(signedMap(method.name, map, size, bound, method.unit)),
        method.part ? h("p", { class: "note", "data-sum": sum(map) }, `adds up to ${short(sum(map))}`) : null);
    })));
    if (silent.length) section.append(h("p", { class: "note" }, `Of this network nothing is said by ${silent.map((method) => method.name).join(", ")}.`));
    return section;
  }

  private clearCurves(): void {
    this.pairs.forEach((pair) => pair.remove());
    this.pairs = [];
  }

  /** Below the tables, once they are read: of the shown output, or means over the samples that count. */
  private async curves(measured: readonly Side[], places: readonly HTMLElement[], members: Uint8Array): Promise<void> {
    const { study } = this.context, turn = ++this.curvesTurn, own = this.choices.get("curves") === "own";
    const all = await Promise.all(measured.map(({ variant, row, faith }) => (own ? (row < 0 ? null : curvesOf(study, variant, this.at, row)) : meanCurvesOf(study, variant, faith as Faithfulness, this.numbers, members))));
    if (turn !== this.curvesTurn) return;
    this.clearCurves();
    all.forEach((curves, i) => {
      if (!curves?.size) return;
      const pair = new CurvePair(measured[i].variant.name, own ? "of the shown output" : "means", curves, this.methods);
      this.pairs.push(pair);
      places[i].replaceChildren(pair.where);
    });
  }

  /** Tables, curves and what is said below them: means follow the selection. */
  private figures(): void {
    const { store } = this.context, members = counted(store.state), measured = this.sides.filter((side) => side.faith !== null);
    const taken = Array.from(this.numbers).filter((number) => members[number]).length, rows = measured[0]?.faith?.rows ?? 0;
    const places = measured.map(() => h("div", {}));
    this.tables.replaceChildren(...measured.map(({ variant, row, faith }, i) => h("div", { class: "attribution-table", "data-variant": variant.name },
      h("h3", {}, `Faithfulness, ${variant.name}`), figureTable(variant.name, faith as Faithfulness, this.methods, this.at, row, this.numbers, members), places[i])));
    this.drawn.hidden = !measured.some(({ variant }) => this.context.study.has(`/attributions/${variant.name}/deletion`));
    void this.curves(measured, places, members);
    this.note.textContent = measured.length ? [`Means over ${rows > 1 ? `${rows} outputs each of ` : ""}${count(taken)} of the ${count(this.numbers.length)} samples that are attributed${store.state.selected ? " (the selected ones)" : ""}; the best mean of each figure is bold.`,
      "Arrows say which way is better; names of figures say more.", exactOf(this.methods) ? `Agreement: rank correlation with ${exactOf(this.methods)?.name}; overlap: share of its largest tenth.` : ""].join(" ")
      : "Their faithfulness was not measured (attributions: faithfulness: false), or this file does not hold it.";
  }

  remove(): void {
    this.turn++;
    this.curvesTurn++;
    this.clear();
    this.clearCurves();
    this.ends.forEach((end) => end());
  }
}

export const attributions: View = {
  id: "attributions",
  title: "Attributions",
  width: "whole",
  choices,
  help: "What each input adds to an output (red) or takes away from it (blue), by the methods of the field, next to exact integrated gradients: the same sample and output in the two compared networks. "
    + "Gradient and SmoothGrad are slopes, Grad-CAM is never negative, all others are parts of the logit, and their sum is below each. Tables: how faithful each method is, for this output and in the mean. "
    + "Curves: the probability of the class while the largest parts of the input are taken away first (deletion: the faster it falls, the better), and while they are put into the baseline (insertion: the faster it rises).",
  wanted: (study: Study) => (study.variants.some((variant) => attributed(study, variant)) && study.has(SAMPLES) ? null
    : study.has(SAMPLES) ? CUT_DOWN : "This file holds no attributions: the key attributions of a study asks for them."),
  mount: mounted(Attributions),
  async table({ study, store }) {
    const [methods, numbers] = await Promise.all([methodsOf(study), study.read(SAMPLES)]), rows: (string | number)[][] = [["network", "method", "sample", "class", ...FIGURES.map(({ name }) => name)]];
    for (const index of new Set([store.state.first, store.state.second])) {
      const variant = study.variants[index], faith = attributed(study, variant) ? await faithfulnessOf(study, variant, exactOf(methods)) : null;
      if (!faith) continue;
      for (const method of methods) for (let at = 0; at < faith.samples * faith.rows; at++)
        rows.push([variant.name, method.name, numbers[Math.floor(at / faith.rows)], study.classes[faith.classes[at]] ?? "",
          ...FIGURES.map(({ path }) => faith.figures.get(path)?.[method.at * faith.samples * faith.rows + at] ?? NaN)]);
    }
    return rows;
  },
};
