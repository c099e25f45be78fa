/* How far the two networks' linearizations of one sample hold: radii, what ends them, and the nearest decision boundary. */
import { h } from "../parts/dom";
import { count, short } from "../parts/numbers";
import { certain, NORMS, type Reach } from "./reach_data";
import type { Study } from "./view";

/** at: the sample's place. What is a lower bound is said to be one. */
export function reachTable(study: Study, sides: readonly Reach[], at: number, unit: string, first: number): HTMLElement {
  const bound = (value: number, exact: boolean): string => (exact || !Number.isFinite(value) ? short(value) : `≥ ${short(value)}`);
  return h("table", { class: "reach-figures", "aria-label": "how far linearizations hold" },
    h("thead", {}, h("tr", {}, ...[["network", ""], ["norm", ""], ["W, b hold within", `radius of the region around the sample (${unit})`], ["ties aside", "the same but for boundaries of the region that the sample lies on"],
      ["ends at", "which gate, or maximum, changes there"], ["decision boundary", `distance to the nearest one of the sample's own map (${unit}); ≥: its nearest point lies outside of the region, so that this is a lower bound`],
      ["beyond it", "the class that wins there"], ["no other class within", "of all inputs: the smaller of radius and boundary, a lower bound where the boundary is not reached inside of the region"]].map(([name, says]) => h("th", { title: says }, name)))),
    h("tbody", {}, ...sides.flatMap((reach) => NORMS.map(([id, norm], n) => {
      const radius = reach.radius[n][at], boundary = reach.boundary[n][at], inside = reach.inside[n][at], ties = reach.tied[at];
      return h("tr", { "data-variant": reach.variant.name, "data-norm": id, "data-radius": radius, "data-untied": reach.untied[n][at], "data-boundary": boundary },
        h("th", { scope: "row" }, n ? "" : h("span", { class: "swatch", style: `background:var(${reach.variant.index === first ? "--first" : "--second"})` }), n ? "" : ` ${reach.variant.name}`),
        h("td", {}, norm), h("td", {}, ties ? `${short(radius)} (${count(ties)} ${ties === 1 ? "tie" : "ties"})` : short(radius)), h("td", {}, short(reach.untied[n][at])), h("td", {}, reach.limit[n][at] || "–"),
        h("td", {}, bound(boundary, inside)), h("td", {}, study.classes[reach.other[n][at]] ?? "–"), h("td", {}, bound(certain(reach, n)[at], inside && boundary <= radius)));
    }))));
}
