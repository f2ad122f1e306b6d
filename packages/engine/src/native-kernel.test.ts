import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { hasNative, runNative } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { affine, SOURCES } from '../fixtures/affine.ts';
import { leastGrowth } from '../fixtures/least-growth.ts';
import { startProcess } from '../fixtures/tiny-world.ts';
import { cacheFolder } from './cache.ts';
import { nativeBinding, tensorFlowBackend } from './compile/binding.ts';
import { compile } from './compile/compile.ts';
import { exportSavedModel } from './compile/export-saved-model.ts';
import { CompileError } from './compile/refusal.ts';

const OP = 'EflowTestAffine';
const x = tf.keep(tf.tensor1d([1, -2, 3.5]));
const folder = mkdtempSync(join(tmpdir(), 'eflow-native-'));

beforeAll(() => tf.engine().startScope());
afterAll(() => {
  tf.engine().endScope();
  rmSync(folder, { recursive: true });
});

type Environment = Record<string, string>;

/** What fixtures/run-native.ts prints: affine of [1, 2, 3] with a 2, b 1 and 2. */
const RESULTS = [
  [
    [3, 5, 7],
    [-2, -3, -4],
  ],
  [
    [4, 6, 8],
    [-3, -4, -5],
  ],
];

/** Names of the ops that traces add to graphs while `fn` runs. */
async function opsOf(fn: () => unknown): Promise<string[]> {
  const add = vi.spyOn(nativeBinding(), 'addOperation');
  try {
    await fn();
    return add.mock.calls.map(([, op]) => op);
  } finally {
    add.mockRestore();
  }
}

/** Warnings of the process while `fn` runs. */
async function warningsOf(fn: () => unknown): Promise<string[]> {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    await fn();
    return warn.mock.calls.map(([warning]) => String(warning));
  } finally {
    warn.mockRestore();
  }
}

const run = (attributes: Parameters<typeof runNative>[3], inputs: tf.Tensor[] = [x, x], numOutputs = 2) =>
  runNative(SOURCES, OP, inputs, attributes, numOutputs);

describe('a native op', () => {
  it('runs, with attributes of the types that it declares', () => {
    expect(hasNative(SOURCES)).toBe(true);
    const [y, r] = affine(x, { a: 2, b: 0.5 });
    expectClose(y, [2.5, -3.5, 7.5]);
    expectClose(r, [-1.5, 1.5, -4]);
    expectClose(affine(x, { a: -3, b: 1, negate: true })[0], [2, -7, 9.5]); // 1 is a float here
    expectClose(run({ a: 2, b: 0 })[0]!, [2, -4, 7]); // the others have defaults
    for (const kind of ['float', 'bfloat16']) expectClose(run({ a: 2, b: 0, kind })[0]!, [2, -4, 7]);
  });

  it('is an op of the graph in a compiled function, with the same results', async () => {
    const fn = (input: tf.Tensor) => affine(tf.mul(input, 2), { a: 2, b: 0.5 });
    const compiled = compile(fn);
    expect(await opsOf(() => compiled(x))).toContain(OP);
    const [eager, graph] = [fn(x), compiled(x)];
    for (const i of [0, 1]) expect(graph[i]!.dataSync()).toEqual(eager[i]!.dataSync());
  });

  it('stays out of what XLA compiles, as a whole or in part, and out of exported models', async () => {
    const fn = (input: tf.Tensor) => affine(input, { a: 2, b: 0.5 })[0];
    const [whole, part] = [
      compile(fn, { xla: true }),
      compile((input: tf.Tensor) => compile(fn, { xla: true })(input)),
    ];
    const model = join(folder, 'model');
    const signature = { input: { shape: [3], dtype: 'float32' } } as const;
    const ops = await opsOf(async () => {
      expectClose(whole(x), fn(x));
      expectClose(part(x), fn(x));
      await exportSavedModel(({ input }) => ({ y: fn(input) }), signature, model);
    });
    expect(ops.filter((op) => op === 'Mul').length).toBeGreaterThanOrEqual(3);
    expect(ops).not.toContain(OP);
    expect(readFileSync(join(model, 'saved_model.pb')).includes(OP)).toBe(false);
    expect(await opsOf(() => compile((input: tf.Tensor) => tf.add(fn(input), whole(input)))(x))).toContain(OP);
  });

  it('stays out on a GPU, and with EFLOW_NATIVE=0, without a word', async () => {
    const isUsingGpuDevice = tensorFlowBackend().isUsingGpuDevice;
    const warnings = await warningsOf(() => {
      tensorFlowBackend().isUsingGpuDevice = true;
      expect(hasNative(SOURCES)).toBe(false);
      tensorFlowBackend().isUsingGpuDevice = isUsingGpuDevice;
      vi.stubEnv('EFLOW_NATIVE', '0');
      expect(hasNative(SOURCES)).toBe(false);
      expect(() => run({ a: 2, b: 1 })).toThrow('has no native ops here; ask hasNative first');
      vi.unstubAllEnvs();
    });
    expect(warnings).toEqual([]);
    expect(hasNative(SOURCES)).toBe(isUsingGpuDevice === false);
  });

  it('has the threads that useTensorFlow is told, and is compiled once for all processes', async () => {
    const { output } = await startProcess('fixtures/run-native.ts', [SOURCES.folder], process.env as Environment).done;
    expect(JSON.parse(output)).toEqual({ native: true, results: RESULTS, threads: 3 });
  });
});

