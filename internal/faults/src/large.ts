/**
 * `pnpm test:large`: a checkpoint of over 4 GiB, of tensors of over 2 GiB each, comes back as it was saved, and a bit that flips
 * behind its first 4 GiB is noticed. Takes 10 GB of memory and 5 GB of the temporary folder's disk.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { loadCheckpoint, saveCheckpoint } from '@eflow/checkpoint';
import { runProgram } from '@eflow/cli';
import { disposeTree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { Command } from 'commander';

/** Elements of each tensor: 2 GiB and a little, so that nothing ends at a round number. */
const SIZES = [2 ** 29 + 3, 2 ** 29 + 5];

/** The number at a place: all 24 bits that a float32 holds exactly, in no order. */
const numberAt = (place: number, tensor: number): number => Math.imul(place + tensor, 0x9e3779b1) >>> 8;

function makeTensor(size: number, tensor: number): tf.Tensor {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = numberAt(i, tensor);
  return tf.tensor1d(values);
}

function findWrong(leaf: tf.Tensor, tensor: number): string | undefined {
  const values = leaf.dataSync();
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== numberAt(i, tensor)) return `element ${i} of tensor ${tensor} is ${values[i]}`;
  }
  return values.length === SIZES[tensor] ? undefined : `tensor ${tensor} has ${values.length} elements`;
}

async function flipBit(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-large-'));
  try {
    const params = SIZES.map(makeTensor);
    let start = performance.now();
    const step = await saveCheckpoint(folder, { step: 1, config: {}, trees: { params } });
    disposeTree(params);
    const file = join(step, 'params.safetensors');
    const { size } = statSync(file);
    const seconds = () => ((performance.now() - start) / 1000).toFixed(0);
    console.log(`Saved ${size} bytes in ${seconds()} s`);
    start = performance.now();
    const { trees } = await loadCheckpoint(folder);
    console.log(`Verified and loaded in ${seconds()} s`);
    const wrong = (trees.params as tf.Tensor[]).map(findWrong).find((problem) => problem !== undefined);
    disposeTree(trees);
    await flipBit(file, size - 6);
    const noticed = await loadCheckpoint(folder).then(
      () => false,
      (error: Error) => /SHA-256/.test(error.message),
    );
    console.log(
      `${size} bytes: ${wrong ?? 'every number came back'}; a bit flipped at ${size - 6} was ${noticed ? 'noticed' : 'NOT noticed'}`,
    );
    if (wrong !== undefined || !noticed) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const program = new Command('test:large')
  .description('Saves and loads a checkpoint of over 4 GiB: 10 GB of memory, 5 GB of disk.')
  .action(main);
await runProgram(program);
