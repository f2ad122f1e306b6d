import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compute } from '../fixtures/both-forms.ts';
import { caseInputs, readCases } from '../fixtures/cases.ts';

const cases = await readCases();

describe.each([
  ['composed', '0'],
  ['native where there is such a kernel', undefined],
])('PyTorch in float64 and attention, %s', (_name, setting) => {
  const before = process.env.EFLOW_NATIVE;
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env.EFLOW_NATIVE;
    else process.env.EFLOW_NATIVE = value;
  };
  beforeEach(() => set(setting));
  afterEach(() => set(before));

  it.each(cases)('$name', (one) => {
    const actual = tf.tidy(() => compute(one.spec, caseInputs(one)));
    expect(Object.keys(actual).sort()).toEqual([...one.expected.keys()].sort());
    const greatest = Math.max(...[...one.expected.values()].map(({ largest }) => largest));
    for (const [part, { values, largest }] of one.expected) {
      // The gradients of q and k all but vanish where a token sees itself alone: what is left is the rounding of terms that
      // cancel, so it counts beside those.
      const scale = largest > 0.01 * greatest ? largest : greatest;
      const all = actual[part]!.dataSync();
      const stored = all.filter((_, i) => i % (one.stride ?? 1) === 0);
      try {
        expectClose(stored, values, { rtol: 1e-4, atol: 1e-5 * scale });
        const distance = Math.hypot(...stored.map((x, i) => x - values[i]!));
        expect(distance).toBeLessThan(1e-4 * scale);
        expect(Math.max(...all.map(Math.abs))).toBeCloseTo(largest, 3);
      } catch (error) {
        throw new Error(`${part}: ${error instanceof Error ? error.message : error}`);
      }
    }
    tf.dispose(actual);
  });
});
