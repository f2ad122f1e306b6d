import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AttentionSpec, attention } from './attention.ts';
import { attentionOracle, type OracleInputs } from './oracle.ts';
import { type Rotary, rotaryTable } from './rotary.ts';

type Shape = [number, number, number, number];

const specs: [string, AttentionSpec][] = [
  ['softmax', { kind: 'softmax' }],
  ['linear relu', { kind: 'linear', featureMap: 'relu' }],
  ['linear elu1', { kind: 'linear', featureMap: 'elu1' }],
  ['local +-2', { kind: 'local', windowSize: 2 }],
  ['local +-5', { kind: 'local', windowSize: 5 }],
  ['glga', { kind: 'glga', windowSize: 3, featureMap: 'relu' }],
];

function inputsFor(shape: Shape, seed: number) {
  const draw = (label: string, s: number[]) => randomNormal(splitStream(createStream(seed), label), s);
  const [B, N, L, D] = shape;
  const gate = tf.sigmoid(draw('gate', [B, N, L, 1]));
  const rotary = tf.tidy(() => {
    const table = rotaryTable([L, 1, 1], D);
    return { cos: tf.keep(table.cos), sin: tf.keep(table.sin) };
  });
  return { q: draw('q', shape), k: draw('k', shape), v: draw('v', shape), gate, rotary };
}

const numbers = (x: tf.Tensor) => Array.from(x.dataSync());

const oracleInputs = (inputs: {
  q: tf.Tensor;
  k: tf.Tensor;
  v: tf.Tensor;
  gate: tf.Tensor;
  rotary: Rotary;
}): OracleInputs => ({
  q: numbers(inputs.q),
  k: numbers(inputs.k),
  v: numbers(inputs.v),
  gate: numbers(inputs.gate),
  cos: numbers(inputs.rotary.cos),
  sin: numbers(inputs.rotary.sin),
});

describe.each(specs)('%s', (_name, spec) => {
  it.each<[string, Shape]>([
    ['prime sizes', [2, 3, 17, 10]],
    ['L below the window', [1, 2, 2, 6]],
    ['one token', [3, 1, 1, 6]],
    ['a multiple of the window', [1, 1, 30, 6]],
    ['just over three windows', [1, 1, 16, 6]],
    ['long, cut into blocks', [1, 2, 131, 6]],
    ['long, a multiple of the window', [1, 1, 150, 6]],
  ])('agrees with the float64 oracle: %s', (_case, shape) => {
    const inputs = inputsFor(shape, 1);
    expectClose(attention(spec, inputs), attentionOracle(spec, shape, oracleInputs(inputs)), {
      rtol: 1e-4,
      atol: 1e-5,
    });
  });

  it.each<Shape>([[1, 2, 11, 6], ...(spec.kind === 'local' || spec.kind === 'glga' ? [[1, 1, 131, 6] as Shape] : [])])(
    'has the gradients of q, k, v and the gate that differences of the float64 oracle give: [%i, %i, %i, %i]',
    (...shape) => {
      const inputs = inputsFor(shape, 2);
      const weights = randomNormal(createStream(3), shape);
      const names = (['q', 'k', 'v', 'gate'] as const).filter((name) => name !== 'gate' || spec.kind === 'glga');
      const gradients = tf.grads((...at) =>
        tf.sum(
          tf.mul(
            attention(spec, { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, at[i]!])) }),
            weights,
          ),
        ),
      )(names.map((name) => inputs[name]));
      const plain = oracleInputs(inputs);
      const w = numbers(weights);
      const value = (at: OracleInputs) => attentionOracle(spec, shape, at).reduce((sum, y, i) => sum + y * w[i]!, 0);
      const stride = shape[2] > 20 ? 97 : 1; // a long sequence is tried at a few places, ends included
      names.forEach((name, index) => {
        const places = plain[name]!.map((_, i) => i).filter((i, _, { length }) => i % stride === 0 || i === length - 1);
        const numeric = places.map((i) => {
          const moved = (step: number) => value({ ...plain, [name]: plain[name]!.with(i, plain[name]![i]! + step) });
          return (moved(1e-5) - moved(-1e-5)) / 2e-5;
        });
        const largest = Math.max(...numeric.map(Math.abs));
        const tape = gradients[index]!.dataSync();
        expectClose(
          places.map((i) => tape[i]!),
          numeric,
          { rtol: 1e-4, atol: 1e-4 * largest },
        );
      });
    },
  );

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = inputsFor([1, 2, 13, 6], 4);
    expectNoLeak(() => attention(spec, inputs));
    expectNoLeak(() => tf.grad((q: tf.Tensor) => tf.sum(attention(spec, { ...inputs, q })))(inputs.q));
  });
});

