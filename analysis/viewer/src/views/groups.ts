/* Groups: why pruning, or the chosen condition, changed the margins of groups of samples: by node, in parts that add up, and of one
 * group by pixel. */
import { Choices, type Choice } from "../parts/choices";
import { h } from "../parts/dom";
import { fillRamp } from "../parts/key";
import { ledger } from "../parts/ledger";
import { diverging } from "../parts/looks";
import { count, short } from "../parts/numbers";
import { boundOf, signedMap, summed, type PixelMap } from "../parts/pixel_map";
import { selectionOf } from "../state/store";
import { added, changesOf, groupMaps, membersOf, type Changes, type GroupChange } from "./groups_data";
import { mounted, type Context, type Study, type View } from "./view";

const MOST = 9;      // nodes that have columns; of more those with the largest numbers, and the others together

/* The group whose pixels are shown, by its number among all; none: the one that loses most. */
const choices = (study: Study): readonly Choice[] =>
  [{ name: "group", title: "group", options: [["", "the one that loses most"], ...Array.from({ length: study.shape("/change/group")[0] ?? 0 }, (_, at) => [String(at), String(at)] as const)], start: "" }];

/** The parts of a group's change, in columns: all pixels, nodes, and those without a column together. */
interface Column { name: string; title: string; of: (group: GroupChange) => number }

function columnsOf(nodes: readonly string[], groups: readonly GroupChange[]): Column[] {
  const size = (n: number): number => Math.max(...groups.map((group) => Math.abs(group.nodes[n]))), order = nodes.map((_, n) => n).sort((a, b) => size(b) - size(a));
  const kept = nodes.length > MOST ? order.slice(0, MOST - 1).sort((a, b) => a - b) : nodes.map((_, n) => n), others = nodes.map((_, n) => n).filter((n) => !kept.includes(n));
  return [{ name: "all pixels", title: "what all pixels add", of: (group) => group.pixels },
    ...kept.map((n): Column => ({ name: nodes[n], title: `what the constants of ${nodes[n]} add`, of: (group) => group.nodes[n] })),
    ...(others.length ? [{ name: `${others.length} others`, title: others.map((n) => nodes[n]).join(", "), of: (group: GroupChange) => others.reduce((sum, n) => sum + group.nodes[n], 0) }] : [])];
}

class Groups {
  private readonly head = h("div", { class: "groups-head" });
  private readonly list = h("div", { class: "groups-table", tabIndex: 0 });
  private readonly one = h("section", { class: "groups-one" });
  private readonly choices: Choices;
  private readonly ends: (() => void)[] = [];
  private maps: PixelMap[] = [];
  private changes: Changes | null = null;
  private loads = 0;
  private shows = 0;

  constructor(where: HTMLElement, private readonly context: Context) {
    const { store, study } = context;
    where.append(this.head, this.list, this.one);
    this.choices = new Choices(store, "groups", choices(study), () => void this.show());
    this.ends.push(() => this.choices.remove(), store.on(["second", "condition"], () => void this.load()));
  }

  async load(): Promise<void> {
    const { study, store } = this.context, turn = ++this.loads, variant = study.variants[store.state.second], named = study.conditions[store.state.condition];
    const condition = added(study, variant, named) ? named : "clean", changes = await changesOf(study, variant, condition);
    if (turn !== this.loads) return;
    this.changes = changes;
    this.words(named);
    await this.show();
  }

  private words(named: string): void {
    const { study, store } = this.context, { changes } = this, variant = study.variants[store.state.second];
    const done = changes?.groups.some(({ samples }) => samples >= 0);
    this.head.replaceChildren(h("p", { class: done ? "note" : "unavailable" }, changes && !done ? "The run has not added these changes up yet." : changes
      ? `${this.what()}${named === changes.condition ? "" : ` (${named} is not compared with clean: change: conditions)`}, of each group's mean sample, in units of the ${study.unit("/geometry/margin") || "feature"}; red adds to the margin, blue takes away. Pixels and nodes add up to the sum, which is the change of the margin up to the certificate; samples without a margin are left out.`
      : variant.index === 0 ? "Choose a pruned network as the second one, or a condition that is compared with clean." : `No changes of ${variant.name} are added up over groups in this study, or this file does not hold them.`));
  }

  private what(): string {
    const { study } = this.context, { variant, condition } = this.changes as Changes;
    return condition === "clean" ? `From ${study.variants[0].name} to ${variant.name}, clean` : `From clean to ${condition} in ${variant.name}`;
  }

  /** All of them first, then from what lost most; the chosen one, by default the first of these. */
  private sorted(): GroupChange[] {
    const [all, ...others] = (this.changes?.groups ?? []).filter(({ samples }) => samples > 0);
    return all ? [all, ...others.sort((a, b) => a.change - b.change)] : [];
  }
  private chosen(): GroupChange | undefined {
    const sorted = this.sorted(), given = this.choices.get("group");
    return sorted.find(({ at }) => String(at) === given) ?? sorted[1] ?? sorted[0];
  }

