/* A line between two samples in one variant: points between which the network is affine. */
import { bisectRight } from "d3-array";
import { count } from "../parts/numbers";
import { lackOf, numbersOf } from "./slices";
import type { Study, Variant } from "./view";

/* More logits than that are no matter of a page. */
const MOST = 1 << 24;

export interface Line {
  t: Float64Array;              // of each point the share of the way, ascending from 0 to 1
  logits: Float64Array;         // point by point
  piece: Float64Array;          // of each point the number of the piece behind it
  predicted: Float64Array;      // and the class that is predicted there
  pieces: number;
  crossing: number[];           // points where the predicted class changes
  residual: number;
}

/** A line; or, in a sentence, why it is not there. */
export async function lineOf(study: Study, variant: Variant, number: number): Promise<Line | string> {
  const lack = await lackOf(study, "line", variant, number);
  if (lack) return lack;
  const read = (name: string, ...size: number[]): Promise<Float64Array> => numbersOf(study, "line", variant, name, number, ...size);
  const [[points], [pieces], [residual]] = await Promise.all(["points", "pieces", "residual"].map((name) => read(name)));
  if (points * study.classes.length > MOST) return `This line has ${count(points)} points, each with ${count(study.classes.length)} logits: too many for a page; study.line in Python has them.`;
  const [t, logits, piece, predicted] = await Promise.all(["t", "logits", "piece", "predicted"].map((name) => read(name, points)));
  const crossing = Array.from(t.keys()).filter((i) => i > 0 && i < points - 1 && predicted[i] !== predicted[i - 1]);
  return { t, logits, piece, predicted, pieces, crossing, residual };
}

/** The point that a place lies behind; that of the last piece at its end. */
export const behind = ({ t }: Line, at: number): number => Math.min(t.length - 2, Math.max(0, bisectRight(t, at) - 1));

/** A logit at a place: between two points it is affine. */
export function logitAt(line: Line, classes: number, k: number, at: number): number {
  const i = behind(line, at), [a, b] = [line.logits[i * classes + k], line.logits[(i + 1) * classes + k]];
  return a + ((b - a) * (at - line.t[i])) / (line.t[i + 1] - line.t[i]);
}
