import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs `fn` as if no gradient were being taken around it: nothing that it does is recorded outside, and gradients that it
 * takes have a tape of their own. TensorFlow.js has one tape per process, which a gradient inside the gradient of an op
 * (a `gradFunc`) would overwrite. What was there before is back afterwards, also if `fn` throws. Returns what `fn`
 * returns; scopes of tf.tidy are as ever.
 */
export function withoutTape<T>(fn: () => T): T {
  const { state } = tf.engine();
  const { activeTape, gradientDepth, kernelDepth } = state;
  Object.assign(state, { activeTape: null, gradientDepth: 0, kernelDepth: 0 });
  try {
    return fn();
  } finally {
    // A gradient that threw has left its tape, which keeps what it saved.
    for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}
