import * as tf from '@tensorflow/tfjs-core';

type Values = tf.Tensor | ArrayLike<number>;

const toArray = (values: Values): ArrayLike<number> => (values instanceof tf.Tensor ? values.dataSync() : values);

/** Fails unless every |actual - expected| <= atol + rtol * |expected|; a NaN or an infinity equals only itself. */
export function expectClose(actual: Values, expected: Values, { rtol = 1e-5, atol = 1e-6 } = {}): void {
  const a = toArray(actual);
  const b = toArray(expected);
  if (a.length !== b.length) throw new Error(`expectClose: ${a.length} values against ${b.length} expected`);
  for (let i = 0; i < a.length; i++) {
    const within = Number.isFinite(b[i]) && Math.abs(a[i]! - b[i]!) <= atol + rtol * Math.abs(b[i]!);
    const near = Object.is(a[i], b[i]) || within;
    if (!near) throw new Error(`expectClose: element ${i} is ${a[i]}, expected ${b[i]} (rtol ${rtol}, atol ${atol})`);
  }
}
