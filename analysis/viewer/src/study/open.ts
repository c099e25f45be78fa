/* Opens a study: reads its names, labels and marks, and answers for what Study promises. */
import { bisectRight } from "d3-array";
import { Arrays } from "../file/arrays";
import { openHdf5 } from "../file/hdf5";
import type { Source } from "../file/source";
import type { Numbers } from "../file/types";
import { Kept } from "../file/kept";
import { PLACE, type Metric, type Study, type Variant } from "./study";
import { unitOf } from "./units";

/* Schema versions of result files that have what the first view shows. */
const OLDEST = 4;
const NEWEST = 11;
const BINS = 64;
const MIB = 1 << 20;
const SLAB = 16 * MIB;

/** Opens the study in a source. Throws an error whose message is one sentence for the reader. */
export async function openStudy(source: Source): Promise<Study> {
  const hdf5 = await openHdf5(source.parts).catch((error: Error) => { throw new Error(`${source.name}: ${error.message}`); });
  try {
    const [root] = await hdf5.attributes(["/"]);
    const schema = Number(root.schema_version);
    if (!Number.isFinite(schema)) throw new Error(`${source.name}: an HDF5 file, but no study of facet`);
    if (schema < OLDEST) throw new Error(`${source.name}: of schema version ${schema}; this viewer reads versions ${OLDEST} to ${NEWEST}: run the study again`);
    if (schema > NEWEST) throw new Error(`${source.name}: of schema version ${schema}, which is newer than this viewer (version ${NEWEST}): build it anew with make viewer`);
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
  private readonly classesOf = new Kept<Int32Array>(64 * MIB);
  private readonly slabs = new Kept<Numbers>(64 * MIB);
  private readonly rights = new Kept<Uint8Array>(128 * MIB);
  private underWay = 0;
  private tiles: Uint8Array | null = null; // marks of tiles, where some are not done
  private blocks: Numbers = new Int32Array(); // first sample of each block
  private readonly edged = new Map<Metric, Promise<Float64Array>>();

  constructor(source: Source, private readonly arrays: Arrays, readonly schema: number, root: Record<string, unknown>) {
    this.name = String(root.study_name ?? source.name);
    const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === "string" && value ? [value] : []);
    this.diverged = list(root.diverged);
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
    await this.findMarks();
    const failed = await this.findFailed(names.length);
    const said = (value: unknown): string | null => (typeof value === "string" ? value : null);
    this.variants = names.map((name, index) => {
      const recipe = recipes[index];
      return {
        index, name, method: String(recipe.method ?? (index === 0 ? "dense" : "")), scope: String(recipe.scope ?? ""),
        seed: Number(recipe.seed ?? 0), sparsity: Number(recipe.sparsity ?? 0), achieved: Number(recipe.achieved ?? recipe.sparsity ?? 0),
        replicate: String(recipe.replicate ?? name), failed: failed[index], parent: said(recipe.parent), operation: said(recipe.operation),
      };
    });
  }

  /* What is done of each stage; and of analyse, which tiles: variant, condition and block of samples. */
  private async findMarks(): Promise<void> {
    const marks = this.paths().filter((path) => path.startsWith("/progress/") && this.arrays.type(path) === "u8");
    this.stages = await Promise.all(marks.map(async (path) => {
      const parts = await this.read(path);
      let done = 0;
      for (const part of parts) done += part ? 1 : 0;
      const name = path.slice("/progress/".length);
      if ((name === "analyse" || name === "tile") && done < parts.length) this.tiles = parts as Uint8Array;
      return { name, done, of: parts.length };
    }));
    if (this.tiles) this.blocks = await this.read("/progress/block");
  }

  /* As the stage findings has it, or by its rule: five standard errors or less above the most frequent class, or less than
   * half as far above it as dense. */
  private async findFailed(variants: number): Promise<boolean[]> {
    if (this.has("/summary/failed") && this.finished("findings")) return Array.from(await this.read("/summary/failed"), (one) => one === 1);
    if (!this.has("/summary/accuracy")) return new Array<boolean>(variants).fill(false);
    const accuracy = await this.read("/summary/accuracy");
    const clean = Math.max(0, this.conditions.indexOf("clean"));
    const counts = new Int32Array(this.classes.length);
    let labelled = 0;
    for (const label of this.labels) {
      if (label < 0) continue;
      counts[label]++;
      labelled++;
    }
    const chance = Math.max(...counts) / labelled;
    const above = (variant: number): number => accuracy[variant * this.conditions.length + clean] - chance;
    return Array.from({ length: variants }, (_, variant) =>
      above(variant) <= 5 * Math.sqrt((chance * (1 - chance)) / labelled) || (above(0) > 0 && above(variant) < above(0) / 2));
  }

  /* A part of a study, in a page, has no marks, and what it holds is done. */
  private finished(stage: string): boolean { return this.stages.every(({ name, done, of }) => name !== stage || done === of); }

  has(path: string): boolean { return this.arrays.has(path); }
  shape(path: string): number[] { return this.arrays.shape(path); }
  unit(path: string): string { return unitOf(path); }
  paths(): string[] { return this.arrays.paths(); }
  async attributes(path: string): Promise<Record<string, unknown>> { return (await this.arrays.hdf5.attributes([path]))[0]; }
  read(path: string, start?: number[], count?: number[]): Promise<Numbers> { return this.count(this.arrays.read(path, start, count)); }
  texts(path: string): Promise<string[]> { return this.count(this.arrays.texts(path)); }
  pending(): number { return this.underWay; }
  private async count<T>(what: Promise<T>): Promise<T> {
    this.underWay++;
    try {
      return await what;
    } finally {
      this.underWay--;
    }
  }
  readsThroughHdf5(): Promise<{ count: number; bytes: number }> { return this.arrays.hdf5.reads(); }
  close(): void { this.arrays.hdf5.end(); }

  private row(path: string, variant: number, condition: number): Promise<Numbers> {
    return this.read(path, [variant, condition], [1, 1]);
  }

  /* The same of what many pairs are wanted of at once: read with its neighbours, some variants at a time. */
  private async among(path: string, variant: number, condition: number): Promise<Numbers> {
    const conditions = this.conditions.length;
    const size = this.arrays.type(path) === "u8" ? 1 : 4;
    const variants = Math.max(1, Math.floor(SLAB / (conditions * this.samples * size)));
    const first = Math.floor(variant / variants) * variants;
    const slab = await this.slabs.get(`${path} ${first}`, () => this.read(path, [first], [Math.min(variants, this.variants.length - first)]));
    const at = ((variant - first) * conditions + condition) * this.samples;
    return slab.subarray(at, at + this.samples);
  }

  /* Samples whose tile is not done: in large arrays there is 0 where nothing was written yet. */
  private blank(column: { fill(value: number, from: number, to: number): unknown }, value: number, variant: number, condition: number): void {
    if (!this.tiles) return;
    const blocks = this.tiles.length / (this.variants.length * this.conditions.length);
    const first = (variant * this.conditions.length + condition) * blocks;
    for (let block = 0; block < blocks; block++) {
      if (!this.tiles[first + block]) column.fill(value, this.blocks[block], this.blocks[block + 1] ?? this.samples);
    }
  }

  column(metric: Metric, variant: number, condition: number): Promise<Float32Array> {
    return this.columns.get(`${metric} ${variant} ${condition}`, async () => {
      const compact = `/view/${metric}`;
      const numbers = await this.row(this.has(compact) && this.finished("columns") ? compact : PLACE[metric], variant, condition);
      const column = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
      this.blank(column, NaN, variant, condition);
      return column;
    });
  }

  edges(metric: Metric): Promise<Float64Array> {
    let edges = this.edged.get(metric);
    if (!edges) this.edged.set(metric, edges = this.makeEdges(metric));
    return edges;
  }

  private async makeEdges(metric: Metric): Promise<Float64Array> {
    const stored = `/view/${metric}_edge`;
    if (this.has(stored) && this.finished("columns")) return Float64Array.from(await this.read(stored));
    // Quantiles, as those of the file are, of some of the numbers: every variant in turn under one condition or another.
    const all: number[] = [];
    const pairs = this.variants.filter(({ failed }) => !failed).slice(0, 24);
    const step = Math.max(1, Math.floor((this.samples * pairs.length) / 100_000));
    for (const { index } of pairs) {
      const column = await this.column(metric, index, index % this.conditions.length);
      for (let i = index % step; i < column.length; i += step) if (Number.isFinite(column[i])) all.push(column[i]);
    }
    const sorted = Float64Array.from(all).sort();
    return Float64Array.from({ length: BINS + 1 }, (_, i) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * i) / BINS))] : NaN));
  }

  bins(metric: Metric, variant: number, condition: number): Promise<Uint8Array> {
    return this.binned.get(`${metric} ${variant} ${condition}`, async () => {
      const stored = `/view/${metric}_bin`;
      if (this.has(stored) && this.finished("columns")) return (await this.among(stored, variant, condition)) as Uint8Array;
      const [column, edges] = await Promise.all([this.column(metric, variant, condition), this.edges(metric)]);
      const inner = edges.subarray(1, -1);
      return Uint8Array.from(column, (value) => (Number.isFinite(value) ? bisectRight(inner, value) : 255));
    });
  }

  right(variant: number, condition: number): Promise<Uint8Array> {
    return this.rights.get(`${variant} ${condition}`, async () => {
      const given = (await this.among("/prediction/class", variant, condition)) as Int32Array;
      const right = Uint8Array.from(given, (one, i) => (this.labels[i] < 0 ? 255 : one === this.labels[i] ? 1 : 0));
      this.blank(right, 255, variant, condition);
      return right;
    });
  }

  predicted(variant: number, condition: number): Promise<Int32Array> {
    return this.classesOf.get(`${variant} ${condition}`, async () => {
      const given = (await this.row("/prediction/class", variant, condition)) as Int32Array;
      this.blank(given, -1, variant, condition);
      return given;
    });
  }
}
