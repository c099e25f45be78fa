/* For a worker: bytes that are there when the call comes back, by pages, the last ones kept.  HDF5 asks for a few bytes
 * at many places; a file of any size costs the pages that were touched. */
import type { SourceParts } from "./source";

const PAGE = 1 << 16;
const KEPT = 512;

export interface Blocking {
  readonly size: number;
  /** How many reads of the source there were, and of how many bytes. */
  readonly reads: { count: number; bytes: number };
  /** Copies up to `into.length` bytes from `offset` on; returns how many there were. */
  read(into: Uint8Array, offset: number): number;
}

function reader(parts: SourceParts): { size: number; range(from: number, to: number): Uint8Array } {
  switch (parts.kind) {
    case "bytes":
      return { size: parts.bytes.length, range: (from, to) => parts.bytes.subarray(from, to) };
    case "blob": {
      const files = new FileReaderSync();
      return { size: parts.blob.size, range: (from, to) => new Uint8Array(files.readAsArrayBuffer(parts.blob.slice(from, to))) };
    }
    case "http":
      return {
        size: parts.size,
        range(from, to) {
          const request = new XMLHttpRequest();
          request.open("GET", parts.url, false);
          request.responseType = "arraybuffer";
          request.setRequestHeader("Range", `bytes=${from}-${to - 1}`);
          request.send();
          if (request.status !== 206) throw new Error(`the server says ${request.status} ${request.statusText}`);
          return new Uint8Array(request.response as ArrayBuffer);
        },
      };
  }
}

export function blocking(parts: SourceParts): Blocking {
  const { size, range } = reader(parts);
  const reads = { count: 0, bytes: 0 };
  const pages = new Map<number, Uint8Array>(); // in order of use
  function get(from: number, to: number): Uint8Array {
    const bytes = range(from, to);
    reads.count++;
    reads.bytes += bytes.length;
    return bytes;
  }
  function page(number: number): Uint8Array {
    let bytes = pages.get(number);
    if (bytes) pages.delete(number);
    else bytes = get(number * PAGE, Math.min(size, (number + 1) * PAGE));
    pages.set(number, bytes);
    if (pages.size > KEPT) pages.delete(pages.keys().next().value as number);
    return bytes;
  }
  return {
    size, reads,
    read(into, offset) {
      const end = Math.min(size, offset + into.length);
      if (end <= offset) return 0;
      if (end - offset > 4 * PAGE) { // bulk data are not kept
        into.set(get(offset, end));
        return end - offset;
      }
      for (let at = offset; at < end;) {
        const number = Math.floor(at / PAGE);
        const to = Math.min(end, (number + 1) * PAGE);
        into.set(page(number).subarray(at - number * PAGE, to - number * PAGE), at - offset);
        at = to;
      }
      return end - offset;
    },
  };
}
