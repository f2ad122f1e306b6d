import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { callOp, expectCompiledEqualsEager, withGradients } from '../../fixtures/compiled-oracle.ts';
import { DIFFERENTIABLE_OPS } from '../../fixtures/differentiable-ops.ts';
import { OTHER_OPS } from '../../fixtures/other-ops.ts';

/** Compares inside a tidy and fails if a tensor is left. */
function check(fn: (...inputs: tf.Tensor[]) => tf.Tensor[], makeInputs: () => tf.Tensor[]): void {
  const before = tf.memory().numTensors;
  tf.tidy(() => expectCompiledEqualsEager(fn, makeInputs()));
  expect(tf.memory().numTensors).toBe(before);
}

describe('compiled equals eager, values and gradients', () => {
  it.each(Object.entries(DIFFERENTIABLE_OPS))('%s', (_, [inputs, op]) => {
    check(withGradients(op), () => inputs.map((make, place) => make(place)));
  });
});

describe('compiled equals eager', () => {
  it.each(Object.entries(OTHER_OPS))('%s', (_, [inputs, op]) => {
    check(
      (...tensors) => callOp(op, tensors),
      () => inputs.map((make, place) => make(place)),
    );
  });
});
