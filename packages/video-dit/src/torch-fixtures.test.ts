import { loadTree } from '@eflow/checkpoint';
import { createStream, treeEntries, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type Case, caseInput, caseParams, caseWeights, readCases, TRAVELLED, thinOut } from '../fixtures/cases.ts';
import { initVideoDiT, type VideoDiTParams } from './params.ts';
import { videoDiT, weakVideoDiT } from './video-dit.ts';

const TOLERANCE = 1e-4;
const cases = await readCases();

/** The numbers of the output, then of the gradients of its weighted sum, in the order in which they are stored. */
function compute(one: Case, params: VideoDiTParams): [part: string, numbers: ArrayLike<number>][] {
  const input = caseInput(one);
  const { noisy, condition } = input;
  const { context } = condition;
  const network = one.weak ? weakVideoDiT : videoDiT;
  const { values, grads } = tf.tidy(() =>
    valueAndGrad(
      () => {
        const output = network(params, one.config, input);
        return { loss: tf.sum<tf.Scalar>(tf.mul(output, caseWeights(one, output.shape))), output };
      },
      { inputs: { noisy, ...(context && { context }) }, params },
    ),
  );
  const byName = treeEntries(grads.params).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = [['output', values.output] as const, ...treeEntries(grads.inputs), ...byName];
  const numbers = parts.map(([part, x]): [string, ArrayLike<number>] => [part, x.dataSync()]);
  tf.dispose([values, grads, { ...input }]);
  return numbers;
}

/** Fails unless every number that is stored, and every part's largest and norm, are within the tolerance. */
function expectStored({ values, sizes }: Case, parts: [part: string, numbers: ArrayLike<number>][]): void {
  expect(parts).toHaveLength(sizes.length / 2);
  let read = 0;
  parts.forEach(([part, numbers], i) => {
    const stored = thinOut(numbers);
    const [largest, norm] = [sizes[2 * i]!, sizes[2 * i + 1]!];
    const all = Array.from(numbers);
    const actual = [Math.max(...all.map(Math.abs)), Math.hypot(...all)];
    try {
      expectClose(stored, values.subarray(read, read + stored.length), { rtol: 0, atol: TOLERANCE * largest });
      expectClose(actual, [largest, norm], { rtol: TOLERANCE, atol: 0 });
    } catch (error) {
      throw new Error(`${part}: ${error instanceof Error ? error.message : error}`);
    }
    read += stored.length;
  });
  expect(read).toBe(values.length);
}

describe('PyTorch in float64 and VideoDiT', () => {
  it.each(cases)('$name', (one) => {
    const params = caseParams(one);
    const before = tf.memory().numTensors;
    expectStored(one, compute(one, params));
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose({ ...params });
  });

  it('read the same weights by their names alone', async () => {
    const one = cases.find(({ name }) => name === TRAVELLED.name)!;
    const template = initVideoDiT(createStream(1), one.config);
    const travelled = await loadTree(TRAVELLED.file, template);
    const expected = treeEntries(caseParams(one));
    treeEntries(travelled).forEach(([name, x], i) => {
      expect([name, x.shape]).toEqual([expected[i]![0], expected[i]![1].shape]);
      expectClose(x, expected[i]![1], { rtol: 0, atol: 0 });
    });
    expectStored(one, compute(one, travelled));
  });
});
