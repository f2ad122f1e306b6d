/**
 * Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011),
 * keyed and converted as TensorFlow's stateless random ops do it, so that both give the same numbers.
 */

/** Two 32-bit words; signed or unsigned, only the bits matter. */
export type Seed = readonly [number, number];

/** Philox's key under which TensorFlow scrambles seeds. */
export const SCRAMBLE_KEY: Seed = [0x3ec8f720, 0x02461e29];

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** The high 32 bits of a 32 x 32 bit product, by 16-bit halves; every sum stays below 2^53. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + aLow * bHigh + ((aLow * bLow) >>> 16);
  return (aHigh * bHigh + Math.floor(middle / 0x10000)) >>> 0;
}

/** One block: four words of counter and two of key give four words, written to `out` at `offset`. */
export function philoxBlock(counter: Uint32Array, key: Seed, out: Uint32Array, offset = 0): void {
  let c0 = counter[0]!;
  let c1 = counter[1]!;
  let c2 = counter[2]!;
  let c3 = counter[3]!;
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[offset] = c0;
  out[offset + 1] = c1;
  out[offset + 2] = c2;
  out[offset + 3] = c3;
}

/** Key and first counter of a seed, scrambled as TensorFlow's `StatelessRandomGetKeyCounter` does for an int32 seed. */
function keyAndCounter(seed: Seed): { key: Seed; counter: Uint32Array } {
  const words = Uint32Array.of(seed[0], (seed[0] | 0) >> 31, seed[1], (seed[1] | 0) >> 31); // sign-extended to 64 bits
  const mixed = new Uint32Array(4);
  philoxBlock(words, SCRAMBLE_KEY, mixed);
  return { key: [mixed[0]!, mixed[1]!], counter: Uint32Array.of(0, 0, mixed[2]!, mixed[3]!) };
}

/** `count` words of the stream of `seed`; word i depends on (seed, i) alone. */
export function philoxBits(seed: Seed, count: number): Uint32Array {
  const { key, counter } = keyAndCounter(seed);
  const bits = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let offset = 0; offset < bits.length; offset += 4) {
    philoxBlock(counter, key, bits, offset);
    for (let word = 0; word < 4; word++) {
      counter[word] = counter[word]! + 1;
      if (counter[word] !== 0) break;
    }
  }
  return bits.subarray(0, count);
}

/** 23 bits as the mantissa of a float32 in [0, 1). */
const toUniform = (bits: number): number => (bits & 0x7fffff) / 0x800000;

/** `count` float32 values, uniform on [0, 1). */
export function philoxUniform(seed: Seed, count: number): Float32Array {
  return Float32Array.from(philoxBits(seed, count), toUniform);
}

/** `count` float32 values, standard normal, by the Box-Muller transform of each pair of words. */
export function philoxNormal(seed: Seed, count: number): Float32Array {
  const bits = philoxBits(seed, count + (count % 2));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 2) {
    // Rounded to float32 where TensorFlow does: in the tails anything else differs by more than 1e-6.
    const log = Math.fround(Math.log(Math.fround(Math.max(toUniform(bits[i]!), 1e-7))));
    const radius = Math.fround(Math.sqrt(-2 * log));
    const angle = Math.fround(2 * Math.PI * toUniform(bits[i + 1]!));
    values[i] = radius * Math.sin(angle);
    values[i + 1] = radius * Math.cos(angle);
  }
  return values.subarray(0, count);
}
