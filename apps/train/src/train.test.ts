import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@eflow/checkpoint';
import { bfloat16Support, useTensorFlow } from '@eflow/engine';
import { createRunFolder, loadConfig, loadNetwork, openRunFolder, readMetrics } from '@eflow/run';
import { treeLeaves } from '@eflow/tensor';
import { expectClose, readEventImages } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TINY } from './tiny.ts';
import { train } from './train.ts';

vi.spyOn(console, 'log').mockImplementation(() => {});
const root = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(root, { recursive: true }));

const overrides = [...TINY, 'training.maxSeconds=1000', 'optimizer.warmupSteps=0'];

async function run(
  name: string,
  changes: string[],
  { resume = false, eager = false, stopAfter = Number.POSITIVE_INFINITY } = {},
) {
  const config = loadConfig('digits-tiny', [...overrides, ...changes]);
  const path = join(root, name);
  const folder = resume ? openRunFolder(path).folder : createRunFolder(path, config);
  let steps = 0;
  await train(config, folder, {
    eager,
    engine: await useTensorFlow(),
    stopRequested: () => ++steps >= stopAfter,
  });
  return { path, folder, metrics: readMetrics(folder) };
}

const losses = (metrics: { loss: number; gradNorm: number }[]) => metrics.map(({ loss, gradNorm }) => [loss, gradNorm]);

async function weights(path: string, which: 'ema' | 'params') {
  const { params, step } = await loadNetwork(path, { weights: which });
  return { step, values: treeLeaves(params).map((leaf) => Array.from(leaf.dataSync())) };
}

/** A run of 8 steps that nothing stopped, for what another makes of the same config. */
let whole: Awaited<ReturnType<typeof run>>;
/** A run of a wider network that is long enough to learn, and to tell what grows. */
let long: typeof whole;
beforeAll(async () => {
  whole = await run('whole', ['training.steps=8']);
  const learner = ['network.hiddenSize=96', 'optimizer.learningRate=3e-3', 'objective.guidanceScale=1'];
  long = await run('long', ['training.steps=260', ...learner]);
});

