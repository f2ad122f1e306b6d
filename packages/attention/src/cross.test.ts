import { compile } from '@eflow/engine';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crossAttention } from './cross.ts';
import { crossAttentionOracle } from './oracle.ts';
import { softmaxAttention } from './softmax.ts';

type Sizes = readonly [B: number, N: number, L: number, S: number, D: number];
type Inputs = { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor };

const exact = { rtol: 0, atol: 0 };

function drawInputs([B, N, L, S, D]: Sizes, seed: number): Inputs {
  const draw = (name: string, length: number) => randomNormal(splitStream(createStream(seed), name), [B, N, length, D]);
  return { q: draw('q', L), k: draw('k', S), v: draw('v', S) };
}

const toMask = (rows: boolean[][]) => tf.tensor2d(rows, undefined, 'bool');

/** The output, and the gradients of q, k and v of the sum of its squares. */
const both = ({ q, k, v }: Inputs, mask?: tf.Tensor) => [
  crossAttention({ q, k, v, mask }),
  ...tf.grads((...at) => tf.sum(tf.square(crossAttention({ q: at[0]!, k: at[1]!, v: at[2]!, mask }))))([q, k, v]),
];

/** Sizes, a mask of them with a clip of none at times, and a seed. */
const masked = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }), fc.nat(1000))
  .chain(([B, L, S, seed]) =>
    fc.record({
      sizes: fc.constant<Sizes>([B, 2, L, S, 5]),
      seed: fc.constant(seed),
      mask: fc.array(fc.array(fc.boolean(), { minLength: S, maxLength: S }), { minLength: B, maxLength: B }),
    }),
  );

describe.each<[string, Sizes, boolean[][] | undefined]>([
  ['prime sizes', [2, 3, 11, 7, 5], undefined],
  [
    'a mask',
    [2, 3, 11, 7, 5],
    [
      [true, false, true, true, false, false, true],
      [false, false, false, false, false, true, false],
    ],
  ],
  [
    'a clip of none beside another',
    [2, 1, 5, 3, 7],
    [
      [false, false, false],
      [true, true, false],
    ],
  ],
  ['one token, one vector', [3, 1, 1, 1, 6], [[true], [false], [true]]],
])('crossAttention: %s', (_case, sizes, rows) => {
  const inputs = drawInputs(sizes, 1);
  const mask = rows && toMask(rows);

  it('has the values of the float64 oracle', () => {
    const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) => Array.from(x.dataSync())) as [
      number[],
      number[],
      number[],
    ];
    const expected = crossAttentionOracle(sizes, { q, k, v, mask: rows?.flat() });
    expectClose(crossAttention({ ...inputs, mask }), expected, { rtol: 1e-5, atol: 1e-6 });
  });

  it('has the gradients of q, k and v', () => {
    expectGradients((q, k, v) => crossAttention({ q: q!, k: k!, v: v!, mask }), [inputs.q, inputs.k, inputs.v]);
  });

  it('gives the same on a backend in JavaScript and compiled, forward and backward', async () => {
    const before = tf.getBackend();
    const values = () => both(inputs, mask).map((x) => Array.from(x.dataSync()));
    const expected = values();
    const compiled = compile((at: Inputs & { mask?: tf.Tensor }) => both(at, at.mask))({
      ...inputs,
      ...(mask && { mask }),
    });
    for (const [i, x] of compiled.entries()) expectClose(x, expected[i]!, { rtol: 1e-4, atol: 1e-5 });
    await tf.setBackend('cpu');
    try {
      for (const [i, actual] of values().entries()) expectClose(actual, expected[i]!, { rtol: 1e-4, atol: 1e-5 });
    } finally {
      await tf.setBackend(before);
    }
  });

  it('leaves no tensors behind, forward or backward', () => {
    expectNoLeak(() => crossAttention({ ...inputs, mask }));
    expectNoLeak(() => both(inputs, mask));
  });
});

describe('vectors that are not there', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1e30, 1e4])(
    'count for nothing, whatever is in their place: %d',
    (value) => {
      fc.assert(
        fc.property(masked, ({ sizes, seed, mask: rows }) => {
          const inputs = drawInputs(sizes, seed);
          const mask = toMask(rows);
          const isThere = tf.reshape(mask, [sizes[0], 1, sizes[3], 1]);
          const spoil = (x: tf.Tensor) => tf.where(isThere, x, tf.fill(x.shape, value));
          const spoilt = both({ q: inputs.q, k: spoil(inputs.k), v: spoil(inputs.v) }, mask);
          both(inputs, mask).forEach((expected, i) => {
            expectClose(spoilt[i]!, expected, exact);
          });
        }),
        { numRuns: 15 },
      );
    },
  );

  it('are as good as left out, and have gradient 0', () => {
    const inputs = drawInputs([2, 2, 5, 7, 6], 2);
    const there = [0, 2, 3];
    const mask = toMask(Array(2).fill(Array.from({ length: 7 }, (_, j) => there.includes(j))));
    const pick = (x: tf.Tensor) => tf.gather(x, there, 2);
    const [output, dq, dk, dv] = both(inputs, mask);
    const [fewer, ...gradients] = both({ q: inputs.q, k: pick(inputs.k), v: pick(inputs.v) });
    [fewer!, ...gradients].forEach((expected, i) => {
      expectClose([output!, dq!, pick(dk!), pick(dv!)][i]!, expected, { rtol: 1e-5, atol: 1e-6 });
    });
    for (const gradient of [dk!, dv!]) {
      expectClose(tf.gather(gradient, [1, 4, 5, 6], 2), tf.zeros([2, 2, 4, 6]), exact);
    }
  });

  it('and no others leave exactly 0, as output and gradients, beside clips that have some', () => {
    const inputs = drawInputs([2, 2, 5, 3, 6], 3);
    const mask = toMask([
      [false, false, false],
      [true, false, true],
    ]);
    for (const x of both(inputs, mask)) {
      const [none, some] = tf.unstack(x) as [tf.Tensor, tf.Tensor];
      expectClose(tf.abs(none), tf.zerosLike(none), exact);
      expect(some.dataSync().some((value) => value !== 0)).toBe(true);
    }
  });
});

