/* Units and meanings of arrays, from the table of docs/results.md (build.mjs). */
import rows from "generated:rows";

const patterns = rows.map(([path, unit, meaning]) => ({
  path: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/<[a-z]+>/g, "[^/]+")}$`), unit, meaning,
}));
const row = (path: string) => patterns.find((pattern) => pattern.path.test(path));

export const unitOf = (path: string): string => row(path)?.unit ?? "";
export const meaningOf = (path: string): string => row(path)?.meaning ?? "";
