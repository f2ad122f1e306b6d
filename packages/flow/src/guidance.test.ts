import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { guidanceFade, guidedVelocity } from './guidance.ts';

const velocity = randomNormal(createStream(1), [4, 3]);
const reference = randomNormal(createStream(2), [4, 3]);
const t = tf.tensor1d([0, 0.5, 0.9, 1]);

describe('guidance', () => {
  it('is full up to t = 0.8 and gone at t = 1', () => {
    // t = 0.9: d = 0.1 / 0.2 = 1/2, so 1 - exp(-0.025).
    expectClose(guidanceFade(tf.tensor1d([0, 0.79, 0.8, 0.9, 1])), [1, 1, 1, 1 - Math.exp(-0.025), 0], { atol: 1e-5 });
  });

  it('moves the velocity away from the reference by k(t) (omega - 1)', () => {
    const [v, r] = [velocity.dataSync(), reference.dataSync()];
    const fade = [1, 1, 1 - Math.exp(-0.025), 0];
    const expected = Array.from(v, (value, i) => value + fade[Math.floor(i / 3)]! * 2 * (value - r[i]!));
    expectClose(guidedVelocity(velocity, reference, t, 3), expected, { atol: 1e-5 });
    expectNoLeak(() => guidedVelocity(velocity, reference, t, 3));
  });

  it('with scale 1 is the plain velocity', () => {
    expectClose(guidedVelocity(velocity, reference, t, 1), velocity, { rtol: 0, atol: 0 });
  });
});
