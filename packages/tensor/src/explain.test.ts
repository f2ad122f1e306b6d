import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStream, randomNormal, requireVersion, valueAndGrad } from './index.ts';

/** Standard output and error of a program in fixtures/. */
function run(name: string): string {
  const file = fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url));
  const args = ['--import', 'tsx', '--conditions=@eflow/source', file];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return stdout + stderr;
}

describe('what TensorFlow.js lacks', () => {
  const before = tf.getBackend();
  beforeEach(() => tf.setBackend('cpu'));
  afterEach(() => tf.setBackend(before));

  it('an op of a backend: names both and the way out', () => {
    const kernel = tf.getKernel('Square', 'cpu');
    tf.unregisterKernel('Square', 'cpu');
    const x = tf.scalar(3);
    expect(() => valueAndGrad(() => ({ loss: tf.square(x) }), [x])).toThrow(
      /backend 'cpu' of TensorFlow\.js has no op Square\. .*tf\.setBackend.*useTensorFlow\(\) of @eflow\/engine/,
    );
    tf.registerKernel(kernel!);
    expect(valueAndGrad(() => ({ loss: tf.square(x) }), [x]).grads[0]!.dataSync()[0]).toBe(6);
  });

  it('a gradient: names the op and the way out', () => {
    const x = tf.tensor1d([1, 2]);
    const loss = () => tf.sum<tf.Scalar>(tf.cumprod(x));
    expect(() => valueAndGrad(() => ({ loss: loss() }), [x])).toThrow(
      /no gradient of Cumprod\. .*tf\.customGrad or tf\.registerGradient/,
    );
  });

  it('other errors pass', () => {
    const x = tf.scalar(3);
    const fail = () => {
      throw new RangeError('mine');
    };
    expect(() => valueAndGrad(fail, [x])).toThrow(new RangeError('mine'));
  });
});

it('leaves gradients alone that a program has registered itself', () => {
  expect(run('own-gradient')).toMatch(/^42 -1$/m);
});

it('names the copies of tfjs-core where a backend has brought its own, and the way to one', () => {
  expect(run('two-copies')).toMatch(
    /Several copies of @tensorflow\/tfjs-core are loaded: 4\.22\.0 in \S+ and 4\.22\.0 in \S+copy-of.*npm dedupe.*overrides.*pnpm-workspace\.yaml/,
  );
});

it('says that TensorFlow.js is too old', () => {
  expect(() => requireVersion('3.21.0')).toThrow(
    '@tensorflow/tfjs-core is 3.21.0; expected 4.0.0 or later: npm install @tensorflow/tfjs-core@4',
  );
  expect(requireVersion('10.0.0')).toBeUndefined();
});

// Last: it leaves this process without a backend.
it('says which import brings a backend where there is none', () => {
  for (const name of Object.keys(tf.engine().registryFactory)) tf.removeBackend(name);
  const message = /has no backend\. .*import '@tensorflow\/tfjs-backend-cpu'.*useTensorFlow\(\) of @eflow\/engine/;
  expect(() => randomNormal(createStream(1), [2])).toThrow(message);
  expect(() => valueAndGrad(() => ({ loss: tf.scalar(1) }), [])).toThrow(message);
});
