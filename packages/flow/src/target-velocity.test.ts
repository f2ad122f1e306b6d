import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { guidedVelocity } from './guidance.ts';
import { type TargetVelocity, targetVelocity } from './target-velocity.ts';

const [velocity, reference, own] = [1, 2, 3].map((seed) => randomNormal(createStream(seed), [5, 2, 3])) as [
  tf.Tensor,
  tf.Tensor,
  tf.Tensor,
];
const timestep = tf.tensor1d([0.1, 0.5, 0.85, 0.95, 0.3]);
const plain = tf.tensor1d([false, true, false, true, false], 'bool');
const none = tf.zeros([5], 'bool');
const base = { velocity, timestep, plain: none };
const target = (rows: Partial<TargetVelocity>, omega: number | tf.Scalar = 3, mu = 0.25) =>
  targetVelocity({ ...base, ...rows }, omega, { targetMixRatio: mu });
/** mu v_cfg + (1 - mu) own */
const mix = (mu: number, guided: tf.Tensor) => tf.add(tf.mul(guided, mu), tf.mul(own, 1 - mu));

describe('targetVelocity', () => {
  it('is mu v_cfg + (1 - mu) N, without guidance mu v + (1 - mu) N, with mu = 1 v_cfg', () => {
    const guided = guidedVelocity(velocity, reference, timestep, 3);
    expectClose(target({ reference, own }), mix(0.25, guided));
    expectClose(target({ own }), mix(0.25, velocity));
    expectClose(target({ reference }, 3, 1), guided);
    expectClose(target({ reference, own }, tf.scalar(3)), mix(0.25, guided));
  });

  it('is the plain velocity in plain rows, whatever the predictions there, bit for bit', () => {
    const broken = tf.where(tf.reshape(plain, [5, 1, 1]), tf.fill([5, 2, 3], Number.NaN), reference);
    const actual = tf.unstack(target({ reference: broken, own: broken, plain }));
    const whole = tf.unstack(target({ reference, own: reference }));
    for (const [i, row] of actual.entries()) {
      expectClose(row, [1, 3].includes(i) ? tf.gather(velocity, i) : whole[i]!, { rtol: 0, atol: 0 });
    }
  });

  it('is a copy of the velocity where there is nothing else', () => {
    const copy = target({}, 1, 1);
    expectClose(copy, velocity, { rtol: 0, atol: 0 });
    copy.dispose();
    expect(velocity.isDisposed).toBe(false);
  });

  it('is a constant, and leaves nothing else', () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.add(x, target({ velocity: x, reference: x, own: x }))))(own);
    expectClose(gradient, tf.onesLike(own), { rtol: 0, atol: 0 });
    for (const rows of [{}, { own }, { reference, own, plain }]) expectNoLeak(() => target(rows));
  });
});
