import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { treeLeaves } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { listCheckpoints, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';

/** Saves steps from process.argv[2] on, without end, and prints each step once its save has returned. */
const CHILD = `
  import '@tensorflow/tfjs-backend-cpu';
  import * as tf from '@tensorflow/tfjs-core';
  import { saveCheckpoint } from './src/checkpoint.ts';
  const [folder, first] = process.argv.slice(1);
  for (let step = Number(first); ; step++) {
    const params = Array.from({ length: 20 }, () => tf.fill([50, 100], step));
    await saveCheckpoint(folder, { step, config: null, trees: { params, ema: params } });
    tf.dispose(params);
    console.log(step);
  }`;

it('a kill -9 at any moment loses no save that had returned, and shows no half of one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'killed-'));
  let acknowledged = 0;
  for (const delayMs of [0, 3, 8, 15, 40]) {
    const args = ['--conditions=@eflow/source', '--import', 'tsx', '--input-type=module', '-e', CHILD];
    const child = spawn(process.execPath, [...args, folder, String(acknowledged + 1_000)], {
      cwd: join(import.meta.dirname, '..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close'); // after its last line
    const lines = createInterface(child.stdout);
    lines.on('line', (line) => {
      acknowledged = Number(line);
    });
    await once(lines, 'line');
    await setTimeout(delayMs);
    child.kill('SIGKILL');
    expect((await closed)[1]).toBe('SIGKILL');

    const found = await listCheckpoints(folder);
    expect(found.filter(({ problem }) => problem !== undefined)).toEqual([]);
    const { step, trees } = await loadCheckpoint(folder);
    expect(step).toBeGreaterThanOrEqual(acknowledged);
    expect(step).toBeLessThanOrEqual(acknowledged + 1);
    expect(treeLeaves(trees).every((leaf) => leaf.dataSync().every((value) => value === step))).toBe(true);
  }
  await saveCheckpoint(folder, { step: 999_999, config: null, trees: { params: tf.scalar(1) } });
  expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  await rm(folder, { recursive: true });
});