  private async show(): Promise<void> {
    const turn = ++this.shows, { study } = this.context, { changes } = this, chosen = this.chosen(), maps = changes && chosen ? await groupMaps(study, changes, chosen) : null;
    if (turn !== this.shows) return;
    this.maps.forEach((map) => map.remove());
    this.maps = [];
    this.table(chosen);
    if (!changes || !chosen) return this.one.replaceChildren();
    const size = study.image, shown = [maps?.pixels, maps?.moved].filter((map): map is Float64Array => !!map), bound = boundOf(...shown.map((map) => summed(map, size))), key = h("div", {});
    const map = (numbers: Float64Array, at: number): HTMLElement => {
      const made = signedMap(at ? "by the pixel's own change" : maps?.moved ? "by the changed pattern" : "by pixel", numbers, size, bound, "feature");
      this.maps.push(made);
      return made.where;
    };
    fillRamp(key, diverging, "", "takes away", "adds");
    this.one.replaceChildren(h("h3", {}, `Why the margin of ${chosen.name} changed`), h("p", { class: "note" }, `${this.what()}: ${count(chosen.samples)} samples, ${count(chosen.lost)} of them lost, ${count(chosen.won)} won · certificate ${short(chosen.residual)} `,
      h("button", { onclick: () => void this.select(chosen), "data-no-export": true, title: "the samples of this group, in all views" }, "Select its samples")), key,
    h("div", { class: "sample-maps" }, ...shown.map(map), maps ? null : h("p", { class: "unavailable" }, "This file holds no changes of groups by pixel; the study that it was made of does."),
      ledger("margin of the mean sample", chosen.pixels, changes.nodes, chosen.nodes, chosen.sum, `the margin changed by ${short(chosen.change)}`)));
  }

  private table(chosen: GroupChange | undefined): void {
    const { changes } = this, sorted = this.sorted(), columns = columnsOf(changes?.nodes ?? [], sorted);
    const bound = Math.max(...sorted.flatMap((group) => columns.map(({ of }) => Math.abs(of(group)))), 1e-30), focus = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>(".groups-table tr")?.dataset.group;
    const cell = (value: number, more: Record<string, unknown> = {}): HTMLElement => h("td", { ...more, "data-value": value, style: `background:rgb(${value < 0 ? "33 102 172" : "178 24 43"} / ${Math.round(Math.min(1, Math.abs(value) / bound) * 70)}%)` }, short(value));
    this.list.hidden = !changes;
    if (!changes) return;
    this.list.replaceChildren(h("table", { "aria-label": "change of the margin by group and node" }, h("thead", {}, h("tr", {}, h("th", {}, "group"),
      ...[["samples", "samples of the group whose margins are finite"], ["lost", "right before, wrong after"], ["won", "wrong before, right after"]].map(([name, title]) => h("th", { title }, name)),
      ...columns.map(({ name, title }) => h("th", { title, class: "part" }, h("bdi", {}, name))), h("th", { title: "of all parts" }, "sum"))),
    h("tbody", {}, ...sorted.map((group) => h("tr", { "data-group": group.name, class: group === chosen ? "chosen" : "" },
      h("th", { scope: "row" }, h("button", { "aria-pressed": String(group === chosen), title: `${group.name}: its pixels below`, onclick: () => this.choices.set("group", String(group.at)) }, group.name)),
      h("td", {}, count(group.samples)), h("td", {}, count(group.lost)), h("td", {}, count(group.won)), ...columns.map(({ of }) => cell(of(group), { class: "part" })),
      h("td", { class: "sum", "data-value": group.sum, title: `the margin changed by ${short(group.change)}; certificate ${short(group.residual)}` }, short(group.sum)))))));
    if (focus !== undefined) [...this.list.querySelectorAll<HTMLElement>("tr")].find((row) => row.dataset.group === focus)?.querySelector("button")?.focus();
  }

  private async select(group: GroupChange): Promise<void> {
    const { study, store } = this.context;
    store.set({ selected: selectionOf(await membersOf(study, group), study.samples) });
  }

  remove(): void {
    this.loads++;
    this.shows++;
    this.maps.forEach((map) => map.remove());
    this.ends.forEach((end) => end());
  }
}

export const groups: View = {
  id: "groups",
  title: "Groups",
  width: "whole",
  choices,
  help: "Why pruning broke a class, or another group of samples: what pixels and the constants of each node add to the change of the mean sample's margin, from dense to the second network, or from clean to the chosen condition in it. A row adds up to its sum. Below: the chosen group, by pixel. A button selects its samples in all views.",
  wanted: (study: Study) => (study.has("/change/group") && study.variants.some((variant) => study.conditions.some((condition) => added(study, variant, condition))) ? null
    : "This file holds no changes of groups: the key groups of change, in a study, adds them up (change: {groups: class})."),
  mount: mounted(Groups),
  async table({ study, store }) {
    const variant = study.variants[store.state.second], named = study.conditions[store.state.condition], changes = await changesOf(study, variant, added(study, variant, named) ? named : "clean");
    return [["network", "condition", "group", "samples", "lost", "won", "all pixels", ...(changes?.nodes ?? []), "sum", "change of the margin", "certificate"], ...(changes?.groups ?? []).map((group) =>
      [variant.name, changes?.condition ?? "", group.name, group.samples, group.lost, group.won, group.pixels, ...group.nodes, group.sum, group.change, group.residual])];
  },
};
