/** A share as a percentage. */
export const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

/** About three figures. */
export const figures = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
