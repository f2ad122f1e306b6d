import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBatches, datasetSpec, makeBatch, writeClips } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { realSource } from '@eflow/measure';
import {
  createRunFolder,
  findCheckpoint,
  loadConfig,
  loadNetwork,
  openClips,
  openRunFolder,
  readDataRecord,
  readHeldOut,
  readMeasurements,
  readMetrics,
  videoDiTConfig,
} from '@eflow/run';
import { disposeState } from '@eflow/train';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dryRun } from './dry-run.ts';
import { createHeldOutLoss } from './held-out-loss.ts';
import { newState } from './state.ts';
import { TINY } from './tiny.ts';
import { train } from './train.ts';

const print = vi.spyOn(console, 'log').mockImplementation(() => {});
const complain = vi.spyOn(console, 'error').mockImplementation(() => {});
const root = mkdtempSync(join(tmpdir(), 'held-out-'));
const shards = join(root, 'shards');
afterAll(() => rmSync(root, { recursive: true }));

const OTHERS = TINY.filter((change) => !change.startsWith('data.'));
const DIGITS = [...TINY, 'optimizer.warmupSteps=0', 'training.steps=6'];
const VIDEOS = [
  `data={ kind: videos, folder: ${shards}, height: 8, width: 8, numFrames: 2, numClasses: 2, heldOut: 0.25 }`,
  ...OTHERS,
  ...['optimizer.warmupSteps=0', 'training.steps=6'],
];
const everyTwo = ['measurement.heldOutEvery=2', 'measurement.heldOutBatches=3'];

/** 40 clips of 2 frames of 8x8 in two classes, each of one brightness. */
beforeAll(() => {
  const pixels = Uint8Array.from({ length: 40 * 128 }, (_, i) => 6 * Math.floor(i / 128));
  const labels = Array.from({ length: 40 }, (_, i) => (i % 2 ? 'odd' : 'even'));
  writeClips(shards, { pixels, shape: [40, 2, 8, 8, 1] }, { labels });
});

async function run(name: string, changes: string[], { resume = false, stopAfter = 1e9, eager = false } = {}) {
  const path = join(root, name);
  const config = resume ? loadConfig(openRunFolder(path).folder.config, changes) : loadConfig('digits-tiny', changes);
  const folder = resume ? openRunFolder(path).folder : createRunFolder(path, config);
  let steps = 0;
  await train(config, folder, { eager, engine: await useTensorFlow(), stopRequested: () => ++steps >= stopAfter });
  const heldOut = readHeldOut(folder).map(({ seconds: _, ...losses }) => losses);
  const losses = readMetrics(folder).map(({ loss, gradNorm }) => [loss, gradNorm]);
  return { path, folder, config, losses, heldOut, checkpoints: readdirSync(folder.checkpoints).sort() };
}

