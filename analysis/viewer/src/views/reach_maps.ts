/* The nearest point of another class beside the sample, and what it differs in, network by network. */
import { h } from "../parts/dom";
import { short } from "../parts/numbers";
import { boundOf, imageMap, signedMap, summed, type PixelMap } from "../parts/pixel_map";
import { NORMS, type Nearest } from "./reach_data";
import type { Study } from "./view";

/** raw: the sample's pixels; scale: the pixel that is white. Differences are on one scale. keep: of maps, until they are removed. */
export function nearestMaps(study: Study, found: readonly Nearest[], raw: Float64Array, scale: number, sample: number, at: number, norm: number, keep: (map: PixelMap) => HTMLElement): HTMLElement {
  const size = study.image, bound = boundOf(...found.map(({ difference }) => summed(difference, size)));
  return h("section", { class: "reach-nearest" }, h("h3", {}, `The nearest point of another class, ${NORMS[norm][1]}`),
    h("div", { class: "sample-maps" }, keep(imageMap(`sample ${sample}`, raw, size, scale)), ...found.flatMap(({ reach, pixels, difference }) => {
      const name = study.classes[reach.other[norm][at]] ?? "–", inside = reach.inside[norm][at];
      const largest = Math.max(...difference.map(Math.abs));
      return [h("div", { "data-variant": reach.variant.name }, keep(imageMap(`${reach.variant.name}: ${name}`, pixels, size, scale)),
        h("p", { class: "note" }, inside ? `in the region: exactly ${short(reach.boundary[norm][at])} away` : `outside of the region, where the network is another map: ≥ ${short(reach.boundary[norm][at])} away`)),
      h("div", { "data-difference": reach.variant.name }, keep(signedMap("point − sample", difference, size, bound, "normalised input")),
        h("p", { class: "note", "data-largest": largest }, `the largest change of an input: ${short(largest)}`))];
    })));
}
