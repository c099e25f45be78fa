import { h } from "./parts/dom";
import type { Study } from "./study/study";
export function guide(_study: Study): HTMLDialogElement { return h("dialog", { class: "guide" }); }
