/* The worker: h5wasm over a file whose bytes come when HDF5 asks for them, whatever they come from.  It reads names,
 * attributes and texts, and all numbers where there is no index to read them by, or none that holds. */
import h5wasm, { Dataset, File, Group } from "h5wasm";
import type { Metadata } from "h5wasm";
import { blocking, type Blocking } from "./blocking";
import type { SourceParts } from "./source";
import type { Type } from "./types";

export interface Found { path: string; shape: number[]; type: Type; chunked: boolean }
/** What the worker can do, and what it gives back. */
export interface Answers {
  open(parts: SourceParts): { size: number };
  list(): Found[];
  describe(path: string): Found | null;
  attributes(paths: string[]): Record<string, unknown>[];
  texts(path: string): string[];
  read(path: string, start: number[], count: number[]): { type: Type; bytes: ArrayBuffer };
  reads(): { count: number; bytes: number };
}

let file: File | null = null;
let source: Blocking | null = null;
let h5module: any = null;

interface Node { stream_ops: Record<string, unknown>; contents: unknown }
/* A file of emscripten's whose bytes are read through `source`. */
function place(fs: any, from: Blocking): void {
  const node = fs.createFile("/", "study.h5", {}, true, false) as Node;
  node.contents = null;
  Object.defineProperty(node, "usedBytes", { get: () => from.size });
  node.stream_ops = {
    ...node.stream_ops,
    read: (_stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number) =>
      from.read(buffer.subarray(offset, offset + length), Number(position)),
  };
}

function type(of: Metadata): Type | null {
  if (of.type === 3 || (of.type === 9 && of.vlen)) return "text";
  if (of.type === 1) return of.size === 2 ? "f16" : of.size === 4 ? "f32" : of.size === 8 ? "f64" : null;
  if (of.type === 0 || of.type === 8) return of.size === 8 ? "i64" : of.size === 4 ? "i32" : of.size === 1 ? "u8" : null;
  return null;
}

function found(path: string, of: Metadata): Found | null {
  const name = type(of);
  return name && of.shape ? { path, shape: of.shape.map(Number), type: name, chunked: of.chunks !== null } : null;
}

function opened(): File {
  if (!file) throw new Error("no file is open");
  return file;
}

function dataset(path: string): Dataset {
  const entity = opened().get(path);
  if (!(entity instanceof Dataset)) throw new Error(`${path}: not in the file`);
  return entity;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return Array.from(value, Number);
  return ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value;
}

const does: { [name in keyof Answers]: (...args: Parameters<Answers[name]>) => ReturnType<Answers[name]> | Promise<ReturnType<Answers[name]>> } = {
  async open(parts) {
    h5module = await h5wasm.ready;
    h5module.activate_throwing_error_handler(); // errors go to who called, not to the console
    source = blocking(parts);
    try {
      place(h5module.FS, source);
      file = new File("/study.h5", "r");
      if ((file.file_id as unknown as bigint) < 0n) throw new Error();
    } catch {
      throw new Error("this is no HDF5 file, or one that was not closed: not readable");
    }
    return { size: source.size };
  },
  list() {
    const all: Found[] = [];
    const module = (file as unknown as { file_id: bigint }).file_id;
    for (const name of opened().paths()) {
      const path = name.startsWith("/") ? name : `/${name}`;
      if (opened().get_type(path) !== h5module.H5G_DATASET) continue;
      const of = found(path, new Dataset(module, path).metadata);
      if (of) all.push(of);
    }
    return all;
  },
  describe(path) {
    const entity = opened().get(path);
    return entity instanceof Dataset ? found(path, entity.metadata) : null;
  },
  attributes(paths) {
    return paths.map((path) => {
      const entity = path === "/" ? opened() : opened().get(path);
      if (!(entity instanceof Dataset) && !(entity instanceof Group)) return {};
      const all: Record<string, unknown> = {};
      for (const [name, attribute] of Object.entries(entity.attrs)) {
        if (!["DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"].includes(name)) all[name] = plain(attribute.value);
      }
      return all;
    });
  },
  texts(path) {
    const value = dataset(path).value;
    return typeof value === "string" ? [value] : (value as string[]);
  },
  read(path, start, count) {
    const set = dataset(path);
    const of = found(path, set.metadata);
    if (!of || of.type === "text") throw new Error(`${path}: no numbers`);
    const module = h5module;
    const bytes = count.reduce((a, b) => a * b, set.metadata.size);
    const at = module._malloc(bytes) as number;
    if (!at && bytes) throw new Error(`${path}: ${bytes} bytes are too much at once`);
    try {
      const box = count.length ? [count.map(BigInt), start.map(BigInt), start.map(() => 1n)] : [null, null, null]; // a scalar has no boxes
      module.get_dataset_data(set.file_id, path, ...box, BigInt(at));
      return { type: of.type, bytes: (module.HEAPU8 as Uint8Array).slice(at, at + bytes).buffer as ArrayBuffer };
    } finally {
      module._free(at);
    }
  },
  reads: () => ({ ...(source?.reads ?? { count: 0, bytes: 0 }) }),
};

self.onmessage = async (event: MessageEvent<{ id: number; does: keyof Answers; args: unknown[] }>) => {
  const { id, does: name, args } = event.data;
  try {
    const value = await (does[name] as (...all: unknown[]) => unknown)(...args);
    const bytes = (value as { bytes?: unknown } | null)?.bytes;
    self.postMessage({ id, value }, { transfer: bytes instanceof ArrayBuffer ? [bytes] : [] });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
