/* The views in the order of the page. */
import { attributions } from "./attributions";
import { census } from "./census";
import { cost } from "./cost";
import { evaluation } from "./evaluation";
import { findings } from "./findings";
import { geometry } from "./geometry";
import { groups } from "./groups";
import { layers } from "./layers";
import { lines } from "./lines";
import { map } from "./map";
import { parallel } from "./parallel";
import { planes } from "./planes";
import { reach } from "./reach";
import { sample } from "./sample";
import { similarity } from "./similarity";
import type { View } from "./view";

export const views: readonly View[] = [
  findings, evaluation, similarity, cost, geometry, parallel, map, sample, lines, planes, layers, attributions, reach, census, groups,
];
