import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@eflow/checkpoint';
import { disposeTree } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureClip, fixtureState } from '../fixtures/i3d-weights.ts';
import { type I3DParams, i3d, i3dParams } from './i3d.ts';

const { tensors } = await readSafetensors(fileURLToPath(new URL('../fixtures/i3d.safetensors', import.meta.url)));
const state = fixtureState();
let params: I3DParams;
beforeAll(() => {
  params = i3dParams(state);
});
afterAll(() => disposeTree(params));

describe('i3d', () => {
  it.each([[[16, 224, 224]], [[32, 224, 224]], [[11, 195, 229]]] as const)(
    'gives of a clip of %j what PyTorch gives in float64 (reference/i3d_fixtures.py)',
    (size) => {
      const before = tf.memory().numTensors;
      const clip = fixtureClip(size);
      const output = i3d(params, clip);
      for (const part of ['logits', 'pooled'] as const) {
        const expected = tensors.get(`${size.join('x')} ${part}`)!.data as Float32Array;
        const largest = Math.max(...expected.map(Math.abs));
        expectClose(output[part], expected, { rtol: 0, atol: 1e-5 * largest });
      }
      tf.dispose([clip, { ...output }]);
      expect(tf.memory().numTensors).toBe(before);
    },
    60_000,
  );

  it('refuses clips that it cannot see', () => {
    const clip = (...shape: number[]) => tf.zeros([1, ...shape]);
    expect(() => i3d(params, clip(8, 224, 224, 3))).toThrow('clips of 8 frames; at least 9');
    expect(() => i3d(params, clip(16, 112, 224, 3))).toThrow('frames of 112x224; resize them to 224x224');
    expect(() => i3d(params, clip(16, 224, 224, 1))).toThrow('expected clips [B, F, H, W, 3]');
  });
});

describe('i3dParams', () => {
  it('refuses tensors that are missing, of another shape, or not finite, before it makes any', () => {
    const before = tf.memory().numTensors;
    const change = (name: string, x?: { shape: number[]; data: Float32Array }) => {
      const map = new Map(state);
      x ? map.set(name, x) : map.delete(name);
      return map;
    };
    expect(() => i3dParams(change('Mixed_4e.b2b.bn.running_var'))).toThrow("no 'Mixed_4e.b2b.bn.running_var'");
    expect(() => i3dParams(change('logits.conv3d.bias', { shape: [600], data: new Float32Array(600) }))).toThrow(
      "'logits.conv3d.bias' is [600]; expected [400]",
    );
    const nan = new Float32Array(400).fill(Number.NaN);
    expect(() => i3dParams(change('logits.conv3d.bias', { shape: [400], data: nan }))).toThrow('holds NaN');
    expect(tf.memory().numTensors).toBe(before);
  });
});
