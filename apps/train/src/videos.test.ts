import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@eflow/checkpoint';
import { useTensorFlow } from '@eflow/engine';
import {
  createRunFolder,
  loadConfig,
  openRunFolder,
  readMeasurements,
  readMetrics,
  type StepMeasurement,
} from '@eflow/run';
import { ALL_FORMATS, FilePathSource, Input } from 'mediabunny';
import { afterAll, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { fixtureState } from '../../../packages/fvd/fixtures/i3d-weights.ts';
import { train } from './train.ts';

vi.spyOn(console, 'log').mockImplementation(() => {});
vi.spyOn(console, 'error').mockImplementation(() => {});

const root = mkdtempSync(join(tmpdir(), 'videos-'));
afterAll(() => rmSync(root, { recursive: true }));

const repository = fileURLToPath(new URL('../../../', import.meta.url));

function command(script: string, ...args: string[]): string {
  const node = ['--import', 'tsx', '--conditions=@eflow/source', join(repository, script)];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, ...args], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Trains in this process, for what ends before its first step. */
async function start(name: string, configFile: string, changes: string[]): Promise<void> {
  const config = loadConfig(join(root, configFile), changes);
  const folder = createRunFolder(join(root, name), config);
  await train(config, folder, { engine: await useTensorFlow(), stopRequested: () => false });
}

it('goes from a film to a network to an mp4: prepare, 100 steps, sample', async () => {
  const film = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video/ocean.mp4');
  copyFileSync(film, join(root, 'ocean.mp4'));
  // Nine parts of a second each, in two classes: the first half of the film, and the second.
  const rows = Array.from({ length: 9 }, (_, i) => `ocean.mp4,${i < 5 ? 'early' : 'late'},${i},${i + 1}`);
  writeFileSync(join(root, 'parts.csv'), `path,label,start,end\n${rows.join('\n')}\n`);
  const shards = join(root, 'shards');
  const said = command('packages/data/src/cli.ts', 'prepare', join(root, 'parts.csv'), '--out', shards, '--size', '16');
  expect(said).toContain('9 videos seen = 9 ok + 0 short + 0 rejected');

  const config = {
    name: 'ocean',
    data: {
      kind: 'videos',
      folder: shards,
      height: 16,
      width: 16,
      numFrames: 8,
      numClasses: 2,
      frameStride: 2,
      flip: true,
    },
    network: {
      patchSize: [8, 4, 4],
      hiddenSize: 24,
      depth: [1, 1, 1],
      numHeads: 2,
      attention: { kind: 'glga', windowSize: 4 },
    },
    objective: { kind: 'eflow', targetMixRatio: 1, guidanceScale: 1 },
    optimizer: { learningRate: 3e-3, warmupSteps: 5, emaDecay: 0.9 },
    training: { batchSize: 8, steps: 100, keepRatio: 1, previewEvery: 100, previewClips: 2 },
  };
  writeFileSync(join(root, 'ocean.yaml'), stringify(config));
  const run = join(root, 'run');
  command('apps/train/src/main.ts', join(root, 'ocean.yaml'), '--out', run);
  const losses = readMetrics(openRunFolder(run).folder).map(({ velocityLoss }) => velocityLoss);
  const mean = (part: number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length;
  expect(losses).toHaveLength(100);
  expect(mean(losses.slice(-20))).toBeLessThan(0.85 * mean(losses.slice(0, 5)));

  command('apps/sample/src/main.ts', run, '--steps', '4', '--count', '4', '--out', join(root, 'samples'));
  const input = new Input({ source: new FilePathSource(join(root, 'samples/samples.mp4')), formats: ALL_FORMATS });
  const stats = await (await input.getPrimaryVideoTrack())!.computePacketStats();
  expect(stats.packetCount).toBe(8);
  expect(JSON.parse(readFileSync(join(root, 'samples/samples.json'), 'utf8'))).toMatchObject({ labels: [0, 1, 0, 1] });
});

it('measures FVD while it trains, with the weights of I3D that it is given', async () => {
  const weights = join(root, 'i3d.safetensors');
  await writeSafetensors(
    weights,
    [...fixtureState()].map(([name, x]) => [name, { dtype: 'F32', ...x }]),
  );
  const changes = [
    'training.steps=2',
    'optimizer.warmupSteps=0',
    'training.previewEvery=0',
    'measurement.every=2',
    'measurement.clips=4',
    'data.maxTooShort=0.2',
  ];
  const long = ['data.numFrames=10', 'network.patchSize=10,4,4'];
  const index = join(root, 'shards/index.json');
  const { shards, ...rest } = JSON.parse(readFileSync(index, 'utf8'));
  shards[0].videos[0].numFrames = 5; // too short for a clip
  writeFileSync(index, JSON.stringify({ ...rest, shards }));
  const given = `measurement.i3dWeights=${weights}`;
  const args = [join(root, 'ocean.yaml'), ...changes, ...long, given, '--out', join(root, 'measured')];
  const stdout = command('apps/train/src/main.ts', ...args);
  expect(stdout).toMatch(
    /step 2: FVD \S+, kernel distance .* \(4 generated against 4 real clips, I3D, logits, weights unknown \(sha256 [0-9a-f]{12}\); 1 of 9 videos are too short for a clip\)/,
  );
  const [{ protocol, data }] = readMeasurements(openRunFolder(join(root, 'measured')).folder) as [StepMeasurement];
  expect(data).toEqual({ videos: 9, tooShort: 1 });
  expect(protocol).toMatchObject({ feature: 'logits', numFrames: 10, frameStride: 2, covarianceRule: 'N' });
  expect(protocol.resize).toEqual({ rule: 'bilinear', height: 224, width: 224, crop: 'none' });

  await expect(start('without', 'ocean.yaml', [...changes, ...long])).rejects.toThrow(
    'measurement.i3dWeights is not: FVD is of I3D',
  );
  await expect(start('short', 'ocean.yaml', [...changes, given])).rejects.toThrow(
    'clips of 8 frames; I3D needs at least 9',
  );
  expect(existsSync(join(root, 'short/metrics.jsonl'))).toBe(false); // before a step was made

  for (const i of [3, 7]) shards[0].videos[i].path = 'other.mp4';
  writeFileSync(index, JSON.stringify({ ...rest, shards }));
  const list = join(root, 'held-out.txt');
  writeFileSync(list, 'other.mp4');
  await expect(start('few', 'ocean.yaml', [...changes, ...long, given, `data.heldOut=${list}`])).rejects.toThrow(
    'there are 2 real clips to measure against; at least 3 are needed: hold out more videos by data.heldOut',
  );
  expect(existsSync(join(root, 'few/metrics.jsonl'))).toBe(false);
});

it('says what the config must be where the videos are of another size', async () => {
  const config = readFileSync(join(root, 'ocean.yaml'), 'utf8').replace('numClasses: 2', 'numClasses: 3');
  writeFileSync(join(root, 'other.yaml'), config);
  await expect(start('other', 'other.yaml', ['data.maxTooShort=0.2'])).rejects.toThrow(
    'clips of 8 x 16 x 16 x 3 in 3 classes, and those that there are of 8 x 16 x 16 x 3 in 2',
  );
});
