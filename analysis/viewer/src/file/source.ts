/* Where the bytes of a study come from: a file that somebody picked or dropped, a server that knows ranges, or the page
 * itself.  The same three are read in two ways: here without waiting for each other, for bulk data by their offsets; and
 * in the worker one after the other (blocking.ts), for h5wasm. */

/** What a worker needs to read the same bytes itself. */
export type SourceParts = { kind: "blob"; blob: Blob } | { kind: "http"; url: string; size: number } | { kind: "bytes"; bytes: Uint8Array };

export interface Source {
  readonly name: string;
  readonly size: number;
  readonly parts: SourceParts;
  /** Bytes offset … offset + length - 1; throws if they are not all there. */
  read(offset: number, length: number): Promise<ArrayBuffer>;
  /** Many parts, one behind the other, in one read; where there is no such thing they are read one by one. */
  several?(parts: readonly { offset: number; length: number }[]): Promise<ArrayBuffer>;
}

/** How often and how much was read, for the measurements and for who wonders. */
export const reads = { count: 0, bytes: 0 };

function counted(buffer: ArrayBuffer, length: number): ArrayBuffer {
  reads.count++;
  reads.bytes += buffer.byteLength;
  if (buffer.byteLength !== length) throw new Error("the file ends before its data do");
  return buffer;
}

export function blobSource(blob: Blob, name: string): Source {
  return {
    name, size: blob.size, parts: { kind: "blob", blob },
    read: async (offset, length) => counted(await blob.slice(offset, offset + length).arrayBuffer(), length),
    several: async (parts) => counted(await new Blob(parts.map(({ offset, length }) => blob.slice(offset, offset + length))).arrayBuffer(),
      parts.reduce((sum, { length }) => sum + length, 0)),
  };
}

function bytesSource(bytes: Uint8Array, name: string): Source {
  return {
    name, size: bytes.length, parts: { kind: "bytes", bytes },
    read: async (offset, length) => counted(bytes.slice(offset, offset + length).buffer, length),
  };
}

/** A file behind a server; it has to answer a request for a range with that range (206). */
export async function httpSource(url: string): Promise<Source> {
  const absolute = new URL(url, document.baseURI).href;
  const name = decodeURIComponent(new URL(absolute).pathname.split("/").pop() || url);
  const first = await fetch(absolute, { headers: { Range: "bytes=0-7" } }).catch(() => {
    throw new Error(`${name}: the server does not answer`);
  });
  if (first.status === 200) {
    await first.body?.cancel();
    throw new Error(`${name}: this server sends whole files only; facet view STUDY.h5 starts one that sends parts`);
  }
  if (first.status === 416) throw new Error(`${name}: the file is empty`);
  if (first.status !== 206) throw new Error(`${name}: the server says ${first.status} ${first.statusText}`);
  await first.arrayBuffer();
  reads.count++;
  const size = Number(first.headers.get("Content-Range")?.split("/")[1]);
  if (!Number.isFinite(size)) throw new Error(`${name}: the server does not say how long the file is`);
  return {
    name, size, parts: { kind: "http", url: absolute, size },
    async read(offset, length) {
      if (length === 0) return new ArrayBuffer(0);
      const answer = await fetch(absolute, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
      if (answer.status !== 206) throw new Error(`${name}: the server says ${answer.status} ${answer.statusText}`);
      return counted(await answer.arrayBuffer(), length);
    },
  };
}

/** Text in base64 of gzipped bytes, unpacked; null: the text is no such thing. */
export async function unpacked(text: string): Promise<Uint8Array | null> {
  if (text.length < 16 || text.startsWith("@")) return null;
  const packed = await (await fetch(`data:application/octet-stream;base64,${text.trim()}`)).blob();
  return new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

/** The study that the page holds itself (single.html); null: none. */
export async function embeddedSource(): Promise<Source | null> {
  const text = document.getElementById("study")?.textContent ?? "";
  const bytes = await unpacked(text);
  return bytes ? bytesSource(bytes, document.title) : null;
}
