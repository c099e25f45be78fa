/* The views in the order of the page. */
import { evaluation } from "./evaluation";
import type { View } from "./view";

export const views: readonly View[] = [
  evaluation,
];
