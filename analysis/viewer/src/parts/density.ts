/* The density of lines between parallel axes, exactly and without drawing a line: samples are counted by pairs of bins on
 * neighbouring axes, and every pair gives its count to each column of pixels between them, at the height where the line
 * passes (after Novotny & Hauser 2006; one sample weighs the same in every column). */

export const BINS = 64;
/** The bin of a sample that has no number. */
export const NONE = 255;

/** Samples as codes, axis by axis: code of sample i on axis a is codes[a * samples + i]. */
export interface Coded { codes: Uint8Array; samples: number; axes: number }

/** Counts of pairs of bins between neighbours of an order of axes. They follow a set of samples by its changes. */
export class Pairs {
  readonly counts: Uint32Array;
  private readonly before: Uint8Array;
  private readonly changed: Int32Array;

  constructor(private readonly coded: Coded, private readonly order: readonly number[]) {
    this.counts = new Uint32Array(Math.max(0, order.length - 1) * BINS * BINS);
    this.before = new Uint8Array(coded.samples);
    this.changed = new Int32Array(coded.samples);
  }

  /** Counts the members; only samples that came or went are looked at. */
  follow(members: Uint8Array): void {
    const { changed, before, coded: { codes, samples } } = this;
    let many = 0;
    for (let i = 0; i < members.length; i++) if (members[i] !== before[i]) changed[many++] = i;
    for (let gap = 0; gap + 1 < this.order.length; gap++) {
      const left = this.order[gap] * samples, right = this.order[gap + 1] * samples, base = gap * BINS * BINS;
      for (let at = 0; at < many; at++) {
        const i = changed[at], a = codes[left + i], b = codes[right + i];
        if (a !== NONE && b !== NONE) this.counts[base + a * BINS + b] += members[i] ? 1 : -1;
      }
    }
    before.set(members);
  }
}

/** Density of one gap: rows x columns, the first row on top (the largest bin). A line is as thick as its bins are high. */
export function gapDensity(counts: Uint32Array, gap: number, columns: number, rows: number, into: Float32Array): void {
  into.fill(0);
  const base = gap * BINS * BINS, scale = rows / BINS, thick = Math.max(1, Math.round(scale));
  for (let a = 0; a < BINS; a++) {
    for (let b = 0; b < BINS; b++) {
      const count = counts[base + a * BINS + b];
      if (!count) continue;
      const start = (BINS - a - 0.5) * scale, step = ((a - b) * scale) / Math.max(1, columns - 1);
      for (let column = 0; column < columns; column++) into[Math.floor(start + step * column) * columns + column] += count;
    }
  }
  // The thickness: sums over rows that lie beside each other.
  const above = thick >> 1, sums = new Float64Array(rows + 1);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) sums[row + 1] = sums[row] + into[row * columns + column];
    for (let row = 0; row < rows; row++) into[row * columns + column] = sums[Math.min(rows, row + thick - above)] - sums[Math.max(0, row - above)];
  }
}

/** The bins that are used, as [first, last]. */
export function usedBins({ codes }: Coded): [number, number] {
  let low = BINS, high = -1;
  for (const code of codes) {
    if (code === NONE) continue;
    if (code < low) low = code;
    if (code > high) high = code;
  }
  return low <= high ? [low, high] : [0, BINS - 1];
}

/** Counts of every bin of every axis: axes x BINS. */
export function histograms({ codes, samples, axes }: Coded, members: Uint8Array): Uint32Array {
  const counts = new Uint32Array(axes * BINS);
  for (let axis = 0; axis < axes; axis++) {
    for (let i = 0; i < samples; i++) {
      const code = codes[axis * samples + i];
      if (members[i] && code !== NONE) counts[axis * BINS + code]++;
    }
  }
  return counts;
}