describe('identities', () => {
  it('the order of the vectors does not matter', () => {
    fc.assert(
      fc.property(masked, ({ sizes, seed, mask: rows }) => {
        const { q, k, v } = drawInputs(sizes, seed);
        const order = tf.topk(randomNormal(createStream(seed + 1), [sizes[3]]), sizes[3]).indices as tf.Tensor1D;
        const mask = toMask(rows);
        const shuffled = tf.cast(tf.gather(tf.cast(mask, 'int32'), order, 1), 'bool');
        const output = crossAttention({ q, k: tf.gather(k, order, 2), v: tf.gather(v, order, 2), mask: shuffled });
        expectClose(output, crossAttention({ q, k, v, mask }), { rtol: 1e-4, atol: 1e-5 });
      }),
      { numRuns: 20 },
    );
  });

  it('a mask of all is no mask', () => {
    const inputs = drawInputs([2, 3, 11, 7, 5], 4);
    const withMask = both(inputs, tf.ones([2, 7], 'bool'));
    both(inputs).forEach((expected, i) => {
      expectClose(withMask[i]!, expected, exact);
    });
  });

  it('a single vector gives its value to every token, however far it is from them', () => {
    const { q, k, v } = drawInputs([2, 3, 11, 7, 5], 5);
    const mask = toMask([4, 6].map((only) => Array.from({ length: 7 }, (_, j) => j === only)));
    const values = tf.stack([4, 6].map((only, b) => tf.slice(v, [b, 0, only, 0], [1, 3, 1, 5]))) as tf.Tensor;
    const expected = tf.tile(tf.reshape(values, [2, 3, 1, 5]), [1, 1, 11, 1]);
    for (const scale of [1, 1e4, -1e4, 1e15]) {
      expectClose(crossAttention({ q: tf.mul(q, scale), k: tf.mul(k, Math.abs(scale)), v, mask }), expected);
    }
  });

  it("the tokens' own keys and values make softmax attention", () => {
    const { q, k, v } = drawInputs([2, 3, 7, 7, 6], 6);
    expectClose(crossAttention({ q, k, v }), softmaxAttention({ q, k, v }), { rtol: 1e-4, atol: 1e-5 });
  });
});

describe('bad input', () => {
  const inputs = drawInputs([2, 3, 11, 7, 6], 7);

  it.each<[string, Partial<Inputs & { mask: tf.Tensor }>, string]>([
    ['another D', { k: tf.zeros([2, 3, 7, 5]) }, 'expected k [B=2, N=3, S, D=6], got [2, 3, 7, 5]'],
    ['other clips', { k: tf.zeros([1, 3, 7, 6]) }, 'expected k [B=2, N=3, S, D=6], got [1, 3, 7, 6]'],
    [
      'vectors that are not split into heads',
      { k: tf.zeros([2, 7, 18]) },
      'expected k [B=2, N=3, S, D=6], got [2, 7, 18]',
    ],
    ['fewer values than keys', { v: tf.zeros([2, 3, 6, 6]) }, 'expected v [B=2, N=3, S=7, D=6], got [2, 3, 6, 6]'],
    ['no tokens', { q: tf.zeros([2, 3, 0, 6]) }, 'q is [2, 3, 0, 6]; expected at least one token'],
    [
      'no place for vectors',
      { k: tf.zeros([2, 3, 0, 6]), v: tf.zeros([2, 3, 0, 6]) },
      'k is [2, 3, 0, 6]; expected at least one vector: a clip without any vector has a place for one and false in its mask',
    ],
    ['a mask of other places', { mask: tf.ones([2, 8], 'bool') }, 'expected mask [B=2, S=7], got [2, 8]'],
    [
      'a mask of numbers',
      { mask: tf.ones([2, 7]) },
      "mask is float32; expected bool, true where there is a vector: tf.cast(mask, 'bool')",
    ],
  ])('refuses %s', (_name, wrong, message) => {
    expect(() => crossAttention({ ...inputs, ...wrong })).toThrow(`crossAttention: ${message}`);
  });

  it('refuses more scores than a tensor can have', () => {
    // Tensors that were never filled: nothing may touch their values before the check.
    const huge = tf.engine().makeTensorFromDataId({}, [1, 1, 2 ** 16, 2], 'float32');
    expect(() => crossAttention({ q: huge, k: huge, v: huge })).toThrow(
      'scores is [1, 1, 65536, 65536], 4294967296 elements; expected at most 2^31 - 1: split the batch or the heads',
    );
  });
});
