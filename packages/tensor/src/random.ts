import * as tf from '@tensorflow/tfjs-core';
import { philoxBits, philoxBlock, philoxNormal, philoxUniform, type Seed } from './philox.ts';

/**
 * A seeded, splittable, counter-based stream of random numbers. It holds no state: drawing twice from one stream gives
 * the same numbers, so every use splits off a stream of its own.
 */
export interface RandomStream {
  readonly seed: Seed;
}

/** Kernel names under which a backend may offer these draws natively: attributes `{ shape, seed }`, no inputs. */
export const RANDOM_KERNELS = {
  bits: 'EflowRandomBits',
  uniform: 'EflowRandomUniform',
  normal: 'EflowRandomNormal',
} as const;

/** A stream from a seed, an integer in [0, 2^53). Throws on any other value. */
export function createStream(seed: number): RandomStream {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`createStream: seed is ${seed}; expected an integer from 0 to 2^53 - 1`);
  }
  return { seed: [seed | 0, Math.floor(seed / 2 ** 32) | 0] };
}

/** The child stream with this label (a step number or a purpose). Different labels give unrelated streams. */
export function splitStream(stream: RandomStream, label: number | string): RandomStream {
  const [word, kind] = typeof label === 'number' ? [integerLabel(label), 0x6e756d] : [hashLabel(label), 0x737472];
  const mixed = new Uint32Array(4);
  philoxBlock(Uint32Array.of(...stream.seed, word, kind), [0x45466c6f, 0x77], mixed);
  return { seed: [mixed[0]! | 0, mixed[1]! | 0] };
}

/** int32 bits of the stream, as a tensor of `shape` that the caller owns. */
export function randomBits(stream: RandomStream, shape: number[]): tf.Tensor {
  return draw('bits', stream, shape, (seed, size) =>
    tf.tensor(Int32Array.from(philoxBits(seed, size)), shape, 'int32'),
  );
}

/** float32 values uniform on [0, 1), as a tensor of `shape` that the caller owns. */
export function randomUniform(stream: RandomStream, shape: number[]): tf.Tensor {
  return draw('uniform', stream, shape, (seed, size) => tf.tensor(philoxUniform(seed, size), shape));
}

/** float32 standard normal values, as a tensor of `shape` that the caller owns. */
export function randomNormal(stream: RandomStream, shape: number[]): tf.Tensor {
  return draw('normal', stream, shape, (seed, size) => tf.tensor(philoxNormal(seed, size), shape));
}

function draw(
  kind: keyof typeof RANDOM_KERNELS,
  stream: RandomStream,
  shape: number[],
  fallback: (seed: Seed, size: number) => tf.Tensor,
): tf.Tensor {
  const kernel = RANDOM_KERNELS[kind];
  if (!tf.getKernel(kernel, tf.getBackend())) return fallback(stream.seed, tf.util.sizeFromShape(shape));
  return tf.engine().runKernel(kernel, {}, { shape, seed: [...stream.seed] }) as tf.Tensor;
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
