import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  findLatestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from './checkpoint.ts';
import { writeManifest } from './manifest.ts';

let folder: string;
const folders: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoints-'));
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true }))));

const config = { model: { kind: 'tiny', '2': [1, 2.5, null], __proto__note: 'é "x"' }, learningRate: 1e-4 };

const save = (step: number, value = step) =>
  saveCheckpoint(folder, {
    step,
    seed: 7,
    config,
    environment: { tensorflow: '2.21.0' },
    trees: {
      params: { blocks: [{ weight: tf.fill([2, 3], value) }], bias: tf.tensor1d([value + 0.1]) },
      ema: { blocks: [{ weight: tf.fill([2, 3], -value) }], bias: tf.tensor1d([0]) },
    },
  });

const firstWeight = async (path: string) => {
  const { step, trees } = await loadCheckpoint(path);
  return { step, value: treeEntries(trees.params!)[0]![1].dataSync()[0] };
};

describe('saveCheckpoint and loadCheckpoint', () => {
  it('give back trees, step, seed, config and environment', async () => {
    const saved = await save(500);
    expect(saved).toBe(join(folder, 'step-000500'));
    expect((await readdir(saved)).sort()).toEqual(['ema.safetensors', 'manifest.json', 'params.safetensors']);
    const { trees, ...rest } = await loadCheckpoint(folder);
    expect(rest).toEqual({ step: 500, seed: 7, config, environment: { tensorflow: '2.21.0' }, folder: saved });
    expect(Object.keys(trees)).toEqual(['params', 'ema']);
    expect([...treeEntries(trees.params!)[1]![1].dataSync()]).toEqual([Math.fround(500.1)]);
  });

  it('give back what else a run needs to go on', async () => {
    const state = { batch: 3, skipped: [{ step: 1 }] };
    await saveCheckpoint(folder, { step: 1, config, trees: { params: tf.scalar(1) }, state });
    expect((await loadCheckpoint(folder)).state).toEqual(state);
  });

  it('load only the trees that templates name, like them', async () => {
    await save(3);
    const template = { blocks: [{ weight: tf.zeros([2, 3]) }], bias: tf.zeros([1]) };
    const { trees } = await loadCheckpoint(folder, { ema: template });
    expect(Object.keys(trees)).toEqual(['ema']);
    expect(trees.ema.blocks[0]!.weight.dataSync()[0]).toBe(-3);
    const before = tf.memory().numTensors;
    await expect(loadCheckpoint(folder, { ema: template, optimizer: template })).rejects.toThrow(
      /holds no tree 'optimizer', only params.safetensors, ema.safetensors/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('look at no tree but those that templates name', async () => {
    await save(1);
    await truncate(join(await save(2), 'params.safetensors'), 10);
    const template = { blocks: [{ weight: tf.zeros([2, 3]) }], bias: tf.zeros([1]) };
    expect((await loadCheckpoint(folder, { ema: template })).step).toBe(2);
    expect((await loadCheckpoint(folder, { params: template })).step).toBe(1);
    expect((await listCheckpoints(folder, ['ema'])).map(({ problem }) => problem)).toEqual([undefined, undefined]);
    expect((await listCheckpoints(folder))[0]!.problem).toContain('params.safetensors has 10 bytes');
  });

  it('read a tree twice, to hash it and to load it, and no other', async () => {
    const bytes = 4 * 2 ** 21;
    const tree = { weight: tf.zeros([2 ** 21]) };
    await saveCheckpoint(folder, { step: 1, config, trees: { params: tree, ema: tree, optimizer: tree } });
    const bytesRead = async () => Number(/rchar: (\d+)/.exec(await readFile('/proc/self/io', 'utf8'))![1]);
    const before = await bytesRead();
    await loadCheckpoint(folder, { ema: tree });
    const read = (await bytesRead()) - before;
    expect(read).toBeGreaterThan(2 * bytes);
    expect(read).toBeLessThan(2.5 * bytes);
  });

  it('use the newest step by number, or the step that is asked for', async () => {
    for (const step of [2, 10, 1_000_000, 999_999]) await save(step);
    expect(await firstWeight(folder)).toEqual({ step: 1_000_000, value: 1_000_000 });
    expect(await firstWeight(join(folder, 'step-000010'))).toEqual({ step: 10, value: 10 });
    expect((await listCheckpoints(folder)).map(({ step }) => step)).toEqual([1_000_000, 999_999, 10, 2]);
  });

  it('refuse a non-finite tensor and keep what exists', async () => {
    await save(1);
    await expect(save(2, Number.NaN)).rejects.toThrow("'blocks.0.weight' holds NaN");
    expect(await readdir(folder)).toEqual(['step-000001']);
  });

  it('refuse to replace a valid checkpoint, and keep a damaged one aside', async () => {
    const saved = await save(1, 1);
    await expect(save(1, 2)).rejects.toThrow('already a valid checkpoint; delete it');
    expect(await firstWeight(folder)).toEqual({ step: 1, value: 1 });
    await truncate(join(saved, 'ema.safetensors'), 20);
    await save(1, 2);
    expect(await firstWeight(folder)).toEqual({ step: 1, value: 2 });
    expect((await readdir(folder)).some((name) => name.startsWith('step-000001.damaged-'))).toBe(true);
  });

  it.each([-1, 1.5, Number.NaN, 1e15])('refuse step %s', async (step) => {
    await expect(save(step)).rejects.toThrow(`step is ${step}`);
  });

  it.each(['../params', '', '__proto__', 'a.b', 'a/b'])("refuse a tree named '%s'", async (name) => {
    const trees = Object.fromEntries([[name, tf.scalar(1)]]);
    await expect(saveCheckpoint(folder, { step: 1, config, trees })).rejects.toThrow(`tree name '${name}'`);
  });
});

describe('damage', () => {
  it('is found for every random bit flip in any file, and the previous checkpoint is used', async () => {
    await save(1);
    const latest = await save(2);
    const contents = await Promise.all(
      ['params.safetensors', 'ema.safetensors', 'manifest.json'].map(async (name) => ({
        file: join(latest, name),
        bytes: await readFile(join(latest, name)),
      })),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 }), fc.nat(), fc.nat({ max: 7 }), async (which, at, bit) => {
        const { file, bytes } = contents[which]!;
        const flipped = Buffer.from(bytes);
        const i = at % bytes.length;
        flipped[i] = flipped[i]! ^ (1 << bit);
        await writeFile(file, flipped);
        const { latest: found, skipped } = await findLatestCheckpoint(folder);
        await writeFile(file, bytes);
        expect(found?.step).toBe(1);
        expect(skipped).toEqual([{ step: 2, folder: latest, problem: expect.stringContaining(file) }]);
      }),
      { numRuns: 300 },
    );
    expect((await findLatestCheckpoint(folder)).latest?.step).toBe(2);
  });

  it('is found for every truncation and every missing file', async () => {
    await save(1);
    const latest = await save(2);
    for (const name of await readdir(latest)) {
      const file = join(latest, name);
      const bytes = await readFile(file);
      for (let length = 0; length < bytes.length; length += 7) {
        await writeFile(file, bytes.subarray(0, length));
        expect((await findLatestCheckpoint(folder)).latest?.step, `${name} cut to ${length}`).toBe(1);
        await expect(loadCheckpoint(latest)).rejects.toThrow(/Restore the file from a copy, or delete its folder/);
      }
      await rm(file);
      await expect(loadCheckpoint(latest)).rejects.toThrow(`${file} cannot be read`);
      await writeFile(file, bytes);
    }
    await loadCheckpoint(latest);
  });

  it('says why each checkpoint is unusable when none is left', async () => {
    for (const step of [1, 2]) await rm(join(await save(step), 'params.safetensors'));
    const error = await loadCheckpoint(folder).catch((thrown: Error) => thrown.message);
    expect(error).toMatch(/holds no valid checkpoint: check the path, or start a new run/);
    expect(error).toContain(join(folder, 'step-000001', 'params.safetensors'));
    expect(error).toContain(join(folder, 'step-000002', 'params.safetensors'));
    await expect(loadCheckpoint(join(folder, 'nowhere'))).rejects.toThrow('holds no valid checkpoint');
    expect(await findLatestCheckpoint(join(folder, 'nowhere'))).toEqual({ latest: undefined, skipped: [] });
  });

  it('in the form of a renamed folder or of a manifest that points outside is refused', async () => {
    const saved = await save(1);
    const renamed = join(folder, 'step-000009');
    await mkdir(renamed);
    for (const name of await readdir(saved)) await writeFile(join(renamed, name), await readFile(join(saved, name)));
    expect((await findLatestCheckpoint(folder)).latest?.step).toBe(1);
    await expect(loadCheckpoint(renamed)).rejects.toThrow("is of step 1, not of its folder's");
    for (const name of ['../secret.safetensors', '/etc/passwd', '__proto__.safetensors', 'params.bin']) {
      const files = Object.fromEntries([[name, { bytes: 0, sha256: '' }]]);
      await writeManifest(saved, { format: 'eflow-checkpoint-1', step: 1, seed: 0, config, environment: null, files });
      await expect(loadCheckpoint(saved), name).rejects.toThrow(`lists '${name}', which is not a plain`);
    }
  });

  it('by an interrupted save is invisible, and its leftovers go with the next save', async () => {
    await save(1);
    const leftover = join(folder, 'step-000002.tmp-0123456789ab');
    await mkdir(leftover);
    await writeFile(join(leftover, 'params.safetensors.tmp-00'), 'half');
    await mkdir(join(folder, 'notes'));
    await mkdir(join(folder, 'step-3')); // not one of ours: six digits at least
    expect((await findLatestCheckpoint(folder)).latest?.step).toBe(1);
    await save(2);
    expect((await readdir(folder)).sort()).toEqual(['notes', 'step-000001', 'step-000002', 'step-3']);
    expect((await stat(join(folder, 'notes'))).isDirectory()).toBe(true);
  });
});