describe('held-out losses', () => {
  let whole: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    whole = await run('whole', [...DIGITS, ...everyTwo]);
  });

  it('are told every so many steps, by their terms, and training goes as it would without', async () => {
    const plain = await run('plain', DIGITS);
    expect(whole.losses).toEqual(plain.losses);
    expect(existsSync(plain.folder.heldOut)).toBe(false);
    expect(whole.heldOut.map(({ step, clips }) => [step, clips])).toEqual([
      [2, 12],
      [4, 12],
      [6, 12],
    ]);
    for (const { velocityLoss, solutionLoss, additivityLoss } of whole.heldOut) {
      for (const loss of [velocityLoss, solutionLoss, additivityLoss]) expect(loss).toBeGreaterThan(0);
    }
    expect(print.mock.calls.flat().join('\n')).toMatch(/step 4: held-out losses fm \d\.\d+, sol .* \(12 clips\)/);
    const events = readFileSync(join(whole.folder.events, readdirSync(whole.folder.events)[0]!));
    expect(events.includes('heldOut/velocityLoss')).toBe(true);
    const tensors = readMetrics(whole.folder).map(({ numTensors }) => numTensors);
    expect(new Set(tensors.slice(2)).size).toBe(1);
  });

  it('are the same, to the bit, of a run that goes on', async () => {
    await run('parts', [...DIGITS, ...everyTwo], { stopAfter: 3 });
    const parts = await run('parts', [...DIGITS, ...everyTwo]);
    expect(parts.heldOut).toEqual(whole.heldOut);
    expect(parts.losses).toEqual(whole.losses);
  });

  it.each(['flowMatching', 'eflow'])('of %s are those op by op, and change with nothing but the weights', (kind) => {
    const config = loadConfig('digits-tiny', [...DIGITS, ...everyTwo, `objective.kind=${kind}`]);
    const network = videoDiTConfig(config);
    const state = newState(config, network);
    const [eager, compiled] = [true, false].map((eager) => createHeldOutLoss(config, network, { eager }));
    const { velocityLoss } = compiled!.measure(state, 0);
    expect(velocityLoss / eager!.measure(state, 0).velocityLoss).toBeCloseTo(1, 5);
    state.step = 5;
    expect(compiled!.measure(state, 9)).toMatchObject({ velocityLoss, step: 5, seconds: 9 });
    for (const one of [eager, compiled]) one!.close();
    disposeState(state);
  });

  it('of an untrained network, which predicts 0, are the mean square of the velocity: 1 + that of the clips', () => {
    const changes = ['objective.kind=flowMatching', 'measurement.heldOutBatches=40'];
    const config = loadConfig('digits-tiny', [...DIGITS, ...changes]);
    const network = videoDiTConfig(config);
    const state = newState(config, network);
    const heldOut = createHeldOutLoss(config, network);
    const dataset = openClips(config, 'held-out');
    const pixels = Array.from({ length: 40 }, (_, i) => [...makeBatch(dataset, 4, i).pixels]).flat();
    const square = pixels.reduce((sum, pixel) => sum + (pixel / 127.5 - 1) ** 2, 0) / pixels.length;
    // 20,480 numbers: the mean square of as many normal ones is known to one in a hundred.
    expect(heldOut.measure(state, 0).velocityLoss / (1 + square)).toBeCloseTo(1, 1);
    heldOut.close();
    disposeState(state);
  });
});

describe('videos that are held out', () => {
  it('are never trained on, counted in the record, and what is measured', async () => {
    const { config, folder, heldOut } = await run('videos', [...VIDEOS, ...everyTwo]);
    const held = openClips(config, 'held-out');
    const brightness = new Set(Array.from({ length: 40 }, (_, i) => held.clip(i).pixels[0]!));
    held.close!();
    expect(readDataRecord(folder)).toMatchObject({ videos: 40, heldOut: { videos: brightness.size } });
    expect(complain.mock.calls.flat()).toContain(`${shards}: ${brightness.size} of 40 videos are held out.`);
    const batches = createBatches(datasetSpec(config.data, 'train', config.seed), { batchSize: 40 });
    for (let i = 0; i < 3; i++) {
      const { pixels } = await batches.next();
      for (let clip = 0; clip < 40; clip++) expect(brightness).not.toContain(pixels[clip * 3 * 128]);
    }
    await batches.close();
    const measured = new Set<number>();
    for await (const { pixels } of (await realSource(config.data, { most: 40, seed: 5 })).batches(1)) {
      measured.add(pixels[0]!);
    }
    expect(measured).toEqual(brightness);
    expect(heldOut.map(({ step }) => step)).toEqual([2, 4, 6]);
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000)); // a dry run measures for seconds
    expect(dryRun({ config, root, start: 'new', eager: true }).data!.heldOut!.videos).toBe(brightness.size);
    clock.mockRestore();
  });

  it('stay those: a run does not go on with others', async () => {
    const before = await run('fixed', VIDEOS, { eager: true });
    const message = `another part of the videos in ${shards} held out`;
    for (const change of ['data.heldOut=0.5', 'data.heldOut=null']) {
      await expect(run('fixed', [change, 'training.steps=8'], { resume: true })).rejects.toThrow(message);
    }
    const list = join(root, 'list.txt');
    writeFileSync(list, 'clip-000001\n');
    await expect(run('fixed', [`data.heldOut=${list}`], { resume: true })).rejects.toThrow(message);
    const now = await run('fixed', ['training.steps=8'], { resume: true, eager: true });
    expect(now.losses.slice(0, 6)).toEqual(before.losses);
    expect(now.losses).toHaveLength(8);
  });

  it('have to be some, before anything is trained', async () => {
    await expect(run('none', [...VIDEOS, 'data.heldOut=1e-9'])).rejects.toThrow(
      'leaves none of its 40 videos to measure',
    );
    expect(existsSync(join(root, 'none', 'metrics.jsonl'))).toBe(false);
  });
});