describe('an error', () => {
  const pair = tf.keep(tf.ones([2]));
  const square = tf.keep(tf.ones([2, 2]));
  const whole = tf.keep(tf.ones([3], 'int32'));

  it.each<[string, () => unknown, string | RegExp]>([
    ["of the op's own, on shapes", () => run({ a: 2, b: 1 }, [x, pair]), 'like has 2 elements, x has 3'],
    ["of the op's own, on an attribute", () => run({ a: 2, b: 1, unit: 'two' }), 'unit is two; expected one'],
    ['of types', () => run({ a: 2, b: 1 }, [x, whole]), /expected to be a float tensor but is a int32 tensor/],
    ['a missing attribute', () => run({ a: 2 }), "missing attr 'b'"],
    ['an unknown attribute', () => run({ a: 2, b: 1, c: 3 }), `${OP} has no attribute c of type int, float, bool, `],
    ['a fraction for an int', () => run({ a: 2.5, b: 1 }), `a of ${OP} is 2.5; expected an integer`],
    ['a string for a float', () => run({ a: 2, b: '1' }), `b of ${OP} is 1; expected a number`],
    ['a number for a bool', () => run({ a: 2, b: 1, negate: 1 }), `negate of ${OP} is 1; expected a boolean`],
    ['a bool for a string', () => run({ a: 2, b: 1, unit: true }), `unit of ${OP} is true; expected a string`],
    ['another type', () => run({ a: 2, b: 1, kind: 'half' }), `kind of ${OP} is half; expected 'float' or 'bfloat16'`],
    ['too few inputs', () => run({ a: 2, b: 1 }, [x]), 'takes 2 inputs and has 2 outputs; given 1 and 2'],
    ['too many inputs', () => run({ a: 2, b: 1 }, [x, x, x]), 'takes 2 inputs and has 2 outputs; given 3 and 2'],
    ['too many outputs', () => run({ a: 2, b: 1 }, [x, x], 3), 'takes 2 inputs and has 2 outputs; given 2 and 3'],
    [
      'another name',
      () => runNative(SOURCES, 'MatMul', [x, x], {}, 1),
      '@eflow/engine-fixture has no op MatMul; its ops are EflowTestAffine, EflowTestThreads',
    ],
  ])('%s', (_, fn, message) => {
    expect(fn).toThrow(message); // uploads the inputs
    const before = [tf.memory().numTensors, tensorFlowBackend().getNumOfTFTensors()];
    expect(fn).toThrow(message);
    expect([tf.memory().numTensors, tensorFlowBackend().getNumOfTFTensors()]).toEqual(before);
    expectClose(affine(x, { a: 2, b: 0.5 })[0], [2.5, -3.5, 7.5]);
  });

  it('of shapes in a compiled function names the op and the line', () => {
    const compiled = compile((input: tf.Tensor) => run({ a: 2, b: 1 }, [input, square]));
    expect(() => compiled(x)).toThrow(CompileError);
    expect(() => compiled(x)).toThrow(new RegExp(`${OP} at .*native-kernel\\.test\\.ts.*must be rank 1 but is rank 2`));
    expect(() => compile((input: tf.Tensor) => run({ a: 2, b: 1 }, [input, pair]))(x)).toThrow('like has 2 elements');
  });
});

