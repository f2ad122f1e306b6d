import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { findLatestCheckpoint, saveCheckpoint } from '@eflow/checkpoint';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type { Outcome } from './outcome.ts';

/** Flips single bits of the newest of two checkpoints: each must be noticed, and the one before it be used. */
export async function flipBits(flips: number, seed: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-flips-'));
  const params = { weight: tf.randomNormal([40, 40], 0, 1, 'float32', 1), bias: tf.zeros([40]) };
  for (const step of [1, 2]) await saveCheckpoint(folder, { step, config: { step }, trees: { params, ema: params } });
  tf.dispose(params);
  const newest = join(folder, 'step-000002');
  const files = readdirSync(newest).map((name) => ({ name, path: join(newest, name) }));
  const bytes = files.map(({ path }) => readFileSync(path));
  const total = bytes.reduce((sum, one) => sum + one.length, 0);

  const missed: string[] = [];
  const places = fc.sample(fc.record({ at: fc.nat({ max: total - 1 }), bit: fc.nat({ max: 7 }) }), {
    numRuns: flips,
    seed,
  });
  for (const { at, bit } of places) {
    let [which, offset] = [0, at];
    while (offset >= bytes[which]!.length) offset -= bytes[which++]!.length;
    const { name, path } = files[which]!;
    const damaged = Buffer.from(bytes[which]!);
    damaged[offset] = damaged[offset]! ^ (1 << bit);
    writeFileSync(path, damaged);
    const { latest, skipped } = await findLatestCheckpoint(folder);
    if (latest?.step !== 1 || !skipped[0]?.problem?.includes(path))
      missed.push(`bit ${bit} of byte ${offset} of ${name}`);
    writeFileSync(path, bytes[which]!);
  }
  const whole = (await findLatestCheckpoint(folder)).latest?.step === 2;
  rmSync(folder, { recursive: true });
  for (const line of missed.slice(0, 20)) console.log(`not noticed: ${line}`);
  return {
    figures: [
      `checkpoints: ${places.length} flipped bits, ${places.length - missed.length} noticed and the checkpoint before used`,
    ],
    failed: missed.length > 0 || !whole,
  };
}
