/* What build.mjs makes while it builds: the tables of docs/results.md. */
declare module "generated:rows" {
  /** Path and unit of each array of docs/results.md. */
  const rows: [path: string, unit: string][];
  export default rows;
}
/* In workers only, which the library of the page does not know. */
declare class FileReaderSync { readAsArrayBuffer(blob: Blob): ArrayBuffer }
