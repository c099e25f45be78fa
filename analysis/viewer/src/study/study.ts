/* A study as the views see it: what there is, and typed access to it. */
import type { Numbers } from "../file/types";

export type Metric = "angle" | "length" | "margin" | "loss";
export const METRICS: readonly Metric[] = ["angle", "length", "margin", "loss"];
/** Where a study has them. */
export const PLACE: Record<Metric, string> = {
  angle: "/geometry/angle", length: "/geometry/length", margin: "/geometry/margin", loss: "/prediction/loss",
};

/** A network. failed: near chance when clean; greyed, and left out of rankings. parent: the network that it was made from, ""
 * for none; operation: by which steps; null: the file does not say. */
export interface Variant {
  index: number; name: string; method: string; scope: string; seed: number; sparsity: number; achieved: number; replicate: string; failed: boolean;
  parent: string | null; operation: string | null;
}

export interface Study {
  readonly name: string;
  readonly schema: number;
  readonly variants: readonly Variant[];
  readonly conditions: readonly string[];
  readonly classes: readonly string[];
  readonly samples: number;
  /** True class of each sample; -1: none. */
  readonly labels: Int32Array;
  readonly image: { channels: number; height: number; width: number };
  /** Stages of the study and how many of their parts are done: what is missing of a file that is not finished. */
  readonly stages: readonly { name: string; done: number; of: number }[];
  /** Variants that are missing because their training diverged, and why. */
  readonly diverged: readonly string[];
  /** How the file is read: by offset, or through HDF5 and why. */
  readonly how: string;
  /** Where and how large the file is. */
  readonly file: { name: string; size: number };
  /** Whether there is such an array or group. */
  has(path: string): boolean;
  /** Dimensions; of what is not there, none. */
  shape(path: string): number[];
  unit(path: string): string;
  /** All arrays of the file. */
  paths(): string[];
  attributes(path: string): Promise<Record<string, unknown>>;
  /** A box of an array; whole axes where start and count leave them out. f16 is read as f32, i64 as f64. */
  read(path: string, start?: number[], count?: number[]): Promise<Numbers>;
  texts(path: string): Promise<string[]>;
  /** One number for each sample. Kept (the last ones used), and not to be written to. */
  column(metric: Metric, variant: number, condition: number): Promise<Float32Array>;
  /** The bin of each sample's number, for histograms; 255: not finite. Kept, as columns are. */
  bins(metric: Metric, variant: number, condition: number): Promise<Uint8Array>;
  /** Edges of the bins, one more than there are bins: quantiles over all variants and conditions, so of unequal widths. */
  edges(metric: Metric): Promise<Float64Array>;
  /** The class that a network gives each sample. */
  predicted(variant: number, condition: number): Promise<Int32Array>;
  /** 1: the network gives the sample its true class, 0: another; 255: it has no label, or is not done yet. */
  right(variant: number, condition: number): Promise<Uint8Array>;
  /** Reads of the file by the HDF5 library, for the measurements. */
  readsThroughHdf5(): Promise<{ count: number; bytes: number }>;
  /** How many reads are under way. */
  pending(): number;
  /** Lets go of the file. */
  close(): void;
}
