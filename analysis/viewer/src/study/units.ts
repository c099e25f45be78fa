/* Units of arrays, from the table of docs/results.md (build.mjs). */
import rows from "generated:rows";

const patterns = rows.map(([path, unit]) => ({
  path: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/<[a-z]+>/g, "[^/]+")}$`), unit,
}));

export const unitOf = (path: string): string => patterns.find((pattern) => pattern.path.test(path))?.unit ?? "";
