import { compile } from '@eflow/engine';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import { type AllInputs, checkGradients, checkValues, drawInputs, gradientsOf } from '../fixtures/check-kernel.ts';
import { ATTENTION_KINDS, type AttentionSpec, attention } from './attention.ts';
import { gatherRotary, rotaryTable } from './rotary.ts';
import { composedSoftmax } from './softmax.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed forms

const specs = ATTENTION_KINDS.flatMap(({ examples }): AttentionSpec[] => examples);

describe.each(specs)('attention: %j', (spec) => {
  const inputs = drawInputs([2, 3, 30, 6], 1, [5, 3, 2]);
  const run = (at: AllInputs) => attention(spec, at);

  it('gives the same on a backend in JavaScript, forward and backward', async () => {
    const before = tf.getBackend();
    const values = () => [run(inputs), ...gradientsOf(run, inputs)].map((x) => Array.from(x.dataSync()));
    const expected = values();
    await tf.setBackend('cpu');
    try {
      for (const [i, actual] of values().entries()) expectClose(actual, expected[i]!, { rtol: 1e-4, atol: 1e-4 });
    } finally {
      await tf.setBackend(before);
    }
  });

  it('gives the same compiled, forward and backward', () => {
    const both = (at: AllInputs) => [run(at), ...gradientsOf(run, at)];
    const { grid, ...tensors } = inputs;
    const compiled = compile((at: typeof tensors) => both({ ...at, grid }))(tensors);
    for (const [i, expected] of both(inputs).entries()) {
      expectClose(compiled[i]!, expected, { rtol: 1e-4, atol: 1e-4 });
    }
  });

  it('NaN propagates and nothing hangs', () => {
    const output = attention(spec, { ...inputs, v: tf.fill([2, 3, 30, 6], Number.NaN) });
    expect(output.dataSync().every(Number.isNaN)).toBe(true);
    const spoilt = { ...inputs, q: tf.fill([2, 3, 30, 6], Number.NaN), k: tf.fill([2, 3, 30, 6], Number.NaN) };
    for (const x of [run(spoilt), ...gradientsOf(run, spoilt)]) x.dataSync();
    expect(run(spoilt).dataSync().every(Number.isNaN)).toBe(true);
  });

  it('quotes both shapes where they disagree', () => {
    for (const name of ['k', 'v'] as const) {
      expect(() => attention(spec, { ...inputs, [name]: tf.zeros([2, 3, 29, 6]) })).toThrow(
        `expected ${name} [B=2, N=3, L=30, D=6], got [2, 3, 29, 6]`,
      );
    }
    expect(() => attention(spec, { ...inputs, rotary: rotaryTable([1, 1, 29], 6) })).toThrow(
      'expected rotary.cos [30, 6], got [29, 6]',
    );
  });

  it('refuses an empty sequence and one longer than a tensor can be', () => {
    const empty = tf.zeros([2, 3, 0, 6]);
    expect(() => attention(spec, { ...inputs, q: empty, k: empty, v: empty })).toThrow(
      'q is [2, 3, 0, 6]; expected at least one token',
    );
    // A tensor that was never filled: nothing may touch its values before the check.
    const huge = tf.engine().makeTensorFromDataId({}, [1, 2, 2 ** 24, 64], 'float32');
    expect(() => attention(spec, { ...inputs, q: huge, k: huge, v: huge })).toThrow(
      'q is [1, 2, 16777216, 64], 2147483648 elements; expected at most 2^31 - 1',
    );
  });
});

describe.each(specs.filter((spec) => !('windowSize' in spec && typeof spec.windowSize !== 'number')))(
  'attention on dropped tokens: %j',
  (spec) => {
    it.each([
      [
        'seven of thirty',
        [
          [0, 1, 5, 8, 13, 21, 29],
          [2, 3, 4, 9, 10, 11, 28],
        ],
      ],
      ['one of thirty', [[17], [4]]],
    ])('agrees with the float64 oracle: %s', (_case, kept) => {
      const K = kept[0]!.length;
      const rotary = gatherRotary(rotaryTable([5, 3, 2], 6), tf.tensor2d(kept, [2, K], 'int32'));
      const inputs = { ...drawInputs([2, 3, K, 6], 2), rotary };
      checkValues(spec, inputs);
      checkGradients(spec, inputs);
    });
  },
);

// Not SLA's: its linear branch has features of what was turned before.
it.each(specs.filter(({ kind }) => kind !== 'sla'))(
  'shifting all positions changes nothing, as distances alone count: %j',
  (spec) => {
    const inputs = drawInputs([2, 3, 30, 6], 3, [5, 3, 2]);
    const whole = rotaryTable([8, 3, 2], 6);
    const from = (frame: number) => ({
      cos: tf.slice(whole.cos, [frame * 6, 0], [30, 6]),
      sin: tf.slice(whole.sin, [frame * 6, 0], [30, 6]),
    });
    const at = (frame: number) => attention(spec, { ...inputs, rotary: from(frame) });
    expectClose(at(3), at(0), { rtol: 1e-4, atol: 1e-4 });
  },
);

it('compiles softmax attention in blocks, which then run one after the other', () => {
  const { grid, ...tensors } = drawInputs([1, 2, 23, 6], 3);
  const run = (at: AllInputs) => composedSoftmax(at, 5);
  const both = (at: typeof tensors) => [run({ ...at, grid }), ...gradientsOf(run, { ...at, grid })];
  const compiled = compile(both)(tensors);
  for (const [i, expected] of both(tensors).entries()) {
    expectClose(compiled[i]!, expected, { rtol: 1e-4, atol: 1e-5 });
  }
});

it('refuses a kind that is not there, and one whose input is missing', () => {
  const { q, k, v } = drawInputs([1, 1, 5, 6], 4);
  expect(() => attention({ kind: 'sla' }, { q, k, v })).toThrow("kind 'sla' needs proj [D, D]");
  expect(() => attention({ kind: 'glga', windowSize: 2, featureMap: 'relu' }, { q, k, v })).toThrow(
    'needs gate [B, N, L, 1]',
  );
  expect(() => attention({ kind: 'local', windowSize: [1, 1, 1] }, { q, k, v })).toThrow('needs the grid [F, H, W]');
  const unknown = JSON.parse('{ "kind": "flash" }') as AttentionSpec;
  expect(() => attention(unknown, { q, k, v })).toThrow(/expected softmax, linear, local, .* or \w+$/);
});

it('fills in what a spec leaves out', () => {
  const inputs = drawInputs([1, 2, 7, 6], 5);
  const whole = attention({ kind: 'sla', variant: 'paper', featureMap: 'softmax' }, inputs);
  expectClose(attention({ kind: 'sla' }, inputs), whole, { rtol: 0, atol: 0 });
  const relu = attention({ kind: 'glga', windowSize: 2, featureMap: 'relu' }, inputs);
  expectClose(attention({ kind: 'glga', windowSize: 2 }, inputs), relu, { rtol: 0, atol: 0 });
});

describe.each(ATTENTION_KINDS)('the record of $kind', ({ kind, schema, examples }) => {
  it('has a schema of its own kind, which takes its examples and no unknown key', () => {
    expect(schema.shape.kind.value).toBe(kind);
    for (const example of examples) expect(schema.parse(example)).toMatchObject(example);
    expect(schema.safeParse({ ...examples[0], window: 1 }).success).toBe(false);
  });
});
