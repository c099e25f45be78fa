/* Arrays of a file by path: read by their offsets where the file has an index (`/index`) that holds, else by h5wasm.
 * The index is believed after a self-check: of a few arrays spread over the file, some values are read in both ways.
 * A file that was rewritten (h5repack, say) has its data elsewhere, in chunks perhaps, and fails it. */
import type { Found, Hdf5 } from "./hdf5";
import { Kept } from "./kept";
import type { Source } from "./source";
import { decoded, SIZE, type Numbers, type Type } from "./types";

interface Entry { path: string; shape: number[]; type: Type; offset: number } // offset -1: through h5wasm

/* As the index has it, or by the names that NumPy and HDF5 have for them. */
const TYPES: Record<string, Type> = {
  f16: "f16", "<f2": "f16", float16: "f16", f32: "f32", "<f4": "f32", float32: "f32", f64: "f64", "<f8": "f64", float64: "f64",
  i32: "i32", "<i4": "i32", int32: "i32", i64: "i64", "<i8": "i64", int64: "i64", u8: "u8", "|u1": "u8", uint8: "u8", text: "text",
};
/* Runs of one box that lie closer than this are read together; and no single read is longer than that. */
const GAP = 1 << 17;
const LONGEST = 1 << 26;
const AT_ONCE = 8;
const PAGE = 1 << 16;

export class Arrays {
  private readonly entries = new Map<string, Entry>();
  private readonly pages = new Kept<ArrayBuffer>(16 << 20);
  private readonly groups = new Set<string>(["/"]);
  /** How arrays are read, for the page's foot: by offset, or through h5wasm and why. */
  how = "";

  private constructor(private readonly source: Source, readonly hdf5: Hdf5) {}

  static async open(source: Source, hdf5: Hdf5): Promise<Arrays> {
    const arrays = new Arrays(source, hdf5);
    const index = await arrays.index();
    if (index && (await arrays.holds(index))) {
      for (const entry of index) arrays.add(entry);
      arrays.how = "by offset";
      // An index of numbers alone does not name the texts.
      if (!arrays.has("/variant")) for (const of of await hdf5.list()) if (!arrays.has(of.path)) arrays.add({ ...of, offset: -1 });
    } else {
      arrays.how = index ? "through HDF5: the file's index does not hold, it was rewritten" : "through HDF5: the file has no index";
      for (const of of await hdf5.list()) arrays.add({ ...of, offset: -1 });
    }
    return arrays;
  }

  private add(entry: Entry): void {
    this.entries.set(entry.path, entry);
    for (let at = entry.path.lastIndexOf("/"); at > 0; at = entry.path.lastIndexOf("/", at - 1)) this.groups.add(entry.path.slice(0, at));
  }

  private async index(): Promise<Entry[] | null> {
    if (!(await this.hdf5.describe("/index"))) return null;
    try {
      const rows = JSON.parse((await this.hdf5.texts("/index"))[0]) as { path: string; offset: number; shape: number[]; type: string }[];
      return rows.filter((row) => TYPES[row.type]).map((row) => ({ path: row.path, shape: row.shape, type: TYPES[row.type], offset: row.offset }));
    } catch {
      return null;
    }
  }

  private async holds(index: Entry[]): Promise<boolean> {
    const numeric = index.filter((entry) => entry.type !== "text" && entry.offset > 0 && entry.shape.every((length) => length > 0))
      .sort((a, b) => a.offset - b.offset);
    if (numeric.length === 0) return false;
    // What was written when the file was made differs from number to number, and says more than what is not there yet.
    const sure = numeric.filter(({ path }) => /^\/(sample|label|x|y)$/.test(path));
    const tried = new Set([...sure.slice(0, 2), numeric[Math.floor(numeric.length / 2)], numeric[numeric.length - 1]]);
    for (const entry of tried) {
      const of: Found | null = await this.hdf5.describe(entry.path);
      if (!of || of.chunked || of.type !== entry.type || of.shape.join() !== entry.shape.join()) return false;
      const start = entry.shape.map((length) => (length > 1 ? length >> 1 : 0));
      const count = entry.shape.map((length, axis) => (axis === entry.shape.length - 1 ? Math.min(8, length - start[axis]) : 1));
      let both: [Uint8Array, Uint8Array];
      try {
        both = [new Uint8Array((await this.hdf5.read(entry.path, start, count)).bytes), new Uint8Array(await this.box(entry, start, count))];
      } catch {
        return false;
      }
      if (both[0].some((value, i) => value !== both[1][i])) return false;
    }
    return true;
  }

  paths(): string[] { return [...this.entries.keys()]; }
  has(path: string): boolean { return this.entries.has(path) || this.groups.has(path); }
  private get(path: string): Entry {
    const entry = this.entries.get(path);
    if (!entry) throw new Error(`${path}: not in this file`);
    return entry;
  }
  shape(path: string): number[] { return this.entries.get(path)?.shape ?? []; }
  type(path: string): Type | null { return this.entries.get(path)?.type ?? null; }
  texts(path: string): Promise<string[]> {
    this.get(path);
    return this.hdf5.texts(path);
  }