describe('the best checkpoint', () => {
  const best = [
    ...['training.steps=9', 'measurement.heldOutEvery=2', 'measurement.heldOutBatches=2'],
    ...['training.keepBest=heldOutVelocityLoss', 'training.keepCheckpoints=1'],
    // It learns, and then a rate that is far too high undoes it: step 2 or 4 is the best.
    ...['optimizer.learningRate=0.3', 'optimizer.emaDecay=0'],
  ];
  let whole: Awaited<ReturnType<typeof run>>;
  let bestName: string;
  beforeAll(async () => {
    whole = await run('best', [...DIGITS, ...best]);
    const lowest = Math.min(...whole.heldOut.map(({ velocityLoss }) => velocityLoss));
    bestName = `step-00000${whole.heldOut.find(({ velocityLoss }) => velocityLoss === lowest)!.step}`;
  });

  it('stays beside the newest, and is what sampling is given', async () => {
    expect(bestName).not.toBe('step-000009');
    expect(whole.checkpoints).toEqual([bestName, 'step-000009']);
    const { params, step } = await loadNetwork(whole.path, { checkpoint: 'best' });
    expect(`step-00000${step}`).toBe(bestName);
    // The weights are those that were measured.
    const network = videoDiTConfig(whole.config);
    const state = newState(whole.config, network);
    const heldOut = createHeldOutLoss(whole.config, network);
    const { velocityLoss } = heldOut.measure({ ...state, unravel: () => params }, 0);
    expect(velocityLoss).toBe(whole.heldOut.find((one) => one.step === step)!.velocityLoss);
    heldOut.close();
    disposeState(state);
  });

  it('is the same of a run that is stopped at any step, or ended while it is saved', async () => {
    for (const stopAfter of [1, 2, 5, 8]) {
      await run(`best-${stopAfter}`, [...DIGITS, ...best], { stopAfter });
      const { heldOut, checkpoints, losses } = await run(`best-${stopAfter}`, [...DIGITS, ...best]);
      expect([heldOut, checkpoints, losses]).toEqual([whole.heldOut, whole.checkpoints, whole.losses]);
    }
    // The log has the best step; of its checkpoint there is half of one, and the one before is gone on from.
    const path = join(root, 'half');
    await run('half', [...DIGITS, ...best], { stopAfter: Number(bestName.slice(-1)) });
    const { checkpoints } = openRunFolder(path).folder;
    cpSync(join(whole.path, 'checkpoints', bestName), join(checkpoints, `${bestName}.tmp-0123456789ab`), {
      recursive: true,
    });
    for (const name of readdirSync(checkpoints))
      if (!name.includes('tmp')) rmSync(join(checkpoints, name), { recursive: true });
    await expect(async () => findCheckpoint(openRunFolder(path).folder, whole.config, 'best')).rejects.toThrow(
      'none yet',
    );
    const half = await run('half', [...DIGITS, ...best]);
    expect([half.heldOut, half.checkpoints]).toEqual([whole.heldOut, whole.checkpoints]);
  });

  it('goes by a distance, too', async () => {
    const changes = ['training.steps=7', 'training.keepBest=frechetDistance', 'training.keepCheckpoints=1'];
    const every = ['measurement.every=2', 'measurement.clips=20', 'measurement.numSteps=1'];
    const { folder, checkpoints } = await run('distance', [...DIGITS, ...changes, ...every]);
    const measurements = readMeasurements(folder);
    const [best] = [...measurements].sort((a, b) => a.frechetDistance - b.frechetDistance);
    expect(measurements.map(({ step }) => step)).toEqual([2, 4, 6]);
    expect(checkpoints).toEqual([`step-00000${best!.step}`, 'step-000007']);
  });
});