describe('identities', () => {
  const sizes = fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 23 }),
    fc.constantFrom(6, 8, 14),
  );

  it('a window of at least the length is full softmax', () => {
    fc.assert(
      fc.property(sizes, fc.nat(1000), fc.nat(5), (shape, seed, extra) => {
        const inputs = inputsFor(shape, seed);
        const windowed = attention({ kind: 'local', windowSize: shape[2] + extra }, inputs);
        expectClose(windowed, attention({ kind: 'softmax' }, inputs), { rtol: 1e-5, atol: 1e-6 });
      }),
      { numRuns: 30 },
    );
  });

  it('tokens beyond the window have no influence at all', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 40 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(1000),
        (length, windowSize, seed) => {
          const inputs = inputsFor([1, 1, length, 6], seed);
          // Replace every key and value more than windowSize away from token 0 by huge numbers.
          const far = tf.cast(tf.reshape(tf.greater(tf.range(0, length), windowSize), [1, 1, length, 1]), 'float32');
          const spoiled = { ...inputs, k: tf.add(inputs.k, tf.mul(far, 1e3)), v: tf.add(inputs.v, tf.mul(far, 1e6)) };
          const first = (x: tf.Tensor) => tf.slice(x, [0, 0, 0, 0], [1, 1, 1, 6]);
          const spec: AttentionSpec = { kind: 'local', windowSize };
          expectClose(first(attention(spec, spoiled)), first(attention(spec, inputs)), { rtol: 1e-6, atol: 0 });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('a gate of 1 is the global branch, a gate of 0 the local one', () => {
    const inputs = inputsFor([2, 3, 19, 6], 7);
    const glga: AttentionSpec = { kind: 'glga', windowSize: 3, featureMap: 'elu1' };
    const gated = (value: number) => attention(glga, { ...inputs, gate: tf.fill([2, 3, 19, 1], value) });
    expectClose(gated(1), attention({ kind: 'linear', featureMap: 'elu1' }, inputs), { rtol: 1e-5, atol: 1e-5 });
    expectClose(gated(0), attention({ kind: 'local', windowSize: 3 }, inputs), { rtol: 0, atol: 0 });
  });

  it('attention depends on distances alone: shifting all positions changes nothing', () => {
    const { q, k, v } = inputsFor([1, 2, 9, 8], 8);
    const whole = rotaryTable([14, 1, 1], 8);
    const from = (start: number) => ({
      cos: tf.slice(whole.cos, [start, 0], [9, 8]),
      sin: tf.slice(whole.sin, [start, 0], [9, 8]),
    });
    for (const spec of [{ kind: 'softmax' }, { kind: 'linear', featureMap: 'relu' }] as AttentionSpec[]) {
      const at = (start: number) => attention(spec, { q, k, v, rotary: from(start) });
      expectClose(at(5), at(0), { rtol: 1e-4, atol: 1e-5 });
    }
  });

  it('NaN propagates and nothing hangs', () => {
    const inputs = inputsFor([1, 1, 7, 6], 9);
    for (const [, spec] of specs) {
      const output = attention(spec, { ...inputs, v: tf.fill([1, 1, 7, 6], Number.NaN) });
      expect(output.dataSync().every(Number.isNaN)).toBe(true);
    }
  });
});

describe('bad input', () => {
  const inputs = inputsFor([2, 3, 5, 6], 10);

  it('quotes both shapes', () => {
    for (const [, spec] of specs) {
      expect(() => attention(spec, { ...inputs, k: tf.zeros([2, 3, 4, 6]) })).toThrow(
        'expected k [B=2, N=3, L=5, D=6], got [2, 3, 4, 6]',
      );
    }
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a window of %d', (windowSize) => {
    expect(() => attention({ kind: 'local', windowSize }, inputs)).toThrow(`windowSize is ${windowSize}`);
  });

  it('refuses an empty sequence, a missing gate, an unknown kind', () => {
    const empty = tf.zeros([2, 3, 0, 6]);
    expect(() => attention({ kind: 'softmax' }, { q: empty, k: empty, v: empty })).toThrow('at least one token');
    const { gate: _, ...withoutGate } = inputs;
    expect(() => attention({ kind: 'glga', windowSize: 2, featureMap: 'relu' }, withoutGate)).toThrow('needs a gate');
    expect(() => attention({ kind: 'flash' } as unknown as AttentionSpec, inputs)).toThrow('unknown kind');
  });
});

describe('expectGradients on the whole of GLGA', () => {
  it('agrees with differences in float32 as well', () => {
    const inputs = inputsFor([1, 1, 7, 6], 11);
    expectGradients(
      (q, k, v, gate) =>
        attention({ kind: 'glga', windowSize: 2, featureMap: 'elu1' }, { ...inputs, q: q!, k: k!, v: v!, gate: gate! }),
      [inputs.q, inputs.k, inputs.v, inputs.gate],
    );
  });
});
