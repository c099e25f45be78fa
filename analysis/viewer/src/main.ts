/* Opens what the page was given — a study inside it, one that a server names, one that is picked or dropped — and shows it. */
import { blobSource, embeddedSource, httpSource, reads, type Source } from "./file/source";
import { h } from "./parts/dom";
import { shell } from "./shell";
import { openStudy } from "./study/open";
import { startTheme } from "./parts/theme";

const root = document.getElementById("facet") as HTMLElement;
let down: (() => void) | null = null;

/* `facet view` serves the page at / and the study beside it; ?study=… names another. */
async function served(): Promise<Source | null> {
  const named = new URLSearchParams(location.search).get("study");
  if (named) return httpSource(named);
  if (!location.protocol.startsWith("http")) return null;
  const there = await fetch("study.h5", { method: "HEAD" }).catch(() => null);
  return there?.ok ? httpSource("study.h5") : null;
}

/* Takes down what is shown. */
function leave(): void {
  down?.();
  down = null;
  delete (window as { facetViewer?: unknown }).facetViewer;
}

function welcome(message?: string): void {
  leave();
  const input = h("input", { type: "file", accept: ".h5,.hdf5,.he5", hidden: true, onchange: () => { if (input.files?.[0]) void show(blobSource(input.files[0], input.files[0].name)); } });
  root.replaceChildren(h("main", { class: "welcome" },
    h("h1", {}, "facet"),
    h("p", {}, "What pruning did to a network, sample by sample."),
    message ? h("p", { class: "problem", role: "alert" }, message) : null,
    h("div", { class: "drop" }, input,
      h("button", { class: "big", onclick: () => input.click() }, "Open a study…"),
      h("p", {}, "or drop its study.h5 anywhere on this page. It is read where it lies; nothing leaves this computer."))));
  (root.querySelector("button") as HTMLElement).focus();
}

async function show(source: Source): Promise<void> {
  const started = performance.now();
  leave();
  root.replaceChildren(h("main", { class: "welcome" }, h("h1", {}, "facet"), h("p", { role: "status" }, `Reading ${source.name} …`)));
  try {
    const study = await openStudy(source);
    document.title = `${study.name} – facet`;
    const shown = shell(root, study, pick);
    down = shown.down;
    const hdf5 = await study.readsThroughHdf5();
    // For whoever looks at a study from the browser's console, and for the tests.
    Object.assign(window, { facetViewer: { study, store: shown.store, opened: { milliseconds: performance.now() - started, reads: { ...reads }, hdf5 } } });
  } catch (error) {
    welcome(error instanceof Error ? error.message : String(error));
  }
}

function pick(file: File): void {
  history.replaceState(null, "", location.pathname + location.search);
  void show(blobSource(file, file.name));
}

document.addEventListener("dragover", (event) => {
  if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  pick(file);
});

startTheme();
void (async () => {
  try {
    const source = (await embeddedSource()) ?? (await served());
    if (source) await show(source);
    else welcome();
  } catch (error) {
    welcome(error instanceof Error ? error.message : String(error));
  }
})();