describe('train', () => {
  it('gives the same losses and weights, bit for bit, for the same seed, and others for another', async () => {
    const [second, other] = [
      await run('second', ['training.steps=8']),
      await run('another-seed', ['training.steps=8', 'seed=1']),
    ];
    expect(losses(second.metrics)).toEqual(losses(whole.metrics));
    expect(await weights(second.path, 'params')).toEqual(await weights(whole.path, 'params'));
    expect(losses(other.metrics)).not.toEqual(losses(whole.metrics));
  });

  it('gives compiled what it gives op by op, over both stages of token drop and with rematerialised blocks', async () => {
    // The last of 6 steps keeps all tokens. ReLU features of six-wide heads are now and then all zero, and then a rounding
    // error decides on the gradient.
    const changes = ['training.steps=6', 'training.denseTail=0.2', 'network.attention.featureMap=elu1'];
    const eager = await run('eager', changes, { eager: true });
    const compiled = [await run('compiled', changes), await run('blocks', [...changes, 'network.checkpoint=blocks'])];
    for (const { path, metrics } of compiled) {
      expectClose(losses(metrics).flat(), losses(eager.metrics).flat(), { rtol: 1e-5 });
      const [a, b] = [await weights(path, 'params'), await weights(eager.path, 'params')];
      expectClose(a.values.flat(), b.values.flat(), { rtol: 1e-3, atol: 1e-4 });
    }
  });

  it.each([
    ['network.mlp=swiglu', 'network.maskToken=trained', 'training.keepPattern=structured'],
    ['network.preset=VideoDiT-Ti', 'network.hiddenSize=12', 'network.numHeads=2', 'network.attention.windowSize=3'],
  ])('trains with %s, %s, %s, compiled as op by op', async (...changes) => {
    const all = [...changes, 'network.attention.featureMap=elu1', 'training.steps=3'];
    const name = changes[0]!.replace(/\W/g, '-');
    const [eager, compiled] = [await run(`${name}-eager`, all, { eager: true }), await run(`${name}-compiled`, all)];
    expectClose(losses(compiled.metrics).flat(), losses(eager.metrics).flat(), { rtol: 1e-5 });
  });

  it.each<[kind: string, changes: string[]]>([
    ['flowMatching', []],
    ['solutionFlow', []],
    ['meanFlow', []],
    ['splitMeanFlow', []],
    ['eflow', ['objective.guidanceScale={ max: 4 }', 'objective.guidanceWarmup=0.5']],
  ])('trains with %s %j, compiled as op by op, and goes on from a checkpoint', async (kind, changes) => {
    const all = [
      `objective.kind=${kind}`,
      ...changes,
      'network.attention.featureMap=elu1',
      'training.steps=4',
      'training.checkpointEverySeconds=0.000001', // after every step
    ];
    const eager = await run(`${kind}-eager`, all, { eager: true });
    const compiled = await run(`${kind}-compiled`, [...all, 'training.previewEvery=4']);
    expectClose(losses(compiled.metrics).flat(), losses(eager.metrics).flat(), { rtol: 1e-4 });
    const path = join(root, `${kind}-parts`);
    cpSync(compiled.path, path, { recursive: true });
    for (const later of ['step-000003', 'step-000004']) rmSync(join(path, 'checkpoints', later), { recursive: true });
    const parts = await run(`${kind}-parts`, all, { resume: true });
    expect(losses(parts.metrics)).toEqual(losses(compiled.metrics));
    expect(readdirSync(compiled.folder.previews)).toContain('step-000004.png');
  });

  it('multiplies in bfloat16 where the hardware has it, with nearly the same losses; op by op it says that it cannot', async () => {
    const changes = ['training.steps=20'];
    const [float32, bf16] = [await run('float32', changes), await run('bf16', [...changes, 'training.precision=bf16'])];
    const mean = (metrics: { loss: number }[]) => metrics.reduce((sum, { loss }) => sum + loss, 0) / metrics.length;
    expectClose([mean(bf16.metrics)], [mean(float32.metrics)], { rtol: 0.02 });
    const sameLosses = JSON.stringify(losses(bf16.metrics)) === JSON.stringify(losses(float32.metrics));
    expect(sameLosses).toBe(!bfloat16Support('cpu').supported);
    await expect(run('neither', ['training.precision=bf16'], { eager: true })).rejects.toThrow(/leave --eager out/);
  });

  it('in micro batches makes the losses of the whole batch, and goes on from a checkpoint to the bit', async () => {
    const changes = ['training.steps=4', 'training.batchSize=8', 'network.attention.featureMap=elu1'];
    const micro = [...changes, 'training.microBatchSize=4'];
    const [all, parts] = [await run('one-batch', changes), await run('micro-batches', micro)];
    expectClose(losses(parts.metrics).flat(), losses(all.metrics).flat(), { rtol: 1e-4 });
    await run('micro-parts', micro, { stopAfter: 2 });
    const resumed = await run('micro-parts', micro, { resume: true });
    expect(losses(resumed.metrics)).toEqual(losses(parts.metrics));
    expect(await weights(resumed.path, 'params')).toEqual(await weights(parts.path, 'params'));
  });

  it('trains on captions, compiled as op by op, and goes on from a checkpoint to the bit', async () => {
    const text = [
      'data.kind=captionedDigits',
      'data.digitSize=6',
      'data.maxSpeed=1',
      'text.kind=words',
      'text.width=12',
    ];
    const changes = [...text, 'text.depth=1', 'text.numHeads=2', 'training.steps=6'];
    const [eager, all] = [await run('text-eager', changes, { eager: true }), await run('text', changes)];
    for (const [i, { loss }] of all.metrics.entries()) expect(loss / eager.metrics[i]!.loss).toBeCloseTo(1, 3);
    await run('text-stopped', changes, { stopAfter: 3 });
    const resumed = await run('text-stopped', changes, { resume: true });
    expect(losses(resumed.metrics)).toEqual(losses(all.metrics));
    expect(await weights(resumed.path, 'ema')).toEqual(await weights(all.path, 'ema'));
    const { params } = await loadNetwork(all.path, { weights: 'params' });
    const { params: before } = await loadNetwork(all.path, { weights: 'params', checkpoint: 'step-000000' });
    const moved = (name: 'table') =>
      tf.max(tf.abs(tf.sub(params.wordEncoder!.embedder[name], before.wordEncoder!.embedder[name]))).dataSync()[0];
    expect(moved('table')).toBeGreaterThan(0);
  });

  it('goes on from a checkpoint as if it had never stopped', async () => {
    await run('parts', ['training.steps=8'], { stopAfter: 4 });
    const parts = await run('parts', ['training.steps=8'], { resume: true });
    expect(readdirSync(parts.folder.checkpoints).sort()).toEqual(['step-000000', 'step-000004', 'step-000008']);
    expect(losses(parts.metrics)).toEqual(losses(whole.metrics));
    for (const which of ['params', 'ema'] as const)
      expect(await weights(parts.path, which)).toEqual(await weights(whole.path, which));
  });

  it('trains by Muon, compiled as op by op, and goes on from a checkpoint to the bit, but not with another optimizer', async () => {
    const all = [
      ...['optimizer.kind=muon', 'optimizer.weightDecay=0.1', 'network.attention.featureMap=elu1', 'training.steps=6'],
      'training.denseTail=0.2',
    ];
    const eager = await run('muon-eager', all, { eager: true });
    const compiled = await run('muon-compiled', all);
    expectClose(losses(compiled.metrics).flat(), losses(eager.metrics).flat(), { rtol: 1e-4 });
    await run('muon-parts', all, { stopAfter: 3 });
    const kept = readFileSync(openRunFolder(join(root, 'muon-parts')).folder.config, 'utf8');
    await expect(run('muon-parts', ['training.steps=6'], { resume: true })).rejects.toThrow(
      /^optimizer\.kind is adamw, and .*step-000003 was trained with muon, .*: set optimizer\.kind=muon, or train anew in another folder \(--out\)$/,
    );
    expect(readFileSync(openRunFolder(join(root, 'muon-parts')).folder.config, 'utf8')).toBe(kept);
    const parts = await run('muon-parts', all, { resume: true });
    expect(losses(parts.metrics)).toEqual(losses(compiled.metrics));
    for (const which of ['params', 'ema'] as const)
      expect(await weights(parts.path, which)).toEqual(await weights(compiled.path, which));
    const { tensors } = await readSafetensors(join(parts.folder.checkpoints, 'step-000006', 'optimizer.safetensors'));
    expect([...tensors.keys()].sort()).toEqual([
      'momentum.12x12',
      'momentum.12x48',
      'momentum.48x12',
      'others.firstMoment.0',
      'others.secondMoment.0',
    ]);
  });

  it('refuses to resume with another network, and leaves the run as it was', async () => {
    const path = join(root, 'fixed');
    cpSync(whole.path, path, { recursive: true });
    const { folder } = openRunFolder(path);
    const before = readFileSync(folder.config, 'utf8');
    await expect(run('fixed', ['training.steps=9', 'network.hiddenSize=24'], { resume: true })).rejects.toThrow(
      /params\.safetensors does not fit the network: 'patchEmbed\.weight' is \[32, 12\] here and \[32, 24\] in the network/,
    );
    expect(readFileSync(folder.config, 'utf8')).toBe(before);
    expect((await weights(path, 'params')).step).toBe(8);
    await run('fixed', ['training.steps=9'], { resume: true });
    expect(readFileSync(folder.config, 'utf8')).toContain('steps: 9');
  });

  it('learns: the velocity loss falls well below that of a network that predicts 0', () => {
    const mean = (part: { velocityLoss: number }[]) => part.reduce((sum, m) => sum + m.velocityLoss, 0) / part.length;
    expect(mean(long.metrics.slice(-50))).toBeLessThan(0.6 * mean(long.metrics.slice(0, 20)));
  });

  it('does not grow: not in tensors over 200 steps, nor by a copy of the weights in each', async () => {
    const { path, metrics } = long;
    const settled = metrics.slice(60);
    expect(new Set(settled.map(({ numTensors }) => numTensors)).size).toBe(1);
    const weightBytes = 4 * (await weights(path, 'params')).values.flat().length;
    const grownBytes = settled.at(-1)!.residentBytes - settled[0]!.residentBytes;
    expect(grownBytes).toBeLessThan(0.25 * settled.length * weightBytes);
  });

  it('stops at a loss that is not finite, before a weight is touched', async () => {
    await expect(
      run('diverges', ['training.steps=50', 'optimizer.learningRate=1e30', 'optimizer.warmupSteps=0']),
    ).rejects.toThrow(/step \d+: the loss is .* no weight was changed/);
  });

  it('writes previews, curves for TensorBoard and a whole config', async () => {
    const { folder } = await run('files', ['training.steps=2', 'training.previewEvery=2', 'training.previewClips=4']);
    expect(readdirSync(folder.previews).sort()).toEqual(['labels.json', 'step-000002.png', 'step-000002.webp']);
    expect(JSON.parse(readFileSync(join(folder.previews, 'labels.json'), 'utf8'))).toEqual({
      labels: [0, 1, 2, 3],
      classes: ['0', '1', '2', '3'],
    });
    const events = readFileSync(join(folder.events, readdirSync(folder.events)[0]!));
    expect(events.includes('velocityLoss')).toBe(true);
    const png = readFileSync(join(folder.previews, 'step-000002.png'));
    const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
    expect(readEventImages(events)).toEqual([
      { step: 2, name: 'previews', plugin: 'images', width, height, file: png },
    ]);
    expect(readFileSync(folder.config, 'utf8')).toContain('weightEps: 0.01');
  });

  it("starts from a SoFlow's weights, whose layers are trained on with the new ones", async () => {
    const file = fileURLToPath(new URL('../../../packages/video-dit/fixtures/soflow.safetensors', import.meta.url));
    const sizes = ['data.height=12', 'data.width=12', 'network.patchSize=1,2,3', 'network.depth=2,1,2'];
    const changes = [...sizes, 'network.mlpRatio=1.5', `training.initialWeights=${file}`, 'training.steps=2'];
    const log = vi.mocked(console.log);
    log.mockClear();
    const { path, metrics } = await run('soflow', changes);
    expect(log.mock.calls.flat().join('\n')).toMatch(
      /Starting from .*soflow.safetensors: \d+ of its \d+ tensors.*new are .*fusion/,
    );
    const [before, after] = ['step-000000', 'step-000002'].map((checkpoint) => ({
      checkpoint,
      weights: 'params' as const,
    }));
    const qkv = async (options: typeof before) =>
      Array.from((await loadNetwork(path, options)).params.encoderBlocks[1]!.attn.qkv.weight.dataSync());
    const { tensors } = await readSafetensors(file);
    const { data } = tensors.get('network.blocks.1.attn.qkv.weight')! as { data: Float32Array };
    const transposed = Array.from(data, (_, i) => data[(i % 36) * 12 + Math.floor(i / 36)]); // [36, 12] -> [12, 36]
    expect(await qkv(before!)).toEqual(transposed);
    expect(await qkv(after!)).not.toEqual(transposed);
    expect(metrics).toHaveLength(2);
    await expect(run('other', [...changes, 'network.depth=1,1,1'])).rejects.toThrow(/depth \[1, 1, 1\] is 3 blocks/);
  });
});
