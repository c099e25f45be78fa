/* A logarithmic axis for distances: what is 0, or infinite, has a place of its own beside it. */
import { scaleLog, type ScaleLogarithmic } from "d3-scale";

const RAIL = 18;     // pixels from the axis' end to where 0, or what is infinite, stands

export interface LogAxis {
  scale: ScaleLogarithmic<number, number>;
  ticks: number[];
  /** Where a number stands; NaN: nowhere. */
  at(value: number): number;
  /** Where 0 and infinity stand, if there are such. */
  zero: number | null;
  infinite: number | null;
}

/** 1e-7, 0.02, 1, 500: what stands at a tick. */
export const tickText = (value: number): string => (value < 1e-3 || value >= 1e5 ? value.toExponential(0).replace("+", "") : String(Number(value.toPrecision(2)))).replace("-", "\u2212");

/** From one pixel to another (the axis may go up or down), for these numbers. */
export function logAxis(values: Iterable<number>, from: number, to: number): LogAxis {
  let low = Infinity, high = 0, zeros = false, infinites = false;
  for (const value of values) {
    if (value === 0) zeros = true;
    else if (value === Infinity) infinites = true;
    else if (value > 0) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (!(high > 0)) [low, high] = [0.1, 1];
  if (low === high) [low, high] = [low / 2, high * 2];
  const step = Math.sign(to - from) * RAIL, start = zeros ? from + step : from, end = infinites ? to - step : to;
  const gap = Math.log(high / low) * 0.03, scale = scaleLog([low * Math.exp(-gap), high * Math.exp(gap)], [start, end]);
  const decades = Math.log10(high / low), ticks = scale.ticks().filter((tick) => {
    const digit = Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9));
    return digit === 1 || (decades < 2.5 && (digit === 2 || digit === 5));
  });
  const zero = zeros ? from : null, infinite = infinites ? to : null;
  return { scale, ticks, zero, infinite, at: (value) => (value === 0 ? from : value === Infinity ? to : value > 0 ? scale(value) : NaN) };
}
