/**
 * `pnpm test:resume`: kills training on video clips with SIGKILL at several steps, starts the same command again, and compares
 * with a run that was never stopped: the bits of every loss, held-out ones included, the SHA-256 of all weights, averages and moments, and
 * which checkpoint is the best.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { appFile, endOf, runProgram } from '@eflow/cli';
import { prepareVideos } from '@eflow/data';
import { LOSS_TERMS } from '@eflow/flow';
import { findCheckpoint, openRunFolder, readHeldOut, readMetrics } from '@eflow/run';
import { Command, Option } from 'commander';
import { FILMS } from './films.ts';

const TRAIN = fileURLToPath(appFile('train'));
/** 48 videos in batches of 16: an epoch has three steps. */
const [STEPS, VIDEOS, STEPS_PER_EPOCH] = [33, 48, 3];
const work = mkdtempSync(join(tmpdir(), 'eflow-resume-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
const shards = join(work, 'shards');
/** The list of the film that is held out. */
const heldOut = join(work, 'held-out.txt');
/** The last stage of training keeps all tokens: a resume crosses from one graph to the other. */
const CONFIG = [
  'digits-tiny',
  `data={ kind: videos, folder: ${shards}, height: 16, width: 16, numFrames: 8, numClasses: 2, flip: true, heldOut: ${heldOut} }`,
  ...['network.hiddenSize=24', 'network.depth=1,1,1', 'training.keepRatio=0.5', 'training.denseTail=0.25'],
  ...['training.batchSize=16', `training.steps=${STEPS}`, 'training.previewEvery=0', 'optimizer.warmupSteps=2'],
  ...['training.checkpointEverySeconds=0.5', 'training.spikeDeviations=6'],
  ...['measurement.heldOutEvery=3', 'measurement.heldOutBatches=1', 'training.keepBest=heldOutVelocityLoss'],
];
/** What is killed: all of the processes, as a machine's end does, the one that trains, or the one that watches it. */
const CASES: { kill: 'all' | 'worker' | 'supervisor'; after: number; when: string }[] = [
  { kill: 'all', after: 0, when: 'before the first step' },
  { kill: 'all', after: 1, when: 'after the first step' },
  { kill: 'all', after: 4 * STEPS_PER_EPOCH + 1, when: 'in the middle of an epoch' },
  { kill: 'all', after: 6 * STEPS_PER_EPOCH, when: 'at the end of an epoch' },
  { kill: 'all', after: STEPS - 1, when: 'at the last step' },
  { kill: 'worker', after: 16, when: 'half-way' },
  { kill: 'supervisor', after: 16, when: 'half-way' },
];

async function main({ optimizer }: { optimizer: string }): Promise<void> {
  CONFIG.push(`optimizer.kind=${optimizer}`);
  await prepareClips();
  let failures = 0;
  const whole = await describe(await finish(join(work, 'whole')));
  for (const [i, { kill, after, when }] of CASES.entries()) {
    const root = join(work, `case-${i}`);
    const killedAt = await killOnce(root, kill, after);
    const outcome = await describe(await finish(root));
    const same = (['losses', 'weights', 'heldOut', 'best'] as const).every((part) => outcome[part] === whole[part]);
    if (!same) failures++;
    console.log(
      `${same ? 'equal' : 'DIFFERENT'}: ${kill} killed ${when} (${killedAt} of ${STEPS} steps were logged); losses ${outcome.losses.slice(0, 12)}, weights ${outcome.weights.slice(0, 12)}, held-out losses ${outcome.heldOut.slice(0, 12)}, best ${outcome.best}`,
    );
  }
  console.log(
    `${CASES.length - failures} of ${CASES.length} runs are equal, to the bit, to the one that was never stopped`,
  );
  if (failures > 0) process.exitCode = 1;
}

/** Parts of a film, in two classes. */
async function prepareClips(): Promise<void> {
  const source = join(work, 'source');
  mkdirSync(source);
  for (const name of ['ocean.mp4', 'other.mp4']) copyFileSync(FILMS.mp4, join(source, name));
  writeFileSync(heldOut, 'other.mp4\n');
  const partOf = (name: string, i: number) => `${name},${i % 2},${0.18 * i},${0.18 * i + 0.8}`;
  const rows = Array.from({ length: VIDEOS }, (_, i) => partOf('ocean.mp4', i));
  for (let i = 0; i < 8; i++) rows.push(partOf('other.mp4', i));
  writeFileSync(join(source, 'list.csv'), `path,label,start,end\n${rows.join('\n')}\n`);
  await prepareVideos({ source: { path: join(source, 'list.csv') }, out: shards, height: 16, width: 16 });
}

function start(root: string): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, TRAIN, ...CONFIG, '--out', root], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
}

/** Runs the command to its end; returns the run's folder. Throws what it said if it failed. */
async function finish(root: string): Promise<string> {
  const { code, stderr } = await endOf(start(root));
  if (code !== 0) throw new Error(`train ended with ${code}: ${stderr}`);
  return root;
}

/** Starts the command and kills it once so many steps are logged; returns how many were. */
async function killOnce(root: string, kill: 'all' | 'worker' | 'supervisor', after: number): Promise<number> {
  const child = start(root);
  const logged = () => countLines(join(root, 'metrics.jsonl'));
  const lock = join(root, 'train.lock');
  while (after === 0 ? !existsSync(lock) : logged() < after) {
    if (child.exitCode !== null) throw new Error(`train ended with ${child.exitCode} before it could be killed`);
    await setTimeout(2);
  }
  const steps = logged();
  switch (kill) {
    case 'all':
      process.kill(-child.pid!, 'SIGKILL');
      await once(child, 'close');
      break;
    case 'worker':
      process.kill(JSON.parse(readFileSync(lock, 'utf8')).pid, 'SIGKILL');
      await once(child, 'close'); // its supervisor has started it again, and it is done
      break;
    case 'supervisor':
      child.kill('SIGKILL'); // the worker ends by itself, after its step
      break;
  }
  return steps;
}

function countLines(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

/** Digests of all losses and of the last checkpoint's tensors, and the name of the best checkpoint. */
async function describe(root: string): Promise<{ losses: string; weights: string; heldOut: string; best: string }> {
  const { folder, config } = openRunFolder(root);
  const metrics = readMetrics(folder);
  if (metrics.map(({ step }) => step).join() !== Array.from({ length: STEPS }, (_, i) => i).join()) {
    throw new Error(`${root}: metrics.jsonl has the steps ${metrics.map(({ step }) => step).join(' ')}`);
  }
  const timeless = metrics.map(({ loss, gradNorm, learningRate, ...rest }) =>
    JSON.stringify([loss, gradNorm, learningRate, ...LOSS_TERMS.map(({ name }) => rest[name])]),
  );
  const last = join(folder.checkpoints, `step-${String(STEPS).padStart(6, '0')}`);
  const files = readdirSync(last).filter((name) => name.endsWith('.safetensors'));
  const tensors = files.sort().map((name) => digest(readFileSync(join(last, name))));
  const heldOut = readHeldOut(folder).map(({ seconds: _, ...rest }) => JSON.stringify(rest));
  const best = basename(findCheckpoint(folder, config, 'best'));
  return { losses: digest(timeless.join()), weights: digest(tensors.join()), heldOut: digest(heldOut.join()), best };
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

const program = new Command('test:resume')
  .description('Kills training at several steps, starts it again, and compares with a run that was never stopped.')
  .addOption(new Option('--optimizer <kind>', 'that trains').choices(['adamw', 'muon']).default('adamw'))
  .action(main);
await runProgram(program);
