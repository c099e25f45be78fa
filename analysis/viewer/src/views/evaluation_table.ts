/* The numbers of the evaluation table: a measure of every variant under every condition, over the samples that count, and
 * counts of a metric's bins; read as they are needed, and brought up by what came and went. */
import { Counts, drawnRange, Evened, Means } from "../parts/histogram";
import { percent, short } from "../parts/numbers";
import { replicates, spread, type Replicates, type Spread } from "../parts/replicates";
import { allCount, counted, type State } from "../state/store";
import type { Metric, Study } from "../study/study";

export type Measure = "accuracy" | Metric;
/** How rows are sorted: by a condition's number, what is removed, or the mean of what is corrupted; null: as in the study. */
export type Sort = { by: number | "sparsity" | "corrupted" | null; down: boolean };
export interface Row extends Replicates { folded: boolean; part: boolean } // part: a replicate of the row above

export const DRAWN = 40; // bars of a small histogram

export class Table {
  measure: Measure = "accuracy";
  relative = false;
  sort: Sort = { by: null, down: true };
  open: readonly string[] = [];
  readonly bins: Counts;
  readonly all: Counts; // the same of all that pass
  readonly rights: Counts;
  means: Means;
  /** Rises when bins come or go. */
  version = 0;
  private binned: Metric | null = null;
  private meansOf: Metric | null = null;
  private evened: Evened | null = null;
  private readonly sum = new Int32Array(256);
  private summary = new Map<Measure, ArrayLike<number>>();

  constructor(private readonly study: Study, readonly now: () => Readonly<State>) {
    const pairs = study.variants.length * study.conditions.length;
    const samples = counted(now());
    this.bins = new Counts(pairs, 254, samples);
    this.all = new Counts(pairs, 254, now().passing);
    this.rights = new Counts(pairs, 2, samples);
    this.means = new Means(pairs, samples);
  }

  private pair(variant: number, condition: number): number { return variant * this.study.conditions.length + condition; }
  conditions(): number[] { return [...(this.now().filters.conditions ?? this.study.conditions.keys())]; }
  /** Conditions whose mean is that of what is corrupted. */
  private corruptions(): number[] { return this.conditions().filter((condition) => this.study.conditions[condition] !== "clean"); }

  private groups(): Replicates[] {
    const { variants } = this.now().filters;
    return replicates(this.study.variants.filter(({ index }) => !variants || variants.includes(index)));
  }

  rows(): Row[] {
    return this.sorted(this.groups()).flatMap((group) => [
      { ...group, folded: group.variants.length > 1, part: false },
      ...(group.variants.length > 1 && this.open.includes(group.name) ? replicates(group.variants, false).map((one) => ({ ...one, folded: false, part: true })) : []),
    ]);
  }