  /** A box of an array: whole axes where start and count leave them out. */
  async read(path: string, start: number[] = [], count: number[] = []): Promise<Numbers> {
    const entry = this.get(path);
    const from = entry.shape.map((_, axis) => start[axis] ?? 0);
    const size = entry.shape.map((length, axis) => count[axis] ?? length - from[axis]);
    from.forEach((at, axis) => {
      if (at < 0 || size[axis] < 0 || at + size[axis] > entry.shape[axis]) throw new Error(`${path}: no such part of it`);
    });
    return decoded(entry.type, await (entry.offset >= 0 ? this.box(entry, from, size) : this.slabs(entry, from, size)));
  }

  /* Through h5wasm: by slabs of the first axis, since one selection ends at 2 GiB. */
  private async slabs(entry: Entry, start: number[], count: number[]): Promise<ArrayBuffer> {
    const row = count.slice(1).reduce((a, b) => a * b, SIZE[entry.type]);
    const rows = Math.max(1, Math.floor(LONGEST / Math.max(1, row)));
    if (start.length === 0 || count[0] <= rows) return (await this.hdf5.read(entry.path, start, count)).bytes;
    const whole = new Uint8Array(row * count[0]);
    for (let at = 0; at < count[0]; at += rows) {
      const part = await this.hdf5.read(entry.path, [start[0] + at, ...start.slice(1)], [Math.min(rows, count[0] - at), ...count.slice(1)]);
      whole.set(new Uint8Array(part.bytes), at * row);
    }
    return whole.buffer;
  }

  /* By offset: the box as runs of bytes, runs that lie close together as one read. */
  private async box(entry: Entry, start: number[], count: number[]): Promise<ArrayBuffer> {
    const size = SIZE[entry.type];
    let axes = entry.shape.length;
    let run = size; // bytes of a run: the last axes, as long as they are whole, and one more
    while (axes > 0) {
      axes--;
      run *= count[axes];
      if (count[axes] !== entry.shape[axes]) break;
    }
    const strides = entry.shape.map((_, axis) => entry.shape.slice(axis + 1).reduce((a, b) => a * b, size));
    const runs = count.slice(0, axes).reduce((a, b) => a * b, 1);
    const base = entry.offset + start.reduce((sum, at, axis) => sum + at * strides[axis], 0);
    if (run * runs === 0) return new ArrayBuffer(0);
    if (runs === 1) return this.long(base, run);
    const place = (number: number): number => {
      let at = base;
      for (let axis = axes - 1, rest = number; axis >= 0; axis--) {
        at += (rest % count[axis]) * strides[axis];
        rest = Math.floor(rest / count[axis]);
      }
      return at;
    };
    const out = new Uint8Array(run * runs);
    const jobs: { first: number; last: number }[] = [];
    for (let number = 0; number < runs; number++) {
      const job = jobs[jobs.length - 1];
      const at = place(number);
      if (job && at - (place(job.last) + run) <= GAP && at + run - place(job.first) <= LONGEST) job.last = number;
      else jobs.push({ first: number, last: number });
    }
    const span = ({ first, last }: { first: number; last: number }): { offset: number; length: number } => ({ offset: place(first), length: place(last) + run - place(first) });
    const take = ({ first, last }: { first: number; last: number }, bytes: Uint8Array): void => {
      for (let number = first; number <= last; number++) {
        const at = place(number) - place(first);
        out.set(bytes.subarray(at, at + run), number * run);
      }
    };
    const parts = jobs.map(span), all = parts.reduce((sum, { length }) => sum + length, 0);
    if (this.source.several && jobs.length > AT_ONCE && all <= LONGEST) {
      if (parts.some(({ offset, length }) => offset + length > this.source.size)) throw new Error("the file ends before its data do");
      const bytes = new Uint8Array(await this.source.several(parts));
      let at = 0;
      jobs.forEach((job, i) => {
        take(job, bytes.subarray(at, at + parts[i].length));
        at += parts[i].length;
      });
      return out.buffer;
    }
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job; job = jobs.pop()) {
        const { offset, length } = span(job);
        take(job, new Uint8Array(await this.long(offset, length)));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs.length) }, work));
    return out.buffer;
  }

  /* What is small lies among other small things, which are wanted, too: by pages, which are kept. */
  private async small(offset: number, length: number): Promise<ArrayBuffer> {
    const out = new Uint8Array(length);
    const first = Math.floor(offset / PAGE);
    const last = Math.floor((offset + length - 1) / PAGE);
    const pages = await Promise.all(Array.from({ length: last - first + 1 }, (_, i) => {
      const from = (first + i) * PAGE;
      return this.pages.get(String(first + i), () => this.source.read(from, Math.min(PAGE, this.source.size - from)));
    }));
    pages.forEach((page, i) => {
      const at = (first + i) * PAGE;
      const from = Math.max(offset, at);
      const bytes = new Uint8Array(page, from - at, Math.min(offset + length, at + page.byteLength) - from);
      out.set(bytes, from - offset);
    });
    return out.buffer;
  }

  private async long(offset: number, length: number): Promise<ArrayBuffer> {
    if (offset + length > this.source.size) throw new Error("the file ends before its data do");
    if (length <= PAGE / 4) return this.small(offset, length);
    if (length <= LONGEST) return this.source.read(offset, length);
    const whole = new Uint8Array(length);
    for (let at = 0; at < length; at += LONGEST) {
      whole.set(new Uint8Array(await this.source.read(offset + at, Math.min(LONGEST, length - at))), at);
    }
    return whole.buffer;
  }
}
