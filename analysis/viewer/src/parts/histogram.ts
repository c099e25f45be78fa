/* Histograms as counts of bins, kept up by difference: when the selection changes, only samples that came or went are
 * counted. And their shapes: bins are quantiles, of unequal widths, so heights are densities. */

import { membersOf } from "./members";

const NEVER = -2;

/* Something about a set of samples for each of many columns, brought up to the set when it is asked for. */
abstract class ByDifference<Column> {
  protected readonly columns: (Column | null)[];
  /** At which set a column was last brought up, counted from 0. */
  private readonly at: number[];
  private set: Uint8Array;
  private members: Int32Array;
  private came: Int32Array = new Int32Array();
  private went: Int32Array = new Int32Array();
  private turn = 0;

  constructor(columns: number, samples: Uint8Array) {
    this.columns = new Array<Column | null>(columns).fill(null);
    this.at = new Array<number>(columns).fill(NEVER);
    this.set = samples;
    this.members = membersOf(samples);
  }

  protected abstract clear(column: number): void;
  protected abstract add(column: number, data: Column, samples: Int32Array, sign: 1 | -1): void;

  /** How many samples are in the set. */
  get total(): number { return this.members.length; }

  /** The column's data came. */
  give(column: number, data: Column): void {
    this.columns[column] = data;
    this.at[column] = NEVER;
  }
  has(column: number): boolean { return this.columns[column] !== null; }
  /** Lets go of all columns' data. */
  forget(): void { this.columns.fill(null); }

  /** Another set of samples. Sets are not written to. */
  use(samples: Uint8Array): void {
    if (samples === this.set) return;
    this.came = membersOf(samples, this.set);
    this.went = membersOf(this.set, samples);
    this.set = samples;
    this.members = membersOf(samples);
    this.turn++;
  }

  /** Brings a column up to the set; false: its data are not there. */
  protected bring(column: number): boolean {
    const data = this.columns[column];
    if (!data) return false;
    if (this.at[column] === this.turn) return true;
    if (this.at[column] === this.turn - 1 && this.came.length + this.went.length < this.members.length) {
      this.add(column, data, this.came, 1);
      this.add(column, data, this.went, -1);
    } else {
      this.clear(column);
      this.add(column, data, this.members, 1);
    }
    this.at[column] = this.turn;
    return true;
  }
}

/** Counts of the bins of many columns; bins of `size` and more are not counted. */
export class Counts extends ByDifference<Uint8Array> {
  private readonly counts: Int32Array[];
  private readonly shown: Int32Array[];

  constructor(columns: number, size: number, samples: Uint8Array) {
    super(columns, samples);
    this.counts = Array.from({ length: columns }, () => new Int32Array(256));
    this.shown = this.counts.map((counts) => counts.subarray(0, size));
  }
  protected clear(column: number): void { this.counts[column].fill(0); }
  protected add(column: number, bins: Uint8Array, samples: Int32Array, sign: 1 | -1): void {
    const counts = this.counts[column];
    for (let i = 0; i < samples.length; i++) counts[bins[samples[i]]] += sign;
  }
  /** Null if the column's bins are not there. The array is the same from call to call. */
  get(column: number): Int32Array | null { return this.bring(column) ? this.shown[column] : null; }
}

/** Means of many columns over their finite numbers. */
export class Means extends ByDifference<Float32Array> {
  private readonly sums: Float64Array;
  private readonly finite: Int32Array;

  constructor(columns: number, samples: Uint8Array) {
    super(columns, samples);
    this.sums = new Float64Array(columns);
    this.finite = new Int32Array(columns);
  }
  protected clear(column: number): void { this.sums[column] = this.finite[column] = 0; }
  protected add(column: number, data: Float32Array, samples: Int32Array, sign: 1 | -1): void {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < samples.length; i++) {
      const value = data[samples[i]];
      if (value - value === 0) {
        sum += value;
        count++;
      }
    }
    this.sums[column] += sign * sum;
    this.finite[column] += sign * count;
  }
  /** NaN if there is none, or the column is not there. */
  get(column: number): number { return this.bring(column) && this.finite[column] > 0 ? this.sums[column] / this.finite[column] : NaN; }
}

/** Bars of equal widths between two values from quantile bins, whose counts are spread evenly over their widths. */
export class Evened {
  /* Bin b gives share[i] of its count to bar[i], start[b] <= i < start[b + 1]. */
  private readonly start: Int32Array;
  private readonly bar: number[] = [];
  private readonly share: number[] = [];

  constructor(edges: ArrayLike<number>, low: number, high: number, readonly bars: number) {
    const bins = edges.length - 1, width = (high - low) / bars;
    this.start = new Int32Array(bins + 1);
    for (let bin = 0; bin < bins; bin++) {
      const from = Math.max(low, Math.min(high, edges[bin]));
      const to = Math.max(low, Math.min(high, edges[bin + 1]));
      const first = Math.min(bars - 1, Math.floor((from - low) / width));
      const last = Math.min(bars - 1, Math.floor((to - low) / width));
      for (let i = first; i <= last; i++) {
        this.bar.push(i);
        this.share.push(first === last ? 1 : Math.max(0, Math.min(to, low + (i + 1) * width) - Math.max(from, low + i * width)) / (to - from));
      }
      this.start[bin + 1] = this.bar.length;
    }
  }

  /** Heights of the bars; gives back the tallest. */
  heights(counts: Int32Array, out: Float64Array): number {
    const { start, bar, share } = this;
    out.fill(0);
    for (let bin = 0; bin + 1 < start.length; bin++) {
      const n = counts[bin];
      if (n) for (let i = start[bin]; i < start[bin + 1]; i++) out[bar[i]] += n * share[i];
    }
    let tallest = 0;
    for (let i = 0; i < out.length; i++) if (out[i] > tallest) tallest = out[i];
    return tallest;
  }
}

/** The range in which a histogram is drawn: without the outermost of the bins, which may be far out. */
export function drawnRange(edges: ArrayLike<number>): [number, number] {
  const low = edges[1];
  const high = edges[edges.length - 2];
  const more = (high - low) * 0.06 || 0.5;
  return [Math.max(edges[0], low - more), Math.min(edges[edges.length - 1], high + more)];
}
