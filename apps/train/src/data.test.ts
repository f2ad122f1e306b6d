import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCheckpoint, saveCheckpoint, verifyCheckpoint } from '@eflow/checkpoint';
import { writeClips } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { createRunFolder, loadConfig, openRunFolder, readDataRecord, readMetrics } from '@eflow/run';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { dryRun } from './dry-run.ts';
import { TINY } from './tiny.ts';
import { train } from './train.ts';

vi.spyOn(console, 'log').mockImplementation(() => {});
const said = vi.spyOn(console, 'error').mockImplementation(() => {});
const work = mkdtempSync(join(tmpdir(), 'data-'));
afterAll(() => rmSync(work, { recursive: true }));

let [root, shards, count] = ['', '', 0];
beforeEach(() => {
  [root, shards] = [join(work, `run-${count}`), join(work, `shards-${count++}`)];
  said.mockClear();
});

/** Puts clips of 2 frames of 8x8 into the folder, one of each label, in place of what was there. */
function prepare(labels: string[], { folder = shards, grey = 100 } = {}): void {
  rmSync(folder, { recursive: true, force: true });
  const shape = [labels.length, 2, 8, 8, 1] as const;
  writeClips(folder, { pixels: new Uint8Array(shape.reduce((a, b) => a * b)).fill(grey), shape }, { labels });
}

const configOf = (...changes: string[]) =>
  loadConfig('digits-tiny', [
    `data={ kind: videos, folder: ${shards}, height: 8, width: 8, numFrames: 2, numClasses: 2 }`,
    ...TINY.filter((change) => !change.startsWith('data.')),
    ...['optimizer.warmupSteps=0', 'training.steps=2', ...changes],
  ]);

/** Trains in the run's folder: as the same command does, or as --resume with changes does. */
async function start(changes: string[] = [], { resume = false } = {}) {
  const config = resume ? loadConfig(openRunFolder(root).folder.config, changes) : configOf(...changes);
  const folder = resume ? openRunFolder(root).folder : createRunFolder(root, config);
  // Op by op: so few steps are made sooner than compiled.
  await train(config, folder, { eager: true, engine: await useTensorFlow(), stopRequested: () => false });
  return { config, folder, steps: readMetrics(folder).length };
}

describe('a run on videos', () => {
  it('keeps its classes and a digest in its folder and in every checkpoint', async () => {
    prepare(['cat', 'dog', 'dog']);
    const { folder } = await start(['training.previewEvery=2', 'training.previewClips=3']);
    const record = readDataRecord(folder)!;
    expect(record).toMatchObject({ folder: shards, classes: ['cat', 'dog'], videos: 3, tooShort: 0 });
    for (const name of readdirSync(folder.checkpoints)) {
      expect(await verifyCheckpoint(join(folder.checkpoints, name))).toMatchObject({ state: { data: record } });
    }
    expect(JSON.parse(readFileSync(join(folder.previews, 'labels.json'), 'utf8'))).toEqual({
      labels: [0, 1, 0],
      classes: ['cat', 'dog', 'cat'],
    });
  });

  it('is not gone on with on other classes, by the same command, by --resume or in a dry run', async () => {
    prepare(['cat', 'dog']);
    const { config, folder } = await start();
    prepare(['ant', 'cat']);
    const message = "class 0 was 'cat' and is 'ant'";
    await expect(start()).rejects.toThrow(message);
    await expect(start(['training.steps=4'], { resume: true })).rejects.toThrow(message);
    const task = { config, root, start: 'resume', eager: false } as const;
    expect(() => dryRun(task)).toThrow(message);
    expect(openRunFolder(root).config).toEqual(config);
    rmSync(folder.data); // what its checkpoints say is enough
    await expect(start(['training.steps=4'], { resume: true })).rejects.toThrow(message);
    expect(readMetrics(folder)).toHaveLength(2);
    prepare(['cat', 'dog']);
    expect((await start(['training.steps=4'], { resume: true })).steps).toBe(4);
  });

  it('is gone on with on other videos of the same classes only where they are asked for', async () => {
    prepare(['cat', 'dog']);
    await start();
    prepare(['cat', 'dog'], { grey: 101 });
    const message = `the run was trained on other videos than there are in ${shards} (2 then, 2 now)`;
    await expect(start()).rejects.toThrow(message);
    await expect(start(['training.steps=4'], { resume: true })).rejects.toThrow(message);
    const others = join(work, 'others');
    prepare(['cat', 'dog'], { folder: others, grey: 101 });
    const went = await start(['training.steps=4', `data.folder=${others}`], { resume: true });
    expect(went.steps).toBe(4);
    expect(said.mock.calls.flat()).toContain(`Going on with other videos: those of ${others} in place of ${shards}.`);
    expect((await start(['training.steps=6'], { resume: true })).steps).toBe(6);
  });

  it('from before runs kept records goes on, and keeps one from then on', async () => {
    prepare(['cat', 'dog']);
    const { folder } = await start();
    const { trees, step, config, seed, environment, state } = await loadCheckpoint(folder.checkpoints);
    const { data: _, ...bare } = state as { data: unknown; sample: number };
    rmSync(folder.checkpoints, { recursive: true });
    rmSync(folder.data);
    await saveCheckpoint(folder.checkpoints, { trees, step, config, seed: seed!, environment, state: bare });
    prepare(['ant', 'bee']);
    expect((await start(['training.steps=4'], { resume: true })).steps).toBe(4);
    expect(readDataRecord(folder)!.classes).toEqual(['ant', 'bee']);
    prepare(['cat', 'dog']);
    await expect(start(['training.steps=6'], { resume: true })).rejects.toThrow("class 0 was 'ant' and is 'cat'");
  });
});

describe('videos that are too short for a clip', () => {
  /** The first videos of the index get one frame. */
  function shorten(number: number): void {
    const file = join(shards, 'index.json');
    const index = JSON.parse(readFileSync(file, 'utf8'));
    for (const video of index.shards[0].videos.slice(0, number)) video.numFrames = 1;
    writeFileSync(file, JSON.stringify(index));
  }
  const left =
    "2 of 5 videos have fewer than the 2 frames that a clip spans, and are left out. Nothing is left of 'cat'.";

  it('are told of and recorded, in a dry run, too', async () => {
    prepare(['cat', 'cat', 'dog', 'dog', 'dog']);
    shorten(2);
    const { config, folder } = await start(['data.maxTooShort=0.4']);
    expect(said.mock.calls.flat()).toContain(`${shards}: ${left}`);
    const record = { videos: 5, tooShort: 2, span: 2, emptyClasses: ['cat'] };
    expect(readDataRecord(folder)).toMatchObject(record);
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000)); // a dry run measures for seconds
    expect(dryRun({ config, root, start: 'new', eager: true }).data).toMatchObject(record);
    clock.mockRestore();
  });

  it('end a run, before its first step, where they are more than it allows', async () => {
    prepare(['cat', 'cat', 'dog', 'dog', 'dog']);
    shorten(2);
    await expect(start()).rejects.toThrow(`${left} That is more than 5 %: choose a smaller data.numFrames`);
    expect(() => dryRun({ config: configOf(), root, start: 'new', eager: false })).toThrow('more than 5 %');
    expect(existsSync(join(root, 'metrics.jsonl'))).toBe(false);
    expect((await start(['data.maxTooShort=1'])).steps).toBe(2); // the failed start is not in its way
  });
});
