/* Census: how far activation patterns of the two compared networks are from dense's and from the clean sample's, node by node, what
 * elements never change, and how many samples share a linear region. */
import { max } from "d3-array";
import { Latest } from "../file/kept";
import { Bars, means, ownOf } from "../parts/bars";
import { h } from "../parts/dom";
import { whenNear } from "../parts/near";
import { count, percent } from "../parts/numbers";
import { counted, selectionOf } from "../state/store";
import { censusOf, counts, REFERENCES, sizeName, sizeOf, type Census } from "./census_data";
import { Shares } from "./census_shares";
import { CUT_DOWN, mounted, type Context, type Study, type View } from "./view";

const TITLES = ["On another piece than in dense", "On another piece than clean"];

class CensusView {
  private readonly bars = TITLES.map((title) => new Bars(title, []));
  private readonly shares = new Shares("What elements do over all samples");
  private readonly regions: Bars;
  private readonly kept = new Latest<Census | null>(4);
  private sides: Census[] = [];
  private turn = 0;
  private readonly ends: (() => void)[] = [];

  constructor(where: HTMLElement, private readonly context: Context) {
    this.regions = new Bars("Samples that share a region", [], (name, event) => this.choose(name, event.shiftKey));
    where.append(h("div", { class: "layer-parts" }, ...this.bars.map((bars) => bars.where), this.shares.where, this.regions.where));
    const near = whenNear(where, () => void this.renew());
    this.ends.push(near.end, context.store.on(["first", "second", "condition", "selected", "passing", "sample"], near.ask));
  }

  load(): Promise<void> { return this.renew(); }

  private async renew(): Promise<void> {
    const { study, store } = this.context, { first, second, condition } = store.state, turn = ++this.turn, pair = [...new Set([first, second])];
    const found = await Promise.all(pair.map((v) => this.kept.get(`${v} ${condition}`, () => censusOf(study, study.variants[v], condition))));
    if (turn !== this.turn) return;
    this.sides = found.filter((one): one is Census => one !== null);
    const missing = pair.filter((_, i) => !found[i]).map((v) => `The patterns of ${study.variants[v].name} under ${study.conditions[condition]} were not counted (census), or this file does not hold them.`);
    this.bars.forEach((bars, reference) => this.apart(bars, reference, missing));
    this.shares.show(this.sides, [...missing, this.sides.length ? `Over all ${count(study.samples)} samples, ${study.conditions[condition]}: what never changes is linear over this data set; what is always off the network does not use.` : ""].join(" "));
    this.sharing(missing);
  }

  private colour(side: Census): string { return side.variant.index === this.context.store.state.first ? "var(--first)" : "var(--second)"; }

  /** How far patterns are from a reference's. Dense is not held against itself, and clean neither. */
  private apart(bars: Bars, reference: number, missing: readonly string[]): void {
    const { study, store } = this.context, { condition, sample } = store.state, clean = study.conditions[condition] === "clean", members = counted(store.state), to = REFERENCES[reference];
    const sides = this.sides.filter((side) => (to === "dense" ? side.variant.index > 0 : !clean)).flatMap((side) => {
      const table = side.distance[reference];
      return table ? [{ side, table, ...means(table, members) }] : [];
    });
    const nodes = [...new Set(sides.flatMap(({ table }) => table.nodes))], taken = sides[0];
    const why = to === "dense" ? "Choose a pruned network that has the gates of dense." : clean ? "Choose a corrupted condition." : "There is nothing to compare with.";
    bars.show(nodes.map((name) => {
      const at = sides.map(({ table }) => table.nodes.indexOf(name));
      return { name, means: sides.map(({ mean }, i) => mean[at[i]] ?? NaN), own: sides.map(({ table }, i) => (at[i] < 0 ? NaN : ownOf(table, sample, at[i]))) };
    }), sides.map(({ side }) => side.variant.name), "percent of the elements", [...missing, taken
      ? `${to === "dense" ? `From dense to ${sides.map(({ side }) => side.variant.name).join(", ")}, ${study.conditions[condition]}` : `From clean to ${study.conditions[condition]}`}: elements on another piece, or won by another candidate. Means over ${count(taken.count)} samples${store.state.selected ? " (the selected ones)" : ""}; ticks: the sample that is shown.`
      : missing.length && !this.sides.length ? "" : why].join(" "), sides.map(({ side }) => this.colour(side)));
  }

  /** How many samples have so many in their region. */
  private sharing(missing: readonly string[]): void {
    const { store } = this.context, members = counted(store.state), { sample } = store.state;
    const found = this.sides.map(({ shared }) => {
      const of = new Map<number, number>();
      shared.forEach((many, i) => { if (members[i] && many > 0) of.set(sizeOf(many), (of.get(sizeOf(many)) ?? 0) + 1); });
      return of;
    });
    const most = Math.max(0, ...found.flatMap((of) => [...of.keys()]));
    this.regions.show(this.sides.length ? Array.from({ length: most + 1 }, (_, size) => ({ name: sizeName(size), means: found.map((of) => of.get(size) ?? 0), own: [] })) : [],
      this.sides.map(({ variant }) => variant.name), "samples", [...missing, ...this.sides.map(({ variant, shared, regions }) =>
        `${variant.name}: all ${count(shared.length)} samples lie in ${count(regions)} regions, ${percent(shared.filter((many) => many === 1).length / shared.length)} of them alone, and at most ${count(max(shared) ?? 0)} in one${sample === null ? "" : `; sample ${sample} ${shared[sample] > 1 ? `shares its with ${count(shared[sample] - 1)} more` : "alone"}`}.`),
      this.sides.length ? "A click, or Enter, selects the samples of a row (second network; with Shift the first)." : ""].join(" "), this.sides.map((side) => this.colour(side)));
  }

  private choose(name: string, first: boolean): void {
    const { study, store } = this.context, side = this.sides[first ? 0 : this.sides.length - 1];
    store.set({ selected: selectionOf(Array.from(side.shared, (many, i) => (sizeName(sizeOf(many)) === name && store.state.passing[i] ? i : -1)), study.samples) });
  }

  remove(): void {
    this.turn++;
    this.ends.forEach((end) => end());
    for (const part of [...this.bars, this.shares, this.regions]) part.remove();
  }
}

export const census: View = {
  id: "census",
  title: "Census",
  width: "whole",
  help: "Activation patterns: at every gate, the piece that each element is on (of a ReLU: off, on), at every maximum the winner. Above: how far pruning moved them (from dense), and how far the chosen condition did (from clean), node by node. Below: what elements change at all over the samples, and how many samples share a linear region, where W and b are the same. Means and regions are those of the samples that count.",
  wanted: (study: Study) => (study.has("/census/regions") && study.variants.some((variant) => counts(study, variant)) ? null : study.has("/census/regions") ? CUT_DOWN : "This file holds no activation patterns: the key census of a study counts them."),
  mount: mounted(CensusView),
  async table({ study, store }) {
    const members = counted(store.state), rows: (string | number)[][] = [["network", "condition", "node", "elements", "change", "always on", "always off", "percent off dense", "percent off clean"]];
    for (const v of new Set([store.state.first, store.state.second])) {
      const side = await censusOf(study, study.variants[v], store.state.condition);
      if (!side) continue;
      const apart = side.distance.map((table) => (table ? means(table, members).mean : null));
      rows.push(...side.gates.map((gate, g) => [side.variant.name, study.conditions[store.state.condition], gate.name, gate.elements, gate.changing, gate.on, gate.off, ...apart.map((mean) => mean?.[g] ?? NaN)]));
    }
    return rows;
  },
};