describe('pruneCheckpoints', () => {
  const names = async () => (await readdir(folder)).sort();

  it('keeps the newest ones and milestones, and says what went', async () => {
    for (const step of [0, 5, 10, 15, 20, 25]) await save(step);
    expect(await pruneCheckpoints(folder, { keepLast: 2, milestoneEvery: 10 })).toEqual([
      join(folder, 'step-000015'),
      join(folder, 'step-000005'),
    ]);
    expect(await names()).toEqual(['step-000000', 'step-000010', 'step-000020', 'step-000025']);
    expect(await pruneCheckpoints(folder, { keepLast: 4 })).toEqual([]);
    await pruneCheckpoints(folder, { keepLast: 1 });
    expect(await names()).toEqual(['step-000025']);
    expect(await pruneCheckpoints(join(folder, 'nowhere'), { keepLast: 1 })).toEqual([]);
  });

  it('keeps the step that it is told to, and lets it go with the next call', async () => {
    for (const step of [1, 2, 3, 4]) await save(step);
    await pruneCheckpoints(folder, { keepLast: 1, keepStep: 2 });
    expect(await names()).toEqual(['step-000002', 'step-000004']);
    await pruneCheckpoints(folder, { keepLast: 1, keepStep: 4 });
    expect(await names()).toEqual(['step-000004']);
  });

  it('counts from the newest valid one, which it never removes', async () => {
    for (const step of [1, 2, 3, 4]) await save(step);
    for (const step of ['step-000003', 'step-000004']) await truncate(join(folder, step, 'ema.safetensors'), 20);
    await pruneCheckpoints(folder, { keepLast: 1 });
    expect(await names()).toEqual(['step-000002', 'step-000003', 'step-000004']);
    await truncate(join(folder, 'step-000002', 'ema.safetensors'), 20);
    await pruneCheckpoints(folder, { keepLast: 1 });
    expect(await names()).toEqual(['step-000002', 'step-000003', 'step-000004']);
  });

  it.each([0, 1.5, Number.NaN])('refuses to keep %s', async (keepLast) => {
    await expect(pruneCheckpoints(folder, { keepLast })).rejects.toThrow(`keepLast is ${keepLast}`);
  });
});
