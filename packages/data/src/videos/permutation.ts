import { hashWords } from '../hash.ts';

const ROUNDS = 4;

/**
 * Where `position`, an integer in [0, size), goes in a random order of `size` things: a permutation for each seed, computed
 * in O(1), so that any place of any epoch can be had without the ones before it. A Feistel network (Luby and Rackoff, 1988)
 * on the next power of four, walked until the result is below `size`.
 */
export function permute(position: number, size: number, seed: number): number {
  let bits = 1;
  while (4 ** bits < size) bits++;
  const half = 2 ** bits;
  let value = position;
  do {
    let [left, right] = [Math.floor(value / half), value % half];
    for (let round = 0; round < ROUNDS; round++) {
      [left, right] = [right, (left + hashWords(seed, [round, right])) % half];
    }
    value = left * half + right;
  } while (value >= size);
  return value;
}
