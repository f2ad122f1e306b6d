import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useTensorFlow } from '@eflow/engine';
import { withoutNative } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { compute, drawInputs, SPECS } from '../fixtures/both-forms.ts';
import type { Shape } from '../fixtures/check-kernel.ts';
import { attention } from './attention.ts';
import { nativeAttention } from './native.ts';

const { device } = await useTensorFlow();
/** Folder of the headers that the engine offers to native sources. */
const HEADERS = fileURLToPath(new URL('../../engine/native/', import.meta.url));
const FROM_SOURCES = ['--import', 'tsx', '--conditions=@eflow/source'];
const hasKernels = device === 'cpu' && process.env.EFLOW_NATIVE !== '0';

describe('what is not finite stays in its head and reaches what depends on it', () => {
  const [B, N, L, D]: Shape = [2, 2, 75, 6];
  const place = { b: 1, n: 0, token: 40, d: 2 };
  const clean = drawInputs([B, N, L, D], 6);

  function spoil(x: tf.Tensor, value: number): tf.Tensor {
    const one = tf.buffer(x.shape);
    one.set(1, place.b, place.n, place.token, Math.min(place.d, x.shape[3]! - 1));
    return tf.where(tf.cast(one.toTensor(), 'bool'), value, x);
  }
  /** Whether all numbers of a token are finite, for each token of each head. */
  function finiteRows(x: tf.Tensor): boolean[] {
    const values = Array.from(x.dataSync(), Number.isFinite);
    const width = x.shape[3]!;
    return Array.from({ length: B * N * L }, (_, row) => values.slice(row * width, (row + 1) * width).every(Boolean));
  }

  const inputs = ['q', 'k', 'v', 'gate'] as const;
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  it.each(SPECS)('%j', (spec) => {
    const { proj: _proj, ...usual } = compute(spec, clean);
    for (const x of Object.values(usual)) expect(finiteRows(x).every(Boolean)).toBe(true);
    for (const name of inputs.filter((input) => input !== 'gate' || spec.kind === 'glga')) {
      for (const value of values) {
        const spoilt = { ...clean, [name]: spoil(clean[name], value) };
        const native = compute(spec, spoilt);
        const plain = withoutNative(() => compute(spec, spoilt));
        // Beyond a window the composed form may spoil tokens too, by a weight of 0 times what is not finite.
        const reach = 'windowSize' in spec ? (spec.windowSize as number) : L;
        for (const part of Object.keys(usual)) {
          const [mine, theirs] = [native, plain].map((results) => finiteRows(results[part]!)) as [boolean[], boolean[]];
          const wrong = mine.flatMap((fine, row) => {
            if (Math.floor(row / L) !== place.b * N + place.n) return fine ? [] : [`another head, ${row}`];
            const isNear = Math.abs((row % L) - place.token) <= reach;
            return fine && !theirs[row] && isNear ? [`token ${row % L} is fine`] : [];
          });
          expect(wrong, `${part} for ${value} in ${name}`).toEqual([]);
        }
      }
    }
  });
});

describe('bad input', () => {
  const inputs = drawInputs([2, 3, 9, 6], 7);

  it.each(SPECS)('a rotary table of other tokens is refused, its shape quoted: %j', (spec) => {
    const { cos } = inputs.rotary!;
    for (const other of [tf.slice(cos, 0, 8), tf.slice(cos, [0, 0], [9, 4]), tf.zeros([3, 9, 6])]) {
      const quoted = `got [${other.shape.join(', ')}]`;
      expect(() => attention(spec, { ...inputs, rotary: { cos: other, sin: other } }).dataSync()).toThrow(quoted);
    }
  });

  it.runIf(hasKernels)('the kernels refuse what the functions around them would have refused', () => {
    const { gate, q, k, v } = inputs;
    const local = { windowSize: 2 };
    const gated = { ...local, featureMap: 'relu' as const, gate };
    const [short, thin] = [tf.slice(k, [0, 0, 0, 0], [2, 3, 8, 6]), tf.slice(v, [0, 0, 0, 0], [2, 3, 9, 5])];
    for (const branches of [local, gated, { featureMap: 'relu' as const }]) {
      expect(() => nativeAttention({ q, k: short, v }, branches)).toThrow('got [2, 3, 8, 6]');
      expect(() => nativeAttention({ q, k, v: thin }, branches)).toThrow('got [2, 3, 9, 5]');
      expect(() => nativeAttention({ q, k: tf.cast(k, 'int32'), v }, branches)).toThrow();
    }
    const rotary = { cos: inputs.rotary!.cos, sin: tf.slice(inputs.rotary!.sin, 0, 8) };
    expect(() => nativeAttention({ q, k, v, rotary }, local)).toThrow('got [8, 6]');
    const shortGate = tf.slice(gate, [0, 0, 0, 0], [2, 3, 8, 1]);
    expect(() => nativeAttention({ q, k, v }, { ...gated, gate: shortGate })).toThrow('got [2, 3, 8, 1]');
    expect(() => nativeAttention({ q, k, v }, { windowSize: 0 })).toThrow('window is 0');
    for (const block of [-1, 1, 2 ** 30]) {
      expect(() => nativeAttention({ q, k, v }, { blocks: tf.fill([2, 3, 1, 1], block, 'int32') })).toThrow(
        String(block),
      );
    }
    expect(() => nativeAttention({ q, k, v }, { blocks: tf.zeros([2, 3, 2, 1], 'int32') })).toThrow('got [2, 3, 2, 1]');
  });
});

describe.runIf(hasKernels)('a kernel that gets no memory', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-no-memory-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const compiled = (name: string, flags: string[]) => {
    const output = join(folder, name);
    execFileSync(process.env.CXX || 'c++', [
      '-std=c++17',
      '-O1',
      '-pthread',
      `-I${HEADERS}`,
      ...flags,
      fixture(name),
      '-o',
      output,
    ]);
    return output;
  };

  it.each([1, 2, 5])('passes the exception of a task to its caller, and goes on, on %i threads', (threads) => {
    const env = { ...process.env, TF_NUM_INTRAOP_THREADS: String(threads) };
    const { status, stderr } = spawnSync(compiled('pool-faults.cc', []), { env, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  // AddressSanitizer brings a `new` of its own, which cannot be made to fail.
  const hasOwnNew = process.env.EFLOW_NATIVE_FLAGS?.includes('-fsanitize') ?? false;
  it.skipIf(hasOwnNew).each([1, 3])('is an error of the op, and the next call works, on %i threads', (threads) => {
    const child = fileURLToPath(new URL('../fixtures/no-memory-child.ts', import.meta.url));
    const preload = compiled('no-memory.cc', ['-fPIC', '-shared']);
    const { stdout } = spawnSync(process.execPath, [...FROM_SOURCES, child], {
      env: {
        ...process.env,
        LD_PRELOAD: preload,
        TF_NUM_INTRAOP_THREADS: String(threads),
      },
      encoding: 'utf8',
    });
    const { before, during, after } = JSON.parse(stdout);
    expect(before).toHaveLength(2 * 3 * 300 * 8);
    for (const message of during) expect(message).toContain('out of memory');
    expect(after).toEqual(before);
  });
});
