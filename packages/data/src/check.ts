/** Throws an Error that names the value and its range. */
export function checkInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new Error(`${name}: expected an integer from ${least} to ${most}, got ${value}`);
}

/** Throws unless `seed` is an integer in [0, 2^32). */
export function checkSeed(seed: number): void {
  checkInteger('seed', seed, 0, 0xffff_ffff);
}

/** Throws unless `index` counts a clip or a batch: an integer in [0, 2^53). */
export function checkIndex(name: string, index: number): void {
  checkInteger(name, index, 0, Number.MAX_SAFE_INTEGER);
}

/** Throws unless `count` is an integer from 1 to 65535. */
export function checkCount(name: string, count: number): void {
  checkInteger(name, count, 1, 0xffff);
}
