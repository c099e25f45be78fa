/* Numbers as people read them: as many digits as say something, a real minus. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 }); // toLocaleString makes one at every call
const minus = (text: string): string => text.replace(/^-/, "\u2212");

/** Three digits or so: 0.937, 12.4, 1,240, 3.1e-7. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "\u2013" : value > 0 ? "\u221e" : "\u2212\u221e";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return minus(value.toExponential(2));
  if (size >= 1000) return minus(whole.format(value));
  return minus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3));
}
export const percent = (share: number, digits = 1): string => (Number.isFinite(share) ? `${minus((100 * share).toFixed(digits))} %` : "\u2013");
export const count = (number: number): string => whole.format(number);
export function bytes(number: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = number;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
/** Names, of many the first ones. */
export const listed = (names: readonly string[], most = 8): string =>
  names.length > most + 1 ? `${names.slice(0, most).join(", ")} and ${names.length - most} more` : names.join(", ");
