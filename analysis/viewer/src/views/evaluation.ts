/* Variant by condition. */
import { h, onWidth } from "../parts/dom";
import { percent } from "../parts/numbers";
import type { Context, View } from "./view";

export const evaluation: View = {
  id: "evaluation",
  title: "Evaluation",
  help: "Accuracy of every variant under every condition.",
  width: "whole",
  wanted: (study) => (study.has("/summary/accuracy") ? null : "this study has no summary yet"),
  async mount(where: HTMLElement, { study }: Context) {
    const accuracy = await study.read("/summary/accuracy");
    const table = h("table", {},
      h("tr", {}, h("th", {}, "variant"), ...study.conditions.map((name) => h("th", {}, name))),
      ...study.variants.map((variant) => h("tr", {}, h("th", {}, variant.name),
        ...study.conditions.map((_, c) => h("td", {}, percent(accuracy[variant.index * study.conditions.length + c]))))));
    where.append(table);
    return onWidth(where, () => {});
  },
};
