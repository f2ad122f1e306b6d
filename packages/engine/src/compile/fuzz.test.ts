import { createStream, randomNormal, splitStream, valueAndGrad } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expectCompiledEqualsEager } from '../../fixtures/compiled-oracle.ts';
import { ALL, DIFFERENTIABLE, type Program, programs, runProgram } from '../../fixtures/random-program.ts';

/** Fixed, so that a build does not depend on chance; another number searches elsewhere. */
const SEED = 20_261_124;

/** Compares a program's results on random inputs; no tensor may be left. */
function check(program: Program, fn: (...inputs: tf.Tensor[]) => tf.Tensor[]): void {
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const inputs = program.shapes.map((shape, i) => randomNormal(splitStream(createStream(5), i), shape));
    expectCompiledEqualsEager(fn, inputs);
  });
  expect(tf.memory().numTensors).toBe(before);
}

it('gives the values and gradients of random functions, compiled', () => {
  fc.assert(
    fc.property(programs, (program) => {
      check(program, (...inputs) => {
        const { values, grads } = valueAndGrad(() => {
          const results = runProgram(program, inputs, DIFFERENTIABLE);
          const loss = tf.addN(results.map((x) => tf.sum(tf.mul(tf.sin(x), x)))) as tf.Scalar;
          return { ...Object.fromEntries(results.map((x, i) => [`result ${i}`, x])), loss };
        }, inputs);
        const kept = [...Object.values(values), ...grads];
        const results = kept.map((x) => tf.clone(x));
        tf.dispose(kept);
        return results;
      });
    }),
    { numRuns: 200, seed: SEED },
  );
});

it('gives the values of random functions, compiled', () => {
  fc.assert(
    fc.property(programs, (program) => check(program, (...inputs) => runProgram(program, inputs, ALL))),
    { numRuns: 200, seed: SEED },
  );
});
