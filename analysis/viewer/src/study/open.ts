/* Opens a study: reads its names, labels and marks, and answers for what Study promises. */
import { Arrays } from "../file/arrays";
import { openHdf5 } from "../file/hdf5";
import type { Source } from "../file/source";
import type { Numbers } from "../file/types";
import { Kept } from "./kept";
import { METRICS, type Metric, type Study, type Variant } from "./study";
import { meaningOf, unitOf } from "./units";

/* Schema versions of result files that have what the first view shows. */
const OLDEST = 4;
const NEWEST = 9;
const BINS = 32;
const MIB = 1 << 20;

const PLACE: Record<Metric, string> = {
  angle: "/geometry/angle", length: "/geometry/length", margin: "/geometry/margin", loss: "/prediction/loss",
};

/** Opens the study in a source. Throws an error whose message is one sentence for the reader. */
export async function openStudy(source: Source): Promise<Study> {
  const hdf5 = await openHdf5(source.parts).catch((error: Error) => { throw new Error(`${source.name}: ${error.message}`); });
  try {
    const [root] = await hdf5.attributes(["/"]);
    const schema = Number(root.schema_version);
    if (!Number.isFinite(schema)) throw new Error(`${source.name}: an HDF5 file, but no study of facet`);
    if (schema < OLDEST) throw new Error(`${source.name}: of schema version ${schema}; this viewer reads versions ${OLDEST} to ${NEWEST}: run the study again`);
    const study = new OpenStudy(source, await Arrays.open(source, hdf5), schema, root);
    await study.start();
    return study;
  } catch (error) {
    hdf5.end();
    throw error;
  }
}

class OpenStudy implements Study {
  name: string;
  variants: Variant[] = [];
  conditions: string[] = [];
  classes: string[] = [];
  samples = 0;
  labels = new Int32Array();
  image = { channels: 0, height: 0, width: 0 };
  stages: { name: string; done: number; of: number }[] = [];
  readonly diverged: string[];
  readonly how: string;
  readonly file: { name: string; size: number };
  private readonly columns = new Kept<Float32Array>(256 * MIB);
  private readonly binned = new Kept<Uint8Array>(128 * MIB);
  private readonly classesOf = new Kept<Int32Array>(128 * MIB);
  private readonly edged = new Map<Metric, Promise<Float64Array>>();

  constructor(source: Source, private readonly arrays: Arrays, readonly schema: number, root: Record<string, unknown>) {
    this.name = String(root.study_name ?? source.name);
    this.diverged = Array.isArray(root.diverged) ? root.diverged.map(String) : [];
    this.how = arrays.how;
    this.file = { name: source.name, size: source.size };
  }

  async start(): Promise<void> {
    const need = ["/variant", "/condition", "/class", "/label", "/prediction/class"].find((path) => !this.has(path));
    if (need) throw new Error(`${this.file.name}: says that it is a study, but has no ${need}`);
    [this.conditions, this.classes] = await Promise.all([this.texts("/condition"), this.texts("/class")]);
    const names = await this.texts("/variant");
    this.labels = Int32Array.from(await this.read("/label"));
    this.samples = this.labels.length;
    const [, channels, height, width] = this.shape("/image");
    this.image = { channels: channels ?? 1, height: height ?? 1, width: width ?? 1 };
    const recipes = await this.arrays.hdf5.attributes(names.map((name) => `/variants/${name}`));
    const accuracy = this.has("/summary/accuracy") ? await this.read("/summary/accuracy") : null;
    const clean = Math.max(0, this.conditions.indexOf("clean"));
    this.variants = names.map((name, index) => {
      const recipe = recipes[index];
      const right = accuracy?.[index * this.conditions.length + clean];
      return {
        index, name, method: String(recipe.method ?? (index === 0 ? "dense" : "")), scope: String(recipe.scope ?? ""),
        seed: Number(recipe.seed ?? 0), sparsity: Number(recipe.sparsity ?? 0), achieved: Number(recipe.achieved ?? recipe.sparsity ?? 0),
        replicate: String(recipe.replicate ?? name), failed: right !== undefined && nearChance(right, this.labels, this.classes.length),
      };
    });
    const marks = this.paths().filter((path) => path.startsWith("/progress/") && this.arrays.type(path) === "u8");
    this.stages = await Promise.all(marks.map(async (path) => {
      const parts = await this.read(path);
      let done = 0;
      for (const part of parts) done += part ? 1 : 0;
      return { name: path.slice("/progress/".length), done, of: parts.length };
    }));
  }

