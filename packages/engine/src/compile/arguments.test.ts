import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectSame } from '../../fixtures/compiled-oracle.ts';
import { compile } from './compile.ts';

type T = tf.Tensor;
const vector = (...values: number[]) => tf.tensor1d(values);

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

describe('arguments', () => {
  it('are trees: arrays and objects of tensors and of static values', () => {
    type Params = { layers: { w: T; b: T }[]; options: { scale: number; name: string } };
    const compiled = compile(({ layers, options }: Params, x: T) =>
      layers.reduce((h, { w, b }) => tf.mul(tf.add(tf.mul(h, w), b), options.scale), x),
    );
    const layer = () => ({ w: vector(2, 3), b: vector(1, -1) });
    const params = { layers: [layer(), layer()], options: { scale: 10, name: 'x' } };
    expectClose(compiled(params, vector(1, 1)), [610, 590]);
  });

  it('may be one tensor in two places', () => {
    const x = vector(3);
    const compiled = compile((a: T, { b }: { b: T }) => tf.sub(tf.mul(a, 10), b));
    expectClose(compiled(x, { b: x }), [27]);
    expectClose(compiled(x, { b: vector(1) }), [29]); // the graph does not take them for one
  });

  it('may be absent, scalars, or empty', () => {
    expectClose(compile(() => tf.range(0, 3))(), [0, 1, 2]);
    const half = compile((x: T) => tf.mul(x, 0.5));
    expectClose(half(tf.scalar(3)), [1.5]);
    expect(half(tf.zeros([3, 0, 2])).shape).toEqual([3, 0, 2]);
    const concat = compile((x: T, y: T) => [tf.concat([x, y]), tf.sum(x), tf.matMul(x, y, true)]);
    const [empty, full] = [tf.zeros([0, 2]), tf.ones([3, 2])];
    expectSame(concat(empty, tf.zeros([0, 2])), [tf.zeros([0, 2]), tf.scalar(0), tf.zeros([2, 2])]);
    expect(compile((x: T) => tf.concat([empty, x]))(full).shape).toEqual([3, 2]);
  });

  it('are float32, int32, bool, and come back as such', () => {
    const inputs = [vector(1.5), tf.tensor1d([3], 'int32'), tf.tensor1d([1], 'bool')];
    const swap = compile((f: T, i: T, b: T) => [tf.logicalNot(b), tf.add(i, tf.scalar(1, 'int32')), tf.mul(f, i)]);
    const [b, i, f] = swap(...(inputs as [T, T, T])) as [T, T, T];
    expect([b, i, f].map(({ dtype }) => dtype)).toEqual(['bool', 'int32', 'float32']);
    expect([b, i, f].map((x) => x.dataSync()[0])).toEqual([0, 4, 4.5]);
  });

  it('are traced once for each signature: shapes, types, structure and static values', () => {
    const signatures: (() => unknown[])[] = [
      () => [],
      () => [vector(1)],
      () => [vector(1, 2)],
      () => [tf.tensor2d([[1]])],
      () => [tf.tensor1d([1], 'int32')],
      () => [tf.tensor1d([1], 'bool')],
      () => [[vector(1)]],
      () => [{ 0: vector(1) }],
      () => [{ x: vector(1) }],
      () => [{ x: { y: vector(1) } }],
      () => [{ 'x.y': vector(1) }],
      () => [{ 'x[0]': vector(1) }],
      () => [{ x: [vector(1)] }],
      () => [vector(1), undefined],
      () => [vector(1), 'undefined'],
      () => [null],
      () => [true],
      () => ['true'],
      () => [1],
      () => ['1'],
      () => [1n],
      () => [0],
      () => [-0],
      () => [Number.NaN],
      () => [[]],
      () => [{}],
      () => [[[]]],
      () => ['a', 'b'],
      () => ['a;argument 1:"b"'],
    ];
    let runs = 0;
    const compiled = compile((...args: unknown[]) => {
      runs++;
      return tf.scalar(args.length);
    });
    for (const [i, args] of signatures.entries()) {
      expectClose(compiled(...args()), [args().length]);
      compiled(...args());
      expect(runs, `signature ${i}`).toBe(i + 1);
    }
  });
});

describe('bad arguments', () => {
  it.each<[string, () => unknown, string]>([
    ['a function', () => () => 1, 'argument 0 is a function'],
    ['a symbol', () => ({ s: Symbol('s') }), 'argument 0.s is a symbol'],
    ['a class instance', () => [new Map()], 'argument 0[0] is a Map'],
    ['a typed array', () => new Float32Array(2), 'argument 0 is a Float32Array'],
    ['a promise', async () => 1, 'argument 0 is a Promise'],
  ])('%s', (_, make, message) => {
    const compiled = compile((_: unknown) => tf.scalar(1));
    expect(() => compiled(make())).toThrow(TypeError);
    expect(() => compiled(make())).toThrow(message);
  });

  it('a disposed tensor, in the first call or later', () => {
    const compiled = compile((y: T) => tf.neg(y));
    const gone = tf.scalar(1);
    gone.dispose();
    expect(() => compiled(gone)).toThrow('argument 0 is a disposed tensor; pass a live one');
    compiled(tf.scalar(1));
    expect(() => compiled(gone)).toThrow('argument 0 is a disposed tensor; pass a live one');
  });

  it('that change every call warn once, and name the one that changes', async () => {
    const warnings: (Error & { code?: string })[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const compiled = compile((y: T, { step }: { step: number }) => tf.mul(y, step), { name: 'trainStep' });
    for (let step = 0; step < 20; step++) compiled(tf.scalar(2), { step });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings.map(({ code }) => code)).toEqual(['EFLOW_COMPILE_MISSES']);
    expect(warnings[0]!.message).toMatch(/trainStep .*argument 1\.step was 7 and is now 8.*tf\.scalar/);
  });

  it('that come and go by turns do not warn', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const compiled = compile((...xs: T[]) => tf.addN(xs));
    for (let n = 0; n < 20; n++) compiled(...Array<T>(1 + (n % 3)).fill(tf.scalar(2)));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});

describe('options', () => {
  it.each([0, -1, Number.NaN])('maxSignatures %s', (maxSignatures) => {
    expect(() => compile((y: T) => y, { maxSignatures })).toThrow(
      `maxSignatures is ${maxSignatures}; expected at least 1`,
    );
  });
});