  private sorted(groups: Replicates[]): Replicates[] {
    const { by, down } = this.sort;
    if (by === null) return groups;
    const key = (group: Replicates): number => {
      const value = by === "sparsity" ? group.variants[0].achieved : by === "corrupted" ? this.corrupted(group) : this.value(group, by).mean;
      return Number.isFinite(value) ? (down ? -value : value) : Infinity;
    };
    const keys = new Map(groups.map((group) => [group, key(group)]));
    return [...groups].sort((a, b) => Number(a.failed) - Number(b.failed) || (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
  }

  /** The measure of one variant. */
  one(variant: number, condition: number): number {
    const pair = this.pair(variant, condition);
    const ready = this.summary.get(this.measure);
    if (ready && allCount(this.now()) && Number.isFinite(ready[pair])) return ready[pair]; // the file has it
    if (this.measure !== "accuracy") return this.means.get(pair);
    const counts = this.rights.get(pair);
    return counts ? counts[1] / (counts[0] + counts[1]) : NaN;
  }

  value(group: Replicates, condition: number): Spread {
    const value = spread(group.counted.map(({ index }) => this.one(index, condition)));
    return this.relative ? { ...value, mean: value.mean - this.one(this.now().first, condition) } : value;
  }

  /** The mean over what is corrupted, of values under all conditions that are shown, if they are there. */
  corrupted(group: Replicates, values?: readonly number[]): number {
    const shown = this.conditions(), of = this.corruptions();
    return of.reduce((sum, condition) => sum + (values ? values[shown.indexOf(condition)] : this.value(group, condition).mean), 0) / of.length;
  }
  /** Whether that says more than the columns do. */
  hasCorrupted(): boolean { return this.corruptions().length > 0 && this.conditions().length > 2; }

  text(value: number): string {
    const sign = this.relative && value > 0 ? "+" : "";
    return sign + (this.measure === "accuracy" ? percent(value) : short(value));
  }
  /** A deviation: in points, if it is of a share. */
  deviation(value: number): string { return this.measure === "accuracy" ? (100 * value).toFixed(1) : short(value); }

  /** Reads what the table shows now and is not there yet, or its numbers alone; `came` is called as it comes. */
  async need(came: () => void, histograms = true): Promise<void> {
    const { metric } = this.now();
    if (!this.summary.has(this.measure)) {
      const path = `/summary/${this.measure}`;
      this.summary.set(this.measure, this.study.has(path) ? await this.study.read(path) : []);
      came();
    }
    if (histograms && this.binned !== metric) {
      this.binned = metric;
      this.bins.forget();
      this.all.forget();
      this.evened = null;
      this.version++;
      const edges = await this.study.edges(metric);
      if (this.binned !== metric) return;
      this.evened = new Evened(edges, ...drawnRange(edges), DRAWN);
    }
    if (this.measure !== "accuracy" && this.meansOf !== this.measure) {
      this.meansOf = this.measure;
      this.means = new Means(this.study.variants.length * this.study.conditions.length, counted(this.now()));
    }
    const jobs = this.jobs(metric, histograms).reverse();
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job; job = jobs.pop()) {
        await job();
        came();
      }
    };
    await Promise.all(Array.from({ length: Math.min(8, jobs.length) }, work));
  }

  /* What is not there yet, pair by pair. */
  private jobs(metric: Metric, histograms: boolean): (() => Promise<void>)[] {
    const { study, measure, means } = this, ready = this.summary.get(measure), whole = allCount(this.now());
    const jobs: (() => Promise<void>)[] = [];
    for (const { index } of this.groups().flatMap(({ variants }) => variants)) {
      for (const condition of this.conditions()) {
        const pair = this.pair(index, condition);
        if (histograms && !this.bins.has(pair)) jobs.push(async () => {
          const bins = await study.bins(metric, index, condition);
          if (this.binned !== metric) return;
          this.bins.give(pair, bins);
          this.all.give(pair, bins);
          this.version++;
        });
        if (whole && Number.isFinite(ready?.[pair])) continue;
        if (measure === "accuracy") {
          if (!this.rights.has(pair)) jobs.push(async () => this.rights.give(pair, await study.right(index, condition)));
        } else if (!means.has(pair)) jobs.push(async () => means.give(pair, await study.column(measure, index, condition)));
      }
    }
    return jobs;
  }

  use(): void {
    const samples = counted(this.now());
    this.bins.use(samples);
    this.all.use(this.now().passing);
    this.rights.use(samples);
    this.means.use(samples);
  }

  /** Heights of the bars of a row under a condition, its replicates together; gives back the tallest, 0: there are none. */
  heights(of: Counts, { counted: members }: Replicates, condition: number, out: Float64Array): number {
    if (!this.evened) return 0;
    if (members.length === 1) {
      const counts = of.get(this.pair(members[0].index, condition));
      return counts ? this.evened.heights(counts, out) : 0;
    }
    const sum = this.sum.fill(0);
    for (const { index } of members) {
      const counts = of.get(this.pair(index, condition));
      if (counts) for (let i = 0; i < counts.length; i++) sum[i] += counts[i];
    }
    return this.evened.heights(sum, out);
  }
}
