import * as tf from '@tensorflow/tfjs-core';
import { explain } from './explain.ts';
import { philoxBits, philoxBlock, philoxNormal, philoxUniform, type Seed } from './philox.ts';

/**
 * A seeded, splittable, counter-based stream of random numbers. It holds no state: drawing twice from one stream gives
 * the same numbers, so every use splits off a stream of its own. The seed is two numbers, or a tensor of them, int32 [2]:
 * the same seed gives the same children and the same draws either way, and a tensor stream is a tree, so a function of
 * trees can take it as an argument.
 */
export interface RandomStream {
  readonly seed: Seed | tf.Tensor1D;
}

/**
 * Kernel names under which a backend may offer this natively. Each takes `seed`, int32 [2], as input. The draws have the
 * attribute `shape`; the split has `word` and `kind`, 32-bit words, and gives the child's seed, int32 [2].
 */
export const RANDOM_KERNELS = {
  bits: 'EflowRandomBits',
  uniform: 'EflowRandomUniform',
  normal: 'EflowRandomNormal',
  split: 'EflowRandomSplit',
} as const;

/** Philox's key of every split; a native split must use it too. */
export const SPLIT_KEY: Seed = [0x45466c6f, 0x77];

/** A stream from a seed, an integer in [0, 2^53). Throws on any other value. */
export function createStream(seed: number): RandomStream {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`createStream: seed is ${seed}; expected an integer from 0 to 2^53 - 1`);
  }
  return { seed: [seed | 0, Math.floor(seed / 2 ** 32) | 0] };
}

/** The same stream with its seed in a tensor of its own, int32 [2], which the caller owns. */
export function uploadStream({ seed }: RandomStream): { seed: tf.Tensor1D } {
  return { seed: seed instanceof tf.Tensor ? tf.clone(checkSeed(seed)) : uploadSeed(seed) };
}

/**
 * The child stream with this label (a step number or a purpose). Different labels give unrelated streams. The child of a
 * tensor stream has a tensor of its own, which the caller owns: split and draw inside one tidy. Throws on a number that
 * is no integer in [0, 2^32), or if the seed is a tensor other than int32 [2].
 */
export function splitStream({ seed }: RandomStream, label: number | string): RandomStream {
  const [word, kind] = typeof label === 'number' ? [integerLabel(label), 0x6e756d] : [hashLabel(label), 0x737472];
  if (!(seed instanceof tf.Tensor)) return { seed: mixSeed(seed, word, kind) };
  checkSeed(seed);
  if (!isNative('split')) return { seed: uploadSeed(mixSeed(readSeed(seed), word, kind)) };
  return { seed: tf.engine().runKernel(RANDOM_KERNELS.split, { seed }, { word, kind }) as tf.Tensor1D };
}

/** int32 bits of the stream, as a tensor of `shape` that the caller owns. */
export const randomBits = (stream: RandomStream, shape: number[]): tf.Tensor => draw('bits', stream, shape);

/** float32 values uniform on [0, 1), as a tensor of `shape` that the caller owns. */
export const randomUniform = (stream: RandomStream, shape: number[]): tf.Tensor => draw('uniform', stream, shape);

/** float32 standard normal values, as a tensor of `shape` that the caller owns. */
export const randomNormal = (stream: RandomStream, shape: number[]): tf.Tensor => draw('normal', stream, shape);

/** The values that a backend without kernels is given. */
const FALLBACKS = {
  bits: (seed: Seed, count: number) => Int32Array.from(philoxBits(seed, count)),
  uniform: philoxUniform,
  normal: philoxNormal,
};

function draw(kind: keyof typeof FALLBACKS, { seed }: RandomStream, shape: number[]): tf.Tensor {
  return explain(() =>
    tf.tidy(() => {
      if (seed instanceof tf.Tensor) checkSeed(seed);
      if (!isNative(kind)) return tf.tensor(FALLBACKS[kind](readSeed(seed), tf.util.sizeFromShape(shape)), shape);
      const input = seed instanceof tf.Tensor ? seed : uploadSeed(seed);
      return tf.engine().runKernel(RANDOM_KERNELS[kind], { seed: input }, { shape }) as tf.Tensor;
    }),
  );
}

const isNative = (kind: keyof typeof RANDOM_KERNELS) => tf.getKernel(RANDOM_KERNELS[kind], tf.getBackend()) != null;

const uploadSeed = (seed: Seed): tf.Tensor1D => tf.tensor1d(Int32Array.of(...seed), 'int32');

function readSeed(seed: Seed | tf.Tensor1D): Seed {
  if (!(seed instanceof tf.Tensor)) return seed;
  const [low, high] = seed.dataSync();
  return [low!, high!];
}

function checkSeed(seed: tf.Tensor1D): tf.Tensor1D {
  if (!seed.isDisposed && seed.dtype === 'int32' && seed.size === 2 && seed.rank === 1) return seed;
  const found = seed.isDisposed ? 'disposed' : `${seed.dtype} [${seed.shape.join(', ')}]`;
  throw new Error(`RandomStream: its seed is ${found}; expected int32 [2], as uploadStream makes it`);
}

/** The seed that this label's word and kind make of a seed: half a block of Philox. */
function mixSeed(seed: Seed, word: number, kind: number): Seed {
  const mixed = new Uint32Array(4);
  philoxBlock(Uint32Array.of(...seed, word, kind), SPLIT_KEY, mixed);
  return [mixed[0]! | 0, mixed[1]! | 0];
}

function integerLabel(label: number): number {
  if (Number.isInteger(label) && label >= 0 && label < 2 ** 32) return label;
  throw new Error(`splitStream: label is ${label}; expected an integer from 0 to 2^32 - 1, or a string`);
}

/** 32-bit FNV-1a of the label's UTF-16 units. */
function hashLabel(label: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