  has(path: string): boolean { return this.arrays.has(path); }
  shape(path: string): number[] { return this.arrays.shape(path); }
  unit(path: string): string { return unitOf(path); }
  meaning(path: string): string { return meaningOf(path); }
  paths(): string[] { return this.arrays.paths(); }
  async attributes(path: string): Promise<Record<string, unknown>> { return (await this.arrays.hdf5.attributes([path]))[0]; }
  read(path: string, start?: number[], count?: number[]): Promise<Numbers> { return this.arrays.read(path, start, count); }
  texts(path: string): Promise<string[]> { return this.arrays.texts(path); }
  readsThroughHdf5(): Promise<{ count: number; bytes: number }> { return this.arrays.hdf5.reads(); }
  close(): void { this.arrays.hdf5.end(); }

  private row(path: string, variant: number, condition: number): Promise<Numbers> {
    return this.read(path, [variant, condition], [1, 1]);
  }

  column(metric: Metric, variant: number, condition: number): Promise<Float32Array> {
    return this.columns.get(`${metric} ${variant} ${condition}`, async () => {
      const compact = `/view/${metric}`;
      const numbers = await this.row(this.has(compact) ? compact : PLACE[metric], variant, condition);
      return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
    });
  }

  edges(metric: Metric): Promise<Float64Array> {
    let edges = this.edged.get(metric);
    if (!edges) this.edged.set(metric, edges = this.makeEdges(metric));
    return edges;
  }

  private async makeEdges(metric: Metric): Promise<Float64Array> {
    const stored = `/view/${metric}_edge`;
    if (this.has(stored)) return Float64Array.from(await this.read(stored));
    // Equal widths between the 1st and the 99th percentile of a few networks: dense and two others, first and last condition.
    const some = new Set([0, this.variants.length >> 1, this.variants.length - 1]);
    const all: number[] = [];
    for (const variant of some) {
      if (this.variants[variant].failed) continue;
      for (const condition of new Set([0, this.conditions.length - 1])) {
        const column = await this.column(metric, variant, condition);
        const step = Math.max(1, Math.floor(column.length / 5000));
        for (let i = 0; i < column.length; i += step) if (Number.isFinite(column[i])) all.push(column[i]);
      }
    }
    const sorted = Float64Array.from(all).sort();
    const low = sorted[Math.floor(0.01 * (sorted.length - 1))] ?? 0;
    const high = sorted[Math.ceil(0.99 * (sorted.length - 1))] ?? 1;
    const width = (high - low || 1) / BINS;
    return Float64Array.from({ length: BINS + 1 }, (_, i) => low + i * width);
  }

  bins(metric: Metric, variant: number, condition: number): Promise<Uint8Array> {
    return this.binned.get(`${metric} ${variant} ${condition}`, async () => {
      const stored = `/view/${metric}_bin`;
      if (this.has(stored)) return (await this.row(stored, variant, condition)) as Uint8Array;
      const [column, edges] = await Promise.all([this.column(metric, variant, condition), this.edges(metric)]);
      const last = edges.length - 2;
      const low = edges[0];
      const scale = (last + 1) / (edges[last + 1] - low);
      return Uint8Array.from(column, (value) => (Number.isFinite(value) ? Math.max(0, Math.min(last, Math.floor((value - low) * scale))) : 255));
    });
  }

  predicted(variant: number, condition: number): Promise<Int32Array> {
    return this.classesOf.get(`${variant} ${condition}`, async () => (await this.row("/prediction/class", variant, condition)) as Int32Array);
  }
}

/* No better than always guessing the most frequent class, and a tenth of the way from there to everything right. */
function nearChance(accuracy: number, labels: Int32Array, classes: number): boolean {
  if (Number.isNaN(accuracy)) return false;
  const counts = new Int32Array(classes);
  let all = 0;
  for (const label of labels) {
    if (label < 0) continue;
    counts[label]++;
    all++;
  }
  const chance = all ? Math.max(...counts) / all : 0;
  return accuracy <= chance + 0.1 * (1 - chance);
}

export { METRICS };
