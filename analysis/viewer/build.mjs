// Builds the viewer into build/viewer of the project, or the folder that is named: index.html with viewer.js, worker.js
// and viewer.css beside it, for `facet view` and any server that knows ranges; and single.html, which holds all of them
// and a place for a study, for a double click.
//   node build.mjs [FOLDER]
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../../build/viewer"));

/* Units of the arrays: the table of docs/results.md, which is itself made from mpi/store/rows.def. */
async function rows() {
  const text = await readFile(join(here, "../../docs/results.md"), "utf8");
  const table = text.split("<!-- table rows arrays -->")[1]?.split("<!-- end -->")[0];
  if (!table) throw new Error("docs/results.md: no table of arrays");
  const found = [];
  for (const line of table.split("\n")) {
    const cells = line.replace(/\\\|/g, "\u0001").split("|").map((cell) => cell.replace(/\u0001/g, "|").trim());
    const path = cells[1]?.match(/^`(\/.*)`$/)?.[1];
    if (path) found.push([path, cells[4]]);
  }
  if (found.length === 0) throw new Error("docs/results.md: no arrays");
  return found;
}

const generated = {
  name: "generated",
  setup(on) {
    on.onResolve({ filter: /^generated:/ }, (what) => ({ path: what.path, namespace: "generated" }));
    on.onLoad({ filter: /rows$/, namespace: "generated" }, async () => ({ contents: JSON.stringify(await rows()), loader: "json" }));
  },
};
const common = {
  absWorkingDir: here, bundle: true, minify: !process.env.DEBUG, target: ["chrome100", "firefox110", "safari16.4"], legalComments: "none",
  charset: "utf8", logLevel: "warning", write: false, format: "iife", define: { "import.meta.url": '""' }, plugins: [generated],
  // h5wasm names modules of Node.js that it does not load in a browser.
  external: ["module", "fs", "path", "url", "crypto"],
};
const text = (result) => result.outputFiles[0].text;
const [viewer, worker, style] = (await Promise.all([
  build({ ...common, entryPoints: ["src/main.ts"] }),
  build({ ...common, entryPoints: ["src/file/worker.ts"] }),
  build({ ...common, entryPoints: ["src/style.css"] }),
])).map(text);

const page = (head, foot) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'self' blob: data:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; img-src 'self' data: blob:; connect-src 'self' blob: data:">
<link rel="icon" href="data:,">
<title>facet</title>
${head}
</head>
<body>
<div id="facet"></div>
<noscript>This page draws with JavaScript, which is off.</noscript>
${foot}
</body>
</html>
`;
const inline = (code) => code.replace(/<\/(script|style)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");
await mkdir(out, { recursive: true });
await Promise.all([
  writeFile(join(out, "viewer.js"), viewer),
  writeFile(join(out, "worker.js"), worker),
  writeFile(join(out, "viewer.css"), style),
  writeFile(join(out, "index.html"), page('<link rel="stylesheet" href="viewer.css">', '<script src="viewer.js"></script>')),
  // The study's place: base64 of a gzipped HDF5 file instead of @STUDY@.
  writeFile(join(out, "single.html"), page(`<style>${inline(style)}</style>`,
    `<script type="text/plain" id="study">@STUDY@</script>\n` +
    `<script type="text/plain" id="worker">${gzipSync(worker, { level: 9 }).toString("base64")}</script>\n` +
    `<script>${inline(viewer)}</script>`)),
]);
const size = (code) => `${(Buffer.byteLength(code) / 1e6).toFixed(2)} MB`;
console.log(`viewer: ${out}: viewer.js ${size(viewer)}, worker.js ${size(worker)}, viewer.css ${size(style)}`);
