import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bfloat16Support, compile, useTensorFlow } from '@eflow/engine';
import { expectClose, expectNoLeak, withoutNative } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compute,
  drawInputs,
  expectSame,
  greatestOf,
  type Inputs,
  type Positions,
  SPECS,
} from '../fixtures/both-forms.ts';
import type { Shape } from '../fixtures/check-kernel.ts';
import { type AttentionSpec, attention } from './attention.ts';
import { nativeAttention } from './native.ts';

const { device } = await useTensorFlow();
const hasKernels = device === 'cpu' && process.env.EFLOW_NATIVE !== '0';

it.runIf(hasKernels)('there are native kernels here', () => {
  const { q, k, v } = drawInputs([1, 1, 3, 6], 1);
  const run = () => nativeAttention({ q, k, v }, { windowSize: 1 });
  expect(run()).toBeInstanceOf(tf.Tensor);
  expect(withoutNative(run)).toBeUndefined();
});

const borders = [1, 2, 15, 16, 17, 31, 32, 33, 62, 63, 64, 65, 66, 127, 128, 129];
const lengths = fc.oneof(fc.constantFrom(...borders, 191, 192, 193, 257), fc.integer({ min: 1, max: 330 }));
const windows = (length: number) => fc.constantFrom(...borders, Math.max(1, length - 1), length, length + 1);
const headDims = fc.constantFrom(6, 8, 10, 14, 16, 18, 32, 34, 48, 62, 64, 66, 96, 128, 130, 254, 256);
const few = fc.integer({ min: 1, max: 7 });
const heads = fc.tuple(few, few).filter(([B, N]) => B * N <= 7);
const featureMaps = fc.constantFrom('relu' as const, 'elu1' as const, 'softmax' as const);
const positions = fc.constantFrom<Positions>('none', 'sequence', 'kept');

/** Kinds that have a native kernel. */
const specsOf: Record<string, (length: number) => fc.Arbitrary<AttentionSpec>> = {
  softmax: () => fc.constant({ kind: 'softmax' }),
  local: (length) => windows(length).map((windowSize) => ({ kind: 'local', windowSize })),
  linear: () => featureMaps.map((featureMap) => ({ kind: 'linear', featureMap })),
  sla: () =>
    fc
      .tuple(fc.constantFrom('paper' as const, 'code' as const), fc.constantFrom(0.2, 0.5, 1), fc.constantFrom(0, 0.3))
      .map(([variant, topRatio, skipRatio]) => ({ kind: 'sla', variant, topRatio, skipRatio })),
  glga: (length) =>
    fc
      .tuple(windows(length), featureMaps)
      .map(([windowSize, featureMap]) => ({ kind: 'glga', windowSize, featureMap })),
};

describe.each(Object.entries(specsOf))('native and composed %s', (_kind, specs) => {
  it('have the same output and gradients', () => {
    const problems = fc
      .tuple(heads, lengths, headDims, positions, fc.nat(1000))
      .chain(([[B, N], L, D, position, seed]) =>
        fc.tuple(fc.constant<Shape>([B, N, L, D]), specs(L), fc.constant(position), fc.constant(seed)),
      );
    fc.assert(
      fc.property(problems, ([shape, spec, position, seed]) => {
        const inputs = drawInputs(shape, seed, position);
        expectSame(
          compute(spec, inputs),
          withoutNative(() => compute(spec, inputs)),
        );
        tf.dispose(inputs);
      }),
      { numRuns: 25, seed: 5 },
    );
  });
});

it('native and composed agree for heads of any length where nothing is turned', () => {
  for (const D of [1, 2, 3, 5, 7, 13, 15, 17, 31, 33, 63, 65, 127, 255]) {
    for (const spec of SPECS) {
      const inputs = drawInputs([1, 2, 37, D], D, 'none');
      expectSame(
        compute(spec, inputs),
        withoutNative(() => compute(spec, inputs)),
      );
    }
  }
});

it('a head of more than 256 is computed without them', () => {
  const inputs = drawInputs([1, 1, 5, 258], 1);
  for (const spec of SPECS) {
    expectSame(
      compute(spec, inputs),
      withoutNative(() => compute(spec, inputs)),
      0,
    );
  }
});

describe('in a compiled function', () => {
  const inputs = drawInputs([2, 2, 83, 20], 1);

  it.runIf(hasKernels)('softmax alone makes way for products in bfloat16', () => {
    const productsOf = (spec: AttentionSpec, precision: 'float32' | 'bf16') => {
      const compiled = compile((at: Inputs) => compute(spec, at), { precision });
      const { matmulFlops } = compiled.describe({ ...inputs })!;
      compiled.dispose();
      return matmulFlops;
    };
    // Native kernels are no products of the graph.
    expect(productsOf({ kind: 'softmax' }, 'float32')).toBe(0);
    expect(productsOf({ kind: 'softmax' }, 'bf16') > 0).toBe(bfloat16Support('cpu').supported);
    expect(productsOf({ kind: 'glga', windowSize: 5, featureMap: 'relu' }, 'bf16')).toBe(0);
  });

  it.each(SPECS)('the same as outside: %j', (spec) => {
    const compiled = compile((at: Inputs) => compute(spec, at));
    expectSame(compiled({ ...inputs }), compute(spec, inputs));
    expectSame(
      compiled({ ...inputs }),
      withoutNative(() => compute(spec, inputs)),
    );
    compiled.dispose();
  });

  it('several at the same time', () => {
    const all = (at: Inputs) => SPECS.map((spec) => compute(spec, at));
    const compiled = compile(all);
    for (let i = 0; i < 20; i++) {
      const together = compiled({ ...inputs });
      all(inputs).forEach((alone, j) => {
        expectSame(together[j]!, alone);
      });
    }
    compiled.dispose();
  });
});

it('leaves no tensors behind, forward or backward', () => {
  const inputs = drawInputs([1, 2, 70, 6], 4);
  for (const spec of SPECS) {
    expectNoLeak(() => attention(spec, inputs));
    expectNoLeak(() => Object.values(compute(spec, inputs)));
  }
});

it('scores of ten thousand make neither NaN nor infinity', () => {
  const { q, k, ...others } = drawInputs([1, 2, 131, 16], 5);
  const inputs = { ...others, q: tf.mul(q, 100), k: tf.mul(k, 100) };
  for (const spec of SPECS) {
    const native = compute(spec, inputs);
    for (const [name, x] of Object.entries(native)) {
      expect(x.dataSync().every(Number.isFinite), `${name} of ${JSON.stringify(spec)}`).toBe(true);
    }
    // Rounding moves a score of 1e4 by up to 1e-3, and a weight by as much of itself.
    expectClose(native.output!, withoutNative(() => attention(spec, inputs)), { rtol: 0, atol: 2e-2 }); // biome-ignore format: one line
  }
});

it('one thread and three give the same', () => {
  const child = fileURLToPath(new URL('../fixtures/native-child.ts', import.meta.url));
  const run = (threads: string) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--conditions=@eflow/source', child],
      { encoding: 'utf8', maxBuffer: 2 ** 24, env: { ...process.env, TF_NUM_INTRAOP_THREADS: threads } },
    );
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout) as { threads: string; results: number[][][] };
  };
  const [one, three] = [run('1'), run('3')];
  expect([one.threads, three.threads]).toEqual(['1', '3']);
  one.results.flat().forEach((values, i) => {
    expectClose(three.results.flat()[i]!, values, { rtol: 1e-5, atol: 1e-5 * greatestOf(values) });
  });
});
