import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { valueAndGrad } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { expect, it, vi } from 'vitest';
import { leastGrowth } from '../../fixtures/least-growth.ts';
import { nativeBinding } from './binding.ts';
import { type CompileOptions, compile } from './compile.ts';

type T = tf.Tensor;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Tensors of TensorFlow.js, and those of the addon. */
const countTensors = () => ({
  tensors: tf.memory().numTensors,
  native: (tf.backend() as NodeJSKernelBackend).getNumOfTFTensors(),
});

/** Names of the functions registered while `fn` runs. */
function registeredBy(fn: () => unknown): string[] {
  const register = vi.spyOn(nativeBinding(), 'registerFunction');
  try {
    fn();
    return register.mock.calls.map(([, name]) => name);
  } finally {
    register.mockRestore();
  }
}

const areRegistered = (names: string[]) => names.filter((name) => nativeBinding().hasFunction(name)).length;

const call = (fn: (x: T) => T, ...sizes: number[]) => {
  for (const size of sizes) tf.tidy(() => void fn(tf.zeros([size])).dataSync());
};
const createCompiled = (options?: CompileOptions) => compile((x: T) => tf.sum(tf.exp(x)), options);

it('a step that is run 2,000 times leaves nothing behind', () => {
  const step = compile(({ w1, w2, rate }: { w1: T; w2: T; rate: T }, x: T) => {
    const { values, grads } = valueAndGrad(
      () => {
        const hidden = tf.relu(tf.matMul(x, w1));
        return { loss: tf.mean(tf.square(tf.matMul(hidden, w2))) as tf.Scalar };
      },
      { w1, w2 },
    );
    const update = (w: T, grad: T) => tf.sub(w, tf.mul(grad, rate));
    const next = { w1: update(w1, grads.w1), w2: update(w2, grads.w2), rate };
    tf.dispose(grads);
    return { ...values, next };
  });
  let params = { w1: tf.fill([32, 64], 0.1) as T, w2: tf.fill([64, 16], 0.1) as T, rate: tf.scalar(0.01) as T };
  const x = tf.ones([64, 32]);
  const train = (steps: number) => {
    for (let i = 0; i < steps; i++) {
      const { loss, next } = step(params, x);
      loss.dataSync();
      tf.dispose([loss, params]);
      params = next;
    }
    collectGarbage();
  };
  const names = registeredBy(() => train(200));
  const [counts, enough] = [countTensors(), 8 * 2 ** 20];
  expect(registeredBy(() => expect(leastGrowth(() => train(2000), enough)).toBeLessThan(enough))).toEqual([]);
  expect(countTensors()).toEqual(counts);
  expect(areRegistered(names)).toBe(1);
  step.dispose();
  tf.dispose([params, x]);
});

it('old signatures are freed, the one used longest ago first', () => {
  const compiled = createCompiled({ maxSignatures: 8 });
  const before = countTensors();
  const names = registeredBy(() => {
    for (let size = 1; size <= 200; size++) call(compiled, size, 1); // the first stays in use
  });
  expect(names).toHaveLength(200);
  expect(names.filter((name) => nativeBinding().hasFunction(name))).toEqual([names[0], ...names.slice(-7)]);
  expect(countTensors()).toEqual(before);
  compiled.dispose();
  expect(areRegistered(names)).toBe(0);
});

it('a graph is freed as soon as it is a function, or is refused, and not when its handle is garbage', () => {
  const create = vi.spyOn(nativeBinding(), 'createGraph');
  const compiled = createCompiled();
  call(compiled, 1);
  expect(() =>
    call(
      compile((x: T) => tf.scalar(x.dataSync()[0]!)),
      1,
    ),
  ).toThrow('dataSync');
  const graphs = create.mock.results.map(({ value }) => value);
  create.mockRestore();
  expect(graphs).toHaveLength(2);
  for (const graph of graphs) expect(() => nativeBinding().serializeGraph(graph)).toThrow('not deleted');
  compiled.dispose();
});

it('a disposed function compiles again', () => {
  const compiled = createCompiled();
  const names = registeredBy(() => call(compiled, 1, 2));
  compiled.dispose();
  expect(areRegistered(names)).toBe(0);
  expect(registeredBy(() => call(compiled, 1))).toHaveLength(1);
  compiled.dispose();
});

it('a function that another one calls lives as long as either', () => {
  for (const first of ['inner', 'outer'] as const) {
    const inner = createCompiled({ xla: true, name: 'inner' });
    const outer = compile((x: T) => tf.add(inner(x), inner(tf.neg(x))));
    const names = registeredBy(() => call(outer, 3));
    expect(names).toHaveLength(2);
    (first === 'inner' ? inner : outer).dispose();
    expect(areRegistered(names)).toBe(first === 'inner' ? 2 : 1);
    if (first === 'inner') call(outer, 3);
    else call(inner, 3);
    (first === 'inner' ? outer : inner).dispose();
    expect(areRegistered(names)).toBe(0);
  }
});

it('a part that is evicted while its caller is traced lives on in it, and not if the trace fails', () => {
  const inner = createCompiled({ xla: true, maxSignatures: 1 });
  const both = (x: T) => tf.add(inner(x), inner(tf.concat([x, x])));
  const outer = compile(both);
  const names = registeredBy(() => call(outer, 3));
  expect(names).toHaveLength(3);
  expect(areRegistered(names)).toBe(3);
  outer.dispose();
  expect(areRegistered(names)).toBe(1);
  inner.dispose();
  const failing = compile((x: T) => tf.scalar(both(x).dataSync()[0]!));
  const left = registeredBy(() => expect(() => call(failing, 3)).toThrow('dataSync'));
  inner.dispose();
  expect(areRegistered(left)).toBe(0);
});

it('a compiled function that is garbage is freed', async () => {
  const names = registeredBy(() => {
    const inner = createCompiled({ xla: true });
    call(
      compile((x: T) => inner(tf.neg(x))),
      3,
      4,
    );
  });
  expect(areRegistered(names)).toBe(4);
  await vi.waitFor(() => {
    collectGarbage();
    expect(areRegistered(names)).toBe(0);
  }, 5000);
});
