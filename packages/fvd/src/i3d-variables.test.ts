import { disposeTree } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import published from '../fixtures/i3d-tensorflow.json' with { type: 'json' };
import { fixtureClip, fixtureWeight } from '../fixtures/i3d-weights.ts';
import { i3d, i3dParams } from './i3d.ts';
import { i3dStateOfVariables, listI3DVariables } from './i3d-variables.ts';

const shapes = new Map(Object.entries(published.variables));
const variables = new Map([...shapes].map(([name, shape]) => [name, fixtureWeight(name, shape)]));

describe('i3dStateOfVariables', () => {
  it("takes all variables of DeepMind's code", () => {
    expect(listI3DVariables().sort()).toEqual([...shapes.keys()].sort());
  });

  it('gives the logits that TensorFlow gives with them (reference/i3d_variables_fixtures.py)', () => {
    const before = tf.memory().numTensors;
    const params = i3dParams(i3dStateOfVariables(variables));
    const clip = fixtureClip(published.size as [number, number, number]);
    const output = i3d(params, clip);
    const largest = Math.max(...published.logits.map(Math.abs));
    expectClose(output.logits, published.logits, { rtol: 0, atol: 1e-5 * largest });
    tf.dispose([clip, { ...output }]);
    disposeTree(params);
    expect(tf.memory().numTensors).toBe(before);
  }, 60_000);

  it('names what is missing', () => {
    const name = 'RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/beta';
    const fewer = new Map([...variables].filter(([other]) => other !== name));
    expect(() => i3dStateOfVariables(fewer)).toThrow(`no '${name}' among 229 variables`);
  });
});
