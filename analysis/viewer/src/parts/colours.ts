/* Colours and marks. Classes have a colour of a set that colour-blind people tell apart, and a letter or shape of their
 * own as well. */
import { symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle, symbolWye, symbolTimes, symbolPlus, symbolAsterisk, type SymbolType } from "d3-shape";
import { interpolateCividis } from "d3-scale-chromatic";
import { rgb } from "d3-color";
import { interpolateRgb } from "d3-interpolate";

/* Okabe & Ito (2008) without black, and three of Tol's that go with it; on light and on dark ground. */
const TEN = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#a09000", "#882255", "#7f7f7f", "#44aa99"];
const SHAPES: SymbolType[] = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolStar, symbolWye, symbolTimes, symbolPlus, symbolAsterisk];
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Colour of one of `of` classes: ten that are told apart; of more, as many of cividis. */
export function classColour(index: number, of: number): string {
  if (index < 0) return "#888888";
  return lit(of <= TEN.length ? TEN[index] : rgb(interpolateCividis((index + 0.5) / of)).formatHex());
}
/* On dark ground lighter, so that the dark ones are seen. */
function lit(colour: string): string {
  return document.documentElement.dataset.theme === "dark" ? rgb(interpolateRgb(colour, "#ffffff")(0.22)).formatHex() : colour;
}
/** Shape of a class: with its colour it is one of ten, or of a hundred. */
export const classShape = (index: number): SymbolType => SHAPES[Math.max(0, index) % SHAPES.length];
/** One or two letters that stand for a class: A … Z, AA … */
export const classLetter = (index: number): string =>
  index < 0 ? "?" : (index >= LETTERS.length ? LETTERS[Math.floor(index / LETTERS.length) - 1] ?? "#" : "") + LETTERS[index % LETTERS.length];
