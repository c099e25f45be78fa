/* What the data supports, in sentences that the run has written: each leads to the picture and the state that show it. */
import { goTo } from "../parts/scroll";
import { h } from "../parts/dom";
import type { Context, Study, View } from "./view";

interface Finding { about: string; text: string; view: string; numbers: string }

const NUMBER = "/findings/number";

async function read(study: Study): Promise<Finding[]> {
  const [about, text, view, numbers] = await Promise.all(["finding", "text", "view", "number"].map((name) => study.texts(`/findings/${name}`)));
  return about.map((one, i) => ({ about: one, text: text[i], view: view[i], numbers: numbers[i] })).filter((one) => one.text !== "");
}

/* Its numbers, indented; as they are, if they are no JSON. */
function indented(numbers: string): string {
  try {
    return JSON.stringify(JSON.parse(numbers), null, 1);
  } catch {
    return numbers;
  }
}

/** Sets what views share as a finding has it; the user's own groups and choices stay, and what was selected goes. */
function go({ store, parsed }: Context, finding: Finding): void {
  const state = parsed(finding.view), { groups, choices } = store.state;
  store.set({ ...state, groups, choices: { ...choices, ...state.choices } });
  goTo(state.view ?? null);
}

function item(context: Context, finding: Finding): HTMLElement {
  const at = finding.text.indexOf(": ");
  const [lead, rest] = at < 0 ? [finding.text, ""] : [finding.text.slice(0, at + 1), finding.text.slice(at + 1)];
  return h("li", { "data-about": finding.about }, h("div", { class: "of" },
    h("p", {}, h("b", {}, lead), rest),
    finding.view ? h("button", { onclick: () => go(context, finding), title: "set the compared variants, the condition and the filters as this has them, and go to what shows it" }, "Show") : null,
    h("details", {}, h("summary", {}, "numbers"), h("pre", {}, indented(finding.numbers)))));
}

export const findings: View = {
  id: "findings",
  title: "Findings",
  help: "What the data of this study supports, each with its effect, an interval and an exact test; p-values are adjusted for all tests of their kind. "
    + "Show sets the compared variants, the condition and the filters, and goes to the picture. Variants that have failed are named first and left out of the rest.",
  width: "whole",
  wanted: (study) => {
    if (!study.has(NUMBER)) return "This study was made before facet wrote findings: run it again.";
    const stage = study.stages.find(({ name }) => name === "findings");
    return stage && stage.done < stage.of ? "Findings are written at the end of a run; this one is not finished." : null;
  },
  mount: async (where, context) => {
    const all = await read(context.study);
    where.append(all.length ? h("ol", { class: "findings", tabIndex: 0 }, ...all.map((finding) => item(context, finding)))
      : h("p", { class: "note" }, "The data of this study supports no finding."));
    return () => where.replaceChildren();
  },
  table: async ({ study }) => [["about", "finding", "address", "numbers"], ...(await read(study)).map(({ about, text, view, numbers }) => [about, text, view, numbers])],
};
