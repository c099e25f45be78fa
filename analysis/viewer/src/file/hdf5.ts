/* The worker's answers, as promises. */
import { unpacked, type SourceParts } from "./source";
import type { Answers, Found } from "./worker";

export type { Found };
type Promised<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;
export type Hdf5 = { [name in keyof Answers]: Promised<Answers[name]> } & { end(): void };

/* Beside the page, or inside it (single.html, which may lie on a disk, where workers have no addresses). */
async function start(): Promise<Worker> {
  const packed = await unpacked(document.getElementById("worker")?.textContent ?? "");
  if (!packed) return new Worker(new URL("worker.js", document.baseURI));
  const url = URL.createObjectURL(new Blob([packed as Uint8Array<ArrayBuffer>], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.addEventListener("message", () => URL.revokeObjectURL(url), { once: true });
  return worker;
}

/** Opens the file in a worker of its own. Throws, in one sentence, if it is none of HDF5. */
export async function openHdf5(parts: SourceParts): Promise<Hdf5> {
  const worker = await start();
  let next = 0;
  const waiting = new Map<number, { done(value: unknown): void; failed(error: Error): void }>();
  worker.onmessage = ({ data }: MessageEvent<{ id: number; value?: unknown; error?: string }>) => {
    const who = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error !== undefined) who?.failed(new Error(data.error));
    else who?.done(data.value);
  };
  worker.onerror = (event) => {
    for (const who of waiting.values()) who.failed(new Error(`the reader has stopped: ${event.message || "it did not start"}`));
    waiting.clear();
  };
  const call = (does: string) => (...args: unknown[]) =>
    new Promise((done, failed) => {
      waiting.set(next, { done, failed });
      worker.postMessage({ id: next++, does, args });
    });
  const hdf5 = { end: () => worker.terminate() } as unknown as Hdf5;
  for (const name of ["open", "list", "describe", "attributes", "texts", "read", "reads"] as const) {
    (hdf5 as unknown as Record<string, unknown>)[name] = call(name);
  }
  try {
    await hdf5.open(parts);
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return hdf5;
}