it.each([
  ['eagerly', (input: tf.Tensor) => affine(input, { a: 2, b: 1 })],
  ['in a compiled function', compile((input: tf.Tensor) => affine(input, { a: 2, b: 1 }))],
  ['with an error', (input: tf.Tensor) => expect(() => run({ a: 2, b: 1 }, [input, tf.ones([2])])).toThrow()],
])('1,000 calls leave nothing behind, %s', (_, fn) => {
  const input = tf.ones([10_000]);
  const call = (times: number) => {
    for (let i = 0; i < times; i++) tf.tidy(() => void fn(input));
    return { tensors: tf.memory().numTensors, native: tensorFlowBackend().getNumOfTFTensors() };
  };
  const [before, enough] = [call(300), 12 * 2 ** 20]; // one leaked result a call were 40 MB
  expect(leastGrowth(() => expect(call(1000)).toEqual(before), enough)).toBeLessThan(enough);
  input.dispose();
});

describe('sources that cannot be compiled or loaded', () => {
  const compiledFolders = (name: string) =>
    readdirSync(cacheFolder()).filter((folder) => folder.startsWith(`native-eflow-${name}-`));

  it('no compiler: the other form, and one warning for the process', async () => {
    const env = { ...(process.env as Environment), CXX: '/nonexistent/c++' };
    const before = compiledFolders('engine-fixture');
    const { code, output } = await startProcess('fixtures/run-native.ts', [SOURCES.folder], env).done;
    const [json] = output.split('\n').filter((line) => line.startsWith('{'));
    expect(JSON.parse(json!)).toEqual({ native: false, results: RESULTS });
    const lines = output
      .trim()
      .split('\n')
      .filter((line) => line !== json && !line.includes('--trace-warnings'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /\[EFLOW_NO_NATIVE\] Warning: @eflow\/engine-fixture does without its native kernels, which is slower: The C\+\+ compiler \/nonexistent\/c\+\+ was not found; .*apt-get install g\+\+.*EFLOW_NATIVE=0/,
    );
    expect(code).toBe(0);
    expect(compiledFolders('engine-fixture')).toEqual(before);
  });

  it.each([
    ['C++ that is wrong', 'int one() { return two; }', /did not compile .*error: .*two.* was not declared/],
    ['a symbol that is nowhere', 'int two(); int one = two();', /lib\.so could not be loaded: .*undefined symbol/],
    ['no sources', undefined, /has no C\+\+ sources/],
  ])('%s', async (_, code, message) => {
    const broken = join(mkdtempSync(join(folder, 'broken-')), 'native');
    cpSync(fileURLToPath(SOURCES.folder), broken, { recursive: true });
    if (code) writeFileSync(join(broken, 'affine.cc'), code);
    else rmSync(join(broken, 'affine.cc'));
    const sources = { name: 'eflow-broken', folder: pathToFileURL(`${broken}/`).href };
    const warnings = await warningsOf(() => {
      for (const b of [1, 2]) expectClose(affine(x, { a: 2, b, sources })[0], [2 + b, b - 4, 7 + b]);
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(message);
    expect(warnings[0]).not.toContain('\n');
    for (const name of compiledFolders('broken')) {
      expect(existsSync(join(cacheFolder(), name, 'lib.so'))).toBe(true); // nothing half done
      rmSync(join(cacheFolder(), name), { recursive: true });
    }
  });
});
