import { useTensorFlow } from '@eflow/engine';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Rows and columns: 2 GFLOP, enough for the full rate. */
const SIZE = 1024;
const SECONDS = 1;

/** FLOP/s of plain matrix products on TensorFlow: of the fastest in one second. */
export async function measureRate(): Promise<number> {
  await useTensorFlow();
  const [a, b] = ['a', 'b'].map((name) => randomNormal(splitStream(createStream(0), name), [SIZE, SIZE]));
  let fastest = Number.POSITIVE_INFINITY;
  const start = performance.now();
  do {
    const before = performance.now();
    tf.matMul(a!, b!).dispose();
    fastest = Math.min(fastest, (performance.now() - before) / 1000);
  } while (performance.now() - start < 1000 * SECONDS);
  tf.dispose([a, b]);
  return (2 * SIZE ** 3) / fastest;
}
